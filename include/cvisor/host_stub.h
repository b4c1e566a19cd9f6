/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Host syscalls that only the platform backends make: tracing, and what a forked process does to
 * itself to become a stub. Same rules as cvisor/host.h. platform/host/stub.c.
 */
#ifndef CVISOR_HOST_STUB_H
#define CVISOR_HOST_STUB_H

#include "cvisor/compiler.h"

struct linux_sock_filter;
struct linux_sigaction;

/* The raw syscall: PEEKUSR stores through data. */
long host_ptrace(int request, int tid, u64 addr, u64 data);

/* Release of the host kernel: major << 8 | minor. */
int host_kernel_version(void);
/* User code may read and write FS.base and GS.base. */
bool host_has_fsgsbase(void);

/* A signal with a value, to one thread of a stub. -EAGAIN: too many are queued. */
int host_signal_queue(int tgid, int tid, int sig, u64 value);

/* Forks with a shared table of file descriptors (CLONE_FILES). The child gets 0; it shares no
 * memory, has one thread, and must not call libc functions that lock or allocate. */
int host_fork_files(void);

/* No SIGCHLD for stops of children. Only a thread that waits sees them; without this each would also
 * interrupt the main thread. */
int host_signal_no_child_stops(void);
/* The opposite, for a thread that sleeps in host_signal_wait: SIGCHLD for all that children do, kept
 * from the calling thread and the threads that it makes until one of them asks for it. */
int host_signal_hold_child(void);
/* Takes a signal that is held back, or sleeps until it comes. ns = 0: no limit, else -EAGAIN. */
int host_signal_wait(int sig, u64 ns);

/* In the child. */
/* LINUX_SIG_DFL or LINUX_SIG_IGN for one signal. */
int host_signal_disposition(int sig, u64 handler);
int host_signal_action(int sig, const struct linux_sigaction *sa);
/* Empty mask of the calling thread. */
int host_signal_unblock_all(void);
/* Takes back the rseq area that libc registered for this thread; 0 also when there is none. */
int host_rseq_unregister(void);
/* All capability sets empty, as far as the bounding set can be changed. -errno when a capability
 * would stay effective, permitted or inheritable. */
int host_drop_all_caps(void);
int host_personality_reset(void);
/* No mapping there can be changed any more. -ENOSYS before Linux 6.10. */
int host_mseal(void *addr, u64 len);
/* The calling thread's seccomp filter; no_new_privs is set. */
int host_seccomp_filter(const struct linux_sock_filter *insns, size_t n);

#endif
