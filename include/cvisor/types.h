/* SPDX-License-Identifier: Apache-2.0 */
/* Fixed-width integer names and the page size, used by everything. */
#ifndef CVISOR_TYPES_H
#define CVISOR_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h> /* ssize_t */

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int8_t s8;
typedef int16_t s16;
typedef int32_t s32;
typedef int64_t s64;

/* A guest virtual address. Only sentry/mm/uaccess.c turns one into host memory. */
typedef struct {
    u64 v;
} uaddr_t;

static inline uaddr_t uaddr(u64 v)
{
    return (uaddr_t){v};
}

static inline uaddr_t uaddr_add(uaddr_t a, u64 n)
{
    return (uaddr_t){a.v + n};
}

#define PAGE_SHIFT 12
#define PAGE_SIZE 4096ul
#define PAGE_MASK (~(PAGE_SIZE - 1))
#define PAGE_DOWN(x) (PAGE_MASK & (u64)(x))
/* Rounds up; the caller has checked that x + PAGE_SIZE - 1 does not overflow. */
#define PAGE_UP(x) (((u64)(x) + PAGE_SIZE - 1) & PAGE_MASK)

#define NSEC_PER_SEC 1000000000ll
#define NSEC_PER_USEC 1000ll
#define NSEC_PER_MSEC 1000000ll

#endif
