/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of /proc share. */
#ifndef SENTRY_FS_PROC_PROC_H
#define SENTRY_FS_PROC_PROC_H

#include "sentry/fs/kernfs/kernfs.h"

struct cred;
struct fdtable;
struct fs_context;
struct mm;
struct task;
struct thread_group;

/* kernfs_node.flags: opening, readlink and following want ptrace access to the task. */
#define PROC_PTRACE 256u

struct proc_fs {
    struct filesystem fs;
    char boot_id[40]; /* immutable */
};
static inline struct proc_fs *proc_fs(struct inode *inode)
{
    return container_of(inode->fs, struct proc_fs, fs);
}

/* Inode of something below /proc/PID or /proc/PID/task/TID. */
struct proc_inode {
    struct kernfs_inode k;
    struct thread_group *group; /* referenced; immutable */
    struct task *task; /* referenced; immutable. NULL = whoever leads group (exec changes that) */
    int tid;           /* the number in the path; immutable */
    bool whole;        /* below /proc/PID: figures of the process, not of one thread */
    int fd;            /* below fd/ and fdinfo/ */
};
static inline struct proc_inode *proc_i(struct inode *inode)
{
    return container_of(inode, struct proc_inode, k.inode);
}

/* ---- task_dir.c ---- */

/* The live (or zombie) task of an inode, referenced; NULL when it has been reaped. Takes TASKS. */
struct task *proc_task_get(struct inode *inode);
/* Same directory of the same task as parent, for a node below it. */
struct proc_inode *proc_inode_new(struct proc_inode *parent, const struct kernfs_node *node,
                                  u64 code);
/* The directory of a process (whole) or thread. TASKS is not held. */
int proc_task_dir_new(struct filesystem *fs, struct task *t, bool whole, struct inode **out);
u64 proc_task_ino(int tid, bool whole);
/* Lookup of a number in /proc. */
int proc_pid_lookup(struct filesystem *fs, struct dentry *d);
bool proc_parse_number(const char *s, size_t n, int *out);
/* As fs_ops.point_is_dead: its task has been reaped. */
bool proc_point_is_dead(struct dentry *d);
/* Attributes: owner from the task. */
int proc_getattr(struct inode *inode, struct linux_stat *st);
int proc_revalidate(struct dentry *d);
int proc_open(struct inode *inode, struct dentry *d, struct file *f);
void proc_destroy(struct inode *inode);
/* 0 or -EACCES: current may look into t. */
int proc_may_access(struct task *t);
/* The same with the task of inode: referenced in *out, or -ESRCH, -EACCES. */
int proc_task_access(struct inode *inode, struct task **out);
extern const struct inode_ops g_proc_file_iops, g_proc_dir_iops, g_proc_tgid_iops;

/* Referenced resources of any task; NULL when it has given them up. */
struct fdtable *proc_files_get(struct task *t);
struct fs_context *proc_fs_context_get(struct task *t);

/* ---- operations that the table of nodes refers to ---- */

extern const struct inode_ops g_proc_self_iops, g_proc_thread_self_iops;
extern const struct inode_ops g_proc_task_iops, g_proc_fd_dir_iops, g_proc_fdinfo_dir_iops;
extern const struct file_ops g_proc_task_fops, g_proc_fd_dir_fops, g_proc_fdinfo_dir_fops;
/* Magic links: node.data is a struct proc_link. */
extern const struct inode_ops g_proc_link_iops;
struct proc_link {
    int (*get)(struct inode *inode, struct task *t, struct vfs_path *out);
};
extern const struct proc_link g_proc_exe_link, g_proc_cwd_link, g_proc_root_link, g_proc_fd_link;
/* node.arg is the namespace's initial inode number; its name stands in node.text. */
extern const struct inode_ops g_proc_ns_iops;
extern const struct file_ops g_proc_mem_fops, g_proc_environ_fops, g_proc_cmdline_fops;
extern const struct inode_ops g_proc_mem_iops;

extern const struct kernfs_node g_proc_root_node;
extern const struct kernfs_node g_proc_tgid_node, g_proc_tid_node; /* /proc/PID, .../task/TID */
extern const struct kernfs_node g_proc_sys_nodes[], g_proc_net_nodes[], g_proc_ns_nodes[];
/* Index of cookies in /proc where the numbers start. */
#define PROC_PID_COOKIE 256u

/* show functions of process files */
int proc_show_text(struct inode *inode, struct ktext *t); /* node.text, while the task is there */
int proc_show_stat(struct inode *inode, struct ktext *t);
int proc_show_statm(struct inode *inode, struct ktext *t);
int proc_show_status(struct inode *inode, struct ktext *t);
int proc_show_maps(struct inode *inode, struct ktext *t);
int proc_show_smaps_rollup(struct inode *inode, struct ktext *t);
int proc_show_auxv(struct inode *inode, struct ktext *t);
int proc_show_mounts(struct inode *inode, struct ktext *t);
int proc_show_limits(struct inode *inode, struct ktext *t);
int proc_show_comm(struct inode *inode, struct ktext *t);
int proc_store_comm(struct inode *inode, const char *buf, size_t n);
int proc_show_oom_score(struct inode *inode, struct ktext *t);
int proc_show_oom_score_adj(struct inode *inode, struct ktext *t);
int proc_store_oom_score_adj(struct inode *inode, const char *buf, size_t n);
int proc_show_timerslack(struct inode *inode, struct ktext *t);
int proc_store_timerslack(struct inode *inode, const char *buf, size_t n);
int proc_show_schedstat(struct inode *inode, struct ktext *t);
int proc_show_sched(struct inode *inode, struct ktext *t);
int proc_show_personality(struct inode *inode, struct ktext *t);
int proc_show_syscall(struct inode *inode, struct ktext *t);
int proc_show_children(struct inode *inode, struct ktext *t);
int proc_show_fdinfo(struct inode *inode, struct ktext *t);
int proc_store_id_map(struct inode *inode, const char *buf, size_t n);

/* show functions of the system's files */
int proc_show_cpuinfo(struct inode *inode, struct ktext *t);
int proc_show_meminfo(struct inode *inode, struct ktext *t);
int proc_show_system_stat(struct inode *inode, struct ktext *t);
int proc_show_uptime(struct inode *inode, struct ktext *t);
int proc_show_loadavg(struct inode *inode, struct ktext *t);
int proc_show_version(struct inode *inode, struct ktext *t);
int proc_show_filesystems(struct inode *inode, struct ktext *t);
int proc_show_vmstat(struct inode *inode, struct ktext *t);
/* Starts to measure the frequency. */
void proc_cpuinfo_init(void);
/* Random (version 4) UUID into out[37]. */
void proc_make_uuid(char *out);

#endif
