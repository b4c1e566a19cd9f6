/* SPDX-License-Identifier: Apache-2.0 */
/*
 * overlay: files that are not directories. An open regular file is one of its layer: reads, writes
 * and mappings do not come through here. FIFOs, sockets and devices are the overlay's inodes.
 */
#include "sentry/fs/overlay/overlay.h"

#include "abi/linux/fcntl.h"

static int file_open(struct inode *inode, struct dentry *d, struct file *f)
{
    struct ovl_inode *oi = ovl_i(inode);
    struct inode *real;

    if (f->writable) {
        /* What is truncated right away needs no data. */
        bool trunc = atomic_load_explicit(&f->flags, memory_order_relaxed) & LINUX_O_TRUNC;
        int err = ovl_copy_up(oi, trunc ? 0 : ~0ull, false);

        if (err)
            return err;
    }
    real = ovl_real(oi);
    inode_get(real);
    inode_put(f->inode);
    f->inode = real;
    f->ops = real->fops;
    if (!real->ops->open)
        return 0;
    return real->ops->open(real, real == ovl_upper(oi) ? d : oi->lower, f);
}

static int link_readlink(struct inode *inode, char **target)
{
    struct inode *real = ovl_real(ovl_i(inode));

    return real->ops->readlink(real, target);
}

const struct inode_ops g_ovl_file_ops = {
    .open = file_open,
    .getattr = ovl_getattr,
    .setattr = ovl_setattr,
    .getxattr = ovl_getxattr,
    .setxattr = ovl_setxattr,
    .listxattr = ovl_listxattr,
    .removexattr = ovl_removexattr,
    .destroy = ovl_inode_destroy,
};

const struct inode_ops g_ovl_link_ops = {
    .readlink = link_readlink,
    .getattr = ovl_getattr,
    .setattr = ovl_setattr,
    .getxattr = ovl_getxattr,
    .setxattr = ovl_setxattr,
    .listxattr = ovl_listxattr,
    .removexattr = ovl_removexattr,
    .destroy = ovl_inode_destroy,
};

const struct inode_ops g_ovl_special_ops = {
    .getattr = ovl_getattr,
    .setattr = ovl_setattr,
    .getxattr = ovl_getxattr,
    .setxattr = ovl_setxattr,
    .listxattr = ovl_listxattr,
    .removexattr = ovl_removexattr,
    .destroy = ovl_inode_destroy,
};
