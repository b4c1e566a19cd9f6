/* SPDX-License-Identifier: Apache-2.0 */
/* Placing an ELF image into a new address space. */
#include "abi/linux/elf.h"
#include "abi/linux/mman.h"
#include "cvisor/compiler.h"
#include "cvisor/kcache.h"
#include "sentry/loader/loader_internal.h"
#include "sentry/mm/mm.h"
#include "sentry/mm/uaccess.h"
#include "sentry/vfs/vfs.h"

#include <errno.h>

#define PROT_RWX (LINUX_PROT_READ | LINUX_PROT_WRITE | LINUX_PROT_EXEC)
#define DYN_RANDOM ((1ull << 40) - PAGE_SIZE)
#define BRK_RANDOM ((1ull << 25) - PAGE_SIZE)

static const u8 g_zeros[PAGE_SIZE];

int elf_read(struct file *f, const u8 *head, size_t n, struct elf_image *out)
{
    struct elf_header hdr;
    size_t size;
    u8 *phdrs __kfree = NULL;
    ssize_t got;
    int err = elf_parse_header(head, n, &hdr);

    if (err)
        return err;
    size = (size_t)hdr.phnum * ELF_PHDR_SIZE;
    phdrs = kmalloc(size);
    if (!phdrs)
        return -ENOMEM;
    got = file_pread_kernel(f, phdrs, size, hdr.phoff);
    if (got != (ssize_t)size)
        return got < 0 ? (int)got : -ENOEXEC;
    return elf_parse_segments(&hdr, phdrs, out);
}

static int map_anon(struct mm *mm, u64 start, u64 end, u32 prot)
{
    struct mmap_args a = {
        .addr = start, .len = end - start, .fixed = true, .prot = prot, .max_prot = PROT_RWX};
    s64 at = start < end ? mm_mmap(mm, &a) : 0;

    return at < 0 ? (int)at : 0;
}

static int map_file_part(struct mm *mm, struct file *f, const struct elf_segment *s, u64 bias)
{
    u64 skew = s->vaddr & ~PAGE_MASK;
    struct mmap_args a = {.addr = bias + s->vaddr - skew,
                          .len = PAGE_UP(s->filesz + skew),
                          .fixed = true,
                          .prot = s->prot,
                          .max_prot = PROT_RWX,
                          .file = f,
                          .off = s->offset - skew};
    s64 at;
    int err;

    if (!f->ops->mmap)
        return -ENOEXEC;
    err = f->ops->mmap(f, &a);
    if (err)
        return err;
    at = mm_mmap(mm, &a);
    return at < 0 ? (int)at : 0;
}

static int map_segment(struct mm *mm, struct file *f, const struct elf_segment *s, u64 bias)
{
    u64 start = bias + s->vaddr, file_end = start + s->filesz, end = start + s->memsz;
    int err = 0;

    if (s->filesz)
        err = map_file_part(mm, f, s, bias);
    else
        file_end = PAGE_DOWN(start);
    if (err || s->memsz == s->filesz)
        return err;
    /* The rest of the last file page belongs to the bss; bytes of a read-only one stay as they are
     * when they can't be cleared. */
    if (s->filesz && (file_end & ~PAGE_MASK)) {
        size_t n = PAGE_UP(file_end) - file_end;

        if (mm_copy_out(mm, file_end, g_zeros, n, false) != (ssize_t)n &&
            (s->prot & LINUX_PROT_WRITE))
            return -EFAULT;
    }
    return map_anon(mm, PAGE_UP(file_end), PAGE_UP(end), s->prot);
}

/* A free place of len bytes: where mmap would put it. */
static s64 find_place(struct mm *mm, u64 hint, u64 len)
{
    struct mmap_args a = {.addr = hint, .len = len, .max_prot = PROT_RWX};
    s64 at = mm_mmap(mm, &a);
    int err = at < 0 ? 0 : mm_munmap(mm, (u64)at, len);

    return err ? err : at;
}

static int choose_bias(struct task *t, struct mm *mm, const struct elf_image *im, bool interp,
                       u64 *bias)
{
    u64 lo = im->lo & ~(im->align - 1), span = im->hi - lo, room = mm->vm_end - mm->vm_start, at;
    s64 place;

    *bias = 0;
    if (!im->hdr.dyn)
        return im->lo < mm->vm_start || im->hi > mm->vm_end ? -ENOMEM : 0;
    if (!interp && im->interp_len) {
        /* Two thirds up, as Linux does: far from the mmap area and with room for the heap. */
        at = PAGE_DOWN(mm->vm_start + room / 3 * 2) + loader_random(t, MIN(DYN_RANDOM, room / 64));
        at &= ~(im->align - 1);
        place = find_place(mm, at, span);
        if (place == (s64)at) {
            *bias = at - lo;
            return 0;
        }
    }
    place = find_place(mm, 0, span + im->align - PAGE_SIZE);
    if (place < 0)
        return (int)place;
    *bias = (((u64)place + im->align - 1) & ~(im->align - 1)) - lo;
    return 0;
}

static void set_layout(struct task *t, struct mm *mm, const struct elf_image *im, u64 bias)
{
    u64 room = mm->vm_end - mm->vm_start, code_lo = ~0ull, code_hi = 0, data_lo = 0, data_hi = 0;

    for (u32 i = 0; i < im->nsegs; i++) {
        const struct elf_segment *s = &im->segs[i];

        if (s->prot & LINUX_PROT_EXEC) {
            code_lo = MIN(code_lo, s->vaddr);
            code_hi = MAX(code_hi, s->vaddr + s->filesz);
        }
        data_lo = MAX(data_lo, s->vaddr);
        data_hi = MAX(data_hi, s->vaddr + s->filesz);
    }
    mm->start_code = code_hi ? bias + code_lo : bias + im->lo;
    mm->end_code = bias + code_hi;
    mm->start_data = bias + data_lo;
    mm->end_data = bias + data_hi;
    mm->brk_start = bias + im->hi;
    /* A position-independent program without an interpreter lies in the mmap area, which leaves no room
     * for a heap behind it. */
    if (im->hdr.dyn && !im->interp_len)
        mm->brk_start = PAGE_DOWN(mm->vm_start + room / 3 * 2);
    mm->brk_start += loader_random(t, BRK_RANDOM);
    mm->brk_end = mm->brk_start;
}

int elf_map(struct task *t, struct mm *mm, struct file *f, const struct elf_image *im, bool interp,
            struct elf_loaded *out)
{
    u64 bias;
    int err = choose_bias(t, mm, im, interp, &bias);

    for (u32 i = 0; !err && i < im->nsegs; i++)
        err = map_segment(mm, f, &im->segs[i], bias);
    if (err)
        return err;
    out->bias = bias;
    out->entry = bias + im->hdr.entry;
    out->phdr = im->phdr_vaddr ? bias + im->phdr_vaddr : 0;
    if (out->entry >= mm->vm_end)
        return -EINVAL;
    if (!interp)
        set_layout(t, mm, im, bias);
    return 0;
}
