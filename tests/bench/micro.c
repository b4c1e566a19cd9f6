/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The microbenchmarks: one operation in a loop, reported in ns an operation as "name value" lines.
 * A guest program: runs natively and in any sandbox. micro [SECONDS_PER_OP] [NAME...];
 * micro --list [NAME...] says what would be measured. Environment: SCRATCH = where files are written (default /tmp).
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char g_dir[64], g_file[96], g_deep[192];
static int g_zero, g_fd, g_pipe[2], g_sock[2], g_epoll;
static char g_buf[65536];

static double now_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static void need(int ok, const char *what)
{
    if (!ok) {
        perror(what);
        exit(1);
    }
}

static void op_getpid(void)
{
    syscall(SYS_getpid);
}
static void op_getppid(void)
{
    syscall(SYS_getppid);
}
static void op_clock(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
}
static void op_read_zero(void)
{
    need(read(g_zero, g_buf, 1) == 1, "read");
}
static void op_pread4k(void)
{
    need(pread(g_fd, g_buf, 4096, 0) == 4096, "pread");
}
static void op_pread64k(void)
{
    need(pread(g_fd, g_buf, 65536, 0) == 65536, "pread");
}
static void op_pwrite4k(void)
{
    need(pwrite(g_fd, g_buf, 4096, 0) == 4096, "pwrite");
}
static void op_fstat(void)
{
    struct stat st;
    need(fstat(g_fd, &st) == 0, "fstat");
}
static void op_stat(void)
{
    struct stat st;
    need(stat(g_file, &st) == 0, "stat");
}
static void op_stat_deep(void)
{
    struct stat st;
    need(stat(g_deep, &st) == 0, "stat");
}
static void op_stat_none(void)
{
    struct stat st;
    need(stat("/tmp/there-is-no-such-file", &st) != 0, "stat");
}
static void op_open(void)
{
    int fd = open(g_file, O_RDONLY);
    need(fd >= 0, "open");
    close(fd);
}
static void op_create(void)
{
    char p[128];
    snprintf(p, sizeof(p), "%s/new", g_dir);
    int fd = open(p, O_CREAT | O_WRONLY, 0600);
    need(fd >= 0, "create");
    close(fd);
    unlink(p);
}
static void op_mmap(void)
{
    void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    need(p != MAP_FAILED, "mmap");
    munmap(p, 4096);
}
static void op_mmap_touch(void)
{
    char *p = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    need(p != MAP_FAILED, "mmap");
    for (int i = 0; i < 16; i++)
        p[i * 4096] = 1;
    munmap(p, 65536);
}
static void op_mmap_file(void)
{
    volatile char *p = mmap(NULL, 65536, PROT_READ, MAP_PRIVATE, g_fd, 0);
    need(p != MAP_FAILED, "mmap");
    for (int i = 0; i < 16; i++)
        (void)p[i * 4096];
    munmap((void *)p, 65536);
}
static void op_pipe(void)
{
    need(write(g_pipe[1], g_buf, 1) == 1 && read(g_pipe[0], g_buf, 1) == 1, "pipe");
}
static void op_socket(void)
{
    need(write(g_sock[1], g_buf, 1) == 1 && read(g_sock[0], g_buf, 1) == 1, "socket");
}
static int g_pp[4];
static void *pong(void *arg)
{
    char c;
    (void)arg;
    while (read(g_pp[0], &c, 1) == 1)
        if (write(g_pp[3], &c, 1) != 1)
            break;
    return NULL;
}
static void op_pingpong(void)
{
    static int started;
    char c = 0;
    if (!started) {
        pthread_t t;
        need(pipe(g_pp) == 0 && pipe(g_pp + 2) == 0, "pipe");
        need(pthread_create(&t, NULL, pong, NULL) == 0, "pthread_create");
        started = 1;
    }
    need(write(g_pp[1], &c, 1) == 1 && read(g_pp[2], &c, 1) == 1, "ping-pong");
}
static void op_epoll(void)
{
    struct epoll_event ev;
    need(epoll_wait(g_epoll, &ev, 1, 0) == 1, "epoll_wait");
}
static volatile int g_handled;
static void on_signal(int sig)
{
    (void)sig;
    g_handled++;
}
static void op_signal(void)
{
    raise(SIGUSR1);
}
static void *thread_body(void *arg)
{
    return arg;
}
static void op_thread(void)
{
    pthread_t t;
    need(pthread_create(&t, NULL, thread_body, NULL) == 0, "pthread_create");
    pthread_join(t, NULL);
}
static void op_fork(void)
{
    pid_t p = fork();
    if (p == 0)
        _exit(0);
    need(p > 0 && waitpid(p, NULL, 0) == p, "fork");
}
static void op_vfork_exec(void)
{
    pid_t p = vfork();
    if (p == 0) {
        execl("/bin/true", "true", (char *)NULL);
        _exit(127);
    }
    need(p > 0 && waitpid(p, NULL, 0) == p, "vfork");
}
static void op_yield(void)
{
    sched_yield();
}

static const struct {
    const char *name;
    void (*fn)(void);
} g_ops[] = {
    {"getpid", op_getpid},
    {"getppid", op_getppid},
    {"clock_gettime", op_clock},
    {"read_zero_1", op_read_zero},
    {"pread_4k", op_pread4k},
    {"pread_64k", op_pread64k},
    {"pwrite_4k", op_pwrite4k},
    {"fstat", op_fstat},
    {"stat", op_stat},
    {"stat_8_components", op_stat_deep},
    {"stat_no_such_file", op_stat_none},
    {"open_close", op_open},
    {"create_unlink", op_create},
    {"mmap_munmap_4k", op_mmap},
    {"mmap_touch_16_anon", op_mmap_touch},
    {"mmap_read_16_file", op_mmap_file},
    {"pipe_write_read", op_pipe},
    {"pipe_pingpong", op_pingpong},
    {"unix_write_read", op_socket},
    {"epoll_wait_ready", op_epoll},
    {"signal_self", op_signal},
    {"thread_create_join", op_thread},
    {"fork_wait", op_fork},
    {"vfork_exec_wait", op_vfork_exec},
    {"sched_yield", op_yield},
};

static void setup(void)
{
    struct sigaction sa = {.sa_handler = on_signal};
    const char *scratch = getenv("SCRATCH");
    snprintf(g_dir, sizeof(g_dir), "%s/cvisor-micro-XXXXXX", scratch ? scratch : "/tmp");
    need(mkdtemp(g_dir) != NULL, "mkdtemp");
    snprintf(g_file, sizeof(g_file), "%s/file", g_dir);
    g_fd = open(g_file, O_CREAT | O_RDWR, 0600);
    need(g_fd >= 0, g_file);
    for (int i = 0; i < 4; i++)
        need(write(g_fd, g_buf, sizeof(g_buf)) == sizeof(g_buf), "write");
    int n = snprintf(g_deep, sizeof(g_deep), "%s", g_dir);
    for (int i = 0; i < 5; i++) {
        n += snprintf(g_deep + n, sizeof(g_deep) - (size_t)n, "/d%d", i);
        need(mkdir(g_deep, 0700) == 0, g_deep);
    }
    snprintf(g_deep + n, sizeof(g_deep) - (size_t)n, "/f");
    close(open(g_deep, O_CREAT | O_WRONLY, 0600));
    g_zero = open("/dev/zero", O_RDONLY);
    need(pipe(g_pipe) == 0, "pipe");
    need(socketpair(AF_UNIX, SOCK_STREAM, 0, g_sock) == 0, "socketpair");
    g_epoll = epoll_create1(0);
    int ep[2];
    need(pipe(ep) == 0 && write(ep[1], "x", 1) == 1, "pipe");
    struct epoll_event ev = {.events = EPOLLIN};
    need(epoll_ctl(g_epoll, EPOLL_CTL_ADD, ep[0], &ev) == 0, "epoll_ctl");
    sigaction(SIGUSR1, &sa, NULL);
}

static void cleanup(void)
{
    char cmd[128];
    snprintf(cmd, sizeof(cmd), "rm -rf %s", g_dir);
    if (system(cmd) != 0)
        fprintf(stderr, "cannot remove %s\n", g_dir);
}

/* argv[1] is the time or --list; names follow. */
static int wanted(int argc, char **argv, const char *name)
{
    for (int i = 2; i < argc; i++)
        if (strcmp(argv[i], name) == 0)
            return 1;
    return argc <= 2;
}

/* Median of several batches, each long enough to be timed. */
static double measure(void (*fn)(void), double seconds)
{
    double best[5];
    long n = 1;
    for (;;) {
        double t = now_ns();
        for (long i = 0; i < n; i++)
            fn();
        t = now_ns() - t;
        if (t > seconds * 1e9 / 5 || n > 100000000)
            break;
        n = t < 1e5 ? n * 4 : (long)((double)n * (seconds * 1e9 / 5 / t) * 1.1) + 1;
    }
    for (int k = 0; k < 5; k++) {
        double t = now_ns();
        for (long i = 0; i < n; i++)
            fn();
        best[k] = (now_ns() - t) / (double)n;
    }
    for (int i = 0; i < 5; i++)
        for (int k = i + 1; k < 5; k++)
            if (best[k] < best[i]) {
                double x = best[i];
                best[i] = best[k];
                best[k] = x;
            }
    return best[2];
}

/* A runtime that has just started is slow for a while, and some let the guest read the clock by itself only
 * after a second: neither is what is measured here. */
static void settle(double seconds)
{
    double end = now_ns() + seconds * 1e9;

    while (now_ns() < end)
        op_getppid();
}

int main(int argc, char **argv)
{
    double seconds = argc > 1 ? atof(argv[1]) : 0.25;

    if (argc > 1 && strcmp(argv[1], "--list") == 0) {
        for (size_t i = 0; i < sizeof(g_ops) / sizeof(g_ops[0]); i++)
            if (wanted(argc, argv, g_ops[i].name))
                puts(g_ops[i].name);
        return 0;
    }
    setup();
    settle(seconds * 3);
    for (size_t i = 0; i < sizeof(g_ops) / sizeof(g_ops[0]); i++) {
        if (!wanted(argc, argv, g_ops[i].name))
            continue;
        if (g_ops[i].fn == op_clock)
            sleep(1);
        printf("%s %.1f\n", g_ops[i].name, measure(g_ops[i].fn, seconds));
        fflush(stdout);
    }
    cleanup();
    return 0;
}
