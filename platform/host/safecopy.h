/* SPDX-License-Identifier: Apache-2.0 */
/* The assembly of safecopy.S. */
#ifndef PLATFORM_HOST_SAFECOPY_H
#define PLATFORM_HOST_SAFECOPY_H

#include "cvisor/types.h"

/* Offsets from the entry's own address. */
struct host_safecopy_entry {
    s32 start, end, fixup;
};

extern const struct host_safecopy_entry host_safecopy_table[], host_safecopy_table_end[];

size_t host_safecopy_copy(void *dst, const void *src, size_t n);
size_t host_safecopy_zero(void *dst, size_t n);
int host_safecopy_load(const u32 *p, u32 *out);
int host_safecopy_cmpxchg(u32 *p, u32 expect, u32 desired, u32 *old);
int host_safecopy_xchg(u32 *p, u32 val, u32 *old);

#endif
