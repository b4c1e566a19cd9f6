/* SPDX-License-Identifier: Apache-2.0 */
/* UNIX domain sockets: pairs, names, connections, data, options. */
#include "harness.h"
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/un.h>

static void pair(int type, int sv[2])
{
    ASSERT_OK(socketpair(AF_UNIX, type, 0, sv));
}

static socklen_t address(struct sockaddr_un *a, const char *path)
{
    memset(a, 0, sizeof(*a));
    a->sun_family = AF_UNIX;
    snprintf(a->sun_path, sizeof(a->sun_path), "%s", path);
    return (socklen_t)sizeof(*a);
}

/* '@' stands for the zero byte of an abstract name. */
static socklen_t abstract(struct sockaddr_un *a, const char *name)
{
    memset(a, 0, sizeof(*a));
    a->sun_family = AF_UNIX;
    int n = snprintf(a->sun_path + 1, sizeof(a->sun_path) - 1, "%s-%d", name, getpid());
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n);
}

static int listener(int type, const char *path)
{
    struct sockaddr_un a;
    socklen_t len = address(&a, path);
    int fd = socket(AF_UNIX, type, 0);
    ASSERT_OK(fd);
    ASSERT_OK(bind(fd, (struct sockaddr *)&a, len));
    ASSERT_OK(listen(fd, 5));
    return fd;
}

static int connect_to(int type, const char *path)
{
    struct sockaddr_un a;
    socklen_t len = address(&a, path);
    int fd = socket(AF_UNIX, type, 0);
    ASSERT_OK(fd);
    if (connect(fd, (struct sockaddr *)&a, len) < 0) {
        int err = errno;
        close(fd);
        errno = err;
        return -1;
    }
    return fd;
}

TEST(socket_errors)
{
    int sv[2];
    EXPECT_ERRNO(socket(9999, SOCK_STREAM, 0), EAFNOSUPPORT);
    EXPECT_ERRNO(socket(AF_UNIX, 99, 0), EINVAL);
    EXPECT_ERRNO(socket(AF_UNIX, SOCK_STREAM, 77), EPROTONOSUPPORT);
    EXPECT_ERRNO(syscall(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, 8), EFAULT);
    EXPECT_ERRNO(bind(0, NULL, 0), ENOTSOCK);
    EXPECT_ERRNO(send(900, "x", 1, 0), EBADF);
    EXPECT_ERRNO(listen(open("/dev/null", O_RDONLY), 1), ENOTSOCK);
    ASSERT_OK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sv));
    EXPECT_EQ(fcntl(sv[0], F_GETFD), FD_CLOEXEC);
    EXPECT(fcntl(sv[1], F_GETFL) & O_NONBLOCK);
}

TEST(stream_pair_is_bidirectional)
{
    int sv[2];
    char buf[16] = {0};
    pair(SOCK_STREAM, sv);
    EXPECT_EQ(write(sv[0], "ping", 4), 4);
    EXPECT_EQ(send(sv[0], "er", 2, 0), 2);
    EXPECT_EQ(read(sv[1], buf, 16), 6);
    EXPECT_STR(buf, "pinger");
    EXPECT_EQ(write(sv[1], "pong", 4), 4);
    EXPECT_EQ(recv(sv[0], buf, 2, 0), 2);
    EXPECT_EQ(recv(sv[0], buf, 16, 0), 2);
    EXPECT_ERRNO(lseek(sv[0], 0, SEEK_CUR), ESPIPE);
}

TEST(stream_eof_and_epipe)
{
    int sv[2];
    char c;
    pair(SOCK_STREAM, sv);
    ASSERT_EQ(write(sv[1], "z", 1), 1);
    close(sv[1]);
    EXPECT_EQ(read(sv[0], &c, 1), 1);
    EXPECT_EQ(read(sv[0], &c, 1), 0);
    EXPECT_ERRNO(send(sv[0], "x", 1, MSG_NOSIGNAL), EPIPE);
    pid_t pid = t_fork();
    if (pid == 0) {
        if (write(sv[0], "x", 1) < 0)
            _exit(1);
        _exit(0);
    }
    EXPECT_KILLED(pid, SIGPIPE);
}

TEST(stream_unread_data_resets_peer)
{
    int sv[2];
    char c;
    pair(SOCK_STREAM, sv);
    ASSERT_EQ(write(sv[0], "unread", 6), 6);
    close(sv[1]);
    EXPECT_ERRNO(read(sv[0], &c, 1), ECONNRESET);
    EXPECT_EQ(read(sv[0], &c, 1), 0);
}

TEST(stream_shutdown)
{
    int sv[2];
    char c;
    pair(SOCK_STREAM, sv);
    EXPECT_OK(shutdown(sv[0], SHUT_WR));
    EXPECT_EQ(read(sv[1], &c, 1), 0);
    EXPECT_ERRNO(send(sv[0], "x", 1, MSG_NOSIGNAL), EPIPE);
    EXPECT_EQ(write(sv[1], "y", 1), 1);
    EXPECT_EQ(read(sv[0], &c, 1), 1);
    EXPECT_OK(shutdown(sv[0], SHUT_RD));
    EXPECT_EQ(read(sv[0], &c, 1), 0);
    EXPECT_ERRNO(send(sv[1], "x", 1, MSG_NOSIGNAL), EPIPE);
    EXPECT_ERRNO(shutdown(sv[0], 99), EINVAL);
}

TEST(dgram_pair_keeps_boundaries)
{
    int sv[2];
    char buf[16];
    pair(SOCK_DGRAM, sv);
    EXPECT_EQ(write(sv[0], "one", 3), 3);
    EXPECT_EQ(write(sv[0], "", 0), 0);
    EXPECT_EQ(send(sv[0], "three", 5, 0), 5);
    EXPECT_EQ(recv(sv[1], buf, 16, 0), 3);
    EXPECT_EQ(recv(sv[1], buf, 16, 0), 0);
    EXPECT_EQ(recv(sv[1], buf, 2, 0), 2);
    EXPECT_ERRNO(recv(sv[1], buf, 16, MSG_DONTWAIT), EAGAIN);
}

TEST(seqpacket_pair)
{
    int sv[2];
    char buf[16];
    pair(SOCK_SEQPACKET, sv);
    EXPECT_EQ(write(sv[0], "one", 3), 3);
    EXPECT_EQ(write(sv[0], "second", 6), 6);
    EXPECT_EQ(recv(sv[1], buf, 16, 0), 3);
    EXPECT_EQ(recv(sv[1], buf, 2, MSG_TRUNC), 6);
    close(sv[0]);
    EXPECT_EQ(recv(sv[1], buf, 16, 0), 0);
}

TEST(msg_peek_and_waitall)
{
    int sv[2];
    char buf[16] = {0};
    pair(SOCK_STREAM, sv);
    ASSERT_EQ(write(sv[0], "abcd", 4), 4);
    EXPECT_EQ(recv(sv[1], buf, 16, MSG_PEEK), 4);
    EXPECT_EQ(recv(sv[1], buf, 2, MSG_PEEK), 2);
    pid_t pid = t_fork();
    if (pid == 0) {
        t_sleep_ms(30);
        EXPECT_EQ(write(sv[0], "efgh", 4), 4);
        CHILD_EXIT();
    }
    EXPECT_EQ(recv(sv[1], buf, 8, MSG_WAITALL), 8);
    EXPECT_STR(buf, "abcdefgh");
    EXPECT_EXIT(pid, 0);
}

/* What one reader looks at is there for another. */
TEST(msg_peek_hides_nothing)
{
    int types[] = {SOCK_STREAM, SOCK_SEQPACKET, SOCK_DGRAM};
    static char buf[32000];
    memset(buf, 'x', sizeof(buf));
    for (size_t k = 0; k < 3; k++) {
        int sv[2];
        pair(types[k], sv);
        pid_t pid = t_fork();
        if (pid == 0) {
            for (;;)
                recv(sv[1], buf, sizeof(buf), MSG_PEEK | MSG_DONTWAIT);
        }
        for (int i = 0; i < 600; i++) {
            struct pollfd p = {.fd = sv[1], .events = POLLIN};
            ASSERT_EQ(send(sv[0], buf, sizeof(buf), 0), (ssize_t)sizeof(buf));
            EXPECT_EQ(poll(&p, 1, 0), 1);
            ASSERT_EQ(recv(sv[1], buf, sizeof(buf), MSG_DONTWAIT), (ssize_t)sizeof(buf));
        }
        kill(pid, SIGKILL);
        EXPECT_KILLED(pid, SIGKILL);
        close(sv[0]);
        close(sv[1]);
    }
}

TEST(msg_trunc_flag_is_reported)
{
    int sv[2];
    char buf[4];
    struct iovec v = {buf, 4};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1};
    pair(SOCK_DGRAM, sv);
    ASSERT_EQ(write(sv[0], "too long", 8), 8);
    EXPECT_EQ(recvmsg(sv[1], &m, 0), 4);
    EXPECT(m.msg_flags & MSG_TRUNC);
    ASSERT_EQ(write(sv[0], "ok", 2), 2);
    EXPECT_EQ(recvmsg(sv[1], &m, 0), 2);
    EXPECT(!(m.msg_flags & MSG_TRUNC));
}

TEST(sendmsg_gathers_recvmsg_scatters)
{
    int sv[2];
    char a[4] = {0}, b[8] = {0};
    struct iovec w[2] = {{"abc", 3}, {"defg", 4}}, r[2] = {{a, 3}, {b, 7}};
    struct msghdr ms = {.msg_iov = w, .msg_iovlen = 2}, mr = {.msg_iov = r, .msg_iovlen = 2};
    pair(SOCK_STREAM, sv);
    EXPECT_EQ(sendmsg(sv[0], &ms, 0), 7);
    EXPECT_EQ(recvmsg(sv[1], &mr, 0), 7);
    EXPECT_STR(a, "abc");
    EXPECT_STR(b, "defg");
    EXPECT_ERRNO(sendmsg(sv[0], (struct msghdr *)8, 0), EFAULT);
    ms.msg_iovlen = 2000;
    EXPECT_ERRNO(sendmsg(sv[0], &ms, 0), EMSGSIZE);
}

TEST(sendmmsg_and_recvmmsg)
{
    int sv[2];
    char a[8], b[8];
    struct iovec w[2] = {{"one", 3}, {"four", 4}}, r[2] = {{a, 8}, {b, 8}};
    struct mmsghdr ms[2] = {{.msg_hdr = {.msg_iov = &w[0], .msg_iovlen = 1}},
                            {.msg_hdr = {.msg_iov = &w[1], .msg_iovlen = 1}}};
    struct mmsghdr mr[2] = {{.msg_hdr = {.msg_iov = &r[0], .msg_iovlen = 1}},
                            {.msg_hdr = {.msg_iov = &r[1], .msg_iovlen = 1}}};
    pair(SOCK_DGRAM, sv);
    EXPECT_EQ(sendmmsg(sv[0], ms, 2, 0), 2);
    EXPECT_EQ(ms[1].msg_len, 4);
    EXPECT_EQ(recvmmsg(sv[1], mr, 2, MSG_DONTWAIT, NULL), 2);
    EXPECT_EQ(mr[0].msg_len, 3);
    EXPECT_EQ(mr[1].msg_len, 4);
    EXPECT_ERRNO(recvmmsg(sv[1], mr, 2, MSG_DONTWAIT, NULL), EAGAIN);
}

TEST(connect_accept_by_path)
{
    struct sockaddr_un a;
    socklen_t len = sizeof(a);
    char buf[8] = {0};
    int l = listener(SOCK_STREAM, "sock"), c = connect_to(SOCK_STREAM, "sock");
    ASSERT_OK(c);
    int s = accept4(l, (struct sockaddr *)&a, &len, SOCK_CLOEXEC);
    ASSERT_OK(s);
    EXPECT_EQ(fcntl(s, F_GETFD), FD_CLOEXEC);
    EXPECT_EQ(len, 2); /* the client has no name */
    EXPECT_EQ(a.sun_family, AF_UNIX);
    EXPECT_EQ(write(c, "hello", 5), 5);
    EXPECT_EQ(read(s, buf, 8), 5);
    EXPECT_STR(buf, "hello");
    len = sizeof(a);
    EXPECT_OK(getpeername(c, (struct sockaddr *)&a, &len));
    EXPECT_STR(a.sun_path, "sock");
    len = sizeof(a);
    EXPECT_OK(getsockname(s, (struct sockaddr *)&a, &len));
    EXPECT_STR(a.sun_path, "sock");
    struct stat st;
    EXPECT_OK(stat("sock", &st));
    EXPECT(S_ISSOCK(st.st_mode));
}

TEST(connect_errors)
{
    t_put_file("file", "", 0644);
    EXPECT_ERRNO(connect_to(SOCK_STREAM, "missing"), ENOENT);
    EXPECT_ERRNO(connect_to(SOCK_STREAM, "file"), ECONNREFUSED);
    int l = listener(SOCK_STREAM, "sock");
    EXPECT_ERRNO(connect_to(SOCK_DGRAM, "sock"), EPROTOTYPE);
    int c = connect_to(SOCK_STREAM, "sock");
    ASSERT_OK(c);
    struct sockaddr_un a;
    socklen_t len = address(&a, "sock");
    EXPECT_ERRNO(connect(c, (struct sockaddr *)&a, len), EISCONN);
    close(l);
    EXPECT_ERRNO(connect_to(SOCK_STREAM, "sock"), ECONNREFUSED);
    a.sun_family = AF_INET;
    EXPECT_ERRNO(connect(socket(AF_UNIX, SOCK_STREAM, 0), (struct sockaddr *)&a, len), EINVAL);
    EXPECT_ERRNO(accept(c, NULL, NULL), EINVAL);
}

TEST(bind_errors)
{
    struct sockaddr_un a;
    socklen_t len = address(&a, "sock");
    int fd = socket(AF_UNIX, SOCK_STREAM, 0), fd2 = socket(AF_UNIX, SOCK_STREAM, 0);
    EXPECT_OK(bind(fd, (struct sockaddr *)&a, len));
    EXPECT_ERRNO(bind(fd2, (struct sockaddr *)&a, len), EADDRINUSE);
    len = address(&a, "other");
    EXPECT_ERRNO(bind(fd, (struct sockaddr *)&a, len), EINVAL);
    len = address(&a, "none/sock");
    EXPECT_ERRNO(bind(fd2, (struct sockaddr *)&a, len), ENOENT);
    EXPECT_ERRNO(bind(fd2, (struct sockaddr *)&a, 200), EINVAL);
    EXPECT_ERRNO(bind(fd2, (struct sockaddr *)8, 20), EFAULT);
    EXPECT_ERRNO(listen(fd2, 1), EINVAL);
}

TEST(abstract_names)
{
    struct sockaddr_un a, got;
    socklen_t len = abstract(&a, "cvisor-abstract"), glen = sizeof(got);
    int l = socket(AF_UNIX, SOCK_STREAM, 0), c = socket(AF_UNIX, SOCK_STREAM, 0);
    ASSERT_OK(bind(l, (struct sockaddr *)&a, len));
    ASSERT_OK(listen(l, 1));
    EXPECT_OK(connect(c, (struct sockaddr *)&a, len));
    EXPECT_OK(getpeername(c, (struct sockaddr *)&got, &glen));
    EXPECT_EQ(glen, len);
    EXPECT(memcmp(&a, &got, len) == 0);
    int d = socket(AF_UNIX, SOCK_STREAM, 0);
    EXPECT_ERRNO(bind(d, (struct sockaddr *)&a, len), EADDRINUSE);
    close(l);
    EXPECT_OK(bind(d, (struct sockaddr *)&a, len));
}

TEST(autobind_gives_abstract_name)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    socklen_t len = sizeof(a);
    int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    ASSERT_OK(bind(fd, (struct sockaddr *)&a, sizeof(a.sun_family)));
    ASSERT_OK(getsockname(fd, (struct sockaddr *)&a, &len));
    EXPECT_EQ(len, 8);
    EXPECT_EQ(a.sun_path[0], 0);
}

TEST(accept_blocks_and_nonblocking)
{
    int l = listener(SOCK_STREAM, "sock");
    fcntl(l, F_SETFL, O_NONBLOCK);
    EXPECT_ERRNO(accept(l, NULL, NULL), EAGAIN);
    fcntl(l, F_SETFL, 0);
    pid_t pid = t_fork();
    if (pid == 0) {
        t_sleep_ms(30);
        int c = connect_to(SOCK_STREAM, "sock");
        ASSERT_OK(c);
        EXPECT_EQ(write(c, "k", 1), 1);
        CHILD_EXIT();
    }
    char ch = 0;
    int s = accept(l, NULL, NULL);
    ASSERT_OK(s);
    EXPECT_EQ(read(s, &ch, 1), 1);
    EXPECT_EQ(ch, 'k');
    EXPECT_EXIT(pid, 0);
}

TEST(listen_backlog_limits_nonblocking_connect)
{
    struct sockaddr_un a;
    socklen_t len = address(&a, "sock");
    int l = socket(AF_UNIX, SOCK_STREAM, 0), err = 0, n = 0;
    ASSERT_OK(bind(l, (struct sockaddr *)&a, len));
    ASSERT_OK(listen(l, 1));
    for (; n < 20 && !err; n++) {
        int c = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
        if (connect(c, (struct sockaddr *)&a, len) < 0)
            err = errno;
    }
    EXPECT_EQ(err, EAGAIN);
    struct pollfd p = {l, POLLIN, 0};
    EXPECT_EQ(poll(&p, 1, 0), 1);
    EXPECT_EQ(p.revents, POLLIN);
}

TEST(dgram_named)
{
    struct sockaddr_un sa, ca, from;
    socklen_t sl = address(&sa, "server"), cl = address(&ca, "client"), fl = sizeof(from);
    int s = socket(AF_UNIX, SOCK_DGRAM, 0), c = socket(AF_UNIX, SOCK_DGRAM, 0);
    char buf[8] = {0};
    ASSERT_OK(bind(s, (struct sockaddr *)&sa, sl));
    ASSERT_OK(bind(c, (struct sockaddr *)&ca, cl));
    EXPECT_EQ(sendto(c, "hi", 2, 0, (struct sockaddr *)&sa, sl), 2);
    EXPECT_EQ(recvfrom(s, buf, 8, 0, (struct sockaddr *)&from, &fl), 2);
    EXPECT_STR(from.sun_path, "client");
    EXPECT_ERRNO(send(c, "x", 1, 0), ENOTCONN);
    EXPECT_OK(connect(c, (struct sockaddr *)&sa, sl));
    EXPECT_EQ(send(c, "yo", 2, 0), 2);
    EXPECT_EQ(recv(s, buf, 8, 0), 2);
    close(s);
    EXPECT_ERRNO(send(c, "x", 1, 0), ECONNREFUSED);
}

TEST(socket_buffer_fills_up)
{
    int sv[2], n = 0;
    char buf[4096] = {0};
    pair(SOCK_STREAM, sv);
    fcntl(sv[0], F_SETFL, O_NONBLOCK);
    while (write(sv[0], buf, sizeof(buf)) > 0 && n < 10000)
        n++;
    EXPECT_EQ(errno, EAGAIN);
    EXPECT(n > 4 && n < 10000);
    struct pollfd p = {sv[0], POLLOUT, 0};
    EXPECT_EQ(poll(&p, 1, 0), 0);
    while (recv(sv[1], buf, sizeof(buf), MSG_DONTWAIT) > 0)
        ;
    EXPECT_EQ(poll(&p, 1, 0), 1);
}

TEST(socket_options)
{
    int sv[2], v = 0;
    socklen_t len = sizeof(v);
    pair(SOCK_STREAM, sv);
    EXPECT_OK(getsockopt(sv[0], SOL_SOCKET, SO_TYPE, &v, &len));
    EXPECT_EQ(v, SOCK_STREAM);
    EXPECT_OK(getsockopt(sv[0], SOL_SOCKET, SO_DOMAIN, &v, &len));
    EXPECT_EQ(v, AF_UNIX);
    EXPECT_OK(getsockopt(sv[0], SOL_SOCKET, SO_ERROR, &v, &len));
    EXPECT_EQ(v, 0);
    EXPECT_OK(getsockopt(sv[0], SOL_SOCKET, SO_ACCEPTCONN, &v, &len));
    EXPECT_EQ(v, 0);
    v = 20000;
    EXPECT_OK(setsockopt(sv[0], SOL_SOCKET, SO_SNDBUF, &v, sizeof(v)));
    EXPECT_OK(getsockopt(sv[0], SOL_SOCKET, SO_SNDBUF, &v, &len));
    EXPECT_EQ(v, 40000);
    EXPECT_ERRNO(getsockopt(sv[0], SOL_SOCKET, 9999, &v, &len), ENOPROTOOPT);
    EXPECT_ERRNO(setsockopt(sv[0], SOL_SOCKET, SO_SNDBUF, &v, 1), EINVAL);
}

TEST(receive_timeout)
{
    int sv[2];
    char c;
    struct timeval tv = {0, 40000}, got;
    socklen_t len = sizeof(got);
    pair(SOCK_STREAM, sv);
    EXPECT_OK(setsockopt(sv[0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)));
    EXPECT_OK(getsockopt(sv[0], SOL_SOCKET, SO_RCVTIMEO, &got, &len));
    EXPECT_EQ(got.tv_usec, 40000);
    long long t0 = t_now_ms();
    EXPECT_ERRNO(recv(sv[0], &c, 1, 0), EAGAIN);
    EXPECT(t_now_ms() - t0 >= 35);
}

TEST(poll_states_of_stream)
{
    int sv[2];
    pair(SOCK_STREAM, sv);
    struct pollfd p = {sv[0], POLLIN | POLLOUT | POLLRDHUP, 0};
    EXPECT_EQ(poll(&p, 1, 0), 1);
    EXPECT_EQ(p.revents, POLLOUT);
    ASSERT_EQ(write(sv[1], "x", 1), 1);
    poll(&p, 1, 0);
    EXPECT_EQ(p.revents, POLLIN | POLLOUT);
    close(sv[1]);
    poll(&p, 1, 0);
    EXPECT_EQ(p.revents, POLLIN | POLLOUT | POLLRDHUP | POLLHUP);
}

TEST(socket_fionread)
{
    int sv[2], n = -1;
    pair(SOCK_STREAM, sv);
    ASSERT_EQ(write(sv[1], "12345", 5), 5);
    ASSERT_OK(ioctl(sv[0], FIONREAD, &n));
    EXPECT_EQ(n, 5);
    int on = 1;
    char buf[8];
    ASSERT_OK(ioctl(sv[0], FIONBIO, &on));
    EXPECT_EQ(read(sv[0], buf, 8), 5);
    EXPECT_ERRNO(read(sv[0], buf, 8), EAGAIN);
}

TEST(connection_survives_many_messages)
{
    int sv[2];
    pair(SOCK_STREAM, sv);
    pid_t pid = t_fork();
    if (pid == 0) {
        char b[1000];
        size_t total = 0;
        ssize_t n;
        close(sv[0]);
        while ((n = read(sv[1], b, sizeof(b))) > 0)
            total += (size_t)n;
        _exit(total == 100 * 3000 ? 0 : 1);
    }
    char data[3000];
    memset(data, 'd', sizeof(data));
    close(sv[1]);
    for (int i = 0; i < 100; i++)
        ASSERT_EQ(write(sv[0], data, sizeof(data)), (ssize_t)sizeof(data));
    close(sv[0]);
    EXPECT_EXIT(pid, 0);
}
