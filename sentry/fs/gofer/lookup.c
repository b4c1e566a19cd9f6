/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gofer: lookup of names that are not cached. While a path is walked, a miss asks for the rest of it
 * too: /a/b/c costs one request, not three, when none of it is known.
 */
#include "sentry/fs/gofer/gofer_fs.h"

#include "abi/linux/dirent.h"
#include "cvisor/kcache.h"

#include <errno.h>
#include <string.h>

/* A lookup in progress: d, then what follows it in the path that is being walked. */
struct lookup {
    struct p9c_walk w;
    u16 prefix; /* names that lead to the directory */
    struct p9_attr attrs[P9_WALK_MAX + 1];
};

KCACHE(lookup);

/* Appends what follows d's name in the path that this thread walks. True: it ends in an open. */
static bool add_path_ahead(struct p9_names *names, const struct dentry *d)
{
    struct vfs_rp *rp = g_vfs_walking;
    const char *p, *name;
    size_t len;

    if (!rp || !vfs_rp_peek(rp, &name, &len) || len != d->name_len || memcmp(name, d->name, len))
        return false;
    for (p = name + len; names->n < P9_WALK_MAX;) {
        const char *end;

        while (*p == '/')
            p++;
        end = strchrnul(p, '/');
        len = (size_t)(end - p);
        if (len == 0)
            return rp->flags & RP_OPEN;
        if (len > P9_NAME_MAX || (p[0] == '.' && (len == 1 || (len == 2 && p[1] == '.'))))
            return false;
        /* The last one is not asked for when only its parent is wanted. */
        if ((rp->flags & RP_PARENT) && end[strspn(end, "/")] == '\0')
            return false;
        p9c_names_add(names, p, len);
        p = end;
    }
    return false;
}

static int run(struct gofer_inode *dir, struct dentry *d, struct lookup *l)
{
    u32 fid;
    int rc;

    /* A few misses may be all that is ever asked of this directory; more earn it a fid. */
    if (dir->misses >= GOFER_MISSES_WITHOUT_FID) {
        rc = gofer_inode_fid_ensure(dir);
        if (rc < 0)
            return rc;
    } else {
        dir->misses++;
    }
    rc = gofer_place_begin(dir, &fid, &l->w.names);
    if (rc < 0)
        return rc;
    l->prefix = l->w.names.n;
    p9c_names_add(&l->w.names, d->name, d->name_len);
    l->w.open = add_path_ahead(&l->w.names, d);
    l->w.follow = true;
    l->w.newfid = P9_NOFID;
    l->w.self = false;
    l->w.attrs = l->attrs;
    rc = p9c_walk(gofer_inode_fs(dir)->client, fid, &l->w);
    gofer_place_end(dir);
    if (rc == 0 && l->w.n < l->prefix)
        rc = l->w.err == -ENOENT ? -ESTALE : l->w.err; /* the directory itself went away */
    return rc;
}

/* Gives d the inode of the i-th walked name. */
static int found(struct gofer_inode *dir, struct dentry *d, struct lookup *l, u16 i)
{
    struct gofer_inode *gi = gofer_inode_get(gofer_inode_fs(dir), &l->attrs[i], dir, d->name,
                                             d->name_len);
    char *none = NULL;

    if (!gi)
        return -ENOMEM;
    if (inode_type(&gi->inode) == LINUX_S_IFLNK && i + 1 == l->w.n && l->w.target &&
        atomic_compare_exchange_strong(&gi->target, &none, l->w.target))
        l->w.target = NULL;
    dentry_instantiate(d, &gi->inode);
    return 0;
}

/* So does what a link leads to, in the same directory. */
static void fill_followed(struct dentry *link, struct lookup *l)
{
    struct dentry *dir = link->parent, *child;
    const char *name = atomic_load(&gofer_inode_of(dentry_inode(link))->target);

    if (!l->w.followed || !name || strchr(name, '/') || strcmp(name, link->name) == 0 ||
        strlen(name) > P9_NAME_MAX)
        return;
    child = dentry_find(dir, name, strlen(name));
    if (!child) {
        child = dentry_alloc(dir->fs, dir, name, strlen(name));
        if (!child)
            return;
        if (found(gofer_inode_of(dentry_inode(dir)), child, l, l->w.n) == 0)
            dentry_hash(child);
    }
    dentry_put(child);
}

/*
 * What was walked beyond d becomes cached too. Nobody else can be changing these directories: all
 * their paths lead through d, which is not visible yet.
 */
static void fill_ahead(struct dentry *d, struct lookup *l)
{
    struct filesystem *fs = d->fs;
    struct dentry *parent = d, *child;

    dentry_get(parent);
    for (u16 i = l->prefix + 1; i < l->w.names.n; i++) {
        const struct p9_str *name = &l->w.names.v[i];
        struct inode *dir = dentry_inode(parent);

        if (!inode_is_dir(dir) || (i > l->w.n || (i == l->w.n && l->w.err != -ENOENT)))
            break;
        child = dentry_find(parent, name->s, name->len);
        if (!child) {
            child = dentry_alloc(fs, parent, name->s, name->len);
            if (!child)
                break;
            if (i < l->w.n && found(gofer_inode_of(dir), child, l, i) < 0) {
                dentry_put(child);
                break;
            }
            dentry_hash(child);
        }
        dentry_put(parent);
        parent = child;
        if (!dentry_inode(parent))
            break;
        if (i + 1 == l->w.names.n)
            fill_followed(parent, l);
    }
    dentry_put(parent);
}

/* --- names that a listing has --- */

/* d's inode from an entry with attributes. */
static int instantiate_listed(struct gofer_inode *dir, struct dentry *d, const struct p9_listent *e)
{
    struct gofer_fs *gfs = gofer_inode_fs(dir);
    struct gofer_inode *gi = gofer_inode_get(gfs, &e->attr, dir, d->name, d->name_len);
    char *none = NULL, *target;

    if (!gi)
        return -ENOMEM;
    if (e->target.len > 0 && inode_type(&gi->inode) == LINUX_S_IFLNK && !atomic_load(&gi->target)) {
        target = kstrndup(e->target.s, e->target.len);
        if (target && !atomic_compare_exchange_strong(&gi->target, &none, target))
            kfree(target);
    }
    dentry_instantiate(d, &gi->inode);
    return 0;
}

/*
 * Somebody looks at what a listing without attributes has: the next ones should come with them; this one
 * is read again when that is cheaper than one request for each name.
 */
static struct gofer_listing *listing_upgrade(struct gofer_inode *dir, struct gofer_listing *l)
{
    struct gofer_fs *gfs = gofer_inode_fs(dir);
    struct gofer_listing *better = NULL;

    atomic_store_explicit(&gfs->attrs_credit, GOFER_ATTRS_CREDIT, memory_order_relaxed);
    if (++l->misses < 2 || l->misses * 16 < l->n || gofer_listing_get(dir, NULL, true, &better) < 0)
        better = NULL;
    gofer_listing_put(l);
    return better;
}

/* 1 = there is no listing that knows. dir_lock is held. */
static int lookup_listed(struct gofer_inode *dir, struct dentry *d)
{
    struct gofer_fs *gfs = gofer_inode_fs(dir);
    struct gofer_listing *l = gofer_listing_cached(dir);
    struct p9_listent e;
    int rc = 1;

    for (int i = 0; l && i < 2; i++) {
        s64 at = gofer_listing_find(l, d->name, d->name_len);

        if (at < 0) {
            rc = 0; /* d stays negative */
            break;
        }
        gofer_listing_entry(l, (u32)at, &e);
        if (e.plus && l->gen == atomic_load(&gfs->gen)) {
            if (e.type != LINUX_DT_DIR)
                atomic_store_explicit(&gfs->attrs_credit, GOFER_ATTRS_CREDIT, memory_order_relaxed);
            rc = instantiate_listed(dir, d, &e);
            break;
        }
        l = listing_upgrade(dir, l);
    }
    gofer_listing_put(l);
    return rc;
}

int gofer_lookup(struct inode *dir, struct dentry *d)
{
    struct gofer_inode *gd = gofer_inode_of(dir);
    struct lookup *l;
    int rc = lookup_listed(gd, d);

    /* Names are looked for here, again and again: what there is may be little. */
    if (rc > 0 && gd->misses == GOFER_MISSES_WITHOUT_FID) {
        gd->misses++;
        if (gofer_ahead_list_small(gd))
            rc = lookup_listed(gd, d);
    }
    if (rc <= 0)
        return rc;
    l = kcache_alloc(lookup);
    if (!l)
        return -ENOMEM;
    rc = run(gd, d, l);
    if (rc == 0 && l->w.n == l->prefix)
        rc = l->w.err == -ENOENT ? 0 : l->w.err; /* 0: d stays negative */
    else if (rc == 0)
        rc = found(gd, d, l, l->prefix);
    if (rc == 0 && dentry_inode(d)) {
        if (l->w.names.n == l->prefix + 1)
            fill_followed(d, l);
        fill_ahead(d, l);
    }
    if (l->w.hostfd >= 0)
        gofer_ahead_keep_fd(gofer_inode_fs(gd), &l->attrs[l->w.n - !l->w.followed], l->w.hostfd);
    kfree(l->w.target);
    kcache_free(lookup, l);
    return rc;
}
