/* SPDX-License-Identifier: Apache-2.0 */
/*
 * In-process benchmarks of hot kernel paths. Each file has a list of cases, ended by one without a name. A case
 * runs its operation n times; one with pair set is measured a second time (NAME_2t) while another thread does
 * the same as another task of the same process.
 */
#ifndef TESTS_BENCH_KERNEL_BENCH_H
#define TESTS_BENCH_KERNEL_BENCH_H

#include "sentry/kernel/task.h"

#include <stdbool.h>

struct bench_case {
    const char *name;
    void (*run)(const struct bench_case *c, long n); /* the calling thread has a task in current */
    void (*setup)(const struct bench_case *c);       /* once, before; may be NULL */
    long arg;
    bool pair;
};

extern const struct bench_case g_bench_vfs[], g_bench_fdtable[], g_bench_futex[], g_bench_ranges[],
    g_bench_uaccess[];

/* world.c: a process of two tasks without guest code, a tmpfs root, an address space of one page run. */
#define BENCH_TASKS 2
#define BENCH_USER_LEN (16ul * 4096)
extern struct task g_bench_tasks[BENCH_TASKS];
extern uaddr_t g_bench_user; /* BENCH_USER_LEN bytes that are mapped and present */
void bench_world(void);

/* Ends the program: a benchmark of something that fails means nothing. */
void bench_need(bool ok, const char *what);

#endif
