/* SPDX-License-Identifier: Apache-2.0 */
/* The end of the whole sandbox from within: a part that it can't do without is gone. */
#ifndef SENTRY_KERNEL_FATAL_H
#define SENTRY_KERNEL_FATAL_H

/* Set by boot: tells runsc (message for people) and ends the process. From any thread, any locks. */
extern void (*g_sandbox_fatal)(const char *why);

#endif
