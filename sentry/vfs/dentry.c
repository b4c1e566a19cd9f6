/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dentries: one hash table of children for each filesystem, keyed by parent and name, under the
 * filesystem's tree_lock. A hashed dentry keeps one reference of its own (the cache's), so walking
 * never brings a count from or to zero. Filesystems without FS_PIN_DENTRIES have a bounded cache:
 * entries that only the cache refers to are evicted in order of insertion, with a second chance for
 * those that were walked through. With FS_NO_DCACHE there is no such reference: the last user
 * takes the dentry out.
 */
#include "cvisor/host.h"
#include "cvisor/kcache.h"
#include "sentry/vfs/internal.h"
#include "sentry/vfs/vfs.h"

#include <errno.h>
#include <string.h>

KCACHE(dentry);

#define HASH_MIN 64u
#define HASH_MAX (4u << 20)
#define CHAIN_MAX 64  /* steps of a walk without locks in one chain */
#define EVICT_SCAN 32 /* entries looked at for each insertion over the limit */

/* Against names chosen to collide. Set once, before the first dentry is hashed. */
static _Atomic u64 g_hash_seed;

static u64 hash_seed(void)
{
    u64 seed = atomic_load_explicit(&g_hash_seed, memory_order_relaxed), none = 0;

    if (likely(seed))
        return seed;
    if (host_getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
        seed = host_now_mono();
    seed |= 1;
    if (!atomic_compare_exchange_strong(&g_hash_seed, &none, seed))
        seed = none;
    return seed;
}

static u32 hash_name(const char *name, size_t len)
{
    u64 h = hash_seed() ^ len, w;

    for (; len >= 8; len -= 8, name += 8) {
        memcpy(&w, name, 8);
        h = (h ^ w) * 0x9e3779b97f4a7c15ull;
        h ^= h >> 29;
    }
    w = 0;
    for (size_t i = 0; i < len; i++)
        w |= (u64)(u8)name[i] << (8 * i);
    h = (h ^ w) * 0x9e3779b97f4a7c15ull;
    return (u32)(h >> 32) ^ (u32)h;
}

/* Buckets of children. Tables that were outgrown are kept for walkers without locks, which may still
 * read them, until the filesystem goes. */
struct dentry_table {
    struct dentry_table *old;
    u32 mask;
    struct dentry *buckets[];
};

static struct dentry **bucket_of(struct dentry_table *t, const struct dentry *parent, u32 name_hash)
{
    u64 h = ((u64)(uintptr_t)parent >> 5) * 0x9e3779b97f4a7c15ull;

    return &t->buckets[((u32)(h >> 32) ^ name_hash * 0x85ebca6bu) & t->mask];
}

static void tree_wrlock(struct filesystem *fs)
{
    rwlock_wrlock(&fs->tree_lock);
    atomic_store_explicit(&fs->tree_seq, fs->tree_seq + 1, memory_order_relaxed);
    atomic_thread_fence(memory_order_release);
}

static void tree_wrunlock(struct filesystem *fs)
{
    atomic_store_explicit(&fs->tree_seq, fs->tree_seq + 1, memory_order_release);
    rwlock_wrunlock(&fs->tree_lock);
}

bool dentry_seq_begin(struct filesystem *fs, u32 *seq)
{
    *seq = atomic_load_explicit(&fs->tree_seq, memory_order_acquire);
    return !(*seq & 1);
}

bool dentry_seq_valid(struct filesystem *fs, u32 seq)
{
    atomic_thread_fence(memory_order_acquire);
    return atomic_load_explicit(&fs->tree_seq, memory_order_relaxed) == seq;
}

void dentry_table_free(struct filesystem *fs)
{
    struct dentry_table *t = fs->htable, *old;

    BUG_ON(fs->hcount != 0);
    for (; t; t = old) {
        old = t->old;
        kfree(t);
    }
    fs->htable = NULL;
}

static void chain_insert_locked(struct dentry_table *t, struct dentry *d)
{
    struct dentry **b = bucket_of(t, d->parent, d->name_hash);

    __atomic_store_n(&d->hash_next, *b, __ATOMIC_RELAXED);
    __atomic_store_n(b, d, __ATOMIC_RELEASE);
}

static void chain_remove_locked(struct dentry_table *t, struct dentry *d)
{
    struct dentry **p = bucket_of(t, d->parent, d->name_hash);

    while (*p != d)
        p = &(*p)->hash_next;
    __atomic_store_n(p, d->hash_next, __ATOMIC_RELAXED);
}

/* Makes room for one more; keeps the old table when there is no memory. tree_lock (write). */
static bool table_grow_locked(struct filesystem *fs)
{
    struct dentry_table *old = fs->htable, *fresh;
    u64 size = old ? (old->mask + 1ull) * 4 : HASH_MIN;

    if (old && fs->hcount <= old->mask)
        return true;
    fresh = size <= HASH_MAX ? kzalloc(sizeof(*fresh) + size * sizeof(fresh->buckets[0])) : NULL;
    if (!fresh)
        return old != NULL;
    fresh->old = old;
    fresh->mask = (u32)size - 1;
    for (u32 i = 0; old && i <= old->mask; i++) {
        struct dentry *d, *next;
        for (d = old->buckets[i]; d; d = next) {
            next = d->hash_next;
            chain_insert_locked(fresh, d);
        }
    }
    atomic_store_explicit(&fs->htable, fresh, memory_order_release);
    return true;
}

void dentry_table_init(struct filesystem *fs)
{
    fs->htable = NULL;
    table_grow_locked(fs);
}

static int dentry_set_name(struct dentry *d, const char *name, size_t len)
{
    char *p = d->short_name;

    if (len >= sizeof(d->short_name)) {
        p = kmalloc(len + 1);
        if (!p)
            return -ENOMEM;
    }
    memcpy(p, name, len);
    p[len] = 0;
    d->name = p;
    d->name_len = (u32)len;
    d->name_hash = hash_name(name, len);
    return 0;
}

struct dentry *dentry_alloc(struct filesystem *fs, struct dentry *parent, const char *name,
                            size_t len)
{
    struct dentry *d = kcache_alloc(dentry);

    if (!d)
        return NULL;
    if (dentry_set_name(d, name, len)) {
        kcache_free(dentry, d);
        return NULL;
    }
    ref_init(&d->refs);
    fs_get(fs);
    d->fs = fs;
    if (parent)
        dentry_get(parent);
    d->parent = parent;
    list_init(&d->sibling);
    list_init(&d->children);
    list_init(&d->lru_node);
    return d;
}

void dentry_instantiate(struct dentry *d, struct inode *inode)
{
    BUG_ON(d->inode != NULL);
    __atomic_store_n(&d->inode, inode, __ATOMIC_RELEASE);
}

void dentry_get(struct dentry *d)
{
    ref_get(&d->refs);
}

/* Takes d out of the tree; the cache's reference, if any, is the caller's now. tree_lock (write). */
static bool unhash_locked(struct dentry *d)
{
    if (!(d->flags & DENTRY_HASHED))
        return false;
    d->flags &= ~DENTRY_HASHED;
    chain_remove_locked(d->fs->htable, d);
    list_del(&d->sibling);
    if (!list_empty(&d->lru_node)) {
        list_del(&d->lru_node);
        d->fs->lru_count--;
    }
    d->fs->hcount--;
    return !(d->fs->flags & FS_NO_DCACHE);
}

/* The last reference went. Returns the parent, whose reference the caller drops. */
static struct dentry *dentry_free(struct dentry *d)
{
    struct filesystem *fs = d->fs;
    struct dentry *parent;

    /* Unlocked walkers of the tree may still be looking at a hashed one. */
    tree_wrlock(fs);
    unhash_locked(d);
    parent = d->parent;
    tree_wrunlock(fs);
    if (d->inode)
        inode_put(d->inode);
    if (d->name != d->short_name)
        kfree(d->name);
    kcache_free(dentry, d);
    return parent;
}

void dentry_put(struct dentry *d)
{
    while (d && ref_put(&d->refs)) {
        struct filesystem *fs = d->fs;

        d = dentry_free(d);
        fs_put(fs);
    }
}

/*
 * Over the limit: takes out up to a few entries that only the cache refers to. They are returned
 * in a list through lru_node, for dentry_put() without the lock. tree_lock (write).
 */
static void evict_locked(struct filesystem *fs, struct list_head *out)
{
    for (int i = 0; i < EVICT_SCAN && fs->lru_count > fs->lru_max; i++) {
        struct dentry *d = list_first_entry(&fs->lru, struct dentry, lru_node);

        if (ref_read(&d->refs) == 1 && !dentry_is_mountpoint(d) &&
            !atomic_exchange_explicit(&d->used, false, memory_order_relaxed)) {
            unhash_locked(d);
            list_add_tail(&d->lru_node, out);
        } else {
            list_move_tail(&d->lru_node, &fs->lru);
        }
    }
}

static void put_list(struct list_head *l)
{
    struct dentry *d, *n;

    list_for_each_entry_safe (d, n, l, lru_node) {
        list_del(&d->lru_node);
        dentry_put(d);
    }
}

void dentry_hash(struct dentry *d)
{
    struct filesystem *fs = d->fs;
    struct list_head evicted = LIST_HEAD_INIT(evicted);

    tree_wrlock(fs);
    if (!(d->flags & (DENTRY_HASHED | DENTRY_DEAD)) && d->parent && table_grow_locked(fs)) {
        d->flags |= DENTRY_HASHED;
        chain_insert_locked(fs->htable, d);
        list_add_tail(&d->sibling, &d->parent->children);
        fs->hcount++;
        if (!(fs->flags & FS_NO_DCACHE))
            dentry_get(d);
        if (!(fs->flags & (FS_NO_DCACHE | FS_PIN_DENTRIES))) {
            list_add_tail(&d->lru_node, &fs->lru);
            fs->lru_count++;
            if (fs->lru_count > fs->lru_max)
                evict_locked(fs, &evicted);
        }
    }
    tree_wrunlock(fs);
    put_list(&evicted);
}

/* A directory that was removed had no entries: what is cached below it are names known not to exist,
 * and they would keep it. Adds them to out, for put_list(). tree_lock (write). */
static void drop_children_locked(struct dentry *d, struct list_head *out)
{
    struct dentry *c, *n;

    list_for_each_entry_safe (c, n, &d->children, sibling) {
        if (ref_read(&c->refs) == 1 && unhash_locked(c))
            list_add_tail(&c->lru_node, out);
    }
}

static void dentry_unhash_flags(struct dentry *d, u32 flags)
{
    struct list_head dropped = LIST_HEAD_INIT(dropped);
    struct filesystem *fs = d->fs;
    bool cached;

    tree_wrlock(fs);
    cached = unhash_locked(d);
    d->flags |= flags;
    if (d->flags & DENTRY_DEAD)
        drop_children_locked(d, &dropped);
    tree_wrunlock(fs);
    put_list(&dropped);
    if (cached)
        dentry_put(d);
}

void dentry_unhash(struct dentry *d)
{
    dentry_unhash_flags(d, 0);
}

void dentry_kill(struct dentry *d)
{
    dentry_unhash_flags(d, DENTRY_DEAD);
}

struct dentry *dentry_find_locked(struct dentry *parent, const char *name, size_t len)
{
    struct dentry_table *t = parent->fs->htable;
    u32 h = hash_name(name, len);
    struct dentry *d;

    if (unlikely(!t))
        return NULL;
    for (d = *bucket_of(t, parent, h); d; d = d->hash_next) {
        if (d->name_hash == h && d->parent == parent && d->name_len == len &&
            !memcmp(d->name, name, len))
            return d;
    }
    return NULL;
}

struct dentry *dentry_find_lockless(struct dentry *parent, const char *name, size_t len, u32 seq,
                                    bool *unsure)
{
    struct filesystem *fs = parent->fs;
    struct dentry_table *t = atomic_load_explicit(&fs->htable, memory_order_acquire);
    u32 h = hash_name(name, len);
    struct dentry *d;
    const char *s;

    *unsure = !t;
    if (!t)
        return NULL;
    d = __atomic_load_n(bucket_of(t, parent, h), __ATOMIC_ACQUIRE);
    for (int i = 0; d; i++, d = __atomic_load_n(&d->hash_next, __ATOMIC_ACQUIRE)) {
        if (i == CHAIN_MAX)
            goto unsure;
        if (d->name_hash != h || d->parent != parent || d->name_len != len)
            continue;
        /* Name and length belong together only if nothing has changed by now. */
        s = __atomic_load_n(&d->name, __ATOMIC_RELAXED);
        if (!dentry_seq_valid(fs, seq))
            goto unsure;
        if (!memcmp(s, name, len))
            return d;
    }
    return NULL;
unsure:
    *unsure = true;
    return NULL;
}

struct dentry *dentry_find(struct dentry *parent, const char *name, size_t len)
{
    struct filesystem *fs = parent->fs;
    struct dentry *d;

    rwlock_rdlock(&fs->tree_lock);
    d = dentry_find_locked(parent, name, len);
    /* Only with FS_NO_DCACHE a hashed one may be dying. */
    if (d && !ref_get_unless_zero(&d->refs))
        d = NULL;
    if (d && !atomic_load_explicit(&d->used, memory_order_relaxed))
        atomic_store_explicit(&d->used, true, memory_order_relaxed);
    rwlock_rdunlock(&fs->tree_lock);
    return d;
}

/* 1 = keep, 0 = it was dropped. */
static int dentry_revalidate(struct dentry *parent, struct dentry *d)
{
    struct inode *dir = dentry_inode(parent), *inode = dentry_inode(d);
    const struct inode_ops *ops = inode ? inode->ops : dir->ops;
    int r;

    if (!(d->fs->flags & FS_REVALIDATE) || !ops->revalidate)
        return 1;
    r = ops->revalidate(d);
    if (r == 0)
        dentry_unhash(d);
    return r;
}

int dentry_lookup_locked(struct dentry *parent, const char *name, size_t len, struct dentry **out)
{
    struct inode *dir = dentry_inode(parent);
    struct filesystem *fs = parent->fs;
    struct dentry *d = dentry_find(parent, name, len);
    int err;

    if (d) {
        err = dentry_revalidate(parent, d);
        if (err > 0) {
            *out = d;
            return 0;
        }
        dentry_put(d);
        if (err < 0)
            return err;
    }
    if (len > fs->max_name)
        return -ENAMETOOLONG;
    d = dentry_alloc(fs, parent, name, len);
    if (!d)
        return -ENOMEM;
    if (dir->ops->lookup && !(parent->flags & DENTRY_DEAD)) {
        err = dir->ops->lookup(dir, d);
        if (err == -ENOENT)
            err = 0;
        if (err) {
            dentry_put(d);
            return err;
        }
    }
    if (d->inode || ((fs->flags & FS_NEGATIVE_DENTRIES) && !(parent->flags & DENTRY_DEAD)))
        dentry_hash(d);
    *out = d;
    return 0;
}

int dentry_lookup(struct dentry *parent, const char *name, size_t len, struct dentry **out)
{
    struct inode *dir = dentry_inode(parent);
    struct dentry *d = dentry_find(parent, name, len);
    int err;

    if (d) {
        err = dentry_revalidate(parent, d);
        if (err > 0) {
            *out = d;
            return 0;
        }
        dentry_put(d);
        if (err < 0)
            return err;
    }
    mutex_lock(&dir->dir_lock);
    err = dentry_lookup_locked(parent, name, len, out);
    mutex_unlock(&dir->dir_lock);
    return err;
}

struct dentry *dentry_parent(struct dentry *d)
{
    struct dentry *p;

    rwlock_rdlock(&d->fs->tree_lock);
    p = d->parent ? d->parent : d;
    dentry_get(p);
    rwlock_rdunlock(&d->fs->tree_lock);
    return p;
}

bool dentry_is_below(struct dentry *d, struct dentry *ancestor)
{
    struct filesystem *fs = d->fs;
    bool found = false;

    if (fs != ancestor->fs)
        return false;
    rwlock_rdlock(&fs->tree_lock);
    for (; d && !found; d = d->parent)
        found = d == ancestor;
    rwlock_rdunlock(&fs->tree_lock);
    return found;
}

/* tree_lock (write). Swaps parent, name and place in the table. */
static void swap_names_locked(struct dentry *a, struct dentry *b)
{
    struct filesystem *fs = a->fs;
    char tmp[sizeof(a->short_name)];
    bool a_short = a->name == a->short_name, b_short = b->name == b->short_name;
    char *a_name = a->name, *b_name = b->name;
    struct dentry *p = a->parent;
    u32 len = a->name_len, hash = a->name_hash;

    if (a->flags & DENTRY_HASHED)
        chain_remove_locked(fs->htable, a);
    if (b->flags & DENTRY_HASHED)
        chain_remove_locked(fs->htable, b);
    memcpy(tmp, a->short_name, sizeof(tmp));
    memcpy(a->short_name, b->short_name, sizeof(tmp));
    memcpy(b->short_name, tmp, sizeof(tmp));
    a->name = b_short ? a->short_name : b_name;
    b->name = a_short ? b->short_name : a_name;
    a->name_len = b->name_len;
    b->name_len = len;
    a->name_hash = b->name_hash;
    b->name_hash = hash;
    a->parent = b->parent;
    b->parent = p;
    for (int i = 0; i < 2; i++) {
        struct dentry *d = i ? b : a;
        if (d->flags & DENTRY_HASHED) {
            chain_insert_locked(fs->htable, d);
            list_move_tail(&d->sibling, &d->parent->children);
        }
    }
}

void dentry_move(struct dentry *d, struct dentry *target)
{
    struct list_head dropped = LIST_HEAD_INIT(dropped);
    struct filesystem *fs = d->fs;
    bool cached;

    tree_wrlock(fs);
    cached = unhash_locked(target);
    target->flags |= DENTRY_DEAD;
    drop_children_locked(target, &dropped);
    /* The parents' references travel with the pointers. */
    swap_names_locked(d, target);
    tree_wrunlock(fs);
    put_list(&dropped);
    if (cached)
        dentry_put(target);
    dentry_hash(d);
}

void dentry_exchange(struct dentry *a, struct dentry *b)
{
    tree_wrlock(a->fs);
    swap_names_locked(a, b);
    tree_wrunlock(a->fs);
}

/* One pass: unhashes what only the cache refers to. True when something went. */
static bool shrink_pass(struct filesystem *fs)
{
    struct list_head out = LIST_HEAD_INIT(out);
    struct dentry_table *t;
    bool any;

    tree_wrlock(fs);
    t = fs->htable;
    for (u32 i = 0; t && i <= t->mask; i++) {
        struct dentry *d, *next;
        for (d = t->buckets[i]; d; d = next) {
            next = d->hash_next;
            if (ref_read(&d->refs) != 1)
                continue;
            unhash_locked(d);
            list_add_tail(&d->lru_node, &out);
        }
    }
    tree_wrunlock(fs);
    any = !list_empty(&out);
    put_list(&out);
    return any;
}

void dentry_shrink(struct filesystem *fs)
{
    /* Leaves first: each pass frees the parents of the one before. */
    while (!(fs->flags & FS_NO_DCACHE) && shrink_pass(fs))
        ;
}
