/* SPDX-License-Identifier: Apache-2.0 */
/* The Linux version that the vDSO speaks for, as programs expect it in a note. */
    .section .note.Linux, "a", @note
    .balign 4
    .long 6, 4, 0
    .asciz "Linux"
    .balign 4
    .long 0x060600
    .section .note.GNU-stack, "", @progbits
