/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A sandbox as runsc sees it: what to start (struct sandbox_plan), and running it to its end.
 * runsc itself stays outside, forwards signals and reports how it ended.
 */
#ifndef RUNSC_SANDBOX_SANDBOX_H
#define RUNSC_SANDBOX_SANDBOX_H

#include "cvisor/error.h"
#include "runsc/conf.h"
#include "runsc/pool.h"
#include "sentry/boot/boot.h"

struct sandbox_mount {
    struct boot_mount boot; /* gofer_fd is set when the sandbox starts */
    const char *source;     /* GOFER: absolute host path */
    bool source_readonly;   /* GOFER: the host tree itself must not change */
    bool recursive;         /* GOFER: with the mounts below it */
};

struct sandbox_plan {
    const char *id;
    struct boot_process init;
    const char *hostname;
    struct sandbox_mount *mounts; /* the first is "/"; parents before their children */
    size_t nmounts;
    u64 memory_limit; /* bytes, 0 = the sentry's default */
};

/* Facts for the state file, once both processes exist. */
struct sandbox_info {
    int sentry_pid, gofer_pid;
};

/*
 * Starts the sandbox and runs it to its end. `started` (may be NULL) is called once both processes
 * run. 0 with the wait status of the program in *status. -errno with a message when the sandbox
 * failed: *status is then the exit status for people: 127 (no such program), 126 (not executable)
 * or RUNSC_EXIT_FAILURE.
 */
int sandbox_run(const struct runsc_conf *conf, const struct sandbox_plan *plan, struct pool *pool,
                void (*started)(void *arg, const struct sandbox_info *info), void *arg, int *status,
                struct error *e);

/* The hidden commands: they never return. */
__noreturn void sandbox_sentry_main(void);
__noreturn void sandbox_gofer_main(void);

#endif
