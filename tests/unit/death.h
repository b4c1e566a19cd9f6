/* SPDX-License-Identifier: Apache-2.0 */
/* Runs a function that should end its process, and keeps what it wrote to the log and to stderr. */
#ifndef TESTS_UNIT_DEATH_H
#define TESTS_UNIT_DEATH_H

#include "cvisor/crash.h"
#include "cvisor/log.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* Returns the wait status. */
static inline int death_run(void (*fn)(void), char *out, size_t n)
{
    int fds[2], status = 0;
    size_t at = 0;
    ssize_t got;
    pid_t pid;

    if (pipe(fds) != 0 || (pid = fork()) < 0)
        abort();
    if (pid == 0) {
        setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
        signal(SIGABRT, SIG_DFL);
        dup2(fds[1], 2);
        log_init(2, LOG_TEXT, LOG_WARNING, "test");
        crash_init();
        fn();
        _exit(0);
    }
    close(fds[1]);
    while ((got = read(fds[0], out + at, n - 1 - at)) > 0)
        at += (size_t)got;
    out[at] = 0;
    close(fds[0]);
    waitpid(pid, &status, 0);
    return status;
}

/* fn must end in a panic whose report contains text. */
#define assert_panics(fn, text)                                                                    \
    do {                                                                                           \
        static char death_out_[65536];                                                             \
        int death_status_ = death_run(fn, death_out_, sizeof(death_out_));                         \
        cr_assert(WIFSIGNALED(death_status_) && WTERMSIG(death_status_) == SIGABRT,                \
                  "%s: status 0x%x, output: %s", #fn, death_status_, death_out_);                  \
        cr_assert(strstr(death_out_, text), "%s: no \"%s\" in: %s", #fn, text, death_out_);        \
    } while (0)

#endif
