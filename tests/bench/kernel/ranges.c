/* SPDX-License-Identifier: Apache-2.0 */
/* The range tree with N ranges in it: find of random keys; remove and insert of random members. */
#include "cvisor/rangetree.h"

#include "bench.h"

#define MAX_RANGES 65536

static struct range_node g_nodes[MAX_RANGES];
static struct rangetree g_tree;

static void setup(const struct bench_case *c)
{
    rangetree_init(&g_tree);
    for (long i = 0; i < c->arg; i++) {
        g_nodes[i] = (struct range_node){.start = (u64)i * 8192, .end = (u64)i * 8192 + 4096};
        bench_need(rangetree_insert(&g_tree, &g_nodes[i]) == 0, "insert");
    }
}

/* A cheap sequence without pattern, the same in every run. */
static u64 next_random(u64 *state)
{
    *state = *state * 6364136223846793005ull + 1442695040888963407ull;
    return *state >> 33;
}

static void run_find(const struct bench_case *c, long n)
{
    u64 seed = 1, count = (u64)c->arg;

    for (long i = 0; i < n; i++)
        bench_need(rangetree_find(&g_tree, next_random(&seed) % count * 8192 + 100) != NULL,
                   "find");
}

static void run_insert(const struct bench_case *c, long n)
{
    u64 seed = 1, count = (u64)c->arg;

    for (long i = 0; i < n; i++) {
        struct range_node *r = &g_nodes[next_random(&seed) % count];

        rangetree_remove(&g_tree, r);
        bench_need(rangetree_insert(&g_tree, r) == 0, "insert");
    }
}

const struct bench_case g_bench_ranges[] = {
    {"range_find_100", run_find, setup, 100, false},
    {"range_find_10000", run_find, setup, 10000, false},
    {"range_find_65536", run_find, setup, MAX_RANGES, false},
    {"range_remove_insert_100", run_insert, setup, 100, false},
    {"range_remove_insert_10000", run_insert, setup, 10000, false},
    {"range_remove_insert_65536", run_insert, setup, MAX_RANGES, false},
    {.name = NULL},
};
