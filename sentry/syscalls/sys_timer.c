/* SPDX-License-Identifier: Apache-2.0 */
/* POSIX timers, interval timers, alarm. */
#include "abi/linux/time.h"
#include "sentry/kernel/posix_timer.h"
#include "sentry/kernel/task.h"
#include "sentry/kernel/timer.h"
#include "sentry/mm/uaccess.h"
#include "sentry/syscalls/handlers.h"

#include <errno.h>

s64 sys_timer_create(struct task *t, const struct syscall_args *a)
{
    struct linux_sigevent sev;
    if (a->v[1] && copy_in(t, &sev, arg_ptr(a, 1), sizeof(sev)))
        return -EFAULT;
    int id = posix_timer_create(t, arg_int(a, 0), a->v[1] ? &sev : NULL);
    if (id < 0)
        return id;
    if (put_u32(t, arg_ptr(a, 2), (u32)id)) {
        posix_timer_delete(t, id);
        return -EFAULT;
    }
    return 0;
}

s64 sys_timer_settime(struct task *t, const struct syscall_args *a)
{
    struct linux_itimerspec new, old;
    if (!a->v[2])
        return -EINVAL;
    if (copy_in(t, &new, arg_ptr(a, 2), sizeof(new)))
        return -EFAULT;
    if (!timespec_valid(&new.it_value) || !timespec_valid(&new.it_interval))
        return -EINVAL;
    int err = posix_timer_set(t, arg_int(a, 0), arg_int(a, 1) & LINUX_TIMER_ABSTIME, &new, &old);
    if (!err && a->v[3] && copy_out(t, arg_ptr(a, 3), &old, sizeof(old)))
        err = -EFAULT;
    return err;
}

s64 sys_timer_gettime(struct task *t, const struct syscall_args *a)
{
    struct linux_itimerspec cur;
    int err = posix_timer_get(t, arg_int(a, 0), &cur);
    return err ? err : copy_out(t, arg_ptr(a, 1), &cur, sizeof(cur));
}

s64 sys_timer_getoverrun(struct task *t, const struct syscall_args *a)
{
    return posix_timer_overrun(t, arg_int(a, 0));
}

s64 sys_timer_delete(struct task *t, const struct syscall_args *a)
{
    return posix_timer_delete(t, arg_int(a, 0));
}

/* ---- interval timers ---- */

static bool timeval_valid(const struct linux_timeval *tv)
{
    return tv->tv_sec >= 0 && tv->tv_usec >= 0 && tv->tv_usec < 1000000;
}

static u64 timeval_ns(const struct linux_timeval *tv)
{
    struct linux_timespec ts = {.tv_sec = tv->tv_sec, .tv_nsec = tv->tv_usec * NSEC_PER_USEC};
    return timespec_to_ns(&ts);
}

static int put_itimerval(struct task *t, uaddr_t u, const struct itimer_value *v)
{
    struct linux_itimerval out = {
        .it_interval = ns_to_tv(v->interval),
        .it_value = ns_to_tv(v->value),
    };
    return copy_out(t, u, &out, sizeof(out));
}

s64 sys_getitimer(struct task *t, const struct syscall_args *a)
{
    int which = arg_int(a, 0);
    struct itimer_value v;
    if (which < LINUX_ITIMER_REAL || which > LINUX_ITIMER_PROF)
        return -EINVAL;
    itimer_get(t->group, which, &v);
    return put_itimerval(t, arg_ptr(a, 1), &v);
}

s64 sys_setitimer(struct task *t, const struct syscall_args *a)
{
    int which = arg_int(a, 0);
    struct linux_itimerval in = {0};
    if (a->v[1]) {
        if (copy_in(t, &in, arg_ptr(a, 1), sizeof(in)))
            return -EFAULT;
        if (!timeval_valid(&in.it_value) || !timeval_valid(&in.it_interval))
            return -EINVAL;
    }
    if (which < LINUX_ITIMER_REAL || which > LINUX_ITIMER_PROF)
        return -EINVAL;
    struct itimer_value new = {.value = timeval_ns(&in.it_value),
                               .interval = timeval_ns(&in.it_interval)},
                        old;
    int err = itimer_set(t->group, which, &new, &old);
    if (!err && a->v[2] && put_itimerval(t, arg_ptr(a, 2), &old))
        err = -EFAULT;
    return err;
}

s64 sys_alarm(struct task *t, const struct syscall_args *a)
{
    struct itimer_value new = {.value = (u64)arg_u32(a, 0) * (u64)NSEC_PER_SEC}, old;
    int err = itimer_set(t->group, LINUX_ITIMER_REAL, &new, &old);
    if (err)
        return err;
    struct linux_timeval left = ns_to_tv(old.value);
    /* An alarm that is still to come never gives 0. */
    if (left.tv_usec >= 500000 || (!left.tv_sec && left.tv_usec))
        left.tv_sec++;
    return left.tv_sec;
}
