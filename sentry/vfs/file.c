/* SPDX-License-Identifier: Apache-2.0 */
/* Open file descriptions: life, and files without a name in a tree. */
#include "abi/linux/fcntl.h"
#include "abi/linux/stat.h"
#include "abi/linux/statfs.h"
#include "cvisor/kcache.h"
#include "sentry/kernel/task.h"
#include "sentry/vfs/internal.h"
#include "sentry/vfs/vfs.h"

#include <errno.h>
#include <string.h>

KCACHE(file);
KCACHE(inode);

struct file *file_alloc(const struct vfs_path *path, u32 flags)
{
    struct file *f = kcache_alloc(file);
    u32 acc = flags & LINUX_O_ACCMODE;

    if (!f)
        return NULL;
    ref_init(&f->refs);
    f->path = *path;
    vfs_path_get(&f->path);
    f->inode = dentry_inode(path->dentry);
    inode_get(f->inode);
    atomic_init(&f->flags, flags & ~(u32)(LINUX_O_CREAT | LINUX_O_EXCL | LINUX_O_NOCTTY |
                                          LINUX_O_TRUNC | LINUX_O_CLOEXEC));
    if (!(flags & LINUX_O_PATH)) {
        f->readable = acc == LINUX_O_RDONLY || acc == LINUX_O_RDWR;
        f->writable = acc == LINUX_O_WRONLY || acc == LINUX_O_RDWR;
    }
    mutex_init(&f->pos_lock, LOCK_FILE_POS);
    mutex_init(&f->ep_lock, LOCK_LEAF);
    list_init(&f->ep_items);
    f->cred = (struct cred *)(uintptr_t)vfs_cred();
    cred_get(f->cred);
    return f;
}

void file_get(struct file *f)
{
    ref_get(&f->refs);
}

void file_put(struct file *f)
{
    if (likely(!ref_put(&f->refs)))
        return;
    /* Under the lock: an instance that goes at this moment may still be taking its item out. */
    mutex_lock(&f->ep_lock);
    bool watched = !list_empty(&f->ep_items);
    mutex_unlock(&f->ep_lock);
    if (watched)
        epoll_file_release(f);
    if (atomic_load_explicit(&f->inode->locks, memory_order_acquire))
        file_locks_release_file(f);
    if (atomic_load_explicit(&f->async, memory_order_relaxed))
        file_async_free(f);
    if (f->ops && f->ops->release)
        f->ops->release(f);
    file_release_access(f);
    inode_put(f->inode);
    vfs_path_put(&f->path);
    cred_put(f->cred);
    kcache_free(file, f);
}

/* ---- anonymous inodes ---------------------------------------------------------------------- */

static void anon_inode_destroy(struct inode *inode)
{
    inode_fini(inode);
    kcache_free(inode, inode);
}

static const struct inode_ops g_anon_inode_ops = {
    .destroy = anon_inode_destroy,
};

static int anon_statfs(struct filesystem *fs, struct linux_statfs *st)
{
    memset(st, 0, sizeof(*st));
    st->f_type = (s64)fs->magic;
    st->f_bsize = st->f_frsize = PAGE_SIZE;
    st->f_namelen = 255;
    return 0;
}

static void anon_destroy(struct filesystem *fs)
{
}

static const struct fs_ops g_anon_fs_ops = {
    .statfs = anon_statfs,
    .destroy = anon_destroy,
};

static struct filesystem g_anon_fs;
static struct mutex g_anon_lock = MUTEX_INIT(LOCK_LEAF);
static atomic_bool g_anon_ready;

struct filesystem *anon_filesystem(void)
{
    if (likely(atomic_load_explicit(&g_anon_ready, memory_order_acquire)))
        return &g_anon_fs;
    mutex_lock(&g_anon_lock);
    if (!atomic_load(&g_anon_ready)) {
        fs_init(&g_anon_fs, "anon_inodefs", LINUX_ANON_INODE_FS_MAGIC, &g_anon_fs_ops,
                FS_NO_DCACHE);
        atomic_store_explicit(&g_anon_ready, true, memory_order_release);
    }
    mutex_unlock(&g_anon_lock);
    return &g_anon_fs;
}

struct inode *anon_inode_new(u32 mode)
{
    struct filesystem *fs = anon_filesystem();
    struct inode *inode = kcache_alloc(inode);
    const struct cred *cred = vfs_cred();

    if (!inode)
        return NULL;
    inode_init(inode, fs, fs_new_ino(fs), mode, &g_anon_inode_ops, NULL);
    atomic_store(&inode->uid, cred->fsuid);
    atomic_store(&inode->gid, cred->fsgid);
    return inode;
}

int file_new_anon(struct inode *inode, const char *name, const struct file_ops *ops, void *priv,
                  u32 flags, struct file **out)
{
    struct vfs_path path = {NULL, dentry_alloc(inode->fs, NULL, name, strlen(name))};
    struct file *f;

    *out = NULL;
    if (!path.dentry) {
        inode_put(inode);
        return -ENOMEM;
    }
    path.dentry->flags |= DENTRY_DISCONNECTED;
    dentry_instantiate(path.dentry, inode);
    f = file_alloc(&path, flags);
    vfs_path_put(&path);
    if (!f)
        return -ENOMEM;
    f->ops = ops;
    f->priv = priv;
    *out = f;
    return 0;
}
