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

int p9c_list(struct p9_client *c, u32 fid, u32 flags, u32 count, u64 offset,
             const struct p9_names *names, const struct p9_names *children,
             int (*fn)(void *arg, const struct p9_listdir *d, const u8 *entries, size_t len),
             void *arg)
{
    struct p9c_slot *s = p9c_slot_get(c, p9c_names_size(names) + p9c_names_size(children));
    struct p9_listdir d;
    struct p9_listent e;
    struct p9_rxlist r;
    struct p9_reader in;
    size_t start;
    int rc;

    if (!s)
        return -EIO;
    p9_begin(&s->out, P9_TXLIST, s->tag);
    p9_put_u32(&s->out, fid);
    p9_put_u32(&s->out, flags);
    p9_put_u32(&s->out, count);
    p9_put_u64(&s->out, offset);
    p9_put_u16(&s->out, names->n);
    for (u16 i = 0; i < names->n; i++)
        p9_put_str(&s->out, &names->v[i]);
    p9_put_u16(&s->out, children->n);
    for (u16 i = 0; i < children->n; i++)
        p9_put_str(&s->out, &children->v[i]);
    rc = p9c_call(c, s, P9_RXLIST);
    if (rc == 0 && !p9_get_rxlist(&s->in, &r))
        rc = p9c_garbage(c, "malformed rxlist");
    if (rc == 0) {
        p9_reader_init(&in, r.data.p, r.data.len);
        while (rc == 0 && p9_get_listdir(&in, &d)) {
            start = in.pos;
            /* Parts are what was asked for, and lead somewhere. */
            if (d.next != 0 && (!(flags & P9_XLIST_PART) || d.count == 0))
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

int p9c_openv(struct p9_client *c, u32 fid, const struct p9_names *names,
              const struct p9_names *children, struct p9_opened *opened, int *fds)
{
    struct p9c_slot *s = p9c_slot_get(c, p9c_names_size(names) + p9c_names_size(children));
    struct p9_rxopenv r;
    struct p9_reader in;
    u32 next = 0;
    int rc;

    if (!s)
        return -EIO;
    p9_begin(&s->out, P9_TXOPENV, s->tag);
    p9_put_u32(&s->out, fid);
    p9_put_u16(&s->out, names->n);
    for (u16 i = 0; i < names->n; i++)
        p9_put_str(&s->out, &names->v[i]);
    p9_put_u16(&s->out, children->n);
    for (u16 i = 0; i < children->n; i++)
        p9_put_str(&s->out, &children->v[i]);
    rc = p9c_call(c, s, P9_RXOPENV);
    if (rc == 0 && !p9_get_rxopenv(&s->in, &r))
        rc = p9c_garbage(c, "malformed rxopenv");
    if (rc == 0) {
        p9_reader_init(&in, r.data.p, r.data.len);
        for (u16 i = 0; i < children->n; i++) {
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
