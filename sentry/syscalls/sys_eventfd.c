/* SPDX-License-Identifier: Apache-2.0 */
/* eventfd, eventfd2. */
#include "abi/linux/eventfd.h"
#include "sentry/fs/eventfd/eventfd.h"
#include "sentry/kernel/fdtable.h"
#include "sentry/kernel/task.h"
#include "sentry/syscalls/handlers.h"

#include <errno.h>

static s64 eventfd_create(struct task *t, u32 count, u32 flags)
{
    struct file *f;
    if (flags & ~(u32)(LINUX_EFD_SEMAPHORE | LINUX_EFD_CLOEXEC | LINUX_EFD_NONBLOCK))
        return -EINVAL;
    int err = eventfd_file_new(count, flags, &f);
    if (err)
        return err;
    int fd = fd_install(t, f, flags & LINUX_EFD_CLOEXEC, 0);
    if (fd < 0)
        file_put(f);
    return fd;
}

s64 sys_eventfd(struct task *t, const struct syscall_args *a)
{
    return eventfd_create(t, arg_u32(a, 0), 0);
}

s64 sys_eventfd2(struct task *t, const struct syscall_args *a)
{
    return eventfd_create(t, arg_u32(a, 0), arg_u32(a, 1));
}
