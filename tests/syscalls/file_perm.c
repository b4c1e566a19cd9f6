/* SPDX-License-Identifier: Apache-2.0 */
/* Permission checks of the file system as other users; sticky and set-gid directories. */
#include "harness.h"

/* Runs fn as this user and group (and nothing else) and expects all its checks to hold. */
static void as_user(uid_t uid, gid_t gid, void (*fn)(void))
{
    pid_t pid = t_fork();
    if (pid == 0) {
        ASSERT_OK(syscall(SYS_setgroups, 0, NULL));
        ASSERT_OK(setresgid(gid, gid, gid));
        ASSERT_OK(setresuid(uid, uid, uid));
        fn();
        CHILD_EXIT();
    }
    EXPECT_EXIT(pid, 0);
}

static void make(const char *path, uid_t uid, gid_t gid, mode_t mode)
{
    t_put_file(path, "data", 0600);
    ASSERT_OK(chown(path, uid, gid));
    ASSERT_OK(chmod(path, mode));
}

static void make_dir(const char *path, uid_t uid, gid_t gid, mode_t mode)
{
    ASSERT_OK(mkdir(path, 0700));
    ASSERT_OK(chown(path, uid, gid));
    ASSERT_OK(chmod(path, mode));
}

static void need_root_and_open_dir(void)
{
    NEED_ROOT();
    ASSERT_OK(chmod(".", 0777));
}

static void check_owner_bits(void)
{
    EXPECT_OK(open("owner", O_RDONLY));
    EXPECT_ERRNO(open("owner", O_WRONLY), EACCES);
    /* The owner class decides, even if the others class would allow more. */
    EXPECT_ERRNO(open("denied", O_RDONLY), EACCES);
    EXPECT_OK(chmod("denied", 0600));
    EXPECT_OK(open("denied", O_RDWR));
}

TEST(perm_owner_class)
{
    need_root_and_open_dir();
    make("owner", 1000, 1000, 0477);
    make("denied", 1000, 1000, 0077);
    as_user(1000, 1000, check_owner_bits);
}

static void check_group_bits(void)
{
    EXPECT_OK(open("g", O_RDONLY));
    EXPECT_ERRNO(open("g", O_RDWR), EACCES);
    EXPECT_ERRNO(open("gdenied", O_RDONLY), EACCES);
}

TEST(perm_group_class)
{
    need_root_and_open_dir();
    make("g", 1, 2000, 0640);
    make("gdenied", 1, 2000, 0707);
    as_user(1000, 2000, check_group_bits);
}

TEST(perm_supplementary_group)
{
    gid_t extra = 3000;
    need_root_and_open_dir();
    make("g", 1, 3000, 0640);
    pid_t pid = t_fork();
    if (pid == 0) {
        ASSERT_OK(syscall(SYS_setgroups, 1, &extra));
        ASSERT_OK(setresgid(5, 5, 5));
        ASSERT_OK(setresuid(1000, 1000, 1000));
        EXPECT_OK(open("g", O_RDONLY));
        EXPECT_ERRNO(open("g", O_WRONLY), EACCES);
        CHILD_EXIT();
    }
    EXPECT_EXIT(pid, 0);
}

static void check_other_bits(void)
{
    EXPECT_OK(open("o", O_RDONLY));
    EXPECT_ERRNO(open("o", O_WRONLY), EACCES);
    EXPECT_ERRNO(open("none", O_RDONLY), EACCES);
    EXPECT_ERRNO(truncate("o", 0), EACCES);
    EXPECT_ERRNO(open("o", O_RDONLY | O_TRUNC), EACCES);
    EXPECT_ERRNO(chmod("o", 0777), EPERM);
    EXPECT_ERRNO(chown("o", 1000, 1000), EPERM);
    EXPECT_ERRNO(utimensat(AT_FDCWD, "o", NULL, 0), EACCES);
    struct timespec ts[2] = {{1, 0}, {1, 0}};
    EXPECT_ERRNO(utimensat(AT_FDCWD, "o", ts, 0), EPERM);
    /* O_PATH and stat need no permission on the file itself. */
    EXPECT_OK(open("none", O_PATH));
    EXPECT_OK(fstatat(AT_FDCWD, "none", &(struct stat){0}, 0));
}

TEST(perm_other_class)
{
    need_root_and_open_dir();
    make("o", 1, 1, 0644);
    make("none", 1, 1, 0660);
    as_user(1000, 1000, check_other_bits);
}

static void check_search(void)
{
    EXPECT_ERRNO(open("noexec/f", O_RDONLY), EACCES);
    EXPECT_ERRNO(chdir("noexec"), EACCES);
    EXPECT_OK(open("noexec", O_RDONLY));
    EXPECT_OK(open("noread/f", O_RDONLY));
    EXPECT_ERRNO(open("noread", O_RDONLY), EACCES);
    EXPECT_OK(chdir("noread"));
}

TEST(perm_directory_search_and_read)
{
    need_root_and_open_dir();
    make_dir("noexec", 1, 1, 0766);
    make_dir("noread", 1, 1, 0711);
    make("noexec/f", 1, 1, 0644);
    make("noread/f", 1, 1, 0644);
    as_user(1000, 1000, check_search);
}

static void check_dir_write(void)
{
    EXPECT_ERRNO(open("ro/new", O_CREAT | O_WRONLY, 0644), EACCES);
    EXPECT_ERRNO(mkdir("ro/d", 0755), EACCES);
    EXPECT_ERRNO(unlink("ro/f"), EACCES);
    EXPECT_ERRNO(rename("ro/f", "ro/g"), EACCES);
    EXPECT_ERRNO(symlink("x", "ro/l"), EACCES);
    EXPECT_ERRNO(link("ro/f", "ro/h"), EACCES);
    EXPECT_ERRNO(rmdir("ro/sub"), EACCES);
    EXPECT_OK(open("ro/f", O_CREAT | O_RDONLY, 0644));
    /* Deleting needs permission on the directory, not on the file. */
    EXPECT_OK(unlink("rw/f"));
}

TEST(perm_directory_write)
{
    need_root_and_open_dir();
    make_dir("ro", 1, 1, 0755);
    make("ro/f", 1, 1, 0666);
    make_dir("ro/sub", 1, 1, 0777);
    make_dir("rw", 1, 1, 0777);
    make("rw/f", 1, 1, 0600);
    as_user(1000, 1000, check_dir_write);
}

static void check_sticky(void)
{
    EXPECT_ERRNO(unlink("sticky/other"), EPERM);
    EXPECT_ERRNO(rename("sticky/other", "sticky/x"), EPERM);
    EXPECT_ERRNO(rename("sticky/mine", "sticky/other"), EPERM);
    EXPECT_ERRNO(rmdir("sticky/odir"), EPERM);
    EXPECT_OK(unlink("sticky/mine"));
    /* The owner of a sticky directory may delete anything in it. */
    EXPECT_OK(unlink("own/other"));
}

TEST(perm_sticky_directory)
{
    need_root_and_open_dir();
    make_dir("sticky", 1, 1, 01777);
    make("sticky/other", 2, 2, 0666);
    make("sticky/mine", 1000, 1000, 0666);
    make_dir("sticky/odir", 2, 2, 0777);
    make_dir("own", 1000, 1000, 01777);
    make("own/other", 2, 2, 0600);
    as_user(1000, 1000, check_sticky);
}

TEST(perm_setgid_directory)
{
    struct stat st;
    need_root_and_open_dir();
    make_dir("d", 0, 4000, 02777);
    t_put_file("d/f", "", 0644);
    ASSERT_OK(mkdir("d/sub", 0755));
    stat("d/f", &st);
    EXPECT_EQ(st.st_gid, 4000);
    stat("d/sub", &st);
    EXPECT_EQ(st.st_gid, 4000);
    EXPECT(st.st_mode & S_ISGID);
}

static void check_created_owner(void)
{
    struct stat st;
    t_put_file("w/f", "", 0666);
    ASSERT_OK(mkdir("w/d", 0777));
    stat("w/f", &st);
    EXPECT_EQ(st.st_uid, 1000);
    EXPECT_EQ(st.st_gid, 2000);
    EXPECT_EQ(st.st_mode & 07777, 0644);
    stat("w/d", &st);
    EXPECT_EQ(st.st_uid, 1000);
    /* A file owner may give the file to a group of its own, and not to another. */
    EXPECT_OK(chown("w/f", (uid_t)-1, 2000));
    EXPECT_ERRNO(chown("w/f", (uid_t)-1, 2001), EPERM);
    EXPECT_ERRNO(chown("w/f", 1001, (gid_t)-1), EPERM);
}

TEST(perm_created_files_belong_to_creator)
{
    need_root_and_open_dir();
    make_dir("w", 1, 1, 0777);
    as_user(1000, 2000, check_created_owner);
}

static void check_setgid_cleared(void)
{
    struct stat st;
    /* Not in the group of the file: chmod silently drops the bit. */
    EXPECT_OK(chmod("f", 02755));
    stat("f", &st);
    EXPECT_EQ(st.st_mode & 07777, 0755);
}

TEST(perm_chmod_drops_setgid_outside_group)
{
    need_root_and_open_dir();
    make("f", 1000, 9999, 0644);
    as_user(1000, 1000, check_setgid_cleared);
}

TEST(perm_root_bypasses_bits)
{
    need_root_and_open_dir();
    make("f", 1000, 1000, 0);
    make_dir("d", 1000, 1000, 0);
    EXPECT_OK(open("f", O_RDWR));
    EXPECT_OK(open("d/new", O_CREAT | O_WRONLY, 0600));
    EXPECT_OK(access("f", R_OK | W_OK));
    /* Execution needs at least one x bit. */
    EXPECT_ERRNO(access("f", X_OK), EACCES);
    EXPECT_ERRNO(execl("f", "f", (char *)NULL), EACCES);
    ASSERT_OK(chmod("f", 0001));
    EXPECT_OK(access("f", X_OK));
}

static void check_exec(void)
{
    char *args[] = {"x", NULL};
    EXPECT_ERRNO(execv("./noexec", args), EACCES);
    /* The bits of the others class are r--. */
    EXPECT_ERRNO(execv("./notmine", args), EACCES);
    EXPECT_ERRNO(execv("./dir", args), EACCES);
}

TEST(perm_exec_bits)
{
    need_root_and_open_dir();
    make("noexec", 1000, 1000, 0677);
    make("notmine", 1, 1, 0754);
    make_dir("dir", 1000, 1000, 0777);
    as_user(1000, 1000, check_exec);
}

static void check_open_fd_use(void)
{
    char c;
    /* Rights were decided at open: descriptor 40 was opened by root. */
    EXPECT_EQ(read(40, &c, 1), 1);
    EXPECT_EQ(write(40, "Z", 1), 1);
    EXPECT_ERRNO(open("secret", O_RDONLY), EACCES);
    EXPECT_ERRNO(open("/proc/self/fd/40", O_RDONLY), EACCES);
    EXPECT_ERRNO(fchmod(40, 0777), EPERM);
}

TEST(perm_is_checked_at_open_only)
{
    need_root_and_open_dir();
    make("secret", 0, 0, 0600);
    ASSERT_EQ(dup2(open("secret", O_RDWR), 40), 40);
    as_user(1000, 1000, check_open_fd_use);
}

static void check_as_plain_user(void)
{
    EXPECT_ERRNO(mknod("w/null", S_IFCHR | 0666, 0x103), EPERM);
    EXPECT_OK(mkfifo("w/fifo", 0600));
    EXPECT_ERRNO(open("/etc/passwd", O_WRONLY), EACCES);
    EXPECT_OK(open("/etc/passwd", O_RDONLY));
    EXPECT_OK(open("/dev/null", O_RDWR));
}

TEST(perm_plain_user)
{
    need_root_and_open_dir();
    make_dir("w", 1000, 1000, 0755);
    as_user(1000, 1000, check_as_plain_user);
}
