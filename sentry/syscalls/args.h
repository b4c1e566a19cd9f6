/* SPDX-License-Identifier: Apache-2.0 */
/* The arguments of a syscall, as every handler gets them. */
#ifndef SENTRY_SYSCALLS_ARGS_H
#define SENTRY_SYSCALLS_ARGS_H

#include "cvisor/types.h"

struct task;

/* The raw registers rdi, rsi, rdx, r10, r8, r9. Upper halves of narrow arguments are garbage: use
 * the accessors. */
struct syscall_args {
    u64 v[6];
};

static inline s32 arg_int(const struct syscall_args *a, unsigned i)
{
    return (s32)a->v[i];
}

static inline u32 arg_u32(const struct syscall_args *a, unsigned i)
{
    return (u32)a->v[i];
}

static inline s64 arg_s64(const struct syscall_args *a, unsigned i)
{
    return (s64)a->v[i];
}

static inline uaddr_t arg_ptr(const struct syscall_args *a, unsigned i)
{
    return uaddr(a->v[i]);
}

#endif
