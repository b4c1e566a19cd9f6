/* SPDX-License-Identifier: Apache-2.0 */
/* mkdir, mknod, symlink, link, unlink, rmdir, readlink: the checks and the order of their errors. */
#include "abi/linux/capability.h"
#include "abi/linux/stat.h"
#include "cvisor/kcache.h"
#include "sentry/kernel/cred.h"
#include "sentry/kernel/task.h"
#include "sentry/vfs/internal.h"
#include "sentry/vfs/vfs.h"

#include <errno.h>

static u32 current_umask(void)
{
    return current ? fs_context_umask(current->fs) : 0;
}

/* may_create: the directory is alive and may be written. */
static int may_create(const struct vfs_rp *rp)
{
    if (rp->cur.dentry->flags & DENTRY_DEAD)
        return -ENOENT;
    return dir_may_change(dentry_inode(rp->cur.dentry), rp->cred);
}

/*
 * A new name: the parent in rp with its dir_lock held, and the negative dentry; may_create() is the
 * caller's to ask. On failure nothing is held.
 */
static int create_begin(int dirfd, const char *path, bool is_dir, struct vfs_rp *rp,
                        struct dentry **out)
{
    struct inode *dir;
    struct dentry *d = NULL;
    int err = vfs_resolve_parent(dirfd, path, 0, rp), ro;

    if (err)
        return err;
    dir = dentry_inode(rp->cur.dentry);
    if (rp->last_type != RP_LAST_NORMAL) {
        vfs_rp_done(rp);
        return -EEXIST;
    }
    ro = mount_want_write(rp->cur.mnt);
    mutex_lock(&dir->dir_lock);
    err = dentry_lookup_locked(rp->cur.dentry, rp->last, rp->last_len, &d);
    if (!err && dentry_inode(d))
        err = -EEXIST;
    else if (!err && rp->trailing_slash && !is_dir)
        err = -ENOENT;
    if (!err)
        err = ro;
    if (!err) {
        *out = d;
        return 0;
    }
    mutex_unlock(&dir->dir_lock);
    if (d)
        dentry_put(d);
    vfs_rp_done(rp);
    return err;
}

static int create_end(struct vfs_rp *rp, struct dentry *d, int err, struct vfs_path *out)
{
    if (!err)
        dentry_hash(d);
    mutex_unlock(&dentry_inode(rp->cur.dentry)->dir_lock);
    if (!err && out) {
        out->mnt = rp->cur.mnt;
        out->dentry = d;
        if (out->mnt)
            mount_get(out->mnt);
    } else {
        dentry_put(d);
    }
    vfs_rp_done(rp);
    return err;
}

int vfs_mkdir(int dirfd, const char *path, u32 mode)
{
    struct vfs_rp rp;
    struct dentry *d;
    struct inode *dir;
    int err = create_begin(dirfd, path, true, &rp, &d);

    if (err)
        return err;
    dir = dentry_inode(rp.cur.dentry);
    mode &= (LINUX_S_IRWXUGO | LINUX_S_ISVTX) & ~current_umask();
    err = may_create(&rp);
    if (!err)
        err = dir->ops->mkdir ? dir->ops->mkdir(dir, d, mode | LINUX_S_IFDIR) : -EPERM;
    return create_end(&rp, d, err, NULL);
}

static int do_mknod(int dirfd, const char *path, u32 mode, u64 dev, struct vfs_path *out)
{
    u32 type = mode & LINUX_S_IFMT;
    struct vfs_rp rp;
    struct dentry *d;
    struct inode *dir;
    int err = create_begin(dirfd, path, false, &rp, &d);

    if (err)
        return err;
    dir = dentry_inode(rp.cur.dentry);
    mode &= ~current_umask();
    err = may_create(&rp);
    if (err)
        return create_end(&rp, d, err, NULL);
    if ((type == LINUX_S_IFCHR || type == LINUX_S_IFBLK) && !(type == LINUX_S_IFCHR && !dev) &&
        !cred_capable(rp.cred, LINUX_CAP_MKNOD))
        err = -EPERM;
    else if (type == LINUX_S_IFREG)
        err = dir->ops->create ? dir->ops->create(dir, d, mode) : -EACCES;
    else
        err = dir->ops->mknod ? dir->ops->mknod(dir, d, mode, dev) : -EPERM;
    return create_end(&rp, d, err, out);
}

int vfs_mknod(int dirfd, const char *path, u32 mode, u64 dev)
{
    if (!(mode & LINUX_S_IFMT))
        mode |= LINUX_S_IFREG;
    switch (mode & LINUX_S_IFMT) {
    case LINUX_S_IFREG:
    case LINUX_S_IFIFO:
    case LINUX_S_IFSOCK:
        dev = 0;
        break;
    case LINUX_S_IFCHR:
    case LINUX_S_IFBLK:
        break;
    case LINUX_S_IFDIR:
        return -EPERM;
    default:
        return -EINVAL;
    }
    return do_mknod(dirfd, path, mode & (LINUX_S_IFMT | LINUX_S_IALLUGO), dev, NULL);
}

int vfs_bind_socket(int dirfd, const char *path, u32 mode, struct vfs_path *out)
{
    return do_mknod(dirfd, path, LINUX_S_IFSOCK | (mode & LINUX_S_IALLUGO), 0, out);
}

int vfs_symlink(const char *target, int dirfd, const char *path)
{
    struct vfs_rp rp;
    struct dentry *d;
    struct inode *dir;
    int err;

    if (!target[0])
        return -ENOENT;
    err = create_begin(dirfd, path, false, &rp, &d);
    if (err)
        return err;
    dir = dentry_inode(rp.cur.dentry);
    err = may_create(&rp);
    if (!err)
        err = dir->ops->symlink ? dir->ops->symlink(dir, d, target) : -EPERM;
    return create_end(&rp, d, err, NULL);
}

/* The rule of protected_hardlinks: owners link what they like, others only what they can rewrite. */
static int may_link(struct inode *inode, const struct cred *cred)
{
    u32 mode = atomic_load(&inode->mode);

    if (inode_owner_or_capable(inode, cred))
        return 0;
    if ((mode & LINUX_S_IFMT) != LINUX_S_IFREG || (mode & LINUX_S_ISUID) ||
        (mode & (LINUX_S_ISGID | LINUX_S_IXGRP)) == (LINUX_S_ISGID | LINUX_S_IXGRP) ||
        inode_permission(inode, cred, MAY_READ | MAY_WRITE))
        return -EPERM;
    return 0;
}

int vfs_link(const struct vfs_path *old, int newdir, const char *newpath)
{
    struct inode *inode = dentry_inode(old->dentry), *dir;
    struct vfs_rp rp;
    struct dentry *d;
    int err = create_begin(newdir, newpath, false, &rp, &d);

    if (err)
        return err;
    dir = dentry_inode(rp.cur.dentry);
    if (old->mnt != rp.cur.mnt || inode->fs != dir->fs)
        err = -EXDEV;
    else
        err = may_link(inode, rp.cred);
    if (!err)
        err = may_create(&rp);
    if (!err && inode_is_dir(inode))
        err = -EPERM;
    if (!err)
        err = dir->ops->link ? dir->ops->link(dir, d, inode) : -EPERM;
    return create_end(&rp, d, err, NULL);
}

/* ---- removal ----------------------------------------------------------------------------------- */

/* The victim of unlink and rmdir: cached, unknown (FS_UNLINK_BY_NAME), or looked up. */
static int find_victim(struct vfs_rp *rp, struct dentry **out)
{
    struct dentry *parent = rp->cur.dentry, *d;
    struct inode *dir = dentry_inode(parent);

    if ((parent->fs->flags & FS_UNLINK_BY_NAME) && !rp->trailing_slash &&
        !(atomic_load(&dir->mode) & LINUX_S_ISVTX)) {
        d = dentry_find(parent, rp->last, rp->last_len);
        if (!d) {
            d = dentry_alloc(parent->fs, parent, rp->last, rp->last_len);
            if (!d)
                return -ENOMEM;
            d->flags |= DENTRY_UNKNOWN;
            *out = d;
            return 0;
        }
        dentry_put(d);
    }
    return dentry_lookup_locked(parent, rp->last, rp->last_len, out);
}

static int unlink_locked(struct vfs_rp *rp, struct dentry *d)
{
    struct inode *dir = dentry_inode(rp->cur.dentry), *inode = dentry_inode(d);
    int err;

    if (!inode && !(d->flags & DENTRY_UNKNOWN))
        return -ENOENT;
    if (inode && rp->trailing_slash)
        return inode_is_dir(inode) ? -EISDIR : -ENOTDIR;
    err = dir_may_delete(dir, inode, rp->cred);
    if (err)
        return err;
    if (inode && inode_is_dir(inode))
        return -EISDIR;
    if (dentry_is_mountpoint(d))
        return -EBUSY;
    if (!dir->ops->unlink)
        return -EPERM;
    return dir->ops->unlink(dir, d);
}

int vfs_unlink(int dirfd, const char *path)
{
    struct vfs_rp rp;
    struct dentry *d = NULL;
    struct inode *dir;
    int err = vfs_resolve_parent(dirfd, path, 0, &rp);

    if (err)
        return err;
    err = rp.last_type != RP_LAST_NORMAL ? -EISDIR : mount_want_write(rp.cur.mnt);
    if (!err) {
        dir = dentry_inode(rp.cur.dentry);
        mutex_lock(&dir->dir_lock);
        err = find_victim(&rp, &d);
        if (!err)
            err = unlink_locked(&rp, d);
        if (!err)
            dentry_kill(d);
        mutex_unlock(&dir->dir_lock);
        if (d)
            dentry_put(d);
    }
    vfs_rp_done(&rp);
    return err;
}

static int rmdir_locked(struct vfs_rp *rp, struct dentry *d)
{
    struct inode *dir = dentry_inode(rp->cur.dentry), *inode = dentry_inode(d);
    int err;

    if (!inode)
        return -ENOENT;
    err = dir_may_delete(dir, inode, rp->cred);
    if (err)
        return err;
    if (!inode_is_dir(inode))
        return -ENOTDIR;
    if (dentry_is_mountpoint(d))
        return -EBUSY;
    if (!dir->ops->rmdir)
        return -EPERM;
    mutex_lock_nested(&inode->dir_lock);
    err = dir->ops->rmdir(dir, d);
    if (!err)
        dentry_kill(d);
    mutex_unlock(&inode->dir_lock);
    return err;
}

int vfs_rmdir(int dirfd, const char *path)
{
    static const int bad_last[] = {
        [RP_LAST_DOT] = -EINVAL, [RP_LAST_DOTDOT] = -ENOTEMPTY, [RP_LAST_ROOT] = -EBUSY};
    struct vfs_rp rp;
    struct dentry *d = NULL;
    struct inode *dir;
    int err = vfs_resolve_parent(dirfd, path, 0, &rp);

    if (err)
        return err;
    err = rp.last_type != RP_LAST_NORMAL ? bad_last[rp.last_type] : mount_want_write(rp.cur.mnt);
    if (!err) {
        dir = dentry_inode(rp.cur.dentry);
        mutex_lock(&dir->dir_lock);
        err = dentry_lookup_locked(rp.cur.dentry, rp.last, rp.last_len, &d);
        if (!err)
            err = rmdir_locked(&rp, d);
        mutex_unlock(&dir->dir_lock);
        if (d)
            dentry_put(d);
    }
    vfs_rp_done(&rp);
    return err;
}

int vfs_readlink(const struct vfs_path *p, char **target)
{
    struct inode *inode = dentry_inode(p->dentry);

    if (inode_type(inode) != LINUX_S_IFLNK || !inode->ops->readlink)
        return -EINVAL;
    return inode->ops->readlink(inode, target);
}
