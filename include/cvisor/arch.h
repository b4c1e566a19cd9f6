/* SPDX-License-Identifier: Apache-2.0 */
/* Register context of a guest thread, x86-64. Field order is that of the ABI's user_regs_struct. */
#ifndef CVISOR_ARCH_H
#define CVISOR_ARCH_H

#include "cvisor/types.h"

struct arch_regs {
    u64 r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi;
    u64 orig_rax, rip, cs, eflags, rsp, ss, fs_base, gs_base, ds, es, fs, gs;
};

_Static_assert(sizeof(struct arch_regs) == 27 * 8, "user_regs_struct");

#define ARCH_USER_CS 0x33
#define ARCH_USER_DS 0x2b
/* Flags that a guest may set through sigreturn or ptrace. */
#define ARCH_EFLAGS_USER 0x240dd5ull
#define ARCH_EFLAGS_TF 0x100ull
/* Upper bound of an XSAVE area that we handle (AVX-512, PKRU, AMX tiles). */
#define ARCH_FP_MAX 12288

#endif
