/* SPDX-License-Identifier: Apache-2.0 */
/* Mutexes and condition variables on host futexes, and read-write locks. */
#include "cvisor/lock.h"

#include "cvisor/host.h"
#include "platform/base/lockdep.h"
#include "platform/base/spin.h"

#include <errno.h>
#include <limits.h>

enum { FREE, HELD, WAITED };

#ifdef CV_LOCKDEP
static u64 self_id(void)
{
    return (u64)(uintptr_t)pthread_self();
}
#endif

void mutex_init(struct mutex *m, enum lock_rank rank)
{
    atomic_init(&m->word, FREE);
    m->rank = rank;
#ifdef CV_LOCKDEP
    m->owner = 0;
#endif
}

static inline void acquired(struct mutex *m)
{
    lockdep_push(m, m->rank);
#ifdef CV_LOCKDEP
    __atomic_store_n(&m->owner, self_id(), __ATOMIC_RELAXED);
#endif
}

void mutex_lock(struct mutex *m)
{
    lockdep_check(m, m->rank, false);
    word_lock(&m->word);
    acquired(m);
}

void mutex_lock_nested(struct mutex *m)
{
    lockdep_check(m, m->rank, true);
    word_lock(&m->word);
    acquired(m);
}

bool mutex_trylock(struct mutex *m)
{
    unsigned int expected = FREE;

    if (!atomic_compare_exchange_strong_explicit(&m->word, &expected, HELD, memory_order_acquire,
                                                 memory_order_relaxed))
        return false;
    acquired(m);
    return true;
}

void mutex_unlock(struct mutex *m)
{
    lockdep_pop(m, m->rank);
#ifdef CV_LOCKDEP
    __atomic_store_n(&m->owner, 0, __ATOMIC_RELAXED);
#endif
    word_unlock(&m->word);
}

void mutex_assert_held(const struct mutex *m)
{
#ifdef CV_LOCKDEP
    if (__atomic_load_n(&m->owner, __ATOMIC_RELAXED) != self_id())
        PANIC("lockdep: lock %p of rank %u must be held here", (const void *)m, m->rank);
#endif
}

void rwlock_init(struct rwlock *l, enum lock_rank rank)
{
    pthread_rwlockattr_t attr;

    /* Writers are rare and must not starve behind a stream of readers. */
    pthread_rwlockattr_init(&attr);
    pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    BUG_ON(pthread_rwlock_init(&l->rw, &attr) != 0);
    pthread_rwlockattr_destroy(&attr);
    l->rank = rank;
}

void rwlock_destroy(struct rwlock *l)
{
    BUG_ON(pthread_rwlock_destroy(&l->rw) != 0);
}

void rwlock_rdlock(struct rwlock *l)
{
    lockdep_check(l, l->rank, false);
    BUG_ON(pthread_rwlock_rdlock(&l->rw) != 0);
    lockdep_push(l, l->rank);
}

void rwlock_rdunlock(struct rwlock *l)
{
    lockdep_pop(l, l->rank);
    pthread_rwlock_unlock(&l->rw);
}

void rwlock_wrlock(struct rwlock *l)
{
    lockdep_check(l, l->rank, false);
    BUG_ON(pthread_rwlock_wrlock(&l->rw) != 0);
    lockdep_push(l, l->rank);
}

void rwlock_wrlock_nested(struct rwlock *l)
{
    lockdep_check(l, l->rank, true);
    BUG_ON(pthread_rwlock_wrlock(&l->rw) != 0);
    lockdep_push(l, l->rank);
}

void rwlock_wrunlock(struct rwlock *l)
{
    lockdep_pop(l, l->rank);
    pthread_rwlock_unlock(&l->rw);
}

void cond_init(struct cond *c)
{
    atomic_init(&c->seq, 0);
    atomic_init(&c->waiters, 0);
}

static int wait_seq(struct cond *c, struct mutex *m, u64 deadline_ns)
{
    /* Before m is dropped: who changes the condition under m sees that we wait. */
    atomic_fetch_add(&c->waiters, 1);
    u32 seq = atomic_load(&c->seq);
    int err;

    mutex_unlock(m);
    err = host_futex_wait(&c->seq, seq, deadline_ns);
    atomic_fetch_sub(&c->waiters, 1);
    mutex_lock(m);
    return err;
}

void cond_wait(struct cond *c, struct mutex *m)
{
    wait_seq(c, m, 0);
}

int cond_timedwait(struct cond *c, struct mutex *m, u64 deadline_ns)
{
    /* Zero means no deadline to the futex; here it is one that has passed. */
    return wait_seq(c, m, deadline_ns ? deadline_ns : 1) == -ETIMEDOUT ? -ETIMEDOUT : 0;
}

void cond_signal(struct cond *c)
{
    atomic_fetch_add(&c->seq, 1);
    if (atomic_load(&c->waiters))
        host_futex_wake(&c->seq, 1);
}

void cond_broadcast(struct cond *c)
{
    atomic_fetch_add(&c->seq, 1);
    if (atomic_load(&c->waiters))
        host_futex_wake(&c->seq, INT_MAX);
}
