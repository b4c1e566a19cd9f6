/* SPDX-License-Identifier: Apache-2.0 */
/* The global flags: what stands between "runsc" and the command. */
#include "runsc/cmd/cmd.h"

/* What has no flag keeps this value. */
struct global_flags g_globals = {
    .conf.log_format = "text",
    .conf.network = "none",
    .conf.overlay2 = "none",
    .conf.file_access = "exclusive",
    .conf.debug_log_fd = -1,
};

const struct flag g_global_flags[] = {
    {"root", FLAG_STRING, &g_globals.conf.root, "DIR",
     "state files (default: /var/run/runsc, or $XDG_RUNTIME_DIR/runsc)", NULL},
    {"platform", FLAG_STRING, &g_globals.conf.platform, "NAME",
     "how guest code runs (default: the best; see help platforms)", NULL},
    {"systrap-rungs", FLAG_STRING, &g_globals.conf.systrap_rungs, "LIST",
     "systrap: only these ways of calling, of answer,spin,notify,trap (default: what works)", NULL},
    {"rootless", FLAG_BOOL, &g_globals.conf.rootless, NULL, "work without root privileges", NULL},
    {"network", FLAG_STRING, &g_globals.conf.network, NULL, "the sandbox's network", "none"},
    {"overlay2", FLAG_STRING, &g_globals.conf.overlay2, NULL,
     "run: keep changes of the root, or of all mounts, in memory", "none|root:memory|all:memory"},
    {"file-access", FLAG_STRING, &g_globals.conf.file_access, NULL,
     "run: nobody else changes the root while it runs", "exclusive"},
    {"ignore-cgroups", FLAG_BOOL, &g_globals.conf.ignore_cgroups, NULL,
     "do not mention that cgroups are not managed", NULL},
    {"strace", FLAG_BOOL, &g_globals.conf.strace, NULL, "log the program's syscalls", NULL},
    {"strace-syscalls", FLAG_STRING, &g_globals.conf.strace_syscalls, "NAMES",
     "only these, separated by commas", NULL},
    {"debug", FLAG_BOOL, &g_globals.conf.debug, NULL,
     "log everything, with a timeline of the start", NULL},
    {"debug-log", FLAG_STRING, &g_globals.conf.debug_log, "FILE",
     "where logs go (default: standard error); a folder if it ends in /", NULL},
    {"log", FLAG_STRING, &g_globals.conf.log, "FILE", "errors go here too", NULL},
    {"log-format", FLAG_STRING, &g_globals.conf.log_format, NULL, "of --log and --debug-log",
     "text|json"},
    {"seccomp-log", FLAG_BOOL, &g_globals.conf.seccomp_log, NULL,
     "for debugging: the host logs calls that the sentry's filter would forbid", NULL},
    {"version", FLAG_BOOL, &g_globals.version, NULL, "print the version", NULL},
    {0},
};
