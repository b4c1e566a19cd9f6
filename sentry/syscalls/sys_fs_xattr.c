/* SPDX-License-Identifier: Apache-2.0 */
/* Extended attributes. Names are checked by their namespace; filesystems only store. */
#include "abi/linux/capability.h"
#include "abi/linux/fcntl.h"
#include "abi/linux/limits.h"
#include "abi/linux/stat.h"
#include "abi/linux/xattr.h"
#include "cvisor/kcache.h"
#include "sentry/kernel/cred.h"
#include "sentry/kernel/task.h"
#include "sentry/mm/uaccess.h"
#include "sentry/syscalls/handlers.h"
#include "sentry/syscalls/path_arg.h"
#include "sentry/vfs/vfs.h"

#include <errno.h>
#include <string.h>

static bool has_prefix(const char *name, const char *prefix)
{
    return !strncmp(name, prefix, strlen(prefix)) && name[strlen(prefix)];
}

/* May the caller read or write (may) this name on this file. */
static int check_name(const struct vfs_path *p, const char *name, u32 may)
{
    struct inode *inode = dentry_inode(p->dentry);
    const struct cred *cred = vfs_cred();
    u32 type = inode_type(inode);

    if (may & MAY_WRITE) {
        if (p->mnt && (atomic_load(&p->mnt->flags) & MOUNT_RDONLY))
            return -EROFS;
    }
    if (has_prefix(name, LINUX_XATTR_SYSTEM_PREFIX))
        return -EOPNOTSUPP; /* ACLs */
    if (has_prefix(name, LINUX_XATTR_SECURITY_PREFIX)) {
        if (!(may & MAY_WRITE))
            return 0;
        if (!strcmp(name, LINUX_XATTR_NAME_CAPS))
            return cred_capable(cred, LINUX_CAP_SETFCAP) ? 0 : -EPERM;
        return cred_capable(cred, LINUX_CAP_SYS_ADMIN) ? 0 : -EPERM;
    }
    if (has_prefix(name, LINUX_XATTR_TRUSTED_PREFIX)) {
        if (cred_capable(cred, LINUX_CAP_SYS_ADMIN))
            return 0;
        return may & MAY_WRITE ? -EPERM : -ENODATA;
    }
    if (!has_prefix(name, LINUX_XATTR_USER_PREFIX))
        return -EOPNOTSUPP;
    if (type != LINUX_S_IFREG && type != LINUX_S_IFDIR)
        return may & MAY_WRITE ? -EPERM : -ENODATA;
    if (type == LINUX_S_IFDIR && (atomic_load(&inode->mode) & LINUX_S_ISVTX) && (may & MAY_WRITE) &&
        !inode_owner_or_capable(inode, cred))
        return -EPERM;
    return inode_permission(inode, cred, may);
}

static int get_name(struct task *t, char *name, uaddr_t from)
{
    ssize_t n = copy_in_str(t, name, LINUX_XATTR_NAME_MAX + 1, from);

    if (n == 0 || n == -ENAMETOOLONG)
        return -ERANGE;
    return n < 0 ? (int)n : 0;
}

static s64 do_set(struct task *t, const struct vfs_path *p, uaddr_t uname, uaddr_t value, u64 size,
                  int flags)
{
    struct inode *inode = dentry_inode(p->dentry);
    char name[LINUX_XATTR_NAME_MAX + 1];
    void *buf;
    int err;

    if (flags & ~(LINUX_XATTR_CREATE | LINUX_XATTR_REPLACE))
        return -EINVAL;
    err = get_name(t, name, uname);
    if (err)
        return err;
    if (size > LINUX_XATTR_SIZE_MAX)
        return -E2BIG;
    err = copy_in_alloc(t, &buf, value, size);
    if (err)
        return err;
    err = check_name(p, name, MAY_WRITE);
    if (!err)
        err = inode->ops->setxattr ? inode->ops->setxattr(inode, name, buf, size, flags)
                                   : -EOPNOTSUPP;
    kfree(buf);
    return err;
}

static s64 do_get(struct task *t, const struct vfs_path *p, uaddr_t uname, uaddr_t value, u64 size)
{
    struct inode *inode = dentry_inode(p->dentry);
    char name[LINUX_XATTR_NAME_MAX + 1];
    void *buf = NULL;
    s64 n = get_name(t, name, uname);

    if (n)
        return n;
    size = MIN(size, (u64)LINUX_XATTR_SIZE_MAX);
    n = check_name(p, name, MAY_READ);
    if (n)
        return n;
    if (!inode->ops->getxattr)
        return -EOPNOTSUPP;
    if (size) {
        buf = kmalloc(size);
        if (!buf)
            return -ENOMEM;
    }
    n = inode->ops->getxattr(inode, name, buf, size);
    if (n > 0 && size && copy_out(t, value, buf, (size_t)n))
        n = -EFAULT;
    kfree(buf);
    return n;
}

/* trusted.* is shown to administrators only. */
static size_t filter_names(char *buf, size_t n)
{
    size_t in = 0, out = 0;
    bool all = cred_capable(vfs_cred(), LINUX_CAP_SYS_ADMIN);

    while (in < n) {
        size_t len = MIN(strnlen(buf + in, n - in) + 1, n - in);

        if (all ||
            strncmp(buf + in, LINUX_XATTR_TRUSTED_PREFIX, strlen(LINUX_XATTR_TRUSTED_PREFIX))) {
            memmove(buf + out, buf + in, len);
            out += len;
        }
        in += len;
    }
    return out;
}

static s64 do_list(struct task *t, const struct vfs_path *p, uaddr_t list, u64 size)
{
    struct inode *inode = dentry_inode(p->dentry);
    char *buf;
    s64 n;

    if (!inode->ops->listxattr)
        return 0;
    buf = kmalloc(LINUX_XATTR_LIST_MAX);
    if (!buf)
        return -ENOMEM;
    n = inode->ops->listxattr(inode, buf, LINUX_XATTR_LIST_MAX);
    if (n == -ERANGE)
        n = -E2BIG;
    if (n > 0) {
        n = (s64)filter_names(buf, (size_t)n);
        if (size && (u64)n > size)
            n = -ERANGE;
        else if (size && copy_out(t, list, buf, (size_t)n))
            n = -EFAULT;
    }
    kfree(buf);
    return n;
}

static s64 do_remove(struct task *t, const struct vfs_path *p, uaddr_t uname)
{
    struct inode *inode = dentry_inode(p->dentry);
    char name[LINUX_XATTR_NAME_MAX + 1];
    int err = get_name(t, name, uname);

    if (!err)
        err = check_name(p, name, MAY_WRITE);
    if (err)
        return err;
    return inode->ops->removexattr ? inode->ops->removexattr(inode, name) : -EOPNOTSUPP;
}

/* How the file is named: by path (following or not) or by descriptor. */
enum by { BY_PATH, BY_LINK, BY_FD };

static int locate(struct task *t, const struct syscall_args *a, enum by by, struct vfs_path *p)
{
    if (by == BY_FD)
        return path_arg_fd(t, arg_int(a, 0), true, p);
    return path_arg_resolve(t, LINUX_AT_FDCWD, arg_ptr(a, 0), by == BY_PATH, 0, p);
}

static s64 set_by(struct task *t, const struct syscall_args *a, enum by by)
{
    struct vfs_path p;
    s64 r = locate(t, a, by, &p);

    if (r)
        return r;
    r = do_set(t, &p, arg_ptr(a, 1), arg_ptr(a, 2), a->v[3], arg_int(a, 4));
    vfs_path_put(&p);
    return r;
}

static s64 get_by(struct task *t, const struct syscall_args *a, enum by by)
{
    struct vfs_path p;
    s64 r = locate(t, a, by, &p);

    if (r)
        return r;
    r = do_get(t, &p, arg_ptr(a, 1), arg_ptr(a, 2), a->v[3]);
    vfs_path_put(&p);
    return r;
}

static s64 list_by(struct task *t, const struct syscall_args *a, enum by by)
{
    struct vfs_path p;
    s64 r = locate(t, a, by, &p);

    if (r)
        return r;
    r = do_list(t, &p, arg_ptr(a, 1), a->v[2]);
    vfs_path_put(&p);
    return r;
}

static s64 remove_by(struct task *t, const struct syscall_args *a, enum by by)
{
    struct vfs_path p;
    s64 r = locate(t, a, by, &p);

    if (r)
        return r;
    r = do_remove(t, &p, arg_ptr(a, 1));
    vfs_path_put(&p);
    return r;
}

s64 sys_setxattr(struct task *t, const struct syscall_args *a)
{
    return set_by(t, a, BY_PATH);
}

s64 sys_lsetxattr(struct task *t, const struct syscall_args *a)
{
    return set_by(t, a, BY_LINK);
}

s64 sys_fsetxattr(struct task *t, const struct syscall_args *a)
{
    return set_by(t, a, BY_FD);
}

s64 sys_getxattr(struct task *t, const struct syscall_args *a)
{
    return get_by(t, a, BY_PATH);
}

s64 sys_lgetxattr(struct task *t, const struct syscall_args *a)
{
    return get_by(t, a, BY_LINK);
}

s64 sys_fgetxattr(struct task *t, const struct syscall_args *a)
{
    return get_by(t, a, BY_FD);
}

s64 sys_listxattr(struct task *t, const struct syscall_args *a)
{
    return list_by(t, a, BY_PATH);
}

s64 sys_llistxattr(struct task *t, const struct syscall_args *a)
{
    return list_by(t, a, BY_LINK);
}

s64 sys_flistxattr(struct task *t, const struct syscall_args *a)
{
    return list_by(t, a, BY_FD);
}

s64 sys_removexattr(struct task *t, const struct syscall_args *a)
{
    return remove_by(t, a, BY_PATH);
}

s64 sys_lremovexattr(struct task *t, const struct syscall_args *a)
{
    return remove_by(t, a, BY_LINK);
}

s64 sys_fremovexattr(struct task *t, const struct syscall_args *a)
{
    return remove_by(t, a, BY_FD);
}
