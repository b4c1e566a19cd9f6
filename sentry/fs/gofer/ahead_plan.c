/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gofer: what comes next in a walk of a tree, depth first, in the order of the listings that are known: the
 * files that are going to be opened, or the directories whose listings are going to be missed.
 */
#include "sentry/fs/gofer/gofer_fs.h"

#include "abi/linux/dirent.h"

#include <string.h>

#define DEPTH_MAX 10u
#define UPS_MAX 6u
#define ENTRIES_MAX 16384u /* that are looked at */

struct level {
    struct gofer_listing *l;
    bool held; /* a reference of ours */
    u32 i;
    u16 ops; /* how many there were before this level */
};

struct plan_walk {
    struct gofer_plan *p;
    struct gofer_fs *gfs;
    bool files;
    u32 max, looked;
    struct gofer_inode *base; /* levels[0] is its listing */
    struct level levels[DEPTH_MAX];
    u32 top;
    struct gofer_inode *ups[UPS_MAX]; /* directories that were left for their parents */
    u32 nups;
};

u32 gofer_listing_opened(struct gofer_fs *gfs, struct gofer_listing *l)
{
    return atomic_load(&l->open_epoch) == atomic_load(&gfs->open_epoch) ? atomic_load(&l->open_next)
                                                                        : 0;
}

void gofer_listing_set_opened(struct gofer_fs *gfs, struct gofer_listing *l, u32 next)
{
    atomic_store(&l->open_next, next);
    atomic_store(&l->open_epoch, atomic_load(&gfs->open_epoch));
}

s64 gofer_listing_near(const struct gofer_listing *l, u32 from, u32 near, const char *name)
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

static bool add_op(struct plan_walk *w, const char *name, size_t len, bool down)
{
    struct p9c_steps *s = &w->p->steps;

    /* The way down to where it began comes before all that. */
    if (s->v.n + w->nups + 1 >= P9_WALK_MAX)
        return false;
    if (down)
        s->down |= 1ull << s->v.n;
    return p9c_names_add(&s->v, name, len);
}

static void drop_ops(struct p9c_steps *s, u16 n)
{
    s->v.n = n;
    s->down &= (1ull << n) - 1;
}

/* Its names are used, or not. */
static void release(struct plan_walk *w, struct level *lv, bool used)
{
    if (!lv->held)
        return;
    if (used)
        w->p->held[w->p->nheld++] = lv->l;
    else
        gofer_listing_put(lv->l);
}

static bool enter(struct plan_walk *w, const struct gofer_name *e, struct gofer_listing *l)
{
    u16 ops = w->p->steps.v.n;

    if (w->top + 1 == DEPTH_MAX || !add_op(w, e->name, e->len, true)) {
        gofer_listing_put(l);
        return false;
    }
    w->levels[++w->top] = (struct level){
        .l = l, .held = true, .i = w->files ? gofer_listing_opened(w->gfs, l) : 0, .ops = ops};
    return true;
}

static bool is_start(const struct gofer_fs *gfs, const struct gofer_inode *dir)
{
    return atomic_load_explicit(&gfs->walk_ino, memory_order_relaxed) == dir->host_ino &&
           atomic_load_explicit(&gfs->walk_dev, memory_order_relaxed) == dir->host_dev;
}

static bool leave(struct plan_walk *w)
{
    struct level *lv = &w->levels[w->top];
    struct gofer_inode *above;
    struct gofer_listing *l;
    bool used = w->p->steps.v.n > lv->ops + (w->top > 0);
    s64 at;

    if (w->files)
        gofer_listing_set_opened(w->gfs, lv->l, lv->l->n);
    if (w->top > 0) {
        if (used && !add_op(w, "", 0, false))
            return false;
        if (!used)
            drop_ops(&w->p->steps, lv->ops);
        release(w, lv, used);
        w->levels[--w->top].i++;
        return true;
    }
    above = is_start(w->gfs, w->base) ? NULL : w->base->parent;
    l = above && w->nups < UPS_MAX ? gofer_listing_cached(above) : NULL;
    at = l ? gofer_listing_near(l, atomic_load(&l->dir_next), l->n, w->base->name) : -1;
    used = w->p->n > 0;
    if (at < 0 || (used && !add_op(w, "", 0, false))) {
        gofer_listing_put(l);
        return false;
    }
    if (used)
        w->ups[w->nups++] = w->base;
    release(w, lv, used);
    w->base = above;
    *lv = (struct level){.l = l, .held = true, .i = (u32)at + 1, .ops = w->p->steps.v.n};
    if (w->files)
        lv->i = MAX(lv->i, gofer_listing_opened(w->gfs, l));
    return true;
}

/* One entry, or the end of a directory. False: that is all. */
static bool advance(struct plan_walk *w)
{
    struct level *lv = &w->levels[w->top];
    struct gofer_listing *l;
    struct gofer_name e;

    if (lv->i >= lv->l->n)
        return leave(w);
    gofer_listing_name(lv->l, lv->i, &e);
    if (e.type == LINUX_DT_DIR) {
        l = gofer_ahead_known(w->gfs, e.dev, e.ino);
        if (l)
            return enter(w, &e, l);
        if (w->files)
            return false; /* it is the next one, and unknown */
    }
    if (e.type == (w->files ? LINUX_DT_REG : LINUX_DT_DIR)) {
        if (!add_op(w, e.name, e.len, false))
            return false;
        w->p->n++;
    }
    lv->i++;
    return true;
}

/* Steps after the last name lead nowhere; before the first one is the way from base to where it began. */
static void finish(struct plan_walk *w)
{
    struct p9c_steps *s = &w->p->steps;
    u16 n = s->v.n, k = (u16)w->nups;

    while (n > 0 && (s->v.v[n - 1].len == 0 || (s->down >> (n - 1) & 1)))
        n--;
    drop_ops(s, n);
    memmove(&s->v.v[k], &s->v.v[0], n * sizeof(s->v.v[0]));
    s->v.n += k;
    s->down = s->down << k | ((1ull << k) - 1);
    for (u16 i = 0; i < k; i++) {
        const char *name = w->ups[k - 1 - i]->name;

        s->v.v[i] = (struct p9_str){.s = name, .len = (u16)strlen(name)};
    }
}

bool gofer_plan_make_locked(struct gofer_plan *p, struct gofer_inode *dir, struct gofer_listing *l,
                            u32 from, u32 max, bool files, bool around)
{
    struct plan_walk w = {.p = p,
                          .gfs = gofer_inode_fs(dir),
                          .files = files,
                          .max = max,
                          .base = dir,
                          .levels = {{.l = l, .i = from}}};

    p->steps.v.n = 0;
    p->steps.down = 0;
    p->n = p->nheld = 0;
    while (p->n < max && w.looked++ < ENTRIES_MAX) {
        struct level *lv = &w.levels[0];

        if (!around && lv->i < l->n && files) {
            struct gofer_name e;

            /* This directory only. */
            gofer_listing_name(l, lv->i, &e);
            if (e.type == LINUX_DT_DIR) {
                lv->i++;
                continue;
            }
        } else if (!around && lv->i >= l->n) {
            break;
        }
        if (!advance(&w))
            break;
    }
    for (u32 i = 0; i <= w.top; i++) {
        if (files)
            gofer_listing_set_opened(w.gfs, w.levels[i].l, w.levels[i].i);
        release(&w, &w.levels[i], true);
    }
    finish(&w);
    return p->n > 0 && gofer_place_chain_locked(w.base, &p->fid, &p->names);
}

void gofer_plan_done(struct gofer_plan *p)
{
    while (p->nheld > 0)
        gofer_listing_put(p->held[--p->nheld]);
}
