/* SPDX-License-Identifier: Apache-2.0 */
/* FUTEX_WAKE of words that nobody waits for: key, hash, bucket. */
#include "sentry/kernel/futex.h"

#include "abi/linux/futex.h"
#include "bench.h"

static void wake_words(const struct bench_case *c, long n, bool shared)
{
    for (long i = 0; i < n; i++) {
        struct futex_word w = {.addr = {g_bench_user.v + (u64)i % 64 * 4}, .shared = shared};

        bench_need(futex_wake(current, w, 1, LINUX_FUTEX_BITSET_MATCH_ANY) == 0, "futex_wake");
    }
}

static void run_private(const struct bench_case *c, long n)
{
    wake_words(c, n, false);
}

static void run_shared(const struct bench_case *c, long n)
{
    wake_words(c, n, true);
}

const struct bench_case g_bench_futex[] = {
    {"futex_wake_none_private", run_private, NULL, 0, true},
    {"futex_wake_none_shared", run_shared, NULL, 0, true},
    {.name = NULL},
};
