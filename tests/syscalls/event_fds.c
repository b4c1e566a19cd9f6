/* SPDX-License-Identifier: Apache-2.0 */
/* eventfd, signalfd, timerfd, pidfd, inotify. */
#include "harness.h"
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>

static short poll_now(int fd, short events)
{
    struct pollfd p = {fd, events, 0};
    ASSERT_OK(poll(&p, 1, 0));
    return p.revents;
}

TEST(eventfd_counts)
{
    uint64_t v = 0;
    int fd = eventfd(3, EFD_NONBLOCK);
    ASSERT_OK(fd);
    EXPECT_EQ(read(fd, &v, 8), 8);
    EXPECT_EQ(v, 3);
    EXPECT_ERRNO(read(fd, &v, 8), EAGAIN);
    v = 5;
    EXPECT_EQ(write(fd, &v, 8), 8);
    EXPECT_EQ(write(fd, &v, 8), 8);
    EXPECT_EQ(read(fd, &v, 8), 8);
    EXPECT_EQ(v, 10);
}

TEST(eventfd_semaphore)
{
    uint64_t v = 0;
    int fd = eventfd(2, EFD_NONBLOCK | EFD_SEMAPHORE);
    EXPECT_EQ(read(fd, &v, 8), 8);
    EXPECT_EQ(v, 1);
    EXPECT_EQ(read(fd, &v, 8), 8);
    EXPECT_ERRNO(read(fd, &v, 8), EAGAIN);
}

TEST(eventfd_limits_and_errors)
{
    uint64_t v = ~0ULL - 1;
    int fd = eventfd(0, EFD_NONBLOCK);
    EXPECT_EQ(write(fd, &v, 8), 8);
    EXPECT_EQ(poll_now(fd, POLLIN | POLLOUT), POLLIN);
    v = 1;
    EXPECT_ERRNO(write(fd, &v, 8), EAGAIN);
    v = ~0ULL;
    EXPECT_ERRNO(write(fd, &v, 8), EINVAL);
    EXPECT_ERRNO(write(fd, &v, 4), EINVAL);
    EXPECT_ERRNO(read(fd, &v, 4), EINVAL);
    EXPECT_ERRNO(eventfd(0, 0x100), EINVAL);
}

TEST(eventfd_blocks_until_write)
{
    uint64_t v = 0;
    int fd = eventfd(0, EFD_CLOEXEC);
    EXPECT_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
    pid_t pid = t_fork();
    if (pid == 0) {
        uint64_t one = 1;
        t_sleep_ms(30);
        EXPECT_EQ(write(fd, &one, 8), 8);
        CHILD_EXIT();
    }
    EXPECT_EQ(read(fd, &v, 8), 8);
    EXPECT_EQ(v, 1);
    EXPECT_EXIT(pid, 0);
}

static int sigfd(int sig, int flags)
{
    sigset_t set;
    t_block(sig);
    sigemptyset(&set);
    sigaddset(&set, sig);
    int fd = signalfd(-1, &set, flags);
    ASSERT_OK(fd);
    return fd;
}

TEST(signalfd_reads_signals)
{
    struct signalfd_siginfo si[2];
    int fd = sigfd(SIGUSR1, SFD_NONBLOCK);
    EXPECT_ERRNO(read(fd, si, sizeof(si)), EAGAIN);
    EXPECT_EQ(poll_now(fd, POLLIN), 0);
    kill(getpid(), SIGUSR1);
    EXPECT_EQ(poll_now(fd, POLLIN), POLLIN);
    EXPECT_EQ(read(fd, si, sizeof(si)), (ssize_t)sizeof(si[0]));
    EXPECT_EQ(si[0].ssi_signo, SIGUSR1);
    EXPECT_EQ(si[0].ssi_code, SI_USER);
    EXPECT_EQ(si[0].ssi_pid, getpid());
    EXPECT_ERRNO(read(fd, si, sizeof(si)), EAGAIN);
}

TEST(signalfd_queued_values)
{
    struct signalfd_siginfo si[4];
    int sig = SIGRTMIN + 3, fd = sigfd(sig, SFD_NONBLOCK);
    for (int i = 0; i < 3; i++) {
        union sigval v = {.sival_int = i + 7};
        sigqueue(getpid(), sig, v);
    }
    EXPECT_EQ(read(fd, si, sizeof(si)), (ssize_t)(3 * sizeof(si[0])));
    for (int i = 0; i < 3; i++)
        EXPECT_EQ(si[i].ssi_int, i + 7);
}

TEST(signalfd_changes_mask_and_errors)
{
    struct signalfd_siginfo si;
    sigset_t set;
    int fd = sigfd(SIGUSR1, SFD_NONBLOCK);
    t_block(SIGUSR2);
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    EXPECT_EQ(signalfd(fd, &set, 0), fd);
    kill(getpid(), SIGUSR1);
    EXPECT_ERRNO(read(fd, &si, sizeof(si)), EAGAIN);
    kill(getpid(), SIGUSR2);
    EXPECT_EQ(read(fd, &si, sizeof(si)), (ssize_t)sizeof(si));
    EXPECT_ERRNO(read(fd, &si, 10), EINVAL);
    EXPECT_ERRNO(signalfd(900, &set, 0), EBADF);
    EXPECT_ERRNO(signalfd(0, &set, 0), EINVAL);
    EXPECT_ERRNO(signalfd(-1, &set, 0x100), EINVAL);
}

TEST(signalfd_sigchld)
{
    struct signalfd_siginfo si;
    int fd = sigfd(SIGCHLD, 0);
    pid_t pid = t_fork();
    if (pid == 0)
        _exit(6);
    EXPECT_EQ(read(fd, &si, sizeof(si)), (ssize_t)sizeof(si));
    EXPECT_EQ(si.ssi_pid, pid);
    EXPECT_EQ(si.ssi_status, 6);
    EXPECT_EQ(si.ssi_code, CLD_EXITED);
    EXPECT_EXIT(pid, 6);
}

TEST(timerfd_one_shot)
{
    struct itimerspec it = {{0, 0}, {0, 30000000}}, cur;
    uint64_t n = 0;
    int fd = timerfd_create(CLOCK_MONOTONIC, 0);
    ASSERT_OK(fd);
    long long t0 = t_now_ms();
    EXPECT_OK(timerfd_settime(fd, 0, &it, NULL));
    EXPECT_OK(timerfd_gettime(fd, &cur));
    EXPECT(cur.it_value.tv_nsec > 0 && cur.it_value.tv_nsec <= 30000000);
    EXPECT_EQ(read(fd, &n, 8), 8);
    EXPECT_EQ(n, 1);
    EXPECT(t_now_ms() - t0 >= 29);
    EXPECT_OK(timerfd_gettime(fd, &cur));
    EXPECT_EQ(cur.it_value.tv_nsec, 0);
}

TEST(timerfd_periodic_counts_expirations)
{
    struct itimerspec it = {{0, 5000000}, {0, 5000000}}, old;
    uint64_t n = 0;
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    EXPECT_OK(timerfd_settime(fd, 0, &it, NULL));
    t_sleep_ms(60);
    EXPECT_EQ(poll_now(fd, POLLIN), POLLIN);
    EXPECT_EQ(read(fd, &n, 8), 8);
    EXPECT(n >= 10);
    memset(&it, 0, sizeof(it));
    EXPECT_OK(timerfd_settime(fd, 0, &it, &old));
    EXPECT_EQ(old.it_interval.tv_nsec, 5000000);
    EXPECT_ERRNO(read(fd, &n, 8), EAGAIN);
}

TEST(timerfd_absolute)
{
    struct itimerspec it = {{0, 0}, {0, 0}};
    uint64_t n = 0;
    int fd = timerfd_create(CLOCK_REALTIME, 0);
    clock_gettime(CLOCK_REALTIME, &it.it_value);
    it.it_value.tv_sec -= 10;
    EXPECT_OK(timerfd_settime(fd, TFD_TIMER_ABSTIME, &it, NULL));
    EXPECT_EQ(read(fd, &n, 8), 8);
    EXPECT_EQ(n, 1);
}

TEST(timerfd_errors)
{
    struct itimerspec it = {{0, 0}, {0, 2000000000}};
    uint64_t n;
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    EXPECT_ERRNO(timerfd_create(999, 0), EINVAL);
    EXPECT_ERRNO(timerfd_create(CLOCK_MONOTONIC, 0x100), EINVAL);
    EXPECT_ERRNO(timerfd_settime(fd, 0, &it, NULL), EINVAL);
    it.it_value.tv_nsec = 1;
    EXPECT_ERRNO(timerfd_settime(900, 0, &it, NULL), EBADF);
    EXPECT_ERRNO(timerfd_gettime(0, &it), EINVAL);
    EXPECT_ERRNO(read(fd, &n, 4), EINVAL);
    EXPECT_ERRNO(write(fd, &n, 8), EINVAL);
}

TEST(pidfd_open_and_signal)
{
    struct t_gate gate;
    t_gate_init(&gate);
    pid_t pid = t_fork();
    if (pid == 0) {
        for (;;)
            pause();
    }
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (fd < 0 && errno == ENOSYS) {
        kill(pid, SIGKILL);
        SKIP("no pidfd_open");
    }
    ASSERT_OK(fd);
    EXPECT_EQ(poll_now(fd, POLLIN), 0);
    EXPECT_OK(syscall(SYS_pidfd_send_signal, fd, 0, NULL, 0));
    EXPECT_OK(syscall(SYS_pidfd_send_signal, fd, SIGTERM, NULL, 0));
    siginfo_t si;
    EXPECT_OK(waitid((idtype_t)3 /* P_PIDFD */, (id_t)fd, &si, WEXITED));
    EXPECT_EQ(si.si_pid, pid);
    EXPECT_EQ(si.si_status, SIGTERM);
    EXPECT_ERRNO(syscall(SYS_pidfd_send_signal, fd, 0, NULL, 0), ESRCH);
    EXPECT_ERRNO(syscall(SYS_pidfd_open, 0x3ffffff, 0), ESRCH);
    EXPECT_ERRNO(syscall(SYS_pidfd_open, -1, 0), EINVAL);
}

TEST(inotify_directory_events)
{
    char buf[4096] __attribute__((aligned(8)));
    int fd = inotify_init1(IN_NONBLOCK);
    if (fd < 0)
        SKIP("no inotify");
    ASSERT_OK(mkdir("d", 0755));
    int wd = inotify_add_watch(fd, "d", IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO);
    ASSERT_OK(wd);
    t_put_file("d/a", "", 0644);
    ASSERT_OK(rename("d/a", "d/b"));
    ASSERT_OK(unlink("d/b"));
    static const uint32_t want[] = {IN_CREATE, IN_MOVED_FROM, IN_MOVED_TO, IN_DELETE};
    ssize_t n = read(fd, buf, sizeof(buf));
    ASSERT(n > 0);
    size_t k = 0;
    for (ssize_t pos = 0; pos < n; k++) {
        struct inotify_event *e = (struct inotify_event *)(buf + pos);
        ASSERT(k < ARRAY_LEN(want));
        EXPECT_EQ(e->mask, want[k]);
        EXPECT_EQ(e->wd, wd);
        EXPECT_STR(e->name, k < 2 ? "a" : "b");
        pos += (ssize_t)(sizeof(*e) + e->len);
    }
    EXPECT_EQ(k, 4);
    EXPECT_OK(inotify_rm_watch(fd, wd));
    EXPECT_ERRNO(inotify_rm_watch(fd, wd), EINVAL);
    EXPECT_ERRNO(inotify_add_watch(fd, "none", IN_CREATE), ENOENT);
    EXPECT_ERRNO(inotify_add_watch(fd, "d", 0), EINVAL);
}

TEST(inotify_file_events)
{
    char buf[1024] __attribute__((aligned(8)));
    int fd = inotify_init1(IN_NONBLOCK);
    if (fd < 0)
        SKIP("no inotify");
    t_put_file("f", "abc", 0644);
    ASSERT_OK(inotify_add_watch(fd, "f", IN_MODIFY | IN_CLOSE_WRITE | IN_ATTRIB));
    EXPECT_ERRNO(read(fd, buf, sizeof(buf)), EAGAIN);
    int f = open("f", O_WRONLY);
    ASSERT_EQ(write(f, "x", 1), 1);
    close(f);
    uint32_t all = 0;
    ssize_t n = read(fd, buf, sizeof(buf));
    for (ssize_t pos = 0; pos < n;) {
        struct inotify_event *e = (struct inotify_event *)(buf + pos);
        all |= e->mask;
        pos += (ssize_t)(sizeof(*e) + e->len);
    }
    EXPECT_EQ(all, IN_MODIFY | IN_CLOSE_WRITE);
}
