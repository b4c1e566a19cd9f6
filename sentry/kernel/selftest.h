/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Debug builds (--enable-debug) answer one more prctl, for the tests of the build itself: mistakes on
 * purpose, which the sanitizers and lockdep must report, and the census of kernel objects.
 */
#ifndef SENTRY_KERNEL_SELFTEST_H
#define SENTRY_KERNEL_SELFTEST_H

#include "sentry/kernel/task.h"

#define SELFTEST_PRCTL 0x43560000

enum selftest {
    SELFTEST_PROBE,          /* 0 in debug builds */
    SELFTEST_USE_AFTER_FREE, /* ASan */
    SELFTEST_OVERFLOW,       /* UBSan */
    SELFTEST_LOCK_ORDER,     /* lockdep */
    SELFTEST_LOCK_HELD,      /* lockdep: at the return to the guest */
    SELFTEST_CENSUS,         /* (buf, size): lines "type live"; returns their length */
    SELFTEST_FAIL_ALLOC,     /* (n): every n-th allocation fails, 0 = none */
    SELFTEST_RACE,           /* TSan, when two tasks do it at the same time */
};

/* what and its arguments are those of the prctl from the second on. */
s64 selftest_prctl(struct task *t, u64 what, uaddr_t buf, u64 size);

#endif
