/* SPDX-License-Identifier: Apache-2.0 */
/* Kernel timers: callbacks at a CLOCK_MONOTONIC time on the sentry's timer thread. */
#ifndef SENTRY_KERNEL_TIMER_H
#define SENTRY_KERNEL_TIMER_H

#include "cvisor/rangetree.h"

struct ktimer {
    struct range_node node;        /* start = deadline; TIMERS lock */
    void (*fn)(struct ktimer *kt); /* called without locks; may re-arm, cancel or free itself */
    void *arg;
    bool armed; /* TIMERS lock */
};

int ktimer_init_thread(void); /* boot */
void ktimer_init(struct ktimer *kt, void (*fn)(struct ktimer *), void *arg);
/* Re-arms when armed. */
void ktimer_arm(struct ktimer *kt, u64 deadline_ns);
/* Returns after the callback has finished if it was running (unless called from it). True when it was
 * armed. No lock that the callback takes may be held. */
bool ktimer_cancel(struct ktimer *kt);

/* Clocks of the guest: CLOCK_REALTIME, MONOTONIC, BOOTTIME, cpu clocks: ns, or -EINVAL. */
int kernel_clock_get(int clock, u64 *ns);
/* Absolute deadline on `clock` → CLOCK_MONOTONIC ns, never 0. -EINVAL for CPU clocks. */
int kernel_clock_deadline(int clock, u64 abs_ns, u64 *mono_ns);

struct linux_timespec;
struct linux_timeval;
struct task;
struct thread_group;

#define CLOCK_CPU_THREAD 4 /* bit of a CPU clock id: of a thread, not a process */
/* A CPU clock id (negative) for PROCESS_CPUTIME_ID and THREAD_CPUTIME_ID too; others as they are. */
int clock_normalise(int clock);
static inline bool clock_is_cpu(int clock)
{
    return clock < 0 && (clock & 3) != 3;
}
/* CPU time so far, what is running now included. user, sys may be NULL. */
void task_cpu_time(struct task *t, u64 *user, u64 *sys);
/* TASKS is taken for reading. */
void group_cpu_time(struct thread_group *g, u64 *user, u64 *sys);
/* The value of a time of which kind the CPU clock `which` (& 3: 0 PROF, 1 VIRT, 2 SCHED) wants. */
static inline u64 clock_cpu_pick(int which, u64 user, u64 sys)
{
    return (which & 3) == 1 ? user : user + sys;
}

/* Saturating; the caller has checked validity. */
u64 timespec_to_ns(const struct linux_timespec *ts);
struct linux_timespec ns_to_timespec(u64 ns);
struct linux_timeval ns_to_tv(u64 ns);
/* 0 <= tv_nsec < 1e9 and tv_sec >= 0. */
bool timespec_valid(const struct linux_timespec *ts);
/* Rounded up for relative sleeps: now + ns without overflow, never 0. */
u64 deadline_after(u64 ns);

#endif
