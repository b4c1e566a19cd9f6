/* SPDX-License-Identifier: Apache-2.0 */
/* The global flags of runsc, as given before the command. Filled by main(), then read-only. */
#ifndef RUNSC_CONF_H
#define RUNSC_CONF_H

#include "cvisor/compiler.h"

/* Exit status of `do` and `run` when runsc itself fails, as env(1) and timeout(1) have it. */
#define RUNSC_EXIT_FAILURE 125

struct runsc_conf {
    const char *root;          /* folder of the state files; NULL = the default */
    const char *platform;      /* NULL = the best that works */
    const char *systrap_rungs; /* NULL = all that work */
    u32 rungs;                 /* the same, enum platform_rung */
    bool debug;
    const char *debug_log; /* file, or folder when it ends in '/' */
    const char *log;       /* errors go here too */
    const char *log_format;
    bool strace;
    const char *strace_syscalls;
    const char *network;
    bool rootless;
    bool ignore_cgroups;
    const char *overlay2;
    const char *file_access;
    bool seccomp_log; /* report calls outside the sentry's allow-list instead of killing it */

    u64 start_ns;         /* monotonic time at which runsc started */
    bool stdio_closed[3]; /* what the caller had closed; /dev/null stands there now */
    int debug_log_fd;     /* -1 = none */
};

#endif
