/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gofer: listings. A directory is read whole, with attributes, so that what is looked at next is
 * cached. An open directory keeps its listing until it is rewound; a directory keeps the last one until
 * it changes, within a bound for the filesystem.
 */
#include "sentry/fs/gofer/gofer_fs.h"

#include "cvisor/kcache.h"

#include <errno.h>
#include <string.h>

struct gofer_listing {
    struct ref refs;
    struct gofer_inode *cached_in; /* listing_lock */
    u32 n, n_max;
    u32 *offsets; /* of entries in text; kmalloc'ed */
    u8 *text;     /* entries: ino[8] type[1] len[1] name; kmalloc'ed */
    size_t len, text_max;
};

KCACHE(gofer_listing);

#define ENTRY_HEAD 10u
#define LISTING_BYTES_ABSOLUTE_MAX (KMALLOC_MAX / 2)

static void listing_put(struct gofer_listing *l)
{
    if (!l || !ref_put(&l->refs))
        return;
    kfree(l->offsets);
    kfree(l->text);
    kcache_free(gofer_listing, l);
}

static size_t listing_bytes(const struct gofer_listing *l)
{
    return sizeof(*l) + l->n_max * sizeof(u32) + l->text_max;
}

static bool grow(void **p, size_t need, size_t elem, size_t *max)
{
    size_t n = MAX(*max * 2, (size_t)1024 / elem);
    void *q;

    if (need <= *max)
        return true;
    n = MAX(n, need);
    if (n * elem > LISTING_BYTES_ABSOLUTE_MAX)
        return false;
    q = krealloc(*p, n * elem);
    if (!q)
        return false;
    *p = q;
    *max = n;
    return true;
}

/* --- fetching --- */

struct fetch {
    struct gofer_fs *gfs;
    struct gofer_listing *l;
    struct p9_attr *attrs; /* of the first GOFER_PREFETCH_MAX entries; NULL = not wanted */
};

static int fetch_entry(void *arg, const struct p9_dirent *d)
{
    struct fetch *f = arg;
    struct gofer_listing *l = f->l;
    u64 ino = gofer_ino(f->gfs, d->attr.dev, d->attr.qid.path);
    size_t n_max = l->n_max;
    u8 *p;

    if (!grow((void **)&l->offsets, l->n + 1, sizeof(u32), &n_max))
        return -ENOMEM;
    l->n_max = (u32)n_max;
    if (!grow((void **)&l->text, l->len + ENTRY_HEAD + d->name.len, 1, &l->text_max))
        return -ENOMEM;
    p = l->text + l->len;
    memcpy(p, &ino, sizeof(ino));
    p[8] = (u8)((d->attr.mode >> 12) & 15); /* DT_* */
    p[9] = (u8)d->name.len;
    memcpy(p + ENTRY_HEAD, d->name.s, d->name.len);
    if (f->attrs && l->n < GOFER_PREFETCH_MAX)
        f->attrs[l->n] = d->attr;
    l->offsets[l->n++] = (u32)l->len;
    l->len += ENTRY_HEAD + d->name.len;
    return 0;
}

static void entry_get(const struct gofer_listing *l, u32 i, u64 *ino, u8 *type, const char **name,
                      size_t *len)
{
    const u8 *p = l->text + l->offsets[i];

    memcpy(ino, p, sizeof(*ino));
    *type = p[8];
    *len = p[9];
    *name = (const char *)p + ENTRY_HEAD;
}

/* Entries become cached dentries. dir_lock is held since before the request. */
static void prefetch(struct dentry *dir, const struct fetch *f)
{
    u32 n = MIN(f->l->n, GOFER_PREFETCH_MAX);

    for (u32 i = 0; i < n; i++) {
        struct gofer_inode *gi;
        struct dentry *d;
        const char *name;
        size_t len;
        u64 ino;
        u8 type;

        entry_get(f->l, i, &ino, &type, &name, &len);
        d = dentry_find(dir, name, len);
        if (d) {
            dentry_put(d);
            continue;
        }
        gi = gofer_inode_get(f->gfs, &f->attrs[i], gofer_inode_of(dentry_inode(dir)), name, len);
        if (!gi)
            return;
        d = dentry_alloc(dir->fs, dir, name, len);
        if (!d) {
            inode_put(&gi->inode);
            return;
        }
        dentry_instantiate(d, &gi->inode);
        dentry_hash(d);
        dentry_put(d);
    }
}

/* Reads all of the directory. dir_lock is held. */
static int listing_fetch(struct dentry *dir, struct gofer_listing **out)
{
    struct gofer_inode *gi = gofer_inode_of(dentry_inode(dir));
    struct fetch f = {.gfs = gofer_inode_fs(gi), .l = kcache_alloc(gofer_listing)};
    u64 offset = 0;
    int rc;

    if (!f.l)
        return -ENOMEM;
    ref_init(&f.l->refs);
    f.attrs = kmalloc(GOFER_PREFETCH_MAX * sizeof(*f.attrs)); /* NULL: no prefetch */
    do
        rc = gofer_inode_readdir(gi, &offset, fetch_entry, &f);
    while (rc > 0);
    if (rc == 0 && f.attrs)
        prefetch(dir, &f);
    kfree(f.attrs);
    if (rc < 0) {
        listing_put(f.l);
        return rc;
    }
    *out = f.l;
    return 0;
}

/* --- the cache --- */

static void uncache_locked(struct gofer_fs *gfs, struct gofer_listing *l)
{
    gfs->listing_bytes -= listing_bytes(l);
    list_del(&l->cached_in->listing_node);
    l->cached_in->listing = NULL;
    l->cached_in = NULL;
}

void gofer_listing_drop(struct gofer_inode *dir)
{
    struct gofer_fs *gfs = gofer_inode_fs(dir);
    struct gofer_listing *l;

    mutex_lock(&gfs->listing_lock);
    l = dir->listing;
    if (l)
        uncache_locked(gfs, l);
    mutex_unlock(&gfs->listing_lock);
    listing_put(l);
}

static struct gofer_listing *cached_listing(struct gofer_inode *dir)
{
    struct gofer_fs *gfs = gofer_inode_fs(dir);
    struct gofer_listing *l;

    mutex_lock(&gfs->listing_lock);
    l = dir->listing;
    if (l) {
        ref_get(&l->refs);
        list_move_tail(&dir->listing_node, &gfs->listings);
    }
    mutex_unlock(&gfs->listing_lock);
    return l;
}

/* Keeps l for the next who opens dir. dir_lock is held. */
static void cache_listing(struct gofer_inode *dir, struct gofer_listing *l)
{
    struct gofer_fs *gfs = gofer_inode_fs(dir);
    struct gofer_listing *old;

    if (listing_bytes(l) > GOFER_LISTING_BYTES_MAX / 4)
        return;
    gofer_listing_drop(dir);
    for (;;) {
        mutex_lock(&gfs->listing_lock);
        if (gfs->listing_bytes + listing_bytes(l) <= GOFER_LISTING_BYTES_MAX)
            break;
        old = list_first_entry(&gfs->listings, struct gofer_inode, listing_node)->listing;
        uncache_locked(gfs, old);
        mutex_unlock(&gfs->listing_lock);
        listing_put(old);
    }
    ref_get(&l->refs);
    l->cached_in = dir;
    dir->listing = l;
    list_add_tail(&dir->listing_node, &gfs->listings);
    gfs->listing_bytes += listing_bytes(l);
    mutex_unlock(&gfs->listing_lock);
}

/* --- file operations. f->priv: the listing; FILE_POS --- */

static int take_listing(struct file *f)
{
    struct gofer_inode *gi = gofer_inode_of(f->inode);
    struct gofer_listing *l = NULL;
    int rc = 0;

    mutex_lock(&f->inode->dir_lock);
    l = cached_listing(gi);
    if (!l) {
        rc = listing_fetch(f->path.dentry, &l);
        if (rc == 0)
            cache_listing(gi, l);
    }
    mutex_unlock(&f->inode->dir_lock);
    if (rc < 0)
        return rc;
    listing_put(f->priv);
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
        const char *name;
        size_t len;
        u64 ino;
        u8 type;

        entry_get(l, (u32)(f->pos - 2), &ino, &type, &name, &len);
        if (!dir_emit(e, name, len, ino, type, f->pos + 1))
            return 0;
        f->pos++;
    }
    return 0;
}

static void dir_release(struct file *f)
{
    listing_put(f->priv);
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
