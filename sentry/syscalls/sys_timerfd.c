/* SPDX-License-Identifier: Apache-2.0 */
/* timerfd_create, timerfd_settime, timerfd_gettime. */
#include "abi/linux/time.h"
#include "abi/linux/timerfd.h"
#include "sentry/fs/timerfd/timerfd.h"
#include "sentry/kernel/fdtable.h"
#include "sentry/kernel/task.h"
#include "sentry/kernel/timer.h"
#include "sentry/mm/uaccess.h"
#include "sentry/syscalls/handlers.h"

#include <errno.h>

s64 sys_timerfd_create(struct task *t, const struct syscall_args *a)
{
    int clock = arg_int(a, 0);
    u32 flags = arg_u32(a, 1);
    struct file *f;
    if (flags & ~(u32)(LINUX_TFD_CLOEXEC | LINUX_TFD_NONBLOCK))
        return -EINVAL;
    switch (clock) {
    case LINUX_CLOCK_REALTIME:
    case LINUX_CLOCK_MONOTONIC:
    case LINUX_CLOCK_BOOTTIME:
        break;
    case LINUX_CLOCK_REALTIME_ALARM:
    case LINUX_CLOCK_BOOTTIME_ALARM:
        if (!cred_capable(t->cred, LINUX_CAP_WAKE_ALARM))
            return -EPERM;
        break;
    default:
        return -EINVAL;
    }
    int err = timerfd_file_new(clock, flags, &f);
    if (err)
        return err;
    int fd = fd_install(t, f, flags & LINUX_TFD_CLOEXEC, 0);
    if (fd < 0)
        file_put(f);
    return fd;
}

s64 sys_timerfd_settime(struct task *t, const struct syscall_args *a)
{
    int flags = arg_int(a, 1);
    struct linux_itimerspec new, old;
    if (copy_in(t, &new, arg_ptr(a, 2), sizeof(new)))
        return -EFAULT;
    if ((flags & ~(LINUX_TFD_TIMER_ABSTIME | LINUX_TFD_TIMER_CANCEL_ON_SET)) ||
        !timespec_valid(&new.it_value) || !timespec_valid(&new.it_interval))
        return -EINVAL;
    struct file *f = fd_get(t, arg_int(a, 0));
    if (!f)
        return -EBADF;
    int err = timerfd_set(f, flags & LINUX_TFD_TIMER_ABSTIME, &new, &old);
    file_put(f);
    if (!err && a->v[3] && copy_out(t, arg_ptr(a, 3), &old, sizeof(old)))
        err = -EFAULT;
    return err;
}

s64 sys_timerfd_gettime(struct task *t, const struct syscall_args *a)
{
    struct linux_itimerspec cur;
    struct file *f = fd_get(t, arg_int(a, 0));
    if (!f)
        return -EBADF;
    int err = timerfd_get(f, &cur);
    file_put(f);
    return err ? err : copy_out(t, arg_ptr(a, 1), &cur, sizeof(cur));
}
