/* SPDX-License-Identifier: Apache-2.0 */
/* /proc. */
#include "harness.h"
#include <dirent.h>
#include <sys/prctl.h>

static char g_buf[1 << 16];

static const char *slurp(const char *path)
{
    if (t_get_file(path, g_buf, sizeof(g_buf)) < 0) {
        t_fail(__FILE__, __LINE__, "cannot read %s (errno %d)", path, errno);
        T_DIE();
    }
    return g_buf;
}

/* The text after "key:" in a status-like file, without leading blanks. */
static const char *field(const char *text, const char *key)
{
    size_t n = strlen(key);
    for (const char *p = text; p; p = strchr(p, '\n') ? strchr(p, '\n') + 1 : NULL) {
        if (strncmp(p, key, n) == 0 && p[n] == ':')
            return p + n + 1 + strspn(p + n + 1, " \t");
    }
    t_fail(__FILE__, __LINE__, "no field %s", key);
    T_DIE();
}

static pid_t start_child(struct t_gate *gate)
{
    struct t_gate ready;
    t_gate_init(gate);
    t_gate_init(&ready);
    pid_t pid = t_fork();
    if (pid == 0) {
        t_gate_post(&ready);
        t_gate_wait(gate);
        _exit(0);
    }
    t_gate_wait(&ready);
    return pid;
}

TEST(proc_self_is_own_pid)
{
    char link[32] = {0}, want[32];
    ASSERT(readlink("/proc/self", link, sizeof(link) - 1) > 0);
    snprintf(want, sizeof(want), "%d", getpid());
    EXPECT_STR(link, want);
    memset(link, 0, sizeof(link));
    ASSERT(readlink("/proc/thread-self", link, sizeof(link) - 1) > 0);
    snprintf(want, sizeof(want), "%d/task/%d", getpid(), getpid());
    EXPECT_STR(link, want);
}

TEST(proc_status)
{
    prctl(PR_SET_NAME, "statustest");
    const char *s = slurp("/proc/self/status");
    EXPECT(strncmp(field(s, "Name"), "statustest\n", 11) == 0);
    EXPECT_EQ(atoi(field(s, "Pid")), getpid());
    EXPECT_EQ(atoi(field(s, "Tgid")), getpid());
    EXPECT_EQ(atoi(field(s, "PPid")), getppid());
    EXPECT_EQ(atoi(field(s, "Uid")), (int)getuid());
    EXPECT_EQ(atoi(field(s, "Gid")), (int)getgid());
    EXPECT_EQ(atoi(field(s, "Threads")), 1);
    EXPECT(field(s, "State")[0] == 'R');
    EXPECT(atoi(field(s, "VmRSS")) > 0);
    EXPECT(atoi(field(s, "VmSize")) > 0);
}

TEST(proc_status_signals)
{
    t_block(SIGUSR1);
    raise(SIGUSR1);
    signal(SIGUSR2, SIG_IGN);
    const char *s = slurp("/proc/self/status");
    EXPECT(strtoull(field(s, "SigBlk"), NULL, 16) & (1ULL << (SIGUSR1 - 1)));
    EXPECT((strtoull(field(s, "SigPnd"), NULL, 16) | strtoull(field(s, "ShdPnd"), NULL, 16)) &
           (1ULL << (SIGUSR1 - 1)));
    EXPECT(strtoull(field(s, "SigIgn"), NULL, 16) & (1ULL << (SIGUSR2 - 1)));
}

TEST(proc_stat_of_self)
{
    int pid, ppid, pgrp, session;
    char comm[64], state;
    prctl(PR_SET_NAME, "a) b (c");
    const char *s = slurp("/proc/self/stat");
    ASSERT_EQ(sscanf(s, "%d (", &pid), 1);
    EXPECT_EQ(pid, getpid());
    const char *end = strrchr(s, ')');
    ASSERT(end != NULL);
    ASSERT_EQ(sscanf(end, ") %c %d %d %d", &state, &ppid, &pgrp, &session), 4);
    EXPECT_EQ(state, 'R');
    EXPECT_EQ(ppid, getppid());
    EXPECT_EQ(pgrp, getpgrp());
    EXPECT_EQ(session, getsid(0));
    const char *open_paren = strchr(s, '(');
    snprintf(comm, sizeof(comm), "%.*s", (int)(end - open_paren - 1), open_paren + 1);
    EXPECT_STR(comm, "a) b (c");
    int fields = 0;
    for (const char *p = end + 1; *p; p++)
        fields += *p == ' ';
    EXPECT(fields >= 42);
}

TEST(proc_comm)
{
    prctl(PR_SET_NAME, "newname");
    EXPECT_STR(slurp("/proc/self/comm"), "newname\n");
    int fd = open("/proc/self/comm", O_WRONLY);
    if (fd < 0)
        SKIP("comm is not writable here");
    EXPECT_EQ(write(fd, "written", 7), 7);
    char name[17] = {0};
    prctl(PR_GET_NAME, name);
    EXPECT_STR(name, "written");
}

HELPER(show)
{
    (void)argc;
    char buf[8192];
    ssize_t n = t_get_file(argv[1], buf, sizeof(buf));
    return n >= 0 && write(1, buf, (size_t)n) == n ? 0 : 1;
}

static ssize_t run_show(const char *file, char *const *env)
{
    int p[2];
    ASSERT_OK(pipe(p));
    pid_t pid = t_fork();
    if (pid == 0) {
        char *args[] = {"zero", "--helper", "show", (char *)(uintptr_t)file, NULL};
        dup2(p[1], 1);
        execve(t_self, args, env);
        _exit(120);
    }
    close(p[1]);
    size_t len = 0;
    ssize_t n;
    while ((n = read(p[0], g_buf + len, sizeof(g_buf) - 1 - len)) > 0)
        len += (size_t)n;
    g_buf[len] = 0;
    EXPECT_EXIT(pid, 0);
    return (ssize_t)len;
}

TEST(proc_cmdline_and_environ)
{
    static const char cmd[] = "zero\0--helper\0show\0/proc/self/cmdline";
    static const char env[] = "A=1\0B=two words";
    char *envp[] = {"A=1", "B=two words", NULL};
    EXPECT_EQ(run_show("/proc/self/cmdline", envp), (ssize_t)sizeof(cmd));
    EXPECT(memcmp(g_buf, cmd, sizeof(cmd)) == 0);
    EXPECT_EQ(run_show("/proc/self/environ", envp), (ssize_t)sizeof(env));
    EXPECT(memcmp(g_buf, env, sizeof(env)) == 0);
}

TEST(proc_exe_link)
{
    char a[PATH_MAX] = {0};
    struct stat x, y;
    ASSERT(readlink("/proc/self/exe", a, sizeof(a) - 1) > 0);
    EXPECT_STR(a, t_self);
    ASSERT_OK(stat("/proc/self/exe", &x));
    ASSERT_OK(stat(t_self, &y));
    EXPECT_EQ(x.st_ino, y.st_ino);
}

TEST(proc_cwd_and_root_links)
{
    char a[PATH_MAX] = {0}, b[PATH_MAX];
    ASSERT(readlink("/proc/self/cwd", a, sizeof(a) - 1) > 0);
    ASSERT(getcwd(b, sizeof(b)));
    EXPECT_STR(a, b);
    memset(a, 0, sizeof(a));
    ASSERT(readlink("/proc/self/root", a, sizeof(a) - 1) > 0);
    EXPECT_STR(a, "/");
    t_put_file("here", "x", 0644);
    EXPECT_OK(open("/proc/self/cwd/here", O_RDONLY));
}

TEST(proc_fd_directory)
{
    char path[64], link[PATH_MAX] = {0}, want[PATH_MAX + 8];
    int fd = open("f", O_CREAT | O_RDWR, 0644), p[2], found = 0;
    ASSERT(realpath("f", want));
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    ASSERT(readlink(path, link, sizeof(link) - 1) > 0);
    EXPECT_STR(link, want);
    ASSERT_OK(pipe(p));
    snprintf(path, sizeof(path), "/proc/self/fd/%d", p[0]);
    memset(link, 0, sizeof(link));
    ASSERT(readlink(path, link, sizeof(link) - 1) > 0);
    EXPECT(strncmp(link, "pipe:[", 6) == 0);
    DIR *d = opendir("/proc/self/fd");
    ASSERT(d != NULL);
    struct dirent *e;
    while ((e = readdir(d)))
        found += e->d_name[0] != '.' && (atoi(e->d_name) == fd || atoi(e->d_name) == p[0]);
    EXPECT_EQ(found, 2);
    closedir(d);
    close(fd);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    EXPECT_ERRNO(readlink(path, link, sizeof(link)), ENOENT);
}

TEST(proc_fdinfo)
{
    char path[64];
    int fd = open("f", O_CREAT | O_RDWR | O_APPEND, 0644);
    ASSERT_EQ(write(fd, "12345", 5), 5);
    snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
    const char *s = slurp(path);
    EXPECT_EQ(atoi(field(s, "pos")), 5);
    EXPECT(strtol(field(s, "flags"), NULL, 8) & O_APPEND);
}

TEST(proc_maps_lists_program_and_stack)
{
    const char *s = slurp("/proc/self/maps");
    EXPECT(strstr(s, t_self) != NULL);
    EXPECT(strstr(s, "[stack]") != NULL);
    unsigned long start, end, last = 0;
    for (const char *p = s; p && *p; p = strchr(p, '\n') ? strchr(p, '\n') + 1 : NULL) {
        char perms[5];
        ASSERT_EQ(sscanf(p, "%lx-%lx %4s", &start, &end, perms), 3);
        EXPECT(start < end);
        if (start < 0xffffffff00000000UL) {
            EXPECT(start >= last);
            last = end;
        }
        EXPECT_EQ(strlen(perms), 4);
    }
}

TEST(proc_maps_names_mapped_file)
{
    char want[PATH_MAX + 8];
    int fd = open("mapped", O_CREAT | O_RDWR, 0644);
    ASSERT_OK(ftruncate(fd, 8192));
    void *p = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 4096);
    ASSERT(p != MAP_FAILED);
    ASSERT(realpath("mapped", want));
    const char *s = strstr(slurp("/proc/self/maps"), want);
    ASSERT(s != NULL);
    while (s > g_buf && s[-1] != '\n')
        s--;
    unsigned long start, end, off;
    char perms[5];
    ASSERT_EQ(sscanf(s, "%lx-%lx %4s %lx", &start, &end, perms, &off), 4);
    EXPECT_EQ(start, (unsigned long)p);
    EXPECT_EQ(off, 4096);
    EXPECT_STR(perms, "r--s");
}

TEST(proc_mounts)
{
    const char *s = slurp("/proc/mounts");
    EXPECT(strstr(s, " / ") != NULL);
    EXPECT(strstr(s, " /proc proc ") != NULL);
    s = slurp("/proc/self/mountinfo");
    EXPECT(strstr(s, " - ") != NULL);
}

TEST(proc_of_child)
{
    struct t_gate gate;
    char path[64];
    pid_t pid = start_child(&gate);
    snprintf(path, sizeof(path), "/proc/%d/status", pid);
    const char *s = slurp(path);
    EXPECT_EQ(atoi(field(s, "PPid")), getpid());
    EXPECT_EQ(atoi(field(s, "Pid")), pid);
    char state = 0;
    for (int i = 0; i < 500 && state != 'S'; i++, t_sleep_ms(5))
        state = field(slurp(path), "State")[0];
    EXPECT_EQ(state, 'S');
    kill(pid, SIGSTOP);
    for (int i = 0; i < 500 && state != 'T'; i++, t_sleep_ms(5))
        state = field(slurp(path), "State")[0];
    EXPECT_EQ(state, 'T');
    kill(pid, SIGKILL);
    siginfo_t si;
    waitid(P_PID, (id_t)pid, &si, WEXITED | WNOWAIT);
    EXPECT(field(slurp(path), "State")[0] == 'Z');
    EXPECT_KILLED(pid, SIGKILL);
    EXPECT_ERRNO(open(path, O_RDONLY), ENOENT);
}

TEST(proc_directory_lists_processes)
{
    struct t_gate gate;
    int self = 0, child = 0;
    pid_t pid = start_child(&gate);
    DIR *d = opendir("/proc");
    ASSERT(d != NULL);
    struct dirent *e;
    while ((e = readdir(d))) {
        self += atoi(e->d_name) == getpid();
        child += atoi(e->d_name) == pid;
    }
    EXPECT_EQ(self, 1);
    EXPECT_EQ(child, 1);
    t_gate_post(&gate);
    EXPECT_EXIT(pid, 0);
}

static struct t_gate g_gate;

static void *idle_thread(void *arg)
{
    t_gate_wait(&g_gate);
    return arg;
}

TEST(proc_task_lists_threads)
{
    pthread_t t;
    int n = 0;
    t_gate_init(&g_gate);
    pthread_create(&t, NULL, idle_thread, NULL);
    DIR *d = opendir("/proc/self/task");
    ASSERT(d != NULL);
    struct dirent *e;
    while ((e = readdir(d)))
        n += e->d_name[0] != '.';
    EXPECT_EQ(n, 2);
    EXPECT_EQ(atoi(field(slurp("/proc/self/status"), "Threads")), 2);
    t_gate_post(&g_gate);
    pthread_join(t, NULL);
}

TEST(proc_limits)
{
    struct rlimit rl;
    getrlimit(RLIMIT_NOFILE, &rl);
    rl.rlim_cur = 123;
    ASSERT_OK(setrlimit(RLIMIT_NOFILE, &rl));
    const char *s = strstr(slurp("/proc/self/limits"), "Max open files");
    ASSERT(s != NULL);
    EXPECT_EQ(atoi(s + 14 + strspn(s + 14, " ")), 123);
}

TEST(proc_sys_kernel)
{
    EXPECT(strncmp(slurp("/proc/sys/kernel/ostype"), "Linux\n", 6) == 0);
    EXPECT(strlen(slurp("/proc/sys/kernel/hostname")) > 1);
    EXPECT(strlen(slurp("/proc/sys/kernel/osrelease")) > 1);
    EXPECT(atoi(slurp("/proc/sys/kernel/pid_max")) > 300);
    EXPECT(strlen(slurp("/proc/sys/kernel/random/boot_id")) >= 36);
    EXPECT(strchr("012", slurp("/proc/sys/vm/overcommit_memory")[0]) != NULL);
}

TEST(proc_system_files)
{
    double up, idle;
    EXPECT_EQ(sscanf(slurp("/proc/uptime"), "%lf %lf", &up, &idle), 2);
    EXPECT(up > 0);
    EXPECT(atol(field(slurp("/proc/meminfo"), "MemTotal")) > 0);
    EXPECT(strncmp(slurp("/proc/stat"), "cpu ", 4) == 0);
    EXPECT(strncmp(slurp("/proc/version"), "Linux version ", 14) == 0);
    EXPECT(strstr(slurp("/proc/cpuinfo"), "processor") != NULL);
    double a, b, c;
    EXPECT_EQ(sscanf(slurp("/proc/loadavg"), "%lf %lf %lf", &a, &b, &c), 3);
    EXPECT(strstr(slurp("/proc/filesystems"), "proc") != NULL);
}

TEST(proc_statm_and_auxv)
{
    unsigned long size, rss, word[2];
    EXPECT_EQ(sscanf(slurp("/proc/self/statm"), "%lu %lu", &size, &rss), 2);
    EXPECT(size >= rss && rss > 0);
    ssize_t n = t_get_file("/proc/self/auxv", g_buf, sizeof(g_buf));
    EXPECT(n >= 160 && n % 16 == 0);
    memcpy(word, g_buf + n - 16, sizeof(word));
    EXPECT_EQ(word[0], 0);
}

TEST(proc_mem_reads_own_memory)
{
    long secret = 0x1122334455667788, got = 0;
    int fd = open("/proc/self/mem", O_RDWR);
    if (fd < 0)
        SKIP("no /proc/self/mem");
    EXPECT_EQ(pread(fd, &got, 8, (off_t)(uintptr_t)&secret), 8);
    EXPECT_EQ(got, secret);
    EXPECT_ERRNO(pread(fd, &got, 8, 16), EIO);
}

TEST(proc_is_read_only_shaped)
{
    EXPECT(open("/proc/newfile", O_CREAT | O_WRONLY, 0644) == -1);
    EXPECT(mkdir("/proc/newdir", 0755) == -1);
    EXPECT(unlink("/proc/self/status") == -1);
    EXPECT_ERRNO(open("/proc/0", O_RDONLY), ENOENT);
    EXPECT_ERRNO(open("/proc/nosuch", O_RDONLY), ENOENT);
    struct stat st;
    ASSERT_OK(stat("/proc/self/status", &st));
    EXPECT_EQ(st.st_size, 0);
    EXPECT(S_ISREG(st.st_mode));
}

TEST(proc_partial_reads_are_consistent)
{
    char one[8192], whole[8192];
    ASSERT(t_get_file("/proc/self/limits", whole, sizeof(whole)) > 0);
    int fd = open("/proc/self/limits", O_RDONLY);
    size_t len = 0;
    ssize_t n;
    while (len < sizeof(one) - 1 && (n = read(fd, one + len, 37)) > 0)
        len += (size_t)n;
    one[len] = 0;
    EXPECT_STR(one, whole);
    EXPECT_EQ(pread(fd, one, 10, 5), 10);
    EXPECT(memcmp(one, whole + 5, 10) == 0);
}
