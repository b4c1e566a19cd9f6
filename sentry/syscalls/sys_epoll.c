/* SPDX-License-Identifier: Apache-2.0 */
/* epoll_create, epoll_ctl, epoll_wait and their variants. */
#include "abi/linux/epoll.h"
#include "abi/linux/time.h"
#include "sentry/fs/epoll/epoll.h"
#include "sentry/kernel/fdtable.h"
#include "sentry/kernel/signal.h"
#include "sentry/kernel/timer.h"
#include "sentry/mm/uaccess.h"
#include "sentry/syscalls/handlers.h"
#include "sentry/syscalls/sigmask.h"

#include <errno.h>

#define EPOLL_MAX_EVENTS (INT32_MAX / (int)sizeof(struct linux_epoll_event))

static s64 epoll_create(struct task *t, u32 flags)
{
    struct file *f;
    int err = epoll_file_new(&f);
    if (err)
        return err;
    int fd = fd_install(t, f, flags & LINUX_EPOLL_CLOEXEC, 0);
    if (fd < 0)
        file_put(f);
    return fd;
}

s64 sys_epoll_create(struct task *t, const struct syscall_args *a)
{
    return arg_int(a, 0) <= 0 ? -EINVAL : epoll_create(t, 0);
}

s64 sys_epoll_create1(struct task *t, const struct syscall_args *a)
{
    u32 flags = arg_u32(a, 0);
    return flags & ~(u32)LINUX_EPOLL_CLOEXEC ? -EINVAL : epoll_create(t, flags);
}

s64 sys_epoll_ctl(struct task *t, const struct syscall_args *a)
{
    int op = arg_int(a, 1), fd = arg_int(a, 2);
    struct linux_epoll_event ev = {0};
    if (op != LINUX_EPOLL_CTL_DEL && copy_in(t, &ev, arg_ptr(a, 3), sizeof(ev)))
        return -EFAULT;
    struct file *epf = fd_get(t, arg_int(a, 0));
    if (!epf)
        return -EBADF;
    struct file *f = fd_get(t, fd);
    int err = -EBADF;
    if (f) {
        if (!f->ops->poll)
            err = -EPERM;
        else if (!file_is_epoll(epf))
            err = -EINVAL;
        else
            err = epoll_change(epf, op, fd, f, &ev);
        file_put(f);
    }
    file_put(epf);
    return err;
}

/* deadline as epoll_wait wants it. */
static s64 epoll_wait_fd(struct task *t, int epfd, uaddr_t events, int max, u64 deadline, bool poll)
{
    if (max <= 0 || max > EPOLL_MAX_EVENTS)
        return -EINVAL;
    struct file *epf = fd_get(t, epfd);
    if (!epf)
        return -EBADF;
    int n = file_is_epoll(epf) ? epoll_await(t, epf, events, max, deadline, poll) : -EINVAL;
    file_put(epf);
    return n;
}

static u64 deadline_ms(int ms)
{
    return ms < 0 ? TASK_FOREVER : deadline_after((u64)ms * (u64)NSEC_PER_MSEC);
}

s64 sys_epoll_wait(struct task *t, const struct syscall_args *a)
{
    int ms = arg_int(a, 3);
    return epoll_wait_fd(t, arg_int(a, 0), arg_ptr(a, 1), arg_int(a, 2), deadline_ms(ms), ms == 0);
}

s64 sys_epoll_pwait(struct task *t, const struct syscall_args *a)
{
    int ms = arg_int(a, 3);
    int err = sigmask_enter(t, arg_ptr(a, 4), a->v[5]);
    if (err)
        return err;
    s64 n = epoll_wait_fd(t, arg_int(a, 0), arg_ptr(a, 1), arg_int(a, 2), deadline_ms(ms), ms == 0);
    sigmask_leave(t, n == -EINTR);
    return n;
}

s64 sys_epoll_pwait2(struct task *t, const struct syscall_args *a)
{
    struct linux_timespec ts;
    u64 deadline = TASK_FOREVER;
    bool poll = false;
    if (a->v[3]) {
        if (copy_in(t, &ts, arg_ptr(a, 3), sizeof(ts)))
            return -EFAULT;
        if (!timespec_valid(&ts))
            return -EINVAL;
        u64 ns = timespec_to_ns(&ts);
        poll = ns == 0;
        deadline = deadline_after(ns);
    }
    int err = sigmask_enter(t, arg_ptr(a, 4), a->v[5]);
    if (err)
        return err;
    s64 n = epoll_wait_fd(t, arg_int(a, 0), arg_ptr(a, 1), arg_int(a, 2), deadline, poll);
    sigmask_leave(t, n == -EINTR);
    return n;
}
