/* SPDX-License-Identifier: Apache-2.0 */
/* The table of devices by number. Small, filled at boot, read without a lock. */
#include "sentry/fs/dev/chrdev.h"

#include "abi/linux/stat.h"
#include "cvisor/lock.h"
#include "sentry/fs/dev/mem.h"
#include "sentry/vfs/vfs.h"

#include <errno.h>

#define CHRDEV_MAX 64

struct entry {
    u32 major, minor;
    const struct chrdev *dev;
};

static struct mutex g_lock = MUTEX_INIT(LOCK_LEAF);
static struct entry g_devs[CHRDEV_MAX]; /* g_lock to add; entries never change */
static atomic_uint g_count;             /* entries that are complete */

int chrdev_register(u32 major, u32 minor, const struct chrdev *dev)
{
    u32 n;
    int err = 0;

    mutex_lock(&g_lock);
    n = atomic_load(&g_count);
    for (u32 i = 0; i < n; i++) {
        if (g_devs[i].major == major && g_devs[i].minor == minor)
            err = -EEXIST;
    }
    if (!err && n == CHRDEV_MAX)
        err = -ENOSPC;
    if (!err) {
        g_devs[n] = (struct entry){major, minor, dev};
        atomic_store_explicit(&g_count, n + 1, memory_order_release);
    }
    mutex_unlock(&g_lock);
    return err;
}

static const struct chrdev *find(u32 major, u32 minor)
{
    u32 n = atomic_load_explicit(&g_count, memory_order_acquire);
    const struct chrdev *any = NULL;

    for (u32 i = 0; i < n; i++) {
        if (g_devs[i].major != major)
            continue;
        if (g_devs[i].minor == minor)
            return g_devs[i].dev;
        if (g_devs[i].minor == CHRDEV_ANY_MINOR)
            any = g_devs[i].dev;
    }
    return any;
}

int chrdev_open(struct inode *inode, struct file *f)
{
    u32 major = LINUX_MAJOR(inode->rdev), minor = LINUX_MINOR(inode->rdev);
    const struct chrdev *dev;

    if (inode_type(inode) != LINUX_S_IFCHR)
        return -ENXIO;
    if (major == MEM_MAJOR)
        return mem_open(minor, f);
    dev = find(major, minor);
    return dev ? dev->open(inode, f) : -ENXIO;
}
