/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The end of a process that broke an invariant of its own or faulted: a report with a backtrace goes
 * to the log, then the process dies with SIGABRT (exit status 134 where that has no effect).
 */
#ifndef CVISOR_CRASH_H
#define CVISOR_CRASH_H

#include "cvisor/compiler.h"

/*
 * Handlers for SIGFPE and SIGILL, and for SIGSEGV and SIGBUS unless host_safecopy_init() has put its
 * own there; symbols for backtraces; an alternate signal stack for the calling thread. Call it once,
 * early, while /proc/self/exe can be opened. May be called again after a fork.
 */
void crash_init(void);
/* For the SIGSEGV and SIGBUS handlers of safecopy: a fault that is not theirs. info is a siginfo_t *,
 * ucontext a ucontext_t *. */
__noreturn void crash_on_fault(int sig, const void *info, const void *ucontext);

/*
 * Set once by the kernel: writes NUL-terminated lines about the guest task that this host thread
 * works for (ids, registers) into buf. Runs in a broken process: takes no locks, allocates nothing.
 */
extern void (*g_crash_context)(char *buf, size_t n);

/* Return addresses of the calling thread, innermost first. */
size_t crash_backtrace(u64 *pcs, size_t max);
/* "function+0x12" or "runsc+0x1234" or "libc.so.6+0x1234". */
void crash_symbol(u64 pc, char *buf, size_t n);

#endif
