/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The arena behind the typed caches: one reservation of address space, handed out in runs of 64 KiB
 * chunks. A slab's addresses belong to its cache for ever; a large buffer goes back to the free runs
 * of its size. The memory of both goes back to the host.
 */
#ifndef PLATFORM_BASE_ARENA_H
#define PLATFORM_BASE_ARENA_H

#include "cvisor/kcache.h"

#define CHUNK_SHIFT 16
#define CHUNK_SIZE (1ul << CHUNK_SHIFT)

/* What a chunk is. */
struct chunk {
    struct kcache *owner; /* slab: its cache, immutable; NULL: unused or large */
    union {
        struct {              /* of a large run: its first chunk */
            u32 large_chunks; /* in use: its length in chunks */
            u32 next_free;    /* on a free list: chunk number of the next; lock of the arena */
            u64 requested;    /* in use: bytes asked for */
            bool dirty;       /* free: not all zeroes; lock of the arena */
        };
        struct {        /* of a slab: its first chunk; guarded by the cache's lock, see kcache.c */
            void *free; /* its free objects */
#ifdef CV_ASAN
            void *free_tail;
#endif
            u32 nfree;
            u32 next, prev; /* slabs in the same state: chunk number + 1 */
        };
    };
    u32 back; /* slab: chunks from its first one to this one; immutable */
};

/* A new slab of size bytes (whole chunks), zeroed, all of it owned by c; NULL at the limit. */
void *arena_slab(struct kcache *c, size_t size);
/* Memory that nobody uses, to the host; the addresses stay whose they are. */
void arena_release(void *p, size_t bytes);
/* A slab that was released may be used again, zeroed; false at the limit. */
bool arena_slab_reclaim(size_t size);
/* Bytes that one cache may have: addresses stay with their type, so that a guest that hoards objects of
 * one kind must leave room for the others. */
u64 arena_cache_limit(void);
#ifdef CV_DEBUG
/* True when this allocation is chosen to fail. */
bool kcache_fail(void);
#else
#define kcache_fail() false
#endif
/* n in (0, KMALLOC_MAX]. zero: cleared. NULL at the limit. */
void *arena_alloc_large(size_t n, bool zero);
/* p came from arena_alloc_large; ch is its chunk. */
void arena_free_large(void *p, struct chunk *ch);
/* Bytes that a large run can hold. */
static inline size_t chunk_large_size(const struct chunk *ch)
{
    return (size_t)ch->large_chunks << CHUNK_SHIFT;
}

extern uintptr_t g_arena_base; /* immutable once the first allocation has been made */
extern size_t g_arena_chunks;
extern struct chunk *g_arena_map;

/* The chunk of an address; NULL when it is not in the arena. */
static inline struct chunk *arena_chunk(const void *p)
{
    size_t i = ((uintptr_t)p - g_arena_base) >> CHUNK_SHIFT;

    return likely(i < g_arena_chunks) ? &g_arena_map[i] : NULL;
}

/* As kcache_alloc_from, with contents of no meaning. platform/base/kcache.c */
void *kcache_alloc_uncleared(struct kcache *c);

/* Calls fn for the large buffers, as kcache_census does. */
void arena_census(void (*fn)(void *arg, const char *name, size_t size, size_t live, size_t total),
                  void *arg);

#endif
