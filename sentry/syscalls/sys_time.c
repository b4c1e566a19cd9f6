/* SPDX-License-Identifier: Apache-2.0 */
/* Clocks and sleeping. */
#include "abi/linux/errno_internal.h"
#include "abi/linux/time.h"
#include "cvisor/host.h"
#include "sentry/kernel/task.h"
#include "sentry/kernel/timer.h"
#include "sentry/mm/uaccess.h"
#include "sentry/syscalls/handlers.h"

#include <errno.h>
#include <string.h>

static int put_timespec(struct task *t, uaddr_t u, u64 ns)
{
    struct linux_timespec ts = ns_to_timespec(ns);
    return copy_out(t, u, &ts, sizeof(ts));
}

/* ---- reading ---- */

s64 sys_clock_gettime(struct task *t, const struct syscall_args *a)
{
    u64 ns;
    int err = kernel_clock_get(arg_int(a, 0), &ns);
    return err ? err : put_timespec(t, arg_ptr(a, 1), ns);
}

s64 sys_clock_getres(struct task *t, const struct syscall_args *a)
{
    int clock = arg_int(a, 0);
    struct linux_timespec ts = {.tv_nsec = 1};
    u64 ns;
    int err = kernel_clock_get(clock, &ns);
    if (err)
        return err;
    if (clock == LINUX_CLOCK_REALTIME_COARSE || clock == LINUX_CLOCK_MONOTONIC_COARSE) {
        err = host_clock_getres(clock, &ts);
        if (err < 0)
            return err;
    }
    return a->v[1] ? copy_out(t, arg_ptr(a, 1), &ts, sizeof(ts)) : 0;
}

s64 sys_gettimeofday(struct task *t, const struct syscall_args *a)
{
    if (a->v[0]) {
        struct linux_timeval tv = ns_to_tv(kernel_now_real());
        if (copy_out(t, arg_ptr(a, 0), &tv, sizeof(tv)))
            return -EFAULT;
    }
    if (a->v[1]) {
        struct linux_timezone tz = {0};
        if (copy_out(t, arg_ptr(a, 1), &tz, sizeof(tz)))
            return -EFAULT;
    }
    return 0;
}

s64 sys_time(struct task *t, const struct syscall_args *a)
{
    s64 sec = (s64)(kernel_now_real() / (u64)NSEC_PER_SEC);
    if (a->v[0] && put_u64(t, arg_ptr(a, 0), (u64)sec))
        return -EFAULT;
    return sec;
}

/* ---- setting: the clocks belong to the host ---- */

s64 sys_clock_settime(struct task *t, const struct syscall_args *a)
{
    int clock = arg_int(a, 0);
    struct linux_timespec ts;
    u64 ns;
    if (kernel_clock_get(clock, &ns) || clock != LINUX_CLOCK_REALTIME)
        return clock_is_cpu(clock_normalise(clock)) ? -EPERM : -EINVAL;
    if (copy_in(t, &ts, arg_ptr(a, 1), sizeof(ts)))
        return -EFAULT;
    return timespec_valid(&ts) ? -EPERM : -EINVAL;
}

s64 sys_settimeofday(struct task *t, const struct syscall_args *a)
{
    struct linux_timeval tv;
    struct linux_timezone tz;
    if (a->v[0]) {
        if (copy_in(t, &tv, arg_ptr(a, 0), sizeof(tv)))
            return -EFAULT;
        if (tv.tv_usec < 0 || tv.tv_usec > 1000000 || tv.tv_sec < 0)
            return -EINVAL;
    }
    if (a->v[1] && copy_in(t, &tz, arg_ptr(a, 1), sizeof(tz)))
        return -EFAULT;
    return -EPERM;
}

static s64 adjtimex(struct task *t, uaddr_t u)
{
    struct linux_timex tx;
    if (copy_in(t, &tx, u, sizeof(tx)))
        return -EFAULT;
    if (tx.modes && tx.modes != LINUX_ADJ_OFFSET_SS_READ)
        return -EPERM;
    memset(&tx, 0, sizeof(tx));
    tx.status = LINUX_STA_UNSYNC;
    tx.maxerror = tx.esterror = 16000000;
    tx.constant = 2;
    tx.precision = 1;
    tx.tolerance = 32768000;
    tx.tick = 10000;
    tx.time = ns_to_tv(kernel_now_real());
    return copy_out(t, u, &tx, sizeof(tx)) ? -EFAULT : LINUX_TIME_ERROR;
}

s64 sys_adjtimex(struct task *t, const struct syscall_args *a)
{
    return adjtimex(t, arg_ptr(a, 0));
}

s64 sys_clock_adjtime(struct task *t, const struct syscall_args *a)
{
    u64 ns;
    if (kernel_clock_get(arg_int(a, 0), &ns))
        return -EINVAL;
    if (arg_int(a, 0) != LINUX_CLOCK_REALTIME)
        return -EOPNOTSUPP;
    return adjtimex(t, arg_ptr(a, 1));
}

/* ---- sleeping ---- */

/* Until a CLOCK_MONOTONIC deadline: 0 or -ERESTARTSYS. */
static int sleep_until(struct task *t, u64 deadline)
{
    for (;;) {
        task_prepare_block(t);
        int err = task_block(t, deadline);
        if (err == -ETIMEDOUT)
            return 0;
        if (err)
            return err;
        if (kernel_now_mono() >= deadline)
            return 0;
    }
}

/* Until a process CPU clock shows target. */
static int sleep_cpu(struct task *t, int clock, u64 target)
{
    for (;;) {
        u64 now;
        int err = kernel_clock_get(clock, &now);
        if (err)
            return err;
        if (now >= target)
            return 0;
        /* Several threads may run at once: look more often than the difference. */
        u64 wait = MAX((target - now) / 4, (u64)NSEC_PER_MSEC);
        err = sleep_until(t, deadline_after(wait));
        if (err)
            return err;
    }
}

static s64 nanosleep_relative(struct task *t, u64 deadline, uaddr_t rem);

static s64 nanosleep_restart(struct task *t)
{
    return nanosleep_relative(t, t->restart_data[0], uaddr(t->restart_data[1]));
}

static s64 nanosleep_relative(struct task *t, u64 deadline, uaddr_t rem)
{
    int err = sleep_until(t, deadline);
    if (!err)
        return 0;
    u64 now = kernel_now_mono();
    if (now >= deadline)
        return 0;
    if (rem.v && put_timespec(t, rem, deadline - now))
        return -EFAULT;
    t->restart_fn = nanosleep_restart;
    t->restart_data[0] = deadline;
    t->restart_data[1] = rem.v;
    return -ERESTART_RESTARTBLOCK;
}

s64 sys_nanosleep(struct task *t, const struct syscall_args *a)
{
    struct linux_timespec ts;
    if (copy_in(t, &ts, arg_ptr(a, 0), sizeof(ts)))
        return -EFAULT;
    if (!timespec_valid(&ts))
        return -EINVAL;
    return nanosleep_relative(t, deadline_after(timespec_to_ns(&ts)), arg_ptr(a, 1));
}

static s64 clock_nanosleep_cpu(struct task *t, int clock, bool absolute, u64 ns, uaddr_t rem)
{
    u64 now;
    clock = clock_normalise(clock);
    if (clock & CLOCK_CPU_THREAD)
        return -EINVAL;
    int err = kernel_clock_get(clock, &now);
    if (err)
        return err;
    u64 target = absolute ? ns : now + ns;
    err = sleep_cpu(t, clock, target);
    if (!err || absolute)
        return err ? -ERESTARTNOHAND : 0;
    err = kernel_clock_get(clock, &now);
    if (err || now >= target)
        return 0;
    if (rem.v && put_timespec(t, rem, target - now))
        return -EFAULT;
    return -EINTR;
}

s64 sys_clock_nanosleep(struct task *t, const struct syscall_args *a)
{
    int clock = arg_int(a, 0);
    bool absolute = arg_int(a, 1) & LINUX_TIMER_ABSTIME;
    struct linux_timespec ts;
    u64 deadline;
    switch (clock) {
    case LINUX_CLOCK_MONOTONIC_RAW:
    case LINUX_CLOCK_REALTIME_COARSE:
    case LINUX_CLOCK_MONOTONIC_COARSE:
    case LINUX_CLOCK_THREAD_CPUTIME_ID:
        return -EOPNOTSUPP;
    default:
        break;
    }
    int err = kernel_clock_get(clock, &deadline);
    if (err)
        return err;
    if (copy_in(t, &ts, arg_ptr(a, 2), sizeof(ts)))
        return -EFAULT;
    if (!timespec_valid(&ts))
        return -EINVAL;
    if ((clock == LINUX_CLOCK_REALTIME_ALARM || clock == LINUX_CLOCK_BOOTTIME_ALARM) &&
        !cred_capable(t->cred, LINUX_CAP_WAKE_ALARM))
        return -EPERM;
    u64 ns = timespec_to_ns(&ts);
    if (clock_is_cpu(clock_normalise(clock)))
        return clock_nanosleep_cpu(t, clock, absolute, ns, arg_ptr(a, 3));
    if (!absolute)
        return nanosleep_relative(t, deadline_after(ns), arg_ptr(a, 3));
    err = kernel_clock_deadline(clock, ns, &deadline);
    if (!err)
        err = sleep_until(t, deadline);
    return err ? -ERESTARTNOHAND : 0;
}
