/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AF_UNIX sockets. Locks: g_unix_lock (SOCK_BIND) guards names and the links between sockets (peer,
 * listener queues); each socket has a lock for its readers (SOCK) and one for its queue (SOCK_QUEUE).
 * A socket is referenced by its file, by a peer that is connected to it, and by messages in flight to
 * nobody else.
 */
#ifndef SENTRY_NET_UNIX_UNIX_H
#define SENTRY_NET_UNIX_UNIX_H

#include "abi/linux/socket.h"
#include "cvisor/list.h"
#include "cvisor/lock.h"
#include "sentry/kernel/waitq.h"
#include "sentry/net/socket.h"

#define UNIX_PATH_MAX 108

/* One message, or a piece of a stream. */
struct unix_buf {
    struct list_head node;   /* queue lock */
    struct scm scm;          /* owned; does not change while inflight */
    bool inflight;           /* scm was given to unix_gc_attach(); g_gc_lock once in a queue */
    struct linux_ucred cred; /* of the sender */
    struct unix_addr *from;  /* sender's name, owned; NULL = unnamed */
    size_t len, off;         /* bytes; off = already read, changes under the queue's lock */
    u8 *data;                /* kmalloc'ed */
};

struct unix_addr {
    u32 len; /* of sun_path: abstract names start with NUL */
    char path[UNIX_PATH_MAX];
};

struct usock {
    struct socket sock;
    struct ref refs;

    /* g_unix_lock */
    struct usock *peer;         /* referenced */
    struct unix_addr *addr;     /* owned; set once */
    struct vfs_path path;       /* of a bound pathname; owned */
    struct list_head name_node; /* abstract table */
    bool bound_inode;
    struct list_head accept_queue; /* of sockets waiting in a listener: usock.accept_node */
    struct list_head accept_node;
    int backlog, queued;
    struct usock *listener_of;   /* accept_queue owner while queued; not referenced */
    struct linux_ucred peercred; /* of the other side, set at connect/listen/pair */

    /* One reader at a time (SOCK): the first buffer of the queue, but for what gc looks at, is its. */
    struct mutex read_lock;

    /* lock (SOCK_QUEUE) */
    struct mutex lock;
    struct list_head queue; /* unix_buf; taken out under read_lock too, or when nobody can read */
    size_t queued_bytes;
    bool shut_rd, shut_wr; /* own halves */
    bool peer_gone;        /* the other end was closed: EOF, EPIPE */

    struct waitq waitq;

    /* unix_gc.c, g_gc_lock. While inflight is not 0: */
    u32 inflight;             /* messages that hold the file */
    struct list_head gc_node; /* all sockets in flight */
    struct file *file;        /* not referenced */
    /* During a collection: */
    bool gc_candidate;
    u32 gc_internal;
};

extern struct mutex g_unix_lock;
extern const struct socket_ops g_unix_ops;

struct usock *usock_new(int type, int proto);
void usock_get(struct usock *u);
void usock_put(struct usock *u);
static inline struct usock *usock(struct socket *s)
{
    return (struct usock *)(void *)s;
}
static inline bool usock_connection_based(struct usock *u)
{
    return u->sock.type != LINUX_SOCK_DGRAM;
}
/* With room for len bytes; NULL when there is no memory. */
struct unix_buf *unix_buf_new(size_t len);
void unix_buf_free(struct unix_buf *b);
/* The same for a list; bounded in depth when closing what they hold ends more messages. No locks. */
void unix_bufs_free(struct list_head *bufs);
/* Before a message is queued; after it was taken out, before its files are used; and the references
 * of a message that stays in its queue, copied to out[nfiles]. */
void unix_gc_attach(struct unix_buf *b);
void unix_gc_detach(struct unix_buf *b);
void unix_gc_copy(struct unix_buf *b, struct file **out);
/* Looks for unreachable sockets now and then. No locks. */
void unix_gc(void);
/* It is, or was, connected. */
bool usock_peer_known(struct usock *u);
bool usock_peer_gone(struct usock *u);
void unix_current_cred(struct linux_ucred *c);
/* Links two sockets as peers. g_unix_lock held. */
void usock_link_locked(struct usock *a, struct usock *b);
/* The connected peer, referenced, or NULL. */
struct usock *usock_peer(struct usock *u);
/* Where a datagram for addr goes: referenced; -ECONNREFUSED, -ENOENT, -EPROTOTYPE, ... */
int unix_find(const void *addr, u32 len, int type, struct usock **out);

int unix_bind(struct socket *s, const void *addr, u32 len);
void unix_unbind_locked(struct usock *u);
int unix_getname(struct socket *s, bool peer, void *addr, u32 *len);
int unix_connect(struct socket *s, const void *addr, u32 len, bool nonblock);
int unix_listen(struct socket *s, int backlog);
int unix_accept(struct socket *s, bool nonblock, struct socket **out);
ssize_t unix_sendmsg(struct socket *s, struct sock_msg *m, u32 flags);
ssize_t unix_recvmsg(struct socket *s, struct sock_msg *m, u32 flags);

#endif
