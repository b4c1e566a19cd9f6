/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Host syscalls that runsc makes while it builds a sandbox, and a platform while it forks its
 * template: processes, namespaces, mounts, identities, signals. The kernel in sentry/ and the gofer's
 * server never include this: their seccomp filters allow none of it. Same rules as cvisor/host.h: >= 0 or -errno, structs of include/abi/linux.
 * platform/host/setup.c.
 */
#ifndef CVISOR_HOST_SETUP_H
#define CVISOR_HOST_SETUP_H

#include "cvisor/compiler.h"

struct linux_mount_attr;
struct linux_rlimit;
struct linux_sock_filter;

/* --- processes --- */
/* As fork with namespaces: flags are LINUX_CLONE_NEW*. The child gets 0. *pidfd is close-on-exec. The
 * caller has one thread. */
int host_clone_process(u64 flags, int *pidfd);
/* Returns only on failure. fd may be O_PATH. */
int host_execve_fd(int fd, const char *const *argv, const char *const *envp);
/* Status as of wait4. options: LINUX_WNOHANG (-EAGAIN while it runs), LINUX_WNOWAIT. EINTR is
 * retried. */
int host_wait_pidfd(int pidfd, int *status, int options);
int host_pidfd_signal(int pidfd, int sig);
int host_getppid(void);
int host_setsid(void);
u32 host_umask(u32 mask);

/* --- namespaces and mounts --- */
/* Back into a namespace of which fd is a file of /proc/PID/ns. */
int host_setns(int fd);
int host_unshare(u64 namespaces);
int host_mount_private(void); /* the whole tree of this mount namespace: nothing propagates */
int host_open_tree(int dirfd, const char *path, u32 flags);
int host_move_mount(int from, int todir, const char *to);
int host_mount_setattr(int fd, u32 at_flags, const struct linux_mount_attr *attr);
/* A new, empty, detached tmpfs: an fd for host_move_mount(). attrs: LINUX_MOUNT_ATTR_*. */
int host_mount_tmpfs(u32 attrs);
/* The mount that the current folder is the root of becomes "/"; the old tree is detached. */
int host_pivot_here(void);
/* Detaches the mount that the current folder is the root of. */
int host_unmount_here(void);

/* --- identity --- */
u32 host_getuid(void);
u32 host_geteuid(void);
u32 host_getgid(void);
u32 host_getegid(void);
int host_getgroups(size_t n, u32 *groups);
int host_setgroups(size_t n, const u32 *groups);
int host_setresuid(u32 uid); /* real, effective and saved */
int host_setresgid(u32 gid);
int host_prlimit(int resource, const struct linux_rlimit *set, struct linux_rlimit *old);

/* --- signals --- */
/* Replaces the mask of the calling thread; old may be NULL. Bit (signo - 1). */
int host_sigmask_set(u64 mask, u64 *old);
bool host_signal_ignored(int sig);
int host_signal_ignore(int sig);
/* Every disposition to its default, the mask empty. */
void host_signals_reset(void);
int host_signalfd(u64 mask);
/* Next signal of a signalfd: its number; -EAGAIN when there is none. */
int host_signalfd_read(int fd);

/* --- the rest --- */
/* For the calling thread, or with TSYNC for all: > 0 = the one that refuses. */
int host_seccomp_install(const struct linux_sock_filter *insns, size_t n, u32 flags);
/* Absolute path of the current folder. */
int host_getcwd(char *buf, size_t n);
/* The file of the running program; flags: LINUX_O_PATH (for host_execve_fd) or LINUX_O_RDONLY. */
int host_open_self(int flags);
void host_sleep_ms(u32 ms);

#endif
