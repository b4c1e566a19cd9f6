/* SPDX-License-Identifier: Apache-2.0 */
/* Platform mappings of an address space: the tree of pmas and the batches that keep the stub in
 * step with it. */
#include "sentry/mm/mm_internal.h"

#include "cvisor/kcache.h"
#include "cvisor/log.h"

#include <errno.h>

KCACHE(pma);

/* ---- batches --------------------------------------------------------------------------------- */

void mm_op_begin(struct mm_op *op, struct mm *mm)
{
    op->mm = mm;
    op->err = 0;
    op->leak = false;
    op->n = 0;
    op->dead_pmas = NULL;
    op->dead_vmas = NULL;
}

int mm_op_flush(struct mm_op *op)
{
    int err;

    if (!op->n)
        return op->err;
    err = op->mm->as ? platform_as_apply(op->mm->as, op->ops, op->n) : 0;
    /* A dead stub has no translations left. */
    if (err < 0 && err != -ESRCH) {
        if (!op->err)
            op->err = err;
        op->leak = true;
        log_warn("address space: the platform refused %u changes: %d", op->n, err);
    }
    op->n = 0;
    return op->err;
}

/* Joins mo with the last queued change when they are one. */
static bool queue_join(struct platform_mapop *last, const struct platform_mapop *mo)
{
    if (mo->type == PLATFORM_MAP && last->type == PLATFORM_UNMAP && mo->addr <= last->addr &&
        mo->addr + mo->len >= last->addr + last->len) {
        *last = *mo; /* maps over it */
        return true;
    }
    if (mo->type != last->type || mo->addr != last->addr + last->len)
        return false;
    if (mo->type == PLATFORM_MAP && (mo->fd != last->fd || mo->offset != last->offset + last->len ||
                                     mo->populate != last->populate || mo->fresh != last->fresh))
        return false;
    if (mo->type != PLATFORM_UNMAP && mo->prot != last->prot)
        return false;
    last->len += mo->len;
    return true;
}

void mm_op_queue(struct mm_op *op, const struct platform_mapop *mo)
{
    if (op->n && queue_join(&op->ops[op->n - 1], mo))
        return;
    if (op->n == MM_OP_BATCH)
        mm_op_flush(op);
    op->ops[op->n++] = *mo;
}

void mm_op_unlink_vmas(struct mm_op *op)
{
    struct range_node *n = op->dead_vmas ? &op->dead_vmas->node : NULL;

    for (; n; n = n->parent) {
        if (vma_of(n)->mappable)
            mapping_remove(vma_of(n));
        vma_of(n)->mappable = NULL;
    }
}

void mm_op_end(struct mm_op *op)
{
    struct pma *p, *pnext;
    struct vma *v, *vnext;

    for (p = op->dead_pmas; p; p = pnext) {
        pnext = pma_of(p->node.parent);
        if (!op->leak)
            p->backing->ops->range_put(p->backing, p->off, p->node.end - p->node.start);
        kcache_free(pma, p);
    }
    for (v = op->dead_vmas; v; v = vnext) {
        vnext = vma_of(v->node.parent);
        vma_free(v);
    }
    op->dead_pmas = NULL;
    op->dead_vmas = NULL;
}

/* ---- pmas ------------------------------------------------------------------------------------ */

u32 pma_effective(const struct pma *p, const struct vma *vma)
{
    u32 eff = prot_to_platform(vma->prot) & p->max;

    return p->need_cow ? eff & ~PLATFORM_WRITE : eff;
}

static u64 pma_len(const struct pma *p)
{
    return p->node.end - p->node.start;
}

/* b directly follows a and differs in nothing else. */
static bool pma_continues(const struct pma *a, const struct pma *b)
{
    return a->node.end == b->node.start && a->backing == b->backing &&
           a->off + pma_len(a) == b->off && a->mappable == b->mappable &&
           (!a->mappable || a->moff + pma_len(a) == b->moff) && a->max == b->max &&
           a->eff == b->eff && a->private == b->private && a->copied == b->copied &&
           a->need_cow == b->need_cow;
}

void pma_queue_map(struct mm_op *op, const struct pma *p)
{
    struct platform_mapop mo = {.type = PLATFORM_MAP,
                                .addr = p->node.start,
                                .len = pma_len(p),
                                .prot = p->eff,
                                .fd = p->backing->fd,
                                .offset = p->off};

    mm_op_queue(op, &mo);
}

void pma_try_merge(struct mm *mm, struct pma *p)
{
    struct pma *prev = pma_of(rangetree_prev(&p->node)), *next;

    if (prev && pma_continues(prev, p)) {
        rangetree_remove(&mm->pmas, &p->node);
        prev->node.end = p->node.end;
        kcache_free(pma, p);
        p = prev;
    }
    next = pma_of(rangetree_next(&p->node));
    if (next && pma_continues(p, next)) {
        rangetree_remove(&mm->pmas, &next->node);
        p->node.end = next->node.end;
        kcache_free(pma, next);
    }
}

void pma_merge_range(struct mm *mm, u64 start, u64 end)
{
    struct pma *p = pma_of(rangetree_lower(&mm->pmas, start - 1)), *next;

    while (p && p->node.start <= end && (next = pma_of(rangetree_next(&p->node)))) {
        if (!pma_continues(p, next)) {
            p = next;
            continue;
        }
        rangetree_remove(&mm->pmas, &next->node);
        p->node.end = next->node.end;
        kcache_free(pma, next);
    }
}

int pma_add(struct mm_op *op, const struct pma *proto, bool map)
{
    struct pma *prev = proto->node.start ? pma_find(op->mm, proto->node.start - 1) : NULL;
    struct pma *p;

    if (prev && pma_continues(prev, proto)) {
        prev->node.end = proto->node.end;
        p = prev;
    } else {
        p = kcache_alloc(pma);
        if (!p) {
            struct platform_mapop mo = {
                .type = PLATFORM_UNMAP, .addr = proto->node.start, .len = pma_len(proto)};

            /* What it was to replace is dead already: the stub must lose sight of it. */
            if (map)
                mm_op_queue(op, &mo);
            proto->backing->ops->range_put(proto->backing, proto->off, pma_len(proto));
            return -ENOMEM;
        }
        *p = *proto;
        BUG_ON(rangetree_insert(&op->mm->pmas, &p->node) != 0);
    }
    if (map)
        pma_queue_map(op, proto);
    pma_try_merge(op->mm, p);
    return 0;
}

int pma_split(struct mm *mm, u64 at)
{
    struct pma *p = pma_find(mm, at), *tail;

    if (!p || p->node.start == at)
        return 0;
    tail = kcache_alloc(pma);
    if (!tail)
        return -ENOMEM;
    *tail = *p;
    tail->node.start = at;
    tail->off = p->off + (at - p->node.start);
    tail->moff = p->moff + (at - p->node.start);
    p->node.end = at;
    BUG_ON(rangetree_insert(&mm->pmas, &tail->node) != 0);
    return 0;
}

int pma_isolate(struct mm *mm, u64 start, u64 end)
{
    int err = pma_split(mm, start);

    return err ? err : pma_split(mm, end);
}

void pma_kill(struct mm_op *op, struct pma *p)
{
    rangetree_remove(&op->mm->pmas, &p->node);
    p->node.parent = op->dead_pmas ? &op->dead_pmas->node : NULL;
    op->dead_pmas = p;
}

int pma_replace(struct mm_op *op, const struct pma *proto)
{
    struct pma *dead = kcache_alloc(pma), *p;
    struct range_node node;

    if (!dead || pma_isolate(op->mm, proto->node.start, proto->node.end) < 0) {
        kcache_free(pma, dead);
        proto->backing->ops->range_put(proto->backing, proto->off, pma_len(proto));
        return -ENOMEM;
    }
    p = pma_find(op->mm, proto->node.start);
    *dead = *p;
    dead->node.parent = op->dead_pmas ? &op->dead_pmas->node : NULL;
    op->dead_pmas = dead;
    node = p->node;
    *p = *proto;
    p->node = node;
    pma_queue_map(op, proto);
    pma_try_merge(op->mm, p);
    return 0;
}

int pma_remove(struct mm_op *op, u64 start, u64 end)
{
    struct pma *p, *next;
    u64 first = ~0ull, last = 0;
    int err = pma_isolate(op->mm, start, end);

    if (err)
        return err;
    for (p = pma_of(rangetree_lower(&op->mm->pmas, start)); p && p->node.start < end; p = next) {
        next = pma_of(rangetree_next(&p->node));
        first = MIN(first, p->node.start);
        last = p->node.end;
        pma_kill(op, p);
    }
    if (first < last) {
        struct platform_mapop mo = {.type = PLATFORM_UNMAP, .addr = first, .len = last - first};

        mm_op_queue(op, &mo);
    }
    return 0;
}

void pma_reprotect(struct mm_op *op, struct pma *p, const struct vma *vma)
{
    u32 eff = pma_effective(p, vma);
    struct platform_mapop mo = {
        .type = PLATFORM_PROTECT, .addr = p->node.start, .len = pma_len(p), .prot = eff};

    if (eff == p->eff)
        return;
    p->eff = eff;
    mm_op_queue(op, &mo);
}
