/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Contents of regular files: extents of the memory file by file offset. Extents are added and made longer
 * under cache_lock alone (writes and page faults), and taken away with data_lock held too, so who holds
 * data_lock may use an extent's memory without cache_lock, but not look at the extent.
 */
#include "abi/linux/fcntl.h"
#include "abi/linux/stat.h"
#include "cvisor/host.h"
#include "cvisor/kcache.h"
#include "sentry/fs/tmpfs/tmpfs_internal.h"

#include <errno.h>

KCACHE(tmpfs_extent);

#define FAULT_WINDOW (64ul << 10)
#define CHUNK_MAX (2ul << 20)
#define NO_HINT (~0ull)

static struct tmpfs_extent *ext(struct range_node *n)
{
    return n ? container_of(n, struct tmpfs_extent, node) : NULL;
}

struct tmpfs_extent *tmpfs_extent_at(struct tmpfs_inode *ti, u64 pos)
{
    return ext(rangetree_find(&ti->extents, pos));
}

/* Charges and allocates up to `len` bytes, at least a page. *len: what it became. */
static s64 alloc_pages(struct tmpfs *t, u64 *len, u64 hint, bool holes)
{
    struct memory_file_req r = {
        .align = PAGE_SIZE, .kind = MF_TMPFS, .after = hint, .before = ~0ull, .holes = holes};
    s64 off;

    for (;;) {
        if (tmpfs_charge(t, *len / PAGE_SIZE)) {
            r.len = *len;
            off = memory_file_alloc_req(&r);
            if (off >= 0)
                return off;
            tmpfs_uncharge(t, *len / PAGE_SIZE);
        }
        if (*len == PAGE_SIZE)
            return -ENOSPC;
        *len = PAGE_DOWN(*len / 2);
    }
}

struct tmpfs_extent *tmpfs_fill_locked(struct tmpfs_inode *ti, u64 start, u64 end, bool holes)
{
    struct tmpfs *t = tmpfs_of(ti->inode.fs);
    struct tmpfs_extent *prev = start ? ext(rangetree_floor(&ti->extents, start - 1)) : NULL, *e;
    struct range_node *next = rangetree_lower(&ti->extents, start);
    u64 len = end - start, hint = NO_HINT;
    s64 off;

    if (next)
        len = MIN(len, next->start - start);
    len = MIN(len, CHUNK_MAX);
    if (prev && prev->node.end != start)
        prev = NULL;
    if (prev)
        hint = prev->off + (prev->node.end - prev->node.start);
    off = alloc_pages(t, &len, hint, holes);
    if (off < 0)
        return NULL;
    if (prev && (u64)off == hint) {
        prev->node.end = start + len;
        ti->pages += len / PAGE_SIZE;
        return prev;
    }
    e = kcache_alloc(tmpfs_extent);
    if (!e) {
        memory_file_put((u64)off, len);
        tmpfs_uncharge(t, len / PAGE_SIZE);
        return NULL;
    }
    e->node.start = start;
    e->node.end = start + len;
    e->off = (u64)off;
    BUG_ON(rangetree_insert(&ti->extents, &e->node) != 0);
    ti->pages += len / PAGE_SIZE;
    return e;
}

/* Ranges of the memory file to be given back once no lock is held. */
struct freed {
    u64 off, len;
};

/* Cuts [start, end) out of the first extent that overlaps it. False when there is none. */
static bool cut_one_locked(struct tmpfs_inode *ti, u64 start, u64 end, struct tmpfs_extent **spare,
                           struct freed *out)
{
    struct tmpfs_extent *e = ext(rangetree_lower(&ti->extents, start)), *tail;
    u64 s, n;

    if (!e || e->node.start >= end)
        return false;
    s = MAX(start, e->node.start);
    n = MIN(end, e->node.end) - s;
    out->off = e->off + (s - e->node.start);
    out->len = n;
    ti->pages -= n / PAGE_SIZE;
    if (s == e->node.start && n == e->node.end - e->node.start) {
        rangetree_remove(&ti->extents, &e->node);
        kcache_free(tmpfs_extent, e);
    } else if (s == e->node.start) {
        e->node.start += n;
        e->off += n;
    } else if (s + n == e->node.end) {
        e->node.end = s;
    } else {
        tail = *spare;
        *spare = NULL;
        tail->node.start = s + n;
        tail->node.end = e->node.end;
        tail->off = out->off + n;
        e->node.end = s;
        BUG_ON(rangetree_insert(&ti->extents, &tail->node) != 0);
    }
    return true;
}

static int drop(struct tmpfs_inode *ti, u64 start, u64 end, bool untouched)
{
    struct tmpfs *t = tmpfs_of(ti->inode.fs);
    struct tmpfs_extent *spare = NULL;
    struct freed f;
    bool more;

    start = PAGE_UP(start);
    end = PAGE_DOWN(end);
    if (start >= end)
        return 0;
    /* Only a hole in the middle of one extent needs it; everything beyond the end never does. */
    if (end < (~0ull & PAGE_MASK)) {
        spare = kcache_alloc(tmpfs_extent);
        if (!spare)
            return -ENOMEM;
    }
    do {
        mutex_lock(&ti->cache_lock);
        more = cut_one_locked(ti, start, end, &spare, &f);
        mutex_unlock(&ti->cache_lock);
        if (more) {
            if (untouched)
                memory_file_put_untouched(f.off, f.len);
            else
                memory_file_put(f.off, f.len);
            tmpfs_uncharge(t, f.len / PAGE_SIZE);
        }
    } while (more);
    kcache_free(tmpfs_extent, spare);
    return 0;
}

int tmpfs_drop(struct tmpfs_inode *ti, u64 start, u64 end)
{
    return drop(ti, start, end, false);
}

void tmpfs_zero(struct tmpfs_inode *ti, u64 start, u64 end)
{
    while (start < end) {
        struct range_node *n;
        u64 stop = 0, off = 0;

        mutex_lock(&ti->cache_lock);
        n = rangetree_lower(&ti->extents, start);
        if (n && n->start < end) {
            start = MAX(start, n->start);
            stop = MIN(end, n->end);
            off = ext(n)->off + (start - n->start);
        }
        mutex_unlock(&ti->cache_lock);
        if (!stop)
            return;
        host_zero_safe(memory_file_ptr(off), stop - start);
        start = stop;
    }
}

void tmpfs_trim(struct tmpfs_inode *ti)
{
    bool untouched;
    u64 start, end;

    mutex_lock(&ti->cache_lock);
    start = MAX(ti->spec_start, PAGE_UP(atomic_load(&ti->inode.size)));
    end = ti->spec_end;
    untouched = !ti->spec_touched;
    ti->spec_start = 0;
    ti->spec_end = 0;
    ti->spec_touched = false;
    mutex_unlock(&ti->cache_lock);
    if (start < end)
        (void)drop(ti, start, end, untouched); /* without memory it stays allocated */
}

int tmpfs_truncate(struct tmpfs_inode *ti, u64 size)
{
    u64 old = atomic_load(&ti->inode.size);

    tmpfs_trim(ti);
    if (size >= old) {
        atomic_store(&ti->inode.size, size);
        return 0;
    }
    /* First no new translation, then no old one, then no memory. */
    mutex_lock(&ti->cache_lock);
    atomic_store(&ti->inode.size, size);
    mutex_unlock(&ti->cache_lock);
    mappable_invalidate(&ti->map, PAGE_UP(size), ~0ull & PAGE_MASK, true);
    tmpfs_zero(ti, size, PAGE_UP(size));
    return tmpfs_drop(ti, size, ~0ull & PAGE_MASK);
}

u64 tmpfs_blocks(struct tmpfs_inode *ti)
{
    u64 pages, start;

    mutex_lock(&ti->cache_lock);
    pages = ti->pages;
    start = MAX(ti->spec_start, PAGE_UP(atomic_load(&ti->inode.size)));
    if (start < ti->spec_end)
        pages -= (ti->spec_end - start) / PAGE_SIZE;
    mutex_unlock(&ti->cache_lock);
    return pages * (PAGE_SIZE / 512);
}

/* ---- mappings ------------------------------------------------------------------------------------ */

static int translate(struct mappable *m, u64 required, u64 opt_start, u64 opt_end, u32 access,
                     struct translation *out)
{
    struct tmpfs_inode *ti = container_of(m, struct tmpfs_inode, map);
    u64 window = ti->anonymous ? CHUNK_MAX : FAULT_WINDOW, limit;
    struct tmpfs_extent *e;
    int err = 0;

    mutex_lock(&ti->cache_lock);
    limit = PAGE_UP(atomic_load(&ti->inode.size));
    opt_end = MIN(opt_end, limit);
    if (required >= limit) {
        err = -EFAULT;
        goto out;
    }
    e = tmpfs_extent_at(ti, required);
    if (!e) {
        struct range_node *prev = rangetree_floor(&ti->extents, required);
        u64 start = MAX(opt_start, required & ~(window - 1));

        if (prev)
            start = MAX(start, prev->end);
        e = tmpfs_fill_locked(ti, start, MIN(opt_end, (required & ~(window - 1)) + window), false);
        /* Limits may have cut the piece before it reached what is needed. */
        if (e && e->node.end <= required)
            e = tmpfs_fill_locked(ti, PAGE_DOWN(required), PAGE_DOWN(required) + PAGE_SIZE, false);
        if (!e) {
            err = -EFAULT;
            goto out;
        }
    }
    out->start = MAX(opt_start, e->node.start);
    out->end = MIN(opt_end, e->node.end);
    out->backing = g_memfile;
    out->off = e->off + (out->start - e->node.start);
    out->prot = PLATFORM_READ | PLATFORM_EXEC;
    /* No mapping is writable any more, but for one that was on its way when the seal came. */
    if (!(atomic_load(&ti->seals) & LINUX_F_SEAL_WRITE))
        out->prot |= PLATFORM_WRITE;
    memory_file_get(out->off, out->end - out->start);
out:
    mutex_unlock(&ti->cache_lock);
    return err;
}

const struct mappable_ops g_tmpfs_mappable_ops = {
    .translate = translate,
};
