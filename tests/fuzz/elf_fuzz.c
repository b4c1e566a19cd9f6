/* SPDX-License-Identifier: Apache-2.0 */
/* ELF headers and #! lines: what is accepted keeps its promises. */
#include "abi/linux/limits.h"
#include "cvisor/compiler.h"
#include "sentry/loader/loader_internal.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const u8 *data, size_t n);

static void check_image(const struct elf_image *im)
{
    BUG_ON(!im->nsegs || im->nsegs > ELF_SEGMENTS_MAX);
    BUG_ON(im->align < PAGE_SIZE || (im->align & (im->align - 1)));
    BUG_ON(im->lo >= im->hi || im->hi > LINUX_TASK_SIZE + PAGE_SIZE);
    for (u32 i = 0; i < im->nsegs; i++) {
        const struct elf_segment *s = &im->segs[i];

        BUG_ON(s->filesz > s->memsz || s->vaddr + s->memsz > LINUX_TASK_SIZE);
        BUG_ON(s->vaddr < im->lo || s->vaddr + s->memsz > im->hi);
        BUG_ON(s->filesz && (s->offset - s->vaddr) % PAGE_SIZE);
        BUG_ON(s->offset + s->filesz < s->offset);
    }
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t n)
{
    static struct elf_image im;
    struct script_line s;
    struct elf_header hdr;

    if (script_parse((const char *)data, n, &s) == 1)
        BUG_ON(!s.interp[0] || strlen(s.interp) >= sizeof(s.interp) ||
               strlen(s.arg) >= sizeof(s.arg));
    if (elf_parse_header(data, n, &hdr) < 0)
        return 0;
    if (hdr.phoff > n || n - hdr.phoff < (u64)hdr.phnum * ELF_PHDR_SIZE)
        return 0;
    if (elf_parse_segments(&hdr, data + hdr.phoff, &im) == 0)
        check_image(&im);
    return 0;
}
