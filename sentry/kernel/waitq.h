/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Readiness: an event source has a waitq; waiters are called when one of their events may have
 * become true. The condition is always re-checked by the waiter.
 */
#ifndef SENTRY_KERNEL_WAITQ_H
#define SENTRY_KERNEL_WAITQ_H

#include "cvisor/list.h"
#include "cvisor/lock.h"

struct task;
struct waitq;

struct waiter {
    struct list_head node; /* q->lock */
    struct waitq *q;       /* NULL when not queued; the owner of the waiter */
    u32 mask;              /* LINUX_POLL* it is interested in; ERR and HUP always are */
    bool exclusive;        /* EPOLLEXCLUSIVE, accept: wake one of them */
    /* Called with q->lock held: takes only locks below WAITQ, never blocks. */
    void (*notify)(struct waiter *w, u32 events);
    struct task *task; /* for waiter_init_task */
    void *arg;
};

struct waitq {
    struct mutex lock; /* rank WAITQ */
    struct list_head waiters;
    _Atomic u32 count; /* to skip the lock when nobody waits */
};

#define WAITQ_INIT(name)                                                                           \
    {                                                                                              \
        .lock = MUTEX_INIT(LOCK_WAITQ), .waiters = LIST_HEAD_INIT((name).waiters)                  \
    }

void waitq_init(struct waitq *q);
/* A waiter that wakes t with task_wake(). */
void waiter_init_task(struct waiter *w, struct task *t, u32 mask);
void waitq_add(struct waitq *q, struct waiter *w);
/* Harmless when not queued. After it returns notify is not running. */
void waitq_remove(struct waiter *w);
/* events became true (edge or level: callers may over-notify). Everyone with a matching mask;
 * of exclusive ones only the first. */
void waitq_notify(struct waitq *q, u32 events);
/* From inside a notify callback: another waitq's lock is held. The queues form no cycle (epoll). */
void waitq_notify_nested(struct waitq *q, u32 events);

/*
 * The standard blocking loop. Example:
 *
 *   struct waiter w;
 *   waiter_init_task(&w, t, LINUX_POLLIN);
 *   waitq_add(&p->waitq, &w);
 *   for (;;) {
 *       task_prepare_block(t);
 *       mutex_lock(&p->lock); n = try(p); mutex_unlock(&p->lock);
 *       if (n != -EAGAIN) break;
 *       err = task_block(t, TASK_FOREVER);
 *       if (err) { n = err; break; }       // -ERESTARTSYS: a signal; -ETIMEDOUT
 *   }
 *   waitq_remove(&w);
 *
 * For a file: sentry/vfs/file_wait.c has file_wait(f, mask, deadline).
 */

#endif
