/* SPDX-License-Identifier: Apache-2.0 */
/* Between uaccess.c and iov_iter.c. */
#ifndef SENTRY_MM_UACCESS_INTERNAL_H
#define SENTRY_MM_UACCESS_INTERNAL_H

#include "cvisor/types.h"

struct mm;

/* Within what a guest may pass at all; no overflow. */
bool user_range_ok(u64 addr, u64 n);
/* Bytes copied; less than n only at a fault. */
size_t user_copy_in(struct mm *mm, void *dst, u64 src, size_t n);
size_t user_copy_out(struct mm *mm, u64 dst, const void *src, size_t n);
size_t user_zero(struct mm *mm, u64 dst, size_t n);
/* Host memory behind addr, *got bytes (at most n), or NULL when it is not there with these rights.
 * pma_lock held; valid until it is dropped. */
u8 *pma_host(struct mm *mm, u64 addr, u64 n, u32 access, bool force, u64 *got);

#endif
