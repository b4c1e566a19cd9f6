/* SPDX-License-Identifier: Apache-2.0 */
/* `runsc run`: an OCI bundle, from start to end. */
#include "cvisor/host.h"
#include "cvisor/host_setup.h"
#include "cvisor/log.h"
#include "runsc/cmd/cmd.h"
#include "runsc/container/plan.h"
#include "runsc/container/state.h"

static struct {
    const char *bundle;
} g_opts;

static const struct flag g_flags[] = {
    {"bundle", FLAG_STRING, &g_opts.bundle, "DIR",
     "folder with config.json (default: the current one)", NULL},
    {0},
};

struct run_started {
    const struct state_handle *handle;
    struct container_state state;
};

static void run_started(void *arg, const struct sandbox_info *info)
{
    struct run_started *s = arg;
    struct error e = ERROR_INIT;

    s->state.sentry_pid = info->sentry_pid;
    if (state_write(s->handle, &s->state, &e) < 0)
        log_warn("%s", e.msg);
}

static int run_run(const struct runsc_conf *conf, int argc, char **argv, struct pool *pool,
                   struct error *e)
{
    struct state_handle handle = {NULL, -1};
    struct run_started s = {.handle = &handle};
    struct sandbox_plan plan;
    struct oci_spec spec;
    const char *bundle;
    int status, r;

    if (argc != 1)
        return error_set(e, 0, "run: it takes one argument, the container's id");
    r = command_check_privileges(conf, "run", e);
    if (r == 0)
        r = command_bundle(g_opts.bundle, pool, &bundle, e);
    if (r == 0)
        r = oci_load(bundle, pool, &spec, e);
    if (r == 0)
        r = plan_from_spec(conf, &spec, argv[0], pool, &plan, e);
    if (r == 0)
        r = state_create(conf, argv[0], pool, &handle, e);
    if (r < 0)
        return r;
    s.state = (struct container_state){
        .id = argv[0],
        .bundle = bundle,
        .runner_pid = host_getpid(),
        .created_ns = host_now_real(),
    };
    r = sandbox_run(conf, &plan, pool, run_started, &s, &status, e);
    state_remove(&handle);
    if (r < 0) {
        command_report(conf, e);
        return status;
    }
    return command_exit_status(status);
}

const struct command g_cmd_run = {
    .name = "run",
    .run = run_run,
    .usage = "[FLAGS] ID",
    .summary = "run an OCI bundle under a name",
    .help =
        "The bundle's config.json says what to run (`runsc spec` writes a first one). Standard\n"
        "input and output are those of runsc. Exit status and signals are as with `runsc do`.",
    .flags = g_flags,
    .failure = RUNSC_EXIT_FAILURE,
};
