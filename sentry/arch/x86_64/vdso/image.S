/* SPDX-License-Identifier: Apache-2.0 */
/* The vDSO as bytes of the sentry. */
    .section .rodata
    .balign 4096
    .globl g_vdso_image
    .type g_vdso_image, @object
g_vdso_image:
    .incbin "vdso.so"
    .globl g_vdso_image_end
g_vdso_image_end:
    .size g_vdso_image, g_vdso_image_end - g_vdso_image
    .section .note.GNU-stack, "", @progbits
