/* SPDX-License-Identifier: Apache-2.0 */
/* The processors that the guest sees. */
#include "sentry/kernel/cpus.h"

#include "cvisor/compiler.h"
#include "cvisor/host.h"
#include "sentry/kernel/task.h"

#include <string.h>

#define CPUS_MAX 1024

static int g_cpus = 1;

void cpus_init(void)
{
    u64 host[CPUS_MAX / 64] = {0};
    int n = 0;
    if (host_sched_getaffinity(0, sizeof(host), host) > 0) {
        for (size_t i = 0; i < ARRAY_SIZE(host); i++)
            n += __builtin_popcountll(host[i]);
    }
    g_cpus = n > 0 ? n : 1;
}

int cpus_count(void)
{
    return g_cpus;
}

void cpus_mask(u64 mask[16])
{
    memset(mask, 0, 16 * sizeof(u64));
    for (int i = 0; i < g_cpus; i++)
        mask[i / 64] |= 1ull << (i % 64);
}

void cpus_get_allowed(struct task *t, u64 mask[16])
{
    cpus_mask(mask);
    mutex_lock(&t->res_lock);
    for (size_t i = 0; i < ARRAY_SIZE(t->cpu_mask); i++)
        mask[i] &= t->cpu_mask[i];
    mutex_unlock(&t->res_lock);
}

void cpus_set_allowed(struct task *t, const u64 mask[16])
{
    mutex_lock(&t->res_lock);
    memcpy(t->cpu_mask, mask, sizeof(t->cpu_mask));
    mutex_unlock(&t->res_lock);
}
