/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Descriptors: get and put of an open file, in a table that nobody else uses and in one that two tasks share;
 * install and close of one below 100 others.
 */
#include "sentry/kernel/fdtable.h"

#include "abi/linux/fcntl.h"
#include "bench.h"
#include "sentry/vfs/vfs.h"

static struct file *g_file;

static void open_file(void)
{
    if (!g_file)
        bench_need(vfs_open(LINUX_AT_FDCWD, "/fd-file", LINUX_O_CREAT | LINUX_O_RDWR, 0644, 0,
                            &g_file) == 0,
                   "open");
}

static int install(void)
{
    int fd;

    file_get(g_file);
    fd = fd_install(current, g_file, false, 0);
    bench_need(fd >= 0, "fd_install");
    return fd;
}

static void setup_alone(const struct bench_case *c)
{
    open_file();
    install();
}

static void setup_shared(const struct bench_case *c)
{
    fdtable_get(current->files);
}

static void setup_many(const struct bench_case *c)
{
    open_file();
    while (install() < 100)
        ;
}

static void run_get(const struct bench_case *c, long n)
{
    for (long i = 0; i < n; i++) {
        struct file *f = fd_get(current, 0);

        bench_need(f != NULL, "fd_get");
        file_put(f);
    }
}

static void run_install(const struct bench_case *c, long n)
{
    for (long i = 0; i < n; i++)
        bench_need(fd_close(current, install()) == 0, "fd_close");
}

const struct bench_case g_bench_fdtable[] = {
    {"fd_get_put_alone", run_get, setup_alone, 0, false},
    {"fd_get_put_shared", run_get, setup_shared, 0, true},
    {"fd_install_close", run_install, setup_many, 0, false},
    {.name = NULL},
};
