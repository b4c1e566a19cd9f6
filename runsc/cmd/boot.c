/* SPDX-License-Identifier: Apache-2.0 */
/* `runsc boot`: the sentry's process, started by runsc itself. */
#include "runsc/cmd/cmd.h"
#include "runsc/sandbox/sandbox.h"

static int boot_run(const struct runsc_conf *conf, int argc, char **argv, struct pool *pool,
                    struct error *e)
{
    sandbox_sentry_main();
}

const struct command g_cmd_boot = {
    .name = "boot",
    .run = boot_run,
    .usage = "ID",
    .summary = "the sandbox's kernel (started by runsc itself)",
    .hidden = true,
};
