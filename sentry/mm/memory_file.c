/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The memory file: allocation, references and recycling of ranges of one big sparse memfd.
 *
 * Used ranges are segments of equal reference count and kind. Free ranges are indexed by address
 * (to join neighbours) and by size (best fit), separately for clean ones (holes: they read as zero)
 * and dirty ones (pages may be committed). Small dirty ranges are reused with their pages; the rest
 * are given back to the host by hole punching, outside the lock.
 */
#include "sentry/mm/memory_file.h"

#include "abi/linux/fcntl.h"
#include "abi/linux/memfd.h"
#include "abi/linux/mman.h"
#include "cvisor/host.h"
#include "cvisor/kcache.h"
#include "cvisor/lock.h"
#include "cvisor/log.h"
#include "cvisor/rangetree.h"

#include <errno.h>

#define MF_LIMIT_DEFAULT (256ull << 30)
#define MF_ZERO_MAX (64ull << 10)   /* dirty ranges up to this are zeroed by hand */
#define MF_PUNCH_MIN (256ull << 10) /* freed ranges from this on are punched at once */
#define MF_DIRTY_HIGH (64ull << 20) /* dirty bytes that start a clean-up, down to MF_DIRTY_LOW */
#define MF_DIRTY_LOW (32ull << 20)
#define MF_PUNCH_BATCH 16

struct mf_seg {
    struct range_node node; /* offsets */
    u32 refs;
    u32 kind;
};
KCACHE(mf_seg);

struct mf_free {
    struct range_node by_addr; /* [start, end) */
    struct range_node by_size; /* start = bytes, end = bytes + 1 */
};
KCACHE(mf_free);

struct mf_freeset {
    struct rangetree by_addr, by_size;
    u64 bytes;
};

enum { CLEAN, DIRTY };

/* Guarded by lock, except fd, base and limit: immutable after init. */
static struct {
    struct backing backing;
    u8 *base;
    u64 limit;
    struct mutex lock;
    struct rangetree used;
    struct mf_freeset free[2];
    u64 used_bytes[MF_KIND_COUNT];
} g_mf = {.lock = MUTEX_INIT(LOCK_MEMFILE)};

struct backing *g_memfile = &g_mf.backing;

struct punch_list {
    u64 start[MF_PUNCH_BATCH], len[MF_PUNCH_BATCH];
    int n;
};

static struct mf_seg *seg_of(struct range_node *n)
{
    return n ? container_of(n, struct mf_seg, node) : NULL;
}

static struct mf_free *free_of_addr(struct range_node *n)
{
    return n ? container_of(n, struct mf_free, by_addr) : NULL;
}

/* ---- free ranges ---------------------------------------------------------------------------- */

static void free_link_size(struct mf_freeset *s, struct mf_free *f)
{
    f->by_size.start = f->by_addr.end - f->by_addr.start;
    f->by_size.end = f->by_size.start + 1;
    rangetree_insert_multi(&s->by_size, &f->by_size);
}

/* Joins [start, end) with its neighbours in s. */
static void free_insert_locked(int which, u64 start, u64 end)
{
    struct mf_freeset *s = &g_mf.free[which];
    struct mf_free *prev = NULL, *next, *f;
    struct range_node *n;

    s->bytes += end - start;
    n = start ? rangetree_find(&s->by_addr, start - 1) : NULL;
    prev = free_of_addr(n);
    next = free_of_addr(rangetree_find(&s->by_addr, end));
    if (prev) {
        rangetree_remove(&s->by_size, &prev->by_size);
        if (next) {
            rangetree_remove(&s->by_size, &next->by_size);
            rangetree_remove(&s->by_addr, &next->by_addr);
            end = next->by_addr.end;
            kcache_free(mf_free, next);
        }
        prev->by_addr.end = end;
        free_link_size(s, prev);
        return;
    }
    if (next) {
        rangetree_remove(&s->by_size, &next->by_size);
        next->by_addr.start = start;
        free_link_size(s, next);
        return;
    }
    f = kcache_alloc(mf_free);
    if (!f) {
        log_warn("memory file: %llu bytes are lost for want of kernel memory",
                 (unsigned long long)(end - start));
        s->bytes -= end - start;
        return;
    }
    f->by_addr.start = start;
    f->by_addr.end = end;
    BUG_ON(rangetree_insert(&s->by_addr, &f->by_addr) != 0);
    free_link_size(s, f);
}

/* Takes [start, end) out of f. spare is used when f has to be split: false when it is needed and
 * there is no memory for it. */
static bool free_carve_locked(int which, struct mf_free *f, u64 start, u64 end)
{
    struct mf_freeset *s = &g_mf.free[which];
    u64 fs = f->by_addr.start, fe = f->by_addr.end;
    struct mf_free *rest = NULL;

    if (fs < start && end < fe) {
        rest = kcache_alloc(mf_free);
        if (!rest)
            return false;
    }
    s->bytes -= end - start;
    rangetree_remove(&s->by_size, &f->by_size);
    if (fs == start && fe == end) {
        rangetree_remove(&s->by_addr, &f->by_addr);
        kcache_free(mf_free, f);
        return true;
    }
    if (fs < start)
        f->by_addr.end = start;
    else
        f->by_addr.start = end;
    free_link_size(s, f);
    if (rest) {
        rest->by_addr.start = end;
        rest->by_addr.end = fe;
        BUG_ON(rangetree_insert(&s->by_addr, &rest->by_addr) != 0);
        free_link_size(s, rest);
    }
    return true;
}

/* Moves dirty ranges, the largest first, to p until few are left or p is full. */
static void dirty_collect_locked(struct punch_list *p, u64 low)
{
    struct mf_freeset *s = &g_mf.free[DIRTY];
    struct range_node *n;

    while (p->n < MF_PUNCH_BATCH && s->bytes > low && (n = rangetree_last(&s->by_size))) {
        struct mf_free *f = container_of(n, struct mf_free, by_size);

        p->start[p->n] = f->by_addr.start;
        p->len[p->n++] = f->by_addr.end - f->by_addr.start;
        free_carve_locked(DIRTY, f, f->by_addr.start, f->by_addr.end);
    }
}

/* Gives the ranges of p (which nobody can see) back to the host. Lock not held. */
static void punch_all(struct punch_list *p)
{
    bool punched[MF_PUNCH_BATCH];

    if (!p->n)
        return;
    for (int i = 0; i < p->n; i++)
        punched[i] = host_fallocate(g_mf.backing.fd,
                                    LINUX_FALLOC_FL_PUNCH_HOLE | LINUX_FALLOC_FL_KEEP_SIZE,
                                    p->start[i], p->len[i]) == 0;
    mutex_lock(&g_mf.lock);
    for (int i = 0; i < p->n; i++)
        free_insert_locked(punched[i] ? CLEAN : DIRTY, p->start[i], p->start[i] + p->len[i]);
    mutex_unlock(&g_mf.lock);
    p->n = 0;
}

/* ---- used segments -------------------------------------------------------------------------- */

/* Makes at a boundary of segments. */
static bool seg_split_locked(u64 at)
{
    struct mf_seg *seg = seg_of(rangetree_find(&g_mf.used, at)), *tail;

    if (!seg || seg->node.start == at)
        return true;
    tail = kcache_alloc(mf_seg);
    if (!tail)
        return false;
    tail->refs = seg->refs;
    tail->kind = seg->kind;
    tail->node.start = at;
    tail->node.end = seg->node.end;
    seg->node.end = at;
    BUG_ON(rangetree_insert(&g_mf.used, &tail->node) != 0);
    return true;
}

/* Joins seg with its successor when they are alike. */
static void seg_merge_next_locked(struct mf_seg *seg)
{
    struct mf_seg *next = seg_of(rangetree_next(&seg->node));

    if (!next || next->node.start != seg->node.end || next->refs != seg->refs ||
        next->kind != seg->kind)
        return;
    rangetree_remove(&g_mf.used, &next->node);
    seg->node.end = next->node.end;
    kcache_free(mf_seg, next);
}

static bool seg_insert_locked(u64 start, u64 end, enum mf_kind kind)
{
    struct mf_seg *prev = start ? seg_of(rangetree_find(&g_mf.used, start - 1)) : NULL;
    struct mf_seg *next = seg_of(rangetree_find(&g_mf.used, end));
    struct mf_seg *seg;

    if (prev && prev->refs == 1 && prev->kind == kind) {
        prev->node.end = end;
        seg_merge_next_locked(prev);
        return true;
    }
    if (next && next->refs == 1 && next->kind == kind) {
        next->node.start = start;
        return true;
    }
    seg = kcache_alloc(mf_seg);
    if (!seg)
        return false;
    seg->refs = 1;
    seg->kind = kind;
    seg->node.start = start;
    seg->node.end = end;
    BUG_ON(rangetree_insert(&g_mf.used, &seg->node) != 0);
    return true;
}

/* ---- allocation ----------------------------------------------------------------------------- */

/* A place of r->len bytes: 0, or -ENOMEM. */
static int find_hint_locked(const struct memory_file_req *r, u64 *start, int *which)
{
    for (int w = 0; w < (r->holes ? 1 : 2); w++) {
        struct rangetree *t = &g_mf.free[w].by_addr;
        struct range_node *n;

        if (r->after != ~0ull && !(r->after & (r->align - 1)) &&
            (n = rangetree_find(t, r->after)) && n->end - r->after >= r->len) {
            *start = r->after;
            *which = w;
            return 0;
        }
        if (r->before != ~0ull && r->before >= r->len && !((r->before - r->len) & (r->align - 1)) &&
            (n = rangetree_find(t, r->before - r->len)) && n->end >= r->before) {
            *start = r->before - r->len;
            *which = w;
            return 0;
        }
    }
    return -ENOMEM;
}

static int find_fit_locked(const struct memory_file_req *r, u64 *start, int *which)
{
    /* Committed pages are welcome where we overwrite or zero them anyway. */
    int first = !r->holes && (r->len <= MF_ZERO_MAX || r->dirty) ? DIRTY : CLEAN;
    u64 want = r->len + (r->align - PAGE_SIZE);

    for (int i = 0; i < 2; i++) {
        int w = i ? !first : first;
        struct range_node *n = rangetree_lower(&g_mf.free[w].by_size, want);
        struct mf_free *f;

        if (!n)
            continue;
        f = container_of(n, struct mf_free, by_size);
        if (r->from_top)
            *start = (f->by_addr.end - r->len) & ~(r->align - 1);
        else
            *start = (f->by_addr.start + r->align - 1) & ~(r->align - 1);
        *which = w;
        return 0;
    }
    return -ENOMEM;
}

static s64 alloc_locked(const struct memory_file_req *r, int *which)
{
    u64 start = 0;
    struct mf_free *f;

    if (find_hint_locked(r, &start, which) < 0 && find_fit_locked(r, &start, which) < 0)
        return -ENOMEM;
    f = free_of_addr(rangetree_find(&g_mf.free[*which].by_addr, start));
    BUG_ON(!f);
    if (!free_carve_locked(*which, f, start, start + r->len))
        return -ENOMEM;
    if (!seg_insert_locked(start, start + r->len, r->kind)) {
        free_insert_locked(*which, start, start + r->len);
        return -ENOMEM;
    }
    g_mf.used_bytes[r->kind] += r->len;
    return (s64)start;
}

s64 memory_file_alloc_req(const struct memory_file_req *r)
{
    struct punch_list p = {.n = 0};
    int which = CLEAN;
    s64 off;

    if (!r->len || (r->len & ~PAGE_MASK) || r->align < PAGE_SIZE || (r->align & (r->align - 1)) ||
        r->len > g_mf.limit || r->align > g_mf.limit)
        return r->len ? -ENOMEM : -EINVAL;
    mutex_lock(&g_mf.lock);
    off = alloc_locked(r, &which);
    if (off < 0) {
        /* Clean and dirty neighbours may make one range that is large enough. */
        do {
            dirty_collect_locked(&p, 0);
            mutex_unlock(&g_mf.lock);
            which = p.n;
            punch_all(&p);
            mutex_lock(&g_mf.lock);
        } while (which == MF_PUNCH_BATCH);
        which = CLEAN;
        off = alloc_locked(r, &which);
    }
    mutex_unlock(&g_mf.lock);
    if (off < 0 || which == CLEAN || r->dirty)
        return off;
    if (r->len > MF_ZERO_MAX || r->holes || host_zero_safe(g_mf.base + off, r->len) != 0)
        memory_file_decommit((u64)off, r->len);
    return off;
}

s64 memory_file_alloc(u64 len, u64 align, enum mf_kind kind, u64 hint)
{
    struct memory_file_req r = {
        .len = len, .align = align, .kind = kind, .after = hint, .before = ~0ull};

    return memory_file_alloc_req(&r);
}

/* ---- references ------------------------------------------------------------------------------ */

void memory_file_get(u64 off, u64 len)
{
    u64 end = off + len;
    struct mf_seg *seg, *next;

    mutex_lock(&g_mf.lock);
    /* Without memory for the split the whole segment gets the reference: some bytes leak. */
    seg_split_locked(off);
    seg_split_locked(end);
    for (seg = seg_of(rangetree_find(&g_mf.used, off)); seg && seg->node.start < end; seg = next) {
        next = seg_of(rangetree_next(&seg->node));
        BUG_ON(seg->refs == ~0u);
        seg->refs++;
    }
    mutex_unlock(&g_mf.lock);
}

static void put_seg_locked(struct mf_seg *seg, bool untouched, struct punch_list *p)
{
    u64 start = seg->node.start, len = seg->node.end - start;

    rangetree_remove(&g_mf.used, &seg->node);
    g_mf.used_bytes[seg->kind] -= len;
    kcache_free(mf_seg, seg);
    if (untouched) {
        free_insert_locked(CLEAN, start, start + len);
    } else if (len >= MF_PUNCH_MIN && p->n < MF_PUNCH_BATCH) {
        p->start[p->n] = start;
        p->len[p->n++] = len;
    } else {
        free_insert_locked(DIRTY, start, start + len);
    }
}

static void put_range(u64 off, u64 len, bool untouched)
{
    struct punch_list p = {.n = 0};
    u64 end = off + len;
    struct mf_seg *seg, *next;

    mutex_lock(&g_mf.lock);
    if (!seg_split_locked(off) || !seg_split_locked(end)) {
        mutex_unlock(&g_mf.lock);
        log_warn("memory file: a range leaks for want of kernel memory");
        return;
    }
    seg = seg_of(rangetree_find(&g_mf.used, off));
    BUG_ON(!seg);
    for (; seg && seg->node.start < end; seg = next) {
        next = seg_of(rangetree_next(&seg->node));
        BUG_ON(seg->refs == 0);
        if (--seg->refs == 0)
            put_seg_locked(seg, untouched, &p);
    }
    seg = off ? seg_of(rangetree_find(&g_mf.used, off - 1)) : NULL;
    if (seg)
        seg_merge_next_locked(seg);
    seg = seg_of(rangetree_find(&g_mf.used, end - 1));
    if (seg)
        seg_merge_next_locked(seg);
    if (g_mf.free[DIRTY].bytes > MF_DIRTY_HIGH)
        dirty_collect_locked(&p, MF_DIRTY_LOW);
    mutex_unlock(&g_mf.lock);
    punch_all(&p);
}

void memory_file_put(u64 off, u64 len)
{
    put_range(off, len, false);
}

void memory_file_put_untouched(u64 off, u64 len)
{
    put_range(off, len, true);
}

bool memory_file_exclusive_run(u64 off, u64 lo, u64 hi, u64 *start, u64 *end)
{
    struct mf_seg *seg, *s;
    bool exclusive = false;

    mutex_lock(&g_mf.lock);
    seg = seg_of(rangetree_find(&g_mf.used, off));
    if (seg && seg->refs == 1) {
        exclusive = true;
        *start = seg->node.start;
        *end = seg->node.end;
        for (s = seg; *start > lo;) {
            s = seg_of(rangetree_prev(&s->node));
            if (!s || s->refs != 1 || s->node.end != *start)
                break;
            *start = s->node.start;
        }
        for (s = seg; *end < hi;) {
            s = seg_of(rangetree_next(&s->node));
            if (!s || s->refs != 1 || s->node.start != *end)
                break;
            *end = s->node.end;
        }
        *start = MAX(*start, lo);
        *end = MIN(*end, hi);
    }
    mutex_unlock(&g_mf.lock);
    return exclusive;
}

bool memory_file_exclusive(u64 off, u64 len)
{
    u64 start, end;

    return memory_file_exclusive_run(off, off, off + len, &start, &end) && start == off &&
           end == off + len;
}

/* ---- contents -------------------------------------------------------------------------------- */

void memory_file_decommit(u64 off, u64 len)
{
    int err = host_fallocate(g_mf.backing.fd,
                             LINUX_FALLOC_FL_PUNCH_HOLE | LINUX_FALLOC_FL_KEEP_SIZE, off, len);

    if (err < 0 && host_zero_safe(g_mf.base + off, len) != 0)
        log_warn("memory file: cannot clear a range (%d)", err);
}

void *memory_file_ptr(u64 off)
{
    return g_mf.base + off;
}

u64 memory_file_used(enum mf_kind kind)
{
    u64 n;

    mutex_lock(&g_mf.lock);
    n = g_mf.used_bytes[kind];
    mutex_unlock(&g_mf.lock);
    return n;
}

u64 memory_file_limit(void)
{
    return g_mf.limit;
}

u64 memory_file_next_resident(u64 off, u64 end, u64 *run_end)
{
    s64 data = host_lseek(g_mf.backing.fd, (s64)off, LINUX_SEEK_DATA), hole;

    if (data < 0 || (u64)data >= end) {
        *run_end = end;
        return end;
    }
    hole = host_lseek(g_mf.backing.fd, data, LINUX_SEEK_HOLE);
    *run_end = hole < 0 || (u64)hole > end ? end : (u64)hole;
    return (u64)data;
}

u64 memory_file_resident(u64 off, u64 len)
{
    u64 end = off + len, sum = 0, run_end;

    for (int i = 0; off < end; i++) {
        if (i == 4096)
            return sum + (end - off);
        off = memory_file_next_resident(off, end, &run_end);
        sum += run_end - off;
        off = run_end;
    }
    return sum;
}

/* ---- as a backing ---------------------------------------------------------------------------- */

static void mf_range_get(struct backing *b, u64 off, u64 len)
{
    memory_file_get(off, len);
}

static void mf_range_put(struct backing *b, u64 off, u64 len)
{
    memory_file_put(off, len);
}

static void *mf_map(struct backing *b, u64 off, u64 len, bool write, u64 *got)
{
    *got = len;
    return g_mf.base + off;
}

static const struct backing_ops g_mf_ops = {
    .range_get = mf_range_get,
    .range_put = mf_range_put,
    .map = mf_map,
};

int memory_file_init(u64 limit)
{
    int fd, err;
    void *p;

    if (!limit)
        limit = MF_LIMIT_DEFAULT;
    limit = PAGE_DOWN(limit);
    fd = host_memfd_create("cvisor-memory", LINUX_MFD_CLOEXEC);
    if (fd < 0)
        return fd;
    err = host_ftruncate(fd, limit);
    if (err < 0) {
        host_close(fd);
        return err;
    }
    p = host_mmap(NULL, limit, LINUX_PROT_READ | LINUX_PROT_WRITE,
                  LINUX_MAP_SHARED | LINUX_MAP_NORESERVE, fd, 0);
    if (host_is_err(p)) {
        host_close(fd);
        return (int)(intptr_t)p;
    }
    host_madvise(p, limit, LINUX_MADV_DONTDUMP);
    g_mf.backing.ops = &g_mf_ops;
    g_mf.backing.fd = fd;
    g_mf.base = p;
    g_mf.limit = limit;
    mutex_lock(&g_mf.lock);
    free_insert_locked(CLEAN, 0, limit);
    mutex_unlock(&g_mf.lock);
    return 0;
}
