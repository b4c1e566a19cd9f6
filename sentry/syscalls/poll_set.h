/* SPDX-License-Identifier: Apache-2.0 */
/* The waiting behind poll and select. */
#ifndef SENTRY_SYSCALLS_POLL_SET_H
#define SENTRY_SYSCALLS_POLL_SET_H

#include "cvisor/types.h"

struct linux_pollfd;
struct task;

/*
 * Fills revents of pfds[n]. Sleeps until one is ready or the deadline (CLOCK_MONOTONIC ns,
 * TASK_FOREVER) unless poll. exact: ERR and HUP are not implied (select). How many have revents, 0 at the deadline, -ERESTARTNOHAND, -ENOMEM.
 */
int poll_set_wait(struct task *t, struct linux_pollfd *pfds, u32 n, u64 deadline, bool poll,
                  bool exact);

/* The time that is left is written back to u (a timeval or a timespec, or NULL); deadline 0 = leave it.
 * Returns what the syscall does. */
s64 poll_put_remaining(struct task *t, uaddr_t u, bool timeval, u64 deadline, s64 ret);

#endif
