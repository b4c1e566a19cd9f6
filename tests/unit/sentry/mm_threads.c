/* SPDX-License-Identifier: Apache-2.0 */
/* Threads that fault, fork, remap and invalidate in one address space at the same time. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdlib.h>

#include "fake_platform.h"
#include "sentry/mm/uaccess.h"

#define RW (LINUX_PROT_READ | LINUX_PROT_WRITE)
#define RWX (RW | LINUX_PROT_EXEC)
#define WRITERS 3
#define PAGES 64

static struct mm *g_mm;
static u64 g_base[WRITERS];
static _Atomic bool g_stop;
static atomic_int g_errors;

/* Owns PAGES pages: what it wrote must be there, whatever the others do. */
static void *writer(void *arg)
{
    u64 base = g_base[(uintptr_t)arg], value[PAGES] = {0};
    unsigned seed = (unsigned)(uintptr_t)arg;

    for (u64 i = 1; !g_stop; i++) {
        u64 p = (u64)rand_r(&seed) % PAGES, got = 0;

        got = fake_read(g_mm, base + p * PAGE_SIZE);
        if (got != value[p])
            g_errors++;
        if (i % 2) {
            if (fake_write(g_mm, base + p * PAGE_SIZE, i) != MM_FAULT_OK)
                g_errors++;
        } else if (mm_copy_out(g_mm, base + p * PAGE_SIZE, &i, 8, false) != 8) {
            g_errors++;
        }
        value[p] = i;
    }
    return NULL;
}

static void *forker(void *arg)
{
    while (!g_stop) {
        struct mm *child;

        if (mm_fork(g_mm, &child) != 0) {
            g_errors++;
            continue;
        }
        for (int k = 0; k < WRITERS; k++)
            if (fake_write(child, g_base[k] + 5 * PAGE_SIZE, ~1ull) != MM_FAULT_OK)
                g_errors++;
        mm_drop(child);
    }
    return NULL;
}

static void *mapper(void *arg)
{
    unsigned seed = 77;

    while (!g_stop) {
        u64 len = (1 + (u64)rand_r(&seed) % 64) * PAGE_SIZE;
        struct mmap_args a = {.len = len, .prot = RW, .max_prot = RWX};
        s64 at = mm_mmap(g_mm, &a), to;

        if (at < 0 || fake_write(g_mm, (u64)at, 3) != MM_FAULT_OK) {
            g_errors++;
            continue;
        }
        to = mm_mremap(g_mm, (u64)at, len, len * 2, LINUX_MREMAP_MAYMOVE, 0);
        if (to < 0 || fake_read(g_mm, (u64)to) != 3)
            g_errors++;
        if (mm_mprotect(g_mm, (u64)to, PAGE_SIZE, LINUX_PROT_READ, false) != 0 ||
            mm_madvise(g_mm, (u64)to, len, LINUX_MADV_DONTNEED) != 0 ||
            fake_read(g_mm, (u64)to) != 0 || mm_munmap(g_mm, (u64)to, len * 2) != 0)
            g_errors++;
    }
    return NULL;
}

Test(mm_threads, everything_at_once, .timeout = 60)
{
    pthread_t th[WRITERS + 2];

    fake_platform_init(8ull << 30);
    cr_assert_eq(mm_create(&g_mm), 0);
    for (int k = 0; k < WRITERS; k++) {
        struct mmap_args a = {.len = PAGES * PAGE_SIZE, .prot = RW, .max_prot = RWX};

        g_base[k] = (u64)mm_mmap(g_mm, &a);
    }
    for (int k = 0; k < WRITERS; k++)
        pthread_create(&th[k], NULL, writer, (void *)(uintptr_t)k);
    pthread_create(&th[WRITERS], NULL, forker, NULL);
    pthread_create(&th[WRITERS + 1], NULL, mapper, NULL);
    for (u64 end = host_now_mono() + 2000000000ull; host_now_mono() < end;)
        host_sched_yield();
    g_stop = true;
    for (int k = 0; k < WRITERS + 2; k++)
        pthread_join(th[k], NULL);
    cr_assert_eq(g_errors, 0);
    mm_drop(g_mm);
    cr_assert_eq(memory_file_used(MF_ANON), 0);
}
