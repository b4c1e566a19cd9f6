/* SPDX-License-Identifier: Apache-2.0 */
/* Starting the two processes of a sandbox: sockets, configs, descriptors. */
#include "runsc/sandbox/sandbox.h"

#include "abi/linux/fcntl.h"
#include "abi/linux/sched.h"
#include "abi/linux/socket.h"
#include "cvisor/host.h"
#include "cvisor/host_setup.h"
#include "cvisor/log.h"
#include "runsc/sandbox/config.h"
#include "runsc/sandbox/milestone.h"
#include "runsc/sandbox/spawn.h"
#include "runsc/sandbox/supervise.h"

#include <errno.h>
#include <string.h>

/* The host's user and group "nobody": what the sentry is when runsc is root. */
#define NOBODY 65534u

#define NAMESPACES (LINUX_CLONE_NEWPID | LINUX_CLONE_NEWNS)
/* Empty ones, which both processes can share: a network namespace is what takes longest to make and to
 * remove. An ordinary user can't, as each process has its own user namespace. */
#define SHARED_NAMESPACES (LINUX_CLONE_NEWNET | LINUX_CLONE_NEWIPC | LINUX_CLONE_NEWUTS)

/* Everything that is open while a sandbox starts. -1 = not open. */
struct launch {
    const struct runsc_conf *conf;
    const struct sandbox_plan *plan;
    struct pool *pool;
    int null_fd, log_fd, exe_fd;
    int sentry_config, gofer_config;
    int sentry_control[2], gofer_control[2]; /* [0] stays with runsc */
    int host_ns[3];                          /* runsc's own, while it is in the shared ones */
    int *socks; /* two for each gofer mount: the sentry's, the gofer's */
    size_t nsocks;
};

static void launch_close(int *fd)
{
    if (*fd >= 0)
        host_close(*fd);
    *fd = -1;
}

/* Closes all but runsc's ends of the control sockets. */
static void launch_close_all(struct launch *l)
{
    launch_close(&l->null_fd);
    launch_close(&l->exe_fd);
    launch_close(&l->sentry_config);
    launch_close(&l->gofer_config);
    launch_close(&l->sentry_control[1]);
    launch_close(&l->gofer_control[1]);
    for (size_t i = 0; i < l->nsocks; i++)
        launch_close(&l->socks[i]);
}

static void launch_process_config(const struct launch *l, struct config_process *p)
{
    const struct runsc_conf *conf = l->conf;

    p->id = l->plan->id;
    p->start_ns = conf->start_ns;
    p->log_format = strcmp(conf->log_format, "json") == 0 ? LOG_JSON : LOG_TEXT;
    if (conf->debug)
        p->log_level = LOG_DEBUG;
    else if (conf->strace)
        p->log_level = LOG_INFO;
    else
        p->log_level = conf->debug_log_fd >= 0 ? LOG_WARNING : LOG_ERROR;
    p->private_mounts = !conf->rootless;
}

static int launch_open(struct launch *l, struct error *e)
{
    u32 sentry_uid = l->conf->rootless ? host_geteuid() : NOBODY;
    int r;

    r = l->null_fd = host_openat(LINUX_AT_FDCWD, "/dev/null", LINUX_O_RDWR | LINUX_O_CLOEXEC, 0);
    if (r < 0)
        return error_set(e, r, "cannot open /dev/null");
    r = l->exe_fd = spawn_open_self(sentry_uid, e);
    if (r < 0)
        return r;
    r = host_socketpair(LINUX_AF_UNIX, LINUX_SOCK_STREAM | LINUX_SOCK_CLOEXEC, 0,
                        l->sentry_control);
    if (r >= 0)
        r = host_socketpair(LINUX_AF_UNIX, LINUX_SOCK_STREAM | LINUX_SOCK_CLOEXEC, 0,
                            l->gofer_control);
    for (size_t i = 0; i < l->nsocks && r >= 0; i += 2)
        r = host_socketpair(LINUX_AF_UNIX, LINUX_SOCK_STREAM | LINUX_SOCK_CLOEXEC, 0, &l->socks[i]);
    return r < 0 ? error_set(e, r, "cannot make the sockets of the sandbox") : 0;
}

/* Runsc goes into the shared namespaces for as long as it takes to spawn the two. */
static int launch_enter_shared(struct launch *l, struct error *e)
{
    static const char *const names[] = {"/proc/self/ns/net", "/proc/self/ns/ipc",
                                        "/proc/self/ns/uts"};
    int r = 0;

    if (l->conf->rootless)
        return 0;
    for (size_t i = 0; i < ARRAY_SIZE(names) && r >= 0; i++)
        r = l->host_ns[i] = host_openat(LINUX_AT_FDCWD, names[i], LINUX_O_RDONLY | LINUX_O_CLOEXEC,
                                        0);
    if (r >= 0)
        r = host_unshare(SHARED_NAMESPACES);
    return r < 0 ? error_set(e, r, "cannot make namespaces for the sandbox") : 0;
}

static int launch_leave_shared(struct launch *l, struct error *e)
{
    int ret = 0;

    for (size_t i = 0; i < ARRAY_SIZE(l->host_ns); i++) {
        int r = l->host_ns[i] < 0 ? 0 : host_setns(l->host_ns[i]);
        if (r < 0)
            ret = error_set(e, r, "cannot return to the host's namespaces");
        launch_close(&l->host_ns[i]);
    }
    return ret;
}

static bool mount_is_gofer(const struct sandbox_mount *m)
{
    return m->boot.type == BOOT_MOUNT_GOFER;
}

static void launch_fill_common(const struct launch *l, int *fds, int config, int control)
{
    fds[CONFIG_FD_NULL_IN] = l->null_fd;
    fds[CONFIG_FD_NULL_OUT] = l->null_fd;
    fds[CONFIG_FD_STDERR] = 2;
    fds[CONFIG_FD_CONFIG] = config;
    fds[CONFIG_FD_CONTROL] = control;
    fds[CONFIG_FD_LOG] = l->log_fd >= 0 ? l->log_fd : fds[CONFIG_FD_STDERR];
}

static int launch_sentry(struct launch *l, struct spawned *out, struct error *e)
{
    const struct sandbox_plan *plan = l->plan;
    struct boot_mount *mounts = pool_calloc(l->pool, plan->nmounts, sizeof(*mounts));
    size_t nfds = CONFIG_FD_FREE + 3, sock = 0;
    int *fds = pool_calloc(l->pool, nfds + plan->nmounts, sizeof(*fds));
    struct config_sentry c = {
        .seccomp_log = l->conf->seccomp_log,
        .boot =
            {
                .platform = l->conf->platform,
                .rungs = l->conf->rungs,
                .strace = l->conf->strace,
                .strace_syscalls = l->conf->strace_syscalls,
                .control_fd = CONFIG_FD_CONTROL,
                .hostname = plan->hostname,
                .mounts = mounts,
                .nmounts = plan->nmounts,
                .init = plan->init,
                .memory_limit = plan->memory_limit,
            },
    };
    struct spawn s = {
        .what = "the sandbox's kernel",
        .title = "runsc-sentry",
        .command = "boot",
        .id = plan->id,
        .namespaces = NAMESPACES | LINUX_CLONE_NEWUSER |
                      (l->conf->rootless ? SHARED_NAMESPACES : 0),
        .host_uid = l->conf->rootless ? host_geteuid() : NOBODY,
        .host_gid = l->conf->rootless ? host_getegid() : NOBODY,
        .exe_fd = l->exe_fd,
        .fds = fds,
    };

    launch_process_config(l, &c.process);
    for (int i = 0; i < 3; i++) {
        bool open = !l->conf->stdio_closed[i];

        fds[CONFIG_FD_FREE + i] = open ? i : -1;
        c.boot.stdio[i] = open ? CONFIG_FD_FREE + i : -1;
    }
    for (size_t i = 0; i < plan->nmounts; i++) {
        mounts[i] = plan->mounts[i].boot;
        mounts[i].gofer_fd = -1;
        if (mount_is_gofer(&plan->mounts[i])) {
            mounts[i].gofer_fd = (int)nfds;
            fds[nfds++] = l->socks[2 * sock++];
        }
    }
    s.nfds = nfds;
    l->sentry_config = config_encode_sentry(&c, e);
    if (l->sentry_config < 0)
        return l->sentry_config;
    launch_fill_common(l, fds, l->sentry_config, l->sentry_control[1]);
    return spawn_process(&s, out, e);
}

static int launch_gofer(struct launch *l, struct spawned *out, struct error *e)
{
    const struct sandbox_plan *plan = l->plan;
    size_t nfds = CONFIG_FD_FREE, n = 0;
    int *fds = pool_calloc(l->pool, nfds + plan->nmounts, sizeof(*fds));
    struct config_gofer c = {
        .exports = pool_calloc(l->pool, plan->nmounts, sizeof(*c.exports)),
    };
    struct spawn s = {
        .what = "the sandbox's file server",
        .title = "runsc-gofer",
        .command = "gofer",
        .id = plan->id,
        .namespaces = NAMESPACES |
                      (l->conf->rootless ? LINUX_CLONE_NEWUSER | SHARED_NAMESPACES : 0),
        .host_uid = host_geteuid(),
        .host_gid = host_getegid(),
        .exe_fd = l->exe_fd,
        .fds = fds,
    };

    launch_process_config(l, &c.process);
    for (size_t i = 0; i < plan->nmounts; i++) {
        const struct sandbox_mount *m = &plan->mounts[i];

        if (!mount_is_gofer(m))
            continue;
        c.exports[n] = (struct config_export){
            .source = m->source,
            .readonly = m->source_readonly,
            .recursive = m->recursive,
            .sock = (int)nfds,
        };
        fds[nfds++] = l->socks[2 * n++ + 1];
    }
    c.nexports = n;
    s.nfds = nfds;
    l->gofer_config = config_encode_gofer(&c, e);
    if (l->gofer_config < 0)
        return l->gofer_config;
    launch_fill_common(l, fds, l->gofer_config, l->gofer_control[1]);
    return spawn_process(&s, out, e);
}

int sandbox_run(const struct runsc_conf *conf, const struct sandbox_plan *plan, struct pool *pool,
                void (*started)(void *arg, const struct sandbox_info *info), void *arg, int *status,
                struct error *e)
{
    struct launch l = {
        .conf = conf,
        .plan = plan,
        .pool = pool,
        .null_fd = -1,
        .log_fd = conf->debug_log_fd,
        .exe_fd = -1,
        .sentry_config = -1,
        .gofer_config = -1,
        .sentry_control = {-1, -1},
        .gofer_control = {-1, -1},
        .host_ns = {-1, -1, -1},
    };
    struct supervised s = {
        .sentry = {.pidfd = -1, .report = -1},
        .gofer = {.pidfd = -1, .report = -1},
        .signal_fd = -1,
    };
    int r;

    milestone_begin(conf->start_ns);
    *status = RUNSC_EXIT_FAILURE;
    for (size_t i = 0; i < plan->nmounts; i++)
        l.nsocks += mount_is_gofer(&plan->mounts[i]) ? 2 : 0;
    l.socks = pool_calloc(pool, l.nsocks, sizeof(*l.socks));
    memset(l.socks, 0xff, l.nsocks * sizeof(*l.socks));
    r = launch_open(&l, e);
    if (r == 0)
        r = supervise_take_signals(&s, e);
    if (r == 0)
        r = launch_enter_shared(&l, e);
    if (r == 0) {
        milestone("host namespaces that both share made");
        r = launch_gofer(&l, &s.gofer, e);
    }
    if (r == 0)
        r = launch_sentry(&l, &s.sentry, e);
    int left = launch_leave_shared(&l, e);
    r = r < 0 ? r : left;
    launch_close_all(&l);
    s.sentry_control = l.sentry_control[0];
    s.gofer_control = l.gofer_control[0];
    if (r == 0) {
        milestone("both processes spawned");
        if (started)
            started(arg, &(struct sandbox_info){s.sentry.pid, s.gofer.pid});
        /* The sandbox has its own copies: a reader of our output sees its end in time. */
        host_close(0);
        host_close(1);
        r = supervise_run(&s, status, e);
    }
    supervise_end(&s);
    milestone("sandbox torn down");
    return r;
}
