/* SPDX-License-Identifier: Apache-2.0 */
/* The platform's events: syscalls, faults and interruptions of guest threads, and the way back. */
#include "abi/linux/errno_internal.h"
#include "abi/linux/mman.h"
#include "cvisor/host.h"
#include "cvisor/kcache.h"
#include "cvisor/log.h"
#include "sentry/kernel/answers.h"
#include "sentry/kernel/fatal.h"
#include "sentry/kernel/signal_internal.h"
#include "sentry/kernel/task_alloc.h"
#include "sentry/mm/mm.h"
#include "sentry/mm/uaccess.h"
#include "sentry/syscalls/strace.h"
#include "sentry/syscalls/table.h"

#include <errno.h>
#include <stdio.h>

void (*g_sandbox_fatal)(const char *why);

/* One warning for each unimplemented number: bit = already logged. */
static _Atomic u64 g_unimplemented[(SYSCALL_COUNT + 63) / 64];

static void syscall_log_unimplemented(struct task *t, u64 nr, const struct syscall_desc *d)
{
    if (nr < SYSCALL_COUNT) {
        u64 bit = 1ull << (nr % 64);
        if (atomic_fetch_or(&g_unimplemented[nr / 64], bit) & bit)
            return;
    }
    char comm[TASK_COMM_LEN];
    task_get_comm(t, comm);
    log_info("unimplemented syscall %llu (%s) by %s", (unsigned long long)nr,
             d && d->name ? d->name : "unknown", comm);
}

static s64 syscall_run(struct task *t, u64 nr, const struct syscall_args *args)
{
    const struct syscall_desc *d = syscall_lookup(nr);
    if (unlikely(!d || !d->handler)) {
        syscall_log_unimplemented(t, nr, d);
        return -ENOSYS;
    }
    return d->handler(t, args);
}

static s64 syscall_dispatch(struct task *t, const struct platform_event *ev)
{
    u64 nr = ev->nr;
    task_set_syscall(t, nr);
    for (int i = 0; i < 6; i++)
        __atomic_store_n(&t->syscall_args.v[i], ev->args[i], __ATOMIC_RELAXED);
    if (unlikely(g_strace_on)) {
        struct syscall_args entry = t->syscall_args;
        strace_enter(t, nr, &entry);
        s64 ret = syscall_run(t, nr, &t->syscall_args);
        strace_exit(t, nr, &entry, ret);
        return ret;
    }
    return syscall_run(t, nr, &t->syscall_args);
}

static bool is_restart_code(s64 ret)
{
    return ret == -ERESTARTSYS || ret == -ERESTARTNOINTR || ret == -ERESTARTNOHAND ||
           ret == -ERESTART_RESTARTBLOCK;
}

static void fault_signal(struct task *t, int sig, int code, u64 addr)
{
    struct linux_siginfo info = {.si_signo = sig, .si_code = code};
    info.fault.addr = addr;
    signal_force(t, &info);
}

/* What the processor would have said, for the frame of the handler: not every platform knows. */
static void fault_error_code(struct task *t, const struct platform_event *ev, enum mm_fault why)
{
    if (g_platform_info.reports_access)
        return;
    u32 access = ev->access;
    int prot = mm_prot_at(t->mm, ev->addr);
    t->fault_trapno = LINUX_TRAP_PF;
    t->fault_err = LINUX_PF_USER | (why == MM_FAULT_ACCERR ? LINUX_PF_PROT : 0);
    if (access & PLATFORM_EXEC)
        t->fault_err |= LINUX_PF_INSTR;
    else if ((access & PLATFORM_WRITE) || (prot > 0 && (prot & LINUX_PROT_READ)))
        t->fault_err |= LINUX_PF_WRITE; /* reading would have been allowed */
}

static void event_oom(struct task *t)
{
    char comm[TASK_COMM_LEN];
    task_get_comm(t, comm);
    log_warn("out of memory: killing process %d (%s)", t->group->id, comm);
    group_exit(t, LINUX_SIGKILL);
}

static void event_fault(struct task *t, const struct platform_event *ev)
{
    t->fault_addr = ev->addr;
    t->fault_trapno = ev->trapno;
    t->fault_err = ev->errorcode;
    if (ev->signo != LINUX_SIGSEGV && ev->signo != LINUX_SIGBUS) {
        fault_signal(t, ev->signo, ev->si_code, ev->addr);
        return;
    }
    /* si_code of the host says whether an address is known at all (general protection: not). */
    bool memory = ev->si_code == LINUX_SEGV_MAPERR || ev->si_code == LINUX_SEGV_ACCERR ||
                  ev->si_code == LINUX_BUS_ADRERR;
    if (!memory) {
        fault_signal(t, ev->signo, ev->si_code, ev->addr);
        return;
    }
    u32 access = ev->access;
    if (!access && ev->addr == ev->ip)
        access = PLATFORM_EXEC;
    if (ev->signo == LINUX_SIGBUS) {
        /* The host could not give a page: the backing file is shorter than the mapping, or no
         * memory is left. */
        fault_signal(t, LINUX_SIGBUS, LINUX_BUS_ADRERR, ev->addr);
        return;
    }
    atomic_fetch_add_explicit(&t->minflt, 1, memory_order_relaxed);
    enum mm_fault why = mm_handle_fault(t->mm, ev->addr, access);
    if (why != MM_FAULT_OK)
        fault_error_code(t, ev, why);
    switch (why) {
    case MM_FAULT_OK:
        break;
    case MM_FAULT_MAPERR:
        fault_signal(t, LINUX_SIGSEGV, LINUX_SEGV_MAPERR, ev->addr);
        break;
    case MM_FAULT_ACCERR:
        fault_signal(t, LINUX_SIGSEGV, LINUX_SEGV_ACCERR, ev->addr);
        break;
    case MM_FAULT_BUS:
        fault_signal(t, LINUX_SIGBUS, LINUX_BUS_ADRERR, ev->addr);
        break;
    case MM_FAULT_OOM:
        event_oom(t);
        break;
    }
}

static void event_start(struct task *t)
{
    if (t->start_fp) {
        platform_fp_set(t->pt, t->start_fp);
        kfree(t->start_fp);
        t->start_fp = NULL;
    }
    t->regs_valid = t->regs_dirty = true;
    task_set_syscall(t, ~0ull);
    if (t->set_child_tid.v) {
        (void)put_u32(t, t->set_child_tid, (u32)t->tid);
        t->set_child_tid = uaddr(0);
    }
    answers_start(t);
}

/* The platform asks for call sites that are worth its while. What it does not get goes on as before. */
static void event_patch(struct task *t, u64 ip)
{
    int err = mm_patch_text(t->mm, ip);
    log_debug("call site before 0x%llx of process %d: patching gives %d", (unsigned long long)ip,
              t->group->id, err);
}

static void event_died(struct task *t)
{
    char comm[TASK_COMM_LEN];
    task_get_comm(t, comm);
    log_warn("the stub of process %d (%s) is gone: killed on the host, or out of memory",
             t->group->id, comm);
    group_exit(t, LINUX_SIGKILL);
}

static struct platform_action event_leave(struct task *t)
{
    current = NULL;
    task_put(t);
    return (struct platform_action){.type = PLATFORM_EXIT};
}

/* Signals and the like until nothing is left to do. False = the task has exited. */
static bool event_finish(struct task *t)
{
    for (;;) {
        if (unlikely(atomic_load(&t->signal_work) || atomic_load(&t->killed) || t->restore_mask)) {
            /* The registers of one that ends here need not be fetched from the platform. */
            if (t->syscall_nr != ~0ull && !atomic_load(&t->killed))
                task_regs_mut(t)->rax = (u64)t->syscall_ret;
            if (!signal_work(t))
                return false;
        }
        atomic_store(&t->in_event, false);
        /* A sender that saw in_event has left us its flag. */
        if (likely(!atomic_load(&t->signal_work)))
            return true;
        atomic_store(&t->in_event, true);
    }
}

static struct platform_action kernel_event(void *arg, const struct platform_event *ev)
{
    struct task *t = arg;
    current = t;
    atomic_store(&t->in_event, true);
    u64 now = host_now_mono();
    if (ev->type != PLATFORM_START)
        atomic_store_explicit(&t->utime_ns, t->utime_ns + (now - t->last_event_ns),
                              memory_order_relaxed);
    __atomic_store_n(&t->last_event_ns, now, __ATOMIC_RELAXED);
    bool start = ev->type == PLATFORM_START;
    if (!start)
        t->regs_valid = t->regs_dirty = false;
    task_set_syscall(t, ~0ull);

    switch (ev->type) {
    case PLATFORM_START:
        event_start(t);
        break;
    case PLATFORM_SYSCALL: {
        if (unlikely(ev->hot))
            event_patch(t, ev->ip);
        s64 ret = syscall_dispatch(t, ev);
        if (atomic_load(&t->exited)) /* in the call */
            return event_leave(t);
        t->syscall_ret = ret;
        if (t->syscall_nr != ~0ull) {
            /* A handler that changed registers itself still returns through rax. */
            if (t->regs_dirty)
                t->regs.rax = (u64)ret;
            if (unlikely(is_restart_code(ret)))
                atomic_store(&t->signal_work, true);
        }
        break;
    }
    case PLATFORM_FAULT:
        event_fault(t, ev);
        break;
    case PLATFORM_INTERRUPTED:
        break;
    case PLATFORM_DIED:
        event_died(t);
        break;
    }

    s64 ret = t->syscall_ret;
    bool was_syscall = ev->type == PLATFORM_SYSCALL;
    if (!event_finish(t))
        return event_leave(t);
    lockdep_assert_none_held("return to guest");
    now = host_now_mono();
    atomic_store_explicit(&t->stime_ns, t->stime_ns + (now - t->last_event_ns),
                          memory_order_relaxed);
    __atomic_store_n(&t->last_event_ns, now, __ATOMIC_RELAXED);
    current = NULL;
    if (t->regs_dirty) {
        platform_regs_set(t->pt, &t->regs);
        return (struct platform_action){.type = PLATFORM_RESUME_CONTEXT};
    }
    if (was_syscall)
        return (struct platform_action){.type = PLATFORM_RESUME, .retval = ret};
    return (struct platform_action){.type = PLATFORM_RESUME_CONTEXT};
}

/* A guest can't end its own stub: somebody outside did. What the other processes of the guest would
 * make of it is anybody's guess, so the sandbox ends as a whole. */
static void kernel_stub_died(int host_pid)
{
    char why[128];
    snprintf(
        why, sizeof(why),
        "a process of the sandbox (host pid %d in its namespace) was killed from outside, or by "
        "the host for lack of memory",
        host_pid);
    if (g_sandbox_fatal)
        g_sandbox_fatal(why);
}

const struct platform_kernel_ops g_kernel_platform_ops = {
    .event = kernel_event,
    .stub_died = kernel_stub_died,
};
