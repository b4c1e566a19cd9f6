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
#define CTX_ANSWERS_MAX 511
/* At the end of that page: what the handler waits for where there are no notifications. */
#define CTX_TRAP_ANSWER 20472 /* u32: reports answered so far */
#define CTX_TRAP_BASES 20476  /* u32: load the bases from the context */

#define CTX_FS_BASE 0
#define CTX_GS_BASE 8
#define CTX_MAGIC 0x28
#define CTX_SPINS 0x2c
#define CTX_FP_MASK 0x30
/* The request: this line goes to the vcpu with each call. */
#define CTX_RDI 0x40
#define CTX_RSI 0x48
#define CTX_RDX 0x50
#define CTX_R10 0x58
#define CTX_R8 0x60
#define CTX_R9 0x68
#define CTX_NR 0x70    /* u32 */
#define CTX_ENTRY 0x74 /* u16: offset of the entry from LOW_BASE */
#define CTX_FLAGS 0x76 /* u16 */
#define CTX_ATTN 0x78  /* u16: the thread is in a call or about to be, spinning is in vain */
#define CTX_SEQ 0x7a   /* u16: written last, posts the request */
/* The answer: this line comes back. */
#define CTX_RET 0x80
#define CTX_CMD 0x88   /* u32 */
#define CTX_STATE 0x8c /* u16 */
#define CTX_DONE 0x8e  /* u16: the sequence number of the request that was answered, written last */
/* Read when somebody asks for registers. */
#define CTX_RBX 0xc0
#define CTX_RBP 0xc8
#define CTX_RSP 0xd0
#define CTX_R12 0xd8
#define CTX_R13 0xe0
#define CTX_R14 0xe8
#define CTX_R15 0xf0
#define CTX_REQ_FS 0xf8
/* All registers, for CMD_LOAD. */
#define CTX_LOAD 0x100
#define LOAD_R15 (CTX_LOAD + 0)
#define LOAD_R14 (CTX_LOAD + 8)
#define LOAD_R13 (CTX_LOAD + 16)
#define LOAD_R12 (CTX_LOAD + 24)
#define LOAD_RBP (CTX_LOAD + 32)
#define LOAD_RBX (CTX_LOAD + 40)
#define LOAD_R11 (CTX_LOAD + 48)
#define LOAD_R10 (CTX_LOAD + 56)
#define LOAD_R9 (CTX_LOAD + 64)
#define LOAD_R8 (CTX_LOAD + 72)
#define LOAD_RAX (CTX_LOAD + 80)
#define LOAD_RCX (CTX_LOAD + 88)
#define LOAD_RDX (CTX_LOAD + 96)
#define LOAD_RSI (CTX_LOAD + 104)
#define LOAD_RDI (CTX_LOAD + 112)
#define LOAD_RIP (CTX_LOAD + 128)
#define LOAD_EFLAGS (CTX_LOAD + 144)
#define LOAD_RSP (CTX_LOAD + 152)
#define LOAD_FS_BASE (CTX_LOAD + 168)
/* Where there are no notifications: reports. Written by the stub. */
#define CTX_TRAP_BELL 0x1e0   /* u32: a report, or a request to look at; the vcpu waits for it */
#define CTX_TRAP_REPORT 0x1e4 /* u32: CTX_TRAP_ANSWER + 1 says that the handler reports */
#define CTX_TRAP_SIG 0x1e8
#define CTX_TRAP_FRAME 0x1f0
#define CTX_TRAP_FS 0x1f8
#define CTX_TRAP_GS 0x200
/* Of the request: all flags. Written by the stub. */
#define CTX_EFLAGS 0x208
#define CTX_FP 0x400
#define CTX_FP_MAX 3072

/* GS of a thread points to its context when this number is there. */
#define SLOT_MAGIC 0x4b56534f

/* What the vcpu says of itself. */
#define SLOT_NONE 0  /* it waits for notifications */
#define SLOT_SPIN 1  /* it looks at the slot */
#define SLOT_BLOCK 2 /* the answer will take its time: do not spin for it */

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

/* Behind the batch: orders of the memory thread, where there are no notifications. */
#define BATCH_ORDER 16352       /* u32: number of the last one; the thread waits for it */
#define BATCH_IDLE 16356        /* u32: never changes; new threads wait there */
#define BATCH_ORDER_FIRST 16360 /* u64: address of its first operation */

#endif
