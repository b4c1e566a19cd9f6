/* SPDX-License-Identifier: Apache-2.0 */
/* stat, statx, statfs, access, readlink. */
#include "abi/linux/capability.h"
#include "abi/linux/fcntl.h"
#include "abi/linux/stat.h"
#include "abi/linux/statfs.h"
#include "cvisor/kcache.h"
#include "sentry/kernel/cred.h"
#include "sentry/kernel/fdtable.h"
#include "sentry/kernel/task.h"
#include "sentry/mm/uaccess.h"
#include "sentry/syscalls/handlers.h"
#include "sentry/syscalls/path_arg.h"
#include "sentry/vfs/vfs.h"

#include <errno.h>
#include <string.h>

static s64 do_stat(struct task *t, int dirfd, uaddr_t path, int at_flags, uaddr_t out)
{
    struct linux_stat st;
    struct vfs_path p;
    int err = path_arg_resolve(t, dirfd, path, !(at_flags & LINUX_AT_SYMLINK_NOFOLLOW), at_flags,
                               &p);

    if (err)
        return err;
    err = vfs_stat(&p, &st);
    vfs_path_put(&p);
    return err ? err : copy_out(t, out, &st, sizeof(st));
}

s64 sys_stat(struct task *t, const struct syscall_args *a)
{
    return do_stat(t, LINUX_AT_FDCWD, arg_ptr(a, 0), 0, arg_ptr(a, 1));
}

s64 sys_lstat(struct task *t, const struct syscall_args *a)
{
    return do_stat(t, LINUX_AT_FDCWD, arg_ptr(a, 0), LINUX_AT_SYMLINK_NOFOLLOW, arg_ptr(a, 1));
}

/* Of an open file: the inode that was opened, whatever its name is now. */
static int stat_fd(struct task *t, int fd, struct linux_stat *st)
{
    struct file *f = fd_get_path(t, fd);
    int err;

    if (!f)
        return -EBADF;
    err = vfs_stat(&f->path, st);
    file_put(f);
    return err;
}

s64 sys_fstat(struct task *t, const struct syscall_args *a)
{
    struct linux_stat st;
    int err = stat_fd(t, arg_int(a, 0), &st);

    return err ? err : copy_out(t, arg_ptr(a, 1), &st, sizeof(st));
}

s64 sys_newfstatat(struct task *t, const struct syscall_args *a)
{
    int flags = arg_int(a, 3);

    if (flags & ~(LINUX_AT_SYMLINK_NOFOLLOW | LINUX_AT_NO_AUTOMOUNT | LINUX_AT_EMPTY_PATH |
                  LINUX_AT_STATX_SYNC_TYPE))
        return -EINVAL;
    return do_stat(t, arg_int(a, 0), arg_ptr(a, 1), flags, arg_ptr(a, 2));
}

static struct linux_statx_timestamp stamp(s64 sec, u64 nsec)
{
    return (struct linux_statx_timestamp){.tv_sec = sec, .tv_nsec = (u32)nsec};
}

static void fill_statx(const struct vfs_path *p, const struct linux_stat *st, struct linux_statx *x)
{
    struct inode *inode = dentry_inode(p->dentry);

    memset(x, 0, sizeof(*x));
    x->stx_mask = LINUX_STATX_BASIC_STATS;
    x->stx_blksize = (u32)st->st_blksize;
    x->stx_nlink = (u32)st->st_nlink;
    x->stx_uid = st->st_uid;
    x->stx_gid = st->st_gid;
    x->stx_mode = (u16)st->st_mode;
    x->stx_ino = st->st_ino;
    x->stx_size = (u64)st->st_size;
    x->stx_blocks = (u64)st->st_blocks;
    x->stx_atime = stamp(st->st_atime_sec, st->st_atime_nsec);
    x->stx_mtime = stamp(st->st_mtime_sec, st->st_mtime_nsec);
    x->stx_ctime = stamp(st->st_ctime_sec, st->st_ctime_nsec);
    x->stx_rdev_major = LINUX_MAJOR(st->st_rdev);
    x->stx_rdev_minor = LINUX_MINOR(st->st_rdev);
    x->stx_dev_major = LINUX_MAJOR(st->st_dev);
    x->stx_dev_minor = LINUX_MINOR(st->st_dev);
    x->stx_attributes_mask = LINUX_STATX_ATTR_MOUNT_ROOT;
    mutex_lock(&inode->attr_lock);
    if (inode->btime.tv_sec) {
        x->stx_mask |= LINUX_STATX_BTIME;
        x->stx_btime = stamp(inode->btime.tv_sec, (u64)inode->btime.tv_nsec);
    }
    mutex_unlock(&inode->attr_lock);
    if (p->mnt) {
        x->stx_mask |= LINUX_STATX_MNT_ID;
        x->stx_mnt_id = p->mnt->id;
        if (p->dentry == p->mnt->root)
            x->stx_attributes |= LINUX_STATX_ATTR_MOUNT_ROOT;
    }
}

s64 sys_statx(struct task *t, const struct syscall_args *a)
{
    int flags = arg_int(a, 2);
    u32 mask = arg_u32(a, 3);
    struct linux_statx x;
    struct linux_stat st;
    struct vfs_path p;
    int err;

    if (mask & LINUX_STATX__RESERVED)
        return -EINVAL;
    if ((flags & ~(LINUX_AT_SYMLINK_NOFOLLOW | LINUX_AT_NO_AUTOMOUNT | LINUX_AT_EMPTY_PATH |
                   LINUX_AT_STATX_SYNC_TYPE)) ||
        (flags & LINUX_AT_STATX_SYNC_TYPE) == LINUX_AT_STATX_SYNC_TYPE)
        return -EINVAL;
    err = path_arg_resolve(t, arg_int(a, 0), arg_ptr(a, 1), !(flags & LINUX_AT_SYMLINK_NOFOLLOW),
                           flags, &p);
    if (err)
        return err;
    err = vfs_stat(&p, &st);
    if (!err)
        fill_statx(&p, &st, &x);
    vfs_path_put(&p);
    return err ? err : copy_out(t, arg_ptr(a, 4), &x, sizeof(x));
}

s64 sys_statfs(struct task *t, const struct syscall_args *a)
{
    struct linux_statfs st;
    struct vfs_path p;
    int err = path_arg_resolve(t, LINUX_AT_FDCWD, arg_ptr(a, 0), true, 0, &p);

    if (err)
        return err;
    err = vfs_statfs(&p, &st);
    vfs_path_put(&p);
    return err ? err : copy_out(t, arg_ptr(a, 1), &st, sizeof(st));
}

s64 sys_fstatfs(struct task *t, const struct syscall_args *a)
{
    struct linux_statfs st;
    struct vfs_path p;
    int err = path_arg_fd(t, arg_int(a, 0), false, &p);

    if (err)
        return err;
    err = vfs_statfs(&p, &st);
    vfs_path_put(&p);
    return err ? err : copy_out(t, arg_ptr(a, 1), &st, sizeof(st));
}

/* ---- access ------------------------------------------------------------------------------------ */

/* Real ids instead of effective ones, with the capabilities that go with them. Referenced. */
static struct cred *real_cred(const struct cred *c)
{
    struct cred *r = cred_copy(c);

    if (!r)
        return NULL;
    r->fsuid = r->uid;
    r->fsgid = r->gid;
    if (!(r->securebits & (1u << LINUX_SECURE_NO_SETUID_FIXUP)))
        r->cap_effective = r->uid ? 0 : r->cap_permitted;
    return r;
}

static void set_cred(struct task *t, const struct cred *c)
{
    mutex_lock(&t->res_lock);
    t->cred = c;
    mutex_unlock(&t->res_lock);
}

static s64 do_access(struct task *t, int dirfd, uaddr_t path, int mode, int flags)
{
    const struct cred *own = t->cred;
    struct cred *real = NULL;
    struct vfs_path p;
    u32 may = 0;
    int err;

    if ((mode & ~(LINUX_R_OK | LINUX_W_OK | LINUX_X_OK)) ||
        (flags & ~(LINUX_AT_EACCESS | LINUX_AT_SYMLINK_NOFOLLOW | LINUX_AT_EMPTY_PATH)))
        return -EINVAL;
    if (!(flags & LINUX_AT_EACCESS) &&
        (own->uid != own->fsuid || own->gid != own->fsgid ||
         (!(own->securebits & (1u << LINUX_SECURE_NO_SETUID_FIXUP)) &&
          own->cap_effective != (own->uid ? 0 : own->cap_permitted)))) {
        real = real_cred(own);
        if (!real)
            return -ENOMEM;
        /* The walk itself is judged by the real ids too. */
        set_cred(t, real);
    }
    may |= mode & LINUX_R_OK ? MAY_READ : 0;
    may |= mode & LINUX_W_OK ? MAY_WRITE : 0;
    may |= mode & LINUX_X_OK ? MAY_EXEC : 0;
    err = path_arg_resolve(t, dirfd, path, !(flags & LINUX_AT_SYMLINK_NOFOLLOW), flags, &p);
    if (!err) {
        err = vfs_access(&p, may, t->cred);
        vfs_path_put(&p);
    }
    if (real) {
        set_cred(t, own);
        cred_put(real);
    }
    return err;
}

s64 sys_access(struct task *t, const struct syscall_args *a)
{
    return do_access(t, LINUX_AT_FDCWD, arg_ptr(a, 0), arg_int(a, 1), 0);
}

s64 sys_faccessat(struct task *t, const struct syscall_args *a)
{
    return do_access(t, arg_int(a, 0), arg_ptr(a, 1), arg_int(a, 2), 0);
}

s64 sys_faccessat2(struct task *t, const struct syscall_args *a)
{
    return do_access(t, arg_int(a, 0), arg_ptr(a, 1), arg_int(a, 2), arg_int(a, 3));
}

/* ---- readlink ---------------------------------------------------------------------------------- */

static s64 do_readlink(struct task *t, int dirfd, uaddr_t upath, uaddr_t buf, int size)
{
    char *path, *target;
    struct vfs_path p;
    size_t n;
    bool empty;
    int err;

    if (size <= 0)
        return -EINVAL;
    err = copy_in_path(t, &path, upath);
    if (err)
        return err;
    empty = !path[0];
    err = vfs_resolve(dirfd, path, RP_EMPTY_PATH, &p);
    kfree(path);
    if (err)
        return err;
    if (empty && (dirfd == LINUX_AT_FDCWD || inode_type(dentry_inode(p.dentry)) != LINUX_S_IFLNK))
        err = -ENOENT;
    else
        err = vfs_readlink(&p, &target);
    vfs_path_put(&p);
    if (err)
        return err;
    n = MIN(strlen(target), (size_t)size);
    err = copy_out(t, buf, target, n);
    kfree(target);
    return err ? err : (s64)n;
}

s64 sys_readlink(struct task *t, const struct syscall_args *a)
{
    return do_readlink(t, LINUX_AT_FDCWD, arg_ptr(a, 0), arg_ptr(a, 1), arg_int(a, 2));
}

s64 sys_readlinkat(struct task *t, const struct syscall_args *a)
{
    return do_readlink(t, arg_int(a, 0), arg_ptr(a, 1), arg_ptr(a, 2), arg_int(a, 3));
}
