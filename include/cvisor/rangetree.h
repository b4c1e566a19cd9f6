/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one balanced tree of the project: disjoint half-open ranges [start, end) of u64, ordered by
 * start. Intrusive; the owner locks. Used for vmas, pmas, memory-file usage, page caches, file locks.
 * A caller that needs another key (say a timer queue) uses start as key and end = start + 1,
 * or rangetree_insert_multi, which tolerates equal starts.
 */
#ifndef CVISOR_RANGETREE_H
#define CVISOR_RANGETREE_H

#include "cvisor/compiler.h"

struct range_node {
    struct range_node *parent, *left, *right;
    u64 start, end; /* may be changed by the owner in place when order and disjointness stay true */
    int color;
};

struct rangetree {
    struct range_node *root;
    size_t count;
};

static inline void rangetree_init(struct rangetree *t)
{
    t->root = NULL;
    t->count = 0;
}

/* n->start and n->end are set. -EEXIST when it overlaps a range of the tree. */
int rangetree_insert(struct rangetree *t, struct range_node *n);
/* As a multiset ordered by start (equal ones in order of insertion), no overlap check. */
void rangetree_insert_multi(struct rangetree *t, struct range_node *n);
void rangetree_remove(struct rangetree *t, struct range_node *n);

/* The node that contains key, or NULL. */
struct range_node *rangetree_find(const struct rangetree *t, u64 key);
/* The first node with end > key (the one containing key or the next one up), or NULL. */
struct range_node *rangetree_lower(const struct rangetree *t, u64 key);
/* The last node with start <= key, or NULL. */
struct range_node *rangetree_floor(const struct rangetree *t, u64 key);
/* True when some node intersects [start, end). */
bool rangetree_overlaps(const struct rangetree *t, u64 start, u64 end);
struct range_node *rangetree_first(const struct rangetree *t);
struct range_node *rangetree_last(const struct rangetree *t);
struct range_node *rangetree_next(const struct range_node *n);
struct range_node *rangetree_prev(const struct range_node *n);

#endif
