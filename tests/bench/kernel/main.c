/* SPDX-License-Identifier: Apache-2.0 */
/* Measures the cases: main [SECONDS_EACH] [PREFIX...], "name ns" lines. */
#include "bench.h"
#include "cvisor/host.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BATCHES 5

static const struct bench_case *const g_all[] = {g_bench_vfs, g_bench_fdtable, g_bench_futex,
                                                 g_bench_ranges, g_bench_uaccess};

void bench_need(bool ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "%s failed\n", what);
        exit(1);
    }
}

/* ---- the second thread ---- */

static _Atomic bool g_stop;
static atomic_int g_running;

static void *companion(void *arg)
{
    const struct bench_case *c = arg;

    current = &g_bench_tasks[1];
    g_running = 1;
    while (!g_stop)
        c->run(c, 100);
    return NULL;
}

/* ---- measuring ---- */

static double run_ns(const struct bench_case *c, long n)
{
    u64 t = host_now_mono();

    c->run(c, n);
    return (double)(host_now_mono() - t);
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

static double median_ns(const struct bench_case *c, double seconds)
{
    double batch = seconds * 1e9 / BATCHES, each[BATCHES], t;
    long n = 16;

    while ((t = run_ns(c, n)) < batch / 4)
        n *= 2;
    n = (long)((double)n * batch / t) + 1;
    for (int i = 0; i < BATCHES; i++)
        each[i] = run_ns(c, n) / (double)n;
    qsort(each, BATCHES, sizeof(each[0]), compare);
    return each[BATCHES / 2];
}

static void report(const struct bench_case *c, const char *suffix, double seconds)
{
    printf("%s%s %.1f\n", c->name, suffix, median_ns(c, seconds));
    fflush(stdout);
}

static void measure(const struct bench_case *c, double seconds)
{
    pthread_t other;

    if (c->setup)
        c->setup(c);
    report(c, "", seconds);
    if (!c->pair)
        return;
    g_stop = false;
    g_running = 0;
    bench_need(pthread_create(&other, NULL, companion, (void *)c) == 0, "pthread_create");
    while (!g_running)
        ;
    report(c, "_2t", seconds);
    g_stop = true;
    pthread_join(other, NULL);
}

static bool wanted(int argc, char **argv, const char *name)
{
    for (int i = 2; i < argc; i++)
        if (strncmp(argv[i], name, strlen(argv[i])) == 0)
            return true;
    return argc <= 2;
}

int main(int argc, char **argv)
{
    double seconds = argc > 1 ? atof(argv[1]) : 0.1;

    bench_need(seconds > 0, "SECONDS_EACH: a positive number is needed; it");
    bench_world();
    for (size_t i = 0; i < ARRAY_SIZE(g_all); i++)
        for (const struct bench_case *c = g_all[i]; c->name; c++)
            if (wanted(argc, argv, c->name))
                measure(c, seconds);
    return 0;
}
