/* SPDX-License-Identifier: Apache-2.0 */
/* What free memory looks like: marked for ASan, filled with a pattern in debug builds. */
#ifndef PLATFORM_BASE_POISON_H
#define PLATFORM_BASE_POISON_H

#include "cvisor/types.h"

#ifdef CV_ASAN
#include <sanitizer/asan_interface.h>
#define poison_region(p, n) __asan_poison_memory_region((p), (n))
#define unpoison_region(p, n) __asan_unpoison_memory_region((p), (n))
/* Bytes after each object that nobody may touch. */
#define REDZONE 16
#define __no_asan __attribute__((no_sanitize("address")))
#else
#define poison_region(p, n) ((void)(p), (void)(n))
#define unpoison_region(p, n) ((void)(p), (void)(n))
#define REDZONE 0
#define __no_asan
#endif

#define POISON_BYTE 0x6b

#endif
