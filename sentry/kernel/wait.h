/* SPDX-License-Identifier: Apache-2.0 */
/* Waiting for children. */
#ifndef SENTRY_KERNEL_WAIT_H
#define SENTRY_KERNEL_WAIT_H

#include "sentry/kernel/task.h"

struct wait_opts {
    int idtype; /* LINUX_P_ALL, P_PID, P_PGID */
    int id;
    int options; /* LINUX_W*; wait4 adds WEXITED */
};

struct wait_result {
    int pid;
    u32 uid;
    int code;   /* LINUX_CLD_* */
    int status; /* wait status word */
    struct rusage_k usage;
};

/* 1 = r is filled, 0 = WNOHANG and nothing yet, -ECHILD, -ERESTARTSYS. */
int wait_children(struct task *t, const struct wait_opts *o, struct wait_result *r);

#endif
