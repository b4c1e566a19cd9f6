/* SPDX-License-Identifier: Apache-2.0 */
/* The wait family, zombies, orphans, subreapers, parent death signals. */
#include "harness.h"
#include <sys/prctl.h>

TEST(exit_status_is_eight_bits)
{
    pid_t pid = t_fork();
    if (pid == 0)
        _exit(0x1234);
    EXPECT_EXIT(pid, 0x34);
}

TEST(wait4_wnohang)
{
    struct t_gate gate;
    int status;
    t_gate_init(&gate);
    pid_t pid = t_fork();
    if (pid == 0) {
        t_gate_wait(&gate);
        _exit(2);
    }
    EXPECT_EQ(waitpid(pid, &status, WNOHANG), 0);
    t_gate_post(&gate);
    EXPECT_EXIT(pid, 2);
    EXPECT_ERRNO(waitpid(pid, &status, WNOHANG), ECHILD);
}

TEST(wait_errors)
{
    EXPECT_ERRNO(waitpid(-1, NULL, 0), ECHILD);
    EXPECT_ERRNO(waitpid(getpid(), NULL, 0), ECHILD);
    EXPECT_ERRNO(waitpid(-1, NULL, 0x10000), EINVAL);
    EXPECT_ERRNO(waitid(P_ALL, 0, NULL, 0), EINVAL);
    EXPECT_ERRNO(waitid((idtype_t)99, 0, NULL, WEXITED), EINVAL);
    EXPECT_ERRNO(waitpid(-1, NULL, WNOHANG), ECHILD);
}

TEST(wait_bad_status_pointer)
{
    pid_t pid = t_fork();
    if (pid == 0)
        _exit(0);
    EXPECT_ERRNO(syscall(SYS_wait4, pid, (int *)8, 0, NULL), EFAULT);
}

TEST(wait_stopped_and_continued)
{
    int status;
    pid_t pid = t_fork();
    if (pid == 0) {
        for (;;)
            pause();
    }
    kill(pid, SIGSTOP);
    EXPECT_EQ(waitpid(pid, &status, WUNTRACED), pid);
    EXPECT(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
    EXPECT_EQ(waitpid(pid, &status, WUNTRACED | WNOHANG), 0);
    kill(pid, SIGCONT);
    EXPECT_EQ(waitpid(pid, &status, WCONTINUED), pid);
    EXPECT(WIFCONTINUED(status));
    kill(pid, SIGKILL);
    EXPECT_KILLED(pid, SIGKILL);
}

TEST(waitid_fills_siginfo)
{
    siginfo_t si;
    pid_t pid = t_fork();
    if (pid == 0)
        _exit(33);
    memset(&si, 0xff, sizeof(si));
    ASSERT_OK(waitid(P_PID, (id_t)pid, &si, WEXITED | WNOWAIT));
    EXPECT_EQ(si.si_signo, SIGCHLD);
    EXPECT_EQ(si.si_code, CLD_EXITED);
    EXPECT_EQ(si.si_pid, pid);
    EXPECT_EQ(si.si_status, 33);
    EXPECT_EQ(si.si_uid, getuid());
    /* WNOWAIT left it waitable. */
    EXPECT_EXIT(pid, 33);
}

TEST(waitid_killed_and_wnohang)
{
    siginfo_t si;
    pid_t pid = t_fork();
    if (pid == 0) {
        for (;;)
            pause();
    }
    memset(&si, 0xff, sizeof(si));
    ASSERT_OK(waitid(P_PID, (id_t)pid, &si, WEXITED | WNOHANG));
    EXPECT_EQ(si.si_pid, 0);
    EXPECT_EQ(si.si_signo, 0);
    kill(pid, SIGTERM);
    ASSERT_OK(waitid(P_ALL, 0, &si, WEXITED));
    EXPECT_EQ(si.si_code, CLD_KILLED);
    EXPECT_EQ(si.si_status, SIGTERM);
    EXPECT_EQ(si.si_pid, pid);
}

TEST(waitid_stopped)
{
    siginfo_t si;
    pid_t pid = t_fork();
    if (pid == 0) {
        for (;;)
            pause();
    }
    kill(pid, SIGSTOP);
    ASSERT_OK(waitid(P_PID, (id_t)pid, &si, WSTOPPED));
    EXPECT_EQ(si.si_code, CLD_STOPPED);
    EXPECT_EQ(si.si_status, SIGSTOP);
    kill(pid, SIGCONT);
    ASSERT_OK(waitid(P_PID, (id_t)pid, &si, WCONTINUED));
    EXPECT_EQ(si.si_code, CLD_CONTINUED);
    EXPECT_EQ(si.si_status, SIGCONT);
    kill(pid, SIGKILL);
    EXPECT_KILLED(pid, SIGKILL);
}

TEST(wait_by_process_group)
{
    pid_t a = t_fork();
    if (a == 0) {
        setpgid(0, 0);
        _exit(1);
    }
    setpgid(a, a);
    pid_t b = t_fork();
    if (b == 0)
        _exit(2);
    EXPECT_EQ(t_wait(-a), 1);
    EXPECT_EQ(t_wait(0), 2);
    EXPECT_ERRNO(waitpid(-a, NULL, 0), ECHILD);
}

TEST(wait_returns_rusage)
{
    struct rusage ru;
    int status;
    pid_t pid = t_fork();
    if (pid == 0)
        _exit(0);
    memset(&ru, 0xff, sizeof(ru));
    EXPECT_EQ(wait4(pid, &status, 0, &ru), pid);
    EXPECT(ru.ru_utime.tv_sec >= 0 && ru.ru_utime.tv_sec < 100);
    EXPECT(ru.ru_utime.tv_usec >= 0 && ru.ru_utime.tv_usec < 1000000);
}

TEST(sigchld_ignored_reaps_children)
{
    signal(SIGCHLD, SIG_IGN);
    pid_t pid = t_fork();
    if (pid == 0)
        _exit(1);
    EXPECT_ERRNO(waitpid(pid, NULL, 0), ECHILD);
    EXPECT_ERRNO(kill(pid, 0), ESRCH);
}

TEST(sa_nocldwait_reaps_children)
{
    t_handle(SIGCHLD, SIG_DFL, SA_NOCLDWAIT);
    pid_t pid = t_fork();
    if (pid == 0)
        _exit(1);
    EXPECT_ERRNO(waitpid(pid, NULL, 0), ECHILD);
}

TEST(zombie_can_be_signalled)
{
    siginfo_t si;
    pid_t pid = t_fork();
    if (pid == 0)
        _exit(0);
    ASSERT_OK(waitid(P_PID, (id_t)pid, &si, WEXITED | WNOWAIT));
    EXPECT_OK(kill(pid, 0));
    EXPECT_OK(kill(pid, SIGKILL));
    EXPECT_EXIT(pid, 0);
    EXPECT_ERRNO(kill(pid, 0), ESRCH);
}

TEST(subreaper_adopts_orphans)
{
    int val = 0;
    struct t_gate gate;
    ASSERT_OK(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0));
    ASSERT_OK(prctl(PR_GET_CHILD_SUBREAPER, &val, 0, 0, 0));
    EXPECT_EQ(val, 1);
    t_gate_init(&gate);
    pid_t me = getpid(), mid = t_fork();
    if (mid == 0) {
        if (t_fork() == 0) {
            t_gate_wait(&gate);
            _exit(getppid() == me ? 11 : 12);
        }
        _exit(0);
    }
    EXPECT_EXIT(mid, 0);
    t_gate_post(&gate);
    EXPECT_EQ(t_wait(-1), 11);
}

TEST(orphan_is_reparented_away)
{
    struct t_gate gate, done;
    t_gate_init(&gate);
    t_gate_init(&done);
    pid_t mid = t_fork();
    if (mid == 0) {
        pid_t self = getpid();
        if (t_fork() == 0) {
            t_gate_wait(&gate);
            if (getppid() != self && getppid() != 0)
                t_gate_post(&done);
            _exit(0);
        }
        _exit(0);
    }
    EXPECT_EXIT(mid, 0);
    EXPECT_ERRNO(waitpid(-1, NULL, 0), ECHILD);
    t_gate_post(&gate);
    close(done.fd[1]);
    t_gate_wait(&done);
}

static void *wait_in_thread(void *arg)
{
    return (void *)(long)t_wait(*(pid_t *)arg);
}

TEST(wait_from_another_thread)
{
    pthread_t t;
    void *res;
    pid_t pid = t_fork();
    if (pid == 0)
        _exit(8);
    ASSERT_EQ(pthread_create(&t, NULL, wait_in_thread, &pid), 0);
    ASSERT_EQ(pthread_join(t, &res), 0);
    EXPECT_EQ((long)res, 8);
}

TEST(parent_death_signal)
{
    struct t_gate ready, got;
    t_gate_init(&ready);
    t_gate_init(&got);
    pid_t mid = t_fork();
    if (mid == 0) {
        if (t_fork() == 0) {
            int sig;
            sigset_t set;
            t_block(SIGUSR2);
            ASSERT_OK(prctl(PR_SET_PDEATHSIG, SIGUSR2));
            t_gate_post(&ready);
            sigemptyset(&set);
            sigaddset(&set, SIGUSR2);
            if (sigwait(&set, &sig) == 0)
                t_gate_post(&got);
            _exit(0);
        }
        t_gate_wait(&ready);
        _exit(0);
    }
    EXPECT_EXIT(mid, 0);
    close(got.fd[1]);
    t_gate_wait(&got);
}

static void *ending_thread(void *arg)
{
    return arg;
}

static void *thread_maker(void *arg)
{
    pthread_t t;
    for (;;)
        if (pthread_create(&t, NULL, ending_thread, NULL) == 0)
            pthread_join(t, NULL);
    return arg;
}

/* Stops come while threads begin and end, and before all have woken from the one before. */
TEST(every_stop_of_a_busy_process_is_reported)
{
    pid_t pid = t_fork();
    if (pid == 0) {
        pthread_t t;
        for (int i = 0; i < 3; i++)
            ASSERT_EQ(pthread_create(&t, NULL, thread_maker, NULL), 0);
        for (;;)
            pause();
    }
    for (int i = 0; i < 500; i++) {
        int st;
        ASSERT_OK(kill(pid, SIGSTOP));
        ASSERT_EQ(waitpid(pid, &st, WUNTRACED), pid);
        ASSERT(WIFSTOPPED(st));
        ASSERT_OK(kill(pid, SIGCONT));
        usleep(i % 16 * 10);
    }
    ASSERT_OK(kill(pid, SIGKILL));
    EXPECT_KILLED(pid, SIGKILL);
}
