/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory accesses that may fault, and the table that says where to go on when one does. An entry of
 * host_safecopy_table is three signed 32-bit offsets from its own address: the first instruction of a
 * range, the first one after it, and the fixup. A fault in the range continues at the fixup with all
 * registers as they were.
 */
    .macro ON_FAULT start, end, fixup
    .pushsection .rodata.safecopy, "a", @progbits
    .balign 4
7777:
    .long \start - 7777b
    .long \end - 7777b
    .long \fixup - 7777b
    .popsection
    .endm

    .macro FUNC name
    .balign 16
    .globl \name
    .hidden \name
    .type \name, @function
\name:
    .cfi_startproc
    .endm

    .macro END name
    .cfi_endproc
    .size \name, . - \name
    .endm

    .pushsection .rodata.safecopy, "a", @progbits
    .balign 4
    .globl host_safecopy_table
    .hidden host_safecopy_table
host_safecopy_table:
    .popsection

    .text

/* size_t host_safecopy_copy(void *dst, const void *src, size_t n): the bytes not done.
 * rcx always holds the bytes left. */
    FUNC host_safecopy_copy
    mov %rdx, %rcx
    cmp $128, %rcx
    jae .Lcopy_string
    sub $8, %rcx
    jb .Lcopy_tail
.Lcopy_words:
    mov (%rsi), %rax
    mov %rax, (%rdi)
.Lcopy_words_end:
    add $8, %rsi
    add $8, %rdi
    sub $8, %rcx
    jae .Lcopy_words
.Lcopy_tail:
    add $8, %rcx
    /* The end, and what a fault in the middle of a word comes back to: byte by byte up to the
     * page that is not there. */
.Lcopy_bytes:
    test %rcx, %rcx
    jz .Lcopy_done
.Lcopy_byte:
    movzbl (%rsi), %eax
    mov %al, (%rdi)
.Lcopy_byte_end:
    inc %rsi
    inc %rdi
    dec %rcx
    jnz .Lcopy_byte
.Lcopy_done:
    mov %rcx, %rax
    ret
.Lcopy_string:
    rep movsb
.Lcopy_string_end:
    mov %rcx, %rax
    ret
    END host_safecopy_copy
    ON_FAULT .Lcopy_words, .Lcopy_words_end, .Lcopy_tail
    ON_FAULT .Lcopy_byte, .Lcopy_byte_end, .Lcopy_done
    ON_FAULT .Lcopy_string, .Lcopy_string_end, .Lcopy_done

/* size_t host_safecopy_zero(void *dst, size_t n): the bytes not done. */
    FUNC host_safecopy_zero
    mov %rsi, %rcx
    xor %eax, %eax
.Lzero:
    rep stosb
.Lzero_end:
    mov %rcx, %rax
    ret
    END host_safecopy_zero
    ON_FAULT .Lzero, .Lzero_end, .Lzero_end

/* int host_safecopy_load(const u32 *p, u32 *out) */
    FUNC host_safecopy_load
.Lload:
    mov (%rdi), %eax
.Lload_end:
    mov %eax, (%rsi)
    xor %eax, %eax
    ret
    END host_safecopy_load
    ON_FAULT .Lload, .Lload_end, host_safecopy_efault

/* int host_safecopy_cmpxchg(u32 *p, u32 expect, u32 desired, u32 *old) */
    FUNC host_safecopy_cmpxchg
    mov %esi, %eax
.Lcmpxchg:
    lock cmpxchg %edx, (%rdi)
.Lcmpxchg_end:
    mov %eax, (%rcx)
    xor %eax, %eax
    ret
    END host_safecopy_cmpxchg
    ON_FAULT .Lcmpxchg, .Lcmpxchg_end, host_safecopy_efault

/* int host_safecopy_xchg(u32 *p, u32 val, u32 *old) */
    FUNC host_safecopy_xchg
.Lxchg:
    xchg %esi, (%rdi)
.Lxchg_end:
    mov %esi, (%rdx)
    xor %eax, %eax
    ret
    END host_safecopy_xchg
    ON_FAULT .Lxchg, .Lxchg_end, host_safecopy_efault

    FUNC host_safecopy_efault
    mov $-14, %eax /* -EFAULT */
    ret
    END host_safecopy_efault

    .pushsection .rodata.safecopy, "a", @progbits
    .globl host_safecopy_table_end
    .hidden host_safecopy_table_end
host_safecopy_table_end:
    .popsection

    .section .note.GNU-stack, "", @progbits
