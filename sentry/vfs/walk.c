/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vfs_walk_generic: walks cached dentries under one acquisition of the filesystem's tree_lock,
 * without taking references or allocating; falls back to one step with references when a component is
 * not cached, is a symlink, or the filesystem has to be asked.
 */
#include "sentry/vfs/internal.h"
#include "sentry/vfs/vfs.h"

#include <errno.h>

static bool is_dotdot(const char *name, size_t len)
{
    return len == 2 && name[0] == '.' && name[1] == '.';
}

/* rp must not go above d with "..". */
static bool at_boundary(const struct vfs_rp *rp, const struct dentry *d)
{
    return d == rp->cur.mnt->root || (d == rp->root.dentry && rp->cur.mnt == rp->root.mnt) ||
           ((rp->flags & RP_BENEATH) && d == rp->start.dentry && rp->cur.mnt == rp->start.mnt);
}

enum step { STEP_DONE, STEP_CROSS, STEP_SLOW };

/*
 * Under tree_lock (read), or without it: then nothing that is read here is certain, the caller checks
 * the tree's sequence number before it believes the result. Moves *pd as far as possible. SLOW: the
 * peeked component is left for slow_step(). Negative: -errno.
 */
static int fast_walk(struct filesystem *fs, struct vfs_rp *rp, struct dentry **pd, bool locked,
                     u32 seq)
{
    struct dentry *d = *pd, *child;
    const char *name;
    size_t len;
    int err;

    for (;;) {
        struct inode *dir = dentry_inode(d), *inode;
        const struct inode_ops *ops;
        bool unsure = false;

        *pd = d;
        if (!vfs_rp_peek(rp, &name, &len))
            return STEP_DONE;
        ops = dir ? __atomic_load_n(&dir->ops, __ATOMIC_RELAXED) : NULL;
        if (unlikely(!ops || ops->permission))
            return STEP_SLOW;
        if (unlikely(!inode_is_dir(dir)))
            return -ENOTDIR;
        err = inode_permission_generic(dir, rp->cred, MAY_EXEC);
        if (unlikely(err))
            return err;
        if (unlikely(len > fs->max_name))
            return -ENAMETOOLONG;
        if ((rp->flags & RP_PARENT) && vfs_rp_is_last(rp)) {
            vfs_rp_set_last(rp);
            return STEP_DONE;
        }
        if (unlikely(name[0] == '.')) {
            if (len == 1) {
                vfs_rp_advance(rp);
                continue;
            }
            if (is_dotdot(name, len)) {
                child = __atomic_load_n(&d->parent, __ATOMIC_ACQUIRE);
                if (at_boundary(rp, d) || !child)
                    return STEP_CROSS;
                d = child;
                vfs_rp_advance(rp);
                if (unlikely(dentry_is_mountpoint(d))) {
                    *pd = d;
                    return STEP_CROSS;
                }
                continue;
            }
        }
        child = locked ? dentry_find_locked(d, name, len)
                       : dentry_find_lockless(d, name, len, seq, &unsure);
        if (!child) {
            if (!unsure && (fs->flags & FS_PIN_DENTRIES) && !ops->lookup)
                return -ENOENT;
            return STEP_SLOW;
        }
        inode = dentry_inode(child);
        if (unlikely(!inode))
            return -ENOENT;
        if (unlikely(inode_type(inode) == LINUX_S_IFLNK && vfs_rp_follows(rp)))
            return STEP_SLOW;
        vfs_rp_advance(rp);
        d = child;
        if (unlikely(dentry_is_mountpoint(d))) {
            *pd = d;
            return STEP_CROSS;
        }
    }
}

/* The result of a fast walk gets its reference; false: it can't be trusted. */
static bool take(struct dentry *d, const struct dentry *from)
{
    if (d == from)
        return true;
    if (!ref_get_unless_zero(&d->refs))
        return false;
    if (!atomic_load_explicit(&d->used, memory_order_relaxed))
        atomic_store_explicit(&d->used, true, memory_order_relaxed);
    return true;
}

/* As fast_walk(), and the place where it ended is referenced (unless it is the start). */
static int cached_walk(struct filesystem *fs, struct vfs_rp *rp, struct dentry **pd)
{
    struct dentry *from = *pd;
    const char *rest = rp->rest;
    u32 seq;
    int r;

    if (DENTRY_LOCKLESS && dentry_seq_begin(fs, &seq)) {
        r = fast_walk(fs, rp, pd, false, seq);
        if (r < 0 ? dentry_seq_valid(fs, seq) : take(*pd, from)) {
            if (r < 0 || dentry_seq_valid(fs, seq))
                return r;
            if (*pd != from)
                dentry_put(*pd);
        }
        rp->rest = rest;
        *pd = from;
    }
    rwlock_rdlock(&fs->tree_lock);
    r = fast_walk(fs, rp, pd, true, 0);
    if (r >= 0 && !take(*pd, from)) {
        /* FS_NO_DCACHE: it is going away. Start over, step by step. */
        rp->rest = rest;
        *pd = from;
        r = STEP_SLOW;
    }
    rwlock_rdunlock(&fs->tree_lock);
    return r;
}

/* One peeked component with references and no lock held. 0 = go on, VFS_CROSS or -errno. */
static int slow_step(struct vfs_rp *rp, const char *name, size_t len)
{
    struct dentry *cur = rp->cur.dentry, *d;
    struct inode *inode;
    int err;

    if (len == 1 && name[0] == '.') {
        vfs_rp_advance(rp);
        return 0;
    }
    if (is_dotdot(name, len)) {
        if (at_boundary(rp, cur))
            return VFS_CROSS;
        d = dentry_parent(cur);
        if (d == cur) {
            dentry_put(d);
            return VFS_CROSS;
        }
        vfs_rp_advance(rp);
        vfs_rp_move(rp, d);
        return dentry_is_mountpoint(d) ? VFS_CROSS : 0;
    }
    err = dentry_lookup(cur, name, len, &d);
    if (err)
        return err;
    inode = dentry_inode(d);
    if (!inode)
        err = -ENOENT;
    else if (inode_type(inode) == LINUX_S_IFLNK && vfs_rp_follows(rp)) {
        err = vfs_rp_follow_link(rp, d);
    } else {
        vfs_rp_advance(rp);
        vfs_rp_move(rp, d);
        return dentry_is_mountpoint(d) ? VFS_CROSS : 0;
    }
    dentry_put(d);
    return err;
}

/* All checks of one component, then slow_step(). 1 = the walk is over, 0, VFS_CROSS via *cross. */
static int slow_walk(struct filesystem *fs, struct vfs_rp *rp, bool *done)
{
    struct inode *dir = dentry_inode(rp->cur.dentry);
    const char *name;
    size_t len;
    int err;

    if (!vfs_rp_peek(rp, &name, &len)) {
        *done = true;
        return 0;
    }
    if (!inode_is_dir(dir))
        return -ENOTDIR;
    err = inode_permission(dir, rp->cred, MAY_EXEC);
    if (err)
        return err;
    if (len > fs->max_name)
        return -ENAMETOOLONG;
    if ((rp->flags & RP_PARENT) && vfs_rp_is_last(rp)) {
        vfs_rp_set_last(rp);
        *done = true;
        return 0;
    }
    return slow_step(rp, name, len);
}

_Thread_local struct vfs_rp *g_vfs_walking;

static int walk(struct filesystem *fs, struct vfs_rp *rp)
{
    bool done = false;
    int r;

    while (!done) {
        if (!(fs->flags & FS_REVALIDATE)) {
            struct dentry *d = rp->cur.dentry;

            r = cached_walk(fs, rp, &d);
            if (r < 0)
                return r;
            if (d != rp->cur.dentry)
                vfs_rp_move(rp, d);
            if (r == STEP_DONE)
                return 0;
            if (r == STEP_CROSS)
                return VFS_CROSS;
        }
        r = slow_walk(fs, rp, &done);
        if (r)
            return r;
    }
    return 0;
}

int vfs_walk_generic(struct filesystem *fs, struct vfs_rp *rp)
{
    struct vfs_rp *outer = g_vfs_walking; /* a walk of a layer inside a lookup of ours */
    int r;

    g_vfs_walking = rp;
    r = walk(fs, rp);
    g_vfs_walking = outer;
    return r;
}
