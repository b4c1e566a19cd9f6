/* SPDX-License-Identifier: Apache-2.0 */
/* Between the lists and the tool that makes programs of them. Not part of runsc. */
#ifndef RUNSC_FILTER_RULES_H
#define RUNSC_FILTER_RULES_H

#include "runsc/filter/filter.h"

#include <seccomp.h>

/* What happens to a call that is not on a list. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define FILTER_DEFAULT SCMP_ACT_ERRNO(EPERM) /* the sanitizer's runtime probes for things */
#else
#define FILTER_DEFAULT SCMP_ACT_KILL_PROCESS
#endif

/* 0, or -errno after a message on stderr. */
int gofer_filter_rules(scmp_filter_ctx ctx);
int sentry_filter_rules(scmp_filter_ctx ctx, enum filter_platform platform);

#endif
