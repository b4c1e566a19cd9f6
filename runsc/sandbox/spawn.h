/* SPDX-License-Identifier: Apache-2.0 */
/* Starting one process of the sandbox: namespaces, identity, descriptors, and runsc's own program
 * again, so that it shares no address layout with its parent. */
#ifndef RUNSC_SANDBOX_SPAWN_H
#define RUNSC_SANDBOX_SPAWN_H

#include "cvisor/error.h"
#include "sentry/boot/boot.h"

#define SPAWN_FDS_MAX 400 /* descriptors of a new process, below the usual limit of 1024 */

struct spawn {
    const char *what;    /* for messages: "the sandbox's kernel" */
    const char *title;   /* argv[0] */
    const char *command; /* argv[1]: a hidden command of runsc */
    const char *id;      /* argv[2], for people who look at ps */
    u64 namespaces;      /* LINUX_CLONE_NEW* */
    /* With CLONE_NEWUSER: root inside is this user and group of the host, and nobody else exists. */
    u32 host_uid, host_gid;
    int exe_fd; /* from spawn_open_self() */
    /* Descriptor i of the child is a copy of fds[i]; -1 = closed. All others are closed. */
    const int *fds;
    size_t nfds;
};

/* A started process. */
struct spawned {
    const char *what;
    int pid;
    int pidfd;  /* -1 once it has been waited for */
    int report; /* why the child could not start the program; ends without a word if it could */
};

/* The program itself. uid, if not that of the caller, must be able to start it: else a copy in
 * memory. */
int spawn_open_self(u32 uid, struct error *e);
/* Returns while the child still prepares itself: a later failure is told by spawn_why(). */
int spawn_process(const struct spawn *s, struct spawned *out, struct error *e);
/* For a process that has ended: -errno with a message when it never came to run the program. */
int spawn_why(struct spawned *p, struct error *e);
/* Kills and waits, if that has not happened yet. */
void spawn_end(struct spawned *p);

#endif
