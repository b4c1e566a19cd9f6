/* SPDX-License-Identifier: Apache-2.0 */
/* `runsc do`: one program in a sandbox that sees the host's files. */
#include "cvisor/host_setup.h"
#include "runsc/cmd/cmd.h"
#include "runsc/container/plan.h"

#include <string.h>

extern char **environ;

static struct {
    const char *cwd;
    struct flag_list volumes, env;
    bool quiet;
} g_opts;

static const struct flag g_flags[] = {
    {"cwd", FLAG_STRING, &g_opts.cwd, "DIR", "where the program starts (default: here)", NULL},
    {"volume", FLAG_STRINGS, &g_opts.volumes, "SRC:DST[:ro]",
     "the host's SRC, for real, at DST; may be repeated", NULL},
    {"env", FLAG_STRINGS, &g_opts.env, "NAME=VALUE",
     "adds to the environment, which is the caller's; may be repeated", NULL},
    {"quiet", FLAG_BOOL, &g_opts.quiet, NULL, "accepted for compatibility", NULL},
    {0},
};

static int do_check_env(struct error *e)
{
    for (size_t i = 0; i < g_opts.env.count; i++) {
        const char *eq = strchr(g_opts.env.items[i], '=');

        if (!eq || eq == g_opts.env.items[i])
            return error_set(e, 0, "--env %s: it must have the form NAME=VALUE",
                             g_opts.env.items[i]);
    }
    return 0;
}

static int do_run(const struct runsc_conf *conf, int argc, char **argv, struct pool *pool,
                  struct error *e)
{
    struct plan_volume *volumes = pool_calloc(pool, g_opts.volumes.count, sizeof(*volumes));
    char here[4096];
    struct plan_do d = {
        .argv = (const char *const *)argv,
        .cwd = here,
        .volumes = volumes,
        .nvolumes = g_opts.volumes.count,
    };
    struct sandbox_plan plan;
    int status, r;

    if (argc == 0)
        return error_set(e, 0, "do: which program? For example: runsc do ls -l");
    r = command_check_privileges(conf, "do", e);
    if (r == 0)
        r = do_check_env(e);
    if (r < 0)
        return r;
    r = host_getcwd(here, sizeof(here));
    if (r < 0 && !g_opts.cwd)
        return error_set(e, r, "the current folder is gone (give another one with --cwd)");
    if (r < 0)
        strcpy(here, "/");
    if (g_opts.cwd)
        d.cwd = g_opts.cwd[0] == '/' ? g_opts.cwd : pool_printf(pool, "%s/%s", here, g_opts.cwd);
    for (size_t i = 0; i < d.nvolumes; i++) {
        r = plan_parse_volume(g_opts.volumes.items[i], here, pool, &volumes[i], e);
        if (r < 0)
            return r;
    }
    d.env = plan_merge_env(pool, (const char *const *)environ, g_opts.env.items, g_opts.env.count);
    r = plan_for_do(conf, &d, pool, &plan, e);
    if (r < 0)
        return r;
    r = sandbox_run(conf, &plan, pool, NULL, NULL, &status, e);
    if (r < 0) {
        command_report(conf, e);
        return status;
    }
    return command_exit_status(status);
}

const struct command g_cmd_do = {
    .name = "do",
    .run = do_run,
    .usage = "[FLAGS] PROGRAM [ARGUMENTS]",
    .summary = "run a program in a sandbox on the host's files",
    .help = "The program sees the host's root, read-only underneath: whatever it writes stays in\n"
            "memory and is gone when it ends. Folders given with --volume are written for real.\n"
            "The host's /proc, /sys and /dev are never visible: the sandbox has its own.\n"
            "\n"
            "Its exit status is passed on (128 + N for death by signal N); 127: no such program,\n"
            "126: not executable, 125: the sandbox failed. Signals sent to runsc reach it.",
    .flags = g_flags,
    .failure = RUNSC_EXIT_FAILURE,
};
