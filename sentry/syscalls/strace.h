/* SPDX-License-Identifier: Apache-2.0 */
/*
 * strace of the guest: one log line when a syscall enters and one when it returns.
 *   [   3:   4] sh E openat(AT_FDCWD, "/etc/passwd", O_RDONLY|O_CLOEXEC)
 *   [   3:   4] sh X openat(AT_FDCWD, "/etc/passwd", O_RDONLY|O_CLOEXEC) = 5 (0x5)
 */
#ifndef SENTRY_SYSCALLS_STRACE_H
#define SENTRY_SYSCALLS_STRACE_H

#include "cvisor/types.h"

struct syscall_args;
struct task;

extern bool g_strace_on; /* immutable once the first task runs */

/* Turns strace on. names: comma-separated syscalls, NULL or "" = all. -EINVAL: a name is unknown;
 * bad[n] gets it. Called before the first task runs. */
int strace_configure(const char *names, char *bad, size_t n);

/* From the task's own thread, with no locks held (they copy from guest memory). They do nothing when
 * strace is off for nr. strace_exit gets the arguments as they were on entry. */
void strace_enter(struct task *t, u64 nr, const struct syscall_args *a);
void strace_exit(struct task *t, u64 nr, const struct syscall_args *a, s64 ret);

#endif
