/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Entry of the sentry. `runsc boot` fills a struct boot_config, calls sentry_boot_platform() while
 * it still has its privileges, sandboxes itself (namespaces, chroot, capabilities, seccomp), then
 * calls sentry_boot_run(), which returns when the sandbox's init process has ended.
 */
#ifndef SENTRY_BOOT_BOOT_H
#define SENTRY_BOOT_BOOT_H

#include "cvisor/types.h"

enum boot_mount_type {
    BOOT_MOUNT_GOFER, /* gofer_fd serves it */
    BOOT_MOUNT_TMPFS,
    BOOT_MOUNT_PROC,
    BOOT_MOUNT_DEV, /* devtmpfs with the standard nodes */
    BOOT_MOUNT_DEVPTS,
    BOOT_MOUNT_SYSFS,
    BOOT_MOUNT_MQUEUE,
};

struct boot_mount {
    enum boot_mount_type type;
    const char *destination; /* absolute guest path; the first mount is "/" */
    int gofer_fd;            /* GOFER: connected socket to a gofer server, else -1 */
    bool readonly;
    bool overlay; /* GOFER: writable in-memory overlay on top */
    bool noexec, nosuid, nodev;
    u64 size_limit; /* TMPFS: bytes, 0 = default */
    u32 mode;       /* TMPFS: root directory's mode, 0 = 01777 */
    u32 uid, gid;   /* TMPFS: root directory's owner */
};

struct boot_rlimit {
    int resource; /* LINUX_RLIMIT_* */
    u64 cur, max;
};

struct boot_process {
    const char *const
        *argv; /* NULL-terminated; argv[0] looked up in PATH of envp when it has no '/' */
    const char *const *envp;
    const char *cwd;
    u32 uid, gid;
    const u32 *groups;
    size_t ngroups;
    u64 caps_effective, caps_permitted, caps_inheritable, caps_bounding, caps_ambient;
    bool no_new_privs;
    u32 umask; /* 0022 by default */
    const struct boot_rlimit *rlimits;
    size_t nrlimits;
};

struct boot_config {
    const char *platform; /* NULL = best */
    u32 rungs;            /* enum platform_rung, 0 = all that work */
    bool strace;
    const char *strace_syscalls; /* comma-separated names to trace, NULL = all */
    int stdio[3];   /* host fds for guest fds 0..2; -1 = closed. Owned by the sentry. */
    int control_fd; /* stream socket to runsc, see control messages below; -1 = none */
    const char *hostname;
    const struct boot_mount *mounts;
    size_t nmounts;
    struct boot_process init;
    u64 memory_limit; /* bytes of the memory file, 0 = a generous default */
};

/*
 * Control socket: fixed-size messages, host byte order. runsc → sentry: SIGNAL (arg = signal number,
 * pid 0 = init and, if it leads a foreground group, that group). sentry → runsc: STARTED (arg = 0),
 * EXITED (arg = wait status as of wait4), FAILED (text = message for people, arg = -errno that the
 * exit status is made from, or 0; the sandbox ends). sentry_boot_run() sends STARTED; the boot
 * command sends EXITED or FAILED from its result, and WARNING (text = for people) at any time before.
 */
enum boot_msg_type {
    BOOT_MSG_SIGNAL = 1,
    BOOT_MSG_STARTED,
    BOOT_MSG_EXITED,
    BOOT_MSG_FAILED,
    BOOT_MSG_WARNING,
};

struct boot_msg {
    u32 type;
    s32 arg;
    s32 pid;
    u32 reserved;
    char text[496]; /* NUL-terminated */
};

/* Selects the platform, forks its template, makes the memory file. 0 or -errno with a message for
 * people in why[n]; 0 with one there: a warning. */
int sentry_boot_platform(const struct boot_config *cfg, char *why, size_t n);

/* Builds the kernel, mounts, starts init, serves the control socket. Returns the wait status of
 * init, or -errno with a message in why[n] when init could not be started (-ENOENT: no such
 * program: callers exit with 127; -EACCES, -ENOEXEC: 126). */
int sentry_boot_run(const struct boot_config *cfg, char *why, size_t n);

#endif
