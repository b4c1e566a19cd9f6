/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the files of sentry/mm: pmas, batches of platform operations, vma surgery. */
#ifndef SENTRY_MM_MM_INTERNAL_H
#define SENTRY_MM_MM_INTERNAL_H

#include "abi/linux/limits.h"
#include "abi/linux/mman.h"
#include "abi/linux/resource.h"
#include "sentry/mm/mm.h"

#define MM_EAGER_MAX (64ull << 20) /* anonymous mappings up to this are backed at once */
#define MM_LAZY_CHUNK (16ull << 20)
#define MM_COW_CHUNK (64ull << 10)
#define MM_COW_CHUNK_MAX (512ull << 10)
#define MM_STACK_STEP (64ull << 10)
#define MM_STACK_GAP (256ull * PAGE_SIZE)
#define MM_OP_BATCH 24

/*
 * [start, end) of an address space is at off of backing. The stub has it mapped with eff. A range
 * reference on the backing is held. All fields: pma_lock.
 */
struct pma {
    struct range_node node;
    struct backing *backing;
    u64 off;
    struct mappable *mappable; /* of the vma; identity only. NULL = anonymous */
    u64 moff;                  /* of start, in mappable */
    u32 max;                   /* PLATFORM_* that the translation allows */
    u32 eff;                   /* PLATFORM_* that the stub has */
    bool private;              /* of a private mapping */
    bool copied;               /* private memory: anonymous, or broken out by copy-on-write */
    bool need_cow;             /* private, and the bytes are not ours alone: never writable */
};

/*
 * One operation on an address space: queues platform changes and keeps what must be released after
 * them. The stub is changed by mm_op_flush() with pma_lock held; memory that left the address space is
 * released by mm_op_end(), without locks.
 */
struct mm_op {
    struct mm *mm;
    int err;   /* first failure of the platform */
    bool leak; /* a change failed: the stub may still reach the dead pmas */
    u32 n;
    struct platform_mapop ops[MM_OP_BATCH];
    struct pma *dead_pmas; /* linked by node.parent */
    struct vma *dead_vmas; /* linked by node.parent; still in their mapping sets until
                              mm_op_unlink_vmas */
};

void mm_op_begin(struct mm_op *op, struct mm *mm);
void mm_op_queue(struct mm_op *op, const struct platform_mapop *mo);
int mm_op_flush(struct mm_op *op); /* 0 or op->err */
/* map_lock held for writing, pma_lock not: takes the dead vmas out of their mapping sets. */
void mm_op_unlink_vmas(struct mm_op *op);
void mm_op_end(struct mm_op *op);

/* ---- pma.c: pma_lock held for writing unless said --------------------------------------------- */

static inline struct pma *pma_of(struct range_node *n)
{
    return n ? container_of(n, struct pma, node) : NULL;
}
static inline struct pma *pma_find(struct mm *mm, u64 addr) /* pma_lock for reading */
{
    return pma_of(rangetree_find(&mm->pmas, addr));
}
/* LINUX_PROT_* to PLATFORM_*: any right implies reading, as on x86. */
static inline u32 prot_to_platform(u32 prot)
{
    u32 p = 0;

    if (prot & (LINUX_PROT_READ | LINUX_PROT_WRITE | LINUX_PROT_EXEC))
        p |= PLATFORM_READ;
    if (prot & LINUX_PROT_WRITE)
        p |= PLATFORM_WRITE;
    if (prot & LINUX_PROT_EXEC)
        p |= PLATFORM_EXEC;
    return p;
}
u32 pma_effective(const struct pma *p, const struct vma *vma);
/* Copies proto into a new pma, or extends a neighbour; queues MAP. Consumes the range reference
 * (also on failure: -ENOMEM, and UNMAP is queued instead). The range has no pma. */
int pma_add(struct mm_op *op, const struct pma *proto, bool map);
/* The same in the place of (a part of) one pma that covers it. On failure that one stays. */
int pma_replace(struct mm_op *op, const struct pma *proto);
int pma_split(struct mm *mm, u64 at);
/* Splits at both ends. */
int pma_isolate(struct mm *mm, u64 start, u64 end);
/* Removes everything in [start, end), queues one UNMAP when there was something. */
int pma_remove(struct mm_op *op, u64 start, u64 end);
/* Takes p out of the tree; it is released at the end of op. Queues nothing. */
void pma_kill(struct mm_op *op, struct pma *p);
/* Sets p's effective protection for vma, queues PROTECT when it changed. p lies inside vma. */
void pma_reprotect(struct mm_op *op, struct pma *p, const struct vma *vma);
void pma_try_merge(struct mm *mm, struct pma *p);
/* Joins what can be joined at the boundaries in [start, end]. */
void pma_merge_range(struct mm *mm, u64 start, u64 end);
void pma_queue_map(struct mm_op *op, const struct pma *p);

/* ---- vma.c: map_lock held for writing unless said ---------------------------------------------- */

static inline struct vma *vma_of(struct range_node *n)
{
    return n ? container_of(n, struct vma, node) : NULL;
}
static inline struct vma *vma_find(struct mm *mm, u64 addr) /* map_lock for reading */
{
    return vma_of(rangetree_find(&mm->vmas, addr));
}
static inline struct vma *vma_lower(struct mm *mm, u64 addr) /* map_lock for reading */
{
    return vma_of(rangetree_lower(&mm->vmas, addr));
}
static inline struct vma *vma_next(struct vma *v)
{
    return vma_of(rangetree_next(&v->node));
}
static inline struct vma *vma_prev(struct vma *v)
{
    return vma_of(rangetree_prev(&v->node));
}
static inline u64 vma_len(const struct vma *v)
{
    return v->node.end - v->node.start;
}
static inline bool vma_private(const struct vma *v)
{
    return !(v->flags & VMA_SHARED);
}
struct vma *vma_new(void);
/* Not in any tree or set: drops the file and frees it. No locks. */
void vma_free(struct vma *v);
/* Makes addr a boundary. -ENOMEM also at the limit of vmas. */
int vma_split(struct mm *mm, u64 addr);
int vma_isolate(struct mm *mm, u64 start, u64 end);
/* Tree, accounting and mapping set. */
void vma_insert(struct mm *mm, struct vma *v);
/* The vmas of an isolated range leave the tree; see mm_op.dead_vmas. */
void vma_detach_range(struct mm_op *op, u64 start, u64 end);
/* Joins what can be joined at the boundaries in [start, end]. */
void vma_merge_range(struct mm_op *op, u64 start, u64 end);
void vma_account(struct mm *mm, const struct vma *v, bool add);
/* Every byte of the range is mapped. map_lock for reading. */
bool vma_covers(struct mm *mm, u64 start, u64 end);
u64 vma_mapped_bytes(struct mm *mm, u64 start, u64 end);
bool mm_range_ok(const struct mm *mm, u64 addr, u64 len);
/* A place for len bytes, or -ENOMEM. map_lock held. */
s64 mm_find_area(struct mm *mm, u64 hint, u64 len, bool below_4g);
/* -ENOMEM when `more` bytes (of that kind) would exceed RLIMIT_AS or RLIMIT_DATA. */
int mm_check_limits(struct mm *mm, u64 more, u64 more_data);
u64 mm_rlimit(int which); /* soft limit of the current task, infinite without one */
int mm_check_locked(struct mm *mm, u64 more);

/* ---- mappable.c: rank MAPPINGS is taken inside -------------------------------------------------- */

u64 mm_new_id(void);
void mapping_add(struct mm *mm, struct vma *v);
void mapping_remove(struct vma *v);
void mapping_split(struct vma *v, struct vma *tail);
void mapping_join(struct vma *v, struct vma *next);

/* ---- text.c: pma_lock held ----------------------------------------------------------------------- */

/* p, or a part of it, may have been patched. */
bool pma_may_be_patched(const struct pma *p);

/* ---- fault.c: map_lock held, pma_lock held for writing ------------------------------------------ */

/* Backs [start, end) of vma as far as that is cheap. */
void mm_populate_locked(struct mm_op *op, struct vma *vma, u64 start, u64 end);
/* Makes the page accessible. force: as ptrace. */
enum mm_fault mm_fault_locked(struct mm_op *op, struct vma *vma, u64 page, u32 access, bool force);
/* An access by the sentry; no locks held. MM_FAULT_OK = try again. */
enum mm_fault mm_fault_in(struct mm *mm, u64 addr, u32 access, bool force);
/* Faults in a whole range: -ENOMEM at a hole, -EFAULT where access is refused. access 0: writing
 * where the mapping is private and writable, else reading; what has no rights is skipped. */
int mm_populate(struct mm *mm, u64 start, u64 end, u32 access);

/* munmap with map_lock held for writing. */
int mm_munmap_locked(struct mm_op *op, u64 start, u64 end);

#endif
