/* SPDX-License-Identifier: Apache-2.0 */
/* Process groups and sessions. */
#include "sentry/kernel/pgrp.h"

#include "cvisor/kcache.h"
#include "sentry/kernel/answers.h"
#include "sentry/kernel/pidtab.h"
#include "sentry/kernel/signal.h"

#include <errno.h>

KCACHE(process_group);
KCACHE(session);

static void session_put(struct session *s)
{
    /* Its number went in pgrp_retire(): TASKS need not be held here. */
    if (ref_put(&s->refs))
        kcache_free(session, s);
}

struct process_group *pgrp_new(int id, struct session *s)
{
    struct pid *p = pidtab_find(id);
    struct process_group *pg = p ? kcache_alloc(process_group) : NULL;
    if (!pg)
        return NULL;
    ref_init(&pg->refs);
    pg->id = id;
    ref_get(&s->refs);
    pg->session = s;
    list_init(&pg->members);
    list_add_tail(&pg->session_node, &s->groups);
    p->pgrp = pg;
    return pg;
}

struct process_group *session_new(int id)
{
    struct session *s = kcache_alloc(session);
    if (!s)
        return NULL;
    ref_init(&s->refs);
    s->id = id;
    list_init(&s->groups);
    struct process_group *pg = pgrp_new(id, s);
    if (pg)
        pidtab_find(id)->session = s;
    ref_put(&s->refs); /* the group's reference stays */
    if (!pg)
        kcache_free(session, s);
    return pg;
}

void pgrp_get(struct process_group *pg)
{
    ref_get(&pg->refs);
}

void pgrp_put(struct process_group *pg)
{
    if (!ref_put(&pg->refs))
        return;
    session_put(pg->session);
    kcache_free(process_group, pg);
}

/* The last member left: the number is free and nobody can find the group any more. */
static void pgrp_retire(struct process_group *pg)
{
    list_del(&pg->session_node);
    if (pg->session->foreground == pg)
        pg->session->foreground = NULL;
    struct pid *p = pidtab_find(pg->id);
    if (p && p->pgrp == pg) {
        p->pgrp = NULL;
        pidtab_release(p);
    }
    /* The session's number goes with its last group. */
    if (list_empty(&pg->session->groups)) {
        p = pidtab_find(pg->session->id);
        if (p && p->session == pg->session) {
            p->session = NULL;
            pidtab_release(p);
        }
    }
}

void pgrp_leave(struct thread_group *g)
{
    struct process_group *pg = g->pgrp;
    list_del(&g->pgrp_node);
    if (list_empty(&pg->members))
        pgrp_retire(pg);
}

void pgrp_join(struct thread_group *g, struct process_group *pg)
{
    struct process_group *old = g->pgrp;
    if (old == pg)
        return;
    if (old)
        pgrp_leave(g);
    pgrp_get(pg);
    g->pgrp = pg;
    list_add_tail(&g->pgrp_node, &pg->members);
    answers_pgrp_changed(g);
    if (old)
        pgrp_put(old);
}

bool pgrp_is_orphaned(struct process_group *pg, struct thread_group *except)
{
    struct thread_group *g;
    list_for_each_entry (g, &pg->members, pgrp_node) {
        if (g == except || g->zombie || !g->parent)
            continue;
        if (g->parent->pgrp != pg && g->parent->pgrp->session == pg->session)
            return false;
    }
    return true;
}

bool pgrp_has_stopped(struct process_group *pg)
{
    struct thread_group *g;
    list_for_each_entry (g, &pg->members, pgrp_node) {
        if (g->zombie)
            continue;
        struct sighand *sh = group_lock_sighand(g);
        bool stopped = g->stop == GROUP_STOPPED;
        mutex_unlock(&sh->lock);
        if (stopped)
            return true;
    }
    return false;
}

int pgrp_signal_locked(struct process_group *pg, int sig, const struct linux_siginfo *info)
{
    struct thread_group *g;
    int sent = 0;
    list_for_each_entry (g, &pg->members, pgrp_node) {
        if (g->zombie)
            continue;
        signal_send_group(g, sig, info);
        sent++;
    }
    return sent ? 0 : -ESRCH;
}

static void pgrp_check_one(struct process_group *pg, struct thread_group *except)
{
    if (pgrp_is_orphaned(pg, except) && pgrp_has_stopped(pg)) {
        pgrp_signal_locked(pg, LINUX_SIGHUP, NULL);
        pgrp_signal_locked(pg, LINUX_SIGCONT, NULL);
    }
}

void pgrp_check_orphans(struct thread_group *exiting)
{
    struct thread_group *parent = exiting->parent;
    /* Its own group loses the link through its parent. */
    if (parent && parent->pgrp != exiting->pgrp && parent->pgrp->session == exiting->pgrp->session)
        pgrp_check_one(exiting->pgrp, exiting);
}

void pgrp_check_reparented(struct thread_group *child, struct thread_group *old_parent)
{
    if (child->pgrp != old_parent->pgrp && child->pgrp->session == old_parent->pgrp->session)
        pgrp_check_one(child->pgrp, NULL);
}
