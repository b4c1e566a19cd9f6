/* SPDX-License-Identifier: Apache-2.0 */
/*
 * overlay: reading directories. What is in one layer only is passed through, with the layer's
 * cookies. A merged directory is read as a whole when its first entry is asked for; cookies are
 * positions in that list, which lives as long as the open file, or until it is rewound.
 */
#include "sentry/fs/overlay/overlay.h"

#include "abi/linux/dirent.h"
#include "abi/linux/fcntl.h"
#include "cvisor/kcache.h"

#include <errno.h>
#include <string.h>

/* ---- lists ----------------------------------------------------------------------------------- */

struct ovl_ent {
    struct ovl_ent *next; /* in order */
    struct ovl_ent *hash; /* in its bucket: entries of upper */
    u64 ino;
    u16 len;
    u8 type; /* LINUX_DT_*; WHT = a whiteout */
    char name[];
};

#define CHUNK_BYTES (16ul << 10)

struct ovl_chunk {
    struct ovl_chunk *next;
    size_t used;
    char data[CHUNK_BYTES];
};

KCACHE(ovl_chunk);

struct ovl_list {
    struct ovl_chunk *chunks;
    struct ovl_ent *first, **tail;
    struct ovl_ent **buckets; /* power of two; NULL before the upper is read */
    size_t nbuckets, n;
};

static void list_start(struct ovl_list *l)
{
    memset(l, 0, sizeof(*l));
    l->tail = &l->first;
}

static void list_free(struct ovl_list *l)
{
    while (l->chunks) {
        struct ovl_chunk *c = l->chunks;

        l->chunks = c->next;
        kcache_free(ovl_chunk, c);
    }
    kfree(l->buckets);
    list_start(l);
}

static int list_add_entry(struct ovl_list *l, const char *name, size_t len, u64 ino, u8 type)
{
    const size_t align = sizeof(void *) - 1;
    size_t size = (sizeof(struct ovl_ent) + len + 1 + align) & ~align;
    struct ovl_chunk *c = l->chunks;
    struct ovl_ent *e;

    if (size > CHUNK_BYTES)
        return -ENAMETOOLONG;
    if (!c || c->used + size > CHUNK_BYTES) {
        c = kcache_alloc(ovl_chunk);
        if (!c)
            return -ENOMEM;
        c->next = l->chunks;
        l->chunks = c;
    }
    e = (struct ovl_ent *)(void *)(c->data + c->used);
    c->used += size;
    e->next = e->hash = NULL;
    e->ino = ino;
    e->type = type;
    e->len = (u16)len;
    memcpy(e->name, name, len);
    e->name[len] = '\0';
    *l->tail = e;
    l->tail = &e->next;
    l->n++;
    return 0;
}

static struct ovl_ent **bucket_of(struct ovl_list *l, const char *name, size_t len)
{
    u32 h = 2166136261u;

    for (size_t i = 0; i < len; i++)
        h = (h ^ (u8)name[i]) * 16777619u;
    return &l->buckets[(h ^ h >> 15) & (l->nbuckets - 1)];
}

/* So that lower's names can be looked up among upper's. */
static int list_index(struct ovl_list *l)
{
    size_t n = 16;

    while (n < l->n && n < (1u << 18))
        n *= 2;
    l->buckets = kcalloc(n, sizeof(*l->buckets));
    if (!l->buckets)
        return -ENOMEM;
    l->nbuckets = n;
    for (struct ovl_ent *e = l->first; e; e = e->next) {
        struct ovl_ent **b = bucket_of(l, e->name, e->len);

        e->hash = *b;
        *b = e;
    }
    return 0;
}

static bool list_has(struct ovl_list *l, const char *name, size_t len)
{
    struct ovl_ent *e = *bucket_of(l, name, len);

    while (e && (e->len != len || memcmp(e->name, name, len)))
        e = e->hash;
    return e != NULL;
}

/* ---- reading a layer ------------------------------------------------------------------------- */

static bool is_dots(const char *name, size_t len)
{
    return name[0] == '.' && (len == 1 || (len == 2 && name[1] == '.'));
}

static bool entry_is_whiteout(struct dentry *udir, const char *name, size_t len, u8 type)
{
    struct dentry *d;
    bool wh;

    if (likely(type != LINUX_DT_CHR))
        return false;
    d = ovl_upper_find(udir, name, len);
    wh = d && ovl_is_whiteout(dentry_inode(d));
    if (d)
        dentry_put(d);
    return wh;
}

/* A sink for all entries of one layer's directory. */
struct collect {
    struct dir_emit e;
    struct ovl_fs *o;
    struct dentry *udir; /* NULL: this is lower */
    struct ovl_list *l;
    u64 seen;
    int err;
};

static bool collect_entry(struct dir_emit *e, const char *name, size_t len, u64 ino, u8 type,
                          u64 off)
{
    struct collect *c = container_of(e, struct collect, e);

    c->seen++;
    if (is_dots(name, len))
        return true;
    if (!c->udir) {
        if (c->l->buckets && list_has(c->l, name, len))
            return true;
    } else if (entry_is_whiteout(c->udir, name, len, type)) {
        type = LINUX_DT_WHT;
    } else {
        ino = ovl_ino_of_upper(c->o, ino);
    }
    c->err = list_add_entry(c->l, name, len, ino, type);
    return c->err == 0;
}

/* Appends all of an open real directory to the list. */
static int collect_all(struct ovl_fs *o, struct dentry *d, bool upper, struct ovl_list *l)
{
    struct collect c = {.e.fn = collect_entry, .o = o, .udir = upper ? d : NULL, .l = l};
    struct file *f;
    u64 before;
    int err = ovl_open_real(d, LINUX_O_RDONLY | LINUX_O_DIRECTORY, &f);

    if (err)
        return err;
    do {
        before = c.seen;
        err = f->ops->iterate(f, &c.e);
    } while (!err && !c.err && c.seen != before);
    file_put(f);
    return err ? err : c.err;
}

/* The list holds whiteouts too. Freed by the caller, also on failure. */
static int list_merged(struct ovl_inode *oi, struct ovl_list *l)
{
    struct ovl_fs *o = ovl_inode_fs(oi);
    int err = 0;

    if (ovl_upper(oi)) {
        err = collect_all(o, oi->udentry, true, l);
        if (!err && oi->lower)
            err = list_index(l);
    }
    if (!err && oi->lower)
        err = collect_all(o, oi->lower, false, l);
    return err;
}

/* ---- for rmdir ------------------------------------------------------------------------------- */

int ovl_dir_empty(struct ovl_inode *dir)
{
    struct ovl_list l;
    int err;

    list_start(&l);
    err = list_merged(dir, &l);
    for (struct ovl_ent *e = l.first; !err && e; e = e->next) {
        if (e->type != LINUX_DT_WHT)
            err = -ENOTEMPTY;
    }
    list_free(&l);
    return err;
}

int ovl_dir_clear(struct dentry *udir)
{
    struct ovl_list l;
    int err;

    list_start(&l);
    err = collect_all(NULL, udir, true, &l);
    for (struct ovl_ent *e = l.first; !err && e; e = e->next)
        err = e->type == LINUX_DT_WHT ? ovl_upper_remove(udir, e->name, e->len) : -ENOTEMPTY;
    list_free(&l);
    return err;
}

/* ---- open directories ------------------------------------------------------------------------ */

enum ovl_reading { READ_NOTHING, READ_UPPER, READ_LOWER, READ_LIST };

/* f->priv; FILE_POS. */
struct ovl_dir_file {
    enum ovl_reading how;
    struct file *real;    /* of the only layer */
    struct ovl_list list; /* merged */
    struct ovl_ent *at;   /* entry of cookie at_pos; NULL = the end */
    u64 at_pos;
};

KCACHE(ovl_dir_file);

static void reading_stop(struct ovl_dir_file *df)
{
    if (df->real)
        file_put(df->real);
    df->real = NULL;
    list_free(&df->list);
    df->how = READ_NOTHING;
}

static int reading_start(struct ovl_dir_file *df, struct ovl_inode *oi)
{
    struct inode *upper = ovl_upper(oi);
    int err;

    if (upper && oi->lower) {
        err = list_merged(oi, &df->list);
        df->how = READ_LIST;
        df->at = df->list.first;
        df->at_pos = 2;
    } else {
        err = ovl_open_real(upper ? oi->udentry : oi->lower, LINUX_O_RDONLY | LINUX_O_DIRECTORY,
                            &df->real);
        df->how = upper ? READ_UPPER : READ_LOWER;
    }
    if (err)
        reading_stop(df);
    return err;
}

static int emit_list(struct file *f, struct ovl_dir_file *df, struct dir_emit *e)
{
    if (f->pos != df->at_pos) {
        df->at = df->list.first;
        df->at_pos = 2;
        for (; df->at && df->at_pos < f->pos; df->at_pos++)
            df->at = df->at->next;
    }
    while (df->at) {
        struct ovl_ent *ent = df->at;

        if (ent->type != LINUX_DT_WHT &&
            !dir_emit(e, ent->name, ent->len, ent->ino, ent->type, df->at_pos + 1))
            return 0;
        df->at = ent->next;
        f->pos = ++df->at_pos;
    }
    return 0;
}

struct pass {
    struct dir_emit e;
    struct dir_emit *to;
    struct ovl_fs *o;
    struct dentry *udir;
};

static bool pass_entry(struct dir_emit *e, const char *name, size_t len, u64 ino, u8 type, u64 off)
{
    struct pass *p = container_of(e, struct pass, e);

    if (entry_is_whiteout(p->udir, name, len, type))
        return true;
    return dir_emit(p->to, name, len, ovl_ino_of_upper(p->o, ino), type, off);
}

static int emit_real(struct file *f, struct ovl_dir_file *df, struct dir_emit *e)
{
    struct ovl_inode *oi = ovl_i(f->inode);
    bool upper = df->how == READ_UPPER;
    struct pass p = {.e.fn = pass_entry,
                     .to = e,
                     .o = ovl_inode_fs(oi),
                     .udir = upper ? oi->udentry : NULL}; /* a copy-up may be setting it */
    int err;

    df->real->pos = f->pos;
    err = df->real->ops->iterate(df->real, upper ? &p.e : e);
    f->pos = df->real->pos;
    return err;
}

static int dir_iterate(struct file *f, struct dir_emit *e)
{
    struct ovl_dir_file *df = f->priv;
    int err;

    if (f->pos == 0)
        reading_stop(df);
    if (!dir_emit_dots(f, e))
        return 0;
    if (df->how == READ_NOTHING) {
        err = reading_start(df, ovl_i(f->inode));
        if (err)
            return err;
    }
    return df->how == READ_LIST ? emit_list(f, df, e) : emit_real(f, df, e);
}

static s64 dir_llseek(struct file *f, s64 off, int whence)
{
    if (whence != LINUX_SEEK_SET && whence != LINUX_SEEK_CUR)
        return -EINVAL;
    return file_llseek_size(f, off, whence, 0);
}

static int dir_fsync(struct file *f, bool data_only, u64 start, u64 end)
{
    return 0;
}

static void dir_release(struct file *f)
{
    struct ovl_dir_file *df = f->priv;

    reading_stop(df);
    kcache_free(ovl_dir_file, df);
}

const struct file_ops g_ovl_dir_fops = {
    .release = dir_release,
    .iterate = dir_iterate,
    .llseek = dir_llseek,
    .fsync = dir_fsync,
};

int ovl_dir_open(struct inode *inode, struct dentry *d, struct file *f)
{
    struct ovl_dir_file *df = kcache_alloc(ovl_dir_file);

    if (!df)
        return -ENOMEM;
    list_start(&df->list);
    f->priv = df;
    return 0;
}
