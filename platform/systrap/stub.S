/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The only code of ours inside a stub process: one page, position independent, copied by the
 * template to a random address. Guest code may jump to any of it with any registers, and other
 * guest threads may write to a context while its thread is in the handler: README.md says why
 * neither gains anything. Addresses of syscalls are labelled behind the instruction, as seccomp
 * reports them.
 */
#include "abi/linux/unistd.h"

#include "platform/systrap/slot_layout.h"

#define BATCH_OP_SIZE 56
#define PR_SET_PDEATHSIG 1
#define SIGKILL 9
#define FUTEX_WAIT 0
#define FUTEX_WAKE 1
#define PAGE 4096

    .macro LABEL name
    .globl \name
    .hidden \name
\name:
    .endm

    .section .rodata.systrap_stub, "a", @progbits
    .balign 16
    LABEL systrap_stub_begin

/* The template empties its address space but for rbx .. rbp (low code) and r13 .. r14 (our region);
 * r15 = the end of user addresses. rax = 0 or -errno. */
    LABEL systrap_stub_template
    mov $LINUX_SYS_munmap, %eax
    xor %edi, %edi
    mov %rbx, %rsi
    syscall
    test %rax, %rax
    jnz 1f
    mov $LINUX_SYS_munmap, %eax
    mov %rbp, %rdi
    mov %r13, %rsi
    sub %rbp, %rsi
    syscall
    test %rax, %rax
    jnz 1f
    mov $LINUX_SYS_munmap, %eax
    mov %r14, %rdi
    mov %r15, %rsi
    sub %r14, %rsi
    syscall
1:
    int3

/* Any one syscall, in rax, rdi, rsi, rdx, r10, r8, r9. A clone's child stops here too. */
    LABEL systrap_stub_syscall
    syscall
    int3

/* A new leader prepares: dies with the sentry, maps its batch pages.
 * r12 = pid of the sentry, r13 = memfd, r14 = offset, rbx = address of the batch pages, rbp = their
 * length. rax = 0 or -errno. */
    LABEL systrap_stub_leader
    mov $LINUX_SYS_prctl, %eax
    mov $PR_SET_PDEATHSIG, %edi
    mov $SIGKILL, %esi
    xor %edx, %edx
    xor %r10d, %r10d
    xor %r8d, %r8d
    syscall
    test %rax, %rax
    jnz 2f
    /* The sentry may have died before the prctl. */
    mov $LINUX_SYS_getppid, %eax
    syscall
    cmp %r12, %rax
    mov $-3, %rax /* -ESRCH */
    jne 2f
    mov $LINUX_SYS_mmap, %eax
    mov %rbx, %rdi
    mov %rbp, %rsi
    mov $1, %edx /* PROT_READ */
    mov $0x11, %r10d /* MAP_SHARED | MAP_FIXED */
    mov %r13, %r8
    mov %r14, %r9
    syscall
    cmp %rbx, %rax
    jne 2f
    xor %eax, %eax
2:
    int3

/*
 * The memory thread: reports (rdi = 0 or -errno, rsi = the operation that failed), and is answered
 * with the address of the first operation: (nr, six arguments), ended by nr = -1.
 */
    LABEL systrap_stub_memory
    xor %edi, %edi
    xor %esi, %esi
3:
    mov $REPORT_NR, %eax
    syscall
    LABEL systrap_stub_memory_reported
    mov %rax, %r12
4:
    mov (%r12), %rax
    cmp $-1, %rax
    je systrap_stub_memory
    mov 8(%r12), %rdi
    mov 16(%r12), %rsi
    mov 24(%r12), %rdx
    mov 32(%r12), %r10
    mov 40(%r12), %r8
    mov 48(%r12), %r9
    syscall
    cmp $-4095, %rax
    jae 5f
    add $BATCH_OP_SIZE, %r12
    jmp 4b
5:
    mov %rax, %rdi
    mov %r12, %rsi
    jmp 3b

/* Where a new guest thread reports. The first answer never lets it go on: a signal is pending. */
    LABEL systrap_stub_idle
    mov $REPORT_NR, %eax
    syscall
    LABEL systrap_stub_idle_reported
    jmp systrap_stub_idle

/*
 * The handler of all signals: rdi = signal, rsp = the frame, on the context's stack. Reports it with
 * the bases, which are not in the frame. Answer: 1 = load the bases from the context.
 */
    LABEL systrap_stub_handler
    mov %rsp, %rbx
    and $-CTX_SIZE, %rbx
    movw $1, CTX_ATTN(%rbx) /* nobody is to spin for what comes as a report */
    rdfsbase %rdx
    rdgsbase %r10
    mov %rsp, %rsi
    mov $REPORT_NR, %eax
    syscall
    LABEL systrap_stub_reported
    test %eax, %eax
    jz 6f
    mov CTX_FS_BASE(%rbx), %rax
    wrfsbase %rax
    mov CTX_GS_BASE(%rbx), %rax
    wrgsbase %rax
6:
    add $8, %rsp
    LABEL systrap_stub_restorer
    mov $LINUX_SYS_rt_sigreturn, %eax
    syscall
    LABEL systrap_stub_sigreturn
    hlt

/* --- where there are no notifications: reports by futex, README.md --- */

/* The handler. What it waits for it can't write, nor can any other thread of the stub. */
    LABEL systrap_stub_trap_handler
    mov %rsp, %rbx
    and $-CTX_SIZE, %rbx
    movw $1, CTX_ATTN(%rbx)
    mov %rdi, CTX_TRAP_SIG(%rbx)
    mov %rsp, CTX_TRAP_FRAME(%rbx)
    rdfsbase %rax
    mov %rax, CTX_TRAP_FS(%rbx)
    rdgsbase %rax
    mov %rax, CTX_TRAP_GS(%rbx)
    mov CTX_TRAP_ANSWER(%rbx), %r12d
    lea 1(%r12), %eax
    mov %eax, CTX_TRAP_REPORT(%rbx)
    incl CTX_TRAP_BELL(%rbx)
    lea CTX_TRAP_BELL(%rbx), %rdi
    mov $FUTEX_WAKE, %esi
    mov $1, %edx
    xor %r10d, %r10d
    mov $LINUX_SYS_futex, %eax
    syscall
    LABEL systrap_stub_trap_woken
7:
    cmp %r12d, CTX_TRAP_ANSWER(%rbx)
    jne 8f
    lea CTX_TRAP_ANSWER(%rbx), %rdi
    mov $FUTEX_WAIT, %esi
    mov %r12d, %edx
    xor %r10d, %r10d
    mov $LINUX_SYS_futex, %eax
    syscall
    LABEL systrap_stub_trap_waited
    jmp 7b
8:
    mov CTX_TRAP_BASES(%rbx), %eax
    jmp systrap_stub_reported

/* A new guest thread: waits for its first signal. */
    LABEL systrap_stub_trap_idle
    lea systrap_stub_begin+PAGE+BATCH_IDLE(%rip), %rdi
    mov $FUTEX_WAIT, %esi
    xor %edx, %edx
    xor %r10d, %r10d
    mov $LINUX_SYS_futex, %eax
    syscall
    LABEL systrap_stub_trap_idle_waited
    jmp systrap_stub_trap_idle

/*
 * The memory thread: r13 = its pipe. Reports with a byte, 0 or errno, and after errno two for the
 * offset of the operation that failed. Orders are where guests can't write, and no filter but this
 * thread's lets a write through.
 */
    LABEL systrap_stub_trap_memory
    xor %r14d, %r14d
    lea systrap_stub_begin+PAGE+BATCH_ORDER(%rip), %rbx
9:
    mov (%rbx), %edx
    cmp %edx, %r14d
    jne 10f
    mov %rbx, %rdi
    mov $FUTEX_WAIT, %esi
    xor %r10d, %r10d
    mov $LINUX_SYS_futex, %eax
    syscall
    jmp 9b
10:
    mov %edx, %r14d
    mov BATCH_ORDER_FIRST-BATCH_ORDER(%rbx), %r12
11:
    mov (%r12), %rax
    xor %r15d, %r15d
    mov $1, %ebp
    cmp $-1, %rax
    je 13f
    mov 8(%r12), %rdi
    mov 16(%r12), %rsi
    mov 24(%r12), %rdx
    mov 32(%r12), %r10
    mov 40(%r12), %r8
    mov 48(%r12), %r9
    syscall
    cmp $-4095, %rax
    jae 12f
    add $BATCH_OP_SIZE, %r12
    jmp 11b
12:
    /* three bytes: errno, offset */
    neg %eax
    mov %r12, %r15
    sub %rbx, %r15
    add $BATCH_ORDER, %r15d
    shl $8, %r15d
    mov %al, %r15b
    mov $3, %ebp
13:
    movzbl %r15b, %eax
    lea systrap_stub_bytes(%rip), %rsi
    add %rax, %rsi
    mov %r13d, %edi
    mov $1, %edx
    mov $LINUX_SYS_write, %eax
    syscall
    shr $8, %r15d
    dec %ebp
    jnz 13b
    jmp 9b

    LABEL systrap_stub_bytes
    .set i, 0
    .rept 256
    .byte i
    .set i, i + 1
    .endr

    LABEL systrap_stub_end

    .section .note.GNU-stack, "", @progbits
