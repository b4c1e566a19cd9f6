/* SPDX-License-Identifier: Apache-2.0 */
/* Wait queues. */
#include "sentry/kernel/waitq.h"

#include "abi/linux/poll.h"
#include "sentry/kernel/task.h"

void waitq_init(struct waitq *q)
{
    mutex_init(&q->lock, LOCK_WAITQ);
    list_init(&q->waiters);
    atomic_init(&q->count, 0);
}

static void waiter_wake_task(struct waiter *w, u32 events __unused)
{
    task_wake(w->task);
}

void waiter_init_task(struct waiter *w, struct task *t, u32 mask)
{
    *w = (struct waiter){.mask = mask, .notify = waiter_wake_task, .task = t};
    list_init(&w->node);
}

void waitq_add(struct waitq *q, struct waiter *w)
{
    mutex_lock(&q->lock);
    w->q = q;
    /* Exclusive waiters stand at the end, so that the others are always told. */
    if (w->exclusive)
        list_add_tail(&w->node, &q->waiters);
    else
        list_add(&w->node, &q->waiters);
    atomic_fetch_add(&q->count, 1);
    mutex_unlock(&q->lock);
}

void waitq_remove(struct waiter *w)
{
    struct waitq *q = w->q;
    if (!q)
        return;
    mutex_lock(&q->lock);
    list_del(&w->node);
    w->q = NULL;
    atomic_fetch_sub(&q->count, 1);
    mutex_unlock(&q->lock);
}

/* q->lock held. */
static void waitq_notify_locked(struct waitq *q, u32 events)
{
    struct waiter *w, *n;
    list_for_each_entry_safe (w, n, &q->waiters, node) {
        if (!(events & (w->mask | LINUX_POLLERR | LINUX_POLLHUP)))
            continue;
        w->notify(w, events);
        if (w->exclusive)
            break;
    }
}

void waitq_notify(struct waitq *q, u32 events)
{
    if (atomic_load(&q->count) == 0)
        return;
    mutex_lock(&q->lock);
    waitq_notify_locked(q, events);
    mutex_unlock(&q->lock);
}

void waitq_notify_nested(struct waitq *q, u32 events)
{
    if (atomic_load(&q->count) == 0)
        return;
    mutex_lock_nested(&q->lock);
    waitq_notify_locked(q, events);
    mutex_unlock(&q->lock);
}
