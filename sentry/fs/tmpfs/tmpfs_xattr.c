/* SPDX-License-Identifier: Apache-2.0 */
/* Extended attributes of tmpfs inodes: a list under attr_lock, bounded in size. Which names are allowed
 * to whom is the VFS's business. */
#include "abi/linux/limits.h"
#include "abi/linux/xattr.h"
#include "cvisor/kcache.h"
#include "sentry/fs/tmpfs/tmpfs_internal.h"

#include <errno.h>
#include <string.h>

#define XATTR_BYTES_MAX (128u << 10) /* names and values of one inode */

KCACHE(tmpfs_xattr);

static void xattr_free(struct tmpfs_xattr *x)
{
    if (!x)
        return;
    kfree(x->value);
    kfree(x->name);
    kcache_free(tmpfs_xattr, x);
}

static struct tmpfs_xattr *find_locked(struct tmpfs_inode *ti, const char *name)
{
    struct tmpfs_xattr *x;

    list_for_each_entry (x, &ti->xattrs, node) {
        if (!strcmp(x->name, name))
            return x;
    }
    return NULL;
}

static void remove_locked(struct tmpfs_inode *ti, struct tmpfs_xattr *x)
{
    list_del(&x->node);
    ti->xattr_bytes -= x->n + strlen(x->name) + 1;
}

ssize_t tmpfs_getxattr(struct inode *inode, const char *name, void *buf, size_t n)
{
    struct tmpfs_inode *ti = tmpfs_i(inode);
    struct tmpfs_xattr *x;
    ssize_t r;

    mutex_lock(&inode->attr_lock);
    x = find_locked(ti, name);
    if (!x) {
        r = -ENODATA;
    } else if (n && n < x->n) {
        r = -ERANGE;
    } else {
        if (n && x->n)
            memcpy(buf, x->value, x->n);
        r = (ssize_t)x->n;
    }
    mutex_unlock(&inode->attr_lock);
    return r;
}

int tmpfs_setxattr(struct inode *inode, const char *name, const void *buf, size_t n, int flags)
{
    struct tmpfs_inode *ti = tmpfs_i(inode);
    struct tmpfs_xattr *x = kcache_alloc(tmpfs_xattr), *old;
    size_t name_size = strlen(name) + 1;
    int err = 0;

    if (!x)
        return -ENOMEM;
    list_init(&x->node);
    x->n = n;
    x->name = kstrdup(name);
    x->value = kmalloc(n ? n : 1);
    if (!x->name || !x->value) {
        xattr_free(x);
        return -ENOMEM;
    }
    memcpy(x->value, buf, n);
    mutex_lock(&inode->attr_lock);
    old = find_locked(ti, name);
    if (old && (flags & LINUX_XATTR_CREATE))
        err = -EEXIST;
    else if (!old && (flags & LINUX_XATTR_REPLACE))
        err = -ENODATA;
    else if (ti->xattr_bytes + n + name_size > XATTR_BYTES_MAX)
        err = -ENOSPC;
    if (!err) {
        if (old)
            remove_locked(ti, old);
        list_add(&x->node, &ti->xattrs);
        ti->xattr_bytes += n + name_size;
        x = old;
    }
    mutex_unlock(&inode->attr_lock);
    xattr_free(x);
    if (!err)
        inode_touch(inode, ATTR_CTIME);
    return err;
}

ssize_t tmpfs_listxattr(struct inode *inode, char *buf, size_t n)
{
    struct tmpfs_inode *ti = tmpfs_i(inode);
    struct tmpfs_xattr *x;
    size_t total = 0;
    ssize_t r = 0;

    mutex_lock(&inode->attr_lock);
    list_for_each_entry (x, &ti->xattrs, node) {
        size_t len = strlen(x->name) + 1;

        if (n && total + len > n) {
            r = -ERANGE;
            break;
        }
        if (n)
            memcpy(buf + total, x->name, len);
        total += len;
    }
    mutex_unlock(&inode->attr_lock);
    return r ? r : (ssize_t)total;
}

int tmpfs_removexattr(struct inode *inode, const char *name)
{
    struct tmpfs_inode *ti = tmpfs_i(inode);
    struct tmpfs_xattr *x;

    mutex_lock(&inode->attr_lock);
    x = find_locked(ti, name);
    if (x)
        remove_locked(ti, x);
    mutex_unlock(&inode->attr_lock);
    if (!x)
        return -ENODATA;
    xattr_free(x);
    inode_touch(inode, ATTR_CTIME);
    return 0;
}

void tmpfs_xattr_free(struct tmpfs_inode *ti)
{
    struct tmpfs_xattr *x, *n;

    list_for_each_entry_safe (x, n, &ti->xattrs, node) {
        list_del(&x->node);
        xattr_free(x);
    }
}
