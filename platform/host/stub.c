/* SPDX-License-Identifier: Apache-2.0 */
/* Host syscalls of include/cvisor/host_stub.h: ptrace, and a forked child's way to a stub. */
#define _GNU_SOURCE
#include "cvisor/host_stub.h"
#include "cvisor/host.h"
#include "platform/host/syscall.h"

#include "abi/linux/capability.h"
#include "abi/linux/filter.h"
#include "abi/linux/prctl.h"
#include "abi/linux/rseq.h"
#include "abi/linux/sched.h"
#include "abi/linux/seccomp.h"
#include "abi/linux/signal.h"
#include "abi/linux/time.h"
#include "abi/linux/utsname.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/rseq.h>

long host_ptrace(int request, int tid, u64 addr, u64 data)
{
    return HOST_CALL(ptrace, request, tid, addr, data);
}

int host_fork_files(void)
{
    return (int)HOST_CALL(clone, LINUX_CLONE_FILES | LINUX_SIGCHLD, 0, 0, 0, 0);
}

int host_signal_action(int sig, const struct linux_sigaction *sa)
{
    return (int)HOST_CALL(rt_sigaction, sig, sa, NULL, LINUX_SIGSET_SIZE);
}

int host_signal_queue(int tgid, int tid, int sig, u64 value)
{
    struct linux_siginfo si = {.si_signo = sig, .si_code = LINUX_SI_QUEUE};

    si.rt.value.sival_ptr = value;
    return (int)HOST_CALL(rt_tgsigqueueinfo, tgid, tid, sig, &si);
}

int host_signal_disposition(int sig, u64 handler)
{
    struct linux_sigaction sa = {.handler = handler};
    return (int)HOST_CALL(rt_sigaction, sig, &sa, NULL, LINUX_SIGSET_SIZE);
}

int host_signal_no_child_stops(void)
{
    struct linux_sigaction sa = {.handler = LINUX_SIG_DFL, .flags = LINUX_SA_NOCLDSTOP};
    return (int)HOST_CALL(rt_sigaction, LINUX_SIGCHLD, &sa, NULL, LINUX_SIGSET_SIZE);
}

int host_signal_hold_child(void)
{
    struct linux_sigaction sa = {.handler = LINUX_SIG_DFL};
    u64 mask = LINUX_SIGMASK(LINUX_SIGCHLD);
    int err = (int)HOST_CALL(rt_sigprocmask, LINUX_SIG_BLOCK, &mask, NULL, LINUX_SIGSET_SIZE);

    if (err == 0)
        err = (int)HOST_CALL(rt_sigaction, LINUX_SIGCHLD, &sa, NULL, LINUX_SIGSET_SIZE);
    return err;
}

int host_signal_wait(int sig, u64 ns)
{
    struct linux_timespec ts = {.tv_sec = (s64)(ns / NSEC_PER_SEC),
                                .tv_nsec = (s64)(ns % NSEC_PER_SEC)};
    u64 mask = LINUX_SIGMASK(sig);

    return (int)HOST_CALL(rt_sigtimedwait, &mask, NULL, ns ? &ts : NULL, LINUX_SIGSET_SIZE);
}

int host_signal_unblock_all(void)
{
    linux_sigset none = 0;
    return (int)HOST_CALL(rt_sigprocmask, LINUX_SIG_SETMASK, &none, NULL, LINUX_SIGSET_SIZE);
}

#ifndef AT_RSEQ_FEATURE_SIZE
#define AT_RSEQ_FEATURE_SIZE 27
#endif

int host_rseq_unregister(void)
{
    char *area = (char *)__builtin_thread_pointer() + __rseq_offset;
    /* The kernel wants the length of the registration back, which libc does not tell: 32 at
     * first, later what the kernel announces, rounded up. */
    unsigned long feature = (getauxval(AT_RSEQ_FEATURE_SIZE) + 31) & ~31ul;
    unsigned long sizes[] = {LINUX_RSEQ_ORIG_SIZE, feature, __rseq_size, 64};
    long r = 0;

    if (__rseq_size == 0)
        return 0;
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        r = HOST_CALL(rseq, area, sizes[i], LINUX_RSEQ_FLAG_UNREGISTER, RSEQ_SIG);
        if (r == 0)
            return 0;
    }
    return (int)r;
}

int host_mseal(void *addr, u64 len)
{
    return (int)HOST_CALL(mseal, addr, len, 0);
}

int host_drop_all_caps(void)
{
    struct {
        u32 version;
        s32 pid;
    } header = {LINUX_CAPABILITY_VERSION_3, 0};
    struct {
        u32 effective, permitted, inheritable;
    } data[2] = {{0}, {0}};

    HOST_CALL(prctl, LINUX_PR_CAP_AMBIENT, LINUX_PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    for (int cap = 0; cap < 64; cap++) {
        if (HOST_CALL(prctl, LINUX_PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
            break; /* past the last one, or not ours to drop */
    }
    return (int)HOST_CALL(capset, &header, data);
}

int host_personality_reset(void)
{
    return (int)HOST_CALL(personality, 0);
}

#define HWCAP2_FSGSBASE 2ul

bool host_has_fsgsbase(void)
{
    return getauxval(AT_HWCAP2) & HWCAP2_FSGSBASE;
}

int host_kernel_version(void)
{
    struct linux_utsname u;
    char *end;
    long r = HOST_CALL(uname, &u);

    if (r < 0)
        return (int)r;
    unsigned long major = strtoul(u.release, &end, 10);
    unsigned long minor = *end == '.' ? strtoul(end + 1, NULL, 10) : 0;
    return (int)((major & 0xff) << 8 | (minor & 0xff));
}

int host_seccomp_filter(const struct linux_sock_filter *insns, size_t n)
{
    struct linux_sock_fprog prog = {.len = (u16)n, .filter = (u64)(uintptr_t)insns};
    return (int)HOST_CALL(seccomp, LINUX_SECCOMP_SET_MODE_FILTER, 0, &prog);
}
