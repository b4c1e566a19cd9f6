/* SPDX-License-Identifier: Apache-2.0 */
/* msync, mincore and the accounting of locked memory. */
#include "sentry/mm/mm_internal.h"
#include "sentry/mm/mm_lock.h"

#include "sentry/vfs/vfs.h"

#include <errno.h>
#include <string.h>

/* The next dirty-able piece at or after *at; its file is referenced. 1 = found, 0 = the end. */
static int next_sync(struct mm *mm, u64 *at, u64 end, int flags, bool *hole, struct file **file,
                     struct mappable **m, u64 *start, u64 *stop)
{
    struct vma *v;
    int ret = 1;

    rwlock_rdlock(&mm->map_lock);
    for (;; *at = v->node.end) {
        v = *at < end ? vma_lower(mm, *at) : NULL;
        if (!v || v->node.start >= end) {
            *hole |= *at < end;
            ret = 0;
            break;
        }
        *hole |= v->node.start > *at;
        if ((flags & LINUX_MS_INVALIDATE) && (v->flags & VMA_LOCKED)) {
            ret = -EBUSY;
            break;
        }
        if (!(flags & LINUX_MS_SYNC) || !v->file || !v->mappable || !(v->flags & VMA_SHARED))
            continue;
        *start = MAX(*at, v->node.start);
        *stop = MIN(end, v->node.end);
        *at = *stop;
        *stop = v->off + (*stop - v->node.start);
        *start = v->off + (*start - v->node.start);
        *m = v->mappable;
        *file = v->file;
        file_get(*file);
        break;
    }
    rwlock_rdunlock(&mm->map_lock);
    return ret;
}

int mm_msync(struct mm *mm, u64 addr, u64 len, int flags)
{
    struct mappable *m;
    struct file *f;
    bool hole = false;
    u64 end, start, stop;
    int err;

    if (flags & ~(LINUX_MS_ASYNC | LINUX_MS_INVALIDATE | LINUX_MS_SYNC))
        return -EINVAL;
    if ((addr & ~PAGE_MASK) || ((flags & LINUX_MS_ASYNC) && (flags & LINUX_MS_SYNC)))
        return -EINVAL;
    if (len > PAGE_DOWN(~0ull) || addr + PAGE_UP(len) < addr)
        return -ENOMEM;
    end = addr + PAGE_UP(len);
    if (end == addr)
        return 0;
    while ((err = next_sync(mm, &addr, end, flags, &hole, &f, &m, &start, &stop)) > 0) {
        int e = m->ops->sync ? m->ops->sync(m, start, stop) : 0;

        if (!e && f->ops->fsync)
            e = f->ops->fsync(f, true, start, stop);
        file_put(f);
        if (e < 0)
            return e;
    }
    return err ? err : hole ? -ENOMEM : 0;
}

/* Residency of one pma's part [start, end); vec has a byte for each page of it. pma_lock held. */
static void mincore_pma(const struct pma *p, u64 start, u64 end, u8 *vec)
{
    u64 off = p->off + (start - p->node.start), stop = off + (end - start), run_end;

    if (p->backing != g_memfile) {
        memset(vec, 1, (end - start) >> PAGE_SHIFT);
        return;
    }
    for (u64 at = off; at < stop; at = run_end) {
        at = memory_file_next_resident(at, stop, &run_end);
        memset(vec + ((at - off) >> PAGE_SHIFT), 1, (run_end - at) >> PAGE_SHIFT);
    }
}

int mm_mincore(struct mm *mm, u64 start, u64 end, u8 *vec)
{
    struct pma *p;
    bool whole;

    memset(vec, 0, (end - start) >> PAGE_SHIFT);
    rwlock_rdlock(&mm->map_lock);
    whole = vma_covers(mm, start, end);
    rwlock_rdlock(&mm->pma_lock);
    p = pma_of(rangetree_lower(&mm->pmas, start));
    for (; whole && p && p->node.start < end; p = pma_of(rangetree_next(&p->node))) {
        u64 s = MAX(start, p->node.start), e = MIN(end, p->node.end);

        mincore_pma(p, s, e, vec + ((s - start) >> PAGE_SHIFT));
    }
    rwlock_rdunlock(&mm->pma_lock);
    rwlock_rdunlock(&mm->map_lock);
    return whole ? 0 : -ENOMEM;
}

/* ---- mlock ------------------------------------------------------------------------------------ */

static void set_locked(struct mm *mm, struct vma *v, bool lock)
{
    vma_account(mm, v, false);
    v->flags = lock ? v->flags | VMA_LOCKED : v->flags & ~VMA_LOCKED;
    vma_account(mm, v, true);
}

int mm_mlock(struct mm *mm, u64 addr, u64 len, bool lock, bool onfault)
{
    u64 start = PAGE_DOWN(addr), end, more = 0;
    struct mm_op op;
    int err = 0;

    if (addr + len < addr || addr + len > PAGE_DOWN(~0ull))
        return -EINVAL;
    end = PAGE_UP(addr + len);
    if (lock && !mm_may_lock())
        return -EPERM;
    if (start == end)
        return 0;
    mm_op_begin(&op, mm);
    rwlock_wrlock(&mm->map_lock);
    for (struct vma *v = vma_lower(mm, start); v && v->node.start < end; v = vma_next(v))
        if (!(v->flags & VMA_LOCKED))
            more += MIN(end, v->node.end) - MAX(start, v->node.start);
    if (!vma_covers(mm, start, end))
        err = -ENOMEM;
    if (!err && lock)
        err = mm_check_locked(mm, more);
    if (!err)
        err = vma_isolate(mm, start, end);
    for (struct vma *v = vma_lower(mm, start); !err && v && v->node.start < end; v = vma_next(v))
        set_locked(mm, v, lock);
    vma_merge_range(&op, start, end);
    rwlock_wrunlock(&mm->map_lock);
    mm_op_end(&op);
    if (!err && lock && !onfault)
        err = mm_populate(mm, start, end, 0) < 0 ? -ENOMEM : 0;
    return err;
}

int mm_mlockall(struct mm *mm, int flags)
{
    bool lock = (flags & LINUX_MCL_CURRENT) != 0;
    u64 limit = mm_rlimit(LINUX_RLIMIT_MEMLOCK);
    struct mm_op op;

    if (!flags || flags == LINUX_MCL_ONFAULT ||
        (flags & ~(LINUX_MCL_CURRENT | LINUX_MCL_FUTURE | LINUX_MCL_ONFAULT)))
        return -EINVAL;
    if (!mm_may_lock())
        return -EPERM;
    mm_op_begin(&op, mm);
    rwlock_wrlock(&mm->map_lock);
    if (lock && mm->total_bytes > limit && mm_check_locked(mm, mm->total_bytes)) {
        rwlock_wrunlock(&mm->map_lock);
        return -ENOMEM;
    }
    mm->def_vma_flags = flags & LINUX_MCL_FUTURE ? VMA_LOCKED : 0;
    for (struct vma *v = vma_lower(mm, 0); lock && v; v = vma_next(v))
        set_locked(mm, v, true);
    vma_merge_range(&op, 0, mm->vm_end);
    rwlock_wrunlock(&mm->map_lock);
    mm_op_end(&op);
    return 0;
}

void mm_munlockall(struct mm *mm)
{
    struct mm_op op;

    mm_op_begin(&op, mm);
    rwlock_wrlock(&mm->map_lock);
    mm->def_vma_flags = 0;
    for (struct vma *v = vma_lower(mm, 0); v; v = vma_next(v))
        set_locked(mm, v, false);
    vma_merge_range(&op, 0, mm->vm_end);
    rwlock_wrunlock(&mm->map_lock);
    mm_op_end(&op);
}
