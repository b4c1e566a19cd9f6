/* SPDX-License-Identifier: Apache-2.0 */
/* overlay: life of inodes, the table of those with an upper, the marks of what was copied up. */
#include "sentry/fs/overlay/overlay.h"

#include "cvisor/kcache.h"

KCACHE(ovl_inode);
KCACHE(ovl_mark);

static u32 hash_ino(u64 ino)
{
    return (u32)((ino * 0x9e3779b97f4a7c15ull) >> 32);
}

static struct list_head *live_bucket(struct ovl_fs *o, u64 ino)
{
    return &o->live[hash_ino(ino) % OVL_LIVE_BUCKETS];
}

static struct list_head *mark_bucket(struct ovl_fs *o, u64 ino)
{
    return &o->marks[hash_ino(ino) % OVL_MARK_BUCKETS];
}

/* ---- marks ----------------------------------------------------------------------------------- */

struct ovl_mark *ovl_mark_alloc(struct dentry *lower)
{
    struct ovl_mark *m = kcache_alloc(ovl_mark);

    if (!m)
        return NULL;
    list_init(&m->node);
    dentry_get(lower);
    m->lower = lower;
    return m;
}

void ovl_mark_free(struct ovl_mark *m)
{
    if (!m)
        return;
    dentry_put(m->lower);
    kcache_free(ovl_mark, m);
}

static struct ovl_mark *mark_find_locked(struct ovl_fs *o, u64 upper_ino)
{
    struct ovl_mark *m;

    list_for_each_entry (m, mark_bucket(o, upper_ino), node) {
        if (m->upper_ino == upper_ino)
            return m;
    }
    return NULL;
}

/* The upper inode is going for good. */
static void mark_drop(struct ovl_fs *o, u64 upper_ino)
{
    struct ovl_mark *m;

    mutex_lock(&o->table_lock);
    m = mark_find_locked(o, upper_ino);
    if (m) {
        list_del(&m->node);
        atomic_fetch_sub(&o->nmarks, 1);
    }
    mutex_unlock(&o->table_lock);
    ovl_mark_free(m);
}

/* ---- inode numbers --------------------------------------------------------------------------- */

/*
 * A file keeps the number it had in lower. Not so one name of several that a lower file has: once
 * copied up it is a file of its own.
 */
static bool keeps_lower_ino(struct inode *lower)
{
    return inode_is_dir(lower) || atomic_load(&lower->nlink) <= 1;
}

u64 ovl_ino(struct ovl_inode *oi)
{
    struct inode *upper = ovl_upper(oi);

    if (upper && (!oi->lower || !keeps_lower_ino(dentry_inode(oi->lower))))
        return upper->ino | OVL_INO_UPPER;
    return oi->inode.ino;
}

u64 ovl_ino_of_upper(struct ovl_fs *o, u64 upper_ino)
{
    u64 ino = upper_ino | OVL_INO_UPPER;
    struct ovl_mark *m;

    if (!atomic_load_explicit(&o->nmarks, memory_order_relaxed))
        return ino;
    mutex_lock(&o->table_lock);
    m = mark_find_locked(o, upper_ino);
    if (m && keeps_lower_ino(dentry_inode(m->lower)))
        ino = dentry_inode(m->lower)->ino;
    mutex_unlock(&o->table_lock);
    return ino;
}

/* ---- life ------------------------------------------------------------------------------------ */

struct ovl_inode *ovl_inode_alloc(void)
{
    return kcache_alloc(ovl_inode);
}

void ovl_inode_free(struct ovl_inode *oi)
{
    kcache_free(ovl_inode, oi);
}

static const struct inode_ops *ops_of(u32 type)
{
    switch (type) {
    case LINUX_S_IFDIR:
        return &g_ovl_dir_ops;
    case LINUX_S_IFREG:
        return &g_ovl_file_ops;
    case LINUX_S_IFLNK:
        return &g_ovl_link_ops;
    default:
        return &g_ovl_special_ops;
    }
}

static void init_common(struct ovl_fs *o, struct ovl_inode *oi, struct inode *real, u64 ino)
{
    u32 type = inode_type(real);

    inode_init(&oi->inode, &o->fs, ino, atomic_load(&real->mode), ops_of(type),
               type == LINUX_S_IFDIR ? &g_ovl_dir_fops : NULL);
    mutex_init(&oi->inode.dir_lock, LOCK_OVERLAY_DIR);
    mutex_init(&oi->inode.data_lock, LOCK_OVERLAY_COPYUP);
    oi->inode.rdev = real->rdev;
    oi->inode.blksize = real->blksize;
    mutex_lock(&real->attr_lock);
    oi->inode.atime = real->atime;
    oi->inode.mtime = real->mtime;
    oi->inode.ctime = real->ctime;
    oi->inode.btime = real->btime;
    mutex_unlock(&real->attr_lock);
    list_init(&oi->live_node);
    atomic_init(&oi->upper, NULL);
    oi->udentry = oi->lower = NULL;
    oi->parent = NULL;
    atomic_init(&oi->removed, false);
}

static struct ovl_inode *live_find_locked(struct ovl_fs *o, struct inode *upper)
{
    struct ovl_inode *oi;

    list_for_each_entry (oi, live_bucket(o, upper->ino), live_node) {
        if (ovl_upper(oi) == upper && ref_get_unless_zero(&oi->inode.refs))
            return oi;
    }
    return NULL;
}

struct ovl_inode *ovl_inode_of_upper(struct ovl_fs *o, struct inode *upper, struct dentry *ud,
                                     struct ovl_inode *fresh)
{
    struct dentry *lower = NULL;
    struct ovl_inode *oi;
    struct ovl_mark *m;
    u64 ino = upper->ino | OVL_INO_UPPER;

    mutex_lock(&o->table_lock);
    oi = live_find_locked(o, upper);
    m = oi ? NULL : mark_find_locked(o, upper->ino);
    if (m) {
        lower = m->lower;
        dentry_get(lower);
        if (keeps_lower_ino(dentry_inode(lower)))
            ino = dentry_inode(lower)->ino;
    }
    mutex_unlock(&o->table_lock);
    if (oi) {
        ovl_inode_free(fresh);
        return oi;
    }
    init_common(o, fresh, upper, ino);
    fresh->lower = lower;
    inode_get(upper);
    if (inode_is_dir(upper)) {
        dentry_get(ud);
        fresh->udentry = ud;
    }
    atomic_init(&fresh->upper, upper);
    ovl_sync_attrs(fresh);
    /* Another name of the same upper inode may be looked up in another directory. */
    mutex_lock(&o->table_lock);
    oi = live_find_locked(o, upper);
    if (!oi)
        list_add(&fresh->live_node, live_bucket(o, upper->ino));
    mutex_unlock(&o->table_lock);
    if (!oi)
        return fresh;
    inode_put(&fresh->inode);
    return oi;
}

struct ovl_inode *ovl_inode_of_lower(struct ovl_fs *o, struct dentry *lower,
                                     struct ovl_inode *parent, struct ovl_inode *fresh)
{
    init_common(o, fresh, dentry_inode(lower), dentry_inode(lower)->ino);
    fresh->lower = lower;
    if (parent) {
        inode_get(&parent->inode);
        fresh->parent = parent;
    }
    ovl_sync_attrs(fresh);
    return fresh;
}

void ovl_inode_set_upper(struct ovl_inode *oi, struct inode *upper, struct dentry *ud,
                         struct ovl_mark *mark)
{
    struct ovl_fs *o = ovl_inode_fs(oi);

    oi->udentry = ud;
    mutex_lock(&o->table_lock);
    if (mark) {
        mark->upper_ino = upper->ino;
        list_add(&mark->node, mark_bucket(o, upper->ino));
        atomic_fetch_add(&o->nmarks, 1);
    }
    atomic_store_explicit(&oi->upper, upper, memory_order_release);
    list_add(&oi->live_node, live_bucket(o, upper->ino));
    mutex_unlock(&o->table_lock);
}

static struct ovl_inode *destroy_one(struct ovl_inode *oi)
{
    struct ovl_fs *o = ovl_inode_fs(oi);
    struct inode *upper = ovl_upper(oi);
    struct ovl_inode *parent = oi->parent;

    mutex_lock(&o->table_lock);
    list_del(&oi->live_node);
    mutex_unlock(&o->table_lock);
    if (upper) {
        if (oi->lower && atomic_load(&upper->nlink) == 0)
            mark_drop(o, upper->ino);
        if (oi->udentry)
            dentry_put(oi->udentry);
        inode_put(upper);
    }
    if (oi->lower)
        dentry_put(oi->lower);
    inode_fini(&oi->inode);
    ovl_inode_free(oi);
    return parent;
}

/* A loop: the chain of parents may be long. Each of them keeps the filesystem. */
void ovl_inode_destroy(struct inode *inode)
{
    struct ovl_inode *oi = ovl_i(inode);

    while (oi) {
        struct ovl_inode *parent = destroy_one(oi);

        oi = parent && ref_put(&parent->inode.refs) ? parent : NULL;
    }
}
