/* SPDX-License-Identifier: Apache-2.0 */
/* chmod, chown, utimes, truncate: who may, and what goes with it (set-id bits, ctime). stat, statfs. */
#include "abi/linux/capability.h"
#include "abi/linux/resource.h"
#include "abi/linux/signal.h"
#include "abi/linux/stat.h"
#include "abi/linux/statfs.h"
#include "sentry/kernel/cred.h"
#include "sentry/kernel/signal.h"
#include "sentry/kernel/task.h"
#include "sentry/mm/mm.h"
#include "sentry/vfs/internal.h"
#include "sentry/vfs/vfs.h"

#include <errno.h>
#include <string.h>

int vfs_stat(const struct vfs_path *p, struct linux_stat *st)
{
    struct inode *inode = dentry_inode(p->dentry);

    if (inode->ops->getattr)
        return inode->ops->getattr(inode, st);
    inode_fill_stat(inode, st);
    return 0;
}

int vfs_statfs(const struct vfs_path *p, struct linux_statfs *st)
{
    struct filesystem *fs = p->dentry->fs;
    u32 flags = p->mnt ? atomic_load(&p->mnt->flags) : 0;
    int err;

    memset(st, 0, sizeof(*st));
    st->f_type = (s64)fs->magic;
    st->f_bsize = PAGE_SIZE;
    st->f_namelen = (s64)fs->max_name;
    err = fs->ops->statfs ? fs->ops->statfs(fs, st) : 0;
    if (err)
        return err;
    if (!st->f_frsize)
        st->f_frsize = st->f_bsize;
    st->f_fsid[0] = (s32)fs->dev;
    st->f_flags = LINUX_ST_VALID | (flags & MOUNT_NOATIME ? LINUX_ST_NOATIME : LINUX_ST_RELATIME);
    if (flags & MOUNT_RDONLY)
        st->f_flags |= LINUX_ST_RDONLY;
    if (flags & MOUNT_NOSUID)
        st->f_flags |= LINUX_ST_NOSUID;
    if (flags & MOUNT_NODEV)
        st->f_flags |= LINUX_ST_NODEV;
    if (flags & MOUNT_NOEXEC)
        st->f_flags |= LINUX_ST_NOEXEC;
    return 0;
}

/* data_lock is held. */
static int setattr_locked(struct inode *inode, const struct iattr *attr)
{
    return inode->ops->setattr ? inode->ops->setattr(inode, attr) : inode_set_attr(inode, attr);
}

/* Set-id bits that a change by someone else takes away from mode. */
static u32 killed_bits(u32 mode)
{
    u32 kill = mode & LINUX_S_ISUID;

    if ((mode & (LINUX_S_ISGID | LINUX_S_IXGRP)) == (LINUX_S_ISGID | LINUX_S_IXGRP))
        kill |= LINUX_S_ISGID;
    return kill;
}

int inode_clear_privs_locked(struct inode *inode)
{
    u32 mode = atomic_load_explicit(&inode->mode, memory_order_relaxed), kill;
    struct iattr attr = {.valid = ATTR_MODE};

    if (likely(!(mode & (LINUX_S_ISUID | LINUX_S_ISGID))) || (mode & LINUX_S_IFMT) != LINUX_S_IFREG)
        return 0;
    kill = killed_bits(mode);
    if (!kill || cred_capable(vfs_cred(), LINUX_CAP_FSETID))
        return 0;
    attr.mode = (mode & ~kill) & LINUX_S_IALLUGO;
    return setattr_locked(inode, &attr);
}

int inode_truncate(struct inode *inode, u64 len)
{
    struct iattr attr = {.valid = ATTR_SIZE, .size = len};
    int err;

    mutex_lock(&inode->data_lock);
    err = inode_clear_privs_locked(inode);
    if (!err)
        err = setattr_locked(inode, &attr);
    mutex_unlock(&inode->data_lock);
    if (!err) /* the rest of the last page is zero now */
        mappable_changed(inode->mappable, len, len + 1);
    return err;
}

static int check_chown(struct inode *inode, const struct iattr *attr, const struct cred *cred)
{
    u32 uid = atomic_load(&inode->uid), gid = atomic_load(&inode->gid);
    bool capable_chown = cred_capable(cred, LINUX_CAP_CHOWN);

    if ((attr->valid & ATTR_UID) && !capable_chown && !(cred->fsuid == uid && attr->uid == uid))
        return -EPERM;
    if ((attr->valid & ATTR_GID) && !capable_chown &&
        !(cred->fsuid == uid && (attr->gid == gid || cred_in_group(cred, attr->gid))))
        return -EPERM;
    return 0;
}

static int check_setattr(struct inode *inode, struct iattr *attr, const struct cred *cred)
{
    int err = check_chown(inode, attr, cred);

    if (err)
        return err;
    if (attr->valid & ATTR_MODE) {
        if (inode_type(inode) == LINUX_S_IFLNK)
            return -EOPNOTSUPP;
        if (!inode_owner_or_capable(inode, cred))
            return -EPERM;
        if (!cred_in_group(cred, atomic_load(&inode->gid)) && !cred_capable(cred, LINUX_CAP_FSETID))
            attr->mode &= ~LINUX_S_ISGID;
    }
    if (attr->valid & ATTR_TIMES_SET)
        return inode_owner_or_capable(inode, cred) ? 0 : -EPERM;
    if ((attr->valid & (ATTR_ATIME | ATTR_MTIME)) && !inode_owner_or_capable(inode, cred))
        return inode_permission(inode, cred, MAY_WRITE);
    return 0;
}

/* The checks and the change are one step: who owns the file, and its mode, stay as they were seen. */
static int check_and_set_locked(struct inode *inode, struct iattr *attr)
{
    int err;

    if ((attr->valid & ATTR_CHOWN) && !inode_is_dir(inode)) {
        u32 mode = atomic_load(&inode->mode), kill = killed_bits(mode);
        if (kill) {
            attr->valid |= ATTR_MODE;
            attr->mode = (mode & ~kill) & LINUX_S_IALLUGO;
        }
    }
    err = check_setattr(inode, attr, vfs_cred());
    if (err)
        return err;
    attr->valid &= ~(ATTR_TIMES_SET | ATTR_CHOWN);
    if (!attr->valid)
        attr->valid = ATTR_CTIME;
    return setattr_locked(inode, attr);
}

int vfs_setattr(const struct vfs_path *p, struct iattr *attr)
{
    struct inode *inode = dentry_inode(p->dentry);
    int err = mount_want_write(p->mnt);

    if (err)
        return err;
    mutex_lock(&inode->data_lock);
    err = check_and_set_locked(inode, attr);
    mutex_unlock(&inode->data_lock);
    return err;
}

static int truncate_inode(struct inode *inode, u64 len)
{
    u64 limit;

    if (len > (u64)INT64_MAX)
        return -EINVAL;
    limit = current ? group_rlimit(current->group, LINUX_RLIMIT_FSIZE) : LINUX_RLIM_INFINITY;
    if (len > limit && len > atomic_load(&inode->size)) {
        signal_send_task(current, LINUX_SIGXFSZ, NULL);
        return -EFBIG;
    }
    return inode_truncate(inode, len);
}

int vfs_truncate(const struct vfs_path *p, u64 len)
{
    struct inode *inode = dentry_inode(p->dentry);
    int err;

    if (inode_is_dir(inode))
        return -EISDIR;
    if (inode_type(inode) != LINUX_S_IFREG)
        return -EINVAL;
    err = mount_want_write(p->mnt);
    if (!err)
        err = inode_permission(inode, vfs_cred(), MAY_WRITE);
    if (!err && atomic_load(&inode->writers) < 0)
        err = -ETXTBSY;
    return err ? err : truncate_inode(inode, len);
}

int vfs_ftruncate(struct file *f, u64 len)
{
    if (inode_type(f->inode) != LINUX_S_IFREG || !f->writable)
        return -EINVAL;
    return truncate_inode(f->inode, len);
}

static bool valid_nsec(s64 ns)
{
    return (ns >= 0 && ns < NSEC_PER_SEC) || ns == LINUX_UTIME_NOW || ns == LINUX_UTIME_OMIT;
}

int vfs_utimes(const struct vfs_path *p, const struct linux_timespec *times)
{
    struct iattr attr = {.valid = ATTR_ATIME | ATTR_MTIME};
    struct linux_timespec now;

    vfs_now(&now);
    attr.atime = attr.mtime = now;
    if (times) {
        if (!valid_nsec(times[0].tv_nsec) || !valid_nsec(times[1].tv_nsec))
            return -EINVAL;
        if (times[0].tv_nsec == LINUX_UTIME_OMIT && times[1].tv_nsec == LINUX_UTIME_OMIT)
            return 0;
        /* Both "now" is what NULL means; anything else is for the owner. */
        if (times[0].tv_nsec != LINUX_UTIME_NOW || times[1].tv_nsec != LINUX_UTIME_NOW)
            attr.valid |= ATTR_TIMES_SET;
        if (times[0].tv_nsec == LINUX_UTIME_OMIT)
            attr.valid &= ~ATTR_ATIME;
        else if (times[0].tv_nsec != LINUX_UTIME_NOW)
            attr.atime = times[0];
        if (times[1].tv_nsec == LINUX_UTIME_OMIT)
            attr.valid &= ~ATTR_MTIME;
        else if (times[1].tv_nsec != LINUX_UTIME_NOW)
            attr.mtime = times[1];
    }
    return vfs_setattr(p, &attr);
}
