/* SPDX-License-Identifier: Apache-2.0 */
/* Typed caches: zeroing, reuse within the type only, misuse, limits, threads, census. */
#include "cvisor/kcache.h"
#include "tests/unit/death.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>

struct apple {
    char data[40];
};

struct pear {
    char data[40];
};

struct wide {
    char data[100];
} __aligned_to(64);

struct huge {
    char data[150000];
};

KCACHE(apple);
KCACHE(pear);
KCACHE(wide);
KCACHE(huge);

Test(kcache, zeroed_and_distinct)
{
    struct apple *a[1000];

    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 1000; i++) {
            a[i] = kcache_alloc(apple);
            cr_assert_not_null(a[i]);
            for (size_t k = 0; k < sizeof(a[i]->data); k++)
                cr_assert_eq(a[i]->data[k], 0);
            memset(a[i], 0x5a, sizeof(*a[i]));
        }
        for (int i = 0; i < 1000; i++) {
            for (size_t k = 0; k < sizeof(a[i]->data); k++)
                cr_assert_eq(a[i]->data[k], 0x5a);
            kcache_free(apple, a[i]);
        }
    }
    kcache_free(apple, NULL);
}

Test(kcache, types_never_share_memory)
{
    struct apple *a[500];

    for (int i = 0; i < 500; i++)
        a[i] = kcache_alloc(apple);
    for (int i = 0; i < 500; i++)
        kcache_free(apple, a[i]);
    for (int i = 0; i < 2000; i++) {
        void *p = kcache_alloc(pear);

        for (int k = 0; k < 500; k++)
            cr_assert_neq(p, (void *)a[k]);
    }
}

Test(kcache, alignment)
{
    for (int i = 0; i < 100; i++)
        cr_assert_eq((uintptr_t)kcache_alloc(wide) % 64, 0);
}

Test(kcache, bigger_than_a_chunk)
{
    struct huge *h[20];

    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 20; i++) {
            h[i] = kcache_alloc(huge);
            cr_assert_not_null(h[i]);
            cr_assert(h[i]->data[0] == 0 && h[i]->data[149999] == 0);
            memset(h[i], i + 1, sizeof(*h[i]));
        }
        for (int i = 0; i < 20; i++) {
            cr_assert_eq(h[i]->data[75000], i + 1);
            kcache_free(huge, h[i]);
        }
    }
}

struct seen {
    const char *name;
    size_t live, total, size;
};

static void look(void *arg, const char *name, size_t size, size_t live, size_t total)
{
    struct seen *s = arg;

    if (strcmp(name, s->name) == 0) {
        s->live = live;
        s->total = total;
        s->size = size;
    }
}

Test(kcache, census)
{
    struct seen s = {.name = "apple"};
    struct apple *a = kcache_alloc(apple), *b = kcache_alloc(apple);

    kcache_census(look, &s);
    cr_assert_eq(s.live, 2);
    cr_assert(s.total >= 2);
    cr_assert_eq(s.size, sizeof(struct apple));
    kcache_free(apple, a);
    kcache_free(apple, b);
    kcache_census(look, &s);
    cr_assert_eq(s.live, 0);
}

static void free_twice(void)
{
    struct apple *a = kcache_alloc(apple), *b = kcache_alloc(apple);

    kcache_free(apple, a);
    kcache_free(apple, b);
    kcache_free(apple, a);
}

static void free_to_another_type(void)
{
    kcache_free_to(&g_kcache_pear, kcache_alloc(apple));
}

static void free_of_stack(void)
{
    struct apple a;

    kcache_free_to(&g_kcache_apple, &a);
}

static void kfree_of_typed(void)
{
    kfree(kcache_alloc(apple));
}

Test(kcache, misuse_is_fatal)
{
    kcache_free(pear, kcache_alloc(pear));
    assert_panics(free_twice, "freed twice");
    assert_panics(free_to_another_type, "not one of its objects");
    assert_panics(free_of_stack, "not one of its objects");
    assert_panics(kfree_of_typed, "belongs to the typed cache apple");
}

#ifndef CV_ASAN
static void write_after_free(void)
{
    struct apple *volatile a = kcache_alloc(apple);

    kcache_free(apple, a);
    memset(a, 0x41, 16);
    kcache_alloc(apple);
}

Test(kcache, damaged_free_list_is_fatal)
{
    assert_panics(write_after_free, "was written to");
}
#endif

Test(kcache, limit)
{
    u64 before;
    void *p;

    kcache_free(apple, kcache_alloc(apple));
    before = kcache_usage();
    kcache_set_limit(before + (1 << 20));
    p = kmalloc(900 << 10);
    cr_assert_not_null(p);
    cr_assert_null(kmalloc(900 << 10));
    cr_assert_not_null(kcache_alloc(apple), "room in the slab that is there");
    kfree(p);
    p = kmalloc(900 << 10);
    cr_assert_not_null(p);
    kfree(p);
    cr_assert_eq(kcache_usage(), before);
}

#define MANY 100000

static struct apple *g_many[MANY];

static void take_many(void)
{
    for (int i = 0; i < MANY; i++) {
        g_many[i] = kcache_alloc(apple);
        cr_assert_not_null(g_many[i]);
        for (size_t k = 0; k < sizeof(g_many[i]->data); k++)
            cr_assert_eq(g_many[i]->data[k], 0);
        memset(g_many[i], 0x5a, sizeof(*g_many[i]));
    }
}

static void free_many(int step)
{
    for (int i = 0, k = 0; i < MANY; i++, k = (k + step) % MANY)
        kcache_free(apple, g_many[k]);
}

/* Pages that hold objects of the many and are in memory. */
static int resident(void)
{
    uintptr_t last = 0;
    int n = 0;

    for (int i = 0; i < MANY; i++) {
        uintptr_t page = (uintptr_t)g_many[i] & ~4095ul;
        unsigned char there = 0;

        if (page == last)
            continue;
        last = page;
        cr_assert_eq(mincore((void *)page, 1, &there), 0);
        n += there & 1;
    }
    return n;
}

Test(kcache, memory_goes_back)
{
    /* In order, backwards, all over the place: numbers without a common factor with MANY. */
    static const int steps[] = {1, MANY - 1, 61803};
    struct seen s = {.name = "apple"};
    u64 before = kcache_usage();

    for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
        take_many();
        cr_assert_gt(kcache_usage() - before, MANY * sizeof(struct apple));
        free_many(steps[i]);
        cr_expect_leq(kcache_usage() - before, 5 * 65536ul, "what is kept, and the last slab");
        cr_expect_leq(resident(), 5 * 16);
        kcache_census(look, &s);
        cr_expect_eq(s.live, 0);
        cr_expect_leq(s.total * s.size, 5 * 65536ul);
    }
}

static void free_into_a_slab_without_memory(void)
{
    take_many();
    free_many(1);
    for (int i = 0; i < MANY; i++)
        kcache_free(apple, g_many[i]);
}

Test(kcache, freed_twice_after_memory_went_back)
{
    assert_panics(free_into_a_slab_without_memory, "freed twice");
}

static void *wave(void *arg)
{
    static _Thread_local struct pear *mine[5000];

    for (int round = 0; round < 60; round++) {
        for (int i = 0; i < 5000; i++) {
            mine[i] = kcache_alloc(pear);
            if (!mine[i] || mine[i]->data[0] || mine[i]->data[39])
                return (void *)1;
            memcpy(mine[i]->data, &mine[i], sizeof(void *));
        }
        for (int i = 0; i < 5000; i++) {
            if (memcmp(mine[i]->data, &mine[i], sizeof(void *)) != 0)
                return (void *)1;
            kcache_free(pear, mine[i]);
        }
    }
    return NULL;
}

static void *churn(void *arg)
{
    struct apple *mine[64] = {0};
    unsigned int seed = (unsigned int)(uintptr_t)arg;

    for (int i = 0; i < 200000; i++) {
        unsigned int k;

        seed = seed * 1103515245u + 12345u;
        k = (seed >> 16) % 64;
        if (mine[k]) {
            if (memcmp(mine[k]->data, &mine[k], sizeof(void *)) != 0)
                return (void *)1;
            kcache_free(apple, mine[k]);
            mine[k] = NULL;
        } else {
            mine[k] = kcache_alloc(apple);
            if (!mine[k] || mine[k]->data[0] || mine[k]->data[39])
                return (void *)1;
            memcpy(mine[k]->data, &mine[k], sizeof(void *));
        }
    }
    for (int k = 0; k < 64; k++)
        kcache_free(apple, mine[k]);
    return NULL;
}

Test(kcache, threads)
{
    struct seen s = {.name = "apple"};
    pthread_t t[4];
    void *bad;

    for (uintptr_t i = 0; i < 4; i++)
        pthread_create(&t[i], NULL, churn, (void *)(i + 1));
    for (int i = 0; i < 4; i++) {
        pthread_join(t[i], &bad);
        cr_assert_null(bad);
    }
    kcache_census(look, &s);
    cr_assert_eq(s.live, 0);
}

Test(kcache, threads_and_memory_that_goes_back)
{
    struct seen s = {.name = "pear"};
    pthread_t t[4];
    void *bad;

    for (int i = 0; i < 4; i++)
        pthread_create(&t[i], NULL, wave, NULL);
    for (int i = 0; i < 4; i++) {
        pthread_join(t[i], &bad);
        cr_assert_null(bad);
    }
    kcache_census(look, &s);
    cr_assert_eq(s.live, 0);
}
