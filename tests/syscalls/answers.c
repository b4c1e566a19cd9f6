/* SPDX-License-Identifier: Apache-2.0 */
/* Calls whose results a sandbox may keep at hand (getpid, getppid, getuid, ...): they change at once, for all
 * whom a change concerns and for nobody else, also where they were made thousands of times before. */
#include "callsite.h"
#include <linux/sched.h>
#include <sys/prctl.h>

CALLSITE_B8(a_getpid, 39);
CALLSITE_B8(a_gettid, 186);
CALLSITE_48(a_getppid, 110);
CALLSITE_B8(a_getuid, 102);
CALLSITE_48(a_geteuid, 107);
CALLSITE_B8(a_getgid, 104);
CALLSITE_48(a_getegid, 108);
CALLSITE_B8(a_getpgrp, 111);

struct ids {
    long pid, tid, ppid, uid, euid, gid, egid, pgrp;
};

static struct ids ids_now(void)
{
    return (struct ids){a_getpid(0),  a_gettid(0), a_getppid(0), a_getuid(0),
                        a_geteuid(0), a_getgid(0), a_getegid(0), a_getpgrp(0)};
}

/* By ways that are no answers. */
static struct ids ids_slow(void)
{
    uid_t r, e, s;
    struct ids id = {.pid = -1};
    char buf[1024], *p;

    ASSERT(t_get_file("/proc/thread-self/stat", buf, sizeof(buf)) > 0);
    p = strrchr(buf, ')');
    ASSERT(p != NULL);
    id.tid = atol(buf);
    ASSERT_EQ(sscanf(p + 2, "%*c %ld %ld", &id.ppid, &id.pgrp), 2);
    ASSERT(t_get_file("/proc/self/stat", buf, sizeof(buf)) > 0);
    id.pid = atol(buf);
    ASSERT_OK(syscall(SYS_getresuid, &r, &e, &s));
    id.uid = r;
    id.euid = e;
    ASSERT_OK(syscall(SYS_getresgid, &r, &e, &s));
    id.gid = r;
    id.egid = e;
    return id;
}

static void check_line(int line, struct ids want, int rounds)
{
    for (int i = 0; i < rounds; i++) {
        struct ids got = ids_now();

        if (memcmp(&got, &want, sizeof(got)) == 0)
            continue;
        t_fail(__FILE__, line,
               "round %d: pid %ld %ld, tid %ld %ld, ppid %ld %ld, uid %ld %ld, euid %ld %ld, "
               "gid %ld %ld, egid %ld %ld, pgrp %ld %ld",
               i, got.pid, want.pid, got.tid, want.tid, got.ppid, want.ppid, got.uid, want.uid,
               got.euid, want.euid, got.gid, want.gid, got.egid, want.egid, got.pgrp, want.pgrp);
        return;
    }
}
#define CHECK(want, rounds) check_line(__LINE__, want, rounds)
/* Now as the slow ways say, and then often. */
#define CHECK_NOW() check_line(__LINE__, ids_slow(), WARM)

TEST(answers_are_right)
{
    CHECK(ids_slow(), HOT);
    CHECK_NOW();
}

TEST(answers_after_fork)
{
    struct ids parent = ids_slow(), child;

    CHECK(parent, WARM);
    for (int i = 0; i < 10; i++) {
        int p[2];
        pid_t pid, told;

        ASSERT_OK(pipe(p));
        pid = t_fork();
        if (pid == 0) {
            ASSERT_EQ(read(p[0], &told, sizeof(told)), sizeof(told));
            child = parent;
            child.pid = child.tid = told;
            child.ppid = parent.pid;
            CHECK(child, WARM);
            CHECK_NOW();
            CHILD_EXIT();
        }
        ASSERT_EQ(write(p[1], &pid, sizeof(pid)), sizeof(pid));
        CHECK(parent, 10);
        EXPECT_EXIT(pid, 0);
        CHECK(parent, 10);
        close(p[0]);
        close(p[1]);
    }
}

TEST(answers_after_vfork)
{
    struct ids parent = ids_slow(), child;
    volatile struct ids first, last;

    CHECK(parent, WARM);
    for (int i = 0; i < 20; i++) {
        pid_t pid = vfork();

        if (pid == 0) {
            first = ids_now();
            for (int k = 0; k < 20; k++)
                last = ids_now();
            _exit(0);
        }
        ASSERT(pid > 0);
        CHECK(parent, 10);
        EXPECT_EXIT(pid, 0);
        child = parent;
        child.pid = child.tid = pid;
        child.ppid = parent.pid;
        EXPECT(memcmp((const void *)&first, &child, sizeof(child)) == 0);
        EXPECT(memcmp((const void *)&last, &child, sizeof(child)) == 0);
    }
}

/* ---- threads ----------------------------------------------------------------------------------- */

static struct ids g_main;

static void *look(void *arg)
{
    struct ids want = g_main;

    want.tid = syscall(SYS_gettid);
    *(long *)arg = a_gettid(0);
    EXPECT(want.tid != g_main.tid);
    CHECK(want, WARM);
    CHECK_NOW();
    return NULL;
}

TEST(answers_in_threads)
{
    long tid[4];
    pthread_t th[4];

    g_main = ids_slow();
    CHECK(g_main, WARM);
    for (int i = 0; i < 4; i++)
        ASSERT_EQ(pthread_create(&th[i], NULL, look, &tid[i]), 0);
    CHECK(g_main, WARM);
    for (int i = 0; i < 4; i++)
        pthread_join(th[i], NULL);
    for (int i = 0; i < 4; i++)
        for (int k = 0; k < i; k++)
            EXPECT(tid[i] != tid[k]);
}

/* Threads come and go: a new one has nothing of those before it. */
TEST(answers_in_many_short_threads)
{
    g_main = ids_slow();
    for (int i = 0; i < 40; i++) {
        pthread_t th;
        long tid;

        ASSERT_EQ(pthread_create(&th, NULL, look, &tid), 0);
        pthread_join(th, NULL);
    }
    CHECK(g_main, WARM);
}

/* ---- credentials -------------------------------------------------------------------------------- */

static void *change_own(void *arg)
{
    struct ids want = g_main;

    want.tid = syscall(SYS_gettid);
    CHECK(want, WARM);
    ASSERT_EQ(syscall(SYS_setresgid, 1001, 1002, 1003), 0);
    want.gid = 1001;
    want.egid = 1002;
    CHECK(want, WARM);
    ASSERT_EQ(syscall(SYS_setresuid, -1, 1005, -1), 0);
    want.euid = 1005;
    CHECK(want, WARM);
    ASSERT_EQ(syscall(SYS_setreuid, 1005, 0), 0);
    want.uid = 1005;
    want.euid = 0;
    CHECK(want, WARM);
    ASSERT_EQ(syscall(SYS_setuid, 1007), 0);
    want.uid = want.euid = 1007;
    CHECK(want, WARM);
    CHECK_NOW();
    t_gate_post(arg);
    return NULL;
}

TEST(answers_after_a_thread_changed_its_ids)
{
    struct t_gate gate;
    pthread_t th;

    NEED_ROOT();
    t_gate_init(&gate);
    g_main = ids_slow();
    CHECK(g_main, WARM);
    ASSERT_EQ(pthread_create(&th, NULL, change_own, &gate), 0);
    t_gate_wait(&gate);
    CHECK(g_main, WARM);
    pthread_join(th, NULL);
    CHECK(g_main, WARM);
    CHECK_NOW();
}

TEST(answers_after_each_change_of_an_id)
{
    NEED_ROOT();
    for (unsigned i = 1; i < 50; i++) {
        ASSERT_EQ(syscall(SYS_setresuid, i, i + 1, 0), 0);
        ASSERT_EQ(a_getuid(0), i);
        ASSERT_EQ(a_geteuid(0), i + 1);
        ASSERT_EQ(syscall(SYS_setresuid, -1, 0, -1), 0);
        ASSERT_EQ(a_geteuid(0), 0);
        ASSERT_EQ(syscall(SYS_setgid, 100 + i), 0);
        ASSERT_EQ(a_getgid(0), 100 + i);
        ASSERT_EQ(a_getegid(0), 100 + i);
        ASSERT_EQ(syscall(SYS_setregid, 200 + i, 300 + i), 0);
        ASSERT_EQ(a_getgid(0), 200 + i);
        ASSERT_EQ(a_getegid(0), 300 + i);
    }
    /* An id that looks like an error to a careless reader. */
    ASSERT_EQ(syscall(SYS_setresuid, 0xfffffff0u, 0xfffffff0u, 0xfffffff0u), 0);
    for (int i = 0; i < WARM; i++)
        ASSERT_EQ(a_getuid(0), 0xfffffff0l);
    ASSERT_EQ(syscall(SYS_setresuid, 0, 0, 0), -1);
    EXPECT_EQ(a_getuid(0), 0xfffffff0l);
}

/* ---- parents -------------------------------------------------------------------------------------- */

struct family {
    struct t_gate ready, look;
    atomic_int ppid_seen, wrong, pdeath;
};

static struct family *g_family;
static long g_old_parent;

static void on_pdeath(int sig T_UNUSED)
{
    if (a_getppid(0) == g_old_parent)
        atomic_store(&g_family->wrong, 1);
    atomic_fetch_add(&g_family->pdeath, 1);
}

static void *orphan_thread(void *arg T_UNUSED)
{
    for (int i = 0; i < WARM; i++)
        ASSERT_EQ(a_getppid(0), g_old_parent);
    t_gate_post(&g_family->ready);
    t_gate_wait(&g_family->look);
    atomic_store(&g_family->ppid_seen, (int)a_getppid(0));
    if (a_getppid(0) == g_old_parent)
        atomic_store(&g_family->wrong, 2);
    return NULL;
}

/* Main has a child, that has an orphan with two threads. */
static void orphan(void)
{
    pthread_t th;

    g_old_parent = getppid();
    t_handle(SIGUSR1, on_pdeath, SA_RESTART);
    ASSERT_OK(prctl(PR_SET_PDEATHSIG, SIGUSR1));
    ASSERT_EQ(pthread_create(&th, NULL, orphan_thread, NULL), 0);
    orphan_thread(NULL);
    pthread_join(th, NULL);
    CHECK_NOW();
    CHILD_EXIT();
}

static struct family *family_new(void)
{
    struct family *f = mmap(NULL, sizeof(*f), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
                            -1, 0);

    ASSERT(f != MAP_FAILED);
    t_gate_init(&f->ready);
    t_gate_init(&f->look);
    g_family = f;
    return f;
}

TEST(answers_after_the_parent_s_death)
{
    pid_t self = getpid();

    ASSERT_OK(prctl(PR_SET_CHILD_SUBREAPER, 1));
    for (int round = 0; round < 10; round++) {
        struct family *f = family_new();
        struct t_gate die;
        pid_t child, grand;
        int p[2];

        t_gate_init(&die);
        ASSERT_OK(pipe(p));
        child = t_fork();
        if (child == 0) {
            grand = t_fork();
            if (grand == 0)
                orphan();
            ASSERT_EQ(write(p[1], &grand, sizeof(grand)), sizeof(grand));
            t_gate_wait(&die);
            _exit(0);
        }
        ASSERT_EQ(read(p[0], &grand, sizeof(grand)), sizeof(grand));
        t_gate_wait(&f->ready);
        t_gate_wait(&f->ready);
        t_gate_post(&die);
        EXPECT_EXIT(child, 0);
        t_gate_post(&f->look);
        t_gate_post(&f->look);
        EXPECT_EXIT(grand, 0);
        EXPECT_EQ(atomic_load(&f->ppid_seen), self);
        EXPECT_EQ(atomic_load(&f->wrong), 0);
        EXPECT_EQ(atomic_load(&f->pdeath), 1);
        for (int i = 0; i < 2; i++) {
            close(f->ready.fd[i]);
            close(f->look.fd[i]);
            close(die.fd[i]);
            close(p[i]);
        }
        munmap(f, sizeof(*f));
    }
}

/* The signal of the parent's death finds the child in a loop of the very call. */
TEST(answers_while_the_parent_dies)
{
    ASSERT_OK(prctl(PR_SET_CHILD_SUBREAPER, 1));
    for (int round = 0; round < 20; round++) {
        struct family *f = family_new();
        int p[2];
        pid_t child, grand;

        ASSERT_OK(pipe(p));
        child = t_fork();
        if (child == 0) {
            grand = t_fork();
            if (grand == 0) {
                g_old_parent = getppid();
                t_handle(SIGUSR1, on_pdeath, SA_RESTART);
                ASSERT_OK(prctl(PR_SET_PDEATHSIG, SIGUSR1));
                t_gate_post(&f->ready);
                while (!atomic_load(&f->pdeath)) {
                    long now = a_getppid(0);

                    /* Once it has changed it never changes back. */
                    if (now != g_old_parent && a_getppid(0) == g_old_parent)
                        atomic_store(&f->wrong, 3);
                }
                CHILD_EXIT();
            }
            ASSERT_EQ(write(p[1], &grand, sizeof(grand)), sizeof(grand));
            t_gate_wait(&f->ready);
            _exit(0);
        }
        ASSERT_EQ(read(p[0], &grand, sizeof(grand)), sizeof(grand));
        EXPECT_EXIT(child, 0);
        EXPECT_EXIT(grand, 0);
        EXPECT_EQ(atomic_load(&f->wrong), 0);
        for (int i = 0; i < 2; i++) {
            close(f->ready.fd[i]);
            close(f->look.fd[i]);
            close(p[i]);
        }
        munmap(f, sizeof(*f));
    }
}

TEST(answers_of_a_sibling)
{
    pid_t parent = getpid(), pid = t_fork();
    int p[2];

    ASSERT_OK(pipe(p));
    if (pid == 0)
        _exit(0);
    EXPECT_EXIT(pid, 0);
    pid = t_fork();
    if (pid == 0) {
        struct clone_args ca = {.flags = CLONE_PARENT};
        long c;

        CHECK_NOW();
        c = syscall(SYS_clone3, &ca, sizeof(ca));
        if (c == 0) {
            for (int i = 0; i < WARM; i++)
                ASSERT_EQ(a_getppid(0), parent);
            CHILD_EXIT();
        }
        ASSERT(c > 0);
        ASSERT_EQ(write(p[1], &c, sizeof(c)), sizeof(c));
        CHECK_NOW();
        CHILD_EXIT();
    }
    long sibling = 0;
    EXPECT_EXIT(pid, 0);
    ASSERT_EQ(read(p[0], &sibling, sizeof(sibling)), sizeof(sibling));
    EXPECT_EXIT((pid_t)sibling, 0);
}

/* ---- process groups ---------------------------------------------------------------------------------- */

static void *group_thread(void *arg)
{
    struct t_gate *g = arg;
    long old = a_getpgrp(0);

    for (int i = 0; i < WARM; i++)
        ASSERT_EQ(a_getpgrp(0), old);
    t_gate_post(&g[0]);
    t_gate_wait(&g[1]);
    EXPECT(a_getpgrp(0) != old);
    EXPECT_EQ(a_getpgrp(0), getpid());
    return NULL;
}

TEST(answers_after_setpgid_by_the_parent)
{
    struct t_gate g[2];
    pid_t pid;

    t_gate_init(&g[0]);
    t_gate_init(&g[1]);
    pid = t_fork();
    if (pid == 0) {
        pthread_t th;

        ASSERT_EQ(pthread_create(&th, NULL, group_thread, g), 0);
        group_thread(g);
        pthread_join(th, NULL);
        CHECK_NOW();
        CHILD_EXIT();
    }
    t_gate_wait(&g[0]);
    t_gate_wait(&g[0]);
    EXPECT_OK(setpgid(pid, 0));
    t_gate_post(&g[1]);
    t_gate_post(&g[1]);
    EXPECT_EXIT(pid, 0);
    EXPECT_EQ(a_getpgrp(0), getpgrp());
}

TEST(answers_after_setpgid_and_setsid)
{
    pid_t old = getpgrp(), pid = t_fork();

    if (pid == 0) {
        for (int i = 0; i < 50; i++) {
            ASSERT_EQ(a_getpgrp(0), old);
            ASSERT_OK(setpgid(0, 0));
            ASSERT_EQ(a_getpgrp(0), getpid());
            ASSERT_OK(setpgid(0, old));
        }
        CHECK_NOW();
        ASSERT_OK(setsid());
        ASSERT_EQ(a_getpgrp(0), getpid());
        CHECK_NOW();
        CHILD_EXIT();
    }
    EXPECT_EXIT(pid, 0);
    CHECK_NOW();
}

/* ---- exec --------------------------------------------------------------------------------------------- */

HELPER(ids)
{
    struct ids want = ids_slow();

    EXPECT_EQ(want.pid, atol(argv[1]));
    EXPECT_EQ(want.tid, atol(argv[1]));
    EXPECT_EQ(want.ppid, atol(argv[2]));
    CHECK(want, HOT);
    return g_t_failed ? 1 : 0;
}

static void exec_ids(void)
{
    char pid[16], ppid[16];

    snprintf(pid, sizeof(pid), "%d", getpid());
    snprintf(ppid, sizeof(ppid), "%d", getppid());
    execl(t_self, t_self, "--helper", "ids", pid, ppid, NULL);
    _exit(2);
}

static void *exec_thread(void *arg T_UNUSED)
{
    for (int i = 0; i < WARM; i++)
        ASSERT(a_gettid(0) != a_getpid(0));
    exec_ids();
    return NULL;
}

TEST(answers_after_exec)
{
    for (int i = 0; i < 4; i++) {
        pid_t pid = t_fork();

        if (pid == 0) {
            pthread_t th;

            CHECK_NOW();
            if (i % 2 == 0)
                exec_ids();
            ASSERT_EQ(pthread_create(&th, NULL, exec_thread, NULL), 0);
            for (;;)
                a_gettid(0);
        }
        EXPECT_EXIT(pid, 0);
    }
}
