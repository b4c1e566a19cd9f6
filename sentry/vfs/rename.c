/* SPDX-License-Identifier: Apache-2.0 */
/* rename with its flags: locking of two directories, loops, and the order of errors. */
#include "abi/linux/fcntl.h"
#include "sentry/kernel/cred.h"
#include "sentry/vfs/internal.h"
#include "sentry/vfs/vfs.h"

#include <errno.h>

struct rename {
    struct vfs_rp from, to;
    struct dentry *oldd, *newd;
    u32 flags;
};

/* Ancestor first; unrelated ones by address. rename_lock keeps the tree as it is. */
static void lock_dirs(struct rename *r)
{
    struct dentry *a = r->from.cur.dentry, *b = r->to.cur.dentry;
    struct inode *ia = dentry_inode(a), *ib = dentry_inode(b);

    if (ia == ib) {
        mutex_lock(&ia->dir_lock);
        return;
    }
    mutex_lock(&a->fs->rename_lock);
    if (dentry_is_below(a, b) || (!dentry_is_below(b, a) && ia > ib)) {
        mutex_lock(&ib->dir_lock);
        mutex_lock_nested(&ia->dir_lock);
    } else {
        mutex_lock(&ia->dir_lock);
        mutex_lock_nested(&ib->dir_lock);
    }
}

static void unlock_dirs(struct rename *r)
{
    struct inode *ia = dentry_inode(r->from.cur.dentry), *ib = dentry_inode(r->to.cur.dentry);

    mutex_unlock(&ia->dir_lock);
    if (ia == ib)
        return;
    mutex_unlock(&ib->dir_lock);
    mutex_unlock(&r->from.cur.dentry->fs->rename_lock);
}

/* Existence, trailing slashes, loops. */
static int check_names(const struct rename *r)
{
    struct inode *old = dentry_inode(r->oldd), *new = dentry_inode(r->newd);
    bool exchange = r->flags & LINUX_RENAME_EXCHANGE;

    if (!old)
        return -ENOENT;
    if ((r->flags & LINUX_RENAME_NOREPLACE) && new)
        return -EEXIST;
    if (exchange) {
        if (!new)
            return -ENOENT;
        if (!inode_is_dir(new) && r->to.trailing_slash)
            return -ENOTDIR;
    }
    if (!inode_is_dir(old)) {
        if (r->from.trailing_slash || (!exchange && r->to.trailing_slash))
            return -ENOTDIR;
    }
    if (r->from.cur.dentry == r->to.cur.dentry)
        return 0;
    if (dentry_is_below(r->to.cur.dentry, r->oldd))
        return -EINVAL;
    if (new &&dentry_is_below(r->from.cur.dentry, r->newd))
        return exchange ? -EINVAL : -ENOTEMPTY;
    return 0;
}

/* may_delete: victim leaves dir; want_dir is what takes its place. */
static int check_leave(struct inode *dir, struct inode *victim, bool want_dir,
                       const struct cred *cred)
{
    int err = dir_may_delete(dir, victim, cred);

    if (err)
        return err;
    if (want_dir && !inode_is_dir(victim))
        return -ENOTDIR;
    if (!want_dir && inode_is_dir(victim))
        return -EISDIR;
    return 0;
}

static int check_permissions(const struct rename *r)
{
    struct inode *old = dentry_inode(r->oldd), *new = dentry_inode(r->newd);
    struct inode *olddir = dentry_inode(r->from.cur.dentry);
    struct inode *newdir = dentry_inode(r->to.cur.dentry);
    const struct cred *cred = r->from.cred;
    bool exchange = r->flags & LINUX_RENAME_EXCHANGE;
    int err = check_leave(olddir, old, inode_is_dir(old), cred);

    if (err)
        return err;
    if (!new) {
        if (r->to.cur.dentry->flags & DENTRY_DEAD)
            return -ENOENT;
        err = dir_may_change(newdir, cred);
    } else {
        err = check_leave(newdir, new, inode_is_dir(exchange ? new : old), cred);
    }
    if (err)
        return err;
    if (!olddir->ops->rename)
        return -EPERM;
    if (olddir != newdir) {
        /* ".." of a moved directory is rewritten. */
        if (inode_is_dir(old))
            err = inode_permission(old, cred, MAY_WRITE);
        if (!err && exchange && inode_is_dir(new))
            err = inode_permission(new, cred, MAY_WRITE);
        if (err)
            return err;
    }
    if (dentry_is_mountpoint(r->oldd) || dentry_is_mountpoint(r->newd))
        return -EBUSY;
    return 0;
}

static int rename_locked(struct rename *r)
{
    struct inode *olddir = dentry_inode(r->from.cur.dentry);
    struct inode *newdir = dentry_inode(r->to.cur.dentry), *victim;
    int err = dentry_lookup_locked(r->from.cur.dentry, r->from.last, r->from.last_len, &r->oldd);

    if (!err)
        err = dentry_lookup_locked(r->to.cur.dentry, r->to.last, r->to.last_len, &r->newd);
    if (!err)
        err = check_names(r);
    if (err)
        return err;
    victim = dentry_inode(r->newd);
    if (dentry_inode(r->oldd) == victim)
        return 0;
    err = check_permissions(r);
    if (err)
        return err;
    if (victim && (!inode_is_dir(victim) || (r->flags & LINUX_RENAME_EXCHANGE)))
        victim = NULL; /* only a directory that goes away is locked */
    if (victim)
        mutex_lock_nested(&victim->dir_lock);
    err = olddir->ops->rename(olddir, r->oldd, newdir, r->newd, r->flags);
    if (!err) {
        if (r->flags & LINUX_RENAME_EXCHANGE)
            dentry_exchange(r->oldd, r->newd);
        else
            dentry_move(r->oldd, r->newd);
    }
    if (victim)
        mutex_unlock(&victim->dir_lock);
    return err;
}

int vfs_rename(int olddir, const char *oldp, int newdir, const char *newp, u32 flags)
{
    struct rename r = {.flags = flags};
    int err;

    if (flags & ~(u32)(LINUX_RENAME_NOREPLACE | LINUX_RENAME_EXCHANGE | LINUX_RENAME_WHITEOUT))
        return -EINVAL;
    if ((flags & (LINUX_RENAME_NOREPLACE | LINUX_RENAME_WHITEOUT)) &&
        (flags & LINUX_RENAME_EXCHANGE))
        return -EINVAL;
    err = vfs_resolve_parent(olddir, oldp, 0, &r.from);
    if (err)
        return err;
    err = vfs_resolve_parent(newdir, newp, 0, &r.to);
    if (err) {
        vfs_rp_done(&r.from);
        return err;
    }
    if (r.from.cur.mnt != r.to.cur.mnt)
        err = -EXDEV;
    else if (r.from.last_type != RP_LAST_NORMAL)
        err = -EBUSY;
    else if (r.to.last_type != RP_LAST_NORMAL)
        err = flags & LINUX_RENAME_NOREPLACE ? -EEXIST : -EBUSY;
    else
        err = mount_want_write(r.from.cur.mnt);
    if (!err) {
        lock_dirs(&r);
        err = rename_locked(&r);
        unlock_dirs(&r);
        if (r.oldd)
            dentry_put(r.oldd);
        if (r.newd)
            dentry_put(r.newd);
    }
    vfs_rp_done(&r.to);
    vfs_rp_done(&r.from);
    return err;
}
