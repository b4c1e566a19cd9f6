/* SPDX-License-Identifier: Apache-2.0 */
/* Copies that may fault: exact counts at the edge of a mapping, SIGSEGV and SIGBUS. */
#include "abi/linux/memfd.h"
#include "abi/linux/mman.h"
#include "cvisor/host.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#define PAGES 4
#define SIZE (PAGES * PAGE_SIZE)

/* PAGES pages, of which the file backs the first (SIGBUS behind it) or all but with nothing mapped
 * behind them (SIGSEGV). */
static char *map(u64 file_pages, bool hole)
{
    int fd = host_memfd_create("safecopy", LINUX_MFD_CLOEXEC);
    cr_assert_eq(host_ftruncate(fd, file_pages * PAGE_SIZE), 0);
    char *p = host_mmap(NULL, SIZE, LINUX_PROT_READ | LINUX_PROT_WRITE, LINUX_MAP_SHARED, fd, 0);
    cr_assert(!host_is_err(p));
    if (hole)
        cr_assert_eq(host_munmap(p + PAGE_SIZE, SIZE - PAGE_SIZE), 0);
    host_close(fd);
    return p;
}

static void copy_over_edge(char *edge_page, size_t n, size_t before)
{
    static char buf[SIZE], back[SIZE];
    char *at = edge_page + PAGE_SIZE - before;
    size_t left = n > before ? n - before : 0;

    for (size_t i = 0; i < sizeof(buf); i++)
        buf[i] = (char)(i * 7 + 1);
    cr_expect_eq(host_copy_safe(at, buf, n), left, "write %zu, %zu before the edge", n, before);
    memset(back, 0, sizeof(back));
    cr_expect_eq(host_copy_safe(back, at, n), left, "read %zu, %zu before the edge", n, before);
    cr_expect_eq(memcmp(back, buf, n - left), 0);
    cr_expect_eq(host_zero_safe(at, n), left);
    cr_expect(n == left || at[0] == 0);
}

Test(host_safecopy, edges)
{
    host_safecopy_init();
    for (int kind = 0; kind < 2; kind++) {
        char *p = map(kind ? PAGES : 1, kind);
        for (size_t n = 0; n < 300; n++) {
            for (size_t before = 0; before <= 40; before += 1 + before % 3)
                copy_over_edge(p, n, before);
            copy_over_edge(p, n, 300);
        }
        copy_over_edge(p, 3 * PAGE_SIZE, 1000);
    }
}

Test(host_safecopy, null_and_noncanonical)
{
    char buf[256];

    host_safecopy_init();
    cr_expect_eq(host_copy_safe(buf, (void *)8, 100), 100);
    cr_expect_eq(host_copy_safe((void *)0x8000000000000000ull, buf, 200), 200);
}

Test(host_safecopy, atomics)
{
    u32 w = 5, old = 0;

    host_safecopy_init();
    cr_expect_eq(host_load_u32_safe(&w, &old), 0);
    cr_expect_eq(old, 5);
    cr_expect_eq(host_cmpxchg_u32_safe(&w, 6, 7, &old), 0);
    cr_expect_eq(old, 5);
    cr_expect_eq(w, 5);
    cr_expect_eq(host_cmpxchg_u32_safe(&w, 5, 7, &old), 0);
    cr_expect_eq(w, 7);
    cr_expect_eq(host_xchg_u32_safe(&w, 9, &old), 0);
    cr_expect_eq(old, 7);
    cr_expect_eq(w, 9);

    u32 *gone = (u32 *)(map(1, false) + PAGE_SIZE);
    cr_expect_eq(host_load_u32_safe(gone, &old), -EFAULT);
    cr_expect_eq(host_cmpxchg_u32_safe(gone, 0, 1, &old), -EFAULT);
    cr_expect_eq(host_xchg_u32_safe(gone, 1, &old), -EFAULT);
}

/* Another fault stays fatal. */
Test(host_safecopy, other_faults_are_not_swallowed, .signal = 6)
{
    host_safecopy_init();
    volatile int *volatile bad = (volatile int *)16;
    *bad = 1;
}
