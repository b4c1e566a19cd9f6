/* SPDX-License-Identifier: Apache-2.0 */
/* Files without a name: shared anonymous memory, SysV segments, memfds and their seals. */
#include "abi/linux/fcntl.h"
#include "abi/linux/memfd.h"
#include "abi/linux/stat.h"
#include "cvisor/kcache.h"
#include "cvisor/lock.h"
#include "sentry/fs/tmpfs/tmpfs_internal.h"
#include "sentry/kernel/cred.h"

#include <errno.h>
#include <string.h>

static struct mutex g_shmem_lock = MUTEX_INIT(LOCK_VFS_MOUNT_CHANGE);
static _Atomic(struct filesystem *) g_shmem_fs; /* made on first use, lives forever */

/* An internal tmpfs, bounded by the memory file only. */
static struct filesystem *shmem_fs(void)
{
    struct tmpfs_options opt = {.size = memory_file_limit(), .inodes = 1u << 24, .mode = 0777};
    struct filesystem *fs = atomic_load_explicit(&g_shmem_fs, memory_order_acquire);
    struct dentry *root;

    if (fs)
        return fs;
    mutex_lock(&g_shmem_lock);
    fs = atomic_load(&g_shmem_fs);
    if (!fs && !tmpfs_fs_new("tmpfs", &opt, &fs, &root))
        atomic_store_explicit(&g_shmem_fs, fs, memory_order_release);
    mutex_unlock(&g_shmem_lock);
    return fs;
}

/* name as the guest gave it: /proc shows "/name (deleted)". */
static int file_new(const char *name, u32 mode, u64 size, bool anonymous, u32 seals,
                    struct file **out)
{
    struct filesystem *fs = shmem_fs();
    const struct cred *cred = vfs_cred();
    char *shown __kfree = kasprintf("/%s (deleted)", name);
    struct tmpfs_inode *ti;
    int err;

    *out = NULL;
    if (!fs || !shown)
        return -ENOMEM;
    err = tmpfs_inode_new(fs, NULL, LINUX_S_IFREG | mode, 0, &ti);
    if (err)
        return err;
    atomic_store(&ti->inode.uid, cred->fsuid);
    atomic_store(&ti->inode.gid, cred->fsgid);
    atomic_store(&ti->inode.nlink, 0);
    atomic_store(&ti->inode.size, size);
    atomic_store(&ti->seals, seals);
    ti->anonymous = anonymous;
    err = file_new_anon(&ti->inode, shown, &g_tmpfs_file_ops, NULL,
                        LINUX_O_RDWR | LINUX_O_LARGEFILE, out);
    if (!err)
        (*out)->seekable = true;
    return err;
}

int shmem_file_new(const char *name, u64 size, u32 flags, struct file **out)
{
    if (size > (u64)INT64_MAX)
        return -EINVAL;
    if (size > memory_file_limit() && !(flags & VMA_NORESERVE))
        return -ENOMEM;
    return file_new(name ? name : "dev/zero", 0777, size, true, LINUX_F_SEAL_SEAL, out);
}

int memfd_file_new(const char *name, u32 flags, struct file **out)
{
    u32 seals = flags & LINUX_MFD_ALLOW_SEALING ? 0 : LINUX_F_SEAL_SEAL, mode = 0777;

    if (flags & LINUX_MFD_NOEXEC_SEAL) {
        mode = 0666;
        seals = LINUX_F_SEAL_EXEC;
    }
    return file_new(name, mode, 0, false, seals, out);
}

static struct tmpfs_inode *sealable(struct file *f)
{
    /* Not through an overlay: that is another kind of file. */
    if (f->ops != &g_tmpfs_file_ops || f->path.dentry->fs != f->inode->fs)
        return NULL;
    return tmpfs_i(f->inode);
}

int memfd_add_seals(struct file *f, u32 add)
{
    struct tmpfs_inode *ti = sealable(f);
    int err = 0;

    if (!ti)
        return -EINVAL;
    if (!f->writable)
        return -EPERM;
    if (add & ~(u32)(LINUX_F_SEAL_SEAL | LINUX_F_SEAL_SHRINK | LINUX_F_SEAL_GROW |
                     LINUX_F_SEAL_WRITE | LINUX_F_SEAL_FUTURE_WRITE | LINUX_F_SEAL_EXEC))
        return -EINVAL;
    mutex_lock(&f->inode->data_lock);
    if (atomic_load(&ti->seals) & LINUX_F_SEAL_SEAL) {
        err = -EPERM;
    } else if ((add & LINUX_F_SEAL_WRITE) &&
               !(atomic_fetch_or(&ti->seals, LINUX_F_SEAL_WRITE) & LINUX_F_SEAL_WRITE) &&
               mappable_has_writable(&ti->map)) {
        /* First the seal, then the look: a mapping that comes now is seen here, or sees the seal
         * in translate(). */
        atomic_fetch_and(&ti->seals, ~(u32)LINUX_F_SEAL_WRITE);
        err = -EBUSY;
    }
    if (!err && (add & LINUX_F_SEAL_EXEC) && (atomic_load(&f->inode->mode) & 0111))
        add |= LINUX_F_SEAL_SHRINK | LINUX_F_SEAL_GROW | LINUX_F_SEAL_WRITE |
               LINUX_F_SEAL_FUTURE_WRITE;
    if (!err)
        atomic_fetch_or(&ti->seals, add);
    mutex_unlock(&f->inode->data_lock);
    return err;
}

int memfd_get_seals(struct file *f)
{
    struct tmpfs_inode *ti = sealable(f);

    return ti ? (int)atomic_load(&ti->seals) : -EINVAL;
}
