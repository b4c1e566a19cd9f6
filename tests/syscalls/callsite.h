/* SPDX-License-Identifier: Apache-2.0 */
/*
 * System call instructions in known surroundings, as C functions: a sandbox may rewrite such a site once it
 * was used a few dozen times. The first three arguments are where the system call wants them.
 *
 *   CALLSITE_B8(name, nr)    mov $nr, %eax (5 bytes); syscall; ret
 *   CALLSITE_48(name, nr)    mov $nr, %rax (7 bytes); syscall; ret
 *   CALLSITE_CMP(name, imm)  syscall; cmp $imm, %rax; ret       number in rax: callsite_nr() or a probe
 *
 * name_call is the syscall instruction, name_end what follows it.
 */
#ifndef T_CALLSITE_H
#define T_CALLSITE_H

#include "harness.h"

#define HOT 3000 /* calls, of a site that is to be hot at the end */
#define WARM 300 /* the same where calls are slow */

#define CALLSITE(name, before, after)                                                              \
    __asm__(".pushsection .text\n"                                                                 \
            ".p2align 6\n"                                                                         \
            ".skip 16, 0x90\n"                                                                     \
            ".globl " #name ", " #name "_call, " #name "_end\n" #name ":\n" before "\n" #name      \
            "_call: syscall\n" #name "_end:\n" after "\nret\n"                                     \
            ".popsection\n");                                                                      \
    long name(long, ...);                                                                          \
    extern const unsigned char name##_call[] T_UNUSED, name##_end[] T_UNUSED

#define CALLSITE_B8(name, nr) CALLSITE(name, ".byte 0xb8\n.long " #nr, "")
#define CALLSITE_48(name, nr) CALLSITE(name, ".byte 0x48, 0xc7, 0xc0\n.long " #nr, "")
#define CALLSITE_CMP(name, imm) CALLSITE(name, "", ".byte 0x48, 0x3d\n.long " #imm)

#define NR_READ 0
#define NR_WRITE 1
#define NR_CLOSE 3
#define NR_GETPID 39
#define NR_FORK 57
#define NR_GETUID 102
#define NR_GETPPID 110
#define NR_GETTID 186

/* Calls fn with rax = nr: for a site without a number of its own, or the middle of one that has. */
static T_UNUSED long callsite_nr(const void *fn, long nr, long a, long b, long c)
{
    long ret = nr;

    __asm__ volatile("sub $128, %%rsp\n" /* not over this function's red zone */
                     "call *%[fn]\n"
                     "add $128, %%rsp\n"
                     : "+a"(ret), "+D"(a), "+S"(b), "+d"(c)
                     : [fn] "r"(fn)
                     : "rcx", "r11", "memory", "cc");
    return ret;
}

#endif
