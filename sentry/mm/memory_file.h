/* SPDX-License-Identifier: Apache-2.0 */
/*
 * MemoryFile: one memfd for the sandbox. All guest memory that is not a donated host file lives in it.
 * Page-granular ranges with reference counts, usage kinds and accounting; freed ranges are recycled
 * (decommitted by hole punching, in batches). The sentry maps the whole file once.
 */
#ifndef SENTRY_MM_MEMORY_FILE_H
#define SENTRY_MM_MEMORY_FILE_H

#include "cvisor/types.h"

enum mf_kind { MF_ANON, MF_TMPFS, MF_PAGECACHE, MF_SYSTEM, MF_KIND_COUNT };

/*
 * Something that guest memory can be backed by: the memory file or a host file. Offsets are bytes
 * into fd. References are on ranges.
 */
struct backing;
struct backing_ops {
    void (*range_get)(struct backing *b, u64 off, u64 len);
    void (*range_put)(struct backing *b, u64 off, u64 len);
    /* Sentry mapping of the range, *got bytes contiguous (1..len). May fault when the host file is
     * truncated: only touched with host_*_safe. NULL on failure. Valid while a range reference is held. */
    void *(*map)(struct backing *b, u64 off, u64 len, bool write, u64 *got);
};
struct backing {
    const struct backing_ops *ops;
    int fd; /* host fd for stubs to map; for a host file it may change (notify_change) */
};

extern struct backing *g_memfile; /* the memory file as a backing */

/* Before the sandbox closes: makes the memfd, reserves `limit` bytes of it. */
int memory_file_init(u64 limit);
/* len is page-aligned. The range is zero-filled, has one reference. Contiguous, aligned to align
 * (power of two, >= PAGE_SIZE). -ENOMEM at the limit. hint: prefer the range that follows it (so
 * that neighbouring mappings merge in the host), ~0 = none. */
s64 memory_file_alloc(u64 len, u64 align, enum mf_kind kind, u64 hint);
/*
 * The same with more say. after, before: prefer the range that starts at / ends at this offset (~0 =
 * no preference). dirty: the contents are undefined, the caller overwrites all of it. from_top:
 * without a match, carve from the end of the free range (address spaces that grow downwards). holes: no
 * page of it is committed yet.
 */
struct memory_file_req {
    u64 len, align;
    enum mf_kind kind;
    u64 after, before;
    bool dirty, from_top, holes;
};
s64 memory_file_alloc_req(const struct memory_file_req *req);
void memory_file_get(u64 off, u64 len);
void memory_file_put(u64 off, u64 len);
/* The same for a range that nothing was written to since it was allocated: it reads as zero. */
void memory_file_put_untouched(u64 off, u64 len);
/* True when every page of the range has exactly one reference. */
bool memory_file_exclusive(u64 off, u64 len);
/* The longest run around off, inside [lo, hi), of pages with exactly one reference. False when the
 * page at off has more. */
bool memory_file_exclusive_run(u64 off, u64 lo, u64 hi, u64 *start, u64 *end);
/* Gives the pages back to the host; they read as zero. The range stays allocated. */
void memory_file_decommit(u64 off, u64 len);
/* Sentry address of an offset. */
void *memory_file_ptr(u64 off);
u64 memory_file_used(enum mf_kind kind); /* bytes allocated */
u64 memory_file_limit(void);
/* Bytes of the range that the host has committed. Exact for up to a few thousand extents. */
u64 memory_file_resident(u64 off, u64 len);
/* First committed page at or after off, below end; end when there is none. */
u64 memory_file_next_resident(u64 off, u64 end, u64 *run_end);

#endif
