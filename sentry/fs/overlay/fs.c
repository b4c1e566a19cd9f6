/* SPDX-License-Identifier: Apache-2.0 */
/* overlay: the filesystem itself. */
#include "sentry/fs/overlay/overlay.h"

#include "abi/linux/statfs.h"
#include "cvisor/kcache.h"
#include "sentry/fs/mounts.h"

#include <errno.h>

KCACHE(ovl_fs);

static int ovl_statfs(struct filesystem *fs, struct linux_statfs *out)
{
    struct filesystem *upper = ovl_fs_of(fs)->upper;

    return upper->ops->statfs ? upper->ops->statfs(upper, out) : 0;
}

static int ovl_sync(struct filesystem *fs)
{
    struct filesystem *upper = ovl_fs_of(fs)->upper;

    return upper->ops->sync ? upper->ops->sync(upper) : 0;
}

/* A layer's dentries go with the root, as after its last umount. */
static void layer_put(struct filesystem *fs, struct dentry *root)
{
    if (!atomic_load(&fs->active))
        dentry_shrink(fs);
    dentry_put(root);
    fs_put(fs);
}

static void ovl_destroy(struct filesystem *fs)
{
    struct ovl_fs *o = ovl_fs_of(fs);

    layer_put(o->upper, o->upper_root);
    for (u32 i = 0; i < OVL_MARK_BUCKETS; i++) {
        struct ovl_mark *m, *n;

        list_for_each_entry_safe (m, n, &o->marks[i], node)
            ovl_mark_free(m);
    }
    layer_put(o->lower, o->lower_root);
    kcache_free(ovl_fs, o);
}

static const struct fs_ops g_ovl_fs_ops = {
    .walk = vfs_walk_generic,
    .statfs = ovl_statfs,
    .sync = ovl_sync,
    .destroy = ovl_destroy,
};

static struct ovl_fs *ovl_fs_alloc(void)
{
    struct ovl_fs *o = kcache_alloc(ovl_fs);

    if (!o)
        return NULL;
    fs_init(&o->fs, "overlay", LINUX_OVERLAYFS_SUPER_MAGIC, &g_ovl_fs_ops, FS_NEGATIVE_DENTRIES);
    o->fs.lru_max = OVL_DENTRIES_MAX;
    mutex_init(&o->table_lock, LOCK_LEAF);
    for (u32 i = 0; i < OVL_LIVE_BUCKETS; i++)
        list_init(&o->live[i]);
    for (u32 i = 0; i < OVL_MARK_BUCKETS; i++)
        list_init(&o->marks[i]);
    atomic_init(&o->nmarks, 0);
    return o;
}

/* The root is in both layers; upper's has the attributes of lower's. A root that is a file, for the
 * mount of one, is copied up like others. */
static int make_root(struct ovl_fs *o, struct dentry **root)
{
    struct inode *upper = dentry_inode(o->upper_root), *lower = dentry_inode(o->lower_root);
    struct iattr attr = {.valid = ATTR_MODE | ATTR_UID | ATTR_GID | ATTR_ATIME | ATTR_MTIME,
                         .mode = atomic_load(&lower->mode) & LINUX_S_IALLUGO,
                         .uid = atomic_load(&lower->uid),
                         .gid = atomic_load(&lower->gid),
                         .atime = lower->atime,
                         .mtime = lower->mtime};
    struct dentry *d = dentry_alloc(&o->fs, NULL, "", 0);
    struct ovl_inode *oi = ovl_inode_alloc();
    struct ovl_mark *mark = ovl_mark_alloc(o->lower_root);
    int err = d && oi && mark ? ovl_real_setattr(upper, &attr) : -ENOMEM;

    if (err) {
        ovl_mark_free(mark);
        ovl_inode_free(oi);
        if (d)
            dentry_put(d);
        return err;
    }
    dentry_get(o->lower_root);
    ovl_inode_of_lower(o, o->lower_root, NULL, oi);
    if (inode_is_dir(lower)) {
        inode_get(upper);
        dentry_get(o->upper_root);
        ovl_inode_set_upper(oi, upper, o->upper_root, mark);
        ovl_sync_attrs(oi);
    } else {
        ovl_mark_free(mark);
    }
    dentry_instantiate(d, &oi->inode);
    *root = d;
    return 0;
}

int overlay_fs_new(struct filesystem *upper, struct dentry *upper_root, struct filesystem *lower,
                   struct dentry *lower_root, struct filesystem **fs, struct dentry **root)
{
    struct ovl_fs *o;
    int err = 0;

    if (!(upper->flags & FS_PIN_DENTRIES) || !inode_is_dir(dentry_inode(upper_root)))
        err = -EINVAL;
    o = err ? NULL : ovl_fs_alloc();
    if (!o) {
        layer_put(upper, upper_root);
        layer_put(lower, lower_root);
        return err ? err : -ENOMEM;
    }
    o->upper = upper;
    o->upper_root = upper_root;
    o->lower = lower;
    o->lower_root = lower_root;
    /* Each cached overlay dentry may keep one of lower's. */
    if (lower->lru_max < OVL_DENTRIES_MAX + OVL_DENTRIES_MAX / 4)
        lower->lru_max = OVL_DENTRIES_MAX + OVL_DENTRIES_MAX / 4;
    err = make_root(o, root);
    if (err) {
        fs_put(&o->fs);
        return err;
    }
    *fs = &o->fs;
    return 0;
}
