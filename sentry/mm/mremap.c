/* SPDX-License-Identifier: Apache-2.0 */
/* Resizing and moving mappings. */
#include "sentry/mm/mm_internal.h"

#include "sentry/vfs/vfs.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

struct remap {
    u64 old, old_len, new_len; /* bytes */
    u64 new_addr;
    u32 flags;
    bool populate; /* out: locked memory grew */
    u64 populate_start, populate_end;
};

/* A vma like v for [start, start + len) at off. */
static struct vma *vma_like(const struct vma *v, u64 start, u64 len, u64 off)
{
    struct vma *n = vma_new();

    if (!n)
        return NULL;
    /* Not map, which belongs to the mappable's lock. */
    memcpy(n, v, offsetof(struct vma, map));
    n->node.start = start;
    n->node.end = start + len;
    n->off = off;
    if (n->file)
        file_get(n->file);
    return n;
}

/* Moves the pmas of [old, old + len) to new. pma_lock held for writing. */
static int move_pmas(struct mm_op *op, u64 old, u64 len, u64 new)
{
    struct mm *mm = op->mm;
    int err = pma_remove(op, new, new + len);
    struct pma *p, *next;
    bool any = false;

    if (!err)
        err = pma_isolate(mm, old, old + len);
    if (err)
        return err;
    for (p = pma_of(rangetree_lower(&mm->pmas, old)); p && p->node.start < old + len; p = next) {
        next = pma_of(rangetree_next(&p->node));
        any = true;
        rangetree_remove(&mm->pmas, &p->node);
        p->node.start = p->node.start - old + new;
        p->node.end = p->node.end - old + new;
        BUG_ON(rangetree_insert(&mm->pmas, &p->node) != 0);
        pma_queue_map(op, p);
    }
    if (any) {
        struct platform_mapop mo = {.type = PLATFORM_UNMAP, .addr = old, .len = len};

        mm_op_queue(op, &mo);
    }
    /* Refused: the stub may see them at the old place for ever, so they must never be recycled. */
    if (mm_op_flush(op) < 0)
        for (p = pma_of(rangetree_lower(&mm->pmas, new)); p && p->node.start < new + len;
             p = pma_of(rangetree_next(&p->node)))
            p->backing->ops->range_get(p->backing, p->off, p->node.end - p->node.start);
    pma_merge_range(mm, new, new + len);
    return 0;
}

/* Grows v, which ends at r->old + r->old_len, where it is. */
static int grow_in_place(struct mm_op *op, struct remap *r, struct vma *v)
{
    struct mm *mm = op->mm;
    u64 end = r->old + r->old_len, more = r->new_len - r->old_len;
    struct vma *next = vma_next(v), *tail;

    if (v->node.end != end || end > mm->vm_end - more || (next && next->node.start < end + more))
        return -ENOMEM;
    tail = vma_like(v, end, more, v->off + vma_len(v));
    if (!tail)
        return -ENOMEM;
    vma_insert(mm, tail);
    rwlock_wrlock(&mm->pma_lock);
    mm_populate_locked(op, tail, end, end + more);
    mm_op_flush(op);
    rwlock_wrunlock(&mm->pma_lock);
    r->populate = (v->flags & VMA_LOCKED) != 0;
    r->populate_start = end;
    r->populate_end = end + more;
    vma_merge_range(op, end, end);
    return 0;
}

/* [old, old + old_len) of v goes to a new place with new_len >= old_len bytes. The place is free. */
static int move_to(struct mm_op *op, struct remap *r, u64 to)
{
    struct mm *mm = op->mm;
    u64 keep = r->old_len;
    struct vma *v, *n;
    int err = 0;

    if (mm->vmas.count + 3 >= LINUX_MAX_MAP_COUNT)
        return -ENOMEM;
    if (r->old_len) {
        err = vma_isolate(mm, r->old, r->old + r->old_len);
        if (err)
            return err;
    }
    v = vma_find(mm, r->old);
    n = vma_like(v, to, r->new_len, v->off + (r->old - v->node.start));
    if (!n)
        return -ENOMEM;
    if (r->flags & LINUX_MREMAP_DONTUNMAP)
        n->flags &= ~VMA_LOCKED;
    vma_insert(mm, n);
    if (r->old_len) {
        /* Nobody may take translations back while they are on their way. */
        if (v->mappable)
            mutex_lock(&v->mappable->lock);
        rwlock_wrlock(&mm->pma_lock);
        err = move_pmas(op, r->old, r->old_len, to);
        rwlock_wrunlock(&mm->pma_lock);
        if (v->mappable)
            mutex_unlock(&v->mappable->lock);
    }
    if (!err && r->new_len > keep) {
        rwlock_wrlock(&mm->pma_lock);
        mm_populate_locked(op, n, to + keep, to + r->new_len);
        mm_op_flush(op);
        rwlock_wrunlock(&mm->pma_lock);
        r->populate = (n->flags & VMA_LOCKED) != 0;
        r->populate_start = to + keep;
        r->populate_end = to + r->new_len;
    }
    if (err) {
        vma_detach_range(op, to, to + r->new_len);
    } else if (r->old_len && !(r->flags & LINUX_MREMAP_DONTUNMAP)) {
        vma_detach_range(op, r->old, r->old + r->old_len);
    }
    mm_op_unlink_vmas(op);
    if (!err)
        vma_merge_range(op, to, to + r->new_len);
    return err;
}

static int check_remap(struct mm *mm, const struct remap *r, struct vma *v)
{
    u64 more = r->new_len > r->old_len ? r->new_len - r->old_len : 0;
    bool data = (v->prot & LINUX_PROT_WRITE) && vma_private(v);
    u64 off = v->off + (r->old - v->node.start);
    int err;

    if (!r->old_len && vma_private(v))
        return -EINVAL;
    if (r->old_len > v->node.end - r->old)
        return -EFAULT;
    if (r->flags & LINUX_MREMAP_DONTUNMAP)
        more = r->new_len;
    if (v->mappable && off + r->new_len < off)
        return -EINVAL;
    err = mm_check_limits(mm, more, data ? more : 0);
    if (!err && (v->flags & VMA_LOCKED) && mm_check_locked(mm, more))
        err = -EAGAIN;
    return err;
}

static s64 remap_locked(struct mm_op *op, struct remap *r)
{
    struct mm *mm = op->mm;
    struct vma *v;
    s64 to;
    int err;

    if (r->flags & LINUX_MREMAP_FIXED) {
        if (!mm_range_ok(mm, r->new_addr, r->new_len) || r->new_addr < LINUX_MMAP_MIN_ADDR)
            return -EINVAL;
        if (r->new_addr < r->old + r->old_len && r->old < r->new_addr + r->new_len)
            return -EINVAL;
        err = mm_munmap_locked(op, r->new_addr, r->new_addr + r->new_len);
        if (err)
            return err;
    }
    v = vma_find(mm, r->old);
    if (!v)
        return -EFAULT;
    if (r->old_len > r->new_len && !(r->flags & LINUX_MREMAP_DONTUNMAP)) {
        if (r->old_len > v->node.end - r->old && !vma_covers(mm, r->old, r->old + r->old_len))
            return -EFAULT;
        err = mm_munmap_locked(op, r->old + r->new_len, r->old + r->old_len);
        if (err)
            return err;
        r->old_len = r->new_len;
        v = vma_find(mm, r->old);
    }
    err = check_remap(mm, r, v);
    if (err)
        return err;
    if (!(r->flags & (LINUX_MREMAP_FIXED | LINUX_MREMAP_DONTUNMAP))) {
        if (r->old_len == r->new_len)
            return (s64)r->old;
        if (r->old_len && grow_in_place(op, r, v) == 0)
            return (s64)r->old;
        if (!(r->flags & LINUX_MREMAP_MAYMOVE))
            return -ENOMEM;
    }
    to = r->flags & LINUX_MREMAP_FIXED ? (s64)r->new_addr
                                       : mm_find_area(mm, r->new_addr, r->new_len, false);
    if (to < 0)
        return to;
    err = move_to(op, r, (u64)to);
    return err ? err : to;
}

s64 mm_mremap(struct mm *mm, u64 old, u64 old_len, u64 new_len, u32 flags, u64 new_addr)
{
    struct remap r = {.old = old, .new_addr = new_addr, .flags = flags};
    struct mm_op op;
    s64 ret;

    if (flags & ~(u32)(LINUX_MREMAP_MAYMOVE | LINUX_MREMAP_FIXED | LINUX_MREMAP_DONTUNMAP))
        return -EINVAL;
    if ((flags & (LINUX_MREMAP_FIXED | LINUX_MREMAP_DONTUNMAP)) && !(flags & LINUX_MREMAP_MAYMOVE))
        return -EINVAL;
    if (old & ~PAGE_MASK || !new_len || new_len > mm->vm_end || old_len > mm->vm_end)
        return -EINVAL;
    if ((flags & LINUX_MREMAP_FIXED) && (new_addr & ~PAGE_MASK))
        return -EINVAL;
    if (!(flags & LINUX_MREMAP_FIXED))
        r.new_addr = 0;
    r.old_len = PAGE_UP(old_len);
    r.new_len = PAGE_UP(new_len);
    if ((flags & LINUX_MREMAP_DONTUNMAP) && r.old_len != r.new_len)
        return -EINVAL;
    if (old > mm->vm_end - r.old_len)
        return -EFAULT;
    mm_op_begin(&op, mm);
    rwlock_wrlock(&mm->map_lock);
    ret = remap_locked(&op, &r);
    rwlock_wrunlock(&mm->map_lock);
    mm_op_end(&op);
    if (ret >= 0 && r.populate)
        mm_populate(mm, r.populate_start, r.populate_end, 0);
    return ret;
}
