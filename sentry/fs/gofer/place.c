/* SPDX-License-Identifier: Apache-2.0 */
/* gofer: how an inode is named to the server: by a fid, or from the nearest ancestor that has one. */
#include "sentry/fs/gofer/gofer_fs.h"

#include "cvisor/kcache.h"

#include <errno.h>
#include <string.h>

#define NAMES_MAX (P9_WALK_MAX - 1) /* one is left for a child */

int gofer_place_set_locked(struct gofer_inode *gi, struct gofer_inode *parent, const char *name,
                           size_t len)
{
    struct gofer_inode *old = gi->parent;
    char *copy = NULL;

    if (parent) {
        copy = kstrndup(name, len);
        if (!copy)
            return -ENOMEM;
        inode_get(&parent->inode);
    }
    kfree(gi->name);
    gi->name = copy;
    gi->parent = parent;
    if (old)
        inode_put(&old->inode); /* not the last one: its dentry is above one that is in use */
    return 0;
}

bool gofer_place_is_locked(struct gofer_inode *gi, struct gofer_inode *parent, const char *name)
{
    return gi->parent == parent && gi->name && strcmp(gi->name, name) == 0;
}

/*
 * The nearest NAMES_MAX inodes below the ancestor that has a fid, topmost first; *end is the last of
 * them: gi, unless it is deeper than that.
 */
static int chain_locked(struct gofer_inode *gi, u32 *fid, struct p9_names *names,
                        struct gofer_inode **end)
{
    struct gofer_inode *ring[NAMES_MAX], *p;
    u32 n = 0, first;

    for (p = gi; atomic_load(&p->fid) == P9_NOFID; p = p->parent) {
        if (!p->parent)
            return -ESTALE; /* its last name went before it had a fid */
        ring[n++ % NAMES_MAX] = p;
    }
    *fid = atomic_load(&p->fid);
    names->n = 0;
    *end = p;
    first = n > NAMES_MAX ? n - NAMES_MAX : 0;
    for (u32 i = n; i-- > first;) {
        *end = ring[i % NAMES_MAX];
        p9c_names_add(names, (*end)->name, strlen((*end)->name));
    }
    return 0;
}

bool gofer_place_chain_locked(struct gofer_inode *gi, u32 *fid, struct p9_names *names)
{
    struct gofer_inode *end;

    return chain_locked(gi, fid, names, &end) == 0 && (end == gi || names->n == 0);
}

static void fid_install(struct gofer_inode *gi, u32 fid)
{
    u32 none = P9_NOFID;

    if (!atomic_compare_exchange_strong(&gi->fid, &none, fid))
        p9c_clunk(gofer_inode_fs(gi)->client, fid, false);
}

int gofer_inode_fid_ensure(struct gofer_inode *gi)
{
    struct gofer_fs *gfs = gofer_inode_fs(gi);
    struct gofer_inode *end = NULL;
    struct p9c_walk w = {0};
    u32 base;
    int rc = 0;

    while (rc == 0 && atomic_load(&gi->fid) == P9_NOFID) {
        rwlock_rdlock(&gfs->place_lock);
        rc = chain_locked(gi, &base, &w.names, &end);
        if (rc == 0 && w.names.n > 0) {
            w.newfid = p9c_fid_alloc(gfs->client);
            rc = p9c_walk(gfs->client, base, &w);
            kfree(w.target);
            if (rc == 0)
                rc = w.err;
            /* end can't go away: it is an ancestor of gi. */
            if (rc == 0)
                fid_install(end, w.newfid);
            else
                p9c_fid_free(gfs->client, w.newfid);
        }
        rwlock_rdunlock(&gfs->place_lock);
    }
    return rc;
}

int gofer_inode_readdir(struct gofer_inode *gi, u64 *next,
                        int (*fn)(void *arg, const struct p9_dirent *d), void *arg)
{
    struct gofer_fs *gfs = gofer_inode_fs(gi);
    struct gofer_inode *end = NULL;
    struct p9c_walk w = {0};
    u32 base;
    int rc = 0, rc_dir = 0;

    if (*next == 0 && atomic_load(&gi->fid) == P9_NOFID) {
        rwlock_rdlock(&gfs->place_lock);
        rc = chain_locked(gi, &base, &w.names, &end);
        if (rc == 0 && w.names.n > 0 && end == gi) {
            w.newfid = p9c_fid_alloc(gfs->client);
            w.behind = p9c_readdir_begin(gfs->client, w.newfid, 0);
            rc = p9c_walk(gfs->client, base, &w);
            kfree(w.target);
            if (rc == 0)
                rc = w.err;
            if (rc == 0)
                fid_install(gi, w.newfid);
            else
                p9c_fid_free(gfs->client, w.newfid);
        }
        rwlock_rdunlock(&gfs->place_lock);
        if (w.behind)
            rc_dir = p9c_readdir_end(gfs->client, w.behind, w.behind_sent, next, fn, arg);
        if (rc < 0 || w.behind)
            return rc < 0 ? rc : rc_dir;
    }
    rc = gofer_inode_fid_ensure(gi);
    return rc < 0 ? rc : p9c_readdir(gfs->client, atomic_load(&gi->fid), *next, next, fn, arg);
}

int gofer_place_begin(struct gofer_inode *gi, u32 *fid, struct p9_names *names)
{
    struct gofer_fs *gfs = gofer_inode_fs(gi);
    struct gofer_inode *end;
    int rc;

    for (;;) {
        rwlock_rdlock(&gfs->place_lock);
        rc = chain_locked(gi, fid, names, &end);
        if (rc == 0 && (end == gi || names->n == 0))
            return 0;
        if (rc == 0)
            inode_get(&end->inode);
        rwlock_rdunlock(&gfs->place_lock);
        if (rc < 0)
            return rc;
        rc = gofer_inode_fid_ensure(end); /* too deep for one request: a resting place */
        inode_put(&end->inode);
        if (rc < 0)
            return rc;
    }
}

void gofer_place_end(struct gofer_inode *gi)
{
    rwlock_rdunlock(&gofer_inode_fs(gi)->place_lock);
}

int gofer_inode_fid_get(struct gofer_inode *gi, u32 *fid)
{
    struct gofer_fs *gfs = gofer_inode_fs(gi);
    struct p9c_walk w = {0};
    u32 base;
    int rc;

    if (inode_is_dir(&gi->inode)) {
        rc = gofer_inode_fid_ensure(gi);
        *fid = atomic_load(&gi->fid);
        return rc;
    }
    rc = gofer_place_begin(gi, &base, &w.names);
    if (rc < 0)
        return rc;
    *fid = base;
    if (w.names.n > 0) {
        w.newfid = p9c_fid_alloc(gfs->client);
        rc = p9c_walk(gfs->client, base, &w);
        kfree(w.target);
        if (rc == 0)
            rc = w.err;
        if (rc < 0)
            p9c_fid_free(gfs->client, w.newfid);
        *fid = w.newfid;
    }
    gofer_place_end(gi);
    return rc;
}

void gofer_inode_fid_put(struct gofer_inode *gi, u32 fid)
{
    if (fid != atomic_load(&gi->fid))
        p9c_clunk(gofer_inode_fs(gi)->client, fid, false);
}
