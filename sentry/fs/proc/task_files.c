/* SPDX-License-Identifier: Apache-2.0 */
/* Small text files of a process: limits, comm, OOM score, timer slack, mounts, children, scheduling. */
#include "sentry/fs/proc/proc.h"

#include "abi/linux/capability.h"
#include "abi/linux/resource.h"
#include "abi/linux/sched.h"
#include "cvisor/kcache.h"
#include "sentry/kernel/cred.h"
#include "sentry/kernel/ptrace_access.h"
#include "sentry/kernel/task.h"
#include "sentry/kernel/timer.h"
#include "sentry/mm/memory_file.h"
#include "sentry/mm/mm.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

typedef unsigned long long ull;

int proc_show_text(struct inode *inode, struct ktext *out)
{
    struct task *t = proc_task_get(inode);

    if (!t)
        return -ESRCH;
    task_put(t);
    ktext_puts(out, kernfs_i(inode)->node->text);
    return 0;
}

/* ---- limits ---------------------------------------------------------------------------------- */

static const struct {
    const char *name, *unit;
} g_limits[LINUX_RLIM_NLIMITS] = {
    [LINUX_RLIMIT_CPU] = {"Max cpu time", "seconds"},
    [LINUX_RLIMIT_FSIZE] = {"Max file size", "bytes"},
    [LINUX_RLIMIT_DATA] = {"Max data size", "bytes"},
    [LINUX_RLIMIT_STACK] = {"Max stack size", "bytes"},
    [LINUX_RLIMIT_CORE] = {"Max core file size", "bytes"},
    [LINUX_RLIMIT_RSS] = {"Max resident set", "bytes"},
    [LINUX_RLIMIT_NPROC] = {"Max processes", "processes"},
    [LINUX_RLIMIT_NOFILE] = {"Max open files", "files"},
    [LINUX_RLIMIT_MEMLOCK] = {"Max locked memory", "bytes"},
    [LINUX_RLIMIT_AS] = {"Max address space", "bytes"},
    [LINUX_RLIMIT_LOCKS] = {"Max file locks", "locks"},
    [LINUX_RLIMIT_SIGPENDING] = {"Max pending signals", "signals"},
    [LINUX_RLIMIT_MSGQUEUE] = {"Max msgqueue size", "bytes"},
    [LINUX_RLIMIT_NICE] = {"Max nice priority", NULL},
    [LINUX_RLIMIT_RTPRIO] = {"Max realtime priority", NULL},
    [LINUX_RLIMIT_RTTIME] = {"Max realtime timeout", "us"},
};

static void show_limit(struct ktext *out, u64 v)
{
    if (v == LINUX_RLIM_INFINITY)
        ktext_printf(out, "%-20s ", "unlimited");
    else
        ktext_printf(out, "%-20llu ", (ull)v);
}

int proc_show_limits(struct inode *inode, struct ktext *out)
{
    struct task *t = proc_task_get(inode);
    struct linux_rlimit lim[LINUX_RLIM_NLIMITS];

    if (!t)
        return -ESRCH;
    mutex_lock(&t->group->rlimit_lock);
    memcpy(lim, t->group->rlimits, sizeof(lim));
    mutex_unlock(&t->group->rlimit_lock);
    task_put(t);
    ktext_printf(out, "%-25s %-20s %-20s %-10s\n", "Limit", "Soft Limit", "Hard Limit", "Units");
    for (int i = 0; i < LINUX_RLIM_NLIMITS; i++) {
        ktext_printf(out, "%-25s ", g_limits[i].name);
        show_limit(out, lim[i].rlim_cur);
        show_limit(out, lim[i].rlim_max);
        if (g_limits[i].unit)
            ktext_printf(out, "%-10s\n", g_limits[i].unit);
        else
            ktext_puts(out, "\n");
    }
    return 0;
}

/* ---- comm ------------------------------------------------------------------------------------ */

int proc_show_comm(struct inode *inode, struct ktext *out)
{
    struct task *t = proc_task_get(inode);
    char comm[TASK_COMM_LEN];

    if (!t)
        return -ESRCH;
    task_get_comm(t, comm);
    task_put(t);
    ktext_escape(out, comm);
    ktext_puts(out, "\n");
    return 0;
}

int proc_store_comm(struct inode *inode, const char *buf, size_t n)
{
    struct task *t = proc_task_get(inode);
    char comm[TASK_COMM_LEN] = {0};
    int err = 0;

    if (!t)
        return -ESRCH;
    if (!current || current->group != t->group) {
        err = -EINVAL;
    } else {
        strncpy(comm, buf, sizeof(comm) - 1);
        task_set_comm(t, comm);
    }
    task_put(t);
    return err;
}

/* ---- OOM score ------------------------------------------------------------------------------- */

int proc_show_oom_score(struct inode *inode, struct ktext *out)
{
    struct task *t = proc_task_get(inode);
    s64 points = 1000, pages = (s64)(memory_file_limit() / PAGE_SIZE);
    struct mm *mm;

    if (!t)
        return -ESRCH;
    mm = task_mm_get(t);
    if (mm) {
        struct mm_stats ms;

        mm_get_stats(mm, &ms);
        mm_put(mm);
        points += (s64)(ms.rss_bytes / PAGE_SIZE) * 1000 / MAX(pages, (s64)1);
        s32 adj = t->group->oom_score_adj;
        points += adj;
        points = points < 0 || adj == -1000 ? 0 : points * 2 / 3;
    } else {
        points = 0;
    }
    task_put(t);
    ktext_printf(out, "%lld\n", (long long)points);
    return 0;
}

int proc_show_oom_score_adj(struct inode *inode, struct ktext *out)
{
    struct task *t = proc_task_get(inode);

    if (!t)
        return -ESRCH;
    ktext_printf(out, "%d\n", t->group->oom_score_adj);
    task_put(t);
    return 0;
}

int proc_store_oom_score_adj(struct inode *inode, const char *buf, size_t n)
{
    struct task *t;
    s64 v;
    int err = kernfs_parse_int(buf, n, &v);

    if (err || v < -1000 || v > 1000)
        return -EINVAL;
    t = proc_task_get(inode);
    if (!t)
        return -ESRCH;
    if (v < t->group->oom_score_adj && !capable(LINUX_CAP_SYS_RESOURCE))
        err = -EACCES;
    else
        t->group->oom_score_adj = (s32)v;
    task_put(t);
    return err;
}

/* ---- scheduling ------------------------------------------------------------------------------ */

/* Another task's slack is for CAP_SYS_NICE. */
static int timerslack_task(struct inode *inode, struct task **out)
{
    struct task *t = proc_task_get(inode);

    if (!t)
        return -ESRCH;
    if (t != current && !capable(LINUX_CAP_SYS_NICE)) {
        task_put(t);
        return -EPERM;
    }
    *out = t;
    return 0;
}

int proc_show_timerslack(struct inode *inode, struct ktext *out)
{
    struct task *t;
    int err = timerslack_task(inode, &t);

    if (err)
        return err;
    ktext_printf(out, "%llu\n", (ull)t->timerslack_ns);
    task_put(t);
    return 0;
}

int proc_store_timerslack(struct inode *inode, const char *buf, size_t n)
{
    struct task *t;
    s64 v;
    int err = kernfs_parse_int(buf, n, &v);

    if (err || v < 0)
        return -EINVAL;
    err = timerslack_task(inode, &t);
    if (err)
        return err;
    t->timerslack_ns = v ? (u64)v : 50000;
    task_put(t);
    return 0;
}

int proc_show_schedstat(struct inode *inode, struct ktext *out)
{
    struct task *t = proc_task_get(inode);
    u64 user, sys;

    if (!t)
        return -ESRCH;
    task_cpu_time(t, &user, &sys);
    ktext_printf(out, "%llu 0 %llu\n", (ull)(user + sys), (ull)atomic_load(&t->nvcsw));
    task_put(t);
    return 0;
}

int proc_show_sched(struct inode *inode, struct ktext *out)
{
    struct task *t = proc_task_get(inode);
    u64 user, sys, ns;
    int nthreads, prio;
    char comm[TASK_COMM_LEN];

    if (!t)
        return -ESRCH;
    task_get_comm(t, comm);
    rwlock_rdlock(&g_tasks_lock);
    nthreads = t->group->nthreads;
    rwlock_rdunlock(&g_tasks_lock);
    task_cpu_time(t, &user, &sys);
    ns = user + sys;
    prio = t->sched_policy == LINUX_SCHED_FIFO || t->sched_policy == LINUX_SCHED_RR
               ? 99 - t->sched_priority
               : 120 + t->nice;
    ktext_printf(out,
                 "%s (%d, #threads: %d)\n"
                 "-------------------------------------------------------------------\n"
                 "se.sum_exec_runtime                          : %18llu.%06llu\n"
                 "nr_switches                                  : %18llu\n"
                 "nr_voluntary_switches                        : %18llu\n"
                 "nr_involuntary_switches                      : %18u\n"
                 "policy                                       : %18d\n"
                 "prio                                         : %18d\n",
                 comm, proc_i(inode)->tid, nthreads, (ull)(ns / 1000000), (ull)(ns % 1000000),
                 (ull)atomic_load(&t->nvcsw), (ull)atomic_load(&t->nvcsw), 0, t->sched_policy,
                 prio);
    task_put(t);
    return 0;
}

int proc_show_personality(struct inode *inode, struct ktext *out)
{
    struct task *t = proc_task_get(inode);

    if (!t)
        return -ESRCH;
    ktext_printf(out, "%08x\n", t->personality);
    task_put(t);
    return 0;
}

int proc_show_syscall(struct inode *inode, struct ktext *out)
{
    struct task *t = proc_task_get(inode);
    u64 nr;

    if (!t)
        return -ESRCH;
    nr = t->syscall_nr;
    if (atomic_load(&t->state) == TASK_RUNNING || nr == ~0ull) {
        ktext_puts(out, "running\n");
    } else {
        ktext_printf(out, "%lld", (long long)nr);
        for (int i = 0; i < 6; i++)
            ktext_printf(out, " 0x%llx",
                         (ull)__atomic_load_n(&t->syscall_args.v[i], __ATOMIC_RELAXED));
        ktext_puts(out, " 0x0 0x0\n"); /* stack pointer and address are the task's own business */
    }
    task_put(t);
    return 0;
}

/* ---- mounts, children ------------------------------------------------------------------------ */

/* node.arg: 1 = mountinfo. */
int proc_show_mounts(struct inode *inode, struct ktext *out)
{
    struct task *t = proc_task_get(inode);
    struct mount_ns *ns;
    struct fs_context *fs;
    struct vfs_path root = {0};
    char *buf;
    size_t len;
    int err = -EINVAL;

    if (!t)
        return -ESRCH;
    mutex_lock(&t->res_lock);
    ns = t->mnt_ns;
    if (ns)
        mount_ns_get(ns);
    mutex_unlock(&t->res_lock);
    fs = proc_fs_context_get(t);
    task_put(t);
    if (fs)
        fs_context_root(fs, &root);
    if (ns && fs) {
        err = mount_ns_show(ns, &root, kernfs_i(inode)->node->arg != 0, &buf, &len);
        if (!err)
            ktext_adopt(out, buf, len);
    }
    vfs_path_put(&root);
    if (fs)
        fs_context_put(fs);
    if (ns)
        mount_ns_put(ns);
    return err;
}

int proc_show_children(struct inode *inode, struct ktext *out)
{
    struct thread_group *g = proc_i(inode)->group, *c;
    struct task *t = proc_task_get(inode);

    if (!t)
        return -ESRCH;
    rwlock_rdlock(&g_tasks_lock);
    /* Children are the process's; Linux lists them with the thread that made them. */
    if (g->leader == t) {
        list_for_each_entry (c, &g->children, sibling)
            ktext_printf(out, "%d ", c->id);
    }
    rwlock_rdunlock(&g_tasks_lock);
    task_put(t);
    return 0;
}

/* The map of the only user namespace was written at boot. */
int proc_store_id_map(struct inode *inode, const char *buf, size_t n)
{
    return -EPERM;
}
