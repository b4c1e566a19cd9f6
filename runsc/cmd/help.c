/* SPDX-License-Identifier: Apache-2.0 */
/* `runsc help`: from the table of commands, the syscall table and the platforms. */
#include "cvisor/platform.h"
#include "runsc/cmd/cmd.h"
#include "sentry/syscalls/table.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static void help_overview(void)
{
    printf("runsc runs programs in a sandbox with a kernel of its own.\n\n"
           "Usage: runsc [FLAGS] COMMAND [ARGUMENTS]\n\n"
           "For example: runsc do ls -l\n\nCommands:\n");
    for (size_t i = 0; g_commands[i]; i++) {
        if (!g_commands[i]->hidden)
            printf("  %-10s %s\n", g_commands[i]->name, g_commands[i]->summary);
    }
    printf("\nFlags:\n");
    flags_print(g_global_flags);
    printf("\nMore: runsc help COMMAND, runsc help syscalls, runsc help platforms\n");
}

static void help_command(const struct command *c)
{
    printf("Usage: runsc [FLAGS] %s %s\n\n%c%s.\n", c->name, c->usage,
           c->summary[0] >= 'a' ? c->summary[0] - 'a' + 'A' : c->summary[0], c->summary + 1);
    if (c->help)
        printf("\n%s\n", c->help);
    if (c->flags && c->flags->name) {
        printf("\nFlags of %s:\n", c->name);
        flags_print(c->flags);
    }
}

static void help_syscalls(void)
{
    unsigned int count[3] = {0};

    for (size_t nr = 0; nr < SYSCALL_COUNT; nr++) {
        const struct syscall_desc *d = &g_syscall_table[nr];
        enum syscall_level level = d->handler ? (enum syscall_level)d->level : SYSCALL_NONE;

        if (!d->name)
            continue;
        count[level]++;
        printf("%3zu  %-24s %-8s%s%s\n", nr, d->name, syscall_level_name(level),
               d->note && *d->note ? " " : "", d->note ? d->note : "");
    }
    printf("\n%u full, %u partial, %u none\n", count[SYSCALL_FULL], count[SYSCALL_PARTIAL],
           count[SYSCALL_NONE]);
}

static void help_platforms(void)
{
    for (size_t i = 0; g_platform_backends[i]; i++) {
        char why[256] = "";
        int r = g_platform_backends[i]->probe(why, sizeof(why));

        printf("%-10s %s%s%s\n", g_platform_backends[i]->name,
               r == 0 ? "works here" : "does not work here", r < 0 && why[0] ? ": " : "",
               r < 0 ? why : "");
    }
}

static int help_run(const struct runsc_conf *conf, int argc, char **argv, struct pool *pool,
                    struct error *e)
{
    const struct command *c;

    if (argc == 0) {
        help_overview();
        return 0;
    }
    if (strcmp(argv[0], "syscalls") == 0) {
        help_syscalls();
        return 0;
    }
    if (strcmp(argv[0], "platforms") == 0) {
        help_platforms();
        return 0;
    }
    c = command_find(argv[0]);
    if (!c)
        return error_set(e, 0, "help: there is no command %s (`runsc help` lists them)", argv[0]);
    help_command(c);
    return 0;
}

const struct command g_cmd_help = {
    .name = "help",
    .run = help_run,
    .usage = "[COMMAND|syscalls|platforms]",
    .summary = "explain a command, list syscalls or platforms",
};
