/* SPDX-License-Identifier: Apache-2.0 */
/* /proc/PID: who may look, dead processes, magic links, writable files. */
#include "harness.h"
#include <dirent.h>
#include <sys/prctl.h>

static char g_text[1 << 16];

/* A child that waits for the gate; it becomes nobody first when asked to. */
static pid_t start_child(struct t_gate *gate, bool nobody)
{
    struct t_gate ready;
    t_gate_init(gate);
    t_gate_init(&ready);
    pid_t pid = t_fork();
    if (pid == 0) {
        if (nobody && (setgid(T_NOBODY) || setuid(T_NOBODY)))
            T_DIE();
        t_gate_post(&ready);
        t_gate_wait(gate);
        _exit(0);
    }
    t_gate_wait(&ready);
    return pid;
}

static const char *proc_path(pid_t pid, const char *name)
{
    static char path[128];
    snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
    return path;
}

TEST(proc_open_file_of_dead_process)
{
    struct t_gate gate;
    char buf[4096];
    pid_t pid = start_child(&gate, false);
    int status = open(proc_path(pid, "status"), O_RDONLY);
    int dir = open(proc_path(pid, ""), O_RDONLY | O_DIRECTORY);
    ASSERT(status >= 0 && dir >= 0);
    t_gate_post(&gate);
    EXPECT_EXIT(pid, 0);
    EXPECT_ERRNO(read(status, buf, sizeof(buf)), ESRCH);
    EXPECT_ERRNO(openat(dir, "status", O_RDONLY), ESRCH);
    EXPECT_ERRNO(open(proc_path(pid, "status"), O_RDONLY), ENOENT);
}

TEST(proc_of_zombie)
{
    struct t_gate gate;
    char buf[256];
    siginfo_t si;
    pid_t pid = start_child(&gate, false);
    t_gate_post(&gate);
    ASSERT_OK(waitid(P_PID, (id_t)pid, &si, WEXITED | WNOWAIT));
    EXPECT_EQ(t_get_file(proc_path(pid, "cmdline"), buf, sizeof(buf)), 0);
    EXPECT_EQ(t_get_file(proc_path(pid, "maps"), buf, sizeof(buf)), 0);
    EXPECT_ERRNO(readlink(proc_path(pid, "exe"), buf, sizeof(buf)), ENOENT);
    EXPECT_ERRNO(readlink(proc_path(pid, "cwd"), buf, sizeof(buf)), ENOENT);
    EXPECT_EQ(t_get_file(proc_path(pid, "statm"), buf, sizeof(buf)), 14);
    EXPECT_STR(buf, "0 0 0 0 0 0 0\n");
    EXPECT_EXIT(pid, 0);
}

TEST(proc_stat_has_52_fields)
{
    ASSERT(t_get_file("/proc/self/stat", g_text, sizeof(g_text)) > 0);
    char *end = strrchr(g_text, ')');
    int spaces = 0;
    ASSERT(end != NULL);
    for (char *p = end; *p; p++)
        spaces += *p == ' ';
    EXPECT_EQ(spaces, 50);
}

TEST(proc_of_another_user)
{
    NEED_ROOT();
    struct t_gate gate;
    pid_t owner = getpid();
    (void)start_child(&gate, false);
    pid_t pid = t_fork();
    if (pid == 0) {
        char buf[256];
        if (setgid(T_NOBODY) || setuid(T_NOBODY))
            T_DIE();
        EXPECT_OK(close(open(proc_path(owner, "status"), O_RDONLY)));
        EXPECT_OK(close(open(proc_path(owner, "stat"), O_RDONLY)));
        EXPECT_OK(close(open(proc_path(owner, "cmdline"), O_RDONLY)));
        EXPECT_ERRNO(open(proc_path(owner, "environ"), O_RDONLY), EACCES);
        EXPECT_ERRNO(open(proc_path(owner, "mem"), O_RDONLY), EACCES);
        EXPECT_ERRNO(open(proc_path(owner, "maps"), O_RDONLY), EACCES);
        EXPECT_ERRNO(open(proc_path(owner, "fd"), O_RDONLY | O_DIRECTORY), EACCES);
        EXPECT_ERRNO(open(proc_path(owner, "auxv"), O_RDONLY), EACCES);
        EXPECT_ERRNO(readlink(proc_path(owner, "exe"), buf, sizeof(buf)), EACCES);
        EXPECT_ERRNO(readlink(proc_path(owner, "cwd"), buf, sizeof(buf)), EACCES);
        EXPECT_ERRNO(readlink(proc_path(owner, "ns/pid"), buf, sizeof(buf)), EACCES);
        EXPECT_ERRNO(open(proc_path(owner, "oom_score_adj"), O_WRONLY), EACCES);
        CHILD_EXIT();
    }
    EXPECT_EXIT(pid, 0);
    t_gate_post(&gate);
}

TEST(proc_owner_is_the_process)
{
    NEED_ROOT();
    struct t_gate gate;
    struct stat st;
    pid_t pid = start_child(&gate, true);
    ASSERT_OK(stat(proc_path(pid, ""), &st));
    EXPECT_EQ(st.st_uid, T_NOBODY);
    EXPECT_EQ(st.st_gid, T_NOBODY);
    EXPECT(S_ISDIR(st.st_mode) && (st.st_mode & 07777) == 0555);
    /* Changing identity takes dumpable away: what is private belongs to root. */
    ASSERT_OK(stat(proc_path(pid, "environ"), &st));
    EXPECT_EQ(st.st_uid, 0);
    t_gate_post(&gate);
    EXPECT_EXIT(pid, 0);
}

TEST(proc_fd_reopens_file)
{
    char path[64];
    int fd = open("f", O_CREAT | O_RDWR, 0644);
    ASSERT_EQ(write(fd, "content", 7), 7);
    ASSERT_OK(unlink("f"));
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    int again = open(path, O_RDONLY);
    ASSERT(again >= 0);
    EXPECT_EQ(read(again, g_text, 100), 7);
    ssize_t n = readlink(path, g_text, sizeof(g_text) - 1);
    ASSERT(n > 0);
    g_text[n] = 0;
    EXPECT(strstr(g_text, "/f (deleted)") != NULL);
}

TEST(proc_fd_reopens_pipe)
{
    char path[64];
    int p[2];
    ASSERT_OK(pipe(p));
    snprintf(path, sizeof(path), "/proc/self/fd/%d", p[0]);
    int w = open(path, O_WRONLY);
    ASSERT(w >= 0);
    ASSERT_EQ(write(w, "x", 1), 1);
    EXPECT_EQ(read(p[0], g_text, 10), 1);
}

TEST(proc_fd_of_socket_cannot_be_opened)
{
    char path[64];
    int s[2];
    ASSERT_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
    snprintf(path, sizeof(path), "/proc/self/fd/%d", s[0]);
    EXPECT_ERRNO(open(path, O_RDWR), ENXIO);
    ssize_t n = readlink(path, g_text, sizeof(g_text) - 1);
    ASSERT(n > 0);
    g_text[n] = 0;
    EXPECT(strncmp(g_text, "socket:[", 8) == 0);
}

TEST(proc_fd_mode_shows_access)
{
    char path[64];
    struct stat st;
    int fd = open("f", O_CREAT | O_WRONLY, 0644);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    ASSERT_OK(lstat(path, &st));
    EXPECT(S_ISLNK(st.st_mode));
    EXPECT_EQ(st.st_mode & 0777, 0300);
    EXPECT_ERRNO(open("/proc/self/fd/01", O_RDONLY), ENOENT);
    EXPECT_ERRNO(open("/proc/self/fd/999", O_RDONLY), ENOENT);
}

TEST(proc_links_are_not_followed_with_nofollow)
{
    EXPECT_ERRNO(open("/proc/self/exe", O_RDONLY | O_NOFOLLOW), ELOOP);
    EXPECT_OK(open("/proc/self/exe", O_PATH | O_NOFOLLOW));
}

TEST(proc_ns_links)
{
    char a[64] = {0}, b[64] = {0}, want[64];
    struct stat st;
    struct t_gate gate;
    pid_t pid = start_child(&gate, false);
    ASSERT(readlink("/proc/self/ns/pid", a, sizeof(a) - 1) > 0);
    ASSERT(readlink(proc_path(pid, "ns/pid"), b, sizeof(b) - 1) > 0);
    EXPECT_STR(a, b);
    ASSERT_OK(stat("/proc/self/ns/pid", &st));
    snprintf(want, sizeof(want), "pid:[%lu]", (unsigned long)st.st_ino);
    EXPECT_STR(a, want);
    EXPECT_OK(open("/proc/self/ns/mnt", O_RDONLY));
    t_gate_post(&gate);
    EXPECT_EXIT(pid, 0);
}

TEST(proc_oom_score_adj)
{
    int fd = open("/proc/self/oom_score_adj", O_RDWR);
    ASSERT(fd >= 0);
    ASSERT_EQ(write(fd, "500", 3), 3);
    ASSERT_EQ(pread(fd, g_text, 100, 0), 4);
    EXPECT(strncmp(g_text, "500\n", 4) == 0);
    EXPECT_ERRNO(write(fd, "1001", 4), EINVAL);
    EXPECT_ERRNO(write(fd, "x", 1), EINVAL);
}

TEST(proc_text_is_made_again_at_the_start)
{
    char a[64], b[64];
    int fd = open("/proc/self/comm", O_RDONLY);
    prctl(PR_SET_NAME, "first");
    ASSERT(read(fd, a, sizeof(a)) == 6);
    prctl(PR_SET_NAME, "second");
    ASSERT_EQ(lseek(fd, 0, SEEK_SET), 0);
    ASSERT_EQ(read(fd, b, sizeof(b)), 7);
    EXPECT(memcmp(b, "second\n", 7) == 0);
}

TEST(proc_cmdline_title)
{
    extern char **environ;
    char *args[] = {"aaaaaaaaaaaaaaaaaaaaaaaa", "--helper", "title", NULL};
    pid_t pid = t_fork();
    if (pid == 0) {
        execve(t_self, args, environ);
        _exit(120);
    }
    EXPECT_EXIT(pid, 0);
}

HELPER(title)
{
    /* argv starts at the helper's name; the strings lie one after the other from argv[0] of main() on. */
    char *start = argv[-2], *end = argv[0] + strlen(argv[0]);
    memset(start, 'x', (size_t)(end - start) + 1);
    ssize_t got = t_get_file("/proc/self/cmdline", g_text, sizeof(g_text));
    return got > end - start && g_text[0] == 'x' && g_text[end - start] == 'x' ? 0 : 1;
}

static void *thread_main(void *arg)
{
    char path[64], link[64] = {0};
    snprintf(path, sizeof(path), "%d/task/%d", getpid(), (int)syscall(SYS_gettid));
    EXPECT(readlink("/proc/thread-self", link, sizeof(link) - 1) > 0);
    EXPECT_STR(link, path);
    snprintf(path, sizeof(path), "/proc/self/task/%d/status", (int)syscall(SYS_gettid));
    EXPECT_OK(close(open(path, O_RDONLY)));
    /* Not listed, but there. */
    snprintf(path, sizeof(path), "/proc/%d/status", (int)syscall(SYS_gettid));
    EXPECT_OK(close(open(path, O_RDONLY)));
    return arg;
}

TEST(proc_threads)
{
    pthread_t t;
    pthread_create(&t, NULL, thread_main, NULL);
    pthread_join(t, NULL);
    EXPECT_ERRNO(open("/proc/self/task/1/status", O_RDONLY), ENOENT);
}

TEST(proc_mem_write)
{
    static const char text[] = "read-only";
    volatile const char *p = text;
    int fd = open("/proc/self/mem", O_RDWR);
    if (fd < 0)
        SKIP("no /proc/self/mem");
    if (pwrite(fd, "W", 1, (off_t)(uintptr_t)text) != 1)
        SKIP("the kernel does not write through protection");
    EXPECT_EQ(p[0], 'W');
}

TEST(proc_stat_and_readdir_agree)
{
    DIR *d = opendir("/proc/self");
    ASSERT(d != NULL);
    struct dirent *e;
    while ((e = readdir(d))) {
        struct stat st;
        if (e->d_name[0] == '.' || fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW))
            continue;
        EXPECT_EQ(e->d_type, IFTODT(st.st_mode));
    }
}
