/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keeps a vcpu's host thread and its stub thread on one CPU. Only one of the two ever runs, so a stop
 * there is two switches of context; on two CPUs it is two wake-ups of a CPU that sleeps, many times
 * as much. They are pinned while the guest makes system calls, and float
 *  - while the guest thread is blocked: the wake-up chooses the CPU, the stub thread follows;
 *  - when the guest has computed for a whole tick of the master: the host's balancing has it;
 *  - for one stop every few ticks: a free CPU takes the pair over.
 */
#include "cvisor/host.h"
#include "cvisor/log.h"
#include "platform/ptrace/ptrace.h"

#include <string.h>

#define MASK_BYTES 1024 /* 8192 CPUs, what Linux can be configured for */
#define TICK_NS (2ull * NSEC_PER_MSEC)
#define REPLACE_TICKS 16 /* a pinned pair may move this often; sooner at first */
#define IDLE_TICKS 16    /* ticks without a pinned pair until they end */
#define PIN_AFTER 4      /* stops until a pair that floats is pinned again */

enum affinity_hint { HINT_REPLACE = 1, HINT_LIFTED = 2 };

static struct {
    u64 all[MASK_BYTES / 8]; /* immutable: what we started with */
    size_t len;              /* immutable: valid bytes of it */
    bool on;                 /* immutable: more than one CPU */
    atomic_bool ticking;     /* the master looks after pinned pairs */
    u32 nidle;               /* private to the master */
} g_affinity;

/* --- masks --- */

static void float_thread(int tid)
{
    host_sched_setaffinity(tid, g_affinity.len, g_affinity.all);
}

static bool pin_thread(int tid, u32 cpu)
{
    u64 mask[MASK_BYTES / 8];

    if (cpu >= MASK_BYTES * 8)
        return false;
    memset(mask, 0, (cpu / 64 + 1) * 8);
    mask[cpu / 64] = 1ull << (cpu % 64);
    return host_sched_setaffinity(tid, (cpu / 64 + 1) * 8, mask) == 0;
}

static void float_self(void)
{
    float_thread(0);
}

void affinity_init(void)
{
    int cpus = 0, r = host_sched_getaffinity(0, sizeof(g_affinity.all), g_affinity.all);

    for (int i = 0; i < r / 8; i++)
        cpus += __builtin_popcountll(g_affinity.all[i]);
    g_affinity.len = r > 0 ? (size_t)r : 0;
    g_affinity.on = cpus > 1;
    if (g_affinity.on)
        cv_thread_hook = float_self; /* threads inherit the mask of their creator */
}

/* --- vcpus: called by their host threads --- */

/* Pins both to where we are. */
static void pin(struct platform_thread *v, int tid)
{
    u32 cpu;

    if (host_getcpu(&cpu, NULL) < 0 || !pin_thread(0, cpu))
        return;
    if (atomic_load(&v->stub_cpu) != (int)cpu) {
        if (!pin_thread(tid, cpu)) {
            float_self();
            return;
        }
        atomic_store(&v->stub_cpu, (int)cpu);
    }
    atomic_store(&v->cpu, (int)cpu);
    if (!atomic_load(&g_affinity.ticking) && !atomic_exchange(&g_affinity.ticking, true))
        master_ring();
}

/* Only we: the stub thread stays where it is, stopped. */
static void unpin(struct platform_thread *v)
{
    if (atomic_load(&v->cpu) < 0)
        return;
    float_self();
    atomic_store(&v->cpu, -1);
}

/* tid: a stub thread that v is about to take over. */
void affinity_attach(struct platform_thread *v, int tid)
{
    if (!g_affinity.on)
        return;
    atomic_store(&v->hint, 0);
    atomic_store(&v->stub_cpu, -1);
    pin(v, tid);
    if (atomic_load(&v->stub_cpu) < 0)
        float_thread(tid);
    v->streak = PIN_AFTER;
}

void affinity_detach(struct platform_thread *v)
{
    atomic_store(&v->stub_cpu, -1);
    unpin(v);
}

/* A wake-up should find the best CPU. */
void affinity_block(struct platform_thread *v)
{
    unpin(v);
}

/* Before a resume of a vcpu that is not pinned or has a hint. */
void affinity_settle(struct platform_thread *v)
{
    u32 hint = atomic_exchange(&v->hint, 0);

    if (!g_affinity.on)
        return;
    if (hint & HINT_LIFTED) {
        /* The master's lift may have been overtaken by a pin of ours. */
        float_thread(v->tid);
        atomic_store(&v->stub_cpu, -1);
        atomic_store(&v->cpu, -1);
        float_self();
        v->streak = 0;
    } else if (hint & HINT_REPLACE) {
        unpin(v);
    } else if (atomic_load(&v->cpu) < 0 && ++v->streak >= PIN_AFTER) {
        pin(v, v->tid);
    }
}

/* --- the master --- */

/* Its own work with a stub: both stay on this CPU meanwhile. */
void affinity_master_begin(int tid)
{
    u32 cpu;

    if (g_affinity.on && host_getcpu(&cpu, NULL) == 0 && pin_thread(0, cpu) && tid)
        pin_thread(tid, cpu);
}

void affinity_master_end(void)
{
    if (g_affinity.on)
        float_self();
}

/* True: it is pinned and so needs more ticks. g_ptrace.lock is held. */
static bool look_after(struct platform_thread *v)
{
    u32 stops = atomic_load_explicit(&v->stops, memory_order_relaxed);
    bool computing = stops == v->seen_stops;

    v->seen_stops = stops;
    if (atomic_load(&v->cpu) < 0 && atomic_load(&v->stub_cpu) < 0) {
        v->pinned_ticks = 0;
        return false;
    }
    if (!(atomic_load(&v->flags) & VCPU_GUEST))
        return atomic_load(&v->cpu) >= 0;
    if (computing && !(atomic_load(&v->hint) & HINT_LIFTED)) {
        mutex_lock(&v->lock);
        if (v->tid) {
            atomic_fetch_or(&v->hint, HINT_LIFTED);
            float_thread(v->tid);
            float_thread(v->host_tid);
        }
        mutex_unlock(&v->lock);
        return false;
    }
    u32 n = ++v->pinned_ticks;
    if (n % REPLACE_TICKS == 0 || (n < REPLACE_TICKS && (n & (n - 1)) == 0))
        atomic_fetch_or(&v->hint, HINT_REPLACE);
    return !computing;
}

static bool look_after_all(void)
{
    struct platform_thread *v;
    bool any = false;

    mutex_lock(&g_ptrace.lock);
    list_for_each_entry (v, &g_ptrace.all_vcpus, all_link)
        any |= look_after(v);
    mutex_unlock(&g_ptrace.lock);
    return any;
}

/* ns until the master should call again; 0 = not needed. */
u64 affinity_tick(u64 now)
{
    static u64 next; /* private to the master */

    if (!atomic_load(&g_affinity.ticking))
        return 0;
    if (now < next)
        return next - now;
    next = now + TICK_NS;
    g_affinity.nidle = look_after_all() ? 0 : g_affinity.nidle + 1;
    if (g_affinity.nidle >= IDLE_TICKS) {
        /* In this order, as pin() writes cpu and then looks at ticking. */
        atomic_store(&g_affinity.ticking, false);
        if (!look_after_all())
            return 0;
        atomic_store(&g_affinity.ticking, true);
        g_affinity.nidle = 0;
    }
    return TICK_NS;
}
