/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When a vcpu spins for its thread's next request instead of sleeping in the host: while requests
 * have lately come soon after answers, and a CPU is idle. Both are guesses, corrected by what comes of
 * them: a spin that ends without a request, or that the host has interrupted, costs credit; and when
 * hardly any has succeeded since it was begun, the patience that it then takes to begin again
 * doubles. Never longer than SPIN_NS.
 */
#include "cvisor/host.h"
#include "cvisor/log.h"
#include "platform/systrap/systrap.h"

#include <string.h>

#define SPIN_NS 30000      /* a vcpu's wait for a request */
#define FIRST_NS 150000    /* ... of a thread that has to be woken on another CPU first */
#define STUB_SPIN_NS 20000 /* a stub's wait for an answer */
#define QUICK_NS 25000     /* a request by notification that would have been worth a spin */
#define GAP_NS 30000       /* between two looks: the host has run somebody else */
#define CREDIT_BEGIN 48
#define CREDIT_MAX 256
#define HITS_WORTH_IT 100
#define MISS_COST 32 /* both threads sleep on CPUs that are idle then: two wake-ups from afar */
#define DISTURBED_COST 4
#define PLACE_COST 16 /* its thread goes to another CPU and comes back */
#define PATIENCE_MIN 64
#define PATIENCE_MAX 4096

static struct {
    u64 mask[SYSTRAP_CPU_WORDS]; /* immutable: CPUs that we may use */
    size_t mask_len;             /* immutable: bytes of it */
    u32 ncpus;                   /* immutable */
    u64 tsc_mhz;                 /* immutable: ticks a microsecond */
    u32 stub_limit;              /* immutable: pauses */
    atomic_int busy;             /* guest threads that run or are in an event that does not sleep */
    atomic_int spinning;         /* vcpus */
    _Atomic u64 quiet_until;     /* time stamp: the host is loaded, nobody spins before */
    _Atomic u64 quiet;           /* ticks it was set for last */
    _Atomic u64 counts[COUNTS];
} g_spin;

static u64 ticks(u64 ns)
{
    return ns * g_spin.tsc_mhz / 1000;
}

u64 spin_ticks(u64 ns)
{
    return ticks(ns);
}

u32 spin_busy(void)
{
    return (u32)atomic_load_explicit(&g_spin.busy, memory_order_relaxed);
}

/* The rate of the time stamp, and how long a pause takes: too long if the host ran others. */
static u64 calibrate(u64 *pause_ns)
{
    u64 t0 = __builtin_ia32_rdtsc(), n0 = host_now_mono(), n1, t1;
    u32 pauses = 0;

    do {
        for (int i = 0; i < 64; i++, pauses++)
            __builtin_ia32_pause();
        t1 = __builtin_ia32_rdtsc();
        n1 = host_now_mono();
    } while (n1 - n0 < 10000);
    *pause_ns = MAX((n1 - n0) / pauses, 1ull);
    return MAX((t1 - t0) * 1000 / (n1 - n0), 1ull);
}

void spin_init(void)
{
    int r = host_sched_getaffinity(0, sizeof(g_spin.mask), g_spin.mask);

    g_spin.mask_len = r > 0 ? (size_t)r : 0;
    for (int i = 0; i < r / 8; i++)
        g_spin.ncpus += (u32)__builtin_popcountll(g_spin.mask[i]);
    u64 pause_ns = 0, mhz[3], p;
    for (size_t i = 0; i < ARRAY_SIZE(mhz); i++) {
        mhz[i] = calibrate(&p);
        pause_ns = i == 0 ? p : MIN(pause_ns, p);
    }
    g_spin.tsc_mhz = MAX(MIN(mhz[0], mhz[1]), MIN(MAX(mhz[0], mhz[1]), mhz[2])); /* in the middle */
    /* Each look of the stub at the slot is a load besides. It counts down to 0: never from there. */
    g_spin.stub_limit = MAX((u32)(STUB_SPIN_NS / (pause_ns + 2)), 1u);
}

const u64 *spin_cpus(size_t *len)
{
    *len = g_spin.mask_len;
    return g_spin.mask;
}

u32 spin_ncpus(void)
{
    return g_spin.ncpus;
}

u32 spin_stub_limit(void)
{
    return g_spin.stub_limit;
}

void spin_begin(struct platform_thread *v)
{
    v->spin = (struct spin){.patience = PATIENCE_MIN};
    atomic_fetch_add(&g_spin.busy, 1);
}

/* When nobody is left: the sum of all so far. */
static void report(void)
{
    u64 n[COUNTS];

    for (int i = 0; i < COUNTS; i++)
        n[i] = atomic_load(&g_spin.counts[i]);
    log_debug("systrap: calls by slot and spinning %llu, by slot %llu, unpatched %llu; faults and "
              "signals %llu; spins for nothing %llu, interrupted by the host %llu",
              (unsigned long long)n[COUNT_SPIN], (unsigned long long)n[COUNT_SLOT],
              (unsigned long long)n[COUNT_CALL], (unsigned long long)n[COUNT_FRAME],
              (unsigned long long)n[COUNT_MISS], (unsigned long long)n[COUNT_GAP]);
}

void spin_end(struct platform_thread *v)
{
    for (int i = 0; i < COUNTS; i++) {
        atomic_fetch_add(&g_spin.counts[i], v->counts[i]);
        v->counts[i] = 0;
    }
    if (atomic_fetch_sub(&g_spin.busy, 1) == 1)
        report();
}

void spin_block(struct platform_thread *v)
{
    atomic_fetch_sub_explicit(&g_spin.busy, 1, memory_order_relaxed);
}

void spin_unblock(struct platform_thread *v)
{
    atomic_fetch_add_explicit(&g_spin.busy, 1, memory_order_relaxed);
}

static bool cpu_is_free(u32 more)
{
    return (u32)atomic_load_explicit(&g_spin.busy, memory_order_relaxed) +
               (u32)atomic_load_explicit(&g_spin.spinning, memory_order_relaxed) + more <=
           g_spin.ncpus;
}

static void lose(struct platform_thread *v, s32 cost)
{
    struct spin *sp = &v->spin;

    sp->credit -= cost;
    if (sp->credit > 0)
        return;
    sp->credit = 0;
    if (sp->on && sp->hits < HITS_WORTH_IT)
        sp->patience = MIN(sp->patience * 2, (u32)PATIENCE_MAX);
    sp->on = false;
    place_hint(v);
}

/* The host needs its CPUs for somebody else: nobody spins for a while, longer each time. */
static void loaded(u64 now)
{
    u64 quiet = atomic_load(&g_spin.quiet);

    quiet = now - atomic_load(&g_spin.quiet_until) < quiet * 4 ? MIN(quiet * 2, ticks(200000000))
                                                               : ticks(1000000);
    atomic_store(&g_spin.quiet, quiet);
    atomic_store(&g_spin.quiet_until, now + quiet);
}

void spin_missed(struct platform_thread *v, bool slot)
{
    struct spin *sp = &v->spin;

    if (!(g_systrap.rungs & RUNG_SPIN))
        return;
    if (!slot) {
        if (sp->on)
            lose(v, MISS_COST);
        sp->credit -= sp->credit > 0 && !sp->on;
        return;
    }
    if (sp->on)
        return; /* the spin was too short, which has been counted */
    if (__builtin_ia32_rdtsc() - sp->answered > ticks(QUICK_NS)) {
        sp->credit = MAX(sp->credit - 4, 0);
        return;
    }
    if (++sp->credit >= (s32)sp->patience) {
        sp->on = true;
        sp->hits = 0;
        sp->credit = CREDIT_BEGIN;
        place_hint(v);
    }
}

void spin_disturbed(struct platform_thread *v)
{
    struct spin *sp = &v->spin;

    if (sp->on)
        lose(v, DISTURBED_COST);
    else
        sp->credit = MAX(sp->credit - DISTURBED_COST, 0);
}

bool spin_wanted(struct platform_thread *v)
{
    struct stub_thread *s = v->stub;

    return v->spin.on && !atomic_load_explicit(&s->kicked, memory_order_relaxed) &&
           cpu_is_free(1) &&
           __builtin_ia32_rdtsc() > atomic_load_explicit(&g_spin.quiet_until, memory_order_relaxed);
}

/* Tells the stub that nobody spins. One that does not see it in time will call. */
static bool withdraw(struct stub_thread *s)
{
    atomic_store(&s->ctx->state, SLOT_NONE);
    return !slot_has_request(s);
}

/* Looks at the slot until a request is there, or something says that it is enough. */
static bool look(struct platform_thread *v, u64 limit)
{
    struct stub_thread *s = v->stub;
    u64 now = __builtin_ia32_rdtsc(), end = now + limit, gap = ticks(GAP_NS), last;

    for (;;) {
        if (slot_has_request(s))
            return true;
        last = now;
        now = __builtin_ia32_rdtsc();
        bool calls = atomic_load_explicit(&s->ctx->attn, memory_order_relaxed);
        bool held_up = now - last > gap;
        bool other = atomic_load_explicit(&v->flags, memory_order_relaxed) & VCPU_INTR;
        if (now > end || calls || held_up || other || !cpu_is_free(0)) {
            if (!withdraw(s))
                return true;
            v->counts[held_up ? COUNT_GAP : COUNT_MISS]++;
            if (held_up)
                loaded(now);
            lose(v, other || calls ? 1 : MISS_COST);
            return false;
        }
        __builtin_ia32_pause();
    }
}

/* Else the host would wake it on this CPU, which we need: it looks for an idle one only while few are
 * busy on average. */
void spin_place(struct platform_thread *v)
{
    struct spin *sp = &v->spin;
    u64 mask[SYSTRAP_CPU_WORDS];

    if (host_getcpu(&sp->cpu, NULL) < 0 || sp->cpu >= g_spin.mask_len * 8)
        return;
    memcpy(mask, g_spin.mask, g_spin.mask_len);
    mask[sp->cpu / 64] &= ~(1ull << (sp->cpu % 64));
    sp->placed = host_sched_setaffinity(v->stub->tid, g_spin.mask_len, mask) == 0;
    lose(v, PLACE_COST);
}

/* One that did not get to run there comes back here, before it may go where it likes. */
static void set_free(struct platform_thread *v, bool got)
{
    struct spin *sp = &v->spin;
    u64 mask[SYSTRAP_CPU_WORDS] = {0};
    int tid = v->stub->tid;

    sp->placed = false;
    mask[sp->cpu / 64] = 1ull << (sp->cpu % 64);
    if (!got)
        host_sched_setaffinity(tid, g_spin.mask_len, mask);
    host_sched_setaffinity(tid, g_spin.mask_len, g_spin.mask);
}

bool spin_wait(struct platform_thread *v, bool woken)
{
    struct spin *sp = &v->spin;

    atomic_fetch_add(&g_spin.spinning, 1);
    bool got = look(v, ticks(woken ? FIRST_NS : SPIN_NS));
    atomic_fetch_sub(&g_spin.spinning, 1);
    if (unlikely(sp->placed))
        set_free(v, got);
    if (got) {
        sp->credit = MIN(sp->credit + 1, CREDIT_MAX);
        if (++sp->hits == HITS_WORTH_IT)
            sp->patience = PATIENCE_MIN;
    }
    return got;
}
