/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptors and what is behind them: buffers that are hoarded, sockets in flight, chains, locks. */
#include "stress.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/un.h>

CASE(fd_exhaustion)
{
    struct rlimit r = {3000, 3000};
    int n = 0, fd;

    CHECK(setrlimit(RLIMIT_NOFILE, &r) == 0);
    while ((fd = open("/dev/null", O_RDONLY)) >= 0)
        n++;
    CHECK(errno == EMFILE && n > 2900 && n < 3000);
    CHECK(dup(0) < 0 && errno == EMFILE);
    CHECK(socket(AF_UNIX, SOCK_STREAM, 0) < 0 && errno == EMFILE);
    CHECK(epoll_create1(0) < 0 && errno == EMFILE);
    CHECK(fork() >= 0);
    CHECK(syscall(SYS_close_range, 3, ~0u, 0) == 0);
    CHECK(open("/dev/null", O_RDONLY) >= 0);
}

/* As many as root may have, of the cheapest kind. */
CASE(fd_million)
{
    int n, want = pick(1000000, 50000);

    raise_files();
    for (n = 3; n < want; n++)
        if (dup(0) < 0)
            break;
    CHECK(n == want || errno == EMFILE || errno == ENFILE || errno == ENOMEM);
    CHECK(dup2(0, want + 100) >= 0 || errno == EBADF || errno == ENOMEM);
    int pid = fork(); /* copies the table */
    CHECK(pid >= 0 || errno == ENOMEM);
}

/* Full pipes until nothing more is given. */
CASE(pipe_hoard)
{
    static char buf[1 << 20];
    int64_t end = now_ms() + pick(20000, 2500);
    int n = 0, p[2];

    raise_files();
    while (now_ms() < end && n < 20000) {
        if (pipe2(p, O_NONBLOCK) < 0)
            break;
        fcntl(p[0], F_SETPIPE_SZ, 1 << 20);
        while (write(p[1], buf, sizeof(buf)) > 0)
            ;
        n++;
    }
    printf("    %d full pipes, then %s\n", n,
           n == 20000 || now_ms() >= end ? "the end" : strerror(errno));
}

CASE(socket_hoard)
{
    static char buf[65536];
    int64_t end = now_ms() + pick(20000, 2500);
    int n = 0, s[2], big = 64 << 20;

    raise_files();
    while (now_ms() < end && n < 20000) {
        if (socketpair(AF_UNIX, (n & 1 ? SOCK_DGRAM : SOCK_STREAM) | SOCK_NONBLOCK, 0, s) < 0)
            break;
        setsockopt(s[0], SOL_SOCKET, SO_SNDBUF, &big, sizeof(big));
        setsockopt(s[1], SOL_SOCKET, SO_RCVBUF, &big, sizeof(big));
        for (int i = 0; i < 4000 && send(s[0], buf, n & 2 ? 1 : sizeof(buf), 0) > 0; i++)
            ;
        n++;
    }
    printf("    %d full socket pairs\n", n);
}

static int send_fd(int sock, int fd)
{
    char c = 0, ctl[CMSG_SPACE(sizeof(int))] = {0};
    struct iovec v = {&c, 1};
    struct msghdr m = {
        .msg_iov = &v, .msg_iovlen = 1, .msg_control = ctl, .msg_controllen = sizeof(ctl)};
    struct cmsghdr *h = CMSG_FIRSTHDR(&m);

    h->cmsg_level = SOL_SOCKET;
    h->cmsg_type = SCM_RIGHTS;
    h->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(h), &fd, sizeof(fd));
    return (int)sendmsg(sock, &m, MSG_DONTWAIT);
}

/* A socket in the queue of itself, and pairs that hold each other: garbage that must go. */
CASE(scm_rights_cycles)
{
    int n = pick(20000, 3000), s[2], t[2];

    for (int i = 0; i < n; i++) {
        CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0 &&
              socketpair(AF_UNIX, SOCK_DGRAM, 0, t) == 0);
        int r = send_fd(s[0], s[1]);
        CHECK(r == 1 || errno == ETOOMANYREFS || errno == EAGAIN);
        send_fd(s[0], t[0]), send_fd(t[0], s[0]), send_fd(t[1], s[1]), send_fd(s[1], t[1]);
        close(s[0]), close(s[1]), close(t[0]), close(t[1]);
    }
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0);
}

/* A chain: each socket lies in the queue of the one before. The last close frees them all, in one go. */
CASE(scm_rights_chain)
{
    int n = pick(100000, 20000), prev[2], next[2], i;

    CHECK(socketpair(AF_UNIX, SOCK_DGRAM, 0, prev) == 0);
    for (i = 0; i < n; i++) {
        CHECK(socketpair(AF_UNIX, SOCK_DGRAM, 0, next) == 0);
        if (send_fd(next[0], prev[0]) < 0 || send_fd(next[0], prev[1]) < 0) {
            CHECK(errno == ETOOMANYREFS || errno == EAGAIN || errno == ENOBUFS || errno == ENOMEM);
            break;
        }
        close(prev[0]), close(prev[1]);
        memcpy(prev, next, sizeof(prev));
    }
    printf("    chain of %d\n", i);
    close(prev[0]), close(prev[1]);
    CHECK(socketpair(AF_UNIX, SOCK_DGRAM, 0, prev) == 0);
}

/* Everything in flight: descriptors that nobody has open. */
CASE(scm_rights_hoard)
{
    int s[2], n = 0, want = pick(200000, 20000);

    raise_files();
    while (n < want) {
        CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0 || errno == EMFILE || errno == ENOMEM);
        if (errno == EMFILE || n >= want)
            break;
        int sent = 0, fd;
        while (n < want && (fd = open("/proc/self/stat", O_RDONLY)) >= 0) {
            int r = send_fd(s[0], fd);
            close(fd);
            if (r < 0)
                break;
            n++, sent++;
        }
        if (!sent)
            break;
    }
    printf("    %d in flight, then %s\n", n, n == want ? "the end" : strerror(errno));
}

CASE(epoll_chain)
{
    struct epoll_event ev = {.events = EPOLLIN};
    int prev = eventfd(0, EFD_NONBLOCK), first = prev, depth = 0, refused = 0;

    raise_files();
    for (int i = 0; i < 2000; i++) {
        int e = epoll_create1(0);
        CHECK(e >= 0);
        if (epoll_ctl(e, EPOLL_CTL_ADD, prev, &ev) < 0) {
            CHECK(errno == ELOOP || errno == EINVAL);
            refused++;
            close(e);
            break;
        }
        depth++;
        prev = e;
    }
    CHECK(refused && depth < 20);
    /* Built from the other end, where each step looks harmless. */
    int tail = epoll_create1(0), head = tail, r = 0;
    for (int i = 0; i < 2000 && r == 0; i++) {
        int e = epoll_create1(0);
        r = epoll_ctl(head, EPOLL_CTL_ADD, e, &ev);
        head = e;
    }
    CHECK(r < 0 && (errno == ELOOP || errno == EINVAL));
    CHECK(eventfd_write(first, 1) == 0);
    epoll_wait(prev, &ev, 1, 0);
    int a = epoll_create1(0), b = epoll_create1(0);
    CHECK(epoll_ctl(a, EPOLL_CTL_ADD, b, &ev) == 0);
    CHECK(epoll_ctl(b, EPOLL_CTL_ADD, a, &ev) < 0 && errno == ELOOP);
}

/* A net of epolls: each of a level watches all of the next; the paths multiply. */
CASE(epoll_mesh)
{
    enum { LEVELS = 5, WIDTH = 12 };
    struct epoll_event ev = {.events = EPOLLIN};
    int fd[LEVELS][WIDTH], event = eventfd(0, EFD_NONBLOCK);

    for (int l = 0; l < LEVELS; l++)
        for (int i = 0; i < WIDTH; i++)
            CHECK((fd[l][i] = epoll_create1(0)) >= 0);
    for (int l = 0; l + 1 < LEVELS; l++)
        for (int i = 0; i < WIDTH; i++)
            for (int j = 0; j < WIDTH; j++)
                epoll_ctl(fd[l][i], EPOLL_CTL_ADD, fd[l + 1][j], &ev);
    for (int i = 0; i < WIDTH; i++)
        epoll_ctl(fd[LEVELS - 1][i], EPOLL_CTL_ADD, event, &ev);
    int64_t start = now_ms();
    for (int k = 0; k < 20; k++) {
        uint64_t v;
        CHECK(eventfd_write(event, 1) == 0);
        epoll_wait(fd[0][0], &ev, 1, 0);
        CHECK(eventfd_read(event, &v) == 0);
    }
    if (now_ms() - start > 20000)
        fail("20 events took %lld ms", (long long)(now_ms() - start));
}

static void epoll_race_child(int i)
{
    struct epoll_event ev = {.events = EPOLLIN | EPOLLET}, got[8];
    int64_t end = now_ms() + pick(4000, 1000);
    static int ep, ev_fd;

    if (i == 0)
        return;
    ep = epoll_create1(0), ev_fd = eventfd(0, EFD_NONBLOCK);
    int pid = (int)syscall(SYS_clone, SIGCHLD | 0x400 /* CLONE_FILES */, 0, 0, 0, 0);
    while (now_ms() < end) {
        int fd = eventfd(1, EFD_NONBLOCK);
        epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev);
        epoll_ctl(ep, EPOLL_CTL_ADD, ev_fd, &ev);
        epoll_wait(ep, got, 8, 0);
        epoll_ctl(ep, EPOLL_CTL_MOD, ev_fd, &ev);
        dup2(ev_fd, fd);
        close(fd);
        epoll_ctl(ep, EPOLL_CTL_DEL, ev_fd, &ev);
        if (i == 3) {
            close(ep);
            ep = epoll_create1(0);
        }
    }
    if (pid == 0)
        _exit(0);
}

/* epoll_ctl, epoll_wait and close of the same files from two processes with one table. */
CASE(epoll_close_race)
{
    in_children(4, epoll_race_child);
}

CASE(timers_many)
{
    struct sigevent se = {.sigev_notify = SIGEV_NONE};
    struct itimerspec its = {{0, 1000000}, {0, 1000000}};
    int n = 0, want = pick(200000, 20000), fd;
    timer_t t;

    raise_files();
    for (int i = 0; i < pick(20000, 3000); i++) {
        if ((fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK)) < 0)
            break;
        timerfd_settime(fd, 0, &its, NULL);
    }
    while (n < want && syscall(SYS_timer_create, CLOCK_MONOTONIC, &se, &t) == 0)
        n++;
    CHECK(n == want || errno == EAGAIN || errno == ENOMEM);
    signal(SIGRTMIN, SIG_IGN);
    its.it_interval.tv_nsec = 1; /* as often as can be */
    its.it_value.tv_nsec = 1;
    for (int i = 0; i < 300; i++) {
        se = (struct sigevent){.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN};
        if (syscall(SYS_timer_create, CLOCK_MONOTONIC, &se, &t) < 0)
            break;
        syscall(SYS_timer_settime, t, 0, &its, NULL);
    }
    nap(pick(2000, 400));
    CHECK(getppid() > 0);
}

CASE(inotify_many)
{
    char name[64];
    int fd = inotify_init1(IN_NONBLOCK), n = 0;

    if (fd < 0)
        skip("no inotify");
    for (int i = 0; i < 2000; i++) {
        snprintf(name, sizeof(name), "w%d", i);
        close(open(name, O_CREAT | O_RDWR, 0600));
        n += inotify_add_watch(fd, name, IN_ALL_EVENTS) >= 0;
    }
    if (n == 0)
        skip("no inotify_add_watch");
    inotify_add_watch(fd, ".", IN_ALL_EVENTS);
    for (int i = 0; i < pick(200000, 20000); i++) { /* more events than anybody reads */
        snprintf(name, sizeof(name), "w%d", i % 2000);
        chmod(name, (mode_t)(0600 + i % 64));
    }
    close(fd);
}

CASE(locks_many)
{
    int fd = open("lock", O_CREAT | O_RDWR, 0600), n = 0, want = pick(30000, 3000);
    struct flock l = {.l_type = F_WRLCK, .l_len = 1};

    CHECK(fd >= 0);
    for (n = 0; n < want; n++) {
        l.l_start = 2 * n;
        if (fcntl(fd, F_SETLK, &l) < 0)
            break;
    }
    CHECK(n == want || errno == ENOLCK);
    for (int i = 0; i < 2000; i++) {
        int f = open("lock", O_RDWR);
        l.l_start = 2 * want + 2 * i;
        fcntl(f, F_OFD_SETLK, &l);
    }
    l = (struct flock){.l_type = F_UNLCK};
    CHECK(fcntl(fd, F_SETLK, &l) == 0);
}

static void lock_child(int i)
{
    int64_t end = now_ms() + pick(3000, 800);
    int fd = open("lockrace", O_CREAT | O_RDWR, 0600);

    alarm(20);
    while (now_ms() < end) {
        struct flock l = {
            .l_type = (short)(i & 1 ? F_WRLCK : F_RDLCK), .l_start = (rand() + i) % 16, .l_len = 3};
        fcntl(fd, i & 2 ? F_SETLKW : F_SETLK, &l); /* EDEADLK is fine */
        l.l_type = F_UNLCK;
        l.l_len = rand() % 5;
        fcntl(fd, F_SETLK, &l);
        flock(fd, i & 1 ? LOCK_EX : LOCK_SH);
        flock(fd, LOCK_UN);
    }
}

CASE(locks_race)
{
    in_children(6, lock_child);
}

/* Vectors of many and of huge pieces, and of pieces that are not there. */
CASE(iovecs_huge)
{
    static struct iovec v[1025];
    static char page[4096];
    int p[2], zero = open("/dev/zero", O_RDWR), null = open("/dev/null", O_RDWR);
    int fd = open("iov", O_CREAT | O_RDWR, 0600);
    char *big = mmap(NULL, 1ul << 33, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    CHECK(pipe2(p, O_NONBLOCK) == 0);
    for (int i = 0; i < 1025; i++)
        v[i] = (struct iovec){page, sizeof(page)};
    CHECK(writev(null, v, 1025) < 0 && errno == EINVAL);
    CHECK(writev(null, v, 1024) == 1024 * 4096);
    CHECK(readv(zero, v, 1024) == 1024 * 4096);
    CHECK(writev(fd, v, 1024) == 1024 * 4096);
    for (int i = 0; i < 1024; i++)
        v[i] = (struct iovec){(void *)((uintptr_t)page + (uintptr_t)i * 64), ~0ul >> 1};
    writev(fd, v, 1024);
    for (int i = 0; i < 1024; i++)
        v[i] = (struct iovec){big == MAP_FAILED ? page : big, 1ul << 32};
    writev(null, v, 1024);
    writev(p[1], v, 1024);
    if (big != MAP_FAILED) {
        ssize_t r = write(null, big, 1ul << 33);
        CHECK(r == 0x7ffff000 || r < 0);
        r = write(p[1], big, 1ul << 33);
        CHECK(r > 0 || errno == EFAULT || errno == EAGAIN);
        r = pwrite(fd, big, 1ul << 20, 0);
        CHECK(r == 1l << 20);
    }
    for (int i = 0; i < 1024; i++)
        v[i] = (struct iovec){i & 1 ? NULL : page, i & 1 ? 1 : 0};
    CHECK(writev(fd, v, 1024) < 0 && errno == EFAULT);
    CHECK(read(zero, (void *)0x7ffffffff000, 4096) < 0 && errno == EFAULT);
    CHECK(read(zero, (void *)-4096l, 8192) < 0 && errno == EFAULT);
    CHECK(ftruncate(fd, 0x7fffffffffffffff) == 0 || errno == EFBIG || errno == EINVAL ||
          errno == ENOSPC);
    CHECK(pwrite(fd, page, 4096, 0x7fffffffffffffff) < 0);
}
