/* SPDX-License-Identifier: Apache-2.0 */
/* `runsc version`. */
#include "runsc/cmd/cmd.h"
#include "runsc/oci/spec.h"

#include <stdio.h>

#ifndef CVISOR_VERSION
#define CVISOR_VERSION "0.1.0"
#endif

static int version_run(const struct runsc_conf *conf, int argc, char **argv, struct pool *pool,
                       struct error *e)
{
    printf("runsc version " CVISOR_VERSION "\nspec: " OCI_VERSION "\n");
    return 0;
}

const struct command g_cmd_version = {
    .name = "version",
    .run = version_run,
    .usage = "",
    .summary = "print the version",
};
