/* SPDX-License-Identifier: Apache-2.0 */
/* The sentry's seccomp filter: an allow-list with a reason for every entry. */
#ifndef RUNSC_SANDBOX_SENTRY_FILTER_H
#define RUNSC_SANDBOX_SENTRY_FILTER_H

#include "cvisor/error.h"

/*
 * Installs it for the whole process, threads included, once the platform has started.
 * platform: name of the chosen backend, whose own needs are added. log_only: calls outside the list
 * are let through and reported in the host's kernel log, for finding out what is missing.
 */
int sentry_filter_install(const char *platform, bool log_only, struct error *e);

#endif
