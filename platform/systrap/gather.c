/* SPDX-License-Identifier: Apache-2.0 */
/*
 * While the first stub is made the master and the processes that it drives stay on one CPU: each step
 * is a stop and a resume, of which only one side runs at a time, and to wake another CPU that sleeps
 * takes many times as long as a switch.
 */
#include "cvisor/host.h"
#include "platform/systrap/systrap.h"

#include <string.h>

#define MASK_BYTES 1024 /* 8192 CPUs, what Linux can be configured for */

/* Private to the master thread. */
static struct {
    u64 all[MASK_BYTES / 8]; /* what we may use */
    size_t len;              /* 0: not gathered */
} g_gather;

/* What is forked and cloned from now on stays here, too. */
void gather_begin(void)
{
    u64 here[MASK_BYTES / 8];
    u32 cpu;
    int r = host_sched_getaffinity(0, sizeof(g_gather.all), g_gather.all);

    if (r <= 0 || host_getcpu(&cpu, NULL) < 0 || cpu >= MASK_BYTES * 8)
        return;
    memset(here, 0, sizeof(here));
    here[cpu / 64] = 1ull << (cpu % 64);
    if (host_sched_setaffinity(0, (size_t)r, here) == 0)
        g_gather.len = (size_t)r;
}

static void scatter(int tid)
{
    if (tid >= 0)
        host_sched_setaffinity(tid, g_gather.len, g_gather.all);
}

/* Everywhere again, all that there is. What has ended meanwhile does not matter. */
void gather_end(void)
{
    if (!g_gather.len)
        return;
    if (g_systrap.template_pid)
        scatter(g_systrap.template_pid);
    for (u32 i = 0; i < g_systrap.nslots; i++) {
        struct platform_as *as = g_systrap.slots[i];
        if (!as || !as->pid)
            continue;
        scatter(as->pid);
        if (as->mem_tid)
            scatter(as->mem_tid);
        for (struct stub_thread *s = atomic_load(&as->all); s; s = s->next)
            scatter(s->tid);
    }
    scatter(0);
    g_gather.len = 0;
}
