/* SPDX-License-Identifier: Apache-2.0 */
/* gofer: attributes, symbolic links, extended attributes. */
#include "sentry/fs/gofer/gofer_fs.h"

#include "abi/linux/fcntl.h"
#include "abi/linux/xattr.h"
#include "cvisor/host.h"
#include "cvisor/kcache.h"

#include <errno.h>
#include <string.h>

/* The file may be idle, and its descriptor closed by now: the number another's. */
static bool is_host(const struct gofer_inode *gi, const struct linux_stat *host)
{
    return host->st_ino == gi->host_ino && host->st_dev == gi->host_dev;
}

int gofer_getattr(struct inode *inode, struct linux_stat *st)
{
    struct gofer_file *gf = gofer_file_of(inode);
    struct linux_stat host;
    int fd = gofer_file_write_fd(gf);

    gofer_file_settle(gf);
    /* How much space it takes is up to the host, after writes of ours. */
    if (fd >= 0 && (host_fstat(fd, &host) < 0 || !is_host(&gf->gi, &host))) {
        fd = gofer_file_hold_write_fd(gf);
        if (fd >= 0 && host_fstat(fd, &host) < 0)
            fd = -1;
        gofer_file_close(gf);
    }
    inode_fill_stat(inode, st);
    if (fd >= 0)
        st->st_blocks = host.st_blocks;
    return 0;
}

static void tsetattr_of(const struct iattr *attr, bool with_size, struct p9_tsetattr *m)
{
    *m = (struct p9_tsetattr){0};
    if (attr->valid & ATTR_MODE) {
        m->valid |= P9_SETATTR_MODE;
        m->mode = attr->mode & LINUX_S_IALLUGO;
    }
    if (attr->valid & ATTR_UID) {
        m->valid |= P9_SETATTR_UID;
        m->uid = attr->uid;
    }
    if (attr->valid & ATTR_GID) {
        m->valid |= P9_SETATTR_GID;
        m->gid = attr->gid;
    }
    if ((attr->valid & ATTR_SIZE) && with_size) {
        m->valid |= P9_SETATTR_SIZE;
        m->size = attr->size;
    }
    /* Only times that the guest sets are the server's business. */
    if (attr->valid & ATTR_ATIME) {
        m->valid |= P9_SETATTR_ATIME | P9_SETATTR_ATIME_SET;
        m->atime_sec = (u64)attr->atime.tv_sec;
        m->atime_nsec = (u64)attr->atime.tv_nsec;
    }
    if (attr->valid & ATTR_MTIME) {
        m->valid |= P9_SETATTR_MTIME | P9_SETATTR_MTIME_SET;
        m->mtime_sec = (u64)attr->mtime.tv_sec;
        m->mtime_nsec = (u64)attr->mtime.tv_nsec;
    }
}

static int send_setattr(struct gofer_inode *gi, const struct p9_tsetattr *m)
{
    u32 fid;
    int rc;

    if (m->valid == 0)
        return 0;
    rc = gofer_inode_fid_get(gi, &fid);
    if (rc < 0)
        return rc;
    gofer_changing(gofer_inode_fs(gi));
    rc = p9c_setattr(gofer_inode_fs(gi)->client, fid, m);
    gofer_changing(gofer_inode_fs(gi));
    gofer_inode_fid_put(gi, fid);
    return rc;
}

/*
 * A new size, with data_lock held; fd: held, or -1. Pages beyond it stop being mapped before anybody can
 * see them go on the host; the size says so first, for faults that come meanwhile.
 */
static int set_size(struct gofer_file *gf, const struct iattr *attr, int fd)
{
    struct inode *inode = &gf->gi.inode;
    u64 old = atomic_load(&inode->size);
    struct p9_tsetattr m;
    int rc = 0;

    tsetattr_of(attr, fd < 0, &m);
    if (attr->size < old)
        atomic_store(&inode->size, attr->size);
    if (fd >= 0)
        rc = host_ftruncate(fd, attr->size);
    if (rc == 0)
        rc = send_setattr(&gf->gi, &m);
    if (rc < 0) {
        atomic_store(&inode->size, old);
        return rc;
    }
    if (attr->size < old)
        mappable_invalidate(&gf->mappable, PAGE_UP(attr->size), UINT64_MAX, true);
    return 0;
}

int gofer_setattr(struct inode *inode, const struct iattr *attr)
{
    struct gofer_inode *gi = gofer_inode_of(inode);
    struct p9_tsetattr m;
    int rc;

    if (attr->valid & ATTR_SIZE) {
        struct gofer_file *gf = gofer_file_of(inode);

        if (attr->size > INT64_MAX)
            return -EFBIG;
        rc = set_size(gf, attr, gofer_file_hold_write_fd(gf));
        gofer_file_close(gf);
    } else {
        tsetattr_of(attr, false, &m);
        rc = send_setattr(gi, &m);
    }
    return rc < 0 ? rc : inode_set_attr(inode, attr);
}

int gofer_readlink(struct inode *inode, char **target)
{
    struct gofer_inode *gi = gofer_inode_of(inode);
    struct p9c_walk w = {.newfid = P9_NOFID};
    char *t = atomic_load(&gi->target), *none = NULL;
    u32 fid;
    int rc;

    if (!t) {
        rc = gofer_place_begin(gi, &fid, &w.names);
        if (rc < 0)
            return rc;
        if (w.names.n == 0)
            rc = p9c_readlink(gofer_inode_fs(gi)->client, fid, &w.target);
        else
            rc = p9c_walk(gofer_inode_fs(gi)->client, fid, &w);
        gofer_place_end(gi);
        if (rc == 0)
            rc = w.err;
        if (rc == 0 && !w.target)
            rc = -EIO;
        if (rc < 0) {
            kfree(w.target);
            return rc;
        }
        t = w.target;
        if (!atomic_compare_exchange_strong(&gi->target, &none, t)) {
            kfree(t);
            t = none;
        }
    }
    *target = kstrdup(t);
    return *target ? 0 : -ENOMEM;
}

/* --- extended attributes: the user's own; the others have a meaning to the host only --- */

static bool is_user(const char *name)
{
    return strncmp(name, LINUX_XATTR_USER_PREFIX, sizeof(LINUX_XATTR_USER_PREFIX) - 1) == 0;
}

ssize_t gofer_getxattr(struct inode *inode, const char *name, void *buf, size_t n)
{
    struct gofer_inode *gi = gofer_inode_of(inode);
    ssize_t rc;
    u32 fid;

    if (!is_user(name))
        return -EOPNOTSUPP;
    rc = gofer_inode_fid_get(gi, &fid);
    if (rc < 0)
        return rc;
    rc = p9c_getxattr(gofer_inode_fs(gi)->client, fid, name, buf, n);
    gofer_inode_fid_put(gi, fid);
    return rc;
}

static int change_xattr(struct inode *inode, const char *name, const void *buf, size_t n, u32 flags,
                        bool remove)
{
    struct gofer_inode *gi = gofer_inode_of(inode);
    u32 fid;
    int rc;

    if (!is_user(name))
        return -EOPNOTSUPP;
    rc = gofer_inode_fid_get(gi, &fid);
    if (rc < 0)
        return rc;
    gofer_changing(gofer_inode_fs(gi));
    rc = p9c_setxattr(gofer_inode_fs(gi)->client, fid, name, buf, n, flags, remove);
    gofer_changing(gofer_inode_fs(gi));
    gofer_inode_fid_put(gi, fid);
    if (rc == 0)
        inode_touch(inode, ATTR_CTIME);
    return rc;
}

int gofer_setxattr(struct inode *inode, const char *name, const void *buf, size_t n, int flags)
{
    return change_xattr(inode, name, buf, n, (u32)flags, false);
}

int gofer_removexattr(struct inode *inode, const char *name)
{
    return change_xattr(inode, name, NULL, 0, 0, true);
}

ssize_t gofer_listxattr(struct inode *inode, char *buf, size_t n)
{
    struct gofer_inode *gi = gofer_inode_of(inode);
    ssize_t rc;
    u32 fid;

    rc = gofer_inode_fid_get(gi, &fid);
    if (rc < 0)
        return rc;
    rc = p9c_getxattr(gofer_inode_fs(gi)->client, fid, "", buf, n);
    gofer_inode_fid_put(gi, fid);
    return rc;
}
