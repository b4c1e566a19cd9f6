/* SPDX-License-Identifier: Apache-2.0 */
/* Device files: null, zero, full, random, urandom, tty, pseudoterminals. */
#include "harness.h"
#include <sys/ioctl.h>
#include <sys/sysmacros.h>
#include <termios.h>

static int dev(const char *path, int flags)
{
    int fd = open(path, flags);
    ASSERT_OK(fd);
    return fd;
}

TEST(dev_null)
{
    char buf[16] = "x";
    int fd = dev("/dev/null", O_RDWR);
    EXPECT_EQ(read(fd, buf, 16), 0);
    EXPECT_EQ(write(fd, "anything", 8), 8);
    EXPECT_EQ(lseek(fd, 100, SEEK_SET), 0);
    EXPECT_EQ(pread(fd, buf, 4, 1000), 0);
    EXPECT_ERRNO(ftruncate(fd, 0), EINVAL);
    EXPECT_OK(open("/dev/null", O_WRONLY | O_CREAT | O_TRUNC, 0644));
    EXPECT_ERRNO(ioctl(fd, TCGETS, buf), ENOTTY);
}

TEST(dev_zero)
{
    char buf[5000];
    int fd = dev("/dev/zero", O_RDWR), bad = 0;
    memset(buf, 1, sizeof(buf));
    EXPECT_EQ(read(fd, buf, sizeof(buf)), (ssize_t)sizeof(buf));
    for (size_t i = 0; i < sizeof(buf); i++)
        bad |= buf[i];
    EXPECT_EQ(bad, 0);
    EXPECT_EQ(write(fd, buf, 100), 100);
}

TEST(dev_full)
{
    char buf[4] = "xyz";
    int fd = dev("/dev/full", O_RDWR);
    EXPECT_ERRNO(write(fd, "x", 1), ENOSPC);
    EXPECT_EQ(read(fd, buf, 3), 3);
    EXPECT_EQ(buf[0] | buf[2], 0);
}

TEST(dev_random_and_urandom)
{
    static const char *const paths[] = {"/dev/random", "/dev/urandom"};
    for (size_t i = 0; i < 2; i++) {
        unsigned char a[32] = {0}, b[32] = {0};
        int fd = dev(paths[i], O_RDONLY);
        EXPECT_EQ(read(fd, a, 32), 32);
        EXPECT_EQ(read(fd, b, 32), 32);
        EXPECT(memcmp(a, b, 32) != 0);
    }
}

TEST(dev_numbers)
{
    static const struct {
        const char *path;
        unsigned minor;
    } devs[] = {{"/dev/null", 3},
                {"/dev/zero", 5},
                {"/dev/full", 7},
                {"/dev/random", 8},
                {"/dev/urandom", 9}};
    for (size_t i = 0; i < ARRAY_LEN(devs); i++) {
        struct stat st;
        ASSERT_OK(stat(devs[i].path, &st));
        EXPECT(S_ISCHR(st.st_mode));
        EXPECT_EQ(major(st.st_rdev), 1);
        EXPECT_EQ(minor(st.st_rdev), devs[i].minor);
    }
}

TEST(dev_tty_without_terminal)
{
    pid_t pid = t_fork();
    if (pid == 0) {
        ASSERT_OK(setsid());
        EXPECT_ERRNO(open("/dev/tty", O_RDWR), ENXIO);
        CHILD_EXIT();
    }
    EXPECT_EXIT(pid, 0);
}

TEST(dev_poll_is_ready)
{
    struct pollfd p[2] = {{dev("/dev/null", O_RDWR), POLLIN | POLLOUT, 0},
                          {dev("/dev/zero", O_RDWR), POLLIN | POLLOUT, 0}};
    EXPECT_EQ(poll(p, 2, 0), 2);
    EXPECT_EQ(p[0].revents, POLLIN | POLLOUT);
    EXPECT_EQ(p[1].revents, POLLIN | POLLOUT);
}

TEST(dev_fd_links)
{
    char buf[8] = {0};
    int p[2];
    struct stat st;
    if (lstat("/dev/fd", &st) != 0)
        SKIP("no /dev/fd");
    ASSERT_OK(pipe(p));
    ASSERT_EQ(dup2(p[0], 0), 0);
    ASSERT_EQ(write(p[1], "in", 2), 2);
    int fd = open("/dev/stdin", O_RDONLY);
    ASSERT_OK(fd);
    EXPECT_EQ(read(fd, buf, 8), 2);
    EXPECT_STR(buf, "in");
}

static int open_pty(int *slave)
{
    char name[64];
    int m = posix_openpt(O_RDWR | O_NOCTTY);
    if (m < 0)
        SKIP("no pseudoterminals");
    ASSERT_OK(grantpt(m));
    ASSERT_OK(unlockpt(m));
    ASSERT_EQ(ptsname_r(m, name, sizeof(name)), 0);
    *slave = open(name, O_RDWR | O_NOCTTY);
    ASSERT_OK(*slave);
    return m;
}

TEST(pty_line_discipline)
{
    char buf[64] = {0};
    int s, m = open_pty(&s);
    EXPECT(isatty(s));
    EXPECT_EQ(write(m, "line\n", 5), 5);
    EXPECT_EQ(read(s, buf, sizeof(buf)), 5);
    EXPECT_STR(buf, "line\n");
    /* The echo, with CR NL. */
    memset(buf, 0, sizeof(buf));
    EXPECT_EQ(read(m, buf, sizeof(buf)), 6);
    EXPECT_STR(buf, "line\r\n");
    EXPECT_EQ(write(s, "out\n", 4), 4);
    memset(buf, 0, sizeof(buf));
    EXPECT_EQ(read(m, buf, sizeof(buf)), 5);
    EXPECT_STR(buf, "out\r\n");
}

TEST(pty_raw_mode_and_size)
{
    char buf[8] = {0};
    struct termios t;
    struct winsize ws = {24, 80, 0, 0}, got;
    int s, m = open_pty(&s);
    ASSERT_OK(tcgetattr(s, &t));
    cfmakeraw(&t);
    ASSERT_OK(tcsetattr(s, TCSANOW, &t));
    EXPECT_EQ(write(m, "a", 1), 1);
    EXPECT_EQ(read(s, buf, 8), 1);
    ASSERT_OK(ioctl(m, TIOCSWINSZ, &ws));
    ASSERT_OK(ioctl(s, TIOCGWINSZ, &got));
    EXPECT_EQ(got.ws_row, 24);
    EXPECT_EQ(got.ws_col, 80);
}

TEST(pty_interrupt_character)
{
    struct t_gate ready;
    int s, m = open_pty(&s);
    t_gate_init(&ready);
    pid_t pid = t_fork();
    if (pid == 0) {
        ASSERT_OK(setsid());
        ASSERT_OK(ioctl(s, TIOCSCTTY, 0));
        EXPECT_EQ(tcgetpgrp(s), getpgrp());
        t_gate_post(&ready);
        for (;;)
            pause();
    }
    t_gate_wait(&ready);
    EXPECT_EQ(write(m, "\003", 1), 1);
    EXPECT_KILLED(pid, SIGINT);
}

TEST(pty_hangup)
{
    char c;
    int s, m = open_pty(&s);
    close(m);
    EXPECT_EQ(read(s, &c, 1), 0);
    EXPECT_ERRNO(write(s, "x", 1), EIO);
    m = open_pty(&s);
    close(s);
    EXPECT_ERRNO(read(m, &c, 1), EIO);
}
