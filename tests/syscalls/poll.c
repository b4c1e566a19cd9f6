/* SPDX-License-Identifier: Apache-2.0 */
/* poll, ppoll, select and pselect. */
#include "harness.h"
#include <sys/select.h>

static volatile sig_atomic_t g_sig;

static void on_sig(int sig T_UNUSED)
{
    g_sig++;
}

TEST(poll_basic)
{
    int p[2];
    ASSERT_OK(pipe(p));
    struct pollfd f[3] = {{p[0], POLLIN, 9}, {-1, POLLIN, 9}, {p[1], POLLOUT, 9}};
    EXPECT_EQ(poll(f, 3, 0), 1);
    EXPECT_EQ(f[0].revents, 0);
    EXPECT_EQ(f[1].revents, 0);
    EXPECT_EQ(f[2].revents, POLLOUT);
}

TEST(poll_bad_descriptor_is_pollnval)
{
    struct pollfd f = {900, POLLIN, 0};
    EXPECT_EQ(poll(&f, 1, 10000), 1);
    EXPECT_EQ(f.revents, POLLNVAL);
}

TEST(poll_regular_file_is_always_ready)
{
    int fd = open("f", O_CREAT | O_RDWR, 0644);
    struct pollfd f = {fd, POLLIN | POLLOUT | POLLPRI, 0};
    EXPECT_EQ(poll(&f, 1, 0), 1);
    EXPECT_EQ(f.revents, POLLIN | POLLOUT);
}

TEST(poll_timeout)
{
    int p[2];
    ASSERT_OK(pipe(p));
    struct pollfd f = {p[0], POLLIN, 0};
    long long t0 = t_now_ms();
    EXPECT_EQ(poll(&f, 1, 40), 0);
    EXPECT(t_now_ms() - t0 >= 39);
    EXPECT_EQ(poll(NULL, 0, 5), 0);
}

TEST(poll_errors)
{
    EXPECT_ERRNO(syscall(SYS_poll, 8, 1, 0), EFAULT);
    struct pollfd f = {0, 0, 0};
    struct rlimit rl;
    getrlimit(RLIMIT_NOFILE, &rl);
    EXPECT_ERRNO(syscall(SYS_poll, &f, rl.rlim_cur + 1, 0), EINVAL);
    struct timespec bad = {0, 2000000000};
    EXPECT_ERRNO(ppoll(&f, 1, &bad, NULL), EINVAL);
}

TEST(poll_wakes_on_data)
{
    int p[2];
    ASSERT_OK(pipe(p));
    pid_t pid = t_fork();
    if (pid == 0) {
        t_sleep_ms(30);
        EXPECT_EQ(write(p[1], "x", 1), 1);
        CHILD_EXIT();
    }
    struct pollfd f = {p[0], POLLIN, 0};
    EXPECT_EQ(poll(&f, 1, -1), 1);
    EXPECT_EQ(f.revents, POLLIN);
    EXPECT_EXIT(pid, 0);
}

TEST(ppoll_mask_and_timeout)
{
    int p[2];
    sigset_t none;
    struct timespec ts = {10, 0};
    ASSERT_OK(pipe(p));
    struct pollfd f = {p[0], POLLIN, 0};
    t_handle(SIGUSR1, on_sig, 0);
    t_block(SIGUSR1);
    raise(SIGUSR1);
    sigemptyset(&none);
    EXPECT_ERRNO(ppoll(&f, 1, &ts, &none), EINTR);
    EXPECT_EQ(g_sig, 1);
    /* The raw call writes the time left back. */
    ts = (struct timespec){0, 10000000};
    EXPECT_EQ(syscall(SYS_ppoll, &f, 1, &ts, NULL, 8), 0);
    EXPECT_EQ(ts.tv_sec, 0);
    EXPECT_EQ(ts.tv_nsec, 0);
}

TEST(ppoll_ready_beats_pending_signal)
{
    int p[2];
    sigset_t none, cur;
    ASSERT_OK(pipe(p));
    ASSERT_EQ(write(p[1], "x", 1), 1);
    struct pollfd f = {p[0], POLLIN, 0};
    t_handle(SIGUSR1, on_sig, 0);
    t_block(SIGUSR1);
    raise(SIGUSR1);
    sigemptyset(&none);
    EXPECT_EQ(ppoll(&f, 1, NULL, &none), 1);
    sigprocmask(SIG_BLOCK, NULL, &cur);
    EXPECT(sigismember(&cur, SIGUSR1));
}

TEST(select_basic)
{
    int p[2];
    fd_set r, w;
    struct timeval tv = {0, 0};
    ASSERT_OK(pipe(p));
    FD_ZERO(&r);
    FD_ZERO(&w);
    FD_SET(p[0], &r);
    FD_SET(p[1], &w);
    EXPECT_EQ(select(p[1] + 1, &r, &w, NULL, &tv), 1);
    EXPECT(!FD_ISSET(p[0], &r));
    EXPECT(FD_ISSET(p[1], &w));
    ASSERT_EQ(write(p[1], "x", 1), 1);
    FD_SET(p[0], &r);
    EXPECT_EQ(select(p[1] + 1, &r, &w, NULL, NULL), 2);
}

TEST(select_timeout_is_updated)
{
    struct timeval tv = {0, 40000};
    long long t0 = t_now_ms();
    EXPECT_EQ(select(0, NULL, NULL, NULL, &tv), 0);
    EXPECT(t_now_ms() - t0 >= 39);
    EXPECT_EQ(tv.tv_sec, 0);
    EXPECT_EQ(tv.tv_usec, 0);
}

TEST(select_errors)
{
    fd_set r;
    struct timeval tv = {0, -1}, zero = {0, 0};
    FD_ZERO(&r);
    FD_SET(40, &r);
    EXPECT_ERRNO(select(41, &r, NULL, NULL, &zero), EBADF);
    EXPECT_ERRNO(select(-1, NULL, NULL, NULL, &zero), EINVAL);
    EXPECT_ERRNO(select(0, NULL, NULL, NULL, &tv), EINVAL);
    EXPECT_ERRNO(syscall(SYS_select, 10, 8, NULL, NULL, &zero), EFAULT);
}

TEST(select_high_descriptor)
{
    int p[2];
    fd_set r;
    ASSERT_OK(pipe(p));
    ASSERT_EQ(dup2(p[0], 700), 700);
    ASSERT_EQ(write(p[1], "x", 1), 1);
    FD_ZERO(&r);
    FD_SET(700, &r);
    EXPECT_EQ(select(701, &r, NULL, NULL, NULL), 1);
    EXPECT(FD_ISSET(700, &r));
}

TEST(select_eof_is_readable_and_except_is_not)
{
    int p[2];
    fd_set r, e;
    struct timeval tv = {0, 0};
    ASSERT_OK(pipe(p));
    close(p[1]);
    FD_ZERO(&r);
    FD_ZERO(&e);
    FD_SET(p[0], &r);
    FD_SET(p[0], &e);
    EXPECT_EQ(select(p[0] + 1, &r, NULL, &e, &tv), 1);
    EXPECT(FD_ISSET(p[0], &r));
    EXPECT(!FD_ISSET(p[0], &e));
}

TEST(pselect_mask)
{
    sigset_t none;
    struct timespec ts = {10, 0};
    t_handle(SIGUSR1, on_sig, 0);
    t_block(SIGUSR1);
    raise(SIGUSR1);
    sigemptyset(&none);
    EXPECT_ERRNO(pselect(0, NULL, NULL, NULL, &ts, &none), EINTR);
    EXPECT_EQ(g_sig, 1);
    ts = (struct timespec){0, 1000000};
    EXPECT_EQ(pselect(0, NULL, NULL, NULL, &ts, NULL), 0);
}

TEST(poll_many_descriptors)
{
    struct pollfd f[100];
    int p[2];
    ASSERT_OK(pipe(p));
    for (int i = 0; i < 100; i++)
        f[i] = (struct pollfd){i % 2 ? p[0] : p[1], POLLIN | POLLOUT, 0};
    EXPECT_EQ(poll(f, 100, 0), 50);
    ASSERT_EQ(write(p[1], "x", 1), 1);
    EXPECT_EQ(poll(f, 100, 0), 100);
}
