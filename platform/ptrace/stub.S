/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The only code of ours inside a stub process: one page, position independent, copied by the
 * template to a random address. It uses no memory but the batch pages, which the stub can only read:
 * other threads of the same stub run hostile code while this runs. Parameters come in registers, set
 * by the tracer; an int3 gives control back to it. A guest that jumps here gains nothing: its
 * syscalls never reach the host kernel.
 */
#include "abi/linux/unistd.h"

#define BATCH_OP_SIZE 56
#define PR_SET_PDEATHSIG 1
#define SIGKILL 9

    .macro LABEL name
    .globl \name
    .hidden \name
\name:
    .endm

    .section .rodata.ptrace_stub, "a", @progbits
    .balign 16
    LABEL ptrace_stub_begin

/* The template empties its address space: r13 = our region, r14 = its end, r15 = the end of user
 * addresses. rax = 0 or -errno. */
    LABEL ptrace_stub_template
    mov $LINUX_SYS_munmap, %eax
    xor %edi, %edi
    mov %r13, %rsi
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

/* Any one syscall, in rax, rdi, rsi, rdx, r10, r8, r9. */
    LABEL ptrace_stub_syscall
    syscall
    int3

/* A new leader prepares: dies with the sentry, maps its batch pages, makes the first thread.
 * r12 = pid of the sentry, r13 = memfd, r14 = offset, r15 = flags of clone, rbx = address of the
 * batch pages, rbp = their length. rax = tid or -errno. */
    LABEL ptrace_stub_leader
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
    mov %r15, %rdi
    /* fall through */

/* rdi = flags of clone. rax = tid or -errno; the new thread waits. */
    LABEL ptrace_stub_clone_thread
    mov $LINUX_SYS_clone, %eax
    xor %esi, %esi
    xor %edx, %edx
    xor %r10d, %r10d
    xor %r8d, %r8d
    syscall
    test %rax, %rax
    jz ptrace_stub_wait
2:
    int3

/* Where a thread stays that nobody traces. */
    LABEL ptrace_stub_wait
    mov $LINUX_SYS_pause, %eax
    syscall
    jmp ptrace_stub_wait

    LABEL ptrace_stub_exit
    xor %edi, %edi
    mov $LINUX_SYS_exit, %eax
    syscall
    hlt

/* Runs the batch at r12: operations of (nr, six arguments), ended by nr = -1. rax = 0, or -errno of
 * the operation that r12 then points to. */
    LABEL ptrace_stub_batch
    mov (%r12), %rax
    cmp $-1, %rax
    je 3f
    mov 8(%r12), %rdi
    mov 16(%r12), %rsi
    mov 24(%r12), %rdx
    mov 32(%r12), %r10
    mov 40(%r12), %r8
    mov 48(%r12), %r9
    syscall
    cmp $-4095, %rax
    jae 4f
    add $BATCH_OP_SIZE, %r12
    jmp ptrace_stub_batch
3:
    xor %eax, %eax
4:
    int3

    LABEL ptrace_stub_end

    .section .note.GNU-stack, "", @progbits
