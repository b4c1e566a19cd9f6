/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stub processes and their threads, made and ended by the master thread, which traces the template
 * and every leader. A new thread is traced too until it has shut itself in: what it reports until
 * then comes from the host.
 */
#include "abi/linux/mman.h"
#include "abi/linux/ptrace.h"
#include "abi/linux/unistd.h"
#include "abi/linux/wait.h"
#include "cvisor/host.h"
#include "cvisor/host_stub.h"
#include "cvisor/kcache.h"
#include "cvisor/log.h"
#include "platform/systrap/systrap.h"

#include <errno.h>
#include <string.h>

KCACHE(platform_as);
KCACHE(stub_thread);

/* --- slots --- */

static int slot_get(struct platform_as *as)
{
    int slot = -EAGAIN;

    mutex_lock(&g_systrap.lock);
    for (u32 i = 0; i < SYSTRAP_STUBS_MAX; i++) {
        if (!g_systrap.slots[i]) {
            g_systrap.slots[i] = as;
            g_systrap.nslots = MAX(g_systrap.nslots, i + 1);
            slot = (int)i;
            break;
        }
    }
    mutex_unlock(&g_systrap.lock);
    return slot;
}

static void slot_put(u32 slot)
{
    mutex_lock(&g_systrap.lock);
    g_systrap.slots[slot] = NULL;
    while (g_systrap.nslots > 0 && !g_systrap.slots[g_systrap.nslots - 1])
        g_systrap.nslots--;
    mutex_unlock(&g_systrap.lock);
}

struct platform_as *stub_find(int pid)
{
    /* Only this thread changes slots: no lock needed to read. */
    for (u32 i = 0; i < g_systrap.nslots; i++) {
        if (g_systrap.slots[i] && g_systrap.slots[i]->pid == pid)
            return g_systrap.slots[i];
    }
    return NULL;
}

static int context_get(void)
{
    for (u32 i = 0; i < ARRAY_SIZE(g_systrap.contexts); i++) {
        u64 free = ~g_systrap.contexts[i];
        if (free) {
            u32 bit = (u32)__builtin_ctzll(free);
            g_systrap.contexts[i] |= 1ull << bit;
            return (int)(i * 64 + bit);
        }
    }
    return -EAGAIN;
}

static void context_put(u32 slot)
{
    g_systrap.contexts[slot / 64] &= ~(1ull << (slot % 64));
}

/* --- ends --- */

/* The host ends a process by the signal of a fault, or of a call that it refuses, when that can't be
 * delivered: a guest has blocked it, or taken the handler's stack away, by a return from a frame of its
 * own. From outside such a signal gets to the handler. */
static bool is_own_end(int status)
{
    int sig = LINUX_WTERMSIG(status);

    return sig == LINUX_SIGSEGV || sig == LINUX_SIGBUS || sig == LINUX_SIGFPE ||
           sig == LINUX_SIGILL || sig == LINUX_SIGTRAP || sig == LINUX_SIGSYS;
}

/* A status of a leader that says that it is gone or on its way. What has ended it is known at the end. */
void stub_leader_gone(struct platform_as *as, int status)
{
    atomic_store(&as->dead, true);
    if (systrap_traps())
        trap_wake_all(as);
    if (LINUX_WIFSTOPPED(status)) {
        host_ptrace(LINUX_PTRACE_CONT, as->pid, 0, 0);
        return;
    }
    as->leader_reaped = true;
    if (atomic_exchange(&as->killed, true) || atomic_load(&g_systrap.down))
        return;
    if (is_own_end(status)) {
        log_warn("systrap: stub %d has ended by signal %d of its own", as->pid,
                 LINUX_WTERMSIG(status));
        return;
    }
    log_error("systrap: stub %d was ended from outside", as->pid);
    if (g_systrap.kops->stub_died)
        g_systrap.kops->stub_died(as->pid);
}

/* No more stubs can be made. */
void stub_template_gone(int status)
{
    int pid = g_systrap.template_pid;

    g_systrap.template_pid = 0;
    if (!atomic_load(&g_systrap.down)) {
        log_error("systrap: the template process %d was ended from outside", pid);
        if (g_systrap.kops->stub_died)
            g_systrap.kops->stub_died(pid);
    }
    if (LINUX_WIFSTOPPED(status))
        host_ptrace(LINUX_PTRACE_CONT, pid, 0, 0);
}

static void tracee_changed(int pid, int status)
{
    struct platform_as *as = stub_find(pid);

    if (as && st_trace_is_gone(status)) {
        stub_leader_gone(as, status);
    } else if (pid == g_systrap.template_pid && st_trace_is_gone(status)) {
        stub_template_gone(status);
    } else if (as || pid == g_systrap.template_pid) {
        /* Stopped by ourselves for good; a group stop concerns the other threads too. */
        st_trace_absorb(pid, status);
    } else if (LINUX_WIFSTOPPED(status)) {
        /* Made by one that was killed before it could tell of it: nobody else lets it go, and its
         * leader's end would wait for it. */
        if (!st_trace_is_gone(status))
            host_kill(pid, LINUX_SIGKILL);
        host_ptrace(LINUX_PTRACE_CONT, pid, 0, 0);
    }
}

/* Deaths and stops that nobody waits for: leaders and the template stop on their way out. */
void stub_poll_deaths(void)
{
    int status, pid;

    while ((pid = host_wait4(-1, &status, (int)(LINUX___WALL | LINUX___WNOTHREAD | LINUX_WNOHANG),
                             NULL)) > 0)
        tracee_changed(pid, status);
}

/* A leader that was killed: until nothing is left of it. Its threads that are traced go first. */
static void reap_leader(struct platform_as *as)
{
    int status, pid;

    host_ptrace(LINUX_PTRACE_CONT, as->pid, 0, 0); /* it may be in its exit stop already */
    while (!as->leader_reaped) {
        pid = host_wait4(-1, &status, (int)(LINUX___WALL | LINUX___WNOTHREAD), NULL);
        if (pid > 0)
            tracee_changed(pid, status);
        else if (pid != -EINTR)
            return;
    }
}

static void thread_free(struct stub_thread *s)
{
    if (s->fd >= 0)
        host_close(s->fd);
    memset(s->ctx, 0, CTX_SHARED_SIZE); /* for the slot's next user */
    context_put(s->slot);
    kcache_free(stub_thread, s);
}

void stub_end(struct platform_as *as)
{
    stub_poll_deaths(); /* whether somebody else was first: its end tells who */
    if (!atomic_exchange(&as->dead, true))
        atomic_store(&as->killed, true);
    if (!as->leader_reaped && as->pid) {
        host_kill(as->pid, LINUX_SIGKILL);
        reap_leader(as);
    }
    struct stub_thread *s = atomic_load(&as->all), *next;
    for (; s; s = next) {
        next = s->next;
        thread_free(s);
    }
    if (as->mem_fd >= 0)
        host_close(as->mem_fd);
    if (as->mem_out >= 0)
        host_close(as->mem_out);
    patch_free(as);
    slot_put(as->slot);
    kcache_free(platform_as, as);
}

/* --- made by the leader --- */

static int run_leader(struct platform_as *as, struct arch_regs *regs)
{
    int status, err;

    if (as->leader_reaped || atomic_load(&as->dead))
        return -ESRCH;
    err = st_trace_run(as->pid, as->pid, regs, &status);
    if (err < 0) {
        if (status && st_trace_is_gone(status))
            stub_leader_gone(as, status);
        else if (!atomic_load(&as->dead))
            stub_poll_deaths();
        return -ESRCH;
    }
    return 0;
}

/* One syscall: its result. */
static int call_in(int pid, int tid, u64 nr, u64 a, u64 b, u64 c)
{
    struct arch_regs regs;
    int status;

    st_trace_stub_regs(&regs, systrap_stub_syscall);
    regs.rax = nr;
    regs.rdi = a;
    regs.rsi = b;
    regs.rdx = c;
    int err = st_trace_run(pid, tid, &regs, &status);
    return err < 0 ? err : (int)regs.rax;
}

/* The first stop of a process or thread that is ours by CLONE_PTRACE. */
static int wait_new(int pid, int *status)
{
    int err = st_trace_wait(pid, status);

    while (err == 0 && !st_trace_is_gone(*status) && (*status >> 16) != LINUX_PTRACE_EVENT_STOP) {
        host_ptrace(LINUX_PTRACE_CONT, pid, 0, 0);
        err = st_trace_wait(pid, status);
    }
    return err < 0 || st_trace_is_gone(*status) ? -ESRCH : 0;
}

static int clone_leader(struct platform_as *as)
{
    struct arch_regs regs;
    int status, err;

    if (g_systrap.template_pid == 0)
        return -EAGAIN;
    st_trace_stub_regs(&regs, systrap_stub_syscall);
    regs.rax = LINUX_SYS_clone;
    regs.rdi = SYSTRAP_CLONE_PROCESS;
    err = st_trace_run(g_systrap.template_pid, g_systrap.template_pid, &regs, &status);
    if (err < 0) {
        if (status)
            stub_template_gone(status);
        else
            stub_poll_deaths();
        return -EAGAIN;
    }
    if ((s64)regs.rax < 0)
        return (int)regs.rax;
    as->pid = (int)regs.rax;
    err = wait_new(as->pid, &status);
    if (err < 0)
        stub_leader_gone(as, status);
    return err;
}

/* A thread that is traced still can't be left: the leader's end would wait for it. */
static void abandon_thread(struct platform_as *as, int tid, int err)
{
    if (err == -ESRCH) /* somebody has killed it: the leader's end tells who */
        atomic_store(&as->dead, true);
    else
        st_as_kill(as, "a thread could not be prepared");
    host_kill(as->pid, LINUX_SIGKILL);
    st_trace_reap(tid);
}

/* A thread, stopped and traced. */
static int clone_thread(struct platform_as *as)
{
    struct arch_regs regs;
    int status;

    st_trace_stub_regs(&regs, systrap_stub_syscall);
    regs.rax = LINUX_SYS_clone;
    regs.rdi = SYSTRAP_CLONE_THREAD;
    int err = run_leader(as, &regs);
    if (err < 0 || (s64)regs.rax < 0)
        return err < 0 ? err : (int)regs.rax;
    int tid = (int)regs.rax;
    err = wait_new(tid, &status);
    if (err < 0)
        abandon_thread(as, tid, err);
    return err < 0 ? err : tid;
}

/* The new thread installs its program: the listener's descriptor, in the table that we share. */
static int make_listener(struct platform_as *as, int tid, u64 program)
{
    int fd = call_in(as->pid, tid, LINUX_SYS_seccomp, LINUX_SECCOMP_SET_MODE_FILTER,
                     SYSTRAP_LISTENER_FLAGS, program);

    if (fd < 0)
        return fd;
    int err = host_ioctl(fd, LINUX_SECCOMP_IOCTL_NOTIF_SET_FLAGS,
                         (void *)LINUX_SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP);
    if (err < 0) {
        host_close(fd);
        return err;
    }
    return fd;
}

/* Its call of seccomp, without a listener. */
static int shut_in(struct platform_as *as, int tid, u64 program)
{
    return call_in(as->pid, tid, LINUX_SYS_seccomp, LINUX_SECCOMP_SET_MODE_FILTER, 0, program);
}

/* It takes no signals. */
static int prepare_memory_thread(struct platform_as *as, int tid)
{
    u64 mask = ~0ull;
    int r;

    if (systrap_traps())
        r = trap_init_memory(as);
    else
        r = as->mem_fd = make_listener(as, tid, st_filter_memory_program());
    if (r < 0)
        return r;
    /* Last of all: an int3 with SIGTRAP blocked would take the process's handler away. */
    long err = host_ptrace(LINUX_PTRACE_SETSIGMASK, tid, sizeof(mask), (u64)(uintptr_t)&mask);
    if (err < 0)
        return (int)err;
    if (systrap_traps())
        return st_trace_detach(tid, systrap_stub_trap_memory, (u64)as->mem_out);
    return st_trace_detach(tid, systrap_stub_memory, 0);
}

/* The thread that runs map operations. */
static int add_memory_thread(struct platform_as *as)
{
    struct linux_seccomp_notif report;
    int tid = clone_thread(as);

    if (tid < 0)
        return tid;
    as->mem_tid = tid;
    int err = prepare_memory_thread(as, tid);
    if (err < 0) {
        abandon_thread(as, tid, err);
        return err;
    }
    if (systrap_traps())
        return 0;
    err = notify_recv(as->mem_fd, as->pid, tid, &report);
    if (err == 0)
        as->mem_id = report.id;
    return err;
}

/* A part of a thread's context, by the leader. */
static int map_context(struct platform_as *as, struct stub_thread *s, u64 off, u64 len, u64 prot)
{
    struct arch_regs regs;

    st_trace_stub_regs(&regs, systrap_stub_syscall);
    regs.rax = LINUX_SYS_mmap;
    regs.rdi = s->addr + off;
    regs.rsi = len;
    regs.rdx = prot;
    regs.r10 = LINUX_MAP_SHARED | LINUX_MAP_FIXED;
    regs.r8 = (u64)g_systrap.context_fd;
    regs.r9 = (u64)s->slot * SYSTRAP_CONTEXT_SIZE + off;
    int err = run_leader(as, &regs);
    if (err == 0 && regs.rax != s->addr + off)
        err = (int)regs.rax;
    return err;
}

/* In the leader and then the new thread: its context, the handler's stack there, its filter. */
static int prepare_thread(struct platform_as *as, struct stub_thread *s)
{
    int err = map_context(as, s, 0, CTX_SHARED_SIZE, LINUX_PROT_READ | LINUX_PROT_WRITE);
    if (err == 0)
        err = map_context(as, s, CTX_ANSWERS, PAGE_SIZE, LINUX_PROT_READ);
    if (err < 0)
        return err;
    err = clone_thread(as);
    if (err < 0)
        return err;
    s->tid = err;
    s->ctx->stack = (struct linux_stack){.ss_sp = s->addr + SYSTRAP_STACK_OFF,
                                         .ss_flags = (s32)LINUX_SS_AUTODISARM,
                                         .ss_size = SYSTRAP_STACK_SIZE};
    err = call_in(as->pid, s->tid, LINUX_SYS_sigaltstack,
                  s->addr + offsetof(struct stub_context, stack), 0, 0);
    if (err == 0 && systrap_traps())
        err = shut_in(as, s->tid, st_filter_guest_program());
    else if (err == 0)
        err = s->fd = make_listener(as, s->tid, st_filter_guest_program());
    return err < 0 ? err : st_trace_detach(s->tid, stub_idle_label(), 0);
}

/* A failure leaves a traced thread behind: the stub can't go on. */
int stub_add_thread(struct platform_as *as, struct stub_thread **out)
{
    struct stub_thread *s = kcache_alloc(stub_thread);

    if (!s)
        return -ENOMEM;
    int slot = context_get();
    if (slot < 0) {
        kcache_free(stub_thread, s);
        return slot;
    }
    s->fd = -1;
    s->slot = (u32)slot;
    s->ctx = (struct stub_context *)(g_systrap.context_map + (u64)slot * SYSTRAP_CONTEXT_SIZE);
    s->addr = g_systrap.region + SYSTRAP_CONTEXT_OFF + (u64)slot * SYSTRAP_CONTEXT_SIZE;
    s->state = STUB_FRESH;
    list_init(&s->link);
    if (systrap_traps())
        trap_init_thread(s);
    /* Other threads of the stub may have written to the stack's description: what comes of it is a
     * context that does not work, or works for them. */
    int err = prepare_thread(as, s);
    if (err < 0) {
        if (s->tid)
            abandon_thread(as, s->tid, err);
        thread_free(s);
        return err == -ESRCH ? -ESRCH : -EAGAIN;
    }
    s->next = atomic_load(&as->all);
    atomic_store(&as->all, s);
    as->nthreads++;
    *out = s;
    return 0;
}

int stub_make(struct platform_as **out)
{
    struct platform_as *as = kcache_alloc(platform_as);
    struct stub_thread *s;
    struct arch_regs regs;
    int err;

    if (!as)
        return -ENOMEM;
    mutex_init(&as->lock, LOCK_PLATFORM_AS);
    list_init(&as->link);
    list_init(&as->ready);
    list_init(&as->call.link);
    as->mem_fd = as->mem_out = -1;
    err = slot_get(as);
    if (err < 0) {
        kcache_free(platform_as, as);
        return err;
    }
    as->slot = (u32)err;
    u64 offset = (u64)as->slot * SYSTRAP_BATCH_SIZE;
    as->batch = (struct stub_op *)(g_systrap.batch_map + offset);
    err = clone_leader(as);
    if (err == 0) {
        st_trace_stub_regs(&regs, systrap_stub_leader);
        regs.r12 = (u64)g_systrap.sentry_pid;
        regs.r13 = (u64)g_systrap.batch_fd;
        regs.r14 = offset;
        regs.rbx = SYSTRAP_BATCH_ADDR;
        regs.rbp = SYSTRAP_BATCH_SIZE;
        err = run_leader(as, &regs);
        if (err == 0)
            err = (int)regs.rax;
    }
    if (err == 0)
        err = add_memory_thread(as);
    if (err == 0)
        err = stub_add_thread(as, &s);
    if (err < 0) {
        stub_end(as);
        return err == -ESRCH ? -EAGAIN : err;
    }
    list_add(&s->link, &as->ready);
    *out = as;
    return 0;
}
