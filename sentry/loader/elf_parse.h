/* SPDX-License-Identifier: Apache-2.0 */
/* ELF64 headers, checked. Pure functions of bytes: every field of an image is hostile. */
#ifndef SENTRY_LOADER_ELF_PARSE_H
#define SENTRY_LOADER_ELF_PARSE_H

#include "cvisor/types.h"

#define ELF_HEADER_SIZE 64u
#define ELF_PHDR_SIZE 56u
#define ELF_PHDRS_MAX (65536u / ELF_PHDR_SIZE) /* as Linux */
#define ELF_SEGMENTS_MAX 64u

struct elf_header {
    bool dyn; /* ET_DYN: position independent */
    u64 entry, phoff;
    u32 phnum; /* 1..ELF_PHDRS_MAX */
};

struct elf_segment {
    u64 vaddr, memsz;   /* vaddr + memsz does not overflow, inside user space */
    u64 offset, filesz; /* filesz <= memsz; offset is congruent to vaddr modulo the page size */
    u32 prot;           /* LINUX_PROT_* */
};

struct elf_image {
    struct elf_header hdr;
    u32 nsegs; /* at least 1; ascending vaddr */
    struct elf_segment segs[ELF_SEGMENTS_MAX];
    u64 lo, hi;                 /* page-aligned span of all segments */
    u64 align;                  /* of the whole image; power of two, >= PAGE_SIZE */
    u64 phdr_vaddr;             /* where the program headers are in memory, 0 = nowhere */
    u64 interp_off, interp_len; /* PT_INTERP with its NUL; len 0 = none */
    bool exec_stack;
};

/* From the first n bytes of a file: 0, or -ENOEXEC. */
int elf_parse_header(const u8 *buf, size_t n, struct elf_header *out);
/* phdrs holds hdr->phnum program headers. 0, -ENOEXEC. */
int elf_parse_segments(const struct elf_header *hdr, const u8 *phdrs, struct elf_image *out);

#endif
