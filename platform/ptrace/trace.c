/* SPDX-License-Identifier: Apache-2.0 */
/* Tracing one stub thread: attach, detach, wait, and run a piece of stub code in it. */
#include "abi/linux/ptrace.h"
#include "abi/linux/wait.h"
#include "cvisor/host.h"
#include "cvisor/host_stub.h"
#include "cvisor/log.h"
#include "platform/ptrace/ptrace.h"

#include <errno.h>
#include <string.h>

/* Ended, or (only leaders ask for that) stopped on the way to its end. */
bool trace_is_gone(int status)
{
    return !LINUX_WIFSTOPPED(status) || (status >> 16) == LINUX_PTRACE_EVENT_EXIT;
}

int trace_wait(int tid, int *status)
{
    for (;;) {
        int r = host_wait4(tid, status, (int)LINUX___WALL, NULL);
        if (r == tid)
            return 0;
        if (r != -EINTR)
            return -ESRCH; /* ECHILD: somebody has seen its end */
    }
}

void trace_reap(int tid)
{
    int status;

    host_ptrace(LINUX_PTRACE_CONT, tid, 0, 0); /* it may be in its exit stop already */
    while (trace_wait(tid, &status) == 0 && LINUX_WIFSTOPPED(status))
        host_ptrace(LINUX_PTRACE_CONT, tid, 0, 0);
}

/* Signals from outside never reach a stub: the resume that follows carries none. */
void trace_absorb(int pid, int status)
{
    if ((status >> 16) == LINUX_PTRACE_EVENT_STOP && LINUX_WSTOPSIG(status) != LINUX_SIGTRAP)
        host_kill(pid, LINUX_SIGCONT); /* a group stop; ours is not the guest's business */
}

/*
 * While nobody traces a thread nobody keeps signals from it either, and those that faults have would
 * end the stub. It and who clones it block them: what was sent meanwhile comes when it is traced.
 */
int trace_block_signals(int tid, bool block)
{
    u64 mask = block ? ~0ull : 0;

    return host_ptrace(LINUX_PTRACE_SETSIGMASK, tid, sizeof(mask), (u64)(uintptr_t)&mask) < 0
               ? -ESRCH
               : 0;
}

/* A thread that waits in ptrace_stub_wait, or is on its way there. */
int trace_attach(int pid, int tid)
{
    int status, err;

    err = (int)host_ptrace(LINUX_PTRACE_SEIZE, tid, 0,
                           LINUX_PTRACE_O_TRACESYSGOOD | LINUX_PTRACE_O_EXITKILL);
    if (err < 0)
        return err;
    /* Had the stub died, the number could be somebody else's by now. */
    bool ours = host_tgkill(pid, tid, 0) == 0;
    host_ptrace(LINUX_PTRACE_INTERRUPT, tid, 0, 0); /* fails when it is dead: the wait tells */
    for (;;) {
        err = trace_wait(tid, &status);
        if (err < 0 || trace_is_gone(status))
            return -ESRCH;
        if ((status >> 16) == LINUX_PTRACE_EVENT_STOP) {
            if (ours) {
                trace_absorb(pid, status);
                return trace_block_signals(tid, false);
            }
            host_ptrace(LINUX_PTRACE_DETACH, tid, 0, 0);
            return -ESRCH;
        }
        host_ptrace(LINUX_PTRACE_CONT, tid, 0, 0);
    }
}

/* Leaves a stopped thread to itself, waiting. */
int trace_detach(int tid)
{
    struct arch_regs regs;
    long err;

    trace_stub_regs(&regs, ptrace_stub_wait);
    err = host_ptrace(LINUX_PTRACE_SETREGS, tid, 0, (u64)(uintptr_t)&regs);
    if (err == 0)
        err = trace_block_signals(tid, true);
    if (err == 0)
        err = host_ptrace(LINUX_PTRACE_DETACH, tid, 0, 0);
    return err < 0 ? -ESRCH : 0;
}

/* Registers for stub code; the caller adds parameters. */
void trace_stub_regs(struct arch_regs *regs, const char *label)
{
    memset(regs, 0, sizeof(*regs));
    regs->rip = PTRACE_STUB(label);
    regs->cs = ARCH_USER_CS;
    regs->ss = ARCH_USER_DS;
    regs->eflags = 0x202;
    regs->orig_rax = ~0ull; /* no syscall to restart */
}

bool trace_is_fault(int tid)
{
    struct linux_siginfo si;

    return host_ptrace(LINUX_PTRACE_GETSIGINFO, tid, 0, (u64)(uintptr_t)&si) == 0 && si.si_code > 0;
}

/* A fault in stub code is our own defect, the host's, or the guest's who has taken the stub's memory
 * from it (PKRU): the stub can't go on. */
static bool is_stub_fault(int tid, int sig)
{
    if (sig != LINUX_SIGSEGV && sig != LINUX_SIGBUS && sig != LINUX_SIGILL && sig != LINUX_SIGFPE &&
        sig != LINUX_SIGSYS)
        return false;
    return trace_is_fault(tid);
}

/* Behind an int3. Only who has executed it gets there, or starts there. */
static bool at_int3(u64 rip)
{
    u64 end = (u64)(ptrace_stub_end - ptrace_stub_begin);
    u64 off = rip - g_ptrace.region;

    return off > 0 && off <= end && ptrace_stub_begin[off - 1] == (char)0xcc;
}

/*
 * Runs stub code in a stopped thread up to its int3: regs in, regs out. -EFAULT: a fault in it; the
 * thread is stopped, and must be ended. The kick signal that may
 * arrive meanwhile is dropped: whoever sent it has set VCPU_INTR too.
 */
int trace_run(int pid, int tid, struct arch_regs *regs, int *status)
{
    u64 start = regs->rip;

    *status = 0;
    if (host_ptrace(LINUX_PTRACE_SETREGS, tid, 0, (u64)(uintptr_t)regs) < 0)
        return -ESRCH;
    for (;;) {
        if (host_ptrace(LINUX_PTRACE_CONT, tid, 0, 0) < 0)
            return -ESRCH;
        if (trace_wait(tid, status) < 0 || trace_is_gone(*status))
            return -ESRCH;
        if ((*status >> 16) == 0 && LINUX_WSTOPSIG(*status) == LINUX_SIGTRAP) {
            if (host_ptrace(LINUX_PTRACE_GETREGS, tid, 0, (u64)(uintptr_t)regs) < 0)
                return -ESRCH;
            if (regs->rip != start && at_int3(regs->rip))
                return 0;
            continue; /* a SIGTRAP from outside, maybe before the first instruction */
        }
        if ((*status >> 16) == 0 && is_stub_fault(tid, LINUX_WSTOPSIG(*status))) {
            log_error("ptrace: signal %d in the code of stub %d, thread %d",
                      LINUX_WSTOPSIG(*status), pid, tid);
            return -EFAULT;
        }
        trace_absorb(pid, *status);
    }
}
