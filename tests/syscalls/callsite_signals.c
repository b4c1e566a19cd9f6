/* SPDX-License-Identifier: Apache-2.0 */
/* Signals that hit system call sites which are used often: totals, where the program was, restarts. */
#include "callsite.h"
#include <setjmp.h>
#include <ucontext.h>

CALLSITE_B8(getppid_b8, 110);
CALLSITE_48(getppid_48, 110);
CALLSITE_48(getuid_48, 102);
CALLSITE_B8(read_b8, 0);
CALLSITE_48(write_48, 1);
CALLSITE_CMP(cmp_4095, -4095);

/* ---- where a signal may find the program ----------------------------------------------------- */

static struct {
    uintptr_t start, end;
} g_text[128];
static size_t g_ntext;

static void load_text(void)
{
    FILE *f = fopen("/proc/self/maps", "re");
    char line[512], prot[8];
    unsigned long start, end;

    ASSERT(f != NULL);
    g_ntext = 0;
    while (fgets(line, sizeof(line), f)) {
        if (sscanf(line, "%lx-%lx %7s", &start, &end, prot) != 3 || prot[2] != 'x')
            continue;
        ASSERT(g_ntext < ARRAY_LEN(g_text));
        g_text[g_ntext].start = start;
        g_text[g_ntext++].end = end;
    }
    fclose(f);
    ASSERT(g_ntext > 0);
}

static bool in_text(uintptr_t ip)
{
    for (size_t i = 0; i < g_ntext; i++)
        if (ip >= g_text[i].start && ip < g_text[i].end)
            return true;
    return false;
}

/* The middle of an instruction is no place to be either. */
static bool inside_site(uintptr_t ip, const void *site, const unsigned char *call)
{
    uintptr_t s = (uintptr_t)site, c = (uintptr_t)call;

    return (ip > s && ip < c) || ip == c + 1;
}

/* ---- a storm ----------------------------------------------------------------------------------- */

static volatile long g_handled, g_bad_result;
static volatile uintptr_t g_bad_ip;
static int g_handler_pipe[2];
static long g_ppid;
static atomic_bool g_stop;
static pid_t g_target;

static void on_usr1(int sig T_UNUSED, siginfo_t *si T_UNUSED, void *uc)
{
    uintptr_t ip = (uintptr_t)((ucontext_t *)uc)->uc_mcontext.gregs[REG_RIP];

    if (!in_text(ip) || inside_site(ip, (void *)getppid_b8, getppid_b8_call) ||
        inside_site(ip, (void *)getppid_48, getppid_48_call) ||
        inside_site(ip, (void *)read_b8, read_b8_call) ||
        inside_site(ip, (void *)write_48, write_48_call))
        g_bad_ip = ip;
    if (getppid_b8(0) != g_ppid || getppid_48(0) != g_ppid)
        g_bad_result = 1;
    if (write_48(g_handler_pipe[1], "h", 1L) != 1)
        g_bad_result = 2;
    g_handled++;
}

static void *storm(void *arg)
{
    pid_t pid = getpid();
    unsigned pause = 0;

    /* No more than fit into the handler's pipe. */
    for (int n = 0; n < 50000 && !atomic_load(&g_stop); n++) {
        if (syscall(SYS_tgkill, pid, g_target, (int)(intptr_t)arg) != 0)
            break;
        /* So that the target gets somewhere between two of them. */
        pause = (pause * 5 + 3) % 4096;
        for (volatile unsigned i = 0; i < pause; i++)
            ;
    }
    return NULL;
}

struct totals {
    long calls, wrong, zero, written, drained;
};

static void drain(int fd, struct totals *t)
{
    char buf[512];
    ssize_t n;

    while ((n = read(fd, buf, sizeof(buf))) > 0)
        t->drained += n;
}

static void work(struct totals *t, int zero, const int *p)
{
    long long end = t_now_ms() + 700;
    char buf[64];

    for (int i = 0; i < HOT || g_handled < 20; i++) {
        t->calls++;
        if (getppid_b8(0) != g_ppid || getppid_48(0) != g_ppid)
            t->wrong++;
        memset(buf, 1, sizeof(buf));
        if (read_b8(zero, buf, 32L) != 32 || buf[0] || buf[31] || buf[32] != 1)
            t->wrong++;
        t->zero += 32;
        if (write_48(p[1], "m", 1L) != 1)
            t->wrong++;
        t->written++;
        if (callsite_nr((void *)cmp_4095, NR_CLOSE, -1, 0, 0) != -EBADF)
            t->wrong++;
        if (i % 64 == 0) {
            drain(p[0], t);
            if (t_now_ms() > end)
                break;
        }
    }
    drain(p[0], t);
}

static void check_storm(struct totals *t)
{
    struct totals h = {0};

    drain(g_handler_pipe[0], &h);
    EXPECT_EQ(t->wrong, 0);
    EXPECT_EQ(t->drained, t->written);
    EXPECT_EQ(t->written, t->calls);
    EXPECT_EQ(h.drained, g_handled);
    EXPECT_EQ(g_bad_result, 0);
    EXPECT_EQ(g_bad_ip, 0);
    EXPECT(g_handled > 0);
}

static void storm_begin(int *zero, int *p)
{
    g_ppid = getppid();
    g_target = (pid_t)syscall(SYS_gettid);
    ASSERT_OK(pipe2(p, O_NONBLOCK));
    ASSERT_OK(pipe2(g_handler_pipe, O_NONBLOCK));
    ASSERT_OK(fcntl(g_handler_pipe[1], F_SETPIPE_SZ, 65536));
    *zero = open("/dev/zero", O_RDONLY);
    ASSERT_OK(*zero);
}

TEST(storm_from_another_thread)
{
    struct totals t = {0};
    pthread_t th;
    int p[2], zero;

    storm_begin(&zero, p);
    load_text();
    t_handle_info(SIGUSR1, on_usr1, SA_RESTART);
    ASSERT_EQ(pthread_create(&th, NULL, storm, (void *)(intptr_t)SIGUSR1), 0);
    work(&t, zero, p);
    atomic_store(&g_stop, true);
    pthread_join(th, NULL);
    check_storm(&t);
}

TEST(storm_of_a_timer)
{
    struct totals t = {0};
    int p[2], zero;

    storm_begin(&zero, p);
    load_text();
    t_handle_info(SIGALRM, on_usr1, SA_RESTART);
    ASSERT_OK(setitimer(ITIMER_REAL, &(struct itimerval){{0, 200}, {0, 200}}, NULL));
    for (long long end = t_now_ms() + 300; t_now_ms() < end;)
        work(&t, zero, p);
    ASSERT_OK(setitimer(ITIMER_REAL, &(struct itimerval){{0, 0}, {0, 0}}, NULL));
    check_storm(&t);
}

/* The signals find the program in nothing but a site: where is it then? */
TEST(storm_on_a_tight_loop)
{
    long long end = t_now_ms() + 300;
    pthread_t th;
    int p[2], zero;
    long wrong = 0;

    storm_begin(&zero, p);
    load_text();
    t_handle_info(SIGUSR1, on_usr1, SA_RESTART);
    ASSERT_EQ(pthread_create(&th, NULL, storm, (void *)(intptr_t)SIGUSR1), 0);
    while (t_now_ms() < end)
        for (int i = 0; i < 200; i++)
            wrong += getppid_b8(0) != g_ppid || getuid_48(0) != getuid();
    atomic_store(&g_stop, true);
    pthread_join(th, NULL);
    EXPECT_EQ(wrong, 0);
    EXPECT_EQ(g_bad_ip, 0);
    EXPECT_EQ(g_bad_result, 0);
    EXPECT(g_handled > 0);
}

/* ---- jumping out of handlers -------------------------------------------------------------------- */

static sigjmp_buf g_jmp;
static atomic_int g_jumps;

static void on_jump(int sig T_UNUSED)
{
    atomic_fetch_add(&g_jumps, 1);
    siglongjmp(g_jmp, 1);
}

static void *send_jumps(void *arg T_UNUSED)
{
    long long end = t_now_ms() + 1000;

    for (int i = 0; i < 300 && t_now_ms() < end; i++) {
        if (syscall(SYS_tgkill, getpid(), g_target, SIGUSR1) != 0)
            break;
        while (atomic_load(&g_jumps) <= i && t_now_ms() < end + 500)
            sched_yield();
    }
    atomic_store(&g_stop, true);
    return NULL;
}

TEST(siglongjmp_out_of_hot_sites)
{
    volatile long wrong = 0;
    pthread_t th;

    g_ppid = getppid();
    g_target = (pid_t)syscall(SYS_gettid);
    for (int i = 0; i < HOT; i++)
        ASSERT_EQ(getppid_b8(0), g_ppid);
    t_block(SIGUSR1);
    t_handle(SIGUSR1, on_jump, 0);
    ASSERT_EQ(pthread_create(&th, NULL, send_jumps, NULL), 0);
    if (sigsetjmp(g_jmp, 1) == 0)
        t_unblock(SIGUSR1);
    else
        t_unblock(SIGUSR1); /* the mask of the moment of sigsetjmp came back */
    while (!atomic_load(&g_stop))
        wrong += getppid_b8(0) != g_ppid || getppid_48(0) != g_ppid;
    t_block(SIGUSR1);
    pthread_join(th, NULL);
    EXPECT_EQ(wrong, 0);
    EXPECT(atomic_load(&g_jumps) > 0);
    EXPECT_EQ(getppid_b8(0), g_ppid);
}

/* ---- handlers that choose where to go on ---------------------------------------------------------- */

__asm__(".pushsection .text\n"
        ".globl land\n"
        "land: ud2\n"
        ".popsection\n");
long land(long);

static const void *volatile g_land_at;
static volatile long g_land_rax;

static void on_ill(int sig T_UNUSED, siginfo_t *si T_UNUSED, void *uc)
{
    greg_t *r = ((ucontext_t *)uc)->uc_mcontext.gregs;

    r[REG_RIP] = (greg_t)(uintptr_t)g_land_at;
    r[REG_RAX] = g_land_rax;
}

static long land_at(const void *at, long rax)
{
    g_land_at = at;
    g_land_rax = rax;
    return land(0);
}

TEST(sigreturn_to_parts_of_a_hot_site)
{
    t_handle_info(SIGILL, on_ill, 0);
    for (int i = 0; i < HOT; i++) {
        ASSERT_EQ(getppid_b8(0), getppid());
        ASSERT_EQ(getppid_48(0), getppid());
        ASSERT_EQ(callsite_nr((void *)cmp_4095, NR_CLOSE, -1, 0, 0), -EBADF);
    }
    for (int i = 0; i < 50; i++) {
        EXPECT_EQ(land_at((void *)getppid_b8, 7), getppid());
        EXPECT_EQ(land_at((void *)getppid_48, 7), getppid());
        EXPECT_EQ(land_at(getppid_b8_call, NR_GETUID), getuid());
        EXPECT_EQ(land_at(getppid_48_call, NR_GETPID), getpid());
        EXPECT_EQ(land_at(getppid_b8_end, 4242), 4242);
        EXPECT_EQ(land_at((void *)cmp_4095, NR_GETPPID), getppid());
        EXPECT_EQ(land_at(cmp_4095_end, -4242), -4242);
    }
}

/* ---- interrupted and restarted calls ---------------------------------------------------------------- */

static volatile sig_atomic_t g_ticks;
static int g_feed = -1;

static void on_tick(int sig T_UNUSED)
{
    if (++g_ticks == 4 && g_feed >= 0 && write_48(g_feed, "x", 1L) != 1)
        g_bad_result = 3;
}

static void tick(long us)
{
    ASSERT_OK(setitimer(ITIMER_REAL, &(struct itimerval){{0, us}, {0, us}}, NULL));
}

static void make_read_hot(void)
{
    int zero = open("/dev/zero", O_RDONLY);
    char buf[8];

    ASSERT_OK(zero);
    for (int i = 0; i < HOT; i++) {
        ASSERT_EQ(read_b8(zero, buf, 8L), 8);
        ASSERT_EQ(callsite_nr((void *)cmp_4095, NR_READ, zero, (long)(intptr_t)buf, 8), 8);
    }
    close(zero);
}

TEST(blocked_read_at_a_hot_site_ends_with_eintr)
{
    int p[2];
    char c;

    ASSERT_OK(pipe(p));
    make_read_hot();
    t_handle(SIGALRM, on_tick, 0);
    tick(5000);
    for (int i = 0; i < 10; i++)
        EXPECT_EQ(read_b8(p[0], &c, 1L), -EINTR);
    for (int i = 0; i < 10; i++)
        EXPECT_EQ(callsite_nr((void *)cmp_4095, NR_READ, p[0], (long)(intptr_t)&c, 1), -EINTR);
    tick(0);
}

TEST(blocked_read_at_a_hot_site_is_restarted)
{
    int p[2];
    char c = 0;

    ASSERT_OK(pipe(p));
    make_read_hot();
    g_feed = p[1];
    t_handle(SIGALRM, on_tick, SA_RESTART);
    tick(5000);
    EXPECT_EQ(read_b8(p[0], &c, 1L), 1);
    EXPECT_EQ(c, 'x');
    EXPECT(g_ticks >= 4);
    g_ticks = 0;
    EXPECT_EQ(callsite_nr((void *)cmp_4095, NR_READ, p[0], (long)(intptr_t)&c, 1), 1);
    EXPECT(g_ticks >= 4);
    tick(0);
    EXPECT_EQ(g_bad_result, 0);
}

/* The site becomes hot while a call through it is blocked. */
static void *late_heat(void *arg)
{
    make_read_hot();
    t_sleep_ms(20);
    ASSERT_EQ(write_48((long)(intptr_t)arg, "y", 1L), 1);
    return NULL;
}

TEST(site_becomes_hot_below_a_blocked_call)
{
    for (int i = 0; i < 3; i++) {
        pid_t pid = t_fork();

        if (pid == 0) {
            pthread_t th;
            int p[2];
            char c = 0;

            ASSERT_OK(pipe(p));
            t_handle(SIGALRM, on_tick, SA_RESTART);
            tick(3000);
            ASSERT_EQ(pthread_create(&th, NULL, late_heat, (void *)(intptr_t)p[1]), 0);
            if (i == 1)
                EXPECT_EQ(callsite_nr((void *)cmp_4095, NR_READ, p[0], (long)(intptr_t)&c, 1), 1);
            else
                EXPECT_EQ(read_b8(p[0], &c, 1L), 1);
            EXPECT_EQ(c, 'y');
            pthread_join(th, NULL);
            CHILD_EXIT();
        }
        EXPECT_EXIT(pid, 0);
    }
}

/* A signal that is sent to oneself is taken before the next instruction. */
static volatile sig_atomic_t g_own;

static void on_own(int sig T_UNUSED)
{
    g_own++;
}

TEST(signal_to_oneself_is_taken_at_once)
{
    pid_t pid = getpid(), tid = (pid_t)syscall(SYS_gettid);

    t_handle(SIGUSR2, on_own, 0);
    for (int i = 0; i < WARM; i++) {
        ASSERT_EQ(callsite_nr((void *)cmp_4095, SYS_tgkill, pid, tid, SIGUSR2), 0);
        ASSERT_EQ(g_own, i + 1);
    }
}

/* A loop of calls that the kernel need not see must still end when it is told to. */
TEST(kill_reaches_a_tight_loop)
{
    for (int i = 0; i < 5; i++) {
        struct t_gate gate;
        pid_t pid;

        t_gate_init(&gate);
        pid = t_fork();
        if (pid == 0) {
            for (int k = 0; k < WARM; k++)
                getppid_b8(0);
            t_gate_post(&gate);
            for (;;)
                getppid_b8(0);
        }
        t_gate_wait(&gate);
        t_sleep_ms(i);
        EXPECT_OK(kill(pid, i % 2 ? SIGKILL : SIGTERM));
        EXPECT_KILLED(pid, i % 2 ? SIGKILL : SIGTERM);
    }
}

TEST(stop_and_continue_a_tight_loop)
{
    struct t_gate gate;
    int status;
    pid_t pid;

    t_gate_init(&gate);
    pid = t_fork();
    if (pid == 0) {
        for (int k = 0; k < WARM; k++)
            getppid_b8(0);
        t_gate_post(&gate);
        for (;;)
            getppid_b8(0);
    }
    t_gate_wait(&gate);
    for (int i = 0; i < 5; i++) {
        EXPECT_OK(kill(pid, SIGSTOP));
        EXPECT_EQ(waitpid(pid, &status, WUNTRACED), pid);
        EXPECT(WIFSTOPPED(status));
        EXPECT_OK(kill(pid, SIGCONT));
        EXPECT_EQ(waitpid(pid, &status, WCONTINUED), pid);
        EXPECT(WIFCONTINUED(status));
    }
    EXPECT_OK(kill(pid, SIGKILL));
    EXPECT_KILLED(pid, SIGKILL);
}

/* ---- flags that a system call leaves alone --------------------------------------------------------- */

#define FLAG_DF 0x400ul
#define FLAG_AC 0x40000ul
#define KEPT (FLAG_DF | FLAG_AC)

static volatile greg_t g_seen, g_toggle;

static void on_flags(int sig T_UNUSED, siginfo_t *si T_UNUSED, void *uc)
{
    greg_t *r = ((ucontext_t *)uc)->uc_mcontext.gregs;

    g_seen = r[REG_EFL];
    r[REG_EFL] ^= g_toggle;
}

/* tgkill() of oneself with these flags; those that are set afterwards. */
static unsigned long flags_after(const void *fn, long nr, unsigned long flags)
{
    long ret = nr, pid = getpid(), tid = g_target, sig = SIGUSR1;
    unsigned long before = flags | 0x202, after;

    __asm__ volatile("sub $128, %%rsp\n"
                     "push %[before]\n"
                     "popfq\n"
                     "call *%[fn]\n"
                     "pushfq\n"
                     "pop %[after]\n"
                     "push $0x202\n"
                     "popfq\n"
                     "add $128, %%rsp\n"
                     : "+a"(ret), "+D"(pid), "+S"(tid), "+d"(sig), [after] "=&r"(after)
                     : [fn] "r"(fn), [before] "r"(before)
                     : "rcx", "r11", "memory", "cc");
    EXPECT_EQ(ret, 0);
    return after & KEPT;
}

CALLSITE_B8(tgkill_b8, 234);

static void check_flags(const void *fn, long nr)
{
    static const unsigned long sets[] = {0, FLAG_DF, FLAG_AC, KEPT};

    for (size_t i = 0; i < ARRAY_LEN(sets); i++)
        for (size_t k = 0; k < ARRAY_LEN(sets); k++) {
            g_toggle = (greg_t)sets[k];
            g_seen = 0;
            EXPECT_EQ(flags_after(fn, nr, sets[i]), sets[i] ^ sets[k]);
            EXPECT_EQ((unsigned long)g_seen & KEPT, sets[i]);
        }
}

TEST(handlers_see_and_change_all_flags)
{
    g_target = (pid_t)syscall(SYS_gettid);
    t_handle_info(SIGUSR1, on_flags, 0);
    for (int i = 0; i < WARM; i++) {
        ASSERT_EQ(callsite_nr((void *)cmp_4095, SYS_tgkill, getpid(), g_target, 0), 0);
        ASSERT_EQ(callsite_nr((void *)tgkill_b8, SYS_tgkill, getpid(), g_target, 0), 0);
    }
    check_flags((void *)cmp_4095, SYS_tgkill);
    check_flags((void *)tgkill_b8, SYS_tgkill);
}

/* A child goes on with all of them. */
TEST(fork_at_a_hot_site_keeps_all_flags)
{
    for (int i = 0; i < HOT; i++)
        ASSERT_EQ(callsite_nr((void *)cmp_4095, NR_CLOSE, -1, 0, 0), -EBADF);
    for (int i = 0; i < 3; i++) {
        unsigned long after;
        long ret = NR_FORK;

        __asm__ volatile("sub $128, %%rsp\n"
                         "push $0x40602\n"
                         "popfq\n"
                         "call *%[fn]\n"
                         "pushfq\n"
                         "pop %[after]\n"
                         "push $0x202\n"
                         "popfq\n"
                         "add $128, %%rsp\n"
                         : "+a"(ret), [after] "=&r"(after)
                         : [fn] "r"((void *)cmp_4095)
                         : "rcx", "r11", "memory", "cc");
        if (ret == 0)
            _exit((after & KEPT) == KEPT ? 7 : 8);
        EXPECT_EQ(after & KEPT, KEPT);
        EXPECT_EXIT((pid_t)ret, 7);
    }
}
