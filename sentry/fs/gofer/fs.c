/* SPDX-License-Identifier: Apache-2.0 */
/* gofer: the filesystem: mounting, statfs, sync, end. */
#include "sentry/fs/gofer/gofer_fs.h"

#include "abi/linux/statfs.h"
#include "cvisor/host.h"
#include "cvisor/kcache.h"
#include "sentry/fs/mounts.h"

#include <errno.h>
#include <stdio.h>

KCACHE(gofer_fs);

static int fs_statfs(struct filesystem *fs, struct linux_statfs *out)
{
    int rc = p9c_statfs(gofer_fs_of(fs)->client, P9C_ROOT_FID, out);

    out->f_type = (s64)fs->magic;
    return rc;
}

/* The next file of a bucket with written data, referenced; *skip counts those done. */
static struct gofer_file *next_written(struct gofer_fs *gfs, u32 bucket, u32 *skip)
{
    struct gofer_inode *gi;
    struct gofer_file *gf = NULL;
    u32 i = 0;

    mutex_lock(&gfs->table_lock);
    list_for_each_entry (gi, &gfs->table[bucket], hash_node) {
        if (i++ < *skip)
            continue;
        ++*skip;
        if (inode_type(&gi->inode) != LINUX_S_IFREG)
            continue;
        gf = container_of(gi, struct gofer_file, gi);
        if (gofer_file_write_fd(gf) >= 0 && ref_get_unless_zero(&gi->inode.refs))
            break;
        gf = NULL;
    }
    mutex_unlock(&gfs->table_lock);
    return gf;
}

static int fs_sync(struct filesystem *fs)
{
    struct gofer_fs *gfs = gofer_fs_of(fs);
    int rc = 0;

    for (u32 b = 0; b < GOFER_TABLE_SIZE; b++) {
        struct gofer_file *gf;
        u32 skip = 0;

        while ((gf = next_written(gfs, b, &skip))) {
            /* Open for ourselves, so that the descriptor stays. */
            int err = gofer_file_open(gf, false, true);

            if (err == 0) {
                err = host_fsync(gofer_file_write_fd(gf));
                gofer_file_close(gf);
            }
            if (rc == 0)
                rc = err;
            inode_put(&gf->gi.inode);
        }
    }
    return rc;
}

static void fs_destroy(struct filesystem *fs)
{
    struct gofer_fs *gfs = gofer_fs_of(fs);

    gofer_ahead_clear_files(gfs);
    gofer_ahead_clear_lists(gfs);
    p9c_close(gfs->client);
    rwlock_destroy(&gfs->place_lock);
    kcache_free(gofer_fs, gfs);
}

static void fs_show_options(struct filesystem *fs, char *buf, size_t n)
{
    static const char *const modes[] = {[GOFER_EXCLUSIVE] = "exclusive"};

    snprintf(buf, n, ",trans=fd,cache=%s", modes[gofer_fs_of(fs)->mode]);
}

static const struct fs_ops g_gofer_fs_ops = {
    .walk = vfs_walk_generic,
    .statfs = fs_statfs,
    .sync = fs_sync,
    .destroy = fs_destroy,
    .show_options = fs_show_options,
};

static void gofer_fs_init(struct gofer_fs *gfs, struct p9_client *client)
{
    fs_init(&gfs->fs, "9p", LINUX_V9FS_MAGIC, &g_gofer_fs_ops,
            FS_NEGATIVE_DENTRIES | FS_UNLINK_BY_NAME);
    gfs->fs.lru_max = GOFER_DENTRIES_MAX;
    gfs->client = client;
    gfs->mode = GOFER_EXCLUSIVE;
    rwlock_init(&gfs->place_lock, LOCK_GOFER_FID);
    mutex_init(&gfs->table_lock, LOCK_LEAF);
    mutex_init(&gfs->fd_lock, LOCK_LEAF);
    mutex_init(&gfs->listing_lock, LOCK_LEAF);
    for (u32 i = 0; i < GOFER_TABLE_SIZE; i++)
        list_init(&gfs->table[i]);
    list_init(&gfs->idle);
    list_init(&gfs->listings);
    for (u32 i = 0; i < GOFER_AHEAD_BUCKETS; i++)
        list_init(&gfs->ahead[i]);
    list_init(&gfs->ahead_fifo);
    for (u32 i = 0; i < GOFER_AHEAD_FDS; i++)
        gfs->ahead_fds[i].fd = -1;
    atomic_init(&gfs->attrs_credit, GOFER_ATTRS_CREDIT);
    atomic_init(&gfs->open_epoch, 1);
}

static int make_root(struct gofer_fs *gfs, struct dentry **root)
{
    struct p9_attr attr;
    struct p9c_walk w = {.self = true, .newfid = P9_NOFID, .attrs = &attr};
    struct gofer_inode *gi;
    struct dentry *d;
    int rc = p9c_walk(gfs->client, P9C_ROOT_FID, &w);

    if (rc == 0)
        rc = w.err;
    if (rc < 0)
        return rc;
    gi = gofer_inode_get(gfs, &attr, NULL, NULL, 0);
    if (!gi)
        return -ENOMEM;
    atomic_store(&gi->fid, P9C_ROOT_FID);
    d = dentry_alloc(&gfs->fs, NULL, "", 0);
    if (!d) {
        inode_put(&gi->inode);
        return -ENOMEM;
    }
    dentry_instantiate(d, &gi->inode);
    *root = d;
    return 0;
}

int gofer_fs_new(int sock, bool readonly, struct filesystem **fs, struct dentry **root)
{
    struct gofer_fs *gfs = kcache_alloc(gofer_fs);
    struct p9_client *client;
    int rc = -ENOMEM;

    if (gfs)
        rc = p9c_open(sock, &client);
    if (rc < 0) {
        host_close(sock);
        kcache_free(gofer_fs, gfs);
        return rc;
    }
    gofer_fs_init(gfs, client);
    rc = make_root(gfs, root);
    if (rc < 0) {
        fs_put(&gfs->fs);
        return rc;
    }
    *fs = &gfs->fs;
    return 0;
}
