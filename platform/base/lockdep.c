/* SPDX-License-Identifier: Apache-2.0 */
/* Lockdep: the stack of locks that each host thread holds, and what may be added to it. */
#include "platform/base/lockdep.h"

#include "cvisor/compiler.h"
#include "cvisor/lock.h"

#ifdef CV_LOCKDEP

#include <stdio.h>

#define HELD_MAX 48

struct held {
    const void *lock;
    u32 rank;
};

/* Private to the thread. */
static _Thread_local struct held t_held[HELD_MAX];
static _Thread_local u32 t_nheld;

static const struct {
    const char *name, *what;
} g_ranks[] = {
#define LOCK_RANK(name, what) {#name, what},
#include "cvisor/lock_order.h"
#undef LOCK_RANK
};

static const char *rank_name(u32 rank)
{
    return rank < LOCK_RANK_COUNT ? g_ranks[rank].name : "(not initialised)";
}

static const char *rank_what(u32 rank)
{
    return rank < LOCK_RANK_COUNT ? g_ranks[rank].what : "?";
}

/* "SIGHAND, FUTEX": outermost first. */
static void held_names(char *buf, size_t n)
{
    size_t at = 0;

    buf[0] = 0;
    for (u32 i = 0; i < t_nheld && at < n; i++)
        at += (size_t)snprintf(buf + at, n - at, "%s%s %p", i ? ", " : "",
                               rank_name(t_held[i].rank), t_held[i].lock);
}

void lockdep_check(const void *lock, u32 rank, bool nested)
{
    char names[512];

    for (u32 i = 0; i < t_nheld; i++) {
        const struct held *h = &t_held[i];

        if (h->lock != lock && (h->rank < rank || (h->rank == rank && nested)))
            continue;
        /* Forget the stack: the report itself may take locks. */
        held_names(names, sizeof(names));
        t_nheld = 0;
        if (h->lock == lock)
            PANIC("lockdep: recursion: lock %p of rank %s (%s) is already held by this thread",
                  lock, rank_name(rank), rank_what(rank));
        PANIC("lockdep: order: taking %s (%s) while holding %s (%s)%s; held, outermost first: %s",
              rank_name(rank), rank_what(rank), rank_name(h->rank), rank_what(h->rank),
              h->rank == rank ? ": two of one rank need mutex_lock_nested" : "", names);
    }
    if (rank >= LOCK_RANK_COUNT)
        PANIC("lockdep: lock %p has rank %u: not initialised", lock, rank);
}

void lockdep_push(const void *lock, u32 rank)
{
    if (t_nheld == HELD_MAX) {
        t_nheld = 0;
        PANIC("lockdep: more than %d locks held, last %s", HELD_MAX, rank_name(rank));
    }
    t_held[t_nheld++] = (struct held){.lock = lock, .rank = rank};
}

void lockdep_pop(const void *lock, u32 rank)
{
    for (u32 i = t_nheld; i-- > 0;) {
        if (t_held[i].lock != lock)
            continue;
        for (; i + 1 < t_nheld; i++)
            t_held[i] = t_held[i + 1];
        t_nheld--;
        return;
    }
    PANIC("lockdep: releasing %s %p, which this thread does not hold", rank_name(rank), lock);
}

bool lockdep_holds(const void *lock)
{
    for (u32 i = 0; i < t_nheld; i++) {
        if (t_held[i].lock == lock)
            return true;
    }
    return false;
}

void lockdep_assert_none_held(const char *where)
{
    char names[512];

    if (t_nheld == 0)
        return;
    held_names(names, sizeof(names));
    t_nheld = 0;
    PANIC("lockdep: locks held at %s: %s", where, names);
}

#else

void lockdep_assert_none_held(const char *where)
{
}

#endif
