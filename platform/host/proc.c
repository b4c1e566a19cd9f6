/* SPDX-License-Identifier: Apache-2.0 */
/* Host syscalls on processes and threads. */
#include "abi/linux/sysinfo.h"
#include "cvisor/host.h"
#include "platform/host/syscall.h"

#include <errno.h>
#include <sys/auxv.h>

int host_getpid(void)
{
    return (int)HOST_CALL(getpid);
}

int host_gettid(void)
{
    return (int)HOST_CALL(gettid);
}

int host_kill(int pid, int sig)
{
    return (int)HOST_CALL(kill, pid, sig);
}

int host_tgkill(int tgid, int tid, int sig)
{
    return (int)HOST_CALL(tgkill, tgid, tid, sig);
}

int host_pidfd_open(int pid, u32 flags)
{
    return (int)HOST_CALL(pidfd_open, pid, flags);
}

int host_prctl(int op, u64 a, u64 b, u64 c, u64 d)
{
    return (int)HOST_CALL(prctl, op, a, b, c, d);
}

int host_wait4(int pid, int *status, int options, void *rusage)
{
    return (int)HOST_CALL(wait4, pid, status, (u32)options, rusage);
}

int host_sched_yield(void)
{
    return (int)HOST_CALL(sched_yield);
}

int host_sched_getaffinity(int pid, size_t len, void *mask)
{
    return (int)HOST_CALL(sched_getaffinity, pid, len, mask);
}

int host_sched_setaffinity(int pid, size_t len, const void *mask)
{
    return (int)HOST_CALL(sched_setaffinity, pid, len, mask);
}

int host_getcpu(u32 *cpu, u32 *node)
{
    return (int)HOST_CALL(getcpu, cpu, node, NULL);
}

__noreturn void host_exit_group(int status)
{
    for (;;)
        HOST_CALL(exit_group, status);
}

int host_getrandom(void *buf, size_t n, u32 flags)
{
    return (int)HOST_CALL_RETRY(getrandom, buf, n, flags);
}

u64 host_hwcap(void)
{
    return getauxval(AT_HWCAP);
}

u64 host_hwcap2(void)
{
    return getauxval(AT_HWCAP2);
}

u64 host_memory_total(void)
{
    struct linux_sysinfo si;

    return HOST_CALL(sysinfo, &si) < 0 ? 0 : (u64)si.totalram * si.mem_unit;
}

int host_getrusage(int who, struct linux_rusage *ru)
{
    return (int)HOST_CALL(getrusage, who, ru);
}

int host_membarrier(int cmd, u32 flags)
{
    return (int)HOST_CALL(membarrier, cmd, flags, 0);
}
