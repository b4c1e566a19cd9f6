/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The master thread: tracer of the template and of every leader. It makes stubs, keeps a few in
 * store, runs batches and clones threads in leaders for host threads that control no thread of that
 * stub, ends stubs, and notices when one is killed from outside.
 */
#include "abi/linux/mman.h"
#include "abi/linux/ptrace.h"
#include "abi/linux/memfd.h"
#include "abi/linux/unistd.h"
#include "abi/linux/wait.h"
#include "cvisor/host.h"
#include "cvisor/host_stub.h"
#include "cvisor/kcache.h"
#include "cvisor/log.h"
#include "platform/ptrace/ptrace.h"

#include <errno.h>
#include <limits.h>

#define SPARES_MIN 1 /* the master makes more when there are fewer */
#define SPARES_MAX 4 /* released stubs over that are ended */
#define POLL_NS (250ull * NSEC_PER_MSEC)
#define SLOTS_MAX 16384u

KCACHE(platform_as);

void master_ring(void)
{
    atomic_fetch_add(&g_ptrace.bell, 1);
    host_futex_wake(&g_ptrace.bell, 1);
}

static void enqueue(struct master_call *call)
{
    mutex_lock(&g_ptrace.lock);
    list_add_tail(&call->link, &g_ptrace.calls);
    mutex_unlock(&g_ptrace.lock);
    master_ring();
}

/* Blocks until the master has done it. Caller may hold PLATFORM_AS. */
int master_call(struct master_call *call)
{
    call->async = false;
    atomic_init(&call->done, 0);
    enqueue(call);
    while (atomic_load(&call->done) == 0)
        host_futex_wait(&call->done, 0, 0);
    return call->result;
}

void master_call_async(struct master_call *call)
{
    call->async = true;
    enqueue(call);
}

/* --- slots --- */

static int slot_get(struct platform_as *as)
{
    int slot = -EAGAIN;

    mutex_lock(&g_ptrace.lock);
    for (u32 i = 0; i < SLOTS_MAX; i++) {
        if (!g_ptrace.slots[i]) {
            g_ptrace.slots[i] = as;
            g_ptrace.nslots = MAX(g_ptrace.nslots, i + 1);
            slot = (int)i;
            break;
        }
    }
    mutex_unlock(&g_ptrace.lock);
    return slot;
}

static void slot_put(u32 slot)
{
    mutex_lock(&g_ptrace.lock);
    g_ptrace.slots[slot] = NULL;
    while (g_ptrace.nslots > 0 && !g_ptrace.slots[g_ptrace.nslots - 1])
        g_ptrace.nslots--;
    mutex_unlock(&g_ptrace.lock);
}

static struct platform_as *find_as(int pid)
{
    struct platform_as *as = NULL;

    /* Only this thread changes slots: no lock needed to read. */
    for (u32 i = 0; i < g_ptrace.nslots && !as; i++) {
        if (g_ptrace.slots[i] && g_ptrace.slots[i]->pid == pid)
            as = g_ptrace.slots[i];
    }
    return as;
}

/* --- ends --- */

/* A status of a leader that says that it is gone or on its way. */
static void leader_gone(struct platform_as *as, int status)
{
    atomic_store(&as->dead, true);
    if (!atomic_exchange(&as->killed, true) && !atomic_load(&g_ptrace.down)) {
        log_error("ptrace: stub %d was ended from outside", as->pid);
        if (g_ptrace.kops->stub_died)
            g_ptrace.kops->stub_died(as->pid);
    }
    if (LINUX_WIFSTOPPED(status))
        host_ptrace(LINUX_PTRACE_CONT, as->pid, 0, 0);
    else
        as->leader_reaped = true;
}

/* No more stubs can be made. */
static void template_gone(int status)
{
    int pid = g_ptrace.template_pid;

    g_ptrace.template_pid = 0;
    if (!atomic_load(&g_ptrace.down)) {
        log_error("ptrace: the template process %d was ended from outside", pid);
        if (g_ptrace.kops->stub_died)
            g_ptrace.kops->stub_died(pid);
    }
    if (LINUX_WIFSTOPPED(status))
        host_ptrace(LINUX_PTRACE_CONT, pid, 0, 0);
}

static void poll_deaths(void);

static void as_free(struct platform_as *as)
{
    slot_put(as->slot);
    kcache_free(platform_as, as);
}

/* Nobody traces its threads any more but we its leader. */
static void as_end(struct platform_as *as)
{
    poll_deaths(); /* whether somebody else was first */
    atomic_store(&as->dead, true);
    atomic_store(&as->killed, true);
    if (!as->leader_reaped) {
        host_kill(as->pid, LINUX_SIGKILL);
        trace_reap(as->pid);
    }
    as_free(as);
}

/* Deaths that nobody waits for: leaders and the template stop on their way out. */
static void poll_deaths(void)
{
    int status, pid;

    for (;;) {
        pid = host_wait4(-1, &status, (int)(LINUX___WALL | LINUX___WNOTHREAD | LINUX_WNOHANG),
                         NULL);
        if (pid <= 0)
            return;
        struct platform_as *as = find_as(pid);
        if (as && trace_is_gone(status)) {
            leader_gone(as, status);
        } else if (pid == g_ptrace.template_pid && trace_is_gone(status)) {
            template_gone(status);
        } else if (LINUX_WIFSTOPPED(status)) {
            log_warn("ptrace: unexpected status %x of process %d", status, pid);
        }
    }
}

/* --- stubs --- */

static int run_leader(struct platform_as *as, struct arch_regs *regs)
{
    int status, err;

    if (as->leader_reaped || atomic_load(&as->dead))
        return -ESRCH;
    trace_block_signals(as->pid, true); /* for a thread that it may clone */
    affinity_master_begin(as->pid);
    err = trace_run(as->pid, as->pid, regs, &status);
    affinity_master_end();
    if (err == -EFAULT)
        as_kill(as, "a fault in the code of its leader");
    if (err < 0) {
        if (status && trace_is_gone(status))
            leader_gone(as, status);
        else if (!atomic_load(&as->dead))
            poll_deaths();
        return -ESRCH;
    }
    return 0;
}

/* The new process is ours by CLONE_PTRACE, and stops before its first instruction. */
static int clone_leader(int *pid)
{
    struct arch_regs regs;
    int status, err;

    if (g_ptrace.template_pid == 0)
        return -EAGAIN;
    trace_stub_regs(&regs, ptrace_stub_syscall);
    regs.rax = LINUX_SYS_clone;
    regs.rdi = PTRACE_CLONE_PROCESS;
    affinity_master_begin(g_ptrace.template_pid);
    err = trace_run(g_ptrace.template_pid, g_ptrace.template_pid, &regs, &status);
    affinity_master_end();
    if (err == -EFAULT)
        host_kill(g_ptrace.template_pid, LINUX_SIGKILL);
    if (err < 0) {
        if (status && err != -EFAULT)
            template_gone(status);
        else
            poll_deaths();
        return -EAGAIN;
    }
    if ((s64)regs.rax < 0)
        return (int)regs.rax;
    *pid = (int)regs.rax;
    err = trace_wait(*pid, &status);
    while (err == 0 && !trace_is_gone(status) && (status >> 16) != LINUX_PTRACE_EVENT_STOP) {
        host_ptrace(LINUX_PTRACE_CONT, *pid, 0, 0);
        err = trace_wait(*pid, &status);
    }
    return err < 0 || trace_is_gone(status) ? -ESRCH : 0;
}

static int make_stub(struct platform_as **out)
{
    struct platform_as *as = kcache_alloc(platform_as);
    struct arch_regs regs;
    int err;

    if (!as)
        return -ENOMEM;
    mutex_init(&as->lock, LOCK_PLATFORM_AS);
    list_init(&as->link);
    list_init(&as->call.link);
    err = slot_get(as);
    if (err < 0) {
        kcache_free(platform_as, as);
        return err;
    }
    as->slot = (u32)err;
    u64 offset = (u64)as->slot * PTRACE_BATCH_SIZE;
    as->batch = (struct stub_op *)(g_ptrace.batch_map + offset);
    err = clone_leader(&as->pid);
    if (err < 0) {
        as->leader_reaped = as->pid == 0;
        as_end(as);
        return err;
    }
    trace_stub_regs(&regs, ptrace_stub_leader);
    regs.r12 = (u64)g_ptrace.sentry_pid;
    regs.r13 = (u64)g_ptrace.batch_fd;
    regs.r14 = offset;
    regs.r15 = PTRACE_CLONE_THREAD;
    regs.rbx = PTRACE_BATCH_ADDR;
    regs.rbp = PTRACE_BATCH_SIZE;
    err = run_leader(as, &regs);
    if (err == 0 && (s64)regs.rax < 0)
        err = (int)regs.rax;
    if (err < 0) {
        as_end(as);
        return err == -ESRCH ? -EAGAIN : err;
    }
    as->ready[0] = (int)regs.rax;
    as->nready = 1;
    *out = as;
    return 0;
}

static void store_or_end(struct platform_as *as)
{
    bool stored = false;

    mutex_lock(&g_ptrace.lock);
    if (g_ptrace.nspares < SPARES_MAX && !atomic_load(&g_ptrace.down)) {
        list_add(&as->link, &g_ptrace.spares);
        g_ptrace.nspares++;
        stored = true;
    }
    mutex_unlock(&g_ptrace.lock);
    if (!stored)
        as_end(as);
}

static void recycle(struct platform_as *as)
{
    struct arch_regs regs;

    atomic_store(&as->npending, 0);
    if (as->touched) {
        as_clean_regs(&regs);
        if (run_leader(as, &regs) == 0 && regs.rax != 0)
            as_kill(as, "the host refused to unmap");
        as->touched = false;
    }
    if (atomic_load(&as->dead))
        as_end(as);
    else
        store_or_end(as);
}

static void end_all(void)
{
    u64 deadline = host_now_mono() + 500 * NSEC_PER_MSEC;

    for (u32 i = 0; i < g_ptrace.nslots; i++) {
        struct platform_as *as = g_ptrace.slots[i];
        if (as && !as->leader_reaped)
            host_kill(as->pid, LINUX_SIGKILL);
    }
    if (g_ptrace.template_pid) {
        host_kill(g_ptrace.template_pid, LINUX_SIGKILL);
        trace_reap(g_ptrace.template_pid);
        g_ptrace.template_pid = 0;
    }
    /* Leaders go after their threads, and those when their vcpus have seen it. */
    for (;;) {
        bool left = false;
        poll_deaths();
        for (u32 i = 0; i < g_ptrace.nslots; i++)
            left |= g_ptrace.slots[i] && !g_ptrace.slots[i]->leader_reaped;
        if (!left || host_now_mono() > deadline)
            return;
        atomic_uint never = 0;
        host_futex_wait(&never, 0, host_now_mono() + NSEC_PER_MSEC);
    }
}

/* --- the thread --- */

static void handle_call(struct master_call *call)
{
    struct platform_as *as = call->as;
    struct arch_regs regs;
    int r;

    switch (call->type) {
    case CALL_CREATE:
        r = make_stub(&call->as);
        break;
    case CALL_RUN:
        trace_stub_regs(&regs, ptrace_stub_batch);
        regs.r12 = call->batch;
        r = run_leader(as, &regs);
        if (r == 0) {
            r = (int)regs.rax;
            call->batch = regs.r12;
        }
        break;
    case CALL_CLONE:
        trace_stub_regs(&regs, ptrace_stub_clone_thread);
        regs.rdi = PTRACE_CLONE_THREAD;
        r = run_leader(as, &regs);
        if (r == 0)
            r = (int)regs.rax;
        break;
    case CALL_RECYCLE:
        recycle(as);
        return; /* call is gone */
    case CALL_KILL:
        as_end(as);
        return;
    case CALL_SHUTDOWN:
        end_all();
        r = 0;
        break;
    default:
        r = -EINVAL;
    }
    call->result = r;
    atomic_store(&call->done, 1);
    host_futex_wake(&call->done, 1);
}

static struct master_call *next_call(bool *refill)
{
    struct master_call *call = NULL;

    mutex_lock(&g_ptrace.lock);
    if (!list_empty(&g_ptrace.calls)) {
        call = list_first_entry(&g_ptrace.calls, struct master_call, link);
        list_del(&call->link);
    }
    *refill = g_ptrace.nspares < SPARES_MIN && !atomic_load(&g_ptrace.down);
    mutex_unlock(&g_ptrace.lock);
    return call;
}

static void master_loop(void)
{
    u64 refill_after = 0; /* when making spares has failed: not before this time */
    u64 poll_at = 0;
    u32 polled_bell = 0;

    for (;;) {
        u32 bell = atomic_load(&g_ptrace.bell);
        bool refill;
        struct master_call *call = next_call(&refill);
        if (call) {
            handle_call(call);
            continue;
        }
        if (refill && host_now_mono() >= refill_after) {
            struct platform_as *as;
            if (make_stub(&as) == 0) {
                store_or_end(as);
                continue;
            }
            refill_after = host_now_mono() + POLL_NS;
        }
        u64 now = host_now_mono(), pause = affinity_tick(now);
        if (pause == 0 || bell != polled_bell || now >= poll_at) {
            poll_deaths();
            polled_bell = bell;
            poll_at = now + POLL_NS;
        }
        host_futex_wait(&g_ptrace.bell, bell, pause ? now + pause : poll_at);
    }
}

static void master_main(void *arg)
{
    int r = template_create();

    if (r > 0) {
        g_ptrace.template_pid = r;
        int err = fp_init_info(r, arg);
        if (err < 0)
            r = err;
    }
    if (r < 0) {
        g_ptrace.init_error = r;
        atomic_store(&g_ptrace.ready, 2);
        host_futex_wake(&g_ptrace.ready, 1);
        return;
    }
    atomic_store(&g_ptrace.ready, 1);
    host_futex_wake(&g_ptrace.ready, 1);
    master_loop();
}

/* Returns when the template is there; info gets its FP part. */
int master_start(struct platform_info *info)
{
    size_t bytes = SLOTS_MAX * sizeof(struct platform_as *);
    void *slots = host_mmap(NULL, bytes, LINUX_PROT_READ | LINUX_PROT_WRITE,
                            LINUX_MAP_PRIVATE | LINUX_MAP_ANONYMOUS, -1, 0);
    if (host_is_err(slots))
        return (int)(intptr_t)slots;
    g_ptrace.slots = slots;

    int fd = host_memfd_create("cvisor-batch", LINUX_MFD_CLOEXEC);
    if (fd < 0)
        return fd;
    g_ptrace.batch_fd = fd;
    u64 size = (u64)SLOTS_MAX * PTRACE_BATCH_SIZE;
    int err = host_ftruncate(fd, size);
    if (err < 0)
        return err;
    void *map = host_mmap(NULL, size, LINUX_PROT_READ | LINUX_PROT_WRITE,
                          LINUX_MAP_SHARED | LINUX_MAP_NORESERVE, fd, 0);
    if (host_is_err(map))
        return (int)(intptr_t)map;
    g_ptrace.batch_map = map;

    err = cv_thread_create("ptrace-master", master_main, info);
    if (err < 0)
        return err;
    while (atomic_load(&g_ptrace.ready) == 0)
        host_futex_wait(&g_ptrace.ready, 0, 0);
    return atomic_load(&g_ptrace.ready) == 1 ? 0 : g_ptrace.init_error;
}
