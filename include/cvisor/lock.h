/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ranked locks. Every lock has a rank from lock_order.h; with --enable-lockdep each acquisition
 * checks that the rank is inside every rank already held by this host thread, and that nothing is
 * held where lockdep_assert_none_held() stands (return to guest, task_block).
 */
#ifndef CVISOR_LOCK_H
#define CVISOR_LOCK_H

#include "cvisor/compiler.h"

#include <pthread.h>
#include <stdatomic.h>

enum lock_rank {
#define LOCK_RANK(name, what) LOCK_##name,
#include "cvisor/lock_order.h"
#undef LOCK_RANK
    LOCK_RANK_COUNT
};

/* A sleeping mutex on a futex word; bounded spinning before it sleeps. Not recursive. */
struct mutex {
    atomic_uint word; /* 0 free, 1 held, 2 held with waiters */
    u32 rank;         /* enum lock_rank; immutable after init */
#ifdef CV_LOCKDEP
    u64 owner; /* host thread id of the holder; written by the holder only */
#endif
};

#define MUTEX_INIT(rank_)                                                                          \
    {                                                                                              \
        .word = 0, .rank = (rank_)                                                                 \
    }

void mutex_init(struct mutex *m, enum lock_rank rank);
void mutex_lock(struct mutex *m);
/* For two locks of one rank (parent/child, two directories): the caller orders them (by address,
 * or ancestor first) and locks the second one with this. */
void mutex_lock_nested(struct mutex *m);
bool mutex_trylock(struct mutex *m);
void mutex_unlock(struct mutex *m);
/* With lockdep: fatal if this thread does not hold m. Without: nothing. */
void mutex_assert_held(const struct mutex *m);

/* Many readers or one writer. Readers may not recurse. */
struct rwlock {
    pthread_rwlock_t rw;
    u32 rank;
};

#define RWLOCK_INIT(rank_)                                                                         \
    {                                                                                              \
        .rw = PTHREAD_RWLOCK_INITIALIZER, .rank = (rank_)                                          \
    }

void rwlock_init(struct rwlock *l, enum lock_rank rank);
void rwlock_destroy(struct rwlock *l);
void rwlock_rdlock(struct rwlock *l);
void rwlock_rdunlock(struct rwlock *l);
void rwlock_wrlock(struct rwlock *l);
void rwlock_wrunlock(struct rwlock *l);
/* For a second lock of one rank that no other thread can reach in the opposite order (fork). */
void rwlock_wrlock_nested(struct rwlock *l);

/*
 * Condition variable for a mutex. Only for waits inside the sentry that no guest can make
 * unbounded (an RPC in flight, a worker's queue). A task that waits for a guest-visible event uses
 * task_block() instead.
 */
struct cond {
    atomic_uint seq;     /* atomic */
    atomic_uint waiters; /* atomic: a signal without any makes no syscall */
};

#define COND_INIT                                                                                  \
    {                                                                                              \
        0, 0                                                                                       \
    }

void cond_init(struct cond *c);
/* Drops m, sleeps until signalled (or spuriously), takes m again. */
void cond_wait(struct cond *c, struct mutex *m);
/* As cond_wait; deadline is absolute CLOCK_MONOTONIC ns. -ETIMEDOUT when it has passed. */
int cond_timedwait(struct cond *c, struct mutex *m, u64 deadline_ns);
void cond_signal(struct cond *c);
void cond_broadcast(struct cond *c);

/* Lockdep's assertion points; empty without --enable-lockdep. */
void lockdep_assert_none_held(const char *where);

/* Host threads of the sentry itself (timers, notifiers, tracers). Detached; name up to 15 bytes. */
int cv_thread_create(const char *name, void (*fn)(void *), void *arg);
/* Each new thread calls it first. Set once, at start-up; NULL = none. */
extern void (*cv_thread_hook)(void);
/* The CPU that the calling thread is pinned to, + 1; 0: it floats. For whoever it asks to come there. */
extern __thread u32 cv_cpu_hint;

#endif
