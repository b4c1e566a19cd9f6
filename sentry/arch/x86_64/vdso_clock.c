/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keeps the vDSO's clock parameters current. A thread compares the line that guests extrapolate with
 * the host's clock and bends it: each new line starts where the old one is, so that no reader ever
 * sees a clock go backwards, and meets the host's clock at the next update.
 */
#include "abi/linux/time.h"
#include "cvisor/compiler.h"
#include "cvisor/host.h"
#include "cvisor/log.h"
#include "sentry/arch/x86_64/vdso.h"
#include "sentry/arch/x86_64/vdso_internal.h"

#include <cpuid.h>
#include <errno.h>
#include <stdatomic.h>

#define SAMPLE_FIRST (200000ull)  /* ns between the first two samples: the start waits for it */
#define UPDATE_FIRST (1000000ull) /* ns; each interval is four times the last */
#define UPDATE_MAX (1000000000ull)
#define STEP_MIN (1000000ll) /* ns behind the host that make the clock jump */
#define SLEW_MAX                                                                                   \
    (1ull << (VDSO_SHIFT - 4)) /* of a rate of 1 << VDSO_SHIFT: how much slower at most */

struct sample {
    u64 tsc, mono;
};

/* Written by vdso_clock_prepare and vdso_clock_init, then by the update thread only. */
static struct {
    volatile struct vdso_params *params;
    struct sample last; /* host's clock at the last update */
    u64 interval;
    u64 real_offset, boot_offset;
} g_clock;

static bool tsc_invariant(void)
{
    u32 eax, ebx, ecx, edx;

    if (!__get_cpuid(0x80000007, &eax, &ebx, &ecx, &edx))
        return false;
    return (edx & (1u << 8)) != 0;
}

/* A TSC and the host's clock at the same moment, as near as a few tries can tell. */
static struct sample take_sample(void)
{
    struct sample best = {0};
    u64 best_window = ~0ull;

    for (int i = 0; i < 8; i++) {
        u64 t0 = vdso_rdtsc(), mono = host_now_mono(), t1 = vdso_rdtsc();

        if (t1 - t0 < best_window) {
            best_window = t1 - t0;
            best.tsc = t0 + (t1 - t0) / 2;
            best.mono = mono;
        }
    }
    return best;
}

static u64 host_clock_ns(int clock)
{
    struct linux_timespec ts = {0};

    if (host_clock_gettime(clock, &ts) < 0)
        return 0;
    return (u64)ts.tv_sec * (u64)NSEC_PER_SEC + (u64)ts.tv_nsec;
}

/* The constant difference of a clock to CLOCK_MONOTONIC: *offset stays when it is still possible. */
static void update_offset(int clock, u64 *offset)
{
    u64 lo = 0, hi = 0, window = ~0ull;

    for (int i = 0; i < 4; i++) {
        u64 m0 = host_now_mono(), c = host_clock_ns(clock), m1 = host_now_mono();

        if (m1 - m0 < window) {
            window = m1 - m0;
            lo = c - m1;
            hi = c - m0;
        }
    }
    if ((s64)(*offset - lo) < 0 || (s64)(hi - *offset) < 0)
        *offset = lo + (hi - lo) / 2;
}

/* ns for each tick between two samples, shifted; 0 when they can't be used. */
static u64 rate_between(const struct sample *a, const struct sample *b)
{
    if (b->tsc <= a->tsc || b->mono <= a->mono)
        return 0;
    return (u64)(((unsigned __int128)(b->mono - a->mono) << VDSO_SHIFT) / (b->tsc - a->tsc));
}

/*
 * A new line that starts where the old one is at this very moment, plus step. No reader is between the
 * two: one that read the TSC after us sees seq change and tries again.
 */
#define SET(field, v) __atomic_store_n(&(field), (v), __ATOMIC_RELAXED)
static void publish(u64 mult, u64 step, bool usable)
{
    volatile struct vdso_params *p = g_clock.params;
    u32 seq = p->seq;
    u64 tsc;

    __atomic_store_n(&p->seq, seq + 1, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    tsc = vdso_rdtsc();
    SET(p->mono_base, vdso_line(tsc, p->tsc_base, p->mult, p->mono_base) + step);
    SET(p->tsc_base, tsc);
    SET(p->mult, mult);
    SET(p->real_offset, g_clock.real_offset);
    SET(p->boot_offset, g_clock.boot_offset);
    SET(p->usable, usable);
    __atomic_store_n(&p->seq, seq + 2, __ATOMIC_RELEASE);
}

/* The rate that leads from `now` on the line to the host's clock, err ns ahead, in interval ns. */
static u64 bent_rate(u64 rate, s64 err, u64 interval)
{
    u64 change = (u64)((unsigned __int128)rate * (u64)(err < 0 ? -err : err) / interval);
    u64 max = (u64)((unsigned __int128)rate * SLEW_MAX >> VDSO_SHIFT);

    change = MIN(change, max);
    return err < 0 ? rate - change : rate + change;
}

static void update(void)
{
    volatile struct vdso_params *p = g_clock.params;
    struct sample now = take_sample();
    u64 rate = rate_between(&g_clock.last, &now), line, step = 0;
    s64 err;

    update_offset(LINUX_CLOCK_REALTIME, &g_clock.real_offset);
    update_offset(LINUX_CLOCK_BOOTTIME, &g_clock.boot_offset);
    if (!rate) {
        /* The TSC went backwards: another machine, or a broken one. */
        publish(p->mult, 0, false);
        return;
    }
    line = vdso_line(now.tsc, p->tsc_base, p->mult, p->mono_base);
    err = (s64)(now.mono - line);
    if (err > STEP_MIN) {
        step = (u64)err;
        err = 0;
    }
    g_clock.interval = MIN(g_clock.interval * 4, UPDATE_MAX);
    publish(bent_rate(rate, err, g_clock.interval), step, true);
    g_clock.last = now;
}

static void update_thread(void *arg)
{
    static const _Atomic u32 word;

    while (g_clock.params->usable) {
        host_futex_wait(&word, 0, host_now_mono() + g_clock.interval);
        update();
    }
    log_warn("the TSC is not usable any more: clocks are syscalls from now on");
}

void vdso_clock_prepare(void)
{
    g_clock.last = take_sample();
}

int vdso_clock_init(struct vdso_params *params)
{
    struct linux_timespec res = {0};
    struct sample now;
    u64 rate;

    g_clock.params = params;
    if (!tsc_invariant()) {
        log_info("no invariant TSC: the vDSO makes syscalls");
        return 0;
    }
    if (host_clock_getres(LINUX_CLOCK_MONOTONIC_COARSE, &res) == 0 && !res.tv_sec)
        params->coarse_res = (u64)res.tv_nsec;
    if (!g_clock.last.mono)
        g_clock.last = take_sample();
    do {
        now = take_sample();
    } while (now.mono - g_clock.last.mono < SAMPLE_FIRST);
    rate = rate_between(&g_clock.last, &now);
    if (!rate)
        return 0;
    g_clock.interval = UPDATE_FIRST;
    update_offset(LINUX_CLOCK_REALTIME, &g_clock.real_offset);
    update_offset(LINUX_CLOCK_BOOTTIME, &g_clock.boot_offset);
    params->tsc_base = now.tsc;
    params->mono_base = now.mono;
    params->mult = rate;
    publish(rate, 0, true);
    g_clock.last = now;
    return 0;
}

int vdso_clock_start(void)
{
    return g_clock.params->usable ? cv_thread_create("vdso-clock", update_thread, NULL) : 0;
}

bool vdso_clock_get(int clock, u64 *ns)
{
    enum vdso_clock c = vdso_clock_of(clock);

    return c != VDSO_NONE && g_clock.params && vdso_read(g_clock.params, c, ns);
}
