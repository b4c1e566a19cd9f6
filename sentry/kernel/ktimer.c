/* SPDX-License-Identifier: Apache-2.0 */
/* The sentry's timer thread: one queue of callbacks, ordered by CLOCK_MONOTONIC deadline. */
#include "sentry/kernel/timer.h"

#include "cvisor/host.h"
#include "cvisor/lock.h"

#include <string.h>

static struct mutex g_timers_lock = MUTEX_INIT(LOCK_TIMERS);
static struct rangetree g_timers;            /* g_timers_lock; multiset of ktimer.node */
static struct ktimer *g_timer_running;       /* g_timers_lock */
static struct cond g_timer_done = COND_INIT; /* a callback has returned */
static _Atomic u32 g_timer_seq; /* futex word of the thread: the first deadline changed */
static _Thread_local bool t_timer_thread;

static struct ktimer *ktimer_of(struct range_node *n)
{
    return n ? container_of(n, struct ktimer, node) : NULL;
}

static void ktimer_thread(void *arg __unused)
{
    t_timer_thread = true;
    mutex_lock(&g_timers_lock);
    for (;;) {
        struct ktimer *kt = ktimer_of(rangetree_first(&g_timers));
        u32 seq = atomic_load(&g_timer_seq);
        u64 deadline = kt ? kt->node.start : 0;
        if (!kt || deadline > host_now_mono()) {
            mutex_unlock(&g_timers_lock);
            host_futex_wait(&g_timer_seq, seq, deadline);
            mutex_lock(&g_timers_lock);
            continue;
        }
        rangetree_remove(&g_timers, &kt->node);
        kt->armed = false;
        g_timer_running = kt;
        mutex_unlock(&g_timers_lock);
        kt->fn(kt);
        mutex_lock(&g_timers_lock);
        g_timer_running = NULL;
        cond_broadcast(&g_timer_done);
    }
}

int ktimer_init_thread(void)
{
    return cv_thread_create("timers", ktimer_thread, NULL);
}

void ktimer_init(struct ktimer *kt, void (*fn)(struct ktimer *), void *arg)
{
    memset(kt, 0, sizeof(*kt));
    kt->fn = fn;
    kt->arg = arg;
}

void ktimer_arm(struct ktimer *kt, u64 deadline_ns)
{
    bool first;
    if (deadline_ns == 0)
        deadline_ns = 1;
    mutex_lock(&g_timers_lock);
    if (kt->armed)
        rangetree_remove(&g_timers, &kt->node);
    kt->node.start = deadline_ns;
    kt->node.end = deadline_ns + (deadline_ns != ~0ull);
    kt->armed = true;
    rangetree_insert_multi(&g_timers, &kt->node);
    first = rangetree_first(&g_timers) == &kt->node;
    if (first)
        atomic_fetch_add(&g_timer_seq, 1);
    mutex_unlock(&g_timers_lock);
    if (first && !t_timer_thread)
        host_futex_wake(&g_timer_seq, 1);
}

bool ktimer_cancel(struct ktimer *kt)
{
    mutex_lock(&g_timers_lock);
    bool was = kt->armed;
    if (was) {
        rangetree_remove(&g_timers, &kt->node);
        kt->armed = false;
    }
    while (!t_timer_thread && g_timer_running == kt)
        cond_wait(&g_timer_done, &g_timers_lock);
    /* The callback may have armed it again. */
    if (kt->armed) {
        rangetree_remove(&g_timers, &kt->node);
        kt->armed = false;
        was = true;
    }
    mutex_unlock(&g_timers_lock);
    return was;
}
