/* SPDX-License-Identifier: Apache-2.0 */
/* Directories and names: mkdir, rmdir, link, unlink, rename, symlink, getdents, cwd, walking. */
#include "harness.h"
#include <dirent.h>

struct dent64 {
    uint64_t ino;
    int64_t off;
    unsigned short reclen;
    unsigned char type;
    char name[];
};

static bool exists(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0;
}

static nlink_t links(const char *path)
{
    struct stat st;
    ASSERT_OK(lstat(path, &st));
    return st.st_nlink;
}

static void expect_file(const char *path, const char *text)
{
    char buf[64];
    ASSERT_OK(t_get_file(path, buf, sizeof(buf)));
    EXPECT_STR(buf, text);
}

TEST(mkdir_and_rmdir)
{
    struct stat st;
    EXPECT_OK(mkdir("d", 0777));
    ASSERT_OK(stat("d", &st));
    EXPECT_EQ(st.st_mode, S_IFDIR | 0755);
    EXPECT_OK(mkdir("d/e", 0700));
    EXPECT_ERRNO(rmdir("d"), ENOTEMPTY);
    EXPECT_OK(rmdir("d/e"));
    EXPECT_OK(rmdir("d"));
    EXPECT(!exists("d"));
    EXPECT_OK(mkdir("slash/", 0755));
    EXPECT_OK(rmdir("slash/"));
}

TEST(mkdir_errors)
{
    char name[300];
    memset(name, 'x', 256);
    name[256] = 0;
    t_put_file("f", "", 0644);
    ASSERT_OK(mkdir("d", 0755));
    ASSERT_OK(symlink("nowhere", "l"));
    EXPECT_ERRNO(mkdir("d", 0755), EEXIST);
    EXPECT_ERRNO(mkdir("f", 0755), EEXIST);
    EXPECT_ERRNO(mkdir("l", 0755), EEXIST);
    EXPECT_ERRNO(mkdir("f/x", 0755), ENOTDIR);
    EXPECT_ERRNO(mkdir("none/x", 0755), ENOENT);
    EXPECT_ERRNO(mkdir("", 0755), ENOENT);
    EXPECT_ERRNO(mkdir(".", 0755), EEXIST);
    EXPECT_ERRNO(mkdir("d/..", 0755), EEXIST);
    EXPECT_ERRNO(mkdir("/", 0755), EEXIST);
    EXPECT_ERRNO(mkdir(name, 0755), ENAMETOOLONG);
}

TEST(rmdir_errors)
{
    t_put_file("f", "", 0644);
    ASSERT_OK(mkdir("d", 0755));
    ASSERT_OK(symlink("d", "l"));
    EXPECT_ERRNO(rmdir("f"), ENOTDIR);
    EXPECT_ERRNO(rmdir("l"), ENOTDIR);
    EXPECT_ERRNO(rmdir("none"), ENOENT);
    EXPECT_ERRNO(rmdir("d/."), EINVAL);
    EXPECT_ERRNO(rmdir("d/.."), ENOTEMPTY);
    EXPECT_ERRNO(rmdir("/"), EBUSY);
    EXPECT_ERRNO(unlinkat(AT_FDCWD, "d", 0x1), EINVAL);
    EXPECT_OK(unlinkat(AT_FDCWD, "d", AT_REMOVEDIR));
}

TEST(unlink_and_errors)
{
    t_put_file("f", "", 0644);
    ASSERT_OK(mkdir("d", 0755));
    ASSERT_OK(symlink("f", "l"));
    EXPECT_ERRNO(unlink("d"), EISDIR);
    EXPECT_ERRNO(unlink("none"), ENOENT);
    EXPECT_ERRNO(unlink("f/x"), ENOTDIR);
    EXPECT_ERRNO(unlink("f/"), ENOTDIR);
    EXPECT_ERRNO(unlink(""), ENOENT);
    EXPECT_OK(unlink("l"));
    EXPECT(exists("f"));
    EXPECT_OK(unlink("f"));
    EXPECT(!exists("f"));
}

TEST(directory_link_counts)
{
    ASSERT_OK(mkdir("d", 0755));
    nlink_t base = links("d");
    if (base < 2)
        SKIP("this file system does not count directory links");
    ASSERT_OK(mkdir("d/a", 0755));
    ASSERT_OK(mkdir("d/b", 0755));
    EXPECT_EQ(links("d"), base + 2);
    ASSERT_OK(rmdir("d/a"));
    EXPECT_EQ(links("d"), base + 1);
}

TEST(removed_directory_behaviour)
{
    char cwd[PATH_MAX];
    ASSERT_OK(mkdir("d", 0755));
    ASSERT_OK(chdir("d"));
    ASSERT_OK(rmdir("../d"));
    EXPECT_ERRNO(open("x", O_CREAT | O_WRONLY, 0644), ENOENT);
    EXPECT_ERRNO(mkdir("y", 0755), ENOENT);
    EXPECT_ERRNO(syscall(SYS_getcwd, cwd, sizeof(cwd)), ENOENT);
    EXPECT_OK(chdir(".."));
}

TEST(hard_links)
{
    t_put_file("a", "text", 0644);
    EXPECT_OK(link("a", "b"));
    EXPECT_EQ(links("a"), 2);
    expect_file("b", "text");
    EXPECT_OK(unlink("a"));
    EXPECT_EQ(links("b"), 1);
    expect_file("b", "text");
}

TEST(link_errors)
{
    t_put_file("a", "", 0644);
    ASSERT_OK(mkdir("d", 0755));
    ASSERT_OK(symlink("a", "l"));
    EXPECT_ERRNO(link("a", "d"), EEXIST);
    EXPECT_ERRNO(link("a", "a"), EEXIST);
    EXPECT_ERRNO(link("none", "x"), ENOENT);
    EXPECT_ERRNO(link("d", "x"), EPERM);
    EXPECT_ERRNO(link("a", "a/x"), ENOTDIR);
    EXPECT_ERRNO(link("a", "none/x"), ENOENT);
    EXPECT_ERRNO(linkat(AT_FDCWD, "a", AT_FDCWD, "x", 0x8000), EINVAL);
    /* A link to a symbolic link links the symbolic link, unless told to follow. */
    struct stat st;
    EXPECT_OK(link("l", "l2"));
    lstat("l2", &st);
    EXPECT(S_ISLNK(st.st_mode));
    EXPECT_OK(linkat(AT_FDCWD, "l", AT_FDCWD, "l3", AT_SYMLINK_FOLLOW));
    lstat("l3", &st);
    EXPECT(S_ISREG(st.st_mode));
}

TEST(symlink_and_readlink)
{
    char buf[64];
    memset(buf, 'z', sizeof(buf));
    ASSERT_OK(symlink("target/path", "l"));
    EXPECT_EQ(readlink("l", buf, sizeof(buf)), 11);
    EXPECT(memcmp(buf, "target/pathz", 12) == 0);
    EXPECT_EQ(readlink("l", buf, 4), 4);
    EXPECT_ERRNO(readlink("l", buf, 0), EINVAL);
    t_put_file("f", "", 0644);
    EXPECT_ERRNO(readlink("f", buf, sizeof(buf)), EINVAL);
    EXPECT_ERRNO(readlink("none", buf, sizeof(buf)), ENOENT);
    EXPECT_ERRNO(symlink("x", "l"), EEXIST);
    EXPECT_ERRNO(symlink("", "e"), ENOENT);
    EXPECT_ERRNO(symlink("x", "none/l"), ENOENT);
    char *longer = malloc(5000);
    memset(longer, 'p', 4999);
    longer[4999] = 0;
    EXPECT_ERRNO(symlink(longer, "big"), ENAMETOOLONG);
}

TEST(symlink_walks)
{
    ASSERT_OK(mkdir("d", 0755));
    ASSERT_OK(mkdir("d/e", 0755));
    t_put_file("d/f", "in d", 0644);
    ASSERT_OK(symlink("d/e", "le"));
    ASSERT_OK(symlink("../f", "d/e/up"));
    expect_file("le/../f", "in d");
    expect_file("le/up", "in d");
    char abs[PATH_MAX];
    snprintf(abs, sizeof(abs), "%s/d/f", t_dir);
    ASSERT_OK(symlink(abs, "labs"));
    expect_file("labs", "in d");
    ASSERT_OK(symlink("d/", "ldir"));
    expect_file("ldir/f", "in d");
    expect_file(".//d//././f", "in d");
}

TEST(rename_basic)
{
    t_put_file("a", "A", 0644);
    t_put_file("b", "B", 0644);
    EXPECT_OK(rename("a", "c"));
    EXPECT(!exists("a"));
    EXPECT_OK(rename("c", "b"));
    expect_file("b", "A");
    EXPECT(!exists("c"));
    EXPECT_OK(rename("b", "b"));
    ASSERT_OK(link("b", "b2"));
    /* Two names of one file: nothing happens. */
    EXPECT_OK(rename("b", "b2"));
    EXPECT(exists("b") && exists("b2"));
}

TEST(rename_directories)
{
    ASSERT_OK(mkdir("d", 0755));
    t_put_file("d/f", "x", 0644);
    ASSERT_OK(mkdir("e", 0755));
    EXPECT_OK(rename("d", "e"));
    expect_file("e/f", "x");
    ASSERT_OK(mkdir("g", 0755));
    EXPECT_ERRNO(rename("g", "e"), ENOTEMPTY);
    EXPECT_OK(rename("e", "g/moved"));
    expect_file("g/moved/f", "x");
    expect_file("g/moved/../moved/f", "x");
}

TEST(rename_errors)
{
    t_put_file("f", "", 0644);
    ASSERT_OK(mkdir("d", 0755));
    ASSERT_OK(mkdir("d/sub", 0755));
    EXPECT_ERRNO(rename("none", "x"), ENOENT);
    EXPECT_ERRNO(rename("f", "d"), EISDIR);
    EXPECT_ERRNO(rename("d", "f"), ENOTDIR);
    EXPECT_ERRNO(rename("d", "d/sub/x"), EINVAL);
    EXPECT_ERRNO(rename("d", "d/sub"), EINVAL);
    EXPECT_ERRNO(rename("d/sub", "d"), ENOTEMPTY);
    EXPECT_ERRNO(rename("f", "f/x"), ENOTDIR);
    EXPECT_ERRNO(rename("f/", "x"), ENOTDIR);
    EXPECT_ERRNO(rename("f", "x/"), ENOTDIR);
    EXPECT_ERRNO(rename("f", "none/x"), ENOENT);
    EXPECT_ERRNO(rename("d/.", "x"), EBUSY);
    EXPECT_ERRNO(rename("f", "/proc/x"), EXDEV);
    EXPECT_OK(rename("d/", "e/"));
}

TEST(renameat2_flags)
{
    t_put_file("a", "A", 0644);
    t_put_file("b", "B", 0644);
    ASSERT_OK(mkdir("d", 0755));
    if (renameat2(AT_FDCWD, "a", AT_FDCWD, "b", RENAME_NOREPLACE) == -1 && errno == EINVAL)
        SKIP("flags not supported here");
    EXPECT_ERRNO(renameat2(AT_FDCWD, "a", AT_FDCWD, "b", RENAME_NOREPLACE), EEXIST);
    EXPECT_OK(renameat2(AT_FDCWD, "a", AT_FDCWD, "c", RENAME_NOREPLACE));
    EXPECT_OK(renameat2(AT_FDCWD, "c", AT_FDCWD, "b", RENAME_EXCHANGE));
    expect_file("c", "B");
    expect_file("b", "A");
    EXPECT_OK(renameat2(AT_FDCWD, "b", AT_FDCWD, "d", RENAME_EXCHANGE));
    expect_file("d", "A");
    EXPECT_OK(rmdir("b"));
    EXPECT_ERRNO(renameat2(AT_FDCWD, "c", AT_FDCWD, "none", RENAME_EXCHANGE), ENOENT);
    EXPECT_ERRNO(renameat2(AT_FDCWD, "c", AT_FDCWD, "x", RENAME_EXCHANGE | RENAME_NOREPLACE),
                 EINVAL);
    EXPECT_ERRNO(renameat2(AT_FDCWD, "c", AT_FDCWD, "x", 0x100), EINVAL);
}

TEST(rename_over_open_file)
{
    char buf[4] = {0};
    struct stat st;
    t_put_file("a", "new", 0644);
    t_put_file("b", "old", 0644);
    int fd = open("b", O_RDONLY);
    ASSERT_OK(rename("a", "b"));
    EXPECT_EQ(read(fd, buf, 3), 3);
    EXPECT_STR(buf, "old");
    fstat(fd, &st);
    EXPECT_EQ(st.st_nlink, 0);
}

static int count_entries(int fd, size_t bufsize, unsigned char *seen)
{
    char *buf = malloc(bufsize);
    int total = 0, i;
    long n;

    while ((n = syscall(SYS_getdents64, fd, buf, bufsize)) > 0) {
        for (long pos = 0; pos < n;) {
            struct dent64 *d = (struct dent64 *)(buf + pos);
            if (sscanf(d->name, "file%d", &i) == 1 && i >= 0 && i < 100)
                seen[i]++;
            if (d->name[0] == '.')
                EXPECT(d->type == DT_DIR || d->type == DT_UNKNOWN);
            else
                EXPECT(d->type == DT_REG || d->type == DT_UNKNOWN);
            EXPECT(d->ino != 0);
            EXPECT_EQ(d->reclen % 8, 0);
            total++;
            pos += d->reclen;
        }
    }
    EXPECT_EQ(n, 0);
    free(buf);
    return total;
}

TEST(getdents_lists_all_once)
{
    unsigned char seen[100] = {0};
    char name[32];
    ASSERT_OK(mkdir("d", 0755));
    for (int i = 0; i < 100; i++) {
        snprintf(name, sizeof(name), "d/file%d", i);
        close(open(name, O_CREAT | O_WRONLY, 0644));
    }
    int fd = open("d", O_RDONLY | O_DIRECTORY);
    EXPECT_EQ(count_entries(fd, 200, seen), 102);
    for (int i = 0; i < 100; i++)
        EXPECT_EQ(seen[i], 1);
    EXPECT_EQ(lseek(fd, 0, SEEK_SET), 0);
    memset(seen, 0, sizeof(seen));
    EXPECT_EQ(count_entries(fd, 32768, seen), 102);
}

TEST(getdents_errors)
{
    char buf[8];
    int fd = open(".", O_RDONLY), f = open("f", O_CREAT | O_RDWR, 0644);
    EXPECT_ERRNO(syscall(SYS_getdents64, fd, buf, sizeof(buf)), EINVAL);
    EXPECT_ERRNO(syscall(SYS_getdents64, f, buf, sizeof(buf)), ENOTDIR);
    EXPECT_ERRNO(syscall(SYS_getdents64, 900, buf, sizeof(buf)), EBADF);
    EXPECT_ERRNO(syscall(SYS_getdents64, fd, (void *)8, 1000), EFAULT);
}

TEST(seekdir_resumes)
{
    char name[32], after[64] = "";
    struct dirent *e;
    for (int i = 0; i < 20; i++) {
        snprintf(name, sizeof(name), "file%d", i);
        close(open(name, O_CREAT | O_WRONLY, 0644));
    }
    DIR *d = opendir(".");
    ASSERT(d != NULL);
    for (int i = 0; i < 7; i++)
        readdir(d);
    long pos = telldir(d);
    e = readdir(d);
    ASSERT(e != NULL);
    snprintf(after, sizeof(after), "%.60s", e->d_name);
    while (readdir(d))
        ;
    seekdir(d, pos);
    e = readdir(d);
    ASSERT(e != NULL);
    EXPECT_STR(e->d_name, after);
    rewinddir(d);
    int n = 0;
    while (readdir(d))
        n++;
    EXPECT_EQ(n, 22);
    closedir(d);
}

TEST(readdir_while_deleting)
{
    char name[32];
    int left = 0;
    struct dirent *e;
    for (int i = 0; i < 60; i++) {
        snprintf(name, sizeof(name), "file%d", i);
        close(open(name, O_CREAT | O_WRONLY, 0644));
    }
    DIR *d = opendir(".");
    while ((e = readdir(d))) {
        if (e->d_name[0] != '.')
            EXPECT_OK(unlink(e->d_name));
    }
    rewinddir(d);
    while ((e = readdir(d)))
        left += e->d_name[0] != '.';
    EXPECT_EQ(left, 0);
}

TEST(getcwd_and_chdir)
{
    char buf[PATH_MAX], want[PATH_MAX];
    ASSERT_OK(mkdir("d", 0755));
    ASSERT(realpath(".", want));
    ASSERT_OK(chdir("d"));
    strcat(want, "/d");
    ASSERT(getcwd(buf, sizeof(buf)));
    EXPECT_STR(buf, want);
    EXPECT_EQ(syscall(SYS_getcwd, buf, sizeof(buf)), (long)strlen(want) + 1);
    EXPECT_ERRNO(syscall(SYS_getcwd, buf, 3), ERANGE);
    EXPECT_ERRNO(syscall(SYS_getcwd, 8, 4096), EFAULT);
    ASSERT_OK(rename("../d", "../moved"));
    ASSERT(getcwd(buf, sizeof(buf)));
    EXPECT(strstr(buf, "/moved") != NULL);
    EXPECT_OK(chdir("/"));
    ASSERT(getcwd(buf, sizeof(buf)));
    EXPECT_STR(buf, "/");
    EXPECT_OK(chdir(".."));
    ASSERT(getcwd(buf, sizeof(buf)));
    EXPECT_STR(buf, "/");
}

TEST(chdir_errors_and_fchdir)
{
    char buf[PATH_MAX];
    t_put_file("f", "", 0644);
    ASSERT_OK(mkdir("d", 0755));
    EXPECT_ERRNO(chdir("none"), ENOENT);
    EXPECT_ERRNO(chdir("f"), ENOTDIR);
    EXPECT_ERRNO(chdir(""), ENOENT);
    EXPECT_ERRNO(fchdir(900), EBADF);
    EXPECT_ERRNO(fchdir(open("f", O_RDONLY)), ENOTDIR);
    int fd = open("d", O_PATH);
    EXPECT_OK(fchdir(fd));
    ASSERT(getcwd(buf, sizeof(buf)));
    EXPECT(strlen(buf) > 2 && strcmp(buf + strlen(buf) - 2, "/d") == 0);
}

TEST(chroot_confines)
{
    NEED_ROOT();
    ASSERT_OK(mkdir("root", 0755));
    t_put_file("root/inside", "in", 0644);
    ASSERT_OK(symlink("/inside", "root/l"));
    ASSERT_OK(chroot("root"));
    ASSERT_OK(chdir("/"));
    expect_file("/inside", "in");
    expect_file("/l", "in");
    expect_file("/../../inside", "in");
    EXPECT_ERRNO(open("/etc/passwd", O_RDONLY), ENOENT);
    EXPECT_ERRNO(chroot("none"), ENOENT);
    pid_t pid = t_fork();
    if (pid == 0) {
        t_become_nobody();
        EXPECT_ERRNO(chroot("/"), EPERM);
        CHILD_EXIT();
    }
    EXPECT_EXIT(pid, 0);
}

TEST(at_functions_use_directory)
{
    struct stat st;
    char buf[16];
    ASSERT_OK(mkdir("d", 0755));
    int d = open("d", O_RDONLY | O_DIRECTORY);
    EXPECT_OK(mkdirat(d, "sub", 0755));
    EXPECT_OK(symlinkat("t", d, "l"));
    EXPECT_EQ(readlinkat(d, "l", buf, sizeof(buf)), 1);
    EXPECT_OK(mknodat(d, "f", S_IFREG | 0644, 0));
    EXPECT_OK(linkat(d, "f", d, "g", 0));
    EXPECT_OK(renameat(d, "g", AT_FDCWD, "outside"));
    EXPECT(exists("outside"));
    EXPECT_OK(fstatat(d, "f", &st, 0));
    EXPECT_OK(fchmodat(d, "f", 0600, 0));
    EXPECT_OK(unlinkat(d, "f", 0));
    EXPECT_OK(unlinkat(d, "sub", AT_REMOVEDIR));
    EXPECT_ERRNO(mkdirat(900, "x", 0755), EBADF);
    EXPECT_ERRNO(unlinkat(d, "none", 0), ENOENT);
}

TEST(deep_path)
{
    char buf[PATH_MAX];
    for (int i = 0; i < 60; i++) {
        ASSERT_OK(mkdir("deep-directory-name", 0755));
        ASSERT_OK(chdir("deep-directory-name"));
    }
    ASSERT(getcwd(buf, sizeof(buf)));
    EXPECT_EQ(strlen(buf) > 1200, 1);
    EXPECT_OK(chdir(buf));
    t_put_file("bottom", "ok", 0644);
    strcat(buf, "/bottom");
    EXPECT_EQ(access(buf, R_OK), 0);
}

TEST(dot_and_dotdot)
{
    struct stat a, b;
    ASSERT_OK(mkdir("d", 0755));
    ASSERT_OK(stat(".", &a));
    ASSERT_OK(stat("d/..", &b));
    EXPECT_EQ(a.st_ino, b.st_ino);
    ASSERT_OK(stat("/..", &a));
    ASSERT_OK(stat("/", &b));
    EXPECT_EQ(a.st_ino, b.st_ino);
    EXPECT_ERRNO(stat("none/..", &a), ENOENT);
    t_put_file("f", "", 0644);
    EXPECT_ERRNO(stat("f/..", &a), ENOTDIR);
    EXPECT_ERRNO(stat("f/.", &a), ENOTDIR);
}

TEST(names_with_odd_bytes)
{
    static const char *const names[] = {"sp ace", "new\nline", "\xff\xfe", "-dash", "..."};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        t_put_file(names[i], names[i], 0644);
        expect_file(names[i], names[i]);
        EXPECT_OK(unlink(names[i]));
    }
}

TEST(concurrent_create_excl_has_one_winner)
{
    pid_t pids[4];
    int winners = 0;
    for (int i = 0; i < 4; i++) {
        pids[i] = t_fork();
        if (pids[i] == 0)
            _exit(open("race", O_CREAT | O_EXCL | O_WRONLY, 0644) >= 0 ? 1 : 0);
    }
    for (int i = 0; i < 4; i++)
        winners += t_wait(pids[i]);
    EXPECT_EQ(winners, 1);
}
