/* SPDX-License-Identifier: Apache-2.0 */
/* Between the files of sentry/loader. */
#ifndef SENTRY_LOADER_LOADER_INTERNAL_H
#define SENTRY_LOADER_LOADER_INTERNAL_H

#include "abi/linux/limits.h"
#include "sentry/loader/elf_parse.h"
#include "sentry/loader/loader.h"

/* ---- script.c: pure -------------------------------------------------------------------------- */

struct script_line {
    char interp[LINUX_BINPRM_BUF_SIZE];
    char arg[LINUX_BINPRM_BUF_SIZE]; /* "" = none */
};
/* n = bytes read of the first LINUX_BINPRM_BUF_SIZE. 1 = a script, 0 = something else, -ENOEXEC. */
int script_parse(const char *buf, size_t n, struct script_line *out);

/* ---- elf_load.c ------------------------------------------------------------------------------ */

struct elf_loaded {
    u64 bias;  /* added to the image's addresses */
    u64 entry; /* of the image itself */
    u64 phdr;  /* guest address of the program headers, 0 = none */
};
/* Reads and checks the program headers. */
int elf_read(struct file *f, const u8 *head, size_t n, struct elf_image *out);
/* Maps the segments. interp: anywhere in the mmap area. main: sets code, data and break of mm. */
int elf_map(struct task *t, struct mm *mm, struct file *f, const struct elf_image *im, bool interp,
            struct elf_loaded *out);

/* ---- stack.c --------------------------------------------------------------------------------- */

struct stack_info {
    const struct exec_strings *argv, *envp;
    const char *execfn;
    const struct elf_image *image;
    const struct elf_loaded *main;
    u64 interp_base; /* 0 = no interpreter */
    u64 vdso_base;
    const struct cred *cred; /* of the new program */
    bool secure;
};
/* Bytes that the strings and vectors of an exec may take for t. */
u64 stack_args_limit(void);
/* Maps and fills the stack; *sp = the initial stack pointer. */
int stack_build(struct task *t, struct mm *mm, const struct stack_info *si, u64 *sp);

/* Random bits, page-aligned, inside mask; 0 when t asked for no randomness. */
u64 loader_random(struct task *t, u64 mask);

#endif
