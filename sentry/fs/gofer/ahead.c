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
#define OPEN_NEAR 64u /* entries that are searched for the next file */
#define OPEN_SKIP 2u  /* files that a reader in order may leave out */

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

struct gofer_listing *gofer_ahead_take(struct gofer_inode *dir)
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
    struct gofer_inode *dir;
    struct gofer_listing *found; /* dir's */
    struct gofer_listing *above; /* the parent's; NULL: dir alone */
    u64 gen;
    u64 next; /* of a directory in parts */
    u32 fid, flags, bytes, ndirs;
    struct p9_names names, children;
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
    if (!q->found && d->dev == q->dir->host_dev && d->ino == q->dir->host_ino)
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

/* The parent of gi, referenced, or NULL. */
static struct gofer_inode *parent_get(struct gofer_inode *gi)
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

/* Entry of a name, searched from the hint on, or -1. Any lock or none. */
static s64 entry_near(const struct gofer_listing *l, u32 from, u32 near, const char *name)
{
    size_t len = strlen(name);

    if (l->n <= near * 2)
        near = l->n;
    for (u32 k = 0, i = from < l->n ? from : 0; k < near && k < l->n; k++) {
        if (gofer_listing_is(l, i, name, len))
            return i;
        i = i + 1 < l->n ? i + 1 : 0;
    }
    return -1;
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
    s64 at = entry_near(above, from, above->n, q->dir->name);

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

    p9c_names_add(&q->children, q->dir->name, strlen(q->dir->name));
    for (; i < above->n && q->children.n < max; i++) {
        gofer_listing_name(above, i, &e);
        if (e.type == LINUX_DT_DIR && !waits(q->gfs, e.dev, e.ino))
            p9c_names_add(&q->children, e.name, e.len);
    }
    atomic_store(&above->dir_end, i);
    return q->children.n > 0;
}

/* How many directories in a row were listed in the order of a tree walk. */
static u32 streak_of(struct request *q, struct gofer_inode *parent)
{
    struct gofer_fs *gfs = q->gfs;
    u32 streak = atomic_load_explicit(&gfs->list_streak, memory_order_relaxed);
    bool next;

    rwlock_rdlock(&gfs->place_lock);
    next = q->above && q->dir->parent == parent && is_next(q);
    rwlock_rdunlock(&gfs->place_lock);
    streak = next ? MIN(streak + 1, STREAK_MAX) : 0;
    atomic_store_explicit(&gfs->list_streak, streak, memory_order_relaxed);
    return streak;
}

static int ask(struct request *q, struct gofer_inode *at, u32 max)
{
    int rc = gofer_place_begin(at, &q->fid, &q->names);

    if (rc < 0)
        return rc;
    /* It may have moved meanwhile. */
    if (at != q->dir && (q->dir->parent != at || !choose_children(q, max)))
        rc = -EAGAIN;
    if (rc == 0)
        rc = p9c_list(q->gfs->client, q->fid, q->flags, q->bytes, q->next, &q->names, &q->children,
                      take_answer, q);
    gofer_place_end(at);
    return rc;
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

/* Listings came with attributes: who uses them brings the credit back. */
static void credit_spend(struct gofer_fs *gfs, u32 ndirs)
{
    u32 credit = atomic_load_explicit(&gfs->attrs_credit, memory_order_relaxed);

    atomic_store_explicit(&gfs->attrs_credit, credit - MIN(credit, ndirs), memory_order_relaxed);
}

int gofer_ahead_list(struct gofer_inode *dir, bool must, struct gofer_listing **out)
{
    struct gofer_fs *gfs = gofer_inode_fs(dir);
    struct gofer_inode *parent;
    struct request *q = kcache_alloc(request);
    bool attrs = must || atomic_load_explicit(&gfs->attrs_credit, memory_order_relaxed) > 0;
    u32 streak;
    int rc = 0;

    if (!q)
        return -EAGAIN;
    parent = parent_get(dir);
    *q = (struct request){.gfs = gfs,
                          .dir = dir,
                          .gen = atomic_load(&gfs->gen),
                          .flags = attrs ? P9_XLIST_ATTRS : 0,
                          .bytes = TREE_BYTES};
    if (parent)
        q->above = gofer_listing_cached(parent);
    streak = streak_of(q, parent);
    if (streak > 1) {
        q->flags |= P9_XLIST_TREE;
        q->bytes = MIN(TREE_BYTES, TREE_BYTES_MIN << (2 * (streak - 2)));
        rc = ask(q, parent, MIN(4u << (2 * (streak - 2)), P9_WALK_MAX));
    }
    q->children.n = 0;
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

/* --- descriptors --- */

static int take_fd(struct gofer_file *gf)
{
    struct gofer_fs *gfs = gofer_inode_fs(&gf->gi);
    int fd = -1;

    if (!atomic_load_explicit(&gfs->ahead_nfds, memory_order_relaxed))
        return -1;
    mutex_lock(&gfs->fd_lock);
    for (u32 i = 0; i < GOFER_AHEAD_FDS && fd < 0; i++) {
        struct gofer_ahead_fd *a = &gfs->ahead_fds[i];

        if (a->fd >= 0 && a->ino == gf->gi.host_ino && a->dev == gf->gi.host_dev) {
            fd = a->fd;
            a->fd = -1;
            atomic_fetch_sub(&gfs->ahead_nfds, 1);
        }
    }
    mutex_unlock(&gfs->fd_lock);
    return fd;
}

static void keep_fd(struct gofer_fs *gfs, u64 dev, u64 ino, int fd)
{
    struct gofer_ahead_fd *a;
    int old;

    mutex_lock(&gfs->fd_lock);
    a = &gfs->ahead_fds[gfs->ahead_fd_next++ % GOFER_AHEAD_FDS];
    old = a->fd;
    *a = (struct gofer_ahead_fd){.dev = dev, .ino = ino, .fd = fd};
    if (old < 0)
        atomic_fetch_add(&gfs->ahead_nfds, 1);
    mutex_unlock(&gfs->fd_lock);
    if (old >= 0)
        host_close(old);
}

void gofer_ahead_keep_fd(struct gofer_fs *gfs, const struct p9_attr *a, int fd)
{
    keep_fd(gfs, a->dev, a->qid.path, fd);
}

/* The file at entry `at` and regular files that follow it; how many depends on how well it went. */
static bool choose_files(struct gofer_fs *gfs, struct gofer_listing *l, u32 at,
                         struct p9_names *children)
{
    u32 streak = atomic_load_explicit(&gfs->open_streak, memory_order_relaxed), skipped = 0, max;
    u32 from = atomic_load(&l->open_next), i;
    struct gofer_name e;

    for (i = from; i < at && skipped <= OPEN_SKIP; i++) {
        gofer_listing_name(l, i, &e);
        skipped += e.type == LINUX_DT_REG;
    }
    streak = from <= at && skipped <= OPEN_SKIP ? MIN(streak + 1, STREAK_MAX) : 0;
    atomic_store_explicit(&gfs->open_streak, streak, memory_order_relaxed);
    max = streak < 2 ? 1 : MIN(4u << (streak - 2), P9_OPENV_MAX);
    for (i = at; i < l->n && children->n < max; i++) {
        gofer_listing_name(l, i, &e);
        if (e.type == LINUX_DT_REG)
            p9c_names_add(children, e.name, e.len);
    }
    atomic_store(&l->open_next, i);
    return children->n > 1;
}

struct batch {
    struct p9_names names, children;
    struct p9_opened opened[P9_OPENV_MAX];
    int fds[P9_OPENV_MAX];
};

KCACHE(batch);

static int open_batch(struct gofer_file *gf, struct gofer_inode *parent, struct gofer_listing *l,
                      struct batch *b)
{
    struct gofer_fs *gfs = gofer_inode_fs(&gf->gi);
    u32 fid;
    s64 at = -1;
    int rc = gofer_place_begin(parent, &fid, &b->names);

    if (rc < 0)
        return -EAGAIN;
    b->children.n = 0;
    if (gf->gi.parent == parent)
        at = entry_near(l, atomic_load(&l->open_next), OPEN_NEAR, gf->gi.name);
    if (at >= 0 && choose_files(gfs, l, (u32)at, &b->children))
        rc = p9c_openv(gfs->client, fid, &b->names, &b->children, b->opened, b->fds);
    else
        rc = -EAGAIN;
    gofer_place_end(parent);
    if (rc < 0)
        return -EAGAIN;
    for (u16 i = 1; i < b->children.n; i++) {
        if (b->fds[i] >= 0)
            keep_fd(gfs, b->opened[i].dev, b->opened[i].ino, b->fds[i]);
    }
    if (b->fds[0] < 0)
        return -EAGAIN;
    if (b->opened[0].dev != gf->gi.host_dev || b->opened[0].ino != gf->gi.host_ino) {
        host_close(b->fds[0]);
        return -EAGAIN;
    }
    return gofer_fd_check(gfs, b->fds[0]);
}

int gofer_ahead_open(struct gofer_file *gf)
{
    struct gofer_fs *gfs = gofer_inode_fs(&gf->gi);
    struct gofer_listing *l = NULL;
    struct gofer_inode *parent;
    struct batch *b;
    int fd = take_fd(gf), rc = -EAGAIN;

    if (fd >= 0)
        return gofer_fd_check(gfs, fd);
    parent = parent_get(&gf->gi);
    if (parent)
        l = gofer_listing_cached(parent);
    b = l ? kcache_alloc(batch) : NULL;
    if (b)
        rc = open_batch(gf, parent, l, b);
    kcache_free(batch, b);
    gofer_listing_put(l);
    if (parent)
        inode_put(&parent->inode);
    return rc;
}

void gofer_ahead_clear(struct gofer_fs *gfs)
{
    struct gofer_listing *l;
    int fds[GOFER_AHEAD_FDS], n = 0;

    mutex_lock(&gfs->fd_lock);
    for (u32 i = 0; i < GOFER_AHEAD_FDS && atomic_load(&gfs->ahead_nfds); i++) {
        if (gfs->ahead_fds[i].fd >= 0)
            fds[n++] = gfs->ahead_fds[i].fd;
        gfs->ahead_fds[i].fd = -1;
    }
    atomic_store(&gfs->ahead_nfds, 0);
    mutex_unlock(&gfs->fd_lock);
    while (n > 0)
        host_close(fds[--n]);
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
