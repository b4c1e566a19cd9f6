/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions, process groups, prctl, resource limits, usage, priorities. */
#include "harness.h"
#include <sys/prctl.h>
#include <sys/times.h>

TEST(setpgid_and_getpgid)
{
    struct t_gate gate;
    t_gate_init(&gate);
    pid_t a = t_fork();
    if (a == 0) {
        t_gate_wait(&gate);
        _exit(getpgrp() == getpid() ? 0 : 1);
    }
    pid_t b = t_fork();
    if (b == 0) {
        t_gate_wait(&gate);
        _exit(0);
    }
    EXPECT_EQ(getpgid(a), getpgrp());
    EXPECT_OK(setpgid(a, 0));
    EXPECT_EQ(getpgid(a), a);
    EXPECT_OK(setpgid(b, a));
    EXPECT_EQ(getpgid(b), a);
    t_gate_post(&gate);
    t_gate_post(&gate);
    EXPECT_EXIT(a, 0);
    EXPECT_EXIT(b, 0);
}

TEST(setpgid_errors)
{
    EXPECT_ERRNO(setpgid(0, -1), EINVAL);
    EXPECT_ERRNO(setpgid(0x3ffffff, 0), ESRCH);
    EXPECT_ERRNO(setpgid(getppid(), 0), ESRCH);
    EXPECT_ERRNO(setpgid(0, 0x3ffffff), EPERM);
    EXPECT_ERRNO(getpgid(0x3ffffff), ESRCH);
    EXPECT_ERRNO(getsid(0x3ffffff), ESRCH);
}

TEST(setpgid_after_exec_is_eacces)
{
    struct t_gate ready, gate;
    int st;
    t_gate_init(&ready);
    t_gate_init(&gate);
    pid_t pid = t_fork();
    if (pid == 0) {
        dup2(gate.fd[0], 0);
        dup2(ready.fd[1], 1);
        execl("/bin/sh", "sh", "-c", "echo; read x", (char *)NULL);
        _exit(1);
    }
    t_gate_wait(&ready);
    EXPECT_ERRNO(setpgid(pid, 0), EACCES);
    EXPECT_EQ(write(gate.fd[1], "x\n", 2), 2);
    EXPECT_EQ(waitpid(pid, &st, 0), pid);
}

TEST(setsid_creates_session_and_group)
{
    pid_t pid = t_fork();
    if (pid == 0) {
        EXPECT_EQ(setsid(), getpid());
        EXPECT_EQ(getsid(0), getpid());
        EXPECT_EQ(getpgrp(), getpid());
        EXPECT_ERRNO(setsid(), EPERM);
        EXPECT_ERRNO(setpgid(0, 0), EPERM);
        CHILD_EXIT();
    }
    EXPECT_EXIT(pid, 0);
}

TEST(setsid_of_group_leader_fails)
{
    /* The harness made this process the leader of its group. */
    EXPECT_EQ(getpgrp(), getpid());
    EXPECT_ERRNO(setsid(), EPERM);
}

TEST(setpgid_across_sessions_fails)
{
    struct t_gate ready, gate;
    t_gate_init(&ready);
    t_gate_init(&gate);
    pid_t pid = t_fork();
    if (pid == 0) {
        setsid();
        t_gate_post(&ready);
        t_gate_wait(&gate);
        _exit(0);
    }
    t_gate_wait(&ready);
    EXPECT_ERRNO(setpgid(pid, 0), EPERM);
    EXPECT_ERRNO(setpgid(0, pid), EPERM);
    EXPECT_EQ(getsid(pid), pid);
    t_gate_post(&gate);
    EXPECT_EXIT(pid, 0);
}

TEST(session_is_inherited)
{
    pid_t sid = getsid(0), pgrp = getpgrp(), pid = t_fork();
    if (pid == 0) {
        EXPECT_EQ(getsid(0), sid);
        EXPECT_EQ(getpgrp(), pgrp);
        CHILD_EXIT();
    }
    EXPECT_EXIT(pid, 0);
}

TEST(kill_process_group)
{
    struct t_gate ready;
    pid_t a, b;
    t_gate_init(&ready);
    a = t_fork();
    if (a == 0) {
        setpgid(0, 0);
        t_gate_post(&ready);
        for (;;)
            pause();
    }
    t_gate_wait(&ready);
    b = t_fork();
    if (b == 0) {
        for (;;)
            pause();
    }
    ASSERT_OK(setpgid(b, a));
    EXPECT_OK(kill(-a, SIGTERM));
    EXPECT_KILLED(a, SIGTERM);
    EXPECT_KILLED(b, SIGTERM);
    EXPECT_ERRNO(kill(-a, 0), ESRCH);
}

TEST(orphaned_stopped_group_gets_hup_and_cont)
{
    struct t_gate ready, got;
    t_gate_init(&ready);
    t_gate_init(&got);
    pid_t mid = t_fork();
    if (mid == 0) {
        setsid();
        pid_t sub = t_fork();
        if (sub == 0) {
            sigset_t set;
            int sig;
            setpgid(0, 0);
            t_block(SIGHUP);
            t_gate_post(&ready);
            raise(SIGSTOP);
            /* Runs again only because the exit of the parent orphaned this group. */
            sigemptyset(&set);
            sigaddset(&set, SIGHUP);
            if (sigwait(&set, &sig) == 0)
                t_gate_post(&got);
            _exit(0);
        }
        int st;
        t_gate_wait(&ready);
        waitpid(sub, &st, WUNTRACED);
        _exit(WIFSTOPPED(st) ? 0 : 1);
    }
    EXPECT_EXIT(mid, 0);
    close(got.fd[1]);
    t_gate_wait(&got);
}

TEST(prctl_name)
{
    char name[17] = {0};
    ASSERT_OK(prctl(PR_SET_NAME, "a name longer than fifteen"));
    ASSERT_OK(prctl(PR_GET_NAME, name));
    EXPECT_STR(name, "a name longer t");
    EXPECT_ERRNO(prctl(PR_SET_NAME, (void *)8), EFAULT);
}

TEST(prctl_dumpable)
{
    EXPECT_OK(prctl(PR_SET_DUMPABLE, 0));
    EXPECT_EQ(prctl(PR_GET_DUMPABLE), 0);
    EXPECT_OK(prctl(PR_SET_DUMPABLE, 1));
    EXPECT_EQ(prctl(PR_GET_DUMPABLE), 1);
    EXPECT_ERRNO(prctl(PR_SET_DUMPABLE, 7), EINVAL);
}

TEST(prctl_pdeathsig)
{
    int sig = -1;
    ASSERT_OK(prctl(PR_GET_PDEATHSIG, &sig));
    EXPECT_EQ(sig, 0);
    ASSERT_OK(prctl(PR_SET_PDEATHSIG, SIGUSR1));
    ASSERT_OK(prctl(PR_GET_PDEATHSIG, &sig));
    EXPECT_EQ(sig, SIGUSR1);
    EXPECT_ERRNO(prctl(PR_SET_PDEATHSIG, 100), EINVAL);
    pid_t pid = t_fork();
    if (pid == 0) {
        prctl(PR_GET_PDEATHSIG, &sig);
        _exit(sig);
    }
    EXPECT_EXIT(pid, 0);
}

TEST(prctl_unknown_option)
{
    EXPECT_ERRNO(prctl(0x7fff0000, 0, 0, 0, 0), EINVAL);
}

TEST(rlimit_get_and_set)
{
    struct rlimit rl, back;
    ASSERT_OK(getrlimit(RLIMIT_NOFILE, &rl));
    EXPECT(rl.rlim_cur <= rl.rlim_max);
    rl.rlim_cur = 100;
    ASSERT_OK(setrlimit(RLIMIT_NOFILE, &rl));
    ASSERT_OK(getrlimit(RLIMIT_NOFILE, &back));
    EXPECT_EQ(back.rlim_cur, 100);
    EXPECT_EQ(back.rlim_max, rl.rlim_max);
    EXPECT_ERRNO(getrlimit((__rlimit_resource_t)99, &rl), EINVAL);
    rl.rlim_cur = 10;
    rl.rlim_max = 5;
    EXPECT_ERRNO(setrlimit(RLIMIT_NOFILE, &rl), EINVAL);
    EXPECT_ERRNO(syscall(SYS_getrlimit, RLIMIT_NOFILE, (void *)8), EFAULT);
}

TEST(rlimit_hard_limit_cannot_be_raised)
{
    struct rlimit rl = {50, 50};
    ASSERT_OK(setrlimit(RLIMIT_NOFILE, &rl));
    pid_t pid = t_fork();
    if (pid == 0) {
        if (geteuid() == 0)
            t_become_nobody();
        rl.rlim_max = 60;
        EXPECT_ERRNO(setrlimit(RLIMIT_NOFILE, &rl), EPERM);
        rl.rlim_max = 50;
        rl.rlim_cur = 20;
        EXPECT_OK(setrlimit(RLIMIT_NOFILE, &rl));
        CHILD_EXIT();
    }
    EXPECT_EXIT(pid, 0);
}

TEST(rlimit_nofile_enforced)
{
    struct rlimit rl;
    int fd = open("/dev/null", O_RDONLY), p[2];
    getrlimit(RLIMIT_NOFILE, &rl);
    rl.rlim_cur = (rlim_t)fd + 2;
    ASSERT_OK(setrlimit(RLIMIT_NOFILE, &rl));
    EXPECT_EQ(dup(fd), fd + 1);
    EXPECT_ERRNO(dup(fd), EMFILE);
    EXPECT_ERRNO(open("/dev/null", O_RDONLY), EMFILE);
    EXPECT_ERRNO(pipe(p), EMFILE);
    EXPECT_ERRNO(dup2(fd, fd + 2), EBADF);
    EXPECT_ERRNO(fcntl(fd, F_DUPFD, fd + 2), EINVAL);
    EXPECT_ERRNO(socket(AF_UNIX, SOCK_STREAM, 0), EMFILE);
}

TEST(rlimit_fsize_enforced)
{
    struct rlimit rl = {1000, RLIM_INFINITY};
    char buf[600] = {0};
    int fd = open("f", O_CREAT | O_RDWR, 0644);
    ASSERT_OK(fd);
    ASSERT_OK(setrlimit(RLIMIT_FSIZE, &rl));
    signal(SIGXFSZ, SIG_IGN);
    EXPECT_EQ(write(fd, buf, 600), 600);
    EXPECT_EQ(write(fd, buf, 600), 400);
    EXPECT_ERRNO(write(fd, buf, 600), EFBIG);
    EXPECT_ERRNO(ftruncate(fd, 2000), EFBIG);
    EXPECT_OK(ftruncate(fd, 1000));
    pid_t pid = t_fork();
    if (pid == 0) {
        signal(SIGXFSZ, SIG_DFL);
        if (write(fd, buf, 600) < 0)
            _exit(0);
        _exit(1);
    }
    EXPECT_KILLED(pid, SIGXFSZ);
}

TEST(rlimit_data_and_as_enforced)
{
    struct rlimit rl = {256UL << 20, RLIM_INFINITY};
    ASSERT_OK(setrlimit(RLIMIT_AS, &rl));
    EXPECT_ERRNO((long)mmap(NULL, 512UL << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
                 ENOMEM);
    EXPECT(mmap(NULL, 16UL << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED);
}

TEST(rlimit_cpu_sends_sigxcpu)
{
    struct rlimit rl = {1, 5};
    pid_t pid = t_fork();
    if (pid == 0) {
        ASSERT_OK(setrlimit(RLIMIT_CPU, &rl));
        for (volatile unsigned long i = 0;; i++)
            ;
    }
    EXPECT_KILLED(pid, SIGXCPU);
}

TEST(rlimits_are_inherited)
{
    struct rlimit rl;
    getrlimit(RLIMIT_NOFILE, &rl);
    rl.rlim_cur = 77;
    ASSERT_OK(setrlimit(RLIMIT_NOFILE, &rl));
    pid_t pid = t_fork();
    if (pid == 0) {
        execl("/bin/sh", "sh", "-c", "test $(ulimit -n) = 77", (char *)NULL);
        _exit(120);
    }
    EXPECT_EXIT(pid, 0);
}

TEST(prlimit_of_child)
{
    struct t_gate gate;
    struct rlimit rl = {40, 40}, old;
    t_gate_init(&gate);
    pid_t pid = t_fork();
    if (pid == 0) {
        t_gate_wait(&gate);
        getrlimit(RLIMIT_NOFILE, &rl);
        _exit((int)rl.rlim_cur);
    }
    EXPECT_OK(prlimit(pid, RLIMIT_NOFILE, &rl, &old));
    EXPECT(old.rlim_cur >= 40);
    EXPECT_OK(prlimit(pid, RLIMIT_NOFILE, NULL, &old));
    EXPECT_EQ(old.rlim_cur, 40);
    EXPECT_ERRNO(prlimit(0x3ffffff, RLIMIT_NOFILE, NULL, &old), ESRCH);
    t_gate_post(&gate);
    EXPECT_EXIT(pid, 40);
}

static void burn_cpu_ms(long ms)
{
    struct timespec ts;
    do {
        for (volatile int i = 0; i < 100000; i++)
            ;
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
    } while (ts.tv_sec * 1000 + ts.tv_nsec / 1000000 < ms);
}

TEST(getrusage_self_and_children)
{
    struct rusage ru;
    pid_t pid = t_fork();
    if (pid == 0) {
        burn_cpu_ms(60);
        ASSERT_OK(getrusage(RUSAGE_SELF, &ru));
        EXPECT(ru.ru_utime.tv_sec * 1000000 + ru.ru_utime.tv_usec + ru.ru_stime.tv_sec * 1000000 +
                   ru.ru_stime.tv_usec >=
               30000);
        CHILD_EXIT();
    }
    EXPECT_EXIT(pid, 0);
    ASSERT_OK(getrusage(RUSAGE_CHILDREN, &ru));
    EXPECT(ru.ru_utime.tv_sec * 1000000 + ru.ru_utime.tv_usec + ru.ru_stime.tv_sec * 1000000 +
               ru.ru_stime.tv_usec >=
           30000);
    EXPECT_OK(getrusage(RUSAGE_THREAD, &ru));
    EXPECT_ERRNO(getrusage((__rusage_who_t)77, &ru), EINVAL);
    EXPECT_ERRNO(syscall(SYS_getrusage, RUSAGE_SELF, (void *)8), EFAULT);
}

TEST(times_counts_ticks)
{
    struct tms a, b;
    clock_t t0 = times(&a);
    EXPECT(t0 != (clock_t)-1);
    burn_cpu_ms(100);
    clock_t t1 = times(&b);
    EXPECT(t1 >= t0 + 5);
    EXPECT(b.tms_utime + b.tms_stime >= a.tms_utime + a.tms_stime + 3);
}

TEST(priorities)
{
    int pid = getpid();
    EXPECT_OK(setpriority(PRIO_PROCESS, 0, 5));
    errno = 0;
    EXPECT_EQ(getpriority(PRIO_PROCESS, (id_t)pid), 5);
    EXPECT_EQ(syscall(SYS_getpriority, PRIO_PROCESS, 0), 15);
    EXPECT_OK(setpriority(PRIO_PROCESS, 0, 100));
    EXPECT_EQ(getpriority(PRIO_PROCESS, 0), 19);
    EXPECT_ERRNO(getpriority(PRIO_PROCESS, 0x3ffffff), ESRCH);
    EXPECT_ERRNO(syscall(SYS_getpriority, 9, 0), EINVAL);
    EXPECT_ERRNO(setpriority((__priority_which_t)9, 0, 0), EINVAL);
}

TEST(priority_cannot_be_raised_by_nobody)
{
    NEED_ROOT();
    t_become_nobody();
    struct rlimit rl = {0, 0};
    ASSERT_OK(setrlimit(RLIMIT_NICE, &rl));
    EXPECT_OK(setpriority(PRIO_PROCESS, 0, 3));
    EXPECT_ERRNO(setpriority(PRIO_PROCESS, 0, 1), EACCES);
}

TEST(scheduler_parameters)
{
    struct sched_param sp = {0};
    EXPECT_EQ(sched_getscheduler(0), SCHED_OTHER);
    EXPECT_OK(sched_getparam(0, &sp));
    EXPECT_EQ(sp.sched_priority, 0);
    EXPECT_EQ(sched_get_priority_min(SCHED_FIFO), 1);
    EXPECT_EQ(sched_get_priority_max(SCHED_FIFO), 99);
    EXPECT_EQ(sched_get_priority_max(SCHED_OTHER), 0);
    EXPECT_ERRNO(sched_getscheduler(-1), EINVAL);
    EXPECT_ERRNO(sched_getscheduler(0x3ffffff), ESRCH);
    sp.sched_priority = 5;
    EXPECT_ERRNO(sched_setscheduler(0, SCHED_OTHER, &sp), EINVAL);
    EXPECT_ERRNO(sched_setscheduler(0, 1234, &sp), EINVAL);
}
