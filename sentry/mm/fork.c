/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Copies of an address space for fork. Private memory is shared, with a reference for each side, and
 * write-protected on both; the first write of either breaks it apart (fault.c).
 */
#include "sentry/mm/mm_internal.h"

#include "cvisor/kcache.h"
#include "sentry/vfs/vfs.h"

#include <errno.h>
#include <string.h>

/* A growing array of platform operations, so that the child gets all of them in one batch. */
struct op_array {
    struct platform_mapop *ops;
    size_t n, cap;
};

static int array_add(struct op_array *a, const struct platform_mapop *mo)
{
    struct platform_mapop *last = a->n ? &a->ops[a->n - 1] : NULL;

    if (last && mo->type == last->type && mo->addr == last->addr + last->len &&
        mo->prot == last->prot &&
        (mo->type != PLATFORM_MAP ||
         (mo->fd == last->fd && mo->offset == last->offset + last->len))) {
        last->len += mo->len;
        return 0;
    }
    if (a->n == a->cap) {
        size_t cap = a->cap ? a->cap * 2 : 64;
        struct platform_mapop *p = krealloc(a->ops, cap * sizeof(*p));

        if (!p)
            return -ENOMEM;
        a->ops = p;
        a->cap = cap;
    }
    a->ops[a->n++] = *mo;
    return 0;
}

static void copy_fields(struct mm *new, const struct mm *old)
{
    new->brk_start = old->brk_start;
    new->brk_end = old->brk_end;
    new->mmap_base = old->mmap_base;
    new->stack_top = old->stack_top;
    new->area_cache = old->area_cache;
    new->area_hole = old->area_hole;
    new->arg_start = old->arg_start;
    new->arg_end = old->arg_end;
    new->env_start = old->env_start;
    new->env_end = old->env_end;
    new->start_code = old->start_code;
    new->end_code = old->end_code;
    new->start_data = old->start_data;
    new->end_data = old->end_data;
    new->start_stack = old->start_stack;
    for (size_t i = 0; i < ARRAY_SIZE(new->auxv); i++)
        new->auxv[i] = old->auxv[i];
    new->auxv_len = old->auxv_len;
    new->dumpable = old->dumpable;
    new->vdso_base = old->vdso_base;
    new->membarrier_state = atomic_load(&old->membarrier_state);
    if (old->exe) {
        file_get(old->exe);
        new->exe = old->exe;
    }
}

static int copy_vmas(struct mm *new, struct mm *old)
{
    for (struct range_node *n = rangetree_first(&old->vmas); n; n = rangetree_next(n)) {
        struct vma *v = vma_of(n), *c;

        if (v->flags & VMA_DONTFORK)
            continue;
        c = vma_new();
        if (!c)
            return -ENOMEM;
        /* Not map, which belongs to the mappable's lock. */
        memcpy(c, v, offsetof(struct vma, map));
        c->flags &= ~VMA_LOCKED;
        if (c->file)
            file_get(c->file);
        vma_insert(new, c);
    }
    return 0;
}

/* The part of p that lies in vma, for the child. Both pma_locks are held for writing. */
static int copy_pma(struct mm *new, struct pma *p, const struct vma *vma, struct op_array *protect,
                    struct op_array *map)
{
    u64 start = MAX(p->node.start, vma->node.start), end = MIN(p->node.end, vma->node.end);
    struct platform_mapop mo = {.addr = start, .len = end - start};
    struct mm_op op;
    struct pma c = *p;
    int err;

    if (p->private && !p->need_cow) {
        p->need_cow = true;
        if (p->eff & PLATFORM_WRITE) {
            p->eff &= ~PLATFORM_WRITE;
            mo.type = PLATFORM_PROTECT;
            mo.prot = p->eff;
            err = array_add(protect, &mo);
            if (err) {
                p->eff |= PLATFORM_WRITE;
                p->need_cow = false;
                return err;
            }
        }
    }
    c.node.start = start;
    c.node.end = end;
    c.off = p->off + (start - p->node.start);
    c.moff = p->moff + (start - p->node.start);
    c.eff = p->eff;
    c.need_cow = p->need_cow;
    mo.type = PLATFORM_MAP;
    mo.prot = c.eff;
    mo.fd = c.backing->fd;
    mo.offset = c.off;
    err = array_add(map, &mo);
    if (err)
        return err;
    c.backing->ops->range_get(c.backing, c.off, end - start);
    mm_op_begin(&op, new);
    return pma_add(&op, &c, false);
}

/*
 * A pma that reaches into vmas which are not copied must be split first: what is not shared stays
 * writable.
 */
static int copy_pmas(struct mm *new, struct mm *old, struct op_array *protect, struct op_array *map)
{
    for (struct range_node *n = rangetree_first(&old->vmas); n; n = rangetree_next(n)) {
        struct vma *v = vma_of(n);
        struct pma *p;
        int err;

        if (v->flags & (VMA_DONTFORK | VMA_WIPEONFORK))
            continue;
        err = pma_isolate(old, v->node.start, v->node.end);
        if (err)
            return err;
        p = pma_of(rangetree_lower(&old->pmas, v->node.start));
        for (; p && p->node.start < v->node.end; p = pma_of(rangetree_next(&p->node))) {
            err = copy_pma(new, p, v, protect, map);
            if (err)
                return err;
        }
    }
    return 0;
}

static int fork_pmas(struct mm *new, struct mm *old)
{
    struct op_array protect = {0}, map = {0};
    int err, err2;

    rwlock_wrlock(&old->pma_lock);
    rwlock_wrlock_nested(&new->pma_lock);
    err = copy_pmas(new, old, &protect, &map);
    /* What was marked is protected in any case: the stub and the pmas must agree. */
    err2 = protect.n && old->as ? platform_as_apply(old->as, protect.ops, protect.n) : 0;
    if (!err && err2 < 0)
        err = err2;
    if (!err && map.n)
        err = platform_as_apply(new->as, map.ops, map.n);
    pma_merge_range(old, old->vm_start, old->vm_end);
    rwlock_wrunlock(&new->pma_lock);
    rwlock_wrunlock(&old->pma_lock);
    kfree(protect.ops);
    kfree(map.ops);
    return err;
}

int mm_fork(struct mm *old, struct mm **out)
{
    struct mm *new;
    int err = mm_create(&new);

    if (err < 0)
        return err;
    rwlock_wrlock(&old->map_lock);
    copy_fields(new, old);
    err = copy_vmas(new, old);
    if (!err)
        err = fork_pmas(new, old);
    rwlock_wrunlock(&old->map_lock);
    if (err < 0) {
        mm_drop(new);
        return err;
    }
    *out = new;
    return 0;
}
