/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by futex.c and futex_pi.c: hash buckets, waiters, batches of wake-ups. */
#ifndef SENTRY_KERNEL_FUTEX_INTERNAL_H
#define SENTRY_KERNEL_FUTEX_INTERNAL_H

#include "sentry/kernel/futex.h"
#include "sentry/kernel/task.h"
#include "sentry/mm/mm.h"

struct futex_bucket {
    struct mutex lock;        /* rank FUTEX */
    struct list_head waiters; /* lock; in order of arrival */
    _Atomic u32 count;        /* waiters here or about to be: wakers skip an empty bucket */
} __aligned_to(64);

struct futex_waiter {
    struct list_head node;               /* bucket->lock */
    struct futex_bucket *_Atomic bucket; /* changed under the bucket's lock (both for requeue) */
    struct futex_key key;                /* bucket->lock */
    u32 bitset;
    struct task *task;
    atomic_bool woken; /* dequeued by a waker: the waiter is free to go */
    bool pi;           /* waits for the ownership of key; bucket->lock */
    bool pi_retry;     /* woken to look at the word again: the owner died */
    bool requeue_pi;   /* FUTEX_WAIT_REQUEUE_PI, not requeued yet; to pi_key */
    struct futex_key pi_key;
};

/* Tasks to wake once the bucket's lock is dropped. */
#define FUTEX_BATCH 16
struct futex_batch {
    struct task *tasks[FUTEX_BATCH]; /* referenced */
    u32 n;
};
void futex_batch_flush(struct futex_batch *b);

struct futex_bucket *futex_bucket_of(const struct futex_key *k);
static inline bool futex_key_equal(const struct futex_key *a, const struct futex_key *b)
{
    return a->space == b->space && a->off == b->off;
}
/* The guest word is aligned and has a key. */
int futex_key_get(struct task *t, struct futex_word w, struct futex_key *key);
/* Two buckets in address order; a may be b. */
void futex_lock_two(struct futex_bucket *a, struct futex_bucket *b);
void futex_unlock_two(struct futex_bucket *a, struct futex_bucket *b);

/* The count goes up before the lock is taken and the word is read. */
void futex_bucket_enter(struct futex_bucket *b);
void futex_bucket_leave(struct futex_bucket *b); /* nothing was queued */
/* Lock held, after enter; keeps the count. */
void futex_enqueue(struct futex_bucket *b, struct futex_waiter *w);
/* Lock held. Takes w out and marks it woken; the task is put into the batch. */
void futex_wake_waiter(struct futex_bucket *b, struct futex_waiter *w, struct futex_batch *batch);
/* Takes w out of whatever bucket it is in. False when a waker has been faster. */
bool futex_dequeue(struct futex_waiter *w);
/* Compares the word and queues w. 0, -EAGAIN when the value differs, other errors. */
int futex_wait_setup(struct task *t, struct futex_word word, u32 val, struct futex_waiter *w);
void futex_for_each_bucket(void (*fn)(struct futex_bucket *b));
/* Sleeps until woken: 0, -ERESTARTSYS, -ETIMEDOUT. */
int futex_sleep(struct task *t, struct futex_waiter *w, u64 deadline);
/* Makes the word present: 0 to try again, -EFAULT. Nothing locked. */
int futex_fault_in(struct task *t, uaddr_t addr, bool write);

/* A task that may own PI locks has gone: PI waiters look at their words again. */
void futex_pi_owner_died(void);
/* PI waiters of the word look again. */
void futex_pi_kick(struct task *t, struct futex_word w);

#endif
