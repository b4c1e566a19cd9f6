/* SPDX-License-Identifier: Apache-2.0 */
/* Alternate signal stacks: a thread that overflowed its stack still has one to report from. */
#ifndef PLATFORM_BASE_CRASH_PRIV_H
#define PLATFORM_BASE_CRASH_PRIV_H

#include "cvisor/types.h"

/* Room for a signal frame with AVX-512 and AMX state, and for the report. */
#define CRASH_ALTSTACK (48u << 10)

/* stack has CRASH_ALTSTACK bytes and lives as long as the thread. */
void crash_thread_enter(void *stack);
void crash_thread_exit(void);

/* platform/base/symbols.c: maps our own executable, for its symbol table. */
void symbols_init(void);

#endif
