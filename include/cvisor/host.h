/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host kernel, as seen by sentry and gofer. platform/host is the only place that makes host
 * syscalls. Every wrapper returns >= 0 or -errno, retries nothing unless its comment says so, and is
 * named host_<syscall>. Structs are those of include/abi/linux (the host is x86-64 Linux too), so
 * that callers need no <sys/...> headers.
 */
#ifndef CVISOR_HOST_H
#define CVISOR_HOST_H

#include "cvisor/compiler.h"

struct linux_stat;
struct linux_statx;
struct linux_statfs;
struct linux_timespec;
struct linux_iovec;
struct linux_epoll_event;
struct linux_msghdr;

/* --- files: platform/host/file.c. EINTR is retried for open, read and write families. --- */
int host_openat(int dirfd, const char *path, int flags, u32 mode);
struct linux_open_how;
int host_openat2(int dirfd, const char *path, const struct linux_open_how *how);
int host_close(int fd);
ssize_t host_read(int fd, void *buf, size_t n);
ssize_t host_write(int fd, const void *buf, size_t n);
ssize_t host_pread(int fd, void *buf, size_t n, u64 off);
ssize_t host_pwrite(int fd, const void *buf, size_t n, u64 off);
/* off < 0: at the current offset. */
ssize_t host_preadv(int fd, const struct linux_iovec *iov, int cnt, s64 off, int rwf);
ssize_t host_pwritev(int fd, const struct linux_iovec *iov, int cnt, s64 off, int rwf);
s64 host_lseek(int fd, s64 off, int whence);
int host_fstat(int fd, struct linux_stat *st);
int host_fstatat(int dirfd, const char *path, struct linux_stat *st, int flags);
int host_statx(int dirfd, const char *path, int flags, u32 mask, struct linux_statx *stx);
int host_fstatfs(int fd, struct linux_statfs *st);
ssize_t host_readlinkat(int dirfd, const char *path, char *buf, size_t n);
int host_mkdirat(int dirfd, const char *path, u32 mode);
int host_mknodat(int dirfd, const char *path, u32 mode, u64 dev);
int host_unlinkat(int dirfd, const char *path, int flags);
int host_renameat2(int olddir, const char *oldp, int newdir, const char *newp, u32 flags);
int host_linkat(int olddir, const char *oldp, int newdir, const char *newp, int flags);
int host_symlinkat(const char *target, int dirfd, const char *path);
int host_fchmodat(int dirfd, const char *path, u32 mode);
int host_fchmod(int fd, u32 mode);
int host_fchownat(int dirfd, const char *path, u32 uid, u32 gid, int flags);
int host_utimensat(int dirfd, const char *path, const struct linux_timespec *ts2, int flags);
int host_ftruncate(int fd, u64 len);
int host_fallocate(int fd, int mode, u64 off, u64 len);
int host_fsync(int fd);
int host_fdatasync(int fd);
ssize_t host_getdents64(int fd, void *buf, size_t n);
int host_dup(int fd); /* close-on-exec */
int host_dup3(int oldfd, int newfd, int flags);
int host_fcntl(int fd, int cmd, u64 arg);
int host_ioctl(int fd, u64 cmd, void *arg);
int host_pipe2(int fds[2], int flags);
int host_memfd_create(const char *name, u32 flags);
int host_eventfd(u32 init, int flags);
int host_flock(int fd, int op);
ssize_t host_copy_file_range(int in, u64 *off_in, int out, u64 *off_out, size_t n, u32 flags);
ssize_t host_fgetxattr(int fd, const char *name, void *buf, size_t n);
int host_fsetxattr(int fd, const char *name, const void *buf, size_t n, int flags);
ssize_t host_flistxattr(int fd, char *buf, size_t n);
int host_fremovexattr(int fd, const char *name);
int host_chroot(const char *path);
int host_chdir(const char *path);
int host_fchdir(int fd);
int host_close_range(u32 first, u32 last, u32 flags);

/* --- memory: platform/host/mem.c --- */
/* Returns the address or (void *)-errno: test with host_is_err(). */
void *host_mmap(void *addr, size_t len, int prot, int flags, int fd, u64 off);
int host_munmap(void *addr, size_t len);
int host_mprotect(void *addr, size_t len, int prot);
int host_madvise(void *addr, size_t len, int advice);
static inline bool host_is_err(const void *p)
{
    return (uintptr_t)p >= (uintptr_t)-4095;
}

/* --- copies that may fault: platform/host/safecopy.{c,S} ---
 * Memory behind a guest mapping or a host file may vanish (truncation, ENOSPC of a memfd). These
 * return the number of bytes NOT done: 0 = success. Handlers for SIGSEGV and SIGBUS are installed by
 * host_safecopy_init(); a fault anywhere else goes to the crash handler. */
void host_safecopy_init(void);
size_t host_copy_safe(void *dst, const void *src, size_t n);
size_t host_zero_safe(void *dst, size_t n);
/* Atomic 32-bit operations on guest memory; 0 or -EFAULT. */
int host_load_u32_safe(const u32 *p, u32 *out);
int host_cmpxchg_u32_safe(u32 *p, u32 expect, u32 desired, u32 *old);
int host_xchg_u32_safe(u32 *p, u32 val, u32 *old);

/* --- processes and threads: platform/host/proc.c --- */
int host_getpid(void);
int host_gettid(void);
int host_kill(int pid, int sig);
int host_tgkill(int tgid, int tid, int sig);
int host_pidfd_open(int pid, u32 flags);
int host_prctl(int op, u64 a, u64 b, u64 c, u64 d);
int host_wait4(int pid, int *status, int options, void *rusage);
int host_sched_yield(void);
int host_sched_getaffinity(int pid, size_t len, void *mask);
int host_sched_setaffinity(int pid, size_t len, const void *mask);
int host_getcpu(u32 *cpu, u32 *node);
__noreturn void host_exit_group(int status);
int host_getrandom(void *buf, size_t n, u32 flags);
/* AT_HWCAP, AT_HWCAP2: what CPUID says, which can take very long where the host is itself a guest. */
u64 host_hwcap(void);
u64 host_hwcap2(void);
/* Bytes of the host's memory, 0 = unknown. The sentry's filter forbids it: before that only. */
u64 host_memory_total(void);
struct linux_rusage;
int host_getrusage(int who, struct linux_rusage *ru);
int host_membarrier(int cmd, u32 flags);

/* --- futex, time: platform/host/time.c --- */
/* deadline: absolute CLOCK_MONOTONIC ns, 0 = none. -EAGAIN, -ETIMEDOUT, -EINTR. */
int host_futex_wait(const _Atomic u32 *w, u32 val, u64 deadline_ns);
int host_futex_wake(const _Atomic u32 *w, int count);
/* On a word that another process maps too. */
int host_futex_wait_shared(const _Atomic u32 *w, u32 val, u64 deadline_ns);
int host_futex_wake_shared(const _Atomic u32 *w, int count);
u64 host_now_mono(void); /* ns, CLOCK_MONOTONIC, through the vDSO */
u64 host_now_real(void); /* ns, CLOCK_REALTIME */
int host_clock_gettime(int clock, struct linux_timespec *ts); /* any clock */
int host_clock_getres(int clock, struct linux_timespec *ts);

/* --- sockets and readiness: platform/host/sock.c --- */
int host_socketpair(int domain, int type, int proto, int sv[2]);
int host_socket(int domain, int type, int proto);
int host_connect(int fd, const void *addr, u32 len);
int host_bind(int fd, const void *addr, u32 len);
int host_listen(int fd, int backlog);
int host_accept4(int fd, int flags);
int host_shutdown(int fd, int how);
/* With up to 32 fds over SCM_RIGHTS. */
ssize_t host_send_fds(int sock, const void *buf, size_t n, const int *fds, size_t nfds);
/* *nfds: capacity in, count out; received fds are close-on-exec; fds over capacity are closed. */
ssize_t host_recv_fds(int sock, void *buf, size_t n, int *fds, size_t *nfds, int flags);
ssize_t host_recv(int fd, void *buf, size_t n, int flags);
ssize_t host_sendmsg(int fd, const struct linux_msghdr *m, int flags);
ssize_t host_recvmsg(int fd, struct linux_msghdr *m, int flags);
int host_epoll_create(void);
int host_epoll_ctl(int ep, int op, int fd, struct linux_epoll_event *ev);
int host_epoll_wait(int ep, struct linux_epoll_event *evs, int max, int timeout_ms);
struct linux_pollfd;
int host_poll(struct linux_pollfd *fds, u32 n, int timeout_ms);

#endif
