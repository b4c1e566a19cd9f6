/* SPDX-License-Identifier: Apache-2.0 */
/* Open regular files of a tmpfs. */
#include "abi/linux/fcntl.h"
#include "abi/linux/mman.h"
#include "abi/linux/stat.h"
#include "cvisor/host.h"
#include "sentry/fs/tmpfs/tmpfs_internal.h"
#include "sentry/mm/uaccess.h"

#include <errno.h>

#define CHUNK_MAX (2ul << 20)
#define FRESH_MIN 1024u /* bytes for which the host is asked */

/* What stands at pos: *n bytes, no more than before, at *off in the memory file. False: a hole. */
static bool look_at(struct tmpfs_inode *ti, u64 pos, u64 *n, u64 *off)
{
    struct range_node *e;
    bool there;

    mutex_lock(&ti->cache_lock);
    e = rangetree_lower(&ti->extents, pos);
    there = e && e->start <= pos;
    if (e)
        *n = MIN(*n, there ? e->end - pos : e->start - pos);
    if (there)
        *off = container_of(e, struct tmpfs_extent, node)->off + (pos - e->start);
    mutex_unlock(&ti->cache_lock);
    return there;
}

/* data_lock keeps the extents in place; the memory is copied without cache_lock, since the guest's
 * side of the copy may fault into this very file. */
static ssize_t tmpfs_read(struct file *f, struct iov_iter *to, u64 *pos, int rwf)
{
    struct tmpfs_inode *ti = tmpfs_i(f->inode);
    u64 size;
    ssize_t done = 0, n = 0;

    mutex_lock(&f->inode->data_lock);
    size = atomic_load(&f->inode->size);
    while (to->count && *pos < size) {
        u64 want = MIN(to->count, size - *pos), off = 0;

        if (look_at(ti, *pos, &want, &off))
            n = iov_copy_to(to, memory_file_ptr(off), want);
        else
            n = iov_zero(to, want);
        if (n <= 0)
            break;
        *pos += (u64)n;
        done += n;
        if ((u64)n < want)
            break;
    }
    mutex_unlock(&f->inode->data_lock);
    if (done)
        file_accessed(f);
    return done ? done : n;
}

/* Memory for a write of n bytes at pos, or of fewer, at *off; allocated when there is none: ahead of a
 * sequential writer, in growing pieces. 0: no space. */
static u64 memory_for_write(struct tmpfs_inode *ti, u64 pos, u64 n, u64 *off)
{
    struct tmpfs_extent *e;
    u64 start = PAGE_DOWN(pos), end = PAGE_UP(pos + n), ahead;

    mutex_lock(&ti->cache_lock);
    e = tmpfs_extent_at(ti, pos);
    if (!e) {
        bool sequential = start && tmpfs_extent_at(ti, start - 1) &&
                          start >= PAGE_DOWN(atomic_load(&ti->inode.size));

        ahead = sequential ? MIN(ti->pages * PAGE_SIZE, CHUNK_MAX) : 0;
        e = tmpfs_fill_locked(ti, start, MAX(end, start + ahead), ahead > 0);
        if (e && ahead && e->node.end > end && !rangetree_next(&e->node)) {
            ti->spec_start = end;
            ti->spec_end = e->node.end;
        }
    }
    n = e ? MIN(n, e->node.end - pos) : 0;
    if (e)
        *off = e->off + (pos - e->node.start);
    mutex_unlock(&ti->cache_lock);
    return n;
}

static void spec_touched(struct tmpfs_inode *ti)
{
    mutex_lock(&ti->cache_lock);
    ti->spec_touched = ti->spec_end != 0;
    mutex_unlock(&ti->cache_lock);
}

static ssize_t write_segs(void *arg, struct linux_iovec *segs, int n)
{
    const s64 *off = arg;

    return host_pwritev(g_memfile->fd, segs, n, *off, 0);
}

/*
 * n bytes to off in the memory file. Where they are the first that a page gets (fresh), the host is asked to
 * write them: a page that comes by a fault is cleared, mapped, and copied to, one by one.
 */
static ssize_t write_pages(struct iov_iter *from, u64 off, u64 n, bool fresh)
{
    s64 pos = (s64)off;

    return fresh ? iov_iter_host(from, n, false, write_segs, &pos)
                 : iov_copy_from(from, memory_file_ptr(off), n);
}

static ssize_t tmpfs_write(struct file *f, struct iov_iter *from, u64 *pos, int rwf)
{
    struct tmpfs_inode *ti = tmpfs_i(f->inode);
    u32 seals = atomic_load(&ti->seals);
    u64 size = atomic_load(&f->inode->size);
    ssize_t done = 0, n = 0;

    if (unlikely(seals & (LINUX_F_SEAL_WRITE | LINUX_F_SEAL_FUTURE_WRITE)))
        return -EPERM;
    if (unlikely((seals & LINUX_F_SEAL_GROW) && *pos + from->count > size)) {
        if (*pos >= size)
            return -EPERM;
        iov_iter_truncate(from, size - *pos);
    }
    if (*pos > size)
        tmpfs_trim(ti);
    while (from->count) {
        u64 off = 0, want = memory_for_write(ti, *pos, from->count, &off);

        if (!want) {
            n = -ENOSPC;
            break;
        }
        n = write_pages(from, off, want, want >= FRESH_MIN && *pos + want > PAGE_UP(size));
        /* How far a copy got that ended early is not certain. */
        if (n < (ssize_t)want)
            spec_touched(ti);
        if (n <= 0)
            break;
        *pos += (u64)n;
        done += n;
        if (*pos > size) {
            size = *pos;
            atomic_store(&f->inode->size, size);
        }
    }
    if (done)
        inode_touch(f->inode, ATTR_MTIME | ATTR_CTIME);
    return done ? done : n;
}

static s64 tmpfs_llseek(struct file *f, s64 off, int whence)
{
    struct tmpfs_inode *ti = tmpfs_i(f->inode);
    u64 size = atomic_load(&f->inode->size), pos = (u64)off;
    struct range_node *n;

    if (whence != LINUX_SEEK_DATA && whence != LINUX_SEEK_HOLE)
        return file_llseek_size(f, off, whence, size);
    if (off < 0 || pos >= size)
        return -ENXIO;
    mutex_lock(&ti->cache_lock);
    n = rangetree_lower(&ti->extents, pos);
    if (whence == LINUX_SEEK_DATA) {
        pos = n ? MAX(pos, n->start) : size;
    } else {
        for (; n && n->start <= pos; n = rangetree_next(n))
            pos = n->end;
    }
    mutex_unlock(&ti->cache_lock);
    if (whence == LINUX_SEEK_DATA && pos >= size)
        return -ENXIO;
    f->pos = MIN(pos, size);
    return (s64)f->pos;
}

static int tmpfs_mmap(struct file *f, struct mmap_args *a)
{
    struct tmpfs_inode *ti = tmpfs_i(f->inode);
    u32 seals = atomic_load(&ti->seals);

    if ((seals & (LINUX_F_SEAL_WRITE | LINUX_F_SEAL_FUTURE_WRITE)) && (a->vma_flags & VMA_SHARED)) {
        if (a->prot & LINUX_PROT_WRITE)
            return -EPERM;
        a->max_prot &= ~(u32)LINUX_PROT_WRITE;
    }
    a->mappable = &ti->map;
    file_accessed(f);
    return 0;
}

static int tmpfs_fsync(struct file *f, bool data_only, u64 start, u64 end)
{
    return 0;
}

/* Whole pages go; the edges are zeroed. */
static int punch(struct tmpfs_inode *ti, u64 start, u64 end)
{
    u64 first = PAGE_UP(start), last = PAGE_DOWN(end);
    int err;

    if (first >= last) {
        /* Inside one page, or the edges of two. */
        tmpfs_zero(ti, start, end);
        return 0;
    }
    tmpfs_zero(ti, start, first);
    tmpfs_zero(ti, last, end);
    err = tmpfs_drop(ti, first, last);
    mappable_invalidate(&ti->map, first, last, false);
    return err;
}

static int allocate(struct tmpfs_inode *ti, u64 start, u64 end)
{
    start = PAGE_DOWN(start);
    end = PAGE_UP(end);
    while (start < end) {
        struct tmpfs_extent *e;

        mutex_lock(&ti->cache_lock);
        e = tmpfs_extent_at(ti, start);
        if (!e)
            e = tmpfs_fill_locked(ti, start, end, false);
        if (e)
            start = e->node.end;
        mutex_unlock(&ti->cache_lock);
        if (!e)
            return -ENOSPC;
    }
    return 0;
}

static int tmpfs_fallocate(struct file *f, int mode, u64 off, u64 len)
{
    struct tmpfs_inode *ti = tmpfs_i(f->inode);
    struct tmpfs *t = tmpfs_of(f->inode->fs);
    u32 seals = atomic_load(&ti->seals);
    u64 end = off + len, size = atomic_load(&f->inode->size);
    int err = 0;

    if (mode &
        ~(LINUX_FALLOC_FL_KEEP_SIZE | LINUX_FALLOC_FL_PUNCH_HOLE | LINUX_FALLOC_FL_ZERO_RANGE))
        return -EOPNOTSUPP;
    tmpfs_trim(ti);
    if (mode & (LINUX_FALLOC_FL_PUNCH_HOLE | LINUX_FALLOC_FL_ZERO_RANGE)) {
        if (seals & (LINUX_F_SEAL_WRITE | LINUX_F_SEAL_FUTURE_WRITE))
            return -EPERM;
        err = punch(ti, off, end);
    }
    if (!err && !(mode & LINUX_FALLOC_FL_PUNCH_HOLE)) {
        if (!(mode & LINUX_FALLOC_FL_KEEP_SIZE) && end > size && (seals & LINUX_F_SEAL_GROW))
            return -EPERM;
        if (len / PAGE_SIZE > t->max_pages)
            return -ENOSPC;
        err = allocate(ti, off, end);
        if (!err && !(mode & LINUX_FALLOC_FL_KEEP_SIZE) && end > size)
            atomic_store(&f->inode->size, end);
    }
    if (!err)
        inode_touch(f->inode, mode & (LINUX_FALLOC_FL_PUNCH_HOLE | LINUX_FALLOC_FL_ZERO_RANGE)
                                  ? ATTR_MTIME | ATTR_CTIME
                                  : ATTR_CTIME);
    return err;
}

static void tmpfs_release(struct file *f)
{
    struct tmpfs_inode *ti = tmpfs_i(f->inode);

    if (!f->writable || !atomic_load_explicit(&ti->spec_end, memory_order_relaxed))
        return;
    /* The last reference may be a mapping's, put under MM_MAP: never wait here. */
    if (!mutex_trylock(&f->inode->data_lock))
        return;
    tmpfs_trim(ti);
    mutex_unlock(&f->inode->data_lock);
}

const struct file_ops g_tmpfs_file_ops = {
    .release = tmpfs_release,
    .read = tmpfs_read,
    .write = tmpfs_write,
    .llseek = tmpfs_llseek,
    .mmap = tmpfs_mmap,
    .fsync = tmpfs_fsync,
    .fallocate = tmpfs_fallocate,
};
