/* SPDX-License-Identifier: Apache-2.0 */
/* Exit of tasks and groups: what they give up, who inherits their children, who is told. */
#include "sentry/kernel/exit.h"

#include "abi/linux/errno_internal.h"
#include "abi/linux/poll.h"
#include "abi/linux/wait.h"
#include "sentry/kernel/answers.h"
#include "sentry/kernel/cpu_limit.h"
#include "sentry/kernel/fdtable.h"
#include "sentry/kernel/futex.h"
#include "sentry/kernel/pgrp.h"
#include "sentry/kernel/pidfd.h"
#include "sentry/kernel/pidtab.h"
#include "sentry/kernel/posix_timer.h"
#include "sentry/kernel/signal_internal.h"
#include "sentry/kernel/task_alloc.h"
#include "sentry/mm/mm.h"
#include "sentry/mm/uaccess.h"
#include "sentry/vfs/vfs.h"

#include <errno.h>
#include <string.h>

void (*g_init_exited)(int wait_status);

/* ---- accounting ---- */

void rusage_add(struct rusage_k *to, const struct rusage_k *from)
{
    to->utime_ns += from->utime_ns;
    to->stime_ns += from->stime_ns;
    to->minflt += from->minflt;
    to->majflt += from->majflt;
    to->nvcsw += from->nvcsw;
    to->nivcsw += from->nivcsw;
    to->inblock += from->inblock;
    to->oublock += from->oublock;
    to->maxrss = MAX(to->maxrss, from->maxrss);
}

static void rusage_add_task(struct rusage_k *u, struct task *t)
{
    u->utime_ns += atomic_load(&t->utime_ns);
    u->stime_ns += atomic_load(&t->stime_ns);
    u->nvcsw += atomic_load(&t->nvcsw);
    u->minflt += atomic_load(&t->minflt);
    mutex_lock(&t->res_lock);
    if (t->mm)
        u->maxrss = MAX(u->maxrss, atomic_load(&t->mm->max_rss));
    mutex_unlock(&t->res_lock);
}

void group_usage_locked(struct thread_group *g, struct rusage_k *self)
{
    struct task *t;
    *self = g->self_usage;
    list_for_each_entry (t, &g->tasks, group_node)
        rusage_add_task(self, t);
}

static struct linux_timeval ns_to_timeval(u64 ns)
{
    return (struct linux_timeval){
        .tv_sec = (s64)(ns / (u64)NSEC_PER_SEC),
        .tv_usec = (s64)(ns % (u64)NSEC_PER_SEC) / NSEC_PER_USEC,
    };
}

void rusage_to_linux(const struct rusage_k *k, struct linux_rusage *ru)
{
    memset(ru, 0, sizeof(*ru));
    ru->ru_utime = ns_to_timeval(k->utime_ns);
    ru->ru_stime = ns_to_timeval(k->stime_ns);
    ru->ru_maxrss = (s64)(k->maxrss >> 10);
    ru->ru_minflt = (s64)k->minflt;
    ru->ru_majflt = (s64)k->majflt;
    ru->ru_nvcsw = (s64)k->nvcsw;
    ru->ru_nivcsw = (s64)k->nivcsw;
    ru->ru_inblock = (s64)k->inblock;
    ru->ru_oublock = (s64)k->oublock;
}

/* ---- telling the parent ---- */

static void fill_chld_info(struct linux_siginfo *info, struct thread_group *g, int code, int status)
{
    struct rusage_k u;
    group_usage_locked(g, &u);
    const struct cred *c = task_cred_get(g->leader);
    memset(info, 0, sizeof(*info));
    info->si_signo = LINUX_SIGCHLD;
    info->si_code = code;
    info->chld.pid = g->id;
    info->chld.uid = c->uid;
    info->chld.status = status;
    info->chld.utime = (s64)(u.utime_ns / 10000000);
    info->chld.stime = (s64)(u.stime_ns / 10000000);
    cred_put(c);
}

void exit_notify_parent_stop(struct thread_group *g, int code, int sig)
{
    struct linux_siginfo info;
    rwlock_rdlock(&g_tasks_lock);
    struct thread_group *p = g->parent;
    if (p) {
        fill_chld_info(&info, g, code, sig);
        struct sighand *sh = group_lock_sighand(p);
        if (!(sh->actions[LINUX_SIGCHLD].flags & LINUX_SA_NOCLDSTOP))
            signal_send_locked(p, NULL, sh, LINUX_SIGCHLD, &info, NULL);
        mutex_unlock(&sh->lock);
        waitq_notify(&p->child_waitq, LINUX_POLLIN);
    }
    rwlock_rdunlock(&g_tasks_lock);
}

bool exit_pgrp_orphaned(struct thread_group *g)
{
    return pgrp_is_orphaned(g->pgrp, NULL);
}

/* TASKS (write). The whole group is dead: SIGCHLD, or automatic reaping. True = reap at once. */
static bool exit_notify_parent(struct thread_group *g)
{
    struct thread_group *p = g->parent;
    bool reap = false;
    if (!p)
        return false;
    int code = LINUX_WIFEXITED(g->exit_code) ? LINUX_CLD_EXITED : LINUX_CLD_KILLED;
    int status = code == LINUX_CLD_EXITED ? LINUX_WEXITSTATUS(g->exit_code)
                                          : LINUX_WTERMSIG(g->exit_code);
    struct linux_siginfo info;
    fill_chld_info(&info, g, code, status);
    info.si_signo = g->exit_signal;
    struct sighand *sh = group_lock_sighand(p);
    if (g->exit_signal == LINUX_SIGCHLD) {
        struct sigaction_k *ka = &sh->actions[LINUX_SIGCHLD];
        reap = ka->handler == SIGACT_IGN || (ka->flags & LINUX_SA_NOCLDWAIT);
    }
    if (g->exit_signal &&
        !(g->exit_signal == LINUX_SIGCHLD && sh->actions[LINUX_SIGCHLD].handler == SIGACT_IGN))
        signal_send_locked(p, NULL, sh, g->exit_signal, &info, NULL);
    mutex_unlock(&sh->lock);
    waitq_notify(&p->child_waitq, LINUX_POLLIN);
    return reap;
}

/* ---- reaping ---- */

/* TASKS (write). Takes a dead group out of the tree. */
void exit_reap_locked(struct thread_group *g)
{
    struct task *leader = g->leader;
    if (g->parent) {
        rusage_add(&g->parent->children_usage, &g->self_usage);
        rusage_add(&g->parent->children_usage, &g->children_usage);
    }
    list_del(&g->sibling);
    pgrp_leave(g);
    /* A file, or a mount on a directory of /proc, may keep the group for long. */
    struct sighand *sh = group_lock_sighand(g);
    sigpending_flush(g, &g->pending);
    mutex_unlock(&sh->lock);
    struct pid *p = pidtab_find(leader->tid);
    p->task = NULL;
    pidtab_release(p);
    atomic_store(&leader->state, TASK_DEAD);
    g->parent = NULL;
    task_put(leader);
}

/* TASKS (write). The nearest living ancestor that is a subreaper, or init. */
static struct thread_group *exit_find_reaper(struct thread_group *g)
{
    for (struct thread_group *p = g->parent; p; p = p->parent) {
        if (p->child_subreaper && !p->zombie && !p->group_exiting)
            return p;
    }
    return g == g_init ? NULL : g_init;
}

static void exit_reparent_children(struct thread_group *g)
{
    struct thread_group *reaper = exit_find_reaper(g), *c, *n;
    list_for_each_entry_safe (c, n, &g->children, sibling) {
        struct task *t;
        if (reaper)
            list_move_tail(&c->sibling, &reaper->children);
        else
            list_del(&c->sibling);
        c->parent = reaper;
        answers_parent_changed(c); /* before the signal tells of it */
        list_for_each_entry (t, &c->tasks, group_node) {
            int sig = t->pdeath_signal;
            if (sig)
                signal_send_task(t, sig, NULL);
        }
        if (!reaper)
            continue;
        c->exit_signal = LINUX_SIGCHLD;
        pgrp_check_reparented(c, g);
        if (c->zombie && exit_notify_parent(c))
            exit_reap_locked(c);
    }
}

/* A session leader takes its terminal with it. */
static void exit_session_leader(struct thread_group *g)
{
    struct session *s = g->pgrp->session;
    if (s->leader != g)
        return;
    s->leader = NULL;
    if (s->tty && s->foreground) {
        pgrp_signal_locked(s->foreground, LINUX_SIGHUP, NULL);
        pgrp_signal_locked(s->foreground, LINUX_SIGCONT, NULL);
    }
    s->tty = NULL;
}

/* TASKS (write). The last task of g has gone. */
static void exit_group_dead(struct thread_group *g)
{
    exit_session_leader(g);
    pgrp_check_orphans(g);
    exit_reparent_children(g);
    atomic_store_explicit(&g->zombie, true,
                          memory_order_release); /* pidfd.c reads it without the lock */
    pidfd_notify_exit(g);
    if (exit_notify_parent(g))
        exit_reap_locked(g);
}

/* ---- the exiting task itself ---- */

void exit_release_mm(struct task *t)
{
    futex_exit_robust(t);
    if (t->clear_child_tid.v) {
        if (atomic_load(&t->mm->users) > 1 && put_u32(t, t->clear_child_tid, 0) == 0)
            futex_wake_user(t, t->clear_child_tid, 1);
        t->clear_child_tid = uaddr(0);
    }
    if (t->vfork_parent) {
        struct task *p = t->vfork_parent;
        t->vfork_parent = NULL;
        atomic_store(&p->vfork_done, true);
        task_wake(p);
        task_put(p);
    }
}

/* t is the last thread of init: nothing of the sandbox is left after it. */
static bool exit_is_end(struct task *t)
{
    bool end;

    rwlock_rdlock(&g_tasks_lock);
    end = t->group == g_init && t->group->nthreads == 1;
    rwlock_rdunlock(&g_tasks_lock);
    return end;
}

static void exit_release_resources(struct task *t)
{
    exit_release_mm(t);
    mutex_lock(&t->res_lock);
    struct mm *mm = t->mm;
    struct fdtable *files = t->files;
    struct fs_context *fs = t->fs;
    struct mount_ns *ns = t->mnt_ns;
    atomic_store(&t->mm_maxrss, atomic_load(&mm->max_rss));
    /* First nobody finds them through the task any more: who does may take a reference. */
    t->mm = NULL;
    t->files = NULL;
    mutex_unlock(&t->res_lock);
    fdtable_put(files);
    /* Files that are closed may want these, of the current task. */
    mutex_lock(&t->res_lock);
    t->fs = NULL;
    t->mnt_ns = NULL;
    mutex_unlock(&t->res_lock);
    /* What the end of init would take apart goes with the process, faster. */
    if (!exit_is_end(t)) {
        fs_context_put(fs);
        mount_ns_put(ns);
    }
    mm_drop(mm);
}

/* TASKS (write): out of the group. True when it was the last one. *stop_sig: the signal of a stop that
 * waited for this task only, and of which the parent is to be told. */
static bool exit_leave_group(struct task *t, int *stop_sig)
{
    struct thread_group *g = t->group;
    struct sighand *sh = group_lock_sighand(g);
    t->pt = NULL;
    sigpending_flush(g, &t->pending);
    list_del(&t->group_node);
    bool last = --g->nthreads == 0;
    signal_retarget(t, ~t->blocked);
    *stop_sig = group_stop_take_part(t) && !last ? g->stop_signal : 0;
    struct task *waiting = g->exec_task;
    /* The status of a group that nobody killed as a whole is its leader's, or the last one's. */
    if (!g->group_exiting && (t == g->leader || last) && !(t != g->leader && g->leader_exited))
        g->exit_code = t->exit_code;
    /* From now on nothing changes it: a SIGKILL that comes before the group is a zombie is late. */
    if (last)
        g->group_exiting = true;
    if (t == g->leader)
        g->leader_exited = true;
    atomic_store(&t->state, TASK_ZOMBIE);
    mutex_unlock(&sh->lock);
    rusage_add_task(&g->self_usage, t);
    g->self_usage.maxrss = MAX(g->self_usage.maxrss, atomic_load(&t->mm_maxrss));
    if (waiting)
        task_wake(waiting);
    return last;
}

void task_exit(struct task *t, int wait_status)
{
    struct thread_group *g = t->group;
    t->exit_code = wait_status;
    atomic_store(&t->exited, true);
    exit_release_resources(t);

    rwlock_wrlock(&g_tasks_lock);
    int stop_sig;
    bool last = exit_leave_group(t, &stop_sig);
    bool init = g == g_init && last;
    bool leader = t == g->leader; /* a thread that waits in execve takes over at the unlock */
    if (!leader) {
        struct pid *p = pidtab_find(t->tid);
        if (p && p->task == t) {
            p->task = NULL;
            pidtab_release(p);
        }
        atomic_store(&t->state, TASK_DEAD);
    }
    if (last)
        exit_group_dead(g);
    int code = last ? g->exit_code : 0;
    rwlock_wrunlock(&g_tasks_lock);
    mount_prune();
    if (stop_sig)
        exit_notify_parent_stop(g, LINUX_CLD_STOPPED, stop_sig);
    if (last) {
        posix_timers_exit(g);
        cpu_limit_exit(g);
    }
    if (init && g_init_exited)
        g_init_exited(code);
    /* The tree's reference: the leader's goes when the group is reaped. */
    if (!leader)
        task_put(t);
}

void group_exit(struct task *t, int wait_status)
{
    struct sighand *sh = group_lock_sighand(t->group);
    group_kill_locked(t->group, wait_status);
    mutex_unlock(&sh->lock);
}

int exit_other_threads(struct task *t)
{
    struct thread_group *g = t->group;
    struct task *o;
    struct sighand *sh = group_lock_sighand(g);
    if (g->group_exiting || g->exec_task) {
        mutex_unlock(&sh->lock);
        return -EAGAIN;
    }
    g->exec_task = t;
    list_for_each_entry (o, &g->tasks, group_node) {
        if (o == t)
            continue;
        atomic_store(&o->killed, true);
        task_set_signal_work(o);
    }
    mutex_unlock(&sh->lock);
    int err = 0;
    for (;;) {
        task_prepare_block(t);
        rwlock_rdlock(&g_tasks_lock);
        bool alone = g->nthreads == 1;
        rwlock_rdunlock(&g_tasks_lock);
        if (alone)
            break;
        err = task_block_killable(t, TASK_FOREVER);
        if (err)
            break;
    }
    rwlock_wrlock(&g_tasks_lock);
    struct task *old_leader = NULL;
    if (!err && g->leader != t) {
        old_leader = g->leader;
        struct pid *mine = pidtab_find(t->tid), *lead = pidtab_find(g->id);
        mine->task = NULL;
        pidtab_release(mine);
        lead->task = t;
        t->tid = g->id;
        answers_tid_changed(t);
        sh = group_lock_sighand(g);
        g->leader = t;
        g->leader_exited = false;
        mutex_unlock(&sh->lock);
        atomic_store(&old_leader->state, TASK_DEAD);
    }
    sh = group_lock_sighand(g);
    g->exec_task = NULL;
    mutex_unlock(&sh->lock);
    rwlock_wrunlock(&g_tasks_lock);
    if (old_leader) {
        mount_prune();
        task_put(old_leader);
    }
    return err ? -EAGAIN : 0;
}
