/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Backing guest addresses: faults of the guest and of the sentry's own accesses, eager population,
 * copy-on-write, growth of stacks.
 */
#include "sentry/mm/mm_internal.h"

#include "cvisor/host.h"

#include <errno.h>

/* A guest that faults this often at one address without anything to do there gets its signal. */
#define SPURIOUS_REMAP 4
#define SPURIOUS_MAX 64
/* The same for an access of unknown kind that can only be a forbidden write, or a race. */
#define SPURIOUS_MAX_UNKNOWN 3

#define ALL_RIGHTS (PLATFORM_READ | PLATFORM_WRITE | PLATFORM_EXEC)

/* ---- new pages ------------------------------------------------------------------------------- */

/* Where private memory for [start, end) should lie so that it joins its neighbours. */
static void alloc_hints(struct mm *mm, const struct vma *vma, u64 start, u64 end,
                        struct memory_file_req *req)
{
    struct pma *prev = pma_find(mm, start - 1), *next = pma_find(mm, end);

    req->after = req->before = ~0ull;
    if (prev && prev->copied)
        req->after = prev->off + (prev->node.end - prev->node.start);
    if (next && next->copied)
        req->before = next->off;
    /* The mmap area and stacks grow downwards; the heap grows upwards. */
    req->from_top = !prev && (!vma->name || (vma->flags & VMA_GROWSDOWN));
}

static int map_anon(struct mm_op *op, struct vma *vma, u64 start, u64 end)
{
    struct memory_file_req req = {.len = end - start, .align = PAGE_SIZE, .kind = MF_ANON};
    struct pma proto = {.node = {.start = start, .end = end},
                        .backing = g_memfile,
                        .max = ALL_RIGHTS,
                        .private = true,
                        .copied = true};
    s64 off;

    alloc_hints(op->mm, vma, start, end, &req);
    off = memory_file_alloc_req(&req);
    if (off < 0)
        return (int)off;
    proto.off = (u64)off;
    proto.eff = pma_effective(&proto, vma);
    return pma_add(op, &proto, true);
}

/* The hole around page, inside vma and [lo, hi). */
static void hole_around(struct mm *mm, const struct vma *vma, u64 page, u64 *lo, u64 *hi)
{
    struct pma *next = pma_of(rangetree_lower(&mm->pmas, page));
    struct pma *prev = pma_of(rangetree_floor(&mm->pmas, page));

    *lo = MAX(*lo, vma->node.start);
    *hi = MIN(*hi, vma->node.end);
    if (prev)
        *lo = MAX(*lo, prev->node.end);
    if (next)
        *hi = MIN(*hi, next->node.start);
}

static int map_anon_chunk(struct mm_op *op, struct vma *vma, u64 page)
{
    static const u64 sizes[] = {MM_EAGER_MAX, MM_LAZY_CHUNK, 2ull << 20, 64ull << 10, PAGE_SIZE};
    u64 used = memory_file_used(MF_ANON), limit = memory_file_limit();
    int err = -ENOMEM;

    for (size_t i = 0; i < ARRAY_SIZE(sizes) && err == -ENOMEM; i++) {
        u64 lo = page & ~(sizes[i] - 1), hi = lo + sizes[i];

        /* Large pieces are for address spaces that leave room for them. */
        if ((sizes[i] > MM_LAZY_CHUNK && used > limit / 16) ||
            (sizes[i] > (2ull << 20) && used > limit / 4))
            continue;
        if (sizes[i] > MM_LAZY_CHUNK && vma_len(vma) > (4ull << 30))
            continue;
        hole_around(op->mm, vma, page, &lo, &hi);
        err = map_anon(op, vma, lo, hi);
    }
    return err;
}

static int map_file(struct mm_op *op, struct vma *vma, u64 page, u64 lo, u64 hi, u32 access)
{
    struct translation tr = {0};
    u64 delta = vma->off - vma->node.start; /* address + delta = offset; may wrap */
    struct pma proto = {.mappable = vma->mappable, .private = vma_private(vma)};
    int err;

    hole_around(op->mm, vma, page, &lo, &hi);
    if (proto.private)
        access &= ~PLATFORM_WRITE;
    err = vma->mappable->ops->translate(vma->mappable, page + delta, lo + delta, hi + delta,
                                        access ? access : PLATFORM_READ, &tr);
    if (err < 0)
        return err;
    BUG_ON(tr.start > page + delta || tr.end <= page + delta);
    BUG_ON(tr.start < lo + delta || tr.end > hi + delta);
    proto.node.start = tr.start - delta;
    proto.node.end = tr.end - delta;
    proto.backing = tr.backing;
    proto.off = tr.off;
    proto.moff = tr.start;
    proto.max = tr.prot | PLATFORM_READ;
    if (proto.private) {
        proto.need_cow = true;
        proto.max |= PLATFORM_WRITE; /* of the copy */
    }
    proto.eff = pma_effective(&proto, vma);
    return pma_add(op, &proto, true);
}

static int map_file_piece(struct mm_op *op, struct vma *vma, u64 page, u32 access)
{
    u64 lo = vma->node.start, hi = vma->node.end;

    if (hi - lo > 2 * MM_EAGER_MAX) {
        lo = page & ~(MM_EAGER_MAX - 1);
        hi = lo + MM_EAGER_MAX;
    }
    return map_file(op, vma, page, lo, hi, access);
}

void mm_populate_locked(struct mm_op *op, struct vma *vma, u64 start, u64 end)
{
    u32 access = prot_to_platform(vma->prot);
    u64 at = start;

    if (!access || end - start > MM_EAGER_MAX)
        return;
    if (!(vma->flags & VMA_SHARED))
        access &= ~PLATFORM_WRITE;
    for (int i = 0; at < end && i < 16; i++) {
        struct pma *p = pma_of(rangetree_lower(&op->mm->pmas, at));
        u64 stop = p ? MIN(end, p->node.start) : end;
        int err;

        if (p && p->node.start <= at) {
            at = p->node.end;
            continue;
        }
        if (vma->mappable) {
            err = map_file(op, vma, at, at, stop, access);
            p = pma_find(op->mm, at);
            stop = p ? p->node.end : stop;
        } else {
            err = map_anon(op, vma, at, stop);
        }
        if (err < 0)
            return; /* the access will tell */
        at = stop;
    }
}

/* ---- copy-on-write --------------------------------------------------------------------------- */

/* Copies [start, end) of p, whose bytes are at dst in the memory file. */
static bool cow_copy(const struct pma *p, u64 start, u64 end, u8 *dst)
{
    u64 off = p->off + (start - p->node.start), left = end - start;

    while (left) {
        u64 got = 0;
        void *src = p->backing->ops->map(p->backing, off, left, false, &got);

        if (!src || !got || host_copy_safe(dst, src, MIN(got, left)) != 0)
            return false;
        got = MIN(got, left);
        dst += got;
        off += got;
        left -= got;
    }
    return true;
}

/* Puts a private copy of [start, end) in the place of p's. */
static enum mm_fault cow_copy_range(struct mm_op *op, struct vma *vma, struct pma *p, u64 start,
                                    u64 end)
{
    struct memory_file_req req = {
        .len = end - start, .align = PAGE_SIZE, .kind = MF_ANON, .dirty = true};
    struct pma proto = {.node = {.start = start, .end = end},
                        .backing = g_memfile,
                        .mappable = p->mappable,
                        .moff = p->moff + (start - p->node.start),
                        .max = p->max | PLATFORM_READ | PLATFORM_WRITE,
                        .private = true,
                        .copied = true};
    s64 off;

    if (!p->mappable)
        proto.max = ALL_RIGHTS;
    alloc_hints(op->mm, vma, start, end, &req);
    off = memory_file_alloc_req(&req);
    if (off < 0)
        return MM_FAULT_OOM;
    if (!cow_copy(p, start, end, memory_file_ptr((u64)off))) {
        memory_file_put((u64)off, end - start);
        return MM_FAULT_BUS;
    }
    proto.off = (u64)off;
    proto.eff = pma_effective(&proto, vma);
    return pma_replace(op, &proto) < 0 ? MM_FAULT_OOM : MM_FAULT_OK;
}

static enum mm_fault cow_break(struct mm_op *op, struct vma *vma, struct pma *p, u64 page)
{
    u64 lo = MAX(p->node.start, vma->node.start), hi = MIN(p->node.end, vma->node.end);
    u64 delta = p->off - p->node.start, run_lo, run_hi, chunk = MM_COW_CHUNK;
    struct pma *prev;
    enum mm_fault r;

    if (p->backing == g_memfile &&
        memory_file_exclusive_run(page + delta, lo + delta, hi + delta, &run_lo, &run_hi)) {
        /* Nobody else is left: the bytes are ours. */
        if (pma_isolate(op->mm, run_lo - delta, run_hi - delta) < 0)
            return MM_FAULT_OOM;
        p = pma_find(op->mm, page);
        if (pma_may_be_patched(p))
            pma_queue_map(op, p); /* from now on the sentry may write to it */
        p->need_cow = false;
        p->copied = true;
        if (!p->mappable)
            p->max = ALL_RIGHTS;
        pma_reprotect(op, p, vma);
        pma_try_merge(op->mm, p);
        return MM_FAULT_OK;
    }
    /* Writers that go upwards get larger pieces. */
    prev = pma_find(op->mm, (page & ~(chunk - 1)) - 1);
    if (prev && prev->copied && !prev->need_cow && prev->node.start >= vma->node.start)
        while (chunk < MM_COW_CHUNK_MAX && prev->node.end - prev->node.start >= 2 * chunk)
            chunk *= 2;
    /* Scattered pieces become host mappings: larger ones when there are many. */
    if (op->mm->pmas.count > 16384)
        chunk = 1ull << 20;
    if (op->mm->pmas.count > 32768)
        chunk = 16ull << 20;
    lo = MAX(lo, page & ~(MIN(chunk, MM_COW_CHUNK) - 1));
    hi = MIN(hi, lo + chunk);
    r = cow_copy_range(op, vma, p, lo, hi);
    if (r != MM_FAULT_OK && hi - lo > PAGE_SIZE)
        r = cow_copy_range(op, vma, p, page, page + PAGE_SIZE);
    return r;
}

/* ---- faults ---------------------------------------------------------------------------------- */

static enum mm_fault fault_of_errno(int err)
{
    return err == -ENOMEM ? MM_FAULT_OOM : MM_FAULT_BUS;
}

enum mm_fault mm_fault_locked(struct mm_op *op, struct vma *vma, u64 page, u32 access, bool force)
{
    struct pma *p = pma_find(op->mm, page);
    int err;

    if (p && (access & PLATFORM_WRITE) && !p->private && !(p->max & PLATFORM_WRITE)) {
        /* The file wants to know before it is written to. */
        err = pma_remove(op, p->node.start, p->node.end);
        if (err < 0)
            return MM_FAULT_OOM;
        p = NULL;
    }
    if (!p) {
        err = vma->mappable ? map_file_piece(op, vma, page, access) : map_anon_chunk(op, vma, page);
        if (err < 0)
            return fault_of_errno(err);
        p = pma_find(op->mm, page);
        BUG_ON(!p);
    }
    if ((access & PLATFORM_WRITE) && p->need_cow)
        return cow_break(op, vma, p, page);
    if (force)
        return MM_FAULT_OK;
    if ((p->eff & access) != access) {
        pma_reprotect(op, p, vma);
        if ((p->eff & access) != access)
            return MM_FAULT_ACCERR;
    }
    return MM_FAULT_OK;
}

/* Extends the stack above addr down to it. False when there is none or it may not grow. */
static bool expand_stack(struct mm *mm, u64 addr)
{
    u64 page = PAGE_DOWN(addr), low;
    struct vma *v, *prev;
    struct mm_op op;
    bool ok = false;

    mm_op_begin(&op, mm);
    rwlock_wrlock(&mm->map_lock);
    v = vma_lower(mm, page);
    if (v && v->node.start <= page) {
        ok = true; /* somebody was faster */
        goto out;
    }
    if (!v || !(v->flags & VMA_GROWSDOWN) || page < mm->vm_start || page < LINUX_MMAP_MIN_ADDR ||
        v->node.end - page > mm_rlimit(LINUX_RLIMIT_STACK) ||
        mm_check_limits(mm, v->node.start - page, 0) < 0)
        goto out;
    if ((v->flags & VMA_LOCKED) && mm_check_locked(mm, v->node.start - page) < 0)
        goto out;
    prev = vma_prev(v);
    low = mm->vm_start;
    if (prev)
        low = prev->node.end + ((prev->flags & VMA_GROWSDOWN) || !prev->prot ? 0 : MM_STACK_GAP);
    if (page < low)
        goto out;
    /* A step at a time, as far as there is room. */
    if ((page & ~(MM_STACK_STEP - 1)) >= low &&
        v->node.end - (page & ~(MM_STACK_STEP - 1)) <= mm_rlimit(LINUX_RLIMIT_STACK))
        page &= ~(MM_STACK_STEP - 1);
    if (page < LINUX_MMAP_MIN_ADDR || page < mm->vm_start)
        page = PAGE_DOWN(addr);
    vma_account(mm, v, false);
    low = v->node.start;
    v->node.start = page;
    vma_account(mm, v, true);
    rwlock_wrlock(&mm->pma_lock);
    mm_populate_locked(&op, v, page, low);
    mm_op_flush(&op);
    rwlock_wrunlock(&mm->pma_lock);
    ok = true;
out:
    rwlock_wrunlock(&mm->map_lock);
    mm_op_end(&op);
    return ok;
}

/* What an access whose kind is unknown must have been. pma_lock held. */
static u32 guess_access(struct mm *mm, const struct vma *vma, u64 page)
{
    struct pma *p = pma_find(mm, page);
    u32 may = prot_to_platform(vma->prot);

    if (!p)
        return may & PLATFORM_WRITE && !vma->mappable ? PLATFORM_WRITE : PLATFORM_READ;
    if (p->eff & PLATFORM_READ)
        return PLATFORM_WRITE;
    return PLATFORM_READ;
}

/* Counts faults at one address that changed nothing: other threads make a few of them. */
static u32 count_spurious(struct mm *mm, u64 addr)
{
    if (atomic_load_explicit(&mm->spurious_addr, memory_order_relaxed) != addr) {
        atomic_store_explicit(&mm->spurious_addr, addr, memory_order_relaxed);
        atomic_store_explicit(&mm->spurious_count, 0, memory_order_relaxed);
    }
    return atomic_fetch_add_explicit(&mm->spurious_count, 1, memory_order_relaxed) + 1;
}

/* A fault of the guest where everything was in place. */
static enum mm_fault handle_spurious(struct mm_op *op, const struct pma *p, u64 addr, u32 max)
{
    u32 count = count_spurious(op->mm, addr);

    if (count > max) {
        atomic_store_explicit(&op->mm->spurious_count, 0, memory_order_relaxed);
        return MM_FAULT_ACCERR;
    }
    if (count >= SPURIOUS_REMAP)
        pma_queue_map(op, p); /* an earlier change may have been refused */
    return MM_FAULT_OK;
}

static enum mm_fault handle_in_vma(struct mm_op *op, struct vma *vma, u64 addr, u32 access,
                                   bool guest, bool force)
{
    struct mm *mm = op->mm;
    u64 page = PAGE_DOWN(addr);
    struct pma *p = pma_find(mm, page);
    u32 may = prot_to_platform(vma->prot);

    if (!access && p && (p->eff & PLATFORM_READ) && p->eff == (may & p->max))
        return handle_spurious(op, p, addr,
                               may & PLATFORM_WRITE ? SPURIOUS_MAX : SPURIOUS_MAX_UNKNOWN);
    if (!access)
        access = guess_access(mm, vma, page);
    if (!force && (may & access) != access)
        return MM_FAULT_ACCERR;
    if (force && (access & PLATFORM_WRITE) && !vma_private(vma) && !(may & PLATFORM_WRITE))
        return MM_FAULT_ACCERR;
    if (guest && p && (p->eff & access) == access)
        return handle_spurious(op, p, addr, SPURIOUS_MAX);
    atomic_store_explicit(&mm->spurious_addr, 0, memory_order_relaxed);
    return mm_fault_locked(op, vma, page, access, force);
}

static enum mm_fault do_fault(struct mm *mm, u64 addr, u32 access, bool guest, bool force)
{
    enum mm_fault r;
    struct mm_op op;
    struct vma *vma;

    if (addr >= mm->vm_end)
        return MM_FAULT_MAPERR;
    mm_op_begin(&op, mm);
    for (;;) {
        rwlock_rdlock(&mm->map_lock);
        vma = vma_find(mm, addr);
        if (vma)
            break;
        rwlock_rdunlock(&mm->map_lock);
        if (!expand_stack(mm, addr))
            return MM_FAULT_MAPERR;
    }
    rwlock_wrlock(&mm->pma_lock);
    r = handle_in_vma(&op, vma, addr, access, guest, force);
    if (mm_op_flush(&op) < 0 && r == MM_FAULT_OK)
        r = MM_FAULT_OOM;
    rwlock_wrunlock(&mm->pma_lock);
    rwlock_rdunlock(&mm->map_lock);
    mm_op_end(&op);
    return r;
}

enum mm_fault mm_handle_fault(struct mm *mm, u64 addr, u32 access)
{
    return do_fault(mm, addr, access, true, false);
}

int mm_prot_at(struct mm *mm, u64 addr)
{
    rwlock_rdlock(&mm->map_lock);
    struct vma *vma = vma_find(mm, addr);
    int prot = vma ? (int)vma->prot : -ENOMEM;
    rwlock_rdunlock(&mm->map_lock);
    return prot;
}

enum mm_fault mm_fault_in(struct mm *mm, u64 addr, u32 access, bool force)
{
    return do_fault(mm, addr, access, false, force);
}

/* How population touches the page at addr; end of what it is about in *end. 0: not at all. */
static u32 populate_access(struct mm *mm, u64 addr, u64 *end)
{
    u32 access = PLATFORM_READ;
    struct vma *vma;

    rwlock_rdlock(&mm->map_lock);
    vma = vma_find(mm, addr);
    if (vma) {
        *end = vma->node.end;
        access = prot_to_platform(vma->prot) & ~PLATFORM_EXEC;
        if (!vma_private(vma))
            access &= ~PLATFORM_WRITE;
    }
    rwlock_rdunlock(&mm->map_lock);
    return access;
}

int mm_populate(struct mm *mm, u64 start, u64 end, u32 access)
{
    while (start < end) {
        u64 vma_end = start + PAGE_SIZE;
        u32 how = access ? access : populate_access(mm, start, &vma_end);
        enum mm_fault r;
        struct pma *p;

        if (!how) {
            start = vma_end;
            continue;
        }
        r = mm_fault_in(mm, start, how, false);
        if (r != MM_FAULT_OK)
            return r == MM_FAULT_MAPERR || r == MM_FAULT_OOM ? -ENOMEM : -EFAULT;
        rwlock_rdlock(&mm->pma_lock);
        p = pma_find(mm, start);
        start = p && (p->eff & how) == how ? p->node.end : start + PAGE_SIZE;
        rwlock_rdunlock(&mm->pma_lock);
    }
    return 0;
}
