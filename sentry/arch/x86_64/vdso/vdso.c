/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The vDSO: runs in the guest, freestanding. Its parameters lie in the page before the image.
 */
#include "abi/linux/time.h"
#include "abi/linux/unistd.h"
#include "sentry/arch/x86_64/vdso/vdso_params.h"

#include <stddef.h>

#define EXPORT __attribute__((visibility("default")))

/* Defined by the linker script. */
extern const volatile struct vdso_params vdso_params __attribute__((visibility("hidden")));

static long syscall2(long nr, long a, long b)
{
    long ret;

    __asm__ volatile("syscall" : "=a"(ret) : "0"(nr), "D"(a), "S"(b) : "rcx", "r11", "memory");
    return ret;
}

int __vdso_clock_gettime(int clock, struct linux_timespec *ts);
int __vdso_clock_getres(int clock, struct linux_timespec *ts);
int __vdso_gettimeofday(struct linux_timeval *tv, struct linux_timezone *tz);
s64 __vdso_time(s64 *t);
long __vdso_getcpu(unsigned *cpu, unsigned *node, void *unused);

EXPORT int __vdso_clock_gettime(int clock, struct linux_timespec *ts)
{
    enum vdso_clock c = vdso_clock_of(clock);
    u64 ns;

    if (c == VDSO_NONE || !vdso_read(&vdso_params, c, &ns))
        return (int)syscall2(LINUX_SYS_clock_gettime, clock, (long)ts);
    ts->tv_sec = (s64)(ns / 1000000000u);
    ts->tv_nsec = (s64)(ns % 1000000000u);
    return 0;
}

EXPORT int __vdso_clock_getres(int clock, struct linux_timespec *ts)
{
    enum vdso_clock c = vdso_clock_of(clock);
    u64 res = 1;

    if (c == VDSO_REAL_COARSE || c == VDSO_MONO_COARSE)
        res = vdso_params.coarse_res;
    if (c == VDSO_NONE || !vdso_params.usable || !res)
        return (int)syscall2(LINUX_SYS_clock_getres, clock, (long)ts);
    if (ts) {
        ts->tv_sec = 0;
        ts->tv_nsec = (s64)res;
    }
    return 0;
}

EXPORT int __vdso_gettimeofday(struct linux_timeval *tv, struct linux_timezone *tz)
{
    u64 ns;

    if (!vdso_read(&vdso_params, VDSO_REAL, &ns))
        return (int)syscall2(LINUX_SYS_gettimeofday, (long)tv, (long)tz);
    if (tv) {
        tv->tv_sec = (s64)(ns / 1000000000u);
        tv->tv_usec = (s64)(ns % 1000000000u / 1000u);
    }
    if (tz) {
        tz->tz_minuteswest = 0;
        tz->tz_dsttime = 0;
    }
    return 0;
}

EXPORT s64 __vdso_time(s64 *t)
{
    s64 sec;
    u64 ns;

    if (!vdso_read(&vdso_params, VDSO_REAL, &ns))
        return syscall2(LINUX_SYS_time, (long)t, 0);
    sec = (s64)(ns / 1000000000u);
    if (t)
        *t = sec;
    return sec;
}

/* Linux keeps node << 12 | cpu in the limit of this segment. */
EXPORT long __vdso_getcpu(unsigned *cpu, unsigned *node, void *unused)
{
    unsigned v;

    (void)unused;
    __asm__ volatile("lsl %1, %0" : "=r"(v) : "r"(0x7bu));
    if (cpu)
        *cpu = v & 0xfff;
    if (node)
        *node = v >> 12;
    return 0;
}
