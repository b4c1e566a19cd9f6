/* SPDX-License-Identifier: Apache-2.0 */
/* Starting one process of the sandbox: see spawn.h. */
#include "runsc/sandbox/spawn.h"
#include "runsc/sandbox/milestone.h"

#include "abi/linux/fcntl.h"
#include "abi/linux/memfd.h"
#include "abi/linux/prctl.h"
#include "abi/linux/sched.h"
#include "abi/linux/signal.h"
#include "abi/linux/stat.h"
#include "cvisor/host.h"
#include "cvisor/host_setup.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Exit status of a child that failed before it ran our program; the parent gets the reason from the
 * pipe. */
#define SPAWN_EXIT 125

/* The others are made by the child itself, while the parent goes on: network and mount namespaces
 * take a third of a millisecond each. */
#define SPAWN_CLONE_FLAGS (LINUX_CLONE_NEWUSER | LINUX_CLONE_NEWPID)

/* What the child tells through the pipe when it fails. */
struct spawn_failure {
    s32 err;
    u32 step; /* enum spawn_step */
};

enum spawn_step { STEP_NAMESPACES, STEP_IDENTITY, STEP_FDS, STEP_EXEC };

static const char *const g_steps[] = {
    "make its namespaces",
    "become root of its user namespace",
    "arrange its descriptors",
    "start runsc's program in it (can everybody execute it and its libraries?)",
};

/* --- child: no allocation, no stdio --- */

static int child_identity(void)
{
    int r = host_setgroups(0, NULL);

    /* Denied for an ordinary user: the caller's groups stay. */
    if (r < 0 && r != -EPERM)
        return r;
    r = host_setresgid(0);
    if (r == 0)
        r = host_setresuid(0);
    /* Changing the user has hidden /proc/self from us. */
    if (r == 0)
        r = host_prctl(LINUX_PR_SET_DUMPABLE, 1, 0, 0, 0);
    return r;
}

static int child_fds(const struct spawn *s, int *exe, int *report)
{
    int high[SPAWN_FDS_MAX];
    const u64 floor = s->nfds;
    int r;

    /* All out of the way first, then each to its place: the copies stay open across exec. */
    r = *exe = host_fcntl(*exe, LINUX_F_DUPFD_CLOEXEC, floor);
    if (r >= 0)
        r = *report = host_fcntl(*report, LINUX_F_DUPFD_CLOEXEC, floor);
    for (size_t i = 0; i < s->nfds && r >= 0; i++) {
        high[i] = s->fds[i];
        if (s->fds[i] >= 0 && s->fds[i] < (int)s->nfds)
            r = high[i] = host_fcntl(s->fds[i], LINUX_F_DUPFD_CLOEXEC, floor);
    }
    for (size_t i = 0; i < s->nfds && r >= 0; i++) {
        if (high[i] >= 0)
            r = host_dup3(high[i], (int)i, 0);
        else
            host_close((int)i);
    }
    if (r >= 0)
        r = host_close_range((u32)s->nfds, ~0u, LINUX_CLOSE_RANGE_CLOEXEC);
    return r < 0 ? r : 0;
}

static __noreturn void child_main(const struct spawn *s, int go, int report)
{
    const char *const argv[] = {s->title, s->command, s->id, NULL};
    struct milestone_spawn times = {.cloned = host_now_mono()};
    char env[MILESTONE_ENV_SIZE];
    const char *const envp[] = {env, NULL};
    struct spawn_failure fail = {0, STEP_NAMESPACES};
    int exe = s->exe_fd;
    char byte;

    host_prctl(LINUX_PR_SET_PDEATHSIG, LINUX_SIGKILL, 0, 0, 0);
    host_setsid();
    host_signals_reset();
    fail.err = host_unshare(s->namespaces & ~SPAWN_CLONE_FLAGS);
    times.namespaces = host_now_mono();
    if (fail.err == 0 && go >= 0) {
        /* Until the parent has written the maps nobody is root here. No byte: it has ended. */
        if (host_read(go, &byte, 1) != 1)
            host_exit_group(SPAWN_EXIT);
        fail.step = STEP_IDENTITY;
        fail.err = child_identity();
    }
    if (fail.err == 0) {
        fail.step = STEP_FDS;
        fail.err = child_fds(s, &exe, &report);
    }
    if (fail.err == 0) {
        fail.step = STEP_EXEC;
        times.exec = host_now_mono();
        milestone_to_env(&times, env);
        fail.err = host_execve_fd(exe, argv, envp);
    }
    host_write(report, &fail, sizeof(fail));
    host_exit_group(SPAWN_EXIT);
}

/* --- parent --- */

static int spawn_write_map(int pid, const char *name, const char *text)
{
    char path[64];
    ssize_t r;
    int fd;

    snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
    fd = host_openat(LINUX_AT_FDCWD, path, LINUX_O_WRONLY | LINUX_O_CLOEXEC, 0);
    if (fd < 0)
        return fd;
    r = host_write(fd, text, strlen(text));
    host_close(fd);
    return r < 0 ? (int)r : 0;
}

static int spawn_write_maps(const struct spawn *s, int pid, struct error *e)
{
    char map[64];
    int r = 0;

    /* An ordinary user may map a group only after giving setgroups up. */
    if (host_geteuid() != 0)
        r = spawn_write_map(pid, "setgroups", "deny");
    if (r == 0) {
        snprintf(map, sizeof(map), "0 %u 1\n", s->host_gid);
        r = spawn_write_map(pid, "gid_map", map);
    }
    if (r == 0) {
        snprintf(map, sizeof(map), "0 %u 1\n", s->host_uid);
        r = spawn_write_map(pid, "uid_map", map);
    }
    if (r < 0)
        return error_set(e, r, "cannot set up the user namespace of %s", s->what);
    return 0;
}

static int spawn_clone_error(const struct spawn *s, int r, struct error *e)
{
    if ((r == -EPERM || r == -ENOSPC) && (s->namespaces & LINUX_CLONE_NEWUSER))
        return error_set(e, r,
                         "cannot make namespaces for %s (does this host allow user namespaces? see "
                         "the sysctls user.max_user_namespaces, kernel.unprivileged_userns_clone "
                         "and kernel.apparmor_restrict_unprivileged_userns)",
                         s->what);
    if (r == -ENOSYS)
        return error_set(e, r, "cannot start %s (runsc needs Linux 5.12 or later)", s->what);
    return error_set(e, r, "cannot start %s in new namespaces", s->what);
}

int spawn_why(struct spawned *p, struct error *e)
{
    struct spawn_failure fail;
    ssize_t r = p->report < 0 ? 0 : host_read(p->report, &fail, sizeof(fail));

    if (r == 0)
        return 0;
    if (r != (ssize_t)sizeof(fail) || fail.step >= ARRAY_SIZE(g_steps))
        return error_set(e, r < 0 ? (int)r : EPROTO, "cannot start %s", p->what);
    return error_set(e, fail.err, "%s cannot %s", p->what, g_steps[fail.step]);
}

void spawn_end(struct spawned *p)
{
    int status;

    if (p->pidfd >= 0) {
        host_pidfd_signal(p->pidfd, LINUX_SIGKILL);
        host_wait_pidfd(p->pidfd, &status, 0);
        host_close(p->pidfd);
        p->pidfd = -1;
    }
    if (p->report >= 0) {
        host_close(p->report);
        p->report = -1;
    }
}

static void spawn_close_pair(const int fds[2])
{
    if (fds[0] >= 0)
        host_close(fds[0]);
    if (fds[1] >= 0)
        host_close(fds[1]);
}

int spawn_process(const struct spawn *s, struct spawned *out, struct error *e)
{
    bool userns = s->namespaces & LINUX_CLONE_NEWUSER;
    int go[2] = {-1, -1}, report[2] = {-1, -1};
    int r = 0;

    *out = (struct spawned){s->what, -1, -1, -1};
    if (s->nfds > SPAWN_FDS_MAX)
        return error_set(e, 0, "too many mounts: the limit is %d", SPAWN_FDS_MAX - 16);
    if (userns)
        r = host_pipe2(go, LINUX_O_CLOEXEC);
    if (r == 0)
        r = host_pipe2(report, LINUX_O_CLOEXEC);
    if (r < 0) {
        spawn_close_pair(go);
        return error_set(e, r, "cannot make a pipe to start %s", s->what);
    }
    out->pid = host_clone_process(s->namespaces & SPAWN_CLONE_FLAGS, &out->pidfd);
    if (out->pid == 0) {
        if (userns)
            host_close(go[1]);
        child_main(s, go[0], report[1]);
    }
    host_close(report[1]);
    report[1] = -1;
    if (out->pid < 0) {
        r = spawn_clone_error(s, out->pid, e);
        goto out;
    }
    if (userns) {
        r = spawn_write_maps(s, out->pid, e);
        if (r == 0 && host_write(go[1], "g", 1) != 1)
            r = error_set(e, EPIPE, "cannot start %s", s->what);
    }
    out->report = report[0];
    report[0] = -1;
    if (r < 0)
        spawn_end(out);
out:
    spawn_close_pair(go);
    spawn_close_pair(report);
    return r;
}

static int spawn_copy_self(int from, u64 size)
{
    int to = host_memfd_create("runsc",
                               LINUX_MFD_CLOEXEC | LINUX_MFD_ALLOW_SEALING | LINUX_MFD_EXEC);
    ssize_t r = 0;

    if (to == -EINVAL) /* before Linux 6.3 every memory file could be executed */
        to = host_memfd_create("runsc", LINUX_MFD_CLOEXEC | LINUX_MFD_ALLOW_SEALING);
    for (u64 done = 0; to >= 0 && done < size; done += (u64)r) {
        char buf[65536];

        r = host_pread(from, buf, sizeof(buf), done);
        if (r > 0)
            r = host_pwrite(to, buf, (size_t)r, done);
        if (r <= 0) {
            host_close(to);
            return r ? (int)r : -EIO;
        }
    }
    if (to >= 0) {
        host_fchmod(to, 0555);
        host_fcntl(to, LINUX_F_ADD_SEALS,
                   LINUX_F_SEAL_SEAL | LINUX_F_SEAL_SHRINK | LINUX_F_SEAL_GROW |
                       LINUX_F_SEAL_WRITE);
    }
    return to;
}

int spawn_open_self(u32 uid, struct error *e)
{
    struct linux_stat st;
    int fd = host_open_self(LINUX_O_PATH), r, copy;

    if (fd < 0)
        return error_set(e, fd, "cannot open runsc's own program (is /proc mounted?)");
    r = host_fstat(fd, &st);
    if (r < 0) {
        host_close(fd);
        return error_set(e, r, "cannot look at runsc's own program");
    }
    if (uid == host_geteuid() || (st.st_mode & 0001))
        return fd;
    host_close(fd);
    fd = host_open_self(LINUX_O_RDONLY);
    copy = fd < 0 ? fd : spawn_copy_self(fd, (u64)st.st_size);
    if (fd >= 0)
        host_close(fd);
    if (copy < 0)
        return error_set(e, copy, "cannot copy runsc's own program, which others may not execute");
    return copy;
}
