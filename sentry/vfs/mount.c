/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The mount table: a hash of mounts by (parent, mount point) under g_mounts_lock, and the changes of
 * mount trees, one at a time under g_mount_change. Everything is private: no propagation.
 * An attached mount holds one reference for its namespace; pointers between attached mounts
 * (parent, children) own nothing.
 */
#include "abi/linux/mount.h"
#include "cvisor/kcache.h"
#include "sentry/vfs/internal.h"
#include "sentry/vfs/mount_internal.h"
#include "sentry/vfs/vfs.h"

#include <errno.h>
#include <string.h>

KCACHE(mount);

#define MOUNT_BUCKETS 256u
#define MOUNT_EXPIRED (1u << 31) /* umount2(MNT_EXPIRE) was here once */

struct rwlock g_mounts_lock = RWLOCK_INIT(LOCK_VFS_MOUNTS);
struct mutex g_mount_change = MUTEX_INIT(LOCK_VFS_MOUNT_CHANGE);

static struct list_head g_buckets[MOUNT_BUCKETS]; /* g_mounts_lock; next == NULL: empty, unused */
static struct list_head g_mortal = LIST_HEAD_INIT(g_mortal); /* g_mounts_lock */
static atomic_uint g_next_mount_id = 20;

static struct list_head *bucket(const struct mount *parent, const struct dentry *point)
{
    u64 h = ((u64)(uintptr_t)parent * 31 + (u64)(uintptr_t)point) * 0x9e3779b97f4a7c15ull;
    struct list_head *b = &g_buckets[(h >> 40) % MOUNT_BUCKETS];

    return b;
}

struct mount *mount_new(struct filesystem *fs, struct dentry *root, u32 flags, const char *source)
{
    struct mount *m = kcache_alloc(mount);

    if (!m)
        return NULL;
    m->source = kstrdup(source ? source : "none");
    if (!m->source) {
        kcache_free(mount, m);
        return NULL;
    }
    ref_init(&m->refs);
    fs_get(fs);
    m->fs = fs;
    atomic_fetch_add(&fs->active, 1);
    dentry_get(root);
    m->root = root;
    atomic_init(&m->flags, flags);
    m->id = atomic_fetch_add(&g_next_mount_id, 1);
    list_init(&m->ns_node);
    list_init(&m->children);
    list_init(&m->child_node);
    list_init(&m->hash_node);
    list_init(&m->mortal);
    return m;
}

void mount_get(struct mount *m)
{
    ref_get(&m->refs);
}

void mount_put(struct mount *m)
{
    struct filesystem *fs = m->fs;

    if (!ref_put(&m->refs))
        return;
    BUG_ON(m->parent != NULL || m->ns != NULL);
    if (atomic_fetch_sub(&fs->active, 1) == 1)
        dentry_shrink(fs);
    dentry_put(m->root);
    kfree(m->source);
    kcache_free(mount, m);
    fs_put(fs);
}

struct mount *mount_find_locked(struct mount *mnt, struct dentry *point)
{
    struct list_head *b = bucket(mnt, point);
    struct mount *m;

    if (!b->next)
        return NULL;
    list_for_each_entry (m, b, hash_node) {
        if (m->parent == mnt && m->point == point)
            return m;
    }
    return NULL;
}

struct mount *mount_lookup(struct mount *mnt, struct dentry *point)
{
    struct mount *m = NULL, *next;

    if (!dentry_is_mountpoint(point))
        return NULL;
    rwlock_rdlock(&g_mounts_lock);
    while ((next = mount_find_locked(mnt, point)) != NULL) {
        m = mnt = next;
        point = m->root;
    }
    if (m)
        mount_get(m);
    rwlock_rdunlock(&g_mounts_lock);
    return m;
}

bool mount_point_of(struct mount *m, struct vfs_path *out)
{
    bool found = false;

    rwlock_rdlock(&g_mounts_lock);
    if (m->parent) {
        out->mnt = m->parent;
        out->dentry = m->point;
        vfs_path_get(out);
        found = true;
    }
    rwlock_rdunlock(&g_mounts_lock);
    return found;
}

/* Links m below (parent, point). Takes a reference to point. g_mounts_lock (write). */
void mount_link_locked(struct mount *m, struct mount *parent, struct dentry *point)
{
    struct list_head *b = bucket(parent, point);

    if (!b->next)
        list_init(b);
    dentry_get(point);
    atomic_fetch_add(&point->mounts, 1);
    m->parent = parent;
    m->point = point;
    list_add(&m->hash_node, b);
    list_add_tail(&m->child_node, &parent->children);
    if (point->fs->ops->point_is_dead)
        list_add_tail(&m->mortal, &g_mortal);
}

/* The opposite: the mount point's reference is the caller's. g_mounts_lock (write). */
struct dentry *mount_unlink_locked(struct mount *m)
{
    struct dentry *point = m->point;

    if (!m->parent)
        return NULL;
    atomic_fetch_sub(&point->mounts, 1);
    m->parent = NULL;
    m->point = NULL;
    list_del(&m->hash_node);
    list_del(&m->child_node);
    list_del(&m->mortal);
    return point;
}

/* Puts m and everything below it into ns. g_mounts_lock (write). */
void mount_set_ns_locked(struct mount *m, struct mount_ns *ns)
{
    struct mount *c;

    if (m->ns)
        m->ns->count--;
    m->ns = ns;
    ns->count++;
    list_del(&m->ns_node);
    list_add_tail(&m->ns_node, &ns->mounts);
    list_for_each_entry (c, &m->children, child_node)
        mount_set_ns_locked(c, ns);
}

/*
 * Takes m and all below out of its namespace; they are collected in `dead` through ns_node, each with
 * the namespace's reference, and their mount points' references in m->point (parent == NULL).
 */
void mount_detach_tree_locked(struct mount *m, struct list_head *dead)
{
    struct mount *c, *n;
    struct dentry *point;

    list_for_each_entry_safe (c, n, &m->children, child_node)
        mount_detach_tree_locked(c, dead);
    point = mount_unlink_locked(m);
    m->point = point;
    if (m->ns)
        m->ns->count--;
    m->ns = NULL;
    list_del(&m->ns_node);
    list_add_tail(&m->ns_node, dead);
}

void mount_put_dead(struct list_head *dead)
{
    struct mount *m, *n;

    list_for_each_entry_safe (m, n, dead, ns_node) {
        struct dentry *point = m->point;

        list_del(&m->ns_node);
        m->point = NULL;
        if (point)
            dentry_put(point);
        mount_put(m);
    }
}

/* Both directories, or neither; still there. g_mount_change is held. */
static int check_point(const struct dentry *root, const struct vfs_path *at)
{
    if (inode_is_dir(dentry_inode(root)) != inode_is_dir(dentry_inode(at->dentry)))
        return -ENOTDIR;
    if (at->dentry->flags & DENTRY_DEAD)
        return -ENOENT;
    return 0;
}

/* Levels of the tree below m, with m. */
static u32 mount_height(struct mount *m)
{
    struct mount *c;
    u32 most = 0;

    list_for_each_entry (c, &m->children, child_node) {
        u32 h = mount_height(c);

        most = MAX(most, h);
    }
    return most + 1;
}

bool mount_fits_locked(struct mount *m, struct mount *parent)
{
    u32 depth = mount_height(m);

    for (; parent && depth <= MOUNT_DEPTH_MAX; parent = parent->parent)
        depth++;
    return depth <= MOUNT_DEPTH_MAX;
}

bool mount_point_is_dead(struct dentry *point)
{
    return point->fs->ops->point_is_dead && point->fs->ops->point_is_dead(point);
}

int mount_attach_locked(struct mount_ns *ns, struct mount *m, const struct vfs_path *at)
{
    int err = check_point(m->root, at);

    if (err)
        return err;
    if (!at->mnt)
        return -EINVAL;
    rwlock_wrlock(&g_mounts_lock);
    if (at->mnt->ns != ns) {
        err = -EINVAL;
    } else if (ns->count >= MOUNT_NS_MAX) {
        err = -ENOSPC;
    } else {
        struct vfs_path top = *at;
        struct mount *over;
        /* Someone may have been faster: on top of theirs. */
        while ((over = mount_find_locked(top.mnt, top.dentry)) != NULL) {
            top.mnt = over;
            top.dentry = over->root;
        }
        if (mount_point_is_dead(top.dentry)) {
            err = -ENOENT;
        } else if (mount_fits_locked(m, top.mnt)) {
            mount_link_locked(m, top.mnt, top.dentry);
            mount_set_ns_locked(m, ns);
        } else {
            err = -ENOSPC;
        }
    }
    rwlock_wrunlock(&g_mounts_lock);
    return err;
}

int mount_attach(struct mount_ns *ns, struct mount *m, const struct vfs_path *at)
{
    int err;

    mutex_lock(&g_mount_change);
    err = mount_attach_locked(ns, m, at);
    mutex_unlock(&g_mount_change);
    if (err)
        mount_put(m);
    return err;
}

static int umount_locked(struct mount_ns *ns, struct mount *m, u32 flags, struct list_head *dead)
{
    if (m->ns != ns || m == ns->root)
        return -EINVAL;
    if (!(flags & LINUX_MNT_DETACH)) {
        /* The namespace's reference and the caller's path. */
        if (!list_empty(&m->children) || ref_read(&m->refs) > 2)
            return -EBUSY;
        if ((flags & LINUX_MNT_EXPIRE) &&
            !(atomic_fetch_or(&m->flags, MOUNT_EXPIRED) & MOUNT_EXPIRED))
            return -EAGAIN;
    }
    mount_detach_tree_locked(m, dead);
    return 0;
}

int mount_umount(struct mount_ns *ns, const struct vfs_path *at, u32 flags)
{
    struct list_head dead = LIST_HEAD_INIT(dead);
    int err;

    if (!at->mnt || at->dentry != at->mnt->root)
        return -EINVAL;
    mutex_lock(&g_mount_change);
    rwlock_wrlock(&g_mounts_lock);
    err = umount_locked(ns, at->mnt, flags, &dead);
    rwlock_wrunlock(&g_mounts_lock);
    mutex_unlock(&g_mount_change);
    mount_put_dead(&dead);
    return err;
}

/* Who mounts looks whether the point is dead with the lock held: either it sees that, or we see the
 * mount. */
void mount_prune(void)
{
    struct list_head doomed = LIST_HEAD_INIT(doomed), dead = LIST_HEAD_INIT(dead);
    struct mount *m, *n;
    bool none;

    rwlock_rdlock(&g_mounts_lock);
    none = list_empty(&g_mortal);
    rwlock_rdunlock(&g_mounts_lock);
    if (likely(none))
        return;
    mutex_lock(&g_mount_change);
    rwlock_wrlock(&g_mounts_lock);
    list_for_each_entry_safe (m, n, &g_mortal, mortal) {
        if (mount_point_is_dead(m->point))
            list_move_tail(&m->mortal, &doomed);
    }
    /* Others of them may be below the first. */
    while (!list_empty(&doomed))
        mount_detach_tree_locked(list_first_entry(&doomed, struct mount, mortal), &dead);
    rwlock_wrunlock(&g_mounts_lock);
    mutex_unlock(&g_mount_change);
    mount_put_dead(&dead);
}

int mount_remount(const struct vfs_path *at, u32 flags)
{
    if (!at->mnt || at->dentry != at->mnt->root)
        return -EINVAL;
    atomic_store(&at->mnt->flags, flags);
    return 0;
}
