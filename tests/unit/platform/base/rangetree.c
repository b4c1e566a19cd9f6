/* SPDX-License-Identifier: Apache-2.0 */
/* The interval tree against a naive model, and its red-black invariants. */
#include "cvisor/rangetree.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>

#define N 300
#define SPACE 2000

struct model {
    struct rangetree tree;
    struct range_node nodes[N];
    bool used[N];
    unsigned int seed;
};

static u64 rnd(struct model *m, u64 n)
{
    m->seed = m->seed * 1103515245u + 12345u;
    return (m->seed >> 8) % n;
}

/* Returns the black height; checks order, colours and parents. color 0 is red. */
static int check_node(const struct range_node *n, const struct range_node *parent, u64 *last)
{
    int left, right;

    if (!n)
        return 1;
    cr_assert_eq(n->parent, parent);
    cr_assert(!(n->color == 0 && parent && parent->color == 0), "red child of a red node");
    left = check_node(n->left, n, last);
    cr_assert(n->start >= *last, "order");
    *last = n->start;
    right = check_node(n->right, n, last);
    cr_assert_eq(left, right, "black heights");
    return left + (n->color != 0);
}

static void check_tree(const struct rangetree *t)
{
    u64 last = 0;

    cr_assert(!t->root || t->root->color != 0, "red root");
    check_node(t->root, NULL, &last);
}

static int naive_overlap(struct model *m, u64 start, u64 end)
{
    for (int i = 0; i < N; i++) {
        if (m->used[i] && m->nodes[i].start < end && m->nodes[i].end > start)
            return i;
    }
    return -1;
}

static void check_queries(struct model *m, u64 key, u64 len)
{
    struct range_node *find = NULL, *lower = NULL, *floor = NULL;

    for (int i = 0; i < N; i++) {
        struct range_node *n = &m->nodes[i];

        if (!m->used[i])
            continue;
        if (key >= n->start && key < n->end)
            find = n;
        if (n->end > key && (!lower || n->start < lower->start))
            lower = n;
        if (n->start <= key && (!floor || n->start > floor->start))
            floor = n;
    }
    cr_assert_eq(rangetree_find(&m->tree, key), find);
    cr_assert_eq(rangetree_lower(&m->tree, key), lower);
    cr_assert_eq(rangetree_floor(&m->tree, key), floor);
    cr_assert_eq(rangetree_overlaps(&m->tree, key, key + len),
                 naive_overlap(m, key, key + len) >= 0);
}

static void check_walk(struct model *m)
{
    size_t n = 0, used = 0;
    struct range_node *prev = NULL;

    for (int i = 0; i < N; i++)
        used += m->used[i];
    for (struct range_node *p = rangetree_first(&m->tree); p; p = rangetree_next(p), n++) {
        cr_assert(!prev || prev->end <= p->start);
        cr_assert_eq(rangetree_prev(p), prev);
        prev = p;
    }
    cr_assert_eq(rangetree_last(&m->tree), prev);
    cr_assert_eq(n, used);
    cr_assert_eq(m->tree.count, used);
}

Test(rangetree, random_against_model)
{
    static struct model m;

    m.seed = 42;
    rangetree_init(&m.tree);
    for (int step = 0; step < 60000; step++) {
        int i = (int)rnd(&m, N);
        u64 start, len;

        if (m.used[i]) {
            rangetree_remove(&m.tree, &m.nodes[i]);
            m.used[i] = false;
        } else {
            start = rnd(&m, SPACE);
            len = 1 + rnd(&m, 12);
            m.nodes[i].start = start;
            m.nodes[i].end = start + len;
            int want = naive_overlap(&m, start, start + len) >= 0 ? -EEXIST : 0;
            cr_assert_eq(rangetree_insert(&m.tree, &m.nodes[i]), want);
            m.used[i] = want == 0;
        }
        check_queries(&m, rnd(&m, SPACE + 20), 1 + rnd(&m, 20));
        if (step % 64 == 0) {
            check_tree(&m.tree);
            check_walk(&m);
        }
    }
}

Test(rangetree, ascending_and_descending)
{
    static struct range_node n[4096];
    struct rangetree t;

    rangetree_init(&t);
    for (u64 i = 0; i < 2048; i++) {
        n[i].start = 4096 + i;
        n[i].end = 4097 + i;
        cr_assert_eq(rangetree_insert(&t, &n[i]), 0);
    }
    for (u64 i = 2048; i < 4096; i++) {
        n[i].start = 4096 - (i - 2047);
        n[i].end = n[i].start + 1;
        cr_assert_eq(rangetree_insert(&t, &n[i]), 0);
    }
    check_tree(&t);
    for (u64 i = 0; i < 4096; i += 2)
        rangetree_remove(&t, &n[i]);
    check_tree(&t);
    cr_assert_eq(t.count, 2048);
    while (t.root)
        rangetree_remove(&t, t.root);
    cr_assert_eq(t.count, 0);
    cr_assert_null(rangetree_first(&t));
    cr_assert_null(rangetree_last(&t));
}

Test(rangetree, whole_address_space)
{
    struct rangetree t;
    struct range_node top = {.start = ~0ull - 1, .end = ~0ull}, bottom = {.start = 0, .end = 1};

    rangetree_init(&t);
    cr_assert_eq(rangetree_insert(&t, &top), 0);
    cr_assert_eq(rangetree_insert(&t, &bottom), 0);
    cr_assert_eq(rangetree_find(&t, ~0ull - 1), &top);
    cr_assert_null(rangetree_find(&t, ~0ull));
    cr_assert(!rangetree_overlaps(&t, 1, ~0ull - 1));
    cr_assert(rangetree_overlaps(&t, 0, ~0ull));
}

Test(rangetree, multi_keeps_insertion_order)
{
    static struct range_node n[600];
    struct rangetree t;
    int i = 0;

    rangetree_init(&t);
    for (int k = 0; k < 600; k++) {
        n[k].start = (u64)(k % 3);
        n[k].end = n[k].start + 1;
        rangetree_insert_multi(&t, &n[k]);
    }
    check_tree(&t);
    for (struct range_node *p = rangetree_first(&t); p; p = rangetree_next(p), i++)
        cr_assert_eq(p, &n[(i % 200) * 3 + i / 200]);
    cr_assert_eq(i, 600);
    cr_assert_eq(rangetree_lower(&t, 1), &n[1]);
}
