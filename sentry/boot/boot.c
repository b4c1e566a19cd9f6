/* SPDX-License-Identifier: Apache-2.0 */
/* From a boot_config to a running sandbox, and back when its init process has ended. */
#include "sentry/boot/boot.h"

#include "abi/linux/errno_internal.h"
#include "abi/linux/signal.h"
#include "cvisor/host.h"
#include "cvisor/kcache.h"
#include "cvisor/log.h"
#include "sentry/arch/x86_64/vdso.h"
#include "sentry/boot/boot_internal.h"
#include "sentry/fs/gofer/gofer.h"
#include "sentry/kernel/cpus.h"
#include "sentry/kernel/exit.h"
#include "sentry/kernel/fatal.h"
#include "sentry/kernel/futex.h"
#include "sentry/kernel/pidtab.h"
#include "sentry/kernel/signal.h"
#include "sentry/kernel/task_alloc.h"
#include "sentry/kernel/timer.h"
#include "sentry/kernel/uts.h"
#include "sentry/mm/memory_file.h"
#include "sentry/syscalls/strace.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define MEMORY_LIMIT_DEFAULT (64ull << 30)

/* The end of init, handed from its thread to the one that called sentry_boot_run(). */
static struct mutex g_end_lock = MUTEX_INIT(LOCK_LEAF);
static struct cond g_end_cond = COND_INIT;
static bool g_ended;
static int g_end_status;

static void boot_init_exited(int wait_status)
{
    mutex_lock(&g_end_lock);
    g_ended = true;
    g_end_status = wait_status;
    cond_broadcast(&g_end_cond);
    mutex_unlock(&g_end_lock);
}

static int g_control_fd = -1; /* set before the first guest thread runs */

/* No way on: runsc gets the reason, the namespace goes with this process. */
static void boot_fatal(const char *why)
{
    struct boot_msg m = {.type = BOOT_MSG_FAILED};
    log_error("%s", why);
    snprintf(m.text, sizeof(m.text), "%s", why);
    if (g_control_fd >= 0)
        host_send_fds(g_control_fd, &m, sizeof(m), NULL, 0);
    host_exit_group(1);
}

static int boot_wait_end(void)
{
    mutex_lock(&g_end_lock);
    while (!g_ended)
        cond_wait(&g_end_cond, &g_end_lock);
    int status = g_end_status;
    mutex_unlock(&g_end_lock);
    return status;
}

/* Without a limit of the user's: never so much that the host has to kill somebody. */
static u64 default_memory_limit(void)
{
    u64 host = host_memory_total();

    return host ? MIN(PAGE_DOWN(host - host / 8), MEMORY_LIMIT_DEFAULT) : MEMORY_LIMIT_DEFAULT;
}

int sentry_boot_platform(const struct boot_config *cfg, char *why, size_t n)
{
    struct platform_config pc = {
        .name = cfg->platform,
        .template_pidfd = -1,
        .rungs = cfg->rungs,
    };
    host_safecopy_init();
    vdso_clock_prepare();
    cpus_init();
    int err = memory_file_init(cfg->memory_limit ? cfg->memory_limit : default_memory_limit());
    if (err) {
        snprintf(why, n, "cannot make the sandbox's memory file: %s", strerror(-err));
        return err;
    }
    err = platform_select(&pc, &g_kernel_platform_ops, why, n);
    if (err == 0 && why[0]) {
        char reason[256];
        snprintf(reason, sizeof(reason), "%s", why);
        snprintf(why, n,
                 "using the %s platform, which is much slower: %s (--platform=%s accepts that)",
                 g_platform_info.name, reason, g_platform_info.name);
    }
    return err;
}

static int boot_subsystems(const struct boot_config *cfg, char *why, size_t n)
{
    char bad[64];
    if (cfg->strace) {
        int err = strace_configure(cfg->strace_syscalls, bad, sizeof(bad));
        if (err) {
            snprintf(why, n, "--strace-syscalls: there is no syscall named \"%s\"", bad);
            return err;
        }
    }
    pidtab_init();
    futex_init();
    uts_init(cfg->hostname);
    g_init_exited = boot_init_exited;
    g_control_fd = cfg->control_fd;
    g_sandbox_fatal = boot_fatal;
    g_gofer_on_death = boot_fatal;
    int err = ktimer_init_thread();
    if (!err)
        err = vdso_init();
    if (err)
        snprintf(why, n, "cannot start the kernel's clocks: %s", strerror(-err));
    return err;
}

/* Tells runsc that the program runs; without a control socket there is nobody to tell. */
static void boot_announce(const struct boot_config *cfg)
{
    struct boot_msg m = {.type = BOOT_MSG_STARTED};
    if (cfg->control_fd >= 0)
        host_send_fds(cfg->control_fd, &m, sizeof(m), NULL, 0);
}

int sentry_boot_run(const struct boot_config *cfg, char *why, size_t n)
{
    int err = boot_subsystems(cfg, why, n);
    if (err)
        return err;
    struct task *t = boot_init_task(cfg, why, n);
    if (!t)
        return -ENOMEM;
    current = t;
    err = boot_mounts(t, cfg, why, n);
    if (!err)
        err = boot_init_image(t, cfg, why, n);
    if (!err) {
        err = task_publish_init(t);
        if (err < 0)
            snprintf(why, n, "cannot make the first process: %s", strerror(-err));
    }
    current = NULL;
    if (err < 0)
        return err;
    if (cfg->control_fd >= 0)
        boot_control_start(cfg->control_fd);
    err = task_start(t);
    if (err) {
        snprintf(why, n, "cannot start the first process: %s", strerror(-err));
        return err;
    }
    boot_announce(cfg);
    return boot_wait_end();
}
