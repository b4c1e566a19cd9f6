/* SPDX-License-Identifier: Apache-2.0 */
/* ELF headers, #! lines, argument vectors: the pure parts of the loader. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "abi/linux/elf.h"
#include "sentry/loader/loader_internal.h"

struct image {
    struct linux_elf64_ehdr eh;
    struct linux_elf64_phdr ph[4];
};

static struct image good(void)
{
    struct image im = {
        .eh = {.e_ident = {0x7f, 'E', 'L', 'F', 2, 1, 1},
               .e_type = LINUX_ET_DYN,
               .e_machine = LINUX_EM_X86_64,
               .e_entry = 0x1040,
               .e_phoff = 64,
               .e_phentsize = 56,
               .e_phnum = 4},
        .ph = {{.p_type = LINUX_PT_LOAD, .p_flags = 5, .p_filesz = 0x1800, .p_memsz = 0x1800},
               {.p_type = LINUX_PT_LOAD,
                .p_flags = 6,
                .p_offset = 0x1800,
                .p_vaddr = 0x2800,
                .p_filesz = 0x100,
                .p_memsz = 0x5000,
                .p_align = 0x200000},
               {.p_type = LINUX_PT_INTERP, .p_offset = 0x300, .p_filesz = 28},
               {.p_type = LINUX_PT_GNU_STACK, .p_flags = 6}}};

    return im;
}

static int parse(const struct image *im, struct elf_image *out)
{
    struct elf_header hdr;
    int err = elf_parse_header((const u8 *)im, sizeof(*im), &hdr);

    return err ? err : elf_parse_segments(&hdr, (const u8 *)im->ph, out);
}

Test(loader_elf, good)
{
    struct image im = good();
    struct elf_image out;

    cr_assert_eq(parse(&im, &out), 0);
    cr_assert_eq(out.nsegs, 2);
    cr_assert_eq(out.lo, 0);
    cr_assert_eq(out.hi, 0x8000);
    cr_assert_eq(out.align, 0x200000);
    cr_assert_eq(out.phdr_vaddr, 64);
    cr_assert_eq(out.interp_len, 28);
    cr_assert(!out.exec_stack);
}

Test(loader_elf, hostile)
{
    struct elf_image out;
    struct image im;

#define BAD(change)                                                                                \
    im = good();                                                                                   \
    change;                                                                                        \
    cr_assert_eq(parse(&im, &out), -ENOEXEC, #change)

    BAD(im.eh.e_ident[4] = 1);
    BAD(im.eh.e_machine = LINUX_EM_386);
    BAD(im.eh.e_type = LINUX_ET_REL);
    BAD(im.eh.e_phnum = 0);
    BAD(im.eh.e_phnum = 0xffff);
    BAD(im.eh.e_phentsize = 32);
    BAD(im.eh.e_phoff = ~0ull);
    BAD(im.ph[0].p_memsz = 1);
    BAD(im.ph[0].p_memsz = ~0ull);
    BAD(im.ph[1].p_vaddr = ~0ull - 0x800 + 1);
    BAD(im.ph[1].p_vaddr += 1);
    BAD(im.ph[1].p_offset = ~0ull - 0x7ff);
    BAD(im.ph[0].p_vaddr = 0x100000);
    BAD(im.ph[2].p_filesz = 100000);
    BAD((im.ph[0].p_type = 0, im.ph[1].p_type = 0));
    im = good();
    cr_assert_eq(elf_parse_header((const u8 *)&im, 63, &out.hdr), -ENOEXEC);
}

static int script(const char *text, struct script_line *s)
{
    return script_parse(text, strlen(text), s);
}

Test(loader_script, lines)
{
    struct script_line s;
    char longline[300];

    cr_assert_eq(script("#!/bin/sh\necho", &s), 1);
    cr_assert_str_eq(s.interp, "/bin/sh");
    cr_assert_str_eq(s.arg, "");
    cr_assert_eq(script("#! \t/usr/bin/env  python3 -u \t\n", &s), 1);
    cr_assert_str_eq(s.interp, "/usr/bin/env");
    cr_assert_str_eq(s.arg, "python3 -u");
    cr_assert_eq(script("#!/bin/sh", &s), 1);
    cr_assert_eq(script("#!\n", &s), -ENOEXEC);
    cr_assert_eq(script("#!   ", &s), -ENOEXEC);
    cr_assert_eq(script("# /bin/sh", &s), 0);
    cr_assert_eq(script("", &s), 0);
    memset(longline, 'a', sizeof(longline));
    memcpy(longline, "#!/", 3);
    cr_assert_eq(script_parse(longline, sizeof(longline), &s), -ENOEXEC);
    longline[200] = ' ';
    cr_assert_eq(script_parse(longline, sizeof(longline), &s), 1);
    cr_assert_eq(strlen(s.interp), 198);
    cr_assert_eq(strlen(s.arg), 55);
}

Test(loader_strings, vectors)
{
    const char *const argv[] = {"script", "a", "", NULL};
    struct exec_strings s;

    cr_assert_eq(exec_strings_from(argv, &s), 0);
    cr_assert_eq(s.count, 3);
    cr_assert_eq(s.size, 7 + 2 + 1);
    exec_strings_drop_first(&s);
    cr_assert_eq(exec_strings_prepend(&s, "/bin/sh"), 0);
    cr_assert_eq(memcmp(s.buf, "/bin/sh\0a\0", 11), 0);
    for (int i = 0; i < 5000; i++)
        cr_assert_eq(exec_strings_add(&s, "0123456789"), 0);
    cr_assert_eq(s.size, 11 + 5000 * 11);
    exec_strings_free(&s);
    cr_assert_null(s.buf);
}
