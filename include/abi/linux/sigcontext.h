/* SPDX-License-Identifier: Apache-2.0 */
/* The register context: signal frames, fxsave and xsave areas, ptrace register sets. */
#ifndef ABI_LINUX_SIGCONTEXT_H
#define ABI_LINUX_SIGCONTEXT_H

#include "abi/linux/signal.h"
#include "cvisor/types.h"

#define LINUX_FP_XSTATE_MAGIC1      0x46505853U
#define LINUX_FP_XSTATE_MAGIC2      0x46505845U
#define LINUX_FP_XSTATE_MAGIC2_SIZE 4

/* Bits of xfeatures. */
#define LINUX_XFEATURE_FP         (1ULL << 0)
#define LINUX_XFEATURE_SSE        (1ULL << 1)
#define LINUX_XFEATURE_YMM        (1ULL << 2)
#define LINUX_XFEATURE_BNDREGS    (1ULL << 3)
#define LINUX_XFEATURE_BNDCSR     (1ULL << 4)
#define LINUX_XFEATURE_OPMASK     (1ULL << 5)
#define LINUX_XFEATURE_ZMM_HI256  (1ULL << 6)
#define LINUX_XFEATURE_HI16_ZMM   (1ULL << 7)
#define LINUX_XFEATURE_PT         (1ULL << 8)
#define LINUX_XFEATURE_PKRU       (1ULL << 9)
#define LINUX_XFEATURE_XTILE_CFG  (1ULL << 17)
#define LINUX_XFEATURE_XTILE_DATA (1ULL << 18)

/* The 48 software bytes at the end of the fxsave area: they announce an xsave area. */
struct linux_fpx_sw_bytes {
    u32 magic1;        /* FP_XSTATE_MAGIC1 */
    u32 extended_size; /* of the whole area, MAGIC2 included */
    u64 xfeatures;
    u32 xstate_size; /* of the xsave area */
    u32 pad[7];
};
_Static_assert(sizeof(struct linux_fpx_sw_bytes) == 48, "guest ABI");

/* The fxsave image (64-bit format): the first 512 bytes of an xsave area. */
struct linux_fpstate {
    u16 cwd;
    u16 swd;
    u16 twd;
    u16 fop;
    u64 rip;
    u64 rdp;
    u32 mxcsr;
    u32 mxcsr_mask;
    u32 st_space[32];
    u32 xmm_space[64];
    u32 reserved[12];
    union {
        u32 reserved3[12];
        struct linux_fpx_sw_bytes sw_reserved;
    };
};
_Static_assert(sizeof(struct linux_fpstate) == 512, "guest ABI");

struct linux_xsave_header {
    u64 xfeatures;
    u64 xcomp_bv;
    u64 reserved[6];
};
_Static_assert(sizeof(struct linux_xsave_header) == 64, "guest ABI");

struct linux_xstate {
    struct linux_fpstate fpstate;
    struct linux_xsave_header header;
    u8 extended[]; /* offsets of the components: CPUID leaf 0xd */
};
_Static_assert(sizeof(struct linux_xstate) == 576, "guest ABI");

struct linux_sigcontext {
    u64 r8;
    u64 r9;
    u64 r10;
    u64 r11;
    u64 r12;
    u64 r13;
    u64 r14;
    u64 r15;
    u64 rdi;
    u64 rsi;
    u64 rbp;
    u64 rbx;
    u64 rdx;
    u64 rax;
    u64 rcx;
    u64 rsp;
    u64 rip;
    u64 eflags;
    u16 cs;
    u16 gs;
    u16 fs;
    u16 ss;
    u64 err;
    u64 trapno;
    u64 oldmask;
    u64 cr2;
    u64 fpstate; /* guest address of the xsave area, or 0 */
    u64 reserved[8];
};
_Static_assert(sizeof(struct linux_sigcontext) == 256, "guest ABI");

/* uc_flags */
#define LINUX_UC_FP_XSTATE         0x1
#define LINUX_UC_SIGCONTEXT_SS     0x2
#define LINUX_UC_STRICT_RESTORE_SS 0x4

struct linux_ucontext {
    u64 uc_flags;
    u64 uc_link;
    struct linux_stack uc_stack;
    struct linux_sigcontext uc_mcontext;
    u64 uc_sigmask;
};
_Static_assert(sizeof(struct linux_ucontext) == 304, "guest ABI");

/* What the guest's stack pointer points at when a handler starts. */
struct linux_rt_sigframe {
    u64 pretcode;
    struct linux_ucontext uc;
    struct linux_siginfo info;
};
_Static_assert(sizeof(struct linux_rt_sigframe) == 440, "guest ABI");

/* PTRACE_GETREGS, NT_PRSTATUS */
struct linux_user_regs_struct {
    u64 r15;
    u64 r14;
    u64 r13;
    u64 r12;
    u64 rbp;
    u64 rbx;
    u64 r11;
    u64 r10;
    u64 r9;
    u64 r8;
    u64 rax;
    u64 rcx;
    u64 rdx;
    u64 rsi;
    u64 rdi;
    u64 orig_rax;
    u64 rip;
    u64 cs;
    u64 eflags;
    u64 rsp;
    u64 ss;
    u64 fs_base;
    u64 gs_base;
    u64 ds;
    u64 es;
    u64 fs;
    u64 gs;
};
_Static_assert(sizeof(struct linux_user_regs_struct) == 216, "guest ABI");

/* PTRACE_GETFPREGS: the fxsave image */
struct linux_user_fpregs_struct {
    struct linux_fpstate fpstate;
};
_Static_assert(sizeof(struct linux_user_fpregs_struct) == 512, "guest ABI");

/* The area that PTRACE_PEEKUSER and PTRACE_POKEUSER address. */
struct linux_user {
    struct linux_user_regs_struct regs;
    s32 u_fpvalid;
    u32 pad0;
    struct linux_user_fpregs_struct i387;
    u64 u_tsize;
    u64 u_dsize;
    u64 u_ssize;
    u64 start_code;
    u64 start_stack;
    s64 signal;
    s32 reserved;
    s32 pad1;
    u64 u_ar0;
    u64 u_fpstate;
    u64 magic;
    u8 u_comm[32];
    u64 u_debugreg[8];
    u64 error_code;
    u64 fault_address;
};
_Static_assert(sizeof(struct linux_user) == 928, "guest ABI");

/* Bits of eflags. */
#define LINUX_EFLAGS_CF    (1ULL << 0)
#define LINUX_EFLAGS_FIXED (1ULL << 1)
#define LINUX_EFLAGS_PF    (1ULL << 2)
#define LINUX_EFLAGS_AF    (1ULL << 4)
#define LINUX_EFLAGS_ZF    (1ULL << 6)
#define LINUX_EFLAGS_SF    (1ULL << 7)
#define LINUX_EFLAGS_TF    (1ULL << 8)
#define LINUX_EFLAGS_IF    (1ULL << 9)
#define LINUX_EFLAGS_DF    (1ULL << 10)
#define LINUX_EFLAGS_OF    (1ULL << 11)
#define LINUX_EFLAGS_NT    (1ULL << 14)
#define LINUX_EFLAGS_RF    (1ULL << 16)
#define LINUX_EFLAGS_AC    (1ULL << 18)
#define LINUX_EFLAGS_ID    (1ULL << 21)

/* Segment selectors of 64-bit user code. */
#define LINUX_USER_CS 0x33
#define LINUX_USER_DS 0x2b

/* Trap numbers in sigcontext.trapno, and bits of the page fault error code in sigcontext.err. */
#define LINUX_TRAP_DE  0
#define LINUX_TRAP_DB  1
#define LINUX_TRAP_BP  3
#define LINUX_TRAP_OF  4
#define LINUX_TRAP_BR  5
#define LINUX_TRAP_UD  6
#define LINUX_TRAP_NM  7
#define LINUX_TRAP_DF  8
#define LINUX_TRAP_TS  10
#define LINUX_TRAP_NP  11
#define LINUX_TRAP_SS  12
#define LINUX_TRAP_GP  13
#define LINUX_TRAP_PF  14
#define LINUX_TRAP_MF  16
#define LINUX_TRAP_AC  17
#define LINUX_TRAP_MC  18
#define LINUX_TRAP_XF  19
#define LINUX_PF_PROT  (1U << 0)
#define LINUX_PF_WRITE (1U << 1)
#define LINUX_PF_USER  (1U << 2)
#define LINUX_PF_RSVD  (1U << 3)
#define LINUX_PF_INSTR (1U << 4)
#define LINUX_PF_PK    (1U << 5)

#endif
