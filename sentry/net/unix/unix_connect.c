/* SPDX-License-Identifier: Apache-2.0 */
/* AF_UNIX: listen, connect, accept. */
#include "abi/linux/errno_internal.h"
#include "abi/linux/poll.h"
#include "cvisor/kcache.h"
#include "sentry/kernel/task.h"
#include "sentry/net/unix/unix.h"

#include <errno.h>
#include <string.h>

int unix_listen(struct socket *s, int backlog)
{
    struct usock *u = usock(s);
    if (!usock_connection_based(u))
        return -EOPNOTSUPP;
    int err = 0;
    mutex_lock(&g_unix_lock);
    if (!u->addr || u->peer) {
        err = -EINVAL;
    } else {
        u->backlog = backlog < 0 || backlog > LINUX_SOMAXCONN ? LINUX_SOMAXCONN : backlog;
        unix_current_cred(&u->peercred);
        atomic_store(&s->listening, true);
    }
    mutex_unlock(&g_unix_lock);
    return err;
}

/* A datagram socket only remembers where to send. */
static int connect_dgram(struct usock *u, const void *addr, u32 len)
{
    struct usock *to = NULL, *old;
    u16 family;
    memcpy(&family, addr, sizeof(family));
    if (family != LINUX_AF_UNSPEC) {
        int err = unix_find(addr, len, LINUX_SOCK_DGRAM, &to);
        if (err)
            return err;
    }
    mutex_lock(&g_unix_lock);
    old = u->peer;
    u->peer = to;
    mutex_unlock(&g_unix_lock);
    if (old)
        usock_put(old);
    waitq_notify(&u->waitq, LINUX_POLLOUT);
    return 0;
}

/* g_unix_lock held: n is the server's end of u's connection, queued on l. */
static void connect_queue_locked(struct usock *l, struct usock *u, struct usock *n,
                                 struct unix_addr *name)
{
    usock_link_locked(u, n);
    u->peercred = l->peercred;
    unix_current_cred(&n->peercred);
    n->addr = name;
    n->listener_of = l;
    list_add_tail(&n->accept_node, &l->accept_queue);
    l->queued++;
}

static int connect_try(struct usock *l, struct usock *u, struct usock *n, struct unix_addr *name)
{
    int err = 0;
    mutex_lock(&g_unix_lock);
    if (u->peer)
        err = -EISCONN;
    else if (atomic_load(&u->sock.listening))
        err = -EINVAL;
    else if (!atomic_load(&l->sock.listening) || (!l->addr))
        err = -ECONNREFUSED;
    else if (l->queued > l->backlog)
        err = -EAGAIN;
    else
        connect_queue_locked(l, u, n, name);
    mutex_unlock(&g_unix_lock);
    return err;
}

static bool listener_closed(struct usock *l)
{
    mutex_lock(&l->lock);
    bool closed = l->shut_rd;
    mutex_unlock(&l->lock);
    return closed;
}

static int connect_stream(struct usock *u, struct usock *l, bool nonblock)
{
    struct usock *n = usock_new(u->sock.type, u->sock.protocol);
    struct unix_addr *name = NULL;
    if (!n)
        return -ENOMEM;
    if (l->addr) {
        name = kmalloc(sizeof(*name));
        if (!name) {
            usock_put(n);
            return -ENOMEM;
        }
        *name = *l->addr;
    }
    struct waiter w;
    u64 deadline = socket_deadline(atomic_load(&u->sock.sndtimeo_ns));
    waiter_init_task(&w, current, LINUX_POLLOUT);
    waitq_add(&l->waitq, &w);
    int err;
    for (;;) {
        task_prepare_block(current);
        err = listener_closed(l) ? -ECONNREFUSED : connect_try(l, u, n, name);
        if (err != -EAGAIN || nonblock)
            break;
        err = task_block(current, deadline);
        if (err) {
            if (err == -ETIMEDOUT)
                err = -EAGAIN;
            break;
        }
    }
    waitq_remove(&w);
    if (err) {
        kfree(name);
        usock_put(n);
        return err;
    }
    waitq_notify(&l->waitq, LINUX_POLLIN | LINUX_POLLRDNORM);
    waitq_notify(&u->waitq, LINUX_POLLOUT);
    return 0;
}

int unix_connect(struct socket *s, const void *addr, u32 len, bool nonblock)
{
    struct usock *u = usock(s), *l;
    if (len < sizeof(u16))
        return -EINVAL;
    if (!usock_connection_based(u))
        return connect_dgram(u, addr, len);
    int err = unix_find(addr, len, s->type, &l);
    if (err)
        return err;
    err = connect_stream(u, l, nonblock);
    usock_put(l);
    return err;
}

static struct usock *accept_take(struct usock *l)
{
    struct usock *n = NULL;
    mutex_lock(&g_unix_lock);
    if (!list_empty(&l->accept_queue)) {
        n = list_first_entry(&l->accept_queue, struct usock, accept_node);
        list_del(&n->accept_node);
        n->listener_of = NULL;
        l->queued--;
    }
    mutex_unlock(&g_unix_lock);
    return n;
}

int unix_accept(struct socket *s, bool nonblock, struct socket **out)
{
    struct usock *l = usock(s), *n;
    if (!usock_connection_based(l))
        return -EOPNOTSUPP;
    if (!atomic_load(&s->listening))
        return -EINVAL;
    struct waiter w;
    u64 deadline = socket_deadline(atomic_load(&s->rcvtimeo_ns));
    int err = 0;
    waiter_init_task(&w, current, LINUX_POLLIN);
    w.exclusive = true;
    waitq_add(&l->waitq, &w);
    for (;;) {
        task_prepare_block(current);
        n = accept_take(l);
        if (n)
            break;
        if (listener_closed(l)) {
            err = -EINVAL;
            break;
        }
        err = nonblock ? -EAGAIN : task_block(current, deadline);
        if (err) {
            if (err == -ETIMEDOUT)
                err = -EAGAIN;
            break;
        }
    }
    waitq_remove(&w);
    if (!n)
        return err;
    waitq_notify(&l->waitq, LINUX_POLLOUT); /* room in the backlog */
    *out = &n->sock;
    return 0;
}
