/* SPDX-License-Identifier: Apache-2.0 */
/* open: lookup or creation of the last component, checks, and the dispatch to what the inode is. */
#include "abi/linux/fcntl.h"
#include "abi/linux/stat.h"
#include "sentry/fs/dev/chrdev.h"
#include "sentry/fs/pipe/pipe.h"
#include "sentry/kernel/cred.h"
#include "sentry/kernel/task.h"
#include "sentry/vfs/internal.h"
#include "sentry/vfs/vfs.h"

#include <errno.h>

static const struct file_ops g_empty_fops; /* nothing can be done with it */

/* ---- who writes and who executes (ETXTBSY) --------------------------------------------------- */

static int count_access(struct inode *inode, int delta)
{
    int n = atomic_load(&inode->writers);

    do {
        if ((delta > 0 && n < 0) || (delta < 0 && n > 0))
            return -ETXTBSY;
    } while (!atomic_compare_exchange_weak(&inode->writers, &n, n + delta));
    return 0;
}

void file_release_access(struct file *f)
{
    if (f->counted_writer)
        atomic_fetch_sub(&f->inode->writers, 1);
    if (f->deny_write)
        atomic_fetch_add(&f->inode->writers, 1);
    f->counted_writer = f->deny_write = false;
}

void file_allow_write(struct file *f)
{
    if (f->deny_write)
        file_release_access(f);
}

/* ---- opening what was found ------------------------------------------------------------------ */

struct open_req {
    u32 flags, mode;
    u32 acc; /* MAY_* that is checked on an existing file */
};

static int check_type(const struct open_req *rq, const struct vfs_path *p, u32 type)
{
    switch (type) {
    case LINUX_S_IFLNK:
        return -ELOOP;
    case LINUX_S_IFDIR:
        return rq->acc & MAY_WRITE ? -EISDIR : 0;
    case LINUX_S_IFCHR:
    case LINUX_S_IFBLK:
        return p->mnt && (atomic_load(&p->mnt->flags) & MOUNT_NODEV) ? -EACCES : 0;
    default:
        return 0;
    }
}

/* may_open() of an existing file. */
static int check_open(const struct open_req *rq, const struct vfs_path *p)
{
    struct inode *inode = dentry_inode(p->dentry);
    const struct cred *cred = vfs_cred();
    u32 type = inode_type(inode);
    int err = check_type(rq, p, type);

    if (err)
        return err;
    err = inode_permission(inode, cred, rq->acc);
    if (err)
        return err;
    if ((rq->acc & MAY_WRITE) && (type == LINUX_S_IFREG || type == LINUX_S_IFDIR)) {
        err = mount_want_write(p->mnt);
        if (err)
            return err;
    }
    if ((rq->flags & LINUX_O_NOATIME) && !inode_owner_or_capable(inode, cred))
        return -EPERM;
    return 0;
}

static int dispatch(struct inode *inode, struct file *f)
{
    int err;

    switch (inode_type(inode)) {
    case LINUX_S_IFCHR:
    case LINUX_S_IFBLK:
        err = chrdev_open(inode, f);
        if (err != -ENXIO || !inode->ops->open)
            return err;
        break;
    case LINUX_S_IFIFO:
        if (!inode->ops->open) {
            f->seekable = false;
            return pipe_fifo_open(inode, f);
        }
        break;
    case LINUX_S_IFSOCK:
        if (!inode->ops->open)
            return -ENXIO;
        break;
    default:
        break;
    }
    f->ops = inode->fops;
    if (inode->ops->open)
        return inode->ops->open(inode, f->path.dentry, f);
    return f->ops ? 0 : -ENXIO;
}

/* Everything after the checks. */
static int open_path(const struct open_req *rq, const struct vfs_path *p, struct file **out)
{
    struct inode *inode = dentry_inode(p->dentry);
    u32 type = inode_type(inode);
    struct file *f = file_alloc(p, rq->flags);
    int err = 0;

    if (!f)
        return -ENOMEM;
    if (rq->flags & LINUX_O_PATH) {
        f->ops = &g_empty_fops;
        *out = f;
        return 0;
    }
    f->seekable = true;
    if (f->writable && type == LINUX_S_IFREG) {
        err = count_access(inode, 1);
        f->counted_writer = !err;
    }
    /* The filesystem's open() may want to know: an overlay copies no data up then. */
    if (rq->flags & LINUX_O_TRUNC)
        atomic_fetch_or(&f->flags, LINUX_O_TRUNC);
    if (!err)
        err = dispatch(inode, f);
    if (rq->flags & LINUX_O_TRUNC)
        atomic_fetch_and(&f->flags, ~(u32)LINUX_O_TRUNC);
    if (!err && f->inode != inode && f->counted_writer) {
        /* The filesystem put another inode there: the count belongs to that one. */
        atomic_fetch_sub(&inode->writers, 1);
        atomic_fetch_add(&f->inode->writers, 1);
    }
    if (err) {
        f->ops = NULL; /* nothing to release */
        if (f->counted_writer && f->inode != inode) {
            atomic_fetch_sub(&inode->writers, 1);
            f->counted_writer = false;
        }
        file_put(f);
        return err;
    }
    if (!f->ops)
        f->ops = &g_empty_fops;
    *out = f;
    return 0;
}

static int open_existing(const struct open_req *rq, const struct vfs_path *p, struct file **out)
{
    struct inode *inode = dentry_inode(p->dentry);
    u32 type = inode_type(inode);
    int err;

    if ((rq->flags & LINUX_O_DIRECTORY) && type != LINUX_S_IFDIR)
        return -ENOTDIR;
    if (rq->flags & LINUX_O_PATH)
        return open_path(rq, p, out);
    err = check_open(rq, p);
    if (err)
        return err;
    err = open_path(rq, p, out);
    if (err || !(rq->flags & LINUX_O_TRUNC) || type != LINUX_S_IFREG)
        return err;
    err = inode_truncate((*out)->inode, 0);
    if (err) {
        file_put(*out);
        *out = NULL;
    }
    return err;
}

/* ---- O_CREAT ----------------------------------------------------------------------------------- */

/*
 * Looks the last component up in the (referenced) parent rp->cur and creates it when it is not there.
 * dir_lock is held.
 */
static int create_locked(struct vfs_rp *rp, const struct open_req *rq, struct dentry **out,
                         bool *created)
{
    struct inode *dir = dentry_inode(rp->cur.dentry);
    struct dentry *d;
    int err = dentry_lookup_locked(rp->cur.dentry, rp->last, rp->last_len, &d);

    if (err)
        return err;
    *out = d;
    if (dentry_inode(d))
        return 0;
    if (rp->cur.dentry->flags & DENTRY_DEAD)
        err = -ENOENT;
    if (!err)
        err = mount_want_write(rp->cur.mnt);
    if (!err)
        err = dir_may_change(dir, rp->cred);
    if (!err && !dir->ops->create)
        err = -EACCES;
    if (!err)
        err = dir->ops->create(dir, d, rq->mode | LINUX_S_IFREG);
    if (err) {
        *out = NULL;
        dentry_put(d);
        return err;
    }
    dentry_hash(d);
    *created = true;
    return 0;
}

/* The last component of rp: an owned path in rp->cur. 1 = a symlink was followed, once more. */
static int create_step(struct vfs_rp *rp, const struct open_req *rq, bool *created)
{
    struct dentry *parent = rp->cur.dentry, *d = NULL;
    struct inode *dir = dentry_inode(parent), *inode;
    int err;

    if (rp->last_type != RP_LAST_NORMAL) {
        if (rq->flags & LINUX_O_EXCL)
            return -EEXIST;
        /* "/", or the target of a magic link (/proc/self/fd/1), which has no parent. */
        return rp->last_type == RP_LAST_ROOT ? 0 : -EISDIR;
    }
    if (rp->trailing_slash)
        return -EISDIR;
    if (rp->last_len > parent->fs->max_name)
        return -ENAMETOOLONG;
    if (!(parent->fs->flags & FS_REVALIDATE)) {
        d = dentry_find(parent, rp->last, rp->last_len);
        if (d && !dentry_inode(d)) {
            dentry_put(d);
            d = NULL;
        }
    }
    if (!d) {
        mutex_lock(&dir->dir_lock);
        err = create_locked(rp, rq, &d, created);
        mutex_unlock(&dir->dir_lock);
        if (err)
            return err;
    }
    inode = dentry_inode(d);
    if (!*created) {
        if (rq->flags & LINUX_O_EXCL)
            err = -EEXIST;
        else if (inode_type(inode) != LINUX_S_IFLNK)
            err = 0;
        else if (rq->flags & LINUX_O_NOFOLLOW)
            err = -ELOOP;
        else
            err = 1;
        if (err > 0)
            err = vfs_rp_continue_link(rp, d) ?: 1;
        if (err) {
            dentry_put(d);
            return err;
        }
    }
    vfs_rp_move(rp, d);
    return dentry_is_mountpoint(d) ? vfs_rp_cross_mounts(rp) : 0;
}

static int open_create(int dirfd, const char *path, const struct open_req *rq, u32 rp_flags,
                       struct file **out)
{
    struct vfs_rp rp;
    struct open_req done = *rq;
    bool created = false;
    int err = vfs_resolve_parent(dirfd, path, rp_flags, &rp);

    if (err)
        return err;
    do {
        err = create_step(&rp, rq, &created);
    } while (err > 0);
    if (!err && !created && inode_is_dir(dentry_inode(rp.cur.dentry)))
        err = -EISDIR;
    if (!err && created) {
        done.flags &= ~(u32)LINUX_O_TRUNC;
        err = open_path(&done, &rp.cur, out);
    } else if (!err) {
        err = open_existing(rq, &rp.cur, out);
    }
    vfs_rp_done(&rp);
    return err;
}

/* ---- O_TMPFILE --------------------------------------------------------------------------------- */

static int open_tmpfile(int dirfd, const char *path, const struct open_req *rq, u32 rp_flags,
                        struct file **out)
{
    struct vfs_path dir, p;
    struct inode *di, *inode = NULL;
    char name[24] = "#", *s = name + sizeof(name);
    u64 ino;
    int err = vfs_resolve(dirfd, path, rp_flags | RP_DIRECTORY, &dir);

    if (err)
        return err;
    di = dentry_inode(dir.dentry);
    err = inode_permission(di, vfs_cred(), MAY_WRITE | MAY_EXEC);
    if (!err)
        err = mount_want_write(dir.mnt);
    if (!err && !di->ops->tmpfile)
        err = -EOPNOTSUPP;
    if (!err) {
        mutex_lock(&di->dir_lock);
        err = di->ops->tmpfile(di, rq->mode | LINUX_S_IFREG, &inode);
        mutex_unlock(&di->dir_lock);
    }
    if (!err) {
        for (ino = inode->ino; ino; ino /= 10)
            *--s = (char)('0' + ino % 10);
        *--s = '#';
        p.mnt = dir.mnt;
        p.dentry = dentry_alloc(di->fs, dir.dentry, s, (size_t)(name + sizeof(name) - s));
        if (!p.dentry) {
            inode_put(inode);
            err = -ENOMEM;
        } else {
            dentry_instantiate(p.dentry, inode);
            err = open_path(rq, &p, out);
            dentry_put(p.dentry);
        }
    }
    vfs_path_put(&dir);
    return err;
}

/* ---- entry ------------------------------------------------------------------------------------- */

static u32 acc_of(u32 flags)
{
    static const u8 map[4] = {MAY_READ, MAY_WRITE, MAY_READ | MAY_WRITE, MAY_READ | MAY_WRITE};
    u32 acc = map[flags & LINUX_O_ACCMODE];

    if (flags & LINUX_O_TRUNC)
        acc |= MAY_WRITE;
    return acc;
}

int vfs_open(int dirfd, const char *path, u32 flags, u32 mode, u32 resolve, struct file **out)
{
    struct open_req rq = {.flags = flags};
    struct vfs_path p;
    u32 rp_flags = resolve;
    int err;

    *out = NULL;
    if (flags & LINUX_O_PATH) {
        rq.flags = flags & (LINUX_O_PATH | LINUX_O_DIRECTORY | LINUX_O_NOFOLLOW | LINUX_O_CLOEXEC);
        if (!(flags & LINUX_O_NOFOLLOW))
            rp_flags |= RP_FOLLOW;
    } else {
        if (flags & LINUX___O_TMPFILE) {
            if ((flags & LINUX_O_TMPFILE) != LINUX_O_TMPFILE || (flags & LINUX_O_CREAT))
                return -EINVAL;
            if (!(acc_of(flags) & MAY_WRITE))
                return -EINVAL;
        } else if ((flags & LINUX_O_CREAT) && (flags & LINUX_O_DIRECTORY)) {
            return -EINVAL;
        }
        rq.acc = acc_of(flags);
        if (!(flags & LINUX_O_NOFOLLOW) &&
            (flags & (LINUX_O_CREAT | LINUX_O_EXCL)) != (LINUX_O_CREAT | LINUX_O_EXCL))
            rp_flags |= RP_FOLLOW;
        if (flags & (LINUX_O_CREAT | LINUX___O_TMPFILE)) {
            u32 mask = current ? fs_context_umask(current->fs) : 0;
            rq.mode = mode & LINUX_S_IALLUGO & ~mask;
            return flags & LINUX_O_CREAT ? open_create(dirfd, path, &rq, rp_flags, out)
                                         : open_tmpfile(dirfd, path, &rq, rp_flags, out);
        }
    }
    if (flags & LINUX_O_DIRECTORY)
        rp_flags |= RP_DIRECTORY;
    else if (rq.acc == MAY_READ)
        rp_flags |= RP_OPEN;
    err = vfs_resolve(dirfd, path, rp_flags, &p);
    if (err)
        return err;
    err = open_existing(&rq, &p, out);
    vfs_path_put(&p);
    return err;
}

int vfs_open_exec(int dirfd, const char *path, u32 rp_flags, struct file **out)
{
    struct open_req rq = {.flags = LINUX_O_RDONLY, .acc = MAY_EXEC};
    struct vfs_path p;
    struct inode *inode;
    int err = vfs_resolve(dirfd, path, rp_flags | RP_OPEN, &p);

    *out = NULL;
    if (err)
        return err;
    inode = dentry_inode(p.dentry);
    if (inode_type(inode) == LINUX_S_IFLNK)
        err = -ELOOP;
    else if (inode_type(inode) != LINUX_S_IFREG ||
             (p.mnt && (atomic_load(&p.mnt->flags) & MOUNT_NOEXEC)))
        err = -EACCES;
    if (!err)
        err = check_open(&rq, &p);
    if (!err)
        err = open_path(&rq, &p, out);
    if (!err) {
        err = count_access((*out)->inode, -1);
        if (err) {
            file_put(*out);
            *out = NULL;
        } else {
            (*out)->deny_write = true;
        }
    }
    vfs_path_put(&p);
    return err;
}
