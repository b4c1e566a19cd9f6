/* SPDX-License-Identifier: Apache-2.0 */
/* Futexes and clocks of the host. */
#define _GNU_SOURCE
#include "cvisor/host.h"
#include "platform/host/syscall.h"

#include "abi/linux/futex.h"
#include "abi/linux/time.h"

#include <errno.h>
#include <time.h>

static int futex_wait(const _Atomic u32 *w, u32 val, u64 deadline_ns, int flags)
{
    struct linux_timespec ts, *tp = NULL;

    if (deadline_ns) {
        ts.tv_sec = (s64)(deadline_ns / (u64)NSEC_PER_SEC);
        ts.tv_nsec = (s64)(deadline_ns % (u64)NSEC_PER_SEC);
        tp = &ts;
    }
    /* WAIT_BITSET takes an absolute CLOCK_MONOTONIC time, WAIT a relative one. */
    return (int)HOST_CALL(futex, w, LINUX_FUTEX_WAIT_BITSET | flags, val, tp, NULL,
                          LINUX_FUTEX_BITSET_MATCH_ANY);
}

int host_futex_wait(const _Atomic u32 *w, u32 val, u64 deadline_ns)
{
    return futex_wait(w, val, deadline_ns, LINUX_FUTEX_PRIVATE_FLAG);
}

int host_futex_wake(const _Atomic u32 *w, int count)
{
    return (int)HOST_CALL(futex, w, LINUX_FUTEX_WAKE | LINUX_FUTEX_PRIVATE_FLAG, count);
}

int host_futex_wait_shared(const _Atomic u32 *w, u32 val, u64 deadline_ns)
{
    return futex_wait(w, val, deadline_ns, 0);
}

int host_futex_wake_shared(const _Atomic u32 *w, int count)
{
    return (int)HOST_CALL(futex, w, LINUX_FUTEX_WAKE, count);
}

static u64 now(clockid_t clock)
{
    struct timespec ts;

    clock_gettime(clock, &ts);
    return (u64)ts.tv_sec * (u64)NSEC_PER_SEC + (u64)ts.tv_nsec;
}

u64 host_now_mono(void)
{
    return now(CLOCK_MONOTONIC);
}

u64 host_now_real(void)
{
    return now(CLOCK_REALTIME);
}

/* Through libc for the vDSO; struct linux_timespec is laid out as struct timespec. */
int host_clock_gettime(int clock, struct linux_timespec *ts)
{
    return clock_gettime(clock, (struct timespec *)ts) < 0 ? -errno : 0;
}

int host_clock_getres(int clock, struct linux_timespec *ts)
{
    return (int)HOST_CALL(clock_getres, clock, ts);
}
