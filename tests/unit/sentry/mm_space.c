/* SPDX-License-Identifier: Apache-2.0 */
/* Address spaces over a platform without guests: mmap, faults, copy-on-write, fork, mremap. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>

#include "fake_platform.h"
#include "sentry/mm/uaccess.h"

#define RW (LINUX_PROT_READ | LINUX_PROT_WRITE)
#define RWX (RW | LINUX_PROT_EXEC)

static struct mm *g_mm;

static void setup(void)
{
    fake_platform_init(8ull << 30);
    cr_assert_eq(mm_create(&g_mm), 0);
}

static void teardown(void)
{
    mm_drop(g_mm);
    cr_assert_eq(memory_file_used(MF_ANON), 0, "anonymous memory leaks");
}

TestSuite(mm_space, .init = setup, .fini = teardown);

static s64 map(struct mm *mm, u64 addr, u64 len, u32 prot, bool fixed)
{
    struct mmap_args a = {.addr = addr, .len = len, .prot = prot, .max_prot = RWX, .fixed = fixed};

    return mm_mmap(mm, &a);
}

/* ---- a mappable over memory-file pages, of a size that can change ------------------------------ */

struct fake_file {
    struct mappable m;
    u64 off, len, size;
    int writes; /* translations for writing */
};

static int fake_translate(struct mappable *m, u64 required, u64 start, u64 end, u32 access,
                          struct translation *out)
{
    struct fake_file *f = container_of(m, struct fake_file, m);

    if (required >= PAGE_UP(f->size))
        return -EFAULT;
    out->start = start;
    out->end = MIN(end, PAGE_UP(f->size));
    out->backing = g_memfile;
    out->off = f->off + start;
    out->prot = PLATFORM_READ | PLATFORM_EXEC;
    if (access & PLATFORM_WRITE) {
        out->prot |= PLATFORM_WRITE;
        f->writes++;
    }
    memory_file_get(out->off, out->end - out->start);
    return 0;
}

static const struct mappable_ops fake_ops = {.translate = fake_translate};

static void fake_file_init(struct fake_file *f, u64 len)
{
    s64 off = memory_file_alloc(len, PAGE_SIZE, MF_PAGECACHE, ~0ull);

    cr_assert_geq(off, 0);
    *f = (struct fake_file){.off = (u64)off, .len = len, .size = len};
    mappable_init(&f->m, &fake_ops);
    for (u64 i = 0; i < len; i += PAGE_SIZE)
        *(u64 *)memory_file_ptr(f->off + i) = 1000 + i / PAGE_SIZE;
}

static s64 map_file(struct fake_file *f, u64 off, u64 len, u32 prot, bool shared)
{
    struct mmap_args a = {.len = len,
                          .prot = prot,
                          .max_prot = RWX,
                          .mappable = &f->m,
                          .off = off,
                          .vma_flags = shared ? VMA_SHARED : 0};

    return mm_mmap(g_mm, &a);
}

/* ---- anonymous memory -------------------------------------------------------------------------- */

Test(mm_space, anonymous_is_eager)
{
    s64 at = map(g_mm, 0, 16 * PAGE_SIZE, RW, false);
    u64 v = 7;

    cr_assert_gt(at, 0);
    cr_assert_eq(g_mm->pmas.count, 1);
    /* No fault is needed. */
    cr_assert_eq(host_copy_safe(g_mm->as->base + at + 8, &v, 8), 0);
    cr_assert_eq(fake_read(g_mm, (u64)at + 8), 7);
    cr_assert_eq(mm_munmap(g_mm, (u64)at, 16 * PAGE_SIZE), 0);
    cr_assert_eq(mm_handle_fault(g_mm, (u64)at, PLATFORM_READ), MM_FAULT_MAPERR);
    cr_assert_eq(g_mm->vmas.count + g_mm->pmas.count, 0);
}

Test(mm_space, huge_is_lazy_and_reservations_are_free)
{
    s64 at = map(g_mm, 0, 8ull << 30, LINUX_PROT_NONE, false);

    cr_assert_gt(at, 0);
    cr_assert_eq(g_mm->as->applies, 0);
    cr_assert_eq(mm_handle_fault(g_mm, (u64)at, PLATFORM_READ), MM_FAULT_ACCERR);
    cr_assert_eq(mm_mprotect(g_mm, (u64)at, 8ull << 30, RW, false), 0);
    cr_assert_eq(g_mm->pmas.count, 0);
    cr_assert_eq(fake_write(g_mm, (u64)at + (1ull << 30), 42), MM_FAULT_OK);
    cr_assert_eq(fake_read(g_mm, (u64)at + (1ull << 30)), 42);
    cr_assert_leq(memory_file_used(MF_ANON), 64ull << 20);
}

Test(mm_space, neighbours_merge)
{
    s64 first = map(g_mm, 0, PAGE_SIZE, RW, false);

    for (int i = 0; i < 100; i++)
        cr_assert_gt(map(g_mm, 0, PAGE_SIZE, RW, false), 0);
    cr_assert_eq(g_mm->vmas.count, 1);
    cr_assert_eq(g_mm->pmas.count, 1);
    cr_assert_eq(mm_mprotect(g_mm, (u64)first - PAGE_SIZE, PAGE_SIZE, LINUX_PROT_READ, false), 0);
    cr_assert_eq(g_mm->vmas.count, 3);
    cr_assert_eq(fake_write(g_mm, (u64)first - PAGE_SIZE, 1), MM_FAULT_ACCERR);
    cr_assert_eq(mm_mprotect(g_mm, (u64)first - PAGE_SIZE, PAGE_SIZE, RW, false), 0);
    cr_assert_eq(g_mm->vmas.count, 1);
    cr_assert_eq(g_mm->pmas.count, 1);
}

Test(mm_space, fixed_replaces)
{
    u64 at = 0x10000000;

    cr_assert_eq(map(g_mm, at, 8 * PAGE_SIZE, RW, true), (s64)at);
    fake_write(g_mm, at, 1);
    fake_write(g_mm, at + 4 * PAGE_SIZE, 2);
    cr_assert_eq(map(g_mm, at + 2 * PAGE_SIZE, 3 * PAGE_SIZE, RW, true), (s64)(at + 2 * PAGE_SIZE));
    cr_assert_eq(fake_read(g_mm, at), 1);
    cr_assert_eq(fake_read(g_mm, at + 4 * PAGE_SIZE), 0);
    struct mmap_args a = {.addr = at,
                          .len = PAGE_SIZE,
                          .prot = RW,
                          .max_prot = RWX,
                          .fixed = true,
                          .noreplace = true};
    cr_assert_eq(mm_mmap(g_mm, &a), -EEXIST);
}

Test(mm_space, unknown_access)
{
    u64 at = (u64)map(g_mm, 0, 4 * PAGE_SIZE, LINUX_PROT_READ, false), v = 1;

    cr_assert_eq(fake_access(g_mm, at, &v, 8, false, true), MM_FAULT_OK);
    cr_assert_eq(fake_access(g_mm, at, &v, 8, true, true), MM_FAULT_ACCERR);
    cr_assert_eq(mm_mprotect(g_mm, at, 4 * PAGE_SIZE, RW, false), 0);
    cr_assert_eq(fake_access(g_mm, at, &v, 8, true, true), MM_FAULT_OK);
    cr_assert_eq(mm_mprotect(g_mm, at, 4 * PAGE_SIZE, 0, false), 0);
    cr_assert_eq(fake_access(g_mm, at, &v, 8, false, true), MM_FAULT_ACCERR);
}

Test(mm_space, stack_grows)
{
    u64 top = 0x40000000;
    struct mmap_args a = {.addr = top - PAGE_SIZE,
                          .len = PAGE_SIZE,
                          .prot = RW,
                          .max_prot = RWX,
                          .fixed = true,
                          .vma_flags = VMA_GROWSDOWN | VMA_STACK};

    cr_assert_eq(mm_mmap(g_mm, &a), (s64)(top - PAGE_SIZE));
    cr_assert_eq(fake_write(g_mm, top - 200 * PAGE_SIZE, 5), MM_FAULT_OK);
    cr_assert_eq(fake_read(g_mm, top - 200 * PAGE_SIZE), 5);
    /* Another mapping below keeps its distance. */
    map(g_mm, top - (8ull << 20), PAGE_SIZE, RW, true);
    cr_assert_eq(mm_handle_fault(g_mm, top - (8ull << 20) + 2 * PAGE_SIZE, PLATFORM_WRITE),
                 MM_FAULT_MAPERR);
}

/* ---- fork -------------------------------------------------------------------------------------- */

Test(mm_space, fork_copies_on_write)
{
    u64 at = (u64)map(g_mm, 0, 64 * PAGE_SIZE, RW, false), used;
    struct mm *child;

    for (u64 i = 0; i < 64; i++)
        fake_write(g_mm, at + i * PAGE_SIZE, i);
    used = memory_file_used(MF_ANON);
    cr_assert_eq(mm_fork(g_mm, &child), 0);
    cr_assert_eq(memory_file_used(MF_ANON), used, "a fork copies nothing");
    cr_assert_eq(child->as->applies, 1);
    for (u64 i = 0; i < 64; i++)
        cr_assert_eq(fake_read(child, at + i * PAGE_SIZE), i);
    cr_assert_eq(fake_write(child, at + 3 * PAGE_SIZE, 1003), MM_FAULT_OK);
    cr_assert_eq(fake_write(g_mm, at + 40 * PAGE_SIZE, 2040), MM_FAULT_OK);
    cr_assert_eq(fake_read(g_mm, at + 3 * PAGE_SIZE), 3);
    cr_assert_eq(fake_read(child, at + 3 * PAGE_SIZE), 1003);
    cr_assert_eq(fake_read(child, at + 40 * PAGE_SIZE), 40);
    cr_assert_leq(memory_file_used(MF_ANON), used + (128ull << 10));
    mm_drop(child);
    /* Alone again: no copy, and everything becomes writable at once. */
    used = memory_file_used(MF_ANON);
    cr_assert_eq(fake_write(g_mm, at + 10 * PAGE_SIZE, 1), MM_FAULT_OK);
    cr_assert_eq(memory_file_used(MF_ANON), used);
}

Test(mm_space, fork_flags)
{
    u64 a = (u64)map(g_mm, 0, PAGE_SIZE, RW, false), b = (u64)map(g_mm, 0, PAGE_SIZE, RW, false);
    struct mm *child;

    fake_write(g_mm, a, 1);
    fake_write(g_mm, b, 2);
    cr_assert_eq(mm_madvise(g_mm, a, PAGE_SIZE, LINUX_MADV_DONTFORK), 0);
    cr_assert_eq(mm_madvise(g_mm, b, PAGE_SIZE, LINUX_MADV_WIPEONFORK), 0);
    cr_assert_eq(mm_fork(g_mm, &child), 0);
    cr_assert_eq(mm_handle_fault(child, a, PLATFORM_READ), MM_FAULT_MAPERR);
    cr_assert_eq(fake_read(child, b), 0);
    cr_assert_eq(fake_read(g_mm, b), 2);
    mm_drop(child);
}

Test(mm_space, sentry_writes_break_cow)
{
    u64 at = (u64)map(g_mm, 0, 4 * PAGE_SIZE, RW, false), v = 9;
    struct mm *child;

    fake_write(g_mm, at, 1);
    cr_assert_eq(mm_fork(g_mm, &child), 0);
    cr_assert_eq(mm_copy_out(child, at, &v, 8, false), 8);
    cr_assert_eq(fake_read(g_mm, at), 1);
    cr_assert_eq(fake_read(child, at), 9);
    mm_drop(child);
}

/* ---- files ------------------------------------------------------------------------------------- */

Test(mm_space, private_file)
{
    struct fake_file f;
    u64 at;

    fake_file_init(&f, 32 * PAGE_SIZE);
    at = (u64)map_file(&f, 0, 64 * PAGE_SIZE, RW, false);
    cr_assert_eq(fake_read(g_mm, at + 5 * PAGE_SIZE), 1005);
    cr_assert_eq(fake_write(g_mm, at + 5 * PAGE_SIZE, 1), MM_FAULT_OK);
    cr_assert_eq(*(u64 *)memory_file_ptr(f.off + 5 * PAGE_SIZE), 1005);
    cr_assert_eq(f.writes, 0);
    cr_assert_eq(mm_handle_fault(g_mm, at + 40 * PAGE_SIZE, PLATFORM_READ), MM_FAULT_BUS);
    /* Dropped copies show the file again. */
    cr_assert_eq(mm_madvise(g_mm, at, 64 * PAGE_SIZE, LINUX_MADV_DONTNEED), 0);
    cr_assert_eq(fake_read(g_mm, at + 5 * PAGE_SIZE), 1005);
    mm_munmap(g_mm, at, 64 * PAGE_SIZE);
    cr_assert_eq(f.m.maps.count, 0);
    memory_file_put(f.off, f.len);
}

Test(mm_space, shared_file_and_truncation)
{
    struct fake_file f;
    u64 at, priv;

    fake_file_init(&f, 32 * PAGE_SIZE);
    at = (u64)map_file(&f, PAGE_SIZE, 31 * PAGE_SIZE, RW, true);
    priv = (u64)map_file(&f, 0, 32 * PAGE_SIZE, RW, false);
    cr_assert(mappable_has_writable(&f.m));
    cr_assert_eq(fake_write(g_mm, at, 77), MM_FAULT_OK);
    cr_assert_eq(*(u64 *)memory_file_ptr(f.off + PAGE_SIZE), 77);
    cr_assert_gt(f.writes, 0);
    fake_write(g_mm, priv + 20 * PAGE_SIZE, 1);
    f.size = 16 * PAGE_SIZE;
    mappable_invalidate(&f.m, f.size, ~0ull, true);
    cr_assert_eq(fake_read(g_mm, at + 14 * PAGE_SIZE), 1015);
    cr_assert_eq(mm_handle_fault(g_mm, at + 15 * PAGE_SIZE, PLATFORM_READ), MM_FAULT_BUS);
    cr_assert_eq(mm_handle_fault(g_mm, priv + 20 * PAGE_SIZE, PLATFORM_READ), MM_FAULT_BUS);
    mm_munmap(g_mm, at, 31 * PAGE_SIZE);
    cr_assert(!mappable_has_writable(&f.m));
    mm_munmap(g_mm, priv, 32 * PAGE_SIZE);
    memory_file_put(f.off, f.len);
}

Test(mm_space, invalidate_keeps_private_copies)
{
    struct fake_file f;
    struct mm *child;
    u64 at;

    fake_file_init(&f, 4 * PAGE_SIZE);
    at = (u64)map_file(&f, 0, 4 * PAGE_SIZE, RW, false);
    fake_write(g_mm, at, 5);
    cr_assert_eq(mm_fork(g_mm, &child), 0);
    mappable_invalidate(&f.m, 0, ~0ull, false);
    cr_assert_eq(fake_read(g_mm, at), 5);
    cr_assert_eq(fake_read(child, at), 5);
    mm_drop(child);
    mm_munmap(g_mm, at, 4 * PAGE_SIZE);
    memory_file_put(f.off, f.len);
}

/* ---- mremap, brk, madvise ----------------------------------------------------------------------- */

Test(mm_space, mremap)
{
    u64 at = 0x20000000, to;

    map(g_mm, at, 4 * PAGE_SIZE, RW, true);
    fake_write(g_mm, at + PAGE_SIZE, 11);
    cr_assert_eq(mm_mremap(g_mm, at, 4 * PAGE_SIZE, 8 * PAGE_SIZE, 0, 0), (s64)at);
    cr_assert_eq(g_mm->vmas.count, 1);
    map(g_mm, at + 8 * PAGE_SIZE, PAGE_SIZE, LINUX_PROT_READ, true);
    cr_assert_eq(mm_mremap(g_mm, at, 8 * PAGE_SIZE, 16 * PAGE_SIZE, 0, 0), -ENOMEM);
    to = (u64)mm_mremap(g_mm, at, 8 * PAGE_SIZE, 16 * PAGE_SIZE, LINUX_MREMAP_MAYMOVE, 0);
    cr_assert_neq(to, at);
    cr_assert_eq(fake_read(g_mm, to + PAGE_SIZE), 11);
    cr_assert_eq(fake_read(g_mm, to + 15 * PAGE_SIZE), 0);
    cr_assert_eq(mm_handle_fault(g_mm, at, PLATFORM_READ), MM_FAULT_MAPERR);
    cr_assert_eq(mm_mremap(g_mm, to, 16 * PAGE_SIZE, 2 * PAGE_SIZE, 0, 0), (s64)to);
    cr_assert_eq(mm_handle_fault(g_mm, to + 2 * PAGE_SIZE, PLATFORM_READ), MM_FAULT_MAPERR);
    cr_assert_eq(mm_mremap(g_mm, to, 2 * PAGE_SIZE, 2 * PAGE_SIZE,
                           LINUX_MREMAP_MAYMOVE | LINUX_MREMAP_FIXED, at),
                 (s64)at);
    cr_assert_eq(fake_read(g_mm, at + PAGE_SIZE), 11);
}

Test(mm_space, brk)
{
    g_mm->brk_start = g_mm->brk_end = 0x30000000;
    cr_assert_eq(mm_brk(g_mm, 0), 0x30000000);
    for (u64 i = 1; i <= 100; i++)
        cr_assert_eq(mm_brk(g_mm, 0x30000000 + i * 5000), 0x30000000 + i * 5000);
    cr_assert_eq(g_mm->vmas.count, 1);
    cr_assert_eq(g_mm->pmas.count, 1);
    cr_assert_eq(fake_write(g_mm, 0x30000000 + 400000, 3), MM_FAULT_OK);
    cr_assert_eq(mm_brk(g_mm, 0x30000000), 0x30000000);
    cr_assert_eq(g_mm->vmas.count, 0);
}

Test(mm_space, dontneed_zeroes)
{
    u64 at = (u64)map(g_mm, 0, 64 * PAGE_SIZE, RW, false), applies;

    for (u64 i = 0; i < 64; i++)
        fake_write(g_mm, at + i * PAGE_SIZE, 1);
    applies = g_mm->as->applies;
    cr_assert_eq(mm_madvise(g_mm, at + PAGE_SIZE, 62 * PAGE_SIZE, LINUX_MADV_DONTNEED), 0);
    cr_assert_eq(g_mm->as->applies, applies, "exclusive memory is emptied in place");
    cr_assert_eq(fake_read(g_mm, at), 1);
    cr_assert_eq(fake_read(g_mm, at + PAGE_SIZE), 0);
    cr_assert_eq(fake_read(g_mm, at + 62 * PAGE_SIZE), 0);
    cr_assert_eq(fake_read(g_mm, at + 63 * PAGE_SIZE), 1);
    cr_assert_eq(g_mm->pmas.count, 1);
    cr_assert_eq(mm_madvise(g_mm, at - PAGE_SIZE, 2 * PAGE_SIZE, LINUX_MADV_DONTNEED), -ENOMEM);
    cr_assert_eq(mm_madvise(g_mm, at, PAGE_SIZE, 12345), -EINVAL);
}

/* ---- the sentry's accesses ----------------------------------------------------------------------- */

Test(mm_space, copies_honour_protection)
{
    u64 at = (u64)map(g_mm, 0, 2 * PAGE_SIZE, RW, false);
    char buf[PAGE_SIZE];

    cr_assert_eq(mm_mprotect(g_mm, at + PAGE_SIZE, PAGE_SIZE, LINUX_PROT_READ, false), 0);
    cr_assert_eq(mm_copy_out(g_mm, at + PAGE_SIZE - 8, "0123456789abcdef", 16, false), 8);
    cr_assert_eq(mm_copy_out(g_mm, at + PAGE_SIZE, "x", 1, false), -EFAULT);
    cr_assert_eq(mm_copy_out(g_mm, at + PAGE_SIZE, "x", 1, true), 1);
    cr_assert_eq(mm_copy_in(g_mm, buf, at + PAGE_SIZE, 1, false), 1);
    cr_assert_eq(buf[0], 'x');
    cr_assert_eq(mm_mprotect(g_mm, at + PAGE_SIZE, PAGE_SIZE, LINUX_PROT_NONE, false), 0);
    cr_assert_eq(mm_copy_in(g_mm, buf, at + PAGE_SIZE, 1, false), -EFAULT);
    cr_assert_eq(mm_copy_in(g_mm, buf, at + PAGE_SIZE, 1, true), 1);
    cr_assert_eq(mm_copy_in(g_mm, buf, ~0ull - 4, 16, false), -EFAULT);
    cr_assert_eq(mm_copy_in(g_mm, buf, 0, 1, false), -EFAULT);
}

Test(mm_space, refused_map_is_mended)
{
    u64 at = 0x10000000;

    g_mm->as->fail_next = -ENOMEM;
    cr_assert_eq(map(g_mm, at, PAGE_SIZE, RW, true), (s64)at);
    cr_assert_eq(fake_write(g_mm, at, 6), MM_FAULT_OK);
    cr_assert_eq(fake_read(g_mm, at), 6);
}

/* ---- against a model ------------------------------------------------------------------------------ */

#define MODEL_PAGES 256

Test(mm_space, random_operations, .timeout = 60)
{
    u64 base = 0x10000000;
    u64 value[MODEL_PAGES];
    u8 prot[MODEL_PAGES]; /* 0xff = not mapped */
    struct mm *child = NULL;

    memset(prot, 0xff, sizeof(prot));
    srand(1);
    for (int i = 0; i < 30000; i++) {
        u64 p = (u64)rand() % MODEL_PAGES, n = 1 + (u64)rand() % 32;
        u64 at = base + p * PAGE_SIZE;
        u32 pr = (u32[]){0, LINUX_PROT_READ, RW}[rand() % 3];
        bool whole = true;

        n = MIN(n, MODEL_PAGES - p);
        for (u64 k = p; k < p + n; k++)
            whole &= prot[k] != 0xff;
        switch (rand() % 8) {
        case 0:
            cr_assert_eq(map(g_mm, at, n * PAGE_SIZE, pr, true), (s64)at);
            for (u64 k = p; k < p + n; k++) {
                prot[k] = (u8)pr;
                value[k] = 0;
            }
            break;
        case 1:
            cr_assert_eq(mm_munmap(g_mm, at, n * PAGE_SIZE), 0);
            memset(prot + p, 0xff, n);
            break;
        case 2:
            cr_assert_eq(mm_mprotect(g_mm, at, n * PAGE_SIZE, pr, false), whole ? 0 : -ENOMEM);
            for (u64 k = p; k < p + n && prot[k] != 0xff; k++)
                prot[k] = (u8)pr;
            break;
        case 3:
            cr_assert_eq(mm_madvise(g_mm, at, n * PAGE_SIZE, LINUX_MADV_DONTNEED),
                         whole ? 0 : -ENOMEM);
            for (u64 k = p; k < p + n; k++)
                value[k] = 0;
            break;
        case 4:
            if (child)
                mm_drop(child);
            child = NULL;
            if (rand() % 4)
                cr_assert_eq(mm_fork(g_mm, &child), 0);
            break;
        case 5: {
            enum mm_fault r = fake_write(g_mm, at, (u64)i);

            cr_assert_eq(r, prot[p] == 0xff ? MM_FAULT_MAPERR
                            : prot[p] == RW ? MM_FAULT_OK
                                            : MM_FAULT_ACCERR);
            if (r == MM_FAULT_OK)
                value[p] = (u64)i;
            break;
        }
        case 6:
            if (child && prot[p] == RW)
                fake_access(child, at, &(u64){1ull << 40}, 8, true, true);
            break;
        default: {
            u64 v = 0;
            ssize_t r = mm_copy_in(g_mm, &v, at, 8, false);

            cr_assert_eq(r, prot[p] == 0xff || !prot[p] ? -EFAULT : 8);
            if (r == 8)
                cr_assert_eq(v, value[p], "step %d page %d", i, (int)p);
        }
        }
    }
    if (child)
        mm_drop(child);
}
