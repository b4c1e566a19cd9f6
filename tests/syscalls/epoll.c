/* SPDX-License-Identifier: Apache-2.0 */
/* epoll. */
#include "harness.h"
#include <sys/epoll.h>
#include <sys/eventfd.h>

static int g_ep;

static void ctl(int op, int fd, uint32_t events)
{
    struct epoll_event ev = {.events = events, .data.u64 = (uint64_t)fd};
    ASSERT_OK(epoll_ctl(g_ep, op, fd, &ev));
}

static int wait_events(uint32_t *events, int timeout)
{
    struct epoll_event ev = {0};
    int n = epoll_wait(g_ep, &ev, 1, timeout);
    *events = n > 0 ? ev.events : 0;
    return n;
}

static void setup(int p[2])
{
    g_ep = epoll_create1(EPOLL_CLOEXEC);
    ASSERT_OK(g_ep);
    ASSERT_OK(pipe(p));
}

static void put(int fd)
{
    ASSERT_EQ(write(fd, "x", 1), 1);
}

static void take(int fd)
{
    char c;
    ASSERT_EQ(read(fd, &c, 1), 1);
}

TEST(epoll_level_triggered)
{
    int p[2];
    uint32_t ev;
    setup(p);
    ctl(EPOLL_CTL_ADD, p[0], EPOLLIN);
    EXPECT_EQ(wait_events(&ev, 0), 0);
    put(p[1]);
    EXPECT_EQ(wait_events(&ev, 0), 1);
    EXPECT_EQ(ev, EPOLLIN);
    EXPECT_EQ(wait_events(&ev, 0), 1);
    take(p[0]);
    EXPECT_EQ(wait_events(&ev, 0), 0);
}

TEST(epoll_edge_triggered)
{
    int p[2];
    uint32_t ev;
    setup(p);
    ctl(EPOLL_CTL_ADD, p[0], EPOLLIN | EPOLLET);
    put(p[1]);
    EXPECT_EQ(wait_events(&ev, 1000), 1);
    EXPECT_EQ(wait_events(&ev, 0), 0);
    put(p[1]);
    EXPECT_EQ(wait_events(&ev, 1000), 1);
    EXPECT_EQ(wait_events(&ev, 0), 0);
    /* Ready at the time of EPOLL_CTL_MOD: reported again. */
    ctl(EPOLL_CTL_MOD, p[0], EPOLLIN | EPOLLET);
    EXPECT_EQ(wait_events(&ev, 0), 1);
}

TEST(epoll_edge_reported_when_added_ready)
{
    int p[2];
    uint32_t ev;
    setup(p);
    put(p[1]);
    ctl(EPOLL_CTL_ADD, p[0], EPOLLIN | EPOLLET);
    EXPECT_EQ(wait_events(&ev, 0), 1);
    EXPECT_EQ(wait_events(&ev, 0), 0);
}

TEST(epoll_oneshot)
{
    int p[2];
    uint32_t ev;
    setup(p);
    ctl(EPOLL_CTL_ADD, p[0], EPOLLIN | EPOLLONESHOT);
    put(p[1]);
    EXPECT_EQ(wait_events(&ev, 0), 1);
    put(p[1]);
    EXPECT_EQ(wait_events(&ev, 0), 0);
    ctl(EPOLL_CTL_MOD, p[0], EPOLLIN | EPOLLONESHOT);
    EXPECT_EQ(wait_events(&ev, 0), 1);
}

TEST(epoll_hup_and_err_always_reported)
{
    int p[2];
    uint32_t ev;
    setup(p);
    ctl(EPOLL_CTL_ADD, p[0], 0);
    close(p[1]);
    EXPECT_EQ(wait_events(&ev, 0), 1);
    EXPECT_EQ(ev, EPOLLHUP);
    setup(p);
    ctl(EPOLL_CTL_ADD, p[1], EPOLLOUT);
    close(p[0]);
    EXPECT_EQ(wait_events(&ev, 0), 1);
    EXPECT_EQ(ev, EPOLLOUT | EPOLLERR);
}

TEST(epoll_rdhup)
{
    int sv[2];
    uint32_t ev;
    g_ep = epoll_create1(0);
    ASSERT_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, sv));
    ctl(EPOLL_CTL_ADD, sv[0], EPOLLIN | EPOLLRDHUP);
    ASSERT_OK(shutdown(sv[1], SHUT_WR));
    EXPECT_EQ(wait_events(&ev, 1000), 1);
    EXPECT_EQ(ev, EPOLLIN | EPOLLRDHUP);
}

TEST(epoll_ctl_errors)
{
    int p[2], f = open("f", O_CREAT | O_RDWR, 0644);
    struct epoll_event ev = {.events = EPOLLIN};
    setup(p);
    ctl(EPOLL_CTL_ADD, p[0], EPOLLIN);
    EXPECT_ERRNO(epoll_ctl(g_ep, EPOLL_CTL_ADD, p[0], &ev), EEXIST);
    EXPECT_ERRNO(epoll_ctl(g_ep, EPOLL_CTL_MOD, p[1], &ev), ENOENT);
    EXPECT_ERRNO(epoll_ctl(g_ep, EPOLL_CTL_DEL, p[1], &ev), ENOENT);
    EXPECT_ERRNO(epoll_ctl(g_ep, EPOLL_CTL_ADD, 900, &ev), EBADF);
    EXPECT_ERRNO(epoll_ctl(900, EPOLL_CTL_ADD, p[0], &ev), EBADF);
    EXPECT_ERRNO(epoll_ctl(g_ep, EPOLL_CTL_ADD, f, &ev), EPERM);
    EXPECT_ERRNO(epoll_ctl(g_ep, EPOLL_CTL_ADD, g_ep, &ev), EINVAL);
    EXPECT_ERRNO(epoll_ctl(p[0], EPOLL_CTL_ADD, p[1], &ev), EINVAL);
    EXPECT_ERRNO(epoll_ctl(g_ep, 77, p[0], &ev), EINVAL);
    EXPECT_ERRNO(epoll_ctl(g_ep, EPOLL_CTL_ADD, p[1], NULL), EFAULT);
    EXPECT_OK(epoll_ctl(g_ep, EPOLL_CTL_DEL, p[0], NULL));
}

TEST(epoll_create_and_wait_errors)
{
    struct epoll_event ev;
    int ep = epoll_create(1);
    ASSERT_OK(ep);
    EXPECT_ERRNO(epoll_create(0), EINVAL);
    EXPECT_ERRNO(epoll_create1(0x100), EINVAL);
    EXPECT_ERRNO(epoll_wait(ep, &ev, 0, 0), EINVAL);
    EXPECT_ERRNO(epoll_wait(ep, &ev, -1, 0), EINVAL);
    EXPECT_ERRNO(epoll_wait(900, &ev, 1, 0), EBADF);
    EXPECT_ERRNO(epoll_wait(0, &ev, 1, 0), EINVAL);
}

TEST(epoll_timeout)
{
    int p[2];
    uint32_t ev;
    setup(p);
    ctl(EPOLL_CTL_ADD, p[0], EPOLLIN);
    long long t0 = t_now_ms();
    EXPECT_EQ(wait_events(&ev, 40), 0);
    EXPECT(t_now_ms() - t0 >= 39);
}

TEST(epoll_wakes_on_event)
{
    int p[2];
    uint32_t ev;
    setup(p);
    ctl(EPOLL_CTL_ADD, p[0], EPOLLIN);
    pid_t pid = t_fork();
    if (pid == 0) {
        t_sleep_ms(30);
        put(p[1]);
        _exit(0);
    }
    EXPECT_EQ(wait_events(&ev, -1), 1);
    EXPECT_EXIT(pid, 0);
}

TEST(epoll_closed_descriptor_is_removed)
{
    int p[2];
    uint32_t ev;
    setup(p);
    put(p[1]);
    ctl(EPOLL_CTL_ADD, p[0], EPOLLIN);
    close(p[0]);
    EXPECT_EQ(wait_events(&ev, 0), 0);
}

TEST(epoll_entry_lives_as_long_as_description)
{
    int p[2];
    uint32_t ev;
    setup(p);
    put(p[1]);
    ctl(EPOLL_CTL_ADD, p[0], EPOLLIN);
    int d = dup(p[0]);
    close(p[0]);
    EXPECT_EQ(wait_events(&ev, 0), 1);
    close(d);
    EXPECT_EQ(wait_events(&ev, 0), 0);
}

TEST(epoll_dup_may_be_added_too)
{
    int p[2];
    struct epoll_event ev[4];
    setup(p);
    int d = dup(p[0]);
    ctl(EPOLL_CTL_ADD, p[0], EPOLLIN);
    ctl(EPOLL_CTL_ADD, d, EPOLLIN);
    put(p[1]);
    EXPECT_EQ(epoll_wait(g_ep, ev, 4, 0), 2);
}

TEST(epoll_nested)
{
    int p[2], outer = epoll_create1(0);
    uint32_t e;
    setup(p);
    struct epoll_event ev = {.events = EPOLLIN};
    ASSERT_OK(epoll_ctl(outer, EPOLL_CTL_ADD, g_ep, &ev));
    ctl(EPOLL_CTL_ADD, p[0], EPOLLIN);
    EXPECT_EQ(epoll_wait(outer, &ev, 1, 0), 0);
    put(p[1]);
    EXPECT_EQ(epoll_wait(outer, &ev, 1, 1000), 1);
    EXPECT_EQ(wait_events(&e, 0), 1);
    take(p[0]);
    EXPECT_EQ(epoll_wait(outer, &ev, 1, 0), 0);
    EXPECT_ERRNO(epoll_ctl(g_ep, EPOLL_CTL_ADD, outer, &ev), ELOOP);
    struct pollfd pf = {g_ep, POLLIN, 0};
    EXPECT_EQ(poll(&pf, 1, 0), 0);
    put(p[1]);
    EXPECT_EQ(poll(&pf, 1, 0), 1);
}

TEST(epoll_many_descriptors_round_robin)
{
    struct epoll_event ev[16];
    int fds[40], seen[40] = {0};
    g_ep = epoll_create1(0);
    for (int i = 0; i < 40; i++) {
        fds[i] = eventfd(1, 0);
        struct epoll_event e = {.events = EPOLLIN, .data.u32 = (uint32_t)i};
        ASSERT_OK(epoll_ctl(g_ep, EPOLL_CTL_ADD, fds[i], &e));
    }
    /* With fewer slots than ready descriptors, all get their turn. */
    for (int r = 0; r < 3; r++) {
        int n = epoll_wait(g_ep, ev, 16, 0);
        EXPECT_EQ(n, 16);
        for (int i = 0; i < n; i++)
            seen[ev[i].data.u32]++;
    }
    for (int i = 0; i < 40; i++)
        EXPECT(seen[i] >= 1);
}

TEST(epoll_data_is_returned)
{
    int p[2];
    struct epoll_event ev = {.events = EPOLLOUT, .data.u64 = 0x1122334455667788ULL};
    setup(p);
    ASSERT_OK(epoll_ctl(g_ep, EPOLL_CTL_ADD, p[1], &ev));
    ev.data.u64 = 0;
    EXPECT_EQ(epoll_wait(g_ep, &ev, 1, 0), 1);
    EXPECT_EQ(ev.data.u64, 0x1122334455667788ULL);
}

TEST(epoll_exclusive)
{
    int p[2];
    uint32_t ev;
    struct epoll_event e = {.events = EPOLLIN | EPOLLEXCLUSIVE};
    setup(p);
    ASSERT_OK(epoll_ctl(g_ep, EPOLL_CTL_ADD, p[0], &e));
    EXPECT_ERRNO(epoll_ctl(g_ep, EPOLL_CTL_MOD, p[0], &e), EINVAL);
    put(p[1]);
    EXPECT_EQ(wait_events(&ev, 0), 1);
    e.events = EPOLLIN | EPOLLEXCLUSIVE | EPOLLONESHOT;
    EXPECT_ERRNO(epoll_ctl(g_ep, EPOLL_CTL_ADD, p[1], &e), EINVAL);
}

static void on_usr(int sig T_UNUSED)
{
}

TEST(epoll_pwait_mask)
{
    int p[2];
    struct epoll_event ev;
    sigset_t none;
    setup(p);
    t_handle(SIGUSR1, on_usr, 0);
    t_block(SIGUSR1);
    raise(SIGUSR1);
    sigemptyset(&none);
    EXPECT_ERRNO(epoll_pwait(g_ep, &ev, 1, 10000, &none), EINTR);
    raise(SIGUSR1);
    EXPECT_EQ(epoll_pwait(g_ep, &ev, 1, 1, NULL), 0);
    EXPECT_ERRNO(syscall(SYS_epoll_pwait, g_ep, &ev, 1, 0, &none, 4), EINVAL);
}

static atomic_int g_taken;
static int g_efd;

static void *consumer(void *arg)
{
    struct epoll_event ev;
    for (;;) {
        uint64_t v;
        int n = epoll_wait(g_ep, &ev, 1, 10000);
        if (n != 1)
            return (void *)1;
        if (ev.data.fd != g_efd)
            return arg;
        if (read(g_efd, &v, 8) == 8)
            atomic_fetch_add(&g_taken, (int)v);
    }
}

TEST(epoll_many_threads)
{
    pthread_t t[4];
    int stop = eventfd(0, EFD_NONBLOCK);
    uint64_t one = 1;
    g_ep = epoll_create1(0);
    g_efd = eventfd(0, EFD_NONBLOCK | EFD_SEMAPHORE);
    struct epoll_event ev = {.events = EPOLLIN, .data.fd = g_efd};
    ASSERT_OK(epoll_ctl(g_ep, EPOLL_CTL_ADD, g_efd, &ev));
    for (int i = 0; i < 4; i++)
        ASSERT_EQ(pthread_create(&t[i], NULL, consumer, NULL), 0);
    for (int i = 0; i < 100; i++)
        ASSERT_EQ(write(g_efd, &one, 8), 8);
    for (int i = 0; i < 1000 && atomic_load(&g_taken) < 100; i++)
        t_sleep_ms(5);
    EXPECT_EQ(atomic_load(&g_taken), 100);
    ev.data.fd = stop;
    ASSERT_OK(epoll_ctl(g_ep, EPOLL_CTL_ADD, stop, &ev));
    ASSERT_EQ(write(stop, &one, 8), 8);
    for (int i = 0; i < 4; i++) {
        void *res;
        ASSERT_EQ(pthread_join(t[i], &res), 0);
        EXPECT(res == NULL);
    }
}

TEST(epoll_et_wakes_for_space)
{
    int p[2];
    char buf[4096] = {0};
    uint32_t ev;
    setup(p);
    fcntl(p[1], F_SETFL, O_NONBLOCK);
    ctl(EPOLL_CTL_ADD, p[1], EPOLLOUT | EPOLLET);
    EXPECT_EQ(wait_events(&ev, 0), 1);
    while (write(p[1], buf, sizeof(buf)) > 0)
        ;
    EXPECT_EQ(wait_events(&ev, 0), 0);
    for (int i = 0; i < 16; i++)
        ASSERT(read(p[0], buf, sizeof(buf)) > 0);
    EXPECT_EQ(wait_events(&ev, 1000), 1);
    EXPECT_EQ(ev, EPOLLOUT);
}
