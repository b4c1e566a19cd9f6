/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Flags of runsc and of its commands: `--name`, `--name=value`, `--name value`, with one or two
 * dashes, up to the first argument that is not a flag, or `--`.
 */
#ifndef RUNSC_CMD_FLAGS_H
#define RUNSC_CMD_FLAGS_H

#include "cvisor/error.h"
#include "runsc/pool.h"

enum flag_kind {
    FLAG_BOOL,    /* dest: bool; --name or --name=true|false */
    FLAG_STRING,  /* dest: const char * */
    FLAG_STRINGS, /* dest: struct flag_list; may be given more than once */
};

struct flag_list {
    const char **items;
    size_t count;
};

struct flag {
    const char *name; /* NULL ends a table */
    enum flag_kind kind;
    void *dest;
    const char *arg;     /* name of the value in the help, e.g. "DIR" */
    const char *help;    /* one line */
    const char *choices; /* "a|b|c": the only values, or NULL */
};

/* Index of the first argument that is not a flag. argv[0] is the first to be looked at. `who` is
 * the command that lists them, for messages ("runsc help do"). -EINVAL with a message. */
int flags_parse(const struct flag *flags, int argc, char **argv, const char *who, struct pool *pool,
                struct error *e);

/* The help lines of a table, on standard output. */
void flags_print(const struct flag *flags);

#endif
