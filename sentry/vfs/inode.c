/* SPDX-License-Identifier: Apache-2.0 */
/* Filesystem and inode life, default attributes. */
#include "abi/linux/fcntl.h"
#include "abi/linux/stat.h"
#include "sentry/kernel/cred.h"
#include "sentry/kernel/task.h"
#include "sentry/vfs/internal.h"
#include "sentry/vfs/vfs.h"

#include <errno.h>
#include <string.h>

#define LRU_MAX_DEFAULT 16384

static atomic_ullong g_next_anon_dev = 32; /* minor numbers of anonymous devices */

void fs_init(struct filesystem *fs, const char *type_name, u64 magic, const struct fs_ops *ops,
             u32 flags)
{
    ref_init(&fs->refs);
    fs->type_name = type_name;
    fs->magic = magic;
    fs->ops = ops;
    fs->flags = flags;
    fs->dev = LINUX_MAKEDEV(0, atomic_fetch_add(&g_next_anon_dev, 1));
    fs->max_name = 255;
    rwlock_init(&fs->tree_lock, LOCK_VFS_TREE);
    mutex_init(&fs->rename_lock, LOCK_VFS_RENAME);
    atomic_init(&fs->next_ino, 2);
    list_init(&fs->lru);
    fs->lru_count = 0;
    fs->lru_max = LRU_MAX_DEFAULT;
    fs->hcount = 0;
    atomic_init(&fs->tree_seq, 0);
    dentry_table_init(fs); /* no memory: tried again, or the mount fails */
    atomic_init(&fs->active, 0);
}

void fs_get(struct filesystem *fs)
{
    ref_get(&fs->refs);
}

void fs_put(struct filesystem *fs)
{
    if (!ref_put(&fs->refs))
        return;
    dentry_table_free(fs);
    rwlock_destroy(&fs->tree_lock);
    fs->ops->destroy(fs);
}

/* CLOCK_REALTIME of the sentry. */
void vfs_now(struct linux_timespec *ts)
{
    u64 ns = kernel_now_real();

    ts->tv_sec = (s64)(ns / NSEC_PER_SEC);
    ts->tv_nsec = (s64)(ns % NSEC_PER_SEC);
}

void inode_init(struct inode *inode, struct filesystem *fs, u64 ino, u32 mode,
                const struct inode_ops *ops, const struct file_ops *fops)
{
    ref_init(&inode->refs);
    fs_get(fs);
    inode->fs = fs;
    inode->ino = ino;
    inode->ops = ops;
    inode->fops = fops;
    atomic_init(&inode->mode, mode);
    atomic_init(&inode->uid, 0);
    atomic_init(&inode->gid, 0);
    atomic_init(&inode->nlink, 1);
    atomic_init(&inode->size, 0);
    atomic_init(&inode->blocks, 0);
    inode->rdev = 0;
    inode->blksize = PAGE_SIZE;
    vfs_now(&inode->mtime);
    inode->atime = inode->ctime = inode->btime = inode->mtime;
    mutex_init(&inode->attr_lock, LOCK_ATTR);
    mutex_init(&inode->dir_lock, LOCK_VFS_DIR);
    mutex_init(&inode->data_lock, LOCK_VFS_INODE);
    atomic_init(&inode->writers, 0);
    inode->mappable = NULL;
    atomic_init(&inode->locks, NULL);
    inode->ipc = NULL;
}

void inode_get(struct inode *inode)
{
    ref_get(&inode->refs);
}

void inode_put(struct inode *inode)
{
    if (ref_put(&inode->refs))
        inode->ops->destroy(inode);
}

void inode_fini(struct inode *inode)
{
    struct filesystem *fs = inode->fs;

    file_locks_free(inode);
    inode->fs = NULL;
    fs_put(fs);
}

void inode_fill_stat(struct inode *inode, struct linux_stat *st)
{
    memset(st, 0, sizeof(*st));
    st->st_dev = inode->fs->dev;
    st->st_ino = inode->ino;
    st->st_rdev = inode->rdev;
    st->st_blksize = inode->blksize;
    mutex_lock(&inode->attr_lock);
    st->st_nlink = atomic_load_explicit(&inode->nlink, memory_order_relaxed);
    st->st_mode = atomic_load_explicit(&inode->mode, memory_order_relaxed);
    st->st_uid = atomic_load_explicit(&inode->uid, memory_order_relaxed);
    st->st_gid = atomic_load_explicit(&inode->gid, memory_order_relaxed);
    st->st_size = (s64)atomic_load_explicit(&inode->size, memory_order_relaxed);
    st->st_blocks = (s64)atomic_load_explicit(&inode->blocks, memory_order_relaxed);
    st->st_atime_sec = inode->atime.tv_sec;
    st->st_atime_nsec = (u64)inode->atime.tv_nsec;
    st->st_mtime_sec = inode->mtime.tv_sec;
    st->st_mtime_nsec = (u64)inode->mtime.tv_nsec;
    st->st_ctime_sec = inode->ctime.tv_sec;
    st->st_ctime_nsec = (u64)inode->ctime.tv_nsec;
    mutex_unlock(&inode->attr_lock);
}

int inode_set_attr(struct inode *inode, const struct iattr *attr)
{
    struct linux_timespec now;

    vfs_now(&now);
    mutex_lock(&inode->attr_lock);
    if (attr->valid & ATTR_MODE) {
        u32 type = atomic_load(&inode->mode) & LINUX_S_IFMT;
        atomic_store(&inode->mode, type | (attr->mode & LINUX_S_IALLUGO));
    }
    if (attr->valid & ATTR_UID)
        atomic_store(&inode->uid, attr->uid);
    if (attr->valid & ATTR_GID)
        atomic_store(&inode->gid, attr->gid);
    if (attr->valid & ATTR_SIZE)
        atomic_store(&inode->size, attr->size);
    if (attr->valid & ATTR_ATIME)
        inode->atime = attr->atime;
    if (attr->valid & ATTR_MTIME)
        inode->mtime = attr->mtime;
    else if (attr->valid & ATTR_SIZE)
        inode->mtime = now;
    inode->ctime = now;
    mutex_unlock(&inode->attr_lock);
    return 0;
}

void inode_touch(struct inode *inode, u32 which)
{
    struct linux_timespec now;

    vfs_now(&now);
    mutex_lock(&inode->attr_lock);
    if (which & ATTR_ATIME)
        inode->atime = now;
    if (which & ATTR_MTIME)
        inode->mtime = now;
    if (which & ATTR_CTIME)
        inode->ctime = now;
    mutex_unlock(&inode->attr_lock);
}

void inode_add_nlink(struct inode *inode, int delta)
{
    struct linux_timespec now;

    vfs_now(&now);
    mutex_lock(&inode->attr_lock);
    atomic_store(&inode->nlink, atomic_load(&inode->nlink) + (u32)delta);
    inode->ctime = now;
    mutex_unlock(&inode->attr_lock);
}

static bool ts_before_or_equal(const struct linux_timespec *a, const struct linux_timespec *b)
{
    return a->tv_sec < b->tv_sec || (a->tv_sec == b->tv_sec && a->tv_nsec <= b->tv_nsec);
}

void file_accessed(struct file *f)
{
    struct inode *inode = f->inode;
    struct mount *mnt = f->path.mnt;
    struct linux_timespec now;

    if (atomic_load_explicit(&f->flags, memory_order_relaxed) & LINUX_O_NOATIME)
        return;
    if (mnt &&
        atomic_load_explicit(&mnt->flags, memory_order_relaxed) & (MOUNT_NOATIME | MOUNT_RDONLY))
        return;
    vfs_now(&now);
    mutex_lock(&inode->attr_lock);
    if (ts_before_or_equal(&inode->atime, &inode->mtime) ||
        ts_before_or_equal(&inode->atime, &inode->ctime) ||
        now.tv_sec - inode->atime.tv_sec >= 24 * 3600)
        inode->atime = now;
    mutex_unlock(&inode->attr_lock);
}

void inode_init_owner(struct inode *inode, struct inode *dir, u32 mode)
{
    const struct cred *cred = vfs_cred();
    u32 gid = cred->fsgid;

    if (dir && (atomic_load(&dir->mode) & LINUX_S_ISGID)) {
        gid = atomic_load(&dir->gid);
        if ((mode & LINUX_S_IFMT) == LINUX_S_IFDIR)
            mode |= LINUX_S_ISGID;
        else if ((mode & (LINUX_S_ISGID | LINUX_S_IXGRP)) == (LINUX_S_ISGID | LINUX_S_IXGRP) &&
                 !cred_in_group(cred, gid) && !cred_capable(cred, LINUX_CAP_FSETID))
            mode &= ~LINUX_S_ISGID;
    }
    atomic_store(&inode->uid, cred->fsuid);
    atomic_store(&inode->gid, gid);
    atomic_store(&inode->mode, mode);
}
