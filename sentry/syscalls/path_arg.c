/* SPDX-License-Identifier: Apache-2.0 */
/* Paths as arguments of syscalls. */
#include "sentry/syscalls/path_arg.h"

#include "abi/linux/fcntl.h"
#include "cvisor/kcache.h"
#include "sentry/kernel/fdtable.h"
#include "sentry/mm/uaccess.h"

#include <errno.h>

/* 1 when the arguments name an open file, dirfd, with an empty path: fstat() of C libraries. */
static int is_fd(struct task *t, int dirfd, uaddr_t path, int at_flags)
{
    char c = 0;

    if (!(at_flags & LINUX_AT_EMPTY_PATH) || dirfd < 0)
        return 0;
    /* New C libraries pass NULL. */
    if (path.v && copy_in(t, &c, path, 1) < 0)
        return -EFAULT;
    return c == 0;
}

int path_arg_resolve(struct task *t, int dirfd, uaddr_t path, bool follow, int at_flags,
                     struct vfs_path *out)
{
    u32 rp = (follow ? RP_FOLLOW : 0) | (at_flags & LINUX_AT_EMPTY_PATH ? RP_EMPTY_PATH : 0);
    char *name;
    int err = is_fd(t, dirfd, path, at_flags);

    if (err)
        return err < 0 ? err : path_arg_fd(t, dirfd, false, out);
    if (!path.v && (at_flags & LINUX_AT_EMPTY_PATH))
        return vfs_resolve(dirfd, "", rp, out);
    err = copy_in_path(t, &name, path);
    if (err)
        return err;
    err = vfs_resolve(dirfd, name, rp, out);
    kfree(name);
    return err;
}

int path_arg_fd(struct task *t, int fd, bool plain, struct vfs_path *out)
{
    struct file *f = plain ? fd_get(t, fd) : fd_get_path(t, fd);

    if (!f)
        return -EBADF;
    *out = f->path;
    vfs_path_get(out);
    file_put(f);
    return 0;
}
