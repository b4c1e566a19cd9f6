/* SPDX-License-Identifier: Apache-2.0 */
/* open and its flags, descriptors: dup, fcntl, close, close_range, O_PATH, O_TMPFILE. */
#include "harness.h"
#include <linux/openat2.h>

static off_t size_of(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 ? st.st_size : -1;
}

TEST(open_creat_excl)
{
    int fd = open("f", O_CREAT | O_EXCL | O_WRONLY, 0600);
    ASSERT_OK(fd);
    EXPECT_ERRNO(open("f", O_CREAT | O_EXCL | O_WRONLY, 0600), EEXIST);
    EXPECT_OK(open("f", O_CREAT | O_WRONLY, 0600));
    ASSERT_OK(symlink("nowhere", "dangling"));
    EXPECT_ERRNO(open("dangling", O_CREAT | O_EXCL | O_WRONLY, 0600), EEXIST);
    EXPECT_OK(open("dangling", O_CREAT | O_WRONLY, 0600));
    EXPECT_EQ(size_of("nowhere"), 0);
}

TEST(open_mode_and_umask)
{
    struct stat st;
    umask(027);
    close(open("f", O_CREAT | O_WRONLY, 0777));
    stat("f", &st);
    EXPECT_EQ(st.st_mode & 07777, 0750);
    EXPECT_EQ(umask(0), 027);
    close(open("g", O_CREAT | O_WRONLY, 0666));
    stat("g", &st);
    EXPECT_EQ(st.st_mode & 07777, 0666);
    /* A file created read-only can still be written through the creating descriptor. */
    int fd = open("h", O_CREAT | O_RDWR, 0);
    EXPECT_EQ(write(fd, "x", 1), 1);
}

TEST(open_trunc)
{
    t_put_file("f", "content", 0644);
    close(open("f", O_WRONLY));
    EXPECT_EQ(size_of("f"), 7);
    close(open("f", O_WRONLY | O_TRUNC));
    EXPECT_EQ(size_of("f"), 0);
}

TEST(open_access_mode_is_enforced)
{
    char c;
    t_put_file("f", "abc", 0644);
    int ro = open("f", O_RDONLY), wo = open("f", O_WRONLY);
    EXPECT_ERRNO(write(ro, "x", 1), EBADF);
    EXPECT_ERRNO(read(wo, &c, 1), EBADF);
    EXPECT_ERRNO(ftruncate(ro, 0), EINVAL);
    EXPECT_EQ(fcntl(ro, F_GETFL) & O_ACCMODE, O_RDONLY);
    EXPECT_EQ(fcntl(wo, F_GETFL) & O_ACCMODE, O_WRONLY);
}

TEST(open_append)
{
    char buf[16] = {0};
    t_put_file("f", "one", 0644);
    int fd = open("f", O_RDWR | O_APPEND);
    EXPECT_EQ(lseek(fd, 0, SEEK_SET), 0);
    EXPECT_EQ(write(fd, "two", 3), 3);
    EXPECT_EQ(lseek(fd, 0, SEEK_CUR), 6);
    /* On Linux, pwrite appends too. */
    EXPECT_EQ(pwrite(fd, "3", 1, 0), 1);
    EXPECT_EQ(pread(fd, buf, 10, 0), 7);
    EXPECT_STR(buf, "onetwo3");
    EXPECT(fcntl(fd, F_GETFL) & O_APPEND);
    EXPECT_OK(fcntl(fd, F_SETFL, 0));
    EXPECT_EQ(pwrite(fd, "O", 1, 0), 1);
    EXPECT_EQ(pread(fd, buf, 1, 0), 1);
    EXPECT_EQ(buf[0], 'O');
}

TEST(open_directory_flag)
{
    t_put_file("f", "", 0644);
    ASSERT_OK(mkdir("d", 0755));
    EXPECT_OK(open("d", O_RDONLY | O_DIRECTORY));
    EXPECT_ERRNO(open("f", O_RDONLY | O_DIRECTORY), ENOTDIR);
    EXPECT_ERRNO(open("d", O_WRONLY), EISDIR);
    EXPECT_ERRNO(open("d", O_RDWR), EISDIR);
    EXPECT_ERRNO(open("d", O_CREAT | O_RDONLY, 0644), EISDIR);
    EXPECT_ERRNO(open("new/", O_CREAT | O_WRONLY, 0644), EISDIR);
}

TEST(open_nofollow)
{
    t_put_file("f", "", 0644);
    ASSERT_OK(symlink("f", "l"));
    ASSERT_OK(mkdir("d", 0755));
    ASSERT_OK(symlink("d", "ld"));
    t_put_file("d/x", "", 0644);
    EXPECT_ERRNO(open("l", O_RDONLY | O_NOFOLLOW), ELOOP);
    EXPECT_OK(open("f", O_RDONLY | O_NOFOLLOW));
    EXPECT_OK(open("ld/x", O_RDONLY | O_NOFOLLOW));
    EXPECT_ERRNO(open("ld", O_RDONLY | O_DIRECTORY | O_NOFOLLOW), ENOTDIR);
}

TEST(open_path_errors)
{
    char name[300], *path = malloc(5000);
    memset(name, 'a', 256);
    name[256] = 0;
    memset(path, '/', 4999);
    path[4999] = 0;
    t_put_file("f", "", 0644);
    ASSERT_OK(symlink("b", "a"));
    ASSERT_OK(symlink("a", "b"));
    EXPECT_ERRNO(open("missing", O_RDONLY), ENOENT);
    EXPECT_ERRNO(open("", O_RDONLY), ENOENT);
    EXPECT_ERRNO(open("missing/x", O_CREAT | O_WRONLY, 0644), ENOENT);
    EXPECT_ERRNO(open("f/x", O_RDONLY), ENOTDIR);
    EXPECT_ERRNO(open("f/", O_RDONLY), ENOTDIR);
    EXPECT_ERRNO(open(name, O_RDONLY), ENAMETOOLONG);
    EXPECT_ERRNO(open(path, O_RDONLY), ENAMETOOLONG);
    EXPECT_ERRNO(open("a", O_RDONLY), ELOOP);
    EXPECT_ERRNO(open("a/x", O_RDONLY), ELOOP);
    EXPECT_ERRNO(syscall(SYS_open, (char *)8, O_RDONLY), EFAULT);
    name[255] = 0;
    EXPECT_OK(open(name, O_CREAT | O_WRONLY, 0644));
}

TEST(open_symlink_chain_limit)
{
    char a[16], b[16];
    t_put_file("l0", "", 0644);
    for (int i = 1; i <= 41; i++) {
        snprintf(a, sizeof(a), "l%d", i - 1);
        snprintf(b, sizeof(b), "l%d", i);
        ASSERT_OK(symlink(a, b));
    }
    EXPECT_OK(open("l40", O_RDONLY));
    EXPECT_ERRNO(open("l41", O_RDONLY), ELOOP);
}

TEST(openat_relative)
{
    ASSERT_OK(mkdir("d", 0755));
    t_put_file("d/f", "x", 0644);
    int dir = open("d", O_RDONLY | O_DIRECTORY), path = open("d", O_PATH), file;
    EXPECT_OK(openat(dir, "f", O_RDONLY));
    EXPECT_OK(openat(path, "f", O_RDONLY));
    EXPECT_OK(openat(AT_FDCWD, "d/f", O_RDONLY));
    EXPECT_OK(openat(999, "/dev/null", O_RDONLY));
    EXPECT_ERRNO(openat(999, "f", O_RDONLY), EBADF);
    file = open("d/f", O_RDONLY);
    EXPECT_ERRNO(openat(file, "f", O_RDONLY), ENOTDIR);
    EXPECT_OK(rename("d", "e"));
    EXPECT_OK(openat(dir, "f", O_RDONLY));
    EXPECT_OK(openat(dir, "../e/f", O_RDONLY));
}

TEST(open_path_descriptor)
{
    struct stat st;
    char c, p[64];
    t_put_file("f", "x", 0644);
    int fd = open("f", O_PATH);
    ASSERT_OK(fd);
    EXPECT_ERRNO(read(fd, &c, 1), EBADF);
    EXPECT_ERRNO(write(fd, &c, 1), EBADF);
    EXPECT_ERRNO(fchmod(fd, 0600), EBADF);
    EXPECT_ERRNO(ftruncate(fd, 0), EBADF);
    EXPECT_ERRNO(lseek(fd, 0, SEEK_SET), EBADF);
    EXPECT_OK(fstat(fd, &st));
    EXPECT_EQ(st.st_size, 1);
    EXPECT(fcntl(fd, F_GETFL) & O_PATH);
    EXPECT_OK(fstatat(fd, "", &st, AT_EMPTY_PATH));
    snprintf(p, sizeof(p), "/proc/self/fd/%d", fd);
    int re = open(p, O_RDONLY);
    ASSERT_OK(re);
    EXPECT_EQ(read(re, &c, 1), 1);
}

TEST(open_path_of_symlink_itself)
{
    struct stat st;
    char buf[16] = {0};
    ASSERT_OK(symlink("target", "l"));
    int fd = open("l", O_PATH | O_NOFOLLOW);
    ASSERT_OK(fd);
    EXPECT_OK(fstat(fd, &st));
    EXPECT(S_ISLNK(st.st_mode));
    EXPECT_EQ(readlinkat(fd, "", buf, sizeof(buf)), 6);
    EXPECT_STR(buf, "target");
}

TEST(open_tmpfile)
{
    struct stat st;
    char p[64];
    int fd = open(".", O_TMPFILE | O_RDWR, 0600);
    if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR))
        SKIP("no O_TMPFILE here");
    ASSERT_OK(fd);
    EXPECT_OK(fstat(fd, &st));
    EXPECT_EQ(st.st_nlink, 0);
    EXPECT_EQ(write(fd, "data", 4), 4);
    snprintf(p, sizeof(p), "/proc/self/fd/%d", fd);
    EXPECT_OK(linkat(AT_FDCWD, p, AT_FDCWD, "named", AT_SYMLINK_FOLLOW));
    EXPECT_EQ(size_of("named"), 4);
    EXPECT_ERRNO(open(".", O_TMPFILE | O_RDONLY, 0600), EINVAL);
    t_put_file("f", "", 0644);
    EXPECT_ERRNO(open("f", O_TMPFILE | O_RDWR, 0600), ENOTDIR);
}

TEST(openat2_resolve)
{
    struct open_how how = {.flags = O_RDONLY, .resolve = RESOLVE_BENEATH};
    ASSERT_OK(mkdir("d", 0755));
    t_put_file("d/f", "", 0644);
    t_put_file("g", "", 0644);
    int dir = open("d", O_RDONLY | O_DIRECTORY);
    if (syscall(SYS_openat2, dir, "f", &how, sizeof(how)) < 0 && errno == ENOSYS)
        SKIP("no openat2");
    EXPECT_OK(syscall(SYS_openat2, dir, "f", &how, sizeof(how)));
    EXPECT_ERRNO(syscall(SYS_openat2, dir, "../g", &how, sizeof(how)), EXDEV);
    EXPECT_ERRNO(syscall(SYS_openat2, dir, "/dev/null", &how, sizeof(how)), EXDEV);
    how.resolve = RESOLVE_NO_SYMLINKS;
    ASSERT_OK(symlink("g", "l"));
    EXPECT_ERRNO(syscall(SYS_openat2, AT_FDCWD, "l", &how, sizeof(how)), ELOOP);
    how.resolve = RESOLVE_IN_ROOT;
    EXPECT_OK(syscall(SYS_openat2, dir, "/../../f", &how, sizeof(how)));
    EXPECT_ERRNO(syscall(SYS_openat2, dir, "f", &how, 8), EINVAL);
    how.resolve = 1ULL << 40;
    EXPECT_ERRNO(syscall(SYS_openat2, dir, "f", &how, sizeof(how)), EINVAL);
}

TEST(creat_is_open)
{
    t_put_file("f", "xyz", 0644);
    int fd = creat("f", 0600);
    ASSERT_OK(fd);
    EXPECT_EQ(size_of("f"), 0);
    EXPECT_EQ(fcntl(fd, F_GETFL) & O_ACCMODE, O_WRONLY);
}

TEST(lowest_descriptor_is_used)
{
    int a = open("/dev/null", O_RDONLY), b = open("/dev/null", O_RDONLY);
    EXPECT_EQ(b, a + 1);
    close(a);
    EXPECT_EQ(open("/dev/null", O_RDONLY), a);
    EXPECT_ERRNO(close(900), EBADF);
    EXPECT_ERRNO(close(-1), EBADF);
}

TEST(dup_family)
{
    char c;
    t_put_file("f", "abc", 0644);
    int fd = open("f", O_RDONLY | O_CLOEXEC), d = dup(fd);
    EXPECT_EQ(fcntl(d, F_GETFD), 0);
    EXPECT_EQ(read(fd, &c, 1), 1);
    EXPECT_EQ(read(d, &c, 1), 1);
    EXPECT_EQ(c, 'b');
    EXPECT_EQ(dup2(fd, 50), 50);
    EXPECT_EQ(fcntl(50, F_GETFD), 0);
    EXPECT_EQ(dup2(fd, fd), fd);
    EXPECT_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
    EXPECT_EQ(dup3(fd, 51, O_CLOEXEC), 51);
    EXPECT_EQ(fcntl(51, F_GETFD), FD_CLOEXEC);
    EXPECT_ERRNO(dup3(fd, fd, 0), EINVAL);
    EXPECT_ERRNO(dup3(fd, 52, O_APPEND), EINVAL);
    EXPECT_ERRNO(dup(900), EBADF);
    EXPECT_ERRNO(dup2(900, 53), EBADF);
    EXPECT_ERRNO(dup2(900, 900), EBADF);
    EXPECT_ERRNO(dup2(fd, -1), EBADF);
}

TEST(dup2_closes_target)
{
    int p[2];
    char c;
    ASSERT_OK(pipe(p));
    int fd = open("/dev/null", O_RDONLY);
    EXPECT_EQ(dup2(fd, p[1]), p[1]);
    EXPECT_EQ(read(p[0], &c, 1), 0);
}

TEST(fcntl_dupfd)
{
    int fd = open("/dev/null", O_RDONLY);
    EXPECT_EQ(fcntl(fd, F_DUPFD, 60), 60);
    EXPECT_EQ(fcntl(fd, F_DUPFD, 60), 61);
    EXPECT_EQ(fcntl(fd, F_DUPFD_CLOEXEC, 60), 62);
    EXPECT_EQ(fcntl(62, F_GETFD), FD_CLOEXEC);
    EXPECT_EQ(fcntl(60, F_GETFD), 0);
    EXPECT_ERRNO(fcntl(fd, F_DUPFD, -1), EINVAL);
    EXPECT_ERRNO(fcntl(900, F_DUPFD, 0), EBADF);
    EXPECT_ERRNO(fcntl(fd, 9999), EINVAL);
}

TEST(fcntl_status_flags)
{
    int fd = open("f", O_CREAT | O_RDWR, 0644), d = dup(fd);
    ASSERT_OK(fd);
    EXPECT_OK(fcntl(fd, F_SETFL, O_NONBLOCK | O_APPEND));
    EXPECT_EQ(fcntl(d, F_GETFL) & (O_NONBLOCK | O_APPEND | O_ACCMODE),
              O_NONBLOCK | O_APPEND | O_RDWR);
    /* Access mode and creation flags are not changed. */
    EXPECT_OK(fcntl(fd, F_SETFL, O_RDONLY | O_TRUNC));
    EXPECT_EQ(fcntl(d, F_GETFL) & (O_NONBLOCK | O_APPEND | O_ACCMODE), O_RDWR);
    EXPECT_OK(fcntl(fd, F_SETFD, FD_CLOEXEC));
    EXPECT_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
    EXPECT_EQ(fcntl(d, F_GETFD), 0);
}

TEST(fcntl_owner)
{
    int sv[2];
    struct f_owner_ex ex;
    ASSERT_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, sv));
    EXPECT_EQ(fcntl(sv[0], F_GETOWN), 0);
    EXPECT_OK(fcntl(sv[0], F_SETOWN, getpid()));
    EXPECT_EQ(fcntl(sv[0], F_GETOWN), getpid());
    ASSERT_OK(fcntl(sv[0], F_GETOWN_EX, &ex));
    EXPECT_EQ(ex.type, F_OWNER_PID);
    EXPECT_EQ(ex.pid, getpid());
    EXPECT_ERRNO(fcntl(sv[0], F_SETOWN, 0x3ffffff), ESRCH);
}

static volatile sig_atomic_t g_io;

static void on_io(int sig T_UNUSED)
{
    g_io++;
}

TEST(fcntl_async_sends_sigio)
{
    int sv[2];
    ASSERT_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, sv));
    t_handle(SIGIO, on_io, SA_RESTART);
    ASSERT_OK(fcntl(sv[0], F_SETOWN, getpid()));
    ASSERT_OK(fcntl(sv[0], F_SETFL, O_ASYNC));
    ASSERT_EQ(write(sv[1], "x", 1), 1);
    for (int i = 0; i < 200 && !g_io; i++)
        t_sleep_ms(5);
    EXPECT(g_io >= 1);
}

TEST(close_range_closes_and_marks)
{
    int fds[4];
    for (int i = 0; i < 4; i++)
        fds[i] = fcntl(0, F_DUPFD, 70 + i);
    if (syscall(SYS_close_range, 200, 300, 0) < 0 && errno == ENOSYS)
        SKIP("no close_range");
    EXPECT_OK(syscall(SYS_close_range, 71, 72, 0));
    EXPECT_OK(fcntl(fds[0], F_GETFD));
    EXPECT_ERRNO(fcntl(fds[1], F_GETFD), EBADF);
    EXPECT_ERRNO(fcntl(fds[2], F_GETFD), EBADF);
    EXPECT_OK(fcntl(fds[3], F_GETFD));
    EXPECT_OK(syscall(SYS_close_range, 70, 80, 4 /* CLOSE_RANGE_CLOEXEC */));
    EXPECT_EQ(fcntl(fds[0], F_GETFD), FD_CLOEXEC);
    EXPECT_ERRNO(syscall(SYS_close_range, 5, 4, 0), EINVAL);
    EXPECT_ERRNO(syscall(SYS_close_range, 5, 6, 0x100), EINVAL);
}

TEST(deleted_file_stays_usable)
{
    struct stat st;
    char buf[8] = {0}, p[64], link[PATH_MAX + 32];
    t_put_file("f", "abc", 0644);
    int fd = open("f", O_RDWR);
    EXPECT_OK(unlink("f"));
    EXPECT_OK(fstat(fd, &st));
    EXPECT_EQ(st.st_nlink, 0);
    EXPECT_EQ(write(fd, "XY", 2), 2);
    EXPECT_EQ(pread(fd, buf, 3, 0), 3);
    EXPECT_STR(buf, "XYc");
    snprintf(p, sizeof(p), "/proc/self/fd/%d", fd);
    ssize_t n = readlink(p, link, sizeof(link) - 1);
    ASSERT(n > 0);
    link[n] = 0;
    EXPECT(strstr(link, "/f (deleted)") != NULL);
}

TEST(open_after_replace_sees_new_file)
{
    char buf[8] = {0};
    t_put_file("a", "old", 0644);
    t_put_file("b", "new", 0644);
    int fd = open("a", O_RDONLY);
    ASSERT_OK(rename("b", "a"));
    EXPECT_EQ(read(fd, buf, 3), 3);
    EXPECT_STR(buf, "old");
    ASSERT_OK(t_get_file("a", buf, sizeof(buf)));
    EXPECT_STR(buf, "new");
}
