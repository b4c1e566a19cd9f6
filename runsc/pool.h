/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory of runsc's short life: everything that a command parses or plans is allocated from one
 * pool and freed with it. Never returns NULL: a command that has no memory for its own flags ends
 * with a message. Not for the sentry, which has typed caches.
 */
#ifndef RUNSC_POOL_H
#define RUNSC_POOL_H

#include "cvisor/compiler.h"

struct pool_chunk;

/* Zeroed = empty. Private to one thread. */
struct pool {
    struct pool_chunk *chunks;
    size_t used; /* bytes of the newest chunk */
};

void *pool_alloc(struct pool *pool, size_t size); /* zeroed, aligned for any type */
void *pool_calloc(struct pool *pool, size_t count, size_t size);
char *pool_strdup(struct pool *pool, const char *s);
char *pool_printf(struct pool *pool, const char *fmt, ...) __printf(2, 3);
void pool_free(struct pool *pool);

#endif
