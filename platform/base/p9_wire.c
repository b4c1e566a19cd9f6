/* SPDX-License-Identifier: Apache-2.0 */
/* 9P: the wire form of integers, strings, qids and attributes, with bounds checks. */
#include "cvisor/p9.h"

#include <string.h>

/* --- encoding --- */

void p9_writer_init(struct p9_writer *w, void *buf, size_t cap)
{
    w->buf = buf;
    w->cap = cap;
    w->len = 0;
    w->bad = false;
}

u8 *p9_reserve(struct p9_writer *w, size_t n)
{
    u8 *p;

    if (w->bad || w->cap - w->len < n) {
        w->bad = true;
        return NULL;
    }
    p = w->buf + w->len;
    w->len += n;
    return p;
}

/* The host is little endian (x86-64), as the wire is. */
static void writer_bytes(struct p9_writer *w, const void *src, size_t n)
{
    u8 *p = p9_reserve(w, n);

    if (p && n)
        memcpy(p, src, n);
}

void p9_put_u8(struct p9_writer *w, u8 v)
{
    writer_bytes(w, &v, sizeof(v));
}

void p9_put_u16(struct p9_writer *w, u16 v)
{
    writer_bytes(w, &v, sizeof(v));
}

void p9_put_u32(struct p9_writer *w, u32 v)
{
    writer_bytes(w, &v, sizeof(v));
}

void p9_put_u64(struct p9_writer *w, u64 v)
{
    writer_bytes(w, &v, sizeof(v));
}

void p9_put_str(struct p9_writer *w, const struct p9_str *s)
{
    p9_put_u16(w, s->len);
    writer_bytes(w, s->s, s->len);
}

void p9_put_data(struct p9_writer *w, const struct p9_data *d)
{
    p9_put_u32(w, d->len);
    writer_bytes(w, d->p, d->len);
}

void p9_put_qid(struct p9_writer *w, const struct p9_qid *q)
{
    p9_put_u8(w, q->type);
    p9_put_u32(w, q->version);
    p9_put_u64(w, q->path);
}

void p9_put_attr(struct p9_writer *w, const struct p9_attr *a)
{
    p9_put_qid(w, &a->qid);
    p9_put_u64(w, a->dev);
    p9_put_u32(w, a->mode);
    p9_put_u32(w, a->uid);
    p9_put_u32(w, a->gid);
    p9_put_u64(w, a->nlink);
    p9_put_u64(w, a->rdev);
    p9_put_u64(w, a->size);
    p9_put_u64(w, a->blocks);
    p9_put_u32(w, a->blksize);
    p9_put_u64(w, (u64)a->atime_sec);
    p9_put_u64(w, (u64)a->mtime_sec);
    p9_put_u64(w, (u64)a->ctime_sec);
    p9_put_u32(w, a->atime_nsec);
    p9_put_u32(w, a->mtime_nsec);
    p9_put_u32(w, a->ctime_nsec);
}

void p9_begin(struct p9_writer *w, enum p9_type type, u16 tag)
{
    w->len = 0;
    w->bad = false;
    p9_put_u32(w, 0);
    p9_put_u8(w, (u8)type);
    p9_put_u16(w, tag);
}

size_t p9_end(struct p9_writer *w)
{
    u32 size = (u32)w->len;

    if (w->bad || w->len > UINT32_MAX)
        return 0;
    memcpy(w->buf, &size, sizeof(size));
    return w->len;
}

/* --- decoding --- */

void p9_reader_init(struct p9_reader *r, const void *buf, size_t len)
{
    r->buf = buf;
    r->len = len;
    r->pos = 0;
    r->bad = false;
}

struct p9_header p9_header_parse(const void *buf)
{
    struct p9_header h;
    const u8 *p = buf;

    memcpy(&h.size, p, sizeof(h.size));
    h.type = p[4];
    memcpy(&h.tag, p + 5, sizeof(h.tag));
    return h;
}

static const u8 *reader_take(struct p9_reader *r, size_t n)
{
    const u8 *p;

    if (r->bad || r->len - r->pos < n) {
        r->bad = true;
        return NULL;
    }
    p = r->buf + r->pos;
    r->pos += n;
    return p;
}

#define READER_GET_(type)                                                                          \
    type v = 0;                                                                                    \
    const u8 *p = reader_take(r, sizeof(v));                                                       \
    if (p)                                                                                         \
        memcpy(&v, p, sizeof(v));                                                                  \
    return v

u8 p9_get_u8(struct p9_reader *r)
{
    READER_GET_(u8);
}

u16 p9_get_u16(struct p9_reader *r)
{
    READER_GET_(u16);
}

u32 p9_get_u32(struct p9_reader *r)
{
    READER_GET_(u32);
}

u64 p9_get_u64(struct p9_reader *r)
{
    READER_GET_(u64);
}

void p9_get_str(struct p9_reader *r, struct p9_str *s)
{
    u16 len = p9_get_u16(r);

    s->s = (const char *)reader_take(r, len);
    s->len = s->s ? len : 0;
}

void p9_get_data(struct p9_reader *r, struct p9_data *d)
{
    u32 len = p9_get_u32(r);

    d->p = reader_take(r, len);
    d->len = d->p ? len : 0;
}

void p9_get_qid(struct p9_reader *r, struct p9_qid *q)
{
    q->type = p9_get_u8(r);
    q->version = p9_get_u32(r);
    q->path = p9_get_u64(r);
}

void p9_get_attr(struct p9_reader *r, struct p9_attr *a)
{
    p9_get_qid(r, &a->qid);
    a->dev = p9_get_u64(r);
    a->mode = p9_get_u32(r);
    a->uid = p9_get_u32(r);
    a->gid = p9_get_u32(r);
    a->nlink = p9_get_u64(r);
    a->rdev = p9_get_u64(r);
    a->size = p9_get_u64(r);
    a->blocks = p9_get_u64(r);
    a->blksize = p9_get_u32(r);
    a->atime_sec = (s64)p9_get_u64(r);
    a->mtime_sec = (s64)p9_get_u64(r);
    a->ctime_sec = (s64)p9_get_u64(r);
    a->atime_nsec = p9_get_u32(r);
    a->mtime_nsec = p9_get_u32(r);
    a->ctime_nsec = p9_get_u32(r);
}

/* --- directory entries --- */

void p9_put_dirent(struct p9_writer *w, const struct p9_dirent *d, bool plus)
{
    if (plus)
        p9_put_attr(w, &d->attr);
    else
        p9_put_qid(w, &d->attr.qid);
    p9_put_u64(w, d->offset);
    p9_put_u8(w, d->type);
    p9_put_str(w, &d->name);
}

bool p9_get_dirent(struct p9_reader *r, struct p9_dirent *d, bool plus)
{
    if (r->bad || r->pos == r->len)
        return false;
    memset(d, 0, sizeof(*d));
    if (plus)
        p9_get_attr(r, &d->attr);
    else
        p9_get_qid(r, &d->attr.qid);
    d->offset = p9_get_u64(r);
    d->type = p9_get_u8(r);
    p9_get_str(r, &d->name);
    return !r->bad;
}

size_t p9_dirent_size(const struct p9_dirent *d, bool plus)
{
    return (plus ? P9_ATTR_WIRE_SIZE : 13) + 8 + 1 + 2 + (size_t)d->name.len;
}

/* --- listings --- */

#define LISTENT_PLUS 0x80u /* in the byte of the type */

void p9_put_listdir(struct p9_writer *w, const struct p9_listdir *d)
{
    p9_put_u64(w, d->dev);
    p9_put_u64(w, d->ino);
    p9_put_u64(w, d->next);
    p9_put_u32(w, d->count);
}

bool p9_get_listdir(struct p9_reader *r, struct p9_listdir *d)
{
    if (r->bad || r->pos == r->len)
        return false;
    d->dev = p9_get_u64(r);
    d->ino = p9_get_u64(r);
    d->next = p9_get_u64(r);
    d->count = p9_get_u32(r);
    return !r->bad;
}

void p9_put_listent(struct p9_writer *w, const struct p9_listent *e)
{
    p9_put_u8(w, (u8)((e->type & ~LISTENT_PLUS) | (e->plus ? LISTENT_PLUS : 0)));
    p9_put_str(w, &e->name);
    if (e->plus) {
        p9_put_attr(w, &e->attr);
        p9_put_str(w, &e->target);
    } else {
        p9_put_u64(w, e->ino);
    }
}

bool p9_get_listent(struct p9_reader *r, struct p9_listent *e)
{
    u8 type = p9_get_u8(r);

    e->type = type & (u8)~LISTENT_PLUS;
    e->plus = type & LISTENT_PLUS;
    p9_get_str(r, &e->name);
    if (e->plus) {
        p9_get_attr(r, &e->attr);
        p9_get_str(r, &e->target);
        e->ino = e->attr.qid.path;
    } else {
        e->ino = p9_get_u64(r);
        e->target = (struct p9_str){0};
    }
    return !r->bad;
}

void p9_put_opened(struct p9_writer *w, const struct p9_opened *o)
{
    p9_put_u32(w, o->err);
    p9_put_u64(w, o->dev);
    p9_put_u64(w, o->ino);
}

bool p9_get_opened(struct p9_reader *r, struct p9_opened *o)
{
    o->err = p9_get_u32(r);
    o->dev = p9_get_u64(r);
    o->ino = p9_get_u64(r);
    return !r->bad;
}

/* --- names --- */

struct p9_str p9_str_of(const char *s)
{
    size_t n = strlen(s);

    BUG_ON(n > UINT16_MAX);
    return (struct p9_str){.s = s, .len = (u16)n};
}

bool p9_str_equal(const struct p9_str *a, const char *b)
{
    return a->len == strlen(b) && (a->len == 0 || memcmp(a->s, b, a->len) == 0);
}

bool p9_name_valid(const struct p9_str *s)
{
    if (s->len == 0 || s->len > P9_NAME_MAX)
        return false;
    if (p9_str_equal(s, ".") || p9_str_equal(s, ".."))
        return false;
    return !memchr(s->s, '/', s->len) && !memchr(s->s, '\0', s->len);
}
