/* SPDX-License-Identifier: Apache-2.0 */
/* Runs of chunks: reservation, commit, limit, recycling of large buffers. */
#include "platform/base/arena.h"

#include "abi/linux/mman.h"
#include "cvisor/host.h"
#include "platform/base/poison.h"
#include "platform/base/spin.h"

#include <string.h>

#define ARENA_SIZE (256ul << 30) /* address space only */
#define ARENA_MIN (4ul << 30)
#define COMMIT_STEP (1ul << 20)
#define LIMIT_DEFAULT (4ul << 30)
/* Freed large buffers up to this many bytes keep their pages: a loop that reads with one big buffer
 * should not fault it in each time. */
#define WARM_MAX (1ul << 20)
/* Classes of large runs: 1..8 chunks, then four for each doubling. */
#define LARGE_CLASSES 40

uintptr_t g_arena_base;
size_t g_arena_chunks;
struct chunk *g_arena_map;

static atomic_uint g_lock;         /* guards everything below; innermost, after any cache's lock */
static size_t g_used_chunks;       /* never handed out above this */
static size_t g_committed;         /* bytes of the reservation that are readable and writable */
static size_t g_warm;              /* bytes of free large runs that were not given back */
static u32 g_free[LARGE_CLASSES];  /* chunk number + 1 of the first free run */
static u32 g_live[LARGE_CLASSES];  /* runs in use */
static u32 g_total[LARGE_CLASSES]; /* runs carved */
static _Atomic u64 g_usage, g_limit = LIMIT_DEFAULT;

static bool reserve_locked(void)
{
    size_t size = ARENA_SIZE;
    int flags = LINUX_MAP_PRIVATE | LINUX_MAP_ANONYMOUS | LINUX_MAP_NORESERVE;
    char *base, *map;

    for (;; size /= 2) {
        if (size < ARENA_MIN)
            return false;
        base = host_mmap(NULL, size + CHUNK_SIZE, LINUX_PROT_NONE, flags, -1, 0);
        if (!host_is_err(base))
            break;
    }
    map = host_mmap(NULL, (size >> CHUNK_SHIFT) * sizeof(struct chunk),
                    LINUX_PROT_READ | LINUX_PROT_WRITE, flags, -1, 0);
    if (host_is_err(map)) {
        host_munmap(base, size + CHUNK_SIZE);
        return false;
    }
    g_arena_map = (struct chunk *)map;
    g_arena_base = ((uintptr_t)base + CHUNK_SIZE - 1) & ~(CHUNK_SIZE - 1);
    g_arena_chunks = size >> CHUNK_SHIFT;
    return true;
}

/* n zeroed chunks that were never used; 0 is the first chunk, so failure is g_arena_chunks. */
static size_t carve_locked(size_t n)
{
    size_t first = g_used_chunks, end = (first + n) << CHUNK_SHIFT;

    if ((!g_arena_base && !reserve_locked()) || n > g_arena_chunks - first)
        return SIZE_MAX;
    if (end > g_committed) {
        size_t upto = MIN((end + COMMIT_STEP - 1) & ~(COMMIT_STEP - 1),
                          g_arena_chunks << CHUNK_SHIFT);

        if (host_mprotect((void *)(g_arena_base + g_committed), upto - g_committed,
                          LINUX_PROT_READ | LINUX_PROT_WRITE) < 0)
            return SIZE_MAX;
        g_committed = upto;
    }
    g_used_chunks += n;
    return first;
}

static bool charge(u64 bytes)
{
    u64 now = atomic_fetch_add_explicit(&g_usage, bytes, memory_order_relaxed) + bytes;

    if (now <= atomic_load_explicit(&g_limit, memory_order_relaxed))
        return true;
    atomic_fetch_sub_explicit(&g_usage, bytes, memory_order_relaxed);
    return false;
}

static void uncharge(u64 bytes)
{
    atomic_fetch_sub_explicit(&g_usage, bytes, memory_order_relaxed);
}

u64 kcache_usage(void)
{
    return atomic_load_explicit(&g_usage, memory_order_relaxed);
}

void kcache_set_limit(u64 bytes)
{
    atomic_store_explicit(&g_limit, bytes, memory_order_relaxed);
}

u64 arena_cache_limit(void)
{
    return MAX(atomic_load_explicit(&g_limit, memory_order_relaxed) / 4, 64ull << 20);
}

void *arena_slab(struct kcache *c, size_t size)
{
    size_t n = size >> CHUNK_SHIFT, first;
    char *p;

    if (!charge(n << CHUNK_SHIFT))
        return NULL;
    word_lock(&g_lock);
    first = carve_locked(n);
    if (first != SIZE_MAX) {
        for (size_t i = 0; i < n; i++) {
            g_arena_map[first + i].owner = c;
            g_arena_map[first + i].back = (u32)i;
        }
    }
    word_unlock(&g_lock);
    if (first == SIZE_MAX) {
        uncharge(n << CHUNK_SHIFT);
        return NULL;
    }
    p = (char *)g_arena_base + (first << CHUNK_SHIFT);
    poison_region(p, n << CHUNK_SHIFT);
    return p;
}

void arena_release(void *p, size_t bytes)
{
    unpoison_region(p, bytes);
    if (host_madvise(p, bytes, LINUX_MADV_DONTNEED) < 0)
        memset(p, 0, bytes);
    poison_region(p, bytes);
    uncharge(bytes);
}

bool arena_slab_reclaim(size_t size)
{
    return charge(size);
}

/* The class of a run of at least n chunks; *chunks is its length. */
static u32 large_class(size_t n, size_t *chunks)
{
    u32 shift;
    size_t step, k;

    if (n <= 8) {
        *chunks = n;
        return (u32)n - 1;
    }
    shift = 63 - (u32)__builtin_clzl(n - 1); /* 2^shift < n <= 2^(shift+1) */
    step = 1ul << (shift - 2);
    k = (n - 1 - (1ul << shift)) / step; /* 0..3 */
    *chunks = (1ul << shift) + (k + 1) * step;
    return 8 + (shift - 3) * 4 + (u32)k;
}

static size_t take_free_locked(u32 class, bool *dirty)
{
    size_t i;
    struct chunk *ch;

    if (g_free[class] == 0)
        return SIZE_MAX;
    i = g_free[class] - 1;
    ch = &g_arena_map[i];
    g_free[class] = ch->next_free;
    *dirty = ch->dirty;
    ch->dirty = false;
    return i;
}

void *arena_alloc_large(size_t n, bool zero)
{
    size_t chunks, i;
    u32 class = large_class((n + CHUNK_SIZE - 1) >> CHUNK_SHIFT, &chunks);
    struct chunk *ch;
    bool dirty = false;
    char *p;

    if (kcache_fail() || !charge(chunks << CHUNK_SHIFT))
        return NULL;
    word_lock(&g_lock);
    i = take_free_locked(class, &dirty);
    if (i != SIZE_MAX) {
        if (dirty)
            g_warm -= chunks << CHUNK_SHIFT;
    } else {
        i = carve_locked(chunks);
        if (i != SIZE_MAX)
            g_total[class]++;
    }
    if (i != SIZE_MAX) {
        ch = &g_arena_map[i];
        ch->large_chunks = (u32)chunks;
        ch->requested = n;
        g_live[class]++;
    }
    word_unlock(&g_lock);
    if (i == SIZE_MAX) {
        uncharge(chunks << CHUNK_SHIFT);
        return NULL;
    }
    p = (char *)g_arena_base + (i << CHUNK_SHIFT);
    poison_region(p, chunks << CHUNK_SHIFT);
    unpoison_region(p, n);
    if (zero && dirty)
        memset(p, 0, n);
    return p;
}

void arena_free_large(void *p, struct chunk *ch)
{
    size_t chunks, bytes = chunk_large_size(ch), i = (size_t)(ch - g_arena_map);
    u32 class = large_class(ch->large_chunks, &chunks);
    bool warm;

    BUG_ON((uintptr_t)p & (CHUNK_SIZE - 1));
    word_lock(&g_lock);
    BUG_ON(ch->large_chunks == 0 || ch->large_chunks != chunks);
    warm = g_warm + bytes <= WARM_MAX;
    if (warm)
        g_warm += bytes;
    ch->large_chunks = 0;
    ch->dirty = warm;
    g_live[class]--;
    word_unlock(&g_lock);

    if (warm) {
        poison_region(p, bytes);
        uncharge(bytes);
    } else {
        arena_release(p, bytes);
    }

    word_lock(&g_lock);
    ch->next_free = g_free[class];
    g_free[class] = (u32)i + 1;
    word_unlock(&g_lock);
}

void arena_census(void (*fn)(void *arg, const char *name, size_t size, size_t live, size_t total),
                  void *arg)
{
    for (u32 class = 0; class < LARGE_CLASSES; class ++) {
        size_t live, total, chunks = class + 1;

        if (class >= 8)
            chunks = (8ul << ((class - 8) / 4)) +
                     ((class - 8) % 4 + 1) * (2ul << ((class - 8) / 4));
        word_lock(&g_lock);
        live = g_live[class];
        total = g_total[class];
        word_unlock(&g_lock);
        if (total)
            fn(arg, "kmalloc-large", chunks << CHUNK_SHIFT, live, total);
    }
}
