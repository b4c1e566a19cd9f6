/* SPDX-License-Identifier: Apache-2.0 */
/* `runsc list`. */
#include "runsc/cmd/cmd.h"
#include "runsc/container/state.h"

#include <stdio.h>

static struct {
    bool quiet;
} g_opts;

static const struct flag g_flags[] = {
    {"quiet", FLAG_BOOL, &g_opts.quiet, NULL, "ids only", NULL},
    {0},
};

static int list_run(const struct runsc_conf *conf, int argc, char **argv, struct pool *pool,
                    struct error *e)
{
    const char *const *ids;
    int r = state_ids(conf, pool, &ids, e);

    if (r < 0)
        return r;
    if (!g_opts.quiet)
        printf("%-24s %-8s %-8s %s\n", "ID", "PID", "STATUS", "BUNDLE");
    for (; *ids; ids++) {
        struct error ignored = ERROR_INIT;
        struct container_state s;

        if (state_load(conf, *ids, pool, &s, &ignored) < 0)
            continue; /* it ends just now, or starts */
        if (g_opts.quiet)
            printf("%s\n", s.id);
        else
            printf("%-24s %-8d %-8s %s\n", s.id, s.running ? s.sentry_pid : 0,
                   s.running ? "running" : "stopped", s.bundle);
    }
    return 0;
}

const struct command g_cmd_list = {
    .name = "list",
    .run = list_run,
    .usage = "[FLAGS]",
    .summary = "list the containers of `runsc run`",
    .flags = g_flags,
};
