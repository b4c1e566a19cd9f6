/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A guest that calls random syscalls with hostile arguments, from several processes and threads at
 * once. Usage: syscall_fuzz SEED SECONDS PROCESSES [--no-memory N] [NR...]; with numbers, only those
 * are called; --no-memory: every N-th allocation of the kernel fails (a debug build can do that). It
 * ends with "done seed N" and status 0 when every process that it made could be killed and reaped;
 * crashes of the processes are expected. Never run it outside the sandbox: it checks where it is.
 */
#define _GNU_SOURCE
#include "fuzz_args.h"
#include "fuzz_table.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/utsname.h>
#include <sys/wait.h>

#define PROCESSES_MAX 16
#define CHILD_MS 1200      /* a child ends by itself after this, */
#define CHILD_KILL_MS 2500 /* and is killed after that */
/* As in sentry/kernel/selftest.h. */
#define SELFTEST_PRCTL 0x43560000
#define SELFTEST_CENSUS 5
#define SELFTEST_FAIL_ALLOC 6
#define FD_REPORT 500
#define FORKS_MAX 24 /* live forks of all children together */

struct shared {
    atomic_long calls, children, crashes;
    atomic_int forks;
    int pids[PROCESSES_MAX]; /* for the children, who can overwrite it */
};

static struct shared *g_shared;
static int g_pids[PROCESSES_MAX]; /* the parent's own */
static int g_only[64], g_nonly;
static __thread sigjmp_buf g_jump;
static __thread int g_armed;

static int64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static inline __attribute__((always_inline)) long raw(long nr, const uint64_t a[6])
{
    register uint64_t r10 __asm__("r10") = a[3];
    register uint64_t r8 __asm__("r8") = a[4];
    register uint64_t r9 __asm__("r9") = a[5];
    long ret;

    __asm__ volatile("syscall"
                     : "=a"(ret)
                     : "a"(nr), "D"(a[0]), "S"(a[1]), "d"(a[2]), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return ret;
}

static void on_fault(int sig)
{
    (void)sig;
    if (g_armed)
        siglongjmp(g_jump, 1);
    _exit(99);
}

static void on_alarm(int sig)
{
    (void)sig;
}

static void install_handlers(struct fuzz *z)
{
    static const int faults[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGSYS, SIGTRAP};
    struct sigaction sa = {.sa_handler = on_fault, .sa_flags = SA_ONSTACK | SA_NODEFER};
    struct itimerval every = {{0, 4000}, {0, 4000}};
    sigset_t none, faulty;

    sigemptyset(&faulty);
    for (unsigned i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
        sigaddset(&faulty, faults[i]);
    for (unsigned i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
        sigaction(faults[i], &sa, NULL);
    sa.sa_handler = on_alarm;
    sa.sa_flags = chance(z, 50) ? SA_RESTART : 0;
    for (int sig = 1; sig < NSIG; sig++) {
        if (!sigismember(&faulty, sig) && sig != SIGABRT)
            sigaction(sig, &sa, NULL);
    }
    setitimer(ITIMER_REAL, &every, NULL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Descriptors of all kinds, from 3 on. */
static void open_descriptors(void)
{
    struct epoll_event ev = {.events = EPOLLIN};
    struct sockaddr_un addr = {.sun_family = AF_UNIX, .sun_path = "sock"};
    sigset_t set;
    int p[2], e;

    for (int i = 0; i < 4; i++) {
        char name[8];
        snprintf(name, sizeof(name), "f%d", i);
        e = open(name, O_RDWR | O_CREAT, 0666);
        if (e >= 0 && write(e, name, 2) < 0)
            close(e);
    }
    mkdir("d0", 0777), mkdir("d1", 0777), mkdir("m0", 0777);
    mkfifo("fifo", 0666), symlink("f0", "l0"), symlink("d0", "l1"), symlink("loop", "loop");
    open("f0", O_RDWR | O_APPEND), open("f1", O_PATH), open("d0", O_RDONLY | O_DIRECTORY);
    open("d1", O_PATH), open(".", O_TMPFILE | O_RDWR, 0600), open("fifo", O_RDWR | O_NONBLOCK);
    for (int i = 0; i < 4; i++) {
        if (pipe2(p, i & 1 ? O_NONBLOCK : 0) == 0 && i > 1)
            fcntl(p[0], F_SETPIPE_SZ, 65536 * i);
        socketpair(AF_UNIX, (i & 1 ? SOCK_STREAM : SOCK_DGRAM) | (i & 2 ? SOCK_NONBLOCK : 0), 0, p);
    }
    socketpair(AF_UNIX, SOCK_SEQPACKET, 0, p);
    e = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    unlink("sock");
    if (bind(e, (void *)&addr, sizeof(addr)) == 0)
        listen(e, 4);
    socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0), socket(AF_UNIX, SOCK_DGRAM, 0);
    socket(AF_NETLINK, SOCK_RAW, 0), socket(AF_INET, SOCK_STREAM, 0);
    for (int i = 0; i < 3; i++) {
        e = epoll_create1(0);
        for (int fd = 5; fd < 30 && i; fd += 2 + i)
            epoll_ctl(e, EPOLL_CTL_ADD, ev.data.fd = fd, &ev);
    }
    eventfd(3, 0), eventfd(0, EFD_NONBLOCK | EFD_SEMAPHORE);
    timerfd_create(CLOCK_MONOTONIC, 0), timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK);
    sigemptyset(&set), sigaddset(&set, SIGUSR1), sigaddset(&set, SIGRTMIN + 3);
    signalfd(-1, &set, SFD_NONBLOCK);
    memfd_create("m", MFD_ALLOW_SEALING), ftruncate(memfd_create("n", 0), 70000);
    open("/proc/self/maps", O_RDONLY), open("/proc/self/stat", O_RDONLY), open("/proc", O_RDONLY);
    open("/proc/self/fd", O_RDONLY), open("/proc/self/mem", O_RDWR), open("/dev/zero", O_RDWR);
    open("/dev/null", O_RDWR), open("/dev/full", O_RDWR), open("/dev/random", O_RDWR);
    open("/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK), open("/etc/passwd", O_RDONLY);
    open("/usr/bin", O_RDONLY | O_DIRECTORY), open("/bin/true", O_RDONLY), open("/", O_PATH);
    syscall(SYS_pidfd_open, getpid(), 0), syscall(SYS_inotify_init1, O_NONBLOCK);
}

/* The forms that have to be kept in bounds. False: not this call. */
static bool tame(struct fuzz *z, int nr, uint64_t a[6])
{
    const char *kinds = g_fuzz_table[nr];

    if (nr == SYS_reboot)
        return false;
    /* The parent has to stay in order: nothing that changes it. */
    for (int i = 0; kinds && kinds[i]; i++)
        if (kinds[i] == 'x' && (int)a[i] == 1)
            a[i] = (uint64_t)getpid();
    switch (nr) {
    case SYS_exit:
    case SYS_exit_group:
    case SYS_rt_sigreturn:
    case SYS_execve:
    case SYS_execveat:
        return chance(z, 5);
    case SYS_pause:
    case SYS_sync:
    case SYS_rt_sigsuspend:
    case SYS_rt_sigtimedwait:
    case SYS_kill:
    case SYS_select:
        return chance(z, 20);
    case SYS_close_range:
    case SYS_setsid:
        return chance(z, 5);
    case SYS_vfork: /* what the child leaves behind breaks the parent */
        if (!chance(z, 10))
            return false;
        /* fallthrough */
    case SYS_fork:
    case SYS_clone:
    case SYS_clone3:
        return z->depth < 3 && atomic_load(&g_shared->forks) < FORKS_MAX && chance(z, 30);
    case SYS_prlimit64:
        return chance(z, 20);
    case SYS_dup2:
    case SYS_dup3:
        if ((int)a[1] >= 0 && (int)a[1] < 3)
            a[1] = 3;
        return true;
    }
    return true;
}

/* Returns in the child too, then with *forked set. */
static inline __attribute__((always_inline)) void fuzz_call(struct fuzz *z, int nr, bool *forked)
{
    const char *kinds = g_fuzz_table[nr];
    uint64_t a[6];
    long ret;

    z->used = 0;
    for (int i = 0; i < 6; i++)
        a[i] = kinds ? 0 : wild(z);
    for (int i = 0; kinds && kinds[i]; i++)
        a[i] = fuzz_arg(z, kinds[i]);
    if (!tame(z, nr, a))
        return;
    atomic_fetch_add(&g_shared->calls, 1);
    if (nr == SYS_fork || nr == SYS_vfork || nr == SYS_clone || nr == SYS_clone3) {
        ret = raw(nr, a);
        *forked = ret == 0;
        return;
    }
    raw(nr, a);
}

static int pick(struct fuzz *z)
{
    if (g_nonly)
        return g_only[below(z, (unsigned)g_nonly)];
    if (chance(z, 95)) {
        int nr;
        do
            nr = (int)below(z, FUZZ_NR_MAX + 1);
        while (!g_fuzz_table[nr]);
        return nr;
    }
    return chance(z, 97) ? (int)below(z, FUZZ_NR_MAX + 1) : (int)wild(z) & 0x1ff;
}

static void fuzz_loop(struct fuzz *z, int64_t end)
{
    bool forked = false;
    long budget = 1l << 40;
    int nr;

    sigsetjmp(g_jump, 1);
    g_armed = 1;
    while (budget-- > 0 && (budget % 16 || now_ms() < end)) {
        if (budget % 256 == 0)
            install_handlers(z);
        nr = pick(z);
        if (nr > FUZZ_NR_MAX)
            continue;
        fuzz_call(z, nr, &forked);
        if (forked) {
            forked = false;
            z->depth++;
            budget = 40 + below(z, 100);
            z->rng ^= (uint64_t)getpid() * 0x9e3779b97f4a7c15;
            atomic_fetch_add(&g_shared->forks, 1);
        }
    }
    if (z->depth) {
        atomic_fetch_sub(&g_shared->forks, 1);
        _exit(0);
    }
}

struct thread_arg {
    struct fuzz z;
    int64_t end;
    bool mutator;
};

static void *fuzz_thread(void *p)
{
    struct thread_arg *t = p;
    stack_t ss = {.ss_sp = malloc(65536), .ss_size = 65536};

    sigaltstack(&ss, NULL);
    if (t->mutator) {
        /* Changes structures under the others' calls. */
        while (now_ms() < t->end) {
            for (int i = 0; i < 2000; i++) {
                uint64_t v = wild(&t->z);
                memcpy(t->z.pages + below(&t->z, 12 * PAGE), &v, chance(&t->z, 50) ? 4 : 8);
            }
        }
        return NULL;
    }
    fuzz_loop(&t->z, t->end);
    return NULL;
}

static void setup_memory(struct fuzz *z)
{
    int flags = MAP_ANONYMOUS | (chance(z, 50) ? MAP_SHARED : MAP_PRIVATE);

    z->pages = mmap(NULL, 18 * PAGE, PROT_READ | PROT_WRITE, flags, -1, 0);
    z->arena = mmap(NULL, (ARENA_PAGES + 64) * PAGE, PROT_READ | PROT_WRITE, flags, -1, 0);
    if (z->pages == MAP_FAILED || z->arena == MAP_FAILED)
        _exit(98);
    mprotect(z->pages + 16 * PAGE, PAGE, PROT_NONE);
    mprotect(z->pages + 17 * PAGE, PAGE, PROT_READ);
}

static void child_main(uint64_t seed, int npids)
{
    static struct thread_arg threads[3];
    struct fuzz z = {.rng = seed | 1, .pids = g_shared->pids, .npids = npids};
    int64_t end = now_ms() + CHILD_MS;
    stack_t ss = {.ss_sp = malloc(65536), .ss_size = 65536};
    struct rlimit files = {256, 256};
    char dir[64];

    for (int i = 0; i < 20; i++)
        rnd(&z);
    setpgid(0, 0);
    close(FD_REPORT);
    snprintf(dir, sizeof(dir), "/tmp/fuzz.%u", below(&z, 4));
    mkdir(dir, 0777);
    if (chdir(dir) < 0)
        chdir("/tmp");
    sigaltstack(&ss, NULL);
    setup_memory(&z);
    setrlimit(RLIMIT_NOFILE, &files);
    open_descriptors();
    if (chance(&z, 40)) {
        setgid(1000);
        setuid(1000);
    }
    for (unsigned i = 0, n = below(&z, 4); i < n; i++) {
        pthread_t t;
        threads[i] = (struct thread_arg){z, end, i == 2};
        threads[i].z.rng ^= (i + 1) * 0x9e3779b97f4a7c15;
        if (chance(&z, 50))
            setup_memory(&threads[i].z);
        pthread_create(&t, NULL, fuzz_thread, &threads[i]);
    }
    fuzz_loop(&z, end);
    _exit(0);
}

/* Reaps whatever ended. False when there is no child at all. */
static bool reap(int64_t *started, int n)
{
    int status, pid;

    while ((pid = waitpid(-1, &status, WNOHANG | __WALL)) > 0) {
        if (WIFSIGNALED(status))
            atomic_fetch_add(&g_shared->crashes, 1);
        for (int i = 0; i < n; i++)
            if (g_pids[i] == pid)
                g_pids[i] = 0, started[i] = 0;
    }
    return pid == 0;
}

/* Everything that is left must die when it is killed. */
static bool kill_the_rest(int64_t *started, int n)
{
    int64_t end = now_ms() + 20000;
    int pid;

    while (reap(started, n)) {
        kill(-1, SIGKILL);
        kill(-1, SIGCONT);
        usleep(5000);
        if (now_ms() > end)
            break;
    }
    pid = waitpid(-1, NULL, WNOHANG | __WALL);
    return pid < 0 && errno == ECHILD;
}

static bool run_children(uint64_t seed, int64_t seconds, int n)
{
    int64_t started[PROCESSES_MAX] = {0}, end = now_ms() + seconds * 1000;

    while (now_ms() < end) {
        for (int i = 0; i < n; i++) {
            if (!started[i]) {
                uint64_t s = ++seed * 0x9e3779b97f4a7c15;
                int pid = fork();
                if (pid == 0)
                    child_main(s, n);
                if (pid < 0)
                    continue;
                atomic_fetch_add(&g_shared->children, 1);
                g_pids[i] = g_shared->pids[i] = pid;
                started[i] = now_ms();
            } else if (now_ms() - started[i] > CHILD_KILL_MS) {
                kill(-g_pids[i], SIGKILL);
                kill(g_pids[i], SIGKILL);
            }
        }
        reap(started, n);
        /* Forks that were killed never count down. */
        if (atomic_load(&g_shared->forks) >= FORKS_MAX && seed % 4 == 0)
            atomic_store(&g_shared->forks, 0);
        usleep(10000);
    }
    return kill_the_rest(started, n);
}

/* Mounts keep what is below them: a process whose directory in /proc is a mount point or is mounted
 * elsewhere. Those of the children go, and /proc with all that is on it. */
static void unmount_all(void)
{
    static char text[65536];
    int fd = open("/proc/self/mountinfo", O_RDONLY | O_NONBLOCK);
    ssize_t n = 0, got;
    char *line, *next;

    while (fd >= 0 && (got = read(fd, text + n, sizeof(text) - 1 - (size_t)n)) > 0)
        n += got;
    close(fd);
    text[n] = 0;
    umount2("/proc", MNT_DETACH);
    for (line = text; *line; line = next) {
        char at[4096];
        next = strchr(line, '\n');
        next = next ? next + 1 : line + strlen(line);
        if (sscanf(line, "%*d %*d %*s %*s %4095s", at) == 1 && strcmp(at, "/"))
            umount2(at, MNT_DETACH);
    }
}

/* Sockets that are only in flight in each other are looked for when others are closed. */
static void collect_sockets(void)
{
    for (int i = 0; i < 1000; i++)
        close(socket(AF_UNIX, SOCK_STREAM, 0));
}

/* Debug builds tell which objects are left. With one process of one thread there are few of these. */
static bool report_leaks(int out)
{
    static char text[32768];
    static const struct {
        const char *name;
        long most;
    } want[] = {{"task ", 2},           {"thread_group ", 2}, {"mm ", 1},
                {"fdtable ", 1},        {"sighand ", 2},      {"file ", 4},
                {"vma ", 40},           {"usock ", 0},        {"pipe ", 0},
                {"epoll ", 0},          {"eventfd ", 0},      {"timerfd ", 0},
                {"posix_timer ", 0},    {"unix_buf ", 0},     {"pipe_buf ", 0},
                {"epoll_item ", 0},     {"signalfd ", 0},     {"futex_waiter ", 0},
                {"sigqueue_entry ", 0}, {"proc_inode ", 40},  {"platform_thread ", 300}};
    bool ok = true;
    long n;

    unmount_all();
    collect_sockets();
    usleep(500000);
    n = prctl(SELFTEST_PRCTL, SELFTEST_CENSUS, text + 1, sizeof(text) - 2, 0);
    text[0] = '\n';
    for (unsigned i = 0; n > 0 && i < sizeof(want) / sizeof(want[0]); i++) {
        char key[64], *at;
        snprintf(key, sizeof(key), "\n%s", want[i].name);
        at = strstr(text, key);
        if (at && atol(at + strlen(key)) > want[i].most) {
            dprintf(out, "leak: %s%ld\n", want[i].name, atol(at + strlen(key)));
            ok = false;
        }
    }
    return ok;
}

int main(int argc, char **argv)
{
    struct utsname u;
    uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 1;
    int seconds = argc > 2 ? atoi(argv[2]) : 5, n = argc > 3 ? atoi(argv[3]) : 4;
    int out, null, no_memory = 0;
    bool ok;

    uname(&u);
    if (!strstr(u.release, "cvisor")) {
        fprintf(stderr, "syscall_fuzz: this is no sandbox, and the calls could harm the machine\n");
        return 2;
    }
    if (argc > 4 &&
        !strcmp(argv[4], "--no-memory")) { /* debug builds: allocations fail at random */
        if (prctl(SELFTEST_PRCTL, 0, 0, 0, 0) != 0)
            return 77;
        no_memory = argc > 5 ? atoi(argv[5]) : 200;
        argc -= 2, argv += 2;
    }
    if (getpid() != 1)
        return 0; /* somebody executes /proc/self/exe */
    for (int i = 4; i < argc && g_nonly < 64; i++)
        g_only[g_nonly++] = atoi(argv[i]);
    if (n < 1 || n > PROCESSES_MAX)
        n = 4;
    g_shared = mmap(NULL, sizeof(*g_shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
                    0);
    if (g_shared == MAP_FAILED)
        return 2;
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    /* F_SETSIG and F_SETOWN can send anything. */
    for (int sig = 1; sig < NSIG; sig++)
        if (sig != SIGCHLD)
            signal(sig, SIG_IGN);
    umask(0);
    /* The children get nothing of the outside; this one is closed in child_main(). */
    out = fcntl(1, F_DUPFD_CLOEXEC, FD_REPORT);
    null = open("/dev/null", O_RDWR);
    for (int i = 0; i < 3; i++)
        dup2(null, i);
    if (no_memory)
        prctl(SELFTEST_PRCTL, SELFTEST_FAIL_ALLOC, no_memory, 0, 0);
    ok = run_children(seed, seconds, n);
    prctl(SELFTEST_PRCTL, SELFTEST_FAIL_ALLOC, 0, 0, 0);
    if (!ok)
        dprintf(out, "stuck: processes are left that SIGKILL does not end\n");
    dprintf(out, "%ld calls, %ld children, %ld ended by a signal\n", atomic_load(&g_shared->calls),
            atomic_load(&g_shared->children), atomic_load(&g_shared->crashes));
    ok = report_leaks(out) && ok;
    dprintf(out, "done seed %llu\n", (unsigned long long)seed);
    return ok ? 0 : 1;
}
