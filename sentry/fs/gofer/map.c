/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gofer: memory mappings. The stub maps the host's descriptor; the sentry maps pieces of the file
 * ("windows") when it has to touch that memory itself.
 */
#include "sentry/fs/gofer/gofer_fs.h"

#include "abi/linux/mman.h"
#include "cvisor/host.h"
#include "cvisor/kcache.h"
#include "cvisor/platform.h"

#include <errno.h>

#define WINDOW_SIZE (1ull << 20)

struct gofer_window {
    struct range_node node; /* file offsets: WINDOW_SIZE bytes, aligned to it */
    u8 *addr;
};

KCACHE(gofer_window);

static struct gofer_file *file_of(struct mappable *m)
{
    return container_of(m, struct gofer_file, mappable);
}

static int translate(struct mappable *m, u64 required_start, u64 opt_start, u64 opt_end, u32 access,
                     struct translation *out)
{
    struct gofer_file *gf = file_of(m);
    u64 end = PAGE_UP(atomic_load(&gf->gi.inode.size));
    struct gofer_backing *gb = &gf->ro;

    if (required_start >= end)
        return -EFAULT;
    if (gofer_file_write_fd(gf) >= 0 && gf->rw_reads)
        gb = &gf->rw;
    if (gb->b.fd < 0 || ((access & PLATFORM_WRITE) && gb != &gf->rw))
        return -EIO; /* the mapping's file is open: this can't be */
    if (access & PLATFORM_WRITE)
        atomic_store_explicit(&gf->mmap_written, true, memory_order_relaxed);
    out->start = opt_start;
    out->end = MIN(opt_end, end);
    out->backing = &gb->b;
    out->off = opt_start;
    out->prot = PLATFORM_READ | PLATFORM_EXEC | (gb == &gf->rw ? PLATFORM_WRITE : 0);
    gb->b.ops->range_get(&gb->b, out->off, out->end - out->start);
    return 0;
}

static int map_sync(struct mappable *m, u64 start, u64 end)
{
    struct gofer_file *gf = file_of(m);
    int fd = gofer_file_write_fd(gf);

    gofer_file_settle(gf);
    return fd >= 0 ? host_fdatasync(fd) : 0;
}

const struct mappable_ops g_gofer_mappable_ops = {
    .translate = translate,
    .sync = map_sync,
};

/* --- the descriptor as a backing --- */

static struct gofer_backing *backing_of(struct backing *b)
{
    return container_of(b, struct gofer_backing, b);
}

static void range_get(struct backing *b, u64 off, u64 len)
{
    atomic_fetch_add(&backing_of(b)->file->map_pages, (s64)(len >> PAGE_SHIFT));
}

static void range_put(struct backing *b, u64 off, u64 len)
{
    s64 n = (s64)(len >> PAGE_SHIFT);

    BUG_ON(atomic_fetch_sub(&backing_of(b)->file->map_pages, n) < n);
}

/* The window that contains off, made if need be. map_lock is held. */
static struct gofer_window *window_locked(struct gofer_backing *gb, u64 off)
{
    struct range_node *rn = rangetree_find(&gb->windows, off);
    int prot = LINUX_PROT_READ | (gb == &gb->file->rw ? LINUX_PROT_WRITE : 0);
    struct gofer_window *w;
    void *addr;

    if (rn)
        return container_of(rn, struct gofer_window, node);
    w = kcache_alloc(gofer_window);
    if (!w)
        return NULL;
    w->node.start = off & ~(WINDOW_SIZE - 1);
    w->node.end = w->node.start + WINDOW_SIZE;
    addr = host_mmap(NULL, WINDOW_SIZE, prot, LINUX_MAP_SHARED, gb->b.fd, w->node.start);
    if (host_is_err(addr)) {
        kcache_free(gofer_window, w);
        return NULL;
    }
    w->addr = addr;
    BUG_ON(rangetree_insert(&gb->windows, &w->node) < 0);
    return w;
}

static void *backing_map(struct backing *b, u64 off, u64 len, bool write, u64 *got)
{
    struct gofer_backing *gb = backing_of(b);
    struct gofer_window *w = NULL;

    if (!write || gb == &gb->file->rw) {
        mutex_lock(&gb->file->map_lock);
        w = window_locked(gb, off);
        mutex_unlock(&gb->file->map_lock);
    }
    if (!w)
        return NULL;
    *got = MIN(len, w->node.end - off);
    return w->addr + (off - w->node.start);
}

static const struct backing_ops g_backing_ops = {
    .range_get = range_get,
    .range_put = range_put,
    .map = backing_map,
};

void gofer_backing_init(struct gofer_backing *gb, struct gofer_file *gf)
{
    gb->b.ops = &g_backing_ops;
    gb->b.fd = -1;
    gb->file = gf;
    rangetree_init(&gb->windows);
}

void gofer_backing_drop_windows_locked(struct gofer_backing *gb)
{
    struct range_node *rn;

    while ((rn = rangetree_first(&gb->windows))) {
        struct gofer_window *w = container_of(rn, struct gofer_window, node);

        rangetree_remove(&gb->windows, rn);
        host_munmap(w->addr, WINDOW_SIZE);
        kcache_free(gofer_window, w);
    }
}
