/* SPDX-License-Identifier: Apache-2.0 */
/* Tracing one stub thread: attach, detach, wait, and run a piece of stub code in it. */
#include "abi/linux/ptrace.h"
#include "abi/linux/wait.h"
#include "cvisor/host.h"
#include "cvisor/host_stub.h"
#include "cvisor/log.h"
#include "platform/systrap/systrap.h"

#include <errno.h>
#include <string.h>

/* Ended, or (only leaders ask for that) stopped on the way to its end. */
bool st_trace_is_gone(int status)
{
    return !LINUX_WIFSTOPPED(status) || (status >> 16) == LINUX_PTRACE_EVENT_EXIT;
}

int st_trace_wait(int tid, int *status)
{
    for (;;) {
        int r = host_wait4(tid, status, (int)LINUX___WALL, NULL);
        if (r == tid)
            return 0;
        if (r != -EINTR)
            return -ESRCH; /* ECHILD: somebody has seen its end */
    }
}

void st_trace_reap(int tid)
{
    int status;

    host_ptrace(LINUX_PTRACE_CONT, tid, 0, 0); /* it may be in its exit stop already */
    while (st_trace_wait(tid, &status) == 0 && LINUX_WIFSTOPPED(status))
        host_ptrace(LINUX_PTRACE_CONT, tid, 0, 0);
}

/* Signals from outside never reach a stub: the resume that follows carries none. */
void st_trace_absorb(int pid, int status)
{
    if ((status >> 16) == LINUX_PTRACE_EVENT_STOP && LINUX_WSTOPSIG(status) != LINUX_SIGTRAP)
        host_kill(pid, LINUX_SIGCONT); /* a group stop; ours is not the guest's business */
}

/* Leaves a stopped thread to itself, at the stub code of label, with arg in r13. */
int st_trace_detach(int tid, const char *label, u64 arg)
{
    struct arch_regs regs;
    long err;

    st_trace_stub_regs(&regs, label);
    regs.r13 = arg;
    err = host_ptrace(LINUX_PTRACE_SETREGS, tid, 0, (u64)(uintptr_t)&regs);
    if (err == 0)
        err = host_ptrace(LINUX_PTRACE_DETACH, tid, 0, 0);
    return err < 0 ? -ESRCH : 0;
}

/* Registers for stub code; the caller adds parameters. */
void st_trace_stub_regs(struct arch_regs *regs, const char *label)
{
    memset(regs, 0, sizeof(*regs));
    regs->rip = SYSTRAP_STUB(label);
    regs->cs = ARCH_USER_CS;
    regs->ss = ARCH_USER_DS;
    regs->eflags = 0x202;
    regs->orig_rax = ~0ull; /* no syscall to restart */
}

bool st_trace_is_fault(int tid)
{
    struct linux_siginfo si;

    return host_ptrace(LINUX_PTRACE_GETSIGINFO, tid, 0, (u64)(uintptr_t)&si) == 0 && si.si_code > 0;
}

/* A fault in stub code is our own defect or the host's: the stub can't go on. */
static bool is_stub_fault(int tid, int sig)
{
    if (sig != LINUX_SIGSEGV && sig != LINUX_SIGBUS && sig != LINUX_SIGILL && sig != LINUX_SIGFPE &&
        sig != LINUX_SIGSYS)
        return false;
    return st_trace_is_fault(tid);
}

static bool at_int3(u64 rip)
{
    u64 end = (u64)(systrap_stub_end - systrap_stub_begin);
    u64 off = rip - g_systrap.region;

    return off > 0 && off <= end && systrap_stub_begin[off - 1] == (char)0xcc;
}

/*
 * Runs stub code in a stopped thread up to its int3: regs in, regs out. The kick signal that may
 * arrive meanwhile is dropped: whoever sent it has set VCPU_INTR too.
 */
int st_trace_run(int pid, int tid, struct arch_regs *regs, int *status)
{
    *status = 0;
    if (host_ptrace(LINUX_PTRACE_SETREGS, tid, 0, (u64)(uintptr_t)regs) < 0)
        return -ESRCH;
    for (;;) {
        if (host_ptrace(LINUX_PTRACE_CONT, tid, 0, 0) < 0)
            return -ESRCH;
        if (st_trace_wait(tid, status) < 0 || st_trace_is_gone(*status))
            return -ESRCH;
        if ((*status >> 16) == 0 && LINUX_WSTOPSIG(*status) == LINUX_SIGTRAP) {
            if (host_ptrace(LINUX_PTRACE_GETREGS, tid, 0, (u64)(uintptr_t)regs) < 0)
                return -ESRCH;
            if (at_int3(regs->rip) && st_trace_is_fault(tid))
                return 0;
            continue; /* a SIGTRAP from outside, maybe before the first instruction */
        }
        if ((*status >> 16) == 0 && is_stub_fault(tid, LINUX_WSTOPSIG(*status))) {
            log_error("systrap: signal %d in the code of stub %d, thread %d",
                      LINUX_WSTOPSIG(*status), pid, tid);
            host_kill(pid, LINUX_SIGKILL);
            continue;
        }
        st_trace_absorb(pid, *status);
    }
}
