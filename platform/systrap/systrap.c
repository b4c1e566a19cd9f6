/* SPDX-License-Identifier: Apache-2.0 */
/* The backend's table, probe, init and shutdown. */
#include "platform/systrap/systrap.h"

#include "cvisor/host.h"
#include "cvisor/host_stub.h"
#include "cvisor/log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* For notifications. 6.6 has synchronous wake-ups; since 6.11 a listener says when its thread has
 * ended. All else is there since FSGSBASE is, which has a flag of its own. */
#define KERNEL_MIN_NOTIFY (6 << 8 | 11)

struct systrap_global g_systrap;

/* All else, ptrace too, is found out by making the first stub: a process less at each start. */
static int systrap_probe(char *why, size_t n)
{
    if (!host_has_fsgsbase()) {
        snprintf(why, n, "the host does not offer FSGSBASE (Linux 5.9 and a processor of 2012)");
        return -ENOSYS;
    }
    return 0;
}

static bool g_may_trap;       /* instead of notifications */
static const char *g_because; /* why these rungs */

/* The rungs to try; `asked`: 0 = all that work. Notifications are better than signals. */
static int choose_rungs(u32 asked)
{
    bool old = host_kernel_version() < KERNEL_MIN_NOTIFY;
    bool any = !(asked & (RUNG_NOTIFY | RUNG_TRAP));
    u32 rungs = asked ? asked & (RUNG_ANSWER | RUNG_SPIN) : RUNG_ANSWER | RUNG_SPIN;

    g_may_trap = any || (asked & RUNG_TRAP);
    g_because = asked ? "asked for" : "all that work";
    if (rungs)
        rungs |= RUNG_PATCH;
    if ((any || (asked & RUNG_NOTIFY)) && !old)
        rungs |= RUNG_NOTIFY;
    else if (g_may_trap)
        rungs |= RUNG_TRAP;
    if ((any || (asked & RUNG_NOTIFY)) && old) {
        g_because = "the host kernel is older than Linux 6.11";
        if (!g_may_trap)
            return -ENOSYS;
    }
    g_systrap.rungs = rungs;
    return 0;
}

bool st_trap_instead(int err)
{
    if (!g_may_trap || (err != -EBUSY && err != -EINVAL && err != -ENOSYS))
        return false;
    g_because = err == -EBUSY ? "a seccomp listener above this process leaves no room for ours"
                              : "the host has no seccomp notifications that serve";
    return true;
}

static void log_rungs(void)
{
    u32 rungs = g_systrap.rungs;

    log_debug("systrap: rungs: %s%s%s (%s)", rungs & RUNG_ANSWER ? "answer, " : "",
              rungs & RUNG_SPIN ? "spin, " : "", rungs & RUNG_TRAP ? "trap" : "notify", g_because);
}

static int systrap_init(const struct platform_config *cfg, const struct platform_kernel_ops *kops,
                        struct platform_info *info)
{
    int err;

    g_systrap.kops = kops;
    g_systrap.sentry_pid = host_getpid();
    err = choose_rungs(cfg->rungs);
    if (err < 0)
        return err;
    g_systrap.low = true;
    mutex_init(&g_systrap.lock, LOCK_PLATFORM);
    list_init(&g_systrap.spares);
    list_init(&g_systrap.calls);
    list_init(&g_systrap.vcpus);

    err = host_signal_no_child_stops();
    if (err == 0)
        err = patch_init();
    if (err == 0)
        err = st_template_reserve();
    if (err == 0)
        err = st_master_start(info);
    if (err < 0)
        return err;
    place_init();
    log_rungs();
    info->name = "systrap";
    info->vm_start = SYSTRAP_VM_START;
    info->vm_end = g_systrap.region;
    info->reports_access = true;
    return 0;
}

static void systrap_shutdown(void)
{
    struct master_call call = {.type = CALL_SHUTDOWN};

    if (!atomic_exchange(&g_systrap.down, true))
        st_master_call(&call);
}

/* A blocked vcpu keeps its host thread: there is no pool to refill. Its stub need not spin. */
static void systrap_about_to_block(struct platform_thread *v)
{
    if (v->stub)
        slot_block(v->stub);
    spin_block(v);
}

extern const struct platform_ops g_platform_systrap;
const struct platform_ops g_platform_systrap = {
    .name = "systrap",
    .probe = systrap_probe,
    .init = systrap_init,
    .shutdown = systrap_shutdown,
    .as_create = systrap_as_create,
    .as_get = systrap_as_get,
    .as_put = systrap_as_put,
    .as_retire = systrap_as_retire,
    .as_apply = systrap_as_apply,
    .as_patch = systrap_as_patch,
    .thread_create = systrap_thread_create,
    .thread_interrupt = systrap_thread_interrupt,
    .thread_answer = systrap_thread_answer,
    .thread_switch_as = systrap_thread_switch_as,
    .regs_get = systrap_regs_get,
    .regs_set = systrap_regs_set,
    .fp_get = systrap_fp_get,
    .fp_set = systrap_fp_set,
    .single_step = systrap_single_step,
    .about_to_block = systrap_about_to_block,
    .done_blocking = spin_unblock,
};
