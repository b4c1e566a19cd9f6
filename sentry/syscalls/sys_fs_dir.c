/* SPDX-License-Identifier: Apache-2.0 */
/* Directories: getdents, getcwd, chdir, chroot, umask, mkdir, mknod, rmdir. */
#include "abi/linux/capability.h"
#include "abi/linux/dirent.h"
#include "abi/linux/fcntl.h"
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

/* ---- getdents ---------------------------------------------------------------------------------- */

#define GETDENTS_MAX (64u << 10) /* kernel buffer; larger requests get less, as is allowed */

/* Records are made in kernel memory and copied out when no lock is held. */
struct getdents {
    struct dir_emit emit;
    u8 *buf;
    size_t cap, used;
    bool old; /* struct linux_dirent */
    bool too_small;
};

static bool emit_record(struct dir_emit *e, const char *name, size_t len, u64 ino, u8 dtype,
                        u64 off)
{
    struct getdents *g = container_of(e, struct getdents, emit);
    size_t head = g->old ? LINUX_DIRENT_NAME_OFFSET : LINUX_DIRENT64_NAME_OFFSET;
    /* The old form has the type in its last byte. */
    size_t size = (head + len + 1 + g->old + 7) & ~7ul;
    u8 *p = g->buf + g->used;

    if (size > g->cap - g->used) {
        g->too_small = g->used == 0;
        return false;
    }
    memset(p, 0, size);
    if (g->old) {
        struct linux_dirent *d = (struct linux_dirent *)p;
        d->d_ino = ino;
        d->d_off = (s64)off;
        d->d_reclen = (u16)size;
        p[size - 1] = dtype;
    } else {
        struct linux_dirent64 *d = (struct linux_dirent64 *)p;
        d->d_ino = ino;
        d->d_off = (s64)off;
        d->d_reclen = (u16)size;
        d->d_type = dtype;
    }
    memcpy(p + head, name, len);
    g->used += size;
    return true;
}

static s64 do_getdents(struct task *t, int fd, uaddr_t buf, u32 count, bool old)
{
    struct file *f = fd_get(t, fd);
    struct getdents g = {.emit = {emit_record}, .old = old, .cap = MIN(count, GETDENTS_MAX)};
    s64 r;

    if (!f)
        return -EBADF;
    g.buf = inode_is_dir(f->inode) ? kmalloc(g.cap ? g.cap : 1) : NULL;
    if (!inode_is_dir(f->inode))
        r = -ENOTDIR;
    else
        r = g.buf ? file_iterate(f, &g.emit) : -ENOMEM;
    if (!r && g.too_small)
        r = -EINVAL;
    if (!r)
        r = copy_out(t, buf, g.buf, g.used);
    kfree(g.buf);
    file_put(f);
    return r ? r : (s64)g.used;
}

s64 sys_getdents(struct task *t, const struct syscall_args *a)
{
    return do_getdents(t, arg_int(a, 0), arg_ptr(a, 1), arg_u32(a, 2), true);
}

s64 sys_getdents64(struct task *t, const struct syscall_args *a)
{
    return do_getdents(t, arg_int(a, 0), arg_ptr(a, 1), arg_u32(a, 2), false);
}

/* ---- where a task is ------------------------------------------------------------------------------ */

s64 sys_getcwd(struct task *t, const struct syscall_args *a)
{
    struct vfs_path cwd, root;
    char *buf = kmalloc(2 * LINUX_PATH_MAX), *s;
    size_t n = 0;
    int err = 0;

    if (!buf)
        return -ENOMEM;
    fs_context_cwd(t->fs, &cwd);
    fs_context_root(t->fs, &root);
    if (cwd.dentry->flags & DENTRY_DEAD) {
        err = -ENOENT;
    } else {
        s = vfs_path_name(&cwd, &root, buf, LINUX_PATH_MAX, &err);
        n = s ? strlen(s) + 1 : 0;
        if (s && n > a->v[1])
            err = -ERANGE;
        else if (s)
            err = copy_out(t, arg_ptr(a, 0), s, n);
    }
    vfs_path_put(&cwd);
    vfs_path_put(&root);
    kfree(buf);
    return err ? err : (s64)n;
}

static int enter_dir(struct task *t, const struct vfs_path *p)
{
    int err = inode_permission(dentry_inode(p->dentry), t->cred, MAY_EXEC);

    if (!err)
        fs_context_set_cwd(t->fs, p);
    return err;
}

static int resolve_dir(struct task *t, uaddr_t upath, struct vfs_path *out)
{
    char *path;
    int err = copy_in_path(t, &path, upath);

    if (err)
        return err;
    err = vfs_resolve(LINUX_AT_FDCWD, path, RP_FOLLOW | RP_DIRECTORY, out);
    kfree(path);
    return err;
}

s64 sys_chdir(struct task *t, const struct syscall_args *a)
{
    struct vfs_path p;
    int err = resolve_dir(t, arg_ptr(a, 0), &p);

    if (err)
        return err;
    err = enter_dir(t, &p);
    vfs_path_put(&p);
    return err;
}

s64 sys_fchdir(struct task *t, const struct syscall_args *a)
{
    struct vfs_path p;
    int err = path_arg_fd(t, arg_int(a, 0), false, &p);

    if (err)
        return err;
    err = inode_is_dir(dentry_inode(p.dentry)) ? enter_dir(t, &p) : -ENOTDIR;
    vfs_path_put(&p);
    return err;
}

s64 sys_chroot(struct task *t, const struct syscall_args *a)
{
    struct vfs_path p;
    int err = resolve_dir(t, arg_ptr(a, 0), &p);

    if (err)
        return err;
    err = inode_permission(dentry_inode(p.dentry), t->cred, MAY_EXEC);
    if (!err && !capable(LINUX_CAP_SYS_CHROOT))
        err = -EPERM;
    if (!err)
        fs_context_set_root(t->fs, &p);
    vfs_path_put(&p);
    return err;
}

s64 sys_umask(struct task *t, const struct syscall_args *a)
{
    return fs_context_set_umask(t->fs, arg_u32(a, 0));
}

/* ---- new entries --------------------------------------------------------------------------------- */

static s64 do_mkdir(struct task *t, int dirfd, uaddr_t upath, u32 mode)
{
    char *path;
    int err = copy_in_path(t, &path, upath);

    if (err)
        return err;
    err = vfs_mkdir(dirfd, path, mode);
    kfree(path);
    return err;
}

s64 sys_mkdir(struct task *t, const struct syscall_args *a)
{
    return do_mkdir(t, LINUX_AT_FDCWD, arg_ptr(a, 0), arg_u32(a, 1));
}

s64 sys_mkdirat(struct task *t, const struct syscall_args *a)
{
    return do_mkdir(t, arg_int(a, 0), arg_ptr(a, 1), arg_u32(a, 2));
}

/* The argument is the 32-bit encoding of a device number. */
static s64 do_mknod(struct task *t, int dirfd, uaddr_t upath, u32 mode, u32 dev)
{
    u64 rdev = LINUX_MAKEDEV((dev >> 8) & 0xfff, (dev & 0xff) | ((dev >> 12) & 0xfff00));
    char *path;
    int err = copy_in_path(t, &path, upath);

    if (err)
        return err;
    err = vfs_mknod(dirfd, path, mode, rdev);
    kfree(path);
    return err;
}

s64 sys_mknod(struct task *t, const struct syscall_args *a)
{
    return do_mknod(t, LINUX_AT_FDCWD, arg_ptr(a, 0), arg_u32(a, 1) & 0xffff, arg_u32(a, 2));
}

s64 sys_mknodat(struct task *t, const struct syscall_args *a)
{
    return do_mknod(t, arg_int(a, 0), arg_ptr(a, 1), arg_u32(a, 2) & 0xffff, arg_u32(a, 3));
}

static s64 do_remove(struct task *t, int dirfd, uaddr_t upath, bool dir)
{
    char *path;
    int err = copy_in_path(t, &path, upath);

    if (err)
        return err;
    err = dir ? vfs_rmdir(dirfd, path) : vfs_unlink(dirfd, path);
    kfree(path);
    return err;
}

s64 sys_rmdir(struct task *t, const struct syscall_args *a)
{
    return do_remove(t, LINUX_AT_FDCWD, arg_ptr(a, 0), true);
}

s64 sys_unlink(struct task *t, const struct syscall_args *a)
{
    return do_remove(t, LINUX_AT_FDCWD, arg_ptr(a, 0), false);
}

s64 sys_unlinkat(struct task *t, const struct syscall_args *a)
{
    int flags = arg_int(a, 2);

    if (flags & ~LINUX_AT_REMOVEDIR)
        return -EINVAL;
    return do_remove(t, arg_int(a, 0), arg_ptr(a, 1), flags & LINUX_AT_REMOVEDIR);
}
