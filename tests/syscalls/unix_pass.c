/* SPDX-License-Identifier: Apache-2.0 */
/* UNIX domain sockets: passing descriptors and credentials. */
#include "harness.h"
#include <sys/un.h>

union control {
    char buf[512];
    struct cmsghdr align;
};

static ssize_t send_fds(int sock, const int *fds, int n, const char *text)
{
    union control c = {{0}};
    struct iovec v = {(char *)(uintptr_t)text, strlen(text)};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1};
    if (n > 0) {
        m.msg_control = c.buf;
        m.msg_controllen = CMSG_SPACE(sizeof(int) * (size_t)n);
        struct cmsghdr *h = CMSG_FIRSTHDR(&m);
        h->cmsg_level = SOL_SOCKET;
        h->cmsg_type = SCM_RIGHTS;
        h->cmsg_len = CMSG_LEN(sizeof(int) * (size_t)n);
        memcpy(CMSG_DATA(h), fds, sizeof(int) * (size_t)n);
    }
    return sendmsg(sock, &m, 0);
}

/* Returns how many descriptors came; the bytes of data in *len, the message flags in *flags. */
static int recv_fds(int sock, int *fds, size_t control, int how, ssize_t *len, int *flags)
{
    union control c;
    char text[64];
    struct iovec v = {text, sizeof(text)};
    struct msghdr m = {
        .msg_iov = &v, .msg_iovlen = 1, .msg_control = c.buf, .msg_controllen = control};
    int n = 0;
    *len = recvmsg(sock, &m, how);
    *flags = m.msg_flags;
    if (*len < 0)
        return -1;
    for (struct cmsghdr *h = CMSG_FIRSTHDR(&m); h; h = CMSG_NXTHDR(&m, h)) {
        if (h->cmsg_level == SOL_SOCKET && h->cmsg_type == SCM_RIGHTS) {
            size_t bytes = h->cmsg_len - CMSG_LEN(0);
            memcpy(fds + n, CMSG_DATA(h), bytes);
            n += (int)(bytes / sizeof(int));
        }
    }
    return n;
}

TEST(scm_rights_passes_open_file)
{
    int sv[2], got[4], flags;
    ssize_t len;
    char buf[4] = {0};
    ASSERT_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, sv));
    t_put_file("f", "abc", 0644);
    int fd = open("f", O_RDONLY);
    EXPECT_EQ(send_fds(sv[0], &fd, 1, "x"), 1);
    close(fd);
    ASSERT_EQ(recv_fds(sv[1], got, 512, 0, &len, &flags), 1);
    EXPECT_EQ(len, 1);
    EXPECT_EQ(fcntl(got[0], F_GETFD), 0);
    EXPECT_EQ(read(got[0], buf, 3), 3);
    EXPECT_STR(buf, "abc");
}

TEST(scm_rights_shares_offset)
{
    int sv[2], got[4], flags;
    ssize_t len;
    char c;
    ASSERT_OK(socketpair(AF_UNIX, SOCK_DGRAM, 0, sv));
    t_put_file("f", "abc", 0644);
    int fd = open("f", O_RDONLY);
    EXPECT_EQ(send_fds(sv[0], &fd, 1, "x"), 1);
    ASSERT_EQ(recv_fds(sv[1], got, 512, MSG_CMSG_CLOEXEC, &len, &flags), 1);
    EXPECT_EQ(fcntl(got[0], F_GETFD), FD_CLOEXEC);
    EXPECT_EQ(read(fd, &c, 1), 1);
    EXPECT_EQ(read(got[0], &c, 1), 1);
    EXPECT_EQ(c, 'b');
}

TEST(scm_rights_between_processes)
{
    int sv[2], p[2], got[4], flags;
    ssize_t len;
    char c = 0;
    ASSERT_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, sv));
    pid_t pid = t_fork();
    if (pid == 0) {
        ASSERT_EQ(recv_fds(sv[1], got, 512, 0, &len, &flags), 1);
        EXPECT_EQ(write(got[0], "!", 1), 1);
        CHILD_EXIT();
    }
    ASSERT_OK(pipe(p));
    EXPECT_EQ(send_fds(sv[0], &p[1], 1, "x"), 1);
    close(p[1]);
    EXPECT_EQ(read(p[0], &c, 1), 1);
    EXPECT_EQ(c, '!');
    EXPECT_EXIT(pid, 0);
    EXPECT_EQ(read(p[0], &c, 1), 0);
}

TEST(scm_rights_several)
{
    int sv[2], out[3], got[4], flags;
    ssize_t len;
    ASSERT_OK(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sv));
    for (int i = 0; i < 3; i++)
        out[i] = open("/dev/null", O_RDONLY);
    EXPECT_EQ(send_fds(sv[0], out, 3, "abc"), 3);
    EXPECT_EQ(recv_fds(sv[1], got, 512, 0, &len, &flags), 3);
    EXPECT_EQ(len, 3);
    EXPECT_EQ(flags & MSG_CTRUNC, 0);
}

TEST(scm_rights_truncated_control)
{
    int sv[2], out[3], got[4], flags;
    ssize_t len;
    ASSERT_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, sv));
    for (int i = 0; i < 3; i++)
        out[i] = open("/dev/null", O_RDONLY);
    EXPECT_EQ(send_fds(sv[0], out, 3, "x"), 1);
    int next = open("/dev/null", O_RDONLY);
    close(next);
    EXPECT_EQ(recv_fds(sv[1], got, CMSG_LEN(sizeof(int)), 0, &len, &flags), 1);
    EXPECT(flags & MSG_CTRUNC);
    close(got[0]);
    /* The others were not installed. */
    EXPECT_EQ(open("/dev/null", O_RDONLY), next);
    EXPECT_EQ(send_fds(sv[0], out, 1, "x"), 1);
    EXPECT_EQ(recv_fds(sv[1], got, 0, 0, &len, &flags), 0);
    EXPECT(flags & MSG_CTRUNC);
}

TEST(scm_rights_do_not_merge_with_data)
{
    int sv[2], fd = open("/dev/null", O_RDONLY), got[4], flags;
    ssize_t len;
    ASSERT_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, sv));
    EXPECT_EQ(send_fds(sv[0], &fd, 1, "aa"), 2);
    EXPECT_EQ(send_fds(sv[0], &fd, 1, "bbb"), 3);
    EXPECT_EQ(recv_fds(sv[1], got, 512, 0, &len, &flags), 1);
    EXPECT_EQ(len, 2);
    EXPECT_EQ(recv_fds(sv[1], got, 512, 0, &len, &flags), 1);
    EXPECT_EQ(len, 3);
}

TEST(scm_rights_bad_descriptor)
{
    int sv[2], bad = 900;
    ASSERT_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, sv));
    EXPECT_ERRNO(send_fds(sv[0], &bad, 1, "x"), EBADF);
    char c;
    EXPECT_ERRNO(recv(sv[1], &c, 1, MSG_DONTWAIT), EAGAIN);
}

TEST(scm_rights_dropped_when_unread)
{
    int sv[2], p[2];
    char c;
    ASSERT_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, sv));
    ASSERT_OK(pipe(p));
    EXPECT_EQ(send_fds(sv[0], &p[1], 1, "x"), 1);
    close(p[1]);
    /* The write end lives in the queue. */
    fcntl(p[0], F_SETFL, O_NONBLOCK);
    EXPECT_ERRNO(read(p[0], &c, 1), EAGAIN);
    close(sv[0]);
    close(sv[1]);
    fcntl(p[0], F_SETFL, 0);
    EXPECT_EQ(read(p[0], &c, 1), 0);
}

TEST(scm_rights_plain_read_drops_them)
{
    int sv[2], p[2];
    char c;
    ASSERT_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, sv));
    ASSERT_OK(pipe(p));
    EXPECT_EQ(send_fds(sv[0], &p[1], 1, "x"), 1);
    close(p[1]);
    EXPECT_EQ(read(sv[1], &c, 1), 1);
    EXPECT_EQ(read(p[0], &c, 1), 0);
}

TEST(scm_rights_peek_duplicates)
{
    int sv[2], fd = open("/dev/null", O_RDONLY), got[4], flags;
    ssize_t len;
    ASSERT_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, sv));
    EXPECT_EQ(send_fds(sv[0], &fd, 1, "x"), 1);
    EXPECT_EQ(recv_fds(sv[1], got, 512, MSG_PEEK, &len, &flags), 1);
    EXPECT_EQ(recv_fds(sv[1], got + 1, 512, 0, &len, &flags), 1);
    EXPECT(got[0] != got[1]);
}

TEST(scm_rights_cycle_can_be_dropped)
{
    int sv[2];
    ASSERT_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, sv));
    EXPECT_EQ(send_fds(sv[0], &sv[1], 1, "x"), 1);
    EXPECT_EQ(send_fds(sv[1], &sv[0], 1, "x"), 1);
    close(sv[0]);
    close(sv[1]);
    /* Another pair still works. */
    ASSERT_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, sv));
    EXPECT_EQ(write(sv[0], "y", 1), 1);
}

TEST(so_peercred_of_pair)
{
    struct ucred u;
    socklen_t len = sizeof(u);
    int sv[2];
    ASSERT_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, sv));
    ASSERT_OK(getsockopt(sv[0], SOL_SOCKET, SO_PEERCRED, &u, &len));
    EXPECT_EQ(u.pid, getpid());
    EXPECT_EQ(u.uid, geteuid());
    EXPECT_EQ(u.gid, getegid());
}

TEST(so_peercred_of_connection)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX, .sun_path = "sock"};
    struct ucred u;
    socklen_t len = sizeof(u);
    int l = socket(AF_UNIX, SOCK_STREAM, 0);
    ASSERT_OK(bind(l, (struct sockaddr *)&a, sizeof(a)));
    ASSERT_OK(listen(l, 1));
    pid_t parent = getpid(), pid = t_fork();
    if (pid == 0) {
        int c = socket(AF_UNIX, SOCK_STREAM, 0);
        char ch;
        ASSERT_OK(connect(c, (struct sockaddr *)&a, sizeof(a)));
        ASSERT_OK(getsockopt(c, SOL_SOCKET, SO_PEERCRED, &u, &len));
        EXPECT_EQ(u.pid, parent);
        EXPECT_EQ(read(c, &ch, 1), 1);
        CHILD_EXIT();
    }
    int s = accept(l, NULL, NULL);
    ASSERT_OK(s);
    ASSERT_OK(getsockopt(s, SOL_SOCKET, SO_PEERCRED, &u, &len));
    EXPECT_EQ(u.pid, pid);
    EXPECT_EQ(write(s, "x", 1), 1);
    EXPECT_EXIT(pid, 0);
}

static int recv_creds(int sock, struct ucred *u)
{
    union control c;
    char b[8];
    struct iovec v = {b, sizeof(b)};
    struct msghdr m = {
        .msg_iov = &v, .msg_iovlen = 1, .msg_control = c.buf, .msg_controllen = sizeof(c.buf)};
    ASSERT(recvmsg(sock, &m, 0) >= 0);
    for (struct cmsghdr *h = CMSG_FIRSTHDR(&m); h; h = CMSG_NXTHDR(&m, h)) {
        if (h->cmsg_level == SOL_SOCKET && h->cmsg_type == SCM_CREDENTIALS) {
            memcpy(u, CMSG_DATA(h), sizeof(*u));
            return 1;
        }
    }
    return 0;
}

static ssize_t send_creds(int sock, const struct ucred *u)
{
    union control c = {{0}};
    struct iovec v = {"x", 1};
    struct msghdr m = {.msg_iov = &v,
                       .msg_iovlen = 1,
                       .msg_control = c.buf,
                       .msg_controllen = CMSG_SPACE(sizeof(*u))};
    struct cmsghdr *h = CMSG_FIRSTHDR(&m);
    h->cmsg_level = SOL_SOCKET;
    h->cmsg_type = SCM_CREDENTIALS;
    h->cmsg_len = CMSG_LEN(sizeof(*u));
    memcpy(CMSG_DATA(h), u, sizeof(*u));
    return sendmsg(sock, &m, 0);
}

TEST(so_passcred_adds_credentials)
{
    struct ucred u = {0, 0, 0};
    int sv[2], on = 1;
    ASSERT_OK(socketpair(AF_UNIX, SOCK_DGRAM, 0, sv));
    EXPECT_EQ(write(sv[0], "x", 1), 1);
    EXPECT_EQ(recv_creds(sv[1], &u), 0);
    ASSERT_OK(setsockopt(sv[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)));
    pid_t pid = t_fork();
    if (pid == 0) {
        EXPECT_EQ(write(sv[0], "x", 1), 1);
        CHILD_EXIT();
    }
    EXPECT_EQ(recv_creds(sv[1], &u), 1);
    EXPECT_EQ(u.pid, pid);
    EXPECT_EQ(u.uid, getuid());
    EXPECT_EXIT(pid, 0);
}

TEST(scm_credentials_are_checked)
{
    struct ucred u = {getpid(), getuid(), getgid()}, got;
    int sv[2], on = 1;
    ASSERT_OK(socketpair(AF_UNIX, SOCK_DGRAM, 0, sv));
    ASSERT_OK(setsockopt(sv[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)));
    EXPECT_EQ(send_creds(sv[0], &u), 1);
    EXPECT_EQ(recv_creds(sv[1], &got), 1);
    EXPECT_EQ(got.pid, getpid());
    pid_t pid = t_fork();
    if (pid == 0) {
        if (geteuid() == 0)
            t_become_nobody();
        u = (struct ucred){getppid(), getuid(), getgid()};
        EXPECT_ERRNO(send_creds(sv[0], &u), EPERM);
        u = (struct ucred){getpid(), 4242, getgid()};
        EXPECT_ERRNO(send_creds(sv[0], &u), EPERM);
        u = (struct ucred){getpid(), getuid(), getgid()};
        EXPECT_EQ(send_creds(sv[0], &u), 1);
        CHILD_EXIT();
    }
    EXPECT_EXIT(pid, 0);
}

TEST(control_message_errors)
{
    union control c = {{0}};
    int sv[2];
    struct iovec v = {"x", 1};
    struct msghdr m = {
        .msg_iov = &v, .msg_iovlen = 1, .msg_control = c.buf, .msg_controllen = CMSG_SPACE(4)};
    struct cmsghdr *h = CMSG_FIRSTHDR(&m);
    ASSERT_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, sv));
    h->cmsg_level = SOL_SOCKET;
    h->cmsg_type = SCM_RIGHTS;
    h->cmsg_len = 4; /* shorter than a header */
    EXPECT_ERRNO(sendmsg(sv[0], &m, 0), EINVAL);
    h->cmsg_len = 4000; /* longer than the buffer */
    EXPECT_ERRNO(sendmsg(sv[0], &m, 0), EINVAL);
    h->cmsg_len = CMSG_LEN(4);
    h->cmsg_type = 0x7777;
    EXPECT_ERRNO(sendmsg(sv[0], &m, 0), EINVAL);
}
