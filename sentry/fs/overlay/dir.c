/* SPDX-License-Identifier: Apache-2.0 */
/* overlay: directories: lookup, new names, removal. The VFS holds the overlay's dir_lock. */
#include "sentry/fs/overlay/overlay.h"

#include "abi/linux/fcntl.h"

#include <errno.h>

/* ---- lookup ---------------------------------------------------------------------------------- */

/* The positive, referenced lower child, or NULL. */
static int lower_find(struct ovl_inode *dir, struct dentry *d, struct dentry **out)
{
    struct dentry *ld;
    int err;

    *out = NULL;
    if (!dir->lower || d->priv == OVL_NO_LOWER)
        return 0;
    err = dentry_lookup(dir->lower, d->name, d->name_len, &ld);
    if (err)
        return err == -ENOENT ? 0 : err;
    if (dentry_inode(ld))
        *out = ld;
    else
        dentry_put(ld);
    return 0;
}

int ovl_lower_has(struct ovl_inode *dir, struct dentry *d)
{
    struct inode *inode = dentry_inode(d);
    struct dentry *ld;
    int err;

    if (inode && !ovl_upper(ovl_i(inode)))
        return 1;
    err = lower_find(dir, d, &ld);
    if (err || !ld)
        return err;
    dentry_put(ld);
    return 1;
}

static int lookup_upper(struct ovl_fs *o, struct dentry *d, struct dentry *ud)
{
    struct inode *upper = dentry_inode(ud);
    struct ovl_inode *fresh;

    if (ovl_is_whiteout(upper))
        return 0;
    fresh = ovl_inode_alloc();
    if (!fresh)
        return -ENOMEM;
    dentry_instantiate(d, &ovl_inode_of_upper(o, upper, ud, fresh)->inode);
    return 0;
}

static int ovl_lookup(struct inode *inode, struct dentry *d)
{
    struct ovl_inode *dir = ovl_i(inode), *fresh;
    struct ovl_fs *o = ovl_inode_fs(dir);
    struct dentry *ud = NULL, *ld;
    int err;

    if (ovl_upper(dir))
        ud = ovl_upper_find(dir->udentry, d->name, d->name_len);
    if (ud) {
        err = lookup_upper(o, d, ud);
        dentry_put(ud);
        return err;
    }
    err = lower_find(dir, d, &ld);
    if (err)
        return err;
    if (!ld) {
        d->priv = OVL_NO_LOWER;
        return 0;
    }
    fresh = ovl_inode_alloc();
    if (!fresh) {
        dentry_put(ld);
        return -ENOMEM;
    }
    dentry_instantiate(d, &ovl_inode_of_lower(o, ld, dir, fresh)->inode);
    return 0;
}

/* ---- new names ------------------------------------------------------------------------------- */

/* Gives d a new upper file, or the existing target. */
static int make(struct inode *inode, struct dentry *d, const struct ovl_new *w,
                struct ovl_inode *target)
{
    struct ovl_inode *dir = ovl_i(inode), *fresh = NULL;
    struct dentry *ud;
    int err = ovl_copy_up(dir, ~0ull, false);

    if (err)
        return err;
    if (!target) {
        fresh = ovl_inode_alloc();
        if (!fresh)
            return -ENOMEM;
    }
    err = ovl_upper_make(dir->udentry, d->name, d->name_len, w, &ud);
    if (err) {
        ovl_inode_free(fresh);
        return err;
    }
    if (target)
        inode_get(&target->inode);
    else
        target = ovl_inode_of_upper(ovl_inode_fs(dir), dentry_inode(ud), ud, fresh);
    dentry_put(ud);
    ovl_sync_attrs(target);
    ovl_sync_attrs(dir);
    dentry_instantiate(d, &target->inode);
    return 0;
}

static int ovl_create(struct inode *dir, struct dentry *d, u32 mode)
{
    struct ovl_new w = {.mode = mode | LINUX_S_IFREG};

    return make(dir, d, &w, NULL);
}

static int ovl_mkdir(struct inode *dir, struct dentry *d, u32 mode)
{
    struct ovl_new w = {.mode = mode | LINUX_S_IFDIR};

    return make(dir, d, &w, NULL);
}

static int ovl_mknod(struct inode *dir, struct dentry *d, u32 mode, u64 rdev)
{
    struct ovl_new w = {.mode = mode, .rdev = rdev};

    if ((mode & LINUX_S_IFMT) == LINUX_S_IFCHR && rdev == 0)
        return -EPERM; /* a whiteout */
    return make(dir, d, &w, NULL);
}

static int ovl_symlink(struct inode *dir, struct dentry *d, const char *target)
{
    struct ovl_new w = {.mode = LINUX_S_IFLNK | 0777, .target = target};

    return make(dir, d, &w, NULL);
}

static int ovl_link(struct inode *dir, struct dentry *d, struct inode *target)
{
    struct ovl_inode *oi = ovl_i(target);
    struct ovl_new w = {0};
    int err;

    if (atomic_load(&target->nlink) == 0 && !ovl_upper(oi))
        return -ENOENT;
    err = ovl_copy_up(oi, ~0ull, false);
    if (err)
        return err;
    w.link = ovl_upper(oi);
    return make(dir, d, &w, oi);
}

static int ovl_tmpfile(struct inode *inode, u32 mode, struct inode **out)
{
    struct ovl_inode *dir = ovl_i(inode), *fresh;
    struct inode *udir, *upper;
    int err = ovl_copy_up(dir, ~0ull, false);

    if (err)
        return err;
    fresh = ovl_inode_alloc();
    if (!fresh)
        return -ENOMEM;
    udir = ovl_upper(dir);
    mutex_lock(&udir->dir_lock);
    err = udir->ops->tmpfile(udir, mode, &upper);
    mutex_unlock(&udir->dir_lock);
    if (err) {
        ovl_inode_free(fresh);
        return err;
    }
    *out = &ovl_inode_of_upper(ovl_inode_fs(dir), upper, NULL, fresh)->inode;
    inode_put(upper);
    return 0;
}

/* ---- removal --------------------------------------------------------------------------------- */

/* Takes d's upper away, and leaves a whiteout when lower has the name too. */
static int remove_upper(struct ovl_inode *dir, struct dentry *d, bool whiteout)
{
    struct ovl_inode *oi = ovl_i(d->inode);
    int err = whiteout ? ovl_whiteout_prepare(dir->udentry) : 0;

    if (err)
        return err;
    if (oi->udentry)
        err = ovl_dir_clear(oi->udentry);
    if (!err)
        err = ovl_upper_remove(dir->udentry, d->name, d->name_len);
    if (whiteout && err)
        ovl_whiteout_cancel(dir->udentry);
    else if (whiteout)
        err = ovl_whiteout_place(dir->udentry, d->name, d->name_len);
    return err;
}

static int remove_any(struct inode *inode, struct dentry *d)
{
    struct ovl_inode *dir = ovl_i(inode), *oi = ovl_i(d->inode);
    int has = ovl_lower_has(dir, d), err;

    if (has < 0)
        return has;
    err = ovl_copy_up(dir, ~0ull, false);
    if (err)
        return err;
    /* From here on a copy-up does not give it this name back. */
    mutex_lock(&oi->inode.data_lock);
    if (ovl_upper(oi))
        err = remove_upper(dir, d, has);
    else
        err = ovl_whiteout(dir->udentry, d->name, d->name_len);
    if (!err && !ovl_upper(oi))
        oi->removed = true;
    mutex_unlock(&oi->inode.data_lock);
    ovl_sync_attrs(oi);
    ovl_sync_attrs(dir);
    return err;
}

static int ovl_rmdir(struct inode *dir, struct dentry *d)
{
    int err = ovl_dir_empty(ovl_i(d->inode));

    return err ? err : remove_any(dir, d);
}

const struct inode_ops g_ovl_dir_ops = {
    .lookup = ovl_lookup,
    .create = ovl_create,
    .mkdir = ovl_mkdir,
    .mknod = ovl_mknod,
    .symlink = ovl_symlink,
    .link = ovl_link,
    .unlink = remove_any,
    .rmdir = ovl_rmdir,
    .rename = ovl_rename,
    .tmpfile = ovl_tmpfile,
    .open = ovl_dir_open,
    .getattr = ovl_getattr,
    .setattr = ovl_setattr,
    .getxattr = ovl_getxattr,
    .setxattr = ovl_setxattr,
    .listxattr = ovl_listxattr,
    .removexattr = ovl_removexattr,
    .destroy = ovl_inode_destroy,
};
