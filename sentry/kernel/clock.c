/* SPDX-License-Identifier: Apache-2.0 */
/* The guest's clocks: the host's, and CPU time from the tasks' accounting. */
#include "abi/linux/time.h"
#include "cvisor/host.h"
#include "sentry/arch/x86_64/vdso.h"
#include "sentry/kernel/exit.h"
#include "sentry/kernel/task.h"
#include "sentry/kernel/timer.h"

#include <errno.h>

u64 kernel_now_mono(void)
{
    return host_now_mono();
}

u64 kernel_now_real(void)
{
    return host_now_real();
}

/* ---- conversions ---- */

u64 timespec_to_ns(const struct linux_timespec *ts)
{
    u64 ns;
    if (ts->tv_sec < 0)
        return 0;
    if (__builtin_mul_overflow((u64)ts->tv_sec, (u64)NSEC_PER_SEC, &ns) ||
        __builtin_add_overflow(ns, (u64)ts->tv_nsec, &ns) || ns > (u64)INT64_MAX)
        return (u64)INT64_MAX;
    return ns;
}

struct linux_timespec ns_to_timespec(u64 ns)
{
    return (struct linux_timespec){
        .tv_sec = (s64)(ns / (u64)NSEC_PER_SEC),
        .tv_nsec = (s64)(ns % (u64)NSEC_PER_SEC),
    };
}

struct linux_timeval ns_to_tv(u64 ns)
{
    return (struct linux_timeval){
        .tv_sec = (s64)(ns / (u64)NSEC_PER_SEC),
        .tv_usec = (s64)(ns % (u64)NSEC_PER_SEC) / NSEC_PER_USEC,
    };
}

bool timespec_valid(const struct linux_timespec *ts)
{
    return ts->tv_sec >= 0 && ts->tv_nsec >= 0 && ts->tv_nsec < NSEC_PER_SEC;
}

u64 deadline_after(u64 ns)
{
    u64 d = host_now_mono() + MIN(ns, (u64)INT64_MAX);
    return d ? d : 1;
}

/* ---- CPU time ---- */

void task_cpu_time(struct task *t, u64 *user, u64 *sys)
{
    u64 u = atomic_load_explicit(&t->utime_ns, memory_order_relaxed);
    u64 s = atomic_load_explicit(&t->stime_ns, memory_order_relaxed);
    /* What has not been accounted yet. A sleeping task brings last_event_ns up when it wakes. */
    if (atomic_load(&t->state) == TASK_RUNNING && t->tid) {
        u64 last = __atomic_load_n(&t->last_event_ns, __ATOMIC_RELAXED);
        u64 now = host_now_mono();
        if (now > last) {
            if (atomic_load(&t->in_event))
                s += now - last;
            else
                u += now - last;
        }
    }
    if (user)
        *user = u;
    if (sys)
        *sys = s;
}

static void group_cpu_time_locked(struct thread_group *g, u64 *user, u64 *sys)
{
    struct task *t;
    *user = g->self_usage.utime_ns;
    *sys = g->self_usage.stime_ns;
    list_for_each_entry (t, &g->tasks, group_node) {
        u64 u, s;
        task_cpu_time(t, &u, &s);
        *user += u;
        *sys += s;
    }
}

void group_cpu_time(struct thread_group *g, u64 *user, u64 *sys)
{
    rwlock_rdlock(&g_tasks_lock);
    group_cpu_time_locked(g, user, sys);
    rwlock_rdunlock(&g_tasks_lock);
}

int clock_normalise(int clock)
{
    if (clock == LINUX_CLOCK_PROCESS_CPUTIME_ID)
        return (int)(~0u << 3) | 2;
    if (clock == LINUX_CLOCK_THREAD_CPUTIME_ID)
        return (int)(~0u << 3) | 2 | CLOCK_CPU_THREAD;
    return clock;
}

/* clock: normalised, clock_is_cpu(). -EINVAL when there is no such task. */
static int clock_cpu_get(int clock, u64 *ns)
{
    int pid = ~(clock >> 3);
    u64 u, s;
    int err = 0;
    if ((clock & 3) == 3)
        return -EINVAL;
    if (clock & CLOCK_CPU_THREAD) {
        if (pid == 0 || (current && pid == current->tid)) {
            if (!current)
                return -EINVAL;
            task_cpu_time(current, &u, &s);
        } else {
            /* Of other threads of the process only. */
            struct task *t = task_find(pid);
            if (!t)
                return -EINVAL;
            if (!current || t->group != current->group)
                err = -EINVAL;
            else
                task_cpu_time(t, &u, &s);
            task_put(t);
        }
    } else {
        rwlock_rdlock(&g_tasks_lock);
        struct thread_group *g = pid ? group_find_locked(pid) : current ? current->group : NULL;
        if (g)
            group_cpu_time_locked(g, &u, &s);
        else
            err = -EINVAL;
        rwlock_rdunlock(&g_tasks_lock);
    }
    if (err)
        return err;
    *ns = clock_cpu_pick(clock, u, s);
    return 0;
}

/* ---- clocks ---- */

int kernel_clock_get(int clock, u64 *ns)
{
    struct linux_timespec ts;
    /* The guest reads most of these without us: both ways must agree. */
    if (vdso_clock_get(clock, ns))
        return 0;
    switch (clock) {
    case LINUX_CLOCK_REALTIME:
        *ns = host_now_real();
        return 0;
    case LINUX_CLOCK_MONOTONIC:
        *ns = host_now_mono();
        return 0;
    case LINUX_CLOCK_MONOTONIC_RAW:
    case LINUX_CLOCK_REALTIME_COARSE:
    case LINUX_CLOCK_MONOTONIC_COARSE:
    case LINUX_CLOCK_BOOTTIME:
    case LINUX_CLOCK_TAI:
        break;
    case LINUX_CLOCK_REALTIME_ALARM:
        clock = LINUX_CLOCK_REALTIME;
        break;
    case LINUX_CLOCK_BOOTTIME_ALARM:
        clock = LINUX_CLOCK_BOOTTIME;
        break;
    default:
        clock = clock_normalise(clock);
        return clock_is_cpu(clock) ? clock_cpu_get(clock, ns) : -EINVAL;
    }
    int err = host_clock_gettime(clock, &ts);
    if (err < 0)
        return err;
    *ns = timespec_to_ns(&ts);
    return 0;
}

int kernel_clock_deadline(int clock, u64 abs_ns, u64 *mono_ns)
{
    u64 now, mono;
    if (clock == LINUX_CLOCK_MONOTONIC) {
        *mono_ns = abs_ns ? abs_ns : 1;
        return 0;
    }
    if (clock_is_cpu(clock_normalise(clock)))
        return -EINVAL;
    int err = kernel_clock_get(clock, &now);
    if (err)
        return err;
    mono = host_now_mono();
    if (abs_ns <= now)
        *mono_ns = mono > now - abs_ns ? mono - (now - abs_ns) : 1;
    else if (__builtin_add_overflow(mono, abs_ns - now, mono_ns))
        *mono_ns = ~0ull;
    return 0;
}
