/* SPDX-License-Identifier: Apache-2.0 */
/* Sockets: creation, names, options. Messages are in sys_sockmsg.c. */
#include "abi/linux/fcntl.h"
#include "abi/linux/socket.h"
#include "abi/linux/time.h"
#include "sentry/kernel/fdtable.h"
#include "sentry/kernel/task.h"
#include "sentry/mm/uaccess.h"
#include "sentry/net/socket.h"
#include "sentry/syscalls/handlers.h"
#include "sentry/syscalls/sockfd.h"

#include <errno.h>
#include <string.h>

#define SOCK_BUF_MIN 2304u
#define SOCK_BUF_MAX 425984u

struct file *sockfd_get(struct task *t, int fd, struct socket **s, int *err)
{
    struct file *f = fd_get(t, fd);
    *err = -EBADF;
    if (!f)
        return NULL;
    *s = socket_from_file(f);
    if (!*s) {
        file_put(f);
        *err = -ENOTSOCK;
        return NULL;
    }
    *err = 0;
    return f;
}

static int socket_install(struct task *t, struct socket *s, u32 type_flags)
{
    struct file *f;
    int err = socket_file_new(s, type_flags & LINUX_SOCK_NONBLOCK ? LINUX_O_NONBLOCK : 0, &f);
    if (err) {
        s->ops->release(s);
        return err;
    }
    int fd = fd_install(t, f, (type_flags & LINUX_SOCK_CLOEXEC) != 0, 0);
    if (fd < 0)
        file_put(f);
    return fd;
}

s64 sys_socket(struct task *t, const struct syscall_args *a)
{
    int family = arg_int(a, 0), type = arg_int(a, 1), proto = arg_int(a, 2);
    struct socket *s;
    if (type & ~(LINUX_SOCK_TYPE_MASK | LINUX_SOCK_CLOEXEC | LINUX_SOCK_NONBLOCK))
        return -EINVAL;
    if (family != LINUX_AF_UNIX)
        return -EAFNOSUPPORT; /* --network=none: there is no other family */
    int err = unix_socket_new(type & LINUX_SOCK_TYPE_MASK, proto, &s);
    return err ? err : socket_install(t, s, (u32)type);
}

s64 sys_socketpair(struct task *t, const struct syscall_args *a)
{
    int family = arg_int(a, 0), type = arg_int(a, 1), proto = arg_int(a, 2);
    struct socket *s[2];
    if (type & ~(LINUX_SOCK_TYPE_MASK | LINUX_SOCK_CLOEXEC | LINUX_SOCK_NONBLOCK))
        return -EINVAL;
    if (family != LINUX_AF_UNIX)
        return -EAFNOSUPPORT;
    int err = unix_socket_pair(type & LINUX_SOCK_TYPE_MASK, proto, s);
    if (err)
        return err;
    s32 fds[2];
    fds[0] = socket_install(t, s[0], (u32)type);
    if (fds[0] < 0) {
        s[1]->ops->release(s[1]);
        return fds[0];
    }
    fds[1] = socket_install(t, s[1], (u32)type);
    if (fds[1] < 0) {
        fd_close(t, fds[0]);
        return fds[1];
    }
    if (copy_out(t, arg_ptr(a, 3), fds, sizeof(fds))) {
        fd_close(t, fds[0]);
        fd_close(t, fds[1]);
        return -EFAULT;
    }
    return 0;
}

int sockaddr_in(struct task *t, uaddr_t u, u64 len, u8 out[SOCK_ADDR_MAX])
{
    if ((s32)len < 0 || len > SOCK_ADDR_MAX)
        return -EINVAL;
    return copy_in(t, out, u, len);
}

int sockaddr_out(struct task *t, uaddr_t u, uaddr_t ulen, const void *addr, u32 len)
{
    u32 room;
    if (get_u32(t, &room, ulen))
        return -EFAULT;
    if ((s32)room < 0)
        return -EINVAL;
    if (copy_out(t, u, addr, MIN(room, len)))
        return -EFAULT;
    return put_u32(t, ulen, len);
}

s64 sys_bind(struct task *t, const struct syscall_args *a)
{
    u8 addr[SOCK_ADDR_MAX];
    struct socket *s;
    int err;
    struct file *f = sockfd_get(t, arg_int(a, 0), &s, &err);
    if (!f)
        return err;
    err = sockaddr_in(t, arg_ptr(a, 1), a->v[2], addr);
    if (!err)
        err = s->ops->bind(s, addr, (u32)a->v[2]);
    file_put(f);
    return err;
}

s64 sys_connect(struct task *t, const struct syscall_args *a)
{
    u8 addr[SOCK_ADDR_MAX];
    struct socket *s;
    int err;
    struct file *f = sockfd_get(t, arg_int(a, 0), &s, &err);
    if (!f)
        return err;
    err = sockaddr_in(t, arg_ptr(a, 1), a->v[2], addr);
    if (!err)
        err = s->ops->connect(s, addr, (u32)a->v[2], file_nonblock(f));
    file_put(f);
    return err;
}

s64 sys_listen(struct task *t, const struct syscall_args *a)
{
    struct socket *s;
    int err;
    struct file *f = sockfd_get(t, arg_int(a, 0), &s, &err);
    if (!f)
        return err;
    err = s->ops->listen(s, arg_int(a, 1));
    file_put(f);
    return err;
}

static s64 do_accept(struct task *t, int fd, uaddr_t uaddr_, uaddr_t ulen, u32 flags)
{
    struct socket *s, *n;
    int err;
    if (flags & ~(u32)(LINUX_SOCK_CLOEXEC | LINUX_SOCK_NONBLOCK))
        return -EINVAL;
    struct file *f = sockfd_get(t, fd, &s, &err);
    if (!f)
        return err;
    err = s->ops->accept(s, file_nonblock(f), &n);
    file_put(f);
    if (err)
        return err;
    u8 addr[SOCK_ADDR_MAX];
    u32 len = 0;
    if (uaddr_.v)
        (void)n->ops->getname(n, true, addr, &len);
    int nfd = socket_install(t, n, flags);
    if (nfd >= 0 && uaddr_.v) {
        err = sockaddr_out(t, uaddr_, ulen, addr, len);
        if (err) {
            fd_close(t, nfd);
            return err;
        }
    }
    return nfd;
}

s64 sys_accept(struct task *t, const struct syscall_args *a)
{
    return do_accept(t, arg_int(a, 0), arg_ptr(a, 1), arg_ptr(a, 2), 0);
}

s64 sys_accept4(struct task *t, const struct syscall_args *a)
{
    return do_accept(t, arg_int(a, 0), arg_ptr(a, 1), arg_ptr(a, 2), arg_u32(a, 3));
}

static s64 do_getname(struct task *t, const struct syscall_args *a, bool peer)
{
    u8 addr[SOCK_ADDR_MAX];
    u32 len;
    struct socket *s;
    int err;
    struct file *f = sockfd_get(t, arg_int(a, 0), &s, &err);
    if (!f)
        return err;
    err = s->ops->getname(s, peer, addr, &len);
    file_put(f);
    return err ? err : sockaddr_out(t, arg_ptr(a, 1), arg_ptr(a, 2), addr, len);
}

s64 sys_getsockname(struct task *t, const struct syscall_args *a)
{
    return do_getname(t, a, false);
}

s64 sys_getpeername(struct task *t, const struct syscall_args *a)
{
    return do_getname(t, a, true);
}

s64 sys_shutdown(struct task *t, const struct syscall_args *a)
{
    struct socket *s;
    int err;
    struct file *f = sockfd_get(t, arg_int(a, 0), &s, &err);
    if (!f)
        return err;
    err = s->ops->shutdown(s, arg_int(a, 1));
    file_put(f);
    return err;
}

/* ---- options ---- */

static int set_timeo(_Atomic u64 *to, const void *val, u32 len)
{
    struct linux_timeval tv;
    if (len < sizeof(tv))
        return -EINVAL;
    memcpy(&tv, val, sizeof(tv));
    if (tv.tv_usec < 0 || tv.tv_usec >= 1000000)
        return -EDOM;
    u64 ns = 0;
    if (tv.tv_sec >= 0 && tv.tv_sec < 1000000000)
        ns = (u64)tv.tv_sec * (u64)NSEC_PER_SEC + (u64)tv.tv_usec * (u64)NSEC_PER_USEC;
    atomic_store(to, tv.tv_sec < 0 ? 1 : ns);
    return 0;
}

static void set_buf(_Atomic u32 *to, s32 v, bool force)
{
    u32 n = v < 0 ? SOCK_BUF_MIN : (u32)v;
    if (!force)
        n = MIN(n, SOCK_BUF_MAX / 2);
    atomic_store(to, MAX(MIN(n, SOCK_BUF_MAX) * 2, SOCK_BUF_MIN));
}

static int set_socket_option(struct socket *s, int name, const void *val, u32 len)
{
    struct linux_linger linger;
    s32 v = 0;
    switch (name) {
    case LINUX_SO_RCVTIMEO_OLD:
    case LINUX_SO_RCVTIMEO_NEW:
        return set_timeo(&s->rcvtimeo_ns, val, len);
    case LINUX_SO_SNDTIMEO_OLD:
    case LINUX_SO_SNDTIMEO_NEW:
        return set_timeo(&s->sndtimeo_ns, val, len);
    default:
        break;
    }
    if (len < sizeof(v))
        return -EINVAL;
    memcpy(&v, val, sizeof(v));
    switch (name) {
    case LINUX_SO_SNDBUF:
        set_buf(&s->sndbuf, v, false);
        return 0;
    case LINUX_SO_RCVBUF:
        set_buf(&s->rcvbuf, v, false);
        return 0;
    case LINUX_SO_SNDBUFFORCE:
    case LINUX_SO_RCVBUFFORCE:
        if (!capable(LINUX_CAP_NET_ADMIN))
            return -EPERM;
        set_buf(name == LINUX_SO_SNDBUFFORCE ? &s->sndbuf : &s->rcvbuf, v, true);
        return 0;
    case LINUX_SO_PASSCRED:
        atomic_store(&s->passcred, v != 0);
        return 0;
    case LINUX_SO_LINGER:
        if (len < sizeof(linger))
            return -EINVAL;
        memcpy(&linger, val, sizeof(linger));
        linger.l_onoff = linger.l_onoff != 0;
        atomic_store(&s->linger, linger);
        return 0;
    case LINUX_SO_REUSEADDR:
    case LINUX_SO_KEEPALIVE:
    case LINUX_SO_BROADCAST:
    case LINUX_SO_OOBINLINE:
    case LINUX_SO_REUSEPORT:
    case LINUX_SO_PRIORITY:
    case LINUX_SO_DONTROUTE:
        if (v)
            atomic_fetch_or(&s->misc_opts, 1ull << name);
        else
            atomic_fetch_and(&s->misc_opts, ~(1ull << name));
        return 0;
    default:
        return -ENOPROTOOPT;
    }
}

s64 sys_setsockopt(struct task *t, const struct syscall_args *a)
{
    u8 val[256] = {0};
    s32 len = arg_int(a, 4);
    struct socket *s;
    int err, level = arg_int(a, 1), name = arg_int(a, 2);
    if (len < 0)
        return -EINVAL;
    struct file *f = sockfd_get(t, arg_int(a, 0), &s, &err);
    if (!f)
        return err;
    u32 n = MIN((u32)len, (u32)sizeof(val));
    err = copy_in(t, val, arg_ptr(a, 3), n);
    if (!err) {
        err = level == LINUX_SOL_SOCKET ? set_socket_option(s, name, val, n) : -ENOPROTOOPT;
        if (err == -ENOPROTOOPT)
            err = s->ops->setsockopt          ? s->ops->setsockopt(s, level, name, val, n)
                  : level == LINUX_SOL_SOCKET ? -ENOPROTOOPT
                                              : -EOPNOTSUPP;
    }
    file_put(f);
    return err;
}

static void get_timeo(u64 ns, void *val, u32 *len)
{
    struct linux_timeval tv = {
        .tv_sec = (s64)(ns / (u64)NSEC_PER_SEC),
        .tv_usec = (s64)(ns % (u64)NSEC_PER_SEC) / NSEC_PER_USEC,
    };
    *len = MIN(*len, (u32)sizeof(tv));
    memcpy(val, &tv, *len);
}

static int get_socket_option(struct socket *s, int name, void *val, u32 *len)
{
    struct linux_linger linger;
    s32 v;
    switch (name) {
    case LINUX_SO_TYPE:
        v = s->type;
        break;
    case LINUX_SO_DOMAIN:
        v = s->family;
        break;
    case LINUX_SO_PROTOCOL:
        v = s->protocol;
        break;
    case LINUX_SO_ERROR:
        v = atomic_exchange(&s->error, 0);
        break;
    case LINUX_SO_ACCEPTCONN:
        v = atomic_load(&s->listening);
        break;
    case LINUX_SO_SNDBUF:
        v = (s32)atomic_load(&s->sndbuf);
        break;
    case LINUX_SO_RCVBUF:
        v = (s32)atomic_load(&s->rcvbuf);
        break;
    case LINUX_SO_PASSCRED:
        v = atomic_load(&s->passcred);
        break;
    case LINUX_SO_RCVLOWAT:
    case LINUX_SO_SNDLOWAT:
        v = 1;
        break;
    case LINUX_SO_LINGER:
        linger = atomic_load(&s->linger);
        *len = MIN(*len, (u32)sizeof(linger));
        memcpy(val, &linger, *len);
        return 0;
    case LINUX_SO_RCVTIMEO_OLD:
    case LINUX_SO_RCVTIMEO_NEW:
        get_timeo(atomic_load(&s->rcvtimeo_ns), val, len);
        return 0;
    case LINUX_SO_SNDTIMEO_OLD:
    case LINUX_SO_SNDTIMEO_NEW:
        get_timeo(atomic_load(&s->sndtimeo_ns), val, len);
        return 0;
    case LINUX_SO_REUSEADDR:
    case LINUX_SO_KEEPALIVE:
    case LINUX_SO_BROADCAST:
    case LINUX_SO_OOBINLINE:
    case LINUX_SO_REUSEPORT:
    case LINUX_SO_PRIORITY:
    case LINUX_SO_DONTROUTE:
        v = (s32)(atomic_load(&s->misc_opts) >> name & 1);
        break;
    default:
        return -ENOPROTOOPT;
    }
    *len = MIN(*len, (u32)sizeof(v));
    memcpy(val, &v, *len);
    return 0;
}

s64 sys_getsockopt(struct task *t, const struct syscall_args *a)
{
    u8 val[256] = {0};
    u32 len;
    struct socket *s;
    int err, level = arg_int(a, 1), name = arg_int(a, 2);
    struct file *f = sockfd_get(t, arg_int(a, 0), &s, &err);
    if (!f)
        return err;
    if (get_u32(t, &len, arg_ptr(a, 4)))
        err = -EFAULT;
    else if ((s32)len < 0)
        err = -EINVAL;
    if (!err) {
        len = MIN(len, (u32)sizeof(val));
        err = level == LINUX_SOL_SOCKET ? get_socket_option(s, name, val, &len) : -ENOPROTOOPT;
        if (err == -ENOPROTOOPT)
            err = s->ops->getsockopt ? s->ops->getsockopt(s, level, name, val, &len) : err;
    }
    file_put(f);
    if (!err && (copy_out(t, arg_ptr(a, 3), val, len) || put_u32(t, arg_ptr(a, 4), len)))
        err = -EFAULT;
    return err;
}
