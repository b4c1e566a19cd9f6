/* SPDX-License-Identifier: Apache-2.0 */
/* Decoding of guest memory for strace: strings, buffers, structures. */
#ifndef SENTRY_SYSCALLS_STRACE_TYPES_H
#define SENTRY_SYSCALLS_STRACE_TYPES_H

#include "cvisor/types.h"
#include "sentry/syscalls/strace_out.h"

struct syscall_args;
struct task;

/* One argument on its way into the line. */
struct strace_arg {
    struct task *task;
    struct strace_out *out;
    const struct syscall_args *args;
    u64 v;     /* the argument */
    u64 len;   /* the argument that holds its length */
    u64 ret;   /* result of the call, clamped at 0; meaningful if exit */
    bool exit; /* the call has returned */
};

typedef void strace_type_fn(const struct strace_arg *a);

/* Only called with a.v != 0. When guest memory can't be read they write the address. */
strace_type_fn type_argv, type_buf, type_buf_ret, type_cloneargs, type_dirents, type_envp,
    type_epevent, type_epevents, type_fds, type_fdset, type_int, type_iov, type_iov_raw,
    type_iov_ret, type_itimerspec, type_itimerval, type_long, type_msghdr, type_openhow,
    type_pollfds, type_rlimit, type_rusage, type_sigaction, type_sigevent, type_siginfo,
    type_sigset, type_sockaddr, type_sockaddr_ret, type_stack, type_stat, type_statfs, type_statx,
    type_str, type_sysinfo, type_timespec, type_timespec2, type_timeval, type_timeval2, type_timex,
    type_tms, type_uint, type_utsname, type_wstatus;

/* Implementation helpers shared by the strace_*.c files. */

/* Copies n bytes of the argument's memory; on failure the address is written and false returned. */
bool type_fetch(const struct strace_arg *a, void *dst, u64 addr, size_t n);
void type_hex(const struct strace_arg *a, u64 v);
/* A guest buffer of n bytes as a string literal, cut at STRACE_BUF_MAX. */
void type_bytes(const struct strace_arg *a, u64 addr, u64 n);
/* A NUL-terminated guest string, cut at max bytes. */
void type_cstr(const struct strace_arg *a, u64 addr, size_t max);

#define STRACE_BUF_MAX 64u
#define STRACE_STR_MAX 512u
#define STRACE_LIST_MAX 16u

#endif
