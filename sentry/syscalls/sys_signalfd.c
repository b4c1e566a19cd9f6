/* SPDX-License-Identifier: Apache-2.0 */
/* signalfd, signalfd4. */
#include "abi/linux/signalfd.h"
#include "sentry/fs/signalfd/signalfd.h"
#include "sentry/kernel/fdtable.h"
#include "sentry/kernel/task.h"
#include "sentry/mm/uaccess.h"
#include "sentry/syscalls/handlers.h"

#include <errno.h>

static s64 signalfd(struct task *t, const struct syscall_args *a, u32 flags)
{
    int fd = arg_int(a, 0), err;
    struct file *f;
    u64 mask;
    if (a->v[2] != LINUX_SIGSET_SIZE)
        return -EINVAL;
    if (get_u64(t, &mask, arg_ptr(a, 1)))
        return -EFAULT;
    if (flags & ~(u32)(LINUX_SFD_CLOEXEC | LINUX_SFD_NONBLOCK))
        return -EINVAL;
    if (fd == -1) {
        err = signalfd_file_new(mask, flags, &f);
        if (err)
            return err;
        fd = fd_install(t, f, flags & LINUX_SFD_CLOEXEC, 0);
        if (fd < 0)
            file_put(f);
        return fd;
    }
    f = fd_get(t, fd);
    if (!f)
        return -EBADF;
    err = signalfd_set_mask(f, mask);
    file_put(f);
    return err ? err : fd;
}

s64 sys_signalfd(struct task *t, const struct syscall_args *a)
{
    return signalfd(t, a, 0);
}

s64 sys_signalfd4(struct task *t, const struct syscall_args *a)
{
    return signalfd(t, a, arg_u32(a, 3));
}
