/* SPDX-License-Identifier: Apache-2.0 */
/* Pipes and FIFOs. */
#include "harness.h"
#include <sys/ioctl.h>

static volatile sig_atomic_t g_sig;

static void on_sig(int sig)
{
    g_sig = sig;
}

static void fill(int fd)
{
    char buf[4096] = {0};
    int fl = fcntl(fd, F_GETFL);
    ASSERT_OK(fcntl(fd, F_SETFL, fl | O_NONBLOCK));
    while (write(fd, buf, sizeof(buf)) > 0)
        ;
    EXPECT_EQ(errno, EAGAIN);
    ASSERT_OK(fcntl(fd, F_SETFL, fl));
}

TEST(pipe_transfers_bytes)
{
    int p[2];
    char buf[16] = {0};
    ASSERT_OK(pipe(p));
    EXPECT_EQ(write(p[1], "abc", 3), 3);
    EXPECT_EQ(write(p[1], "def", 3), 3);
    EXPECT_EQ(read(p[0], buf, 2), 2);
    EXPECT_EQ(read(p[0], buf + 2, 10), 4);
    EXPECT_STR(buf, "abcdef");
    EXPECT_ERRNO(write(p[0], "x", 1), EBADF);
    EXPECT_ERRNO(read(p[1], buf, 1), EBADF);
}

TEST(pipe2_flags)
{
    int p[2];
    ASSERT_OK(pipe2(p, O_CLOEXEC | O_NONBLOCK));
    EXPECT_EQ(fcntl(p[0], F_GETFD), FD_CLOEXEC);
    EXPECT_EQ(fcntl(p[1], F_GETFD), FD_CLOEXEC);
    EXPECT(fcntl(p[0], F_GETFL) & O_NONBLOCK);
    EXPECT_ERRNO(pipe2(p, O_APPEND), EINVAL);
    EXPECT_ERRNO(syscall(SYS_pipe, (void *)8), EFAULT);
}

TEST(pipe_eof_when_writers_gone)
{
    int p[2];
    char c;
    ASSERT_OK(pipe(p));
    int w2 = dup(p[1]);
    ASSERT_EQ(write(p[1], "z", 1), 1);
    close(p[1]);
    EXPECT_EQ(read(p[0], &c, 1), 1);
    fcntl(p[0], F_SETFL, O_NONBLOCK);
    EXPECT_ERRNO(read(p[0], &c, 1), EAGAIN);
    close(w2);
    EXPECT_EQ(read(p[0], &c, 1), 0);
    EXPECT_EQ(read(p[0], &c, 1), 0);
}

TEST(pipe_epipe_and_sigpipe)
{
    int p[2];
    ASSERT_OK(pipe(p));
    close(p[0]);
    t_handle(SIGPIPE, on_sig, 0);
    EXPECT_ERRNO(write(p[1], "x", 1), EPIPE);
    EXPECT_EQ(g_sig, SIGPIPE);
    signal(SIGPIPE, SIG_IGN);
    EXPECT_ERRNO(write(p[1], "x", 1), EPIPE);
    pid_t pid = t_fork();
    if (pid == 0) {
        signal(SIGPIPE, SIG_DFL);
        if (write(p[1], "x", 1) < 0)
            _exit(1);
        _exit(0);
    }
    EXPECT_KILLED(pid, SIGPIPE);
}

TEST(pipe_nonblocking)
{
    int p[2];
    char c;
    ASSERT_OK(pipe2(p, O_NONBLOCK));
    EXPECT_ERRNO(read(p[0], &c, 1), EAGAIN);
    fill(p[1]);
    EXPECT_ERRNO(write(p[1], "x", 1), EAGAIN);
}

TEST(pipe_capacity)
{
    int p[2];
    ASSERT_OK(pipe(p));
    EXPECT_EQ(fcntl(p[0], F_GETPIPE_SZ), 65536);
    EXPECT_EQ(fcntl(p[1], F_SETPIPE_SZ, 8000), 8192);
    EXPECT_EQ(fcntl(p[0], F_GETPIPE_SZ), 8192);
    fill(p[1]);
    int n = 0;
    ASSERT_OK(ioctl(p[0], FIONREAD, &n));
    EXPECT_EQ(n, 8192);
    EXPECT_ERRNO(fcntl(p[1], F_SETPIPE_SZ, 4096), EBUSY);
    EXPECT_EQ(fcntl(p[1], F_SETPIPE_SZ, 65536), 65536);
    EXPECT_ERRNO(fcntl(open("/dev/null", O_RDONLY), F_GETPIPE_SZ), EBADF);
}

TEST(pipe_fionread)
{
    int p[2], n = -1;
    ASSERT_OK(pipe(p));
    ASSERT_OK(ioctl(p[0], FIONREAD, &n));
    EXPECT_EQ(n, 0);
    ASSERT_EQ(write(p[1], "12345", 5), 5);
    ASSERT_OK(ioctl(p[0], FIONREAD, &n));
    EXPECT_EQ(n, 5);
    EXPECT_ERRNO(ioctl(p[0], 0x5401 /* TCGETS */, &n), ENOTTY);
}

TEST(pipe_small_writes_are_atomic)
{
    int p[2];
    char rec[512], buf[512];
    pid_t pids[4];
    ASSERT_OK(pipe(p));
    for (int c = 0; c < 4; c++) {
        pids[c] = t_fork();
        if (pids[c] == 0) {
            memset(rec, 'a' + c, sizeof(rec));
            for (int i = 0; i < 40; i++)
                ASSERT_EQ(write(p[1], rec, sizeof(rec)), (ssize_t)sizeof(rec));
            CHILD_EXIT();
        }
    }
    close(p[1]);
    for (int i = 0; i < 160; i++) {
        size_t got = 0;
        while (got < sizeof(buf)) {
            ssize_t n = read(p[0], buf + got, sizeof(buf) - got);
            ASSERT(n > 0);
            got += (size_t)n;
        }
        memset(rec, buf[0], sizeof(rec));
        EXPECT(memcmp(rec, buf, sizeof(buf)) == 0);
    }
    for (int c = 0; c < 4; c++)
        EXPECT_EXIT(pids[c], 0);
}

TEST(pipe_nonblocking_atomic_or_nothing)
{
    int p[2];
    char buf[4096] = {0};
    ASSERT_OK(pipe2(p, O_NONBLOCK));
    fill(p[1]);
    ASSERT_EQ(read(p[0], buf, 100), 100);
    /* Not enough room for all of it, and PIPE_BUF or less may not be split. */
    EXPECT_ERRNO(write(p[1], buf, 4096), EAGAIN);
}

TEST(pipe_large_blocking_write_completes)
{
    int p[2];
    size_t total = 300000, got = 0;
    char *buf = malloc(total);
    ASSERT_OK(pipe(p));
    pid_t pid = t_fork();
    if (pid == 0) {
        memset(buf, 'q', total);
        EXPECT_EQ(write(p[1], buf, total), (ssize_t)total);
        CHILD_EXIT();
    }
    close(p[1]);
    ssize_t n;
    while ((n = read(p[0], buf, total)) > 0) {
        EXPECT_EQ(buf[n - 1], 'q');
        got += (size_t)n;
    }
    EXPECT_EQ(got, total);
    EXPECT_EXIT(pid, 0);
}

TEST(pipe_blocked_reader_wakes)
{
    int p[2];
    char c = 0;
    ASSERT_OK(pipe(p));
    pid_t pid = t_fork();
    if (pid == 0) {
        t_sleep_ms(40);
        EXPECT_EQ(write(p[1], "w", 1), 1);
        CHILD_EXIT();
    }
    EXPECT_EQ(read(p[0], &c, 1), 1);
    EXPECT_EQ(c, 'w');
    EXPECT_EXIT(pid, 0);
}

TEST(pipe_blocked_writer_wakes_when_reader_closes)
{
    int p[2];
    ASSERT_OK(pipe(p));
    fill(p[1]);
    pid_t pid = t_fork();
    if (pid == 0) {
        close(p[0]);
        signal(SIGPIPE, SIG_IGN);
        EXPECT_ERRNO(write(p[1], "x", 1), EPIPE);
        CHILD_EXIT();
    }
    t_sleep_ms(40);
    close(p[0]);
    EXPECT_EXIT(pid, 0);
}

TEST(pipe_packet_mode)
{
    int p[2];
    char buf[64];
    if (pipe2(p, O_DIRECT) < 0)
        SKIP("no packet mode");
    ASSERT_EQ(write(p[1], "first", 5), 5);
    ASSERT_EQ(write(p[1], "second", 6), 6);
    EXPECT_EQ(read(p[0], buf, sizeof(buf)), 5);
    EXPECT_EQ(read(p[0], buf, 3), 3);
    close(p[1]);
    /* The rest of the packet is gone. */
    EXPECT_EQ(read(p[0], buf, sizeof(buf)), 0);
}

TEST(pipe_reopened_through_proc)
{
    int p[2];
    char path[64], c = 0;
    ASSERT_OK(pipe(p));
    snprintf(path, sizeof(path), "/proc/self/fd/%d", p[1]);
    int w = open(path, O_WRONLY);
    ASSERT_OK(w);
    EXPECT_EQ(write(w, "r", 1), 1);
    EXPECT_EQ(read(p[0], &c, 1), 1);
    EXPECT_EQ(c, 'r');
}

TEST(fifo_open_blocks_for_peer)
{
    char c = 0;
    ASSERT_OK(mkfifo("p", 0600));
    pid_t pid = t_fork();
    if (pid == 0) {
        t_sleep_ms(30);
        int w = open("p", O_WRONLY);
        ASSERT_OK(w);
        EXPECT_EQ(write(w, "f", 1), 1);
        CHILD_EXIT();
    }
    int r = open("p", O_RDONLY);
    ASSERT_OK(r);
    EXPECT_EQ(read(r, &c, 1), 1);
    EXPECT_EQ(c, 'f');
    EXPECT_EQ(read(r, &c, 1), 0);
    EXPECT_EXIT(pid, 0);
}

TEST(fifo_nonblocking_open)
{
    char c;
    ASSERT_OK(mkfifo("p", 0600));
    EXPECT_ERRNO(open("p", O_WRONLY | O_NONBLOCK), ENXIO);
    int r = open("p", O_RDONLY | O_NONBLOCK);
    ASSERT_OK(r);
    EXPECT_EQ(read(r, &c, 1), 0);
    int w = open("p", O_WRONLY | O_NONBLOCK);
    ASSERT_OK(w);
    EXPECT_ERRNO(read(r, &c, 1), EAGAIN);
    EXPECT_EQ(write(w, "n", 1), 1);
    EXPECT_EQ(read(r, &c, 1), 1);
}

TEST(fifo_read_write_open_never_blocks)
{
    char c;
    ASSERT_OK(mkfifo("p", 0600));
    int fd = open("p", O_RDWR);
    ASSERT_OK(fd);
    EXPECT_EQ(write(fd, "s", 1), 1);
    EXPECT_EQ(read(fd, &c, 1), 1);
    EXPECT_EQ(c, 's');
}

static void on_tick(int sig T_UNUSED)
{
}

TEST(fifo_open_is_interrupted)
{
    struct itimerval it = {{0, 40000}, {0, 40000}};
    ASSERT_OK(mkfifo("p", 0600));
    t_handle(SIGALRM, on_tick, 0);
    setitimer(ITIMER_REAL, &it, NULL);
    EXPECT_ERRNO(open("p", O_RDONLY), EINTR);
}

TEST(fifo_data_lost_when_all_closed)
{
    char c;
    ASSERT_OK(mkfifo("p", 0600));
    int fd = open("p", O_RDWR);
    ASSERT_EQ(write(fd, "x", 1), 1);
    close(fd);
    fd = open("p", O_RDONLY | O_NONBLOCK);
    EXPECT_EQ(read(fd, &c, 1), 0);
}

TEST(pipe_poll_states)
{
    int p[2];
    char c;
    ASSERT_OK(pipe(p));
    struct pollfd f[2] = {{p[0], POLLIN | POLLOUT, 0}, {p[1], POLLIN | POLLOUT, 0}};
    EXPECT_EQ(poll(f, 2, 0), 1);
    EXPECT_EQ(f[0].revents, 0);
    EXPECT_EQ(f[1].revents, POLLOUT);
    ASSERT_EQ(write(p[1], "x", 1), 1);
    EXPECT_EQ(poll(f, 1, 0), 1);
    EXPECT_EQ(f[0].revents, POLLIN);
    close(p[1]);
    EXPECT_EQ(poll(f, 1, 0), 1);
    EXPECT_EQ(f[0].revents, POLLIN | POLLHUP);
    ASSERT_EQ(read(p[0], &c, 1), 1);
    EXPECT_EQ(poll(f, 1, 0), 1);
    EXPECT_EQ(f[0].revents, POLLHUP);
    ASSERT_OK(pipe(p));
    close(p[0]);
    f[1].fd = p[1];
    EXPECT_EQ(poll(&f[1], 1, 0), 1);
    EXPECT_EQ(f[1].revents, POLLOUT | POLLERR);
}

TEST(pipe_ping_pong)
{
    struct t_gate a, b;
    t_gate_init(&a);
    t_gate_init(&b);
    pid_t pid = t_fork();
    if (pid == 0) {
        for (int i = 0; i < 200; i++) {
            t_gate_wait(&a);
            t_gate_post(&b);
        }
        CHILD_EXIT();
    }
    for (int i = 0; i < 200; i++) {
        t_gate_post(&a);
        t_gate_wait(&b);
    }
    EXPECT_EXIT(pid, 0);
}
