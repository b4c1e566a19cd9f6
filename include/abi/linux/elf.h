/* SPDX-License-Identifier: Apache-2.0 */
/* ELF64 images and core notes. */
#ifndef ABI_LINUX_ELF_H
#define ABI_LINUX_ELF_H

#include "cvisor/types.h"

/* e_ident */
#define LINUX_EI_NIDENT      16
#define LINUX_EI_MAG0        0
#define LINUX_EI_MAG1        1
#define LINUX_EI_MAG2        2
#define LINUX_EI_MAG3        3
#define LINUX_EI_CLASS       4
#define LINUX_EI_DATA        5
#define LINUX_EI_VERSION     6
#define LINUX_EI_OSABI       7
#define LINUX_EI_PAD         8
#define LINUX_SELFMAG        4
#define LINUX_ELFCLASSNONE   0
#define LINUX_ELFCLASS32     1
#define LINUX_ELFCLASS64     2
#define LINUX_ELFCLASSNUM    3
#define LINUX_ELFDATANONE    0
#define LINUX_ELFDATA2LSB    1
#define LINUX_ELFDATA2MSB    2
#define LINUX_EV_NONE        0
#define LINUX_EV_CURRENT     1
#define LINUX_EV_NUM         2
#define LINUX_ELFOSABI_NONE  0
#define LINUX_ELFOSABI_LINUX 3
#define LINUX_ELFMAG         "\177ELF"

/* e_type */
#define LINUX_ET_NONE   0
#define LINUX_ET_REL    1
#define LINUX_ET_EXEC   2
#define LINUX_ET_DYN    3
#define LINUX_ET_CORE   4
#define LINUX_ET_LOPROC 0xff00
#define LINUX_ET_HIPROC 0xffff

/* e_machine */
#define LINUX_EM_NONE    0
#define LINUX_EM_386     3
#define LINUX_EM_X86_64  62
#define LINUX_EM_AARCH64 183

/* program headers */
#define LINUX_PT_NULL         0
#define LINUX_PT_LOAD         1
#define LINUX_PT_DYNAMIC      2
#define LINUX_PT_INTERP       3
#define LINUX_PT_NOTE         4
#define LINUX_PT_SHLIB        5
#define LINUX_PT_PHDR         6
#define LINUX_PT_TLS          7
#define LINUX_PT_LOOS         0x60000000
#define LINUX_PT_HIOS         0x6fffffff
#define LINUX_PT_LOPROC       0x70000000
#define LINUX_PT_HIPROC       0x7fffffff
#define LINUX_PT_GNU_EH_FRAME (LINUX_PT_LOOS + 0x474e550)
#define LINUX_PT_GNU_STACK    (LINUX_PT_LOOS + 0x474e551)
#define LINUX_PT_GNU_RELRO    (LINUX_PT_LOOS + 0x474e552)
#define LINUX_PT_GNU_PROPERTY (LINUX_PT_LOOS + 0x474e553)
#define LINUX_PN_XNUM         0xffff
#define LINUX_PF_R            0x4
#define LINUX_PF_W            0x2
#define LINUX_PF_X            0x1

/* section headers */
#define LINUX_SHT_NULL      0
#define LINUX_SHT_PROGBITS  1
#define LINUX_SHT_SYMTAB    2
#define LINUX_SHT_STRTAB    3
#define LINUX_SHT_RELA      4
#define LINUX_SHT_HASH      5
#define LINUX_SHT_DYNAMIC   6
#define LINUX_SHT_NOTE      7
#define LINUX_SHT_NOBITS    8
#define LINUX_SHT_REL       9
#define LINUX_SHT_SHLIB     10
#define LINUX_SHT_DYNSYM    11
#define LINUX_SHT_NUM       12
#define LINUX_SHT_LOPROC    0x70000000
#define LINUX_SHT_HIPROC    0x7fffffff
#define LINUX_SHT_LOUSER    0x80000000
#define LINUX_SHT_HIUSER    0xffffffff
#define LINUX_SHF_WRITE     0x1
#define LINUX_SHF_ALLOC     0x2
#define LINUX_SHF_EXECINSTR 0x4
#define LINUX_SHF_MASKPROC  0xf0000000
#define LINUX_SHN_UNDEF     0
#define LINUX_SHN_LORESERVE 0xff00
#define LINUX_SHN_LOPROC    0xff00
#define LINUX_SHN_HIPROC    0xff1f
#define LINUX_SHN_ABS       0xfff1
#define LINUX_SHN_COMMON    0xfff2
#define LINUX_SHN_HIRESERVE 0xffff

/* dynamic section (the DT_ names of directory entries are in dirent.h) */
#define LINUX_DT_NULL       0
#define LINUX_DT_NEEDED     1
#define LINUX_DT_PLTRELSZ   2
#define LINUX_DT_PLTGOT     3
#define LINUX_DT_HASH       4
#define LINUX_DT_STRTAB     5
#define LINUX_DT_SYMTAB     6
#define LINUX_DT_RELA       7
#define LINUX_DT_RELASZ     8
#define LINUX_DT_RELAENT    9
#define LINUX_DT_STRSZ      10
#define LINUX_DT_SYMENT     11
#define LINUX_DT_INIT       12
#define LINUX_DT_FINI       13
#define LINUX_DT_SONAME     14
#define LINUX_DT_RPATH      15
#define LINUX_DT_SYMBOLIC   16
#define LINUX_DT_REL        17
#define LINUX_DT_RELSZ      18
#define LINUX_DT_RELENT     19
#define LINUX_DT_PLTREL     20
#define LINUX_DT_DEBUG      21
#define LINUX_DT_TEXTREL    22
#define LINUX_DT_JMPREL     23
#define LINUX_DT_ENCODING   32
#define LINUX_DT_LOOS       0x6000000d
#define LINUX_DT_HIOS       0x6ffff000
#define LINUX_DT_VALRNGLO   0x6ffffd00
#define LINUX_DT_VALRNGHI   0x6ffffdff
#define LINUX_DT_ADDRRNGLO  0x6ffffe00
#define LINUX_DT_ADDRRNGHI  0x6ffffeff
#define LINUX_DT_VERSYM     0x6ffffff0
#define LINUX_DT_RELACOUNT  0x6ffffff9
#define LINUX_DT_RELCOUNT   0x6ffffffa
#define LINUX_DT_FLAGS_1    0x6ffffffb
#define LINUX_DT_VERDEF     0x6ffffffc
#define LINUX_DT_VERDEFNUM  0x6ffffffd
#define LINUX_DT_VERNEED    0x6ffffffe
#define LINUX_DT_VERNEEDNUM 0x6fffffff
#define LINUX_DT_LOPROC     0x70000000
#define LINUX_DT_HIPROC     0x7fffffff

/* symbols */
#define LINUX_STB_LOCAL   0
#define LINUX_STB_GLOBAL  1
#define LINUX_STB_WEAK    2
#define LINUX_STT_NOTYPE  0
#define LINUX_STT_OBJECT  1
#define LINUX_STT_FUNC    2
#define LINUX_STT_SECTION 3
#define LINUX_STT_FILE    4
#define LINUX_STT_COMMON  5
#define LINUX_STT_TLS     6

/* core notes and register sets */
#define LINUX_NT_PRSTATUS            1
#define LINUX_NT_PRFPREG             2
#define LINUX_NT_PRPSINFO            3
#define LINUX_NT_TASKSTRUCT          4
#define LINUX_NT_AUXV                6
#define LINUX_NT_SIGINFO             0x53494749
#define LINUX_NT_FILE                0x46494c45
#define LINUX_NT_PRXFPREG            0x46e62b7f
#define LINUX_NT_386_TLS             0x200
#define LINUX_NT_386_IOPERM          0x201
#define LINUX_NT_X86_XSTATE          0x202
#define LINUX_NT_GNU_PROPERTY_TYPE_0 5

struct linux_elf64_ehdr {
    u8 e_ident[LINUX_EI_NIDENT];
    u16 e_type;
    u16 e_machine;
    u32 e_version;
    u64 e_entry;
    u64 e_phoff;
    u64 e_shoff;
    u32 e_flags;
    u16 e_ehsize;
    u16 e_phentsize;
    u16 e_phnum;
    u16 e_shentsize;
    u16 e_shnum;
    u16 e_shstrndx;
};
_Static_assert(sizeof(struct linux_elf64_ehdr) == 64, "guest ABI");

struct linux_elf64_phdr {
    u32 p_type;
    u32 p_flags;
    u64 p_offset;
    u64 p_vaddr;
    u64 p_paddr;
    u64 p_filesz;
    u64 p_memsz;
    u64 p_align;
};
_Static_assert(sizeof(struct linux_elf64_phdr) == 56, "guest ABI");

struct linux_elf64_shdr {
    u32 sh_name;
    u32 sh_type;
    u64 sh_flags;
    u64 sh_addr;
    u64 sh_offset;
    u64 sh_size;
    u32 sh_link;
    u32 sh_info;
    u64 sh_addralign;
    u64 sh_entsize;
};
_Static_assert(sizeof(struct linux_elf64_shdr) == 64, "guest ABI");

struct linux_elf64_sym {
    u32 st_name;
    u8 st_info;
    u8 st_other;
    u16 st_shndx;
    u64 st_value;
    u64 st_size;
};
_Static_assert(sizeof(struct linux_elf64_sym) == 24, "guest ABI");

struct linux_elf64_rela {
    u64 r_offset;
    u64 r_info;
    s64 r_addend;
};
_Static_assert(sizeof(struct linux_elf64_rela) == 24, "guest ABI");

struct linux_elf64_dyn {
    s64 d_tag;
    u64 d_val;
};
_Static_assert(sizeof(struct linux_elf64_dyn) == 16, "guest ABI");

struct linux_elf64_nhdr {
    u32 n_namesz;
    u32 n_descsz;
    u32 n_type;
};
_Static_assert(sizeof(struct linux_elf64_nhdr) == 12, "guest ABI");

#endif
