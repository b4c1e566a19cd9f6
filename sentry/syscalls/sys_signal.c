/* SPDX-License-Identifier: Apache-2.0 */
/* Syscalls of signals: actions, masks, sending, waiting. */
#include "abi/linux/errno_internal.h"
#include "cvisor/host.h"
#include "sentry/kernel/signal_internal.h"
#include "sentry/kernel/task.h"
#include "sentry/mm/uaccess.h"
#include "sentry/syscalls/handlers.h"

#include <errno.h>
#include <string.h>

#define SIGSET_SIZE 8
#define UNBLOCKABLE (sig_bit(LINUX_SIGKILL) | sig_bit(LINUX_SIGSTOP))
#define SA_SUPPORTED                                                                               \
    (LINUX_SA_NOCLDSTOP | LINUX_SA_NOCLDWAIT | LINUX_SA_SIGINFO | LINUX_SA_ONSTACK |               \
     LINUX_SA_RESTART | LINUX_SA_NODEFER | LINUX_SA_RESETHAND | LINUX_SA_RESTORER |                \
     LINUX_SA_EXPOSE_TAGBITS)

s64 sys_rt_sigaction(struct task *t, const struct syscall_args *a)
{
    int sig = arg_int(a, 0);
    struct linux_sigaction sa;
    struct sigaction_k new = {0}, old;
    if (a->v[3] != SIGSET_SIZE)
        return -EINVAL;
    if (a->v[1] && copy_in(t, &sa, arg_ptr(a, 1), sizeof(sa)))
        return -EFAULT;
    if (sig < 1 || sig > NSIG || (a->v[1] && (UNBLOCKABLE & sig_bit(sig))))
        return -EINVAL;
    if (a->v[1])
        new = (struct sigaction_k){
            .handler = sa.handler,
            .flags = sa.flags & SA_SUPPORTED,
            .restorer = sa.restorer,
            .mask = sa.mask & ~UNBLOCKABLE,
        };
    signal_set_action(t->group, sig, a->v[1] ? &new : NULL, &old);
    if (a->v[2]) {
        memset(&sa, 0, sizeof(sa));
        sa.handler = old.handler;
        sa.flags = old.flags;
        sa.restorer = old.restorer;
        sa.mask = old.mask;
        if (copy_out(t, arg_ptr(a, 2), &sa, sizeof(sa)))
            return -EFAULT;
    }
    return 0;
}

s64 sys_rt_sigprocmask(struct task *t, const struct syscall_args *a)
{
    sigset64 old = t->blocked, set;
    if (a->v[3] != SIGSET_SIZE)
        return -EINVAL;
    if (a->v[1]) {
        if (get_u64(t, &set, arg_ptr(a, 1)))
            return -EFAULT;
        switch (arg_int(a, 0)) {
        case LINUX_SIG_BLOCK:
            set = old | set;
            break;
        case LINUX_SIG_UNBLOCK:
            set = old & ~set;
            break;
        case LINUX_SIG_SETMASK:
            break;
        default:
            return -EINVAL;
        }
        if ((set & ~UNBLOCKABLE) != old)
            signal_set_mask(t, set);
    }
    if (a->v[2] && put_u64(t, arg_ptr(a, 2), old))
        return -EFAULT;
    return 0;
}

s64 sys_rt_sigreturn(struct task *t, const struct syscall_args *a __unused)
{
    return arch_sigreturn(t);
}

s64 sys_rt_sigpending(struct task *t, const struct syscall_args *a)
{
    if (a->v[1] > SIGSET_SIZE)
        return -EINVAL;
    sigset64 set = signal_pending_set(t) & t->blocked;
    return copy_out(t, arg_ptr(a, 0), &set, a->v[1]) ? -EFAULT : 0;
}

s64 sys_rt_sigsuspend(struct task *t, const struct syscall_args *a)
{
    sigset64 set;
    if (a->v[1] != SIGSET_SIZE)
        return -EINVAL;
    if (get_u64(t, &set, arg_ptr(a, 0)))
        return -EFAULT;
    t->saved_mask = t->blocked;
    signal_set_mask(t, set);
    t->restore_mask = true;
    for (;;) {
        task_prepare_block(t);
        if (task_block(t, TASK_FOREVER))
            return -ERESTARTNOHAND;
    }
}

s64 sys_pause(struct task *t, const struct syscall_args *a __unused)
{
    for (;;) {
        task_prepare_block(t);
        if (task_block(t, TASK_FOREVER))
            return -ERESTARTNOHAND;
    }
}

static int sigtimedwait(struct task *t, sigset64 set, u64 deadline, struct linux_siginfo *info)
{
    int sig, err = 0;
    for (;;) {
        task_prepare_block(t);
        struct sighand *sh = group_lock_sighand(t->group);
        sig = signal_dequeue_locked(t, set, info);
        if (sig) {
            t->waiting = 0;
            signal_recalc(t);
        } else {
            t->waiting = set & t->blocked;
            /* Signals of the set that are not blocked must not run their handlers meanwhile. */
            t->waiting |= set;
        }
        mutex_unlock(&sh->lock);
        if (sig)
            return sig;
        if (err)
            break;
        err = deadline == 1 ? -ETIMEDOUT : task_block(t, deadline);
    }
    struct sighand *sh = group_lock_sighand(t->group);
    t->waiting = 0;
    signal_recalc(t);
    mutex_unlock(&sh->lock);
    return err == -ETIMEDOUT ? -EAGAIN : -EINTR;
}

s64 sys_rt_sigtimedwait(struct task *t, const struct syscall_args *a)
{
    sigset64 set;
    struct linux_siginfo info;
    u64 deadline = TASK_FOREVER;
    if (a->v[3] != SIGSET_SIZE)
        return -EINVAL;
    if (get_u64(t, &set, arg_ptr(a, 0)))
        return -EFAULT;
    if (a->v[2]) {
        struct linux_timespec ts;
        if (copy_in(t, &ts, arg_ptr(a, 2), sizeof(ts)))
            return -EFAULT;
        if (ts.tv_sec < 0 || ts.tv_nsec < 0 || ts.tv_nsec >= NSEC_PER_SEC)
            return -EINVAL;
        if (!ts.tv_sec && !ts.tv_nsec)
            deadline = 1; /* long past: poll */
        else if (ts.tv_sec < 1000000000)
            deadline = host_now_mono() + (u64)ts.tv_sec * (u64)NSEC_PER_SEC + (u64)ts.tv_nsec;
    }
    int sig = sigtimedwait(t, set & ~UNBLOCKABLE, deadline, &info);
    if (sig > 0 && a->v[1] && copy_out(t, arg_ptr(a, 1), &info, sizeof(info)))
        return -EFAULT;
    return sig;
}

s64 sys_sigaltstack(struct task *t, const struct syscall_args *a)
{
    struct linux_stack new, old = t->altstack;
    bool on = false;
    if (!(t->altstack.ss_flags & LINUX_SS_DISABLE) &&
        !(t->altstack.ss_flags & (s32)LINUX_SS_AUTODISARM)) {
        u64 sp = task_regs(t)->rsp;
        on = sp > old.ss_sp && sp - old.ss_sp <= old.ss_size;
    }
    if (a->v[0]) {
        if (copy_in(t, &new, arg_ptr(a, 0), sizeof(new)))
            return -EFAULT;
        if (on)
            return -EPERM;
        s32 mode = new.ss_flags & ~(s32)LINUX_SS_AUTODISARM;
        if (mode != 0 && mode != LINUX_SS_DISABLE && mode != LINUX_SS_ONSTACK)
            return -EINVAL;
        if (mode == LINUX_SS_DISABLE) {
            new = (struct linux_stack){.ss_flags = LINUX_SS_DISABLE};
        } else {
            if (new.ss_size < LINUX_MINSIGSTKSZ)
                return -ENOMEM;
            new.ss_flags &= (s32)LINUX_SS_AUTODISARM;
        }
        new.pad0 = 0;
        t->altstack = new;
    }
    if (a->v[1]) {
        if (on)
            old.ss_flags |= LINUX_SS_ONSTACK;
        if (copy_out(t, arg_ptr(a, 1), &old, sizeof(old)))
            return -EFAULT;
    }
    return 0;
}

/* ---- sending ---- */

/* Every process except init and the sender's own group: kill(-1). */
struct kill_all {
    struct task *from;
    int sig, sent, err;
    struct linux_siginfo info;
};

static int kill_all_one(struct thread_group *g, void *arg)
{
    struct kill_all *k = arg;
    if (g == g_init || g == k->from->group || g->zombie)
        return 0;
    if (!signal_may_send(k->from, g, k->sig)) {
        k->err = -EPERM;
        return 0;
    }
    if (k->sig)
        signal_send_group(g, k->sig, &k->info);
    k->sent++;
    return 0;
}

static int kill_one_locked(struct task *t, struct thread_group *g, int sig,
                           const struct linux_siginfo *info)
{
    if (!signal_may_send(t, g, sig))
        return -EPERM;
    return sig ? signal_send_group(g, sig, info) : 0;
}

static int kill_pgrp(struct task *t, int id, int sig, const struct linux_siginfo *info)
{
    int ret = -ESRCH;
    rwlock_rdlock(&g_tasks_lock);
    struct process_group *pg = id ? pgrp_find_locked(id) : t->group->pgrp;
    struct thread_group *g;
    if (pg) {
        list_for_each_entry (g, &pg->members, pgrp_node) {
            int err = kill_one_locked(t, g, sig, info);
            if (!err || ret == -ESRCH)
                ret = err;
        }
    }
    rwlock_rdunlock(&g_tasks_lock);
    return ret;
}

static int kill_pid(struct task *t, int pid, int sig, const struct linux_siginfo *info)
{
    rwlock_rdlock(&g_tasks_lock);
    struct task *to = task_find_locked(pid);
    int ret = to ? kill_one_locked(t, to->group, sig, info) : -ESRCH;
    rwlock_rdunlock(&g_tasks_lock);
    return ret;
}

s64 sys_kill(struct task *t, const struct syscall_args *a)
{
    int pid = arg_int(a, 0), sig = arg_int(a, 1);
    struct linux_siginfo info;
    if (sig < 0 || sig > NSIG)
        return -EINVAL;
    siginfo_user(&info, sig, LINUX_SI_USER);
    if (pid > 0)
        return kill_pid(t, pid, sig, &info);
    if (pid == INT32_MIN)
        return -ESRCH;
    if (pid != -1)
        return kill_pgrp(t, -pid, sig, &info);
    struct kill_all k = {.from = t, .sig = sig, .info = info, .err = -ESRCH};
    group_for_each(kill_all_one, &k);
    return k.sent ? 0 : k.err;
}

static int tgkill(struct task *t, int tgid, int tid, int sig, const struct linux_siginfo *info)
{
    int ret = -ESRCH;
    rwlock_rdlock(&g_tasks_lock);
    struct task *to = task_find_locked(tid);
    if (to && (tgid <= 0 || to->group->id == tgid)) {
        ret = -EPERM;
        if (signal_may_send(t, to->group, sig))
            ret = sig ? signal_send_task(to, sig, info) : 0;
    }
    rwlock_rdunlock(&g_tasks_lock);
    return ret;
}

s64 sys_tgkill(struct task *t, const struct syscall_args *a)
{
    int tgid = arg_int(a, 0), tid = arg_int(a, 1), sig = arg_int(a, 2);
    struct linux_siginfo info;
    if (tgid <= 0 || tid <= 0 || sig < 0 || sig > NSIG)
        return -EINVAL;
    siginfo_user(&info, sig, LINUX_SI_TKILL);
    return tgkill(t, tgid, tid, sig, &info);
}

s64 sys_tkill(struct task *t, const struct syscall_args *a)
{
    int tid = arg_int(a, 0), sig = arg_int(a, 1);
    struct linux_siginfo info;
    if (tid <= 0 || sig < 0 || sig > NSIG)
        return -EINVAL;
    siginfo_user(&info, sig, LINUX_SI_TKILL);
    return tgkill(t, 0, tid, sig, &info);
}

/* A guest may not pretend to be the kernel or kill() to others. */
static int sigqueue_info(struct task *t, uaddr_t u, int target, int sig, struct linux_siginfo *info)
{
    if (copy_in(t, info, u, sizeof(*info)))
        return -EFAULT;
    info->si_signo = sig;
    if ((info->si_code >= 0 || info->si_code == LINUX_SI_TKILL) && target != t->group->id &&
        target != t->tid)
        return -EPERM;
    return 0;
}

s64 sys_rt_sigqueueinfo(struct task *t, const struct syscall_args *a)
{
    int pid = arg_int(a, 0), sig = arg_int(a, 1);
    struct linux_siginfo info;
    int err = sigqueue_info(t, arg_ptr(a, 2), pid, sig, &info);
    if (err)
        return err;
    if (sig < 0 || sig > NSIG)
        return -EINVAL;
    return kill_pid(t, pid, sig, &info);
}

s64 sys_rt_tgsigqueueinfo(struct task *t, const struct syscall_args *a)
{
    int tgid = arg_int(a, 0), tid = arg_int(a, 1), sig = arg_int(a, 2);
    struct linux_siginfo info;
    int err = sigqueue_info(t, arg_ptr(a, 3), tgid, sig, &info);
    if (err)
        return err;
    if (tgid <= 0 || tid <= 0 || sig < 0 || sig > NSIG)
        return -EINVAL;
    return tgkill(t, tgid, tid, sig, &info);
}

s64 sys_restart_syscall(struct task *t, const struct syscall_args *a __unused)
{
    s64 (*fn)(struct task *) = t->restart_fn;
    t->restart_fn = NULL;
    return fn ? fn(t) : -EINTR;
}
