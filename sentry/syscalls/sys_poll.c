/* SPDX-License-Identifier: Apache-2.0 */
/* poll, ppoll. */
#include "abi/linux/errno_internal.h"
#include "abi/linux/poll.h"
#include "abi/linux/time.h"
#include "cvisor/kcache.h"
#include "sentry/kernel/task.h"
#include "sentry/kernel/timer.h"
#include "sentry/mm/uaccess.h"
#include "sentry/syscalls/handlers.h"
#include "sentry/syscalls/poll_set.h"
#include "sentry/syscalls/sigmask.h"

#include <errno.h>

#define POLL_ON_STACK 16

static s64 do_poll(struct task *t, uaddr_t fds, u32 n, u64 deadline, bool poll)
{
    struct linux_pollfd small[POLL_ON_STACK], *p = small;
    size_t bytes = (size_t)n * sizeof(*p);
    if (n > group_rlimit(t->group, LINUX_RLIMIT_NOFILE))
        return -EINVAL;
    if (n > POLL_ON_STACK) {
        p = kmalloc(bytes);
        if (!p)
            return -ENOMEM;
    }
    s64 ret = n && copy_in(t, p, fds, bytes) ? -EFAULT : 0;
    if (!ret)
        ret = poll_set_wait(t, p, n, deadline, poll, false);
    if (ret >= 0 && n && copy_out(t, fds, p, bytes))
        ret = -EFAULT;
    if (p != small)
        kfree(p);
    return ret;
}

static s64 poll_restart(struct task *t);

static s64 poll_restartable(struct task *t, uaddr_t fds, u32 n, u64 deadline, bool poll)
{
    s64 ret = do_poll(t, fds, n, deadline, poll);
    if (ret != -ERESTARTNOHAND)
        return ret;
    t->restart_fn = poll_restart;
    t->restart_data[0] = fds.v;
    t->restart_data[1] = n;
    t->restart_data[2] = deadline;
    return -ERESTART_RESTARTBLOCK;
}

static s64 poll_restart(struct task *t)
{
    const u64 *d = t->restart_data;
    return poll_restartable(t, uaddr(d[0]), (u32)d[1], d[2], false);
}

s64 sys_poll(struct task *t, const struct syscall_args *a)
{
    int ms = arg_int(a, 2);
    u64 deadline = ms < 0 ? TASK_FOREVER : deadline_after((u64)ms * (u64)NSEC_PER_MSEC);
    return poll_restartable(t, arg_ptr(a, 0), arg_u32(a, 1), deadline, ms == 0);
}

s64 sys_ppoll(struct task *t, const struct syscall_args *a)
{
    struct linux_timespec ts;
    u64 deadline = TASK_FOREVER;
    bool poll = false;
    if (a->v[2]) {
        if (copy_in(t, &ts, arg_ptr(a, 2), sizeof(ts)))
            return -EFAULT;
        if (!timespec_valid(&ts))
            return -EINVAL;
        u64 ns = timespec_to_ns(&ts);
        poll = ns == 0;
        deadline = deadline_after(ns);
    }
    int err = sigmask_enter(t, arg_ptr(a, 3), a->v[4]);
    if (err)
        return err;
    s64 ret = do_poll(t, arg_ptr(a, 0), arg_u32(a, 1), deadline, poll);
    sigmask_leave(t, ret == -ERESTARTNOHAND);
    return poll_put_remaining(t, arg_ptr(a, 2), false, poll ? 0 : deadline, ret);
}
