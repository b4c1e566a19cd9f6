/* SPDX-License-Identifier: Apache-2.0 */
/* mount, umount2, pivot_root. */
#include "abi/linux/capability.h"
#include "abi/linux/fcntl.h"
#include "abi/linux/mount.h"
#include "cvisor/kcache.h"
#include "sentry/kernel/cred.h"
#include "sentry/kernel/task.h"
#include "sentry/mm/uaccess.h"
#include "sentry/syscalls/handlers.h"
#include "sentry/syscalls/path_arg.h"
#include "sentry/vfs/vfs.h"

#include <errno.h>
#include <string.h>

#define PROPAGATION (LINUX_MS_SHARED | LINUX_MS_PRIVATE | LINUX_MS_SLAVE | LINUX_MS_UNBINDABLE)

static u32 mount_flags(u64 ms)
{
    return (ms & LINUX_MS_RDONLY ? MOUNT_RDONLY : 0) | (ms & LINUX_MS_NOSUID ? MOUNT_NOSUID : 0) |
           (ms & LINUX_MS_NODEV ? MOUNT_NODEV : 0) | (ms & LINUX_MS_NOEXEC ? MOUNT_NOEXEC : 0) |
           (ms & LINUX_MS_NOATIME ? MOUNT_NOATIME : 0);
}

/* At most a page of options; a NULL pointer is NULL. A page that is shorter is fine. */
static int copy_data(struct task *t, char **out, uaddr_t from)
{
    char *buf;
    ssize_t n;

    *out = NULL;
    if (!from.v)
        return 0;
    buf = kmalloc(PAGE_SIZE);
    if (!buf)
        return -ENOMEM;
    n = copy_in_str(t, buf, PAGE_SIZE, from);
    if (n < 0) {
        kfree(buf);
        return n == -ENAMETOOLONG ? -EINVAL : (int)n;
    }
    *out = buf;
    return 0;
}

static int new_mount(struct task *t, const char *source, const char *type_name, u64 ms,
                     const char *data, const struct vfs_path *at)
{
    const struct fs_type *type = type_name ? fs_type_find(type_name) : NULL;
    struct filesystem *fs;
    struct dentry *root;
    struct mount *m;
    int err;

    if (!type_name)
        return -EINVAL;
    if (!type)
        return -ENODEV;
    if (!type->user_mount)
        return -EPERM;
    err = type->mount(source, ms, data, &fs, &root);
    if (err)
        return err;
    m = mount_new(fs, root, mount_flags(ms), source);
    if (!m)
        dentry_shrink(fs);
    dentry_put(root);
    fs_put(fs);
    return m ? mount_attach(t->mnt_ns, m, at) : -ENOMEM;
}

static int from_path(struct task *t, const char *source, u64 ms, const struct vfs_path *at)
{
    struct vfs_path from;
    int err;

    if (!source || !source[0])
        return -EINVAL;
    err = vfs_resolve(LINUX_AT_FDCWD, source, RP_FOLLOW, &from);
    if (err)
        return err;
    err = ms & LINUX_MS_MOVE ? mount_move(t->mnt_ns, &from, at)
                             : mount_bind(t->mnt_ns, &from, at, ms & LINUX_MS_REC);
    vfs_path_put(&from);
    return err;
}

static int do_mount(struct task *t, const char *source, const char *type, u64 ms, const char *data,
                    const struct vfs_path *at)
{
    if (ms & LINUX_MS_REMOUNT)
        return mount_remount(at, mount_flags(ms));
    if (ms & LINUX_MS_BIND)
        return from_path(t, source, ms, at);
    if (ms & PROPAGATION) {
        u64 kind = ms & PROPAGATION;

        /* One at a time, with nothing but REC and SILENT. Every mount is private here. */
        if ((kind & (kind - 1)) || (ms & ~(u64)(PROPAGATION | LINUX_MS_REC | LINUX_MS_SILENT)))
            return -EINVAL;
        return at->mnt && at->dentry == at->mnt->root ? 0 : -EINVAL;
    }
    if (ms & LINUX_MS_MOVE)
        return from_path(t, source, ms, at);
    return new_mount(t, source, type, ms, data, at);
}

s64 sys_mount(struct task *t, const struct syscall_args *a)
{
    char *source, *type = NULL, *data = NULL;
    struct vfs_path at;
    u64 ms = a->v[3];
    int err;

    if ((ms & LINUX_MS_MGC_MSK) == LINUX_MS_MGC_VAL)
        ms &= ~(u64)LINUX_MS_MGC_MSK;
    err = copy_data(t, &type, arg_ptr(a, 2));
    if (err)
        return err;
    err = copy_data(t, &source, arg_ptr(a, 0));
    if (!err)
        err = copy_data(t, &data, arg_ptr(a, 4));
    if (!err)
        err = path_arg_resolve(t, LINUX_AT_FDCWD, arg_ptr(a, 1), true, 0, &at);
    if (!err) {
        err = capable(LINUX_CAP_SYS_ADMIN) ? do_mount(t, source, type, ms, data, &at) : -EPERM;
        vfs_path_put(&at);
    }
    kfree(type);
    kfree(source);
    kfree(data);
    return err;
}

s64 sys_umount2(struct task *t, const struct syscall_args *a)
{
    u32 flags = arg_u32(a, 1);
    struct vfs_path at;
    int err;

    if (flags &
        ~(u32)(LINUX_MNT_FORCE | LINUX_MNT_DETACH | LINUX_MNT_EXPIRE | LINUX_UMOUNT_NOFOLLOW))
        return -EINVAL;
    if (!capable(LINUX_CAP_SYS_ADMIN))
        return -EPERM;
    if ((flags & LINUX_MNT_EXPIRE) && (flags & (LINUX_MNT_FORCE | LINUX_MNT_DETACH)))
        return -EINVAL;
    err = path_arg_resolve(t, LINUX_AT_FDCWD, arg_ptr(a, 0), !(flags & LINUX_UMOUNT_NOFOLLOW), 0,
                           &at);
    if (err)
        return err;
    err = mount_umount(t->mnt_ns, &at, flags);
    vfs_path_put(&at);
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

s64 sys_pivot_root(struct task *t, const struct syscall_args *a)
{
    struct vfs_path new_root, put_old;
    int err;

    if (!capable(LINUX_CAP_SYS_ADMIN))
        return -EPERM;
    err = resolve_dir(t, arg_ptr(a, 0), &new_root);
    if (err)
        return err;
    err = resolve_dir(t, arg_ptr(a, 1), &put_old);
    if (!err) {
        err = mount_pivot_root(t->mnt_ns, &new_root, &put_old);
        vfs_path_put(&put_old);
    }
    vfs_path_put(&new_root);
    return err;
}
