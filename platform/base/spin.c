/* SPDX-License-Identifier: Apache-2.0 */
/* Slow paths of the futex word. */
#include "platform/base/spin.h"

#include "cvisor/host.h"

/* About one to two microseconds: shorter than a futex round trip, longer than most critical sections.
 * More would burn the time slice of a holder that was preempted on the same core. */
#define SPINS 40

void word_lock_slow(atomic_uint *word)
{
    unsigned int seen;

    for (int i = 0; i < SPINS; i++) {
        seen = atomic_load_explicit(word, memory_order_relaxed);
        if (seen == 2)
            break; /* somebody sleeps already: so do we */
        if (seen == 0 && atomic_compare_exchange_weak_explicit(word, &seen, 1, memory_order_acquire,
                                                               memory_order_relaxed))
            return;
        __builtin_ia32_pause();
    }
    while (atomic_exchange_explicit(word, 2, memory_order_acquire) != 0)
        host_futex_wait(word, 2, 0);
}

void word_wake(atomic_uint *word)
{
    host_futex_wake(word, 1);
}
