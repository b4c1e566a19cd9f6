/* SPDX-License-Identifier: Apache-2.0 */
/* madvise: giving memory back, flags of vmas, population; the rest is advice. */
#include "sentry/mm/mm_internal.h"

#include "abi/linux/fcntl.h"
#include "sentry/kernel/task.h"
#include "sentry/vfs/vfs.h"

#include <errno.h>

/* Drops what is behind [start, end) of vma: memory that is ours alone is emptied in place, the rest is
 * unmapped and comes back at the next access. pma_lock held for writing. */
static int drop_pages(struct mm_op *op, u64 start, u64 end)
{
    struct mm *mm = op->mm;
    int err = pma_isolate(mm, start, end);
    struct pma *p, *next;

    if (err)
        return err;
    for (p = pma_of(rangetree_lower(&mm->pmas, start)); p && p->node.start < end; p = next) {
        u64 len = p->node.end - p->node.start;

        next = pma_of(rangetree_next(&p->node));
        if (!p->mappable && p->copied && p->backing == g_memfile &&
            memory_file_exclusive(p->off, len)) {
            memory_file_decommit(p->off, len);
            continue;
        }
        pma_kill(op, p);
        mm_op_queue(op, &(struct platform_mapop){
                            .type = PLATFORM_UNMAP, .addr = p->node.start, .len = len});
    }
    pma_merge_range(mm, start, end);
    return 0;
}

static int check_drop(const struct vma *v, int advice)
{
    if ((v->flags & VMA_LOCKED) && advice != LINUX_MADV_DONTNEED_LOCKED)
        return -EINVAL;
    if (advice == LINUX_MADV_FREE && v->mappable)
        return -EINVAL;
    return 0;
}

static int advise_drop(struct mm *mm, u64 start, u64 end, int advice)
{
    struct mm_op op;
    int err = 0;

    mm_op_begin(&op, mm);
    rwlock_rdlock(&mm->map_lock);
    rwlock_wrlock(&mm->pma_lock);
    for (struct vma *v = vma_lower(mm, start); !err && v && v->node.start < end; v = vma_next(v)) {
        err = check_drop(v, advice);
        /* Pages of a shared mapping stay in the file: nothing to drop. */
        if (!err && vma_private(v))
            err = drop_pages(&op, MAX(start, v->node.start), MIN(end, v->node.end));
    }
    mm_op_flush(&op);
    rwlock_wrunlock(&mm->pma_lock);
    rwlock_rdunlock(&mm->map_lock);
    mm_op_end(&op);
    return err;
}

/* The vma at or after *at, as the arguments of a hole punch; the file is referenced. */
static int next_remove(struct mm *mm, u64 *at, u64 end, struct file **file, u64 *off, u64 *len)
{
    struct vma *v;
    int err = 0;

    rwlock_rdlock(&mm->map_lock);
    v = vma_lower(mm, *at);
    if (!v || v->node.start >= end) {
        *at = end;
    } else if (v->flags & VMA_LOCKED) {
        err = -EINVAL;
    } else if (!v->file || !v->mappable) {
        err = -EINVAL;
    } else if (!(v->flags & VMA_SHARED) || !(v->max_prot & LINUX_PROT_WRITE)) {
        err = -EACCES;
    } else {
        u64 s = MAX(*at, v->node.start), e = MIN(end, v->node.end);

        file_get(v->file);
        *file = v->file;
        *off = v->off + (s - v->node.start);
        *len = e - s;
        *at = e;
    }
    rwlock_rdunlock(&mm->map_lock);
    return err;
}

static int advise_remove(struct mm *mm, u64 start, u64 end)
{
    int err = 0;

    while (!err && start < end) {
        struct file *f = NULL;
        u64 off = 0, len = 0;

        err = next_remove(mm, &start, end, &f, &off, &len);
        if (err || !f)
            continue;
        err = vfs_fallocate(f, LINUX_FALLOC_FL_PUNCH_HOLE | LINUX_FALLOC_FL_KEEP_SIZE, off, len);
        file_put(f);
    }
    return err;
}

static int advise_flags(struct mm *mm, u64 start, u64 end, int advice)
{
    struct mm_op op;
    int err = 0;

    mm_op_begin(&op, mm);
    rwlock_wrlock(&mm->map_lock);
    if (advice == LINUX_MADV_WIPEONFORK)
        for (struct vma *v = vma_lower(mm, start); v && v->node.start < end; v = vma_next(v))
            if (v->mappable || !vma_private(v))
                err = -EINVAL;
    if (!err)
        err = vma_isolate(mm, start, end);
    for (struct vma *v = vma_lower(mm, start); !err && v && v->node.start < end; v = vma_next(v)) {
        switch (advice) {
        case LINUX_MADV_DONTFORK:
            v->flags |= VMA_DONTFORK;
            break;
        case LINUX_MADV_DOFORK:
            v->flags &= ~VMA_DONTFORK;
            break;
        case LINUX_MADV_WIPEONFORK:
            v->flags |= VMA_WIPEONFORK;
            break;
        case LINUX_MADV_KEEPONFORK:
            v->flags &= ~VMA_WIPEONFORK;
            break;
        case LINUX_MADV_DONTDUMP:
            v->flags |= VMA_DONTDUMP;
            break;
        default:
            v->flags &= ~VMA_DONTDUMP;
            break;
        }
    }
    vma_merge_range(&op, start, end);
    rwlock_wrunlock(&mm->map_lock);
    mm_op_end(&op);
    return err;
}

static int advise_populate(struct mm *mm, u64 start, u64 end, int advice)
{
    bool whole;

    rwlock_rdlock(&mm->map_lock);
    whole = vma_covers(mm, start, end);
    rwlock_rdunlock(&mm->map_lock);
    if (!whole)
        return -ENOMEM;
    return mm_populate(mm, start, end,
                       advice == LINUX_MADV_POPULATE_READ ? PLATFORM_READ : PLATFORM_WRITE);
}

static int advise(struct mm *mm, u64 start, u64 end, int advice)
{
    switch (advice) {
    case LINUX_MADV_DONTNEED:
    case LINUX_MADV_DONTNEED_LOCKED:
    case LINUX_MADV_FREE:
        return advise_drop(mm, start, end, advice);
    case LINUX_MADV_REMOVE:
        return advise_remove(mm, start, end);
    case LINUX_MADV_DONTFORK:
    case LINUX_MADV_DOFORK:
    case LINUX_MADV_WIPEONFORK:
    case LINUX_MADV_KEEPONFORK:
    case LINUX_MADV_DONTDUMP:
    case LINUX_MADV_DODUMP:
        return advise_flags(mm, start, end, advice);
    case LINUX_MADV_POPULATE_READ:
    case LINUX_MADV_POPULATE_WRITE:
        return advise_populate(mm, start, end, advice);
    default:
        return 0;
    }
}

static bool advice_known(int advice)
{
    switch (advice) {
    case LINUX_MADV_NORMAL ... LINUX_MADV_DONTNEED:
    case LINUX_MADV_FREE ... LINUX_MADV_COLLAPSE:
        return true;
    default:
        return false;
    }
}

int mm_madvise(struct mm *mm, u64 addr, u64 len, int advice)
{
    u64 end;
    bool whole;
    int err;

    if (advice == LINUX_MADV_HWPOISON || advice == LINUX_MADV_SOFT_OFFLINE)
        return capable(LINUX_CAP_SYS_ADMIN) ? -EINVAL : -EPERM;
    if (!advice_known(advice) || (addr & ~PAGE_MASK))
        return -EINVAL;
    if (len > PAGE_DOWN(~0ull) || addr + PAGE_UP(len) < addr)
        return -EINVAL;
    end = addr + PAGE_UP(len);
    if (end == addr)
        return 0;
    rwlock_rdlock(&mm->map_lock);
    whole = end <= mm->vm_end && vma_covers(mm, addr, end);
    rwlock_rdunlock(&mm->map_lock);
    /* What is mapped is done all the same. */
    err = addr < mm->vm_end ? advise(mm, addr, MIN(end, mm->vm_end), advice) : 0;
    return err ? err : whole ? 0 : -ENOMEM;
}
