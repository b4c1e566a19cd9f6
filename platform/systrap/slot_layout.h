/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbers that the stub's assembly and the sentry share: where things lie in a context (struct
 * stub_context checks them), the states of a slot, and the layout of an entry of the low area.
 */
#ifndef PLATFORM_SYSTRAP_SLOT_LAYOUT_H
#define PLATFORM_SYSTRAP_SLOT_LAYOUT_H

#define CTX_SIZE 32768 /* distance of contexts; what is mapped is less */
#define CTX_SHARED_SIZE 16384
#define CTX_ANSWERS 16384 /* a page, read-only in the stub: u64 answers[512] */
#define CTX_ANSWERS_MAX 512

#define CTX_FS_BASE 0
#define CTX_GS_BASE 8
#define CTX_MAGIC 0x28
#define CTX_SPINS 0x2c
#define CTX_FP_MASK 0x30
/* The line that every call moves between the CPUs. */
#define CTX_STATE 0x40
#define CTX_CMD 0x44
#define CTX_NR 0x48
#define CTX_ENTRY 0x50
#define CTX_FLAGS 0x54
#define CTX_SEQ 0x56
#define CTX_RDI 0x58
#define CTX_RSI 0x60
#define CTX_RDX 0x68
#define CTX_R10 0x70
#define CTX_R8 0x78
/* Read when somebody asks for registers (r9: for six arguments). */
#define CTX_R9 0x80
#define CTX_RBX 0x88
#define CTX_RBP 0x90
#define CTX_RSP 0x98
#define CTX_R12 0xa0
#define CTX_R13 0xa8
#define CTX_R14 0xb0
#define CTX_R15 0xb8
#define CTX_REQ_FS 0xc0
/* Written for CMD_LOAD. */
#define CTX_RIP 0xc8
#define CTX_RFLAGS 0xd0
#define CTX_RCX 0xd8
#define CTX_R11 0xe0
#define CTX_LOAD_FS 0xe8
#define CTX_FP 0x400
#define CTX_FP_MAX 3072

/* GS of a thread points to its context when this number is there. */
#define SLOT_MAGIC 0x4b56534f

/* States of a slot. */
#define SLOT_REQUEST 0   /* posted; the thread spins for the answer */
#define SLOT_SPIN 1      /* a vcpu spins for a request (an answer that was owed is there) */
#define SLOT_WAIT 4      /* bit: the thread has stopped spinning, or is about to */
#define SLOT_BLOCK 8     /* as REQUEST: the answer will take its time, do not spin */
#define SLOT_NONE 0x1000 /* nobody spins: requests come as notifications */

/* Bits of a command that comes instead of a result. */
#define CMD_SAVE 1    /* save the FP state, then post the request again */
#define CMD_LOAD 2    /* load all registers from the slot */
#define CMD_LOAD_FP 4 /* with the FP state */

/* The low area: a page of common code, then pages of entries, one for each patched call site. */
#define LOW_BASE 0x60000
#define LOW_SIZE 0x10000
#define LOW_ENTRIES 0x61000
#define ENTRY_SIZE 64
#define ENTRY_CODE 0 /* pointer to ENTRY_START: what the patched site jumps through */
#define ENTRY_RET 8
#define ENTRY_FINISH 16
#define ENTRY_NR 24
#define ENTRY_SLOW 28 /* a syscall instruction, for threads without a slot */
#define ENTRY_TAIL 30 /* what was behind the call and is overwritten; back to the site */
#define ENTRY_START 44

#define REPORT_NR 0x53545542

#endif
