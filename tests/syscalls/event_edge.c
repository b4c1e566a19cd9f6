/* SPDX-License-Identifier: Apache-2.0 */
/* Corners of waiting: futex variants, nested epoll, signalfd across fork, descriptors of processes. */
#include "harness.h"
#include <linux/futex.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/select.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>

#ifndef SYS_futex_waitv
#define SYS_futex_waitv 449
#endif

struct waitv {
    uint64_t val, uaddr;
    uint32_t flags, reserved;
};

static uint32_t g_a, g_b, g_pi;
static struct t_gate g_gate;

static long fx(void *addr, int op, uint32_t val, void *timeout, void *addr2, uint32_t val3)
{
    return syscall(SYS_futex, addr, op, val, timeout, addr2, val3);
}

static int ready(int ep)
{
    struct epoll_event ev[8];
    return epoll_wait(ep, ev, 8, 0);
}

static int add(int ep, int fd, uint32_t events)
{
    struct epoll_event ev = {.events = events, .data.fd = fd};
    return epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev);
}

static void *waitv_thread(void *arg T_UNUSED)
{
    struct waitv w[2] = {{0, (uintptr_t)&g_a, 2 | FUTEX_PRIVATE_FLAG, 0},
                         {0, (uintptr_t)&g_b, 2 | FUTEX_PRIVATE_FLAG, 0}};
    t_gate_post(&g_gate);
    long r = syscall(SYS_futex_waitv, w, 2, 0, NULL, 0);
    return (void *)(r < 0 ? -(long)errno : r);
}

TEST(futex_waitv_reports_which)
{
    struct waitv w[2] = {{1, (uintptr_t)&g_a, 2 | FUTEX_PRIVATE_FLAG, 0},
                         {0, (uintptr_t)&g_b, 2 | FUTEX_PRIVATE_FLAG, 0}};
    pthread_t t;
    void *res;
    if (syscall(SYS_futex_waitv, w, 2, 0, NULL, 0) < 0 && errno == ENOSYS)
        SKIP("no futex_waitv");
    EXPECT_ERRNO(syscall(SYS_futex_waitv, w, 2, 0, NULL, 0), EAGAIN);
    EXPECT_ERRNO(syscall(SYS_futex_waitv, w, 0, 0, NULL, 0), EINVAL);
    EXPECT_ERRNO(syscall(SYS_futex_waitv, w, 129, 0, NULL, 0), EINVAL);
    w[0].val = 0;
    w[1].flags = 3;
    EXPECT_ERRNO(syscall(SYS_futex_waitv, w, 2, 0, NULL, 0), EINVAL);
    w[1].flags = 2 | FUTEX_PRIVATE_FLAG;
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    EXPECT_ERRNO(syscall(SYS_futex_waitv, w, 2, 0, &ts, CLOCK_MONOTONIC), ETIMEDOUT);
    t_gate_init(&g_gate);
    ASSERT_EQ(pthread_create(&t, NULL, waitv_thread, NULL), 0);
    t_gate_wait(&g_gate);
    while (fx(&g_b, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0) == 0)
        t_sleep_ms(2);
    pthread_join(t, &res);
    EXPECT_EQ((long)res, 1);
    EXPECT_EQ(fx(&g_a, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0), 0);
}

static void *pi_locker(void *arg)
{
    t_gate_post(&g_gate);
    if (fx(&g_pi, FUTEX_LOCK_PI_PRIVATE, 0, NULL, NULL, 0) < 0)
        return (void *)-(long)errno;
    long ok = (g_pi & FUTEX_TID_MASK) == (uint32_t)syscall(SYS_gettid);
    if (arg)
        return (void *)ok; /* dies as the owner */
    fx(&g_pi, FUTEX_UNLOCK_PI_PRIVATE, 0, NULL, NULL, 0);
    return (void *)ok;
}

TEST(futex_pi_hands_over)
{
    pthread_t t[3];
    void *res;
    if (fx(&g_pi, FUTEX_LOCK_PI_PRIVATE, 0, NULL, NULL, 0) < 0)
        SKIP("no PI futexes");
    t_gate_init(&g_gate);
    for (int i = 0; i < 3; i++)
        ASSERT_EQ(pthread_create(&t[i], NULL, pi_locker, NULL), 0);
    for (int i = 0; i < 3; i++)
        t_gate_wait(&g_gate);
    t_sleep_ms(30);
    EXPECT(__atomic_load_n(&g_pi, __ATOMIC_SEQ_CST) & FUTEX_WAITERS);
    EXPECT_OK(fx(&g_pi, FUTEX_UNLOCK_PI_PRIVATE, 0, NULL, NULL, 0));
    for (int i = 0; i < 3; i++) {
        pthread_join(t[i], &res);
        EXPECT_EQ((long)res, 1);
    }
    EXPECT_EQ(g_pi & FUTEX_TID_MASK, 0);
}

TEST(futex_pi_timeout_is_realtime)
{
    struct timespec ts;
    pthread_t t;
    void *res;
    t_gate_init(&g_gate);
    if (fx(&g_pi, FUTEX_LOCK_PI_PRIVATE, 0, NULL, NULL, 0) < 0)
        SKIP("no PI futexes");
    fx(&g_pi, FUTEX_UNLOCK_PI_PRIVATE, 0, NULL, NULL, 0);
    pthread_mutex_t m;
    pthread_mutexattr_t at;
    pthread_mutexattr_init(&at);
    pthread_mutexattr_setprotocol(&at, PTHREAD_PRIO_INHERIT);
    ASSERT_EQ(pthread_mutex_init(&m, &at), 0);
    ASSERT_EQ(pthread_mutex_lock(&m), 0);
    ASSERT_EQ(pthread_create(&t, NULL, pi_locker, NULL), 0);
    pthread_join(t, &res);
    EXPECT_EQ((long)res, 1);
    clock_gettime(CLOCK_REALTIME, &ts);
    EXPECT_EQ(pthread_mutex_timedlock(&m, &ts), ETIMEDOUT);
    EXPECT_EQ(pthread_mutex_unlock(&m), 0);
}

TEST(epoll_nesting_limits)
{
    int ep[7], p[2];
    ASSERT_OK(pipe(p));
    for (int i = 0; i < 7; i++)
        ASSERT_OK(ep[i] = epoll_create1(0));
    EXPECT_ERRNO(add(ep[0], ep[0], EPOLLIN), EINVAL);
    ASSERT_OK(add(ep[0], ep[1], EPOLLIN));
    EXPECT_ERRNO(add(ep[1], ep[0], EPOLLIN), ELOOP);
    EXPECT_ERRNO(add(ep[0], ep[2], EPOLLIN | EPOLLEXCLUSIVE), EINVAL);
    ASSERT_OK(add(ep[1], ep[2], EPOLLIN));
    ASSERT_OK(add(ep[2], ep[3], EPOLLIN));
    ASSERT_OK(add(ep[3], ep[4], EPOLLIN));
    EXPECT_ERRNO(add(ep[2], ep[0], EPOLLIN), ELOOP);
    EXPECT_ERRNO(add(ep[4], ep[5], EPOLLIN), ELOOP);
    EXPECT_ERRNO(add(ep[6], ep[0], EPOLLIN), ELOOP);
    ASSERT_OK(add(ep[4], p[0], EPOLLIN));
    EXPECT_EQ(ready(ep[0]), 0);
    ASSERT_EQ(write(p[1], "x", 1), 1);
    EXPECT_EQ(ready(ep[0]), 1);
    struct pollfd f = {ep[0], POLLIN, 0};
    EXPECT_EQ(poll(&f, 1, 0), 1);
    char c;
    ASSERT_EQ(read(p[0], &c, 1), 1);
    EXPECT_EQ(ready(ep[0]), 0);
    EXPECT_EQ(poll(&f, 1, 0), 0);
    close(ep[2]);
    ASSERT_EQ(write(p[1], "x", 1), 1);
    EXPECT_EQ(ready(ep[0]), 0);
    EXPECT_EQ(ready(ep[3]), 1);
}

TEST(epoll_edge_through_nested_instance)
{
    int out = epoll_create1(0), in = epoll_create1(0), e = eventfd(0, EFD_NONBLOCK);
    uint64_t v = 1;
    ASSERT_OK(add(in, e, EPOLLIN));
    ASSERT_OK(add(out, in, EPOLLIN | EPOLLET));
    EXPECT_EQ(ready(out), 0);
    ASSERT_EQ(write(e, &v, 8), 8);
    EXPECT_EQ(ready(out), 1);
    EXPECT_EQ(ready(out), 0);
    EXPECT_EQ(ready(in), 1); /* level-triggered inside: looking at it is no new edge outside */
    EXPECT_EQ(ready(out), 0);
    ASSERT_EQ(write(e, &v, 8), 8);
    EXPECT_EQ(ready(out), 1);
}

TEST(epoll_oneshot_rearms_with_mod)
{
    int ep = epoll_create1(0), e = eventfd(1, EFD_NONBLOCK);
    struct epoll_event ev = {.events = EPOLLIN | EPOLLONESHOT, .data.u64 = 7};
    ASSERT_OK(epoll_ctl(ep, EPOLL_CTL_ADD, e, &ev));
    EXPECT_EQ(ready(ep), 1);
    EXPECT_EQ(ready(ep), 0);
    uint64_t v = 1;
    ASSERT_EQ(write(e, &v, 8), 8);
    EXPECT_EQ(ready(ep), 0);
    ASSERT_OK(epoll_ctl(ep, EPOLL_CTL_MOD, e, &ev));
    EXPECT_EQ(ready(ep), 1);
}

TEST(epoll_timerfd_and_signalfd)
{
    sigset_t set;
    int ep = epoll_create1(0), tfd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    struct itimerspec its = {.it_value = {0, 20000000}};
    struct epoll_event ev[4];
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, NULL);
    int sfd = signalfd(-1, &set, SFD_NONBLOCK);
    ASSERT_OK(add(ep, tfd, EPOLLIN));
    ASSERT_OK(add(ep, sfd, EPOLLIN));
    EXPECT_EQ(ready(ep), 0);
    ASSERT_OK(timerfd_settime(tfd, 0, &its, NULL));
    EXPECT_EQ(epoll_wait(ep, ev, 4, 5000), 1);
    EXPECT_EQ(ev[0].data.fd, tfd);
    uint64_t n = 0;
    EXPECT_EQ(read(tfd, &n, 8), 8);
    EXPECT_EQ(n, 1);
    EXPECT_EQ(ready(ep), 0);
    pid_t pid = t_fork();
    if (pid == 0) {
        t_sleep_ms(20);
        kill(getppid(), SIGUSR1);
        _exit(0);
    }
    EXPECT_EQ(epoll_wait(ep, ev, 4, 5000), 1);
    EXPECT_EQ(ev[0].data.fd, sfd);
    struct signalfd_siginfo si;
    EXPECT_EQ(read(sfd, &si, sizeof(si)), (ssize_t)sizeof(si));
    EXPECT_EQ(si.ssi_signo, SIGUSR1);
    EXPECT_EQ(si.ssi_pid, pid);
    EXPECT_EXIT(pid, 0);
}

TEST(signalfd_inherited_shows_own_signals)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    sigprocmask(SIG_BLOCK, &set, NULL);
    int sfd = signalfd(-1, &set, 0);
    kill(getpid(), SIGUSR2);
    pid_t pid = t_fork();
    if (pid == 0) {
        struct pollfd f = {sfd, POLLIN, 0};
        struct signalfd_siginfo si;
        EXPECT_EQ(poll(&f, 1, 0), 0); /* the parent's signal is not ours */
        pid_t kid = fork();
        if (kid == 0) {
            t_sleep_ms(20);
            kill(getppid(), SIGUSR2);
            _exit(0);
        }
        EXPECT_EQ(poll(&f, 1, 5000), 1);
        EXPECT_EQ(read(sfd, &si, sizeof(si)), (ssize_t)sizeof(si));
        EXPECT_EQ(si.ssi_pid, kid);
        waitpid(kid, NULL, 0);
        CHILD_EXIT();
    }
    EXPECT_EXIT(pid, 0);
    struct signalfd_siginfo si;
    EXPECT_EQ(read(sfd, &si, sizeof(si)), (ssize_t)sizeof(si));
    EXPECT_EQ(si.ssi_pid, getpid());
}

TEST(pidfd_poll_wait_and_getfd)
{
    int p[2];
    char c = 0;
    ASSERT_OK(pipe(p));
    pid_t pid = t_fork();
    if (pid == 0) {
        EXPECT_EQ(read(p[0], &c, 1), 1);
        _exit(3);
    }
    int pfd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (pfd < 0 && errno == ENOSYS)
        SKIP("no pidfd");
    ASSERT_OK(pfd);
    EXPECT_EQ(fcntl(pfd, F_GETFD), FD_CLOEXEC);
    struct pollfd f = {pfd, POLLIN, 0};
    EXPECT_EQ(poll(&f, 1, 0), 0);
    EXPECT_ERRNO(read(pfd, &c, 1), EINVAL);
    int fd = (int)syscall(SYS_pidfd_getfd, pfd, p[1], 0);
    ASSERT_OK(fd);
    EXPECT_ERRNO(syscall(SYS_pidfd_getfd, pfd, 9999, 0), EBADF);
    EXPECT_ERRNO(syscall(SYS_pidfd_getfd, p[0], p[1], 0), EBADF);
    EXPECT_OK(syscall(SYS_pidfd_send_signal, pfd, 0, NULL, 0));
    EXPECT_ERRNO(syscall(SYS_pidfd_send_signal, pfd, 0, NULL, 4096), EINVAL);
    EXPECT_EQ(write(fd, "g", 1), 1);
    EXPECT_EQ(poll(&f, 1, 5000), 1);
    EXPECT(f.revents & POLLIN);
    EXPECT_OK(syscall(SYS_pidfd_send_signal, pfd, SIGTERM, NULL, 0)); /* a zombie still is one */
    siginfo_t si;
    ASSERT_OK(waitid(P_PIDFD, (id_t)pfd, &si, WEXITED));
    EXPECT_EQ(si.si_status, 3);
    EXPECT_ERRNO(syscall(SYS_pidfd_send_signal, pfd, 0, NULL, 0), ESRCH);
    EXPECT_ERRNO(syscall(SYS_pidfd_open, pid, 0), ESRCH);
    EXPECT_ERRNO(syscall(SYS_pidfd_open, 0, 0), EINVAL);
}

/* Descriptors are there, or the table is gone: never something in between. */
TEST(pidfd_getfd_from_a_process_that_exits)
{
    int p[2];
    char c;
    for (int round = 0; round < 250; round++) {
        ASSERT_OK(pipe(p));
        pid_t pid = t_fork();
        if (pid == 0) {
            for (int i = 0; i < 200; i++)
                EXPECT_OK(open("/dev/null", O_RDONLY)); /* closing them takes a moment */
            EXPECT_EQ(write(p[1], "g", 1), 1);
            CHILD_EXIT();
        }
        int pfd = (int)syscall(SYS_pidfd_open, pid, 0);
        if (pfd < 0 && errno == ENOSYS)
            SKIP("no pidfd");
        ASSERT_OK(pfd);
        ASSERT_EQ(read(p[0], &c, 1), 1);
        struct pollfd f = {pfd, POLLIN, 0};
        int fd;
        do {
            while ((fd = (int)syscall(SYS_pidfd_getfd, pfd, p[0], 0)) >= 0)
                EXPECT_OK(close(fd));
        } while (poll(&f, 1, 0) == 0);
        EXPECT_EXIT(pid, 0);
        EXPECT_OK(close(pfd));
        EXPECT_OK(close(p[0]));
        EXPECT_OK(close(p[1]));
    }
}

static void on_alarm(int sig T_UNUSED)
{
}

TEST(restarts_after_a_handler)
{
    struct itimerval it = {{0, 30000}, {0, 30000}};
    struct timespec ts = {0, 150000000};
    struct sigaction sa = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
    int p[2];
    ASSERT_OK(pipe(p));
    ASSERT_OK(sigaction(SIGALRM, &sa, NULL));
    ASSERT_OK(setitimer(ITIMER_REAL, &it, NULL));
    struct pollfd f = {p[0], POLLIN, 0};
    EXPECT_ERRNO(poll(&f, 1, -1), EINTR);
    EXPECT_ERRNO(select(0, NULL, NULL, NULL, NULL), EINTR);
    EXPECT_ERRNO(epoll_wait(epoll_create1(0), (struct epoll_event[1]){{0}}, 1, -1), EINTR);
    EXPECT_ERRNO(nanosleep(&ts, NULL), EINTR);
    EXPECT_ERRNO(fx(&g_a, FUTEX_WAIT, 0, &ts, NULL, 0), EINTR);
    /* Without a time limit a futex wait, and a read, are restarted. */
    pid_t pid = t_fork();
    if (pid == 0) {
        t_sleep_ms(150);
        EXPECT_EQ(write(p[1], "r", 1), 1);
        CHILD_EXIT();
    }
    char c;
    EXPECT_EQ(read(p[0], &c, 1), 1);
    EXPECT_EXIT(pid, 0);
}

TEST(stop_and_continue_restart_silently)
{
    struct timespec ts = {0, 200000000};
    pid_t pid = t_fork();
    if (pid == 0) {
        long long t0 = t_now_ms();
        EXPECT_OK(nanosleep(&ts, NULL));
        EXPECT(t_now_ms() - t0 >= 199);
        struct pollfd f = {-1, 0, 0};
        t0 = t_now_ms();
        EXPECT_EQ(poll(&f, 1, 200), 0);
        EXPECT(t_now_ms() - t0 >= 199);
        EXPECT_ERRNO(fx(&g_a, FUTEX_WAIT, 0, &ts, NULL, 0), ETIMEDOUT);
        CHILD_EXIT();
    }
    for (int i = 0; i < 10; i++) {
        t_sleep_ms(20);
        kill(pid, SIGSTOP);
        t_sleep_ms(20);
        kill(pid, SIGCONT);
    }
    EXPECT_EXIT(pid, 0);
}

TEST(select_counts_each_set)
{
    int p[2];
    fd_set r, w;
    ASSERT_OK(pipe(p));
    ASSERT_EQ(write(p[1], "x", 1), 1);
    FD_ZERO(&r);
    FD_ZERO(&w);
    FD_SET(p[0], &r);
    FD_SET(p[1], &r);
    FD_SET(p[1], &w);
    FD_SET(p[0], &w);
    struct timeval tv = {0, 0};
    EXPECT_EQ(select(p[1] + 1, &r, &w, NULL, &tv), 2);
    EXPECT(FD_ISSET(p[0], &r) && !FD_ISSET(p[1], &r));
    EXPECT(FD_ISSET(p[1], &w) && !FD_ISSET(p[0], &w));
    /* A hang-up makes a descriptor readable, not writable. */
    close(p[1]);
    FD_ZERO(&w);
    FD_SET(p[0], &w);
    EXPECT_EQ(select(p[0] + 1, NULL, &w, NULL, &tv), 0);
}
