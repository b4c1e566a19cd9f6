/* SPDX-License-Identifier: Apache-2.0 */
/* A gofer filesystem of the sentry over a real server, mounted. */
#ifndef TESTS_UNIT_GOFER_MOUNTED_H
#define TESTS_UNIT_GOFER_MOUNTED_H

#include "gofer_test.h"

#include "sentry/fs/gofer/gofer.h"
#include "sentry/fs/gofer/gofer_fs.h"
#include "sentry/fs/mounts.h"

struct gt {
    struct raw *raw; /* the server; its raw socket is not used */
    struct filesystem *fs;
    struct dentry *root;
    struct mount *mnt;
    struct vfs_path path; /* of the root */
};

static inline struct gt gt_start(bool readonly)
{
    struct gt g = {.raw = raw_start(readonly, true)};

    cr_assert_eq(gofer_fs_new(g.raw->sock, readonly, &g.fs, &g.root), 0);
    g.raw->sock = -1; /* the client's now */
    g.mnt = mount_new(g.fs, g.root, 0, "test");
    cr_assert(g.mnt);
    g.path = (struct vfs_path){.mnt = g.mnt, .dentry = g.root};
    return g;
}

static inline void gt_stop(struct gt *g)
{
    dentry_put(g->root);
    mount_put(g->mnt);
    fs_put(g->fs);
    raw_stop(g->raw); /* ends only when the client closed its socket: nothing leaked */
}

/* Requests of the client so far. */
static inline u64 calls(struct gt *g)
{
    return atomic_load(&gofer_fs_of(g->fs)->client->calls);
}

/* Without the checks of open(). The caller's reference. */
static inline struct file *gt_open(struct gt *g, const char *path, u32 flags)
{
    struct vfs_path p;
    struct inode *inode;
    struct file *f;

    cr_assert_eq(vfs_resolve_from(&g->path, path, RP_FOLLOW, &p), 0, "%s", path);
    inode = dentry_inode(p.dentry);
    f = file_alloc(&p, flags);
    cr_assert(f);
    f->seekable = true;
    f->ops = inode->fops;
    if (inode->ops->open)
        cr_assert_eq(inode->ops->open(inode, p.dentry, f), 0);
    vfs_path_put(&p);
    return f;
}

#endif
