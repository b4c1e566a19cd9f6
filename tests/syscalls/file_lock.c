/* SPDX-License-Identifier: Apache-2.0 */
/* POSIX record locks, open-file-description locks, flock. */
#include "harness.h"
#include <sys/file.h>

static int lk(int fd, int cmd, short type, off_t start, off_t len)
{
    struct flock l = {.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = len};
    return fcntl(fd, cmd, &l);
}

static int open_file(void)
{
    int fd = open("f", O_CREAT | O_RDWR, 0644);
    ASSERT_OK(fd);
    return fd;
}

/* What a lock attempt by another process gives: 0 or an errno. */
static int other_lock(short type, off_t start, off_t len)
{
    pid_t pid = t_fork();
    if (pid == 0) {
        int fd = open("f", O_RDWR);
        _exit(lk(fd, F_SETLK, type, start, len) == 0 ? 0 : errno);
    }
    return t_wait(pid);
}

TEST(posix_lock_conflicts)
{
    int fd = open_file();
    EXPECT_OK(lk(fd, F_SETLK, F_WRLCK, 10, 10));
    EXPECT_EQ(other_lock(F_WRLCK, 15, 1), EAGAIN);
    EXPECT_EQ(other_lock(F_RDLCK, 19, 1), EAGAIN);
    EXPECT_EQ(other_lock(F_WRLCK, 20, 5), 0);
    EXPECT_EQ(other_lock(F_WRLCK, 0, 10), 0);
    EXPECT_OK(lk(fd, F_SETLK, F_RDLCK, 10, 10));
    EXPECT_EQ(other_lock(F_RDLCK, 10, 10), 0);
    EXPECT_EQ(other_lock(F_WRLCK, 10, 10), EAGAIN);
    EXPECT_OK(lk(fd, F_SETLK, F_UNLCK, 10, 10));
    EXPECT_EQ(other_lock(F_WRLCK, 0, 0), 0);
}

TEST(posix_lock_split)
{
    int fd = open_file();
    EXPECT_OK(lk(fd, F_SETLK, F_WRLCK, 0, 100));
    EXPECT_OK(lk(fd, F_SETLK, F_UNLCK, 40, 20));
    EXPECT_EQ(other_lock(F_WRLCK, 0, 40), EAGAIN);
    EXPECT_EQ(other_lock(F_WRLCK, 40, 20), 0);
    EXPECT_EQ(other_lock(F_WRLCK, 60, 1), EAGAIN);
    EXPECT_EQ(other_lock(F_WRLCK, 100, 0), 0);
}

TEST(posix_lock_to_end_of_file)
{
    int fd = open_file();
    EXPECT_OK(lk(fd, F_SETLK, F_WRLCK, 50, 0));
    EXPECT_EQ(other_lock(F_WRLCK, 1LL << 40, 1), EAGAIN);
    EXPECT_EQ(other_lock(F_WRLCK, 0, 50), 0);
}

TEST(posix_lock_whence)
{
    struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_END, .l_start = -2, .l_len = 2};
    t_put_file("f", "0123456789", 0644);
    int fd = open_file();
    EXPECT_OK(fcntl(fd, F_SETLK, &l));
    EXPECT_EQ(other_lock(F_WRLCK, 7, 1), 0);
    EXPECT_EQ(other_lock(F_WRLCK, 8, 1), EAGAIN);
    lseek(fd, 5, SEEK_SET);
    l = (struct flock){.l_type = F_WRLCK, .l_whence = SEEK_CUR, .l_start = 0, .l_len = -2};
    EXPECT_OK(fcntl(fd, F_SETLK, &l));
    EXPECT_EQ(other_lock(F_WRLCK, 3, 2), EAGAIN);
    EXPECT_EQ(other_lock(F_WRLCK, 5, 1), 0);
}

TEST(posix_getlk)
{
    int fd = open_file();
    struct flock l;
    EXPECT_OK(lk(fd, F_SETLK, F_WRLCK, 10, 5));
    pid_t parent = getpid(), pid = t_fork();
    if (pid == 0) {
        l = (struct flock){.l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 0};
        EXPECT_OK(fcntl(fd, F_GETLK, &l));
        EXPECT_EQ(l.l_type, F_WRLCK);
        EXPECT_EQ(l.l_start, 10);
        EXPECT_EQ(l.l_len, 5);
        EXPECT_EQ(l.l_pid, parent);
        l = (struct flock){.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 20, .l_len = 5};
        EXPECT_OK(fcntl(fd, F_GETLK, &l));
        EXPECT_EQ(l.l_type, F_UNLCK);
        CHILD_EXIT();
    }
    EXPECT_EXIT(pid, 0);
    l = (struct flock){.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 10, .l_len = 5};
    EXPECT_OK(fcntl(fd, F_GETLK, &l));
    EXPECT_EQ(l.l_type, F_UNLCK);
}

TEST(posix_lock_released_by_any_close)
{
    int fd = open_file(), fd2 = open_file();
    EXPECT_OK(lk(fd, F_SETLK, F_WRLCK, 0, 0));
    EXPECT_EQ(other_lock(F_WRLCK, 0, 0), EAGAIN);
    close(fd2);
    EXPECT_EQ(other_lock(F_WRLCK, 0, 0), 0);
}

TEST(posix_lock_not_inherited_by_fork)
{
    int fd = open_file();
    EXPECT_OK(lk(fd, F_SETLK, F_WRLCK, 0, 0));
    pid_t pid = t_fork();
    if (pid == 0) {
        EXPECT_ERRNO(lk(fd, F_SETLK, F_WRLCK, 0, 0), EAGAIN);
        CHILD_EXIT();
    }
    EXPECT_EXIT(pid, 0);
    /* The exit of the child closed its descriptor, which must not release our lock. */
    EXPECT_EQ(other_lock(F_WRLCK, 0, 0), EAGAIN);
}

TEST(posix_lock_wait_and_exit_of_owner)
{
    struct t_gate ready;
    int fd = open_file();
    t_gate_init(&ready);
    pid_t pid = t_fork();
    if (pid == 0) {
        ASSERT_OK(lk(fd, F_SETLK, F_WRLCK, 0, 0));
        t_gate_post(&ready);
        t_sleep_ms(60);
        _exit(0);
    }
    t_gate_wait(&ready);
    EXPECT_OK(lk(fd, F_SETLKW, F_WRLCK, 0, 0));
    EXPECT_EXIT(pid, 0);
}

static void on_tick(int sig T_UNUSED)
{
}

TEST(posix_lock_wait_is_interrupted)
{
    struct t_gate ready, go;
    struct itimerval it = {{0, 40000}, {0, 40000}};
    int fd = open_file();
    t_gate_init(&ready);
    t_gate_init(&go);
    pid_t pid = t_fork();
    if (pid == 0) {
        ASSERT_OK(lk(fd, F_SETLK, F_WRLCK, 0, 0));
        t_gate_post(&ready);
        t_gate_wait(&go);
        _exit(0);
    }
    t_gate_wait(&ready);
    t_handle(SIGALRM, on_tick, 0);
    setitimer(ITIMER_REAL, &it, NULL);
    EXPECT_ERRNO(lk(fd, F_SETLKW, F_WRLCK, 0, 0), EINTR);
    t_gate_post(&go);
    EXPECT_EXIT(pid, 0);
}

TEST(posix_lock_deadlock_is_detected)
{
    struct t_gate a, b;
    int fd = open_file(), r;
    t_gate_init(&a);
    t_gate_init(&b);
    ASSERT_OK(lk(fd, F_SETLK, F_WRLCK, 0, 1));
    pid_t pid = t_fork();
    if (pid == 0) {
        ASSERT_OK(lk(fd, F_SETLK, F_WRLCK, 1, 1));
        t_gate_post(&a);
        r = lk(fd, F_SETLKW, F_WRLCK, 0, 1);
        _exit(r == 0 ? 0 : errno);
    }
    t_gate_wait(&a);
    t_sleep_ms(50);
    r = lk(fd, F_SETLKW, F_WRLCK, 1, 1);
    int err = errno;
    if (r == 0) {
        /* The child came second and got the error. */
        EXPECT_EXIT(pid, EDEADLK);
    } else {
        EXPECT_EQ(err, EDEADLK);
        ASSERT_OK(lk(fd, F_SETLK, F_UNLCK, 0, 0));
        EXPECT_EXIT(pid, 0);
    }
}

/* Who has been given what it waited for, and does not run yet, waits for nobody. */
TEST(posix_lock_handed_over_is_no_deadlock)
{
    enum { N = 8 };
    int fd = open_file();
    for (int i = 0; i < 5; i++) {
        struct t_gate second;
        pid_t pids[N];
        t_gate_init(&second);
        EXPECT_OK(lk(fd, F_SETLK, F_WRLCK, 0, 1));
        for (int k = 0; k < N; k++) {
            pids[k] = t_fork();
            if (pids[k] == 0) {
                ASSERT_OK(lk(fd, F_SETLK, F_WRLCK, 1 + k, 1));
                t_gate_post(&second);
                _exit(lk(fd, F_SETLKW, F_RDLCK, 0, 1) == 0 ? 0 : 2);
            }
        }
        for (int k = 0; k < N; k++)
            t_gate_wait(&second);
        t_sleep_ms(50);
        EXPECT_OK(lk(fd, F_SETLK, F_UNLCK, 0, 1));
        EXPECT_OK(lk(fd, F_SETLKW, F_WRLCK, 1, N));
        for (int k = 0; k < N; k++)
            EXPECT_EXIT(pids[k], 0);
        EXPECT_OK(lk(fd, F_SETLK, F_UNLCK, 0, 0));
    }
}

TEST(posix_lock_errors)
{
    int fd = open_file(), ro = open("f", O_RDONLY), wo = open("f", O_WRONLY);
    EXPECT_ERRNO(lk(ro, F_SETLK, F_WRLCK, 0, 0), EBADF);
    EXPECT_ERRNO(lk(wo, F_SETLK, F_RDLCK, 0, 0), EBADF);
    EXPECT_ERRNO(lk(fd, F_SETLK, F_WRLCK, -1, 0), EINVAL);
    EXPECT_ERRNO(lk(fd, F_SETLK, 77, 0, 0), EINVAL);
    EXPECT_ERRNO(lk(900, F_SETLK, F_WRLCK, 0, 0), EBADF);
    EXPECT_ERRNO(fcntl(fd, F_SETLK, (void *)8), EFAULT);
    EXPECT_ERRNO(lk(fd, F_GETLK, F_UNLCK, 0, 0), EINVAL);
}

TEST(ofd_lock_belongs_to_description)
{
    int fd = open_file(), fd2 = open_file();
    EXPECT_OK(lk(fd, F_OFD_SETLK, F_WRLCK, 0, 0));
    EXPECT_ERRNO(lk(fd2, F_OFD_SETLK, F_WRLCK, 0, 0), EAGAIN);
    EXPECT_ERRNO(lk(fd2, F_SETLK, F_WRLCK, 0, 0), EAGAIN);
    EXPECT_OK(lk(dup(fd), F_OFD_SETLK, F_RDLCK, 0, 0));
    EXPECT_OK(lk(fd2, F_OFD_SETLK, F_RDLCK, 0, 0));
    close(open_file());
    EXPECT_ERRNO(lk(fd2, F_OFD_SETLK, F_WRLCK, 0, 0), EAGAIN);
}

TEST(ofd_lock_survives_fork_until_last_close)
{
    int fd = open_file(), fd2 = open_file();
    struct t_gate gate;
    t_gate_init(&gate);
    EXPECT_OK(lk(fd, F_OFD_SETLK, F_WRLCK, 0, 0));
    pid_t pid = t_fork();
    if (pid == 0) {
        t_gate_wait(&gate);
        _exit(0);
    }
    close(fd);
    EXPECT_ERRNO(lk(fd2, F_OFD_SETLK, F_WRLCK, 0, 0), EAGAIN);
    t_gate_post(&gate);
    EXPECT_EXIT(pid, 0);
    EXPECT_OK(lk(fd2, F_OFD_SETLK, F_WRLCK, 0, 0));
}

TEST(ofd_getlk_pid_is_minus_one)
{
    int fd = open_file(), fd2 = open_file();
    struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    EXPECT_OK(lk(fd, F_OFD_SETLK, F_WRLCK, 3, 4));
    EXPECT_OK(fcntl(fd2, F_OFD_GETLK, &l));
    EXPECT_EQ(l.l_type, F_WRLCK);
    EXPECT_EQ(l.l_start, 3);
    EXPECT_EQ(l.l_pid, -1);
    l = (struct flock){.l_type = F_WRLCK, .l_pid = 5};
    EXPECT_ERRNO(fcntl(fd2, F_OFD_SETLK, &l), EINVAL);
}

TEST(flock_conflicts)
{
    int fd = open_file(), fd2 = open_file();
    EXPECT_OK(flock(fd, LOCK_SH));
    EXPECT_OK(flock(fd2, LOCK_SH | LOCK_NB));
    EXPECT_ERRNO(flock(fd, LOCK_EX | LOCK_NB), EWOULDBLOCK);
    EXPECT_OK(flock(fd2, LOCK_UN));
    EXPECT_OK(flock(fd, LOCK_EX | LOCK_NB));
    EXPECT_ERRNO(flock(fd2, LOCK_SH | LOCK_NB), EWOULDBLOCK);
    EXPECT_OK(flock(dup(fd), LOCK_SH | LOCK_NB));
    EXPECT_OK(flock(fd2, LOCK_SH | LOCK_NB));
    EXPECT_ERRNO(flock(fd, 0), EINVAL);
    EXPECT_ERRNO(flock(900, LOCK_SH), EBADF);
}

TEST(flock_shared_by_fork_released_by_last_close)
{
    int fd = open_file(), fd2 = open_file();
    struct t_gate gate;
    t_gate_init(&gate);
    EXPECT_OK(flock(fd, LOCK_EX));
    pid_t pid = t_fork();
    if (pid == 0) {
        t_gate_wait(&gate);
        _exit(0);
    }
    close(fd);
    EXPECT_ERRNO(flock(fd2, LOCK_EX | LOCK_NB), EWOULDBLOCK);
    t_gate_post(&gate);
    EXPECT_EXIT(pid, 0);
    EXPECT_OK(flock(fd2, LOCK_EX | LOCK_NB));
}

TEST(flock_blocks_until_released)
{
    int fd = open_file();
    struct t_gate ready;
    t_gate_init(&ready);
    pid_t pid = t_fork();
    if (pid == 0) {
        ASSERT_OK(flock(open_file(), LOCK_EX));
        t_gate_post(&ready);
        t_sleep_ms(50);
        _exit(0);
    }
    t_gate_wait(&ready);
    EXPECT_OK(flock(fd, LOCK_EX));
    EXPECT_EXIT(pid, 0);
}

TEST(flock_and_posix_locks_are_independent)
{
    int fd = open_file(), fd2 = open_file();
    EXPECT_OK(flock(fd, LOCK_EX));
    EXPECT_OK(lk(fd2, F_SETLK, F_WRLCK, 0, 0));
}
