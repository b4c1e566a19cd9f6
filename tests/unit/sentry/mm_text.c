/* SPDX-License-Identifier: Apache-2.0 */
/* Which pages of text the platform is given to patch, and that it is told of everything that changes them. */
#include <criterion/criterion.h>
#include <errno.h>

#include "fake_platform.h"
#include "sentry/mm/uaccess.h"
#include "sentry/vfs/vfs.h"

#define R LINUX_PROT_READ
#define RX (R | LINUX_PROT_EXEC)
#define RWX (RX | LINUX_PROT_WRITE)
#define AT (PAGE_SIZE + 256) /* of the call site, in the mapping */

static struct mm *g_mm;
static struct file g_file; /* never opened: vmas refer to it */

/* ---- the platform's side ------------------------------------------------------------------------ */

static struct platform_ops g_ops;
static u64 g_patched;        /* the page, or 0 */
static u8 g_text[PAGE_SIZE]; /* what it was made of */

static int note_apply(struct platform_as *as, const struct platform_mapop *ops, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (as == g_mm->as && g_patched >= ops[i].addr && g_patched < ops[i].addr + ops[i].len)
            g_patched = 0;
    return fake_as_apply(as, ops, n);
}

static int note_patch(struct platform_as *as, u64 ip, const void *text, u32 prot)
{
    cr_assert_eq(prot, PLATFORM_READ | PLATFORM_EXEC);
    g_patched = PAGE_DOWN(ip);
    memcpy(g_text, text, PAGE_SIZE);
    return 0;
}

/* ---- a file ---------------------------------------------------------------------------------------- */

struct text_file {
    struct mappable m;
    u64 off, size;
};

static int translate(struct mappable *m, u64 required, u64 start, u64 end, u32 access,
                     struct translation *out)
{
    struct text_file *f = container_of(m, struct text_file, m);

    if (required >= f->size)
        return -EFAULT;
    *out = (struct translation){.start = start,
                                .end = MIN(end, f->size),
                                .backing = g_memfile,
                                .off = f->off + start,
                                .prot = PLATFORM_READ | PLATFORM_WRITE | PLATFORM_EXEC};
    memory_file_get(out->off, out->end - out->start);
    return 0;
}

static const struct mappable_ops text_ops = {.translate = translate};
static struct text_file g_text_file;

static void setup(void)
{
    static const u8 site[] = {0xb8, 39, 0, 0, 0, 0x0f, 0x05, 0xc3};
    s64 off;

    fake_platform_init(8ull << 30);
    g_ops = fake_platform;
    g_ops.as_apply = note_apply;
    g_ops.as_patch = note_patch;
    g_platform = &g_ops;
    cr_assert_eq(mm_create(&g_mm), 0);
    ref_init(&g_file.refs);
    off = memory_file_alloc(4 * PAGE_SIZE, PAGE_SIZE, MF_PAGECACHE, ~0ull);
    cr_assert_geq(off, 0);
    g_text_file.off = (u64)off;
    g_text_file.size = 4 * PAGE_SIZE;
    mappable_init(&g_text_file.m, &text_ops);
    memset(memory_file_ptr((u64)off), 0xcc, 4 * PAGE_SIZE);
    memcpy((u8 *)memory_file_ptr((u64)off) + AT, site, sizeof(site));
    g_patched = 0;
}

static void teardown(void)
{
    mm_drop(g_mm);
}

TestSuite(mm_text, .init = setup, .fini = teardown);

static u64 map(u64 addr, u32 prot, u32 flags, bool file)
{
    struct mmap_args a = {.addr = addr,
                          .fixed = addr != 0,
                          .len = 4 * PAGE_SIZE,
                          .prot = prot,
                          .max_prot = RWX,
                          .vma_flags = flags,
                          .mappable = file ? &g_text_file.m : NULL,
                          .file = file ? &g_file : NULL};
    s64 at = mm_mmap(g_mm, &a);

    cr_assert_gt(at, 0);
    return (u64)at;
}

static int patch(u64 base)
{
    return mm_patch_text(g_mm, base + AT + 7);
}

/* Fresh private text, patched. */
static u64 map_patched(void)
{
    u64 at = map(0, RX, 0, true);

    cr_assert_eq(patch(at), 0);
    cr_assert_eq(g_patched, at + PAGE_SIZE);
    return at;
}

/* ---- what is patched ---------------------------------------------------------------------------------- */

Test(mm_text, private_text_of_a_file)
{
    map_patched();
    cr_assert_eq(memcmp(g_text, (u8 *)memory_file_ptr(g_text_file.off) + PAGE_SIZE, PAGE_SIZE), 0);
}

Test(mm_text, nothing_else)
{
    u64 at = map(0, RX, 0, false);

    cr_assert_eq(patch(at), -EACCES, "anonymous");
    at = map(0, RWX, 0, true);
    cr_assert_eq(patch(at), -EACCES, "writable");
    cr_assert_eq(mm_munmap(g_mm, at, 4 * PAGE_SIZE), 0);
    at = map(0, R, 0, true);
    cr_assert_eq(patch(at), -EACCES, "not executable");
    cr_assert_eq(mm_munmap(g_mm, at, 4 * PAGE_SIZE), 0);
    cr_assert_eq(patch(at), -EACCES, "not mapped");
    at = map(0, RX, VMA_SHARED, true);
    cr_assert_eq(patch(at), -EACCES, "shared");
    /* It may become writable, so the private one is not safe either. */
    cr_assert_eq(patch(map(0, RX, 0, true)), -EACCES, "somebody may write to the file");
    cr_assert_eq(mm_munmap(g_mm, at, 4 * PAGE_SIZE), 0);
    map_patched();
}

Test(mm_text, places)
{
    u64 at = map(0, RX, 0, true);

    cr_assert_eq(mm_patch_text(g_mm, at + AT + 8), -ENOENT, "no system call");
    for (u64 ip = at + PAGE_SIZE - 6; ip < at + PAGE_SIZE + 9; ip++)
        cr_assert_eq(mm_patch_text(g_mm, ip), ip == at + PAGE_SIZE + 1 ? -ERANGE : -ENOENT,
                     "only an instruction in two pages is none");
    cr_assert_lt(mm_patch_text(g_mm, 0), 0);
    cr_assert_lt(mm_patch_text(g_mm, ~0ull), 0);
    cr_assert_lt(mm_patch_text(g_mm, g_mm->vm_end), 0);
    cr_assert_eq(g_patched, 0);
}

Test(mm_text, private_copies_are_not_patched)
{
    u64 at = map(0, RX, 0, true);
    u8 nr = 102;

    cr_assert_eq(mm_copy_out(g_mm, at + AT + 1, &nr, 1, true), 1);
    cr_assert_eq(patch(at), -EACCES);
    /* Another mapping has the file's bytes. */
    map_patched();
    cr_assert_eq(g_text[AT - PAGE_SIZE + 1], 39);
}

/* ---- what takes the copy back --------------------------------------------------------------------------- */

Test(mm_text, unmapping)
{
    u64 at = map_patched();

    cr_assert_eq(mm_munmap(g_mm, at + PAGE_SIZE, PAGE_SIZE), 0);
    cr_assert_eq(g_patched, 0);
    at = map_patched();
    map(at, RX, 0, false);
    cr_assert_eq(g_patched, 0);
    at = map_patched();
    cr_assert_gt(mm_mremap(g_mm, at, 4 * PAGE_SIZE, 4 * PAGE_SIZE,
                           LINUX_MREMAP_MAYMOVE | LINUX_MREMAP_FIXED, 0x40000000),
                 0);
    cr_assert_eq(g_patched, 0);
    at = map_patched();
    cr_assert_eq(mm_madvise(g_mm, at, 4 * PAGE_SIZE, LINUX_MADV_DONTNEED), 0);
    cr_assert_eq(g_patched, 0);
}

Test(mm_text, protection)
{
    static const u32 prots[] = {LINUX_PROT_NONE, R, R | LINUX_PROT_WRITE, RWX};
    u64 at = map_patched();

    cr_assert_eq(mm_mprotect(g_mm, at, 4 * PAGE_SIZE, RX, false), 0);
    cr_assert_neq(g_patched, 0, "nothing has changed");
    for (size_t i = 0; i < ARRAY_SIZE(prots); i++) {
        cr_assert_eq(mm_mprotect(g_mm, at + PAGE_SIZE, PAGE_SIZE, prots[i], false), 0);
        cr_assert_eq(g_patched, 0, "protection %u", prots[i]);
        cr_assert_eq(mm_mprotect(g_mm, at + PAGE_SIZE, PAGE_SIZE, RX, false), 0);
        cr_assert_eq(patch(at), 0);
    }
}

Test(mm_text, writing)
{
    u64 at = map_patched(), w;
    u8 nr = 102;

    cr_assert_eq(mm_copy_out(g_mm, at + AT + 1, &nr, 1, false), -EFAULT);
    cr_assert_neq(g_patched, 0);
    cr_assert_eq(mm_copy_out(g_mm, at + AT + 1, &nr, 1, true), 1);
    cr_assert_eq(g_patched, 0);
    map_patched();
    mappable_changed(&g_text_file.m, AT, AT + 1);
    cr_assert_eq(g_patched, 0);
    map_patched();
    mappable_changed(&g_text_file.m, 0, PAGE_SIZE);
    cr_assert_neq(g_patched, 0, "another page of the file");
    mappable_changed(&g_text_file.m, AT, ~0ull);
    cr_assert_eq(g_patched, 0);
    map_patched();
    w = map(0, R, VMA_SHARED, true);
    cr_assert_eq(g_patched, 0, "a shared mapping that may write");
    cr_assert_eq(mm_munmap(g_mm, w, 4 * PAGE_SIZE), 0);
}

/* A page that only the mapping holds any more is taken over in place by a write. */
Test(mm_text, taking_over_in_place)
{
    u64 at = map_patched();
    u8 nr = 102;

    memory_file_put(g_text_file.off, 4 * PAGE_SIZE);
    cr_assert_eq(mm_copy_out(g_mm, at + AT + 1, &nr, 1, true), 1);
    cr_assert_eq(g_patched, 0);
    cr_assert_eq(patch(at), -EACCES);
    g_text_file.size = 0;
}

Test(mm_text, fork)
{
    u64 at = map_patched();
    struct mm *child, *parent = g_mm;

    cr_assert_eq(mm_fork(g_mm, &child), 0);
    cr_assert_neq(g_patched, 0, "the parent's stays");
    g_mm = child;
    g_patched = 0;
    cr_assert_eq(patch(at), 0);
    cr_assert_eq(g_patched, at + PAGE_SIZE);
    g_mm = parent;
    mm_drop(child);
}
