/* SPDX-License-Identifier: Apache-2.0 */
/* `runsc delete`. */
#include "abi/linux/signal.h"
#include "cvisor/host_setup.h"
#include "runsc/cmd/cmd.h"
#include "runsc/container/state.h"

#include <errno.h>

static struct {
    bool force;
} g_opts;

static const struct flag g_flags[] = {
    {"force", FLAG_BOOL, &g_opts.force, NULL, "end the container first if it still runs", NULL},
    {0},
};

static int delete_run(const struct runsc_conf *conf, int argc, char **argv, struct pool *pool,
                      struct error *e)
{
    int r;

    if (argc != 1)
        return error_set(e, 0, "delete: it takes one argument, the container's id");
    r = state_delete(conf, argv[0], pool, e);
    if (r != -EBUSY || !g_opts.force)
        return r;
    r = command_kill(conf, argv[0], LINUX_SIGKILL, pool, e);
    if (r < 0)
        return r;
    /* The lock goes with the process. */
    for (int i = 0; i < 100; i++) {
        r = state_delete(conf, argv[0], pool, e);
        if (r != -EBUSY)
            break;
        host_sleep_ms(10);
    }
    return r;
}

const struct command g_cmd_delete = {
    .name = "delete",
    .run = delete_run,
    .usage = "[FLAGS] ID",
    .summary = "remove what an ended container left behind",
    .help = "A container that ends by itself leaves nothing; one whose runsc was killed does.",
    .flags = g_flags,
};
