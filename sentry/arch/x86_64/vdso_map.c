/* SPDX-License-Identifier: Apache-2.0 */
/* The vDSO's pages in the memory file, and mapping them into a new program. */
#include "abi/linux/mman.h"
#include "cvisor/compiler.h"
#include "sentry/arch/x86_64/vdso.h"
#include "sentry/arch/x86_64/vdso_internal.h"
#include "sentry/mm/mm.h"

#include <errno.h>
#include <string.h>

/* vdso/image.S */
extern const u8 g_vdso_image[], g_vdso_image_end[];

/* A page of parameters, then the image. Immutable after vdso_init, but for the parameters. */
static struct {
    struct mappable mappable;
    u64 off; /* in the memory file */
    u64 len; /* bytes, page-aligned */
} g_vdso;

static int vdso_translate(struct mappable *m, u64 required_start, u64 opt_start, u64 opt_end,
                          u32 access, struct translation *out)
{
    if (required_start >= g_vdso.len)
        return -EFAULT;
    out->start = opt_start;
    out->end = MIN(opt_end, g_vdso.len);
    out->backing = g_memfile;
    out->off = g_vdso.off + out->start;
    out->prot = PLATFORM_READ | PLATFORM_EXEC;
    memory_file_get(out->off, out->end - out->start);
    return 0;
}

static const struct mappable_ops g_vdso_ops = {.translate = vdso_translate};

int vdso_init(void)
{
    size_t image = (size_t)(g_vdso_image_end - g_vdso_image);
    int err;
    s64 off;

    g_vdso.len = PAGE_SIZE + PAGE_UP(image);
    off = memory_file_alloc(g_vdso.len, PAGE_SIZE, MF_SYSTEM, ~0ull);
    if (off < 0)
        return (int)off;
    g_vdso.off = (u64)off;
    mappable_init(&g_vdso.mappable, &g_vdso_ops);
    memcpy(memory_file_ptr(g_vdso.off + PAGE_SIZE), g_vdso_image, image);
    err = vdso_clock_init(memory_file_ptr(g_vdso.off));
    return err ? err : vdso_clock_start();
}

int vdso_map(struct mm *mm, u64 *base)
{
    struct mmap_args all = {.len = g_vdso.len};
    struct mmap_args params = {.len = PAGE_SIZE,
                               .fixed = true,
                               .prot = LINUX_PROT_READ,
                               .max_prot = LINUX_PROT_READ,
                               .vma_flags = VMA_DONTDUMP,
                               .mappable = &g_vdso.mappable,
                               .name = "[vvar]"};
    struct mmap_args image = {.len = g_vdso.len - PAGE_SIZE,
                              .fixed = true,
                              .prot = LINUX_PROT_READ | LINUX_PROT_EXEC,
                              .max_prot = LINUX_PROT_READ | LINUX_PROT_WRITE | LINUX_PROT_EXEC,
                              .mappable = &g_vdso.mappable,
                              .off = PAGE_SIZE,
                              .name = "[vdso]"};
    s64 at;

    *base = 0;
    if (!g_vdso.len)
        return 0;
    at = mm_mmap(mm, &all);
    if (at < 0)
        return (int)at;
    params.addr = (u64)at;
    image.addr = (u64)at + PAGE_SIZE;
    at = mm_mmap(mm, &params);
    if (at >= 0)
        at = mm_mmap(mm, &image);
    if (at < 0)
        return (int)at;
    *base = image.addr;
    return 0;
}
