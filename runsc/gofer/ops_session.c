/* SPDX-License-Identifier: Apache-2.0 */
/* Gofer server: version, attach, flush, walk, clunk. */
#include "runsc/gofer/server.h"

#include "abi/linux/fcntl.h"
#include "abi/linux/stat.h"
#include "cvisor/host.h"
#include "cvisor/kcache.h"

#include <errno.h>

int gofer_op_version(struct gofer_req *r)
{
    struct gofer_conn *c = r->conn;
    const char *version = "unknown";
    u32 msize;

    GOFER_DECODE(r, tversion, m);
    if (m.msize < P9_MSIZE_MIN)
        return -EINVAL;
    msize = MIN(m.msize, P9_MSIZE_MAX);
    gofer_wait_slow(r, P9_NOTAG);
    gofer_fids_clear(c);
    c->ext = false;
    if (p9_str_equal(&m.version, P9_VERSION_EXT) && msize >= GOFER_EXT_MSIZE_MIN) {
        c->ext = true;
        version = P9_VERSION_EXT;
    } else if (m.version.len >= 8) {
        struct p9_str head = {.s = m.version.s, .len = 8};

        if (p9_str_equal(&head, P9_VERSION_PLAIN))
            version = P9_VERSION_PLAIN;
    }
    c->msize = msize;
    r->out.cap = MIN(r->out_alloc, (size_t)msize);
    GOFER_REPLY(r, rversion, RVERSION, .msize = msize, .version = p9_str_of(version));
    return 0;
}

int gofer_op_attach(struct gofer_req *r)
{
    struct gofer_conn *c = r->conn;
    __gofer_node struct gofer_node *node = NULL;
    struct p9_qid qid;
    int rc;

    GOFER_DECODE(r, tattach, m);
    if (m.afid != P9_NOFID)
        return -EINVAL; /* no authentication: the socket is the authority */
    if (m.aname.len != 0 && !p9_str_equal(&m.aname, "/"))
        return -ENOENT;
    rc = host_dup(c->ex.root_fd);
    if (rc < 0)
        return rc;
    rc = gofer_node_new(rc, &node, NULL);
    if (rc < 0)
        return rc;
    rc = gofer_node_qid(node, &qid);
    if (rc < 0)
        return rc;
    rc = gofer_fid_new(c, m.fid, node, m.n_uname, NULL, NULL, NULL);
    if (rc < 0)
        return rc;
    GOFER_REPLY(r, rattach, RATTACH, .qid = qid);
    return 0;
}

int gofer_op_flush(struct gofer_req *r)
{
    GOFER_DECODE(r, tflush, m);
    /* The answer to the flushed request must come before this one. */
    gofer_wait_slow(r, m.oldtag);
    GOFER_REPLY(r, rflush, RFLUSH);
    return 0;
}

/* Binds newfid to what was walked to from f; newfid may be f itself. */
static int bind_walked(struct gofer_conn *c, struct gofer_fid *f, u32 newfid,
                       struct gofer_node *node, struct gofer_node *parent,
                       const struct p9_str *name)
{
    u32 uid = f->uid;

    if (newfid == f->tree.start) {
        if (atomic_load(&f->open_fd) >= 0 || f->xattr_mode != GOFER_XATTR_NONE)
            return -EBUSY;
        gofer_fid_unbind(c, f); /* the caller has a reference */
    }
    return gofer_fid_new(c, newfid, node, uid, c->ext ? NULL : parent, name, NULL);
}

static int clone_fid(struct gofer_req *r, struct gofer_fid *f, u32 newfid)
{
    struct p9_str name = {0};

    if (newfid == f->tree.start)
        return 0;
    if (f->name)
        name = p9_str_of(f->name);
    return gofer_fid_new(r->conn, newfid, f->node, f->uid, f->parent, f->name ? &name : NULL, NULL);
}

int gofer_op_walk(struct gofer_req *r)
{
    struct p9_rwalk out = {0};
    __gofer_node struct gofer_node *cur = NULL;
    __gofer_node struct gofer_node *parent = NULL;
    int rc = 0;

    GOFER_DECODE(r, twalk, m);
    GOFER_FID(r, f, m.fid);
    if (m.names.n > P9_WALK_PLAIN_MAX)
        return -EINVAL;
    if (m.newfid != m.fid && !gofer_fid_free_num(r->conn, m.newfid))
        return -EBADF;
    gofer_node_get(f->node);
    cur = f->node;
    for (u16 i = 0; i < m.names.n; i++) {
        struct gofer_node *next = NULL;

        rc = gofer_node_walk(cur, &m.names.v[i], &next, NULL);
        if (rc < 0)
            break;
        rc = gofer_node_qid(next, &out.qids.v[i]);
        if (rc < 0) {
            gofer_node_put(next);
            break;
        }
        out.qids.n++;
        if (parent)
            gofer_node_put(parent);
        parent = cur;
        cur = next;
    }
    if (rc < 0 && out.qids.n == 0)
        return rc;
    if (out.qids.n == m.names.n) {
        if (m.names.n == 0)
            rc = clone_fid(r, f, m.newfid);
        else
            rc = bind_walked(r->conn, f, m.newfid, cur, parent, &m.names.v[m.names.n - 1]);
        if (rc < 0)
            return rc;
    }
    p9_begin(&r->out, P9_RWALK, r->tag);
    p9_put_rwalk(&r->out, &out);
    return 0;
}

/* --- the multi-component walk with attributes --- */

struct xwalk {
    struct gofer_node *cur; /* referenced */
    struct linux_stat st;   /* of the last one that was not bound */
    struct p9_rxwalk out;
    char target[P9_TARGET_MAX + 1];
};

static int xwalk_target(struct xwalk *x, int dirfd, const char *name)
{
    ssize_t n = host_readlinkat(dirfd, name, x->target, P9_TARGET_MAX + 1);

    if (n < 0)
        return (int)n;
    if (n > (ssize_t)P9_TARGET_MAX)
        return -ENAMETOOLONG;
    x->out.target = (struct p9_str){.s = x->target, .len = (u16)n};
    return 0;
}

/* One component: 0 or the errno at which the walk stops. want_node: it goes on from there. */
static int xwalk_step(struct xwalk *x, const struct p9_str *name, bool want_node)
{
    struct p9_attr *a = &x->out.attrs.v[x->out.attrs.n];
    char buf[P9_NAME_MAX + 1];
    struct gofer_node *next;
    struct linux_stat st;
    int rc = gofer_name(name, buf);

    if (rc < 0)
        return rc;
    if (x->cur->type == LINUX_S_IFLNK)
        return -ELOOP;
    if (x->cur->type != LINUX_S_IFDIR)
        return -ENOTDIR;
    if (!want_node) {
        rc = host_fstatat(x->cur->fd, buf, &st, LINUX_AT_SYMLINK_NOFOLLOW);
        if (rc < 0)
            return rc;
        if (LINUX_S_ISLNK(st.st_mode)) {
            rc = xwalk_target(x, x->cur->fd, buf);
            if (rc < 0)
                return rc;
        }
        x->st = st;
        gofer_attr_of(&st, a);
        x->out.attrs.n++;
        return 0;
    }
    rc = gofer_node_walk(x->cur, name, &next, &st);
    if (rc < 0)
        return rc;
    gofer_node_put(x->cur);
    x->cur = next;
    gofer_attr_of(&st, a);
    if (next->type == LINUX_S_IFLNK)
        rc = xwalk_target(x, next->fd, "");
    if (rc == 0)
        x->out.attrs.n++;
    return rc;
}

/* The way goes on where the client would go next. x->cur is the last name's directory. */
static void xwalk_end(struct gofer_req *r, struct xwalk *x, const struct p9_str *last, u32 flags)
{
    char buf[P9_NAME_MAX + 1];
    struct linux_stat st;
    int fd;

    if ((flags & P9_XWALK_FOLLOW) && x->out.target.len > 0 &&
        x->out.attrs.n < ARRAY_SIZE(x->out.attrs.v) && gofer_name(&x->out.target, buf) == 0 &&
        host_fstatat(x->cur->fd, buf, &st, LINUX_AT_SYMLINK_NOFOLLOW) == 0) {
        gofer_attr_of(&st, &x->out.attrs.v[x->out.attrs.n++]);
        x->st = st;
    } else if (gofer_name(last, buf) < 0) {
        return;
    }
    if (!(flags & P9_XWALK_OPEN) || !r->conn->ex.donate_fds || !LINUX_S_ISREG(x->st.st_mode))
        return;
    fd = gofer_open_regular(x->cur->fd, buf, LINUX_O_RDONLY, &x->st, &st);
    if (fd >= 0 && (st.st_ino != x->st.st_ino || st.st_dev != x->st.st_dev)) {
        host_close(fd);
        fd = -EAGAIN;
    }
    if (fd >= 0)
        r->donate_fd = fd;
}

int gofer_op_xwalk(struct gofer_req *r)
{
    struct xwalk *x;
    int rc = 0;

    GOFER_DECODE(r, txwalk, m);
    GOFER_FID(r, f, m.fid);
    if (m.newfid != P9_NOFID && !gofer_fid_free_num(r->conn, m.newfid))
        return -EBADF;
    if (m.flags & ~(P9_XWALK_SELF | P9_XWALK_FOLLOW | P9_XWALK_OPEN))
        return -EINVAL;
    x = kmalloc(sizeof(*x));
    if (!x)
        return -ENOMEM;
    x->out.attrs.n = 0;
    x->out.target = (struct p9_str){0};
    x->out.hostfd = 0;
    gofer_node_get(f->node);
    x->cur = f->node;
    if (m.flags & P9_XWALK_SELF) {
        rc = gofer_node_attr(f->node, &x->out.attrs.v[0]);
        if (rc == 0)
            x->out.attrs.n = 1;
    }
    for (u16 i = 0; i < m.names.n && rc == 0; i++) {
        bool last = i + 1 == m.names.n;

        rc = xwalk_step(x, &m.names.v[i], !last || m.newfid != P9_NOFID);
    }
    if (rc == 0 && m.newfid != P9_NOFID) {
        rc = gofer_fid_new(r->conn, m.newfid, x->cur, f->uid, NULL, NULL, NULL);
        if (rc < 0)
            goto out;
    }
    x->out.err = (u32)-rc;
    if (rc == 0 && m.names.n > 0 && m.newfid == P9_NOFID)
        xwalk_end(r, x, &m.names.v[m.names.n - 1], m.flags);
    x->out.hostfd = r->donate_fd >= 0;
    rc = 0;
    p9_begin(&r->out, P9_RXWALK, r->tag);
    p9_put_rxwalk(&r->out, &x->out);
out:
    gofer_node_put(x->cur);
    kfree(x);
    return rc;
}

/* --- clunk --- */

static int clunk_one(struct gofer_conn *c, u32 num)
{
    __gofer_fid struct gofer_fid *f = gofer_fid_get(c, num);
    int rc = 0;

    if (!f)
        return -EBADF;
    if (f->xattr_mode == GOFER_XATTR_WRITE)
        rc = gofer_xattr_commit(f);
    gofer_fid_unbind(c, f);
    return rc;
}

int gofer_op_clunk(struct gofer_req *r)
{
    int rc;

    GOFER_DECODE(r, tclunk, m);
    rc = clunk_one(r->conn, m.fid);
    if (rc < 0)
        return rc;
    GOFER_REPLY(r, rclunk, RCLUNK);
    return 0;
}

int gofer_op_xmclunk(struct gofer_req *r)
{
    int rc = 0;

    GOFER_DECODE(r, txmclunk, m);
    for (u16 i = 0; i < m.fids.n; i++) {
        int one = clunk_one(r->conn, m.fids.v[i]);

        if (rc == 0)
            rc = one;
    }
    if (rc < 0)
        return rc;
    GOFER_REPLY(r, rxmclunk, RXMCLUNK);
    return 0;
}
