/* SPDX-License-Identifier: Apache-2.0 */
/* Text that grows: the content of a synthetic file while it is made. */
#ifndef SENTRY_FS_KERNFS_KTEXT_H
#define SENTRY_FS_KERNFS_KTEXT_H

#include "cvisor/compiler.h"

struct ktext {
    char *buf; /* kmalloc'ed, len bytes, not NUL-terminated; NULL while empty */
    size_t len, cap;
    bool failed; /* out of memory: everything later is ignored */
};

/* All of them remember a failure instead of returning it. */
void ktext_printf(struct ktext *t, const char *fmt, ...) __printf(2, 3);
void ktext_puts(struct ktext *t, const char *s);
void ktext_write(struct ktext *t, const void *p, size_t n);
/* Takes over a kmalloc'ed buffer: t is empty before. */
void ktext_adopt(struct ktext *t, char *buf, size_t len);
/* s with newline and backslash as \n and \\, as in the Name: line of status. */
void ktext_escape(struct ktext *t, const char *s);
/* Bits 0 .. nbits-1 of mask as comma-separated 32-bit words, and as a list ("0-3,8"). */
void ktext_bitmap(struct ktext *t, const u64 *mask, unsigned nbits);
void ktext_bitlist(struct ktext *t, const u64 *mask, unsigned nbits);
void ktext_free(struct ktext *t);

#endif
