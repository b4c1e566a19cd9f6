/* SPDX-License-Identifier: Apache-2.0 */
/* Variable buffers: size classes on top of typed caches, large runs of the arena above them. */
#include "cvisor/kcache.h"

#include "platform/base/arena.h"
#include "platform/base/poison.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define SMALL_MAX 32768ul

/* 16..128 in steps of 16, then four classes for each doubling. */
#define CLASS(n)                                                                                   \
    {                                                                                              \
        .name = "kmalloc-" #n, .size = n, .align = 16                                              \
    }
static struct kcache g_classes[] = {
    CLASS(16),    CLASS(32),    CLASS(48),    CLASS(64),    CLASS(80),    CLASS(96),
    CLASS(112),   CLASS(128),   CLASS(160),   CLASS(192),   CLASS(224),   CLASS(256),
    CLASS(320),   CLASS(384),   CLASS(448),   CLASS(512),   CLASS(640),   CLASS(768),
    CLASS(896),   CLASS(1024),  CLASS(1280),  CLASS(1536),  CLASS(1792),  CLASS(2048),
    CLASS(2560),  CLASS(3072),  CLASS(3584),  CLASS(4096),  CLASS(5120),  CLASS(6144),
    CLASS(7168),  CLASS(8192),  CLASS(10240), CLASS(12288), CLASS(14336), CLASS(16384),
    CLASS(20480), CLASS(24576), CLASS(28672), CLASS(32768),
};

/* n in 1..SMALL_MAX */
static inline struct kcache *class_of(size_t n)
{
    u32 shift;

    if (n <= 128)
        return &g_classes[(n - 1) / 16];
    shift = 63 - (u32)__builtin_clzl(n - 1);
    return &g_classes[8 + (shift - 7) * 4 + (((n - 1) >> (shift - 2)) & 3)];
}

#ifdef CV_ASAN
/* The size asked for stands in the red zone; the bytes from there to it are poisoned too. */
static __no_asan void *set_requested(struct kcache *c, void *p, size_t n)
{
    if (p) {
        *(u64 *)((char *)p + c->stride - 8) = n;
        poison_region((char *)p + n, c->stride - n);
    }
    return p;
}

static __no_asan size_t requested(const struct kcache *c, const void *p)
{
    return *(const u64 *)((const char *)p + c->stride - 8);
}
#else
static inline void *set_requested(struct kcache *c, void *p, size_t n)
{
    return p;
}

static inline size_t requested(const struct kcache *c, const void *p)
{
    return c->size;
}
#endif

void *kmalloc(size_t n)
{
    struct kcache *c;

    n = MAX(n, 1ul);
    if (likely(n <= SMALL_MAX)) {
        c = class_of(n);
        return set_requested(c, kcache_alloc_uncleared(c), n);
    }
    return n <= KMALLOC_MAX ? arena_alloc_large(n, false) : NULL;
}

void *kzalloc(size_t n)
{
    struct kcache *c;

    n = MAX(n, 1ul);
    if (likely(n <= SMALL_MAX)) {
        c = class_of(n);
        return set_requested(c, kcache_alloc_from(c), n);
    }
    return n <= KMALLOC_MAX ? arena_alloc_large(n, true) : NULL;
}

void *kcalloc(size_t n, size_t size)
{
    size_t bytes;

    return __builtin_mul_overflow(n, size, &bytes) ? NULL : kzalloc(bytes);
}

static struct chunk *chunk_of(const void *p)
{
    struct chunk *ch = arena_chunk(p);

    if (unlikely(!ch || (!ch->owner && !ch->large_chunks)))
        PANIC("kfree: %p was not allocated, or freed twice", p);
    return ch;
}

static inline void check_class(const struct kcache *c, const void *p)
{
    if (unlikely(c < g_classes || c >= g_classes + ARRAY_SIZE(g_classes)))
        PANIC("kfree: %p belongs to the typed cache %s", p, c->name);
}

void kfree(void *p)
{
    struct chunk *ch;

    if (!p)
        return;
    ch = chunk_of(p);
    if (unlikely(!ch->owner)) {
        arena_free_large(p, ch);
        return;
    }
    check_class(ch->owner, p);
    kcache_free_to(ch->owner, p);
}

void *krealloc(void *p, size_t n)
{
    struct chunk *ch;
    size_t have, room;
    void *q;

    if (!p)
        return kmalloc(n);
    ch = chunk_of(p);
    if (ch->owner) {
        check_class(ch->owner, p);
        have = requested(ch->owner, p);
        room = ch->owner->size;
    } else {
        have = ch->requested;
        room = chunk_large_size(ch);
    }
#ifndef CV_ASAN
    if (n <= room && n > room / 2) {
        if (!ch->owner)
            ch->requested = n;
        return p;
    }
#endif
    (void)room;
    q = kmalloc(n);
    if (!q)
        return NULL;
    memcpy(q, p, MIN(have, n));
    kfree(p);
    return q;
}

char *kstrdup(const char *s)
{
    size_t n = strlen(s) + 1;
    char *p = kmalloc(n);

    return p ? memcpy(p, s, n) : NULL;
}

char *kstrndup(const char *s, size_t n)
{
    char *p;

    n = strnlen(s, n);
    p = kmalloc(n + 1);
    if (!p)
        return NULL;
    memcpy(p, s, n);
    p[n] = 0;
    return p;
}

char *kasprintf(const char *fmt, ...)
{
    va_list ap;
    int n;
    char *p;

    va_start(ap, fmt);
    n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n < 0)
        return NULL;
    p = kmalloc((size_t)n + 1);
    if (!p)
        return NULL;
    va_start(ap, fmt);
    vsnprintf(p, (size_t)n + 1, fmt, ap);
    va_end(ap);
    return p;
}
