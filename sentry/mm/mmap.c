/* SPDX-License-Identifier: Apache-2.0 */
/* New mappings and their removal. */
#include "sentry/mm/mm_internal.h"

#include "sentry/kernel/task.h"
#include "sentry/vfs/vfs.h"

#include <errno.h>

int mm_munmap_locked(struct mm_op *op, u64 start, u64 end)
{
    struct mm *mm = op->mm;
    int err;

    if (!rangetree_overlaps(&mm->vmas, start, end))
        return 0;
    err = vma_isolate(mm, start, end);
    if (err)
        return err;
    rwlock_wrlock(&mm->pma_lock);
    err = pma_remove(op, start, end);
    mm_op_flush(op);
    rwlock_wrunlock(&mm->pma_lock);
    if (err)
        return err;
    vma_detach_range(op, start, end);
    mm_op_unlink_vmas(op);
    return 0;
}

int mm_munmap(struct mm *mm, u64 addr, u64 len)
{
    struct mm_op op;
    int err;

    if ((addr & ~PAGE_MASK) || !len || len > mm->vm_end)
        return -EINVAL;
    len = PAGE_UP(len);
    if (addr > mm->vm_end - len)
        return -EINVAL;
    mm_op_begin(&op, mm);
    rwlock_wrlock(&mm->map_lock);
    err = mm_munmap_locked(&op, addr, addr + len);
    rwlock_wrunlock(&mm->map_lock);
    mm_op_end(&op);
    return err;
}

/* The address for a, or -errno. map_lock held. */
static s64 choose_address(struct mm *mm, const struct mmap_args *a)
{
    if (!a->fixed)
        return mm_find_area(mm, a->addr, a->len, a->below_4g);
    if (a->addr & ~PAGE_MASK)
        return -EINVAL;
    if (a->len > mm->vm_end || a->addr > mm->vm_end - a->len)
        return -ENOMEM;
    if (a->addr < mm->vm_start || (a->addr < LINUX_MMAP_MIN_ADDR && current))
        return -EPERM;
    if (a->noreplace && rangetree_overlaps(&mm->vmas, a->addr, a->addr + a->len))
        return -EEXIST;
    return (s64)a->addr;
}

static int check_new(struct mm *mm, const struct mmap_args *a, u64 addr)
{
    bool data = (a->prot & LINUX_PROT_WRITE) && !(a->vma_flags & (VMA_SHARED | VMA_STACK));
    u64 old = a->fixed ? vma_mapped_bytes(mm, addr, addr + a->len) : 0;
    int err;

    if (mm->vmas.count >= LINUX_MAX_MAP_COUNT)
        return -ENOMEM;
    err = mm_check_limits(mm, a->len - old, data ? a->len : 0);
    if (err)
        return err;
    if ((a->vma_flags | mm->def_vma_flags) & VMA_LOCKED)
        return mm_check_locked(mm, a->len) ? -EAGAIN : 0;
    return 0;
}

static void fill_vma(struct vma *v, const struct mm *mm, const struct mmap_args *a, u64 addr)
{
    v->node.start = addr;
    v->node.end = addr + a->len;
    v->prot = a->prot;
    v->max_prot = a->max_prot;
    v->flags = a->vma_flags | mm->def_vma_flags;
    v->mappable = a->mappable;
    v->file = a->file;
    v->off = a->mappable ? a->off : 0;
    v->name = a->name;
    if (v->file)
        file_get(v->file);
}

/* Takes *spare for the new vma, and clears it. */
static s64 mmap_locked(struct mm_op *op, const struct mmap_args *a, struct vma **spare)
{
    struct mm *mm = op->mm;
    struct vma *v = *spare;
    s64 addr = choose_address(mm, a);
    u64 start = (u64)addr, end = start + a->len;
    int err;

    if (addr < 0)
        return addr;
    err = check_new(mm, a, start);
    if (!err && a->fixed)
        err = vma_isolate(mm, start, end);
    if (!err && a->fixed) {
        /* So that pma_remove() can't fail once the old vmas are gone. */
        rwlock_wrlock(&mm->pma_lock);
        err = pma_isolate(mm, start, end);
        rwlock_wrunlock(&mm->pma_lock);
    }
    if (err)
        return err;
    if (a->fixed)
        vma_detach_range(op, start, end);
    *spare = NULL;
    fill_vma(v, mm, a, start);
    vma_insert(mm, v);
    rwlock_wrlock(&mm->pma_lock);
    err = a->fixed ? pma_remove(op, start, end) : 0;
    if (!err)
        mm_populate_locked(op, v, start, end);
    for (u32 i = 0; i < op->n && !a->fixed && !a->populate; i++)
        op->ops[i].fresh = true; /* there was nothing */
    mm_op_flush(op);
    rwlock_wrunlock(&mm->pma_lock);
    /* Only now can nobody reach the old pages through the stub. */
    mm_op_unlink_vmas(op);
    if (err) {
        /* Nothing of the new mapping is backed: take it away again. */
        vma_detach_range(op, start, end);
        mm_op_unlink_vmas(op);
        return err;
    }
    vma_merge_range(op, start, end);
    return addr;
}

s64 mm_mmap(struct mm *mm, struct mmap_args *a)
{
    bool populate = a->populate || (a->vma_flags & VMA_LOCKED);
    struct mm_op op;
    struct vma *v;
    s64 addr;

    if (!a->len || (a->len & ~PAGE_MASK) || (a->off & ~PAGE_MASK) || a->off + a->len < a->off)
        return -EINVAL;
    if ((a->vma_flags & VMA_GROWSDOWN) && a->mappable)
        return -EINVAL;
    v = vma_new();
    if (!v)
        return -ENOMEM;
    mm_op_begin(&op, mm);
    rwlock_wrlock(&mm->map_lock);
    addr = mmap_locked(&op, a, &v);
    populate |= (mm->def_vma_flags & VMA_LOCKED) != 0;
    rwlock_wrunlock(&mm->map_lock);
    mm_op_end(&op);
    if (v)
        vma_free(v);
    if (addr >= 0 && populate)
        mm_populate(mm, (u64)addr, (u64)addr + a->len, 0);
    return addr;
}
