/* SPDX-License-Identifier: Apache-2.0 */
/* Path resolution: starting points, the loop around walk(), mount crossings, "..". */
#include "abi/linux/fcntl.h"
#include "cvisor/kcache.h"
#include "sentry/kernel/cred.h"
#include "sentry/kernel/fdtable.h"
#include "sentry/kernel/task.h"
#include "sentry/vfs/internal.h"
#include "sentry/vfs/vfs.h"

#include <errno.h>
#include <string.h>

void vfs_path_get(const struct vfs_path *p)
{
    if (p->mnt)
        mount_get(p->mnt);
    if (p->dentry)
        dentry_get(p->dentry);
}

void vfs_path_put(struct vfs_path *p)
{
    struct vfs_path old = *p;

    p->mnt = NULL;
    p->dentry = NULL;
    if (old.dentry)
        dentry_put(old.dentry);
    if (old.mnt)
        mount_put(old.mnt);
}

/* Starting point of a relative path: an owned copy in rp->cur. */
static int start_at_fd(struct vfs_rp *rp, int dirfd, const char *path)
{
    struct file *f = fd_get_path(current, dirfd);
    int err = 0;

    if (!f)
        return -EBADF;
    if (*path && !inode_is_dir(f->inode))
        err = -ENOTDIR;
    else if (!f->path.mnt && *path)
        err = -ENOTDIR;
    if (!err) {
        rp->cur = f->path;
        vfs_path_get(&rp->cur);
    }
    file_put(f);
    return err;
}

/*
 * Fills rp for path. start: explicit starting point, or NULL: dirfd of current. On success rp->cur is
 * owned; on failure nothing is.
 */
int vfs_rp_init(struct vfs_rp *rp, const struct vfs_path *start, int dirfd, const char *path,
                u32 flags)
{
    struct fs_context *fs = current ? current->fs : NULL;
    bool absolute = path[0] == '/' && !(flags & (RP_IN_ROOT | RP_BENEATH));
    int err;

    rp->cred = vfs_cred();
    rp->flags = flags;
    rp->rest = path;
    rp->next_len = 0;
    rp->symlinks = 0;
    rp->jumped = false;
    rp->owns_root = false;
    rp->lender = NULL;
    rp->nbufs = 0;
    rp->last = NULL;
    rp->last_len = 0;
    rp->last_type = RP_LAST_ROOT;
    rp->trailing_slash = false;
    rp->cur = (struct vfs_path){NULL, NULL};
    rp->start = rp->cur;
    if (!path[0] && !(flags & RP_EMPTY_PATH))
        return -ENOENT;
    if (path[0] == '/' && (flags & RP_BENEATH))
        return -EXDEV;

    if (!fs) {
        BUG_ON(!start);
        rp->root = *start;
        rp->cur = *start;
        vfs_path_get(&rp->cur);
    } else {
        mutex_lock(&fs->lock);
        rp->root = fs->root;
        /* Unshared: nobody but this task (and pivot_root, which takes care) changes it. */
        if (ref_read(&fs->refs) == 1) {
            atomic_fetch_add_explicit(&fs->borrowed, 1, memory_order_relaxed);
            rp->lender = fs;
        } else {
            vfs_path_get(&rp->root);
            rp->owns_root = true;
        }
        if (absolute)
            rp->cur = fs->root;
        else if (start)
            rp->cur = *start;
        else if (dirfd == LINUX_AT_FDCWD)
            rp->cur = fs->cwd;
        vfs_path_get(&rp->cur);
        mutex_unlock(&fs->lock);
        if (!rp->cur.dentry) {
            err = start_at_fd(rp, dirfd, path);
            if (err) {
                vfs_rp_done(rp);
                return err;
            }
        }
    }
    rp->start = rp->cur;
    if (flags & RP_BENEATH)
        vfs_path_get(&rp->start);
    if (flags & RP_IN_ROOT) {
        if (rp->owns_root)
            vfs_path_put(&rp->root);
        rp->root = rp->cur;
        vfs_path_get(&rp->root);
        rp->owns_root = true;
    }
    rp->jumped = true;
    return 0;
}

int vfs_rp_cross_mounts(struct vfs_rp *rp)
{
    struct mount *m;

    if (!rp->cur.mnt)
        return 0;
    m = mount_lookup(rp->cur.mnt, rp->cur.dentry);
    if (!m)
        return 0;
    if (rp->flags & RP_NO_XDEV) {
        mount_put(m);
        return -EXDEV;
    }
    vfs_path_put(&rp->cur);
    rp->cur.mnt = m;
    rp->cur.dentry = m->root;
    dentry_get(m->root);
    return 0;
}

static bool path_is(const struct vfs_path *a, const struct vfs_path *b)
{
    return a->mnt == b->mnt && a->dentry == b->dentry;
}

/* The next component is ".." and cur is a boundary. Consumes it. */
static int step_up(struct vfs_rp *rp)
{
    struct vfs_path up;

    if ((rp->flags & RP_BENEATH) && path_is(&rp->cur, &rp->start))
        return -EXDEV;
    vfs_rp_advance(rp);
    if (path_is(&rp->cur, &rp->root))
        return 0;
    while (rp->cur.dentry == rp->cur.mnt->root) {
        if (!mount_point_of(rp->cur.mnt, &up))
            return 0; /* the root of everything stays where it is */
        if (rp->flags & RP_NO_XDEV) {
            vfs_path_put(&up);
            return -EXDEV;
        }
        vfs_path_put(&rp->cur);
        rp->cur = up;
        if (path_is(&rp->cur, &rp->root))
            return vfs_rp_cross_mounts(rp);
    }
    vfs_rp_move(rp, dentry_parent(rp->cur.dentry));
    return vfs_rp_cross_mounts(rp);
}

int vfs_rp_run(struct vfs_rp *rp)
{
    const char *name;
    size_t len;
    int err;

    for (;;) {
        struct filesystem *fs = rp->cur.dentry->fs;

        rp->jumped = false;
        err = fs->ops->walk ? fs->ops->walk(fs, rp) : vfs_walk_generic(fs, rp);
        if (err != VFS_CROSS)
            break;
        if (rp->jumped)
            continue;
        /* Arrived at a mount point, or before a ".." that leaves the filesystem: both are tried,
         * for climbing out of what was just entered leads to the same place. */
        err = vfs_rp_cross_mounts(rp);
        if (err)
            return err;
        if (vfs_rp_peek(rp, &name, &len) && len == 2 && name[0] == '.' && name[1] == '.' &&
            inode_is_dir(dentry_inode(rp->cur.dentry))) {
            err = step_up(rp);
            if (err)
                return err;
        }
    }
    if (err)
        return err;
    if (!(rp->flags & RP_PARENT) && (rp->flags & RP_DIRECTORY) &&
        !inode_is_dir(dentry_inode(rp->cur.dentry)))
        return -ENOTDIR;
    return 0;
}

int vfs_rp_continue_link(struct vfs_rp *rp, struct dentry *d)
{
    int err;

    rp->next_len = (u32)rp->last_len;
    rp->rest = rp->last;
    err = vfs_rp_follow_link(rp, d);
    if (err < 0)
        return err;
    rp->last_type = RP_LAST_ROOT;
    rp->last_len = 0;
    rp->trailing_slash = false;
    return vfs_rp_run(rp);
}

/* A path that ends in a slash names a directory. */
static u32 trailing_flags(const char *path, u32 flags)
{
    size_t n = strlen(path);

    if (n && path[n - 1] == '/')
        flags |= RP_DIRECTORY | RP_FOLLOW;
    return flags;
}

static int resolve(const struct vfs_path *start, int dirfd, const char *path, u32 flags,
                   struct vfs_path *out)
{
    struct vfs_rp rp;
    int err = vfs_rp_init(&rp, start, dirfd, path, trailing_flags(path, flags) & ~RP_PARENT);

    out->mnt = NULL;
    out->dentry = NULL;
    if (err)
        return err;
    err = vfs_rp_run(&rp);
    if (!err) {
        *out = rp.cur;
        rp.cur = (struct vfs_path){NULL, NULL};
    }
    vfs_rp_done(&rp);
    return err;
}

int vfs_resolve(int dirfd, const char *path, u32 flags, struct vfs_path *out)
{
    return resolve(NULL, dirfd, path, flags, out);
}

int vfs_resolve_from(const struct vfs_path *start, const char *path, u32 flags,
                     struct vfs_path *out)
{
    return resolve(start, LINUX_AT_FDCWD, path, flags, out);
}

static int resolve_parent(const struct vfs_path *start, int dirfd, const char *path, u32 flags,
                          struct vfs_rp *rp)
{
    int err = vfs_rp_init(rp, start, dirfd, path, (flags | RP_PARENT) & ~RP_EMPTY_PATH);

    if (err)
        return err;
    err = vfs_rp_run(rp);
    if (err)
        vfs_rp_done(rp);
    return err;
}

int vfs_resolve_parent(int dirfd, const char *path, u32 flags, struct vfs_rp *rp)
{
    return resolve_parent(NULL, dirfd, path, flags, rp);
}

int vfs_resolve_parent_from(const struct vfs_path *start, const char *path, u32 flags,
                            struct vfs_rp *rp)
{
    return resolve_parent(start, LINUX_AT_FDCWD, path, flags, rp);
}
