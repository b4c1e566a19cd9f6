/* SPDX-License-Identifier: Apache-2.0 */
/* runsc's own part while a sandbox runs: watching both processes, forwarding signals, finding out
 * how it ended. Whatever ends first, the rest is ended too. */
#ifndef RUNSC_SANDBOX_SUPERVISE_H
#define RUNSC_SANDBOX_SUPERVISE_H

#include "runsc/sandbox/spawn.h"

/* The start of a message that has come in part. */
struct supervise_inbox {
    struct boot_msg msg;
    size_t len;
};

struct supervised {
    struct spawned sentry, gofer;
    int signal_fd;
    int sentry_control, gofer_control; /* -1 = ended */
    struct supervise_inbox sentry_in, gofer_in;
    bool exited; /* the program has ended, with wait_status */
    int wait_status;
    struct boot_msg sentry_failed, gofer_failed; /* type 0 = has not */
};

/* From now on signals for the program arrive at s->signal_fd. Before the processes are started. */
int supervise_take_signals(struct supervised *s, struct error *e);
/* Until the sandbox has ended, as sandbox_run() does. */
int supervise_run(struct supervised *s, int *status, struct error *e);
/* Ends what still runs and closes everything. */
void supervise_end(struct supervised *s);

#endif
