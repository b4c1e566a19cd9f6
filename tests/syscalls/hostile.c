/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Races and tricks of programs that mean harm: what must neither shake the kernel nor hand one
 * process what belongs to another.
 */
#include "harness.h"
#include <sys/mount.h>

#define RACE_MS 400
#define STACK_SIZE (64 << 10)

static atomic_bool g_stop;

static pthread_t start(void *(*fn)(void *), void *arg)
{
    pthread_t th;

    ASSERT_EQ(pthread_create(&th, NULL, fn, arg), 0);
    return th;
}

/* Lets the threads run for a while, then ends them. */
static void race(pthread_t *th, int n)
{
    t_sleep_ms(RACE_MS);
    atomic_store(&g_stop, true);
    for (int i = 0; i < n; i++)
        pthread_join(th[i], NULL);
}

/* ---- signal actions over an exec ---------------------------------------------------------------- */

static int g_go[2], g_done[2];

static int clone_pauses(void *arg T_UNUSED)
{
    for (;;)
        pause();
    return 0;
}

static int clone_changes_action(void *arg T_UNUSED)
{
    char c = 0;

    if (read(g_go[0], &c, 1) == 1) {
        signal(SIGUSR1, SIG_IGN);
        if (write(g_done[1], &c, 1) != 1)
            _exit(1);
    }
    _exit(0);
}

static pid_t clone_sighand(int (*fn)(void *))
{
    char *stack = mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
                       0);

    ASSERT(stack != MAP_FAILED);
    return clone(fn, stack + STACK_SIZE, CLONE_VM | CLONE_SIGHAND | SIGCHLD, NULL);
}

HELPER(sighand_last)
{
    struct sigaction sa;
    char c = 1;

    if (write(atoi(argv[1]), &c, 1) != 1 || read(atoi(argv[2]), &c, 1) != 1)
        return 2;
    sigaction(SIGUSR1, NULL, &sa);
    return sa.sa_handler == SIG_DFL ? 0 : 1;
}

HELPER(sighand_second)
{
    pid_t first = atoi(argv[1]);
    char go[12], done[12];

    kill(first, SIGKILL);
    if (waitpid(first, NULL, __WALL) != first || pipe(g_go) || pipe(g_done))
        return 3;
    if (clone_sighand(clone_changes_action) < 0)
        return 4;
    snprintf(go, sizeof(go), "%d", g_go[1]);
    snprintf(done, sizeof(done), "%d", g_done[0]);
    execl("/proc/self/exe", "prog", "--helper", "sighand_last", go, done, (char *)NULL);
    return 5;
}

/* An image that was just started shares its actions with nobody, the second time too. */
TEST(exec_twice_unshares_signal_actions)
{
    pid_t pid = t_fork();

    if (pid == 0) {
        char num[12];

        snprintf(num, sizeof(num), "%d", clone_sighand(clone_pauses));
        execl(t_self, "prog", "--helper", "sighand_second", num, (char *)NULL);
        _exit(6);
    }
    EXPECT_EXIT(pid, 0);
}

/* ---- holes under the feet of writers ------------------------------------------------------------ */

#define HOLE_FILE (1 << 20)

struct hole {
    int fd;
    char *map;
};

static void *write_file(void *arg)
{
    struct hole *h = arg;
    static char buf[256 << 10];

    memset(buf, 0xee, sizeof(buf));
    for (unsigned i = 0; !atomic_load(&g_stop); i++) {
        off_t at = (off_t)(i * 37 % 12) * (64 << 10);

        EXPECT_EQ(pwrite(h->fd, buf, sizeof(buf), at), (ssize_t)sizeof(buf));
    }
    return NULL;
}

static void *punch_file(void *arg)
{
    struct hole *h = arg;

    for (unsigned i = 0; !atomic_load(&g_stop); i++)
        EXPECT_OK(madvise(h->map + (i * 7 % 16) * (64 << 10), 64 << 10, MADV_REMOVE));
    return NULL;
}

/* Memory that the holes give back must not be written to as part of the file any more. */
static void *watch_memory(void *arg T_UNUSED)
{
    size_t n = 512 << 10;

    while (!atomic_load(&g_stop)) {
        char *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        ASSERT(p != MAP_FAILED);
        memset(p, 0x5a, n);
        for (size_t i = 0; i < n; i += 512)
            ASSERT_EQ(p[i], 0x5a);
        munmap(p, n);
    }
    return NULL;
}

TEST(madvise_remove_races_write)
{
    struct hole h = {.fd = memfd_create("hole", 0)};
    pthread_t th[4];

    ASSERT_OK(h.fd);
    ASSERT_OK(ftruncate(h.fd, HOLE_FILE));
    h.map = mmap(NULL, HOLE_FILE, PROT_READ | PROT_WRITE, MAP_SHARED, h.fd, 0);
    ASSERT(h.map != MAP_FAILED);
    th[0] = start(write_file, &h);
    th[1] = start(punch_file, &h);
    th[2] = start(watch_memory, NULL);
    th[3] = start(write_file, &h);
    race(th, 4);
}

/* ---- O_ASYNC ------------------------------------------------------------------------------------ */

static void *toggle_async(void *arg)
{
    int fd = *(int *)arg;

    while (!atomic_load(&g_stop)) {
        fcntl(fd, F_SETFL, O_NONBLOCK | O_ASYNC);
        fcntl(fd, F_SETFL, O_NONBLOCK);
    }
    return NULL;
}

static void *use_pipe(void *arg)
{
    int *p = arg;
    char c = 0;

    while (!atomic_load(&g_stop)) {
        EXPECT_EQ(write(p[1], &c, 1), 1);
        EXPECT_EQ(read(p[0], &c, 1), 1);
    }
    return NULL;
}

TEST(async_toggled_by_threads)
{
    pthread_t th[3];
    int p[2];

    signal(SIGIO, SIG_IGN);
    ASSERT_OK(pipe(p));
    fcntl(p[0], F_SETOWN, getpid());
    th[0] = start(toggle_async, &p[0]);
    th[1] = start(toggle_async, &p[0]);
    th[2] = start(use_pipe, p);
    race(th, 3);
}

/* ---- a child that is taken back ----------------------------------------------------------------- */

static void *read_proc(void *arg T_UNUSED)
{
    static const char *const files[] = {"maps", "cmdline", "status", "fd", "cwd", "mounts"};
    char path[64], buf[4096];
    pid_t me = getpid();

    while (!atomic_load(&g_stop)) {
        for (pid_t pid = me; pid < me + 400 && !atomic_load(&g_stop); pid++) {
            int fd;

            snprintf(path, sizeof(path), "/proc/%d/%s", pid, files[pid % (pid_t)ARRAY_LEN(files)]);
            fd = open(path, O_RDONLY);
            if (fd < 0)
                continue;
            while (read(fd, buf, sizeof(buf)) > 0)
                ;
            close(fd);
        }
    }
    return NULL;
}

TEST(clone_pidfd_to_bad_address)
{
    long long end = t_now_ms() + RACE_MS;
    pthread_t th[2];

    th[0] = start(read_proc, NULL);
    th[1] = start(read_proc, NULL);
    while (t_now_ms() < end) {
        long r = syscall(SYS_clone, CLONE_PIDFD | SIGCHLD, NULL, (void *)8, NULL, 0);

        if (r == 0)
            _exit(0); /* must not run */
        EXPECT_EQ(r, -1);
        EXPECT_EQ(errno, EFAULT);
    }
    atomic_store(&g_stop, true);
    for (int i = 0; i < 2; i++)
        pthread_join(th[i], NULL);
    EXPECT_ERRNO(waitpid(-1, NULL, WNOHANG), ECHILD);
}

/* ---- seals -------------------------------------------------------------------------------------- */

static void *map_file(void *arg)
{
    return mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, *(int *)arg, 0);
}

/* Either the seal or the mapping comes too late; in no case can sealed contents change. */
TEST(seal_races_mapping)
{
    for (int i = 0; i < 300; i++) {
        int fd = memfd_create("sealed", MFD_ALLOW_SEALING);
        void *map = NULL;
        pthread_t th;
        char c = 1;
        int err;

        ASSERT_OK(ftruncate(fd, 4096));
        th = start(map_file, &fd);
        err = fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE);
        pthread_join(th, &map);
        if (err == 0 && map != MAP_FAILED) {
            pid_t pid = t_fork();

            if (pid == 0) {
                signal(SIGSEGV, SIG_DFL);
                *(volatile char *)map = 7;
                _exit(0);
            }
            t_wait(pid);
            EXPECT_EQ(pread(fd, &c, 1, 0), 1);
            EXPECT_EQ(c, 0);
        }
        if (map != MAP_FAILED)
            munmap(map, 4096);
        close(fd);
    }
}

/* ---- programs without a name -------------------------------------------------------------------- */

/* argv[0] is always there: a program that trusts it must not run into its environment. */
TEST(exec_without_arguments_gets_one)
{
    char *const none[] = {NULL}, *const env[] = {"CV_FIRST=1", NULL};
    pid_t pid = t_fork();

    if (pid == 0) {
        t_put_file("s", "#!/bin/sh\nexit 5\n", 0755);
        execve("./s", none, env);
        _exit(6);
    }
    EXPECT_EXIT(pid, 5);
}

/* ---- towers ------------------------------------------------------------------------------------- */

static pid_t fork_newns(void)
{
    return (pid_t)syscall(SYS_clone, CLONE_NEWNS | SIGCHLD, NULL, NULL, NULL, 0);
}

static void build_tower(void)
{
    pid_t pid;
    int n = 0;

    if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL))
        _exit(2);
    while (n < 3000 && mount("none", "m", "tmpfs", 0, "size=4k") == 0)
        n++;
    EXPECT(n > 100);
    EXPECT(n == 3000 || errno == ENOSPC);
    pid = fork_newns();
    if (pid == 0) {
        EXPECT_OK(umount2("m", MNT_DETACH));
        CHILD_EXIT();
    }
    EXPECT_EXIT(pid, 0);
    CHILD_EXIT();
}

/* However many there are: copying and removing the tree must end well. */
TEST_FLAGS(mounts_on_top_of_each_other, T_SLOW)
{
    int status;
    pid_t pid;

    NEED_ROOT();
    ASSERT_OK(mkdir("m", 0755));
    pid = fork_newns();
    if (pid == 0)
        build_tower();
    status = pid < 0 ? 2 : t_wait(pid);
    if (status == 2)
        SKIP("no mounts here");
    EXPECT_EQ(status, 0);
}
