/* SPDX-License-Identifier: Apache-2.0 */
/* tmpfs inodes: life, attributes, symlinks. */
#include "abi/linux/fcntl.h"
#include "abi/linux/stat.h"
#include "cvisor/kcache.h"
#include "sentry/fs/tmpfs/tmpfs_internal.h"

#include <errno.h>

KCACHE(tmpfs_inode);

static bool charge_inode(struct tmpfs *t)
{
    u64 used = atomic_load(&t->used_inodes);

    do {
        if (used >= t->max_inodes)
            return false;
    } while (!atomic_compare_exchange_weak(&t->used_inodes, &used, used + 1));
    return true;
}

int tmpfs_inode_new(struct filesystem *fs, struct inode *dir, u32 mode, u64 rdev,
                    struct tmpfs_inode **out)
{
    struct tmpfs *t = tmpfs_of(fs);
    bool is_dir = (mode & LINUX_S_IFMT) == LINUX_S_IFDIR;
    struct tmpfs_inode *ti;

    if (!charge_inode(t))
        return -ENOSPC;
    ti = kcache_alloc(tmpfs_inode);
    if (!ti) {
        atomic_fetch_sub(&t->used_inodes, 1);
        return -ENOMEM;
    }
    inode_init(&ti->inode, fs, dir || !is_dir ? fs_new_ino(fs) : 1, mode,
               is_dir ? &g_tmpfs_dir_inode_ops : &g_tmpfs_inode_ops, NULL);
    ti->inode.rdev = rdev;
    if (dir)
        inode_init_owner(&ti->inode, dir, mode);
    list_init(&ti->xattrs);
    mutex_init(&ti->cache_lock, LOCK_FILE_DATA);
    rangetree_init(&ti->extents);
    rangetree_init(&ti->entries);
    ti->next_cookie = 2;
    atomic_init(&ti->seals, LINUX_F_SEAL_SEAL);
    if (is_dir) {
        ti->inode.fops = &g_tmpfs_dir_ops;
        atomic_store(&ti->inode.nlink, 2);
    } else if ((mode & LINUX_S_IFMT) == LINUX_S_IFREG) {
        ti->inode.fops = &g_tmpfs_file_ops;
        mappable_init(&ti->map, &g_tmpfs_mappable_ops);
        ti->inode.mappable = &ti->map;
    }
    *out = ti;
    return 0;
}

void tmpfs_inode_destroy(struct inode *inode)
{
    struct tmpfs_inode *ti = tmpfs_i(inode);
    struct tmpfs *t = tmpfs_of(inode->fs);

    /* A directory with entries goes only with its whole filesystem. */
    tmpfs_dirents_free(ti);
    if (inode->mappable)
        BUG_ON(tmpfs_drop(ti, 0, ~0ull & PAGE_MASK) != 0);
    tmpfs_xattr_free(ti);
    kfree(ti->target);
    atomic_fetch_sub(&t->used_inodes, 1);
    inode_fini(inode);
    kcache_free(tmpfs_inode, ti);
}

int tmpfs_getattr(struct inode *inode, struct linux_stat *st)
{
    inode_fill_stat(inode, st);
    if (inode->mappable)
        st->st_blocks = (s64)tmpfs_blocks(tmpfs_i(inode));
    return 0;
}

int tmpfs_setattr(struct inode *inode, const struct iattr *attr)
{
    struct tmpfs_inode *ti = tmpfs_i(inode);
    u32 seals = atomic_load(&ti->seals);
    int err = 0;

    if ((attr->valid & ATTR_MODE) && (seals & LINUX_F_SEAL_EXEC) &&
        ((attr->mode ^ atomic_load(&inode->mode)) & 0111))
        return -EPERM;
    if (attr->valid & ATTR_SIZE) {
        u64 size = atomic_load(&inode->size);
        if ((attr->size < size && (seals & LINUX_F_SEAL_SHRINK)) ||
            (attr->size > size && (seals & LINUX_F_SEAL_GROW)))
            return -EPERM;
        err = tmpfs_truncate(ti, attr->size);
    }
    return err ? err : inode_set_attr(inode, attr);
}

static int tmpfs_readlink(struct inode *inode, char **target)
{
    *target = kstrdup(tmpfs_i(inode)->target);
    return *target ? 0 : -ENOMEM;
}

/* Everything but directories. */
const struct inode_ops g_tmpfs_inode_ops = {
    .readlink = tmpfs_readlink,
    .getattr = tmpfs_getattr,
    .setattr = tmpfs_setattr,
    .getxattr = tmpfs_getxattr,
    .setxattr = tmpfs_setxattr,
    .listxattr = tmpfs_listxattr,
    .removexattr = tmpfs_removexattr,
    .destroy = tmpfs_inode_destroy,
};
