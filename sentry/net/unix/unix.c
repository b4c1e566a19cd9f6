/* SPDX-License-Identifier: Apache-2.0 */
/* AF_UNIX: life of a socket, readiness, shutdown, options. */
#include "sentry/net/unix/unix.h"

#include "abi/linux/ioctl.h"
#include "abi/linux/poll.h"
#include "cvisor/kcache.h"
#include "sentry/kernel/task.h"
#include "sentry/mm/uaccess.h"

#include <errno.h>
#include <string.h>

KCACHE(usock);
KCACHE(unix_buf);

struct mutex g_unix_lock = MUTEX_INIT(LOCK_SOCK_BIND);

struct usock *usock_new(int type, int proto)
{
    struct usock *u = kcache_alloc(usock);
    if (!u)
        return NULL;
    socket_init(&u->sock, &g_unix_ops, LINUX_AF_UNIX, type, proto);
    ref_init(&u->refs);
    mutex_init(&u->read_lock, LOCK_SOCK);
    mutex_init(&u->lock, LOCK_SOCK_QUEUE);
    list_init(&u->queue);
    list_init(&u->name_node);
    list_init(&u->accept_queue);
    list_init(&u->accept_node);
    list_init(&u->gc_node);
    waitq_init(&u->waitq);
    return u;
}

void usock_get(struct usock *u)
{
    ref_get(&u->refs);
}

struct unix_buf *unix_buf_new(size_t len)
{
    struct unix_buf *b = kcache_alloc(unix_buf);
    if (!b)
        return NULL;
    list_init(&b->node);
    b->len = len;
    if (len) {
        b->data = kmalloc(len);
        if (!b->data) {
            kcache_free(unix_buf, b);
            return NULL;
        }
    }
    return b;
}

bool usock_peer_gone(struct usock *u)
{
    mutex_lock(&u->lock);
    bool gone = u->peer_gone;
    mutex_unlock(&u->lock);
    return gone;
}

bool usock_peer_known(struct usock *u)
{
    mutex_lock(&g_unix_lock);
    bool known = u->peer != NULL;
    mutex_unlock(&g_unix_lock);
    return known || usock_peer_gone(u);
}

void unix_buf_free(struct unix_buf *b)
{
    unix_gc_detach(b);
    scm_release(&b->scm);
    kfree(b->from);
    kfree(b->data);
    kcache_free(unix_buf, b);
}

void usock_put(struct usock *u)
{
    if (!ref_put(&u->refs))
        return;
    struct list_head left = LIST_HEAD_INIT(left);
    list_splice_tail(&u->queue, &left);
    unix_bufs_free(&left);
    kfree(u->addr);
    kcache_free(usock, u);
}

void unix_current_cred(struct linux_ucred *c)
{
    c->pid = current->group->id;
    c->uid = current->cred->euid;
    c->gid = current->cred->egid;
}

void usock_link_locked(struct usock *a, struct usock *b)
{
    usock_get(a);
    usock_get(b);
    a->peer = b;
    b->peer = a;
}

struct usock *usock_peer(struct usock *u)
{
    mutex_lock(&g_unix_lock);
    struct usock *p = u->peer;
    if (p)
        usock_get(p);
    mutex_unlock(&g_unix_lock);
    return p;
}

/* The end of a connection as the survivor sees it. */
static void usock_peer_closed(struct usock *p, bool reset)
{
    mutex_lock(&p->lock);
    p->peer_gone = true;
    mutex_unlock(&p->lock);
    if (reset)
        atomic_store(&p->sock.error, ECONNRESET);
    waitq_notify(&p->waitq, ~0u);
}

static void usock_close(struct usock *u)
{
    struct list_head orphans = LIST_HEAD_INIT(orphans);
    struct list_head dead = LIST_HEAD_INIT(dead);
    struct usock *peer;

    mutex_lock(&g_unix_lock);
    atomic_store(&u->sock.listening, false); /* nobody queues here any more */
    unix_unbind_locked(u);
    peer = u->peer;
    u->peer = NULL;
    /* Sockets that nobody will accept any more. */
    while (!list_empty(&u->accept_queue)) {
        struct usock *q = list_first_entry(&u->accept_queue, struct usock, accept_node);
        list_del(&q->accept_node);
        q->listener_of = NULL;
        list_add_tail(&q->accept_node, &orphans);
    }
    struct vfs_path path = u->path;
    u->path = (struct vfs_path){0};
    mutex_unlock(&g_unix_lock);
    vfs_path_put(&path);

    mutex_lock(&u->lock);
    bool unread = !list_empty(&u->queue);
    u->shut_rd = u->shut_wr = true;
    list_splice_tail(&u->queue, &dead);
    u->queued_bytes = 0;
    mutex_unlock(&u->lock);
    unix_bufs_free(&dead);
    if (peer) {
        if (usock_connection_based(u)) {
            usock_peer_closed(peer, unread);
        } else {
            /* A datagram peer only loses its destination. */
            waitq_notify(&peer->waitq, ~0u);
        }
        usock_put(peer);
    }
    while (!list_empty(&orphans)) {
        struct usock *q = list_first_entry(&orphans, struct usock, accept_node);
        list_del(&q->accept_node);
        usock_close(q);
        usock_put(q);
    }
    waitq_notify(&u->waitq, ~0u);
}

static void unix_release(struct socket *s)
{
    usock_close(usock(s));
    usock_put(usock(s));
    unix_gc();
}

/* Room for more in the peer's queue? */
static bool usock_writable(struct usock *u)
{
    struct usock *p = usock_peer(u);
    if (!p)
        return true;
    mutex_lock(&p->lock);
    bool room = p->queued_bytes < atomic_load(&u->sock.sndbuf) || p->shut_rd;
    mutex_unlock(&p->lock);
    usock_put(p);
    return room;
}

static u32 unix_poll(struct socket *s)
{
    struct usock *u = usock(s);
    u32 ev = 0;
    if (atomic_load(&s->listening)) {
        mutex_lock(&g_unix_lock);
        if (!list_empty(&u->accept_queue))
            ev = LINUX_POLLIN | LINUX_POLLRDNORM;
        mutex_unlock(&g_unix_lock);
        return ev;
    }
    bool connected = usock_connection_based(u);
    mutex_lock(&u->lock);
    if (!list_empty(&u->queue))
        ev |= LINUX_POLLIN | LINUX_POLLRDNORM;
    if (u->shut_rd || (connected && u->peer_gone))
        ev |= LINUX_POLLIN | LINUX_POLLRDNORM | LINUX_POLLRDHUP;
    if ((u->shut_rd && u->shut_wr) || (connected && u->peer_gone))
        ev |= LINUX_POLLHUP;
    bool gone = u->peer_gone;
    mutex_unlock(&u->lock);
    if (atomic_load(&s->error))
        ev |= LINUX_POLLERR;
    if (connected && !gone) {
        mutex_lock(&g_unix_lock);
        bool never = !u->peer;
        mutex_unlock(&g_unix_lock);
        if (never)
            return ev | LINUX_POLLOUT | LINUX_POLLWRNORM | LINUX_POLLHUP;
    }
    if (gone || usock_writable(u))
        ev |= LINUX_POLLOUT | LINUX_POLLWRNORM | LINUX_POLLWRBAND;
    return ev;
}

static struct waitq *unix_waitq(struct socket *s)
{
    return &usock(s)->waitq;
}

static int unix_shutdown(struct socket *s, int how)
{
    struct usock *u = usock(s);
    if (how < LINUX_SHUT_RD || how > LINUX_SHUT_RDWR)
        return -EINVAL;
    struct usock *p = usock_peer(u);
    if (!p && usock_connection_based(u) && !usock_peer_gone(u))
        return -ENOTCONN;
    bool rd = how != LINUX_SHUT_WR, wr = how != LINUX_SHUT_RD;
    mutex_lock(&u->lock);
    u->shut_rd |= rd;
    u->shut_wr |= wr;
    mutex_unlock(&u->lock);
    if (p) {
        if (usock_connection_based(u)) {
            mutex_lock(&p->lock);
            p->shut_rd |= wr;
            p->shut_wr |= rd;
            mutex_unlock(&p->lock);
        }
        waitq_notify(&p->waitq, ~0u);
        usock_put(p);
    }
    waitq_notify(&u->waitq, ~0u);
    return 0;
}

static int unix_getsockopt(struct socket *s, int level, int name, void *val, u32 *len)
{
    struct usock *u = usock(s);
    if (level != LINUX_SOL_SOCKET || name != LINUX_SO_PEERCRED)
        return -ENOPROTOOPT;
    struct linux_ucred c;
    mutex_lock(&g_unix_lock);
    c = u->peercred;
    mutex_unlock(&g_unix_lock);
    if (!c.pid)
        c.uid = c.gid = ~0u;
    *len = MIN(*len, (u32)sizeof(c));
    memcpy(val, &c, *len);
    return 0;
}

static s64 unix_ioctl(struct socket *s, u32 cmd, u64 arg)
{
    struct usock *u = usock(s);
    u32 n = 0;
    switch (cmd) {
    case LINUX_FIONREAD: /* SIOCINQ */
        if (atomic_load(&s->listening))
            return -EINVAL;
        mutex_lock(&u->lock);
        if (usock_connection_based(u) && s->type == LINUX_SOCK_STREAM) {
            n = (u32)u->queued_bytes;
        } else if (!list_empty(&u->queue)) {
            struct unix_buf *b = list_first_entry(&u->queue, struct unix_buf, node);
            n = (u32)(b->len - b->off);
        }
        mutex_unlock(&u->lock);
        break;
    case LINUX_TIOCOUTQ: {
        struct usock *p = usock_peer(u);
        if (p) {
            mutex_lock(&p->lock);
            n = (u32)p->queued_bytes;
            mutex_unlock(&p->lock);
            usock_put(p);
        }
        break;
    }
    default:
        return -ENOTTY;
    }
    return put_u32(current, uaddr(arg), n);
}

const struct socket_ops g_unix_ops = {
    .bind = unix_bind,
    .connect = unix_connect,
    .listen = unix_listen,
    .accept = unix_accept,
    .getname = unix_getname,
    .sendmsg = unix_sendmsg,
    .recvmsg = unix_recvmsg,
    .shutdown = unix_shutdown,
    .getsockopt = unix_getsockopt,
    .ioctl = unix_ioctl,
    .poll = unix_poll,
    .waitq = unix_waitq,
    .release = unix_release,
};

static bool unix_type_ok(int type)
{
    return type == LINUX_SOCK_STREAM || type == LINUX_SOCK_DGRAM || type == LINUX_SOCK_SEQPACKET;
}

int unix_socket_new(int type, int proto, struct socket **out)
{
    if (type == LINUX_SOCK_RAW)
        type = LINUX_SOCK_DGRAM; /* as Linux: for programs that know no better */
    if (!unix_type_ok(type))
        return -ESOCKTNOSUPPORT;
    if (proto && proto != LINUX_AF_UNIX)
        return -EPROTONOSUPPORT;
    struct usock *u = usock_new(type, proto);
    if (!u)
        return -ENOMEM;
    unix_gc();
    *out = &u->sock;
    return 0;
}

int unix_socket_pair(int type, int proto, struct socket *out[2])
{
    int err = unix_socket_new(type, proto, &out[0]);
    if (err)
        return err;
    err = unix_socket_new(type, proto, &out[1]);
    if (err) {
        usock_put(usock(out[0]));
        return err;
    }
    struct usock *a = usock(out[0]), *b = usock(out[1]);
    mutex_lock(&g_unix_lock);
    usock_link_locked(a, b);
    unix_current_cred(&a->peercred);
    b->peercred = a->peercred;
    mutex_unlock(&g_unix_lock);
    return 0;
}
