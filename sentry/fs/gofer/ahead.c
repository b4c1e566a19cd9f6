/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gofer: what is going to be asked for. Programs that walk a tree list directories in the order of
 * their parents' listings, and open files in the order of theirs. Once that is seen, a request brings the
 * neighbours too. Listings wait here by identity until something changes; descriptors, until
 * others take their place.
 */
#include "sentry/fs/gofer/gofer_fs.h"

#include "abi/linux/dirent.h"
#include "cvisor/host.h"
#include "cvisor/kcache.h"

#include <errno.h>
#include <string.h>

#define TREE_BYTES (256u << 10)   /* of an answer */
#define TREE_BYTES_MIN (8u << 10) /* of one for the first step of a walk */
#define SMALL_BYTES (8u << 10)    /* of a directory that lookups make us read */
#define STREAK_MAX 5u
#define STREAK_SURE 4u /* enough to ask ahead of need */
#define SENT_DIRS 32u  /* directories of such a request, and what is below them */

/* --- listings that wait --- */

static struct list_head *bucket(struct gofer_fs *gfs, u64 dev, u64 ino)
{
    return &gfs->ahead[(((ino ^ (dev << 32)) * 0x9e3779b97f4a7c15ull) >> 32) % GOFER_AHEAD_BUCKETS];
}

static struct gofer_listing *find_locked(struct gofer_fs *gfs, u64 dev, u64 ino)
{
    struct gofer_listing *l;

    list_for_each_entry (l, bucket(gfs, dev, ino), ahead_node) {
        if (l->ino == ino && l->dev == dev)
            return l;
    }
    return NULL;
}

static void remove_locked(struct gofer_fs *gfs, struct gofer_listing *l)
{
    gfs->ahead_bytes -= gofer_listing_bytes(l);
    list_del(&l->ahead_node);
    list_del(&l->fifo_node);
}

/* Takes the caller's reference. */
static void keep(struct gofer_fs *gfs, struct gofer_listing *l)
{
    struct gofer_listing *old;

    mutex_lock(&gfs->listing_lock);
    old = find_locked(gfs, l->dev, l->ino);
    if (old)
        remove_locked(gfs, old);
    list_add(&l->ahead_node, bucket(gfs, l->dev, l->ino));
    list_add_tail(&l->fifo_node, &gfs->ahead_fifo);
    gfs->ahead_bytes += gofer_listing_bytes(l);
    mutex_unlock(&gfs->listing_lock);
    gofer_listing_put(old);
    for (;;) {
        old = NULL;
        mutex_lock(&gfs->listing_lock);
        if (gfs->ahead_bytes > GOFER_AHEAD_BYTES_MAX) {
            old = list_first_entry(&gfs->ahead_fifo, struct gofer_listing, fifo_node);
            remove_locked(gfs, old);
        }
        mutex_unlock(&gfs->listing_lock);
        if (!old)
            return;
        gofer_listing_put(old);
    }
}

static struct gofer_listing *take(struct gofer_inode *dir)
{
    struct gofer_fs *gfs = gofer_inode_fs(dir);
    struct gofer_listing *l;

    mutex_lock(&gfs->listing_lock);
    l = find_locked(gfs, dir->host_dev, dir->host_ino);
    if (l)
        remove_locked(gfs, l);
    mutex_unlock(&gfs->listing_lock);
    if (l && l->gen != atomic_load(&gfs->gen)) {
        gofer_listing_put(l);
        return NULL;
    }
    return l;
}

struct gofer_listing *gofer_ahead_known(struct gofer_fs *gfs, u64 dev, u64 ino)
{
    struct gofer_listing *l;
    struct gofer_inode *gi;

    mutex_lock(&gfs->listing_lock);
    l = find_locked(gfs, dev, ino);
    if (l && l->gen != atomic_load(&gfs->gen))
        l = NULL;
    if (l)
        ref_get(&l->refs);
    mutex_unlock(&gfs->listing_lock);
    gi = l ? NULL : gofer_inode_find_dir(gfs, dev, ino);
    if (gi) {
        l = gofer_listing_cached(gi);
        inode_put(&gi->inode);
    }
    return l;
}

static bool waits(struct gofer_fs *gfs, u64 dev, u64 ino)
{
    struct gofer_listing *l;
    bool found;

    mutex_lock(&gfs->listing_lock);
    l = find_locked(gfs, dev, ino);
    found = l && l->gen == atomic_load(&gfs->gen);
    mutex_unlock(&gfs->listing_lock);
    return found;
}

/* --- asking for listings --- */

struct request {
    struct gofer_fs *gfs;
    struct gofer_inode *dir;     /* NULL: none in particular */
    struct gofer_listing *found; /* dir's */
    struct gofer_listing *above; /* the parent's; NULL: dir alone */
    u64 gen;
    u64 next; /* of a directory in parts */
    u32 fid, flags, bytes, ndirs;
    struct p9_names names;
    struct p9c_steps children;
};

KCACHE(request);

static int take_whole(struct request *q, const struct p9_listdir *d, const u8 *entries, size_t len)
{
    struct gofer_listing *l = gofer_listing_new(q->gfs, d->dev, d->ino, q->gen);
    int rc = l ? gofer_listing_add_all(l, d->count, entries, len) : -ENOMEM;

    if (rc < 0) {
        gofer_listing_put(l);
        return rc;
    }
    if (q->dir && !q->found && d->dev == q->dir->host_dev && d->ino == q->dir->host_ino)
        q->found = l;
    else
        keep(q->gfs, l);
    return 0;
}

/* More of a large directory. */
static int take_part(struct request *q, const struct p9_listdir *d, const u8 *entries, size_t len)
{
    if (d->dev != q->dir->host_dev || d->ino != q->dir->host_ino)
        return -EAGAIN;
    if (!q->found)
        q->found = gofer_listing_new(q->gfs, d->dev, d->ino, q->gen);
    q->next = d->next;
    return q->found ? gofer_listing_add_all(q->found, d->count, entries, len) : -ENOMEM;
}

static int take_answer(void *arg, const struct p9_listdir *d, const u8 *entries, size_t len)
{
    struct request *q = arg;

    q->ndirs++;
    if (q->flags & P9_XLIST_PART)
        return take_part(q, d, entries, len);
    return take_whole(q, d, entries, len);
}

struct gofer_inode *gofer_parent_get(struct gofer_inode *gi)
{
    struct gofer_fs *gfs = gofer_inode_fs(gi);
    struct gofer_inode *p;

    rwlock_rdlock(&gfs->place_lock);
    p = gi->parent;
    if (p)
        inode_get(&p->inode);
    rwlock_rdunlock(&gfs->place_lock);
    return p;
}

static bool is_dir(const struct gofer_listing *l, u32 i)
{
    struct gofer_name e;

    gofer_listing_name(l, i, &e);
    return e.type == LINUX_DT_DIR;
}

/* Is dir the next one in the parent's listing? Those before dir_end may have come without being asked for.
 * place_lock is held for reading. */
static bool is_next(struct request *q)
{
    struct gofer_listing *above = q->above;
    u32 from = atomic_load(&above->dir_next), end = atomic_load(&above->dir_end);
    s64 at = gofer_listing_near(above, from, above->n, q->dir->name);

    if (at < 0)
        return false;
    atomic_store(&above->dir_next, (u32)at + 1);
    for (u32 i = MAX(from, end); i < (u32)at; i++) {
        if (is_dir(above, i))
            return false;
    }
    return (u32)at >= from;
}

/* dir, then directories that follow it in the parent's listing. place_lock is held for reading. */
static bool choose_children(struct request *q, u32 max)
{
    struct gofer_listing *above = q->above;
    u32 i = atomic_load(&above->dir_next);
    struct gofer_name e;

    p9c_names_add(&q->children.v, q->dir->name, strlen(q->dir->name));
    for (; i < above->n && q->children.v.n < max; i++) {
        gofer_listing_name(above, i, &e);
        if (e.type == LINUX_DT_DIR && !waits(q->gfs, e.dev, e.ino))
            p9c_names_add(&q->children.v, e.name, e.len);
    }
    atomic_store(&above->dir_end, i);
    return q->children.v.n > 0;
}

/* How many directories in a row were listed in the order of a tree walk. */
static u32 streak_of(struct request *q, struct gofer_inode *parent)
{
    struct gofer_fs *gfs = q->gfs;
    u32 streak = atomic_load_explicit(&gfs->list_streak, memory_order_relaxed);
    bool next;

    rwlock_rdlock(&gfs->place_lock);
    /* What comes ahead is of no use to who changes things all the time. */
    next = q->above && q->dir->parent == parent && is_next(q) &&
           atomic_load_explicit(&gfs->fetch_gen, memory_order_relaxed) == q->gen;
    rwlock_rdunlock(&gfs->place_lock);
    streak = next ? MIN(streak + 1, STREAK_MAX) : 0;
    if (streak == 0) {
        atomic_store_explicit(&gfs->walk_dev, q->dir->host_dev, memory_order_relaxed);
        atomic_store_explicit(&gfs->walk_ino, q->dir->host_ino, memory_order_relaxed);
    }
    atomic_store_explicit(&gfs->list_streak, streak, memory_order_relaxed);
    return streak;
}

static int ask(struct request *q, struct gofer_inode *at, u32 max)
{
    struct p9c_slot *slot = NULL;
    int rc = gofer_place_begin(at, &q->fid, &q->names);

    if (rc < 0)
        return rc;
    /* It may have moved meanwhile. */
    if (at != q->dir && (q->dir->parent != at || !choose_children(q, max)))
        rc = -EAGAIN;
    if (rc == 0)
        slot = p9c_list_begin(q->gfs->client, true, q->fid, q->flags, q->bytes, q->next, &q->names,
                              &q->children);
    if (slot)
        rc = p9c_list_end(q->gfs->client, slot, q->flags & P9_XLIST_PART, take_answer, q);
    else if (rc == 0)
        rc = -EIO;
    gofer_place_end(at);
    return rc;
}

/* --- requests that nobody waits for yet --- */

KCACHE(gofer_plan);

/* Listings came with attributes: who uses them brings the credit back. */
static void credit_spend(struct gofer_fs *gfs, u32 ndirs)
{
    u32 credit = atomic_load_explicit(&gfs->attrs_credit, memory_order_relaxed);

    atomic_store_explicit(&gfs->attrs_credit, credit - MIN(credit, ndirs), memory_order_relaxed);
}

static u32 attrs_flag(struct gofer_fs *gfs)
{
    return atomic_load_explicit(&gfs->attrs_credit, memory_order_relaxed) > 0 ? P9_XLIST_ATTRS : 0;
}

static struct gofer_sent swap_sent(struct gofer_fs *gfs, struct gofer_sent sent)
{
    struct gofer_sent old;

    mutex_lock(&gfs->listing_lock);
    old = gfs->sent_lists;
    gfs->sent_lists = sent;
    mutex_unlock(&gfs->listing_lock);
    return old;
}

static void receive_sent(struct gofer_fs *gfs, const struct gofer_sent *sent)
{
    struct request q = {.gfs = gfs, .gen = sent->gen, .flags = sent->flags};

    p9c_list_end(gfs->client, sent->slot, false, take_answer, &q);
    credit_spend(gfs, q.ndirs);
}

/* What follows dir in a walk of the tree and is not known, while the guest looks at what is. */
static void send_next(struct gofer_inode *dir, struct gofer_listing *l, u32 flags)
{
    struct gofer_fs *gfs = gofer_inode_fs(dir);
    struct gofer_sent sent = {.flags = flags, .gen = atomic_load(&gfs->gen)};
    struct gofer_plan *p = kcache_alloc(gofer_plan);

    if (!p)
        return;
    rwlock_rdlock(&gfs->place_lock);
    if (gofer_plan_make_locked(p, dir, l, 0, SENT_DIRS, false, true))
        sent.slot = p9c_list_begin(gfs->client, false, p->fid, flags, TREE_BYTES, 0, &p->names,
                                   &p->steps);
    rwlock_rdunlock(&gfs->place_lock);
    gofer_plan_done(p);
    kcache_free(gofer_plan, p);
    if (!sent.slot)
        return;
    sent = swap_sent(gfs, sent);
    if (sent.slot) /* two threads at a time */
        receive_sent(gfs, &sent);
}

struct gofer_listing *gofer_ahead_take(struct gofer_inode *dir)
{
    struct gofer_fs *gfs = gofer_inode_fs(dir);
    struct gofer_listing *l = take(dir);
    struct gofer_sent sent = {0};
    u32 attrs;

    if (l)
        return l;
    sent = swap_sent(gfs, sent);
    if (!sent.slot)
        return NULL;
    attrs = attrs_flag(gfs); /* were those of the answer before of use? */
    receive_sent(gfs, &sent);
    l = take(dir);
    if (l)
        send_next(dir, l, P9_XLIST_TREE | attrs);
    return l;
}

/* dir, in as many messages as it takes. */
static int list_parts(struct request *q)
{
    u32 n;
    int rc;

    do {
        n = q->ndirs;
        rc = ask(q, q->dir, 0);
        if (rc == 0 && q->ndirs == n)
            rc = -EAGAIN; /* no answer */
    } while (rc == 0 && q->next != 0);
    if (rc < 0) {
        gofer_listing_put(q->found);
        q->found = NULL;
    }
    return rc;
}

int gofer_ahead_list(struct gofer_inode *dir, bool must, struct gofer_listing **out)
{
    struct gofer_fs *gfs = gofer_inode_fs(dir);
    struct gofer_inode *parent;
    struct request *q = kcache_alloc(request);
    u32 streak;
    int rc = 0;

    if (!q)
        return -EAGAIN;
    parent = gofer_parent_get(dir);
    *q = (struct request){.gfs = gfs,
                          .dir = dir,
                          .gen = atomic_load(&gfs->gen),
                          .flags = must ? P9_XLIST_ATTRS : attrs_flag(gfs),
                          .bytes = TREE_BYTES};
    if (parent)
        q->above = gofer_listing_cached(parent);
    streak = streak_of(q, parent);
    if (streak > 1) {
        q->flags |= P9_XLIST_TREE;
        q->bytes = MIN(TREE_BYTES, TREE_BYTES_MIN << (2 * (streak - 2)));
        rc = ask(q, parent, MIN(4u << (2 * (streak - 2)), P9_WALK_MAX));
        if (q->found && streak >= STREAK_SURE)
            send_next(dir, q->found, P9_XLIST_TREE | attrs_flag(gfs));
    }
    q->children.v.n = 0;
    q->bytes = TREE_BYTES;
    if (rc != -EOPNOTSUPP)
        rc = 0;
    if (!q->found && !must) {
        q->flags &= ~P9_XLIST_TREE;
        rc = ask(q, dir, 0);
    }
    if (!q->found && rc == 0) {
        q->flags = P9_XLIST_PART | (must ? P9_XLIST_ATTRS : 0);
        rc = list_parts(q);
    }
    credit_spend(gfs, q->ndirs);
    gofer_listing_put(q->above);
    if (parent)
        inode_put(&parent->inode);
    *out = q->found;
    rc = q->found ? 0 : -EAGAIN;
    kcache_free(request, q);
    return rc;
}

bool gofer_ahead_list_small(struct gofer_inode *dir)
{
    struct gofer_fs *gfs = gofer_inode_fs(dir);
    struct request *q = kcache_alloc(request);
    bool found = false;

    if (!q)
        return false;
    *q = (struct request){
        .gfs = gfs, .dir = dir, .gen = atomic_load(&gfs->gen), .bytes = SMALL_BYTES};
    if (ask(q, dir, 0) == 0 && q->found)
        found = gofer_listing_cache(dir, q->found);
    gofer_listing_put(q->found);
    kcache_free(request, q);
    return found;
}

void gofer_ahead_clear_lists(struct gofer_fs *gfs)
{
    struct gofer_listing *l;

    for (;;) {
        l = NULL;
        mutex_lock(&gfs->listing_lock);
        if (!list_empty(&gfs->ahead_fifo)) {
            l = list_first_entry(&gfs->ahead_fifo, struct gofer_listing, fifo_node);
            remove_locked(gfs, l);
        }
        mutex_unlock(&gfs->listing_lock);
        if (!l)
            return;
        gofer_listing_put(l);
    }
}
