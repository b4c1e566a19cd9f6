/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the stress programs share. A case runs in a child of the first process, as leader of a process
 * group; afterwards everything that it left is killed and must be reapable, and the kernel must still
 * work. A case may fail to get what it wants (that is the point), so most checks are about the end.
 */
#ifndef STRESS_H
#define STRESS_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct stress_case {
    const char *name;
    void (*run)(void);
    struct stress_case *next;
};

static struct stress_case *g_cases, **g_cases_end = &g_cases;
static bool g_quick;       /* --quick: smaller counts */
static const char *g_self; /* this program */

#define CASE(n)                                                                                    \
    static void case_##n(void);                                                                    \
    static struct stress_case g_case_##n = {#n, case_##n, NULL};                                   \
    __attribute__((constructor)) static void add_##n(void)                                         \
    {                                                                                              \
        *g_cases_end = &g_case_##n;                                                                \
        g_cases_end = &g_case_##n.next;                                                            \
    }                                                                                              \
    static void case_##n(void)

static inline int64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Ends the case: it failed. */
static inline __attribute__((noreturn, format(printf, 1, 2))) void fail(const char *fmt, ...)
{
    char buf[300];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(buf, sizeof(buf), fmt, ap);
    va_end(ap);
    printf("    %s\n", buf);
    fflush(stdout);
    _exit(1);
}

/* Ends the case: this kernel lacks something. */
static inline __attribute__((noreturn)) void skip(const char *why)
{
    printf("    skipped: %s\n", why);
    fflush(stdout);
    _exit(77);
}

#define CHECK(cond)                                                                                \
    do {                                                                                           \
        if (!(cond))                                                                               \
            fail("line %d: %s (errno %d %s)", __LINE__, #cond, errno, strerror(errno));            \
    } while (0)

static inline int pick(int full, int quick)
{
    return g_quick ? quick : full;
}

static inline void nap(int ms)
{
    usleep((useconds_t)ms * 1000);
}

static inline void raise_files(void)
{
    struct rlimit r = {1 << 20, 1 << 20};

    setrlimit(RLIMIT_NOFILE, &r);
}

/* Runs fn(arg) in n children and waits for them; the number that a signal ended. */
static inline int in_children(int n, void (*fn)(int))
{
    int status, signals = 0;

    for (int i = 0; i < n; i++) {
        int pid = fork();
        if (pid == 0) {
            fn(i);
            _exit(0);
        }
        CHECK(pid > 0);
    }
    while (wait(&status) > 0 || errno == EINTR) {
        if (WIFEXITED(status) && WEXITSTATUS(status) != 0)
            _exit(WEXITSTATUS(status));
        signals += WIFSIGNALED(status);
    }
    return signals;
}

static bool stress_reap_all(void)
{
    int64_t end = now_ms() + 60000;

    for (;;) {
        int pid = waitpid(-1, NULL, WNOHANG | __WALL);
        if (pid < 0 && errno == ECHILD)
            return true;
        if (pid > 0)
            continue;
        kill(-1, SIGKILL);
        nap(2);
        if (now_ms() > end)
            return false;
    }
}

/* After a case: a process, a pipe, memory, a file. */
static bool stress_still_works(void)
{
    char b = 0,
         *m = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int p[2], status, fd;

    if (m == MAP_FAILED || pipe(p) < 0)
        return false;
    memset(m, 1, 1 << 20);
    int pid = fork();
    if (pid < 0)
        return false;
    if (pid == 0)
        _exit(write(p[1], m, 1) != 1);
    bool good = read(p[0], &b, 1) == 1 && b == 1;
    good = waitpid(pid, &status, 0) == pid && status == 0 && good;
    close(p[0]), close(p[1]), munmap(m, 1 << 20);
    fd = open("/tmp/stress.works", O_CREAT | O_RDWR, 0600);
    good = fd >= 0 && write(fd, "x", 1) == 1 && good;
    close(fd), unlink("/tmp/stress.works");
    return good;
}

/* 0 = passed, 1 = failed, 77 = skipped. */
static int stress_run(struct stress_case *c, int limit_s)
{
    int64_t end = now_ms() + limit_s * 1000;
    int status, pid = fork(), r;

    if (pid == 0) {
        setpgid(0, 0);
        mkdir("/tmp/stress", 0777);
        if (chdir("/tmp/stress") < 0)
            fail("no /tmp/stress");
        c->run();
        fflush(stdout);
        _exit(0);
    }
    while ((r = waitpid(pid, &status, WNOHANG)) == 0 && now_ms() < end)
        nap(3);
    if (r == 0)
        printf("    not ready after %d s\n", limit_s);
    if (r == pid && WIFSIGNALED(status))
        printf("    ended by signal %d\n", WTERMSIG(status));
    if (!stress_reap_all()) {
        printf("    processes are left that SIGKILL does not end\n");
        return 1;
    }
    if (!stress_still_works()) {
        printf("    processes, memory or files don't work afterwards: %s\n", strerror(errno));
        return 1;
    }
    return r != pid || !WIFEXITED(status) ? 1 : WEXITSTATUS(status);
}

int main(int argc, char **argv)
{
    struct utsname u;
    int passed = 0, failed = 0, skipped = 0, limit = 100;

    setvbuf(stdout, NULL, _IONBF, 0);
    g_self = argv[0];
    uname(&u);
    if (!strstr(u.release, "cvisor")) {
        fprintf(stderr, "%s: this is no sandbox, and it could harm the machine\n", argv[0]);
        return 2;
    }
    if (argc > 1 && !strcmp(argv[1], "--helper"))
        return 0;
    if (argc > 1 && !strcmp(argv[1], "--quick"))
        g_quick = true, argc--, argv++;
    for (struct stress_case *c = g_cases; c; c = c->next) {
        bool wanted = argc < 2;
        for (int i = 1; i < argc; i++)
            wanted |= !strcmp(argv[i], c->name);
        if (!wanted)
            continue;
        int64_t start = now_ms();
        int r = stress_run(c, limit);
        printf("%s %s (%lld ms)\n",
               r == 0    ? "ok"
               : r == 77 ? "skip"
                         : "not ok",
               c->name, (long long)(now_ms() - start));
        passed += r == 0, skipped += r == 77, failed += r != 0 && r != 77;
    }
    printf("%d passed, %d failed, %d skipped\n", passed, failed, skipped);
    return failed != 0;
}

#endif
