/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gofer: listings of directories and their cache. A directory keeps the last one until it changes, within
 * a bound for the filesystem: it answers lookups as well, those of absent names too.
 */
#include "sentry/fs/gofer/gofer_fs.h"

#include "cvisor/kcache.h"

#include <errno.h>
#include <string.h>

KCACHE(gofer_listing);

#define LISTING_BYTES_ABSOLUTE_MAX (KMALLOC_MAX / 2)
#define FIND_NEAR 4u /* entries looked at before the index is asked */
#define INDEX_MIN 8u /* smaller listings are searched */

struct gofer_listing *gofer_listing_new(struct gofer_fs *gfs, u64 dev, u64 ino, u64 gen)
{
    struct gofer_listing *l = kcache_alloc(gofer_listing);

    if (!l)
        return NULL;
    ref_init(&l->refs);
    list_init(&l->ahead_node);
    list_init(&l->fifo_node);
    l->dev = dev;
    l->ino = ino;
    l->gen = gen;
    l->ino_bits = gofer_ino(gfs, dev, 0);
    l->attrs = true;
    return l;
}

void gofer_listing_put(struct gofer_listing *l)
{
    if (!l || !ref_put(&l->refs))
        return;
    kfree(l->offsets);
    kfree(l->text);
    kfree(l->index);
    kcache_free(gofer_listing, l);
}

size_t gofer_listing_bytes(const struct gofer_listing *l)
{
    return sizeof(*l) + l->n_max * sizeof(u32) + l->text_max;
}

/* Room for need elements, and at least one. */
static bool reserve(void **p, size_t need, size_t elem, size_t *max)
{
    void *q;

    need = MAX(need, (size_t)1);
    if (need <= *max)
        return true;
    q = krealloc(*p, need * elem);
    if (!q)
        return false;
    *p = q;
    *max = need;
    return true;
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

int gofer_listing_add(struct gofer_listing *l, const struct p9_listent *e)
{
    size_t n_max = l->n_max, size = 16 + e->name.len + P9_ATTR_WIRE_SIZE + e->target.len;
    struct p9_writer w;

    if (!grow((void **)&l->offsets, l->n + 1, sizeof(u32), &n_max))
        return -ENOMEM;
    l->n_max = (u32)n_max;
    if (!grow((void **)&l->text, l->len + size, 1, &l->text_max))
        return -ENOMEM;
    p9_writer_init(&w, l->text + l->len, size);
    p9_put_listent(&w, e);
    l->offsets[l->n++] = (u32)l->len;
    l->len += w.len;
    l->attrs &= e->plus;
    return 0;
}

/* --- the form of an entry: type[1] length[2] name, then ino[8] or attributes[105] length[2] target --- */

#define ENT_NAME 3u
#define ENT_PLUS 0x80u
#define ATTR_INO 5u /* qid.path in attributes */
#define ATTR_DEV 13u

static size_t get_len(const u8 *p)
{
    return (size_t)p[0] + ((size_t)p[1] << 8);
}

/* Bytes of a well-formed entry. */
static size_t entry_size(const u8 *p, bool *plus)
{
    size_t size = ENT_NAME + get_len(p + 1);

    *plus = p[0] & ENT_PLUS;
    if (!*plus)
        return size + sizeof(u64);
    size += P9_ATTR_WIRE_SIZE;
    return size + 2 + get_len(p + size);
}

void gofer_listing_name(const struct gofer_listing *l, u32 i, struct gofer_name *out)
{
    const u8 *p = l->text + l->offsets[i], *rest;

    out->type = p[0] & (u8)~ENT_PLUS;
    out->name = (const char *)p + ENT_NAME;
    out->len = get_len(p + 1);
    rest = p + ENT_NAME + out->len;
    out->dev = l->dev;
    if (p[0] & ENT_PLUS) {
        memcpy(&out->ino, rest + ATTR_INO, sizeof(u64));
        memcpy(&out->dev, rest + ATTR_DEV, sizeof(u64));
    } else {
        memcpy(&out->ino, rest, sizeof(u64));
    }
}

int gofer_listing_add_all(struct gofer_listing *l, u32 count, const u8 *entries, size_t len)
{
    size_t n_max = l->n_max, left = LISTING_BYTES_ABSOLUTE_MAX - l->len;
    bool plus;

    if (len > left || count > LISTING_BYTES_ABSOLUTE_MAX / sizeof(u32) - l->n)
        return -ENOMEM;
    /* Usually this is all that is added: no more memory than that. */
    if (!reserve((void **)&l->offsets, l->n + count, sizeof(u32), &n_max))
        return -ENOMEM;
    l->n_max = (u32)n_max;
    if (!reserve((void **)&l->text, l->len + len, 1, &l->text_max))
        return -ENOMEM;
    memcpy(l->text + l->len, entries, len);
    for (size_t pos = l->len, i = 0; i < count; i++) {
        l->offsets[l->n++] = (u32)pos;
        pos += entry_size(l->text + pos, &plus);
        l->attrs &= plus;
    }
    l->len += len;
    return 0;
}

void gofer_listing_entry(const struct gofer_listing *l, u32 i, struct p9_listent *e)
{
    struct p9_reader in;

    p9_reader_init(&in, l->text + l->offsets[i], l->len - l->offsets[i]);
    p9_get_listent(&in, e);
}

/* --- names --- */

bool gofer_listing_is(const struct gofer_listing *l, u32 i, const char *name, size_t len)
{
    const u8 *p = l->text + l->offsets[i];

    return get_len(p + 1) == len && memcmp(p + ENT_NAME, name, len) == 0;
}

static u32 hash_name(const void *name, size_t len)
{
    const u8 *p = name;
    u32 h = 2166136261u;

    for (size_t i = 0; i < len; i++)
        h = (h ^ p[i]) * 16777619u;
    return h ^ h >> 15;
}

static bool index_make(struct gofer_listing *l)
{
    u32 size = 16, slot;

    while (size < l->n * 2)
        size *= 2;
    l->index = kcalloc(size, sizeof(*l->index));
    if (!l->index)
        return false;
    l->index_mask = size - 1;
    for (u32 i = 0; i < l->n; i++) {
        const u8 *p = l->text + l->offsets[i];

        slot = hash_name(p + ENT_NAME, get_len(p + 1));
        while (l->index[slot & l->index_mask])
            slot++;
        l->index[slot & l->index_mask] = i + 1;
    }
    return true;
}

s64 gofer_listing_find(struct gofer_listing *l, const char *name, size_t len)
{
    u32 near = l->n <= INDEX_MIN ? l->n : FIND_NEAR, slot;

    if (l->next >= l->n)
        l->next = 0;
    for (u32 k = 0, i = l->next; k < near && k < l->n; k++, i = i + 1 < l->n ? i + 1 : 0) {
        if (gofer_listing_is(l, i, name, len)) {
            l->next = i + 1;
            return i;
        }
    }
    if (near >= l->n)
        return -1;
    if (!l->index && !index_make(l)) {
        for (u32 i = 0; i < l->n; i++) {
            if (gofer_listing_is(l, i, name, len))
                return i;
        }
        return -1;
    }
    for (slot = hash_name(name, len); l->index[slot & l->index_mask]; slot++) {
        u32 i = l->index[slot & l->index_mask] - 1;

        if (gofer_listing_is(l, i, name, len)) {
            l->next = i + 1;
            return i;
        }
    }
    return -1;
}

/* --- the cache --- */

static void uncache_locked(struct gofer_fs *gfs, struct gofer_listing *l)
{
    gfs->listing_bytes -= gofer_listing_bytes(l);
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
    gofer_listing_put(l);
}

struct gofer_listing *gofer_listing_cached(struct gofer_inode *dir)
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

bool gofer_listing_cache(struct gofer_inode *dir, struct gofer_listing *l)
{
    struct gofer_fs *gfs = gofer_inode_fs(dir);
    struct gofer_listing *old;

    if (gofer_listing_bytes(l) > GOFER_LISTING_BYTES_MAX / 2)
        return false;
    gofer_listing_drop(dir);
    for (;;) {
        mutex_lock(&gfs->listing_lock);
        if (gfs->listing_bytes + gofer_listing_bytes(l) <= GOFER_LISTING_BYTES_MAX)
            break;
        old = list_first_entry(&gfs->listings, struct gofer_inode, listing_node)->listing;
        uncache_locked(gfs, old);
        mutex_unlock(&gfs->listing_lock);
        gofer_listing_put(old);
    }
    ref_get(&l->refs);
    l->cached_in = dir;
    dir->listing = l;
    list_add_tail(&dir->listing_node, &gfs->listings);
    gfs->listing_bytes += gofer_listing_bytes(l);
    mutex_unlock(&gfs->listing_lock);
    return true;
}
