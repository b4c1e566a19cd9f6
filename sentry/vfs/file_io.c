/* SPDX-License-Identifier: Apache-2.0 */
/* Reading, writing and positioning open files. */
#include "abi/linux/fcntl.h"
#include "abi/linux/resource.h"
#include "abi/linux/signal.h"
#include "abi/linux/stat.h"
#include "abi/linux/uio.h"
#include "sentry/kernel/signal.h"
#include "sentry/kernel/task.h"
#include "sentry/mm/mm.h"
#include "sentry/mm/uaccess.h"
#include "sentry/vfs/internal.h"
#include "sentry/vfs/vfs.h"

#include <errno.h>

static int no_read(struct file *f)
{
    return inode_is_dir(f->inode) ? -EISDIR : -EINVAL;
}

ssize_t file_read(struct file *f, struct iov_iter *to, int rwf)
{
    ssize_t n;

    if (unlikely(!f->readable))
        return -EBADF;
    if (unlikely(!f->ops->read))
        return no_read(f);
    if (!f->seekable)
        return f->ops->read(f, to, NULL, rwf);
    mutex_lock(&f->pos_lock);
    n = f->ops->read(f, to, &f->pos, rwf);
    mutex_unlock(&f->pos_lock);
    return n;
}

ssize_t file_pread(struct file *f, struct iov_iter *to, u64 pos, int rwf)
{
    if (!f->seekable)
        return -ESPIPE;
    if (unlikely(!f->readable))
        return -EBADF;
    if (unlikely(!f->ops->read))
        return no_read(f);
    return f->ops->read(f, to, &pos, rwf);
}

/*
 * RLIMIT_FSIZE and the largest offset for a write of n bytes at pos: the bytes that may be written, or
 * -EFBIG (with SIGXFSZ for the limit).
 */
static ssize_t write_limit(u64 pos, size_t n)
{
    u64 limit = LINUX_RLIM_INFINITY;

    if (current)
        limit = group_rlimit(current->group, LINUX_RLIMIT_FSIZE);
    if (limit != LINUX_RLIM_INFINITY) {
        if (pos >= limit) {
            signal_send_task(current, LINUX_SIGXFSZ, NULL);
            return -EFBIG;
        }
        n = MIN(n, limit - pos);
    }
    if (pos >= (u64)INT64_MAX)
        return -EFBIG;
    return (ssize_t)MIN(n, (u64)INT64_MAX - pos);
}

/* Regular files: data_lock around position, limits and the write itself. */
static ssize_t write_regular(struct file *f, struct iov_iter *from, u64 *pos, int rwf)
{
    struct inode *inode = f->inode;
    bool append = (atomic_load_explicit(&f->flags, memory_order_relaxed) & LINUX_O_APPEND) ||
                  (rwf & LINUX_RWF_APPEND);
    u64 start = *pos;
    ssize_t n;

    if (!from->count)
        return 0;
    mutex_lock(&inode->data_lock);
    if (append)
        start = atomic_load(&inode->size);
    n = write_limit(start, from->count);
    if (n >= 0) {
        iov_iter_truncate(from, (size_t)n);
        n = inode_clear_privs_locked(inode);
    }
    if (n >= 0)
        n = f->ops->write(f, from, &start, rwf);
    mutex_unlock(&inode->data_lock); /* a full barrier, which mappable_changed() wants */
    if (n > 0)
        mappable_changed(inode->mappable, start - (u64)n, start);
    if (n >= 0)
        *pos = start;
    return n;
}

static ssize_t write_at(struct file *f, struct iov_iter *from, u64 *pos, int rwf)
{
    ssize_t n;

    if (inode_type(f->inode) != LINUX_S_IFREG)
        return f->ops->write(f, from, pos, rwf);
    n = write_regular(f, from, pos, rwf);
    if (n > 0 &&
        ((rwf & (LINUX_RWF_DSYNC | LINUX_RWF_SYNC)) ||
         (atomic_load_explicit(&f->flags, memory_order_relaxed) & LINUX_O_SYNC)) &&
        f->ops->fsync) {
        int err = f->ops->fsync(f, !(rwf & LINUX_RWF_SYNC), *pos - (u64)n, *pos);
        if (err)
            n = err;
    }
    return n;
}

ssize_t file_write(struct file *f, struct iov_iter *from, int rwf)
{
    ssize_t n;

    if (unlikely(!f->writable))
        return -EBADF;
    if (unlikely(!f->ops->write))
        return -EINVAL;
    if (!f->seekable)
        return f->ops->write(f, from, NULL, rwf);
    mutex_lock(&f->pos_lock);
    n = write_at(f, from, &f->pos, rwf);
    mutex_unlock(&f->pos_lock);
    return n;
}

ssize_t file_pwrite(struct file *f, struct iov_iter *from, u64 pos, int rwf)
{
    if (!f->seekable)
        return -ESPIPE;
    if (unlikely(!f->writable))
        return -EBADF;
    if (unlikely(!f->ops->write))
        return -EINVAL;
    return write_at(f, from, &pos, rwf);
}

ssize_t file_pread_kernel(struct file *f, void *buf, size_t n, u64 pos)
{
    struct iov_iter it;

    iov_iter_kernel(&it, buf, n);
    return file_pread(f, &it, pos, 0);
}

ssize_t file_pwrite_kernel(struct file *f, const void *buf, size_t n, u64 pos)
{
    struct iov_iter it;

    iov_iter_kernel(&it, (void *)(uintptr_t)buf, n);
    return file_pwrite(f, &it, pos, 0);
}

s64 file_llseek_size(struct file *f, s64 off, int whence, u64 size)
{
    s64 base = 0;

    switch (whence) {
    case LINUX_SEEK_SET:
        break;
    case LINUX_SEEK_CUR:
        base = (s64)f->pos;
        break;
    case LINUX_SEEK_END:
        base = (s64)size;
        break;
    case LINUX_SEEK_DATA:
        if (off < 0 || (u64)off >= size)
            return -ENXIO;
        break;
    case LINUX_SEEK_HOLE:
        if (off < 0 || (u64)off >= size)
            return -ENXIO;
        off = (s64)size;
        break;
    default:
        return -EINVAL;
    }
    if (__builtin_add_overflow(base, off, &off))
        return -EOVERFLOW;
    if (off < 0)
        return -EINVAL;
    f->pos = (u64)off;
    return off;
}

/* A whole word, whatever the holder of pos_lock is doing to it. */
__attribute__((no_sanitize("thread"))) u64 file_pos_now(const struct file *f)
{
    return *(const volatile u64 *)&f->pos;
}

s64 file_llseek(struct file *f, s64 off, int whence)
{
    s64 r;

    if (whence < 0 || whence > LINUX_SEEK_MAX)
        return -EINVAL;
    if (!f->seekable)
        return -ESPIPE;
    mutex_lock(&f->pos_lock);
    if (f->ops->llseek)
        r = f->ops->llseek(f, off, whence);
    else
        r = file_llseek_size(f, off, whence, atomic_load(&f->inode->size));
    mutex_unlock(&f->pos_lock);
    return r;
}

int file_fsync(struct file *f, bool data_only, u64 start, u64 end)
{
    u32 type = inode_type(f->inode);

    if (f->ops->fsync)
        return f->ops->fsync(f, data_only, start, end);
    return type == LINUX_S_IFREG || type == LINUX_S_IFDIR || type == LINUX_S_IFBLK ? 0 : -EINVAL;
}

int vfs_fallocate(struct file *f, int mode, u64 off, u64 len)
{
    const int known = LINUX_FALLOC_FL_KEEP_SIZE | LINUX_FALLOC_FL_PUNCH_HOLE |
                      LINUX_FALLOC_FL_COLLAPSE_RANGE | LINUX_FALLOC_FL_ZERO_RANGE |
                      LINUX_FALLOC_FL_INSERT_RANGE | LINUX_FALLOC_FL_UNSHARE_RANGE;
    u32 type = inode_type(f->inode);
    u64 end, limit;
    int err;

    if (mode & ~known)
        return -EOPNOTSUPP;
    if ((mode & LINUX_FALLOC_FL_PUNCH_HOLE) && !(mode & LINUX_FALLOC_FL_KEEP_SIZE))
        return -EOPNOTSUPP;
    if ((mode & LINUX_FALLOC_FL_PUNCH_HOLE) && (mode & LINUX_FALLOC_FL_ZERO_RANGE))
        return -EOPNOTSUPP;
    if ((mode & (LINUX_FALLOC_FL_COLLAPSE_RANGE | LINUX_FALLOC_FL_INSERT_RANGE)) &&
        (mode & (mode - 1)))
        return -EINVAL;
    if (!f->writable)
        return -EBADF;
    if (mode && mode != LINUX_FALLOC_FL_KEEP_SIZE && (atomic_load(&f->flags) & LINUX_O_APPEND))
        return -EPERM;
    if (type == LINUX_S_IFIFO)
        return -ESPIPE;
    if (type == LINUX_S_IFDIR)
        return -EISDIR;
    if (type != LINUX_S_IFREG && type != LINUX_S_IFBLK)
        return -ENODEV;
    if (__builtin_add_overflow(off, len, &end) || end > (u64)INT64_MAX)
        return -EFBIG;
    if (!f->ops->fallocate)
        return -EOPNOTSUPP;
    limit = group_rlimit(current->group, LINUX_RLIMIT_FSIZE);
    if (!(mode & (LINUX_FALLOC_FL_KEEP_SIZE | LINUX_FALLOC_FL_COLLAPSE_RANGE)) && end > limit &&
        end > atomic_load(&f->inode->size)) {
        signal_send_task(current, LINUX_SIGXFSZ, NULL);
        return -EFBIG;
    }
    mutex_lock(&f->inode->data_lock);
    err = inode_clear_privs_locked(f->inode);
    if (!err)
        err = f->ops->fallocate(f, mode, off, len);
    mutex_unlock(&f->inode->data_lock);
    if (!err)
        mappable_changed(f->inode->mappable, off, ~0ull);
    return err;
}
