/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of ELF64 headers. */
#include "sentry/loader/elf_parse.h"

#include "abi/linux/elf.h"
#include "abi/linux/limits.h"
#include "abi/linux/mman.h"
#include "cvisor/compiler.h"

#include <errno.h>
#include <string.h>

#define ALIGN_MAX (1ull << 30)

int elf_parse_header(const u8 *buf, size_t n, struct elf_header *out)
{
    struct linux_elf64_ehdr eh;

    if (n < sizeof(eh))
        return -ENOEXEC;
    memcpy(&eh, buf, sizeof(eh));
    if (memcmp(eh.e_ident, LINUX_ELFMAG, LINUX_SELFMAG) != 0 ||
        eh.e_ident[LINUX_EI_CLASS] != LINUX_ELFCLASS64 ||
        eh.e_ident[LINUX_EI_DATA] != LINUX_ELFDATA2LSB)
        return -ENOEXEC;
    if (eh.e_type != LINUX_ET_EXEC && eh.e_type != LINUX_ET_DYN)
        return -ENOEXEC;
    if (eh.e_machine != LINUX_EM_X86_64 || eh.e_phentsize != ELF_PHDR_SIZE)
        return -ENOEXEC;
    if (!eh.e_phnum || eh.e_phnum > ELF_PHDRS_MAX ||
        eh.e_phoff > (u64)INT64_MAX - ELF_PHDRS_MAX * ELF_PHDR_SIZE)
        return -ENOEXEC;
    out->dyn = eh.e_type == LINUX_ET_DYN;
    out->entry = eh.e_entry;
    out->phoff = eh.e_phoff;
    out->phnum = eh.e_phnum;
    return 0;
}

static u32 segment_prot(u32 flags)
{
    return (flags & LINUX_PF_R ? LINUX_PROT_READ : 0) |
           (flags & LINUX_PF_W ? LINUX_PROT_WRITE : 0) | (flags & LINUX_PF_X ? LINUX_PROT_EXEC : 0);
}

static int add_segment(struct elf_image *im, const struct linux_elf64_phdr *ph)
{
    struct elf_segment *s;

    if (!ph->p_memsz)
        return 0;
    if (im->nsegs == ELF_SEGMENTS_MAX || ph->p_filesz > ph->p_memsz)
        return -ENOEXEC;
    if (ph->p_memsz > LINUX_TASK_SIZE || ph->p_vaddr > LINUX_TASK_SIZE - ph->p_memsz)
        return -ENOEXEC;
    if (ph->p_filesz && (ph->p_offset > (u64)INT64_MAX - ph->p_filesz - PAGE_SIZE ||
                         (ph->p_offset - ph->p_vaddr) % PAGE_SIZE != 0))
        return -ENOEXEC;
    if (im->nsegs && ph->p_vaddr < im->segs[im->nsegs - 1].vaddr)
        return -ENOEXEC;
    /* Not a power of two: ignored, as Linux does. */
    if (ph->p_align > im->align && ph->p_align <= ALIGN_MAX && !(ph->p_align & (ph->p_align - 1)))
        im->align = ph->p_align;
    s = &im->segs[im->nsegs++];
    s->vaddr = ph->p_vaddr;
    s->memsz = ph->p_memsz;
    s->offset = ph->p_filesz ? ph->p_offset : 0;
    s->filesz = ph->p_filesz;
    s->prot = segment_prot(ph->p_flags);
    im->lo = MIN(im->lo, PAGE_DOWN(s->vaddr));
    im->hi = MAX(im->hi, PAGE_UP(s->vaddr + s->memsz));
    return 0;
}

/* The address of the program headers: in the segment that holds their file offset. */
static void find_phdrs(struct elf_image *im)
{
    u64 size = (u64)im->hdr.phnum * ELF_PHDR_SIZE;

    for (u32 i = 0; i < im->nsegs; i++) {
        const struct elf_segment *s = &im->segs[i];

        if (im->hdr.phoff >= s->offset && s->filesz >= size &&
            im->hdr.phoff - s->offset <= s->filesz - size) {
            im->phdr_vaddr = s->vaddr + (im->hdr.phoff - s->offset);
            return;
        }
    }
}

int elf_parse_segments(const struct elf_header *hdr, const u8 *phdrs, struct elf_image *im)
{
    int err;

    memset(im, 0, sizeof(*im));
    im->hdr = *hdr;
    im->lo = ~0ull;
    im->align = PAGE_SIZE;
    for (u32 i = 0; i < hdr->phnum; i++) {
        struct linux_elf64_phdr ph;

        memcpy(&ph, phdrs + (size_t)i * ELF_PHDR_SIZE, sizeof(ph));
        switch (ph.p_type) {
        case LINUX_PT_LOAD:
            err = add_segment(im, &ph);
            if (err)
                return err;
            break;
        case LINUX_PT_INTERP:
            if (im->interp_len)
                break; /* the first one counts */
            if (ph.p_filesz < 2 || ph.p_filesz > LINUX_PATH_MAX || ph.p_offset > INT64_MAX / 2)
                return -ENOEXEC;
            im->interp_off = ph.p_offset;
            im->interp_len = ph.p_filesz;
            break;
        case LINUX_PT_GNU_STACK:
            im->exec_stack = (ph.p_flags & LINUX_PF_X) != 0;
            break;
        default:
            break;
        }
    }
    if (!im->nsegs)
        return -ENOEXEC;
    find_phdrs(im);
    return 0;
}
