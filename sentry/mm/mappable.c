/* SPDX-License-Identifier: Apache-2.0 */
/* Which address spaces map which range of a file, and taking translations back. */
#include "sentry/mm/mm_internal.h"

static _Atomic u64 g_next_id = 1;

u64 mm_new_id(void)
{
    return atomic_fetch_add_explicit(&g_next_id, 1, memory_order_relaxed);
}

void mappable_init(struct mappable *m, const struct mappable_ops *ops)
{
    m->ops = ops;
    mutex_init(&m->lock, LOCK_MAPPINGS);
    rangetree_init(&m->maps);
    m->id = mm_new_id();
    atomic_init(&m->patched, false);
}

static struct mapping *mapping_of(struct range_node *n)
{
    return n ? container_of(n, struct mapping, node) : NULL;
}

bool mappable_has_writable_locked(struct mappable *m)
{
    bool found = false;

    for (struct range_node *n = rangetree_first(&m->maps); n && !found; n = rangetree_next(n))
        found = mapping_of(n)->writable;
    return found;
}

bool mappable_has_writable(struct mappable *m)
{
    bool found;

    mutex_lock(&m->lock);
    found = mappable_has_writable_locked(m);
    mutex_unlock(&m->lock);
    return found;
}

void mapping_add(struct mm *mm, struct vma *v)
{
    struct mappable *m = v->mappable;

    v->map.mm = mm;
    v->map.addr = v->node.start;
    v->map.node.start = v->off;
    v->map.node.end = v->off + vma_len(v);
    v->map.writable = (v->flags & VMA_SHARED) && (v->max_prot & LINUX_PROT_WRITE);
    mutex_lock(&m->lock);
    rangetree_insert_multi(&m->maps, &v->map.node);
    mutex_unlock(&m->lock);
    if (v->map.writable)
        mappable_changed(m, 0, ~0ull & PAGE_MASK);
    if (m->ops->added)
        m->ops->added(m, v->map.node.start, v->map.node.end, v->map.writable);
}

void mapping_remove(struct vma *v)
{
    struct mappable *m = v->mappable;

    mutex_lock(&m->lock);
    rangetree_remove(&m->maps, &v->map.node);
    mutex_unlock(&m->lock);
    if (m->ops->removed)
        m->ops->removed(m, v->map.node.start, v->map.node.end, v->map.writable);
}

void mapping_split(struct vma *v, struct vma *tail)
{
    struct mappable *m = v->mappable;
    u64 cut = tail->off;

    tail->map.mm = v->map.mm;
    tail->map.addr = tail->node.start;
    tail->map.writable = v->map.writable;
    tail->map.node.start = cut;
    mutex_lock(&m->lock);
    tail->map.node.end = v->map.node.end;
    v->map.node.end = cut;
    rangetree_insert_multi(&m->maps, &tail->map.node);
    mutex_unlock(&m->lock);
}

void mapping_join(struct vma *v, struct vma *next)
{
    struct mappable *m = v->mappable;

    mutex_lock(&m->lock);
    rangetree_remove(&m->maps, &next->map.node);
    v->map.node.end = next->map.node.end;
    mutex_unlock(&m->lock);
}

/* Drops the pmas of [start, end) of the mappable that are behind addr.. of mm. */
static void invalidate_mapping(struct mm_op *op, struct mappable *m, u64 addr, u64 len, u64 start,
                               u64 end, bool private_too)
{
    struct mm *mm = op->mm;
    struct pma *p, *next;
    bool split;

    rwlock_wrlock(&mm->pma_lock);
    split = pma_isolate(mm, addr, addr + len) == 0;
    for (p = pma_of(rangetree_lower(&mm->pmas, addr)); p && p->node.start < addr + len; p = next) {
        struct platform_mapop mo = {
            .type = PLATFORM_UNMAP, .addr = p->node.start, .len = p->node.end - p->node.start};

        next = pma_of(rangetree_next(&p->node));
        /* The vma here may be a newer one: pmas know whose they are. */
        if (p->mappable != m || p->moff >= end || p->moff + mo.len <= start)
            continue;
        /* Without memory for the split whole pmas go: file pages come back by themselves. */
        if (p->copied && (!private_too || !split))
            continue;
        pma_kill(op, p);
        mm_op_queue(op, &mo);
    }
    mm_op_flush(op);
    rwlock_wrunlock(&mm->pma_lock);
}

void mappable_invalidate(struct mappable *m, u64 start, u64 end, bool private_too)
{
    struct mm_op op;

    mutex_lock(&m->lock);
    for (struct range_node *n = rangetree_first(&m->maps); n && n->start < end;
         n = rangetree_next(n)) {
        struct mapping *map = mapping_of(n);
        u64 s = MAX(start, n->start), e = MIN(end, n->end);

        if (s >= e)
            continue;
        mm_op_begin(&op, map->mm);
        invalidate_mapping(&op, m, map->addr + (s - n->start), e - s, s, e, private_too);
        mm_op_end(&op);
    }
    mutex_unlock(&m->lock);
}

void mappable_changed_slow(struct mappable *m, u64 start, u64 end)
{
    end = end > (~0ull & PAGE_MASK) ? ~0ull & PAGE_MASK : PAGE_UP(end);
    mappable_invalidate(m, PAGE_DOWN(start), end, false);
}
