/* SPDX-License-Identifier: Apache-2.0 */
/* The tree of vmas: splitting, joining, accounting, and the search for free addresses. */
#include "sentry/mm/mm_internal.h"
#include "sentry/mm/mm_lock.h"

#include "cvisor/kcache.h"
#include "sentry/kernel/task.h"
#include "sentry/vfs/vfs.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

KCACHE(vma);

struct vma *vma_new(void)
{
    return kcache_alloc(vma);
}

void vma_free(struct vma *v)
{
    if (v->file)
        file_put(v->file);
    kcache_free(vma, v);
}

void vma_account(struct mm *mm, const struct vma *v, bool add)
{
    u64 len = vma_len(v), data = 0, locked = 0;

    if ((v->prot & LINUX_PROT_WRITE) && !(v->flags & (VMA_SHARED | VMA_STACK | VMA_GROWSDOWN)))
        data = len;
    if (v->flags & VMA_LOCKED)
        locked = len;
    if (add) {
        mm->total_bytes += len;
        mm->data_bytes += data;
        mm->locked_bytes += locked;
    } else {
        mm->total_bytes -= len;
        mm->data_bytes -= data;
        mm->locked_bytes -= locked;
    }
}

void vma_insert(struct mm *mm, struct vma *v)
{
    BUG_ON(rangetree_insert(&mm->vmas, &v->node) != 0);
    vma_account(mm, v, true);
    if (v->mappable)
        mapping_add(mm, v);
}

int vma_split(struct mm *mm, u64 addr)
{
    struct vma *v = vma_find(mm, addr), *tail;

    if (!v || v->node.start == addr)
        return 0;
    if (mm->vmas.count >= LINUX_MAX_MAP_COUNT)
        return -ENOMEM;
    tail = vma_new();
    if (!tail)
        return -ENOMEM;
    memcpy(tail, v, offsetof(struct vma, map));
    tail->node.start = addr;
    tail->off = v->off + (addr - v->node.start);
    if (tail->file)
        file_get(tail->file);
    v->node.end = addr;
    if (v->mappable)
        mapping_split(v, tail);
    BUG_ON(rangetree_insert(&mm->vmas, &tail->node) != 0);
    return 0;
}

int vma_isolate(struct mm *mm, u64 start, u64 end)
{
    int err = vma_split(mm, start);

    return err ? err : vma_split(mm, end);
}

void vma_detach_range(struct mm_op *op, u64 start, u64 end)
{
    struct mm *mm = op->mm;
    struct vma *v = vma_lower(mm, start), *next;

    for (; v && v->node.start < end; v = next) {
        next = vma_next(v);
        rangetree_remove(&mm->vmas, &v->node);
        vma_account(mm, v, false);
        v->node.parent = op->dead_vmas ? &op->dead_vmas->node : NULL;
        op->dead_vmas = v;
    }
    if (end > mm->area_cache)
        mm->area_cache = MIN(end, mm->mmap_base);
}

static bool vma_continues(const struct vma *a, const struct vma *b)
{
    return a->node.end == b->node.start && a->prot == b->prot && a->max_prot == b->max_prot &&
           a->flags == b->flags && a->mappable == b->mappable && a->file == b->file &&
           (!a->mappable || a->off + vma_len(a) == b->off) && a->name == b->name;
}

void vma_merge_range(struct mm_op *op, u64 start, u64 end)
{
    struct mm *mm = op->mm;
    struct vma *v = vma_lower(mm, start ? start - 1 : 0), *next;

    while (v && v->node.start <= end && (next = vma_next(v))) {
        if (!vma_continues(v, next)) {
            v = next;
            continue;
        }
        if (v->mappable)
            mapping_join(v, next);
        rangetree_remove(&mm->vmas, &next->node);
        v->node.end = next->node.end;
        /* Already out of its mapping set: released like a dead vma, but later than unlink. */
        next->mappable = NULL;
        next->node.parent = op->dead_vmas ? &op->dead_vmas->node : NULL;
        op->dead_vmas = next;
    }
}

u64 vma_mapped_bytes(struct mm *mm, u64 start, u64 end)
{
    u64 sum = 0;

    for (struct vma *v = vma_lower(mm, start); v && v->node.start < end; v = vma_next(v))
        sum += MIN(v->node.end, end) - MAX(v->node.start, start);
    return sum;
}

bool vma_covers(struct mm *mm, u64 start, u64 end)
{
    struct vma *v;

    for (v = vma_find(mm, start); v && v->node.end < end;) {
        struct vma *next = vma_next(v);

        if (!next || next->node.start != v->node.end)
            return false;
        v = next;
    }
    return v != NULL;
}

bool mm_range_ok(const struct mm *mm, u64 addr, u64 len)
{
    return addr >= mm->vm_start && len <= mm->vm_end && addr <= mm->vm_end - len;
}

/* ---- limits ---------------------------------------------------------------------------------- */

u64 mm_rlimit(int which)
{
    if (!current || !current->group)
        return LINUX_RLIM_INFINITY;
    return group_rlimit(current->group, which);
}

int mm_check_limits(struct mm *mm, u64 more, u64 more_data)
{
    u64 as = mm_rlimit(LINUX_RLIMIT_AS), data = mm_rlimit(LINUX_RLIMIT_DATA);

    if (as != LINUX_RLIM_INFINITY && (mm->total_bytes > as || more > as - mm->total_bytes))
        return -ENOMEM;
    if (more_data && data != LINUX_RLIM_INFINITY &&
        (mm->data_bytes > data || more_data > data - mm->data_bytes))
        return -ENOMEM;
    return 0;
}

bool mm_may_lock(void)
{
    return mm_rlimit(LINUX_RLIMIT_MEMLOCK) != 0 || !current || capable(LINUX_CAP_IPC_LOCK);
}

int mm_check_locked(struct mm *mm, u64 more)
{
    u64 limit = mm_rlimit(LINUX_RLIMIT_MEMLOCK);

    if (limit == LINUX_RLIM_INFINITY || !current || capable(LINUX_CAP_IPC_LOCK))
        return 0;
    return mm->locked_bytes > limit || more > limit - mm->locked_bytes ? -ENOMEM : 0;
}

/* ---- free addresses --------------------------------------------------------------------------- */

/* Space that must stay free below v: stacks keep a guard gap. */
static u64 low_edge(const struct vma *v)
{
    if ((v->flags & VMA_GROWSDOWN) && v->node.start > MM_STACK_GAP)
        return v->node.start - MM_STACK_GAP;
    return v->node.start;
}

/* The highest free place in [lo, hi), looking down from *cache. */
static u64 find_top_down(struct mm *mm, u64 lo, u64 hi, u64 len, u64 *hole)
{
    u64 top = hi; /* everything in [top, ...) is taken or was too small */
    struct range_node *n = rangetree_floor(&mm->vmas, hi - 1);

    for (; n; n = rangetree_prev(n)) {
        struct vma *v = vma_of(n);

        if (v->node.end <= top) {
            u64 room = top - v->node.end;

            if (v->node.end < lo)
                break;
            if (room >= len)
                return top - len;
            *hole = MAX(*hole, room);
        }
        top = MIN(top, low_edge(v));
        if (top < lo || top - lo < len)
            return 0;
    }
    return top >= lo && top - lo >= len ? top - len : 0;
}

static u64 find_bottom_up(struct mm *mm, u64 lo, u64 hi, u64 len)
{
    u64 at = lo;

    for (struct vma *v = vma_lower(mm, lo); v; v = vma_next(v)) {
        u64 edge = low_edge(v);

        if (edge > at && edge - at >= len)
            break;
        at = MAX(at, v->node.end);
    }
    return at <= hi && hi - at >= len ? at : 0;
}

static bool area_free(struct mm *mm, u64 addr, u64 len)
{
    struct vma *next = vma_lower(mm, addr);

    return mm_range_ok(mm, addr, len) && addr >= LINUX_MMAP_MIN_ADDR &&
           (!next || low_edge(next) >= addr + len);
}

s64 mm_find_area(struct mm *mm, u64 hint, u64 len, bool below_4g)
{
    u64 lo = MAX(mm->vm_start, (u64)LINUX_MMAP_MIN_ADDR), at;

    if (!len || len > mm->vm_end - mm->vm_start)
        return -ENOMEM;
    if (below_4g) {
        /* MAP_32BIT: the second gigabyte, for what only that mode needs. */
        if (hint && area_free(mm, hint, len) && hint + len <= (1ull << 31))
            return (s64)hint;
        at = find_bottom_up(mm, MAX(lo, 1ull << 30), 1ull << 31, len);
        return at ? (s64)at : -ENOMEM;
    }
    if (hint && area_free(mm, hint, len))
        return (s64)hint;
    if (len <= mm->area_hole || mm->area_cache > mm->mmap_base || mm->area_cache < lo) {
        mm->area_cache = mm->mmap_base;
        mm->area_hole = 0;
    }
    at = find_top_down(mm, lo, mm->area_cache, len, &mm->area_hole);
    if (!at && mm->area_cache != mm->mmap_base) {
        mm->area_hole = 0;
        at = find_top_down(mm, lo, mm->mmap_base, len, &mm->area_hole);
    }
    if (at) {
        mm->area_cache = at;
        return (s64)at;
    }
    at = find_bottom_up(mm, mm->mmap_base, mm->vm_end, len);
    return at ? (s64)at : -ENOMEM;
}
