/* SPDX-License-Identifier: Apache-2.0 */
/* 9P client: requests whose answers are many: listings of trees, several open files. */
#include "sentry/fs/gofer/p9_client.h"

#include "abi/linux/dirent.h"
#include "abi/linux/stat.h"

#include <errno.h>
#include <string.h>

static bool listent_sane(const struct p9_listent *e)
{
    if (!p9_name_valid(&e->name))
        return false;
    if (!e->plus)
        return e->type != LINUX_DT_DIR && e->target.len == 0;
    return p9c_attr_sane(&e->attr) && e->type == LINUX_MODE_TO_DT(e->attr.mode) &&
           e->target.len <= P9_TARGET_MAX &&
           (e->target.len == 0 || !memchr(e->target.s, '\0', e->target.len));
}

static void put_steps(struct p9_writer *out, const struct p9c_steps *steps)
{
    p9_put_u16(out, steps->v.n);
    for (u16 i = 0; i < steps->v.n; i++) {
        const struct p9_str *name = &steps->v.v[i];
        bool down = steps->down >> i & 1;
        u8 *p;

        p9_put_u16(out, (u16)(name->len + down));
        if (down)
            p9_put_u8(out, '/');
        p = p9_reserve(out, name->len);
        if (p)
            memcpy(p, name->s, name->len);
    }
}

static void put_names(struct p9_writer *out, const struct p9_names *names)
{
    p9_put_u16(out, names->n);
    for (u16 i = 0; i < names->n; i++)
        p9_put_str(out, &names->v[i]);
}

static size_t request_size(const struct p9_names *names, const struct p9c_steps *steps)
{
    return p9c_names_size(names) + p9c_names_size(&steps->v) + P9_WALK_MAX;
}

static struct p9c_slot *send_or_put(struct p9_client *c, struct p9c_slot *s)
{
    if (p9c_send(c, s) == 0)
        return s;
    p9c_slot_put(c, s);
    return NULL;
}

struct p9c_slot *p9c_list_begin(struct p9_client *c, bool block, u32 fid, u32 flags, u32 count,
                                u64 offset, const struct p9_names *names,
                                const struct p9c_steps *children)
{
    size_t size = request_size(names, children);
    struct p9c_slot *s = block ? p9c_slot_get(c, size) : p9c_slot_try(c, size);

    if (!s)
        return NULL;
    p9_begin(&s->out, P9_TXLIST, s->tag);
    p9_put_u32(&s->out, fid);
    p9_put_u32(&s->out, flags);
    p9_put_u32(&s->out, count);
    p9_put_u64(&s->out, offset);
    put_names(&s->out, names);
    put_steps(&s->out, children);
    return send_or_put(c, s);
}

int p9c_list_end(struct p9_client *c, struct p9c_slot *s, bool part,
                 int (*fn)(void *arg, const struct p9_listdir *d, const u8 *entries, size_t len),
                 void *arg)
{
    struct p9_listdir d;
    struct p9_listent e;
    struct p9_rxlist r;
    struct p9_reader in;
    size_t start;
    int rc = p9c_wait(c, s, P9_RXLIST);

    if (rc == 0 && !p9_get_rxlist(&s->in, &r))
        rc = p9c_garbage(c, "malformed rxlist");
    if (rc == 0) {
        p9_reader_init(&in, r.data.p, r.data.len);
        while (rc == 0 && p9_get_listdir(&in, &d)) {
            start = in.pos;
            /* Parts are what was asked for, and lead somewhere. */
            if (d.next != 0 && (!part || d.count == 0))
                in.bad = true;
            for (u32 i = 0; i < d.count && !in.bad; i++) {
                if (!p9_get_listent(&in, &e) || !listent_sane(&e))
                    in.bad = true;
            }
            if (!in.bad)
                rc = fn(arg, &d, in.buf + start, in.pos - start);
        }
        if (in.bad)
            rc = p9c_garbage(c, "malformed listing");
    }
    p9c_slot_put(c, s);
    return rc;
}

struct p9c_slot *p9c_openv_begin(struct p9_client *c, bool block, u32 fid,
                                 const struct p9_names *names, const struct p9c_steps *children)
{
    size_t size = request_size(names, children);
    struct p9c_slot *s = block ? p9c_slot_get(c, size) : p9c_slot_try(c, size);

    if (!s)
        return NULL;
    p9_begin(&s->out, P9_TXOPENV, s->tag);
    p9_put_u32(&s->out, fid);
    put_names(&s->out, names);
    put_steps(&s->out, children);
    return send_or_put(c, s);
}

int p9c_openv_end(struct p9_client *c, struct p9c_slot *s, u32 n, struct p9_opened *opened,
                  int *fds)
{
    struct p9_rxopenv r;
    struct p9_reader in;
    u32 next = 0;
    int rc = p9c_wait(c, s, P9_RXOPENV);

    if (rc == 0 && !p9_get_rxopenv(&s->in, &r))
        rc = p9c_garbage(c, "malformed rxopenv");
    if (rc == 0) {
        p9_reader_init(&in, r.data.p, r.data.len);
        for (u32 i = 0; i < n; i++) {
            if (!p9_get_opened(&in, &opened[i]) || opened[i].err >= 512 ||
                (!opened[i].err && next == s->nmore))
                in.bad = true;
            fds[i] = in.bad || opened[i].err ? -1 : s->more_fds[next++];
        }
        if (in.bad || in.pos != in.len || next != s->nmore)
            rc = p9c_garbage(c, "malformed rxopenv");
        else
            s->nmore = 0; /* the caller's now */
    }
    p9c_slot_put(c, s);
    return rc;
}
