/* SPDX-License-Identifier: Apache-2.0 */
/* Life of an address space: creation, users, the end; and its random layout. */
#include "sentry/mm/mm_internal.h"

#include "abi/linux/personality.h"
#include "cvisor/host.h"
#include "cvisor/kcache.h"
#include "sentry/kernel/task.h"
#include "sentry/vfs/vfs.h"

#include <errno.h>

KCACHE(mm);

/* Of the top of the stack, and of the mmap base: as many bits as Linux has on x86-64. */
#define STACK_RANDOM ((1ull << 34) - PAGE_SIZE)
#define MMAP_RANDOM ((1ull << 40) - PAGE_SIZE)
#define STACK_GAP_MIN (128ull << 20)

int mm_create(struct mm **out)
{
    struct mm *mm = kcache_alloc(mm);
    int err;

    if (!mm)
        return -ENOMEM;
    err = platform_as_create(&mm->as);
    if (err < 0) {
        kcache_free(mm, mm);
        return err;
    }
    ref_init(&mm->refs);
    atomic_init(&mm->users, 1);
    mm->id = mm_new_id();
    rwlock_init(&mm->map_lock, LOCK_MM_MAP);
    rwlock_init(&mm->pma_lock, LOCK_MM_PMA);
    rangetree_init(&mm->vmas);
    rangetree_init(&mm->pmas);
    mm->vm_start = MAX(g_platform_info.vm_start, (u64)PAGE_SIZE);
    mm->vm_end = MIN(g_platform_info.vm_end, LINUX_TASK_SIZE);
    mm->mmap_base = mm->area_cache = mm->stack_top = mm->vm_end;
    mm->dumpable = true;
    *out = mm;
    return 0;
}

void mm_get(struct mm *mm)
{
    ref_get(&mm->refs);
}

void mm_put(struct mm *mm)
{
    if (!ref_put(&mm->refs))
        return;
    BUG_ON(mm->vmas.count || mm->pmas.count);
    if (mm->exe)
        file_put(mm->exe);
    rwlock_destroy(&mm->map_lock);
    rwlock_destroy(&mm->pma_lock);
    kcache_free(mm, mm);
}

void mm_use(struct mm *mm)
{
    mm_get(mm);
    BUG_ON(atomic_fetch_add(&mm->users, 1) <= 0);
}

/* No guest thread runs here any more: the stub goes as a whole, then the memory. */
static void mm_tear_down(struct mm *mm)
{
    struct platform_as *as;
    struct range_node *n;
    struct mm_op op;

    mm_op_begin(&op, mm);
    rwlock_wrlock(&mm->map_lock);
    vma_detach_range(&op, 0, ~0ull);
    rwlock_wrlock(&mm->pma_lock);
    as = mm->as;
    mm->as = NULL;
    while ((n = rangetree_first(&mm->pmas)))
        pma_kill(&op, pma_of(n));
    rwlock_wrunlock(&mm->pma_lock);
    mm_op_unlink_vmas(&op);
    rwlock_wrunlock(&mm->map_lock);
    platform_as_retire(as);
    platform_as_put(as);
    mm_op_end(&op);
}

void mm_drop(struct mm *mm)
{
    int old = atomic_fetch_sub(&mm->users, 1);

    BUG_ON(old <= 0);
    if (old == 1)
        mm_tear_down(mm);
    mm_put(mm);
}

static u64 random_pages(u64 mask)
{
    u64 r = 0;

    if (current && (current->personality & LINUX_ADDR_NO_RANDOMIZE))
        return 0;
    if (host_getrandom(&r, sizeof(r), 0) != (int)sizeof(r))
        return 0;
    return r & mask & PAGE_MASK;
}

void mm_set_layout(struct mm *mm, u64 stack_limit)
{
    u64 span = mm->vm_end - mm->vm_start, gap = stack_limit;

    /* A narrow platform gets less randomness. */
    mm->stack_top = mm->vm_end - PAGE_SIZE - random_pages(MIN(STACK_RANDOM, span / 64));
    gap = MIN(MAX(gap, STACK_GAP_MIN), span / 6 * 5);
    gap = PAGE_UP(gap + MM_STACK_GAP);
    if (gap > mm->stack_top - mm->vm_start - span / 8)
        gap = PAGE_DOWN(span / 2);
    mm->mmap_base = PAGE_DOWN(mm->stack_top - gap - random_pages(MIN(MMAP_RANDOM, span / 64)));
    mm->area_cache = mm->mmap_base;
    mm->area_hole = 0;
}
