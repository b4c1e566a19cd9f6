/* SPDX-License-Identifier: Apache-2.0 */
/* Address spaces: life cycle, and the queue of map operations. */
#include "abi/linux/mman.h"
#include "abi/linux/unistd.h"
#include "cvisor/host.h"
#include "cvisor/log.h"
#include "platform/systrap/systrap.h"

#include <errno.h>

/* --- life cycle --- */

static struct platform_as *take_spare(void)
{
    struct platform_as *as = NULL;
    bool ring = false;

    mutex_lock(&g_systrap.lock);
    if (!list_empty(&g_systrap.spares)) {
        as = list_first_entry(&g_systrap.spares, struct platform_as, link);
        list_del(&as->link);
        ring = --g_systrap.nspares == 0;
    }
    mutex_unlock(&g_systrap.lock);
    if (ring)
        st_master_ring();
    return as;
}

int systrap_as_create(struct platform_as **out)
{
    struct platform_as *as;

    /* The memory thread of a stub that was killed has vanished, before the master has seen it. */
    while ((as = take_spare()) &&
           (atomic_load(&as->dead) || host_tgkill(as->pid, as->mem_tid, 0) < 0)) {
        as->call.as = as;
        as->call.type = CALL_KILL;
        st_master_call_async(&as->call);
    }
    if (!as) {
        struct master_call call = {.type = CALL_CREATE};
        int err = st_master_call(&call);
        if (err < 0)
            return err;
        as = call.as;
    }
    ref_init(&as->refs);
    *out = as;
    return 0;
}

void systrap_as_get(struct platform_as *as)
{
    ref_get(&as->refs);
}

/* The last reference: no vcpu uses it. */
void systrap_as_put(struct platform_as *as)
{
    if (!ref_put(&as->refs))
        return;
    as->call.as = as;
    as->call.type = CALL_RECYCLE;
    st_master_call_async(&as->call);
}

/* Marks it dead and ends the stub. Its vcpus deliver DIED, the last put frees it. */
void st_as_kill(struct platform_as *as, const char *why)
{
    if (!atomic_exchange(&as->dead, true)) {
        atomic_store(&as->killed, true);
        log_warn("systrap: ending stub %d: %s", as->pid, why);
        host_kill(as->pid, LINUX_SIGKILL);
    }
}

#define END_TIMEOUT (2 * NSEC_PER_SEC)

/* Of a dead as: until none of its threads executes guest code, which is soon after the signal. One
 * that takes longer is on its way out in the host. */
static void wait_for_end(struct platform_as *as)
{
    u64 deadline = host_now_mono() + END_TIMEOUT;

    for (struct stub_thread *s = atomic_load(&as->all); s; s = s->next) {
        while (host_tgkill(as->pid, s->tid, 0) == 0 && host_now_mono() < deadline)
            host_sched_yield();
    }
}

int st_as_take_thread(struct platform_as *as, struct stub_thread **out)
{
    struct stub_thread *s = NULL;

    mutex_lock(&as->lock);
    if (!list_empty(&as->ready)) {
        s = list_first_entry(&as->ready, struct stub_thread, link);
        list_del(&s->link);
    }
    mutex_unlock(&as->lock);
    if (!s) {
        struct master_call call = {.type = CALL_CLONE, .as = as};
        int err = st_master_call(&call);
        if (err < 0)
            return err;
        s = call.thread;
    }
    *out = s;
    return 0;
}

void st_as_return_thread(struct platform_as *as, struct stub_thread *s)
{
    mutex_lock(&as->lock);
    list_add(&s->link, &as->ready);
    mutex_unlock(&as->lock);
}

/* --- operations --- */

static bool translate(const struct platform_mapop *op, struct stub_op *out)
{
    u64 end = op->addr + op->len;

    if (op->len == 0 || end < op->addr || op->addr < SYSTRAP_VM_START || end > g_systrap.region ||
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

/*
 * Runs ops [first, n) on the memory thread: 0, or -errno of the operation whose index goes to
 * *failed. -ESRCH: the stub is gone. Only that thread notifies this listener, and guests write to
 * nothing that it reads: what it reports is so.
 */
static int run_batch(struct platform_as *as, u32 first, u32 n, u32 *failed)
{
    struct linux_seccomp_notif report;
    u64 addr = SYSTRAP_BATCH_ADDR + first * sizeof(struct stub_op);

    as->batch[n].nr = ~0ull;
    if (systrap_traps()) {
        u64 at = addr;
        int r = trap_run_batch(as, addr, &at);
        *failed = (u32)((at - SYSTRAP_BATCH_ADDR) / sizeof(struct stub_op));
        BUG_ON(r != -ESRCH && (*failed < first || *failed > n));
        return r;
    }
    notify_send(as->mem_fd, as->mem_id, (s64)addr);
    if (notify_recv(as->mem_fd, as->pid, as->mem_tid, &report) < 0)
        return -ESRCH;
    as->mem_id = report.id;
    int err = (int)report.data.args[0];
    if (err < 0) {
        *failed = (u32)((report.data.args[1] - SYSTRAP_BATCH_ADDR) / sizeof(struct stub_op));
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
static int flush_locked(struct platform_as *as, u32 strict)
{
    u32 n = atomic_load(&as->npending), first = 0, failed;
    int err = 0;

    while (first < n) {
        err = atomic_load(&as->dead) ? -ESRCH : run_batch(as, first, n, &failed);
        if (err == 0)
            break;
        if (err == -ESRCH) {
            if (!atomic_exchange(&as->dead, true))
                st_master_ring();
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
            st_as_kill(as, "the host refused to unmap");
        break;
    }
    atomic_store(&as->npending, 0);
    return err;
}

void st_as_flush_locked(struct platform_as *as)
{
    flush_locked(as, atomic_load(&as->npending));
}

/* --- mappings that wait for their first use --- */

/*
 * Most mappings are touched at once, and then a fault costs more than doing it right away; some never
 * are, or others follow, which share the costs. What came of the last ones decides, and now and then
 * one is tried the other way.
 */
#define LAZY_OPS 16u
#define LAZY_SCORE_MIN (-4)
#define LAZY_SCORE_MAX 4
#define LAZY_TRY 32u

static void lazy_score(struct platform_as *as, s32 by)
{
    as->lazy_score = MIN(MAX(as->lazy_score + by, LAZY_SCORE_MIN), LAZY_SCORE_MAX);
}

/* Those that wait become ordinary ones. */
static void lazy_join_locked(struct platform_as *as)
{
    u32 n = atomic_load(&as->nlazy);

    if (n == 0)
        return;
    atomic_store(&as->npending, n);
    atomic_store(&as->nlazy, 0);
}

/* True: the operations need not be done now, or never. */
static bool lazy_apply_locked(struct platform_as *as, const struct platform_mapop *ops, size_t n)
{
    u32 count = atomic_load(&as->nlazy);
    struct stub_op op;

    if (n == 1 && ops->type == PLATFORM_UNMAP && count > 0 &&
        as->batch[count - 1].args[0] == ops->addr && as->batch[count - 1].args[1] == ops->len) {
        atomic_store(&as->nlazy, count - 1);
        lazy_score(as, 1);
        return true;
    }
    if (atomic_load(&as->npending) > 0 || count + n > LAZY_OPS || atomic_load(&as->dead))
        return false;
    for (size_t i = 0; i < n; i++) {
        if (!ops[i].fresh || !translate(&ops[i], &op))
            return false;
    }
    if (as->lazy_score < 0 && ++as->lazy_skipped % LAZY_TRY != 0)
        return false;
    for (size_t i = 0; i < n; i++)
        translate(&ops[i], &as->batch[count + i]);
    as->touched = true;
    atomic_store(&as->nlazy, count + (u32)n);
    return true;
}

bool st_as_fault(struct platform_as *as, u64 addr)
{
    bool due = false;

    if (likely(atomic_load(&as->nlazy) == 0))
        return false;
    mutex_lock(&as->lock);
    for (u32 i = 0; i < atomic_load(&as->nlazy) && !due; i++)
        due = addr - as->batch[i].args[0] < as->batch[i].args[1];
    if (due) {
        lazy_score(as, -2);
        lazy_join_locked(as);
        st_as_flush_locked(as);
    }
    mutex_unlock(&as->lock);
    return due;
}

int st_as_run_locked(struct platform_as *as, const struct stub_op *ops, u32 n)
{
    int err = 0;

    lazy_join_locked(as);
    u32 strict = atomic_load(&as->npending);
    if (atomic_load(&as->dead))
        return -ESRCH;
    if (strict + n > SYSTRAP_BATCH_OPS) {
        err = flush_locked(as, strict);
        strict = 0;
    }
    if (err < 0)
        return err;
    for (u32 i = 0; i < n; i++)
        as->batch[strict + i] = ops[i];
    as->touched = true;
    atomic_store(&as->npending, strict + n);
    return flush_locked(as, strict);
}

/* A patched page goes with its mapping; it is never writable. */
static void touch_patches(struct platform_as *as, const struct platform_mapop *op,
                          struct stub_op *out)
{
    if (op->type == PLATFORM_PROTECT) {
        if (!(op->prot & PLATFORM_WRITE) || !patch_is_in_locked(as, op->addr, op->len))
            return;
        out->nr = LINUX_SYS_munmap; /* the kernel will map it again */
    }
    patch_touch_locked(as, op->addr, op->len);
}

int systrap_as_apply(struct platform_as *as, const struct platform_mapop *ops, size_t n)
{
    bool inside = t_systrap_vcpu && t_systrap_vcpu->as == as;
    int err = 0;

    mutex_lock(&as->lock);
    if (lazy_apply_locked(as, ops, n)) {
        mutex_unlock(&as->lock);
        return 0;
    }
    lazy_join_locked(as);
    u32 strict = atomic_load(&as->npending), count = strict;
    for (size_t i = 0; i < n && err == 0; i++) {
        struct stub_op op;
        if (!translate(&ops[i], &op)) {
            err = -EINVAL;
            break;
        }
        touch_patches(as, &ops[i], &op);
        if (count > strict && merge(&as->batch[count - 1], &op))
            continue;
        if (count == SYSTRAP_BATCH_OPS) {
            atomic_store(&as->npending, count);
            err = flush_locked(as, strict);
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
    if (err == 0 && count > 0 && (inside || atomic_load(&as->nguest) > 0)) {
        if (inside)
            spin_disturbed(t_systrap_vcpu);
        err = flush_locked(as, strict);
    }
    mutex_unlock(&as->lock);
    if (unlikely(err == -ESRCH))
        wait_for_end(as); /* it has no translations then */
    return err;
}

/* Everything but the stub region. What is queued is of no use any more. */
static int unmap_all_locked(struct platform_as *as)
{
    u32 failed;

    atomic_store(&as->npending, 0);
    atomic_store(&as->nlazy, 0);
    as->batch[0] = (struct stub_op){
        .nr = LINUX_SYS_munmap,
        .args = {LOW_ENTRIES, g_systrap.region - LOW_ENTRIES},
    };
    return run_batch(as, 0, 1, &failed);
}

/* Nobody uses the as any more, but a thread of it that only seems to be in an event may run. */
void systrap_as_retire(struct platform_as *as)
{
    if (likely(atomic_load(&as->nguest) == 0))
        return;
    mutex_lock(&as->lock);
    if (!atomic_load(&as->dead) && unmap_all_locked(as) < 0)
        st_as_kill(as, "its memory can't be taken away");
    mutex_unlock(&as->lock);
    if (atomic_load(&as->dead))
        wait_for_end(as);
}

/* Unmaps everything but the stub region. Nobody uses the as any more. */
int st_as_clean(struct platform_as *as)
{
    int err = 0;

    mutex_lock(&as->lock);
    atomic_store(&as->npending, 0);
    atomic_store(&as->nlazy, 0);
    as->lazy_score = 0;
    if (as->touched) {
        err = unmap_all_locked(as);
        as->touched = false;
        if (err == 0)
            patch_free(as);
    }
    mutex_unlock(&as->lock);
    return err;
}
