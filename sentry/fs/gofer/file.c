/* SPDX-License-Identifier: Apache-2.0 */
/* gofer: open regular files. Data moves between the host's descriptor and guest memory directly. */
#include "sentry/fs/gofer/gofer_fs.h"

#include "abi/linux/fcntl.h"
#include "abi/linux/uio.h"
#include "cvisor/host.h"
#include "sentry/mm/uaccess.h"

#include <errno.h>

static int file_open(struct inode *inode, struct dentry *d, struct file *f)
{
    return gofer_file_open(gofer_file_of(inode), f->readable, f->writable);
}

static void file_release(struct file *f)
{
    struct gofer_file *gf = gofer_file_of(f->inode);

    gofer_file_settle(gf);
    gofer_file_close(gf);
}

void gofer_file_settle(struct gofer_file *gf)
{
    if (atomic_load_explicit(&gf->mmap_written, memory_order_relaxed) &&
        atomic_exchange(&gf->mmap_written, false))
        inode_touch(&gf->gi.inode, ATTR_MTIME | ATTR_CTIME);
}

struct transfer {
    int fd;
    u64 pos;
    bool end; /* the host had less than was asked for */
};

static ssize_t read_segs(void *arg, struct linux_iovec *segs, int n)
{
    struct transfer *t = arg;
    ssize_t got = host_preadv(t->fd, segs, n, (s64)t->pos, 0);
    size_t asked = 0;

    for (int i = 0; i < n; i++)
        asked += segs[i].iov_len;
    t->end = got >= 0 && (size_t)got < asked;
    return got;
}

static ssize_t write_segs(void *arg, struct linux_iovec *segs, int n)
{
    struct transfer *t = arg;

    return host_pwritev(t->fd, segs, n, (s64)t->pos, 0);
}

/* Moves up to n bytes at *pos, which advances. Bytes, or -errno when there were none. */
static ssize_t transfer(struct transfer *t, struct iov_iter *it, bool read)
{
    ssize_t done = 0, n;

    while (it->count > 0 && !t->end) {
        size_t want = it->count;

        n = iov_iter_host(it, want, read, read ? read_segs : write_segs, t);
        if (n <= 0)
            return done ? done : n;
        t->pos += (u64)n;
        done += n;
    }
    return done;
}

/*
 * A read that was cut short at the end of the file has told what the next one there will find. Once only: who
 * reads there again waits for somebody on the host to write more.
 */
static bool at_end(struct gofer_file *gf, u64 pos)
{
    return pos > 0 && atomic_load_explicit(&gf->end, memory_order_relaxed) == pos &&
           atomic_load_explicit(&gf->gi.inode.size, memory_order_relaxed) == pos &&
           atomic_exchange_explicit(&gf->end, 0, memory_order_relaxed) == pos;
}

static ssize_t file_read_op(struct file *f, struct iov_iter *to, u64 *pos, int rwf)
{
    struct gofer_file *gf = gofer_file_of(f->inode);
    struct transfer t = {.fd = gofer_file_read_fd(gf), .pos = *pos};
    ssize_t n;

    if (*pos > INT64_MAX)
        return -EINVAL;
    if (at_end(gf, *pos))
        return 0;
    n = transfer(&t, to, true);
    *pos = t.pos;
    if (n > 0) {
        file_accessed(f);
        if (t.end)
            atomic_store_explicit(&gf->end, t.pos, memory_order_relaxed);
    }
    return n;
}

/* data_lock is held. */
static void wrote(struct gofer_file *gf, u64 end)
{
    struct inode *inode = &gf->gi.inode;

    if (end > atomic_load_explicit(&inode->size, memory_order_relaxed)) {
        mutex_lock(&inode->attr_lock);
        atomic_store(&inode->size, end);
        mutex_unlock(&inode->attr_lock);
    }
    inode_touch(inode, ATTR_MTIME | ATTR_CTIME);
}

static ssize_t file_write_op(struct file *f, struct iov_iter *from, u64 *pos, int rwf)
{
    struct gofer_file *gf = gofer_file_of(f->inode);
    struct transfer t = {.fd = gofer_file_write_fd(gf), .pos = *pos};
    ssize_t n = transfer(&t, from, false);

    *pos = t.pos;
    if (n > 0)
        wrote(gf, t.pos);
    return n;
}

static s64 file_llseek_op(struct file *f, s64 off, int whence)
{
    struct gofer_file *gf = gofer_file_of(f->inode);
    u64 size = atomic_load(&f->inode->size);
    int fd = gofer_file_read_fd(gf);

    if (whence != LINUX_SEEK_DATA && whence != LINUX_SEEK_HOLE)
        return file_llseek_size(f, off, whence, size);
    if (fd < 0)
        fd = gofer_file_write_fd(gf);
    off = host_lseek(fd, off, whence); /* nobody uses the host's own position */
    if (off >= 0)
        f->pos = (u64)off;
    return off;
}

static int file_mmap(struct file *f, struct mmap_args *a)
{
    a->mappable = f->inode->mappable;
    return 0;
}

static int file_fsync_op(struct file *f, bool data_only, u64 start, u64 end)
{
    struct gofer_file *gf = gofer_file_of(f->inode);
    int fd = gofer_file_write_fd(gf);

    gofer_file_settle(gf);
    if (fd < 0)
        fd = gofer_file_read_fd(gf);
    return data_only ? host_fdatasync(fd) : host_fsync(fd);
}

/* data_lock is held. */
static int file_fallocate(struct file *f, int mode, u64 off, u64 len)
{
    struct gofer_file *gf = gofer_file_of(f->inode);
    struct inode *inode = f->inode;
    int fd = gofer_file_write_fd(gf);
    u64 old = atomic_load(&inode->size);
    struct linux_stat st;
    int rc = host_fallocate(fd, mode, off, len);

    if (rc < 0)
        return rc;
    rc = host_fstat(fd, &st);
    if (rc < 0)
        return rc;
    mutex_lock(&inode->attr_lock);
    atomic_store(&inode->size, (u64)st.st_size);
    mutex_unlock(&inode->attr_lock);
    inode_touch(inode, ATTR_MTIME | ATTR_CTIME);
    if ((u64)st.st_size < old) /* a collapsed range */
        mappable_invalidate(&gf->mappable, PAGE_UP((u64)st.st_size), UINT64_MAX, true);
    return 0;
}

const struct inode_ops g_gofer_file_ops = {
    .open = file_open,
    .getattr = gofer_getattr,
    .setattr = gofer_setattr,
    .getxattr = gofer_getxattr,
    .setxattr = gofer_setxattr,
    .listxattr = gofer_listxattr,
    .removexattr = gofer_removexattr,
    .destroy = gofer_inode_destroy,
};

const struct file_ops g_gofer_file_fops = {
    .release = file_release,
    .read = file_read_op,
    .write = file_write_op,
    .llseek = file_llseek_op,
    .mmap = file_mmap,
    .fsync = file_fsync_op,
    .fallocate = file_fallocate,
};
