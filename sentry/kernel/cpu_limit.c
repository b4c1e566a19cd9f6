/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RLIMIT_CPU. A timer looks at the process when it could have used up its limit at the earliest (all
 * its threads running since the last look).
 */
#include "sentry/kernel/cpu_limit.h"

#include "cvisor/host.h"
#include "cvisor/kcache.h"
#include "sentry/kernel/cpus.h"
#include "sentry/kernel/signal.h"
#include "sentry/kernel/timer.h"

#define LOOK_MIN_NS (10ull * 1000000ull)

struct cpu_limit {
    struct ktimer kt;
    u64 next_ns; /* of CPU time: when the next SIGXCPU is due; timer callback only */
};
KCACHE(cpu_limit);

static struct linux_rlimit cpu_limit_get(struct thread_group *g)
{
    mutex_lock(&g->rlimit_lock);
    struct linux_rlimit r = g->rlimits[LINUX_RLIMIT_CPU];
    mutex_unlock(&g->rlimit_lock);
    return r;
}

static u64 secs_to_ns(u64 secs)
{
    return secs > UINT64_MAX / (u64)NSEC_PER_SEC ? UINT64_MAX : secs * (u64)NSEC_PER_SEC;
}

static void cpu_limit_look(struct ktimer *kt)
{
    struct cpu_limit *cl = container_of(kt, struct cpu_limit, kt);
    struct thread_group *g = kt->arg;
    struct linux_rlimit r = cpu_limit_get(g);
    u64 user, sys;
    if (r.rlim_cur == LINUX_RLIM_INFINITY && r.rlim_max == LINUX_RLIM_INFINITY)
        return;
    group_cpu_time(g, &user, &sys);
    u64 used = user + sys, hard = secs_to_ns(r.rlim_max);
    if (used >= hard) {
        signal_send_group(g, LINUX_SIGKILL, NULL);
        return;
    }
    u64 soft = MAX(secs_to_ns(r.rlim_cur), cl->next_ns);
    if (used >= soft) {
        signal_send_group(g, LINUX_SIGXCPU, NULL);
        soft = used + (u64)NSEC_PER_SEC;
        cl->next_ns = soft;
    }
    u64 left = (MIN(soft, hard) - used) / (u64)cpus_count();
    ktimer_arm(kt, host_now_mono() + MAX(left, LOOK_MIN_NS));
}

void cpu_limit_changed(struct thread_group *g)
{
    struct linux_rlimit r = cpu_limit_get(g);
    if (r.rlim_cur == LINUX_RLIM_INFINITY && r.rlim_max == LINUX_RLIM_INFINITY)
        return;
    /* A group that has ended has done cpu_limit_exit(), or is about to. */
    rwlock_rdlock(&g_tasks_lock);
    struct cpu_limit *cl = g->cpu_limit;
    if (!cl && !g->zombie && (cl = kcache_alloc(cpu_limit))) {
        struct cpu_limit *expect = NULL;
        ktimer_init(&cl->kt, cpu_limit_look, g);
        if (!atomic_compare_exchange_strong(&g->cpu_limit, &expect, cl)) {
            kcache_free(cpu_limit, cl);
            cl = expect;
        }
    }
    /* Without memory the limit is not watched. */
    if (cl && !g->zombie)
        ktimer_arm(&cl->kt, host_now_mono() + LOOK_MIN_NS);
    rwlock_rdunlock(&g_tasks_lock);
}

void cpu_limit_exit(struct thread_group *g)
{
    struct cpu_limit *cl = atomic_exchange(&g->cpu_limit, NULL);
    if (!cl)
        return;
    ktimer_cancel(&cl->kt);
    kcache_free(cpu_limit, cl);
}
