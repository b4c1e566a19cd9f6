/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The seccomp filters of the sandbox's processes, made when runsc is built (gen.c) from the lists in
 * runsc/gofer/filter.c and runsc/sandbox/sentry_filter.c.
 */
#ifndef RUNSC_FILTER_FILTER_H
#define RUNSC_FILTER_FILTER_H

#include "abi/linux/filter.h"
#include "cvisor/error.h"

struct filter_program {
    const struct linux_sock_filter *insns;
    size_t n;
};

/* What the sentry needs besides, by its platform. */
enum filter_platform { FILTER_NO_PLATFORM, FILTER_PTRACE, FILTER_SYSTRAP, FILTER_PLATFORMS };

extern const struct filter_program g_filter_gofer;
/* The second ones let calls outside the list pass and report them in the host's kernel log, for
 * finding out what is missing. */
extern const struct filter_program g_filter_sentry[FILTER_PLATFORMS][2];

/* By name; NULL = none. */
enum filter_platform filter_platform_of(const char *platform);
/* For the whole process, all its threads. no_new_privs is set. what: whose it is, for the message. */
int filter_load(const struct filter_program *f, const char *what, struct error *e);

#endif
