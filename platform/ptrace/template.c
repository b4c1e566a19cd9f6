/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The template: the process that every stub is cloned from. Forked by the master thread, it confines
 * itself, copies the stub code into its region, unmaps all else and is from then on driven by the
 * master through ptrace.
 */
#include "abi/linux/mman.h"
#include "abi/linux/prctl.h"
#include "abi/linux/ptrace.h"
#include "abi/linux/resource.h"
#include "abi/linux/wait.h"
#include "cvisor/host.h"
#include "cvisor/host_setup.h"
#include "cvisor/host_stub.h"
#include "cvisor/log.h"
#include "platform/ptrace/ptrace.h"

#include <errno.h>
#include <string.h>

/* The region lies at random in the last 64 GiB of user addresses, if there is room: reservations of
 * ours can fill them. Then the search goes further down, the guest's address space ending with it. */
#define REGION_SPAN (64ull << 30)
#define REGION_HIGH (PTRACE_TASK_END - (1ull << 30))
#define REGION_TRIES 16 /* in each span, which then is doubled */
#define REGION_SPANS 7  /* 4 TiB */

/* Shared by parent and child while the template starts. */
struct handshake {
    atomic_uint attached; /* futex: the parent traces the child */
    _Atomic int error;    /* of the child */
    _Atomic(const char *) step;
};

/* Chooses the region: an address range that is free here, and so in the child. The reservation goes
 * away after the fork. */
int template_reserve(void)
{
    for (int i = 0; i < REGION_TRIES * REGION_SPANS; i++) {
        u64 span = REGION_SPAN << (i / REGION_TRIES), r;
        int err = host_getrandom(&r, sizeof(r), 0);
        if (err < 0)
            return err;
        u64 addr = PAGE_DOWN(REGION_HIGH - span + r % span);
        void *p = host_mmap((void *)addr, PTRACE_REGION_SIZE, LINUX_PROT_NONE,
                            LINUX_MAP_PRIVATE | LINUX_MAP_ANONYMOUS | LINUX_MAP_NORESERVE |
                                LINUX_MAP_FIXED_NOREPLACE,
                            -1, 0);
        if (!host_is_err(p) && (u64)p == addr) {
            g_ptrace.region = addr;
            return 0;
        }
        if (!host_is_err(p))
            host_munmap(p, PTRACE_REGION_SIZE);
    }
    return -ENOMEM;
}

/* The rest runs in the child: no locks, no allocation, no logging. */

static int child_signals(void)
{
    for (int sig = 1; sig <= LINUX_NSIG; sig++) {
        if (sig == LINUX_SIGKILL || sig == LINUX_SIGSTOP)
            continue;
        /* Synchronous ones must stop the thread; others must not hurt one that nobody traces. */
        bool fault = sig == LINUX_SIGSEGV || sig == LINUX_SIGBUS || sig == LINUX_SIGFPE ||
                     sig == LINUX_SIGILL || sig == LINUX_SIGTRAP || sig == LINUX_SIGSYS ||
                     sig == LINUX_SIGCHLD;
        int err = host_signal_disposition(sig, fault ? LINUX_SIG_DFL : LINUX_SIG_IGN);
        if (err < 0)
            return err;
    }
    return host_signal_unblock_all();
}

static int child_code(void)
{
    void *code = (void *)g_ptrace.region;
    void *p = host_mmap(code, PTRACE_CODE_SIZE, LINUX_PROT_READ | LINUX_PROT_WRITE,
                        LINUX_MAP_PRIVATE | LINUX_MAP_ANONYMOUS | LINUX_MAP_FIXED, -1, 0);
    if (host_is_err(p))
        return (int)(intptr_t)p;
    memset(code, 0xcc, PTRACE_CODE_SIZE);
    memcpy(code, ptrace_stub_begin, (size_t)(ptrace_stub_end - ptrace_stub_begin));
    return host_mprotect(code, PTRACE_CODE_SIZE, LINUX_PROT_READ | LINUX_PROT_EXEC);
}

static int child_limits(void)
{
    struct linux_rlimit none = {0, 0};
    return host_prlimit(LINUX_RLIMIT_CORE, &none, NULL);
}

static int child_pdeathsig(void)
{
    return host_prctl(LINUX_PR_SET_PDEATHSIG, LINUX_SIGKILL, 0, 0, 0);
}

static int child_session(void)
{
    host_setsid(); /* fails only for a group leader: then a terminal's signals are absorbed */
    return host_prctl(LINUX_PR_SET_NAME, (u64)(uintptr_t) "cvisor-stub", 0, 0, 0);
}

static int child_no_new_privs(void)
{
    return host_prctl(LINUX_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

static int child_dumpable(void)
{
    /* Later tracers have no capabilities. */
    return host_prctl(LINUX_PR_SET_DUMPABLE, 1, 0, 0, 0);
}

static const struct {
    const char *name;
    int (*fn)(void);
} g_child_steps[] = {
    {"reset signals", child_signals},          {"leave the session", child_session},
    {"limit core dumps", child_limits},        {"reset the personality", host_personality_reset},
    {"drop capabilities", host_drop_all_caps}, {"set no_new_privs", child_no_new_privs},
    {"become dumpable", child_dumpable},       {"place the stub code", child_code},
    {"unregister rseq", host_rseq_unregister}, {"install the seccomp filter", filter_install},
};

static __noreturn void child_main(struct handshake *h)
{
    if (child_pdeathsig() < 0 || host_getppid() != g_ptrace.sentry_pid)
        host_exit_group(1);
    while (atomic_load(&h->attached) == 0)
        host_futex_wait_shared(&h->attached, 0, 0);
    for (size_t i = 0; i < ARRAY_SIZE(g_child_steps); i++) {
        int err = g_child_steps[i].fn();
        if (err < 0) {
            atomic_store(&h->step, g_child_steps[i].name);
            atomic_store(&h->error, err);
            host_exit_group(1);
        }
    }
    /* The master changes the registers here; none of this code runs again. */
    for (;;)
        __asm__ volatile("int3");
}

static int template_finish(int pid, struct handshake *h)
{
    struct arch_regs regs;
    int status, err;
    bool ready;

    do {
        err = trace_wait(pid, &status);
        if (err < 0)
            return err;
        if (trace_is_gone(status)) {
            err = atomic_load(&h->error);
            log_error("ptrace: the template could not %s: error %d",
                      atomic_load(&h->step) ? atomic_load(&h->step) : "start", -err);
            return err ? err : -ECHILD;
        }
        ready = LINUX_WSTOPSIG(status) == LINUX_SIGTRAP && (status >> 16) == 0 &&
                trace_is_fault(pid);
        if (!ready) {
            trace_absorb(pid, status);
            host_ptrace(LINUX_PTRACE_CONT, pid, 0, 0);
        }
    } while (!ready);

    trace_stub_regs(&regs, ptrace_stub_template);
    regs.r13 = g_ptrace.region;
    regs.r14 = g_ptrace.region + PTRACE_CODE_SIZE;
    regs.r15 = PTRACE_TASK_END;
    err = trace_run(pid, pid, &regs, &status);
    if (err < 0)
        return err;
    if (regs.rax != 0) {
        log_error("ptrace: the template could not empty its address space: error %d",
                  -(int)regs.rax);
        return (int)regs.rax;
    }
    return 0;
}

/* On the master thread. The pid, or -errno. */
int template_create(void)
{
    struct handshake *h = host_mmap(NULL, PAGE_SIZE, LINUX_PROT_READ | LINUX_PROT_WRITE,
                                    LINUX_MAP_SHARED | LINUX_MAP_ANONYMOUS, -1, 0);
    if (host_is_err(h))
        return (int)(intptr_t)h;

    int pid = host_fork_files();
    if (pid == 0)
        child_main(h);
    int err = pid;
    if (pid > 0) {
        err = (int)host_ptrace(LINUX_PTRACE_SEIZE, pid, 0,
                               LINUX_PTRACE_O_TRACESYSGOOD | LINUX_PTRACE_O_EXITKILL |
                                   LINUX_PTRACE_O_TRACEEXIT);
        if (err == 0) {
            atomic_store(&h->attached, 1);
            host_futex_wake_shared(&h->attached, 1);
            err = template_finish(pid, h);
        }
        if (err < 0) {
            host_kill(pid, LINUX_SIGKILL);
            trace_reap(pid);
        }
    }
    host_munmap((void *)g_ptrace.region, PTRACE_REGION_SIZE);
    host_munmap(h, PAGE_SIZE);
    return err < 0 ? err : pid;
}
