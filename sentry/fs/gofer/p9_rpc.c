/* SPDX-License-Identifier: Apache-2.0 */
/* 9P client: one function for each request. */
#include "sentry/fs/gofer/p9_client.h"

#include "abi/linux/stat.h"
#include "abi/linux/statfs.h"
#include "cvisor/kcache.h"

#include <errno.h>
#include <string.h>

#define NAME_SIZE 512u /* room for a request with one or two names and its numbers */

/* A call whose answer needs nothing from the slot afterwards. */
#define RPC(c, size, tl, TU, treq, rl, RU, rrep)                                                   \
    ({                                                                                             \
        struct p9c_slot *slot_ = p9c_slot_get(c, size);                                            \
        int rc_ = -EIO;                                                                            \
        if (slot_) {                                                                               \
            p9_begin(&slot_->out, P9_##TU, slot_->tag);                                            \
            p9_put_##tl(&slot_->out, treq);                                                        \
            rc_ = p9c_call(c, slot_, P9_##RU);                                                     \
            if (rc_ == 0 && !p9_get_##rl(&slot_->in, rrep))                                        \
                rc_ = p9c_garbage(c, "malformed " #rl);                                            \
            p9c_slot_put(c, slot_);                                                                \
        }                                                                                          \
        rc_;                                                                                       \
    })

bool p9c_names_add(struct p9_names *n, const char *name, size_t len)
{
    if (n->n >= P9_WALK_MAX || len > P9_NAME_MAX)
        return false;
    n->v[n->n++] = (struct p9_str){.s = name, .len = (u16)len};
    return true;
}

size_t p9c_names_size(const struct p9_names *n)
{
    size_t size = 64;

    for (u16 i = 0; i < n->n; i++)
        size += 2u + n->v[i].len;
    return size;
}

bool p9c_attr_sane(const struct p9_attr *a)
{
    switch (a->mode & LINUX_S_IFMT) {
    case LINUX_S_IFREG:
    case LINUX_S_IFDIR:
    case LINUX_S_IFLNK:
    case LINUX_S_IFIFO:
    case LINUX_S_IFSOCK:
    case LINUX_S_IFCHR:
    case LINUX_S_IFBLK:
        break;
    default:
        return false;
    }
    return a->size <= INT64_MAX && a->atime_nsec < NSEC_PER_SEC && a->mtime_nsec < NSEC_PER_SEC &&
           a->ctime_nsec < NSEC_PER_SEC;
}

static char *str_dup(const struct p9_str *s)
{
    return memchr(s->s, '\0', s->len) ? NULL : kstrndup(s->s, s->len);
}

static int walk_decode(struct p9_client *c, struct p9c_slot *s, struct p9c_walk *w)
{
    u16 max = w->names.n + (w->self ? 1 : 0);
    bool hostfd = p9_get_u8(&s->in);
    struct p9_str target;
    u32 err = p9_get_u32(&s->in);
    u16 n = p9_get_u16(&s->in);

    if (s->in.bad || err >= 512 || n > max + (w->follow ? 1 : 0) || (hostfd && (err || !n)))
        return p9c_garbage(c, "malformed rxwalk");
    for (u16 i = 0; i < n; i++) {
        struct p9_attr unused, *a = w->attrs ? &w->attrs[i] : &unused;

        p9_get_attr(&s->in, a);
        if (s->in.bad || !p9c_attr_sane(a))
            return p9c_garbage(c, "malformed rxwalk");
    }
    p9_get_str(&s->in, &target);
    if (s->in.bad || s->in.pos != s->in.len || target.len > P9_TARGET_MAX)
        return p9c_garbage(c, "malformed rxwalk");
    w->followed = n > max;
    w->n = MIN(n, max);
    w->err = -(int)err;
    if (w->n != max ? err == 0 : w->followed && (err != 0 || target.len == 0))
        return p9c_garbage(c, "rxwalk is short without an error");
    if (target.len > 0) {
        w->target = str_dup(&target);
        if (!w->target)
            return -ENOMEM;
    }
    if (w->open) {
        w->hostfd = s->fd;
        s->fd = -1;
    }
    return 0;
}

int p9c_walk(struct p9_client *c, u32 fid, struct p9c_walk *w)
{
    struct p9c_slot *s = p9c_slot_get(c, p9c_names_size(&w->names));
    u32 bound;
    int rc;

    w->n = 0;
    w->err = 0;
    w->target = NULL;
    w->behind_sent = false;
    w->followed = false;
    w->hostfd = -1;
    if (!s)
        return -EIO;
    p9_begin(&s->out, P9_TXWALK, s->tag);
    p9_put_u32(&s->out, fid);
    p9_put_u32(&s->out, w->newfid);
    p9_put_u32(&s->out, (w->self ? P9_XWALK_SELF : 0) | (w->follow ? P9_XWALK_FOLLOW : 0) |
                            (w->open ? P9_XWALK_OPEN : 0));
    p9_put_u16(&s->out, w->names.n);
    for (u16 i = 0; i < w->names.n; i++)
        p9_put_str(&s->out, &w->names.v[i]);
    rc = p9c_send(c, s);
    if (rc == 0 && w->behind)
        w->behind_sent = p9c_send(c, w->behind) == 0;
    if (rc == 0)
        rc = p9c_wait(c, s, P9_RXWALK);
    if (rc == 0) {
        rc = walk_decode(c, s, w);
        bound = rc == -ENOMEM && w->err == 0 ? w->newfid : P9_NOFID;
        p9c_slot_put(c, s);
        if (bound != P9_NOFID)
            p9c_clunk(c, bound, true);
        return rc;
    }
    p9c_slot_put(c, s);
    return rc;
}

static int opened_decode(struct p9_client *c, struct p9c_slot *s, struct p9c_opened *out)
{
    struct p9_rxopen m; /* the answer to xcreate has the same form */

    if (!p9_get_rxopen(&s->in, &m) || !p9c_attr_sane(&m.attr))
        return p9c_garbage(c, "malformed rxopen");
    out->attr = m.attr;
    out->hostfd = s->fd;
    s->fd = -1;
    return 0;
}

int p9c_xopen(struct p9_client *c, u32 fid, const struct p9_names *names, u32 newfid, u32 flags,
              struct p9c_opened *out)
{
    struct p9c_slot *s = p9c_slot_get(c, p9c_names_size(names));
    int rc;

    if (!s)
        return -EIO;
    p9_begin(&s->out, P9_TXOPEN, s->tag);
    p9_put_u32(&s->out, fid);
    p9_put_u32(&s->out, newfid);
    p9_put_u32(&s->out, flags);
    p9_put_u16(&s->out, names->n);
    for (u16 i = 0; i < names->n; i++)
        p9_put_str(&s->out, &names->v[i]);
    rc = p9c_call(c, s, P9_RXOPEN);
    if (rc == 0)
        rc = opened_decode(c, s, out);
    p9c_slot_put(c, s);
    return rc;
}

int p9c_create(struct p9_client *c, u32 dfid, const char *name, u32 newfid, u32 flags, u32 mode,
               u32 uid, u32 gid, struct p9c_opened *out)
{
    struct p9_txcreate t = {.dfid = dfid,
                            .newfid = newfid,
                            .name = p9_str_of(name),
                            .flags = flags,
                            .mode = mode,
                            .uid = uid,
                            .gid = gid};
    struct p9c_slot *s = p9c_slot_get(c, NAME_SIZE);
    int rc;

    if (!s)
        return -EIO;
    p9_begin(&s->out, P9_TXCREATE, s->tag);
    p9_put_txcreate(&s->out, &t);
    rc = p9c_call(c, s, P9_RXCREATE);
    if (rc == 0)
        rc = opened_decode(c, s, out);
    p9c_slot_put(c, s);
    return rc;
}

int p9c_make(struct p9_client *c, u32 dfid, const char *name, u32 mode, u32 uid, u32 gid,
             const char *target, struct p9_attr *attr)
{
    struct p9_txmake t = {.dfid = dfid,
                          .name = p9_str_of(name),
                          .mode = mode,
                          .uid = uid,
                          .gid = gid,
                          .target = p9_str_of(target)};
    struct p9_rxmake r;
    int rc = RPC(c, NAME_SIZE + t.target.len, txmake, TXMAKE, &t, rxmake, RXMAKE, &r);

    if (rc == 0 && !p9c_attr_sane(&r.attr))
        rc = p9c_garbage(c, "malformed rxmake");
    if (rc == 0)
        *attr = r.attr;
    return rc;
}

int p9c_link(struct p9_client *c, u32 dfid, u32 fid, const char *name)
{
    struct p9_tlink t = {.dfid = dfid, .fid = fid, .name = p9_str_of(name)};
    struct p9_rlink r;

    return RPC(c, NAME_SIZE, tlink, TLINK, &t, rlink, RLINK, &r);
}

int p9c_unlinkat(struct p9_client *c, u32 dfid, const char *name, u32 flags)
{
    struct p9_tunlinkat t = {.dirfid = dfid, .name = p9_str_of(name), .flags = flags};
    struct p9_runlinkat r;

    return RPC(c, NAME_SIZE, tunlinkat, TUNLINKAT, &t, runlinkat, RUNLINKAT, &r);
}

int p9c_rename(struct p9_client *c, u32 olddir, const char *oldname, u32 newdir,
               const char *newname, u32 flags)
{
    struct p9_txrename t = {.olddirfid = olddir,
                            .oldname = p9_str_of(oldname),
                            .newdirfid = newdir,
                            .newname = p9_str_of(newname),
                            .flags = flags};
    struct p9_rxrename r;

    return RPC(c, 2 * NAME_SIZE, txrename, TXRENAME, &t, rxrename, RXRENAME, &r);
}

int p9c_readlink(struct p9_client *c, u32 fid, char **target)
{
    struct p9_treadlink t = {.fid = fid};
    struct p9_rreadlink r;
    struct p9c_slot *s = p9c_slot_get(c, NAME_SIZE);
    int rc;

    if (!s)
        return -EIO;
    p9_begin(&s->out, P9_TREADLINK, s->tag);
    p9_put_treadlink(&s->out, &t);
    rc = p9c_call(c, s, P9_RREADLINK);
    if (rc == 0 && (!p9_get_rreadlink(&s->in, &r) || r.target.len > P9_TARGET_MAX))
        rc = p9c_garbage(c, "malformed rreadlink");
    if (rc == 0) {
        *target = str_dup(&r.target);
        if (!*target)
            rc = -ENOMEM;
    }
    p9c_slot_put(c, s);
    return rc;
}

int p9c_setattr(struct p9_client *c, u32 fid, const struct p9_tsetattr *m)
{
    struct p9_tsetattr t = *m;
    struct p9_rsetattr r;

    t.fid = fid;
    return RPC(c, NAME_SIZE, tsetattr, TSETATTR, &t, rsetattr, RSETATTR, &r);
}

int p9c_statfs(struct p9_client *c, u32 fid, struct linux_statfs *out)
{
    struct p9_tstatfs t = {.fid = fid};
    struct p9_rstatfs r;
    int rc = RPC(c, NAME_SIZE, tstatfs, TSTATFS, &t, rstatfs, RSTATFS, &r);

    if (rc < 0)
        return rc;
    memset(out, 0, sizeof(*out));
    out->f_bsize = r.bsize;
    out->f_frsize = r.bsize;
    out->f_blocks = r.blocks;
    out->f_bfree = r.bfree;
    out->f_bavail = r.bavail;
    out->f_files = r.files;
    out->f_ffree = r.ffree;
    out->f_fsid[0] = (s32)(u32)r.fsid;
    out->f_fsid[1] = (s32)(u32)(r.fsid >> 32);
    out->f_namelen = r.namelen;
    return 0;
}

int p9c_fsync(struct p9_client *c, u32 fid, bool data_only)
{
    struct p9_tfsync t = {.fid = fid, .datasync = data_only};
    struct p9_rfsync r;

    return RPC(c, NAME_SIZE, tfsync, TFSYNC, &t, rfsync, RFSYNC, &r);
}

static void readdir_encode(struct p9c_slot *s, u32 fid, u64 offset)
{
    struct p9_txreaddir t = {.fid = fid, .offset = offset, .count = 128u << 10};

    p9_begin(&s->out, P9_TXREADDIR, s->tag);
    p9_put_txreaddir(&s->out, &t);
}

struct p9c_slot *p9c_readdir_begin(struct p9_client *c, u32 fid, u64 offset)
{
    struct p9c_slot *s = p9c_slot_try(c, NAME_SIZE);

    if (s)
        readdir_encode(s, fid, offset);
    return s;
}

int p9c_readdir(struct p9_client *c, u32 fid, u64 offset, u64 *next,
                int (*fn)(void *arg, const struct p9_dirent *d), void *arg)
{
    struct p9c_slot *s = p9c_slot_get(c, NAME_SIZE);
    int rc;

    if (!s)
        return -EIO;
    readdir_encode(s, fid, offset);
    rc = p9c_send(c, s);
    if (rc == 0)
        return p9c_readdir_end(c, s, true, next, fn, arg);
    p9c_slot_put(c, s);
    return rc;
}

int p9c_readdir_end(struct p9_client *c, struct p9c_slot *s, bool sent, u64 *next,
                    int (*fn)(void *arg, const struct p9_dirent *d), void *arg)
{
    struct p9_rxreaddir r;
    struct p9_reader in;
    struct p9_dirent d;
    int rc = sent ? p9c_wait(c, s, P9_RXREADDIR) : -EIO, n = 0;

    if (rc == 0 && !p9_get_rxreaddir(&s->in, &r))
        rc = p9c_garbage(c, "malformed rxreaddir");
    if (rc == 0) {
        p9_reader_init(&in, r.data.p, r.data.len);
        while (rc >= 0 && p9_get_dirent(&in, &d, true)) {
            if (!p9_name_valid(&d.name) || !p9c_attr_sane(&d.attr)) {
                in.bad = true;
                break;
            }
            *next = d.offset;
            n++;
            rc = fn(arg, &d);
        }
        if (in.bad || (n == 0 && !r.eof))
            rc = p9c_garbage(c, "malformed directory entry");
        if (rc >= 0)
            rc = r.eof ? 0 : 1;
    }
    p9c_slot_put(c, s);
    return rc;
}

ssize_t p9c_getxattr(struct p9_client *c, u32 fid, const char *name, void *buf, size_t n)
{
    struct p9_txgetxattr t = {.fid = fid, .name = p9_str_of(name)};
    struct p9_rxgetxattr r;
    struct p9c_slot *s = p9c_slot_get(c, NAME_SIZE);
    ssize_t len;

    if (!s)
        return -EIO;
    p9_begin(&s->out, P9_TXGETXATTR, s->tag);
    p9_put_txgetxattr(&s->out, &t);
    len = p9c_call(c, s, P9_RXGETXATTR);
    if (len == 0 && !p9_get_rxgetxattr(&s->in, &r))
        len = p9c_garbage(c, "malformed rxgetxattr");
    if (len == 0) {
        len = r.data.len;
        if (n > 0 && r.data.len > n)
            len = -ERANGE;
        else if (n > 0 && len > 0)
            memcpy(buf, r.data.p, (size_t)len);
    }
    p9c_slot_put(c, s);
    return len;
}

int p9c_setxattr(struct p9_client *c, u32 fid, const char *name, const void *value, size_t n,
                 u32 flags, bool remove)
{
    struct p9_txsetxattr t = {.fid = fid,
                              .name = p9_str_of(name),
                              .flags = flags,
                              .remove = remove,
                              .data = {.p = value, .len = (u32)n}};
    struct p9_rxsetxattr r;

    if (n > c->msize - NAME_SIZE)
        return -E2BIG;
    return RPC(c, NAME_SIZE + n, txsetxattr, TXSETXATTR, &t, rxsetxattr, RXSETXATTR, &r);
}
