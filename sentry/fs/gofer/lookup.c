/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gofer: lookup of names that are not cached. While a path is walked, a miss asks for the rest of it
 * too: /a/b/c costs one request, not three, when none of it is known.
 */
#include "sentry/fs/gofer/gofer_fs.h"

#include "cvisor/kcache.h"

#include <errno.h>
#include <string.h>

/* A lookup in progress: d, then what follows it in the path that is being walked. */
struct lookup {
    struct p9c_walk w;
    u16 prefix; /* names that lead to the directory */
    struct p9_attr attrs[P9_WALK_MAX];
};

KCACHE(lookup);

/* Appends what follows d's name in the path that this thread walks. */
static void add_path_ahead(struct p9_names *names, const struct dentry *d)
{
    struct vfs_rp *rp = g_vfs_walking;
    const char *p, *name;
    size_t len;

    if (!rp || !vfs_rp_peek(rp, &name, &len) || len != d->name_len || memcmp(name, d->name, len))
        return;
    for (p = name + len; names->n < P9_WALK_MAX;) {
        const char *end;

        while (*p == '/')
            p++;
        end = strchrnul(p, '/');
        len = (size_t)(end - p);
        if (len == 0 || len > P9_NAME_MAX ||
            (p[0] == '.' && (len == 1 || (len == 2 && p[1] == '.'))))
            return;
        /* The last one is not asked for when only its parent is wanted. */
        if ((rp->flags & RP_PARENT) && end[strspn(end, "/")] == '\0')
            return;
        p9c_names_add(names, p, len);
        p = end;
    }
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
    add_path_ahead(&l->w.names, d);
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
    }
    dentry_put(parent);
}

int gofer_lookup(struct inode *dir, struct dentry *d)
{
    struct gofer_inode *gd = gofer_inode_of(dir);
    struct lookup *l = kcache_alloc(lookup);
    int rc;

    if (!l)
        return -ENOMEM;
    rc = run(gd, d, l);
    if (rc == 0 && l->w.n == l->prefix)
        rc = l->w.err == -ENOENT ? 0 : l->w.err; /* 0: d stays negative */
    else if (rc == 0)
        rc = found(gd, d, l, l->prefix);
    if (rc == 0 && dentry_inode(d))
        fill_ahead(d, l);
    kfree(l->w.target);
    kcache_free(lookup, l);
    return rc;
}
