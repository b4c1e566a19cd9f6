/* SPDX-License-Identifier: Apache-2.0 */
/* The three-state futex word (0 free, 1 held, 2 held with waiters) under mutexes and caches. */
#ifndef PLATFORM_BASE_SPIN_H
#define PLATFORM_BASE_SPIN_H

#include "cvisor/compiler.h"

#include <stdatomic.h>

/* Spins for a bounded time, then sleeps. platform/base/spin.c */
void word_lock_slow(atomic_uint *word);
void word_wake(atomic_uint *word);

static inline void word_lock(atomic_uint *word)
{
    unsigned int expected = 0;

    if (unlikely(!atomic_compare_exchange_weak_explicit(word, &expected, 1, memory_order_acquire,
                                                        memory_order_relaxed)))
        word_lock_slow(word);
}

static inline void word_unlock(atomic_uint *word)
{
    if (unlikely(atomic_exchange_explicit(word, 0, memory_order_release) == 2))
        word_wake(word);
}

#endif
