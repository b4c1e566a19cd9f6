/* SPDX-License-Identifier: Apache-2.0 */
/* runsc: global flags, then one command of the table. */
#include "abi/linux/fcntl.h"
#include "cvisor/host.h"
#include "cvisor/host_setup.h"
#include "cvisor/log.h"
#include "cvisor/platform.h"
#include "runsc/cmd/cmd.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* Descriptors 0 to 2 that are closed must not become something else by accident. */
static void main_reserve_stdio(void)
{
    for (int fd = 0; fd < 3; fd++) {
        g_globals.conf.stdio_closed[fd] = host_fcntl(fd, LINUX_F_GETFD, 0) < 0;
        if (g_globals.conf.stdio_closed[fd])
            host_openat(LINUX_AT_FDCWD, "/dev/null", LINUX_O_RDWR | LINUX_O_CLOEXEC, 0);
    }
}

static int main_open_debug_log(const char *command, struct pool *pool, struct error *e)
{
    const char *path = g_globals.conf.debug_log;
    u64 now = host_now_real();
    time_t secs = (time_t)(now / NSEC_PER_SEC);
    char when[32];
    struct tm tm;

    if (!path)
        return 0;
    if (*path && path[strlen(path) - 1] == '/') {
        gmtime_r(&secs, &tm);
        strftime(when, sizeof(when), "%Y%m%d-%H%M%S", &tm);
        path = pool_printf(pool, "%srunsc.log.%s.%06llu.%s.txt", path, when,
                           (unsigned long long)(now % NSEC_PER_SEC / 1000), command);
    }
    g_globals.conf.debug_log_fd = host_openat(
        LINUX_AT_FDCWD, path,
        LINUX_O_WRONLY | LINUX_O_CREAT | LINUX_O_APPEND | LINUX_O_CLOEXEC | LINUX_O_NOCTTY, 0644);
    if (g_globals.conf.debug_log_fd < 0)
        return error_set(e, g_globals.conf.debug_log_fd, "cannot open --debug-log %s", path);
    return 0;
}

static int main_start_log(const char *command, struct pool *pool, struct error *e)
{
    enum log_format format = strcmp(g_globals.conf.log_format, "json") == 0 ? LOG_JSON : LOG_TEXT;
    enum log_level level = g_globals.conf.debug ? LOG_DEBUG : LOG_WARNING;
    int r = main_open_debug_log(command, pool, e);

    log_init(g_globals.conf.debug_log_fd >= 0 ? g_globals.conf.debug_log_fd : 2, format, level,
             "runsc");
    return r;
}

/* The command's own flags, then the command. */
static int main_command(const struct command *c, int argc, char **argv, struct pool *pool,
                        struct error *e)
{
    const char *who = pool_printf(pool, "runsc help %s", c->name);
    int r = main_start_log(c->name, pool, e);

    if (r == 0)
        r = flags_parse(c->flags, argc, argv, who, pool, e);
    if (r >= 0)
        r = c->run(&g_globals.conf, argc - r, argv + r, pool, e);
    if (r >= 0)
        return r;
    command_report(&g_globals.conf, e);
    return c->failure ? c->failure : 1;
}

static int main_parse_rungs(struct error *e)
{
    const char *list = g_globals.conf.systrap_rungs;
    char why[128];

    if (list && platform_parse_rungs(list, &g_globals.conf.rungs, why, sizeof(why)) < 0)
        return error_set(e, 0, "--systrap-rungs: %s", why);
    return 0;
}

static int main_dispatch(int argc, char **argv, struct pool *pool, struct error *e)
{
    const struct command *c;
    int r = flags_parse(g_global_flags, argc, argv, "runsc help", pool, e);

    if (r < 0) {
        command_report(&g_globals.conf, e);
        return RUNSC_EXIT_FAILURE;
    }
    if (main_parse_rungs(e) < 0) {
        command_report(&g_globals.conf, e);
        return RUNSC_EXIT_FAILURE;
    }
    argc -= r;
    argv += r;
    if (g_globals.version)
        c = &g_cmd_version;
    else if (argc == 0)
        c = &g_cmd_help;
    else
        c = command_find(argv[0]);
    if (!c) {
        error_set(e, 0, "there is no command %s (`runsc help` lists them)", argv[0]);
        command_report(&g_globals.conf, e);
        return RUNSC_EXIT_FAILURE;
    }
    return main_command(c, argc > 0 ? argc - 1 : 0, argc > 0 ? argv + 1 : argv, pool, e);
}

int main(int argc, char **argv)
{
    struct error e = ERROR_INIT;
    struct pool pool = {0};
    int status;

    g_globals.conf.start_ns = host_now_mono();
    /* Started by runsc itself: everything is in place, and no time to lose. */
    if (argc >= 2 && strcmp(argv[1], g_cmd_boot.name) == 0)
        return g_cmd_boot.run(&g_globals.conf, 0, argv, &pool, &e);
    if (argc >= 2 && strcmp(argv[1], g_cmd_gofer.name) == 0)
        return g_cmd_gofer.run(&g_globals.conf, 0, argv, &pool, &e);
    main_reserve_stdio();
    status = main_dispatch(argc > 0 ? argc - 1 : 0, argv + 1, &pool, &e);
    pool_free(&pool);
    return status;
}
