/* SPDX-License-Identifier: Apache-2.0 */
/* Gofer server: open, create, read, write, fsync, allocate, locks. */
#include "runsc/gofer/server.h"

#include "abi/linux/fcntl.h"
#include "abi/linux/stat.h"
#include "cvisor/host.h"

#include <errno.h>

/* What a client may ask of open; everything else is dropped. O_APPEND too: clients give offsets. */
#define OPEN_FLAGS (LINUX_O_ACCMODE | LINUX_O_TRUNC | LINUX_O_DSYNC | LINUX_O_SYNC)

static int open_flags_check(const struct gofer_conn *c, u32 flags)
{
    u32 acc = flags & LINUX_O_ACCMODE;

    if (acc == LINUX_O_ACCMODE)
        return -EINVAL;
    if (c->ex.readonly && (acc != LINUX_O_RDONLY || (flags & LINUX_O_TRUNC)))
        return -EROFS;
    return 0;
}

static int open_node(const struct gofer_conn *c, struct gofer_node *n, u32 flags)
{
    int rc = open_flags_check(c, flags);

    if (rc < 0)
        return rc;
    if (n->type == LINUX_S_IFDIR) {
        if ((flags & LINUX_O_ACCMODE) != LINUX_O_RDONLY)
            return -EISDIR;
        return gofer_node_reopen(n, LINUX_O_RDONLY | LINUX_O_DIRECTORY);
    }
    return gofer_node_reopen(n, (int)(flags & OPEN_FLAGS) | LINUX_O_NONBLOCK);
}

static u32 conn_iounit(const struct gofer_conn *c)
{
    return c->msize - P9_IO_OVERHEAD;
}

static void fid_set_open(struct gofer_fid *f, int fd, u32 flags)
{
    f->open_flags = flags & OPEN_FLAGS;
    atomic_store(&f->open_fd, fd);
}

int gofer_op_lopen(struct gofer_req *r)
{
    struct p9_qid qid;
    int rc;

    GOFER_DECODE(r, tlopen, m);
    GOFER_FID(r, f, m.fid);
    if (atomic_load(&f->open_fd) >= 0 || f->xattr_mode != GOFER_XATTR_NONE)
        return -EBUSY;
    rc = gofer_node_qid(f->node, &qid);
    if (rc < 0)
        return rc;
    rc = open_node(r->conn, f->node, m.flags);
    if (rc < 0)
        return rc;
    fid_set_open(f, rc, m.flags);
    GOFER_REPLY(r, rlopen, RLOPEN, .qid = qid, .iounit = conn_iounit(r->conn));
    return 0;
}

/* A new regular file, open as *fd and as node. */
static int create_file(struct gofer_conn *c, struct gofer_node *dir, const struct p9_str *name,
                       u32 flags, u32 mode, u32 uid, u32 gid, int *fd, struct gofer_node **node)
{
    char buf[P9_NAME_MAX + 1];
    int rc = gofer_name(name, buf);
    int file;

    if (rc < 0)
        return rc;
    if (c->ex.readonly)
        return -EROFS;
    if (dir->type != LINUX_S_IFDIR)
        return -ENOTDIR;
    if ((flags & LINUX_O_ACCMODE) == LINUX_O_ACCMODE)
        return -EINVAL;
    file = host_openat(dir->fd, buf,
                       (int)(flags & OPEN_FLAGS) | LINUX_O_CREAT | LINUX_O_EXCL | LINUX_O_NOFOLLOW |
                           LINUX_O_CLOEXEC | LINUX_O_NOCTTY,
                       mode & LINUX_S_IALLUGO);
    if (file < 0)
        return file;
    rc = gofer_node_walk(dir, name, node, NULL);
    if (rc < 0)
        host_unlinkat(dir->fd, buf, 0);
    else
        rc = gofer_finish_create(dir, buf, *node, mode, uid, gid);
    if (rc < 0) {
        host_close(file);
        return rc;
    }
    *fd = file;
    return 0;
}

int gofer_op_lcreate(struct gofer_req *r)
{
    struct gofer_conn *c = r->conn;
    __gofer_node struct gofer_node *node = NULL;
    struct p9_qid qid;
    u32 uid;
    int fd, rc;

    GOFER_DECODE(r, tlcreate, m);
    GOFER_FID(r, f, m.fid);
    if (atomic_load(&f->open_fd) >= 0)
        return -EBUSY;
    uid = f->uid;
    rc = create_file(c, f->node, &m.name, m.flags, m.mode, uid, m.gid, &fd, &node);
    if (rc < 0)
        return rc;
    rc = gofer_node_qid(node, &qid);
    if (rc == 0) {
        /* The fid stands for the new file from now on. */
        struct gofer_fid *nf;

        gofer_fid_unbind(c, f);
        rc = gofer_fid_new(c, m.fid, node, uid, c->ext ? NULL : f->node, &m.name, &nf);
        if (rc == 0) {
            fid_set_open(nf, fd, m.flags);
            gofer_fid_put(nf);
        }
    }
    if (rc < 0) {
        host_close(fd);
        return rc;
    }
    GOFER_REPLY(r, rlcreate, RLCREATE, .qid = qid, .iounit = conn_iounit(c));
    return 0;
}

/* Donates fd with the answer, or binds newfid to it. Takes fd over. */
static int give_file(struct gofer_req *r, struct gofer_node *node, int fd, u32 flags, u32 newfid,
                     struct p9_attr *attr, bool *donated)
{
    struct gofer_conn *c = r->conn;
    struct gofer_fid *nf;
    int rc = gofer_node_attr(node, attr);

    if (rc < 0) {
        host_close(fd);
        return rc;
    }
    *donated = c->ex.donate_fds && node->type == LINUX_S_IFREG;
    if (*donated) {
        r->donate_fd = fd;
        return 0;
    }
    rc = gofer_fid_new(c, newfid, node, P9_NONUNAME, NULL, NULL, &nf);
    if (rc < 0) {
        host_close(fd);
        return rc;
    }
    fid_set_open(nf, fd, flags);
    gofer_fid_put(nf);
    return 0;
}

/* The file of a name, donated in few steps: 1, or 0 when it has to be done in another way. */
static int open_donated(struct gofer_req *r, struct gofer_fid *f, const struct p9_txopen *m,
                        struct p9_attr *attr)
{
    const struct p9_str *name;
    char buf[P9_NAME_MAX + 1];
    struct linux_stat st;
    int dir, rc;

    if (m->names.n == 0 || !r->conn->ex.donate_fds)
        return 0;
    rc = open_flags_check(r->conn, m->flags);
    if (rc < 0)
        return rc;
    name = &m->names.v[m->names.n - 1];
    rc = gofer_name(name, buf);
    if (rc < 0)
        return rc;
    dir = gofer_walk_dirs(f->node, m->names.v, m->names.n - 1, LINUX_O_PATH);
    if (dir < 0)
        return dir;
    rc = gofer_open_regular(dir, buf, (int)(m->flags & OPEN_FLAGS), NULL, &st);
    if (dir != f->node->fd)
        host_close(dir);
    if (rc < 0)
        return rc;
    r->donate_fd = rc;
    gofer_attr_of(&st, attr);
    return 1;
}

static int open_bound(struct gofer_req *r, struct gofer_fid *f, const struct p9_txopen *m,
                      struct p9_attr *attr, bool *donated)
{
    __gofer_node struct gofer_node *node = f->node;
    int rc;

    gofer_node_get(node);
    for (u16 i = 0; i < m->names.n; i++) {
        struct gofer_node *next;

        rc = gofer_node_walk(node, &m->names.v[i], &next, NULL);
        if (rc < 0)
            return rc;
        gofer_node_put(node);
        node = next;
    }
    if (node->type == LINUX_S_IFDIR)
        return -EISDIR;
    rc = open_node(r->conn, node, m->flags);
    return rc < 0 ? rc : give_file(r, node, rc, m->flags, m->newfid, attr, donated);
}

int gofer_op_xopen(struct gofer_req *r)
{
    struct p9_attr attr;
    bool donated;
    int rc;

    GOFER_DECODE(r, txopen, m);
    GOFER_FID(r, f, m.fid);
    rc = open_donated(r, f, &m, &attr);
    donated = rc > 0;
    if (rc == 0)
        rc = open_bound(r, f, &m, &attr, &donated);
    if (rc < 0)
        return rc;
    GOFER_REPLY(r, rxopen, RXOPEN, .hostfd = donated, .attr = attr, .iounit = conn_iounit(r->conn));
    return 0;
}

int gofer_op_xcreate(struct gofer_req *r)
{
    __gofer_node struct gofer_node *node = NULL;
    struct p9_attr attr;
    bool donated;
    int fd, rc;

    GOFER_DECODE(r, txcreate, m);
    GOFER_FID(r, f, m.dfid);
    if (!r->conn->ex.donate_fds && !gofer_fid_free_num(r->conn, m.newfid))
        return -EBADF;
    rc = create_file(r->conn, f->node, &m.name, m.flags, m.mode, m.uid, m.gid, &fd, &node);
    if (rc < 0)
        return rc;
    rc = give_file(r, node, fd, m.flags, m.newfid, &attr, &donated);
    if (rc < 0)
        return rc;
    GOFER_REPLY(r, rxcreate, RXCREATE, .hostfd = donated, .attr = attr,
                .iounit = conn_iounit(r->conn));
    return 0;
}

/* The open descriptor of a fid for reading or writing, or -errno. */
static int fid_io_fd(struct gofer_fid *f, bool write)
{
    int fd = atomic_load(&f->open_fd);
    u32 acc = f->open_flags & LINUX_O_ACCMODE;

    if (fd < 0)
        return -EBADF;
    if (f->node->type == LINUX_S_IFDIR)
        return -EISDIR;
    if (write ? acc == LINUX_O_RDONLY : acc == LINUX_O_WRONLY)
        return -EBADF;
    return fd;
}

int gofer_op_read(struct gofer_req *r)
{
    u32 count;
    ssize_t n;
    u8 *p;
    int rc;

    GOFER_DECODE(r, tread, m);
    GOFER_FID(r, f, m.fid);
    count = MIN(m.count, conn_iounit(r->conn));
    rc = gofer_req_reserve(r, count + P9_IO_OVERHEAD);
    if (rc < 0)
        return rc;
    p9_begin(&r->out, P9_RREAD, r->tag);
    p9_put_u32(&r->out, 0);
    p = p9_reserve(&r->out, count);
    if (!p)
        return -EMSGSIZE;
    if (f->xattr_mode == GOFER_XATTR_READ) {
        n = gofer_xattr_read(f, p, count, m.offset);
    } else {
        int fd = fid_io_fd(f, false);

        if (fd < 0)
            return fd;
        if (m.offset > INT64_MAX)
            return -EINVAL;
        if (count > GOFER_INLINE_IO)
            gofer_lead_release(r);
        n = host_pread(fd, p, count, m.offset);
    }
    if (n < 0)
        return (int)n;
    /* The count goes before the data; what was reserved and not read is given back. */
    r->out.len = P9_HEADER_SIZE;
    p9_put_u32(&r->out, (u32)n);
    r->out.len += (size_t)n;
    return 0;
}

int gofer_op_write(struct gofer_req *r)
{
    ssize_t n;
    int fd;

    GOFER_DECODE(r, twrite, m);
    GOFER_FID(r, f, m.fid);
    if (f->xattr_mode == GOFER_XATTR_WRITE) {
        n = gofer_xattr_write(f, &m.data, m.offset);
    } else {
        fd = fid_io_fd(f, true);
        if (fd < 0)
            return fd;
        if (m.offset > INT64_MAX)
            return -EINVAL;
        if (m.data.len > GOFER_INLINE_IO)
            gofer_lead_release(r);
        n = host_pwrite(fd, m.data.p, m.data.len, m.offset);
    }
    if (n < 0)
        return (int)n;
    GOFER_REPLY(r, rwrite, RWRITE, .count = (u32)n);
    return 0;
}

int gofer_op_fsync(struct gofer_req *r)
{
    int fd, rc;

    GOFER_DECODE(r, tfsync, m);
    GOFER_FID(r, f, m.fid);
    fd = atomic_load(&f->open_fd);
    if (fd < 0) {
        /* A directory that was never read, or a file of which only we have a handle. */
        fd = gofer_node_reopen(f->node, LINUX_O_RDONLY | LINUX_O_NONBLOCK);
        if (fd < 0)
            return fd;
        gofer_lead_release(r);
        rc = m.datasync ? host_fdatasync(fd) : host_fsync(fd);
        host_close(fd);
    } else {
        gofer_lead_release(r);
        rc = m.datasync ? host_fdatasync(fd) : host_fsync(fd);
    }
    if (rc < 0)
        return rc;
    GOFER_REPLY(r, rfsync, RFSYNC);
    return 0;
}

int gofer_op_xallocate(struct gofer_req *r)
{
    int fd, rc;

    GOFER_DECODE(r, txallocate, m);
    GOFER_FID(r, f, m.fid);
    fd = fid_io_fd(f, true);
    if (fd < 0)
        return fd;
    if (m.offset > INT64_MAX || m.length > INT64_MAX || m.offset + m.length > INT64_MAX)
        return -EFBIG;
    gofer_lead_release(r);
    rc = host_fallocate(fd, (int)m.mode, m.offset, m.length);
    if (rc < 0)
        return rc;
    GOFER_REPLY(r, rxallocate, RXALLOCATE);
    return 0;
}

int gofer_op_xflushf(struct gofer_req *r)
{
    int fd, rc;

    GOFER_DECODE(r, txflushf, m);
    GOFER_FID(r, f, m.fid);
    fd = atomic_load(&f->open_fd);
    if (fd < 0)
        return -EBADF;
    fd = host_dup(fd);
    if (fd < 0)
        return fd;
    gofer_lead_release(r);
    rc = host_close(fd);
    if (rc < 0)
        return rc;
    GOFER_REPLY(r, rxflushf, RXFLUSHF);
    return 0;
}

/* --- locks: open file description locks on the fid's descriptor; never blocking --- */

static int fid_lock_fd(struct gofer_fid *f)
{
    int fd = atomic_load(&f->open_fd);

    return fd < 0 ? -EBADF : fd;
}

static int flock_of(struct linux_flock *fl, u8 type, u64 start, u64 length)
{
    if (type > LINUX_F_UNLCK || start > INT64_MAX || length > INT64_MAX)
        return -EINVAL;
    *fl = (struct linux_flock){
        .l_type = type, .l_whence = LINUX_SEEK_SET, .l_start = (s64)start, .l_len = (s64)length};
    return 0;
}

int gofer_op_lock(struct gofer_req *r)
{
    struct linux_flock fl;
    u8 status = P9_LOCK_SUCCESS;
    int fd, rc;

    GOFER_DECODE(r, tlock, m);
    GOFER_FID(r, f, m.fid);
    rc = flock_of(&fl, m.type, m.start, m.length);
    if (rc < 0)
        return rc;
    fd = fid_lock_fd(f);
    if (fd < 0)
        return fd;
    rc = host_fcntl(fd, LINUX_F_OFD_SETLK, (u64)(uintptr_t)&fl);
    if (rc == -EAGAIN || rc == -EACCES)
        status = P9_LOCK_BLOCKED;
    else if (rc < 0)
        return rc;
    GOFER_REPLY(r, rlock, RLOCK, .status = status);
    return 0;
}

int gofer_op_getlock(struct gofer_req *r)
{
    struct linux_flock fl;
    int fd, rc;

    GOFER_DECODE(r, tgetlock, m);
    GOFER_FID(r, f, m.fid);
    rc = flock_of(&fl, m.type, m.start, m.length);
    if (rc < 0)
        return rc;
    fd = fid_lock_fd(f);
    if (fd < 0)
        return fd;
    rc = host_fcntl(fd, LINUX_F_OFD_GETLK, (u64)(uintptr_t)&fl);
    if (rc < 0)
        return rc;
    GOFER_REPLY(r, rgetlock, RGETLOCK, .type = (u8)fl.l_type, .start = (u64)fl.l_start,
                .length = (u64)fl.l_len, .proc_id = m.proc_id, .client_id = m.client_id);
    return 0;
}
