/* SPDX-License-Identifier: Apache-2.0 */
/* What happens to pending signals before a task returns to its guest code. */
#include "abi/linux/errno_internal.h"
#include "abi/linux/unistd.h"
#include "abi/linux/wait.h"
#include "cvisor/log.h"
#include "sentry/kernel/exit.h"
#include "sentry/kernel/signal_internal.h"

#include <errno.h>
#include <string.h>

struct arch_regs *task_regs(struct task *t)
{
    if (!t->regs_valid) {
        platform_regs_get(t->pt, &t->regs);
        t->regs_valid = true;
    }
    return &t->regs;
}

struct arch_regs *task_regs_mut(struct task *t)
{
    struct arch_regs *r = task_regs(t);
    t->regs_dirty = true;
    return r;
}

/* ka NULL: no handler ran, the syscall is restarted behind the guest's back. */
static void signal_restart(struct task *t, const struct sigaction_k *ka)
{
    if (t->syscall_nr == ~0ull)
        return;
    struct arch_regs *r;
    bool restart = false, block = false;
    switch (t->syscall_ret) {
    case -ERESTARTNOHAND:
        restart = !ka;
        break;
    case -ERESTART_RESTARTBLOCK:
        restart = block = !ka;
        break;
    case -ERESTARTSYS:
        restart = !ka || (ka->flags & LINUX_SA_RESTART);
        break;
    case -ERESTARTNOINTR:
        restart = true;
        break;
    default:
        return;
    }
    r = task_regs_mut(t);
    if (restart) {
        r->rip -= 2; /* the syscall instruction */
        r->rax = block ? LINUX_SYS_restart_syscall : t->syscall_nr;
    } else {
        r->rax = (u64)(s64)-EINTR;
    }
    task_set_syscall(t, ~0ull); /* done: a second handler must not restart it again */
}

bool group_stop_take_part(struct task *t)
{
    struct thread_group *g = t->group;
    if (!t->stop_pending)
        return false;
    t->stop_pending = false;
    if (g->stop_count == 0 || --g->stop_count || g->stop != GROUP_STOPPING)
        return false;
    g->stop = GROUP_STOPPED;
    g->stop_wait_pending = true;
    return true;
}

/* SIGHAND held. The calling task takes part in the stop of its group. Returns unlocked. */
static void group_stop_wait(struct task *t, struct sighand *sh)
{
    struct thread_group *g = t->group;
    bool last = group_stop_take_part(t);
    int sig = g->stop_signal;
    signal_recalc(t);
    mutex_unlock(&sh->lock);
    if (last)
        exit_notify_parent_stop(g, LINUX_CLD_STOPPED, sig);
    for (;;) {
        task_prepare_block(t);
        sh = group_lock_sighand(g);
        /* stop_pending: it was continued, and stopped again before this task had woken. */
        bool stopped = g->stop != GROUP_RUNNING && !t->stop_pending && !atomic_load(&t->killed);
        mutex_unlock(&sh->lock);
        if (!stopped)
            break;
        atomic_store(&t->state, TASK_STOPPED);
        task_block_killable(t, TASK_FOREVER);
    }
    atomic_store(&t->state, TASK_RUNNING);
}

/* SIGHAND held. Starts a stop of the whole group. */
static void group_stop_begin(struct thread_group *g, int sig)
{
    struct task *t;
    if (g->stop == GROUP_RUNNING) {
        g->stop = GROUP_STOPPING;
        g->stop_signal = sig;
        g->stop_count = 0;
        g->cont_pending = false;
        list_for_each_entry (t, &g->tasks, group_node) {
            g->stop_count++;
            t->stop_pending = true;
            task_set_signal_work(t);
        }
    }
}

/* A stop signal with its default action was dequeued. Locks by itself. */
static void signal_default_stop(struct task *t, int sig)
{
    struct thread_group *g = t->group;
    if (sig != LINUX_SIGSTOP) {
        rwlock_rdlock(&g_tasks_lock);
        bool orphaned = exit_pgrp_orphaned(g);
        rwlock_rdunlock(&g_tasks_lock);
        if (orphaned)
            return;
    }
    struct sighand *sh = group_lock_sighand(g);
    /* A SIGCONT that came since would have to win; it discards stop signals, and this one was
     * dequeued just before: as in Linux, the small window is given to the stop. */
    if (!g->group_exiting)
        group_stop_begin(g, sig);
    mutex_unlock(&sh->lock);
}

static void signal_fatal(struct task *t, int sig, const struct linux_siginfo *info)
{
    char comm[TASK_COMM_LEN];
    task_get_comm(t, comm);
    /* There are no core files (RLIMIT_CORE is honoured as 0), so WCOREDUMP is never set. */
    log_debug("process %d (%s) killed by signal %d, code %d, address %#llx", t->group->id, comm,
              sig, info->si_code, (unsigned long long)info->fault.addr);
    group_exit(t, sig);
}

/* Takes one signal under the lock; copies its action. 0 = none. */
static int signal_next(struct task *t, struct sighand *sh, struct linux_siginfo *info,
                       struct sigaction_k *ka)
{
    int sig = 0;
    if (t->forced_sig) {
        sigset64 bit = sig_bit(t->forced_sig);
        t->forced_sig = 0;
        if (t->pending.set & bit)
            sig = signal_dequeue_locked(t, bit, info);
    }
    if (!sig)
        sig = signal_dequeue_locked(t, ~t->blocked, info);
    if (!sig)
        return 0;
    *ka = sh->actions[sig];
    if (ka->handler > SIGACT_IGN && (ka->flags & LINUX_SA_RESETHAND))
        sh->actions[sig].handler = SIGACT_DFL;
    return sig;
}

static void signal_handle(struct task *t, int sig, const struct linux_siginfo *info,
                          const struct sigaction_k *ka)
{
    signal_restart(t, ka);
    sigset64 saved = t->restore_mask ? t->saved_mask : t->blocked;
    int err = arch_signal_frame(t, sig, info, ka, saved);
    if (err) {
        struct linux_siginfo segv = {.si_signo = LINUX_SIGSEGV, .si_code = LINUX_SI_KERNEL};
        if (sig == LINUX_SIGSEGV) {
            signal_fatal(t, LINUX_SIGSEGV, info);
            return;
        }
        signal_force(t, &segv);
        return;
    }
    t->restore_mask = false;
    sigset64 mask = t->blocked | ka->mask;
    if (!(ka->flags & LINUX_SA_NODEFER))
        mask |= sig_bit(sig);
    signal_set_mask(t, mask);
}

bool signal_work(struct task *t)
{
    struct thread_group *g = t->group;
    for (;;) {
        struct linux_siginfo info;
        struct sigaction_k ka;
        struct sighand *sh = group_lock_sighand(g);
        if (atomic_load(&t->killed) || g->group_exiting) {
            int status = g->group_exiting ? g->exit_code : LINUX_SIGKILL;
            mutex_unlock(&sh->lock);
            task_exit(t, status);
            return false;
        }
        if (g->cont_notify) {
            g->cont_notify = false;
            mutex_unlock(&sh->lock);
            exit_notify_parent_stop(g, LINUX_CLD_CONTINUED, LINUX_SIGCONT);
            continue;
        }
        if (t->stop_pending) {
            group_stop_wait(t, sh); /* unlocks */
            continue;
        }
        int sig = signal_next(t, sh, &info, &ka);
        if (!sig) {
            if (t->restore_mask) {
                t->restore_mask = false;
                t->blocked = t->saved_mask;
                signal_recalc(t);
                if (atomic_load(&t->signal_work)) {
                    mutex_unlock(&sh->lock);
                    continue;
                }
            }
            signal_recalc(t);
            mutex_unlock(&sh->lock);
            break;
        }
        mutex_unlock(&sh->lock);

        if (ka.handler == SIGACT_IGN)
            continue;
        if (ka.handler > SIGACT_IGN) {
            signal_handle(t, sig, &info, &ka);
            continue;
        }
        switch (signal_default(sig)) {
        case SIG_DEFAULT_IGNORE:
            break;
        case SIG_DEFAULT_STOP:
            signal_default_stop(t, sig);
            break;
        default:
            signal_fatal(t, sig, &info);
        }
    }
    signal_restart(t, NULL);
    return true;
}
