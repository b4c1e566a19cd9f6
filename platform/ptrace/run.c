/* SPDX-License-Identifier: Apache-2.0 */
/* The loop of a vcpu: event, action, resume, wait. */
#include "abi/linux/ptrace.h"
#include "abi/linux/seccomp.h"
#include "abi/linux/wait.h"
#include "cvisor/host.h"
#include "cvisor/host_stub.h"
#include "cvisor/log.h"
#include "platform/ptrace/ptrace.h"

#include <errno.h>
#include <string.h>

#define USER_OFFSET(reg) offsetof(struct arch_regs, reg)

/* x86 exception vectors and page-fault error bits, as a guest's sigcontext shows them. */
enum { VEC_DE = 0, VEC_DB = 1, VEC_BP = 3, VEC_OF = 4, VEC_UD = 6, VEC_GP = 13, VEC_PF = 14 };
enum { VEC_MF = 16, VEC_AC = 17, VEC_XM = 19 };
#define PF_PRESENT 1u
#define PF_USER 4u
#define PF_INSTR 16u
/* int $0x80 without 32-bit emulation: the descriptor's index in the IDT. */
#define ERR_INT80 (0x80u * 8 + 2)

static int poke(struct platform_thread *v, size_t offset, u64 val)
{
    return host_ptrace(LINUX_PTRACE_POKEUSR, v->tid, offset, val) < 0 ? -ESRCH : 0;
}

/* Brings the stub's registers to what the action says. */
static int put_regs(struct platform_thread *v, const struct platform_action *act)
{
    int err = 0;

    if (act->type == PLATFORM_RESUME && v->event == PLATFORM_SYSCALL) {
        if (v->dirty) {
            v->regs.rax = (u64)act->retval;
            err = regs_store(v, &v->regs);
        } else {
            err = poke(v, USER_OFFSET(rax), (u64)act->retval);
            /* The host kernel would take these for its own restart codes. */
            if (err == 0 && act->retval >= -516 && act->retval <= -512)
                err = poke(v, USER_OFFSET(orig_rax), ~0ull);
        }
    } else if (act->type == PLATFORM_RESUME_CONTEXT && v->next_set) {
        err = regs_store(v, &v->next);
    } else if (v->dirty) {
        err = regs_store(v, &v->regs);
    } else if (v->event == PLATFORM_SYSCALL) {
        err = poke(v, USER_OFFSET(rax), v->nr);
        if (err == 0)
            err = poke(v, USER_OFFSET(orig_rax), ~0ull);
    }
    v->valid = v->dirty = v->next_set = false;
    return err;
}

/* Counts itself into guest code, with nothing queued. */
static void enter_guest(struct platform_thread *v)
{
    struct platform_as *as = v->as;

    for (;;) {
        atomic_fetch_add(&as->nguest, 1);
        if (likely(atomic_load(&as->npending) == 0))
            return;
        atomic_fetch_sub(&as->nguest, 1);
        mutex_lock(&as->lock);
        if (atomic_load(&as->npending) > 0)
            as_flush_locked(as, v);
        mutex_unlock(&as->lock);
    }
}

/* --- what a stop means --- */

static void fault_event(struct platform_event *ev, s32 signo, s32 code, u64 addr, u64 ip)
{
    ev->type = PLATFORM_FAULT;
    ev->ip = ip;
    ev->signo = signo;
    ev->si_code = code;
    ev->addr = addr;
    ev->access = 0;
    ev->trapno = 0;
    ev->errorcode = 0;

    switch (signo) {
    case LINUX_SIGSEGV:
        if (code == LINUX_SI_KERNEL) {
            ev->trapno = VEC_GP;
            break;
        }
        /* fall through */
    case LINUX_SIGBUS:
        if (signo == LINUX_SIGBUS && code == LINUX_BUS_ADRALN) {
            ev->trapno = VEC_AC;
            break;
        }
        ev->trapno = VEC_PF;
        ev->errorcode = PF_USER | (code == LINUX_SEGV_ACCERR ? PF_PRESENT : 0);
        if (addr == ip) {
            ev->access = PLATFORM_EXEC;
            ev->errorcode |= PF_INSTR;
        }
        break;
    case LINUX_SIGFPE:
        /* Vectors 16 and 19 share their codes; SSE is what programs use. */
        ev->trapno = code == LINUX_FPE_INTDIV ? VEC_DE : code == LINUX_FPE_INTOVF ? VEC_OF : VEC_XM;
        break;
    case LINUX_SIGILL:
        ev->trapno = VEC_UD;
        break;
    case LINUX_SIGTRAP:
        ev->trapno = code == LINUX_SI_KERNEL ? VEC_BP : VEC_DB;
        break;
    }
}

/* A 32-bit system call: as on a host without 32-bit emulation. */
static void syscall32_event(struct platform_thread *v, struct platform_event *ev, u64 ip)
{
    v->event = PLATFORM_FAULT;
    regs_load(v);
    v->regs.rax = v->regs.orig_rax;
    v->regs.rip = ip - 2;
    v->dirty = true;
    fault_event(ev, LINUX_SIGSEGV, LINUX_SI_KERNEL, 0, ip - 2);
    ev->errorcode = ERR_INT80;
}

static bool syscall_event(struct platform_thread *v, struct platform_event *ev)
{
    struct linux_ptrace_syscall_info info;

    long r = host_ptrace(LINUX_PTRACE_GET_SYSCALL_INFO, v->tid, sizeof(info),
                         (u64)(uintptr_t)&info);
    if (r < 0)
        return false;
    if (unlikely(info.arch != LINUX_AUDIT_ARCH_X86_64)) {
        syscall32_event(v, ev, info.instruction_pointer);
        return true;
    }
    v->event = ev->type = PLATFORM_SYSCALL;
    v->nr = ev->nr = info.entry.nr;
    ev->ip = info.instruction_pointer;
    memcpy(ev->args, info.entry.args, sizeof(ev->args));
    return true;
}

/* The host's emulation of the vsyscall page, refused by our filter. It has already "returned" from
 * the call: go back, and let it be a fault at the address that was called. */
static void vsyscall_event(struct platform_thread *v, struct platform_event *ev, u64 call_addr)
{
    regs_load(v);
    v->regs.rip = call_addr;
    v->regs.rsp -= 8;
    v->dirty = true;
    fault_event(ev, LINUX_SIGSEGV, LINUX_SEGV_MAPERR, call_addr, call_addr);
}

/* A signal-delivery stop. False: a signal that is not the guest's. */
static bool signal_event(struct platform_thread *v, struct platform_event *ev, int sig)
{
    struct linux_siginfo si;
    u64 ip = 0;

    if (sig != LINUX_SIGSEGV && sig != LINUX_SIGBUS && sig != LINUX_SIGFPE && sig != LINUX_SIGILL &&
        sig != LINUX_SIGTRAP && sig != LINUX_SIGSYS)
        return false;
    if (host_ptrace(LINUX_PTRACE_GETSIGINFO, v->tid, 0, (u64)(uintptr_t)&si) < 0)
        return false;
    if (si.si_code <= 0)
        return false; /* somebody sent it */
    v->event = PLATFORM_FAULT;
    if (sig == LINUX_SIGSYS) {
        vsyscall_event(v, ev, si.sys.call_addr);
        return true;
    }
    host_ptrace(LINUX_PTRACE_PEEKUSR, v->tid, USER_OFFSET(rip), (u64)(uintptr_t)&ip);
    fault_event(ev, sig, si.si_code, si.fault.addr, ip);
    return true;
}

/* Decides about a stop; false = resume again. */
static bool stop_event(struct platform_thread *v, struct platform_event *ev, int status)
{
    int sig = LINUX_WSTOPSIG(status);

    if (likely(sig == (LINUX_SIGTRAP | 0x80)))
        return syscall_event(v, ev);
    if ((status >> 16) != 0) {
        trace_absorb(v->pid, status);
        return false;
    }
    if (sig == PTRACE_KICK_SIGNAL) {
        if (!(atomic_load(&v->flags) & VCPU_INTR))
            return false; /* late: it had stopped for something else */
        atomic_fetch_and(&v->flags, ~(u32)VCPU_INTR);
        v->event = ev->type = PLATFORM_INTERRUPTED;
        return true;
    }
    return signal_event(v, ev, sig);
}

/* Runs guest code up to the next event. False: the stub is gone. */
static bool run(struct platform_thread *v, struct platform_event *ev)
{
    int request = v->step ? LINUX_PTRACE_SYSEMU_SINGLESTEP : LINUX_PTRACE_SYSEMU;
    int status;

    v->step = false;
    if (unlikely(atomic_load(&v->cpu) < 0 || atomic_load(&v->hint)))
        affinity_settle(v);
    atomic_store_explicit(&v->stops, atomic_load_explicit(&v->stops, memory_order_relaxed) + 1,
                          memory_order_relaxed);
    do {
        if (host_ptrace(request, v->tid, 0, 0) < 0)
            return false;
        if (trace_wait(v->tid, &status) < 0 || trace_is_gone(status))
            return false;
    } while (!stop_event(v, ev, status));
    return true;
}

/* From an action to the next event. */
static void resume(struct platform_thread *v, const struct platform_action *act,
                   struct platform_event *ev)
{
    u32 none = 0;

    if (!v->died && atomic_load(&v->as->dead))
        vcpu_died(v);
    if (v->died)
        goto died;
    enter_guest(v);
    if (v->died || put_regs(v, act) < 0) {
        atomic_fetch_sub(&v->as->nguest, 1);
        goto died;
    }
    if (unlikely(!atomic_compare_exchange_strong(&v->flags, &none, VCPU_GUEST))) {
        atomic_fetch_and(&v->flags, ~(u32)VCPU_INTR);
        atomic_fetch_sub(&v->as->nguest, 1);
        v->event = ev->type = PLATFORM_INTERRUPTED;
        return;
    }
    bool alive = run(v, ev);
    atomic_fetch_and(&v->flags, ~(u32)VCPU_GUEST);
    atomic_fetch_sub(&v->as->nguest, 1);
    if (likely(alive))
        return;
died:
    if (!v->died)
        vcpu_died(v);
    v->event = ev->type = PLATFORM_DIED;
}

/* Nobody is to see the deaths that a shutdown brings. */
static void stop_at_shutdown(void)
{
    atomic_uint never = 0;

    while (atomic_load(&g_ptrace.down))
        host_futex_wait(&never, 0, 0);
}

void vcpu_run_guest(struct platform_thread *v)
{
    struct platform_event ev = {.type = PLATFORM_START};

    for (;;) {
        struct platform_action act = g_ptrace.kops->event(v->task, &ev);
        if (act.type == PLATFORM_EXIT)
            return;
        resume(v, &act, &ev);
        if (unlikely(v->died))
            stop_at_shutdown();
    }
}
