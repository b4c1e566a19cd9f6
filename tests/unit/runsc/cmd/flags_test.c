/* SPDX-License-Identifier: Apache-2.0 */
/* The flag parser and the table of commands. */
#include "runsc/cmd/cmd.h"

#include <criterion/criterion.h>
#include <string.h>

static struct {
    bool quiet, loud;
    const char *dir, *mode;
    struct flag_list vars;
} g_opts;

static const struct flag g_flags[] = {
    {"quiet", FLAG_BOOL, &g_opts.quiet, NULL, "", NULL},
    {"loud", FLAG_BOOL, &g_opts.loud, NULL, "", NULL},
    {"dir", FLAG_STRING, &g_opts.dir, "DIR", "", NULL},
    {"mode", FLAG_STRING, &g_opts.mode, NULL, "", "none|some|all:memory"},
    {"var", FLAG_STRINGS, &g_opts.vars, "VAR", "", NULL},
    {0},
};

static struct error g_error;

static int parse(int argc, const char *const *argv)
{
    static struct pool pool;

    memset(&g_opts, 0, sizeof(g_opts));
    memset(&g_error, 0, sizeof(g_error));
    return flags_parse(g_flags, argc, (char **)argv, "runsc help x", &pool, &g_error);
}

#define PARSE(...)                                                                                 \
    parse(sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *), (const char *[]){__VA_ARGS__})

Test(flags, forms)
{
    cr_assert_eq(PARSE("--quiet", "-dir=/a", "--mode", "some", "cmd", "--loud"), 4);
    cr_assert(g_opts.quiet && !g_opts.loud);
    cr_assert_str_eq(g_opts.dir, "/a");
    cr_assert_str_eq(g_opts.mode, "some");
    cr_assert_eq(parse(0, NULL), 0);
    cr_assert_eq(PARSE("-"), 0);
    cr_assert_eq(PARSE("cmd"), 0);
    cr_assert_eq(PARSE("--dir=", "x"), 1);
    cr_assert_str_eq(g_opts.dir, "");
    cr_assert_eq(PARSE("--dir", "--quiet"), 2);
    cr_assert_str_eq(g_opts.dir, "--quiet");
}

Test(flags, end_of_flags)
{
    cr_assert_eq(PARSE("--quiet", "--", "--loud"), 2);
    cr_assert(g_opts.quiet && !g_opts.loud);
}

Test(flags, booleans)
{
    cr_assert_eq(PARSE("--quiet=true", "--loud=0"), 2);
    cr_assert(g_opts.quiet && !g_opts.loud);
    cr_assert_eq(PARSE("--quiet", "--quiet=false"), 2);
    cr_assert(!g_opts.quiet);
    cr_assert_lt(PARSE("--quiet=maybe"), 0);
}

Test(flags, lists)
{
    cr_assert_eq(PARSE("--var=a", "--var", "b", "--var=c=d", "--var=e", "--var=f"), 6);
    cr_assert_eq(g_opts.vars.count, 5);
    cr_assert_str_eq(g_opts.vars.items[2], "c=d");
    cr_assert_str_eq(g_opts.vars.items[4], "f");
}

Test(flags, errors)
{
    cr_assert_lt(PARSE("--nope"), 0);
    cr_assert(strstr(g_error.msg, "unknown flag --nope") && strstr(g_error.msg, "runsc help x"));
    cr_assert_lt(PARSE("--di=/a"), 0);
    cr_assert_lt(PARSE("--dirs=/a"), 0);
    cr_assert_lt(PARSE("--dir"), 0);
    cr_assert(strstr(g_error.msg, "--dir needs a value"));
    cr_assert_lt(PARSE("--mode=more"), 0);
    cr_assert(strstr(g_error.msg, "none|some|all:memory"));
    cr_assert_lt(PARSE("--mode=non"), 0);
    cr_assert_eq(PARSE("--mode=all:memory"), 1);
}

Test(commands, table)
{
    for (size_t i = 0; g_commands[i]; i++) {
        const struct command *c = g_commands[i];

        cr_assert(c->run && c->usage && c->summary, "%s", c->name);
        cr_assert_eq(command_find(c->name), c);
        for (const struct flag *f = c->flags; f && f->name; f++)
            cr_assert(f->dest && f->help && (f->kind == FLAG_BOOL || f->arg || f->choices));
    }
    cr_assert_null(command_find("nope"));
    for (const struct flag *f = g_global_flags; f->name; f++)
        cr_assert(f->dest && f->help && (f->kind == FLAG_BOOL || f->arg || f->choices));
}
