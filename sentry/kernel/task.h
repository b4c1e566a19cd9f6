/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tasks, thread groups, process groups and sessions. The task tree (parents, children, groups,
 * numbers) is guarded by g_tasks_lock (rank TASKS). Fields marked "self" are touched only by the task's own
 * thread, inside an event.
 */
#ifndef SENTRY_KERNEL_TASK_H
#define SENTRY_KERNEL_TASK_H

#include "abi/linux/limits.h"
#include "abi/linux/resource.h"
#include "abi/linux/sigcontext.h"
#include "abi/linux/signal.h"
#include "abi/linux/time.h"
#include "cvisor/arch.h"
#include "cvisor/list.h"
#include "cvisor/lock.h"
#include "cvisor/platform.h"
#include "cvisor/refs.h"
#include "sentry/kernel/cred.h"
#include "sentry/kernel/waitq.h"
#include "sentry/syscalls/args.h"
#include "sentry/vfs/vfs.h"

struct cpu_limit;
struct fdtable;
struct mm;
struct posix_timers;
struct session;
struct tty;

/* ---- working directory, root, umask: shared by CLONE_FS ------------------------------------- */

struct fs_context {
    struct ref refs;
    struct mutex lock; /* rank FS_CONTEXT */
    struct vfs_path root, cwd;
    u32 umask;
    /* Path walks of the only user that borrow root, and the root that pivot_root took away from
     * under them. owner: kernel/fs_context.c */
    _Atomic u32 borrowed;
    struct vfs_path old_root; /* lock to change; its dentry is looked at without */
};
struct fs_context *fs_context_new(const struct vfs_path *root, const struct vfs_path *cwd,
                                  u32 umask);
struct fs_context *fs_context_copy(struct fs_context *fs);
void fs_context_get(struct fs_context *fs);
void fs_context_put(struct fs_context *fs);
/* Referenced copies. */
void fs_context_root(struct fs_context *fs, struct vfs_path *out);
void fs_context_cwd(struct fs_context *fs, struct vfs_path *out);
u32 fs_context_umask(struct fs_context *fs);
u32 fs_context_set_umask(struct fs_context *fs, u32 umask); /* the old one */
/* Each takes references of its own. */
void fs_context_set_cwd(struct fs_context *fs, const struct vfs_path *p);
void fs_context_set_root(struct fs_context *fs, const struct vfs_path *p);
/* pivot_root: in every task, root and cwd that are `from` become `to`. */
void fs_context_replace_root(const struct vfs_path *from, const struct vfs_path *to);
/* A path walk ends that had borrowed fs->root. */
void fs_context_return_root(struct fs_context *fs);

/* ---- signals ------------------------------------------------------------------------------- */

#define NSIG 64
typedef u64 sigset64; /* bit sig-1 */
static inline sigset64 sig_bit(int sig)
{
    return 1ull << (sig - 1);
}

struct sigqueue_entry {
    struct list_head node;
    struct linux_siginfo info;
    struct posix_timer *timer; /* SI_TIMER: overrun is taken at delivery; else NULL */
    u32 uid;                   /* whose RLIMIT_SIGPENDING it counts against */
    bool counted;
};

struct sigpending {
    sigset64 set;
    struct list_head queue; /* struct sigqueue_entry, in order */
};

struct sigaction_k { /* handler 0 = default, 1 = ignore */
    u64 handler, flags, restorer;
    sigset64 mask;
};

/* Actions: shared by CLONE_SIGHAND. The lock (rank SIGHAND) also guards the signal state of every
 * task and thread group that uses it. */
struct sighand {
    struct ref refs;
    struct mutex lock;
    struct sigaction_k actions[NSIG + 1];
};

struct old_sighand {
    struct old_sighand *next;
    struct sighand *sighand; /* referenced */
};

/* ---- thread groups ------------------------------------------------------------------------- */

struct process_group {
    struct ref refs;
    int id;
    struct session *session;  /* referenced; immutable */
    struct list_head members; /* thread_group.pgrp_node; TASKS */
    struct list_head session_node;
};

struct session {
    struct ref refs;
    int id;
    struct tty *tty;                  /* controlling terminal; TASKS */
    struct list_head groups;          /* TASKS */
    struct process_group *foreground; /* TASKS; of tty */
    struct thread_group *leader;      /* TASKS; NULL after it exited */
};

enum group_stop { GROUP_RUNNING, GROUP_STOPPING, GROUP_STOPPED };

struct rusage_k {
    u64 utime_ns, stime_ns;
    u64 minflt, majflt, nvcsw, nivcsw, inblock, oublock;
    u64 maxrss; /* bytes */
};

struct thread_group { /* a process */
    struct ref refs;
    int id;                 /* tgid; immutable */
    struct task *leader;    /* TASKS */
    struct list_head tasks; /* task.group_node; TASKS */
    int nthreads;           /* live tasks, TASKS */

    struct thread_group *parent; /* TASKS; NULL for init */
    struct list_head children;   /* thread_group.sibling; TASKS */
    struct list_head sibling;    /* TASKS */
    struct process_group *pgrp;  /* referenced; TASKS */
    struct list_head pgrp_node;  /* TASKS */
    bool did_exec;               /* setpgid of a child: EACCES. TASKS */
    _Atomic bool child_subreaper;
    int exit_signal;          /* to the parent; TASKS */
    _Atomic bool zombie;      /* leader dead and every thread gone; reapable. TASKS to change */
    int exit_code;            /* wait status. sighand->lock; immutable once nthreads is 0 */
    struct waitq child_waitq; /* wait4 of this process; SIGCHLD events */

    /* Referenced; exec replaces a shared one. From outside: group_lock_sighand(). */
    struct sighand *_Atomic sighand;
    struct old_sighand *old_sighands; /* replaced by exec; kept until the group is freed */
    u32 nold_sighands;
    struct sigpending pending; /* process-directed; sighand->lock */
    struct waitq signal_waitq; /* signalfd */
    enum group_stop stop;      /* sighand->lock */
    int stop_signal;           /* sighand->lock */
    int stop_count;            /* tasks still to stop; sighand->lock */
    bool stop_reported;        /* the parent got its SIGCHLD for this stop; sighand->lock */
    bool stop_wait_pending;    /* wait4 WUNTRACED has not taken it yet; sighand->lock */
    bool cont_pending;         /* wait4 WCONTINUED has not taken it yet; sighand->lock */
    bool cont_notify;          /* the parent has still to get CLD_CONTINUED; sighand->lock */
    u32 sig_queued;            /* entries in all queues; sighand->lock */
    bool leader_exited;        /* sighand->lock */
    /* exit_code is set. Changed under sighand->lock; atomic for exit.c, which looks at ancestors. */
    _Atomic bool group_exiting;
    struct task *exec_task; /* task that is in de_thread; sighand->lock */

    struct mutex rlimit_lock; /* rank LEAF */
    struct linux_rlimit rlimits[LINUX_RLIM_NLIMITS];
    struct rusage_k self_usage, children_usage; /* of dead threads; of reaped children. TASKS */
    u64 start_ns;                               /* CLOCK_MONOTONIC */
    struct cpu_limit *_Atomic cpu_limit;        /* owner: kernel/cpu_limit.c */
    struct posix_timers *_Atomic timers;        /* owner: kernel/posix_timer.c */
    _Atomic s32 oom_score_adj;
};

/* ---- tasks --------------------------------------------------------------------------------- */

enum task_state {
    TASK_RUNNING,
    TASK_SLEEPING,
    TASK_UNINTERRUPTIBLE,
    TASK_STOPPED,
    TASK_TRACED,
    TASK_ZOMBIE,
    TASK_DEAD
};

#define TASK_COMM_LEN 16 /* with the terminating NUL */

struct task {
    struct ref refs;
    /* Immutable, but exec by a non-leader takes the leader's: changed under TASKS (write) */
    _Atomic int tid;
    struct thread_group *group;  /* referenced; immutable */
    struct list_head group_node; /* TASKS */
    struct platform_thread
        *pt;           /* set before START; NULL once EXIT is near: SIGHAND to read from outside */
    _Atomic int state; /* enum task_state, for /proc and group stop */
    char comm[TASK_COMM_LEN]; /* res_lock: see task_get_comm() */

    /* Shared resources; pointers are changed by self under the LEAF lock res_lock, read by self
     * freely, by others (proc) under res_lock. */
    struct mutex res_lock;
    struct mm *mm;
    struct fdtable *files;
    struct fs_context *fs;
    struct mount_ns *mnt_ns;
    const struct cred *cred; /* referenced */

    /* Signals; sighand->lock unless said. */
    sigset64 blocked;      /* written by self under the lock; read by self freely */
    sigset64 real_blocked; /* sigtimedwait: signals it waits for are deliverable in `waiting` */
    sigset64 waiting;
    sigset64 saved_mask;         /* self: restored at the end of sigsuspend, ppoll, ... */
    bool restore_mask;           /* self */
    struct sigpending pending;   /* thread-directed */
    _Atomic bool signal_work;    /* something for task_signal_work(): checked at every return */
    _Atomic bool killed;         /* SIGKILL or group exit: blocking calls return at once */
    int forced_sig;              /* a synchronous fault that must be taken first */
    bool stop_pending;           /* takes part in the current group stop */
    struct linux_stack altstack; /* self */

    /* Blocking: see task_block(). */
    _Atomic u32 wake_seq; /* futex word */
    u32 wake_prepared;    /* self */

    /* Registers: valid inside an event; see regs.h. self */
    struct arch_regs regs;
    bool regs_valid, regs_dirty;
    /* Current syscall, ~0 when not in one: nothing to restart. Written by self; see task_set_syscall() */
    _Atomic u64 syscall_nr;
    s64 syscall_ret;                   /* its result so far, before signals are looked at */
    void *start_fp;                    /* kmalloc'ed FP state for START, or NULL */
    _Atomic bool in_event;             /* the platform has handed this task to the kernel */
    _Atomic bool sleeping;             /* in task_block */
    _Atomic bool exited;               /* task_exit() has begun */
    struct syscall_args syscall_args;  /* as entered: for restart. Written by self, atomically */
    s64 (*restart_fn)(struct task *t); /* ERESTART_RESTARTBLOCK */
    u64 restart_data[6];

    /* clone and exit */
    uaddr_t clear_child_tid; /* self */
    uaddr_t robust_list;     /* written by self; others read: atomic */
    u64 robust_len;
    struct task *vfork_parent; /* referenced; woken when this one execs or exits. self */
    _Atomic bool vfork_done;   /* on the parent */
    int exit_code;             /* wait status form, self until zombie */
    _Atomic int pdeath_signal; /* written by self; sent by the parent's exit */
    uaddr_t set_child_tid;     /* written by the child when it starts; self */

    /* accounting */
    u64 start_ns;
    _Atomic u64 utime_ns, stime_ns; /* approximations: guest time and sentry time */
    u64 last_event_ns;              /* written by self; others read it with __atomic_load_n */
    _Atomic u64 nvcsw;
    _Atomic u64 minflt;
    _Atomic u64 mm_maxrss; /* bytes; kept when the mm has gone */

    /* misc */
    _Atomic int nice;
    _Atomic u64 timerslack_ns;
    u64 cpu_mask[16]; /* sched_setaffinity, also by others; res_lock: see cpus.h */
    u64 rseq_addr;
    u32 rseq_len, rseq_sig;
    _Atomic u32 personality;   /* written by self */
    int mempolicy;             /* LINUX_MPOL_*, as set; self */
    _Atomic bool no_new_privs; /* written by self; never cleared */
    /* The platform has answers of ours: answers.c. Set by self, with TASKS held */
    bool answering;
    _Atomic int sched_policy, sched_priority;
    _Atomic bool sched_reset_on_fork;
    u64 fault_addr, fault_trapno, fault_err; /* for sigcontext; self */
};

extern struct rwlock g_tasks_lock;
extern struct thread_group *g_init; /* process 1 of the sandbox */
/* The task whose event this host thread handles; NULL on the sentry's own threads. */
extern _Thread_local struct task *current;

/* /proc looks at it at any time; that needs no order. Self. */
static inline void task_set_syscall(struct task *t, u64 nr)
{
    atomic_store_explicit(&t->syscall_nr, nr, memory_order_relaxed);
}

void task_get(struct task *t);
void task_put(struct task *t);
/* The name, of any task. Takes the LEAF lock res_lock. */
void task_get_comm(struct task *t, char out[TASK_COMM_LEN]);
void task_set_comm(struct task *t, const char comm[TASK_COMM_LEN]);
/* By number, referenced, or NULL. task_find takes TASKS for reading; _locked wants it held. */
struct task *task_find(int tid);
struct task *task_find_locked(int tid);
struct thread_group *group_find_locked(int tgid);
struct process_group *pgrp_find_locked(int id);
void group_get(struct thread_group *g);
void group_put(struct thread_group *g);
/* Locks (rank SIGHAND) and returns the sighand of a group, whatever exec does meanwhile. */
/* The soft limit: a change is seen sooner or later. */
static inline u64 group_rlimit(const struct thread_group *g, int which)
{
    return __atomic_load_n(&g->rlimits[which].rlim_cur, __ATOMIC_RELAXED);
}
struct sighand *group_lock_sighand(struct thread_group *g);
/* Calls fn for every thread group with TASKS held for reading; stops when it returns non-zero. */
int group_for_each(int (*fn)(struct thread_group *g, void *arg), void *arg);
/* Group tasks: the list changes under TASKS (write) and SIGHAND both; holding either one suffices to
 * walk it. */

/* ---- blocking ------------------------------------------------------------------------------ */

#define TASK_FOREVER 0ull
void task_prepare_block(struct task *t);
/* Sleeps until task_wake() since prepare (0), a deliverable signal or kill (-ERESTARTSYS), or the
 * deadline (CLOCK_MONOTONIC ns; -ETIMEDOUT). Holds no lock. May wake spuriously with 0. */
int task_block(struct task *t, u64 deadline_ns);
/* As task_block, but only SIGKILL ends it (-ERESTARTSYS). For vfork, de_thread, mandatory waits. */
int task_block_killable(struct task *t, u64 deadline_ns);
/* From anywhere, any locks. */
void task_wake(struct task *t);
/* A signal that would be delivered now is pending. */
bool task_signal_pending(struct task *t);

/* ---- life ---------------------------------------------------------------------------------- */

struct clone_params {
    u64 flags; /* LINUX_CLONE_* without the exit signal */
    u64 stack; /* new rsp, 0 = the parent's */
    u64 tls;
    uaddr_t parent_tid, child_tid, pidfd;
    int exit_signal;
    const int *set_tid;
    size_t set_tid_size;
};
s64 task_clone(struct task *t, const struct clone_params *p); /* child's tid or -errno */
/* The calling task leaves: run inside its event; the event then returns EXIT. */
void task_exit(struct task *t, int wait_status);
/* All threads of the group get killed; the caller too at its next return. */
void group_exit(struct task *t, int wait_status);

/* ---- numbers ------------------------------------------------------------------------------- */
#define TID_MAX 4194304
u64 kernel_now_mono(void);
u64 kernel_now_real(void);

#endif
