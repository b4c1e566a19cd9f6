/* SPDX-License-Identifier: Apache-2.0 */
/* Watching a running sandbox: see supervise.h. */
#include "runsc/sandbox/supervise.h"

#include "abi/linux/poll.h"
#include "abi/linux/signal.h"
#include "abi/linux/socket.h"
#include "abi/linux/wait.h"
#include "cvisor/host.h"
#include "cvisor/host_setup.h"
#include "cvisor/log.h"
#include "runsc/conf.h"
#include "runsc/sandbox/milestone.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* How long the gofer may take to finish what the sentry has asked for. */
#define GOFER_END_MS 1000

/* What a crash handler exits with when the first process of a namespace cannot abort. */
#define CRASH_STATUS 134

/* Not forwarded: they cannot be (KILL, STOP), they are about runsc itself (its own faults, its
 * children, its own writes), or the terminal means runsc's own place in the background. */
static const int g_own_signals[] = {
    LINUX_SIGKILL, LINUX_SIGSTOP, LINUX_SIGSEGV, LINUX_SIGBUS,  LINUX_SIGILL,  LINUX_SIGFPE,
    LINUX_SIGTRAP, LINUX_SIGSYS,  LINUX_SIGCHLD, LINUX_SIGPIPE, LINUX_SIGTTIN, LINUX_SIGTTOU,
};

int supervise_take_signals(struct supervised *s, struct error *e)
{
    u64 mask = ~0ull;
    int r;

    for (size_t i = 0; i < ARRAY_SIZE(g_own_signals); i++)
        mask &= ~LINUX_SIGMASK(g_own_signals[i]);
    /* What is ignored from the start (nohup, a shell's background job) stays ignored, as the program
     * itself would have it. */
    for (int sig = 1; sig <= LINUX_NSIG; sig++) {
        if ((mask & LINUX_SIGMASK(sig)) && host_signal_ignored(sig))
            mask &= ~LINUX_SIGMASK(sig);
    }
    host_signal_ignore(LINUX_SIGPIPE);
    r = host_sigmask_set(mask, NULL);
    if (r >= 0)
        r = s->signal_fd = host_signalfd(mask);
    return r < 0 ? error_set(e, r, "cannot take over the signals") : 0;
}

static void supervise_forward(struct supervised *s)
{
    int sig;

    while ((sig = host_signalfd_read(s->signal_fd)) > 0) {
        struct boot_msg m = {.type = BOOT_MSG_SIGNAL, .arg = sig};

        log_debug("forwarding signal %d", sig);
        /* Whole or not at all: the socket holds hundreds of messages before it would block. */
        if (s->sentry_control >= 0)
            host_send_fds(s->sentry_control, &m, sizeof(m), NULL, 0);
        if (sig == LINUX_SIGTSTP)
            host_kill(host_getpid(), LINUX_SIGSTOP);
    }
}

static void supervise_message(struct supervised *s, struct spawned *from, struct boot_msg *m)
{
    m->text[sizeof(m->text) - 1] = '\0';
    if (m->type == BOOT_MSG_EXITED)
        milestone("the program has ended");
    if (m->type == BOOT_MSG_FAILED) {
        struct boot_msg *failed = from == &s->sentry ? &s->sentry_failed : &s->gofer_failed;

        if (failed->type == 0)
            *failed = *m;
    } else if (m->type == BOOT_MSG_EXITED && from == &s->sentry && !s->exited) {
        s->exited = true;
        s->wait_status = m->arg;
    } else if (m->type == BOOT_MSG_WARNING) {
        fprintf(stderr, "runsc: warning: %s\n", m->text);
    } else if (m->type == BOOT_MSG_STARTED) {
        milestone("the program has started");
    }
}

/* Reads all there is without blocking. Closes the socket at its end. */
static void supervise_drain(struct supervised *s, struct spawned *from)
{
    int *sock = from == &s->sentry ? &s->sentry_control : &s->gofer_control;
    struct supervise_inbox *in = from == &s->sentry ? &s->sentry_in : &s->gofer_in;

    while (*sock >= 0) {
        size_t nfds = 0;
        ssize_t n = host_recv_fds(*sock, (char *)&in->msg + in->len, sizeof(in->msg) - in->len,
                                  NULL, &nfds, LINUX_MSG_DONTWAIT);

        if (n == -EAGAIN || n == -EINTR)
            return;
        if (n <= 0) {
            host_close(*sock);
            *sock = -1;
            return;
        }
        in->len += (size_t)n;
        if (in->len < sizeof(in->msg))
            continue;
        in->len = 0;
        supervise_message(s, from, &in->msg);
    }
}

static int supervise_died(struct spawned *p, struct error *e)
{
    int status = 0, r;

    r = host_wait_pidfd(p->pidfd, &status, 0);
    if (r < 0)
        return error_set(e, r, "cannot wait for %s", p->what);
    host_close(p->pidfd);
    p->pidfd = -1;
    r = spawn_why(p, e);
    if (r < 0)
        return r;
    if (status == LINUX_W_EXITCODE(CRASH_STATUS, 0)) {
        error_set(e, 0, "%s crashed; the backtrace is in --debug-log, or above", p->what);
    } else if (LINUX_WIFSIGNALED(status)) {
        int sig = LINUX_WTERMSIG(status);

        error_set(e, 0, "%s ended unexpectedly (signal %d, %s%s); see --debug-log", p->what, sig,
                  strsignal(sig),
                  sig == LINUX_SIGSYS ? ": a call outside its allow-list, --seccomp-log names it"
                                      : "");
    } else {
        error_set(e, 0, "%s ended unexpectedly (exit status %d); see --debug-log", p->what,
                  LINUX_WEXITSTATUS(status));
    }
    return -ECHILD;
}

/* The sentry's reason for not starting the program, as an exit status in the manner of shells. */
static int supervise_exit_status(int err)
{
    switch (err) {
    case -ENOENT:
        return 127;
    case -EACCES:
    case -ENOEXEC:
        return 126;
    default:
        return RUNSC_EXIT_FAILURE;
    }
}

/* After a process has ended or failed. The gofer's own reason comes first: a failing gofer makes
 * the sentry fail too. */
static int supervise_failure(struct supervised *s, struct spawned *dead, int *status,
                             struct error *e)
{
    supervise_drain(s, &s->gofer);
    supervise_drain(s, &s->sentry);
    if (s->exited) {
        *status = s->wait_status;
        return 0;
    }
    *status = RUNSC_EXIT_FAILURE;
    if (s->gofer_failed.type)
        return error_set(e, 0, "%s", s->gofer_failed.text);
    if (s->sentry_failed.type) {
        *status = supervise_exit_status(s->sentry_failed.arg);
        return error_set(e, 0, "%s", s->sentry_failed.text);
    }
    return dead ? supervise_died(dead, e) : 0;
}

/*
 * The gofer ends by itself when its connections end: while the sentry unmounts, or in the first
 * moments of the sentry's death. Then all is well, or the sentry is the one to ask. True: it did.
 */
static bool supervise_gofer_done(struct supervised *s)
{
    int status;

    if (host_wait_pidfd(s->gofer.pidfd, &status, LINUX_WNOHANG | LINUX_WNOWAIT) < 0 || status != 0)
        return false;
    spawn_end(&s->gofer);
    return true;
}

int supervise_run(struct supervised *s, int *status, struct error *e)
{
    for (;;) {
        struct linux_pollfd p[] = {
            {.fd = s->signal_fd, .events = LINUX_POLLIN},
            {.fd = s->sentry_control, .events = LINUX_POLLIN},
            {.fd = s->gofer_control, .events = LINUX_POLLIN},
            {.fd = s->sentry.pidfd, .events = LINUX_POLLIN},
            {.fd = s->gofer.pidfd, .events = LINUX_POLLIN},
        };
        int r = host_poll(p, ARRAY_SIZE(p), -1);

        if (r == -EINTR)
            continue;
        if (r < 0)
            return error_set(e, r, "cannot wait for the sandbox");
        if (p[0].revents)
            supervise_forward(s);
        if (p[1].revents)
            supervise_drain(s, &s->sentry);
        if (p[2].revents)
            supervise_drain(s, &s->gofer);
        if (s->exited || s->sentry_failed.type || s->gofer_failed.type)
            return supervise_failure(s, NULL, status, e);
        if (p[3].revents)
            return supervise_failure(s, &s->sentry, status, e);
        if (p[4].revents && !supervise_gofer_done(s))
            return supervise_failure(s, &s->gofer, status, e);
    }
}

void supervise_end(struct supervised *s)
{
    struct linux_pollfd p = {.events = LINUX_POLLIN};

    spawn_end(&s->sentry);
    /* With the sentry its connections have ended: the gofer finishes and goes. */
    if (s->gofer.pidfd >= 0 && s->gofer_control >= 0) {
        p.fd = s->gofer.pidfd;
        host_poll(&p, 1, GOFER_END_MS);
    }
    spawn_end(&s->gofer);
    if (s->sentry_control >= 0)
        host_close(s->sentry_control);
    if (s->gofer_control >= 0)
        host_close(s->gofer_control);
    if (s->signal_fd >= 0)
        host_close(s->signal_fd);
}
