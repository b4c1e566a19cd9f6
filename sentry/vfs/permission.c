/* SPDX-License-Identifier: Apache-2.0 */
/* Who may do what: mode bits, capabilities, sticky directories, read-only mounts. */
#include "abi/linux/capability.h"
#include "abi/linux/stat.h"
#include "sentry/kernel/cred.h"
#include "sentry/kernel/task.h"
#include "sentry/vfs/internal.h"
#include "sentry/vfs/vfs.h"

#include <errno.h>

/* The sentry's own threads (boot): root with every capability. Never freed. */
static struct cred g_kernel_cred = {
    /* not const: its references are counted */
    .refs = {1},
    .cap_effective = ~0ull,
    .cap_permitted = ~0ull,
    .cap_bounding = ~0ull,
};

const struct cred *vfs_cred(void)
{
    return current && current->cred ? current->cred : &g_kernel_cred;
}

int inode_permission_generic(struct inode *inode, const struct cred *cred, u32 may)
{
    u32 mode = atomic_load_explicit(&inode->mode, memory_order_relaxed), bits = mode;

    if (cred->fsuid == atomic_load_explicit(&inode->uid, memory_order_relaxed))
        bits >>= 6;
    else if (((mode >> 3) & 7) != (mode & 7) &&
             cred_in_group(cred, atomic_load_explicit(&inode->gid, memory_order_relaxed)))
        bits >>= 3;
    if (likely((may & ~bits & 7) == 0))
        return 0;
    if ((mode & LINUX_S_IFMT) == LINUX_S_IFDIR) {
        if (!(may & MAY_WRITE) && cred_capable(cred, LINUX_CAP_DAC_READ_SEARCH))
            return 0;
        return cred_capable(cred, LINUX_CAP_DAC_OVERRIDE) ? 0 : -EACCES;
    }
    if (may == MAY_READ && cred_capable(cred, LINUX_CAP_DAC_READ_SEARCH))
        return 0;
    /* A file that nobody may execute is not executable for root either. */
    if ((!(may & MAY_EXEC) || (mode & 0111)) && cred_capable(cred, LINUX_CAP_DAC_OVERRIDE))
        return 0;
    return -EACCES;
}

int inode_permission(struct inode *inode, const struct cred *cred, u32 may)
{
    if (!may)
        return 0;
    if (inode->ops->permission)
        return inode->ops->permission(inode, cred, may);
    return inode_permission_generic(inode, cred, may);
}

bool inode_owner_or_capable(struct inode *inode, const struct cred *cred)
{
    return cred->fsuid == atomic_load(&inode->uid) || cred_capable(cred, LINUX_CAP_FOWNER);
}

int mount_want_write(const struct mount *mnt)
{
    if (mnt && (atomic_load_explicit(&mnt->flags, memory_order_relaxed) & MOUNT_RDONLY))
        return -EROFS;
    return 0;
}

int dir_may_change(struct inode *dir, const struct cred *cred)
{
    return inode_permission(dir, cred, MAY_WRITE | MAY_EXEC);
}

int dir_may_delete(struct inode *dir, struct inode *victim, const struct cred *cred)
{
    int err = dir_may_change(dir, cred);

    if (err || !victim || !(atomic_load(&dir->mode) & LINUX_S_ISVTX))
        return err;
    if (cred->fsuid == atomic_load(&victim->uid) || cred->fsuid == atomic_load(&dir->uid) ||
        cred_capable(cred, LINUX_CAP_FOWNER))
        return 0;
    return -EPERM;
}

int vfs_access(const struct vfs_path *p, u32 may, const struct cred *cred)
{
    struct inode *inode = dentry_inode(p->dentry);
    u32 type = inode_type(inode);
    int err;

    if ((may & MAY_EXEC) && type == LINUX_S_IFREG && p->mnt &&
        (atomic_load(&p->mnt->flags) & MOUNT_NOEXEC))
        return -EACCES;
    err = inode_permission(inode, cred, may);
    if (err || !(may & MAY_WRITE))
        return err;
    if (type == LINUX_S_IFREG || type == LINUX_S_IFDIR || type == LINUX_S_IFLNK)
        return mount_want_write(p->mnt);
    return 0;
}
