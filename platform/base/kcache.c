/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Typed caches: free lists of objects inside slabs of the arena, and the checks on the way.
 *
 * A slab is carved from front to back, one of a cache at a time (`fresh`). One that has free objects is
 * on the list `partial`. Of those without any object in use some are kept there; the memory of more
 * goes back to the host, and the slab to the list `empty`, to be carved anew.
 */
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
#define KEEP_MAX (256ul << 10) /* bytes of slabs without objects, a cache */
#ifdef CV_ASAN
#define FREED_FIRST false
#else
#define FREED_FIRST true /* still in the processor's caches */
#endif
#define NO_MEMORY UINT32_MAX /* nfree of a slab whose memory was given back */

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
    size = c->stride <= CHUNK_SIZE / 8 ? CHUNK_SIZE : 4 * (size_t)c->stride;
    c->slab = (u32)((size + CHUNK_SIZE - 1) & ~(CHUNK_SIZE - 1));
    c->capacity = c->slab / c->stride;
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

/* --- slabs --- */

static inline struct chunk *slab_at(u32 n)
{
    return &g_arena_map[n - 1];
}

static inline u32 slab_number(const struct chunk *slab)
{
    return (u32)(slab - g_arena_map) + 1;
}

static inline char *slab_memory(const struct chunk *slab)
{
    return (char *)g_arena_base + ((size_t)(slab - g_arena_map) << CHUNK_SHIFT);
}

/* The list is a ring: the first one's prev is the last. */
static void link_locked(struct kcache *c, struct chunk *slab, bool first)
{
    u32 n = slab_number(slab);

    if (!c->partial) {
        slab->next = slab->prev = n;
        c->partial = n;
        return;
    }
    slab->next = c->partial;
    slab->prev = slab_at(c->partial)->prev;
    slab_at(slab->prev)->next = n;
    slab_at(slab->next)->prev = n;
    if (first)
        c->partial = n;
}

static void unlink_locked(struct kcache *c, struct chunk *slab)
{
    u32 n = slab_number(slab);

    if (slab->next == n) {
        c->partial = 0;
        return;
    }
    slab_at(slab->prev)->next = slab->next;
    slab_at(slab->next)->prev = slab->prev;
    if (c->partial == n)
        c->partial = slab->next;
}

/* --- objects --- */

static void *pop_free_locked(struct kcache *c)
{
    struct chunk *slab;
    struct free_object *f;
    uintptr_t next;

    if (!c->partial)
        return NULL;
    slab = slab_at(c->partial);
    f = slab->free;
    unpoison_region(f, OBJECT_MIN);
    next = (uintptr_t)(f->link ^ g_key);
    if (unlikely(f->mark != mark_of(f) || (next && next - (uintptr_t)slab_memory(slab) >= c->slab)))
        PANIC("kcache %s: free object %p was written to", c->name, (void *)f);
    slab->free = (void *)next;
    if (slab->nfree == c->capacity)
        c->unused--;
    if (--slab->nfree == 0) {
        unlink_locked(c, slab);
        return f;
    }
#ifdef CV_ASAN
    c->partial = slab->next; /* the others of this one later */
#endif
    return f;
}

static void push_free_locked(struct chunk *slab, struct free_object *f, u32 stride)
{
    unpoison_region(f, OBJECT_MIN);
    f->mark = mark_of(f);
#ifdef CV_ASAN
    /* First in, first out, so that a stale pointer meets poison for as long as possible. */
    struct free_object *tail = slab->free_tail;

    f->link = g_key;
    poison_region(f, stride);
    if (slab->nfree) {
        unpoison_region(tail, OBJECT_MIN);
        tail->link = (u64)(uintptr_t)f ^ g_key;
        poison_region(tail, OBJECT_MIN);
    } else {
        slab->free = f;
    }
    slab->free_tail = f;
#else
    f->link = (u64)(uintptr_t)slab->free ^ g_key;
    slab->free = f;
#endif
    slab->nfree++;
}

/* All zeroes: one that has given its memory back, or a new one. */
static char *slab_get_locked(struct kcache *c)
{
    struct chunk *slab;
    char *p;

    if (c->total * c->stride > arena_cache_limit())
        return NULL;
    if (c->empty) {
        if (!arena_slab_reclaim(c->slab))
            return NULL;
        slab = slab_at(c->empty);
        c->empty = slab->next;
        p = slab_memory(slab);
    } else {
        p = arena_slab(c, c->slab);
        if (!p)
            return NULL;
        slab = arena_chunk(p);
    }
    slab->free = NULL;
    slab->nfree = 0;
    c->total += c->capacity;
    return p;
}

/* An object that was never handed out: zeroed. */
static void *take_fresh_locked(struct kcache *c)
{
    char *p;

    if (!c->registered)
        register_locked(c);
    if ((size_t)(c->fresh_end - c->fresh) < c->stride) {
        p = slab_get_locked(c);
        if (!p)
            return NULL;
        c->fresh = p;
        c->fresh_end = p + c->slab;
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

/* None of the slab's objects is in use. True: its memory is to be given back, and it is on no list. */
static bool retire_locked(struct kcache *c, struct chunk *slab)
{
    if ((c->unused + 1) * c->slab <= KEEP_MAX) {
        c->unused++;
        return false;
    }
    unlink_locked(c, slab);
    slab->nfree = NO_MEMORY;
    c->total -= c->capacity;
    return true;
}

static void give_back(struct kcache *c, struct chunk *slab)
{
    arena_release(slab_memory(slab), c->slab);
    word_lock(&c->lock);
    slab->next = c->empty;
    c->empty = slab_number(slab);
    word_unlock(&c->lock);
}

static inline void free_to(struct kcache *c, void *p, struct chunk *ch)
{
    struct free_object *f = p;
    struct chunk *slab;
    bool retired;

    if (unlikely(!ch || ch->owner != c))
        PANIC("kcache %s: %p is not one of its objects", c->name, p);
    slab = ch - ch->back;
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
    if (unlikely(slab->nfree >= c->capacity))
        PANIC("kcache %s: %p freed twice", c->name, p);
    if (slab->nfree == 0)
        link_locked(c, slab, FREED_FIRST);
    push_free_locked(slab, f, c->stride);
    c->live--;
    retired = slab->nfree == c->capacity && retire_locked(c, slab);
    word_unlock(&c->lock);
    if (retired)
        give_back(c, slab);
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
