/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keeps vcpus where they are. A guest thread, its vcpu and the gofer take turns, and so do processes that
 * wait for each other; woken on whatever CPU is idle, each turn is an interrupt to a CPU that sleeps,
 * which costs a guest of a hypervisor more than the turn itself. So the vcpu of a guest thread that
 * makes calls and runs alone is pinned; its stub thread follows by itself, the gofer if it is told
 * (cv_cpu_hint). It floats
 *  - while other guest threads run too, except for a moment, as between a fork and a wait;
 *  - for a while every now and then: if the CPU has other work, the host's balancing finds another.
 */
#include "cvisor/host.h"
#include "cvisor/lock.h"
#include "platform/systrap/systrap.h"

#define PIN_AFTER 8                        /* events of a thread that floats */
#define PIN_NS (64ull * NSEC_PER_MSEC)     /* until it floats again */
#define FLOAT_NS (8ull * NSEC_PER_MSEC)    /* at least */
#define CROWD_NS (1500ull * NSEC_PER_USEC) /* that others may run too */

/* Where threads were pinned last: those that take turns gather there. */
static struct {
    atomic_uint cpu;
    _Atomic u64 since; /* 0: never */
} g_home;

static void float_thread(int tid)
{
    size_t len;
    const u64 *all = spin_cpus(&len);

    host_sched_setaffinity(tid, len, all);
}

static void float_self(void)
{
    float_thread(0);
}

static bool pin_thread(int tid, u32 cpu)
{
    u64 mask[SYSTRAP_CPU_WORDS] = {0};
    size_t len;

    spin_cpus(&len);
    if (cpu >= len * 8)
        return false;
    mask[cpu / 64] = 1ull << (cpu % 64);
    return host_sched_setaffinity(tid, len, mask) == 0;
}

void place_init(void)
{
    if (spin_ncpus() > 1)
        cv_thread_hook = float_self; /* threads inherit the mask of their creator */
}

void place_hint(struct platform_thread *v)
{
    cv_cpu_hint = v->place.pinned && !v->spin.on ? v->place.cpu + 1 : 0;
}

static void float_again(struct place *p, u64 now)
{
    float_self();
    p->pinned = false;
    p->since = now;
    p->events = 0;
}

/* Here, or where others are; after its time afloat it has come to a better place. */
static void pin_self(struct place *p, u64 now)
{
    u64 since = atomic_load_explicit(&g_home.since, memory_order_relaxed);

    p->events = 0;
    if (!p->floated && since && now - since < spin_ticks(PIN_NS))
        p->cpu = atomic_load_explicit(&g_home.cpu, memory_order_relaxed);
    else if (host_getcpu(&p->cpu, NULL) < 0)
        return;
    p->floated = false;
    if (!pin_thread(0, p->cpu))
        return;
    atomic_store_explicit(&g_home.cpu, p->cpu, memory_order_relaxed);
    atomic_store_explicit(&g_home.since, now, memory_order_relaxed);
    p->pinned = true;
    p->since = now;
    p->crowd = 0;
}

void place_event(struct platform_thread *v)
{
    struct place *p = &v->place;

    if (spin_ncpus() < 2)
        return;
    bool crowd = spin_busy() > 1;
    u64 now = __builtin_ia32_rdtsc();
    if (!p->pinned) {
        p->events = crowd ? 0 : p->events + 1;
        if (p->events >= PIN_AFTER && now > p->since + spin_ticks(p->floated ? FLOAT_NS : 0))
            pin_self(p, now);
        place_hint(v);
        return;
    }
    if (!crowd)
        p->crowd = 0;
    else if (p->crowd == 0)
        p->crowd = now;
    p->floated = now - p->since > spin_ticks(PIN_NS);
    if (p->floated || (crowd && now - p->crowd > spin_ticks(CROWD_NS)))
        float_again(p, now);
    place_hint(v);
}

void place_start(struct platform_thread *v)
{
    struct platform_thread *by = t_systrap_vcpu;
    struct place *p = &v->place;
    int tid = atomic_load(&v->host_tid);

    if (!tid) /* it has yet to be born, and will float */
        return;
    if (!by || !by->place.pinned) {
        if (p->pinned)
            float_thread(tid);
        p->pinned = false;
    } else if (!p->pinned || p->cpu != by->place.cpu) {
        p->pinned = pin_thread(tid, by->place.cpu);
        p->cpu = by->place.cpu;
    }
    p->since = __builtin_ia32_rdtsc();
    p->crowd = 0;
    p->events = 0;
    p->floated = false;
}
