/* SPDX-License-Identifier: Apache-2.0 */
/* overlay: copy-up: a file of lower becomes one of upper, with its data, attributes and xattrs. */
#include "sentry/fs/overlay/overlay.h"

#include "abi/linux/fcntl.h"
#include "abi/linux/limits.h"
#include "cvisor/kcache.h"
#include "sentry/mm/uaccess.h"

#include <errno.h>
#include <string.h>

#define COPY_CHUNK (256ul << 10)

int ovl_open_real(struct dentry *d, u32 flags, struct file **out)
{
    struct vfs_path p = {.dentry = d};
    struct inode *inode = dentry_inode(d);
    struct file *f = file_alloc(&p, flags | LINUX_O_NOATIME);
    int err = 0;

    if (!f)
        return -ENOMEM;
    f->seekable = true;
    f->ops = inode->fops;
    if (inode->ops->open)
        err = inode->ops->open(inode, d, f);
    if (!err && !f->ops)
        err = -ENXIO;
    if (err) {
        f->ops = NULL; /* nothing to release */
        file_put(f);
        return err;
    }
    *out = f;
    return 0;
}

/* ---- data ------------------------------------------------------------------------------------ */

static bool is_zero(const char *buf, size_t n)
{
    return buf[0] == 0 && memcmp(buf, buf + 1, n - 1) == 0;
}

/* All of n bytes. The limits and set-id rules of file_write() are for guests. */
static int write_all(struct file *f, char *buf, size_t n, u64 pos)
{
    struct iov_iter it;
    ssize_t r = 0;

    iov_iter_kernel(&it, buf, n);
    mutex_lock(&f->inode->data_lock);
    while (it.count && (r = f->ops->write(f, &it, &pos, 0)) > 0)
        ;
    mutex_unlock(&f->inode->data_lock);
    if (!it.count)
        return 0;
    return r < 0 ? (int)r : -EIO;
}

static ssize_t read_some(struct file *f, char *buf, size_t n, u64 pos)
{
    struct iov_iter it;

    iov_iter_kernel(&it, buf, n);
    return f->ops->read(f, &it, &pos, 0);
}

/* Up to limit bytes; chunks of zeroes stay holes. */
static int copy_chunks(struct file *from, struct file *to, u64 limit)
{
    char *buf __kfree = kmalloc(COPY_CHUNK);
    struct iattr size = {.valid = ATTR_SIZE};
    u64 pos = 0;
    ssize_t n;
    int err;

    if (!buf)
        return -ENOMEM;
    while (pos < limit) {
        n = read_some(from, buf, MIN(COPY_CHUNK, limit - pos), pos);
        if (n < 0)
            return (int)n;
        if (n == 0)
            break;
        err = is_zero(buf, (size_t)n) ? 0 : write_all(to, buf, (size_t)n, pos);
        if (err)
            return err;
        pos += (u64)n;
    }
    size.size = pos;
    return pos == atomic_load(&to->inode->size) ? 0 : ovl_real_setattr(to->inode, &size);
}

static int copy_data(struct dentry *lower, struct dentry *upper, u64 limit)
{
    struct file *from, *to;
    int err;

    limit = MIN(limit, (u64)atomic_load(&dentry_inode(lower)->size));
    if (!limit)
        return 0;
    err = ovl_open_real(lower, LINUX_O_RDONLY, &from);
    if (err)
        return err;
    err = ovl_open_real(upper, LINUX_O_WRONLY, &to);
    if (!err) {
        err = copy_chunks(from, to, limit);
        file_put(to);
    }
    file_put(from);
    return err;
}

/* ---- attributes ------------------------------------------------------------------------------ */

static int copy_xattr(struct inode *from, struct inode *to, const char *name, char *buf)
{
    ssize_t n = from->ops->getxattr(from, name, buf, LINUX_XATTR_SIZE_MAX);
    int err;

    if (n < 0)
        return n == -ENODATA || n == -EOPNOTSUPP ? 0 : (int)n;
    err = to->ops->setxattr(to, name, buf, (size_t)n, 0);
    return err == -EOPNOTSUPP ? 0 : err;
}

static int copy_xattrs(struct inode *from, struct inode *to)
{
    char *names __kfree = NULL, *value __kfree = NULL, *s;
    ssize_t n;
    int err = 0;

    if (!from->ops->listxattr || !from->ops->getxattr || !to->ops->setxattr)
        return 0;
    n = from->ops->listxattr(from, NULL, 0);
    if (n <= 0)
        return n == -EOPNOTSUPP ? 0 : (int)n;
    names = kmalloc(LINUX_XATTR_LIST_MAX + 1);
    value = kmalloc(LINUX_XATTR_SIZE_MAX);
    if (!names || !value)
        return -ENOMEM;
    n = from->ops->listxattr(from, names, LINUX_XATTR_LIST_MAX);
    if (n < 0)
        return (int)n;
    names[n] = '\0';
    for (s = names; !err && s < names + n; s += strlen(s) + 1)
        err = copy_xattr(from, to, s, value);
    return err;
}

/* The times last: everything before changes them. */
static int copy_attrs(struct inode *from, struct inode *to)
{
    struct iattr attr = {.valid = ATTR_UID | ATTR_GID | ATTR_ATIME | ATTR_MTIME};
    int err = copy_xattrs(from, to);

    if (err)
        return err;
    mutex_lock(&from->attr_lock);
    attr.uid = atomic_load(&from->uid);
    attr.gid = atomic_load(&from->gid);
    attr.mode = atomic_load(&from->mode) & LINUX_S_IALLUGO;
    attr.atime = from->atime;
    attr.mtime = from->mtime;
    mutex_unlock(&from->attr_lock);
    if (inode_type(to) != LINUX_S_IFLNK)
        attr.valid |= ATTR_MODE;
    return ovl_real_setattr(to, &attr);
}

/* ---- one file -------------------------------------------------------------------------------- */

/* Where oi's name is, or is going to be. */
static void place_of(struct ovl_inode *oi, struct dentry **dir, const char **name, size_t *len)
{
    if (oi->parent) {
        *dir = oi->parent->udentry;
        *name = oi->lower->name;
        *len = oi->lower->name_len;
    } else {
        /* The overlay of a single file. */
        *dir = ovl_inode_fs(oi)->upper_root;
        *name = "file";
        *len = 4;
    }
}

static int make_named(struct ovl_inode *oi, struct dentry **out)
{
    struct inode *inode = dentry_inode(oi->lower);
    struct dentry *dir;
    const char *name;
    size_t len;
    struct ovl_new w = {.mode = inode_type(inode) | 0600, .rdev = inode->rdev, .keep_times = true};
    char *target __kfree = NULL;

    if (inode_type(inode) == LINUX_S_IFLNK) {
        int err = inode->ops->readlink(inode, &target);

        if (err)
            return err;
        w.target = target;
    }
    place_of(oi, &dir, &name, &len);
    return ovl_upper_make(dir, name, len, &w, out);
}

static void unmake(struct ovl_inode *oi)
{
    struct dentry *dir;
    const char *name;
    size_t len;

    place_of(oi, &dir, &name, &len);
    ovl_upper_remove(dir, name, len);
}

/* For a file that is only open any more. The dentry is never hashed. */
static int make_nameless(struct ovl_inode *oi, struct dentry **out)
{
    struct dentry *root = ovl_inode_fs(oi)->upper_root, *d;
    struct inode *dir = dentry_inode(root), *inode;
    int err;

    if (inode_type(&oi->inode) != LINUX_S_IFREG)
        return -ENOENT;
    d = dentry_alloc(root->fs, NULL, "#", 1);
    if (!d)
        return -ENOMEM;
    mutex_lock(&dir->dir_lock);
    err = dir->ops->tmpfile(dir, LINUX_S_IFREG | 0600, &inode);
    mutex_unlock(&dir->dir_lock);
    if (err) {
        dentry_put(d);
        return err;
    }
    dentry_instantiate(d, inode);
    *out = d;
    return 0;
}

/* The copy-up lock of oi is held, and its parent has an upper. */
static int copy_up_locked(struct ovl_inode *oi, u64 limit)
{
    struct dentry *lower = oi->lower, *ud;
    struct inode *from = dentry_inode(lower), *to;
    struct ovl_mark *mark = NULL;
    int err;

    if (ovl_upper(oi))
        return 0;
    mark = ovl_mark_alloc(lower);
    if (!mark)
        return -ENOMEM;
    err = oi->removed ? make_nameless(oi, &ud) : make_named(oi, &ud);
    if (err) {
        ovl_mark_free(mark);
        return err;
    }
    to = dentry_inode(ud);
    if (inode_type(from) == LINUX_S_IFREG)
        err = copy_data(lower, ud, limit);
    if (!err)
        err = copy_attrs(from, to);
    if (err) {
        if (!oi->removed)
            unmake(oi);
        ovl_mark_free(mark);
        dentry_put(ud);
        return err;
    }
    inode_get(to);
    if (inode_is_dir(to)) {
        ovl_inode_set_upper(oi, to, ud, mark);
    } else {
        ovl_inode_set_upper(oi, to, NULL, mark);
        dentry_put(ud);
    }
    ovl_sync_attrs(oi);
    return 0;
}

int ovl_copy_up(struct ovl_inode *oi, u64 limit, bool locked)
{
    while (!ovl_upper(oi)) {
        struct ovl_inode *a = oi;
        int err;

        while (a->parent && !ovl_upper(a->parent))
            a = a->parent;
        if (a == oi && locked)
            return copy_up_locked(oi, limit);
        mutex_lock_nested(&a->inode.data_lock);
        err = copy_up_locked(a, a == oi ? limit : ~0ull);
        mutex_unlock(&a->inode.data_lock);
        if (err)
            return err;
    }
    return 0;
}
