/* SPDX-License-Identifier: Apache-2.0 */
/* Dispositions, masks, default actions, stop and continue, kill and its errors. */
#include "harness.h"

static volatile sig_atomic_t g_count, g_last, g_depth, g_max_depth, g_order[8];

static void on_count(int sig)
{
    g_count++;
    g_last = sig;
}

TEST(handler_runs_before_kill_returns)
{
    t_handle(SIGUSR1, on_count, 0);
    EXPECT_OK(kill(getpid(), SIGUSR1));
    EXPECT_EQ(g_count, 1);
    EXPECT_EQ(g_last, SIGUSR1);
}

TEST(sigaction_returns_old)
{
    struct sigaction sa, old;
    t_handle(SIGUSR1, on_count, SA_RESTART | SA_NODEFER);
    ASSERT_OK(sigaction(SIGUSR1, NULL, &old));
    EXPECT(old.sa_handler == on_count);
    EXPECT((old.sa_flags & (SA_RESTART | SA_NODEFER)) == (SA_RESTART | SA_NODEFER));
    memset(&sa, 0, sizeof(sa));
    sa.sa_handler = SIG_IGN;
    ASSERT_OK(sigaction(SIGUSR1, &sa, &old));
    EXPECT(old.sa_handler == on_count);
}

TEST(sigaction_errors)
{
    struct sigaction sa = {.sa_handler = on_count};
    EXPECT_ERRNO(sigaction(SIGKILL, &sa, NULL), EINVAL);
    EXPECT_ERRNO(sigaction(SIGSTOP, &sa, NULL), EINVAL);
    EXPECT_ERRNO(sigaction(0, &sa, NULL), EINVAL);
    EXPECT_ERRNO(sigaction(65, &sa, NULL), EINVAL);
    EXPECT_ERRNO(syscall(SYS_rt_sigaction, SIGUSR1, (void *)8, NULL, 8), EFAULT);
    EXPECT_ERRNO(syscall(SYS_rt_sigaction, SIGUSR1, NULL, NULL, 4), EINVAL);
    EXPECT_OK(sigaction(SIGKILL, NULL, &sa));
}

TEST(sigprocmask_how)
{
    sigset_t set, old;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    ASSERT_OK(sigprocmask(SIG_BLOCK, &set, &old));
    EXPECT(!sigismember(&old, SIGUSR1));
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    ASSERT_OK(sigprocmask(SIG_BLOCK, &set, NULL));
    ASSERT_OK(sigprocmask(SIG_UNBLOCK, &set, &old));
    EXPECT(sigismember(&old, SIGUSR1) && sigismember(&old, SIGUSR2));
    ASSERT_OK(sigprocmask(SIG_SETMASK, &set, &old));
    EXPECT(sigismember(&old, SIGUSR1) && !sigismember(&old, SIGUSR2));
    ASSERT_OK(sigprocmask(SIG_BLOCK, NULL, &old));
    EXPECT(!sigismember(&old, SIGUSR1) && sigismember(&old, SIGUSR2));
    EXPECT_ERRNO(syscall(SYS_rt_sigprocmask, 77, &set, NULL, 8), EINVAL);
    EXPECT_ERRNO(syscall(SYS_rt_sigprocmask, SIG_BLOCK, &set, NULL, 16), EINVAL);
    EXPECT_ERRNO(syscall(SYS_rt_sigprocmask, SIG_BLOCK, (void *)8, NULL, 8), EFAULT);
}

TEST(kill_and_stop_cannot_be_blocked)
{
    uint64_t all = ~0ULL, got = 0;
    ASSERT_OK(syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, &got, 8));
    ASSERT_OK(syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &got, 8));
    EXPECT_EQ(got & (1ULL << (SIGKILL - 1)), 0);
    EXPECT_EQ(got & (1ULL << (SIGSTOP - 1)), 0);
    EXPECT(got & (1ULL << (SIGUSR1 - 1)));
}

TEST(blocked_signal_stays_pending)
{
    sigset_t set;
    t_handle(SIGUSR1, on_count, 0);
    t_block(SIGUSR1);
    raise(SIGUSR1);
    raise(SIGUSR1);
    EXPECT_EQ(g_count, 0);
    sigpending(&set);
    EXPECT(sigismember(&set, SIGUSR1));
    t_unblock(SIGUSR1);
    EXPECT_EQ(g_count, 1);
    sigpending(&set);
    EXPECT(!sigismember(&set, SIGUSR1));
}

TEST(ignored_signal_is_discarded)
{
    sigset_t set;
    t_block(SIGUSR1);
    raise(SIGUSR1);
    t_handle(SIGUSR1, SIG_IGN, 0);
    sigpending(&set);
    EXPECT(!sigismember(&set, SIGUSR1));
    t_handle(SIGUSR1, on_count, 0);
    t_unblock(SIGUSR1);
    EXPECT_EQ(g_count, 0);
}

static void on_nested(int sig)
{
    g_depth++;
    if (g_depth > g_max_depth)
        g_max_depth = g_depth;
    if (g_count++ == 0)
        raise(sig);
    g_depth--;
}

TEST(signal_is_masked_in_its_handler)
{
    t_handle(SIGUSR1, on_nested, 0);
    raise(SIGUSR1);
    EXPECT_EQ(g_count, 2);
    EXPECT_EQ(g_max_depth, 1);
}

TEST(sa_nodefer_nests)
{
    t_handle(SIGUSR1, on_nested, SA_NODEFER);
    raise(SIGUSR1);
    EXPECT_EQ(g_count, 2);
    EXPECT_EQ(g_max_depth, 2);
}

TEST(sa_resethand)
{
    struct sigaction sa;
    t_handle(SIGUSR1, on_count, SA_RESETHAND);
    raise(SIGUSR1);
    EXPECT_EQ(g_count, 1);
    sigaction(SIGUSR1, NULL, &sa);
    EXPECT(sa.sa_handler == SIG_DFL);
}

static void on_mask_probe(int sig T_UNUSED)
{
    sigset_t set;
    sigprocmask(SIG_BLOCK, NULL, &set);
    g_count = sigismember(&set, SIGUSR1) | sigismember(&set, SIGUSR2) << 1 |
              sigismember(&set, SIGTERM) << 2;
}

TEST(sa_mask_applies_during_handler)
{
    struct sigaction sa = {.sa_handler = on_mask_probe};
    sigset_t set;
    sigaddset(&sa.sa_mask, SIGUSR2);
    ASSERT_OK(sigaction(SIGUSR1, &sa, NULL));
    raise(SIGUSR1);
    EXPECT_EQ(g_count, 3);
    sigprocmask(SIG_BLOCK, NULL, &set);
    EXPECT(!sigismember(&set, SIGUSR1) && !sigismember(&set, SIGUSR2));
}

static void on_order(int sig)
{
    g_order[g_count++ & 7] = sig;
}

TEST(nested_handlers_of_different_signals)
{
    /* Both become deliverable at once: handlers are pushed, the last pushed one runs first. */
    t_handle(SIGUSR1, on_order, 0);
    t_handle(SIGUSR2, on_order, 0);
    t_block(SIGUSR1);
    t_block(SIGUSR2);
    raise(SIGUSR1);
    raise(SIGUSR2);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    EXPECT_EQ(g_count, 2);
    EXPECT_EQ(g_order[0], SIGUSR2);
    EXPECT_EQ(g_order[1], SIGUSR1);
}

TEST(default_action_terminates)
{
    static const int sigs[] = {SIGHUP,  SIGINT,  SIGPIPE, SIGALRM, SIGTERM,   SIGUSR1,
                               SIGUSR2, SIGPROF, SIGIO,   SIGPWR,  SIGVTALRM, SIGSTKFLT};
    for (size_t i = 0; i < ARRAY_LEN(sigs); i++) {
        pid_t pid = t_fork();
        if (pid == 0) {
            kill(getpid(), sigs[i]);
            _exit(0);
        }
        EXPECT_KILLED(pid, sigs[i]);
    }
}

TEST(default_action_core)
{
    static const int sigs[] = {SIGQUIT, SIGILL,  SIGABRT, SIGFPE,  SIGSEGV,
                               SIGBUS,  SIGTRAP, SIGSYS,  SIGXCPU, SIGXFSZ};
    for (size_t i = 0; i < ARRAY_LEN(sigs); i++) {
        pid_t pid = t_fork();
        if (pid == 0) {
            kill(getpid(), sigs[i]);
            _exit(0);
        }
        EXPECT_KILLED(pid, sigs[i]);
    }
}

TEST(default_action_realtime_terminates)
{
    pid_t pid = t_fork();
    if (pid == 0) {
        kill(getpid(), 40);
        _exit(0);
    }
    EXPECT_KILLED(pid, 40);
}

TEST(default_action_ignores)
{
    EXPECT_OK(kill(getpid(), SIGCHLD));
    EXPECT_OK(kill(getpid(), SIGURG));
    EXPECT_OK(kill(getpid(), SIGWINCH));
    EXPECT_OK(kill(getpid(), SIGCONT));
}

TEST(default_action_stops)
{
    static const int sigs[] = {SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU};
    /* The group must not be orphaned, or terminal stop signals are ignored; ours has a parent in
     * the same session, the harness. */
    for (size_t i = 0; i < ARRAY_LEN(sigs); i++) {
        int st;
        pid_t pid = t_fork();
        if (pid == 0) {
            kill(getpid(), sigs[i]);
            _exit(3);
        }
        ASSERT_EQ(waitpid(pid, &st, WUNTRACED), pid);
        EXPECT(WIFSTOPPED(st) && WSTOPSIG(st) == sigs[i]);
        kill(pid, SIGCONT);
        EXPECT_EXIT(pid, 3);
    }
}

TEST(sigcont_handler_runs_after_stop)
{
    int st;
    pid_t pid = t_fork();
    if (pid == 0) {
        t_handle(SIGCONT, on_count, 0);
        raise(SIGSTOP);
        _exit(g_count == 1 ? 0 : 1);
    }
    ASSERT_EQ(waitpid(pid, &st, WUNTRACED), pid);
    kill(pid, SIGCONT);
    EXPECT_EXIT(pid, 0);
}

TEST(stopped_process_handles_signals_after_cont)
{
    int st;
    pid_t pid = t_fork();
    if (pid == 0) {
        t_handle(SIGUSR1, on_count, 0);
        raise(SIGSTOP);
        _exit(g_count == 1 ? 0 : 1);
    }
    ASSERT_EQ(waitpid(pid, &st, WUNTRACED), pid);
    kill(pid, SIGUSR1);
    t_sleep_ms(20);
    EXPECT_EQ(waitpid(pid, &st, WNOHANG), 0);
    kill(pid, SIGCONT);
    EXPECT_EXIT(pid, 0);
}

TEST(sigkill_ends_stopped_process)
{
    int st;
    pid_t pid = t_fork();
    if (pid == 0) {
        raise(SIGSTOP);
        _exit(0);
    }
    ASSERT_EQ(waitpid(pid, &st, WUNTRACED), pid);
    kill(pid, SIGKILL);
    EXPECT_KILLED(pid, SIGKILL);
}

TEST(cont_discards_pending_stop_and_back)
{
    sigset_t set;
    t_block(SIGTSTP);
    t_block(SIGCONT);
    raise(SIGTSTP);
    kill(getpid(), SIGCONT);
    sigpending(&set);
    EXPECT(!sigismember(&set, SIGTSTP));
    raise(SIGTSTP);
    sigpending(&set);
    EXPECT(sigismember(&set, SIGTSTP));
    EXPECT(!sigismember(&set, SIGCONT));
    kill(getpid(), SIGCONT);
}

TEST(sigchld_on_stop_continue_exit)
{
    int st;
    sigset_t set;
    siginfo_t si;
    struct timespec ts = {10, 0};
    t_block(SIGCHLD);
    pid_t pid = t_fork();
    if (pid == 0) {
        raise(SIGSTOP);
        _exit(5);
    }
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    EXPECT_EQ(sigtimedwait(&set, &si, &ts), SIGCHLD);
    EXPECT_EQ(si.si_code, CLD_STOPPED);
    EXPECT_EQ(si.si_pid, pid);
    EXPECT_EQ(si.si_status, SIGSTOP);
    EXPECT_EQ(waitpid(pid, &st, WUNTRACED), pid);
    kill(pid, SIGCONT);
    EXPECT_EQ(sigtimedwait(&set, &si, &ts), SIGCHLD);
    /* The signal of the exit may have found this one pending, and be lost. */
    EXPECT(si.si_code == CLD_CONTINUED || si.si_code == CLD_EXITED);
    EXPECT_EXIT(pid, 5);
}

TEST(sa_nocldstop)
{
    int st;
    t_handle(SIGCHLD, on_count, SA_NOCLDSTOP | SA_RESTART);
    pid_t pid = t_fork();
    if (pid == 0) {
        raise(SIGSTOP);
        _exit(0);
    }
    ASSERT_EQ(waitpid(pid, &st, WUNTRACED), pid);
    EXPECT_EQ(g_count, 0);
    kill(pid, SIGCONT);
    EXPECT_EXIT(pid, 0);
    EXPECT_EQ(g_count, 1);
}

TEST(kill_errors)
{
    EXPECT_ERRNO(kill(getpid(), 65), EINVAL);
    EXPECT_ERRNO(kill(getpid(), -1), EINVAL);
    EXPECT_ERRNO(kill(0x3ffffff, SIGTERM), ESRCH);
    EXPECT_ERRNO(kill(-0x3ffffff, SIGTERM), ESRCH);
    EXPECT_ERRNO(kill(INT_MIN, SIGTERM), ESRCH);
    EXPECT_OK(kill(getpid(), 0));
    EXPECT_OK(kill(0, 0));
}

TEST(tgkill_errors)
{
    pid_t me = getpid();
    EXPECT_OK(syscall(SYS_tgkill, me, me, 0));
    EXPECT_ERRNO(syscall(SYS_tgkill, me, 0x3ffffff, SIGTERM), ESRCH);
    EXPECT_ERRNO(syscall(SYS_tgkill, getppid(), me, SIGTERM), ESRCH);
    EXPECT_ERRNO(syscall(SYS_tgkill, 0, me, SIGTERM), EINVAL);
    EXPECT_ERRNO(syscall(SYS_tgkill, me, -1, SIGTERM), EINVAL);
    EXPECT_ERRNO(syscall(SYS_tgkill, me, me, 99), EINVAL);
    EXPECT_ERRNO(syscall(SYS_tkill, 0, SIGTERM), EINVAL);
}

static volatile pid_t g_handler_tid;

static void on_tid(int sig T_UNUSED)
{
    g_handler_tid = (pid_t)syscall(SYS_gettid);
}

struct thread_arg {
    struct t_gate ready, go;
    pid_t tid;
};

static void *tid_thread(void *arg)
{
    struct thread_arg *a = arg;
    a->tid = (pid_t)syscall(SYS_gettid);
    t_gate_post(&a->ready);
    t_gate_wait(&a->go);
    return NULL;
}

TEST(tgkill_targets_one_thread)
{
    struct thread_arg a;
    pthread_t t;
    t_gate_init(&a.ready);
    t_gate_init(&a.go);
    t_handle(SIGUSR1, on_tid, SA_RESTART);
    ASSERT_EQ(pthread_create(&t, NULL, tid_thread, &a), 0);
    t_gate_wait(&a.ready);
    EXPECT_OK(syscall(SYS_tgkill, getpid(), a.tid, SIGUSR1));
    for (int i = 0; i < 500 && !g_handler_tid; i++)
        t_sleep_ms(10);
    EXPECT_EQ(g_handler_tid, a.tid);
    t_gate_post(&a.go);
    pthread_join(t, NULL);
}

TEST(process_signal_goes_to_unblocking_thread)
{
    struct thread_arg a;
    pthread_t t;
    t_gate_init(&a.ready);
    t_gate_init(&a.go);
    t_handle(SIGUSR1, on_tid, SA_RESTART);
    ASSERT_EQ(pthread_create(&t, NULL, tid_thread, &a), 0);
    t_gate_wait(&a.ready);
    t_block(SIGUSR1);
    kill(getpid(), SIGUSR1);
    for (int i = 0; i < 500 && !g_handler_tid; i++)
        t_sleep_ms(10);
    EXPECT_EQ(g_handler_tid, a.tid);
    t_gate_post(&a.go);
    pthread_join(t, NULL);
}

static void *mask_thread(void *arg)
{
    sigset_t set;
    pthread_sigmask(SIG_BLOCK, NULL, &set);
    *(int *)arg = sigismember(&set, SIGUSR1);
    t_block(SIGUSR2);
    return NULL;
}

TEST(masks_are_per_thread)
{
    pthread_t t;
    sigset_t set;
    int inherited = 0;
    t_block(SIGUSR1);
    ASSERT_EQ(pthread_create(&t, NULL, mask_thread, &inherited), 0);
    pthread_join(t, NULL);
    EXPECT_EQ(inherited, 1);
    sigprocmask(SIG_BLOCK, NULL, &set);
    EXPECT(!sigismember(&set, SIGUSR2));
}

TEST(sigsuspend_swaps_mask)
{
    sigset_t empty, set;
    t_handle(SIGUSR1, on_count, 0);
    t_block(SIGUSR1);
    raise(SIGUSR1);
    sigemptyset(&empty);
    EXPECT_ERRNO(sigsuspend(&empty), EINTR);
    EXPECT_EQ(g_count, 1);
    sigprocmask(SIG_BLOCK, NULL, &set);
    EXPECT(sigismember(&set, SIGUSR1));
}

TEST(pause_returns_eintr)
{
    struct itimerval it = {{0, 50000}, {0, 50000}};
    t_handle(SIGALRM, on_count, SA_RESTART);
    setitimer(ITIMER_REAL, &it, NULL);
    EXPECT_ERRNO(pause(), EINTR);
    EXPECT(g_count >= 1);
}

TEST(sigkill_ends_all_threads)
{
    pid_t pid = t_fork();
    if (pid == 0) {
        struct thread_arg a;
        pthread_t t;
        t_gate_init(&a.ready);
        t_gate_init(&a.go);
        for (int i = 0; i < 4; i++) {
            pthread_create(&t, NULL, tid_thread, &a);
            t_gate_wait(&a.ready);
        }
        kill(getpid(), SIGKILL);
        for (;;)
            pause();
    }
    EXPECT_KILLED(pid, SIGKILL);
}

TEST(stop_stops_all_threads)
{
    volatile int *counter = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
                                 0);
    int st, before;
    ASSERT((void *)counter != MAP_FAILED);
    pid_t pid = t_fork();
    if (pid == 0) {
        struct thread_arg a;
        pthread_t t;
        t_gate_init(&a.ready);
        t_gate_init(&a.go);
        pthread_create(&t, NULL, tid_thread, &a);
        t_gate_wait(&a.ready);
        for (;;) {
            (*counter)++;
            t_sleep_ms(1);
        }
    }
    while (*counter < 3)
        t_sleep_ms(5);
    kill(pid, SIGSTOP);
    ASSERT_EQ(waitpid(pid, &st, WUNTRACED), pid);
    before = *counter;
    t_sleep_ms(50);
    EXPECT_EQ(*counter, before);
    kill(pid, SIGCONT);
    while (*counter == before)
        t_sleep_ms(5);
    kill(pid, SIGKILL);
    EXPECT_KILLED(pid, SIGKILL);
}
