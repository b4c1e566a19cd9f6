/* SPDX-License-Identifier: Apache-2.0 */
/* Changes of protection. */
#include "sentry/mm/mm_internal.h"

#include <errno.h>

/* How far from start everything is mapped and may have prot: *good; 0 when that is end. Bytes that
 * become data in *data. */
static int check_range(struct mm *mm, u64 start, u64 end, u32 prot, u64 *good, u64 *data)
{
    u64 at = start;
    int err = -ENOMEM;

    for (struct vma *v = vma_find(mm, start); v && at < end; v = vma_next(v)) {
        if (v->node.start > at)
            break;
        if (prot & ~v->max_prot) {
            err = -EACCES;
            break;
        }
        if ((prot & LINUX_PROT_WRITE) && !(v->prot & LINUX_PROT_WRITE) &&
            !(v->flags & (VMA_SHARED | VMA_STACK | VMA_GROWSDOWN)))
            *data += MIN(v->node.end, end) - at;
        at = v->node.end;
    }
    *good = MIN(at, end);
    return at < end ? err : 0;
}

static int mprotect_locked(struct mm_op *op, u64 start, u64 end, u32 prot)
{
    struct mm *mm = op->mm;
    u64 data = 0;
    /* What comes before a hole is changed all the same, as Linux does. */
    int result = check_range(mm, start, end, prot, &end, &data);
    int err = start < end ? mm_check_limits(mm, 0, data) : result;

    if (!err)
        err = vma_isolate(mm, start, end);
    if (err || start == end)
        return err;
    rwlock_wrlock(&mm->pma_lock);
    err = pma_isolate(mm, start, end);
    for (struct vma *v = vma_find(mm, start); !err && v && v->node.start < end; v = vma_next(v)) {
        struct pma *p;

        if (v->prot == prot)
            continue;
        err = pma_isolate(mm, v->node.start, v->node.end);
        if (err)
            break;
        vma_account(mm, v, false);
        v->prot = prot;
        vma_account(mm, v, true);
        p = pma_of(rangetree_lower(&mm->pmas, v->node.start));
        for (; p && p->node.start < v->node.end; p = pma_of(rangetree_next(&p->node))) {
            if ((prot & LINUX_PROT_WRITE) && pma_may_be_patched(p))
                pma_queue_map(op, p); /* see text.c */
            pma_reprotect(op, p, v);
        }
        /* Reservations that are handed out piece by piece: back each piece as it comes. */
        if (!v->mappable)
            mm_populate_locked(op, v, v->node.start, v->node.end);
    }
    err = mm_op_flush(op) < 0 ? -ENOMEM : err;
    pma_merge_range(mm, start, end);
    rwlock_wrunlock(&mm->pma_lock);
    vma_merge_range(op, start, end);
    return err ? err : result;
}

int mm_mprotect(struct mm *mm, u64 addr, u64 len, u32 prot, bool growsdown)
{
    struct mm_op op;
    u64 end;
    int err;

    if (addr & ~PAGE_MASK)
        return -EINVAL;
    if (!len)
        return 0;
    if (len > mm->vm_end || addr > mm->vm_end - PAGE_UP(len))
        return -ENOMEM;
    end = addr + PAGE_UP(len);
    mm_op_begin(&op, mm);
    rwlock_wrlock(&mm->map_lock);
    if (growsdown) {
        struct vma *v = vma_lower(mm, addr);

        if (!v || v->node.start >= end)
            err = -ENOMEM;
        else
            err = v->flags & VMA_GROWSDOWN ? 0 : -EINVAL;
        addr = v ? v->node.start : addr;
    } else {
        err = 0;
    }
    if (!err)
        err = mprotect_locked(&op, addr, end, prot);
    rwlock_wrunlock(&mm->map_lock);
    mm_op_end(&op);
    return err;
}
