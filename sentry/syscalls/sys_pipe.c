/* SPDX-License-Identifier: Apache-2.0 */
/* pipe, pipe2. */
#include "abi/linux/fcntl.h"
#include "sentry/fs/pipe/pipe.h"
#include "sentry/kernel/fdtable.h"
#include "sentry/kernel/task.h"
#include "sentry/mm/uaccess.h"
#include "sentry/syscalls/handlers.h"

#include <errno.h>

static s64 do_pipe(struct task *t, uaddr_t u, u32 flags)
{
    struct file *f[2];
    int fd[2];
    if (flags & ~(u32)(LINUX_O_CLOEXEC | LINUX_O_NONBLOCK | LINUX_O_DIRECT))
        return -EINVAL;
    int err = pipe_new(flags, f);
    if (err)
        return err;
    fd[0] = err = fd_reserve(t, 0);
    if (err >= 0) {
        fd[1] = err = fd_reserve(t, 0);
        if (err < 0)
            fd_cancel(t, fd[0]);
    }
    if (err >= 0 && copy_out(t, u, fd, sizeof(fd))) {
        fd_cancel(t, fd[0]);
        fd_cancel(t, fd[1]);
        err = -EFAULT;
    }
    if (err < 0) {
        file_put(f[0]);
        file_put(f[1]);
        return err;
    }
    fd_fill(t, fd[0], f[0], flags & LINUX_O_CLOEXEC);
    fd_fill(t, fd[1], f[1], flags & LINUX_O_CLOEXEC);
    return 0;
}

s64 sys_pipe(struct task *t, const struct syscall_args *a)
{
    return do_pipe(t, arg_ptr(a, 0), 0);
}

s64 sys_pipe2(struct task *t, const struct syscall_args *a)
{
    return do_pipe(t, arg_ptr(a, 0), arg_u32(a, 1));
}
