/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gofer: open directories, and where their listings come from. A directory is read whole. It comes with
 * the attributes of its entries while those prove useful (attrs_credit), with those of directories always.
 * An open directory keeps its listing until it is rewound.
 */
#include "sentry/fs/gofer/gofer_fs.h"

#include "cvisor/kcache.h"

#include <errno.h>
#include <string.h>

/* --- one directory, message by message --- */

static int fetch_entry(void *arg, const struct p9_dirent *d)
{
    struct p9_listent e = {.type = d->type, .plus = true, .name = d->name, .attr = d->attr};

    return gofer_listing_add(arg, &e);
}

static int fetch_all(struct gofer_inode *dir, struct gofer_listing **out)
{
    struct gofer_fs *gfs = gofer_inode_fs(dir);
    struct gofer_listing *l = gofer_listing_new(gfs, dir->host_dev, dir->host_ino,
                                                atomic_load(&gfs->gen));
    u64 offset = 0;
    int rc;

    if (!l)
        return -ENOMEM;
    do
        rc = gofer_inode_readdir(dir, &offset, fetch_entry, l);
    while (rc > 0);
    if (rc < 0) {
        gofer_listing_put(l);
        return rc;
    }
    *out = l;
    return 0;
}

/*
 * Entries become cached dentries, before something changes and the listing's attributes are not to be
 * trusted any more. dir_lock is held since before the request.
 */
static void fill_dentries(struct gofer_fs *gfs, struct dentry *dir, const struct gofer_listing *l)
{
    u32 n = MIN(l->n, GOFER_PREFETCH_MAX);

    for (u32 i = 0; i < n; i++) {
        struct gofer_inode *gi;
        struct p9_listent e;
        struct dentry *d;

        gofer_listing_entry(l, i, &e);
        if (!e.plus)
            continue;
        d = dentry_find(dir, e.name.s, e.name.len);
        if (d) {
            dentry_put(d);
            continue;
        }
        gi = gofer_inode_get(gfs, &e.attr, gofer_inode_of(dentry_inode(dir)), e.name.s, e.name.len);
        if (!gi)
            return;
        d = dentry_alloc(dir->fs, dir, e.name.s, e.name.len);
        if (!d) {
            inode_put(&gi->inode);
            return;
        }
        dentry_instantiate(d, &gi->inode);
        dentry_hash(d);
        dentry_put(d);
    }
}

int gofer_listing_get(struct gofer_inode *dir, struct dentry *d, bool attrs,
                      struct gofer_listing **out)
{
    struct gofer_fs *gfs = gofer_inode_fs(dir);
    struct gofer_listing *l = attrs ? NULL : gofer_listing_cached(dir);
    u64 gen = atomic_load(&gfs->gen);
    bool kept, changes;
    int rc;

    if (l) {
        *out = l;
        return 0;
    }
    l = gofer_ahead_take(dir);
    if (l && attrs && !l->attrs) {
        gofer_listing_put(l);
        l = NULL;
    }
    if (!l) {
        rc = gofer_ahead_list(dir, attrs, &l);
        if (rc == -EAGAIN)
            rc = fetch_all(dir, &l);
        if (rc < 0)
            return rc;
    }
    kept = gofer_listing_cache(dir, l);
    changes = atomic_exchange_explicit(&gfs->fetch_gen, gen, memory_order_relaxed) != gen;
    if (d && l->attrs && (changes || !kept))
        fill_dentries(gfs, d, l);
    *out = l;
    return 0;
}

/* --- file operations. f->priv: the listing; FILE_POS --- */

static int take_listing(struct file *f)
{
    struct gofer_listing *l;
    int rc;

    mutex_lock(&f->inode->dir_lock);
    rc = gofer_listing_get(gofer_inode_of(f->inode), f->path.dentry, false, &l);
    mutex_unlock(&f->inode->dir_lock);
    if (rc < 0)
        return rc;
    gofer_listing_put(f->priv);
    f->priv = l;
    return 0;
}

static int dir_iterate(struct file *f, struct dir_emit *e)
{
    struct gofer_listing *l;
    int rc;

    if (f->pos == 0 || !f->priv) {
        rc = take_listing(f);
        if (rc < 0)
            return rc;
        file_accessed(f);
    }
    l = f->priv;
    if (!dir_emit_dots(f, e))
        return 0;
    while (f->pos - 2 < l->n) {
        struct gofer_name ent;
        u64 ino;

        gofer_listing_name(l, (u32)(f->pos - 2), &ent);
        if (ent.dev != l->dev)
            ino = gofer_ino(gofer_fs_of(f->inode->fs), ent.dev, ent.ino);
        else
            ino = ent.ino ^ l->ino_bits;
        if (!dir_emit(e, ent.name, ent.len, ino, ent.type, f->pos + 1))
            return 0;
        f->pos++;
    }
    return 0;
}

static void dir_release(struct file *f)
{
    gofer_listing_put(f->priv);
    f->priv = NULL;
}

static int dir_fsync(struct file *f, bool data_only, u64 start, u64 end)
{
    struct gofer_inode *gi = gofer_inode_of(f->inode);
    u32 fid;
    int rc = gofer_inode_fid_get(gi, &fid);

    if (rc == 0)
        rc = p9c_fsync(gofer_inode_fs(gi)->client, fid, data_only);
    return rc;
}

const struct file_ops g_gofer_dir_fops = {
    .release = dir_release,
    .iterate = dir_iterate,
    .fsync = dir_fsync,
};
