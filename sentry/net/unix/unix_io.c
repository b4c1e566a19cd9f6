/* SPDX-License-Identifier: Apache-2.0 */
/* AF_UNIX: sending and receiving. */
#include "abi/linux/errno_internal.h"
#include "abi/linux/poll.h"
#include "cvisor/kcache.h"
#include "sentry/kernel/signal.h"
#include "sentry/kernel/task.h"
#include "sentry/mm/uaccess.h"
#include "sentry/net/unix/unix.h"

#include <errno.h>
#include <string.h>

/* The most of a stream that one buffer holds. */
#define STREAM_CHUNK 32768
/* Datagrams waiting in one queue; together with sndbuf it bounds the memory. */
#define DGRAM_QUEUE_MAX 512

static struct unix_buf *buf_fill(struct usock *u, struct iov_iter *it, size_t n, int *err)
{
    struct unix_buf *b = unix_buf_new(n);
    if (!b) {
        *err = -ENOMEM;
        return NULL;
    }
    if (n) {
        ssize_t got = iov_copy_from(it, b->data, n);
        if (got < (ssize_t)n) {
            unix_buf_free(b);
            *err = -EFAULT;
            return NULL;
        }
    }
    unix_current_cred(&b->cred);
    mutex_lock(&g_unix_lock);
    if (u->addr) {
        b->from = kmalloc(sizeof(*b->from));
        if (b->from)
            *b->from = *u->addr;
    }
    mutex_unlock(&g_unix_lock);
    return b;
}

/* 0 = queued, -EAGAIN = no room, -EPIPE/-ECONNREFUSED. */
static int queue_try(struct usock *u, struct usock *p, struct unix_buf *b)
{
    int err = 0;
    bool dgram = !usock_connection_based(u);
    mutex_lock(&p->lock);
    if (p->shut_rd) {
        err = dgram ? -ECONNREFUSED : -EPIPE;
    } else if (p->queued_bytes && p->queued_bytes + b->len > atomic_load(&u->sock.sndbuf)) {
        err = -EAGAIN;
    } else if (p->queued_bytes / DGRAM_QUEUE_MAX > SOCK_BUF_DEFAULT) {
        err = -EAGAIN;
    } else {
        list_add_tail(&b->node, &p->queue);
        /* An empty datagram counts too, so that a flood of them is bounded. */
        p->queued_bytes += MAX(b->len, dgram ? (size_t)64 : b->len);
    }
    mutex_unlock(&p->lock);
    return err;
}

static bool send_shut(struct usock *u)
{
    mutex_lock(&u->lock);
    bool shut = u->shut_wr || (usock_connection_based(u) && u->peer_gone);
    mutex_unlock(&u->lock);
    return shut;
}

static int queue_wait(struct usock *u, struct usock *p, struct unix_buf *b, u32 flags)
{
    struct waiter w;
    u64 deadline = socket_deadline(atomic_load(&u->sock.sndtimeo_ns));
    int err = send_shut(u) ? -EPIPE : queue_try(u, p, b);
    if (err != -EAGAIN || (flags & LINUX_MSG_DONTWAIT))
        return err;
    waiter_init_task(&w, current, LINUX_POLLOUT);
    waitq_add(&p->waitq, &w); /* its reader tells when there is room */
    for (;;) {
        task_prepare_block(current);
        err = send_shut(u) ? -EPIPE : queue_try(u, p, b);
        if (err != -EAGAIN)
            break;
        err = task_block(current, deadline);
        if (err) {
            if (err == -ETIMEDOUT)
                err = -EAGAIN;
            break;
        }
    }
    waitq_remove(&w);
    return err;
}

static ssize_t send_stream(struct usock *u, struct usock *p, struct sock_msg *m, u32 flags)
{
    size_t done = 0;
    int err = 0;
    bool first = true;
    while (iov_iter_count(m->iter)) {
        size_t n = MIN(iov_iter_count(m->iter), (size_t)STREAM_CHUNK);
        n = MIN(n, MAX((size_t)atomic_load(&u->sock.sndbuf) / 2, (size_t)1));
        struct unix_buf *b = buf_fill(u, m->iter, n, &err);
        if (!b)
            break;
        if (first) {
            b->scm = m->scm;
            memset(&m->scm, 0, sizeof(m->scm));
            unix_gc_attach(b);
            first = false;
        }
        err = queue_wait(u, p, b, flags);
        if (err) {
            unix_buf_free(b);
            break;
        }
        done += n;
        waitq_notify(&p->waitq, LINUX_POLLIN | LINUX_POLLRDNORM);
    }
    return done ? (ssize_t)done : err;
}

static ssize_t send_packet(struct usock *u, struct usock *p, struct sock_msg *m, u32 flags)
{
    size_t n = iov_iter_count(m->iter);
    int err = 0;
    if (n > atomic_load(&u->sock.sndbuf))
        return -EMSGSIZE;
    struct unix_buf *b = buf_fill(u, m->iter, n, &err);
    if (!b)
        return err;
    b->scm = m->scm;
    memset(&m->scm, 0, sizeof(m->scm));
    unix_gc_attach(b);
    err = queue_wait(u, p, b, flags);
    if (err) {
        unix_buf_free(b);
        return err;
    }
    waitq_notify(&p->waitq, LINUX_POLLIN | LINUX_POLLRDNORM);
    return (ssize_t)n;
}

static int send_target(struct usock *u, struct sock_msg *m, struct usock **out)
{
    if (m->name_len) {
        if (usock_connection_based(u)) {
            if (u->sock.type == LINUX_SOCK_SEQPACKET)
                *out = usock_peer(u);
            if (u->sock.type == LINUX_SOCK_SEQPACKET && *out)
                return 0;
            struct usock *p = usock_peer(u);
            if (p)
                usock_put(p);
            return p ? -EISCONN : -EOPNOTSUPP;
        }
        return unix_find(m->name, m->name_len, LINUX_SOCK_DGRAM, out);
    }
    *out = usock_peer(u);
    if (*out)
        return 0;
    if (usock_connection_based(u) && usock_peer_gone(u))
        return -EPIPE;
    return -ENOTCONN;
}

ssize_t unix_sendmsg(struct socket *s, struct sock_msg *m, u32 flags)
{
    struct usock *u = usock(s), *p;
    if (flags & LINUX_MSG_OOB)
        return -EOPNOTSUPP;
    int err = send_target(u, m, &p);
    ssize_t ret = err;
    if (!err) {
        if (s->type == LINUX_SOCK_STREAM)
            ret = iov_iter_count(m->iter) ? send_stream(u, p, m, flags) : 0;
        else
            ret = send_packet(u, p, m, flags);
        /* A connected datagram peer that has closed is forgotten. */
        if (ret == -ECONNREFUSED && !m->name_len) {
            mutex_lock(&g_unix_lock);
            struct usock *old = u->peer == p ? p : NULL;
            if (old)
                u->peer = NULL;
            mutex_unlock(&g_unix_lock);
            if (old)
                usock_put(old);
        }
        usock_put(p);
    }
    if (ret == -EPIPE && !(flags & LINUX_MSG_NOSIGNAL)) {
        struct linux_siginfo info;
        siginfo_user(&info, LINUX_SIGPIPE, LINUX_SI_USER);
        signal_send_task(current, LINUX_SIGPIPE, &info);
    }
    return ret;
}

/* ---- receiving ---- */

static void recv_name(struct sock_msg *m, const struct unix_buf *b)
{
    u16 family = LINUX_AF_UNIX;
    memcpy(m->name, &family, sizeof(family));
    m->name_len = sizeof(family);
    if (b->from) {
        memcpy(m->name + sizeof(family), b->from->path, b->from->len);
        m->name_len += b->from->len;
    } else {
        m->name_len = 0;
    }
}

/* MSG_PEEK gives copies of the references. The buffer is in its queue. */
static void recv_scm(struct sock_msg *m, struct unix_buf *b, bool peek)
{
    if (!peek) {
        unix_gc_detach(b);
        m->scm = b->scm;
        memset(&b->scm, 0, sizeof(b->scm));
    } else if (b->scm.nfiles) {
        m->scm.files = kcalloc(b->scm.nfiles, sizeof(struct file *));
        if (m->scm.files) {
            unix_gc_copy(b, m->scm.files);
            m->scm.nfiles = b->scm.nfiles;
        }
    }
    m->scm.has_cred = true;
    m->scm.cred = b->scm.has_cred ? b->scm.cred : b->cred;
}

/* The first buffer, or NULL: who holds read_lock may use it, for the others only add to the queue. */
static struct unix_buf *queue_first(struct usock *u, bool *eof)
{
    struct unix_buf *b = NULL;
    mutex_lock(&u->lock);
    *eof = u->shut_rd || (usock_connection_based(u) && u->peer_gone);
    if (!list_empty(&u->queue))
        b = list_first_entry(&u->queue, struct unix_buf, node);
    mutex_unlock(&u->lock);
    return b;
}

/* n bytes of the first buffer were read, which are all of them for a packet. */
static void queue_consume(struct usock *u, struct unix_buf *b, size_t n)
{
    mutex_lock(&u->lock);
    b->off += n;
    u->queued_bytes -= usock_connection_based(u) ? n : MAX(b->len, (size_t)64);
    bool all = b->off == b->len;
    if (all)
        list_del(&b->node);
    mutex_unlock(&u->lock);
    if (all)
        unix_buf_free(b);
}

static int recv_wait(struct usock *u, u64 deadline)
{
    struct waiter w;
    bool eof;
    int err = 0;
    waiter_init_task(&w, current, LINUX_POLLIN);
    waitq_add(&u->waitq, &w);
    for (;;) {
        task_prepare_block(current);
        if (queue_first(u, &eof) || eof)
            break;
        err = task_block(current, deadline);
        if (err)
            break;
    }
    waitq_remove(&w);
    return err == -ETIMEDOUT ? -EAGAIN : err;
}

/* The first buffer, waited for without read_lock: NULL with *err = 0 at the end of the stream. */
static struct unix_buf *recv_first(struct usock *u, u32 flags, u64 deadline, int *err)
{
    struct unix_buf *b;
    bool eof;
    *err = 0;
    while (!(b = queue_first(u, &eof)) && !eof) {
        if (flags & LINUX_MSG_DONTWAIT) {
            *err = -EAGAIN;
            break;
        }
        mutex_unlock(&u->read_lock);
        *err = recv_wait(u, deadline);
        mutex_lock(&u->read_lock);
        if (*err)
            break;
    }
    return b;
}

static void recv_room(struct usock *u)
{
    struct usock *p = usock_peer(u);
    waitq_notify(&u->waitq, LINUX_POLLOUT | LINUX_POLLWRNORM);
    if (p) {
        waitq_notify(&p->waitq, LINUX_POLLOUT | LINUX_POLLWRNORM);
        usock_put(p);
    }
}

static bool cred_same(const struct linux_ucred *a, const struct linux_ucred *b)
{
    return a->pid == b->pid && a->uid == b->uid && a->gid == b->gid;
}

/* One buffer's worth of a stream. More may follow unless *stop. */
static ssize_t stream_consume(struct usock *u, struct sock_msg *m, struct unix_buf *b, bool peek,
                              bool *stop)
{
    size_t left = b->len - b->off, n = MIN(left, iov_iter_count(m->iter));
    ssize_t got = n ? iov_copy_to(m->iter, b->data + b->off, n) : 0;
    if (got < 0)
        return got;
    if (b->scm.nfiles) {
        /* Descriptors end a read: those of the next buffer belong to other bytes. */
        recv_scm(m, b, peek);
        *stop = true;
    }
    if (peek || (size_t)got < left)
        *stop = true;
    if (!peek)
        queue_consume(u, b, (size_t)got);
    return got;
}

static ssize_t recv_stream(struct usock *u, struct sock_msg *m, u32 flags)
{
    bool peek = (flags & LINUX_MSG_PEEK) != 0, all = (flags & LINUX_MSG_WAITALL) != 0;
    bool passcred = atomic_load(&u->sock.passcred);
    u64 deadline = socket_deadline(atomic_load(&u->sock.rcvtimeo_ns));
    size_t done = 0;
    struct linux_ucred first = {0};
    int err = 0;
    if (!usock_peer_known(u))
        return -EINVAL;
    mutex_lock(&u->read_lock);
    while (iov_iter_count(m->iter)) {
        bool stop = false;
        u32 f = done && !all ? flags | LINUX_MSG_DONTWAIT : flags;
        struct unix_buf *b = recv_first(u, f, deadline, &err);
        if (!b)
            break;
        /* Bytes of different senders, or with descriptors of their own, are not joined. */
        if (done && (b->scm.nfiles || (passcred && !cred_same(&first, &b->cred))))
            break;
        if (!done) {
            first = b->cred;
            recv_name(m, b);
            m->scm.has_cred = true;
            m->scm.cred = b->scm.has_cred ? b->scm.cred : b->cred;
        }
        ssize_t n = stream_consume(u, m, b, peek, &stop);
        if (n < 0) {
            err = (int)n;
            break;
        }
        done += (size_t)n;
        if (stop)
            break;
    }
    mutex_unlock(&u->read_lock);
    if (done && !peek)
        recv_room(u);
    if (!done && !err) {
        int pending = atomic_exchange(&u->sock.error, 0);
        if (pending && iov_iter_count(m->iter))
            return -pending;
    }
    return done ? (ssize_t)done : err;
}

static ssize_t recv_packet(struct usock *u, struct sock_msg *m, u32 flags)
{
    bool peek = (flags & LINUX_MSG_PEEK) != 0;
    u64 deadline = socket_deadline(atomic_load(&u->sock.rcvtimeo_ns));
    ssize_t ret;
    int err;
    if (usock_connection_based(u) && !usock_peer_known(u))
        return -ENOTCONN;
    mutex_lock(&u->read_lock);
    struct unix_buf *b = recv_first(u, flags, deadline, &err);
    size_t n = b ? MIN(b->len, iov_iter_count(m->iter)) : 0;
    ssize_t got = n ? iov_copy_to(m->iter, b->data, n) : 0;
    if (!b || got < 0) {
        mutex_unlock(&u->read_lock);
        return b ? got : err;
    }
    recv_name(m, b);
    recv_scm(m, b, peek);
    if (b->len > n)
        m->out_flags |= LINUX_MSG_TRUNC;
    if (u->sock.type == LINUX_SOCK_SEQPACKET)
        m->out_flags |= LINUX_MSG_EOR;
    ret = flags & LINUX_MSG_TRUNC ? (ssize_t)b->len : got;
    if (!peek)
        queue_consume(u, b, b->len);
    mutex_unlock(&u->read_lock);
    if (!peek)
        recv_room(u);
    return ret;
}

ssize_t unix_recvmsg(struct socket *s, struct sock_msg *m, u32 flags)
{
    struct usock *u = usock(s);
    if (flags & LINUX_MSG_OOB)
        return -EOPNOTSUPP;
    if (atomic_load(&s->listening))
        return -EINVAL;
    return s->type == LINUX_SOCK_STREAM ? recv_stream(u, m, flags) : recv_packet(u, m, flags);
}
