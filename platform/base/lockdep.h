/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of the lock order; every function is empty without --enable-lockdep. */
#ifndef PLATFORM_BASE_LOCKDEP_H
#define PLATFORM_BASE_LOCKDEP_H

#include "cvisor/types.h"

#ifdef CV_LOCKDEP
/* Before the lock is taken, so that the report comes instead of the deadlock. nested: a held lock of
 * the same rank is right. */
void lockdep_check(const void *lock, u32 rank, bool nested);
/* After it was taken. */
void lockdep_push(const void *lock, u32 rank);
/* Before it is released. */
void lockdep_pop(const void *lock, u32 rank);
bool lockdep_holds(const void *lock);
#else
static inline void lockdep_check(const void *lock, u32 rank, bool nested)
{
}
static inline void lockdep_push(const void *lock, u32 rank)
{
}
static inline void lockdep_pop(const void *lock, u32 rank)
{
}
#endif

#endif
