/* SPDX-License-Identifier: Apache-2.0 */
/* The line that strace builds: a bounded buffer, and how plain values are written into it. */
#ifndef SENTRY_SYSCALLS_STRACE_OUT_H
#define SENTRY_SYSCALLS_STRACE_OUT_H

#include "cvisor/compiler.h"
#include "sentry/syscalls/strace_names.h"

struct strace_out {
    char *buf; /* always NUL-terminated; what does not fit is cut off */
    size_t len, cap;
};

void out_str(struct strace_out *o, const char *s);
void out_printf(struct strace_out *o, const char *fmt, ...) __printf(2, 3);
/* A C string literal of n bytes; an ellipsis follows when more of it exists. */
void out_quoted(struct strace_out *o, const void *data, size_t n, bool more);
/* One name, or names joined with |. */
void out_names(struct strace_out *o, const struct strace_names *names, u64 v);
void out_signal(struct strace_out *o, u64 sig);
/* A set of signals: bit signo - 1. */
void out_sigset(struct strace_out *o, u64 set);
/* "= 3 (0x3)", "= -1 errno=2 (ENOENT)" or "= ? (ERESTARTSYS)". */
void out_result(struct strace_out *o, s64 ret);

#endif
