/* SPDX-License-Identifier: Apache-2.0 */
/* The program break. */
#include "sentry/mm/mm_internal.h"

#include <errno.h>

static int brk_grow(struct mm_op *op, u64 start, u64 end)
{
    struct mm *mm = op->mm;
    struct vma *v, *next = vma_lower(mm, start);
    u64 more = end - start;
    int err = mm_check_limits(mm, more, more);

    if (err)
        return err;
    if ((mm->def_vma_flags & VMA_LOCKED) && mm_check_locked(mm, more))
        return -EAGAIN;
    if (mm->vmas.count >= LINUX_MAX_MAP_COUNT || !mm_range_ok(mm, start, more))
        return -ENOMEM;
    /* Linux keeps a page free, and the guard gap below a stack. */
    if (next &&
        next->node.start < end + PAGE_SIZE + (next->flags & VMA_GROWSDOWN ? MM_STACK_GAP : 0))
        return -ENOMEM;
    v = vma_new();
    if (!v)
        return -ENOMEM;
    v->node.start = start;
    v->node.end = end;
    v->prot = LINUX_PROT_READ | LINUX_PROT_WRITE;
    v->max_prot = LINUX_PROT_READ | LINUX_PROT_WRITE | LINUX_PROT_EXEC;
    v->flags = mm->def_vma_flags;
    v->name = "[heap]";
    vma_insert(mm, v);
    rwlock_wrlock(&mm->pma_lock);
    mm_populate_locked(op, v, start, end);
    mm_op_flush(op);
    rwlock_wrunlock(&mm->pma_lock);
    vma_merge_range(op, start, start);
    return 0;
}

u64 mm_brk(struct mm *mm, u64 brk)
{
    u64 limit = mm_rlimit(LINUX_RLIMIT_DATA), old, end, result;
    bool populate = false;
    struct mm_op op;

    mm_op_begin(&op, mm);
    rwlock_wrlock(&mm->map_lock);
    result = mm->brk_end;
    if (brk < mm->brk_start || brk > mm->vm_end - PAGE_SIZE)
        goto out;
    if (limit != LINUX_RLIM_INFINITY && brk - mm->brk_start > limit)
        goto out;
    old = PAGE_UP(mm->brk_end);
    end = PAGE_UP(brk);
    if (end < old && mm_munmap_locked(&op, end, old) < 0)
        goto out;
    if (end > old) {
        if (brk_grow(&op, old, end) < 0)
            goto out;
        populate = (mm->def_vma_flags & VMA_LOCKED) != 0;
    }
    result = mm->brk_end = brk;
out:
    rwlock_wrunlock(&mm->map_lock);
    mm_op_end(&op);
    if (populate)
        mm_populate(mm, old, end, 0);
    return result;
}
