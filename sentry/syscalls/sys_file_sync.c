/* SPDX-License-Identifier: Apache-2.0 */
/* sync and its family, and advice about file access. */
#include "abi/linux/fcntl.h"
#include "abi/linux/stat.h"
#include "cvisor/kcache.h"
#include "sentry/kernel/fdtable.h"
#include "sentry/kernel/task.h"
#include "sentry/syscalls/handlers.h"
#include "sentry/vfs/vfs.h"

#include <errno.h>

static s64 do_fsync(struct task *t, int fd, bool data_only)
{
    struct file *f = fd_get(t, fd);
    int err;

    if (!f)
        return -EBADF;
    err = file_fsync(f, data_only, 0, (u64)INT64_MAX);
    file_put(f);
    return err;
}

s64 sys_fsync(struct task *t, const struct syscall_args *a)
{
    return do_fsync(t, arg_int(a, 0), false);
}

s64 sys_fdatasync(struct task *t, const struct syscall_args *a)
{
    return do_fsync(t, arg_int(a, 0), true);
}

static int fs_sync(struct filesystem *fs)
{
    return fs->ops->sync ? fs->ops->sync(fs) : 0;
}

s64 sys_sync(struct task *t, const struct syscall_args *a)
{
    struct mount **v;
    size_t n;

    if (mount_ns_snapshot(t->mnt_ns, &v, &n))
        return 0;
    for (size_t i = 0; i < n; i++) {
        (void)fs_sync(v[i]->fs); /* sync() has no errors */
        mount_put(v[i]);
    }
    kfree(v);
    return 0;
}

s64 sys_syncfs(struct task *t, const struct syscall_args *a)
{
    struct file *f = fd_get(t, arg_int(a, 0));
    int err;

    if (!f)
        return -EBADF;
    err = fs_sync(f->inode->fs);
    file_put(f);
    return err;
}

s64 sys_sync_file_range(struct task *t, const struct syscall_args *a)
{
    s64 off = arg_s64(a, 1), n = arg_s64(a, 2);
    u32 flags = arg_u32(a, 3), type;
    struct file *f = fd_get(t, arg_int(a, 0));
    int err = 0;

    if (!f)
        return -EBADF;
    type = inode_type(f->inode);
    if ((flags & ~(u32)(LINUX_SYNC_FILE_RANGE_WAIT_BEFORE | LINUX_SYNC_FILE_RANGE_WRITE |
                        LINUX_SYNC_FILE_RANGE_WAIT_AFTER)) ||
        off < 0 || n < 0 || n > INT64_MAX - off)
        err = -EINVAL;
    else if (type != LINUX_S_IFREG && type != LINUX_S_IFDIR && type != LINUX_S_IFBLK &&
             type != LINUX_S_IFLNK)
        err = -ESPIPE;
    else if (flags && type == LINUX_S_IFREG)
        err = file_fsync(f, true, (u64)off, n ? (u64)(off + n) : (u64)INT64_MAX);
    file_put(f);
    return err;
}

s64 sys_fadvise64(struct task *t, const struct syscall_args *a)
{
    struct file *f = fd_get(t, arg_int(a, 0));
    int advice = arg_int(a, 3), err = 0;

    if (!f)
        return -EBADF;
    if (inode_type(f->inode) == LINUX_S_IFIFO)
        err = -ESPIPE;
    else if (arg_s64(a, 2) < 0 || advice < LINUX_POSIX_FADV_NORMAL ||
             advice > LINUX_POSIX_FADV_NOREUSE)
        err = -EINVAL;
    file_put(f);
    return err;
}

s64 sys_readahead(struct task *t, const struct syscall_args *a)
{
    struct file *f = fd_get(t, arg_int(a, 0));
    int err = 0;

    if (!f)
        return -EBADF;
    if (!f->readable)
        err = -EBADF;
    else if (inode_type(f->inode) != LINUX_S_IFREG)
        err = -EINVAL;
    file_put(f);
    return err;
}
