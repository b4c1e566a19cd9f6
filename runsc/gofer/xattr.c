/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Gofer server: extended attributes. Only the user.* namespace is served: the others have a meaning
 * to the host's kernel, which the sentry does not share.
 */
#include "runsc/gofer/server.h"

#include "abi/linux/fcntl.h"
#include "abi/linux/stat.h"
#include "abi/linux/xattr.h"
#include "cvisor/host.h"
#include "cvisor/kcache.h"

#include <errno.h>
#include <string.h>

#define PREFIX LINUX_XATTR_USER_PREFIX
#define PREFIX_LEN (sizeof(PREFIX) - 1)

/* NUL-terminated copy of a name of the user namespace. */
static int xattr_name(const struct p9_str *s, char buf[P9_NAME_MAX + 1])
{
    if (s->len > P9_NAME_MAX)
        return -ERANGE;
    if (s->len <= PREFIX_LEN || memcmp(s->s, PREFIX, PREFIX_LEN) != 0)
        return -EOPNOTSUPP;
    if (memchr(s->s, '\0', s->len))
        return -EINVAL;
    memcpy(buf, s->s, s->len);
    buf[s->len] = '\0';
    return 0;
}

static int xattr_open(struct gofer_node *n)
{
    if (n->type != LINUX_S_IFREG && n->type != LINUX_S_IFDIR)
        return -EOPNOTSUPP;
    return gofer_node_reopen(n, LINUX_O_RDONLY | LINUX_O_NONBLOCK);
}

/* Keeps the names of the user namespace: the new length. */
static size_t filter_list(char *list, size_t n)
{
    size_t in = 0, out = 0;

    while (in < n) {
        size_t len = strnlen(list + in, n - in) + 1;

        if (in + len > n)
            break;
        if (len > PREFIX_LEN && memcmp(list + in, PREFIX, PREFIX_LEN) == 0) {
            memmove(list + out, list + in, len);
            out += len;
        }
        in += len;
    }
    return out;
}

/* Value of name, or the list of names when it is empty: a kmalloc'ed buffer and its length. */
static ssize_t fetch(struct gofer_node *n, const struct p9_str *name, u8 **out)
{
    char buf[P9_NAME_MAX + 1];
    ssize_t len;
    int fd, rc = 0;
    u8 *p;

    if (name->len)
        rc = xattr_name(name, buf);
    if (rc < 0)
        return rc;
    fd = xattr_open(n);
    if (fd < 0)
        return fd;
    p = kmalloc(GOFER_XATTR_MAX);
    if (!p) {
        host_close(fd);
        return -ENOMEM;
    }
    if (name->len) {
        len = host_fgetxattr(fd, buf, p, GOFER_XATTR_MAX);
    } else {
        len = host_flistxattr(fd, (char *)p, GOFER_XATTR_MAX);
        if (len > 0)
            len = (ssize_t)filter_list((char *)p, (size_t)len);
    }
    host_close(fd);
    if (len < 0) {
        kfree(p);
        return len;
    }
    *out = p;
    return len;
}

static int store(struct gofer_conn *c, struct gofer_node *n, const char *name, const u8 *value,
                 size_t len, u32 flags, bool remove)
{
    int fd, rc;

    if (c && c->ex.readonly)
        return -EROFS;
    if (flags & ~(u32)(LINUX_XATTR_CREATE | LINUX_XATTR_REPLACE))
        return -EINVAL;
    fd = xattr_open(n);
    if (fd < 0)
        return fd;
    if (remove)
        rc = host_fremovexattr(fd, name);
    else
        rc = host_fsetxattr(fd, name, value, len, (int)flags);
    host_close(fd);
    return rc;
}

int gofer_op_xgetxattr(struct gofer_req *r)
{
    u8 *value = NULL;
    ssize_t n;
    int rc;

    GOFER_DECODE(r, txgetxattr, m);
    GOFER_FID(r, f, m.fid);
    n = fetch(f->node, &m.name, &value);
    if (n < 0)
        return (int)n;
    rc = gofer_req_reserve(r, (size_t)n + P9_IO_OVERHEAD);
    if (rc == 0)
        GOFER_REPLY(r, rxgetxattr, RXGETXATTR, .data = {.p = value, .len = (u32)n});
    kfree(value);
    return rc;
}

int gofer_op_xsetxattr(struct gofer_req *r)
{
    char buf[P9_NAME_MAX + 1];
    int rc;

    GOFER_DECODE(r, txsetxattr, m);
    GOFER_FID(r, f, m.fid);
    rc = xattr_name(&m.name, buf);
    if (rc == 0 && m.data.len > GOFER_XATTR_MAX)
        rc = -E2BIG;
    if (rc == 0)
        rc = store(r->conn, f->node, buf, m.data.p, m.data.len, m.flags, m.remove != 0);
    if (rc < 0)
        return rc;
    GOFER_REPLY(r, rxsetxattr, RXSETXATTR);
    return 0;
}

/* --- the plain protocol's way: through a fid that is read, or written and clunked --- */

int gofer_op_xattrwalk(struct gofer_req *r)
{
    struct gofer_fid *nf;
    u8 *value = NULL;
    ssize_t n;
    int rc;

    GOFER_DECODE(r, txattrwalk, m);
    GOFER_FID(r, f, m.fid);
    if (!gofer_fid_free_num(r->conn, m.newfid))
        return -EBADF;
    n = fetch(f->node, &m.name, &value);
    if (n < 0)
        return (int)n;
    rc = gofer_fid_new(r->conn, m.newfid, f->node, f->uid, NULL, NULL, &nf);
    if (rc < 0) {
        kfree(value);
        return rc;
    }
    nf->xattr_mode = GOFER_XATTR_READ;
    nf->xattr_buf = value;
    nf->xattr_size = (size_t)n;
    gofer_fid_put(nf);
    GOFER_REPLY(r, rxattrwalk, RXATTRWALK, .size = (u64)n);
    return 0;
}

int gofer_op_xattrcreate(struct gofer_req *r)
{
    char buf[P9_NAME_MAX + 1];
    int rc;

    GOFER_DECODE(r, txattrcreate, m);
    GOFER_FID(r, f, m.fid);
    if (r->conn->ex.readonly)
        return -EROFS;
    if (f->xattr_mode != GOFER_XATTR_NONE || atomic_load(&f->open_fd) >= 0)
        return -EBUSY;
    rc = xattr_name(&m.name, buf);
    if (rc < 0)
        return rc;
    if (m.size > GOFER_XATTR_MAX)
        return -E2BIG;
    f->xattr_name = kstrdup(buf);
    f->xattr_buf = kzalloc(MAX((size_t)m.size, (size_t)1));
    if (!f->xattr_name || !f->xattr_buf) {
        kfree(f->xattr_name);
        kfree(f->xattr_buf);
        f->xattr_name = NULL;
        f->xattr_buf = NULL;
        return -ENOMEM;
    }
    f->xattr_mode = GOFER_XATTR_WRITE;
    f->xattr_size = (size_t)m.size;
    f->xattr_done = 0;
    f->xattr_flags = m.flags;
    GOFER_REPLY(r, rxattrcreate, RXATTRCREATE);
    return 0;
}

ssize_t gofer_xattr_read(struct gofer_fid *f, u8 *buf, size_t n, u64 off)
{
    if (off >= f->xattr_size)
        return 0;
    n = MIN(n, f->xattr_size - (size_t)off);
    memcpy(buf, f->xattr_buf + off, n);
    return (ssize_t)n;
}

ssize_t gofer_xattr_write(struct gofer_fid *f, const struct p9_data *d, u64 off)
{
    if (off != f->xattr_done || d->len > f->xattr_size - f->xattr_done)
        return -EINVAL;
    memcpy(f->xattr_buf + off, d->p, d->len);
    f->xattr_done += d->len;
    return d->len;
}

int gofer_xattr_commit(struct gofer_fid *f)
{
    if (f->xattr_done != f->xattr_size)
        return -EIO;
    /* Size 0 removes: that is how 9P2000.L clients spell it. */
    return store(NULL, f->node, f->xattr_name, f->xattr_buf, f->xattr_size,
                 f->xattr_size ? f->xattr_flags : 0, f->xattr_size == 0);
}
