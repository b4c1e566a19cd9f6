/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Futexes: a hash of buckets of waiters. The guest's word is read with the bucket's lock held, and
 * wakers take the same lock, so that no wake-up falls between the comparison and the sleep.
 */
#include "sentry/kernel/futex.h"

#include "abi/linux/errno_internal.h"
#include "abi/linux/futex.h"
#include "cvisor/host.h"
#include "cvisor/kcache.h"
#include "sentry/kernel/futex_internal.h"
#include "sentry/mm/uaccess.h"

#include <errno.h>

#define FUTEX_BUCKETS 1024u /* power of two */

static struct futex_bucket g_futex_buckets[FUTEX_BUCKETS];

void futex_init(void)
{
    for (u32 i = 0; i < FUTEX_BUCKETS; i++) {
        mutex_init(&g_futex_buckets[i].lock, LOCK_FUTEX);
        list_init(&g_futex_buckets[i].waiters);
    }
}

/* ---- buckets and waiters ---- */

void futex_for_each_bucket(void (*fn)(struct futex_bucket *b))
{
    for (u32 i = 0; i < FUTEX_BUCKETS; i++) {
        if (atomic_load(&g_futex_buckets[i].count))
            fn(&g_futex_buckets[i]);
    }
}

struct futex_bucket *futex_bucket_of(const struct futex_key *k)
{
    u64 h = (k->off >> 2) * 0x9e3779b97f4a7c15ull ^ k->space * 0xff51afd7ed558ccdull;
    h ^= h >> 32;
    h *= 0xc4ceb9fe1a85ec53ull;
    return &g_futex_buckets[(h >> 40) & (FUTEX_BUCKETS - 1)];
}

int futex_key_get(struct task *t, struct futex_word w, struct futex_key *key)
{
    if (w.addr.v & 3)
        return -EINVAL;
    return mm_futex_key(t->mm, w.addr, w.shared, key);
}

void futex_lock_two(struct futex_bucket *a, struct futex_bucket *b)
{
    if (a > b) {
        struct futex_bucket *x = a;
        a = b;
        b = x;
    }
    mutex_lock(&a->lock);
    if (a != b)
        mutex_lock_nested(&b->lock);
}

void futex_unlock_two(struct futex_bucket *a, struct futex_bucket *b)
{
    mutex_unlock(&a->lock);
    if (a != b)
        mutex_unlock(&b->lock);
}

void futex_bucket_enter(struct futex_bucket *b)
{
    /* Sequentially consistent, and before the word is read: a waker that has changed the word and
     * then sees 0 here knows that we will see its change. */
    atomic_fetch_add(&b->count, 1);
    mutex_lock(&b->lock);
}

void futex_bucket_leave(struct futex_bucket *b)
{
    mutex_unlock(&b->lock);
    atomic_fetch_sub(&b->count, 1);
}

void futex_enqueue(struct futex_bucket *b, struct futex_waiter *w)
{
    list_add_tail(&w->node, &b->waiters);
    atomic_store_explicit(&w->bucket, b, memory_order_relaxed);
}

void futex_batch_flush(struct futex_batch *b)
{
    for (u32 i = 0; i < b->n; i++) {
        task_wake(b->tasks[i]);
        task_put(b->tasks[i]);
    }
    b->n = 0;
}

void futex_wake_waiter(struct futex_bucket *b, struct futex_waiter *w, struct futex_batch *batch)
{
    if (batch->n == FUTEX_BATCH)
        futex_batch_flush(batch);
    task_get(w->task);
    batch->tasks[batch->n++] = w->task;
    list_del(&w->node);
    atomic_fetch_sub(&b->count, 1);
    atomic_store_explicit(&w->bucket, NULL, memory_order_relaxed);
    /* The waiter, on its task's stack, may be gone from here on. */
    atomic_store_explicit(&w->woken, true, memory_order_release);
}

bool futex_dequeue(struct futex_waiter *w)
{
    for (;;) {
        struct futex_bucket *b = atomic_load(&w->bucket);
        if (!b)
            break;
        mutex_lock(&b->lock);
        if (b != atomic_load(&w->bucket)) { /* requeued */
            mutex_unlock(&b->lock);
            continue;
        }
        list_del(&w->node);
        atomic_fetch_sub(&b->count, 1);
        atomic_store(&w->bucket, NULL);
        mutex_unlock(&b->lock);
        return true;
    }
    /* The waker stores woken right after bucket. */
    while (!atomic_load_explicit(&w->woken, memory_order_acquire))
        host_sched_yield();
    return false;
}

int futex_sleep(struct task *t, struct futex_waiter *w, u64 deadline)
{
    for (;;) {
        task_prepare_block(t);
        if (atomic_load_explicit(&w->woken, memory_order_acquire))
            return 0;
        int err = task_block(t, deadline);
        if (err)
            return err;
    }
}

int futex_fault_in(struct task *t, uaddr_t addr, bool write)
{
    u32 v, old;
    if (!write)
        return user_load_u32(t, addr, &v);
    int err = user_load_u32(t, addr, &v);
    /* Stores what is there already. */
    return err ? err : user_cmpxchg_u32(t, addr, v, v, &old);
}

/* ---- wait ---- */

int futex_wait_setup(struct task *t, struct futex_word word, u32 val, struct futex_waiter *w)
{
    for (;;) {
        u32 v;
        int err = futex_key_get(t, word, &w->key);
        if (err)
            return err;
        struct futex_bucket *b = futex_bucket_of(&w->key);
        futex_bucket_enter(b);
        err = user_load_u32_nofault(t, word.addr, &v);
        if (!err && v == val) {
            futex_enqueue(b, w);
            mutex_unlock(&b->lock);
            return 0;
        }
        futex_bucket_leave(b);
        if (!err)
            return -EAGAIN;
        err = futex_fault_in(t, word.addr, false);
        if (err)
            return err;
    }
}

static s64 futex_wait_restart(struct task *t)
{
    const u64 *d = t->restart_data;
    struct futex_word w = {.addr = uaddr(d[0]), .shared = d[1] != 0};
    return futex_wait(t, w, (u32)d[2], (u32)d[3], d[4]);
}

s64 futex_wait(struct task *t, struct futex_word word, u32 val, u32 bitset, u64 deadline)
{
    struct futex_waiter w = {.bitset = bitset, .task = t};
    if (!bitset)
        return -EINVAL;
    list_init(&w.node);
    int err = futex_wait_setup(t, word, val, &w);
    if (err)
        return err;
    err = futex_sleep(t, &w, deadline);
    if (!err || !futex_dequeue(&w))
        return 0;
    if (err != -ERESTARTSYS || !deadline)
        return err;
    t->restart_fn = futex_wait_restart;
    t->restart_data[0] = word.addr.v;
    t->restart_data[1] = word.shared;
    t->restart_data[2] = val;
    t->restart_data[3] = bitset;
    t->restart_data[4] = deadline;
    return -ERESTART_RESTARTBLOCK;
}

s64 futex_wait_multiple(struct task *t, const struct futex_waitv_arg *v, u32 n, u64 deadline)
{
    struct futex_waiter *w = kcalloc(n, sizeof(*w));
    s64 ret = 0;
    int woken = -1;
    u32 queued = 0;
    if (!w)
        return -ENOMEM;
    for (; queued < n; queued++) {
        struct futex_waiter *x = &w[queued];
        list_init(&x->node);
        x->bitset = LINUX_FUTEX_BITSET_MATCH_ANY;
        x->task = t;
        ret = futex_wait_setup(t, v[queued].w, v[queued].val, x);
        if (ret)
            break;
    }
    while (!ret) {
        task_prepare_block(t);
        for (u32 i = 0; i < n && woken < 0; i++) {
            if (atomic_load_explicit(&w[i].woken, memory_order_acquire))
                woken = (int)i;
        }
        if (woken >= 0)
            break;
        ret = task_block(t, deadline);
    }
    for (u32 i = 0; i < queued; i++) {
        if (!futex_dequeue(&w[i]))
            woken = (int)i;
    }
    kfree(w);
    return woken >= 0 ? woken : ret;
}

/* ---- wake ---- */

static int futex_wake_key(const struct futex_key *key, int nr, u32 bitset)
{
    struct futex_bucket *b = futex_bucket_of(key);
    struct futex_batch batch;
    struct futex_waiter *w, *n;
    int ret = 0;
    /* The guest's store to the word came before its syscall. */
    atomic_thread_fence(memory_order_seq_cst);
    if (atomic_load(&b->count) == 0)
        return 0;
    batch.n = 0;
    mutex_lock(&b->lock);
    list_for_each_entry_safe (w, n, &b->waiters, node) {
        if (!futex_key_equal(&w->key, key) || !(w->bitset & bitset))
            continue;
        if (w->pi || w->requeue_pi) {
            ret = -EINVAL;
            break;
        }
        futex_wake_waiter(b, w, &batch);
        if (++ret >= nr)
            break;
    }
    mutex_unlock(&b->lock);
    futex_batch_flush(&batch);
    return ret;
}

s64 futex_wake(struct task *t, struct futex_word w, int nr, u32 bitset)
{
    struct futex_key key;
    if (!bitset)
        return -EINVAL;
    int err = futex_key_get(t, w, &key);
    return err ? err : futex_wake_key(&key, nr, bitset);
}

void futex_wake_user(struct task *t, uaddr_t addr, int n)
{
    s64 r = futex_wake(t, (struct futex_word){.addr = addr, .shared = true}, n,
                       LINUX_FUTEX_BITSET_MATCH_ANY);
    if (r < n)
        futex_wake(t, (struct futex_word){.addr = addr, .shared = false}, n - (r > 0 ? (int)r : 0),
                   LINUX_FUTEX_BITSET_MATCH_ANY);
}

/* ---- requeue ---- */

s64 futex_requeue(struct task *t, struct futex_word from, struct futex_word to, int nr_wake,
                  int nr_requeue, const u32 *cmp)
{
    struct futex_key k1, k2;
    struct futex_batch batch = {.n = 0};
    if (nr_wake < 0 || nr_requeue < 0)
        return -EINVAL;
retry:;
    int err = futex_key_get(t, from, &k1);
    if (!err)
        err = futex_key_get(t, to, &k2);
    if (err)
        return err;
    struct futex_bucket *b1 = futex_bucket_of(&k1), *b2 = futex_bucket_of(&k2);
    struct futex_waiter *w, *n;
    int woken = 0, moved = 0;
    futex_lock_two(b1, b2);
    if (cmp) {
        u32 v;
        err = user_load_u32_nofault(t, from.addr, &v);
        if (err || v != *cmp) {
            futex_unlock_two(b1, b2);
            if (!err)
                return -EAGAIN;
            err = futex_fault_in(t, from.addr, false);
            if (err)
                return err;
            goto retry;
        }
    }
    list_for_each_entry_safe (w, n, &b1->waiters, node) {
        if (woken + moved >= nr_wake && moved >= nr_requeue)
            break;
        if (!futex_key_equal(&w->key, &k1))
            continue;
        if (w->pi || w->requeue_pi) {
            err = -EINVAL;
            break;
        }
        if (woken < nr_wake) {
            futex_wake_waiter(b1, w, &batch);
            woken++;
            continue;
        }
        w->key = k2;
        moved++;
        if (b1 != b2) {
            list_move_tail(&w->node, &b2->waiters);
            atomic_fetch_sub(&b1->count, 1);
            atomic_fetch_add(&b2->count, 1);
            atomic_store(&w->bucket, b2);
        }
    }
    futex_unlock_two(b1, b2);
    futex_batch_flush(&batch);
    return err ? err : woken + moved;
}

/* ---- FUTEX_WAKE_OP ---- */

static u32 futex_op_apply(u32 op, u32 old, u32 arg)
{
    switch (op) {
    case LINUX_FUTEX_OP_SET:
        return arg;
    case LINUX_FUTEX_OP_ADD:
        return old + arg;
    case LINUX_FUTEX_OP_OR:
        return old | arg;
    case LINUX_FUTEX_OP_ANDN:
        return old & ~arg;
    default:
        return old ^ arg;
    }
}

static bool futex_op_compare(u32 cmp, s32 old, s32 arg)
{
    switch (cmp) {
    case LINUX_FUTEX_OP_CMP_EQ:
        return old == arg;
    case LINUX_FUTEX_OP_CMP_NE:
        return old != arg;
    case LINUX_FUTEX_OP_CMP_LT:
        return old < arg;
    case LINUX_FUTEX_OP_CMP_LE:
        return old <= arg;
    case LINUX_FUTEX_OP_CMP_GT:
        return old > arg;
    default:
        return old >= arg;
    }
}

/* Both buckets are locked. 1 or 0 = result of the comparison; -EFAULT: the word is not present. */
static int futex_op_word(struct task *t, uaddr_t addr, u32 enc)
{
    u32 op = (enc >> 28) & 7, cmp = (enc >> 24) & 15;
    s32 oparg = (s32)(enc << 8) >> 20, cmparg = (s32)(enc << 20) >> 20;
    u32 v, old;
    if (enc & ((u32)LINUX_FUTEX_OP_OPARG_SHIFT << 28))
        oparg = (s32)(1u << (oparg & 31));
    int err = user_load_u32_nofault(t, addr, &v);
    while (!err) {
        err = user_cmpxchg_u32_nofault(t, addr, v, futex_op_apply(op, v, (u32)oparg), &old);
        if (!err && old == v)
            return futex_op_compare(cmp, (s32)v, cmparg);
        v = old;
    }
    return err;
}

/* The bucket is locked. */
static int futex_wake_locked(struct futex_bucket *b, const struct futex_key *key, int nr,
                             struct futex_batch *batch)
{
    struct futex_waiter *w, *n;
    int ret = 0;
    list_for_each_entry_safe (w, n, &b->waiters, node) {
        if (!futex_key_equal(&w->key, key))
            continue;
        if (w->pi || w->requeue_pi)
            return -EINVAL;
        futex_wake_waiter(b, w, batch);
        if (++ret >= nr)
            break;
    }
    return ret;
}

s64 futex_wake_op(struct task *t, struct futex_word w1, struct futex_word w2, int nr1, int nr2,
                  u32 op)
{
    struct futex_key k1, k2;
    struct futex_batch batch = {.n = 0};
    if (((op >> 28) & 7) > LINUX_FUTEX_OP_XOR || ((op >> 24) & 15) > LINUX_FUTEX_OP_CMP_GE)
        return -ENOSYS;
    for (;;) {
        int err = futex_key_get(t, w1, &k1);
        if (!err)
            err = futex_key_get(t, w2, &k2);
        if (err)
            return err;
        struct futex_bucket *b1 = futex_bucket_of(&k1), *b2 = futex_bucket_of(&k2);
        futex_lock_two(b1, b2);
        int cond = futex_op_word(t, w2.addr, op), ret = 0;
        if (cond < 0) {
            futex_unlock_two(b1, b2);
            err = futex_fault_in(t, w2.addr, true);
            if (err)
                return err;
            continue;
        }
        ret = futex_wake_locked(b1, &k1, nr1, &batch);
        if (cond && ret >= 0) {
            int r = futex_wake_locked(b2, &k2, nr2, &batch);
            ret = r < 0 ? r : ret + r;
        }
        futex_unlock_two(b1, b2);
        futex_batch_flush(&batch);
        return ret;
    }
}
