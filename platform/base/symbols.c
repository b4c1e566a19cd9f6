/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names for return addresses. The executable is mapped early, because a sandboxed process cannot
 * open it any more; its symbol table also names static functions, which the dynamic one does not.
 */
#include "abi/linux/elf.h"
#include "abi/linux/fcntl.h"
#include "abi/linux/mman.h"
#include "abi/linux/stat.h"
#include "cvisor/crash.h"
#include "cvisor/host.h"
#include "platform/base/crash_priv.h"

#include <link.h>
#include <stdio.h>
#include <string.h>

/* Immutable after symbols_init. */
static const u8 *g_exe;
static u64 g_exe_size, g_bias, g_text_start, g_text_end;
static const ElfW(Sym) * g_syms;
static size_t g_nsyms;
static const char *g_names;
static u64 g_names_size;

/* The dynamic linker lists the program first. */
static int take_program(struct dl_phdr_info *info, size_t size, void *arg)
{
    g_bias = info->dlpi_addr;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *ph = &info->dlpi_phdr[i];

        if (ph->p_type == PT_LOAD && (ph->p_flags & PF_X)) {
            g_text_start = g_bias + ph->p_vaddr;
            g_text_end = g_text_start + ph->p_memsz;
        }
    }
    return 1;
}

static bool in_file(u64 off, u64 len)
{
    return off <= g_exe_size && len <= g_exe_size - off;
}

static void find_symtab(void)
{
    const ElfW(Ehdr) *eh = (const void *)g_exe;
    const ElfW(Shdr) * sh, *str;

    if (!in_file(0, sizeof(*eh)) || memcmp(eh->e_ident, ELFMAG, SELFMAG) != 0 ||
        eh->e_shentsize != sizeof(*sh) || !in_file(eh->e_shoff, eh->e_shnum * sizeof(*sh)))
        return;
    sh = (const void *)(g_exe + eh->e_shoff);
    for (u32 i = 0; i < eh->e_shnum; i++) {
        if (sh[i].sh_type != SHT_SYMTAB || sh[i].sh_link >= eh->e_shnum)
            continue;
        str = &sh[sh[i].sh_link];
        if (!in_file(sh[i].sh_offset, sh[i].sh_size) || !in_file(str->sh_offset, str->sh_size))
            return;
        g_syms = (const void *)(g_exe + sh[i].sh_offset);
        g_nsyms = sh[i].sh_size / sizeof(*g_syms);
        g_names = (const char *)g_exe + str->sh_offset;
        g_names_size = str->sh_size;
    }
}

void symbols_init(void)
{
    struct linux_stat st;
    void *p;
    int fd;

    if (g_exe)
        return;
    dl_iterate_phdr(take_program, NULL);
    fd = host_openat(LINUX_AT_FDCWD, "/proc/self/exe", LINUX_O_RDONLY | LINUX_O_CLOEXEC, 0);
    if (fd < 0)
        return;
    if (host_fstat(fd, &st) == 0 && st.st_size > 0) {
        p = host_mmap(NULL, (size_t)st.st_size, LINUX_PROT_READ, LINUX_MAP_PRIVATE, fd, 0);
        if (!host_is_err(p)) {
            g_exe = p;
            g_exe_size = (u64)st.st_size;
            find_symtab();
        }
    }
    host_close(fd);
}

struct lookup {
    u64 pc, offset;
    const char *name;
};

static int find_object(struct dl_phdr_info *info, size_t size, void *arg)
{
    struct lookup *l = arg;
    const char *slash;

    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *ph = &info->dlpi_phdr[i];

        if (ph->p_type != PT_LOAD || l->pc - info->dlpi_addr - ph->p_vaddr >= ph->p_memsz)
            continue;
        slash = strrchr(info->dlpi_name, '/');
        l->name = slash ? slash + 1 : info->dlpi_name;
        l->offset = l->pc - info->dlpi_addr;
        return 1;
    }
    return 0;
}

static bool find_function(u64 pc, struct lookup *l)
{
    u64 v = pc - g_bias;

    for (size_t i = 0; i < g_nsyms; i++) {
        const ElfW(Sym) *s = &g_syms[i];

        if (ELF64_ST_TYPE(s->st_info) != STT_FUNC || v < s->st_value ||
            v - s->st_value >= MAX(s->st_size, 1ul) || s->st_name >= g_names_size)
            continue;
        l->name = g_names + s->st_name;
        l->offset = v - s->st_value;
        return true;
    }
    return false;
}

void crash_symbol(u64 pc, char *buf, size_t n)
{
    struct lookup l = {.pc = pc, .name = ""};

    if (pc >= g_text_start && pc < g_text_end) {
        if (!find_function(pc, &l)) {
            l.name = "runsc";
            l.offset = pc - g_bias;
        }
    } else if (!dl_iterate_phdr(find_object, &l)) {
        snprintf(buf, n, "?");
        return;
    }
    snprintf(buf, n, "%s+0x%llx", *l.name ? l.name : "runsc", (unsigned long long)l.offset);
}
