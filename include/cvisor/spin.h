/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long to spin for a peer before sleeping: bounded, and only as long as it pays. A spin that was in
 * vain costs credit, a wait that was short earns some; without credit nobody spins, so that idle or
 * crowded processors are left alone. Private to the one who waits.
 */
#ifndef CVISOR_SPIN_H
#define CVISOR_SPIN_H

#include "cvisor/compiler.h"

#define SPIN_CREDIT_MAX 8u

struct spin {
    u32 credit;
    u64 begin; /* ns: of this wait */
    u64 limit; /* ns of one spin */
};

/* now: monotonic ns. True: spin while spin_more(). */
static inline bool spin_begin(struct spin *s, u64 now)
{
    s->begin = now;
    return s->credit > 0;
}

static inline bool spin_more(const struct spin *s, u64 now)
{
    return now - s->begin < s->limit;
}

/* The wait is over; it ended in the spin, or by sleep. */
static inline void spin_end(struct spin *s, u64 now, bool spun)
{
    bool was_short = now - s->begin < s->limit;

    if (was_short && s->credit < SPIN_CREDIT_MAX)
        s->credit++;
    else if (!was_short && !spun && s->credit > 0)
        s->credit--;
}

#endif
