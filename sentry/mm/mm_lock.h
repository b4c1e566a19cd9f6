/* SPDX-License-Identifier: Apache-2.0 */
/* Locked memory (accounted, not pinned) and residency, for the syscalls of that name. */
#ifndef SENTRY_MM_MM_LOCK_H
#define SENTRY_MM_MM_LOCK_H

#include "sentry/mm/mm.h"

/* RLIMIT_MEMLOCK is not zero, or CAP_IPC_LOCK. */
bool mm_may_lock(void);
int mm_mlock(struct mm *mm, u64 addr, u64 len, bool lock, bool onfault);
int mm_mlockall(struct mm *mm, int flags);
void mm_munlockall(struct mm *mm);
/* A byte (0 or 1) for each page of [start, end) into vec. -ENOMEM when there is a hole. */
int mm_mincore(struct mm *mm, u64 start, u64 end, u8 *vec);

#endif
