/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Harness of the syscall conformance programs. Include it first. It owns main(), the registry of
 * cases, the checks, the timeout and the temporary directory of each case.
 *
 *   TEST(name) { EXPECT(...); }      a case; runs in a forked child, in an empty directory
 *   HELPER(name) { return 0; }       what `prog --helper name args...` does, for tests of execve
 *
 * A check that fails in a process forked with t_fork() is seen by its parent as exit status 99.
 */
#ifndef T_HARNESS_H
#define T_HARNESS_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define T_UNUSED __attribute__((unused))
#define T_STATUS_FAILED 99
#define T_STATUS_SKIPPED 77
#define T_SIGNALED 256 /* t_wait() returns T_SIGNALED + signal for a killed child */
#define T_NOBODY 65534
#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

enum {
    T_NOFORK = 1, /* run in the harness process: no timeout, no directory of its own */
    T_SLOW = 2,   /* three times the usual timeout */
};

struct t_case {
    const char *name;
    void (*fn)(void);
    int (*helper)(int argc, char **argv);
    int flags;
    struct t_case *next;
};

struct t_shared {
    atomic_int set;
    char msg[512];
};

static struct t_case *g_t_cases, **g_t_last = &g_t_cases;
static struct t_shared *g_t_shared, g_t_private;
static const char *g_t_name = "";
static atomic_int g_t_failed;
static volatile pid_t g_t_child;
static char t_self[PATH_MAX] T_UNUSED;     /* absolute path of this program */
static char t_dir[PATH_MAX - 64] T_UNUSED; /* the directory of the running case, also its cwd */

static void t_register(struct t_case *c)
{
    *g_t_last = c;
    g_t_last = &c->next;
}

#define TEST_FLAGS(n, fl)                                                                          \
    static void t_fn_##n(void);                                                                    \
    static struct t_case t_case_##n = {.name = #n, .fn = t_fn_##n, .flags = (fl)};                 \
    __attribute__((constructor)) static void t_reg_##n(void)                                       \
    {                                                                                              \
        t_register(&t_case_##n);                                                                   \
    }                                                                                              \
    static void t_fn_##n(void)
#define TEST(n) TEST_FLAGS(n, 0)

#define HELPER(n)                                                                                  \
    static int t_helper_##n(int argc, char **argv);                                                \
    static struct t_case t_hcase_##n = {.name = #n, .helper = t_helper_##n};                       \
    __attribute__((constructor)) static void t_hreg_##n(void)                                      \
    {                                                                                              \
        t_register(&t_hcase_##n);                                                                  \
    }                                                                                              \
    static int t_helper_##n(int argc T_UNUSED, char **argv T_UNUSED)

static void t_write_all(int fd, const char *s)
{
    size_t n = strlen(s);

    while (n > 0) {
        ssize_t r = write(fd, s, n);

        if (r < 0 && errno == EINTR)
            continue;
        if (r <= 0)
            return;
        s += r;
        n -= (size_t)r;
    }
}

__attribute__((format(printf, 3, 4))) static void t_fail(const char *file, int line,
                                                         const char *fmt, ...)
{
    char msg[400], out[512];
    const char *base = strrchr(file, '/');
    int saved = errno;
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(msg, sizeof(msg), fmt, ap);
    va_end(ap);
    snprintf(out, sizeof(out), "%s:%d %s", base ? base + 1 : file, line, msg);
    if (atomic_exchange(&g_t_shared->set, 1) == 0) {
        snprintf(g_t_shared->msg, sizeof(g_t_shared->msg), "%s", out);
    } else {
        snprintf(msg, sizeof(msg), "# %s: %.380s\n", g_t_name, out);
        t_write_all(1, msg);
    }
    atomic_store(&g_t_failed, 1);
    errno = saved;
}

#define T_DIE() _exit(T_STATUS_FAILED)
#define CHILD_EXIT() _exit(g_t_failed ? T_STATUS_FAILED : 0)

#define T_CHECK(fatal, cond)                                                                       \
    do {                                                                                           \
        if (!(cond)) {                                                                             \
            t_fail(__FILE__, __LINE__, "%s (errno %d)", #cond, errno);                             \
            fatal;                                                                                 \
        }                                                                                          \
    } while (0)
#define T_CHECK_EQ(fatal, got, want)                                                               \
    do {                                                                                           \
        long long t_got = (long long)(got), t_want = (long long)(want);                            \
        if (t_got != t_want) {                                                                     \
            t_fail(__FILE__, __LINE__, "%s == %s (%lld, wanted %lld, errno %d)", #got, #want,      \
                   t_got, t_want, errno);                                                          \
            fatal;                                                                                 \
        }                                                                                          \
    } while (0)
#define T_CHECK_OK(fatal, call)                                                                    \
    do {                                                                                           \
        long long t_ret = (long long)(call);                                                       \
        if (t_ret == -1) {                                                                         \
            t_fail(__FILE__, __LINE__, "%s failed (errno %d %s)", #call, errno, strerror(errno));  \
            fatal;                                                                                 \
        }                                                                                          \
    } while (0)

#define EXPECT(cond) T_CHECK((void)0, cond)
#define ASSERT(cond) T_CHECK(T_DIE(), cond)
#define EXPECT_EQ(got, want) T_CHECK_EQ((void)0, got, want)
#define ASSERT_EQ(got, want) T_CHECK_EQ(T_DIE(), got, want)
#define EXPECT_OK(call) T_CHECK_OK((void)0, call)
#define ASSERT_OK(call) T_CHECK_OK(T_DIE(), call)
#define EXPECT_ERRNO(call, err)                                                                    \
    do {                                                                                           \
        long long t_ret;                                                                           \
        errno = 0;                                                                                 \
        t_ret = (long long)(call);                                                                 \
        if (t_ret != -1 || errno != (err))                                                         \
            t_fail(__FILE__, __LINE__, "%s: wanted %s (returned %lld, errno %d)", #call, #err,     \
                   t_ret, errno);                                                                  \
    } while (0)
#define EXPECT_STR(got, want)                                                                      \
    do {                                                                                           \
        const char *t_got = (got), *t_want = (want);                                               \
        if (strcmp(t_got, t_want) != 0)                                                            \
            t_fail(__FILE__, __LINE__, "%s (\"%s\", wanted \"%s\")", #got, t_got, t_want);         \
    } while (0)
#define EXPECT_EXIT(pid, code) EXPECT_EQ(t_wait(pid), code)
#define EXPECT_KILLED(pid, sig) EXPECT_EQ(t_wait(pid), T_SIGNALED + (sig))

/* Only in the process of the case itself, not in one that it forked. */
#define SKIP(why)                                                                                  \
    do {                                                                                           \
        if (g_t_failed)                                                                            \
            T_DIE();                                                                               \
        snprintf(g_t_shared->msg, sizeof(g_t_shared->msg), "%s", why);                             \
        _exit(T_STATUS_SKIPPED);                                                                   \
    } while (0)
#define NEED_ROOT()                                                                                \
    do {                                                                                           \
        if (geteuid() != 0)                                                                        \
            SKIP("needs root");                                                                    \
    } while (0)

/* Status of a child: 0..255, or T_SIGNALED + signal, or -1 (errno). */
static T_UNUSED int t_wait(pid_t pid)
{
    int status;

    while (waitpid(pid, &status, __WALL) < 0) {
        if (errno != EINTR)
            return -1;
    }
    return WIFSIGNALED(status) ? T_SIGNALED + WTERMSIG(status) : WEXITSTATUS(status);
}

static T_UNUSED pid_t t_fork(void)
{
    pid_t pid = fork();

    if (pid < 0) {
        t_fail(__FILE__, __LINE__, "fork (errno %d)", errno);
        T_DIE();
    }
    if (pid == 0)
        atomic_store(&g_t_failed, 0);
    return pid;
}

static T_UNUSED void t_sleep_ms(long ms)
{
    struct timespec ts = {ms / 1000, (ms % 1000) * 1000000};

    while (nanosleep(&ts, &ts) < 0 && errno == EINTR)
        ;
}

static T_UNUSED long long t_now_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

/* A counting gate between processes or threads: one byte in a pipe per post. */
struct t_gate {
    int fd[2];
};

static T_UNUSED void t_gate_init(struct t_gate *g)
{
    ASSERT_OK(pipe(g->fd));
}

static T_UNUSED void t_gate_post(struct t_gate *g)
{
    ASSERT_EQ(write(g->fd[1], "x", 1), 1);
}

static T_UNUSED void t_gate_wait(struct t_gate *g)
{
    char c;
    ssize_t n;

    while ((n = read(g->fd[0], &c, 1)) < 0 && errno == EINTR)
        ;
    ASSERT_EQ(n, 1);
}

static T_UNUSED void t_handle(int sig, void (*fn)(int), int flags)
{
    struct sigaction sa = {.sa_handler = fn, .sa_flags = flags};

    ASSERT_OK(sigaction(sig, &sa, NULL));
}

static T_UNUSED void t_handle_info(int sig, void (*fn)(int, siginfo_t *, void *), int flags)
{
    struct sigaction sa = {.sa_sigaction = fn, .sa_flags = flags | SA_SIGINFO};

    ASSERT_OK(sigaction(sig, &sa, NULL));
}

static T_UNUSED void t_block(int sig)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, sig);
    ASSERT_OK(sigprocmask(SIG_BLOCK, &set, NULL));
}

static T_UNUSED void t_unblock(int sig)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, sig);
    ASSERT_OK(sigprocmask(SIG_UNBLOCK, &set, NULL));
}

/* Creates (or truncates) a file with this text. */
static T_UNUSED void t_put_file(const char *path, const char *text, mode_t mode)
{
    int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY, mode);

    ASSERT_OK(fd);
    ASSERT_EQ(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    ASSERT_OK(close(fd));
}

/* Reads up to size-1 bytes into buf, adds a NUL; returns the count, or -1 (errno). */
static T_UNUSED ssize_t t_get_file(const char *path, char *buf, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t len = 0;
    ssize_t n;

    if (fd < 0)
        return -1;
    while (len < size - 1 && (n = read(fd, buf + len, size - 1 - len)) > 0)
        len += (size_t)n;
    buf[len] = 0;
    close(fd);
    return (ssize_t)len;
}

/* In a forked child of a root case: become nobody, with no groups and no capabilities. */
static T_UNUSED void t_become_nobody(void)
{
    ASSERT_OK(syscall(SYS_setgroups, 0, NULL));
    ASSERT_OK(setresgid(T_NOBODY, T_NOBODY, T_NOBODY));
    ASSERT_OK(setresuid(T_NOBODY, T_NOBODY, T_NOBODY));
}

static void t_on_alarm(int sig T_UNUSED)
{
    if (g_t_child > 0) {
        snprintf(g_t_shared->msg, sizeof(g_t_shared->msg), "timed out");
        kill(-g_t_child, SIGKILL);
        kill(g_t_child, SIGKILL);
    }
}

static int t_remove_one(const char *path, const struct stat *st T_UNUSED, int type T_UNUSED,
                        struct FTW *ftw T_UNUSED)
{
    remove(path);
    return 0;
}

static void t_reset_process(void)
{
    sigset_t none;

    for (int sig = 1; sig < 32; sig++)
        signal(sig, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    umask(022);
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    if (syscall(SYS_close_range, 3, ~0U, 0) != 0) {
        for (int fd = 3; fd < 64; fd++)
            close(fd);
    }
}

static void t_run_child(struct t_case *c)
{
    setpgid(0, 0);
    signal(SIGALRM, SIG_DFL);
    if (chdir(t_dir) != 0) {
        t_fail(__FILE__, __LINE__, "chdir %s (errno %d)", t_dir, errno);
        T_DIE();
    }
    c->fn();
    CHILD_EXIT();
}

/* 0 passed, 1 failed, 2 skipped. */
static int t_run_case(struct t_case *c, unsigned timeout)
{
    const char *tmp = getenv("TMPDIR");
    char line[1024];
    int st;

    g_t_name = c->name;
    atomic_store(&g_t_shared->set, 0);
    g_t_shared->msg[0] = 0;
    atomic_store(&g_t_failed, 0);
    if (c->flags & T_NOFORK) {
        c->fn();
        st = g_t_failed ? T_STATUS_FAILED : 0;
    } else {
        snprintf(t_dir, sizeof(t_dir), "%s/cvt.XXXXXX", tmp && *tmp ? tmp : "/tmp");
        if (!mkdtemp(t_dir))
            t_fail(__FILE__, __LINE__, "mkdtemp %s (errno %d)", t_dir, errno);
        g_t_child = fork();
        if (g_t_child == 0)
            t_run_child(c);
        alarm(c->flags & T_SLOW ? timeout * 3 : timeout);
        st = t_wait(g_t_child);
        alarm(0);
        if (g_t_child > 0)
            kill(-g_t_child, SIGKILL);
        g_t_child = 0;
        nftw(t_dir, t_remove_one, 8, FTW_DEPTH | FTW_PHYS);
    }
    if (g_t_shared->msg[0] == 0 && st >= T_SIGNALED)
        snprintf(g_t_shared->msg, sizeof(g_t_shared->msg), "killed by signal %d", st - T_SIGNALED);
    else if (g_t_shared->msg[0] == 0 && st != 0)
        snprintf(g_t_shared->msg, sizeof(g_t_shared->msg), "exit status %d", st);
    snprintf(line, sizeof(line), st == 0 ? "%s %s\n" : "%s %s - %s\n",
             st == 0                  ? "ok"
             : st == T_STATUS_SKIPPED ? "skip"
                                      : "not ok",
             c->name, g_t_shared->msg);
    t_write_all(1, line);
    return st == 0 ? 0 : st == T_STATUS_SKIPPED ? 2 : 1;
}

static bool t_selected(const struct t_case *c, int argc, char **argv)
{
    if (!c->fn)
        return false;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], c->name) == 0)
            return true;
    }
    return argc < 2;
}

int main(int argc, char **argv)
{
    const char *limit = getenv("SYSCALLS_TIMEOUT");
    unsigned timeout = limit ? (unsigned)atoi(limit) : 20;
    int count[3] = {0, 0, 0};
    char line[128];
    ssize_t n;

    if (argc > 2 && strcmp(argv[1], "--helper") == 0) {
        g_t_shared = &g_t_private;
        for (struct t_case *c = g_t_cases; c; c = c->next) {
            if (c->helper && strcmp(c->name, argv[2]) == 0)
                return c->helper(argc - 2, argv + 2);
        }
        return 98;
    }
    t_reset_process();
    n = readlink("/proc/self/exe", t_self, sizeof(t_self) - 1);
    if (n <= 0)
        snprintf(t_self, sizeof(t_self), "%s", argv[0]);
    g_t_shared = mmap(NULL, sizeof(*g_t_shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
                      -1, 0);
    if (g_t_shared == MAP_FAILED)
        g_t_shared = &g_t_private;
    t_handle(SIGALRM, t_on_alarm, SA_RESTART);
    for (struct t_case *c = g_t_cases; c; c = c->next) {
        if (argc == 2 && strcmp(argv[1], "--list") == 0) {
            if (c->fn)
                puts(c->name);
        } else if (t_selected(c, argc, argv)) {
            count[t_run_case(c, timeout)]++;
        }
    }
    if (argc == 2 && strcmp(argv[1], "--list") == 0)
        return 0;
    snprintf(line, sizeof(line), "%d passed, %d failed, %d skipped\n", count[0], count[1],
             count[2]);
    t_write_all(1, line);
    if (argc > 1 && count[0] + count[1] + count[2] != argc - 1) {
        t_write_all(1, "# some of the named cases do not exist\n");
        return 2;
    }
    return count[1] ? 1 : 0;
}

#endif
