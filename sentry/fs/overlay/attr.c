/* SPDX-License-Identifier: Apache-2.0 */
/* overlay: attributes, extended ones too: those of the real inode, under the overlay's identity. */
#include "sentry/fs/overlay/overlay.h"
#include "sentry/mm/mm.h"

#include <errno.h>

/* What is read is newer than what any earlier holder of attr_lock has read. */
void ovl_sync_attrs(struct ovl_inode *oi)
{
    struct inode *inode = &oi->inode, *real;

    mutex_lock(&inode->attr_lock);
    real = ovl_real(oi);
    atomic_store(&inode->mode, atomic_load(&real->mode));
    atomic_store(&inode->uid, atomic_load(&real->uid));
    atomic_store(&inode->gid, atomic_load(&real->gid));
    atomic_store(&inode->nlink,
                 oi->removed && real != ovl_upper(oi) ? 0 : atomic_load(&real->nlink));
    atomic_store(&inode->size, atomic_load(&real->size));
    atomic_store(&inode->blocks, atomic_load(&real->blocks));
    mutex_unlock(&inode->attr_lock);
}

int ovl_getattr(struct inode *inode, struct linux_stat *st)
{
    struct ovl_inode *oi = ovl_i(inode);
    struct inode *real = ovl_real(oi);
    int err = 0;

    if (real->ops->getattr)
        err = real->ops->getattr(real, st);
    else
        inode_fill_stat(real, st);
    if (err)
        return err;
    /* A write through an open file takes set-id bits away from the real inode only. */
    if (unlikely(st->st_mode != atomic_load_explicit(&inode->mode, memory_order_relaxed)))
        ovl_sync_attrs(oi);
    st->st_dev = inode->fs->dev;
    st->st_ino = ovl_ino(oi);
    if (real != ovl_upper(oi)) {
        if (unlikely(atomic_load_explicit(&oi->removed, memory_order_relaxed)))
            st->st_nlink = 0;
    } else if (oi->lower && inode_is_dir(inode) && st->st_nlink) {
        st->st_nlink = 1; /* merged: subdirectories are not counted */
    }
    return 0;
}

int ovl_real_setattr(struct inode *real, const struct iattr *attr)
{
    int err;

    mutex_lock(&real->data_lock);
    err = real->ops->setattr ? real->ops->setattr(real, attr) : inode_set_attr(real, attr);
    mutex_unlock(&real->data_lock);
    if (!err && (attr->valid & ATTR_SIZE))
        mappable_changed(real->mappable, attr->size, attr->size + 1);
    return err;
}

/* The VFS holds data_lock, which is the copy-up lock here. */
int ovl_setattr(struct inode *inode, const struct iattr *attr)
{
    struct ovl_inode *oi = ovl_i(inode);
    int err = ovl_copy_up(oi, attr->valid & ATTR_SIZE ? attr->size : ~0ull, true);

    if (!err)
        err = ovl_real_setattr(ovl_upper(oi), attr);
    if (!err)
        ovl_sync_attrs(oi);
    return err;
}

/* ---- extended attributes --------------------------------------------------------------------- */

ssize_t ovl_getxattr(struct inode *inode, const char *name, void *buf, size_t n)
{
    struct inode *real = ovl_real(ovl_i(inode));

    return real->ops->getxattr ? real->ops->getxattr(real, name, buf, n) : -EOPNOTSUPP;
}

ssize_t ovl_listxattr(struct inode *inode, char *buf, size_t n)
{
    struct inode *real = ovl_real(ovl_i(inode));

    return real->ops->listxattr ? real->ops->listxattr(real, buf, n) : 0;
}

int ovl_setxattr(struct inode *inode, const char *name, const void *buf, size_t n, int flags)
{
    struct ovl_inode *oi = ovl_i(inode);
    struct inode *upper;
    int err = ovl_copy_up(oi, ~0ull, false);

    if (err)
        return err;
    upper = ovl_upper(oi);
    err = upper->ops->setxattr ? upper->ops->setxattr(upper, name, buf, n, flags) : -EOPNOTSUPP;
    if (!err)
        ovl_sync_attrs(oi); /* an ACL changes the mode */
    return err;
}

int ovl_removexattr(struct inode *inode, const char *name)
{
    struct ovl_inode *oi = ovl_i(inode);
    struct inode *upper = ovl_upper(oi);
    ssize_t n;
    int err;

    if (!upper) {
        /* What is not there needs no copy. */
        n = ovl_getxattr(inode, name, NULL, 0);
        if (n < 0)
            return (int)n;
        err = ovl_copy_up(oi, ~0ull, false);
        if (err)
            return err;
        upper = ovl_upper(oi);
    }
    return upper->ops->removexattr ? upper->ops->removexattr(upper, name) : -EOPNOTSUPP;
}
