/* SPDX-License-Identifier: Apache-2.0 */
/* `runsc gofer`: the file server's process, started by runsc itself. */
#include "runsc/cmd/cmd.h"
#include "runsc/sandbox/sandbox.h"

static int gofer_run(const struct runsc_conf *conf, int argc, char **argv, struct pool *pool,
                     struct error *e)
{
    sandbox_gofer_main();
}

const struct command g_cmd_gofer = {
    .name = "gofer",
    .run = gofer_run,
    .usage = "ID",
    .summary = "the sandbox's file server (started by runsc itself)",
    .hidden = true,
};
