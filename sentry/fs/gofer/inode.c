/* SPDX-License-Identifier: Apache-2.0 */
/* gofer: life of inodes, and the table by host identity (hard links share one inode). */
#include "sentry/fs/gofer/gofer_fs.h"

#include "cvisor/kcache.h"

#include <errno.h>

KCACHE(gofer_inode);
KCACHE(gofer_file);

static const struct inode_ops g_link_ops = {
    .readlink = gofer_readlink,
    .setattr = gofer_setattr,
    .destroy = gofer_inode_destroy,
};

/* FIFOs, sockets and devices: opened by the sentry's own pipes, sockets and device table. */
static const struct inode_ops g_special_ops = {
    .setattr = gofer_setattr,
    .destroy = gofer_inode_destroy,
};

static struct list_head *bucket(struct gofer_fs *gfs, u64 dev, u64 ino)
{
    u64 h = (ino ^ (dev << 32)) * 0x9e3779b97f4a7c15ull;

    return &gfs->table[(h >> 32) % GOFER_TABLE_SIZE];
}

u64 gofer_ino(struct gofer_fs *gfs, u64 host_dev, u64 host_ino)
{
    u64 i;

    mutex_lock(&gfs->table_lock);
    for (i = 0; i < gfs->ndevs && gfs->devs[i] != host_dev; i++)
        ;
    if (i == gfs->ndevs && i < GOFER_DEVS_MAX)
        gfs->devs[gfs->ndevs++] = host_dev;
    mutex_unlock(&gfs->table_lock);
    /* Numbers of the root's device are the host's. Those of host filesystems mounted below it
     * must not look like the same files. */
    return host_ino ^ (i << 48);
}

static void attr_apply(struct inode *inode, const struct p9_attr *a)
{
    atomic_store(&inode->uid, a->uid);
    atomic_store(&inode->gid, a->gid);
    atomic_store(&inode->nlink, (u32)MIN(a->nlink, (u64)UINT32_MAX));
    atomic_store(&inode->size, a->size);
    atomic_store(&inode->blocks, a->blocks);
    inode->rdev = a->rdev;
    inode->blksize = a->blksize ? a->blksize : PAGE_SIZE;
    inode->atime = (struct linux_timespec){a->atime_sec, a->atime_nsec};
    inode->mtime = (struct linux_timespec){a->mtime_sec, a->mtime_nsec};
    inode->ctime = (struct linux_timespec){a->ctime_sec, a->ctime_nsec};
    inode->btime = inode->ctime;
}

static struct gofer_inode *inode_alloc(struct gofer_fs *gfs, const struct p9_attr *a)
{
    u64 ino = gofer_ino(gfs, a->dev, a->qid.path);
    const struct inode_ops *ops = &g_special_ops;
    const struct file_ops *fops = NULL;
    struct gofer_inode *gi = NULL;
    struct gofer_file *gf = NULL;

    switch (a->mode & LINUX_S_IFMT) {
    case LINUX_S_IFREG:
        gf = kcache_alloc(gofer_file);
        gi = gf ? &gf->gi : NULL;
        ops = &g_gofer_file_ops;
        fops = &g_gofer_file_fops;
        break;
    case LINUX_S_IFDIR:
        gi = kcache_alloc(gofer_inode);
        ops = &g_gofer_dir_ops;
        fops = &g_gofer_dir_fops;
        break;
    case LINUX_S_IFLNK:
        gi = kcache_alloc(gofer_inode);
        ops = &g_link_ops;
        break;
    default:
        gi = kcache_alloc(gofer_inode);
        break;
    }
    if (!gi)
        return NULL;
    inode_init(&gi->inode, &gfs->fs, ino, a->mode, ops, fops);
    attr_apply(&gi->inode, a);
    gi->host_dev = a->dev;
    gi->host_ino = a->qid.path;
    list_init(&gi->hash_node);
    list_init(&gi->listing_node);
    atomic_init(&gi->fid, P9_NOFID);
    atomic_init(&gi->target, NULL);
    if (gf)
        gofer_file_init(gf);
    return gi;
}

/* Referenced, or NULL. table_lock is held. */
static struct gofer_inode *find_locked(struct gofer_fs *gfs, const struct p9_attr *a)
{
    struct gofer_inode *gi;

    list_for_each_entry (gi, bucket(gfs, a->dev, a->qid.path), hash_node) {
        if (gi->host_ino == a->qid.path && gi->host_dev == a->dev &&
            inode_type(&gi->inode) == (a->mode & LINUX_S_IFMT) &&
            ref_get_unless_zero(&gi->inode.refs))
            return gi;
    }
    return NULL;
}

struct gofer_inode *gofer_inode_find_dir(struct gofer_fs *gfs, u64 dev, u64 ino)
{
    struct p9_attr a = {.qid.path = ino, .dev = dev, .mode = LINUX_S_IFDIR};
    struct gofer_inode *gi;

    mutex_lock(&gfs->table_lock);
    gi = find_locked(gfs, &a);
    mutex_unlock(&gfs->table_lock);
    return gi;
}

/* A known file that lost the name it was reached by has a new one. */
static int place_renew(struct gofer_inode *gi, struct gofer_inode *parent, const char *name,
                       size_t len)
{
    struct gofer_fs *gfs = gofer_inode_fs(gi);
    int rc = 0;

    rwlock_wrlock(&gfs->place_lock);
    if (!gi->parent)
        rc = gofer_place_set_locked(gi, parent, name, len);
    rwlock_wrunlock(&gfs->place_lock);
    return rc;
}

struct gofer_inode *gofer_inode_get(struct gofer_fs *gfs, const struct p9_attr *a,
                                    struct gofer_inode *parent, const char *name, size_t len)
{
    struct gofer_inode *gi, *raced;

    mutex_lock(&gfs->table_lock);
    gi = find_locked(gfs, a);
    mutex_unlock(&gfs->table_lock);
    if (!gi) {
        gi = inode_alloc(gfs, a);
        if (!gi)
            return NULL;
        if (parent && gofer_place_set_locked(gi, parent, name, len) < 0) {
            inode_put(&gi->inode);
            return NULL;
        }
        mutex_lock(&gfs->table_lock);
        raced = find_locked(gfs, a);
        if (!raced)
            list_add(&gi->hash_node, bucket(gfs, a->dev, a->qid.path));
        mutex_unlock(&gfs->table_lock);
        if (!raced)
            return gi;
        inode_put(&gi->inode);
        gi = raced;
    }
    if (parent && place_renew(gi, parent, name, len) < 0) {
        inode_put(&gi->inode);
        return NULL;
    }
    return gi;
}

void gofer_inode_forget(struct gofer_inode *gi)
{
    struct gofer_fs *gfs = gofer_inode_fs(gi);

    mutex_lock(&gfs->table_lock);
    list_del(&gi->hash_node);
    mutex_unlock(&gfs->table_lock);
}

void gofer_inode_destroy(struct inode *inode)
{
    struct gofer_inode *gi = gofer_inode_of(inode);
    struct gofer_fs *gfs = gofer_inode_fs(gi);
    struct gofer_inode *parent = gi->parent;
    bool is_file = inode_type(inode) == LINUX_S_IFREG;
    u32 fid = atomic_load(&gi->fid);

    gofer_inode_forget(gi);
    gofer_listing_drop(gi);
    if (is_file)
        gofer_file_fini(gofer_file_of(inode));
    /* A file without names takes space on the host until its fid is gone. */
    if (fid != P9_NOFID && fid != P9C_ROOT_FID)
        p9c_clunk(gfs->client, fid, atomic_load(&inode->nlink) == 0);
    kfree(gi->name);
    kfree(atomic_load(&gi->target));
    inode_fini(inode);
    if (is_file)
        kcache_free(gofer_file, gofer_file_of(inode));
    else
        kcache_free(gofer_inode, gi);
    if (parent)
        inode_put(&parent->inode);
}
