/* SPDX-License-Identifier: Apache-2.0 */
/* Address spaces: life cycle, and the queue of map operations. */
#include "abi/linux/mman.h"
#include "abi/linux/unistd.h"
#include "cvisor/host.h"
#include "cvisor/log.h"
#include "platform/ptrace/ptrace.h"

#include <errno.h>

/* --- life cycle --- */

static struct platform_as *take_spare(void)
{
    struct platform_as *as = NULL;
    bool ring = false;

    mutex_lock(&g_ptrace.lock);
    if (!list_empty(&g_ptrace.spares)) {
        as = list_first_entry(&g_ptrace.spares, struct platform_as, link);
        list_del(&as->link);
        ring = --g_ptrace.nspares == 0;
    }
    mutex_unlock(&g_ptrace.lock);
    if (ring)
        master_ring();
    return as;
}

/* Threads of a spare that nobody traces vanish when it is killed. */
static bool is_alive(struct platform_as *as)
{
    return !atomic_load(&as->dead) &&
           (as->nready == 0 || host_tgkill(as->pid, as->ready[0], 0) == 0);
}

int ptrace_as_create(struct platform_as **out)
{
    struct platform_as *as;

    while ((as = take_spare()) && !is_alive(as)) {
        as->call.as = as;
        as->call.type = CALL_KILL;
        master_call_async(&as->call);
    }
    if (!as) {
        struct master_call call = {.type = CALL_CREATE};
        int err = master_call(&call);
        if (err < 0)
            return err;
        as = call.as;
    }
    ref_init(&as->refs);
    *out = as;
    return 0;
}

void ptrace_as_get(struct platform_as *as)
{
    ref_get(&as->refs);
}

/* The last reference: no vcpu uses it, all its threads but the leader are ready ones. */
void ptrace_as_put(struct platform_as *as)
{
    if (!ref_put(&as->refs))
        return;
    as->call.as = as;
    as->call.type = atomic_load(&as->dead) ? CALL_KILL : CALL_RECYCLE;
    master_call_async(&as->call);
}

/* Marks it dead and ends the stub. Its vcpus deliver DIED, the last put frees it. */
void as_kill(struct platform_as *as, const char *why)
{
    if (!atomic_exchange(&as->dead, true)) {
        atomic_store(&as->killed, true);
        log_warn("ptrace: ending stub %d: %s", as->pid, why);
        host_kill(as->pid, LINUX_SIGKILL);
    }
}

int as_take_thread(struct platform_as *as)
{
    int tid = 0;

    mutex_lock(&as->lock);
    if (as->nready > 0)
        tid = as->ready[--as->nready];
    mutex_unlock(&as->lock);
    if (tid)
        return tid;

    if (t_vcpu && t_vcpu->as == as && t_vcpu->tid) {
        struct arch_regs regs;
        trace_stub_regs(&regs, ptrace_stub_clone_thread);
        regs.rdi = PTRACE_CLONE_THREAD;
        trace_block_signals(t_vcpu->tid, true);
        int err = vcpu_run_stub(t_vcpu, &regs);
        if (err < 0)
            return err;
        trace_block_signals(t_vcpu->tid, false);
        return (int)regs.rax;
    }
    struct master_call call = {.type = CALL_CLONE, .as = as};
    return master_call(&call);
}

bool as_reserve_ready(struct platform_as *as)
{
    bool room;

    mutex_lock(&as->lock);
    room = as->nready + as->nreturning < PTRACE_READY_MAX;
    if (room)
        as->nreturning++;
    mutex_unlock(&as->lock);
    return room;
}

void as_return_thread(struct platform_as *as, int tid)
{
    mutex_lock(&as->lock);
    as->nreturning--;
    if (tid)
        as->ready[as->nready++] = tid;
    mutex_unlock(&as->lock);
}

/* --- operations --- */

static bool translate(const struct platform_mapop *op, struct stub_op *out)
{
    u64 end = op->addr + op->len;

    if (op->len == 0 || end < op->addr || op->addr < PTRACE_VM_START || end > g_ptrace.region ||
        ((op->addr | op->len | op->offset) & ~PAGE_MASK) || (op->prot & ~7u))
        return false;
    out->args[0] = op->addr;
    out->args[1] = op->len;
    out->args[2] = op->prot; /* PLATFORM_READ, WRITE, EXEC are PROT_READ, WRITE, EXEC */
    switch (op->type) {
    case PLATFORM_MAP:
        out->nr = LINUX_SYS_mmap;
        out->args[3] = LINUX_MAP_SHARED | LINUX_MAP_FIXED | (op->populate ? LINUX_MAP_POPULATE : 0);
        out->args[4] = (u64)(s64)op->fd;
        out->args[5] = op->offset;
        return true;
    case PLATFORM_UNMAP:
        out->nr = LINUX_SYS_munmap;
        return true;
    case PLATFORM_PROTECT:
        out->nr = LINUX_SYS_mprotect;
        return true;
    }
    return false;
}

/* Extends prev by op, which follows it, when one syscall can do both. */
static bool merge(struct stub_op *prev, const struct stub_op *op)
{
    if (prev->nr != op->nr || prev->args[0] + prev->args[1] != op->args[0])
        return false;
    if (op->nr == LINUX_SYS_mprotect || op->nr == LINUX_SYS_mmap) {
        if (prev->args[2] != op->args[2])
            return false;
    }
    if (op->nr == LINUX_SYS_mmap) {
        if (prev->args[3] != op->args[3] || prev->args[4] != op->args[4] ||
            prev->args[5] + prev->args[1] != op->args[5])
            return false;
    }
    prev->args[1] += op->args[1];
    return true;
}

/* Runs ops [first, n): 0, or -errno of the operation whose index goes to *failed. -ESRCH: the stub
 * is gone. */
static int run_batch(struct platform_as *as, struct platform_thread *v, u32 first, u32 n,
                     u32 *failed)
{
    u64 addr = PTRACE_BATCH_ADDR + first * sizeof(struct stub_op);
    int err;

    as->batch[n].nr = ~0ull;
    if (v) {
        struct arch_regs regs;
        trace_stub_regs(&regs, ptrace_stub_batch);
        regs.r12 = addr;
        err = vcpu_run_stub(v, &regs);
        if (err == 0) {
            err = (int)regs.rax;
            addr = regs.r12;
        }
    } else {
        struct master_call call = {.type = CALL_RUN, .as = as, .batch = addr};
        err = master_call(&call);
        addr = call.batch;
    }
    if (err < 0 && err != -ESRCH) {
        *failed = (u32)((addr - PTRACE_BATCH_ADDR) / sizeof(struct stub_op));
        BUG_ON(*failed < first || *failed >= n);
    }
    return err;
}

/*
 * Runs the whole queue. Operations before `strict` were accepted earlier, from callers that have
 * gone: when the host refuses one, the range is unmapped instead, which is always safe (the guest's
 * next access is a fault event). So does mprotect of a range with holes, which the host does by half.
 * A failure behind `strict` drops the rest and is the caller's.
 */
static int flush_locked(struct platform_as *as, struct platform_thread *v, u32 strict)
{
    u32 n = atomic_load(&as->npending), first = 0, failed;
    int err = 0;

    while (first < n) {
        err = atomic_load(&as->dead) ? -ESRCH : run_batch(as, v, first, n, &failed);
        if (err == 0)
            break;
        if (err == -ESRCH) {
            atomic_store(&as->dead, true);
            break;
        }
        struct stub_op *op = &as->batch[failed];
        bool hole = op->nr == LINUX_SYS_mprotect && err == -ENOMEM;
        if (op->nr != LINUX_SYS_munmap && (hole || failed < strict)) {
            op->nr = LINUX_SYS_munmap;
            first = failed;
            continue;
        }
        if (failed < strict)
            as_kill(as, "the host refused to unmap");
        break;
    }
    atomic_store(&as->npending, 0);
    return err;
}

int as_flush_locked(struct platform_as *as, struct platform_thread *v)
{
    return flush_locked(as, v, atomic_load(&as->npending));
}

int ptrace_as_apply(struct platform_as *as, const struct platform_mapop *ops, size_t n)
{
    struct platform_thread *v = t_vcpu && t_vcpu->as == as && t_vcpu->tid ? t_vcpu : NULL;
    int err = 0;

    mutex_lock(&as->lock);
    u32 strict = atomic_load(&as->npending), count = strict;
    for (size_t i = 0; i < n && err == 0; i++) {
        struct stub_op op;
        if (!translate(&ops[i], &op)) {
            err = -EINVAL;
            break;
        }
        if (count > strict && merge(&as->batch[count - 1], &op))
            continue;
        if (count == PTRACE_BATCH_OPS) {
            atomic_store(&as->npending, count);
            err = flush_locked(as, v, strict);
            strict = count = 0;
        }
        as->batch[count++] = op;
    }
    as->touched = true;
    /*
     * In this order, as resume counts itself in and then looks at npending: either we see it in
     * guest code, or it sees what we queued.
     */
    atomic_store(&as->npending, err == 0 ? count : strict);
    if (err == 0 && atomic_load(&as->dead))
        err = -ESRCH;
    if (err == 0 && count > 0 && (v || atomic_load(&as->nguest) > 0))
        err = flush_locked(as, v, strict);
    mutex_unlock(&as->lock);
    return err;
}

/* Registers for unmapping everything but the stub region. */
void as_clean_regs(struct arch_regs *regs)
{
    trace_stub_regs(regs, ptrace_stub_syscall);
    regs->rax = LINUX_SYS_munmap;
    regs->rdi = PTRACE_VM_START;
    regs->rsi = g_ptrace.region - PTRACE_VM_START;
}

void as_clean(struct platform_as *as, struct platform_thread *v)
{
    struct arch_regs regs;

    atomic_store(&as->npending, 0);
    if (!as->touched)
        return;
    as_clean_regs(&regs);
    if (vcpu_run_stub(v, &regs) < 0)
        return; /* dead */
    if (regs.rax != 0)
        as_kill(as, "the host refused to unmap");
    as->touched = false;
}
