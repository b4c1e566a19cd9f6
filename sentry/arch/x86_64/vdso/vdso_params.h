/* SPDX-License-Identifier: Apache-2.0 */
/* The page that the sentry writes and the vDSO reads. */
#ifndef SENTRY_ARCH_X86_64_VDSO_PARAMS_H
#define SENTRY_ARCH_X86_64_VDSO_PARAMS_H

#include "cvisor/types.h"

#define VDSO_SHIFT 40

/*
 * monotonic(tsc) = mono_base + ((tsc - tsc_base) * mult >> VDSO_SHIFT) in ns; the other clocks are
 * offsets from it. seq is odd while the sentry writes.
 */
struct vdso_params {
    u32 seq;
    u32 usable; /* 0: make syscalls */
    u64 tsc_base;
    u64 mult;
    u64 mono_base;
    u64 real_offset, boot_offset; /* modulo 2^64 */
    u64 coarse_res;               /* ns; 0 = the coarse clocks make syscalls */
};

/* Clocks of the parameters; anything else is for the kernel. */
enum vdso_clock { VDSO_NONE, VDSO_REAL, VDSO_MONO, VDSO_BOOT, VDSO_REAL_COARSE, VDSO_MONO_COARSE };

static inline enum vdso_clock vdso_clock_of(int clock)
{
    switch (clock) {
    case 0:
        return VDSO_REAL;
    case 1:
        return VDSO_MONO;
    case 5:
        return VDSO_REAL_COARSE;
    case 6:
        return VDSO_MONO_COARSE;
    case 7:
        return VDSO_BOOT;
    default:
        return VDSO_NONE;
    }
}

static inline u64 vdso_rdtsc(void)
{
    u32 lo, hi;

    __asm__ volatile("lfence; rdtsc" : "=a"(lo), "=d"(hi)::"memory");
    return (u64)hi << 32 | lo;
}

/* The line through the base; a TSC before it counts as the base. */
static inline u64 vdso_line(u64 tsc, u64 tsc_base, u64 mult, u64 base)
{
    u64 delta = (s64)(tsc - tsc_base) > 0 ? tsc - tsc_base : 0;

    return base + (u64)((unsigned __int128)delta * mult >> VDSO_SHIFT);
}

/* One field; seq tells whether several belong together. */
#define vdso_get(field) __atomic_load_n((field), __ATOMIC_RELAXED)

/* Reads a clock. False: make a syscall. */
static inline bool vdso_read(const volatile struct vdso_params *p, enum vdso_clock clock, u64 *ns)
{
    u64 now, offset, res;
    u32 seq;

    for (;;) {
        seq = __atomic_load_n(&p->seq, __ATOMIC_ACQUIRE);
        if (seq & 1) {
            __builtin_ia32_pause();
            continue;
        }
        if (!vdso_get(&p->usable))
            return false;
        now = vdso_line(vdso_rdtsc(), vdso_get(&p->tsc_base), vdso_get(&p->mult),
                        vdso_get(&p->mono_base));
        offset = vdso_get(clock == VDSO_BOOT ? &p->boot_offset : &p->real_offset);
        res = p->coarse_res;
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
        if (__atomic_load_n(&p->seq, __ATOMIC_RELAXED) == seq)
            break;
    }
    if (clock != VDSO_MONO && clock != VDSO_MONO_COARSE)
        now += offset;
    if (clock == VDSO_REAL_COARSE || clock == VDSO_MONO_COARSE) {
        if (!res)
            return false;
        now -= now % res;
    }
    *ns = now;
    return true;
}

#endif
