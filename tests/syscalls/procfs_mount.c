/* SPDX-License-Identifier: Apache-2.0 */
/* Mounts on files of processes in /proc: they go when the process, or the thread, is reaped. */
#include "harness.h"
#include <pthread.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/syscall.h>

static char g_mounts[1 << 16];

/* How many mounts there are on places whose path begins so. */
static int mounts_below(const char *path)
{
    int n = 0;
    size_t len = strlen(path);

    if (t_get_file("/proc/self/mounts", g_mounts, sizeof(g_mounts)) < 0)
        return -1;
    for (const char *p = g_mounts; (p = strchr(p, ' ')) != NULL; p = strchr(p, '\n')) {
        n += strncmp(p + 1, path, len) == 0;
    }
    return n;
}

static pid_t fork_newns(void)
{
    return (pid_t)syscall(SYS_clone, CLONE_NEWNS | SIGCHLD, NULL, NULL, NULL, 0);
}

/* In a mount namespace of its own. */
static void in_namespace(void (*fn)(void))
{
    int status;
    pid_t pid;

    NEED_ROOT();
    pid = fork_newns();
    if (pid == 0) {
        if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
            mount("none", "/proc/self/task", "tmpfs", 0, NULL))
            _exit(2);
        EXPECT_OK(umount2("/proc/self/task", MNT_DETACH));
        fn();
        CHILD_EXIT();
    }
    status = pid < 0 ? 2 : t_wait(pid);
    if (status == 2)
        SKIP("no mounts here");
    EXPECT_EQ(status, 0);
}

static pid_t start_child(struct t_gate *gate)
{
    t_gate_init(gate);
    pid_t pid = t_fork();
    if (pid == 0) {
        t_gate_wait(gate);
        _exit(0);
    }
    return pid;
}

/* A directory, one in what is mounted there, and a file. */
static void mount_three(pid_t pid, char *dir, size_t size)
{
    char path[96];

    snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
    ASSERT_OK(mount("none", path, "tmpfs", 0, "size=64k"));
    snprintf(path, sizeof(path), "/proc/%d/task/in", (int)pid);
    ASSERT_OK(mkdir(path, 0755));
    ASSERT_OK(mount("none", path, "tmpfs", 0, "size=64k"));
    snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
    ASSERT_OK(mount("/proc/version", path, NULL, MS_BIND, NULL));
    snprintf(dir, size, "/proc/%d/", (int)pid);
    EXPECT_EQ(mounts_below(dir), 3);
}

static void reaped(void)
{
    struct t_gate gate;
    siginfo_t si;
    char dir[32];

    pid_t pid = start_child(&gate);
    mount_three(pid, dir, sizeof(dir));
    t_gate_post(&gate);
    ASSERT_OK(waitid(P_PID, (id_t)pid, &si, WEXITED | WNOWAIT));
    EXPECT_EQ(mounts_below(dir), 3); /* a zombie is still there */
    EXPECT_EXIT(pid, 0);
    EXPECT_EQ(mounts_below(dir), 0);
}

TEST(mounts_on_a_process_go_when_it_is_reaped)
{
    in_namespace(reaped);
}

static void directory(void)
{
    struct t_gate gate;
    char dir[32];

    pid_t pid = start_child(&gate);
    snprintf(dir, sizeof(dir), "/proc/%d", (int)pid);
    ASSERT_OK(mount("none", dir, "tmpfs", 0, NULL));
    ASSERT_OK(mount("none", dir, "tmpfs", 0, NULL)); /* on the first */
    EXPECT_EQ(mounts_below(dir), 2);
    t_gate_post(&gate);
    EXPECT_EXIT(pid, 0);
    EXPECT_EQ(mounts_below(dir), 0);
    EXPECT_ERRNO(access(dir, F_OK), ENOENT);
}

TEST(mounts_on_the_directory_of_a_process)
{
    in_namespace(directory);
}

/* Its parent does not wait for it. */
static void not_waited_for(void)
{
    struct t_gate gate;
    char dir[32];

    signal(SIGCHLD, SIG_IGN);
    pid_t pid = start_child(&gate);
    mount_three(pid, dir, sizeof(dir));
    t_gate_post(&gate);
    EXPECT_ERRNO(waitpid(pid, NULL, 0), ECHILD);
    for (int i = 0; i < 200 && mounts_below(dir) > 0; i++)
        usleep(10000);
    EXPECT_EQ(mounts_below(dir), 0);
}

TEST(mounts_on_a_process_that_nobody_waits_for)
{
    in_namespace(not_waited_for);
}

static void two_namespaces(void)
{
    struct t_gate gate, ready, look;
    char dir[32];

    t_gate_init(&ready);
    t_gate_init(&look);
    pid_t pid = start_child(&gate);
    mount_three(pid, dir, sizeof(dir));
    pid_t other = fork_newns();
    if (other == 0) {
        EXPECT_EQ(mounts_below(dir), 3);
        t_gate_post(&ready);
        t_gate_wait(&look);
        EXPECT_EQ(mounts_below(dir), 0);
        CHILD_EXIT();
    }
    t_gate_wait(&ready);
    t_gate_post(&gate);
    EXPECT_EXIT(pid, 0);
    t_gate_post(&look);
    EXPECT_EXIT(other, 0);
}

TEST(mounts_on_a_process_go_in_every_namespace)
{
    in_namespace(two_namespaces);
}

static struct t_gate g_ready, g_go;

static void *wait_for_gate(void *arg)
{
    *(int *)arg = (int)syscall(SYS_gettid);
    t_gate_post(&g_ready);
    t_gate_wait(&g_go);
    return NULL;
}

static void thread(void)
{
    pthread_t t;
    char dir[64];
    int tid;

    t_gate_init(&g_ready);
    t_gate_init(&g_go);
    ASSERT_EQ(pthread_create(&t, NULL, wait_for_gate, &tid), 0);
    t_gate_wait(&g_ready);
    snprintf(dir, sizeof(dir), "/proc/%d/task/%d", (int)getpid(), tid);
    ASSERT_OK(mount("none", dir, "tmpfs", 0, NULL));
    EXPECT_EQ(mounts_below(dir), 1);
    t_gate_post(&g_go);
    pthread_join(t, NULL);
    for (int i = 0; i < 200 && mounts_below(dir) > 0; i++)
        usleep(10000);
    EXPECT_EQ(mounts_below(dir), 0);
}

TEST(mounts_on_a_thread_go_when_it_ends)
{
    in_namespace(thread);
}

static void gone(void)
{
    struct t_gate gate;
    char path[64];

    pid_t pid = start_child(&gate);
    snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
    int fd = open(path, O_RDONLY | O_DIRECTORY);
    ASSERT(fd >= 0);
    t_gate_post(&gate);
    EXPECT_EXIT(pid, 0);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    EXPECT_ERRNO(mount("none", path, "tmpfs", 0, NULL), ENOENT);
    EXPECT_ERRNO(mount("/proc/sys", path, NULL, MS_BIND, NULL), ENOENT);
    close(fd);
}

TEST(nothing_is_mounted_on_a_process_that_is_gone)
{
    in_namespace(gone);
}
