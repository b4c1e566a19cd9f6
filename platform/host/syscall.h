/* SPDX-License-Identifier: Apache-2.0 */
/* The syscall instruction for platform/host: HOST_CALL(name, args...) gives >= 0 or -errno. */
#ifndef PLATFORM_HOST_SYSCALL_H
#define PLATFORM_HOST_SYSCALL_H

#include "abi/linux/unistd.h"
#include "cvisor/compiler.h"

static inline long host_call6(long nr, long a, long b, long c, long d, long e, long f)
{
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    long ret;

    __asm__ volatile("syscall"
                     : "=a"(ret)
                     : "0"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return ret;
}

#define HOST_CALL_PICK_(_0, _1, _2, _3, _4, _5, _6, name, ...) name
#define HOST_CALL_0_(nr) host_call6(nr, 0, 0, 0, 0, 0, 0)
#define HOST_CALL_1_(nr, a) host_call6(nr, (long)(a), 0, 0, 0, 0, 0)
#define HOST_CALL_2_(nr, a, b) host_call6(nr, (long)(a), (long)(b), 0, 0, 0, 0)
#define HOST_CALL_3_(nr, a, b, c) host_call6(nr, (long)(a), (long)(b), (long)(c), 0, 0, 0)
#define HOST_CALL_4_(nr, a, b, c, d)                                                               \
    host_call6(nr, (long)(a), (long)(b), (long)(c), (long)(d), 0, 0)
#define HOST_CALL_5_(nr, a, b, c, d, e)                                                            \
    host_call6(nr, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), 0)
#define HOST_CALL_6_(nr, a, b, c, d, e, f)                                                         \
    host_call6(nr, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))
#define HOST_CALL_(...)                                                                            \
    HOST_CALL_PICK_(__VA_ARGS__, HOST_CALL_6_, HOST_CALL_5_, HOST_CALL_4_, HOST_CALL_3_,           \
                    HOST_CALL_2_, HOST_CALL_1_, HOST_CALL_0_)                                      \
    (__VA_ARGS__)

#define HOST_CALL(name, ...) HOST_CALL_(LINUX_SYS_##name __VA_OPT__(, ) __VA_ARGS__)
/* The same, again as long as a signal interrupts it. */
#define HOST_CALL_RETRY(name, ...)                                                                 \
    ({                                                                                             \
        long host_r_;                                                                              \
        do {                                                                                       \
            host_r_ = HOST_CALL(name, __VA_ARGS__);                                                \
        } while (host_r_ == -EINTR);                                                               \
        host_r_;                                                                                   \
    })

#endif
