/* SPDX-License-Identifier: Apache-2.0 */
/* wait4 and waitid: the search over children and the taking of what is found. */
#include "sentry/kernel/wait.h"

#include "abi/linux/errno_internal.h"
#include "abi/linux/poll.h"
#include "abi/linux/wait.h"
#include "sentry/kernel/exit.h"
#include "sentry/kernel/signal_internal.h"
#include "sentry/vfs/vfs.h"

#include <errno.h>

static bool wait_matches(const struct wait_opts *o, struct thread_group *g)
{
    switch (o->idtype) {
    case LINUX_P_PID:
        if (g->id != o->id)
            return false;
        break;
    case LINUX_P_PGID:
        if (g->pgrp->id != o->id)
            return false;
        break;
    default:
        break;
    }
    /* "Clone" children are those that do not report with SIGCHLD. */
    bool clone_child = g->exit_signal != LINUX_SIGCHLD;
    if (o->options & LINUX___WALL)
        return true;
    return clone_child == ((o->options & (s32)LINUX___WCLONE) != 0);
}

static void wait_fill(struct wait_result *r, struct thread_group *g)
{
    const struct cred *c = task_cred_get(g->leader);
    r->pid = g->id;
    r->uid = c->uid;
    cred_put(c);
    group_usage_locked(g, &r->usage);
    rusage_add(&r->usage, &g->children_usage);
}

/* TASKS (write). True when g had something to report, which is taken unless WNOWAIT. */
static bool wait_take(const struct wait_opts *o, struct thread_group *g, struct wait_result *r)
{
    bool keep = (o->options & LINUX_WNOWAIT) != 0;
    if (g->zombie) {
        if (!(o->options & LINUX_WEXITED))
            return false;
        wait_fill(r, g);
        r->status = g->exit_code;
        r->code = LINUX_WIFEXITED(g->exit_code) ? LINUX_CLD_EXITED : LINUX_CLD_KILLED;
        if (!keep)
            exit_reap_locked(g);
        return true;
    }
    bool found = false;
    struct sighand *sh = group_lock_sighand(g);
    if (g->stop == GROUP_STOPPED && g->stop_wait_pending && (o->options & LINUX_WUNTRACED)) {
        r->status = LINUX_W_STOPCODE(g->stop_signal);
        r->code = LINUX_CLD_STOPPED;
        g->stop_wait_pending = keep;
        found = true;
    } else if (g->cont_pending && (o->options & LINUX_WCONTINUED)) {
        r->status = LINUX_W_CONTINUED;
        r->code = LINUX_CLD_CONTINUED;
        g->cont_pending = keep;
        found = true;
    }
    mutex_unlock(&sh->lock);
    if (found)
        wait_fill(r, g);
    return found;
}

/* 1 = found, 0 = children but none ready, -ECHILD. */
static int wait_scan(struct thread_group *self, const struct wait_opts *o, struct wait_result *r)
{
    struct thread_group *g, *n;
    int ret = -ECHILD;
    rwlock_wrlock(&g_tasks_lock);
    list_for_each_entry_safe (g, n, &self->children, sibling) {
        if (!wait_matches(o, g))
            continue;
        ret = 0;
        group_get(g);
        bool taken = wait_take(o, g, r);
        group_put(g);
        if (taken) {
            ret = 1;
            break;
        }
    }
    rwlock_wrunlock(&g_tasks_lock);
    return ret;
}

int wait_children(struct task *t, const struct wait_opts *o, struct wait_result *r)
{
    struct waiter w;
    int ret;
    waiter_init_task(&w, t, LINUX_POLLIN);
    waitq_add(&t->group->child_waitq, &w);
    for (;;) {
        task_prepare_block(t);
        ret = wait_scan(t->group, o, r);
        if (ret || (o->options & LINUX_WNOHANG))
            break;
        ret = task_block(t, TASK_FOREVER);
        if (ret)
            break;
    }
    waitq_remove(&w);
    if (ret > 0)
        mount_prune();
    return ret;
}
