/* SPDX-License-Identifier: Apache-2.0 */
/* Copies between the kernel and guest memory that is present. */
#include "sentry/mm/uaccess.h"

#include "bench.h"

static void run_in(const struct bench_case *c, long n)
{
    static _Thread_local char buf[4096];

    for (long i = 0; i < n; i++)
        bench_need(copy_in(current, buf, g_bench_user, (size_t)c->arg) == 0, "copy_in");
}

static void run_out(const struct bench_case *c, long n)
{
    static _Thread_local char buf[4096];

    for (long i = 0; i < n; i++)
        bench_need(copy_out(current, g_bench_user, buf, (size_t)c->arg) == 0, "copy_out");
}

const struct bench_case g_bench_uaccess[] = {
    {"copy_in_8", run_in, NULL, 8, true},
    {"copy_out_8", run_out, NULL, 8, true},
    {"copy_in_4096", run_in, NULL, 4096, true},
    {"copy_out_4096", run_out, NULL, 4096, true},
    {.name = NULL},
};
