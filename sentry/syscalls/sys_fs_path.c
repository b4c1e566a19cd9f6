/* SPDX-License-Identifier: Apache-2.0 */
/* Names: link, symlink, rename. */
#include "abi/linux/capability.h"
#include "abi/linux/fcntl.h"
#include "cvisor/kcache.h"
#include "sentry/kernel/cred.h"
#include "sentry/kernel/task.h"
#include "sentry/mm/uaccess.h"
#include "sentry/syscalls/handlers.h"
#include "sentry/syscalls/path_arg.h"
#include "sentry/vfs/vfs.h"

#include <errno.h>

static s64 do_link(struct task *t, int olddir, uaddr_t old, int newdir, uaddr_t new, int flags)
{
    struct vfs_path p;
    char *path;
    int err;

    if (flags & ~(LINUX_AT_SYMLINK_FOLLOW | LINUX_AT_EMPTY_PATH))
        return -EINVAL;
    if ((flags & LINUX_AT_EMPTY_PATH) && !capable(LINUX_CAP_DAC_READ_SEARCH))
        return -ENOENT;
    err = path_arg_resolve(t, olddir, old, flags & LINUX_AT_SYMLINK_FOLLOW, flags, &p);
    if (err)
        return err;
    err = copy_in_path(t, &path, new);
    if (!err) {
        err = vfs_link(&p, newdir, path);
        kfree(path);
    }
    vfs_path_put(&p);
    return err;
}

s64 sys_link(struct task *t, const struct syscall_args *a)
{
    return do_link(t, LINUX_AT_FDCWD, arg_ptr(a, 0), LINUX_AT_FDCWD, arg_ptr(a, 1), 0);
}

s64 sys_linkat(struct task *t, const struct syscall_args *a)
{
    return do_link(t, arg_int(a, 0), arg_ptr(a, 1), arg_int(a, 2), arg_ptr(a, 3), arg_int(a, 4));
}

static s64 do_symlink(struct task *t, uaddr_t utarget, int dirfd, uaddr_t upath)
{
    char *target, *path;
    int err = copy_in_path(t, &target, utarget);

    if (err)
        return err;
    err = target[0] ? copy_in_path(t, &path, upath) : -ENOENT;
    if (!err) {
        err = vfs_symlink(target, dirfd, path);
        kfree(path);
    }
    kfree(target);
    return err;
}

s64 sys_symlink(struct task *t, const struct syscall_args *a)
{
    return do_symlink(t, arg_ptr(a, 0), LINUX_AT_FDCWD, arg_ptr(a, 1));
}

s64 sys_symlinkat(struct task *t, const struct syscall_args *a)
{
    return do_symlink(t, arg_ptr(a, 0), arg_int(a, 1), arg_ptr(a, 2));
}

static s64 do_rename(struct task *t, int olddir, uaddr_t uold, int newdir, uaddr_t unew, u32 flags)
{
    char *old, *new;
    int err;

    if (flags & ~(u32)(LINUX_RENAME_NOREPLACE | LINUX_RENAME_EXCHANGE | LINUX_RENAME_WHITEOUT))
        return -EINVAL;
    if ((flags & LINUX_RENAME_EXCHANGE) &&
        (flags & (LINUX_RENAME_NOREPLACE | LINUX_RENAME_WHITEOUT)))
        return -EINVAL;
    err = copy_in_path(t, &old, uold);
    if (err)
        return err;
    err = copy_in_path(t, &new, unew);
    if (!err) {
        err = vfs_rename(olddir, old, newdir, new, flags);
        kfree(new);
    }
    kfree(old);
    return err;
}

s64 sys_rename(struct task *t, const struct syscall_args *a)
{
    return do_rename(t, LINUX_AT_FDCWD, arg_ptr(a, 0), LINUX_AT_FDCWD, arg_ptr(a, 1), 0);
}

s64 sys_renameat(struct task *t, const struct syscall_args *a)
{
    return do_rename(t, arg_int(a, 0), arg_ptr(a, 1), arg_int(a, 2), arg_ptr(a, 3), 0);
}

s64 sys_renameat2(struct task *t, const struct syscall_args *a)
{
    return do_rename(t, arg_int(a, 0), arg_ptr(a, 1), arg_int(a, 2), arg_ptr(a, 3), arg_u32(a, 4));
}
