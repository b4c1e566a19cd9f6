/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `runsc gofer`: the process of the file server, from runsc's program just started to its end. It
 * takes hold of the exported trees, loses sight of everything else, and keeps only the capabilities
 * that files need.
 */
#include "abi/linux/capability.h"
#include "abi/linux/fcntl.h"
#include "abi/linux/prctl.h"
#include "abi/linux/signal.h"
#include "cvisor/crash.h"
#include "cvisor/host.h"
#include "cvisor/host_setup.h"
#include "cvisor/log.h"
#include "runsc/filter/filter.h"
#include "runsc/gofer/gofer.h"
#include "runsc/sandbox/config.h"
#include "runsc/sandbox/milestone.h"
#include "runsc/sandbox/privileges.h"
#include "runsc/sandbox/rootfs.h"
#include "runsc/sandbox/sandbox.h"

#include <errno.h>
#include <stdio.h>

/* Any file of a read-only tree can be read, and no more. */
#define CAPS_READ LINUX_CAP_MASK(LINUX_CAP_DAC_READ_SEARCH)
/* The guest's root does with a writable tree what root does, but makes no device nodes. */
#define CAPS_WRITE                                                                                 \
    (CAPS_READ | LINUX_CAP_MASK(LINUX_CAP_CHOWN) | LINUX_CAP_MASK(LINUX_CAP_DAC_OVERRIDE) |        \
     LINUX_CAP_MASK(LINUX_CAP_FOWNER) | LINUX_CAP_MASK(LINUX_CAP_FSETID))

static __noreturn void gofer_fail(const char *why)
{
    struct boot_msg m = {.type = BOOT_MSG_FAILED};

    log_warn("%s", why);
    snprintf(m.text, sizeof(m.text), "%s", why);
    host_send_fds(CONFIG_FD_CONTROL, &m, sizeof(m), NULL, 0);
    host_exit_group(RUNSC_EXIT_FAILURE);
}

/* Takes hold of the trees. All are opened before "/" changes. */
static int gofer_open_exports(const struct config_gofer *c, struct gofer_export *out,
                              struct error *e)
{
    int r = c->process.private_mounts ? rootfs_make_private(e) : 0;

    if (r == 0)
        r = gofer_prepare(e); /* while /proc is visible */
    if (r == 0)
        r = rootfs_hide_kernel_fs(e);
    for (size_t i = 0; i < c->nexports && r >= 0; i++) {
        const struct config_export *x = &c->exports[i];

        r = rootfs_open_export(x, e);
        out[i] = (struct gofer_export){
            .sock = x->sock,
            .root_fd = r,
            .readonly = x->readonly,
            .donate_fds = true,
        };
    }
    return r < 0 ? r : 0;
}

static int gofer_confine(const struct config_gofer *c, struct gofer_export *exports,
                         struct error *e)
{
    u64 caps = CAPS_READ;
    int r = privileges_follow_parent(e);

    if (r == 0)
        r = privileges_set_limits(e);
    if (r == 0)
        r = gofer_open_exports(c, exports, e);
    if (r == 0)
        r = rootfs_enter_empty(e);
    for (size_t i = 0; i < c->nexports; i++) {
        if (!c->exports[i].readonly)
            caps = CAPS_WRITE;
    }
    if (r == 0)
        r = privileges_drop(caps, e);
    if (r == 0)
        r = filter_load(&g_filter_gofer, "the gofer", e);
    return r;
}

__noreturn void sandbox_gofer_main(void)
{
    struct gofer_export *exports;
    struct error e = ERROR_INIT;
    struct config_gofer c = {0};
    struct pool pool = {0};
    int r;

    host_prctl(LINUX_PR_SET_NAME, (u64)(uintptr_t) "runsc-gofer", 0, 0, 0);
    host_signal_ignore(LINUX_SIGPIPE);
    r = config_decode_gofer(&pool, &c, &e);
    if (r < 0) {
        log_error("%s", e.msg);
        host_exit_group(RUNSC_EXIT_FAILURE);
    }
    log_init(CONFIG_FD_LOG, c.process.log_format, c.process.log_level, "gofer");
    milestone_begin_spawned(c.process.start_ns);
    crash_init();
    exports = pool_calloc(&pool, c.nexports, sizeof(*exports));
    r = gofer_confine(&c, exports, &e);
    if (r < 0)
        gofer_fail(e.msg);
    milestone("trees, empty root, no privileges, filter: serving");
    r = gofer_serve(exports, c.nexports);
    if (r < 0) {
        error_set(&e, r, "the file server cannot go on");
        gofer_fail(e.msg);
    }
    host_exit_group(0);
}
