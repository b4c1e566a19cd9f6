/* SPDX-License-Identifier: Apache-2.0 */
/* The backend's table, probe, init and shutdown. */
#include "platform/ptrace/ptrace.h"

#include "abi/linux/ptrace.h"
#include "abi/linux/wait.h"
#include "cvisor/host.h"
#include "cvisor/host_stub.h"
#include "cvisor/log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct ptrace_global g_ptrace;

/* The child does nothing until it is killed. */
static int probe_child(int pid, char *why, size_t n)
{
    struct linux_ptrace_syscall_info info;
    int status;
    long r;

    r = host_ptrace(LINUX_PTRACE_SEIZE, pid, 0, LINUX_PTRACE_O_EXITKILL);
    if (r < 0) {
        snprintf(why, n,
                 "ptrace of a child is refused (error %ld): allow it in "
                 "/proc/sys/kernel/yama/ptrace_scope and in the seccomp profile above",
                 -r);
        return (int)r;
    }
    if (host_ptrace(LINUX_PTRACE_INTERRUPT, pid, 0, 0) < 0 || trace_wait(pid, &status) < 0 ||
        trace_is_gone(status)) {
        snprintf(why, n, "a traced child does not stop");
        return -ECHILD;
    }
    r = host_ptrace(LINUX_PTRACE_GET_SYSCALL_INFO, pid, sizeof(info), (u64)(uintptr_t)&info);
    if (r < 0) {
        snprintf(why, n, "PTRACE_GET_SYSCALL_INFO is missing: Linux 5.3 or later is needed");
        return -ENOSYS;
    }
    r = host_ptrace(LINUX_PTRACE_SYSEMU, pid, 0, 0);
    if (r < 0) {
        snprintf(why, n, "PTRACE_SYSEMU is missing (error %ld)", -r);
        return -ENOSYS;
    }
    return 0;
}

static int ptrace_probe(char *why, size_t n)
{
    int pid = host_fork_files();

    if (pid == 0) {
        for (;;)
            host_sched_yield();
    }
    if (pid < 0) {
        snprintf(why, n, "a process can't be made (error %d)", -pid);
        return pid;
    }
    int err = probe_child(pid, why, n);
    host_kill(pid, LINUX_SIGKILL);
    trace_reap(pid);
    return err;
}

static int ptrace_init(const struct platform_config *cfg, const struct platform_kernel_ops *kops,
                       struct platform_info *info)
{
    g_ptrace.kops = kops;
    g_ptrace.sentry_pid = host_getpid();
    mutex_init(&g_ptrace.lock, LOCK_PLATFORM);
    list_init(&g_ptrace.spares);
    list_init(&g_ptrace.calls);
    list_init(&g_ptrace.vcpus);
    list_init(&g_ptrace.all_vcpus);
    affinity_init();

    int err = host_signal_no_child_stops();
    if (err == 0)
        err = template_reserve();
    if (err == 0)
        err = master_start(info);
    if (err < 0)
        return err;
    info->name = "ptrace";
    info->vm_start = PTRACE_VM_START;
    info->vm_end = g_ptrace.region;
    info->reports_access = false;
    return 0;
}

static void ptrace_shutdown(void)
{
    struct master_call call = {.type = CALL_SHUTDOWN};

    if (!atomic_exchange(&g_ptrace.down, true))
        master_call(&call);
}

/* A blocked vcpu keeps its host thread: there is no pool to refill. */
static void ptrace_about_to_block(struct platform_thread *v)
{
    affinity_block(v);
}

static void ptrace_done_blocking(struct platform_thread *v)
{
}

/* Every call is to be seen: this is the reference. */
static int ptrace_as_patch(struct platform_as *as, u64 ip, const void *text, u32 prot)
{
    return -ENOSYS;
}

static void ptrace_thread_answer(struct platform_thread *pt, u32 nr, s64 value)
{
}

extern const struct platform_ops g_platform_ptrace;
const struct platform_ops g_platform_ptrace = {
    .name = "ptrace",
    .probe = ptrace_probe,
    .init = ptrace_init,
    .shutdown = ptrace_shutdown,
    .as_create = ptrace_as_create,
    .as_get = ptrace_as_get,
    .as_put = ptrace_as_put,
    .as_apply = ptrace_as_apply,
    .as_patch = ptrace_as_patch,
    .thread_create = ptrace_thread_create,
    .thread_interrupt = ptrace_thread_interrupt,
    .thread_answer = ptrace_thread_answer,
    .thread_switch_as = ptrace_thread_switch_as,
    .regs_get = ptrace_regs_get,
    .regs_set = ptrace_regs_set,
    .fp_get = ptrace_fp_get,
    .fp_set = ptrace_fp_set,
    .single_step = ptrace_single_step,
    .about_to_block = ptrace_about_to_block,
    .done_blocking = ptrace_done_blocking,
};
