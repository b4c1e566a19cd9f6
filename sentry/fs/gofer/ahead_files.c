/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gofer: descriptors that are going to be asked for. Programs open files in the order of their listings, and of
 * the tree. Once that is seen, a request opens what comes next, too, and the one after it is under way
 * before it is needed. Descriptors wait here by identity until others take their place.
 */
#include "sentry/fs/gofer/gofer_fs.h"

#include "abi/linux/dirent.h"
#include "cvisor/host.h"
#include "cvisor/kcache.h"

#include <errno.h>
#include <string.h>

#define STREAK_MAX 5u
#define STREAK_SURE 4u /* enough to ask ahead of need */
#define OPEN_NEAR 64u  /* entries that are searched for the next file */
#define OPEN_SKIP 2u   /* files that a reader in order may leave out */
#define WASTE_MAX 64u  /* descriptors that come for nothing before it is believed that they do */

/* A guess like the others: updates may get lost. */
static void waste_add(struct gofer_fs *gfs, int n)
{
    u32 waste = atomic_load_explicit(&gfs->open_waste, memory_order_relaxed);

    if (n > 0 || waste > 0)
        atomic_store_explicit(&gfs->open_waste, waste + (u32)n, memory_order_relaxed);
}

/* --- descriptors that wait --- */

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
    if (fd >= 0)
        waste_add(gfs, -1);
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
    if (old >= 0) {
        waste_add(gfs, 1);
        host_close(old);
    }
}

void gofer_ahead_keep_fd(struct gofer_fs *gfs, const struct p9_attr *a, int fd)
{
    keep_fd(gfs, a->dev, a->qid.path, fd);
}

/* --- what is going to be opened --- */

/* Regular files from one entry to another, up to a few. */
static u32 files_between(const struct gofer_listing *l, u32 from, u32 to)
{
    struct gofer_name e;
    u32 n = 0;

    for (u32 i = from; i < to && i < l->n && n <= OPEN_SKIP; i++) {
        gofer_listing_name(l, i, &e);
        n += e.type == LINUX_DT_REG;
    }
    return n;
}

/* Was dir entered when its turn came in the parent's listing? place_lock is held for reading. */
static bool entered_in_order(struct gofer_fs *gfs, struct gofer_inode *dir)
{
    struct gofer_listing *l = dir->parent ? gofer_listing_cached(dir->parent) : NULL;
    u32 from = l ? gofer_listing_opened(gfs, l) : 0;
    s64 at = l ? gofer_listing_near(l, from, l->n, dir->name) : -1;
    bool yes = at >= from && files_between(l, from, (u32)at) <= OPEN_SKIP;

    if (yes)
        gofer_listing_set_opened(gfs, l, (u32)at);
    gofer_listing_put(l);
    return yes;
}

/*
 * How many files to ask for: the one at entry `at`, that nobody expected, and what follows. place_lock is held for
 * reading.
 */
static u32 judge(struct gofer_inode *dir, struct gofer_listing *l, u32 at)
{
    struct gofer_fs *gfs = gofer_inode_fs(dir);
    u32 streak = atomic_load_explicit(&gfs->open_streak, memory_order_relaxed);
    u32 from = gofer_listing_opened(gfs, l);
    bool ok = from <= at && files_between(l, from, at) <= OPEN_SKIP;

    if (ok && atomic_load(&l->open_epoch) != atomic_load(&gfs->open_epoch))
        atomic_store_explicit(&gfs->open_around, entered_in_order(gfs, dir), memory_order_relaxed);
    if (atomic_load_explicit(&gfs->open_waste, memory_order_relaxed) > WASTE_MAX) {
        atomic_store_explicit(&gfs->open_waste, 0, memory_order_relaxed);
        ok = false;
    }
    streak = ok ? MIN(streak + 1, STREAK_MAX) : 0;
    atomic_store_explicit(&gfs->open_streak, streak, memory_order_relaxed);
    if (!ok) {
        atomic_store_explicit(&gfs->open_around, false, memory_order_relaxed);
        if (atomic_fetch_add(&gfs->open_epoch, 1) == UINT32_MAX)
            atomic_store(&gfs->open_epoch, 1);
    }
    gofer_listing_set_opened(gfs, l, at + 1);
    return streak < 2 ? 1 : MIN(4u << (streak - 2), P9_OPENV_MAX);
}

KCACHE(gofer_plan);

/* Sends a request for what follows entry from - 1 of dir. place_lock is held for reading. */
static bool send_locked(struct gofer_inode *dir, struct gofer_listing *l, u32 from, u32 max,
                        bool block, struct gofer_plan *p, struct gofer_sent *sent)
{
    struct gofer_fs *gfs = gofer_inode_fs(dir);
    bool around = atomic_load_explicit(&gfs->open_around, memory_order_relaxed);

    *sent = (struct gofer_sent){0};
    if (gofer_plan_make_locked(p, dir, l, from, max, true, around)) {
        sent->n = p->n;
        sent->slot = p9c_openv_begin(gfs->client, block, p->fid, &p->names, &p->steps);
    }
    gofer_plan_done(p);
    return sent->slot;
}

/* The answer: what came waits with the others. */
static void receive(struct gofer_fs *gfs, const struct gofer_sent *sent)
{
    struct p9_opened opened[P9_OPENV_MAX];
    int fds[P9_OPENV_MAX];

    if (p9c_openv_end(gfs->client, sent->slot, sent->n, opened, fds) < 0)
        return;
    for (u32 i = 0; i < sent->n; i++) {
        if (fds[i] >= 0)
            keep_fd(gfs, opened[i].dev, opened[i].ino, fds[i]);
    }
}

static struct gofer_sent swap_sent(struct gofer_fs *gfs, struct gofer_sent sent)
{
    struct gofer_sent old;

    mutex_lock(&gfs->fd_lock);
    old = gfs->sent_files;
    gfs->sent_files = sent;
    mutex_unlock(&gfs->fd_lock);
    return old;
}

static int open_batch(struct gofer_file *gf, struct gofer_inode *parent, struct gofer_listing *l,
                      struct gofer_plan *p)
{
    struct gofer_fs *gfs = gofer_inode_fs(&gf->gi);
    struct gofer_sent now = {0}, next = {0};
    int fd = -1;
    s64 at = -1;
    u32 max = 0;

    next = swap_sent(gfs, next);
    if (next.slot) {
        receive(gfs, &next);
        next.slot = NULL;
        fd = take_fd(gf);
    }
    rwlock_rdlock(&gfs->place_lock);
    if (gf->gi.parent == parent)
        at = gofer_listing_near(l, gofer_listing_opened(gfs, l), OPEN_NEAR, gf->gi.name);
    if (at >= 0 && fd < 0)
        max = judge(parent, l, (u32)at);
    if (max > 1)
        send_locked(parent, l, (u32)at, max, true, p, &now);
    /* The request after that, unless the first one is a guess already. */
    if (at >= 0 && (fd >= 0 || now.slot) &&
        atomic_load_explicit(&gfs->open_streak, memory_order_relaxed) >= STREAK_SURE)
        send_locked(parent, l, MAX((u32)at + 1, gofer_listing_opened(gfs, l)), P9_OPENV_MAX, false,
                    p, &next);
    rwlock_rdunlock(&gfs->place_lock);
    if (now.slot) {
        receive(gfs, &now);
        fd = take_fd(gf);
    }
    if (next.slot) {
        next = swap_sent(gfs, next);
        if (next.slot) /* of another thread */
            receive(gfs, &next);
    }
    return fd < 0 ? -EAGAIN : gofer_fd_check(gfs, fd);
}

int gofer_ahead_open(struct gofer_file *gf)
{
    struct gofer_fs *gfs = gofer_inode_fs(&gf->gi);
    struct gofer_listing *l = NULL;
    struct gofer_inode *parent;
    struct gofer_plan *p;
    int fd = take_fd(gf), rc = -EAGAIN;

    if (fd >= 0)
        return gofer_fd_check(gfs, fd);
    parent = gofer_parent_get(&gf->gi);
    if (parent)
        l = gofer_listing_cached(parent);
    p = l ? kcache_alloc(gofer_plan) : NULL;
    if (p)
        rc = open_batch(gf, parent, l, p);
    kcache_free(gofer_plan, p);
    gofer_listing_put(l);
    if (parent)
        inode_put(&parent->inode);
    return rc;
}

void gofer_ahead_clear_files(struct gofer_fs *gfs)
{
    struct gofer_sent none = {0}, sent = swap_sent(gfs, none);
    int fds[GOFER_AHEAD_FDS], n = 0;

    if (sent.slot)
        receive(gfs, &sent);
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
}
