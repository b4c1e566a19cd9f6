/* SPDX-License-Identifier: Apache-2.0 */
/* tmpfs directories. Names live in the (pinned) dentry tree; readdir's order in a tree of cookies. */
#include "abi/linux/dirent.h"
#include "abi/linux/fcntl.h"
#include "abi/linux/stat.h"
#include "cvisor/kcache.h"
#include "sentry/fs/tmpfs/tmpfs_internal.h"

#include <errno.h>
#include <string.h>

KCACHE(tmpfs_dirent);

#define DIRENT_SIZE 20 /* what an entry adds to a directory's st_size, as on Linux */

static void dir_changed(struct inode *dir, int entries)
{
    atomic_fetch_add(&dir->size, (u64)((s64)entries * DIRENT_SIZE));
    inode_touch(dir, ATTR_MTIME | ATTR_CTIME);
}

static void entry_insert(struct inode *dir, struct tmpfs_dirent *e, struct dentry *d)
{
    struct tmpfs_inode *ti = tmpfs_i(dir);

    e->node.start = ti->next_cookie++;
    e->node.end = e->node.start + 1;
    e->d = d;
    d->priv = e;
    BUG_ON(rangetree_insert(&ti->entries, &e->node) != 0);
}

static struct tmpfs_dirent *entry_remove(struct inode *dir, struct dentry *d)
{
    struct tmpfs_dirent *e = d->priv;

    rangetree_remove(&tmpfs_i(dir)->entries, &e->node);
    d->priv = NULL;
    return e;
}

static int entry_add(struct inode *dir, struct dentry *d)
{
    struct tmpfs_dirent *e = kcache_alloc(tmpfs_dirent);

    if (!e)
        return -ENOMEM;
    entry_insert(dir, e, d);
    dir_changed(dir, 1);
    return 0;
}

void tmpfs_dirents_free(struct tmpfs_inode *ti)
{
    struct range_node *n;

    while ((n = rangetree_first(&ti->entries))) {
        rangetree_remove(&ti->entries, n);
        kcache_free(tmpfs_dirent, container_of(n, struct tmpfs_dirent, node));
    }
}

static int make(struct inode *dir, struct dentry *d, u32 mode, u64 rdev, const char *target)
{
    struct tmpfs_inode *ti;
    int err = tmpfs_inode_new(dir->fs, dir, mode, rdev, &ti);

    if (err)
        return err;
    if (target) {
        ti->target = kstrdup(target);
        err = ti->target ? 0 : -ENOMEM;
        atomic_store(&ti->inode.size, strlen(target));
    }
    if (!err)
        err = entry_add(dir, d);
    if (err) {
        inode_put(&ti->inode);
        return err;
    }
    if (inode_is_dir(&ti->inode))
        inode_add_nlink(dir, 1);
    dentry_instantiate(d, &ti->inode);
    return 0;
}

static int tmpfs_create(struct inode *dir, struct dentry *d, u32 mode)
{
    return make(dir, d, mode, 0, NULL);
}

static int tmpfs_mkdir(struct inode *dir, struct dentry *d, u32 mode)
{
    return make(dir, d, mode, 0, NULL);
}

static int tmpfs_mknod(struct inode *dir, struct dentry *d, u32 mode, u64 rdev)
{
    return make(dir, d, mode, rdev, NULL);
}

static int tmpfs_symlink(struct inode *dir, struct dentry *d, const char *target)
{
    return make(dir, d, LINUX_S_IFLNK | 0777, 0, target);
}

static int tmpfs_link(struct inode *dir, struct dentry *d, struct inode *target)
{
    struct tmpfs_inode *ti = tmpfs_i(target);
    int err;

    mutex_lock(&target->attr_lock);
    err = atomic_load(&target->nlink) == 0 && !ti->linkable ? -ENOENT : 0;
    mutex_unlock(&target->attr_lock);
    if (!err)
        err = entry_add(dir, d);
    if (err)
        return err;
    inode_get(target);
    inode_add_nlink(target, 1);
    dentry_instantiate(d, target);
    return 0;
}

static int tmpfs_unlink(struct inode *dir, struct dentry *d)
{
    kcache_free(tmpfs_dirent, entry_remove(dir, d));
    dir_changed(dir, -1);
    inode_add_nlink(d->inode, -1);
    return 0;
}

static int tmpfs_rmdir(struct inode *dir, struct dentry *d)
{
    if (tmpfs_i(d->inode)->entries.count)
        return -ENOTEMPTY;
    kcache_free(tmpfs_dirent, entry_remove(dir, d));
    dir_changed(dir, -1);
    inode_add_nlink(d->inode, -2);
    inode_add_nlink(dir, -1);
    return 0;
}

static void exchange(struct inode *olddir, struct dentry *oldd, struct inode *newdir,
                     struct dentry *newd)
{
    struct tmpfs_dirent *a = oldd->priv, *b = newd->priv;
    int moved = (int)inode_is_dir(oldd->inode) - (int)inode_is_dir(newd->inode);

    a->d = newd;
    b->d = oldd;
    newd->priv = a;
    oldd->priv = b;
    if (olddir != newdir && moved) {
        inode_add_nlink(olddir, -moved);
        inode_add_nlink(newdir, moved);
    }
}

static int tmpfs_rename(struct inode *olddir, struct dentry *oldd, struct inode *newdir,
                        struct dentry *newd, u32 flags)
{
    struct inode *victim = newd->inode;
    bool is_dir = inode_is_dir(oldd->inode);

    if (flags & LINUX_RENAME_WHITEOUT)
        return -EINVAL;
    if (flags & LINUX_RENAME_EXCHANGE) {
        exchange(olddir, oldd, newdir, newd);
        inode_touch(newd->inode, ATTR_CTIME);
    } else {
        if (victim && inode_is_dir(victim)) {
            int err = tmpfs_rmdir(newdir, newd);
            if (err)
                return err;
        } else if (victim) {
            tmpfs_unlink(newdir, newd);
        }
        entry_insert(newdir, entry_remove(olddir, oldd), oldd);
        atomic_fetch_sub(&olddir->size, DIRENT_SIZE);
        atomic_fetch_add(&newdir->size, DIRENT_SIZE);
        if (is_dir && olddir != newdir) {
            inode_add_nlink(olddir, -1);
            inode_add_nlink(newdir, 1);
        }
    }
    inode_touch(olddir, ATTR_MTIME | ATTR_CTIME);
    if (olddir != newdir)
        inode_touch(newdir, ATTR_MTIME | ATTR_CTIME);
    inode_touch(oldd->inode, ATTR_CTIME);
    return 0;
}

static int tmpfs_tmpfile(struct inode *dir, u32 mode, struct inode **out)
{
    struct tmpfs_inode *ti;
    int err = tmpfs_inode_new(dir->fs, dir, mode, 0, &ti);

    if (err)
        return err;
    atomic_store(&ti->inode.nlink, 0);
    ti->linkable = true;
    *out = &ti->inode;
    return 0;
}

int tmpfs_add(struct dentry *dir, const char *name, u32 mode, u64 rdev, const char *target,
              struct dentry **out)
{
    struct inode *inode = dentry_inode(dir);
    struct dentry *d;
    int err;

    mutex_lock(&inode->dir_lock);
    err = dentry_lookup_locked(dir, name, strlen(name), &d);
    if (!err && d->inode) {
        err = -EEXIST;
        dentry_put(d);
    } else if (!err) {
        err = make(inode, d, mode, rdev, target);
        if (!err)
            dentry_hash(d);
        if (!err && out)
            *out = d;
        else
            dentry_put(d);
    }
    mutex_unlock(&inode->dir_lock);
    return err;
}

const struct inode_ops g_tmpfs_dir_inode_ops = {
    .create = tmpfs_create,
    .mkdir = tmpfs_mkdir,
    .mknod = tmpfs_mknod,
    .symlink = tmpfs_symlink,
    .link = tmpfs_link,
    .unlink = tmpfs_unlink,
    .rmdir = tmpfs_rmdir,
    .rename = tmpfs_rename,
    .tmpfile = tmpfs_tmpfile,
    .getattr = tmpfs_getattr,
    .setattr = tmpfs_setattr,
    .getxattr = tmpfs_getxattr,
    .setxattr = tmpfs_setxattr,
    .listxattr = tmpfs_listxattr,
    .removexattr = tmpfs_removexattr,
    .destroy = tmpfs_inode_destroy,
};

/* ---- open directories ---------------------------------------------------------------------------- */

static int tmpfs_iterate(struct file *f, struct dir_emit *e)
{
    struct tmpfs_inode *ti = tmpfs_i(f->inode);
    struct range_node *n;

    if (!dir_emit_dots(f, e))
        return 0;
    mutex_lock(&f->inode->dir_lock);
    for (n = rangetree_lower(&ti->entries, f->pos); n; n = rangetree_next(n)) {
        struct dentry *d = container_of(n, struct tmpfs_dirent, node)->d;
        struct inode *inode = dentry_inode(d);

        if (!dir_emit(e, d->name, d->name_len, inode->ino,
                      LINUX_MODE_TO_DT(atomic_load(&inode->mode)), n->end))
            break;
        f->pos = n->end;
    }
    mutex_unlock(&f->inode->dir_lock);
    file_accessed(f);
    return 0;
}

static s64 tmpfs_dir_llseek(struct file *f, s64 off, int whence)
{
    if (whence != LINUX_SEEK_SET && whence != LINUX_SEEK_CUR)
        return -EINVAL;
    return file_llseek_size(f, off, whence, 0);
}

static int tmpfs_dir_fsync(struct file *f, bool data_only, u64 start, u64 end)
{
    return 0;
}

const struct file_ops g_tmpfs_dir_ops = {
    .iterate = tmpfs_iterate,
    .llseek = tmpfs_dir_llseek,
    .fsync = tmpfs_dir_fsync,
};
