/* SPDX-License-Identifier: Apache-2.0 */
/* fork, vfork, clone, clone3, threads and exit. */
#include "harness.h"
#include <linux/sched.h>

#define STACK_SIZE (64 * 1024)

static char g_stack[STACK_SIZE] __attribute__((aligned(64)));
static volatile int g_value;

TEST(fork_returns_pids)
{
    pid_t parent = getpid(), pid;

    pid = t_fork();
    if (pid == 0) {
        EXPECT(getpid() != parent);
        EXPECT_EQ(getppid(), parent);
        EXPECT_EQ(syscall(SYS_gettid), getpid());
        CHILD_EXIT();
    }
    EXPECT(pid > 0);
    EXPECT_EXIT(pid, 0);
}

TEST(fork_memory_is_private)
{
    g_value = 1;
    pid_t pid = t_fork();
    if (pid == 0) {
        g_value = 2;
        CHILD_EXIT();
    }
    EXPECT_EXIT(pid, 0);
    EXPECT_EQ(g_value, 1);
}

TEST(fork_shares_file_offset)
{
    char c[2];
    t_put_file("f", "abcdef", 0644);
    int fd = open("f", O_RDONLY);
    ASSERT_OK(fd);
    pid_t pid = t_fork();
    if (pid == 0) {
        EXPECT_EQ(read(fd, c, 2), 2);
        CHILD_EXIT();
    }
    EXPECT_EXIT(pid, 0);
    EXPECT_EQ(lseek(fd, 0, SEEK_CUR), 2);
}

TEST(fork_clears_pending_signals_keeps_mask)
{
    sigset_t set;
    t_block(SIGUSR1);
    raise(SIGUSR1);
    pid_t pid = t_fork();
    if (pid == 0) {
        sigpending(&set);
        EXPECT(!sigismember(&set, SIGUSR1));
        sigprocmask(SIG_BLOCK, NULL, &set);
        EXPECT(sigismember(&set, SIGUSR1));
        CHILD_EXIT();
    }
    EXPECT_EXIT(pid, 0);
    sigpending(&set);
    EXPECT(sigismember(&set, SIGUSR1));
}

TEST(fork_clears_timers)
{
    struct itimerval it = {{0, 0}, {100, 0}};
    ASSERT_OK(setitimer(ITIMER_REAL, &it, NULL));
    pid_t pid = t_fork();
    if (pid == 0) {
        ASSERT_OK(getitimer(ITIMER_REAL, &it));
        EXPECT_EQ(it.it_value.tv_sec, 0);
        EXPECT_EQ(it.it_value.tv_usec, 0);
        CHILD_EXIT();
    }
    EXPECT_EXIT(pid, 0);
}

TEST(fork_many_children)
{
    pid_t pids[30];
    for (int i = 0; i < 30; i++) {
        pids[i] = t_fork();
        if (pids[i] == 0)
            _exit(i);
    }
    for (int i = 29; i >= 0; i--)
        EXPECT_EXIT(pids[i], i);
    EXPECT_ERRNO(waitpid(-1, NULL, 0), ECHILD);
}

TEST(vfork_shares_memory_and_suspends_parent)
{
    volatile int seen = 0;
    pid_t pid = vfork();
    if (pid == 0) {
        struct timespec ts = {0, 30000000};
        nanosleep(&ts, NULL);
        seen = 7;
        _exit(3);
    }
    ASSERT(pid > 0);
    EXPECT_EQ(seen, 7);
    EXPECT_EXIT(pid, 3);
}

TEST(vfork_resumes_parent_at_exec)
{
    pid_t pid = vfork();
    if (pid == 0) {
        execl("/bin/sh", "sh", "-c", "exit 5", (char *)NULL);
        _exit(1);
    }
    ASSERT(pid > 0);
    EXPECT_EXIT(pid, 5);
}

static int clone_child(void *arg)
{
    *(volatile int *)arg = 42;
    return 9;
}

TEST(clone_without_vm)
{
    g_value = 0;
    int pid = clone(clone_child, g_stack + STACK_SIZE, SIGCHLD, (void *)&g_value);
    ASSERT_OK(pid);
    EXPECT_EXIT(pid, 9);
    EXPECT_EQ(g_value, 0);
}

TEST(clone_vm_shares_memory)
{
    g_value = 0;
    int pid = clone(clone_child, g_stack + STACK_SIZE, CLONE_VM | SIGCHLD, (void *)&g_value);
    ASSERT_OK(pid);
    EXPECT_EXIT(pid, 9);
    EXPECT_EQ(g_value, 42);
}

static int clone_close(void *arg)
{
    close(*(int *)arg);
    return 0;
}

TEST(clone_files_shares_table)
{
    int fd = open("/dev/null", O_RDONLY), pid;
    ASSERT_OK(fd);
    pid = clone(clone_close, g_stack + STACK_SIZE, CLONE_FILES | SIGCHLD, &fd);
    ASSERT_OK(pid);
    EXPECT_EXIT(pid, 0);
    EXPECT_ERRNO(fcntl(fd, F_GETFD), EBADF);
}

TEST(clone_without_files_copies_table)
{
    int fd = open("/dev/null", O_RDONLY), pid;
    ASSERT_OK(fd);
    pid = clone(clone_close, g_stack + STACK_SIZE, SIGCHLD, &fd);
    ASSERT_OK(pid);
    EXPECT_EXIT(pid, 0);
    EXPECT_OK(fcntl(fd, F_GETFD));
}

static int clone_chdir(void *arg)
{
    umask(077);
    return chdir(arg);
}

TEST(clone_fs_shares_cwd_and_umask)
{
    char cwd[PATH_MAX], root[] = "/";
    int pid = clone(clone_chdir, g_stack + STACK_SIZE, CLONE_FS | SIGCHLD, root);
    ASSERT_OK(pid);
    EXPECT_EXIT(pid, 0);
    ASSERT(getcwd(cwd, sizeof(cwd)));
    EXPECT_STR(cwd, "/");
    EXPECT_EQ(umask(022), 077);
}

static int clone_ppid(void *arg)
{
    return getppid() == *(pid_t *)arg ? 0 : 1;
}

TEST(clone_parent_makes_sibling)
{
    pid_t mine = getpid();
    pid_t pid = t_fork();
    if (pid == 0) {
        int sub = clone(clone_ppid, g_stack + STACK_SIZE, CLONE_PARENT | SIGCHLD, &mine);
        ASSERT_OK(sub);
        EXPECT_ERRNO(waitpid(sub, NULL, 0), ECHILD);
        _exit(g_t_failed ? 1 : 0);
    }
    EXPECT_EXIT(pid, 0);
    EXPECT_EQ(t_wait(-1), 0);
    EXPECT_ERRNO(waitpid(-1, NULL, 0), ECHILD);
}

TEST(clone_settid_flags)
{
    static volatile pid_t ptid, ctid;
    long pid = syscall(SYS_clone, CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | SIGCHLD, 0, &ptid,
                       &ctid, 0);
    ASSERT_OK(pid);
    if (pid == 0)
        _exit(ctid == (pid_t)syscall(SYS_getpid) ? 0 : 1);
    EXPECT_EQ(ptid, pid);
    EXPECT_EQ(ctid, 0);
    EXPECT_EXIT((pid_t)pid, 0);
}

TEST(clone_bad_flags)
{
    EXPECT_ERRNO(syscall(SYS_clone, CLONE_THREAD, 0, 0, 0, 0), EINVAL);
    EXPECT_ERRNO(syscall(SYS_clone, CLONE_SIGHAND | SIGCHLD, 0, 0, 0, 0), EINVAL);
    EXPECT_ERRNO(syscall(SYS_clone, CLONE_THREAD | CLONE_SIGHAND, 0, 0, 0, 0), EINVAL);
    EXPECT_ERRNO(syscall(SYS_clone, CLONE_FS | CLONE_NEWNS | SIGCHLD, 0, 0, 0, 0), EINVAL);
}

TEST(clone_without_exit_signal_needs_wall)
{
    int status;
    int pid = clone(clone_child, g_stack + STACK_SIZE, 0, (void *)&g_value);
    ASSERT_OK(pid);
    EXPECT_ERRNO(waitpid(pid, &status, 0), ECHILD);
    EXPECT_EQ(waitpid(pid, &status, __WCLONE), pid);
    EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == 9);
}

TEST(clone3_forks_with_exit_signal)
{
    struct clone_args ca = {.exit_signal = SIGCHLD};
    long pid = syscall(SYS_clone3, &ca, sizeof(ca));
    if (pid < 0 && errno == ENOSYS)
        SKIP("no clone3");
    ASSERT_OK(pid);
    if (pid == 0)
        _exit(21);
    EXPECT_EXIT((pid_t)pid, 21);
}

TEST(clone3_argument_errors)
{
    struct clone_args ca = {.exit_signal = SIGCHLD};
    if (syscall(SYS_clone3, NULL, 0) < 0 && errno == ENOSYS)
        SKIP("no clone3");
    EXPECT_ERRNO(syscall(SYS_clone3, &ca, 8), EINVAL);
    EXPECT_ERRNO(syscall(SYS_clone3, (void *)8, sizeof(ca)), EFAULT);
    ca.stack_size = 4096;
    EXPECT_ERRNO(syscall(SYS_clone3, &ca, sizeof(ca)), EINVAL);
    ca.stack_size = 0;
    ca.exit_signal = 4096;
    EXPECT_ERRNO(syscall(SYS_clone3, &ca, sizeof(ca)), EINVAL);
}

TEST(pidfd_from_clone_polls_readable_at_exit)
{
    int pidfd = -1;
    struct t_gate gate;
    t_gate_init(&gate);
    long pid = syscall(SYS_clone, CLONE_PIDFD | SIGCHLD, 0, &pidfd, 0, 0);
    if (pid < 0)
        SKIP("no CLONE_PIDFD");
    if (pid == 0) {
        t_gate_wait(&gate);
        _exit(4);
    }
    if (pidfd < 0) {
        t_gate_post(&gate);
        t_wait((pid_t)pid);
        SKIP("no CLONE_PIDFD");
    }
    struct pollfd p = {pidfd, POLLIN, 0};
    EXPECT_EQ(poll(&p, 1, 0), 0);
    t_gate_post(&gate);
    EXPECT_EQ(poll(&p, 1, 10000), 1);
    EXPECT_EXIT((pid_t)pid, 4);
    EXPECT_EQ(fcntl(pidfd, F_GETFD), FD_CLOEXEC);
}

static void *thread_exit_group(void *arg)
{
    syscall(SYS_exit_group, 17);
    return arg;
}

TEST(exit_group_from_thread_ends_process)
{
    pid_t pid = t_fork();
    if (pid == 0) {
        pthread_t t;
        pthread_create(&t, NULL, thread_exit_group, NULL);
        for (;;)
            pause();
    }
    EXPECT_EXIT(pid, 17);
}

static void *thread_later(void *arg)
{
    t_sleep_ms(50);
    _exit(6);
    return arg;
}

TEST(leader_exit_keeps_process_alive)
{
    pid_t pid = t_fork();
    if (pid == 0) {
        pthread_t t;
        pthread_create(&t, NULL, thread_later, NULL);
        syscall(SYS_exit, 1);
    }
    EXPECT_EXIT(pid, 6);
}

static void *thread_ids(void *arg)
{
    long *out = arg;
    out[0] = getpid();
    out[1] = syscall(SYS_gettid);
    out[2] = getppid();
    return NULL;
}

TEST(thread_ids_and_tgid)
{
    long out[3];
    pthread_t t;
    ASSERT_EQ(pthread_create(&t, NULL, thread_ids, out), 0);
    ASSERT_EQ(pthread_join(t, NULL), 0);
    EXPECT_EQ(out[0], getpid());
    EXPECT(out[1] != getpid());
    EXPECT_EQ(out[2], getppid());
}
