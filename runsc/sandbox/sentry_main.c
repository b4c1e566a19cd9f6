/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `runsc boot`: the process of the sentry, from runsc's program just started to the guest's end. It
 * arrives as root of a new user namespace, first process of a new pid namespace, with its
 * descriptors in place (config.h). Privileges go away step by step; what needs none comes last.
 */
#include "abi/linux/fcntl.h"
#include "abi/linux/prctl.h"
#include "abi/linux/signal.h"
#include "abi/linux/socket.h"
#include "cvisor/crash.h"
#include "cvisor/host.h"
#include "cvisor/host_setup.h"
#include "cvisor/log.h"
#include "cvisor/platform.h"
#include "runsc/filter/filter.h"
#include "runsc/sandbox/config.h"
#include "runsc/sandbox/milestone.h"
#include "runsc/sandbox/privileges.h"
#include "runsc/sandbox/rootfs.h"
#include "runsc/sandbox/sandbox.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static void boot_tell(u32 type, s32 arg, const char *text)
{
    struct boot_msg m = {.type = type, .arg = arg};

    snprintf(m.text, sizeof(m.text), "%s", text);
    host_send_fds(CONFIG_FD_CONTROL, &m, sizeof(m), NULL, 0);
}

/* err: what the exit status of runsc is made from; 0 = a failure of the sandbox itself. */
static __noreturn void boot_fail(int err, const char *why)
{
    log_warn("%s", why);
    boot_tell(BOOT_MSG_FAILED, err, why);
    host_exit_group(RUNSC_EXIT_FAILURE);
}

/* Everything up to where the guest can start. */
static int boot_confine(const struct config_sentry *c, struct error *e)
{
    char why[496] = "";
    int r = privileges_follow_parent(e);

    if (r == 0)
        r = privileges_set_limits(e);
    if (r == 0)
        r = rootfs_enter_empty(e);
    if (r == 0)
        r = privileges_drop(0, e);
    if (r < 0)
        return r;
    milestone("empty root, no privileges");
    /* Forks the template: without privileges too, and before the filter forbids it. */
    r = sentry_boot_platform(&c->boot, why, sizeof(why));
    if (r < 0)
        return error_set(e, why[0] ? 0 : r, "%s", why[0] ? why : "cannot start the platform");
    if (why[0])
        boot_tell(BOOT_MSG_WARNING, 0, why);
    milestone("platform ready");
    enum filter_platform p = filter_platform_of(g_platform ? g_platform->name : NULL);
    r = filter_load(&g_filter_sentry[p][c->seccomp_log], "the sentry", e);
    if (r == 0)
        milestone("filter in place");
    return r;
}

__noreturn void sandbox_sentry_main(void)
{
    struct error e = ERROR_INIT;
    struct config_sentry c = {0};
    struct pool pool = {0};
    char why[496] = "";
    int r;

    host_prctl(LINUX_PR_SET_NAME, (u64)(uintptr_t) "runsc-sentry", 0, 0, 0);
    host_signal_ignore(LINUX_SIGPIPE);
    r = config_decode_sentry(&pool, &c, &e);
    if (r < 0) {
        log_error("%s", e.msg);
        host_exit_group(RUNSC_EXIT_FAILURE);
    }
    log_init(CONFIG_FD_LOG, c.process.log_format, c.process.log_level, "sentry");
    milestone_begin_spawned(c.process.start_ns);
    crash_init();
    r = boot_confine(&c, &e);
    if (r < 0)
        boot_fail(0, e.msg);
    r = sentry_boot_run(&c.boot, why, sizeof(why));
    if (r < 0)
        boot_fail(r, why[0] ? why : "the sandbox's kernel could not start the program");
    milestone("mounts, program loaded and run to its end");
    boot_tell(BOOT_MSG_EXITED, r, "");
    host_exit_group(0);
}
