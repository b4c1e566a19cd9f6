/* SPDX-License-Identifier: Apache-2.0 */
/* Queued and realtime signals, siginfo, sigtimedwait, restarts and interruptions. */
#include "harness.h"
#include <linux/futex.h>
#include <sys/epoll.h>

static siginfo_t g_info;
static volatile sig_atomic_t g_count, g_values[16], g_pipe_fd = -1, g_wake_at;

static void on_info(int sig T_UNUSED, siginfo_t *si, void *uc T_UNUSED)
{
    g_info = *si;
    g_values[g_count & 15] = si->si_value.sival_int;
    g_count++;
}

static void on_tick(int sig T_UNUSED)
{
    if (++g_count == g_wake_at && g_pipe_fd >= 0) {
        if (write(g_pipe_fd, "w", 1) != 1)
            _exit(98);
    }
}

/* A timer that ticks until the end of the case, so that no tick can be missed by a late sleeper. */
static void start_ticks(int flags)
{
    struct itimerval it = {{0, 40000}, {0, 40000}};
    t_handle(SIGALRM, on_tick, flags);
    ASSERT_OK(setitimer(ITIMER_REAL, &it, NULL));
}

TEST(siginfo_of_kill)
{
    t_handle_info(SIGUSR1, on_info, 0);
    kill(getpid(), SIGUSR1);
    EXPECT_EQ(g_info.si_signo, SIGUSR1);
    EXPECT_EQ(g_info.si_code, SI_USER);
    EXPECT_EQ(g_info.si_pid, getpid());
    EXPECT_EQ(g_info.si_uid, getuid());
}

TEST(siginfo_of_tgkill)
{
    t_handle_info(SIGUSR1, on_info, 0);
    syscall(SYS_tgkill, getpid(), getpid(), SIGUSR1);
    EXPECT_EQ(g_info.si_code, SI_TKILL);
    EXPECT_EQ(g_info.si_pid, getpid());
}

TEST(siginfo_of_sigqueue)
{
    union sigval v = {.sival_ptr = (void *)0x1234567890ULL};
    t_handle_info(SIGUSR1, on_info, 0);
    ASSERT_OK(sigqueue(getpid(), SIGUSR1, v));
    EXPECT_EQ(g_info.si_code, SI_QUEUE);
    EXPECT_EQ(g_info.si_pid, getpid());
    EXPECT(g_info.si_value.sival_ptr == v.sival_ptr);
}

TEST(sigqueue_errors)
{
    union sigval v = {.sival_int = 1};
    siginfo_t si = {.si_signo = SIGUSR1, .si_code = SI_USER};
    EXPECT_ERRNO(sigqueue(0x3ffffff, SIGUSR1, v), ESRCH);
    EXPECT_ERRNO(sigqueue(getpid(), 65, v), EINVAL);
    EXPECT_OK(sigqueue(getpid(), 0, v));
    /* Only the sender itself may claim a kernel or kill() origin. */
    EXPECT_ERRNO(syscall(SYS_rt_sigqueueinfo, getppid(), SIGUSR1, &si), EPERM);
    EXPECT_ERRNO(syscall(SYS_rt_sigqueueinfo, getpid(), SIGUSR1, (void *)8), EFAULT);
}

TEST(rt_tgsigqueueinfo_to_thread)
{
    siginfo_t si = {.si_code = SI_QUEUE};
    si.si_pid = getpid();
    si.si_value.sival_int = 77;
    t_handle_info(SIGUSR1, on_info, 0);
    ASSERT_OK(syscall(SYS_rt_tgsigqueueinfo, getpid(), getpid(), SIGUSR1, &si));
    EXPECT_EQ(g_info.si_value.sival_int, 77);
    EXPECT_EQ(g_info.si_signo, SIGUSR1);
}

TEST(realtime_signals_queue_in_order)
{
    int sig = SIGRTMIN + 1;
    t_handle_info(sig, on_info, 0);
    t_block(sig);
    for (int i = 0; i < 10; i++) {
        union sigval v = {.sival_int = 100 + i};
        ASSERT_OK(sigqueue(getpid(), sig, v));
    }
    t_unblock(sig);
    EXPECT_EQ(g_count, 10);
    for (int i = 0; i < 10; i++)
        EXPECT_EQ(g_values[i], 100 + i);
}

TEST(standard_signals_do_not_queue)
{
    union sigval v = {.sival_int = 1}, w = {.sival_int = 2};
    t_handle_info(SIGUSR1, on_info, 0);
    t_block(SIGUSR1);
    sigqueue(getpid(), SIGUSR1, v);
    sigqueue(getpid(), SIGUSR1, w);
    t_unblock(SIGUSR1);
    EXPECT_EQ(g_count, 1);
    EXPECT_EQ(g_values[0], 1);
}

TEST(sigtimedwait_takes_lowest_first)
{
    sigset_t set;
    siginfo_t si;
    struct timespec ts = {5, 0};
    int sigs[] = {SIGRTMIN + 5, SIGRTMIN + 2, SIGUSR1};
    sigemptyset(&set);
    for (int i = 0; i < 3; i++) {
        t_block(sigs[i]);
        sigaddset(&set, sigs[i]);
        kill(getpid(), sigs[i]);
    }
    EXPECT_EQ(sigtimedwait(&set, &si, &ts), SIGUSR1);
    EXPECT_EQ(sigtimedwait(&set, &si, &ts), SIGRTMIN + 2);
    EXPECT_EQ(sigtimedwait(&set, &si, &ts), SIGRTMIN + 5);
}

TEST(sigtimedwait_errors)
{
    sigset_t set;
    struct timespec ts = {0, 0}, bad = {0, 2000000000}, shortly = {0, 30000000};
    long long t0;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    t_block(SIGUSR1);
    EXPECT_ERRNO(sigtimedwait(&set, NULL, &ts), EAGAIN);
    EXPECT_ERRNO(sigtimedwait(&set, NULL, &bad), EINVAL);
    t0 = t_now_ms();
    EXPECT_ERRNO(sigtimedwait(&set, NULL, &shortly), EAGAIN);
    EXPECT(t_now_ms() - t0 >= 29);
    EXPECT_ERRNO(syscall(SYS_rt_sigtimedwait, &set, NULL, &ts, 4), EINVAL);
    EXPECT_ERRNO(syscall(SYS_rt_sigtimedwait, (void *)8, NULL, &ts, 8), EFAULT);
}

TEST(sigtimedwait_interrupted_by_other_signal)
{
    sigset_t set;
    struct timespec ts = {15, 0};
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    t_block(SIGUSR1);
    start_ticks(SA_RESTART);
    EXPECT_ERRNO(syscall(SYS_rt_sigtimedwait, &set, NULL, &ts, 8), EINTR);
}

TEST(sigwaitinfo_from_child)
{
    sigset_t set;
    siginfo_t si;
    t_block(SIGUSR1);
    pid_t parent = getpid(), pid = t_fork();
    if (pid == 0) {
        union sigval v = {.sival_int = 9};
        t_sleep_ms(20);
        sigqueue(parent, SIGUSR1, v);
        _exit(0);
    }
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    EXPECT_EQ(sigwaitinfo(&set, &si), SIGUSR1);
    EXPECT_EQ(si.si_pid, pid);
    EXPECT_EQ(si.si_value.sival_int, 9);
    EXPECT_EXIT(pid, 0);
}

TEST(siginfo_of_sigchld)
{
    t_handle_info(SIGCHLD, on_info, SA_RESTART);
    pid_t pid = t_fork();
    if (pid == 0)
        _exit(7);
    EXPECT_EXIT(pid, 7);
    EXPECT_EQ(g_count, 1);
    EXPECT_EQ(g_info.si_code, CLD_EXITED);
    EXPECT_EQ(g_info.si_pid, pid);
    EXPECT_EQ(g_info.si_status, 7);
}

TEST(siginfo_of_killed_child)
{
    t_handle_info(SIGCHLD, on_info, SA_RESTART);
    pid_t pid = t_fork();
    if (pid == 0) {
        for (;;)
            pause();
    }
    kill(pid, SIGTERM);
    EXPECT_KILLED(pid, SIGTERM);
    EXPECT_EQ(g_info.si_code, CLD_KILLED);
    EXPECT_EQ(g_info.si_status, SIGTERM);
}

TEST(read_eintr_without_restart)
{
    int p[2];
    char c;
    ASSERT_OK(pipe(p));
    start_ticks(0);
    EXPECT_ERRNO(read(p[0], &c, 1), EINTR);
    EXPECT(g_count >= 1);
}

TEST(read_restarts_with_sa_restart)
{
    int p[2];
    char c = 0;
    ASSERT_OK(pipe(p));
    g_pipe_fd = p[1];
    g_wake_at = 3;
    start_ticks(SA_RESTART);
    EXPECT_EQ(read(p[0], &c, 1), 1);
    EXPECT_EQ(c, 'w');
    EXPECT(g_count >= 3);
}

TEST(write_returns_partial_count_when_interrupted)
{
    int p[2];
    char *buf = calloc(1, 300000);
    ASSERT_OK(pipe(p));
    start_ticks(0);
    ssize_t n = write(p[1], buf, 300000);
    EXPECT(n > 0 && n < 300000);
}

TEST(wait_eintr_and_restart)
{
    struct t_gate gate;
    int st;
    t_gate_init(&gate);
    pid_t pid = t_fork();
    if (pid == 0) {
        t_gate_wait(&gate);
        _exit(1);
    }
    start_ticks(0);
    EXPECT_ERRNO(waitpid(pid, &st, 0), EINTR);
    g_count = 0;
    g_pipe_fd = gate.fd[1];
    g_wake_at = 3;
    start_ticks(SA_RESTART);
    EXPECT_EQ(waitpid(pid, &st, 0), pid);
    EXPECT(g_count >= 3);
}

TEST(nanosleep_is_interrupted_even_with_restart)
{
    struct timespec ts = {15, 0}, rem = {0, 0};
    start_ticks(SA_RESTART);
    EXPECT_ERRNO(nanosleep(&ts, &rem), EINTR);
    EXPECT(rem.tv_sec >= 10 && rem.tv_sec < 15);
}

TEST(nanosleep_continues_after_stop)
{
    /* No handler runs, so the restart block resumes the rest of the sleep. */
    pid_t pid = t_fork();
    if (pid == 0) {
        struct timespec ts = {0, 300000000};
        long long t0 = t_now_ms();
        int r = nanosleep(&ts, NULL);
        _exit(r == 0 && t_now_ms() - t0 >= 299 ? 0 : 1);
    }
    t_sleep_ms(50);
    kill(pid, SIGSTOP);
    t_sleep_ms(50);
    kill(pid, SIGCONT);
    EXPECT_EXIT(pid, 0);
}

TEST(futex_wait_restarts)
{
    static int word;
    struct timespec ts = {0, 200000000};
    start_ticks(0);
    EXPECT_ERRNO(syscall(SYS_futex, &word, FUTEX_WAIT, 0, NULL, NULL, 0), EINTR);
    start_ticks(SA_RESTART);
    /* With a timeout it returns EINTR after a handler, SA_RESTART or not. */
    EXPECT_ERRNO(syscall(SYS_futex, &word, FUTEX_WAIT, 0, &ts, NULL, 0), EINTR);
}

TEST(poll_select_epoll_never_restart)
{
    struct pollfd pfd;
    struct epoll_event ev;
    int p[2], ep = epoll_create1(0);
    fd_set rd;
    struct timeval tv = {15, 0};
    ASSERT_OK(pipe(p));
    start_ticks(SA_RESTART);
    pfd = (struct pollfd){p[0], POLLIN, 0};
    EXPECT_ERRNO(poll(&pfd, 1, 15000), EINTR);
    FD_ZERO(&rd);
    FD_SET(p[0], &rd);
    EXPECT_ERRNO(select(p[0] + 1, &rd, NULL, NULL, &tv), EINTR);
    EXPECT_ERRNO(epoll_wait(ep, &ev, 1, 15000), EINTR);
}

TEST(accept_and_recv_restart)
{
    int sv[2];
    char c;
    ASSERT_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, sv));
    g_pipe_fd = sv[1];
    g_wake_at = 3;
    start_ticks(SA_RESTART);
    EXPECT_EQ(recv(sv[0], &c, 1, 0), 1);
    start_ticks(0);
    EXPECT_ERRNO(recv(sv[0], &c, 1, 0), EINTR);
}

TEST(signal_ignored_does_not_interrupt)
{
    int p[2];
    struct t_gate ready;
    char c;
    ASSERT_OK(pipe(p));
    t_gate_init(&ready);
    signal(SIGUSR1, SIG_IGN);
    pid_t parent = getpid(), pid = t_fork();
    if (pid == 0) {
        t_gate_wait(&ready);
        t_sleep_ms(30);
        kill(parent, SIGUSR1);
        kill(parent, SIGWINCH);
        t_sleep_ms(30);
        EXPECT_EQ(write(p[1], "z", 1), 1);
        CHILD_EXIT();
    }
    t_gate_post(&ready);
    EXPECT_EQ(read(p[0], &c, 1), 1);
    EXPECT_EXIT(pid, 0);
}

TEST(sigpending_limit_eagain)
{
    struct rlimit rl = {4, 4};
    union sigval v = {.sival_int = 0};
    int sig = SIGRTMIN + 1, err = 0;
    NEED_ROOT();
    pid_t pid = t_fork();
    if (pid == 0) {
        t_block(sig);
        t_become_nobody();
        ASSERT_OK(setrlimit(RLIMIT_SIGPENDING, &rl));
        for (int i = 0; i < 20 && !err; i++) {
            if (sigqueue(getpid(), sig, v) != 0)
                err = errno;
        }
        EXPECT_EQ(err, EAGAIN);
        CHILD_EXIT();
    }
    EXPECT_EXIT(pid, 0);
}
