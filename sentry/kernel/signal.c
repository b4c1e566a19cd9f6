/* SPDX-License-Identifier: Apache-2.0 */
/* Sending, queueing and dequeueing signals. Delivery is in signal_deliver.c. */
#include "sentry/kernel/signal.h"

#include "cvisor/kcache.h"
#include "sentry/kernel/posix_timer.h"
#include "sentry/kernel/signal_internal.h"

#include <errno.h>
#include <string.h>

KCACHE(sigqueue_entry);
KCACHE(sighand);

/* Queued entries of one process, realtime and otherwise: the rest is reduced to the bit in the set. */
#define SIGQUEUE_HARD_LIMIT 4096

struct sighand *sighand_new(void)
{
    struct sighand *sh = kcache_alloc(sighand);
    if (!sh)
        return NULL;
    ref_init(&sh->refs);
    mutex_init(&sh->lock, LOCK_SIGHAND);
    return sh;
}

struct sighand *sighand_copy(struct sighand *old)
{
    struct sighand *sh = sighand_new();
    if (!sh)
        return NULL;
    mutex_lock(&old->lock);
    memcpy(sh->actions, old->actions, sizeof(sh->actions));
    mutex_unlock(&old->lock);
    return sh;
}

void sighand_put(struct sighand *sh)
{
    if (ref_put(&sh->refs))
        kcache_free(sighand, sh);
}

void sighand_reset(struct sighand *sh)
{
    mutex_lock(&sh->lock);
    for (int sig = 1; sig <= NSIG; sig++) {
        u64 handler = sh->actions[sig].handler == SIGACT_IGN ? SIGACT_IGN : SIGACT_DFL;
        sh->actions[sig] = (struct sigaction_k){.handler = handler};
    }
    mutex_unlock(&sh->lock);
}

void sigpending_init(struct sigpending *p)
{
    p->set = 0;
    list_init(&p->queue);
}

/* SIGHAND held, but for the last reference to the group. */
static void sigqueue_free(struct thread_group *g, struct sigqueue_entry *e)
{
    if (e->counted)
        g->sig_queued--;
    list_del(&e->node);
    kcache_free(sigqueue_entry, e);
}

void sigpending_flush(struct thread_group *g, struct sigpending *p)
{
    while (!list_empty(&p->queue))
        sigqueue_free(g, list_first_entry(&p->queue, struct sigqueue_entry, node));
    p->set = 0;
}

static void sigpending_discard(struct thread_group *g, struct sigpending *p, sigset64 which)
{
    if (!(p->set & which))
        return;
    struct sigqueue_entry *e, *n;
    list_for_each_entry_safe (e, n, &p->queue, node) {
        if (!(which & sig_bit(e->info.si_signo)))
            continue;
        if (e->timer) /* it may queue its next one */
            posix_timer_signal_taken(e->timer, &e->info);
        sigqueue_free(g, e);
    }
    p->set &= ~which;
}

static void sigpending_purge_timer(struct thread_group *g, struct sigpending *p,
                                   struct posix_timer *timer)
{
    struct sigqueue_entry *e, *n;
    int sig = 0;
    list_for_each_entry_safe (e, n, &p->queue, node) {
        if (e->timer != timer)
            continue;
        sig = e->info.si_signo;
        sigqueue_free(g, e);
    }
    if (!sig)
        return;
    list_for_each_entry (e, &p->queue, node) {
        if (e->info.si_signo == sig)
            return;
    }
    p->set &= ~sig_bit(sig);
}

void signal_purge_timer(struct thread_group *g, struct posix_timer *timer)
{
    struct task *t;
    sigpending_purge_timer(g, &g->pending, timer);
    list_for_each_entry (t, &g->tasks, group_node)
        sigpending_purge_timer(g, &t->pending, timer);
}

bool signal_timer_queued(struct thread_group *g, struct task *t, struct posix_timer *timer)
{
    struct sigqueue_entry *e;
    list_for_each_entry (e, t ? &t->pending.queue : &g->pending.queue, node) {
        if (e->timer == timer)
            return true;
    }
    return false;
}

void siginfo_user(struct linux_siginfo *info, int sig, int code)
{
    memset(info, 0, sizeof(*info));
    info->si_signo = sig;
    info->si_code = code;
    if (current) {
        info->kill.pid = current->group->id;
        info->kill.uid = current->cred->uid;
    }
}

/* The default action of a signal. */
enum sig_default signal_default(int sig)
{
    switch (sig) {
    case LINUX_SIGCHLD:
    case LINUX_SIGURG:
    case LINUX_SIGWINCH:
    case LINUX_SIGCONT:
        return SIG_DEFAULT_IGNORE;
    case LINUX_SIGSTOP:
    case LINUX_SIGTSTP:
    case LINUX_SIGTTIN:
    case LINUX_SIGTTOU:
        return SIG_DEFAULT_STOP;
    case LINUX_SIGQUIT:
    case LINUX_SIGILL:
    case LINUX_SIGTRAP:
    case LINUX_SIGABRT:
    case LINUX_SIGBUS:
    case LINUX_SIGFPE:
    case LINUX_SIGSEGV:
    case LINUX_SIGSYS:
    case LINUX_SIGXCPU:
    case LINUX_SIGXFSZ:
        return SIG_DEFAULT_CORE;
    default:
        return SIG_DEFAULT_TERM;
    }
}

/* sighand->lock held. Would the group throw the signal away? */
static bool signal_ignored(struct thread_group *g, struct sighand *sh, int sig)
{
    if (sig == LINUX_SIGKILL || sig == LINUX_SIGSTOP)
        return false;
    u64 h = sh->actions[sig].handler;
    if (h == SIGACT_IGN)
        return true;
    /* SIGCONT's continue is done at sending. */
    if (h == SIGACT_DFL && signal_default(sig) == SIG_DEFAULT_IGNORE)
        return true;
    return false;
}

void task_set_signal_work(struct task *t)
{
    atomic_store(&t->signal_work, true);
    task_wake(t);
    if (!atomic_load(&t->in_event) && t->pt)
        platform_thread_interrupt(t->pt);
}

sigset64 signal_pending_locked(struct task *t)
{
    return t->pending.set | t->group->pending.set;
}

sigset64 signal_pending_set(struct task *t)
{
    struct sighand *sh = group_lock_sighand(t->group);
    sigset64 s = signal_pending_locked(t);
    mutex_unlock(&sh->lock);
    return s;
}

/* sighand->lock held: recomputes signal_work of t. */
void signal_recalc(struct task *t)
{
    bool work = t->stop_pending || atomic_load(&t->killed) ||
                (signal_pending_locked(t) & ~t->blocked) || t->group->group_exiting;
    if (work)
        task_set_signal_work(t);
    else
        atomic_store(&t->signal_work, false);
}

/* SIGHAND held. Ends a group stop; the parent is told by the first task that wakes. */
static void group_continue(struct thread_group *g)
{
    struct task *t;
    if (g->stop == GROUP_STOPPED) {
        g->cont_pending = true;
        g->cont_notify = true;
    }
    g->stop = GROUP_RUNNING;
    g->stop_count = 0;
    g->stop_reported = false;
    g->stop_wait_pending = false;
    list_for_each_entry (t, &g->tasks, group_node) {
        t->stop_pending = false;
        task_set_signal_work(t);
    }
}

/* Side effects that happen at sending, whatever the disposition. SIGHAND held. */
static void signal_prepare(struct thread_group *g, int sig)
{
    const sigset64 stops = sig_bit(LINUX_SIGSTOP) | sig_bit(LINUX_SIGTSTP) |
                           sig_bit(LINUX_SIGTTIN) | sig_bit(LINUX_SIGTTOU);
    struct task *t;
    if (sig == LINUX_SIGCONT) {
        sigpending_discard(g, &g->pending, stops);
        list_for_each_entry (t, &g->tasks, group_node)
            sigpending_discard(g, &t->pending, stops);
        group_continue(g);
    } else if (stops & sig_bit(sig)) {
        sigpending_discard(g, &g->pending, sig_bit(LINUX_SIGCONT));
        list_for_each_entry (t, &g->tasks, group_node)
            sigpending_discard(g, &t->pending, sig_bit(LINUX_SIGCONT));
    }
}

/* SIGHAND held. Puts the signal into p. -EAGAIN for a realtime signal over the limit. */
static int sigpending_add(struct thread_group *g, struct sigpending *p, int sig,
                          const struct linux_siginfo *info, struct posix_timer *timer)
{
    bool rt = sig >= LINUX_SIGRTMIN;
    if (!rt && (p->set & sig_bit(sig)))
        return 0; /* one instance of a standard signal */
    u64 limit = group_rlimit(g, LINUX_RLIMIT_SIGPENDING);
    bool by_user = info && info->si_code <= 0 && info->si_code != LINUX_SI_TIMER;
    struct sigqueue_entry *e = NULL;
    if (g->sig_queued < SIGQUEUE_HARD_LIMIT && (!rt || g->sig_queued < limit))
        e = kcache_alloc(sigqueue_entry);
    if (!e) {
        if (rt && by_user && info->si_code != LINUX_SI_USER)
            return -EAGAIN;
        p->set |= sig_bit(sig);
        return 0;
    }
    if (info) {
        e->info = *info;
        e->info.si_signo = sig;
    } else {
        e->info.si_signo = sig;
        e->info.si_code = LINUX_SI_KERNEL;
    }
    e->timer = timer;
    e->counted = true;
    g->sig_queued++;
    list_add_tail(&e->node, &p->queue);
    p->set |= sig_bit(sig);
    return 0;
}

/* SIGHAND held: kills every task of the group; status is what wait4 will say. */
void group_kill_locked(struct thread_group *g, int status)
{
    struct task *t;
    if (!g->group_exiting) {
        g->group_exiting = true;
        g->exit_code = status;
    }
    g->stop = GROUP_RUNNING;
    list_for_each_entry (t, &g->tasks, group_node) {
        atomic_store(&t->killed, true);
        t->stop_pending = false;
        task_set_signal_work(t);
    }
}

/* A task that would take a process-directed signal at once: the wanted one first. SIGHAND held. */
static struct task *signal_pick(struct thread_group *g, int sig)
{
    struct task *t, *sleeping = NULL;
    list_for_each_entry (t, &g->tasks, group_node) {
        if (t->waiting & sig_bit(sig))
            return t;
        if (t->blocked & sig_bit(sig))
            continue;
        if (t == g->leader)
            return t;
        if (!sleeping || (!atomic_load(&t->signal_work) && atomic_load(&t->state) == TASK_RUNNING))
            sleeping = t;
    }
    return sleeping;
}

static bool signal_blocked_everywhere(struct task *t, struct thread_group *g, int sig)
{
    if (t)
        return ((t->blocked | t->waiting) & sig_bit(sig)) != 0;
    list_for_each_entry (t, &g->tasks, group_node) {
        if (!((t->blocked | t->waiting) & sig_bit(sig)))
            return false;
    }
    return true;
}

int signal_send_locked(struct thread_group *g, struct task *t, struct sighand *sh, int sig,
                       const struct linux_siginfo *info, struct posix_timer *timer)
{
    if (sig < 1 || sig > NSIG)
        return -EINVAL;
    if (g->zombie || g->group_exiting)
        return 0;
    signal_prepare(g, sig);
    if (sig == LINUX_SIGKILL) {
        group_kill_locked(g, LINUX_SIGKILL);
        return 0;
    }
    if (signal_ignored(g, sh, sig) && !signal_blocked_everywhere(t, g, sig))
        return 0;
    int err = sigpending_add(g, t ? &t->pending : &g->pending, sig, info, timer);
    if (err)
        return err;
    if (!t)
        t = signal_pick(g, sig);
    if (t) {
        if (t->waiting & sig_bit(sig))
            task_wake(t);
        else if (!(t->blocked & sig_bit(sig)))
            task_set_signal_work(t);
    }
    waitq_notify(&g->signal_waitq, ~0u);
    return 0;
}

int signal_send_task(struct task *t, int sig, const struct linux_siginfo *info)
{
    struct sighand *sh = group_lock_sighand(t->group);
    int err = 0;
    if (atomic_load(&t->state) != TASK_DEAD && atomic_load(&t->state) != TASK_ZOMBIE)
        err = signal_send_locked(t->group, t, sh, sig, info, NULL);
    mutex_unlock(&sh->lock);
    return err;
}

int signal_send_group(struct thread_group *g, int sig, const struct linux_siginfo *info)
{
    struct sighand *sh = group_lock_sighand(g);
    int err = signal_send_locked(g, NULL, sh, sig, info, NULL);
    mutex_unlock(&sh->lock);
    return err;
}

void signal_force(struct task *t, const struct linux_siginfo *info)
{
    struct sighand *sh = group_lock_sighand(t->group);
    int sig = info->si_signo;
    struct sigaction_k *ka = &sh->actions[sig];
    if ((t->blocked & sig_bit(sig)) || ka->handler == SIGACT_IGN) {
        /* It can't be put off: the default action it is. */
        *ka = (struct sigaction_k){.handler = SIGACT_DFL};
        t->blocked &= ~sig_bit(sig);
    }
    sigpending_add(t->group, &t->pending, sig, info, NULL);
    t->forced_sig = sig;
    task_set_signal_work(t);
    mutex_unlock(&sh->lock);
}

/* First queued entry of sig in p, taken out. SIGHAND held. */
static void sigpending_take(struct thread_group *g, struct sigpending *p, int sig,
                            struct linux_siginfo *info)
{
    struct sigqueue_entry *e, *found = NULL;
    bool more = false;
    list_for_each_entry (e, &p->queue, node) {
        if (e->info.si_signo != sig)
            continue;
        if (found) {
            more = true;
            break;
        }
        found = e;
    }
    if (found) {
        *info = found->info;
        if (found->timer)
            posix_timer_signal_taken(found->timer, info);
        sigqueue_free(g, found);
    } else {
        memset(info, 0, sizeof(*info));
        info->si_signo = sig;
        info->si_code = LINUX_SI_USER;
    }
    if (!more)
        p->set &= ~sig_bit(sig);
}

/* Linux's order: synchronous faults first, then the lowest number. */
static int signal_lowest(sigset64 set)
{
    const sigset64 sync = sig_bit(LINUX_SIGSEGV) | sig_bit(LINUX_SIGBUS) | sig_bit(LINUX_SIGILL) |
                          sig_bit(LINUX_SIGTRAP) | sig_bit(LINUX_SIGFPE) | sig_bit(LINUX_SIGSYS);
    if (set & sync)
        set &= sync;
    return __builtin_ctzll(set) + 1;
}

int signal_dequeue_locked(struct task *t, sigset64 set, struct linux_siginfo *info)
{
    sigset64 s = t->pending.set & set;
    if (s) {
        int sig = signal_lowest(s);
        sigpending_take(t->group, &t->pending, sig, info);
        return sig;
    }
    s = t->group->pending.set & set;
    if (!s)
        return 0;
    int sig = signal_lowest(s);
    sigpending_take(t->group, &t->group->pending, sig, info);
    return sig;
}

int signal_dequeue(struct task *t, sigset64 set, struct linux_siginfo *info)
{
    struct sighand *sh = group_lock_sighand(t->group);
    int sig = signal_dequeue_locked(t, set, info);
    signal_recalc(t);
    mutex_unlock(&sh->lock);
    return sig;
}

/* Process-directed signals that t has just blocked, or that t leaves behind, go to another task. */
void signal_retarget(struct task *t, sigset64 which)
{
    which &= t->group->pending.set;
    while (which) {
        int sig = __builtin_ctzll(which) + 1;
        which &= which - 1;
        struct task *o = signal_pick(t->group, sig);
        if (o && o != t && !(o->blocked & sig_bit(sig)))
            task_set_signal_work(o);
    }
}

void signal_set_mask(struct task *t, sigset64 mask)
{
    mask &= ~(sig_bit(LINUX_SIGKILL) | sig_bit(LINUX_SIGSTOP));
    struct sighand *sh = group_lock_sighand(t->group);
    sigset64 newly = mask & ~t->blocked;
    t->blocked = mask;
    if (newly)
        signal_retarget(t, newly);
    signal_recalc(t);
    mutex_unlock(&sh->lock);
}

void signal_set_action(struct thread_group *g, int sig, const struct sigaction_k *new,
                       struct sigaction_k *old)
{
    struct sighand *sh = group_lock_sighand(g);
    if (old)
        *old = sh->actions[sig];
    if (new) {
        sh->actions[sig] = *new;
        /* POSIX: pending instances of a signal that is now ignored are discarded. */
        if (signal_ignored(g, sh, sig)) {
            struct task *t;
            sigpending_discard(g, &g->pending, sig_bit(sig));
            list_for_each_entry (t, &g->tasks, group_node)
                sigpending_discard(g, &t->pending, sig_bit(sig));
        }
    }
    mutex_unlock(&sh->lock);
}

int signal_send_pgrp(int pgid, int sig, const struct linux_siginfo *info)
{
    rwlock_rdlock(&g_tasks_lock);
    struct process_group *pg = pgrp_find_locked(pgid);
    struct thread_group *g;
    int sent = 0;
    if (pg) {
        list_for_each_entry (g, &pg->members, pgrp_node) {
            if (g->zombie)
                continue;
            signal_send_group(g, sig, info);
            sent++;
        }
    }
    rwlock_rdunlock(&g_tasks_lock);
    return sent ? 0 : -ESRCH;
}

bool signal_may_send(struct task *from, struct thread_group *to, int sig)
{
    if (from->group == to)
        return true;
    const struct cred *a = from->cred;
    const struct cred *b = task_cred_get(to->leader);
    bool ok = cred_capable(a, LINUX_CAP_KILL) || a->euid == b->suid || a->euid == b->uid ||
              a->uid == b->suid || a->uid == b->uid;
    if (!ok && sig == LINUX_SIGCONT)
        ok = from->group->pgrp->session == to->pgrp->session;
    cred_put(b);
    return ok;
}
