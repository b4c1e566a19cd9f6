/* SPDX-License-Identifier: Apache-2.0 */
/* Reference counts. Fatal on overflow and underflow. */
#ifndef CVISOR_REFS_H
#define CVISOR_REFS_H

#include "cvisor/compiler.h"

#include <stdatomic.h>

struct ref {
    atomic_int n; /* atomic; 0 = dead */
};

static inline void ref_init(struct ref *r)
{
    atomic_init(&r->n, 1);
}

/* The caller already holds a reference. */
static inline void ref_get(struct ref *r)
{
    int old = atomic_fetch_add_explicit(&r->n, 1, memory_order_relaxed);
    BUG_ON(old <= 0 || old == INT32_MAX);
}

/* For lookups through a table that holds no reference: false when the object is already dying. */
static inline bool ref_get_unless_zero(struct ref *r)
{
    int old = atomic_load_explicit(&r->n, memory_order_relaxed);
    while (old > 0) {
        if (atomic_compare_exchange_weak_explicit(&r->n, &old, old + 1, memory_order_acquire,
                                                  memory_order_relaxed))
            return true;
    }
    return false;
}

/* True when this was the last reference: the caller destroys the object. */
static inline bool ref_put(struct ref *r)
{
    int old = atomic_fetch_sub_explicit(&r->n, 1, memory_order_acq_rel);
    BUG_ON(old <= 0);
    return old == 1;
}

/* Who finds 1, its own, also finds what the others did before they let go. */
static inline int ref_read(const struct ref *r)
{
    return atomic_load_explicit(&r->n, memory_order_acquire);
}

#endif
