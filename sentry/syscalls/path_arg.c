/* SPDX-License-Identifier: Apache-2.0 */
/* Paths as arguments of syscalls. */
#include "sentry/syscalls/path_arg.h"

#include "abi/linux/fcntl.h"
#include "cvisor/kcache.h"
#include "sentry/kernel/fdtable.h"
#include "sentry/mm/uaccess.h"

#include <errno.h>

int path_arg_resolve(struct task *t, int dirfd, uaddr_t path, bool follow, int at_flags,
                     struct vfs_path *out)
{
    u32 rp = (follow ? RP_FOLLOW : 0) | (at_flags & LINUX_AT_EMPTY_PATH ? RP_EMPTY_PATH : 0);
    char *name;
    int err;

    /* fstat() of new C libraries: a NULL path is an empty one. */
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
