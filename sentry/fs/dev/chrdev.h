/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Device numbers to implementations: any filesystem with a device node opens it through this table.
 */
#ifndef SENTRY_FS_DEV_CHRDEV_H
#define SENTRY_FS_DEV_CHRDEV_H

#include "cvisor/types.h"

struct file;
struct inode;

#define CHRDEV_ANY_MINOR (~0u)

struct chrdev {
    const char *name; /* /proc/devices */
    /* Sets up f (ops, priv, seekable), as inode_ops.open. May block. */
    int (*open)(struct inode *inode, struct file *f);
};

/* dev stays registered forever. -EEXIST, -ENOSPC. */
int chrdev_register(u32 major, u32 minor, const struct chrdev *dev);
/* Opens inode->rdev; -ENXIO when no such device is registered. */
int chrdev_open(struct inode *inode, struct file *f);

#endif
