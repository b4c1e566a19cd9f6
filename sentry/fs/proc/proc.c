/* SPDX-License-Identifier: Apache-2.0 */
/* /proc: the filesystem, its root directory with the numbers, self and thread-self. */
#include "sentry/fs/proc/proc.h"

#include "abi/linux/dirent.h"
#include "abi/linux/statfs.h"
#include "cvisor/kcache.h"
#include "sentry/fs/mounts.h"
#include "sentry/kernel/pidtab.h"
#include "sentry/kernel/task.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

KCACHE(proc_fs);

static void proc_fs_destroy(struct filesystem *fs)
{
    kcache_free(proc_fs, container_of(fs, struct proc_fs, fs));
}

static const struct fs_ops g_proc_fs_ops = {
    .walk = vfs_walk_generic,
    .point_is_dead = proc_point_is_dead,
    .destroy = proc_fs_destroy,
};

int proc_fs_new(struct filesystem **fs, struct dentry **root)
{
    struct proc_fs *p = kcache_alloc(proc_fs);
    int err;

    if (!p)
        return -ENOMEM;
    proc_make_uuid(p->boot_id);
    proc_cpuinfo_init();
    err = kernfs_init(&p->fs, "proc", LINUX_PROC_SUPER_MAGIC, &g_proc_fs_ops, FS_REVALIDATE,
                      &g_proc_root_node, root);
    if (err)
        return err;
    *fs = &p->fs;
    return 0;
}

static int proc_mount(const char *source, u64 flags, const char *data, struct filesystem **fs,
                      struct dentry **root)
{
    /* What would hide processes is not there: say so instead of showing them. */
    if (data && *data && strcmp(data, "hidepid=0") && strcmp(data, "hidepid=off") &&
        strncmp(data, "gid=", 4))
        return -EINVAL;
    return proc_fs_new(fs, root);
}

extern const struct fs_type g_proc_type;
const struct fs_type g_proc_type = {.name = "proc", .mount = proc_mount, .user_mount = true};

/* ---- root directory -------------------------------------------------------------------------- */

static int root_lookup(struct inode *dir, struct dentry *d)
{
    int err = kernfs_lookup(dir, d);

    return err == -ENOENT ? proc_pid_lookup(dir->fs, d) : err;
}

/* The process with the lowest number >= from, or 0. */
static int next_tgid(int from)
{
    struct task *t;
    int tgid;

    rwlock_rdlock(&g_tasks_lock);
    t = pidtab_next_leader(from);
    tgid = t ? t->tid : 0;
    rwlock_rdunlock(&g_tasks_lock);
    return tgid;
}

static int root_iterate(struct file *f, struct dir_emit *e)
{
    char name[16];
    int tgid;

    if (f->pos < PROC_PID_COOKIE) {
        if (!kernfs_emit_children(f, e))
            return 0;
        f->pos = PROC_PID_COOKIE;
    }
    while (f->pos - PROC_PID_COOKIE < TID_MAX &&
           (tgid = next_tgid((int)(f->pos - PROC_PID_COOKIE))) != 0) {
        int n = snprintf(name, sizeof(name), "%d", tgid);
        u64 next = PROC_PID_COOKIE + (u64)tgid + 1;

        if (!dir_emit(e, name, (size_t)n, proc_task_ino(tgid, true), LINUX_DT_DIR, next))
            return 0;
        f->pos = next;
    }
    return 0;
}

static int count_group(struct thread_group *g, void *arg)
{
    ++*(u32 *)arg;
    return 0;
}

static int root_getattr(struct inode *inode, struct linux_stat *st)
{
    u32 groups = 0;

    inode_fill_stat(inode, st);
    group_for_each(count_group, &groups);
    st->st_nlink += groups;
    return 0;
}

static const struct inode_ops g_root_iops = {
    .lookup = root_lookup,
    .getattr = root_getattr,
    .setattr = kernfs_setattr,
    .destroy = kernfs_destroy,
};

static const struct file_ops g_root_fops = {
    .iterate = root_iterate,
    .llseek = kernfs_llseek,
};

/* ---- self ------------------------------------------------------------------------------------ */

static int self_readlink(struct inode *inode, char **target)
{
    if (!current)
        return -ENOENT;
    *target = kasprintf("%d", current->group->id);
    return *target ? 0 : -ENOMEM;
}

static int thread_self_readlink(struct inode *inode, char **target)
{
    if (!current)
        return -ENOENT;
    *target = kasprintf("%d/task/%d", current->group->id, current->tid);
    return *target ? 0 : -ENOMEM;
}

const struct inode_ops g_proc_self_iops = {
    .readlink = self_readlink,
    .setattr = kernfs_setattr,
    .destroy = kernfs_destroy,
};

const struct inode_ops g_proc_thread_self_iops = {
    .readlink = thread_self_readlink,
    .setattr = kernfs_setattr,
    .destroy = kernfs_destroy,
};

/* ---- the tree -------------------------------------------------------------------------------- */

#define DIR_MODE (LINUX_S_IFDIR | 0555)
#define FILE_RO (LINUX_S_IFREG | 0444)
#define LINK_MODE (LINUX_S_IFLNK | 0777)

static const char g_devices[] = "Character devices:\n"
                                "  1 mem\n"
                                "  5 /dev/tty\n"
                                "  5 /dev/console\n"
                                "  5 /dev/ptmx\n"
                                " 10 misc\n"
                                "136 pts\n"
                                "\nBlock devices:\n";

static const char g_shm[] =
    "       key      shmid perms                  size  cpid  lpid nattch   uid   gid"
    "  cuid  cgid      atime      dtime      ctime                   rss      "
    "            swap\n";
static const char g_sem[] =
    "       key      semid perms      nsems   uid   gid  cuid  cgid      otime "
    "     ctime\n";
static const char g_msg[] =
    "       key      msqid perms      cbytes       qnum lspid lrpid   uid   gid  "
    "cuid  cgid      stime      rtime      ctime\n";

static const struct kernfs_node g_sysvipc_nodes[] = {
    {.name = "msg", .mode = FILE_RO, .text = g_msg},
    {.name = "sem", .mode = FILE_RO, .text = g_sem},
    {.name = "shm", .mode = FILE_RO, .text = g_shm},
    {0},
};

static const struct kernfs_node g_root_nodes[] = {
    {.name = "cmdline", .mode = FILE_RO, .text = "BOOT_IMAGE=/vmlinuz quiet\n"},
    {.name = "cpuinfo", .mode = FILE_RO, .show = proc_show_cpuinfo},
    {.name = "devices", .mode = FILE_RO, .text = g_devices},
    {.name = "diskstats", .mode = FILE_RO, .text = ""},
    {.name = "filesystems", .mode = FILE_RO, .show = proc_show_filesystems},
    {.name = "loadavg", .mode = FILE_RO, .show = proc_show_loadavg},
    {.name = "meminfo", .mode = FILE_RO, .show = proc_show_meminfo},
    {.name = "modules", .mode = FILE_RO, .text = ""},
    {.name = "mounts", .mode = LINK_MODE, .text = "self/mounts"},
    {.name = "net", .mode = LINK_MODE, .text = "self/net"},
    {.name = "partitions", .mode = FILE_RO, .text = "major minor  #blocks  name\n\n"},
    {.name = "self", .mode = LINK_MODE, .iops = &g_proc_self_iops},
    {.name = "stat", .mode = FILE_RO, .show = proc_show_system_stat},
    {.name = "swaps",
     .mode = FILE_RO,
     .text = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"},
    {.name = "sys", .mode = DIR_MODE, .children = g_proc_sys_nodes},
    {.name = "sysvipc", .mode = DIR_MODE, .children = g_sysvipc_nodes},
    {.name = "thread-self", .mode = LINK_MODE, .iops = &g_proc_thread_self_iops},
    {.name = "uptime", .mode = FILE_RO, .show = proc_show_uptime},
    {.name = "version", .mode = FILE_RO, .show = proc_show_version},
    {.name = "vmstat", .mode = FILE_RO, .show = proc_show_vmstat},
    {0},
};

const struct kernfs_node g_proc_root_node = {
    .name = "",
    .mode = DIR_MODE,
    .children = g_root_nodes,
    .iops = &g_root_iops,
    .fops = &g_root_fops,
};
