/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The commands of runsc. Each lives in a file of its name, defines one struct command and stands in
 * the table of commands.c, which drives dispatch and help.
 */
#ifndef RUNSC_CMD_CMD_H
#define RUNSC_CMD_CMD_H

#include "runsc/cmd/flags.h"
#include "runsc/conf.h"

struct command {
    const char *name;
    /* argv holds what follows the command's flags. Returns the exit status of runsc, or -errno with
     * a message in e. Everything allocated in the pool lives until runsc ends. */
    int (*run)(const struct runsc_conf *conf, int argc, char **argv, struct pool *pool,
               struct error *e);
    const char *usage;   /* what follows "runsc NAME" */
    const char *summary; /* one line */
    const char *help;    /* paragraphs, or NULL */
    const struct flag *flags;
    int failure; /* exit status when run() fails; 0 = 1 */
    bool hidden; /* started by runsc itself */
};

extern const struct command *const g_commands[]; /* NULL-terminated */

/* Set by main() from g_global_flags. */
struct global_flags {
    struct runsc_conf conf;
    bool version; /* --version */
};
extern struct global_flags g_globals;
extern const struct flag g_global_flags[];

const struct command *command_find(const char *name);

/* --- shared by commands: common.c --- */
/* For commands that start a sandbox: root, or --rootless. */
int command_check_privileges(const struct runsc_conf *conf, const char *name, struct error *e);
/* Absolute path of a bundle; NULL = the current folder. */
int command_bundle(const char *given, struct pool *pool, const char **out, struct error *e);
/* The message on standard error and in --log. */
void command_report(const struct runsc_conf *conf, const struct error *e);
/* As shells have it: the status, or 128 + signal. */
int command_exit_status(int wait_status);
/* kill.c: to the program of a running container. */
int command_kill(const struct runsc_conf *conf, const char *id, int sig, struct pool *pool,
                 struct error *e);

extern const struct command g_cmd_boot, g_cmd_delete, g_cmd_do, g_cmd_gofer, g_cmd_help, g_cmd_kill,
    g_cmd_list, g_cmd_run, g_cmd_spec, g_cmd_state, g_cmd_version;

#endif
