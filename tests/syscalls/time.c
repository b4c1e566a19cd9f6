/* SPDX-License-Identifier: Apache-2.0 */
/* Clocks, sleeps, interval timers, POSIX timers. */
#include "harness.h"
#include <linux/time_types.h>
#include <sys/timex.h>

static volatile sig_atomic_t g_count;
static siginfo_t g_info;

static void on_count(int sig T_UNUSED)
{
    g_count++;
}

static void on_info(int sig T_UNUSED, siginfo_t *si, void *uc T_UNUSED)
{
    g_info = *si;
    g_count++;
}

static long long ns(struct timespec ts)
{
    return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

static long long now_ns(clockid_t c)
{
    struct timespec ts;
    ASSERT_OK(clock_gettime(c, &ts));
    return ns(ts);
}

static long long sys_now_ns(clockid_t c)
{
    struct timespec ts;
    ASSERT_OK(syscall(SYS_clock_gettime, c, &ts));
    return ns(ts);
}

TEST(clocks_never_go_back)
{
    static const clockid_t clocks[] = {CLOCK_MONOTONIC,          CLOCK_MONOTONIC_RAW,
                                       CLOCK_MONOTONIC_COARSE,   CLOCK_BOOTTIME,
                                       CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID};
    for (size_t i = 0; i < ARRAY_LEN(clocks); i++) {
        long long last = now_ns(clocks[i]);
        for (int k = 0; k < 50; k++) {
            long long t = now_ns(clocks[i]);
            EXPECT(t >= last);
            last = t;
        }
    }
}

TEST(clock_gettime_vdso_agrees_with_syscall)
{
    static const clockid_t clocks[] = {CLOCK_MONOTONIC, CLOCK_REALTIME, CLOCK_BOOTTIME};
    for (size_t i = 0; i < ARRAY_LEN(clocks); i++) {
        for (int k = 0; k < 20; k++) {
            long long a = sys_now_ns(clocks[i]), b = now_ns(clocks[i]), c = sys_now_ns(clocks[i]);
            /* The two sources may differ by rounding, no more. */
            EXPECT(b >= a - 1000000);
            EXPECT(c >= b - 1000000);
        }
    }
}

TEST(realtime_sources_agree)
{
    struct timeval tv;
    long long a = now_ns(CLOCK_REALTIME) / 1000000000;
    ASSERT_OK(gettimeofday(&tv, NULL));
    time_t t = time(NULL);
    EXPECT(tv.tv_sec >= a && tv.tv_sec - a < 5);
    EXPECT(t >= a - 1 && t - a < 5);
    EXPECT(tv.tv_usec >= 0 && tv.tv_usec < 1000000);
    time_t s = (time_t)syscall(SYS_time, NULL);
    EXPECT(s >= a - 1 && s - a < 5);
    EXPECT(a > 1500000000);
    EXPECT(llabs(now_ns(CLOCK_REALTIME_COARSE) / 1000000000 - a) < 5);
}

TEST(clock_getres_values)
{
    struct timespec ts;
    ASSERT_OK(clock_getres(CLOCK_MONOTONIC, &ts));
    EXPECT_EQ(ts.tv_sec, 0);
    EXPECT_EQ(ts.tv_nsec, 1);
    EXPECT_OK(clock_getres(CLOCK_REALTIME, NULL));
    ASSERT_OK(clock_getres(CLOCK_REALTIME_COARSE, &ts));
    EXPECT(ts.tv_nsec >= 1000000 && ts.tv_nsec <= 10000000);
}

TEST(clock_errors)
{
    struct timespec ts = {0, 0};
    EXPECT_ERRNO(syscall(SYS_clock_gettime, 999, &ts), EINVAL);
    EXPECT_ERRNO(syscall(SYS_clock_gettime, CLOCK_MONOTONIC, 8), EFAULT);
    EXPECT_ERRNO(clock_getres(999, &ts), EINVAL);
    EXPECT_ERRNO(syscall(SYS_clock_settime, CLOCK_MONOTONIC, &ts), EINVAL);
}

TEST(cpu_clocks_advance_only_with_work)
{
    long long p0 = now_ns(CLOCK_PROCESS_CPUTIME_ID), t0 = now_ns(CLOCK_THREAD_CPUTIME_ID);
    t_sleep_ms(100);
    EXPECT(now_ns(CLOCK_THREAD_CPUTIME_ID) - t0 < 90000000);
    while (now_ns(CLOCK_PROCESS_CPUTIME_ID) - p0 < 20000000) {
        for (volatile int i = 0; i < 100000; i++)
            ;
    }
    EXPECT(now_ns(CLOCK_THREAD_CPUTIME_ID) > t0);
}

TEST(cpu_clock_of_process)
{
    clockid_t c;
    ASSERT_EQ(clock_getcpuclockid(getpid(), &c), 0);
    EXPECT(now_ns(c) > 0);
    ASSERT_EQ(pthread_getcpuclockid(pthread_self(), &c), 0);
    EXPECT(now_ns(c) > 0);
}

TEST(nanosleep_sleeps)
{
    struct timespec ts = {0, 30000000};
    long long t0 = now_ns(CLOCK_MONOTONIC);
    EXPECT_OK(nanosleep(&ts, NULL));
    EXPECT(now_ns(CLOCK_MONOTONIC) - t0 >= 30000000);
}

TEST(nanosleep_errors)
{
    struct timespec neg = {-1, 0}, big = {0, 1000000000}, zero = {0, 0};
    EXPECT_ERRNO(nanosleep(&neg, NULL), EINVAL);
    EXPECT_ERRNO(nanosleep(&big, NULL), EINVAL);
    EXPECT_ERRNO(syscall(SYS_nanosleep, 8, NULL), EFAULT);
    EXPECT_OK(nanosleep(&zero, NULL));
    EXPECT_EQ(clock_nanosleep(999, 0, &zero, NULL), EINVAL);
    EXPECT_EQ(clock_nanosleep(CLOCK_THREAD_CPUTIME_ID, 0, &zero, NULL), EINVAL);
}

TEST(nanosleep_remaining_time)
{
    struct timespec ts = {20, 0}, rem = {0, 0};
    struct itimerval it = {{0, 30000}, {0, 30000}};
    t_handle(SIGALRM, on_count, 0);
    setitimer(ITIMER_REAL, &it, NULL);
    EXPECT_ERRNO(nanosleep(&ts, &rem), EINTR);
    EXPECT(rem.tv_sec >= 15 && rem.tv_sec < 20);
}

TEST(clock_nanosleep_absolute)
{
    struct timespec ts;
    long long target = now_ns(CLOCK_MONOTONIC) + 40000000;
    ts.tv_sec = target / 1000000000;
    ts.tv_nsec = target % 1000000000;
    EXPECT_EQ(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL), 0);
    EXPECT(now_ns(CLOCK_MONOTONIC) >= target);
    EXPECT_EQ(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL), 0);
    target = now_ns(CLOCK_REALTIME) + 20000000;
    ts.tv_sec = target / 1000000000;
    ts.tv_nsec = target % 1000000000;
    EXPECT_EQ(clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &ts, NULL), 0);
    EXPECT(now_ns(CLOCK_REALTIME) >= target);
}

TEST(clock_nanosleep_absolute_interrupted_leaves_remain)
{
    struct timespec ts, rem = {77, 88};
    struct itimerval it = {{0, 30000}, {0, 30000}};
    t_handle(SIGALRM, on_count, 0);
    clock_gettime(CLOCK_MONOTONIC, &ts);
    ts.tv_sec += 15;
    setitimer(ITIMER_REAL, &it, NULL);
    EXPECT_EQ(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, &rem), EINTR);
    EXPECT_EQ(rem.tv_sec, 77);
}

TEST(alarm_returns_remaining)
{
    EXPECT_EQ(alarm(100), 0);
    unsigned left = alarm(200);
    EXPECT(left >= 95 && left <= 100);
    left = alarm(0);
    EXPECT(left >= 195 && left <= 200);
    EXPECT_EQ(alarm(0), 0);
}

TEST(setitimer_real_periodic)
{
    struct itimerval it = {{0, 5000}, {0, 5000}}, cur, old;
    t_handle(SIGALRM, on_count, SA_RESTART);
    ASSERT_OK(setitimer(ITIMER_REAL, &it, NULL));
    ASSERT_OK(getitimer(ITIMER_REAL, &cur));
    EXPECT_EQ(cur.it_interval.tv_usec, 5000);
    EXPECT(cur.it_value.tv_usec <= 5000);
    while (g_count < 5)
        pause();
    memset(&it, 0, sizeof(it));
    ASSERT_OK(setitimer(ITIMER_REAL, &it, &old));
    EXPECT_EQ(old.it_interval.tv_usec, 5000);
    int n = g_count;
    t_sleep_ms(30);
    EXPECT(g_count <= n + 1);
}

TEST(setitimer_virtual_and_prof)
{
    struct itimerval it = {{0, 0}, {0, 20000}};
    t_handle(SIGVTALRM, on_count, 0);
    t_handle(SIGPROF, on_count, 0);
    ASSERT_OK(setitimer(ITIMER_VIRTUAL, &it, NULL));
    t_sleep_ms(40);
    while (g_count == 0)
        ;
    ASSERT_OK(setitimer(ITIMER_PROF, &it, NULL));
    while (g_count < 2)
        ;
    EXPECT_EQ(g_count, 2);
}

TEST(setitimer_errors)
{
    struct itimerval it = {{0, 0}, {0, 1000000}};
    EXPECT_ERRNO(setitimer(ITIMER_REAL, &it, NULL), EINVAL);
    it.it_value.tv_usec = -1;
    EXPECT_ERRNO(setitimer(ITIMER_REAL, &it, NULL), EINVAL);
    EXPECT_ERRNO(syscall(SYS_setitimer, 9, NULL, NULL), EINVAL);
    EXPECT_ERRNO(syscall(SYS_getitimer, 9, &it), EINVAL);
    EXPECT_ERRNO(syscall(SYS_setitimer, ITIMER_REAL, 8, NULL), EFAULT);
}

static timer_t new_timer(clockid_t clock, int notify, int sig, int value)
{
    struct sigevent se = {.sigev_notify = notify, .sigev_signo = sig};
    timer_t t;
    se.sigev_value.sival_int = value;
    ASSERT_OK(timer_create(clock, &se, &t));
    return t;
}

TEST(posix_timer_signal)
{
    struct itimerspec it = {{0, 0}, {0, 10000000}}, cur;
    t_handle_info(SIGUSR1, on_info, 0);
    timer_t t = new_timer(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGUSR1, 4321);
    ASSERT_OK(timer_settime(t, 0, &it, NULL));
    while (g_count == 0)
        t_sleep_ms(5);
    EXPECT_EQ(g_info.si_code, SI_TIMER);
    EXPECT_EQ(g_info.si_value.sival_int, 4321);
    EXPECT_EQ(g_info.si_overrun, 0);
    ASSERT_OK(timer_gettime(t, &cur));
    EXPECT_EQ(cur.it_value.tv_sec, 0);
    EXPECT_EQ(cur.it_value.tv_nsec, 0);
    EXPECT_OK(timer_delete(t));
    EXPECT_ERRNO(timer_delete(t), EINVAL);
}

TEST(posix_timer_overrun)
{
    struct itimerspec it = {{0, 2000000}, {0, 2000000}};
    t_handle_info(SIGUSR1, on_info, 0);
    t_block(SIGUSR1);
    timer_t t = new_timer(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGUSR1, 0);
    ASSERT_OK(timer_settime(t, 0, &it, NULL));
    t_sleep_ms(50);
    memset(&it, 0, sizeof(it));
    t_unblock(SIGUSR1);
    EXPECT(g_count >= 1);
    EXPECT(timer_getoverrun(t) >= 0);
    ASSERT_OK(timer_settime(t, 0, &it, NULL));
}

TEST(posix_timer_none)
{
    struct itimerspec it = {{0, 0}, {100, 0}}, cur;
    timer_t t = new_timer(CLOCK_REALTIME, SIGEV_NONE, 0, 0);
    ASSERT_OK(timer_settime(t, 0, &it, NULL));
    ASSERT_OK(timer_gettime(t, &cur));
    EXPECT(cur.it_value.tv_sec >= 95 && cur.it_value.tv_sec <= 100);
    it.it_value.tv_sec = 50;
    ASSERT_OK(timer_settime(t, 0, &it, &cur));
    EXPECT(cur.it_value.tv_sec >= 95);
}

TEST(posix_timer_absolute)
{
    struct itimerspec it = {{0, 0}, {0, 0}};
    t_handle_info(SIGUSR1, on_info, 0);
    timer_t t = new_timer(CLOCK_REALTIME, SIGEV_SIGNAL, SIGUSR1, 1);
    clock_gettime(CLOCK_REALTIME, &it.it_value);
    it.it_value.tv_sec -= 1; /* in the past: fires at once */
    ASSERT_OK(timer_settime(t, TIMER_ABSTIME, &it, NULL));
    for (int i = 0; i < 1000 && g_count == 0; i++)
        t_sleep_ms(2);
    EXPECT_EQ(g_count, 1);
}

static atomic_int g_fired;

static void on_thread(union sigval v)
{
    atomic_store(&g_fired, v.sival_int);
}

TEST(posix_timer_thread)
{
    struct sigevent se = {.sigev_notify = SIGEV_THREAD, .sigev_notify_function = on_thread};
    struct itimerspec it = {{0, 0}, {0, 5000000}};
    timer_t t;
    se.sigev_value.sival_int = 99;
    ASSERT_OK(timer_create(CLOCK_MONOTONIC, &se, &t));
    ASSERT_OK(timer_settime(t, 0, &it, NULL));
    for (int i = 0; i < 1000 && atomic_load(&g_fired) == 0; i++)
        t_sleep_ms(5);
    EXPECT_EQ(atomic_load(&g_fired), 99);
    EXPECT_OK(timer_delete(t));
}

TEST(posix_timer_thread_id)
{
    struct sigevent se = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGUSR1};
    struct itimerspec it = {{0, 0}, {0, 5000000}};
    timer_t t;
    se._sigev_un._tid = (pid_t)syscall(SYS_gettid);
    t_handle_info(SIGUSR1, on_info, 0);
    ASSERT_OK(timer_create(CLOCK_MONOTONIC, &se, &t));
    ASSERT_OK(timer_settime(t, 0, &it, NULL));
    for (int i = 0; i < 1000 && g_count == 0; i++)
        t_sleep_ms(2);
    EXPECT_EQ(g_count, 1);
    se._sigev_un._tid = 0x3ffffff;
    EXPECT_ERRNO(timer_create(CLOCK_MONOTONIC, &se, &t), EINVAL);
}

TEST(posix_timer_errors)
{
    struct itimerspec it = {{0, 0}, {0, 1000000000}};
    struct sigevent se = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = 99};
    timer_t t;
    EXPECT_ERRNO(timer_create(999, NULL, &t), EINVAL);
    EXPECT_ERRNO(timer_create(CLOCK_MONOTONIC, &se, &t), EINVAL);
    t = new_timer(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGUSR1, 0);
    EXPECT_ERRNO(timer_settime(t, 0, &it, NULL), EINVAL);
    EXPECT_ERRNO(syscall(SYS_timer_settime, 12345, 0, &it, NULL), EINVAL);
    EXPECT_ERRNO(syscall(SYS_timer_gettime, 12345, &it), EINVAL);
    EXPECT_ERRNO(syscall(SYS_timer_getoverrun, 12345), EINVAL);
}

TEST(posix_timer_not_inherited_by_fork)
{
    struct itimerspec it;
    timer_t t = new_timer(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGUSR1, 0);
    int id = (int)(long)t;
    pid_t pid = t_fork();
    if (pid == 0) {
        EXPECT_ERRNO(syscall(SYS_timer_gettime, id, &it), EINVAL);
        CHILD_EXIT();
    }
    EXPECT_EXIT(pid, 0);
}

TEST(cpu_timer_fires_under_load)
{
    struct itimerspec it = {{0, 0}, {0, 20000000}};
    t_handle_info(SIGUSR1, on_info, 0);
    timer_t t = new_timer(CLOCK_PROCESS_CPUTIME_ID, SIGEV_SIGNAL, SIGUSR1, 0);
    ASSERT_OK(timer_settime(t, 0, &it, NULL));
    while (g_count == 0)
        ;
    EXPECT_EQ(g_info.si_code, SI_TIMER);
}

TEST(clock_settime_needs_privilege)
{
    struct timespec ts;
    if (geteuid() == 0)
        t_become_nobody();
    clock_gettime(CLOCK_REALTIME, &ts);
    EXPECT_ERRNO(clock_settime(CLOCK_REALTIME, &ts), EPERM);
}
