/* SPDX-License-Identifier: Apache-2.0 */
/* Objects of the task tree: allocation, lookup, references. */
#include "sentry/kernel/task.h"

#include "cvisor/host.h"
#include "cvisor/kcache.h"
#include "sentry/kernel/fdtable.h"
#include "sentry/kernel/pgrp.h"
#include "sentry/kernel/pidtab.h"
#include "sentry/kernel/signal.h"
#include "sentry/kernel/task_alloc.h"

#include <string.h>

KCACHE(task);
KCACHE(thread_group);

struct rwlock g_tasks_lock = RWLOCK_INIT(LOCK_TASKS);
struct thread_group *g_init;
_Thread_local struct task *current;

struct task *task_alloc(struct thread_group *g)
{
    struct task *t = kcache_alloc(task);
    if (!t)
        return NULL;
    ref_init(&t->refs);
    list_init(&t->group_node);
    mutex_init(&t->res_lock, LOCK_LEAF);
    sigpending_init(&t->pending);
    t->altstack.ss_flags = LINUX_SS_DISABLE;
    task_set_syscall(t, ~0ull);
    t->timerslack_ns = 50000;
    /* Until the platform runs it, there is nothing that a signal could interrupt. */
    atomic_store(&t->in_event, true);
    t->start_ns = host_now_mono();
    t->last_event_ns = t->start_ns;
    memset(t->cpu_mask, 0xff, sizeof(t->cpu_mask));
    group_get(g);
    t->group = g;
    return t;
}

void task_get(struct task *t)
{
    ref_get(&t->refs);
}

void task_put(struct task *t)
{
    if (!ref_put(&t->refs))
        return;
    kfree(t->start_fp);
    cred_put(t->cred);
    group_put(t->group);
    kcache_free(task, t);
}

void task_get_comm(struct task *t, char out[TASK_COMM_LEN])
{
    mutex_lock(&t->res_lock);
    memcpy(out, t->comm, TASK_COMM_LEN);
    mutex_unlock(&t->res_lock);
}

void task_set_comm(struct task *t, const char comm[TASK_COMM_LEN])
{
    mutex_lock(&t->res_lock);
    memcpy(t->comm, comm, TASK_COMM_LEN - 1);
    mutex_unlock(&t->res_lock);
}

struct thread_group *group_alloc(struct sighand *sh)
{
    struct thread_group *g = kcache_alloc(thread_group);
    if (!g)
        return NULL;
    ref_init(&g->refs);
    list_init(&g->tasks);
    list_init(&g->children);
    list_init(&g->sibling);
    list_init(&g->pgrp_node);
    sigpending_init(&g->pending);
    waitq_init(&g->child_waitq);
    waitq_init(&g->signal_waitq);
    mutex_init(&g->rlimit_lock, LOCK_LEAF);
    g->start_ns = host_now_mono();
    g->sighand = sh;
    return g;
}

void group_get(struct thread_group *g)
{
    ref_get(&g->refs);
}

void group_put(struct thread_group *g)
{
    if (!ref_put(&g->refs))
        return;
    sigpending_flush(g, &g->pending);
    sighand_put(g->sighand);
    for (struct old_sighand *o = g->old_sighands, *next; o; o = next) {
        next = o->next;
        sighand_put(o->sighand);
        kfree(o);
    }
    if (g->pgrp)
        pgrp_put(g->pgrp);
    kcache_free(thread_group, g);
}

struct sighand *group_lock_sighand(struct thread_group *g)
{
    for (;;) {
        struct sighand *sh = atomic_load(&g->sighand);
        mutex_lock(&sh->lock);
        if (sh == atomic_load(&g->sighand))
            return sh;
        mutex_unlock(&sh->lock);
    }
}

struct task *task_find_locked(int tid)
{
    struct pid *p = pidtab_find(tid);
    return p ? p->task : NULL;
}

struct task *task_find(int tid)
{
    rwlock_rdlock(&g_tasks_lock);
    struct task *t = task_find_locked(tid);
    if (t)
        task_get(t);
    rwlock_rdunlock(&g_tasks_lock);
    return t;
}

struct thread_group *group_find_locked(int tgid)
{
    struct task *t = task_find_locked(tgid);
    return t && t->group->id == tgid ? t->group : NULL;
}

struct process_group *pgrp_find_locked(int id)
{
    struct pid *p = pidtab_find(id);
    return p ? p->pgrp : NULL;
}

int group_for_each(int (*fn)(struct thread_group *g, void *arg), void *arg)
{
    int ret = 0;
    rwlock_rdlock(&g_tasks_lock);
    for (struct task *t = pidtab_next_leader(1); t && !ret; t = pidtab_next_leader(t->tid + 1))
        ret = fn(t->group, arg);
    rwlock_rdunlock(&g_tasks_lock);
    return ret;
}
