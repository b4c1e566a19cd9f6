/* SPDX-License-Identifier: Apache-2.0 */
/* `runsc kill`. */
#include "abi/linux/signal.h"
#include "cvisor/host.h"
#include "cvisor/host_setup.h"
#include "runsc/cmd/cmd.h"
#include "runsc/container/state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* "9", "KILL", "SIGKILL". */
static int kill_parse_signal(const char *s, struct error *e)
{
    char *end;
    long n = strtol(s, &end, 10);

    if (*s && !*end && n >= 1 && n <= LINUX_NSIG)
        return (int)n;
    if (strncasecmp(s, "SIG", 3) == 0)
        s += 3;
    for (int sig = 1; sig < LINUX_SIGRTMIN; sig++) {
        const char *name = sigabbrev_np(sig);

        if (name && strcasecmp(name, s) == 0)
            return sig;
    }
    return error_set(e, 0, "kill: \"%s\" is not a signal", s);
}

/*
 * Signals go to the runsc that runs the container, which forwards them. The pid in the state file
 * is that runner's as long as the lock is held; once its pidfd is open it cannot become another's.
 */
int command_kill(const struct runsc_conf *conf, const char *id, int sig, struct pool *pool,
                 struct error *e)
{
    struct container_state s;
    int pidfd, r = state_load(conf, id, pool, &s, e);

    if (r < 0)
        return r;
    pidfd = s.running ? host_pidfd_open(s.runner_pid, 0) : -ESRCH;
    if (pidfd >= 0) {
        r = state_load(conf, id, pool, &s, e);
        if (r == 0)
            r = s.running ? host_pidfd_signal(pidfd, sig) : -ESRCH;
        host_close(pidfd);
    } else {
        r = pidfd;
    }
    if (r == -ESRCH)
        return error_set(e, r, "the container %s does not run (`runsc delete %s` removes it)", id,
                         id);
    return r < 0 ? error_set(e, r, "cannot signal the container %s", id) : 0;
}

static int kill_run(const struct runsc_conf *conf, int argc, char **argv, struct pool *pool,
                    struct error *e)
{
    int sig = LINUX_SIGTERM;

    if (argc < 1 || argc > 2)
        return error_set(e, 0, "kill: it takes the container's id and a signal (default: TERM)");
    if (argc == 2)
        sig = kill_parse_signal(argv[1], e);
    return sig < 0 ? sig : command_kill(conf, argv[0], sig, pool, e);
}

const struct command g_cmd_kill = {
    .name = "kill",
    .run = kill_run,
    .usage = "ID [SIGNAL]",
    .summary = "send a signal to a container's program",
    .help = "SIGKILL ends the whole sandbox at once.",
};
