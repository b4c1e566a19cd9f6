/* SPDX-License-Identifier: Apache-2.0 */
/* The memory file: references, recycling, zeroes, and what an allocation costs. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cvisor/host.h"
#include "sentry/mm/memory_file.h"

static void setup(void)
{
    host_safecopy_init();
    cr_assert_eq(memory_file_init(1ull << 30), 0);
}

TestSuite(memory_file, .init = setup);

Test(memory_file, references)
{
    s64 off = memory_file_alloc(16 * PAGE_SIZE, PAGE_SIZE, MF_ANON, ~0ull);
    u64 lo, hi;

    cr_assert_geq(off, 0);
    cr_assert(memory_file_exclusive((u64)off, 16 * PAGE_SIZE));
    memory_file_get((u64)off + 4 * PAGE_SIZE, 2 * PAGE_SIZE);
    cr_assert(!memory_file_exclusive((u64)off, 16 * PAGE_SIZE));
    cr_assert(memory_file_exclusive_run((u64)off + 7 * PAGE_SIZE, (u64)off,
                                        (u64)off + 16 * PAGE_SIZE, &lo, &hi));
    cr_assert_eq(lo, (u64)off + 6 * PAGE_SIZE);
    cr_assert_eq(hi, (u64)off + 16 * PAGE_SIZE);
    memory_file_put((u64)off, 16 * PAGE_SIZE);
    cr_assert_eq(memory_file_used(MF_ANON), 2 * PAGE_SIZE);
    memory_file_put((u64)off + 4 * PAGE_SIZE, 2 * PAGE_SIZE);
    cr_assert_eq(memory_file_used(MF_ANON), 0);
}

Test(memory_file, recycled_memory_is_zero)
{
    static const u64 sizes[] = {PAGE_SIZE, 16 * PAGE_SIZE, 100 * PAGE_SIZE, 1000 * PAGE_SIZE};

    for (int round = 0; round < 50; round++) {
        u64 len = sizes[round % 4];
        s64 off = memory_file_alloc(len, PAGE_SIZE, MF_TMPFS, ~0ull);
        u8 *p = memory_file_ptr((u64)off);

        cr_assert_geq(off, 0);
        for (u64 i = 0; i < len; i += 512)
            cr_assert_eq(p[i], 0);
        memset(p, 0xaa, len);
        memory_file_put((u64)off, len);
    }
}

/* Memory without pages is found although there is some with, and stays so until it is touched. */
Test(memory_file, holes)
{
    const u64 len = 8 * PAGE_SIZE;
    struct memory_file_req r = {.len = len,
                                .align = PAGE_SIZE,
                                .kind = MF_TMPFS,
                                .after = ~0ull,
                                .before = ~0ull,
                                .holes = true};
    s64 used = memory_file_alloc(len, PAGE_SIZE, MF_TMPFS, ~0ull), off;

    cr_assert_geq(used, 0);
    memset(memory_file_ptr((u64)used), 0xaa, len);
    memory_file_put((u64)used, len);
    for (int round = 0; round < 100; round++) {
        off = memory_file_alloc_req(&r);
        cr_assert_geq(off, 0);
        cr_assert_neq(off, used);
        cr_assert_eq(memory_file_resident((u64)off, len), 0);
        memory_file_put_untouched((u64)off, len);
    }
    cr_assert_eq(memory_file_used(MF_TMPFS), 0);
    off = memory_file_alloc(len, PAGE_SIZE, MF_TMPFS, ~0ull);
    cr_assert_eq(off, used, "small pieces reuse committed pages");
    cr_assert_eq(*(u8 *)memory_file_ptr((u64)off), 0);
}

Test(memory_file, limit_alignment_hints)
{
    s64 a, b, c;
    struct memory_file_req r = {.len = PAGE_SIZE, .align = PAGE_SIZE, .kind = MF_ANON};

    cr_assert_eq(memory_file_alloc(2ull << 30, PAGE_SIZE, MF_ANON, ~0ull), -ENOMEM);
    a = memory_file_alloc(3 * PAGE_SIZE, PAGE_SIZE, MF_ANON, ~0ull);
    b = memory_file_alloc(2ull << 20, 2ull << 20, MF_ANON, ~0ull);
    cr_assert_eq((u64)b & ((2ull << 20) - 1), 0);
    c = memory_file_alloc(PAGE_SIZE, PAGE_SIZE, MF_ANON, (u64)b + (2ull << 20));
    cr_assert_eq(c, b + (2 << 20));
    r.after = ~0ull;
    r.before = (u64)b;
    cr_assert_eq(memory_file_alloc_req(&r), b - (s64)PAGE_SIZE);
    cr_assert_geq(a, 0);
    memory_file_decommit((u64)b, 2ull << 20);
    cr_assert_eq(memory_file_resident((u64)b, 2ull << 20), 0);
    *(u8 *)memory_file_ptr((u64)b + 5 * PAGE_SIZE) = 1;
    cr_assert_eq(memory_file_resident((u64)b, 2ull << 20), PAGE_SIZE);
}

Test(memory_file, whole_file_again_and_again)
{
    for (int i = 0; i < 10; i++) {
        s64 parts[64], off;

        for (int k = 0; k < 64; k++) {
            parts[k] = memory_file_alloc(16ull << 20, PAGE_SIZE, MF_ANON, ~0ull);
            cr_assert_geq(parts[k], 0);
        }
        cr_assert_eq(memory_file_alloc(PAGE_SIZE, PAGE_SIZE, MF_ANON, ~0ull), -ENOMEM);
        /* Small pieces become dirty, large ones clean: together they make one range again. */
        for (int k = 0; k < 64; k++)
            for (u64 at = 0; at < (16ull << 20); at += k & 1 ? 64ull << 10 : 16ull << 20)
                memory_file_put((u64)parts[k] + at, k & 1 ? 64ull << 10 : 16ull << 20);
        off = memory_file_alloc(1ull << 30, PAGE_SIZE, MF_ANON, ~0ull);
        cr_assert_eq(off, 0);
        memory_file_put(0, 1ull << 30);
    }
}

Test(memory_file, allocation_is_fast)
{
    enum { N = 20000 };
    static s64 offs[N];
    u64 start = host_now_mono(), ns;

    for (int i = 0; i < N; i++)
        offs[i] = memory_file_alloc((1 + (u64)i % 8) * PAGE_SIZE, PAGE_SIZE, MF_ANON, ~0ull);
    for (int i = 0; i < N; i += 2)
        memory_file_put((u64)offs[i], (1 + (u64)i % 8) * PAGE_SIZE);
    ns = (host_now_mono() - start) / (N + N / 2);
    cr_log_info("%llu ns an operation", (unsigned long long)ns);
#ifdef __SANITIZE_THREAD__
    ns /= 10; /* every access costs */
#endif
    cr_assert_lt(ns, 20000);
}
