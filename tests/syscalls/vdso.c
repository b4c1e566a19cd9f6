/* SPDX-License-Identifier: Apache-2.0 */
/* The vDSO's functions agree with the syscalls of the same name. */
#include "harness.h"

#include <elf.h>
#include <link.h>
#include <sys/auxv.h>

static int64_t ns(const struct timespec *ts)
{
    return ts->tv_sec * 1000000000ll + ts->tv_nsec;
}

static int64_t by_vdso(clockid_t clock)
{
    struct timespec ts;

    EXPECT_OK(clock_gettime(clock, &ts));
    return ns(&ts);
}

static int64_t by_syscall(clockid_t clock)
{
    struct timespec ts;

    EXPECT_OK(syscall(SYS_clock_gettime, clock, &ts));
    return ns(&ts);
}

TEST(image_is_an_elf_object)
{
    const ElfW(Ehdr) *eh = (const void *)getauxval(AT_SYSINFO_EHDR);
    bool load = false, dynamic = false;

    ASSERT(eh != NULL);
    EXPECT(memcmp(eh->e_ident, ELFMAG, SELFMAG) == 0);
    EXPECT_EQ(eh->e_type, ET_DYN);
    const ElfW(Phdr) *ph = (const void *)((const char *)eh + eh->e_phoff);
    for (int i = 0; i < eh->e_phnum; i++) {
        load |= ph[i].p_type == PT_LOAD && ph[i].p_flags == (PF_R | PF_X);
        dynamic |= ph[i].p_type == PT_DYNAMIC;
    }
    EXPECT(load && dynamic);
}

TEST(clocks_agree_with_syscalls)
{
    static const clockid_t clocks[] = {CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME};

    for (size_t c = 0; c < ARRAY_LEN(clocks); c++) {
        int64_t last = by_vdso(clocks[c]);
        int backwards = 0;

        for (int i = 0; i < 3000; i++) {
            int64_t a = by_syscall(clocks[c]), b = by_vdso(clocks[c]);

            backwards += a < last || b < a;
            last = b;
        }
        EXPECT_EQ(backwards, 0);
    }
}

TEST(never_backwards_across_updates)
{
    int64_t end = by_vdso(CLOCK_MONOTONIC) + 1500000000ll, last = 0;
    int64_t real = by_vdso(CLOCK_REALTIME) - by_vdso(CLOCK_MONOTONIC);
    int backwards = 0;

    while (last < end) {
        int64_t now = by_vdso(CLOCK_MONOTONIC);

        backwards += now < last;
        last = now;
    }
    EXPECT_EQ(backwards, 0);
    /* The clocks run side by side. */
    real -= by_vdso(CLOCK_REALTIME) - by_vdso(CLOCK_MONOTONIC);
    EXPECT(llabs(real) < 100000000);
}

TEST(coarse_clocks_lag)
{
    struct timespec res;

    EXPECT_OK(clock_getres(CLOCK_MONOTONIC_COARSE, &res));
    for (int i = 0; i < 1000; i++) {
        int64_t coarse = by_vdso(CLOCK_MONOTONIC_COARSE), fine = by_vdso(CLOCK_MONOTONIC);

        EXPECT(coarse <= fine && fine - coarse < ns(&res) + 50000000);
    }
}

TEST(gettimeofday_and_time)
{
    for (int i = 0; i < 1000; i++) {
        int64_t before = by_syscall(CLOCK_REALTIME);
        struct timeval tv;

        EXPECT_OK(gettimeofday(&tv, NULL));
        int64_t us = tv.tv_sec * 1000000ll + tv.tv_usec, after = by_syscall(CLOCK_REALTIME);
        EXPECT(us >= before / 1000 && us <= after / 1000);
        EXPECT(llabs((int64_t)time(NULL) - after / 1000000000) <= 1);
    }
}

TEST(getres_and_errors)
{
    struct timespec ts;

    EXPECT_OK(clock_getres(CLOCK_MONOTONIC, &ts));
    EXPECT_EQ(ns(&ts), 1);
    EXPECT_OK(clock_getres(CLOCK_REALTIME, NULL));
    EXPECT_ERRNO(clock_gettime(1234, &ts), EINVAL);
    EXPECT_OK(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts));
    EXPECT_OK(clock_gettime(CLOCK_MONOTONIC_RAW, &ts));
}

TEST(getcpu_is_a_cpu)
{
    unsigned cpu = ~0u, node = ~0u;

    EXPECT_OK(getcpu(&cpu, &node));
    EXPECT(cpu < 4096 && node < 1024);
}
