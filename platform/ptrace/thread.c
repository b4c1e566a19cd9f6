/* SPDX-License-Identifier: Apache-2.0 */
/* Vcpus: their host threads, their stub threads, interrupts. run.c has what they do with guests. */
#include "abi/linux/ptrace.h"
#include "cvisor/host.h"
#include "cvisor/host_stub.h"
#include "cvisor/kcache.h"
#include "cvisor/log.h"
#include "platform/ptrace/ptrace.h"

#include <errno.h>

#define FREE_MAX 16 /* vcpus kept without work */

enum { UNASSIGNED, ASSIGNED, LEAVE };

KCACHE(platform_thread);

__thread struct platform_thread *t_vcpu;

/* --- stub threads of a vcpu --- */

static void forget_thread(struct platform_thread *v)
{
    mutex_lock(&v->lock);
    v->tid = 0;
    mutex_unlock(&v->lock);
}

void vcpu_died(struct platform_thread *v)
{
    bool first = !atomic_exchange(&v->as->dead, true);

    /*
     * When only this thread is lost: it does not work. Also when another thread has said that it is
     * dead: it may not have killed it yet, and the thread that is continued below must never again
     * reach guest code, which would run untraced syscalls.
     */
    if (first || v->tid)
        host_kill(v->as->pid, LINUX_SIGKILL);
    if (first)
        master_ring(); /* to see the end of the leader */
    if (v->tid) {
        trace_reap(v->tid);
        forget_thread(v);
    }
    v->died = true;
}

int vcpu_run_stub(struct platform_thread *v, struct arch_regs *regs)
{
    int status;

    regs_load(v);
    v->dirty = true;
    int err = v->tid ? trace_run(v->pid, v->tid, regs, &status) : -ESRCH;
    if (err == 0)
        return 0;
    if (err == -EFAULT) /* the guest's doing: protection keys */
        as_kill(v->as, "a fault in stub code");
    vcpu_died(v);
    return -ESRCH;
}

/* Takes over a stub thread that nobody traces. */
static int attach_thread(struct platform_thread *v, struct platform_as *as, int tid)
{
    affinity_attach(v, tid);
    int err = trace_attach(as->pid, tid);
    if (err < 0)
        return err;
    mutex_lock(&v->lock);
    v->pid = as->pid;
    v->tid = tid;
    mutex_unlock(&v->lock);
    return fp_reset(v) == -ESRCH ? -ESRCH : 0;
}

/* Gives the stub thread back to its process, or ends it when that has enough. */
static void release_thread(struct platform_thread *v)
{
    struct platform_as *as = v->as;
    struct arch_regs regs;

    /* The last user empties the stub here, for the master has other work. */
    if (v->tid && ref_read(&as->refs) == 1 && !atomic_load(&as->dead))
        as_clean(as, v);
    int tid = v->tid;
    if (tid == 0)
        return;
    if (as_reserve_ready(as)) {
        bool detached = trace_detach(tid) == 0;
        if (detached)
            forget_thread(v);
        as_return_thread(as, detached ? tid : 0);
        if (detached)
            return;
    }
    trace_stub_regs(&regs, ptrace_stub_exit);
    host_ptrace(LINUX_PTRACE_SETREGS, tid, 0, (u64)(uintptr_t)&regs);
    trace_reap(tid);
    forget_thread(v);
}

/* --- host threads --- */

static void vcpu_start(struct platform_thread *v)
{
    v->event = PLATFORM_START;
    v->step = false;
    v->died = false;
    v->next_set = false;
    trace_stub_regs(&v->regs, ptrace_stub_wait);
    v->regs.rip = 0;
    v->valid = v->dirty = true;
    int tid = v->tid;
    v->tid = 0;
    if (attach_thread(v, v->as, tid) < 0) {
        log_warn("ptrace: thread %d of stub %d can't be traced", tid, v->as->pid);
        vcpu_died(v);
    }
}

static bool keep_free(struct platform_thread *v)
{
    bool keep;

    mutex_lock(&g_ptrace.lock);
    keep = g_ptrace.nvcpus < FREE_MAX;
    if (keep) {
        list_add(&v->link, &g_ptrace.vcpus);
        g_ptrace.nvcpus++;
    }
    mutex_unlock(&g_ptrace.lock);
    return keep;
}

static void vcpu_main(void *arg)
{
    struct platform_thread *v = arg;

    t_vcpu = v;
    v->host_tid = host_gettid();
    mutex_lock(&g_ptrace.lock);
    list_add(&v->all_link, &g_ptrace.all_vcpus);
    mutex_unlock(&g_ptrace.lock);
    for (;;) {
        u32 state = atomic_load(&v->assigned);
        if (state == UNASSIGNED) {
            host_futex_wait(&v->assigned, UNASSIGNED, 0);
            continue;
        }
        if (state == LEAVE)
            break;
        atomic_store(&v->assigned, UNASSIGNED);
        vcpu_start(v);
        vcpu_run_guest(v);
        struct platform_as *as = v->as;
        release_thread(v);
        affinity_detach(v);
        v->as = NULL;
        v->task = NULL;
        ptrace_as_put(as);
        if (!keep_free(v))
            break;
    }
    mutex_lock(&g_ptrace.lock);
    list_del(&v->all_link);
    mutex_unlock(&g_ptrace.lock);
    t_vcpu = NULL;
    kcache_free(platform_thread, v);
}

static struct platform_thread *vcpu_get(void)
{
    struct platform_thread *v = NULL;

    mutex_lock(&g_ptrace.lock);
    if (!list_empty(&g_ptrace.vcpus)) {
        v = list_first_entry(&g_ptrace.vcpus, struct platform_thread, link);
        list_del(&v->link);
        g_ptrace.nvcpus--;
    }
    mutex_unlock(&g_ptrace.lock);
    if (v)
        return v;
    v = kcache_alloc(platform_thread);
    if (!v)
        return NULL;
    mutex_init(&v->lock, LOCK_LEAF);
    list_init(&v->link);
    atomic_init(&v->cpu, -1);
    atomic_init(&v->stub_cpu, -1);
    if (cv_thread_create("vcpu", vcpu_main, v) < 0) {
        kcache_free(platform_thread, v);
        return NULL;
    }
    return v;
}

/* --- operations --- */

int ptrace_thread_create(struct platform_as *as, void *task, struct platform_thread **out)
{
    struct platform_thread *v = vcpu_get();

    if (!v)
        return -EAGAIN;
    int tid = as_take_thread(as);
    if (tid < 0) {
        if (!keep_free(v)) {
            atomic_store(&v->assigned, LEAVE);
            host_futex_wake(&v->assigned, 1);
        }
        return tid;
    }
    ref_get(&as->refs);
    v->as = as;
    v->task = task;
    v->pid = as->pid;
    v->tid = tid;
    atomic_store(&v->flags, 0);
    *out = v;
    atomic_store(&v->assigned, ASSIGNED);
    host_futex_wake(&v->assigned, 1);
    return 0;
}

void ptrace_thread_interrupt(struct platform_thread *v)
{
    mutex_lock(&v->lock);
    u32 old = atomic_fetch_or(&v->flags, VCPU_INTR);
    if ((old & VCPU_GUEST) && !(old & VCPU_INTR) && v->tid)
        host_tgkill(v->pid, v->tid, PTRACE_KICK_SIGNAL);
    mutex_unlock(&v->lock);
}

int ptrace_thread_switch_as(struct platform_thread *v, struct platform_as *as)
{
    struct platform_as *old = v->as;
    int tid = as_take_thread(as);

    if (tid < 0)
        return tid;
    ref_get(&as->refs);
    release_thread(v);
    v->as = as;
    v->died = false;
    v->next_set = false;
    trace_stub_regs(&v->regs, ptrace_stub_wait);
    v->regs.rip = 0;
    v->valid = v->dirty = true;
    if (attach_thread(v, as, tid) < 0) {
        log_warn("ptrace: thread %d of stub %d can't be traced", tid, as->pid);
        vcpu_died(v);
    }
    ptrace_as_put(old);
    return 0;
}

void ptrace_single_step(struct platform_thread *v)
{
    v->step = true;
}
