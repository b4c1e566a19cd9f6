/* SPDX-License-Identifier: Apache-2.0 */
/* The table of commands. */
#include "runsc/cmd/cmd.h"

#include <string.h>

const struct command *const g_commands[] = {
    &g_cmd_do,     &g_cmd_run,  &g_cmd_spec,    &g_cmd_list, &g_cmd_state, &g_cmd_kill,
    &g_cmd_delete, &g_cmd_help, &g_cmd_version, &g_cmd_boot, &g_cmd_gofer, NULL,
};

const struct command *command_find(const char *name)
{
    for (size_t i = 0; g_commands[i]; i++) {
        if (strcmp(g_commands[i]->name, name) == 0)
            return g_commands[i];
    }
    return NULL;
}
