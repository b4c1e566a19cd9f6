/* SPDX-License-Identifier: Apache-2.0 */
/* Mount namespaces: life and copies; binds, moves and pivot_root. */
#include "abi/linux/mount.h"
#include "cvisor/kcache.h"
#include "sentry/kernel/task.h"
#include "sentry/vfs/internal.h"
#include "sentry/vfs/mount_internal.h"
#include "sentry/vfs/vfs.h"

#include <errno.h>

KCACHE(mount_ns);

struct mount_ns *mount_ns_new(struct mount *root)
{
    struct mount_ns *ns = kcache_alloc(mount_ns);

    if (!ns)
        return NULL;
    ref_init(&ns->refs);
    list_init(&ns->mounts);
    rwlock_wrlock(&g_mounts_lock);
    ns->root = root;
    mount_set_ns_locked(root, ns);
    rwlock_wrunlock(&g_mounts_lock);
    return ns;
}

void mount_ns_get(struct mount_ns *ns)
{
    ref_get(&ns->refs);
}

void mount_ns_put(struct mount_ns *ns)
{
    struct list_head dead = LIST_HEAD_INIT(dead);

    if (!ref_put(&ns->refs))
        return;
    mutex_lock(&g_mount_change);
    rwlock_wrlock(&g_mounts_lock);
    mount_detach_tree_locked(ns->root, &dead);
    rwlock_wrunlock(&g_mounts_lock);
    mutex_unlock(&g_mount_change);
    mount_put_dead(&dead);
    kcache_free(mount_ns, ns);
}

void mount_ns_root(struct mount_ns *ns, struct vfs_path *out)
{
    struct mount *m, *next;

    rwlock_rdlock(&g_mounts_lock);
    m = ns->root;
    while ((next = mount_find_locked(m, m->root)) != NULL)
        m = next;
    out->mnt = m;
    out->dentry = m->root;
    vfs_path_get(out);
    rwlock_rdunlock(&g_mounts_lock);
}

int mount_ns_snapshot(struct mount_ns *ns, struct mount ***out, size_t *count)
{
    struct mount **v, *m;
    size_t n = 0;
    u32 cap;

    *out = NULL;
    *count = 0;
    for (;;) {
        rwlock_rdlock(&g_mounts_lock);
        cap = ns->count;
        rwlock_rdunlock(&g_mounts_lock);
        v = kcalloc(cap, sizeof(*v));
        if (!v)
            return -ENOMEM;
        rwlock_rdlock(&g_mounts_lock);
        if (ns->count <= cap)
            break;
        rwlock_rdunlock(&g_mounts_lock);
        kfree(v);
    }
    list_for_each_entry (m, &ns->mounts, ns_node) {
        mount_get(m);
        v[n++] = m;
    }
    rwlock_rdunlock(&g_mounts_lock);
    *out = v;
    *count = n;
    return 0;
}

/* What a copy moves along: paths whose mount is replaced by its copy. */
struct copy_ctx {
    struct vfs_path *paths[2];
    struct mount *to[2]; /* copies, no reference */
};

/*
 * A copy of m at root, and of the mounts below it (those reachable from root). Not attached anywhere;
 * one reference for each. g_mount_change is held, so the tree stands still. NULL: no memory.
 */
static struct mount *copy_tree(struct mount *m, struct dentry *root, bool rec, struct copy_ctx *ctx)
{
    struct mount *copy = mount_new(m->fs, root, atomic_load(&m->flags), m->source), *c, *cc;

    if (!copy)
        return NULL;
    for (int i = 0; ctx && i < 2; i++) {
        if (ctx->paths[i] && ctx->paths[i]->mnt == m)
            ctx->to[i] = copy;
    }
    if (!rec)
        return copy;
    list_for_each_entry (c, &m->children, child_node) {
        if (!dentry_is_below(c->point, root))
            continue;
        cc = copy_tree(c, c->root, true, ctx);
        if (!cc) {
            struct list_head dead = LIST_HEAD_INIT(dead);

            rwlock_wrlock(&g_mounts_lock);
            mount_detach_tree_locked(copy, &dead);
            rwlock_wrunlock(&g_mounts_lock);
            mount_put_dead(&dead);
            return NULL;
        }
        rwlock_wrlock(&g_mounts_lock);
        mount_link_locked(cc, copy, c->point);
        rwlock_wrunlock(&g_mounts_lock);
    }
    return copy;
}

struct mount_ns *mount_ns_copy(struct mount_ns *ns, struct vfs_path *root, struct vfs_path *cwd)
{
    struct copy_ctx ctx = {.paths = {root, cwd}};
    struct vfs_path old[2] = {{NULL, NULL}, {NULL, NULL}};
    struct mount_ns *copy = NULL;
    struct mount *m;

    mutex_lock(&g_mount_change);
    m = copy_tree(ns->root, ns->root->root, true, &ctx);
    if (m) {
        copy = mount_ns_new(m);
        if (!copy) {
            struct list_head dead = LIST_HEAD_INIT(dead);

            rwlock_wrlock(&g_mounts_lock);
            mount_detach_tree_locked(m, &dead);
            rwlock_wrunlock(&g_mounts_lock);
            mount_put_dead(&dead);
        }
    }
    for (int i = 0; copy && i < 2; i++) {
        if (!ctx.to[i])
            continue;
        old[i].mnt = ctx.paths[i]->mnt;
        mount_get(ctx.to[i]);
        ctx.paths[i]->mnt = ctx.to[i];
    }
    mutex_unlock(&g_mount_change);
    vfs_path_put(&old[0]);
    vfs_path_put(&old[1]);
    return copy;
}

int mount_bind(struct mount_ns *ns, const struct vfs_path *from, const struct vfs_path *at,
               bool rec)
{
    struct list_head dead = LIST_HEAD_INIT(dead);
    struct mount *m = NULL;
    int err = -EINVAL;

    if (!from->mnt || !at->mnt)
        return -EINVAL;
    mutex_lock(&g_mount_change);
    if (rec && ns->count > MOUNT_NS_MAX / 2) {
        err = -ENOSPC;
    } else if (from->mnt->ns == ns) {
        m = copy_tree(from->mnt, from->dentry, rec, NULL);
        err = m ? mount_attach_locked(ns, m, at) : -ENOMEM;
        if (err && m) {
            rwlock_wrlock(&g_mounts_lock);
            mount_detach_tree_locked(m, &dead);
            rwlock_wrunlock(&g_mounts_lock);
        }
    }
    mutex_unlock(&g_mount_change);
    mount_put_dead(&dead);
    return err;
}

/* at lies in m or below it. g_mounts_lock (read is enough). */
static bool mount_is_below(struct mount *at, struct mount *m)
{
    for (; at; at = at->parent) {
        if (at == m)
            return true;
    }
    return false;
}

int mount_move(struct mount_ns *ns, const struct vfs_path *from, const struct vfs_path *at)
{
    struct mount *m = from->mnt;
    struct dentry *old_point = NULL;
    int err = 0;

    if (!m || !at->mnt || from->dentry != m->root)
        return -EINVAL;
    mutex_lock(&g_mount_change);
    rwlock_wrlock(&g_mounts_lock);
    if (m->ns != ns || at->mnt->ns != ns || m == ns->root)
        err = -EINVAL;
    else if (inode_is_dir(dentry_inode(m->root)) != inode_is_dir(dentry_inode(at->dentry)))
        err = -EINVAL;
    else if (mount_is_below(at->mnt, m))
        err = -ELOOP;
    else if (mount_point_is_dead(at->dentry))
        err = -ENOENT;
    else if (!mount_fits_locked(m, at->mnt))
        err = -ENOSPC;
    if (!err) {
        old_point = mount_unlink_locked(m);
        mount_link_locked(m, at->mnt, at->dentry);
    }
    rwlock_wrunlock(&g_mounts_lock);
    mutex_unlock(&g_mount_change);
    if (old_point)
        dentry_put(old_point);
    return err;
}

/* The checks of pivot_root. Both locks are held. */
static int pivot_check(struct mount_ns *ns, const struct vfs_path *root,
                       const struct vfs_path *new_root, const struct vfs_path *put_old)
{
    struct mount *m;
    struct dentry *d;

    if (!new_root->mnt || !put_old->mnt || new_root->mnt->ns != ns || put_old->mnt->ns != ns ||
        root->mnt->ns != ns)
        return -EINVAL;
    if (new_root->mnt == root->mnt || put_old->mnt == root->mnt)
        return -EBUSY; /* loops */
    if (root->dentry != root->mnt->root || new_root->dentry != new_root->mnt->root)
        return -EINVAL;
    if (!new_root->mnt->parent || !inode_is_dir(dentry_inode(put_old->dentry)))
        return -EINVAL;
    /* put_old must be at or below new_root; new_root below the old root. */
    m = put_old->mnt;
    d = put_old->dentry;
    while (m && m != new_root->mnt) {
        d = m->point;
        m = m->parent;
    }
    if (!m || !d)
        return -EINVAL;
    if (mount_point_is_dead(put_old->dentry))
        return -ENOENT;
    /* put_old may be deep below new_root, and all of the old root gets there. */
    if (!mount_fits_locked(root->mnt, put_old->mnt))
        return -EINVAL;
    return mount_is_below(new_root->mnt, root->mnt) ? 0 : -EINVAL;
}

int mount_pivot_root(struct mount_ns *ns, const struct vfs_path *new_root,
                     const struct vfs_path *put_old)
{
    struct vfs_path root;
    struct dentry *p1 = NULL, *p2 = NULL;
    int err;

    fs_context_root(current->fs, &root);
    mutex_lock(&g_mount_change);
    rwlock_wrlock(&g_mounts_lock);
    err = pivot_check(ns, &root, new_root, put_old);
    if (!err) {
        struct mount *root_parent = root.mnt->parent;
        struct dentry *root_point = root.mnt->point;

        p1 = mount_unlink_locked(new_root->mnt);
        p2 = mount_unlink_locked(root.mnt);
        mount_link_locked(root.mnt, put_old->mnt, put_old->dentry);
        if (root_parent)
            mount_link_locked(new_root->mnt, root_parent, root_point);
        if (ns->root == root.mnt)
            ns->root = new_root->mnt;
    }
    rwlock_wrunlock(&g_mounts_lock);
    mutex_unlock(&g_mount_change);
    if (p1)
        dentry_put(p1);
    if (p2)
        dentry_put(p2);
    if (!err)
        fs_context_replace_root(&root, new_root);
    vfs_path_put(&root);
    return err;
}
