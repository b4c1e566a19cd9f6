/* SPDX-License-Identifier: Apache-2.0 */
/* Allocator of runsc: see pool.h. */
#include "runsc/pool.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define POOL_CHUNK (16 * 1024)
#define POOL_ALIGN 16ul

struct pool_chunk {
    struct pool_chunk *next;
    size_t size; /* bytes of data */
    _Alignas(16) char data[];
};

static void pool_out_of_memory(void)
{
    fputs("runsc: out of memory\n", stderr);
    exit(125);
}

void *pool_alloc(struct pool *pool, size_t size)
{
    if (size > SIZE_MAX / 2)
        pool_out_of_memory();
    size = (size + POOL_ALIGN - 1) & ~(POOL_ALIGN - 1);
    if (!pool->chunks || pool->chunks->size - pool->used < size) {
        size_t n = MAX(size, (size_t)POOL_CHUNK);
        struct pool_chunk *c = calloc(1, sizeof(*c) + n);

        if (!c)
            pool_out_of_memory();
        c->size = n;
        c->next = pool->chunks;
        pool->chunks = c;
        pool->used = 0;
    }
    pool->used += size;
    return pool->chunks->data + pool->used - size;
}

void *pool_calloc(struct pool *pool, size_t count, size_t size)
{
    size_t n;

    if (__builtin_mul_overflow(count, size, &n))
        pool_out_of_memory();
    return pool_alloc(pool, n);
}

char *pool_strdup(struct pool *pool, const char *s)
{
    size_t n = strlen(s) + 1;

    return memcpy(pool_alloc(pool, n), s, n);
}

char *pool_printf(struct pool *pool, const char *fmt, ...)
{
    va_list ap;
    char *s;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    BUG_ON(n < 0);
    s = pool_alloc(pool, (size_t)n + 1);
    va_start(ap, fmt);
    vsnprintf(s, (size_t)n + 1, fmt, ap);
    va_end(ap);
    return s;
}

void pool_free(struct pool *pool)
{
    while (pool->chunks) {
        struct pool_chunk *next = pool->chunks->next;

        free(pool->chunks);
        pool->chunks = next;
    }
    pool->used = 0;
}
