/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Address spaces. An mm has vmas (what the guest asked for; lock MM_MAP) and pmas (which bytes of
 * which backing are behind an address, with what permissions; lock MM_PMA). What is mapped in the
 * stub is always a subset of the pmas. See sentry/mm/README.md for the model.
 */
#ifndef SENTRY_MM_MM_H
#define SENTRY_MM_MM_H

#include "cvisor/list.h"
#include "cvisor/lock.h"
#include "cvisor/platform.h"
#include "cvisor/rangetree.h"
#include "cvisor/refs.h"
#include "sentry/mm/memory_file.h"

struct file;
struct mappable;
struct mm;
struct task;

/* ---- mappables: files that can be mapped --------------------------------------------------- */

/* One piece of a translation: [start, end) of the mappable is at off of backing. */
struct translation {
    u64 start, end;
    struct backing *backing;
    u64 off;
    u32 prot; /* PLATFORM_READ|WRITE|EXEC that the stub may have on it */
};

struct mappable_ops {
    /*
     * Translates a piece that contains required_start, at most [opt_start, opt_end). access:
     * PLATFORM_*; for WRITE of a shared mapping the piece is marked as dirtied. On success a range
     * reference on the backing is held for the caller. -EFAULT = SIGBUS (beyond the end of the file),
     * -ENOMEM, -EIO.
     */
    int (*translate)(struct mappable *m, u64 required_start, u64 opt_start, u64 opt_end, u32 access,
                     struct translation *out);
    /* A mapping came or went (after the mapping set was updated). May be NULL. */
    void (*added)(struct mappable *m, u64 start, u64 end, bool writable);
    void (*removed)(struct mappable *m, u64 start, u64 end, bool writable);
    /* msync: write dirty data of the range back. May be NULL. */
    int (*sync)(struct mappable *m, u64 start, u64 end);
};

/* Embedded in the inode that owns it; the vma's file reference keeps it alive. */
struct mappable {
    const struct mappable_ops *ops;
    struct mutex lock;     /* rank MAPPINGS; guards maps */
    struct rangetree maps; /* multiset of struct mapping by file offset */
    u64 id;                /* unique; futex keys of shared file mappings */
    /* The platform has altered copies of pages of it somewhere; never cleared: see text.c */
    _Atomic bool patched;
};
void mappable_init(struct mappable *m, const struct mappable_ops *ops);
/* Drops every translation of [start, end) in all address spaces, so that the next access asks
 * translate() again. private_too: also private copies (truncation). No lock of rank MAPPINGS or
 * below may be held. */
void mappable_invalidate(struct mappable *m, u64 start, u64 end, bool private_too);
/* True when some writable shared mapping exists (seals, ETXTBSY). */
bool mappable_has_writable(struct mappable *m);
bool mappable_has_writable_locked(struct mappable *m); /* m->lock held */
/* Bytes [start, end) of the file have changed (and a lock was dropped since, as a barrier): takes
 * translations back if altered copies of pages exist. Locks as for mappable_invalidate(). */
void mappable_changed_slow(struct mappable *m, u64 start, u64 end);
static inline void mappable_changed(struct mappable *m, u64 start, u64 end)
{
    if (unlikely(m && atomic_load(&m->patched)))
        mappable_changed_slow(m, start, end);
}

/* One vma's place in its mappable's set. Embedded in the vma. */
struct mapping {
    struct range_node node; /* [start, end) bytes of the mappable; MAPPINGS */
    struct mm *mm;
    u64 addr;      /* guest address of node.start; MAPPINGS */
    bool writable; /* shared and may become writable; immutable */
};

/* ---- vmas ---------------------------------------------------------------------------------- */

#define VMA_SHARED 1u
#define VMA_GROWSDOWN 2u
#define VMA_LOCKED 4u
#define VMA_DONTFORK 8u
#define VMA_WIPEONFORK 16u
#define VMA_NORESERVE 32u
#define VMA_STACK 64u
#define VMA_DONTDUMP 128u

struct vma {
    struct range_node node;    /* [start, end) guest addresses */
    u32 prot, max_prot;        /* LINUX_PROT_* */
    u32 flags;                 /* VMA_* */
    struct mappable *mappable; /* NULL = private anonymous */
    struct file *file;         /* referenced; NULL when anonymous */
    u64 off;                   /* of start, into the mappable */
    const char *name;          /* "[heap]", "[stack]", "[vdso]" static strings, or NULL */
    struct mapping map;        /* in mappable->maps. Last: a fork copies what stands before it */
};

/* Arguments of one mapping; filled by sys_mmap, then file_ops.mmap, then mm_mmap. */
struct mmap_args {
    u64 addr, len; /* page-aligned; addr is a hint, or exact with fixed */
    bool fixed, noreplace;
    bool below_4g;      /* MAP_32BIT */
    u32 prot, max_prot; /* LINUX_PROT_* */
    u32 vma_flags;
    bool populate;
    struct file *file; /* borrowed; the vma takes its own reference */
    struct mappable *mappable;
    u64 off;
    const char *name;
};

struct mm {
    struct ref refs;           /* tasks and /proc users */
    atomic_int users;          /* tasks running on it; the last one unmaps everything */
    u64 id;                    /* unique, shares its number space with mappables; immutable */
    struct platform_as *as;    /* pma_lock; NULL once the last user is gone */
    struct rwlock map_lock;    /* rank MM_MAP */
    struct rangetree vmas;     /* map_lock */
    struct rwlock pma_lock;    /* rank MM_PMA */
    struct rangetree pmas;     /* pma_lock */
    u64 brk_start, brk_end;    /* map_lock */
    u64 mmap_base;             /* top-down allocation starts here; immutable after exec */
    u64 vm_start, vm_end;      /* usable range; immutable */
    u64 stack_top;             /* highest address of the initial stack; immutable after exec */
    u64 area_cache, area_hole; /* first-fit cache: no hole of area_hole bytes above area_cache */
    u32 def_vma_flags;         /* mlockall(MCL_FUTURE); map_lock */
    _Atomic u64 spurious_addr; /* faults that found nothing to do: see mm_handle_fault */
    _Atomic u32 spurious_count;
    u64 total_bytes, locked_bytes, data_bytes;  /* of vmas, map_lock */
    u64 arg_start, arg_end, env_start, env_end; /* set by the loader, prctl; map_lock */
    u64 start_code, end_code, start_data, end_data, start_stack;
    u64 auxv[64];        /* as put on the stack; written by the loader */
    u32 auxv_len;        /* u64 words */
    struct file *exe;    /* referenced; /proc/PID/exe; map_lock */
    _Atomic u64 max_rss; /* bytes */
    _Atomic bool dumpable;
    u64 vdso_base;
    _Atomic u32 membarrier_state; /* the commands that it has registered for */
};

int mm_create(
    struct mm **out); /* empty, with a fresh platform address space; users = 1, refs = 1 */
/* fork: copy-on-write copy. users = 1. */
int mm_fork(struct mm *old, struct mm **out);
void mm_get(struct mm *mm);
void mm_put(struct mm *mm);
/* A task starts / stops using mm (CLONE_VM; exit or exec). drop: last one unmaps all. Each also
 * holds a reference. */
void mm_use(struct mm *mm);
void mm_drop(struct mm *mm);

/* Sets layout bases (randomised) for a new image; stack_limit = RLIMIT_STACK. */
void mm_set_layout(struct mm *mm, u64 stack_limit);
s64 mm_mmap(struct mm *mm, struct mmap_args *a); /* the address, or -errno */
int mm_munmap(struct mm *mm, u64 addr, u64 len);
int mm_mprotect(struct mm *mm, u64 addr, u64 len, u32 prot, bool growsdown);
s64 mm_mremap(struct mm *mm, u64 old, u64 old_len, u64 new_len, u32 flags, u64 new_addr);
u64 mm_brk(struct mm *mm, u64 brk); /* the break after it, as brk(2) returns */
int mm_madvise(struct mm *mm, u64 addr, u64 len, int advice);
int mm_msync(struct mm *mm, u64 addr, u64 len, int flags);

enum mm_fault { MM_FAULT_OK, MM_FAULT_MAPERR, MM_FAULT_ACCERR, MM_FAULT_BUS, MM_FAULT_OOM };
/* A guest access faulted. access = PLATFORM_* or 0 when the backend can't tell. */
enum mm_fault mm_handle_fault(struct mm *mm, u64 addr, u32 access);

/* The system call instruction that ends at ip is executed often: lets the platform rewrite it if it lies
 * in text that nobody can change unnoticed. 0, or why not (for the log). No locks held. */
int mm_patch_text(struct mm *mm, u64 ip);

/* LINUX_PROT_* of the mapping at addr, or -ENOMEM when there is none. */
int mm_prot_at(struct mm *mm, u64 addr);

/* Futex identity of a guest word. shared: FUTEX_PRIVATE_FLAG not given. */
struct futex_key {
    u64 space; /* mm or mappable id */
    u64 off;   /* address, or offset in the mappable; memory-file offset for shared anonymous */
};
int mm_futex_key(struct mm *mm, uaddr_t addr, bool shared, struct futex_key *key);

/* /proc/PID/maps (smaps when smaps): kmalloc'ed text. */
int mm_show_maps(struct mm *mm, bool smaps, char **out, size_t *len);
struct mm_stats {
    u64 vm_bytes, rss_bytes, data_bytes, stack_bytes, text_bytes, lib_bytes, shared_bytes,
        locked_bytes;
    u64 vmas;
};
void mm_get_stats(struct mm *mm, struct mm_stats *st);

/* Shared anonymous memory, memfd, SysV shm: an unlinked tmpfs file. sentry/fs/tmpfs. */
int shmem_file_new(const char *name, u64 size, u32 flags, struct file **out);

#endif
