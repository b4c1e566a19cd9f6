/* SPDX-License-Identifier: Apache-2.0 */
/* Metadata: the stat family, modes, owners, times, access, extended attributes. */
#include "harness.h"
#include <sys/sysmacros.h>
#include <sys/xattr.h>

static struct stat st_of(const char *path)
{
    struct stat st;
    ASSERT_OK(lstat(path, &st));
    return st;
}

TEST(stat_fields_of_regular_file)
{
    t_put_file("f", "hello", 0640);
    struct stat st = st_of("f");
    EXPECT(S_ISREG(st.st_mode));
    EXPECT_EQ(st.st_mode & 07777, 0640);
    EXPECT_EQ(st.st_size, 5);
    EXPECT_EQ(st.st_nlink, 1);
    EXPECT_EQ(st.st_uid, geteuid());
    EXPECT(st.st_ino != 0);
    EXPECT(st.st_blksize > 0);
    EXPECT(st.st_mtim.tv_sec > 1500000000);
}

TEST(stat_types)
{
    int p[2], sv[2];
    struct stat st;
    ASSERT_OK(mkdir("d", 0755));
    ASSERT_OK(symlink("somewhere", "l"));
    ASSERT_OK(mkfifo("p", 0600));
    EXPECT(S_ISDIR(st_of("d").st_mode));
    EXPECT(S_ISLNK(st_of("l").st_mode));
    EXPECT_EQ(st_of("l").st_size, 9);
    EXPECT(S_ISFIFO(st_of("p").st_mode));
    EXPECT(S_ISCHR(st_of("/dev/null").st_mode));
    EXPECT_EQ(st_of("/dev/null").st_rdev, makedev(1, 3));
    ASSERT_OK(pipe(p));
    fstat(p[0], &st);
    EXPECT(S_ISFIFO(st.st_mode));
    ASSERT_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, sv));
    fstat(sv[0], &st);
    EXPECT(S_ISSOCK(st.st_mode));
}

TEST(stat_errors)
{
    struct stat st;
    t_put_file("f", "", 0644);
    EXPECT_ERRNO(stat("missing", &st), ENOENT);
    EXPECT_ERRNO(stat("", &st), ENOENT);
    EXPECT_ERRNO(stat("f/x", &st), ENOTDIR);
    EXPECT_ERRNO(stat("f/", &st), ENOTDIR);
    EXPECT_ERRNO(fstat(900, &st), EBADF);
    EXPECT_ERRNO(syscall(SYS_stat, "f", (void *)8), EFAULT);
    EXPECT_ERRNO(syscall(SYS_newfstatat, AT_FDCWD, "f", &st, 0x80000), EINVAL);
    EXPECT_ERRNO(fstatat(AT_FDCWD, "", &st, 0), ENOENT);
    EXPECT_OK(fstatat(AT_FDCWD, "", &st, AT_EMPTY_PATH));
    EXPECT(S_ISDIR(st.st_mode));
}

/* An empty path: of what is open, whatever that is and whatever its name is by now. */
TEST(stat_of_a_descriptor_by_an_empty_path)
{
    struct stat a, b;
    int fd, p[2];

    t_put_file("f", "12345", 0600);
    fd = open("f", O_RDONLY);
    ASSERT_OK(fd);
    ASSERT_OK(unlink("f"));
    ASSERT_OK(fstatat(fd, "", &a, AT_EMPTY_PATH));
    EXPECT_EQ(a.st_size, 5);
    EXPECT_EQ(a.st_nlink, 0);
    ASSERT_OK(pipe(p));
    ASSERT_OK(fstatat(p[0], "", &a, AT_EMPTY_PATH));
    EXPECT(S_ISFIFO(a.st_mode));
    ASSERT_OK(symlink("nowhere", "l"));
    fd = open("l", O_PATH | O_NOFOLLOW);
    ASSERT_OK(fd);
    ASSERT_OK(fstatat(fd, "", &a, AT_EMPTY_PATH));
    ASSERT_OK(fstatat(fd, "", &b, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW));
    EXPECT(S_ISLNK(a.st_mode) && a.st_ino == b.st_ino);
    EXPECT_ERRNO(fstatat(fd, "", &a, 0), ENOENT);
    EXPECT_ERRNO(fstatat(fd, "x", &a, AT_EMPTY_PATH), ENOTDIR);
    EXPECT_ERRNO(fstatat(900, "", &a, AT_EMPTY_PATH), EBADF);
    EXPECT_ERRNO(syscall(SYS_newfstatat, fd, (void *)8, &a, AT_EMPTY_PATH), EFAULT);
    EXPECT_ERRNO(syscall(SYS_newfstatat, fd, "", (void *)8, AT_EMPTY_PATH), EFAULT);
}

TEST(stat_follows_lstat_does_not)
{
    struct stat a, b, c;
    t_put_file("f", "x", 0644);
    ASSERT_OK(symlink("f", "l"));
    ASSERT_OK(stat("l", &a));
    ASSERT_OK(stat("f", &b));
    ASSERT_OK(fstatat(AT_FDCWD, "l", &c, AT_SYMLINK_NOFOLLOW));
    EXPECT_EQ(a.st_ino, b.st_ino);
    EXPECT(c.st_ino != a.st_ino);
    EXPECT_EQ(a.st_dev, c.st_dev);
}

TEST(statx_fields)
{
    struct statx sx;
    t_put_file("f", "123", 0604);
    struct stat st = st_of("f");
    ASSERT_OK(statx(AT_FDCWD, "f", 0, STATX_BASIC_STATS, &sx));
    EXPECT((sx.stx_mask & STATX_BASIC_STATS) == STATX_BASIC_STATS);
    EXPECT_EQ(sx.stx_size, 3);
    EXPECT_EQ(sx.stx_ino, st.st_ino);
    EXPECT_EQ(sx.stx_mode, st.st_mode);
    EXPECT_EQ(sx.stx_nlink, 1);
    EXPECT_EQ(makedev(sx.stx_dev_major, sx.stx_dev_minor), st.st_dev);
    EXPECT_EQ(sx.stx_mtime.tv_nsec, st.st_mtim.tv_nsec);
    int fd = open("f", O_RDONLY);
    EXPECT_OK(statx(fd, "", AT_EMPTY_PATH, STATX_SIZE, &sx));
    EXPECT_EQ(sx.stx_size, 3);
    EXPECT_ERRNO(statx(AT_FDCWD, "f", 0x40000000, STATX_SIZE, &sx), EINVAL);
    EXPECT_ERRNO(statx(AT_FDCWD, "f", 0, 0x80000000U, &sx), EINVAL);
    EXPECT_ERRNO(statx(AT_FDCWD, "none", 0, STATX_SIZE, &sx), ENOENT);
}

TEST(chmod_family)
{
    t_put_file("f", "", 0644);
    EXPECT_OK(chmod("f", 0751));
    EXPECT_EQ(st_of("f").st_mode & 07777, 0751);
    int fd = open("f", O_RDONLY);
    EXPECT_OK(fchmod(fd, 0600));
    EXPECT_EQ(st_of("f").st_mode & 07777, 0600);
    EXPECT_OK(fchmodat(AT_FDCWD, "f", 0640, 0));
    EXPECT_OK(chmod("f", 04755));
    EXPECT_EQ(st_of("f").st_mode & 07777, 04755);
    EXPECT_ERRNO(chmod("missing", 0600), ENOENT);
    EXPECT_ERRNO(fchmod(900, 0600), EBADF);
    ASSERT_OK(symlink("f", "l"));
    EXPECT_OK(chmod("l", 0611));
    EXPECT_EQ(st_of("f").st_mode & 07777, 0611);
}

TEST(chown_family)
{
    NEED_ROOT();
    t_put_file("f", "", 0644);
    ASSERT_OK(symlink("f", "l"));
    EXPECT_OK(chown("f", 1000, 2000));
    EXPECT_EQ(st_of("f").st_uid, 1000);
    EXPECT_EQ(st_of("f").st_gid, 2000);
    EXPECT_OK(chown("f", (uid_t)-1, 3000));
    EXPECT_EQ(st_of("f").st_uid, 1000);
    EXPECT_EQ(st_of("f").st_gid, 3000);
    EXPECT_OK(lchown("l", 5, 6));
    EXPECT_EQ(st_of("l").st_uid, 5);
    EXPECT_EQ(st_of("f").st_uid, 1000);
    EXPECT_OK(chown("l", 7, 8));
    EXPECT_EQ(st_of("f").st_uid, 7);
    EXPECT_OK(fchownat(AT_FDCWD, "l", 9, 9, AT_SYMLINK_NOFOLLOW));
    EXPECT_EQ(st_of("l").st_uid, 9);
    EXPECT_OK(fchown(open("f", O_RDONLY), 0, 0));
    EXPECT_ERRNO(chown("missing", 0, 0), ENOENT);
}

TEST(chown_clears_set_id_bits)
{
    NEED_ROOT();
    t_put_file("f", "", 0644);
    ASSERT_OK(chmod("f", 06755));
    ASSERT_OK(chown("f", 1000, 1000));
    EXPECT_EQ(st_of("f").st_mode & 07777, 0755);
}

TEST(write_clears_set_id_bits_for_nobody)
{
    NEED_ROOT();
    t_put_file("f", "", 0644);
    ASSERT_OK(chmod("f", 04777));
    ASSERT_OK(chmod(".", 0755));
    pid_t pid = t_fork();
    if (pid == 0) {
        t_become_nobody();
        int fd = open("f", O_WRONLY);
        ASSERT_OK(fd);
        EXPECT_EQ(write(fd, "x", 1), 1);
        CHILD_EXIT();
    }
    EXPECT_EXIT(pid, 0);
    EXPECT_EQ(st_of("f").st_mode & 07777, 0777);
}

TEST(utimensat_sets_times)
{
    struct timespec ts[2] = {{1000, 1000}, {2000, 2000}};
    t_put_file("f", "", 0644);
    ASSERT_OK(utimensat(AT_FDCWD, "f", ts, 0));
    struct stat st = st_of("f");
    EXPECT_EQ(st.st_atim.tv_sec, 1000);
    EXPECT_EQ(st.st_mtim.tv_sec, 2000);
    EXPECT_EQ(st.st_mtim.tv_nsec, 2000);
    ts[0].tv_nsec = UTIME_OMIT;
    ts[1].tv_nsec = UTIME_NOW;
    ASSERT_OK(utimensat(AT_FDCWD, "f", ts, 0));
    st = st_of("f");
    EXPECT_EQ(st.st_atim.tv_sec, 1000);
    EXPECT(st.st_mtim.tv_sec > 1500000000);
    ASSERT_OK(utimensat(AT_FDCWD, "f", NULL, 0));
    EXPECT(st_of("f").st_atim.tv_sec > 1500000000);
    ts[0] = (struct timespec){3000, 0};
    ts[1] = (struct timespec){4000, 0};
    ASSERT_OK(futimens(open("f", O_RDWR), ts));
    EXPECT_EQ(st_of("f").st_mtim.tv_sec, 4000);
    ts[0].tv_nsec = 2000000000;
    EXPECT_ERRNO(utimensat(AT_FDCWD, "f", ts, 0), EINVAL);
    EXPECT_ERRNO(utimensat(AT_FDCWD, "missing", NULL, 0), ENOENT);
}

TEST(utimensat_on_symlink)
{
    struct timespec ts[2] = {{1000, 0}, {2000, 0}};
    t_put_file("f", "", 0644);
    ASSERT_OK(symlink("f", "l"));
    ASSERT_OK(utimensat(AT_FDCWD, "l", ts, AT_SYMLINK_NOFOLLOW));
    EXPECT_EQ(st_of("l").st_mtim.tv_sec, 2000);
    EXPECT(st_of("f").st_mtim.tv_sec > 1500000000);
}

TEST(times_move_with_changes)
{
    struct timespec old[2] = {{1000, 0}, {1000, 0}};
    char c;
    t_put_file("f", "abc", 0644);
    ASSERT_OK(mkdir("d", 0755));
    ASSERT_OK(utimensat(AT_FDCWD, "f", old, 0));
    ASSERT_OK(utimensat(AT_FDCWD, "d", old, 0));
    int fd = open("f", O_RDWR);
    EXPECT_EQ(read(fd, &c, 1), 1);
    EXPECT_EQ(st_of("f").st_mtim.tv_sec, 1000);
    EXPECT_EQ(write(fd, "z", 1), 1);
    EXPECT(st_of("f").st_mtim.tv_sec > 1000);
    EXPECT(st_of("f").st_ctim.tv_sec > 1000);
    t_put_file("d/new", "", 0644);
    EXPECT(st_of("d").st_mtim.tv_sec > 1000);
    ASSERT_OK(utimensat(AT_FDCWD, "d", old, 0));
    ASSERT_OK(unlink("d/new"));
    EXPECT(st_of("d").st_mtim.tv_sec > 1000);
    ASSERT_OK(utimensat(AT_FDCWD, "f", old, 0));
    ASSERT_OK(ftruncate(fd, 1));
    EXPECT(st_of("f").st_mtim.tv_sec > 1000);
}

TEST(access_checks)
{
    t_put_file("f", "", 0644);
    EXPECT_OK(access("f", F_OK));
    EXPECT_OK(access("f", R_OK | W_OK));
    EXPECT_ERRNO(access("f", X_OK), EACCES);
    EXPECT_ERRNO(access("missing", F_OK), ENOENT);
    EXPECT_ERRNO(syscall(SYS_access, "f", 0x100), EINVAL);
    EXPECT_OK(faccessat(AT_FDCWD, "f", R_OK, AT_EACCESS));
    EXPECT_ERRNO(faccessat(900, "f", R_OK, 0), EBADF);
    EXPECT_ERRNO(access("f/x", F_OK), ENOTDIR);
}

TEST(access_uses_real_ids)
{
    NEED_ROOT();
    t_put_file("f", "", 0600);
    ASSERT_OK(chmod(".", 0755));
    ASSERT_OK(setresuid(1000, 0, 0));
    EXPECT_ERRNO(access("f", R_OK), EACCES);
    EXPECT_OK(faccessat(AT_FDCWD, "f", R_OK, AT_EACCESS));
    EXPECT_OK(open("f", O_RDONLY));
}

TEST(mknod_types)
{
    EXPECT_OK(mknod("f", S_IFREG | 0600, 0));
    EXPECT(S_ISREG(st_of("f").st_mode));
    EXPECT_OK(mknod("p", S_IFIFO | 0600, 0));
    EXPECT(S_ISFIFO(st_of("p").st_mode));
    EXPECT_OK(mknod("s", S_IFSOCK | 0600, 0));
    EXPECT(S_ISSOCK(st_of("s").st_mode));
    EXPECT_ERRNO(open("s", O_RDONLY), ENXIO);
    EXPECT_ERRNO(mknod("f", S_IFREG | 0600, 0), EEXIST);
    EXPECT_ERRNO(mknod("d", S_IFDIR | 0600, 0), EPERM);
    EXPECT_ERRNO(mknod("x", S_IFLNK | 0600, 0), EINVAL);
    EXPECT_ERRNO(mknod("none/x", S_IFREG | 0600, 0), ENOENT);
}

TEST(xattr_user)
{
    char buf[64] = {0};
    t_put_file("f", "", 0644);
    if (setxattr("f", "user.a", "one", 3, 0) < 0) {
        EXPECT_EQ(errno, EOPNOTSUPP);
        SKIP("no user xattrs here");
    }
    EXPECT_EQ(getxattr("f", "user.a", buf, sizeof(buf)), 3);
    EXPECT_STR(buf, "one");
    EXPECT_EQ(getxattr("f", "user.a", NULL, 0), 3);
    EXPECT_ERRNO(getxattr("f", "user.a", buf, 2), ERANGE);
    EXPECT_ERRNO(getxattr("f", "user.b", buf, 10), ENODATA);
    EXPECT_ERRNO(setxattr("f", "user.a", "x", 1, XATTR_CREATE), EEXIST);
    EXPECT_ERRNO(setxattr("f", "user.b", "x", 1, XATTR_REPLACE), ENODATA);
    EXPECT_OK(setxattr("f", "user.a", "two", 3, XATTR_REPLACE));
    int fd = open("f", O_RDONLY);
    EXPECT_OK(fsetxattr(fd, "user.b", "", 0, 0));
    EXPECT_EQ(fgetxattr(fd, "user.b", buf, sizeof(buf)), 0);
    ssize_t n = listxattr("f", buf, sizeof(buf));
    EXPECT(n >= 14);
    EXPECT(memmem(buf, (size_t)(n > 0 ? n : 0), "user.a\0", 7) != NULL);
    EXPECT(memmem(buf, (size_t)(n > 0 ? n : 0), "user.b\0", 7) != NULL);
    EXPECT_OK(removexattr("f", "user.a"));
    EXPECT_ERRNO(removexattr("f", "user.a"), ENODATA);
    EXPECT_ERRNO(setxattr("f", "user.a", "x", 1, 9), EINVAL);
    EXPECT_ERRNO(setxattr("f", "", "x", 1, 0), ERANGE);
    EXPECT_ERRNO(setxattr("f", "bogus.x", "x", 1, 0), EOPNOTSUPP);
    EXPECT_ERRNO(setxattr("missing", "user.a", "x", 1, 0), ENOENT);
}

TEST(xattr_user_not_on_special_files)
{
    t_put_file("f", "", 0644);
    if (setxattr("f", "user.a", "one", 3, 0) < 0)
        SKIP("no user xattrs here");
    ASSERT_OK(mkfifo("p", 0600));
    EXPECT_ERRNO(setxattr("p", "user.a", "x", 1, 0), EPERM);
    ASSERT_OK(symlink("f", "l"));
    EXPECT_ERRNO(lsetxattr("l", "user.a", "x", 1, 0), EPERM);
    EXPECT_OK(setxattr("l", "user.a", "x", 1, 0));
}

TEST(inode_numbers_are_stable)
{
    t_put_file("f", "", 0644);
    ino_t ino = st_of("f").st_ino;
    ASSERT_OK(rename("f", "g"));
    EXPECT_EQ(st_of("g").st_ino, ino);
    ASSERT_OK(link("g", "h"));
    EXPECT_EQ(st_of("h").st_ino, ino);
    EXPECT_EQ(st_of("h").st_nlink, 2);
    t_put_file("other", "", 0644);
    EXPECT(st_of("other").st_ino != ino);
}
