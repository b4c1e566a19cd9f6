/* SPDX-License-Identifier: Apache-2.0 */
/* What several commands share: see cmd.h. */
#include "abi/linux/fcntl.h"
#include "abi/linux/wait.h"
#include "cvisor/host.h"
#include "cvisor/host_setup.h"
#include "runsc/cmd/cmd.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

int command_check_privileges(const struct runsc_conf *conf, const char *name, struct error *e)
{
    if (conf->rootless || host_geteuid() == 0)
        return 0;
    return error_set(
        e, 0, "only root may do this; an ordinary user can run `runsc --rootless %s ...`", name);
}

int command_bundle(const char *given, struct pool *pool, const char **out, struct error *e)
{
    char here[4096];
    int r;

    if (given && given[0] == '/') {
        *out = given;
        return 0;
    }
    r = host_getcwd(here, sizeof(here));
    if (r < 0)
        return error_set(e, r, "the current folder is gone (give the bundle with --bundle=DIR)");
    *out = given ? pool_printf(pool, "%s/%s", here, given) : pool_strdup(pool, here);
    return 0;
}

int command_exit_status(int wait_status)
{
    if (LINUX_WIFEXITED(wait_status))
        return LINUX_WEXITSTATUS(wait_status);
    return 128 + LINUX_WTERMSIG(wait_status);
}

/* One line for the program that started runsc and reads --log. */
static void command_log_error(const struct runsc_conf *conf, const char *msg)
{
    char when[40];
    time_t now = (time_t)(host_now_real() / NSEC_PER_SEC);
    struct tm tm;
    FILE *f = fopen(conf->log, "ae");
    json_t *line;

    if (!f) {
        fprintf(stderr, "runsc: cannot write to --log %s\n", conf->log);
        return;
    }
    gmtime_r(&now, &tm);
    strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &tm);
    if (strcmp(conf->log_format, "json") == 0) {
        line = json_pack("{s:s, s:s, s:s}", "msg", msg, "level", "error", "time", when);
        if (line) {
            json_dumpf(line, f, JSON_COMPACT | JSON_PRESERVE_ORDER);
            fputc('\n', f);
            json_decref(line);
        }
    } else {
        fprintf(f, "%s error: %s\n", when, msg);
    }
    fclose(f);
}

void command_report(const struct runsc_conf *conf, const struct error *e)
{
    fprintf(stderr, "runsc: %s\n", e->msg);
    if (conf->log)
        command_log_error(conf, e->msg);
}
