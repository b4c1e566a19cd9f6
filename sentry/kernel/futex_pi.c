/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Priority-inheritance futexes, without the inheritance: the word holds its owner's number, unlocking
 * hands the lock to the first waiter, and a dead owner's lock is taken with FUTEX_OWNER_DIED set.
 */
#include "abi/linux/errno_internal.h"
#include "abi/linux/futex.h"
#include "sentry/kernel/futex_internal.h"
#include "sentry/mm/uaccess.h"

#include <errno.h>

/* PI waiters in the whole sandbox: exits look for orphaned locks only when there are any. */
static _Atomic u32 g_pi_waiters;

/* The bucket is locked. The first PI waiter for key. */
static struct futex_waiter *pi_first(struct futex_bucket *b, const struct futex_key *key)
{
    struct futex_waiter *w;
    list_for_each_entry (w, &b->waiters, node) {
        if (w->pi && futex_key_equal(&w->key, key))
            return w;
    }
    return NULL;
}

static bool task_alive(int tid)
{
    struct task *o = task_find(tid);
    if (!o)
        return false;
    int s = atomic_load(&o->state);
    /* Set before the exiting task looks for those who wait for its locks. */
    bool exited = atomic_load(&o->exited);
    task_put(o);
    return !exited && s != TASK_ZOMBIE && s != TASK_DEAD;
}

enum pi_result { PI_ACQUIRED, PI_BUSY };

/*
 * The bucket is locked. Takes the lock for tid, or sets FUTEX_WAITERS so that its owner will come to the
 * kernel. dead: the owner, when the caller knows that it is gone. -EFAULT: the word is not present.
 * *owner is set for PI_BUSY.
 */
static int pi_try(struct task *t, struct futex_bucket *b, const struct futex_key *key, uaddr_t addr,
                  int tid, int dead, int *owner, bool set_waiters)
{
    u32 v, old, new;
    int err = user_load_u32_nofault(t, addr, &v);
    while (!err) {
        int own = (int)(v & LINUX_FUTEX_TID_MASK);
        if (own == tid)
            return -EDEADLK;
        bool free = own == 0 || own == dead;
        if (free) {
            new = (u32)tid | (v & LINUX_FUTEX_OWNER_DIED);
            if (own)
                new |= LINUX_FUTEX_OWNER_DIED;
            if (pi_first(b, key))
                new |= LINUX_FUTEX_WAITERS;
        } else {
            *owner = own;
            if ((v & LINUX_FUTEX_WAITERS) || !set_waiters)
                return PI_BUSY;
            new = v | LINUX_FUTEX_WAITERS;
        }
        err = user_cmpxchg_u32_nofault(t, addr, v, new, &old);
        if (!err && old == v)
            return free ? PI_ACQUIRED : PI_BUSY;
        v = old;
    }
    return err;
}

/* Queued: sleeps until the lock is ours (0) or the word must be looked at again (1). */
static int pi_sleep(struct task *t, struct futex_waiter *w, u64 deadline)
{
    int err = futex_sleep(t, w, deadline);
    if (err && futex_dequeue(w))
        return err;
    return w->pi_retry ? 1 : 0;
}

/* The bucket is entered and locked; both end here. */
static s64 pi_lock_wait(struct task *t, struct futex_bucket *b, struct futex_waiter *w, int owner,
                        u64 deadline)
{
    int r = 1;
    w->pi = true;
    w->pi_retry = false;
    atomic_store(&w->woken, false);
    atomic_fetch_add(&g_pi_waiters, 1);
    futex_enqueue(b, w);
    mutex_unlock(&b->lock);
    /* Either its exit sees us, or we see that it has gone. */
    if (task_alive(owner))
        r = pi_sleep(t, w, deadline);
    else if (!futex_dequeue(w) && !w->pi_retry)
        r = 0;
    atomic_fetch_sub(&g_pi_waiters, 1);
    return r;
}

/* waited: the caller has been queued for the lock; an owner that is gone now was there then. */
static s64 pi_lock(struct task *t, struct futex_word word, u64 deadline, bool try, bool waited)
{
    struct futex_waiter w = {.bitset = LINUX_FUTEX_BITSET_MATCH_ANY, .task = t};
    int owner = 0, dead = 0, checked = 0;
    list_init(&w.node);
    for (;;) {
        int err = futex_key_get(t, word, &w.key);
        if (err)
            return err;
        struct futex_bucket *b = futex_bucket_of(&w.key);
        futex_bucket_enter(b);
        int r = pi_try(t, b, &w.key, word.addr, t->tid, dead, &owner, !try);
        if (r == PI_BUSY && !try && owner == checked) {
            s64 s = pi_lock_wait(t, b, &w, owner, deadline);
            if (s <= 0)
                return s == -ERESTARTSYS ? -ERESTARTNOINTR : s;
            /* Its owner died while we slept. */
            checked = dead = 0;
            waited = true;
            continue;
        }
        futex_bucket_leave(b);
        if (r == PI_ACQUIRED)
            return 0;
        if (r == PI_BUSY) {
            if (try)
                return -EWOULDBLOCK;
            if (task_alive(owner))
                checked = owner;
            else if (waited)
                dead = owner;
            else
                return -ESRCH; /* a lock whose owner never was there is not ours to repair */
            continue;
        }
        if (r != -EFAULT)
            return r;
        err = futex_fault_in(t, word.addr, true);
        if (err)
            return err;
    }
}

s64 futex_lock_pi(struct task *t, struct futex_word word, u64 deadline, bool try)
{
    return pi_lock(t, word, deadline, try, false);
}

s64 futex_unlock_pi(struct task *t, struct futex_word word)
{
    struct futex_key key;
    u32 v, old;
    for (;;) {
        struct futex_batch batch = {.n = 0};
        int err = futex_key_get(t, word, &key);
        if (err)
            return err;
        struct futex_bucket *b = futex_bucket_of(&key);
        mutex_lock(&b->lock);
        err = user_load_u32_nofault(t, word.addr, &v);
        if (!err && (int)(v & LINUX_FUTEX_TID_MASK) != t->tid) {
            mutex_unlock(&b->lock);
            return -EPERM;
        }
        struct futex_waiter *w = pi_first(b, &key);
        if (!err) {
            u32 new = w ? (u32)w->task->tid | LINUX_FUTEX_WAITERS : 0;
            err = user_cmpxchg_u32_nofault(t, word.addr, v, new, &old);
        }
        if (!err && old == v && w)
            futex_wake_waiter(b, w, &batch);
        mutex_unlock(&b->lock);
        futex_batch_flush(&batch);
        if (!err && old == v)
            return 0;
        if (err) {
            err = futex_fault_in(t, word.addr, true);
            if (err)
                return err;
        }
    }
}

/* ---- owners that exit ---- */

static void pi_retry_all(struct futex_bucket *b)
{
    struct futex_batch batch = {.n = 0};
    struct futex_waiter *w, *n;
    mutex_lock(&b->lock);
    list_for_each_entry_safe (w, n, &b->waiters, node) {
        if (!w->pi)
            continue;
        w->pi_retry = true;
        futex_wake_waiter(b, w, &batch);
    }
    mutex_unlock(&b->lock);
    futex_batch_flush(&batch);
}

void futex_pi_kick(struct task *t, struct futex_word word)
{
    struct futex_key key;
    if (atomic_load(&g_pi_waiters) && futex_key_get(t, word, &key) == 0)
        pi_retry_all(futex_bucket_of(&key));
}

void futex_pi_owner_died(void)
{
    if (!atomic_load(&g_pi_waiters))
        return;
    futex_for_each_bucket(pi_retry_all);
}

/* ---- condition variables over PI locks ---- */

s64 futex_wait_requeue_pi(struct task *t, struct futex_word word, u32 val, u32 bitset, u64 deadline,
                          struct futex_word pi)
{
    struct futex_waiter w = {.bitset = bitset, .task = t, .requeue_pi = true};
    if (!bitset)
        return -EINVAL;
    if (word.addr.v == pi.addr.v)
        return -EINVAL;
    list_init(&w.node);
    int err = futex_key_get(t, pi, &w.pi_key);
    if (err)
        return err;
    /* Before it is queued: it may be moved to the lock, and the lock's owner die, at once. */
    atomic_fetch_add(&g_pi_waiters, 1);
    err = futex_wait_setup(t, word, val, &w);
    if (err) {
        atomic_fetch_sub(&g_pi_waiters, 1);
        return err;
    }
    err = futex_sleep(t, &w, deadline);
    bool ours = err && futex_dequeue(&w);
    atomic_fetch_sub(&g_pi_waiters, 1);
    if (!ours) {
        if (!w.pi_retry)
            return 0; /* the lock was handed to us */
        return pi_lock(t, pi, deadline, false, true);
    }
    if (err == -ETIMEDOUT)
        return err;
    return w.pi ? -EWOULDBLOCK : -ERESTARTNOINTR;
}

/* Both buckets are locked. Gives `to` to w, or queues w for it. -EFAULT: the word is not present. */
static int requeue_one(struct task *t, struct futex_bucket *b1, struct futex_bucket *b2,
                       struct futex_waiter *w, const struct futex_key *k2, uaddr_t to,
                       struct futex_batch *batch)
{
    int owner, r = pi_try(t, b2, k2, to, w->task->tid, 0, &owner, true);
    if (r < 0)
        return r;
    w->requeue_pi = false;
    w->pi = true;
    if (r == PI_ACQUIRED) {
        futex_wake_waiter(b1, w, batch);
        return 0;
    }
    w->key = *k2;
    if (b1 != b2) {
        list_move_tail(&w->node, &b2->waiters);
        atomic_fetch_sub(&b1->count, 1);
        atomic_fetch_add(&b2->count, 1);
        atomic_store(&w->bucket, b2);
    }
    return 0;
}

s64 futex_cmp_requeue_pi(struct task *t, struct futex_word from, struct futex_word to, int nr_wake,
                         int nr_requeue, u32 cmp)
{
    struct futex_key k1, k2;
    struct futex_batch batch = {.n = 0};
    int done = 0;
    if (nr_wake != 1 || nr_requeue < 0 || from.addr.v == to.addr.v)
        return -EINVAL;
    for (;;) {
        u32 v;
        int err = futex_key_get(t, from, &k1);
        if (!err)
            err = futex_key_get(t, to, &k2);
        if (err)
            return err;
        struct futex_bucket *b1 = futex_bucket_of(&k1), *b2 = futex_bucket_of(&k2);
        struct futex_waiter *w, *n;
        futex_lock_two(b1, b2);
        err = user_load_u32_nofault(t, from.addr, &v);
        bool mismatch = !err && v != cmp;
        if (!err && !mismatch) {
            list_for_each_entry_safe (w, n, &b1->waiters, node) {
                if (done > nr_requeue || err)
                    break;
                if (!futex_key_equal(&w->key, &k1))
                    continue;
                err = !w->requeue_pi || !futex_key_equal(&w->pi_key, &k2)
                          ? -EINVAL
                          : requeue_one(t, b1, b2, w, &k2, to.addr, &batch);
                if (!err)
                    done++;
            }
        }
        futex_unlock_two(b1, b2);
        futex_batch_flush(&batch);
        if (mismatch && !done)
            return -EAGAIN;
        if (err != -EFAULT)
            return done ? done : err;
        err = futex_fault_in(t, from.addr, false);
        if (!err)
            err = futex_fault_in(t, to.addr, true);
        if (err)
            return done ? done : err;
    }
}
