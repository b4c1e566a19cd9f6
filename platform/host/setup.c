/* SPDX-License-Identifier: Apache-2.0 */
/* Host syscalls of include/cvisor/host_setup.h: what runsc needs to build a sandbox. */
#include "cvisor/host_setup.h"

#include "abi/linux/fcntl.h"
#include "abi/linux/filter.h"
#include "abi/linux/mount.h"
#include "abi/linux/resource.h"
#include "abi/linux/sched.h"
#include "abi/linux/seccomp.h"
#include "abi/linux/signal.h"
#include "abi/linux/time.h"
#include "abi/linux/wait.h"
#include "cvisor/host.h"
#include "platform/host/syscall.h"

#include <errno.h>
#include <string.h>

int host_clone_process(u64 flags, int *pidfd)
{
    struct linux_clone_args args = {
        .flags = flags | LINUX_CLONE_PIDFD,
        .pidfd = (u64)(uintptr_t)pidfd,
        .exit_signal = LINUX_SIGCHLD,
    };
    return (int)HOST_CALL(clone3, &args, sizeof(args));
}

int host_execve_fd(int fd, const char *const *argv, const char *const *envp)
{
    return (int)HOST_CALL(execveat, fd, "", argv, envp, LINUX_AT_EMPTY_PATH);
}

int host_wait_pidfd(int pidfd, int *status, int options)
{
    struct linux_siginfo si;
    long r;

    do {
        memset(&si, 0, sizeof(si));
        r = HOST_CALL(waitid, LINUX_P_PIDFD, pidfd, &si, LINUX_WEXITED | options, NULL);
    } while (r == -EINTR);
    if (r < 0)
        return (int)r;
    if (si.si_signo == 0)
        return -EAGAIN;
    if (si.si_code == LINUX_CLD_EXITED)
        *status = LINUX_W_EXITCODE(si.chld.status, 0);
    else
        *status = LINUX_W_EXITCODE(0, si.chld.status) |
                  (si.si_code == LINUX_CLD_DUMPED ? LINUX_W_COREFLAG : 0);
    return 0;
}

int host_pidfd_signal(int pidfd, int sig)
{
    return (int)HOST_CALL(pidfd_send_signal, pidfd, sig, NULL, 0);
}

int host_getppid(void)
{
    return (int)HOST_CALL(getppid);
}

int host_setsid(void)
{
    return (int)HOST_CALL(setsid);
}

u32 host_umask(u32 mask)
{
    return (u32)HOST_CALL(umask, mask);
}

int host_setns(int fd)
{
    return (int)HOST_CALL(setns, fd, 0);
}

int host_unshare(u64 namespaces)
{
    return (int)HOST_CALL(unshare, namespaces);
}

int host_mount_private(void)
{
    return (int)HOST_CALL(mount, NULL, "/", NULL, LINUX_MS_REC | LINUX_MS_PRIVATE, NULL);
}

int host_open_tree(int dirfd, const char *path, u32 flags)
{
    return (int)HOST_CALL(open_tree, dirfd, path, flags | LINUX_OPEN_TREE_CLOEXEC);
}

int host_move_mount(int from, int todir, const char *to)
{
    return (int)HOST_CALL(move_mount, from, "", todir, to, LINUX_MOVE_MOUNT_F_EMPTY_PATH);
}

int host_mount_setattr(int fd, u32 at_flags, const struct linux_mount_attr *attr)
{
    return (int)HOST_CALL(mount_setattr, fd, "", at_flags | LINUX_AT_EMPTY_PATH, attr,
                          sizeof(*attr));
}

int host_mount_tmpfs(u32 attrs)
{
    int fs = (int)HOST_CALL(fsopen, "tmpfs", LINUX_FSOPEN_CLOEXEC);
    long r;

    if (fs < 0)
        return fs;
    r = HOST_CALL(fsconfig, fs, LINUX_FSCONFIG_SET_STRING, "mode", "0555", 0);
    if (r >= 0)
        r = HOST_CALL(fsconfig, fs, LINUX_FSCONFIG_SET_STRING, "size", "4k", 0);
    if (r >= 0)
        r = HOST_CALL(fsconfig, fs, LINUX_FSCONFIG_CMD_CREATE, NULL, NULL, 0);
    if (r >= 0)
        r = HOST_CALL(fsmount, fs, LINUX_FSMOUNT_CLOEXEC, attrs);
    host_close(fs);
    return (int)r;
}

int host_unmount_here(void)
{
    return (int)HOST_CALL(umount2, ".", LINUX_MNT_DETACH);
}

int host_pivot_here(void)
{
    long r = HOST_CALL(pivot_root, ".", ".");

    /* The old root now lies on top of the new one: "." still names the new one below it. */
    if (r >= 0)
        r = host_unmount_here();
    if (r >= 0)
        r = HOST_CALL(chdir, "/");
    return (int)r;
}

int host_seccomp_install(const struct linux_sock_filter *insns, size_t n, u32 flags)
{
    struct linux_sock_fprog prog = {.len = (u16)n, .filter = (u64)(uintptr_t)insns};

    return (int)HOST_CALL(seccomp, LINUX_SECCOMP_SET_MODE_FILTER, flags, &prog);
}

u32 host_getuid(void)
{
    return (u32)HOST_CALL(getuid);
}

u32 host_geteuid(void)
{
    return (u32)HOST_CALL(geteuid);
}

u32 host_getgid(void)
{
    return (u32)HOST_CALL(getgid);
}

u32 host_getegid(void)
{
    return (u32)HOST_CALL(getegid);
}

int host_getgroups(size_t n, u32 *groups)
{
    return (int)HOST_CALL(getgroups, n, groups);
}

int host_setgroups(size_t n, const u32 *groups)
{
    return (int)HOST_CALL(setgroups, n, groups);
}

int host_setresuid(u32 uid)
{
    return (int)HOST_CALL(setresuid, uid, uid, uid);
}

int host_setresgid(u32 gid)
{
    return (int)HOST_CALL(setresgid, gid, gid, gid);
}

int host_prlimit(int resource, const struct linux_rlimit *set, struct linux_rlimit *old)
{
    return (int)HOST_CALL(prlimit64, 0, resource, set, old);
}

int host_sigmask_set(u64 mask, u64 *old)
{
    return (int)HOST_CALL(rt_sigprocmask, LINUX_SIG_SETMASK, &mask, old, LINUX_SIGSET_SIZE);
}

bool host_signal_ignored(int sig)
{
    struct linux_sigaction sa = {0};

    if (HOST_CALL(rt_sigaction, sig, NULL, &sa, LINUX_SIGSET_SIZE) < 0)
        return false;
    return sa.handler == LINUX_SIG_IGN;
}

int host_signal_ignore(int sig)
{
    struct linux_sigaction sa = {.handler = LINUX_SIG_IGN};

    return (int)HOST_CALL(rt_sigaction, sig, &sa, NULL, LINUX_SIGSET_SIZE);
}

void host_signals_reset(void)
{
    struct linux_sigaction sa = {.handler = LINUX_SIG_DFL};

    /* KILL and STOP refuse; nothing else can fail. */
    for (int sig = 1; sig <= LINUX_NSIG; sig++)
        HOST_CALL(rt_sigaction, sig, &sa, NULL, LINUX_SIGSET_SIZE);
    host_sigmask_set(0, NULL);
}

int host_signalfd(u64 mask)
{
    return (int)HOST_CALL(signalfd4, -1, &mask, LINUX_SIGSET_SIZE,
                          LINUX_O_CLOEXEC | LINUX_O_NONBLOCK);
}

int host_signalfd_read(int fd)
{
    u32 info[32]; /* struct signalfd_siginfo: 128 bytes, the first word is the number */
    ssize_t r = host_read(fd, info, sizeof(info));

    if (r < 0)
        return (int)r;
    return r == (ssize_t)sizeof(info) ? (int)info[0] : -EIO;
}

int host_getcwd(char *buf, size_t n)
{
    long r = HOST_CALL(getcwd, buf, n);

    if (r < 0)
        return (int)r;
    /* "(unreachable)/..." when the folder is outside the root of this process. */
    return buf[0] == '/' ? 0 : -ENOENT;
}

int host_open_self(int flags)
{
    return host_openat(LINUX_AT_FDCWD, "/proc/self/exe", flags | LINUX_O_CLOEXEC, 0);
}

void host_sleep_ms(u32 ms)
{
    struct linux_timespec ts = {ms / 1000, (s64)(ms % 1000) * 1000000};

    HOST_CALL(clock_nanosleep, LINUX_CLOCK_MONOTONIC, 0, &ts, NULL);
}
