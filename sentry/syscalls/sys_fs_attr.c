/* SPDX-License-Identifier: Apache-2.0 */
/* Attributes: mode, owner, times, size. */
#include "abi/linux/fcntl.h"
#include "abi/linux/stat.h"
#include "abi/linux/time.h"
#include "cvisor/kcache.h"
#include "sentry/kernel/fdtable.h"
#include "sentry/kernel/task.h"
#include "sentry/mm/uaccess.h"
#include "sentry/syscalls/handlers.h"
#include "sentry/syscalls/path_arg.h"
#include "sentry/vfs/vfs.h"

#include <errno.h>

static s64 chmod_path(struct vfs_path *p, u32 mode)
{
    struct iattr attr = {.valid = ATTR_MODE, .mode = mode & LINUX_S_IALLUGO};
    int err = vfs_setattr(p, &attr);

    vfs_path_put(p);
    return err;
}

static s64 do_chmod(struct task *t, int dirfd, uaddr_t path, u32 mode, int flags)
{
    struct vfs_path p;
    int err;

    if (flags & ~(LINUX_AT_SYMLINK_NOFOLLOW | LINUX_AT_EMPTY_PATH))
        return -EINVAL;
    err = path_arg_resolve(t, dirfd, path, !(flags & LINUX_AT_SYMLINK_NOFOLLOW), flags, &p);
    return err ? err : chmod_path(&p, mode);
}

s64 sys_chmod(struct task *t, const struct syscall_args *a)
{
    return do_chmod(t, LINUX_AT_FDCWD, arg_ptr(a, 0), arg_u32(a, 1), 0);
}

s64 sys_fchmod(struct task *t, const struct syscall_args *a)
{
    struct vfs_path p;
    int err = path_arg_fd(t, arg_int(a, 0), true, &p);

    return err ? err : chmod_path(&p, arg_u32(a, 1));
}

s64 sys_fchmodat(struct task *t, const struct syscall_args *a)
{
    return do_chmod(t, arg_int(a, 0), arg_ptr(a, 1), arg_u32(a, 2), 0);
}

s64 sys_fchmodat2(struct task *t, const struct syscall_args *a)
{
    return do_chmod(t, arg_int(a, 0), arg_ptr(a, 1), arg_u32(a, 2), arg_int(a, 3));
}

static s64 chown_path(struct vfs_path *p, u32 uid, u32 gid)
{
    struct iattr attr = {.uid = uid, .gid = gid};
    int err;

    attr.valid = ATTR_CHOWN | (uid != ~0u ? ATTR_UID : 0) | (gid != ~0u ? ATTR_GID : 0);
    err = vfs_setattr(p, &attr);
    vfs_path_put(p);
    return err;
}

static s64 do_chown(struct task *t, int dirfd, uaddr_t path, u32 uid, u32 gid, int flags)
{
    struct vfs_path p;
    int err;

    if (flags & ~(LINUX_AT_SYMLINK_NOFOLLOW | LINUX_AT_EMPTY_PATH))
        return -EINVAL;
    err = path_arg_resolve(t, dirfd, path, !(flags & LINUX_AT_SYMLINK_NOFOLLOW), flags, &p);
    return err ? err : chown_path(&p, uid, gid);
}

s64 sys_chown(struct task *t, const struct syscall_args *a)
{
    return do_chown(t, LINUX_AT_FDCWD, arg_ptr(a, 0), arg_u32(a, 1), arg_u32(a, 2), 0);
}

s64 sys_lchown(struct task *t, const struct syscall_args *a)
{
    return do_chown(t, LINUX_AT_FDCWD, arg_ptr(a, 0), arg_u32(a, 1), arg_u32(a, 2),
                    LINUX_AT_SYMLINK_NOFOLLOW);
}

s64 sys_fchown(struct task *t, const struct syscall_args *a)
{
    struct vfs_path p;
    int err = path_arg_fd(t, arg_int(a, 0), true, &p);

    return err ? err : chown_path(&p, arg_u32(a, 1), arg_u32(a, 2));
}

s64 sys_fchownat(struct task *t, const struct syscall_args *a)
{
    return do_chown(t, arg_int(a, 0), arg_ptr(a, 1), arg_u32(a, 2), arg_u32(a, 3), arg_int(a, 4));
}

/* ---- times ------------------------------------------------------------------------------------- */

/* times NULL: now. path NULL: the file of dirfd (futimens). */
static s64 do_utimes(struct task *t, int dirfd, uaddr_t path, const struct linux_timespec *times,
                     int flags)
{
    struct vfs_path p;
    int err;

    if (flags & ~(LINUX_AT_SYMLINK_NOFOLLOW | LINUX_AT_EMPTY_PATH))
        return -EINVAL;
    if (times && times[0].tv_nsec == LINUX_UTIME_OMIT && times[1].tv_nsec == LINUX_UTIME_OMIT)
        return 0;
    if (!path.v && dirfd != LINUX_AT_FDCWD) {
        if (flags)
            return -EINVAL;
        err = path_arg_fd(t, dirfd, true, &p);
    } else {
        err = path_arg_resolve(t, dirfd, path, !(flags & LINUX_AT_SYMLINK_NOFOLLOW), flags, &p);
    }
    if (err)
        return err;
    err = vfs_utimes(&p, times);
    vfs_path_put(&p);
    return err;
}

s64 sys_utimensat(struct task *t, const struct syscall_args *a)
{
    struct linux_timespec ts[2];

    if (!a->v[2])
        return do_utimes(t, arg_int(a, 0), arg_ptr(a, 1), NULL, arg_int(a, 3));
    if (copy_in(t, ts, arg_ptr(a, 2), sizeof(ts)))
        return -EFAULT;
    return do_utimes(t, arg_int(a, 0), arg_ptr(a, 1), ts, arg_int(a, 3));
}

static s64 utimes_timeval(struct task *t, int dirfd, uaddr_t path, uaddr_t utv)
{
    struct linux_timeval tv[2];
    struct linux_timespec ts[2];

    if (!utv.v)
        return do_utimes(t, dirfd, path, NULL, 0);
    if (copy_in(t, tv, utv, sizeof(tv)))
        return -EFAULT;
    for (int i = 0; i < 2; i++) {
        if (tv[i].tv_usec < 0 || tv[i].tv_usec >= 1000000)
            return -EINVAL;
        ts[i].tv_sec = tv[i].tv_sec;
        ts[i].tv_nsec = tv[i].tv_usec * NSEC_PER_USEC;
    }
    return do_utimes(t, dirfd, path, ts, 0);
}

s64 sys_utimes(struct task *t, const struct syscall_args *a)
{
    return utimes_timeval(t, LINUX_AT_FDCWD, arg_ptr(a, 0), arg_ptr(a, 1));
}

s64 sys_futimesat(struct task *t, const struct syscall_args *a)
{
    return utimes_timeval(t, arg_int(a, 0), arg_ptr(a, 1), arg_ptr(a, 2));
}

s64 sys_utime(struct task *t, const struct syscall_args *a)
{
    struct linux_utimbuf ub;
    struct linux_timespec ts[2] = {{0, 0}, {0, 0}};

    if (!a->v[1])
        return do_utimes(t, LINUX_AT_FDCWD, arg_ptr(a, 0), NULL, 0);
    if (copy_in(t, &ub, arg_ptr(a, 1), sizeof(ub)))
        return -EFAULT;
    ts[0].tv_sec = ub.actime;
    ts[1].tv_sec = ub.modtime;
    return do_utimes(t, LINUX_AT_FDCWD, arg_ptr(a, 0), ts, 0);
}

/* ---- size -------------------------------------------------------------------------------------- */

s64 sys_truncate(struct task *t, const struct syscall_args *a)
{
    struct vfs_path p;
    int err;

    if (arg_s64(a, 1) < 0)
        return -EINVAL;
    err = path_arg_resolve(t, LINUX_AT_FDCWD, arg_ptr(a, 0), true, 0, &p);
    if (err)
        return err;
    err = vfs_truncate(&p, a->v[1]);
    vfs_path_put(&p);
    return err;
}

s64 sys_ftruncate(struct task *t, const struct syscall_args *a)
{
    struct file *f;
    int err;

    if (arg_s64(a, 1) < 0)
        return -EINVAL;
    f = fd_get(t, arg_int(a, 0));
    if (!f)
        return -EBADF;
    err = vfs_ftruncate(f, a->v[1]);
    file_put(f);
    return err;
}

s64 sys_fallocate(struct task *t, const struct syscall_args *a)
{
    s64 off = arg_s64(a, 2), len = arg_s64(a, 3);
    struct file *f = fd_get(t, arg_int(a, 0));
    int err;

    if (!f)
        return -EBADF;
    if (off < 0 || len <= 0)
        err = -EINVAL;
    else
        err = vfs_fallocate(f, arg_int(a, 1), (u64)off, (u64)len);
    file_put(f);
    return err;
}
