/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kernel memory. Every object type has a typed cache (KCACHE) in one arena of reserved address
 * space: freed memory is reused only for the same type. Variable buffers come from size classes in
 * the same arena. Nothing of the sentry lives in libc's heap.
 */
#ifndef CVISOR_KCACHE_H
#define CVISOR_KCACHE_H

#include "cvisor/compiler.h"

#include <stdatomic.h>

struct kcache {
    const char *name; /* of the type; immutable */
    size_t size;      /* bytes of an object; immutable */
    size_t align;
    atomic_uint lock;        /* spin-then-futex word, rank KCACHE; guards what follows */
    u32 partial, empty;      /* lists of slabs: with free objects, without memory; 0 = none */
    size_t live, total;      /* objects in use / in slabs with memory */
    size_t unused;           /* slabs with memory and no object in use */
    char *fresh, *fresh_end; /* part of the last slab that was never handed out */
    struct kcache *next;     /* all caches, for the census */
    bool registered;
    u32 stride, slab, capacity; /* bytes from object to object, bytes and objects of a slab;
                                   immutable once registered */
};

/* Defines the cache `g_kcache_<type>` for `struct type`. */
#define KCACHE(type)                                                                               \
    static struct kcache g_kcache_##type = {                                                       \
        .name = #type, .size = sizeof(struct type), .align = _Alignof(struct type)}
/* Zeroed object, or NULL when the arena's limit is reached. */
#define kcache_alloc(type) ((struct type *)kcache_alloc_from(&g_kcache_##type))
/* NULL is allowed. */
#define kcache_free(type, p) kcache_free_to(&g_kcache_##type, (p))

void *kcache_alloc_from(struct kcache *c);
void kcache_free_to(struct kcache *c, void *p);

/* Variable buffers, up to KMALLOC_MAX bytes; larger requests return NULL. 16-byte aligned. */
#define KMALLOC_MAX (64ul << 20)
void *kmalloc(size_t n);
void *kzalloc(size_t n);
/* Overflow-checked n * size, zeroed. */
void *kcalloc(size_t n, size_t size);
/* NULL p = kmalloc; contents up to the smaller size are kept; NULL leaves p as it was. */
void *krealloc(void *p, size_t n);
void kfree(void *p);
char *kstrdup(const char *s);
char *kstrndup(const char *s, size_t n);
char *kasprintf(const char *fmt, ...) __printf(1, 2);

static inline void cleanup_kfree(void *pp)
{
    kfree(*(void **)pp);
}
#define __kfree __cleanup(cleanup_kfree)

/* Calls fn for every typed cache (name, object size, live, carved). For leak tests and debugging. */
void kcache_census(void (*fn)(void *arg, const char *name, size_t size, size_t live, size_t total),
                   void *arg);

/* Bytes of the arena in use (slabs and large buffers), and the limit
 * above which allocations return NULL (4 GiB unless set). */
u64 kcache_usage(void);
void kcache_set_limit(u64 bytes);
#ifdef CV_DEBUG
/* On average every n-th allocation fails; 0 = none. For tests of what happens then. */
extern atomic_uint g_kcache_fail_every;
#endif

#endif
