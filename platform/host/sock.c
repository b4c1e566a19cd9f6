/* SPDX-License-Identifier: Apache-2.0 */
/* Host syscalls on sockets, epoll and poll. */
#define _GNU_SOURCE
#include "cvisor/host.h"
#include "platform/host/syscall.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#define FDS_MAX 32       /* in one message; host.h promises this */
#define FDS_RECV_MAX 253 /* SCM_MAX_FD: what a peer may send */

int host_socketpair(int domain, int type, int proto, int sv[2])
{
    return (int)HOST_CALL(socketpair, domain, type, proto, sv);
}

int host_socket(int domain, int type, int proto)
{
    return (int)HOST_CALL(socket, domain, type, proto);
}

int host_connect(int fd, const void *addr, u32 len)
{
    return (int)HOST_CALL(connect, fd, addr, len);
}

int host_bind(int fd, const void *addr, u32 len)
{
    return (int)HOST_CALL(bind, fd, addr, len);
}

int host_listen(int fd, int backlog)
{
    return (int)HOST_CALL(listen, fd, backlog);
}

int host_accept4(int fd, int flags)
{
    return (int)HOST_CALL_RETRY(accept4, fd, NULL, NULL, flags);
}

int host_shutdown(int fd, int how)
{
    return (int)HOST_CALL(shutdown, fd, how);
}

ssize_t host_send_fds(int sock, const void *buf, size_t n, const int *fds, size_t nfds)
{
    struct iovec iov = {.iov_base = (void *)(uintptr_t)buf, .iov_len = n};
    struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
    union {
        struct cmsghdr align;
        char space[CMSG_SPACE(sizeof(int) * FDS_MAX)];
    } control;

    if (nfds > FDS_MAX)
        return -EINVAL;
    if (nfds > 0) {
        memset(&control, 0, sizeof(control));
        m.msg_control = &control;
        m.msg_controllen = CMSG_SPACE(sizeof(int) * nfds);
        struct cmsghdr *c = CMSG_FIRSTHDR(&m);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int) * nfds);
        memcpy(CMSG_DATA(c), fds, sizeof(int) * nfds);
    }
    return HOST_CALL_RETRY(sendmsg, sock, &m, MSG_NOSIGNAL);
}

ssize_t host_recv(int fd, void *buf, size_t n, int flags)
{
    return HOST_CALL_RETRY(recvfrom, fd, buf, n, flags, NULL, NULL);
}

ssize_t host_recv_fds(int sock, void *buf, size_t n, int *fds, size_t *nfds, int flags)
{
    struct iovec iov = {.iov_base = buf, .iov_len = n};
    union {
        struct cmsghdr align;
        char space[CMSG_SPACE(sizeof(int) * FDS_RECV_MAX)];
    } control;
    struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
    size_t room = *nfds, count = 0;

    m.msg_control = &control;
    m.msg_controllen = sizeof(control);
    *nfds = 0;
    ssize_t r = HOST_CALL_RETRY(recvmsg, sock, &m, flags | MSG_CMSG_CLOEXEC);
    if (r < 0)
        return r;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        size_t sent = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < sent; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
            if (count < room)
                fds[count++] = fd;
            else
                host_close(fd);
        }
    }
    *nfds = count;
    return r;
}

ssize_t host_sendmsg(int fd, const struct linux_msghdr *m, int flags)
{
    return HOST_CALL(sendmsg, fd, m, flags);
}

ssize_t host_recvmsg(int fd, struct linux_msghdr *m, int flags)
{
    return HOST_CALL(recvmsg, fd, m, flags);
}

int host_epoll_create(void)
{
    return (int)HOST_CALL(epoll_create1, EPOLL_CLOEXEC);
}

int host_epoll_ctl(int ep, int op, int fd, struct linux_epoll_event *ev)
{
    return (int)HOST_CALL(epoll_ctl, ep, op, fd, ev);
}

int host_epoll_wait(int ep, struct linux_epoll_event *evs, int max, int timeout_ms)
{
    return (int)HOST_CALL(epoll_pwait, ep, evs, max, timeout_ms, NULL, 8);
}

int host_poll(struct linux_pollfd *fds, u32 n, int timeout_ms)
{
    return (int)HOST_CALL(poll, fds, n, timeout_ms);
}
