/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by posix_timer.c, itimer.c and cpu_timer.c. */
#ifndef SENTRY_KERNEL_POSIX_TIMER_INTERNAL_H
#define SENTRY_KERNEL_POSIX_TIMER_INTERNAL_H

#include "sentry/kernel/posix_timer.h"
#include "sentry/kernel/task.h"
#include "sentry/kernel/timer.h"

/* The unit of time is that of the clock: CLOCK_MONOTONIC ns, or ns of CPU time. */
struct posix_timer {
    struct range_node node;     /* start = number; timers->lock */
    struct thread_group *group; /* it belongs to it */
    struct ktimer kt;           /* not for CPU clocks */
    int clock;                  /* normalised; immutable */
    bool cpu;                   /* clock_is_cpu(clock) */
    int notify, signo;          /* immutable */
    union linux_sigval value;
    struct task *target;       /* SIGEV_THREAD_ID: referenced; else NULL */
    struct task *clock_task;   /* a thread's CPU clock: referenced; else NULL */
    struct list_head cpu_node; /* timers->cpu_timers; sighand->lock */
    /* sighand->lock: */
    u64 expiry, interval; /* expiry 0 = not armed */
    bool fired;           /* expiry has passed and its signal is queued: not counted on yet */
    u64 overrun;          /* of the signal that is queued */
    int overrun_last;
};

struct itimer {
    u64 expiry, interval; /* sighand->lock; 0 = not armed */
    struct ktimer kt;     /* ITIMER_REAL */
};

struct posix_timers {
    struct thread_group *group;
    struct mutex lock;      /* rank TIMER_SET */
    struct rangetree by_id; /* lock; posix_timer.node */
    int next_id;            /* lock */
    struct itimer itimers[3];
    struct list_head cpu_timers; /* sighand->lock: armed ones of CPU clocks */
    struct ktimer cpu_kt;        /* looks at the CPU clocks while something waits for them */
    bool dying;                  /* sighand->lock: the process has gone */
};

/* g's, made on first use. NULL: no memory. */
struct posix_timers *posix_timers_of(struct thread_group *g);
void itimer_init(struct posix_timers *pts);
void cpu_timer_init(struct posix_timers *pts);
/* SIGHAND held: a CPU timer was armed. */
void cpu_timer_kick(struct posix_timers *pts);
/* SIGHAND held: the timer has expired; sends its signal. False when nobody will take it. */
bool posix_timer_fire(struct posix_timer *pt);
/* The clock's value in the unit of expiry; user and sys: the group's CPU time. */
u64 posix_timer_now(struct posix_timer *pt, u64 user, u64 sys);
/* Moves expiry behind now by whole intervals: how many. interval != 0, now >= expiry. */
static inline u64 timer_forward(u64 *expiry, u64 interval, u64 now)
{
    u64 k = (now - *expiry) / interval + 1;
    *expiry += k * interval;
    return k;
}

#endif
