/* SPDX-License-Identifier: Apache-2.0 */
/* Size classes and large buffers. */
#include "cvisor/kcache.h"
#include "tests/unit/death.h"

#include <criterion/criterion.h>
#include <string.h>

static bool all_are(const u8 *p, size_t n, u8 value)
{
    for (size_t i = 0; i < n; i++) {
        if (p[i] != value)
            return false;
    }
    return true;
}

Test(kmalloc, every_small_size)
{
    for (size_t n = 0; n <= 33000; n = n < 600 ? n + 1 : n + 97) {
        u8 *p = kmalloc(n), *q = kzalloc(n);

        cr_assert(p && q);
        cr_assert_eq((uintptr_t)p % 16, 0);
        memset(p, 0xaa, n);
        cr_assert(all_are(q, n, 0), "kzalloc(%zu)", n);
        memset(q, 0xbb, n);
        cr_assert(all_are(p, n, 0xaa));
        kfree(p);
        kfree(q);
        q = kzalloc(n);
        cr_assert(all_are(q, n, 0), "kzalloc(%zu) again", n);
        kfree(q);
    }
    kfree(NULL);
}

Test(kmalloc, large)
{
    static const size_t sizes[] = {32769,   65536,   65537,    500000,
                                   1 << 20, 3 << 20, 17 << 20, KMALLOC_MAX};
    u64 before = kcache_usage();

    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
            u8 *p = kzalloc(sizes[i]), *q = kmalloc(sizes[i]);

            cr_assert(p && q);
            cr_assert(all_are(p, sizes[i] > 65536 ? 65536 : sizes[i], 0));
            cr_assert(all_are(p + sizes[i] - 100, 100, 0));
            memset(p, 1, sizes[i]);
            q[0] = q[sizes[i] - 1] = 2;
            cr_assert(p[0] == 1 && p[sizes[i] - 1] == 1);
            kfree(p);
            kfree(q);
        }
    }
    cr_assert_eq(kcache_usage(), before);
    cr_assert_null(kmalloc(KMALLOC_MAX + 1));
    cr_assert_null(kzalloc(SIZE_MAX));
}

Test(kmalloc, calloc_overflow)
{
    u8 *p = kcalloc(10, 10);

    cr_assert(p && all_are(p, 100, 0));
    kfree(p);
    cr_assert_null(kcalloc(SIZE_MAX / 2, 3));
    cr_assert_null(kcalloc(1ul << 32, 1ul << 32));
}

Test(kmalloc, realloc_keeps_contents)
{
    u8 *p = krealloc(NULL, 10), *q;
    size_t have = 10;

    memset(p, 7, 10);
    for (size_t n = 11; n < 400000; n = n * 5 / 4 + 1) {
        q = krealloc(p, n);
        cr_assert_not_null(q);
        p = q;
        cr_assert(all_are(p, have, 7), "%zu", n);
        memset(p, 7, n);
        have = n;
    }
    cr_assert_null(krealloc(p, KMALLOC_MAX + 1));
    cr_assert(all_are(p, have, 7), "a failed krealloc leaves the buffer");
    for (size_t n = have; n > 3; n /= 3) {
        p = krealloc(p, n);
        cr_assert(all_are(p, n, 7));
    }
    kfree(p);
}

Test(kmalloc, strings)
{
    char *a = kstrdup("hello"), *b = kstrndup("hello", 3), *c = kstrndup("hi", 100);
    char *d = kasprintf("%s-%d", "x", 42), *e = kasprintf("%0300d", 7);

    cr_assert_str_eq(a, "hello");
    cr_assert_str_eq(b, "hel");
    cr_assert_str_eq(c, "hi");
    cr_assert_str_eq(d, "x-42");
    cr_assert_eq(strlen(e), 300);
    kfree(a);
    kfree(b);
    kfree(c);
    kfree(d);
    kfree(e);
}

static void free_large_twice(void)
{
    void *p = kmalloc(100000);

    kfree(p);
    kfree(p);
}

static void free_small_twice(void)
{
    void *p = kmalloc(100), *q = kmalloc(100);

    kfree(p);
    kfree(q);
    kfree(p);
}

static void free_inside(void)
{
    char *p = kmalloc(100000);

    kfree(p + 65536);
}

static void free_foreign(void)
{
    int x;

    kfree(&x);
}

Test(kmalloc, misuse_is_fatal)
{
    assert_panics(free_large_twice, "freed twice");
    assert_panics(free_small_twice, "freed twice");
    assert_panics(free_inside, "was not allocated");
    assert_panics(free_foreign, "was not allocated");
}
