/* SPDX-License-Identifier: Apache-2.0 */
/* /proc/PID/stat, statm and status. */
#include "sentry/fs/proc/proc.h"

#include "abi/linux/resource.h"
#include "abi/linux/sched.h"
#include "cvisor/kcache.h"
#include "sentry/kernel/cpus.h"
#include "sentry/kernel/exit.h"
#include "sentry/kernel/fdtable.h"
#include "sentry/kernel/ptrace_access.h"
#include "sentry/kernel/task.h"
#include "sentry/kernel/timer.h"
#include "sentry/mm/mm.h"

#include <errno.h>
#include <string.h>

#define NS_PER_TICK 10000000ull /* USER_HZ is 100 */
#define PF_FORKNOEXEC 0x40u
#define PF_RANDOMIZE 0x400000u

typedef unsigned long long ull;

/* What stands under TASKS and SIGHAND, copied out. */
struct snapshot {
    int ppid, tgid, pgid, sid, tpgid, nthreads, exit_signal;
    bool has_tty;
    struct rusage_k usage, children;
    sigset64 pending, shared, blocked, ignored, caught;
    u32 queued;
    int exit_code;
    bool did_exec;
    char state;
};

static char state_char(struct task *t)
{
    switch (atomic_load(&t->state)) {
    case TASK_RUNNING:
        return 'R';
    case TASK_SLEEPING:
        return 'S';
    case TASK_UNINTERRUPTIBLE:
        return 'D';
    case TASK_STOPPED:
        return 'T';
    case TASK_TRACED:
        return 't';
    case TASK_ZOMBIE:
        return 'Z';
    default:
        return 'X';
    }
}

/* SIGHAND held. */
static void collect_signals(struct task *t, struct sighand *sh, struct snapshot *s)
{
    s->pending = t->pending.set;
    s->shared = t->group->pending.set;
    s->blocked = t->blocked;
    s->queued = t->group->sig_queued;
    s->exit_code = t->group->exit_code;
    if (t->group->stop == GROUP_STOPPED && strchr("RSD", s->state))
        s->state = 'T'; /* it waits for SIGCONT */
    for (int sig = 1; sig <= NSIG; sig++) {
        if (sh->actions[sig].handler == 1)
            s->ignored |= sig_bit(sig);
        else if (sh->actions[sig].handler > 1)
            s->caught |= sig_bit(sig);
    }
}

static void collect(struct task *t, bool whole, struct snapshot *s)
{
    struct thread_group *g = t->group;
    struct session *ses;
    struct sighand *sh;

    *s = (struct snapshot){.tgid = g->id, .tpgid = -1};
    rwlock_rdlock(&g_tasks_lock);
    s->state = state_char(t);
    s->ppid = g->parent ? g->parent->id : 0;
    if (g->pgrp) {
        ses = g->pgrp->session;
        s->pgid = g->pgrp->id;
        s->sid = ses->id;
        s->has_tty = ses->tty != NULL;
        if (s->has_tty && ses->foreground)
            s->tpgid = ses->foreground->id;
    }
    s->nthreads = g->nthreads;
    s->exit_signal = g->exit_signal;
    s->did_exec = g->did_exec;
    s->children = g->children_usage;
    if (whole) {
        group_usage_locked(g, &s->usage);
    } else {
        s->usage.nvcsw = atomic_load(&t->nvcsw);
        s->usage.minflt = atomic_load(&t->minflt);
    }
    sh = group_lock_sighand(g);
    collect_signals(t, sh, s);
    mutex_unlock(&sh->lock);
    rwlock_rdunlock(&g_tasks_lock);
    if (whole)
        group_cpu_time(g, &s->usage.utime_ns, &s->usage.stime_ns);
    else
        task_cpu_time(t, &s->usage.utime_ns, &s->usage.stime_ns);
}

static u64 get_rlimit(struct thread_group *g, int which)
{
    u64 v;

    mutex_lock(&g->rlimit_lock);
    v = group_rlimit(g, which);
    mutex_unlock(&g->rlimit_lock);
    return v;
}

/* ---- stat ------------------------------------------------------------------------------------ */

/* Addresses of the image, shown to those who may trace. */
struct layout {
    u64 start_code, end_code, start_stack, start_data, end_data, start_brk;
    u64 arg_start, arg_end, env_start, env_end;
};

static void get_layout(struct mm *mm, struct layout *l)
{
    rwlock_rdlock(&mm->map_lock);
    *l = (struct layout){mm->start_code, mm->end_code,  mm->start_stack, mm->start_data,
                         mm->end_data,   mm->brk_start, mm->arg_start,   mm->arg_end,
                         mm->env_start,  mm->env_end};
    rwlock_rdunlock(&mm->map_lock);
}

static int priority_of(struct task *t)
{
    if (t->sched_policy == LINUX_SCHED_FIFO || t->sched_policy == LINUX_SCHED_RR)
        return -1 - t->sched_priority;
    return 20 + t->nice;
}

int proc_show_stat(struct inode *inode, struct ktext *out)
{
    struct task *t = proc_task_get(inode);
    struct proc_inode *pi = proc_i(inode);
    struct mm_stats ms = {0};
    struct layout l = {0};
    struct snapshot s;
    struct mm *mm;
    char comm[TASK_COMM_LEN];
    u64 start, boot = g_init ? g_init->start_ns : 0;

    if (!t)
        return -ESRCH;
    collect(t, pi->whole, &s);
    task_get_comm(t, comm);
    mm = task_mm_get(t);
    if (mm) {
        mm_get_stats(mm, &ms);
        l.start_code = l.end_code = 1;
        if (!proc_may_access(t))
            get_layout(mm, &l);
        mm_put(mm);
    }
    start = pi->whole ? t->group->start_ns : t->start_ns;
    start = start > boot ? start - boot : 0;
    ktext_printf(out, "%d (", pi->tid);
    ktext_escape(out, comm);
    ktext_printf(out, ") %c %d %d %d %d %d %u %llu %llu %llu %llu %llu %llu %llu %llu", s.state,
                 s.ppid, s.pgid, s.sid, s.has_tty ? 0x8800 : 0, s.tpgid,
                 PF_RANDOMIZE | (s.did_exec ? 0 : PF_FORKNOEXEC), (ull)s.usage.minflt,
                 (ull)s.children.minflt, (ull)s.usage.majflt, (ull)s.children.majflt,
                 (ull)(s.usage.utime_ns / NS_PER_TICK), (ull)(s.usage.stime_ns / NS_PER_TICK),
                 (ull)(s.children.utime_ns / NS_PER_TICK),
                 (ull)(s.children.stime_ns / NS_PER_TICK));
    ktext_printf(out, " %d %d %d 0 %llu %llu %llu %llu %llu %llu %llu 0 0", priority_of(t), t->nice,
                 s.nthreads, (ull)(start / NS_PER_TICK), (ull)ms.vm_bytes,
                 (ull)(ms.rss_bytes / PAGE_SIZE), (ull)get_rlimit(t->group, LINUX_RLIMIT_RSS),
                 (ull)l.start_code, (ull)l.end_code, (ull)l.start_stack);
    ktext_printf(out, " %llu %llu %llu %llu 0 0 0 %d %d %d %d 0 0 0",
                 (ull)((s.pending | (pi->whole ? s.shared : 0)) & 0x7fffffff),
                 (ull)(s.blocked & 0x7fffffff), (ull)(s.ignored & 0x7fffffff),
                 (ull)(s.caught & 0x7fffffff), s.exit_signal, 0, t->sched_priority,
                 t->sched_policy);
    ktext_printf(out, " %llu %llu %llu %llu %llu %llu %llu %d\n", (ull)l.start_data,
                 (ull)l.end_data, (ull)l.start_brk, (ull)l.arg_start, (ull)l.arg_end,
                 (ull)l.env_start, (ull)l.env_end, s.state == 'Z' ? s.exit_code : 0);
    task_put(t);
    return 0;
}

int proc_show_statm(struct inode *inode, struct ktext *out)
{
    struct task *t = proc_task_get(inode);
    struct mm_stats ms = {0};
    struct mm *mm;

    if (!t)
        return -ESRCH;
    mm = task_mm_get(t);
    if (mm) {
        mm_get_stats(mm, &ms);
        mm_put(mm);
    }
    task_put(t);
    ktext_printf(out, "%llu %llu %llu %llu 0 %llu 0\n", (ull)(ms.vm_bytes / PAGE_SIZE),
                 (ull)(ms.rss_bytes / PAGE_SIZE), (ull)(ms.shared_bytes / PAGE_SIZE),
                 (ull)(ms.text_bytes / PAGE_SIZE),
                 (ull)((ms.data_bytes + ms.stack_bytes) / PAGE_SIZE));
    return 0;
}

/* ---- status ---------------------------------------------------------------------------------- */

static const char *state_name(char c)
{
    switch (c) {
    case 'R':
        return "R (running)";
    case 'S':
        return "S (sleeping)";
    case 'D':
        return "D (disk sleep)";
    case 'T':
        return "T (stopped)";
    case 't':
        return "t (tracing stop)";
    case 'Z':
        return "Z (zombie)";
    default:
        return "X (dead)";
    }
}

/* Slots of a table as Linux counts them: a power of two that holds the highest number. */
static int fd_size(struct task *t)
{
    struct fdtable *ft = proc_files_get(t);
    int size = 64, fd;

    if (!ft)
        return 0;
    for (fd = fdtable_next(ft, 0); fd >= 0; fd = fdtable_next(ft, fd + 1)) {
        while (size <= fd)
            size *= 2;
    }
    fdtable_put(ft);
    return size;
}

static void status_ids(struct task *t, const struct snapshot *s, const struct cred *c,
                       struct proc_inode *pi, struct ktext *out)
{
    struct fs_context *fs = proc_fs_context_get(t);
    char comm[TASK_COMM_LEN];

    task_get_comm(t, comm);
    ktext_puts(out, "Name:\t");
    ktext_escape(out, comm);
    ktext_puts(out, "\n");
    if (fs) {
        ktext_printf(out, "Umask:\t%04o\n", fs_context_umask(fs));
        fs_context_put(fs);
    }
    ktext_printf(out,
                 "State:\t%s\nTgid:\t%d\nNgid:\t0\nPid:\t%d\nPPid:\t%d\nTracerPid:\t0\n"
                 "Uid:\t%u\t%u\t%u\t%u\nGid:\t%u\t%u\t%u\t%u\nFDSize:\t%d\nGroups:\t",
                 state_name(s->state), s->tgid, pi->tid, s->ppid, c->uid, c->euid, c->suid,
                 c->fsuid, c->gid, c->egid, c->sgid, c->fsgid, fd_size(t));
    for (size_t i = 0; i < c->ngroups; i++)
        ktext_printf(out, "%u ", c->groups[i]);
    ktext_printf(out, "\nNStgid:\t%d\nNSpid:\t%d\nNSpgid:\t%d\nNSsid:\t%d\n", s->tgid, pi->tid,
                 s->pgid, s->sid);
}

static void status_mm(struct mm *mm, struct ktext *out)
{
    struct mm_stats ms;
    u64 hwm, anon;

    mm_get_stats(mm, &ms);
    hwm = MAX(atomic_load(&mm->max_rss), ms.rss_bytes);
    anon = ms.rss_bytes - MIN(ms.shared_bytes, ms.rss_bytes);
    ktext_printf(out,
                 "VmPeak:\t%8llu kB\nVmSize:\t%8llu kB\nVmLck:\t%8llu kB\nVmPin:\t%8u kB\n"
                 "VmHWM:\t%8llu kB\nVmRSS:\t%8llu kB\nRssAnon:\t%8llu kB\nRssFile:\t%8llu kB\n"
                 "RssShmem:\t%8u kB\n",
                 (ull)(ms.vm_bytes >> 10), (ull)(ms.vm_bytes >> 10), (ull)(ms.locked_bytes >> 10),
                 0, (ull)(hwm >> 10), (ull)(ms.rss_bytes >> 10), (ull)(anon >> 10),
                 (ull)((ms.rss_bytes - anon) >> 10), 0);
    ktext_printf(out,
                 "VmData:\t%8llu kB\nVmStk:\t%8llu kB\nVmExe:\t%8llu kB\nVmLib:\t%8llu kB\n"
                 "VmPTE:\t%8llu kB\nVmSwap:\t%8u kB\nHugetlbPages:\t%8u kB\nCoreDumping:\t0\n"
                 "THP_enabled:\t1\n",
                 (ull)(ms.data_bytes >> 10), (ull)(ms.stack_bytes >> 10),
                 (ull)(ms.text_bytes >> 10), (ull)(ms.lib_bytes >> 10),
                 (ull)((ms.rss_bytes / PAGE_SIZE / 512 + 8) * 4), 0, 0);
}

static void status_cpus(struct task *t, const struct snapshot *s, struct ktext *out)
{
    unsigned n = (unsigned)cpus_count();
    u64 mask[16];

    cpus_get_allowed(t, mask);
    ktext_puts(out, "Cpus_allowed:\t");
    ktext_bitmap(out, mask, n);
    ktext_puts(out, "\nCpus_allowed_list:\t");
    ktext_bitlist(out, mask, n);
    ktext_printf(out,
                 "\nMems_allowed:\t00000000,00000001\nMems_allowed_list:\t0\n"
                 "voluntary_ctxt_switches:\t%llu\nnonvoluntary_ctxt_switches:\t%llu\n",
                 (ull)atomic_load(&t->nvcsw), (ull)s->usage.nivcsw);
}

int proc_show_status(struct inode *inode, struct ktext *out)
{
    struct task *t = proc_task_get(inode);
    struct proc_inode *pi = proc_i(inode);
    const struct cred *c;
    struct snapshot s;
    struct mm *mm;

    if (!t)
        return -ESRCH;
    collect(t, pi->whole, &s);
    c = task_cred_get(t);
    status_ids(t, &s, c, pi, out);
    mm = task_mm_get(t);
    if (mm) {
        status_mm(mm, out);
        mm_put(mm);
    }
    ktext_printf(out,
                 "Threads:\t%d\nSigQ:\t%u/%llu\nSigPnd:\t%016llx\nShdPnd:\t%016llx\n"
                 "SigBlk:\t%016llx\nSigIgn:\t%016llx\nSigCgt:\t%016llx\n",
                 s.nthreads, s.queued, (ull)get_rlimit(t->group, LINUX_RLIMIT_SIGPENDING),
                 (ull)s.pending, (ull)s.shared, (ull)s.blocked, (ull)s.ignored, (ull)s.caught);
    ktext_printf(out,
                 "CapInh:\t%016llx\nCapPrm:\t%016llx\nCapEff:\t%016llx\nCapBnd:\t%016llx\n"
                 "CapAmb:\t%016llx\nNoNewPrivs:\t%d\nSeccomp:\t0\nSeccomp_filters:\t0\n"
                 "Speculation_Store_Bypass:\tthread vulnerable\n"
                 "SpeculationIndirectBranch:\tconditional enabled\n",
                 (ull)c->cap_inheritable, (ull)c->cap_permitted, (ull)c->cap_effective,
                 (ull)c->cap_bounding, (ull)c->cap_ambient, t->no_new_privs);
    status_cpus(t, &s, out);
    cred_put(c);
    task_put(t);
    return 0;
}
