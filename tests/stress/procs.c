/* SPDX-License-Identifier: Apache-2.0 */
/* Processes, threads and signals in masses: bombs, storms of execve and SIGKILL, floods of signals. */
#include "stress.h"

#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>

static void drop_to_user(rlim_t nproc)
{
    struct rlimit r = {nproc, nproc};

    CHECK(setrlimit(RLIMIT_NPROC, &r) == 0);
    CHECK(setgid(1234) == 0 && setuid(1234) == 0);
}

/* Every process forks until nothing is left, and tries again. */
static void bomb(int64_t end)
{
    while (now_ms() < end) {
        int pid = fork();
        if (pid < 0) {
            if (errno != EAGAIN && errno != ENOMEM)
                fail("fork: %s", strerror(errno));
            sched_yield();
        }
    }
    _exit(0);
}

CASE(fork_bomb)
{
    int64_t end = now_ms() + pick(5000, 1500);
    int n = 0, pid;

    drop_to_user(120);
    while ((pid = fork()) > 0)
        n++;
    if (pid == 0)
        bomb(end);
    CHECK(errno == EAGAIN && n > 0);
    while (now_ms() < end + 200)
        nap(20);
}

/* Without a limit of the user's: the system's has to do. */
CASE(fork_many)
{
    int want = pick(2500, 300), n;

    for (n = 0; n < want; n++) {
        int pid = fork();
        if (pid == 0) {
            pause();
            _exit(0);
        }
        if (pid < 0)
            break;
    }
    CHECK(n == want || errno == EAGAIN || errno == ENOMEM);
    if (n < want)
        printf("    %d processes, then %s\n", n, strerror(errno));
}

static void *thread_sleep(void *arg)
{
    (void)arg;
    pause();
    return NULL;
}

CASE(thread_bomb)
{
    int want = pick(4000, 500), n, r = 0;
    pthread_attr_t a;
    pthread_t t;

    pthread_attr_init(&a);
    pthread_attr_setstacksize(&a, 16384);
    for (n = 0; n < want && r == 0; n++)
        r = pthread_create(&t, &a, thread_sleep, NULL);
    CHECK(r == 0 || r == EAGAIN || r == ENOMEM);
    if (r)
        printf("    %d threads, then %s\n", n, strerror(r));
}

CASE(thread_limit)
{
    int n, r = 0;
    pthread_attr_t a;
    pthread_t t;

    drop_to_user(60);
    pthread_attr_init(&a);
    pthread_attr_setstacksize(&a, 16384);
    for (n = 0; n < 100 && r == 0; n++)
        r = pthread_create(&t, &a, thread_sleep, NULL);
    CHECK(r == EAGAIN && n <= 61);
}

static void exec_fork_child(int i)
{
    char *const argv[] = {(char *)g_self, "--helper", NULL}, *const env[] = {NULL};
    int n = pick(60, 15), status;

    for (int k = 0; k < n; k++) {
        int pid = fork();
        if (pid == 0) {
            execve("/proc/self/exe", argv, env);
            _exit(3 + i);
        }
        CHECK(pid > 0);
        CHECK(waitpid(pid, &status, 0) == pid && status == 0);
    }
}

CASE(exec_storm)
{
    CHECK(in_children(6, exec_fork_child) == 0);
}

static atomic_int g_go;

static void *thread_execs(void *arg)
{
    char *const argv[] = {(char *)g_self, "--helper", NULL}, *const env[] = {NULL};

    (void)arg;
    while (!atomic_load(&g_go))
        ;
    execve("/proc/self/exe", argv, env);
    return NULL;
}

static void exec_race_child(int i)
{
    int n = pick(25, 6), status;

    (void)i;
    for (int k = 0; k < n; k++) {
        int pid = fork();
        if (pid == 0) {
            pthread_t t;
            for (int j = 0; j < 6; j++)
                pthread_create(&t, NULL, thread_execs, NULL);
            atomic_store(&g_go, 1);
            thread_execs(NULL);
            for (;;)
                pause();
        }
        CHECK(pid > 0);
        if (k % 3 == 2) {
            nap(1 + k % 5);
            kill(pid, SIGKILL);
        }
        CHECK(waitpid(pid, &status, 0) == pid);
        CHECK(k % 3 == 2 || status == 0);
    }
}

/* Seven threads of a process call execve at once: one wins, the program runs to its end. */
CASE(exec_race)
{
    CHECK(in_children(4, exec_race_child) == 0);
}

static void *thread_vfork(void *arg)
{
    char *const argv[] = {(char *)g_self, "--helper", NULL}, *const env[] = {NULL};
    int64_t end = *(int64_t *)arg;
    int status;

    while (now_ms() < end) {
        int pid = vfork();
        if (pid == 0) {
            execve("/proc/self/exe", argv, env);
            _exit(3);
        }
        if (pid > 0)
            waitpid(pid, &status, 0);
    }
    return NULL;
}

/* vfork + execve from four threads, and the process is killed in the middle. */
CASE(vfork_exec_kill)
{
    int64_t end = now_ms() + pick(5000, 1500);

    for (int k = 0; now_ms() < end; k++) {
        int pid = fork(), status;
        if (pid == 0) {
            pthread_t t;
            for (int j = 0; j < 4; j++)
                pthread_create(&t, NULL, thread_vfork, &end);
            pause();
        }
        CHECK(pid > 0);
        nap(k % 40);
        CHECK(kill(pid, SIGKILL) == 0);
        CHECK(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status));
    }
}

static int g_pipe[2];

static __attribute__((noreturn)) void *thread_busy(void *arg)
{
    char c, big[4096];
    long k = (long)arg;

    for (;;) {
        switch (k++ % 5) {
        case 0:
            if (read(g_pipe[0], &c, 1) < 0)
                sched_yield();
            break;
        case 1:
            if (write(g_pipe[1], big, sizeof(big)) < 0)
                sched_yield();
            break;
        case 2:
            munmap(mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
                   65536);
            break;
        case 3:
            usleep(100);
            break;
        case 4:
            syscall(SYS_futex, &k, 0, (int)k, &(struct timespec){0, 100000});
            break;
        }
    }
}

/* kill -9 of processes with eight threads in all sorts of calls. */
CASE(kill_storm)
{
    int64_t end = now_ms() + pick(6000, 1500);

    while (now_ms() < end) {
        int pids[4], status;
        for (int i = 0; i < 4; i++) {
            pids[i] = fork();
            if (pids[i] == 0) {
                pthread_t t;
                if (pipe(g_pipe) < 0)
                    _exit(1);
                for (long j = 0; j < 7; j++)
                    pthread_create(&t, NULL, thread_busy, (void *)j);
                thread_busy((void *)7);
            }
            CHECK(pids[i] > 0);
        }
        nap((int)(now_ms() % 30));
        for (int i = 0; i < 4; i++)
            CHECK(kill(pids[i], SIGKILL) == 0);
        for (int i = 0; i < 4; i++)
            CHECK(waitpid(pids[i], &status, 0) == pids[i] && WTERMSIG(status) == SIGKILL);
    }
}

static void on_signal(int sig)
{
    (void)sig;
}

/* More queued signals than the limit allows, to one who blocks them. */
CASE(signal_flood)
{
    int n = 0, got = 0;
    union sigval v = {.sival_int = 1};
    sigset_t all;

    sigfillset(&all);
    CHECK(sigprocmask(SIG_BLOCK, &all, NULL) == 0);
    while (n < 1000000 && sigqueue(getpid(), SIGRTMIN + n % 20, v) == 0)
        n++;
    CHECK(errno == EAGAIN && n < 1000000);
    CHECK(kill(getpid(), SIGUSR1) == 0); /* needs no memory */
    struct timespec zero = {0, 0};
    while (sigtimedwait(&all, NULL, &zero) > 0)
        got++;
    CHECK(got == n + 1);
}

static void flood_child(int i)
{
    int64_t end = now_ms() + pick(4000, 1000);
    struct sigaction sa = {.sa_handler = on_signal, .sa_flags = i & 1 ? SA_RESTART : SA_NODEFER};
    union sigval v = {.sival_int = i};

    for (int s = 34; s < 60; s++)
        sigaction(s, &sa, NULL);
    while (now_ms() < end) {
        char b[64];
        for (int s = 34; s < 60; s++)
            sigqueue(i & 2 ? getpid() : getppid(), s, v);
        int fd = open("/proc/self/stat", O_RDONLY);
        if (read(fd, b, sizeof(b)) < 0)
            nap(1);
        close(fd);
        usleep(10);
    }
}

/* Handlers on top of handlers, restarts of calls, from several sides. */
CASE(signal_storm)
{
    for (int s = 34; s < 60; s++)
        signal(s, on_signal);
    in_children(6, flood_child);
}

/* A handler that faults on its own frame; a stack that is full; a frame on no stack. */
static void bad_stack_child(int i)
{
    struct sigaction sa = {.sa_handler = on_signal, .sa_flags = SA_ONSTACK | SA_NODEFER};
    stack_t ss = {.ss_sp = (void *)(i & 1 ? 0x1000ul : 0x7ffffffff000ul), .ss_size = 8192};

    sigaltstack(&ss, NULL);
    sigaction(SIGSEGV, &sa, NULL);
    sigaction(SIGUSR1, &sa, NULL);
    if (i & 2)
        raise(SIGUSR1);
    else
        *(volatile int *)8 = 1;
}

CASE(signal_bad_stack)
{
    CHECK(in_children(4, bad_stack_child) == 4);
}

static void proc_reader(int i)
{
    int64_t end = now_ms() + pick(6000, 1500);
    static const char *const files[] = {"stat",        "status", "maps",      "cmdline", "environ",
                                        "smaps",       "limits", "mountinfo", "fd/0",    "fdinfo/1",
                                        "task/1/stat", "mem",    "auxv",      "exe",     "cwd",
                                        "root",        "ns/pid", "comm",      "io"};
    char name[100], buf[4096];

    for (unsigned k = (unsigned)i; now_ms() < end; k++) {
        if (i & 1) {
            if (fork() == 0)
                _exit(0);
            if (k % 7 == 0)
                while (waitpid(-1, NULL, WNOHANG) > 0)
                    ;
            continue;
        }
        snprintf(name, sizeof(name), "/proc/%u/%s", 1 + k / 19 % 60, files[k % 19]);
        int fd = open(name, O_RDONLY);
        while (fd >= 0 && read(fd, buf, sizeof(buf)) == sizeof(buf))
            ;
        close(fd);
        if (readlink(name, buf, sizeof(buf)) < 0 && k % 50 == 0) {
            fd = open("/proc", O_RDONLY | O_DIRECTORY);
            while (syscall(SYS_getdents64, fd, buf, sizeof(buf)) > 0)
                ;
            close(fd);
        }
    }
}

CASE(proc_reads_while_processes_go)
{
    in_children(5, proc_reader);
}

/* Chains of orphans: each process leaves before its child. */
static void orphan_child(int i)
{
    (void)i;
    for (int k = 0; k < pick(150, 40); k++) {
        int pid = fork();
        if (pid > 0)
            _exit(0);
        if (pid < 0)
            return;
        setpgid(0, 0);
        if (k % 5 == 0)
            setsid();
    }
}

CASE(orphans)
{
    in_children(8, orphan_child);
}

static void stop_child(int i)
{
    int64_t end = now_ms() + pick(3000, 800);

    while (now_ms() < end) {
        kill(getppid() + 1 + i % 3, i & 1 ? SIGSTOP : SIGCONT);
        kill(0, SIGCONT);
        sched_yield();
    }
}

CASE(stop_and_continue)
{
    signal(SIGCONT, on_signal);
    for (int i = 0; i < 6; i++)
        if (fork() == 0) {
            stop_child(i);
            _exit(0);
        }
    int64_t end = now_ms() + pick(3500, 1200);
    while (now_ms() < end) {
        kill(0, SIGCONT);
        waitpid(-1, NULL, WNOHANG | WUNTRACED | WCONTINUED);
        usleep(500);
    }
}

/* As in sentry/kernel/selftest.h. */
#define SELFTEST_PRCTL 0x43560000
#define SELFTEST_CENSUS 5

/* How many objects of a kind the kernel has; -1: it is no debug build, which could tell. */
static long objects(const char *kind)
{
    static char text[32768];
    long n = prctl(SELFTEST_PRCTL, SELFTEST_CENSUS, text + 1, sizeof(text) - 2, 0);
    char key[64], *at;

    if (n < 0)
        return -1;
    text[0] = '\n';
    text[n + 1] = 0;
    snprintf(key, sizeof(key), "\n%s ", kind);
    at = strstr(text, key);
    return at ? atol(at + strlen(key)) : 0;
}

static void poll_child(int i)
{
    struct pollfd p = {.fd = i, .events = POLLIN};

    for (int k = 0; k < pick(500, 60); k++) {
        int pid = fork();
        if (pid == 0) {
            poll(&p, 1, 1);
            _exit(0);
        }
        if (pid > 0)
            waitpid(pid, NULL, 0);
    }
}

/* A process that has looked at an inherited signalfd does not stay because of it. */
CASE(signalfd_inherited)
{
    long before = objects("thread_group"), now;
    sigset_t set;
    int fd, status;

    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    fd = signalfd(-1, &set, 0);
    CHECK(fd >= 0);
    for (int i = 0; i < 4; i++) {
        if (fork() == 0) {
            poll_child(fd);
            _exit(0);
        }
    }
    while (wait(&status) > 0)
        ;
    now = objects("thread_group");
    if (now >= before + 60)
        fail("%ld processes are left, before it were %ld", now, before);
}
