/* SPDX-License-Identifier: Apache-2.0 */
/*
 * overlay: changes of upper's directories. Nobody but the overlay uses upper, whose dentries are
 * all in memory: a name without a dentry does not exist. A whiteout is a character device 0/0.
 */
#include "sentry/fs/overlay/overlay.h"

#include "abi/linux/fcntl.h"

#include <errno.h>

/* The name of a whiteout that waits for its place: no guest can say it, readdir hides whiteouts. */
#define WAITING "/"

struct dentry *ovl_upper_find(struct dentry *dir, const char *name, size_t len)
{
    return dentry_find(dir, name, len);
}

static int unlink_locked(struct inode *dir, struct dentry *d)
{
    int err = dir->ops->unlink(dir, d);

    if (!err)
        dentry_kill(d);
    return err;
}

static int make_new(struct inode *dir, struct dentry *d, const struct ovl_new *w)
{
    const struct inode_ops *ops = dir->ops;

    if (w->link)
        return ops->link(dir, d, w->link);
    switch (w->mode & LINUX_S_IFMT) {
    case LINUX_S_IFREG:
        return ops->create(dir, d, w->mode);
    case LINUX_S_IFDIR:
        return ops->mkdir(dir, d, w->mode);
    case LINUX_S_IFLNK:
        return ops->symlink(dir, d, w->target);
    default:
        return ops->mknod(dir, d, w->mode, w->rdev);
    }
}

/* A hashed new child; dir_lock is held. */
static int make_locked(struct dentry *dir, const char *name, size_t len, const struct ovl_new *w,
                       struct dentry **out)
{
    struct dentry *d;
    int err = dentry_lookup_locked(dir, name, len, &d);

    if (err)
        return err;
    err = dentry_inode(d) ? -EEXIST : make_new(dentry_inode(dir), d, w);
    if (err) {
        dentry_put(d);
        return err;
    }
    dentry_hash(d);
    if (out)
        *out = d;
    else
        dentry_put(d);
    return 0;
}

static const struct ovl_new g_whiteout = {.mode = LINUX_S_IFCHR};

/* As make_locked, where a whiteout may be in the way. */
static int replace_locked(struct dentry *dir, const char *name, size_t len, const struct ovl_new *w,
                          struct dentry **out)
{
    struct dentry *wh = dentry_find(dir, name, len);
    int err;

    if (!wh)
        return make_locked(dir, name, len, w, out);
    err = ovl_is_whiteout(dentry_inode(wh)) ? unlink_locked(dentry_inode(dir), wh) : -EEXIST;
    dentry_put(wh);
    if (err)
        return err;
    err = make_locked(dir, name, len, w, out);
    if (err)
        make_locked(dir, name, len, &g_whiteout, NULL); /* in the memory of the old one */
    return err;
}

int ovl_upper_make(struct dentry *dir, const char *name, size_t len, const struct ovl_new *what,
                   struct dentry **out)
{
    struct inode *inode = dentry_inode(dir);
    struct iattr times = {.valid = ATTR_ATIME | ATTR_MTIME};
    int err;

    mutex_lock(&inode->dir_lock);
    mutex_lock(&inode->attr_lock);
    times.atime = inode->atime;
    times.mtime = inode->mtime;
    mutex_unlock(&inode->attr_lock);
    err = replace_locked(dir, name, len, what, out);
    if (!err && what->keep_times)
        ovl_real_setattr(inode, &times);
    mutex_unlock(&inode->dir_lock);
    return err;
}

int ovl_upper_remove(struct dentry *dir, const char *name, size_t len)
{
    struct inode *inode = dentry_inode(dir), *victim;
    struct dentry *d;
    int err;

    mutex_lock(&inode->dir_lock);
    d = dentry_find(dir, name, len);
    victim = d ? dentry_inode(d) : NULL;
    if (!d) {
        err = -ENOENT;
    } else if (inode_is_dir(victim)) {
        mutex_lock_nested(&victim->dir_lock);
        err = inode->ops->rmdir(inode, d);
        if (!err)
            dentry_kill(d);
        mutex_unlock(&victim->dir_lock);
    } else {
        err = unlink_locked(inode, d);
    }
    mutex_unlock(&inode->dir_lock);
    if (d)
        dentry_put(d);
    return err;
}

/*
 * Both dir_locks are held. Upper's rename_lock is not needed: whoever moves something between two
 * directories holds the overlay's.
 */
static int rename_locked(struct dentry *olddir, struct dentry *oldd, struct dentry *newdir,
                         struct dentry *newd, u32 flags)
{
    struct inode *from = dentry_inode(olddir), *victim = dentry_inode(newd);
    int err;

    if (victim && (!inode_is_dir(victim) || (flags & LINUX_RENAME_EXCHANGE)))
        victim = NULL;
    if (victim)
        mutex_lock_nested(&victim->dir_lock);
    err = from->ops->rename(from, oldd, dentry_inode(newdir), newd, flags);
    if (!err) {
        if (flags & LINUX_RENAME_EXCHANGE)
            dentry_exchange(oldd, newd);
        else
            dentry_move(oldd, newd);
    }
    if (victim)
        mutex_unlock(&victim->dir_lock);
    return err;
}

int ovl_upper_rename(struct dentry *olddir, const char *oldname, size_t oldlen,
                     struct dentry *newdir, const char *newname, size_t newlen, u32 flags)
{
    struct inode *from = dentry_inode(olddir), *to = dentry_inode(newdir);
    struct dentry *oldd, *newd = NULL;
    int err;

    /* Two renames of the same pair exclude each other by the locks of the overlay's directories. */
    mutex_lock(&from->dir_lock);
    if (from != to)
        mutex_lock_nested(&to->dir_lock);
    oldd = dentry_find(olddir, oldname, oldlen);
    err = oldd ? dentry_lookup_locked(newdir, newname, newlen, &newd) : -ENOENT;
    if (!err)
        err = rename_locked(olddir, oldd, newdir, newd, flags);
    if (from != to)
        mutex_unlock(&to->dir_lock);
    mutex_unlock(&from->dir_lock);
    if (newd)
        dentry_put(newd);
    if (oldd)
        dentry_put(oldd);
    return err;
}

/* ---- whiteouts ------------------------------------------------------------------------------- */

int ovl_whiteout(struct dentry *dir, const char *name, size_t len)
{
    return ovl_upper_make(dir, name, len, &g_whiteout, NULL);
}

int ovl_whiteout_prepare(struct dentry *dir)
{
    return ovl_whiteout(dir, WAITING, sizeof(WAITING) - 1);
}

int ovl_whiteout_place(struct dentry *dir, const char *name, size_t len)
{
    return ovl_upper_rename(dir, WAITING, sizeof(WAITING) - 1, dir, name, len, 0);
}

void ovl_whiteout_cancel(struct dentry *dir)
{
    ovl_upper_remove(dir, WAITING, sizeof(WAITING) - 1);
}
