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
#include "platform/systrap/systrap.h"

#include <errno.h>
#include <string.h>

/* The region lies at random in the last 64 GiB of user addresses, if there is room: reservations of
 * ours can fill them. Then the search goes further down, the guest's address space ending with it. */
#define REGION_SPAN (64ull << 30)
#define REGION_HIGH (SYSTRAP_TASK_END - (1ull << 30))
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
int st_template_reserve(void)
{
    for (int i = 0; i < REGION_TRIES * REGION_SPANS; i++) {
        u64 span = REGION_SPAN << (i / REGION_TRIES), r;
        int err = host_getrandom(&r, sizeof(r), 0);
        if (err < 0)
            return err;
        u64 addr = (REGION_HIGH - span + r % span) & ~(u64)(SYSTRAP_CONTEXT_SIZE - 1);
        void *p = host_mmap((void *)addr, SYSTRAP_REGION_SIZE, LINUX_PROT_NONE,
                            LINUX_MAP_PRIVATE | LINUX_MAP_ANONYMOUS | LINUX_MAP_NORESERVE |
                                LINUX_MAP_FIXED_NOREPLACE,
                            -1, 0);
        /* Filters compare halves of addresses. */
        bool whole = addr >> 32 == (addr + SYSTRAP_REGION_SIZE - 1) >> 32;
        if (!host_is_err(p) && (u64)p == addr && whole) {
            g_systrap.region = addr;
            return 0;
        }
        if (!host_is_err(p))
            host_munmap(p, SYSTRAP_REGION_SIZE);
    }
    return -ENOMEM;
}

/* The rest runs in the child: no locks, no allocation, no logging. */

/* Synchronous ones, and ours, go to the stub's handler; others must not hurt. */
static int child_signals(void)
{
    for (int sig = 1; sig <= LINUX_NSIG; sig++) {
        if (sig == LINUX_SIGKILL || sig == LINUX_SIGSTOP)
            continue;
        bool ours = sig == LINUX_SIGSEGV || sig == LINUX_SIGBUS || sig == LINUX_SIGFPE ||
                    sig == LINUX_SIGILL || sig == LINUX_SIGTRAP || sig == LINUX_SIGSYS ||
                    sig == SYSTRAP_SIGNAL || sig == SYSTRAP_PROOF_SIGNAL;
        struct linux_sigaction sa = {.handler = LINUX_SIG_IGN};
        if (ours) {
            sa.handler = SYSTRAP_STUB(systrap_traps() ? systrap_stub_trap_handler
                                                      : systrap_stub_handler);
            sa.restorer = SYSTRAP_STUB(systrap_stub_restorer);
            sa.flags = LINUX_SA_SIGINFO | LINUX_SA_ONSTACK | LINUX_SA_RESTART | LINUX_SA_RESTORER;
            sa.mask = ~0ull;
        } else if (sig == LINUX_SIGCHLD) {
            sa.handler = LINUX_SIG_DFL;
        }
        int err = host_signal_action(sig, &sa);
        if (err < 0)
            return err;
    }
    return host_signal_unblock_all();
}

static int child_code(void)
{
    void *code = (void *)g_systrap.region;
    void *p = host_mmap(code, SYSTRAP_CODE_SIZE, LINUX_PROT_READ | LINUX_PROT_WRITE,
                        LINUX_MAP_PRIVATE | LINUX_MAP_ANONYMOUS | LINUX_MAP_FIXED, -1, 0);
    if (host_is_err(p))
        return (int)(intptr_t)p;
    memset(code, 0xcc, SYSTRAP_CODE_SIZE);
    memcpy(code, systrap_stub_begin, (size_t)(systrap_stub_end - systrap_stub_begin));
    st_filter_write_programs(code);
    return host_mprotect(code, SYSTRAP_CODE_SIZE, LINUX_PROT_READ | LINUX_PROT_EXEC);
}

/* Only there does the low area pay: without it sites are not patched. */
static int child_low(void)
{
    void *low = (void *)(uintptr_t)LOW_BASE;
    void *p = host_mmap(low, PAGE_SIZE, LINUX_PROT_READ | LINUX_PROT_WRITE,
                        LINUX_MAP_PRIVATE | LINUX_MAP_ANONYMOUS | LINUX_MAP_FIXED, -1, 0);
    if (host_is_err(p))
        return g_systrap.rungs & RUNG_PATCH ? (int)(intptr_t)p : 0;
    memset(low, 0xcc, PAGE_SIZE);
    memcpy(low, systrap_low_begin, (size_t)(systrap_low_end - systrap_low_begin));
    if (systrap_traps()) { /* the place of a mov of five bytes */
        u8 *post = (u8 *)low + (systrap_low_post - systrap_low_begin);
        s32 distance = (s32)(systrap_low_trap - (systrap_low_post + 5));
        post[0] = 0xe9; /* jmp */
        memcpy(post + 1, &distance, sizeof(distance));
    }
    return host_mprotect(low, PAGE_SIZE, LINUX_PROT_READ | LINUX_PROT_EXEC);
}

/* For good, where the host can: whatever a stub is made to do, it executes this. */
static int child_seal(void)
{
    int err = host_mseal((void *)g_systrap.region, SYSTRAP_CODE_SIZE);

    if (err == 0 && (g_systrap.rungs & RUNG_PATCH))
        err = host_mseal((void *)(uintptr_t)LOW_BASE, PAGE_SIZE);
    return err == -ENOSYS || err == -EPERM ? 0 : err;
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
    {"reset signals", child_signals},
    {"leave the session", child_session},
    {"limit core dumps", child_limits},
    {"reset the personality", host_personality_reset},
    {"drop capabilities", host_drop_all_caps},
    {"set no_new_privs", child_no_new_privs},
    {"become dumpable", child_dumpable},
    {"place the stub code", child_code},
    {"place the code of call sites", child_low},
    {"seal the code", child_seal},
    {"unregister rseq", host_rseq_unregister},
    {"install the seccomp filter", st_filter_install},
};

static __noreturn void child_main(struct handshake *h)
{
    if (child_pdeathsig() < 0 || host_getppid() != g_systrap.sentry_pid)
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
        err = st_trace_wait(pid, &status);
        if (err < 0)
            return err;
        if (st_trace_is_gone(status)) {
            err = atomic_load(&h->error);
            log_error("systrap: the template could not %s: error %d",
                      atomic_load(&h->step) ? atomic_load(&h->step) : "start", -err);
            return err ? err : -ECHILD;
        }
        ready = LINUX_WSTOPSIG(status) == LINUX_SIGTRAP && (status >> 16) == 0 &&
                st_trace_is_fault(pid);
        if (!ready) {
            st_trace_absorb(pid, status);
            host_ptrace(LINUX_PTRACE_CONT, pid, 0, 0);
        }
    } while (!ready);

    st_trace_stub_regs(&regs, systrap_stub_template);
    regs.rbx = LOW_BASE;
    regs.rbp = LOW_BASE + PAGE_SIZE;
    regs.r13 = g_systrap.region;
    regs.r14 = g_systrap.region + SYSTRAP_CODE_SIZE;
    regs.r15 = SYSTRAP_TASK_END;
    err = st_trace_run(pid, pid, &regs, &status);
    if (err < 0)
        return err;
    if (regs.rax != 0) {
        log_error("systrap: the template could not empty its address space: error %d",
                  -(int)regs.rax);
        return (int)regs.rax;
    }
    return 0;
}

/* On the master thread. The pid, or -errno. */
int st_template_create(void)
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
            st_trace_reap(pid);
        }
    }
    host_munmap((void *)g_systrap.region, SYSTRAP_REGION_SIZE);
    host_munmap(h, PAGE_SIZE);
    return err < 0 ? err : pid;
}
