/* SPDX-License-Identifier: Apache-2.0 */
/* The resolving path: components, symlinks, and what a filesystem's walk() does to it. */
#include "abi/linux/limits.h"
#include "cvisor/kcache.h"
#include "sentry/kernel/task.h"
#include "sentry/vfs/internal.h"
#include "sentry/vfs/vfs.h"

#include <errno.h>
#include <string.h>

bool vfs_rp_peek(struct vfs_rp *rp, const char **name, size_t *len)
{
    const char *p = rp->rest;
    size_t n = 0;

    while (*p == '/')
        p++;
    while (p[n] && p[n] != '/')
        n++;
    rp->rest = p;
    rp->next_len = (u32)n;
    *name = p;
    *len = n;
    return n != 0;
}

void vfs_rp_advance(struct vfs_rp *rp)
{
    rp->rest += rp->next_len;
    rp->next_len = 0;
}

bool vfs_rp_is_last(const struct vfs_rp *rp)
{
    const char *p = rp->rest + rp->next_len;

    while (*p == '/')
        p++;
    return *p == 0;
}

void vfs_rp_move(struct vfs_rp *rp, struct dentry *d)
{
    struct dentry *old = rp->cur.dentry;

    rp->cur.dentry = d;
    dentry_put(old);
}

void vfs_rp_set_last(struct vfs_rp *rp)
{
    rp->last = rp->rest;
    rp->last_len = rp->next_len;
    rp->trailing_slash = rp->rest[rp->next_len] == '/';
    if (rp->last_len == 1 && rp->last[0] == '.')
        rp->last_type = RP_LAST_DOT;
    else if (rp->last_len == 2 && rp->last[0] == '.' && rp->last[1] == '.')
        rp->last_type = RP_LAST_DOTDOT;
    else
        rp->last_type = RP_LAST_NORMAL;
}

bool vfs_rp_follows(const struct vfs_rp *rp)
{
    if (rp->flags & RP_FOLLOW)
        return true;
    return rp->rest[rp->next_len] == '/' || !vfs_rp_is_last(rp);
}

static int count_link(struct vfs_rp *rp)
{
    if (rp->flags & RP_NO_SYMLINKS)
        return -ELOOP;
    if (rp->symlinks >= LINUX_MAXSYMLINKS)
        return -ELOOP;
    rp->symlinks++;
    return 0;
}

static void jump_to_root(struct vfs_rp *rp)
{
    struct vfs_path old = rp->cur;

    rp->cur = rp->root;
    vfs_path_get(&rp->cur);
    vfs_path_put(&old);
    rp->jumped = true;
}

int vfs_rp_push_symlink(struct vfs_rp *rp, char *target)
{
    size_t tlen = strlen(target), rlen;
    char *joined;
    int err = count_link(rp);

    if (!err && !tlen)
        err = -ENOENT;
    if (!err && tlen >= LINUX_PATH_MAX)
        err = -ENAMETOOLONG;
    if (err) {
        kfree(target);
        return err;
    }
    if (vfs_rp_is_last(rp) && target[tlen - 1] == '/')
        rp->flags |= RP_DIRECTORY;
    vfs_rp_advance(rp);
    rlen = strlen(rp->rest);
    if (rlen) {
        joined = krealloc(target, tlen + rlen + 1);
        if (!joined) {
            kfree(target);
            return -ENOMEM;
        }
        memcpy(joined + tlen, rp->rest, rlen + 1);
        target = joined;
    }
    rp->bufs[rp->nbufs++] = target;
    rp->rest = target;
    if (target[0] != '/')
        return 0;
    if (rp->flags & RP_BENEATH)
        return -EXDEV;
    if ((rp->flags & RP_NO_XDEV) && rp->cur.mnt != rp->root.mnt)
        return -EXDEV;
    jump_to_root(rp);
    return VFS_CROSS;
}

static int follow_magic(struct vfs_rp *rp, struct inode *inode)
{
    struct vfs_path to;
    int err = count_link(rp);

    if (err)
        return err;
    if (rp->flags & RP_NO_MAGIC)
        return -ELOOP;
    err = inode->ops->follow(inode, &to);
    if (err)
        return err;
    if ((rp->flags & (RP_BENEATH | RP_IN_ROOT)) ||
        ((rp->flags & RP_NO_XDEV) && to.mnt != rp->cur.mnt)) {
        vfs_path_put(&to);
        return -EXDEV;
    }
    vfs_rp_advance(rp);
    vfs_path_put(&rp->cur);
    rp->cur = to;
    rp->jumped = true;
    return VFS_CROSS;
}

int vfs_rp_follow_link(struct vfs_rp *rp, struct dentry *d)
{
    struct inode *inode = dentry_inode(d);
    char *target;
    int err;

    if (inode->ops->follow)
        return follow_magic(rp, inode);
    if (!inode->ops->readlink)
        return -EINVAL;
    if (rp->flags & RP_NO_SYMLINKS)
        return -ELOOP;
    err = inode->ops->readlink(inode, &target);
    if (err)
        return err;
    return vfs_rp_push_symlink(rp, target);
}

void vfs_rp_done(struct vfs_rp *rp)
{
    vfs_path_put(&rp->cur);
    if (rp->owns_root)
        vfs_path_put(&rp->root);
    if (rp->lender)
        fs_context_return_root(rp->lender);
    if (rp->flags & RP_BENEATH)
        vfs_path_put(&rp->start);
    while (rp->nbufs)
        kfree(rp->bufs[--rp->nbufs]);
}
