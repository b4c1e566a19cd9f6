/* SPDX-License-Identifier: Apache-2.0 */
/* Typed caches: free lists of objects inside slabs of the arena, and the checks on the way. */
#include "cvisor/kcache.h"

#include "cvisor/host.h"
#include "platform/base/arena.h"
#include "platform/base/poison.h"
#include "platform/base/spin.h"

#include <string.h>

/*
 * A free object begins with the link of the free list and a mark; both are mixed with a secret, so
 * that a stray write does not become an allocation anywhere, and a second free is seen.
 */
struct free_object {
    u64 link; /* address of the next free object ^ key */
    u64 mark; /* own address ^ key ^ MARK */
};

#define MARK 0x9e3779b97f4a7c15ull
#define OBJECT_MIN sizeof(struct free_object)

static u64 g_key;                 /* immutable after the first registration */
static struct kcache *g_caches;   /* guarded by g_caches_lock */
static atomic_uint g_caches_lock; /* innermost but for the arena's */

static inline u64 mark_of(const void *p)
{
    return (u64)(uintptr_t)p ^ g_key ^ MARK;
}

static void register_locked(struct kcache *c)
{
    size_t align = MAX(c->align, 8ul), size = MAX(c->size, OBJECT_MIN) + REDZONE;

    BUG_ON(c->size == 0 || (align & (align - 1)) || align > CHUNK_SIZE);
    c->stride = (u32)((size + align - 1) & ~(align - 1));
    word_lock(&g_caches_lock);
    if (!g_key) {
        if (host_getrandom(&g_key, sizeof(g_key), 0) < 0)
            g_key = host_now_mono() * MARK;
        g_key |= 1;
    }
    c->next = g_caches;
    g_caches = c;
    c->registered = true;
    word_unlock(&g_caches_lock);
}

static void *pop_free_locked(struct kcache *c)
{
    struct free_object *f = c->free_list;
    uintptr_t next;

    if (!f)
        return NULL;
    unpoison_region(f, OBJECT_MIN);
    if (unlikely(f->mark != mark_of(f)))
        PANIC("kcache %s: free object %p was written to", c->name, (void *)f);
    next = (uintptr_t)(f->link ^ g_key);
    c->free_list = (void *)next;
#ifdef CV_ASAN
    if (!next)
        c->free_tail = NULL;
#endif
    return f;
}

static void push_free_locked(struct kcache *c, struct free_object *f)
{
    unpoison_region(f, OBJECT_MIN);
    f->mark = mark_of(f);
#ifdef CV_ASAN
    /* First in, first out, so that a stale pointer meets poison for as long as possible. */
    struct free_object *tail = c->free_tail;

    f->link = g_key;
    poison_region(f, c->stride);
    if (tail) {
        unpoison_region(tail, OBJECT_MIN);
        tail->link = (u64)(uintptr_t)f ^ g_key;
        poison_region(tail, OBJECT_MIN);
    } else {
        c->free_list = f;
    }
    c->free_tail = f;
#else
    f->link = (u64)(uintptr_t)c->free_list ^ g_key;
    c->free_list = f;
#endif
}

/* An object that was never handed out: zeroed. */
static void *take_fresh_locked(struct kcache *c)
{
    size_t slab;
    char *p;

    if (!c->registered)
        register_locked(c);
    if ((size_t)(c->fresh_end - c->fresh) < c->stride) {
        slab = c->stride <= CHUNK_SIZE / 8 ? CHUNK_SIZE : 4 * (size_t)c->stride;
        if (c->total * c->stride > arena_cache_limit())
            return NULL;
        p = arena_slab(c, slab);
        if (!p)
            return NULL;
        slab = (slab + CHUNK_SIZE - 1) & ~(CHUNK_SIZE - 1);
        c->fresh = p;
        c->fresh_end = p + slab;
        c->total += slab / c->stride;
    }
    p = c->fresh;
    c->fresh += c->stride;
    return p;
}

#ifdef CV_DEBUG
static __no_asan void debug_check_free(struct kcache *c, const u8 *p)
{
    for (size_t i = OBJECT_MIN; i < c->size; i++) {
        if (p[i] != POISON_BYTE)
            PANIC("kcache %s: byte %zu of free object %p was written to", c->name, i,
                  (const void *)p);
    }
}
#endif

#ifdef CV_DEBUG
atomic_uint g_kcache_fail_every;

bool kcache_fail(void)
{
    static atomic_ullong count;
    u64 n;
    u32 every = atomic_load_explicit(&g_kcache_fail_every, memory_order_relaxed);

    if (likely(!every))
        return false;
    n = atomic_fetch_add_explicit(&count, 1, memory_order_relaxed) * MARK;
    n = (n ^ n >> 31 ^ g_key) * MARK;
    return (n >> 33) % every == 0;
}
#endif

/* zero: the whole object; else only the mark is cleared. */
static inline void *alloc_from(struct kcache *c, bool zero)
{
    bool fresh = false;
    void *p;

    if (kcache_fail())
        return NULL;
    word_lock(&c->lock);
    p = pop_free_locked(c);
    if (unlikely(!p)) {
        p = take_fresh_locked(c);
        fresh = true;
    }
    if (likely(p))
        c->live++;
    word_unlock(&c->lock);
    if (unlikely(!p))
        return NULL;
#ifdef CV_DEBUG
    if (!fresh)
        debug_check_free(c, p);
#endif
    unpoison_region(p, c->size);
    if (fresh)
        return p;
    if (zero)
        memset(p, 0, c->size);
    else
        memset(p, 0, OBJECT_MIN);
    return p;
}

void *kcache_alloc_from(struct kcache *c)
{
    return alloc_from(c, true);
}

static inline void free_to(struct kcache *c, void *p, const struct chunk *ch)
{
    struct free_object *f = p;

    if (unlikely(!ch || ch->owner != c))
        PANIC("kcache %s: %p is not one of its objects", c->name, p);
#ifdef CV_ASAN
    if (__asan_address_is_poisoned(p))
        PANIC("kcache %s: %p freed twice", c->name, p);
#else
    if (unlikely(f->mark == mark_of(p)))
        PANIC("kcache %s: %p freed twice", c->name, p);
#endif
#ifdef CV_DEBUG
    unpoison_region(p, c->size);
    memset(p, POISON_BYTE, c->size);
#endif
    word_lock(&c->lock);
    push_free_locked(c, f);
    c->live--;
    word_unlock(&c->lock);
}

void kcache_free_to(struct kcache *c, void *p)
{
    if (p)
        free_to(c, p, arena_chunk(p));
}

void *kcache_alloc_uncleared(struct kcache *c)
{
    return alloc_from(c, false);
}

void kcache_census(void (*fn)(void *arg, const char *name, size_t size, size_t live, size_t total),
                   void *arg)
{
    struct kcache *c;
    size_t live, total;

    word_lock(&g_caches_lock);
    c = g_caches; /* only ever grows at the head */
    word_unlock(&g_caches_lock);
    for (; c; c = c->next) {
        word_lock(&c->lock);
        live = c->live;
        total = c->total;
        word_unlock(&c->lock);
        fn(arg, c->name, c->size, live, total);
    }
    arena_census(fn, arg);
}
