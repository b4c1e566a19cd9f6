/* SPDX-License-Identifier: Apache-2.0 */
/* Compiler attributes, container_of, min/max, and the assertion for our own invariants. */
#ifndef CVISOR_COMPILER_H
#define CVISOR_COMPILER_H

#include "cvisor/types.h"

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#define __printf(f, a) __attribute__((format(printf, f, a)))
#define __noreturn __attribute__((noreturn))
#define __must_check __attribute__((warn_unused_result))
#define __unused __attribute__((unused))
#define __cleanup(fn) __attribute__((cleanup(fn)))
#define __aligned_to(n) __attribute__((aligned(n)))
#define __packed_struct __attribute__((packed))

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define container_of(ptr, type, member)                                                            \
    ((type *)((char *)(1 ? (ptr) : &((type *)0)->member) - offsetof(type, member)))

/* Names of their own, so that one may stand in another's arguments. */
#define CV_PASTE_(a, b) a##b
#define CV_PASTE(a, b) CV_PASTE_(a, b)
#define CV_PICK_(op, a, b, x, y)                                                                   \
    ({                                                                                             \
        __auto_type x = (a);                                                                       \
        __auto_type y = (b);                                                                       \
        x op y ? x : y;                                                                            \
    })
#define CV_PICK(op, a, b, n) CV_PICK_(op, a, b, CV_PASTE(pick_a_, n), CV_PASTE(pick_b_, n))
#define MIN(a, b) CV_PICK(<, a, b, __COUNTER__)
#define MAX(a, b) CV_PICK(>, a, b, __COUNTER__)

/* Prints the message with a backtrace and ends the process. Never returns. platform/base/crash.c. */
__noreturn void cv_panic(const char *file, int line, const char *fmt, ...) __printf(3, 4);

#define PANIC(...) cv_panic(__FILE__, __LINE__, __VA_ARGS__)
/* For our own invariants only: no guest or peer input may reach a BUG_ON. */
#define BUG_ON(cond)                                                                               \
    do {                                                                                           \
        if (unlikely(cond))                                                                        \
            cv_panic(__FILE__, __LINE__, "BUG: %s", #cond);                                        \
    } while (0)

#endif
