/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The common code of patched call sites: the first page of the low area of every stub. An entry
 * jumps here with its own address in rcx and, for sites that must keep the flags, those in r11 as
 * lahf and seto give them. Only rax, rcx and r11 may be used (a system call changes them), and the
 * guest's stack not at all.
 * A signal may come at any instruction: trampoline.c knows what each label means for it.
 * README.md has the protocol of the slot.
 */
#include "abi/linux/unistd.h"

#include "platform/systrap/slot_layout.h"

#define FUTEX_WAIT 0
#define FUTEX_WAKE 1

    .macro LABEL name
    .globl \name
    .hidden \name
\name:
    .endm

    .section .rodata.systrap_low, "a", @progbits
    .balign 64
    LABEL systrap_low_begin

/* Sites that load a constant number. */
    LABEL systrap_low_mov
    cmpl $SLOT_MAGIC, %gs:CTX_MAGIC
    jne 1f
    cmp $CTX_ANSWERS_MAX, %eax
    jae systrap_low_request
    mov %gs:CTX_ANSWERS(,%rax,8), %rax
    test %rax, %rax
    js 2f
    LABEL systrap_low_finish_mov
    xchg %rax, %r11
    LABEL systrap_low_swapped
    add $127, %al
    sahf
    xchg %rax, %r11
    LABEL systrap_low_unswapped
    mov ENTRY_RET(%rcx), %rcx
    LABEL systrap_low_return
    jmp *%rcx

/* GS is the guest's own: no slot. */
    LABEL systrap_low_alien
1:
    mov %r11d, %eax
    add $127, %al
    sahf
    mov ENTRY_NR(%rcx), %eax
3:
    lea ENTRY_SLOW(%rcx), %rcx
    jmp *%rcx

/* Sites that compare the result: the flags are dead. */
    .balign 64
    LABEL systrap_low_cmp
    cmpl $SLOT_MAGIC, %gs:CTX_MAGIC
    jne 3b
    mov %eax, %r11d
    cmp $CTX_ANSWERS_MAX, %r11d
    jae systrap_low_request
    mov %gs:CTX_ANSWERS(,%r11,8), %r11
    test %r11, %r11
    js systrap_low_request
    mov %r11, %rax
    LABEL systrap_low_answered_cmp
    jmp *ENTRY_FINISH(%rcx)

    LABEL systrap_low_again
2:
    mov ENTRY_NR(%rcx), %eax
    LABEL systrap_low_request
    mov %rbx, %gs:CTX_RBX
    mov %rbp, %gs:CTX_RBP
    mov %rsp, %gs:CTX_RSP
    mov %r12, %gs:CTX_R12
    mov %r13, %gs:CTX_R13
    mov %r14, %gs:CTX_R14
    mov %r15, %gs:CTX_R15
    mov %rdi, %gs:CTX_RDI
    mov %rsi, %gs:CTX_RSI
    mov %rdx, %gs:CTX_RDX
    mov %r10, %gs:CTX_R10
    mov %r8, %gs:CTX_R8
    mov %r9, %gs:CTX_R9
    mov %eax, %gs:CTX_NR
    mov %cx, %gs:CTX_ENTRY
    mov %r11w, %gs:CTX_FLAGS
    LABEL systrap_low_stored
    rdgsbase %rsp
    LABEL systrap_low_flags
    lea CTX_EFLAGS+8(%rsp), %rsp
    pushfq
    mov %gs:CTX_RSP, %rsp
    LABEL systrap_low_flags_end
    rdfsbase %r11
    mov %r11, %gs:CTX_REQ_FS
4:
    movw $0, %gs:CTX_ATTN
    incw %gs:CTX_SEQ
    LABEL systrap_low_saved
    cmpw $SLOT_SPIN, %gs:CTX_STATE
    jne 7f
    movzwl %gs:CTX_SEQ, %ecx
    mov %gs:CTX_SPINS, %eax
5:
    pause
    cmp %cx, %gs:CTX_DONE
    je 8f
    testw $SLOT_BLOCK, %gs:CTX_STATE
    jnz 6f
    dec %eax
    jnz 5b
6:
    movw $1, %gs:CTX_ATTN
7:
    LABEL systrap_low_post
    mov $REPORT_NR, %eax
    syscall
    LABEL systrap_low_posted
8:
    movzwl %gs:CTX_ENTRY, %ecx
    add $LOW_BASE, %ecx
    movzwl %gs:CTX_FLAGS, %r11d
    cmpl $0, %gs:CTX_CMD
    jne 1f
    mov %gs:CTX_RET, %rax
    LABEL systrap_low_answered
    jmp *ENTRY_FINISH(%rcx)

/*
 * Where there are no notifications the template writes a jump to here over the report: wake the vcpu,
 * wait for its answer. Four argument registers are used, and are in the slot.
 */
    LABEL systrap_low_trap
    incl %gs:CTX_TRAP_BELL
    rdgsbase %rdi
    add $CTX_TRAP_BELL, %rdi
    mov $FUTEX_WAKE, %esi
    mov $1, %edx
    xor %r10d, %r10d
    mov $LINUX_SYS_futex, %eax
    syscall
    LABEL systrap_low_trap_woken
9:
    mov %gs:CTX_STATE, %edx /* with done */
    mov %edx, %eax
    shr $16, %eax
    cmp %ax, %gs:CTX_SEQ
    je 10f
    rdgsbase %rdi
    add $CTX_STATE, %rdi
    mov $FUTEX_WAIT, %esi
    xor %r10d, %r10d
    mov $LINUX_SYS_futex, %eax
    syscall
    LABEL systrap_low_trap_waited
    jmp 9b
10:
    mov %gs:CTX_RDI, %rdi
    mov %gs:CTX_RSI, %rsi
    mov %gs:CTX_RDX, %rdx
    mov %gs:CTX_R10, %r10
    LABEL systrap_low_trap_end
    jmp 8b

    LABEL systrap_low_command
1:
    testl $CMD_SAVE, %gs:CTX_CMD
    jz 2f
    mov %gs:CTX_FP_MASK, %eax
    mov %gs:CTX_FP_MASK+4, %edx
    xsave64 %gs:CTX_FP
    mov %gs:CTX_RDX, %rdx
    jmp 4b

    LABEL systrap_low_load
2:
    testl $CMD_LOAD_FP, %gs:CTX_CMD
    jz 3f
    mov %gs:CTX_FP_MASK, %eax
    mov %gs:CTX_FP_MASK+4, %edx
    xrstor64 %gs:CTX_FP
    LABEL systrap_low_fp_loaded
3:
    mov %gs:LOAD_FS_BASE, %rax
    wrfsbase %rax
    rdgsbase %rsp
    lea LOAD_EFLAGS(%rsp), %rsp
    popfq
    mov %gs:LOAD_R15, %r15
    mov %gs:LOAD_R14, %r14
    mov %gs:LOAD_R13, %r13
    mov %gs:LOAD_R12, %r12
    mov %gs:LOAD_RBP, %rbp
    mov %gs:LOAD_RBX, %rbx
    mov %gs:LOAD_R11, %r11
    mov %gs:LOAD_R10, %r10
    mov %gs:LOAD_R9, %r9
    mov %gs:LOAD_R8, %r8
    mov %gs:LOAD_RAX, %rax
    mov %gs:LOAD_RCX, %rcx
    mov %gs:LOAD_RDX, %rdx
    mov %gs:LOAD_RSI, %rsi
    mov %gs:LOAD_RDI, %rdi
    mov %gs:LOAD_RSP, %rsp
    jmp *%gs:LOAD_RIP
    LABEL systrap_low_load_end

    LABEL systrap_low_end

    .section .note.GNU-stack, "", @progbits
