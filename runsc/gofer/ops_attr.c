/* SPDX-License-Identifier: Apache-2.0 */
/* Gofer server: getattr, setattr, statfs, readlink. */
#include "runsc/gofer/server.h"

#include "abi/linux/fcntl.h"
#include "abi/linux/stat.h"
#include "abi/linux/statfs.h"
#include "abi/linux/time.h"
#include "cvisor/host.h"

#include <errno.h>

void gofer_qid_of(const struct linux_stat *st, struct p9_qid *q)
{
    q->type = LINUX_S_ISDIR(st->st_mode)   ? P9_QTDIR
              : LINUX_S_ISLNK(st->st_mode) ? P9_QTSYMLINK
                                           : P9_QTFILE;
    q->version = 0; /* of no use to a client that caches by itself */
    q->path = st->st_ino;
}

void gofer_attr_of(const struct linux_stat *st, struct p9_attr *a)
{
    gofer_qid_of(st, &a->qid);
    a->dev = st->st_dev;
    a->mode = st->st_mode;
    a->uid = st->st_uid;
    a->gid = st->st_gid;
    a->nlink = st->st_nlink;
    a->rdev = st->st_rdev;
    a->size = (u64)st->st_size;
    a->blocks = (u64)st->st_blocks;
    a->blksize = (u32)st->st_blksize;
    a->atime_sec = st->st_atime_sec;
    a->mtime_sec = st->st_mtime_sec;
    a->ctime_sec = st->st_ctime_sec;
    a->atime_nsec = (u32)st->st_atime_nsec;
    a->mtime_nsec = (u32)st->st_mtime_nsec;
    a->ctime_nsec = (u32)st->st_ctime_nsec;
}

int gofer_node_qid(struct gofer_node *n, struct p9_qid *q)
{
    q->type = n->type == LINUX_S_IFDIR   ? P9_QTDIR
              : n->type == LINUX_S_IFLNK ? P9_QTSYMLINK
                                         : P9_QTFILE;
    q->version = 0;
    q->path = n->ino;
    return 0;
}

int gofer_node_attr(struct gofer_node *n, struct p9_attr *a)
{
    struct linux_stat st;
    int rc = host_fstat(n->fd, &st);

    if (rc == 0)
        gofer_attr_of(&st, a);
    return rc;
}

int gofer_op_getattr(struct gofer_req *r)
{
    struct linux_stat st;
    struct p9_qid qid;
    int rc;

    GOFER_DECODE(r, tgetattr, m);
    GOFER_FID(r, f, m.fid);
    rc = host_fstat(f->node->fd, &st);
    if (rc < 0)
        return rc;
    gofer_qid_of(&st, &qid);
    GOFER_REPLY(r, rgetattr, RGETATTR, .valid = P9_GETATTR_BASIC, .qid = qid, .mode = st.st_mode,
                .uid = st.st_uid, .gid = st.st_gid, .nlink = st.st_nlink, .rdev = st.st_rdev,
                .size = (u64)st.st_size, .blksize = (u64)st.st_blksize, .blocks = (u64)st.st_blocks,
                .atime_sec = (u64)st.st_atime_sec, .atime_nsec = st.st_atime_nsec,
                .mtime_sec = (u64)st.st_mtime_sec, .mtime_nsec = st.st_mtime_nsec,
                .ctime_sec = (u64)st.st_ctime_sec, .ctime_nsec = st.st_ctime_nsec);
    return 0;
}

static int set_size(struct gofer_fid *f, u64 size)
{
    int fd = atomic_load(&f->open_fd);
    int rc;

    if (f->node->type == LINUX_S_IFDIR)
        return -EISDIR;
    if (f->node->type != LINUX_S_IFREG || size > INT64_MAX)
        return -EINVAL;
    if (fd >= 0 && (f->open_flags & LINUX_O_ACCMODE) != LINUX_O_RDONLY)
        return host_ftruncate(fd, size);
    fd = gofer_node_reopen(f->node, LINUX_O_WRONLY | LINUX_O_NONBLOCK);
    if (fd < 0)
        return fd;
    rc = host_ftruncate(fd, size);
    host_close(fd);
    return rc;
}

static int set_time(struct linux_timespec *ts, bool change, bool given, u64 sec, u64 nsec)
{
    ts->tv_sec = 0;
    if (!change) {
        ts->tv_nsec = LINUX_UTIME_OMIT;
    } else if (!given) {
        ts->tv_nsec = LINUX_UTIME_NOW;
    } else {
        if (nsec >= (u64)NSEC_PER_SEC)
            return -EINVAL;
        ts->tv_sec = (s64)sec;
        ts->tv_nsec = (s64)nsec;
    }
    return 0;
}

int gofer_op_setattr(struct gofer_req *r)
{
    struct linux_timespec ts[2];
    char proc[12];
    u32 v;
    int rc;

    GOFER_DECODE(r, tsetattr, m);
    GOFER_FID(r, f, m.fid);
    v = m.valid;
    if (r->conn->ex.readonly)
        return -EROFS;
    rc = set_time(&ts[0], v & P9_SETATTR_ATIME, v & P9_SETATTR_ATIME_SET, m.atime_sec,
                  m.atime_nsec);
    if (rc == 0)
        rc = set_time(&ts[1], v & P9_SETATTR_MTIME, v & P9_SETATTR_MTIME_SET, m.mtime_sec,
                      m.mtime_nsec);
    gofer_procfd_name(f->node, proc);
    /* Owner first, because it drops the set-id bits of the mode; times last. */
    if (rc == 0 && (v & (P9_SETATTR_UID | P9_SETATTR_GID))) {
        rc = host_fchownat(f->node->fd, "", v & P9_SETATTR_UID ? m.uid : ~0u,
                           v & P9_SETATTR_GID ? m.gid : ~0u, LINUX_AT_EMPTY_PATH);
        if (rc == -EINVAL)
            rc = -EPERM; /* an id without a mapping in our user namespace */
    }
    if (rc == 0 && (v & P9_SETATTR_MODE)) {
        if (f->node->type == LINUX_S_IFLNK)
            return -EOPNOTSUPP;
        rc = host_fchmodat(g_gofer_procfd, proc, m.mode & LINUX_S_IALLUGO);
    }
    if (rc == 0 && (v & P9_SETATTR_SIZE))
        rc = set_size(f, m.size);
    if (rc == 0 && (v & (P9_SETATTR_ATIME | P9_SETATTR_MTIME)))
        rc = host_utimensat(g_gofer_procfd, proc, ts, 0);
    if (rc < 0)
        return rc;
    GOFER_REPLY(r, rsetattr, RSETATTR);
    return 0;
}

int gofer_op_statfs(struct gofer_req *r)
{
    struct linux_statfs sf;
    int rc;

    GOFER_DECODE(r, tstatfs, m);
    GOFER_FID(r, f, m.fid);
    rc = host_fstatfs(f->node->fd, &sf);
    if (rc < 0)
        return rc;
    GOFER_REPLY(r, rstatfs, RSTATFS, .type = (u32)sf.f_type, .bsize = (u32)sf.f_bsize,
                .blocks = sf.f_blocks, .bfree = sf.f_bfree, .bavail = sf.f_bavail,
                .files = sf.f_files, .ffree = sf.f_ffree,
                .fsid = (u32)sf.f_fsid[0] | (u64)(u32)sf.f_fsid[1] << 32,
                .namelen = (u32)sf.f_namelen);
    return 0;
}

int gofer_op_readlink(struct gofer_req *r)
{
    char target[P9_TARGET_MAX + 1];
    ssize_t n;

    GOFER_DECODE(r, treadlink, m);
    GOFER_FID(r, f, m.fid);
    if (f->node->type != LINUX_S_IFLNK)
        return -EINVAL;
    n = host_readlinkat(f->node->fd, "", target, sizeof(target));
    if (n < 0)
        return (int)n;
    if (n > (ssize_t)P9_TARGET_MAX)
        return -ENAMETOOLONG;
    GOFER_REPLY(r, rreadlink, RREADLINK, .target = {.s = target, .len = (u16)n});
    return 0;
}
