/* SPDX-License-Identifier: Apache-2.0 */
/* `runsc state`. */
#include "runsc/cmd/cmd.h"
#include "runsc/container/state.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static int state_run(const struct runsc_conf *conf, int argc, char **argv, struct pool *pool,
                     struct error *e)
{
    struct container_state s;
    char *text;
    int r;

    if (argc != 1)
        return error_set(e, 0, "state: it takes one argument, the container's id");
    r = state_load(conf, argv[0], pool, &s, e);
    if (r < 0)
        return r;
    text = state_to_json(&s);
    if (!text)
        return error_set(e, ENOMEM, "cannot print the state");
    puts(text);
    free(text);
    return 0;
}

const struct command g_cmd_state = {
    .name = "state",
    .run = state_run,
    .usage = "ID",
    .summary = "print the OCI state of a container",
};
