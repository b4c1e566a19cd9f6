/* SPDX-License-Identifier: Apache-2.0 */
/* Sending and receiving messages on sockets. */
#include "abi/linux/errno_internal.h"
#include "abi/linux/socket.h"
#include "abi/linux/time.h"
#include "abi/linux/uio.h"
#include "cvisor/host.h"
#include "cvisor/kcache.h"
#include "sentry/kernel/task.h"
#include "sentry/mm/uaccess.h"
#include "sentry/net/cmsg.h"
#include "sentry/syscalls/handlers.h"
#include "sentry/syscalls/sockfd.h"

#include <errno.h>
#include <string.h>

#define MSG_CONTROL_MAX 65536u

s64 sys_sendto(struct task *t, const struct syscall_args *a)
{
    struct sock_msg m = {0};
    struct iov_iter it;
    struct socket *s;
    int err;
    struct file *f = sockfd_get(t, arg_int(a, 0), &s, &err);
    if (!f)
        return err;
    u32 flags = arg_u32(a, 3) | (file_nonblock(f) ? LINUX_MSG_DONTWAIT : 0);
    iov_iter_user(&it, t, arg_ptr(a, 1), MIN(a->v[2], MAX_RW_COUNT));
    m.iter = &it;
    if (a->v[4]) {
        err = sockaddr_in(t, arg_ptr(a, 4), a->v[5], m.name);
        m.name_len = (u32)a->v[5];
    }
    s64 ret = err ? err : s->ops->sendmsg(s, &m, flags);
    scm_release(&m.scm);
    file_put(f);
    return ret;
}

s64 sys_recvfrom(struct task *t, const struct syscall_args *a)
{
    struct sock_msg m = {0};
    struct iov_iter it;
    struct socket *s;
    int err;
    struct file *f = sockfd_get(t, arg_int(a, 0), &s, &err);
    if (!f)
        return err;
    u32 flags = arg_u32(a, 3) | (file_nonblock(f) ? LINUX_MSG_DONTWAIT : 0);
    iov_iter_user(&it, t, arg_ptr(a, 1), MIN(a->v[2], MAX_RW_COUNT));
    m.iter = &it;
    s64 ret = s->ops->recvmsg(s, &m, flags);
    scm_release(&m.scm);
    file_put(f);
    if (ret >= 0 && a->v[4] && sockaddr_out(t, arg_ptr(a, 4), arg_ptr(a, 5), m.name, m.name_len))
        return -EFAULT;
    return ret;
}

static int msg_header(struct task *t, uaddr_t u, struct linux_msghdr *h)
{
    if (copy_in(t, h, u, sizeof(*h)))
        return -EFAULT;
    if (h->msg_iovlen > LINUX_IOV_MAX)
        return -EMSGSIZE;
    if (h->msg_namelen < 0)
        return -EINVAL;
    return 0;
}

static s64 send_one(struct task *t, struct socket *s, uaddr_t umsg, u32 flags)
{
    struct linux_msghdr h;
    struct linux_iovec *iov __kfree = NULL;
    struct sock_msg m = {0};
    struct iov_iter it;
    int err = msg_header(t, umsg, &h);
    if (err)
        return err;
    err = iov_iter_import(&it, t, uaddr(h.msg_iov), h.msg_iovlen, &iov);
    if (err < 0)
        return err;
    m.iter = &it;
    if (h.msg_name && h.msg_namelen) {
        m.name_len = MIN((u32)h.msg_namelen, (u32)SOCK_ADDR_MAX);
        err = sockaddr_in(t, uaddr(h.msg_name), m.name_len, m.name);
        if (err)
            return err;
    }
    if (h.msg_control && h.msg_controllen) {
        err = cmsg_import(t, s, uaddr(h.msg_control), h.msg_controllen, &m.scm);
        if (err)
            return err;
    }
    s64 ret = s->ops->sendmsg(s, &m, flags);
    scm_release(&m.scm);
    return ret;
}

static s64 recv_one(struct task *t, struct socket *s, uaddr_t umsg, u32 flags)
{
    struct linux_msghdr h;
    struct linux_iovec *iov __kfree = NULL;
    struct sock_msg m = {0};
    struct iov_iter it;
    int err = msg_header(t, umsg, &h);
    if (err)
        return err;
    err = iov_iter_import(&it, t, uaddr(h.msg_iov), h.msg_iovlen, &iov);
    if (err < 0)
        return err;
    m.iter = &it;
    s64 ret = s->ops->recvmsg(s, &m, flags);
    if (ret < 0) {
        scm_release(&m.scm);
        return ret;
    }
    u64 control = h.msg_control ? MIN(h.msg_controllen, (u64)MSG_CONTROL_MAX) : 0;
    err = cmsg_export(t, s, uaddr(h.msg_control), &control, &m.scm,
                      (flags & LINUX_MSG_CMSG_CLOEXEC) != 0, &m.out_flags);
    scm_release(&m.scm);
    if (!err && h.msg_name)
        err = copy_out(t, uaddr(h.msg_name), m.name, MIN((u32)h.msg_namelen, m.name_len));
    if (err)
        return -EFAULT;
    if (h.msg_name)
        h.msg_namelen = (s32)m.name_len;
    if (put_u32(t, uaddr_add(umsg, offsetof(struct linux_msghdr, msg_namelen)),
                (u32)h.msg_namelen) ||
        put_u64(t, uaddr_add(umsg, offsetof(struct linux_msghdr, msg_controllen)), control) ||
        put_u32(t, uaddr_add(umsg, offsetof(struct linux_msghdr, msg_flags)),
                m.out_flags | (flags & LINUX_MSG_CMSG_CLOEXEC)))
        return -EFAULT;
    return ret;
}

static s64 one_message(struct task *t, const struct syscall_args *a,
                       s64 (*fn)(struct task *, struct socket *, uaddr_t, u32))
{
    struct socket *s;
    int err;
    struct file *f = sockfd_get(t, arg_int(a, 0), &s, &err);
    if (!f)
        return err;
    u32 flags = arg_u32(a, 2) | (file_nonblock(f) ? LINUX_MSG_DONTWAIT : 0);
    s64 ret = fn(t, s, arg_ptr(a, 1), flags);
    file_put(f);
    return ret;
}

s64 sys_sendmsg(struct task *t, const struct syscall_args *a)
{
    return one_message(t, a, send_one);
}

s64 sys_recvmsg(struct task *t, const struct syscall_args *a)
{
    return one_message(t, a, recv_one);
}

static s64 many_messages(struct task *t, const struct syscall_args *a, bool recv, u64 deadline)
{
    struct socket *s;
    int err;
    struct file *f = sockfd_get(t, arg_int(a, 0), &s, &err);
    if (!f)
        return err;
    u32 n = MIN(arg_u32(a, 2), (u32)LINUX_IOV_MAX), done = 0;
    u32 flags = arg_u32(a, 3) | (file_nonblock(f) ? LINUX_MSG_DONTWAIT : 0);
    s64 ret = 0;
    for (; done < n; done++) {
        uaddr_t u = uaddr_add(arg_ptr(a, 1), done * sizeof(struct linux_mmsghdr));
        u32 fl = flags & ~(u32)LINUX_MSG_WAITFORONE;
        if (recv && done && (flags & LINUX_MSG_WAITFORONE))
            fl |= LINUX_MSG_DONTWAIT;
        ret = recv ? recv_one(t, s, u, fl) : send_one(t, s, u, fl);
        if (ret < 0)
            break;
        if (put_u32(t, uaddr_add(u, offsetof(struct linux_mmsghdr, msg_len)), (u32)ret)) {
            ret = -EFAULT;
            break;
        }
        if (deadline && host_now_mono() >= deadline) {
            done++;
            break;
        }
    }
    file_put(f);
    return done ? (s64)done : ret;
}

s64 sys_sendmmsg(struct task *t, const struct syscall_args *a)
{
    return many_messages(t, a, false, 0);
}

s64 sys_recvmmsg(struct task *t, const struct syscall_args *a)
{
    u64 deadline = 0;
    if (a->v[4]) {
        struct linux_timespec ts;
        if (copy_in(t, &ts, arg_ptr(a, 4), sizeof(ts)))
            return -EFAULT;
        if (ts.tv_sec < 0 || ts.tv_nsec < 0 || ts.tv_nsec >= NSEC_PER_SEC)
            return -EINVAL;
        if (ts.tv_sec < 1000000000)
            deadline = host_now_mono() + (u64)ts.tv_sec * (u64)NSEC_PER_SEC + (u64)ts.tv_nsec;
    }
    return many_messages(t, a, true, deadline);
}
