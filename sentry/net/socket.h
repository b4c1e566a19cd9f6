/* SPDX-License-Identifier: Apache-2.0 */
/* Sockets: what an address family implements, and the message that moves between it and syscalls. */
#ifndef SENTRY_NET_SOCKET_H
#define SENTRY_NET_SOCKET_H

#include "abi/linux/socket.h"
#include "cvisor/refs.h"
#include "sentry/vfs/vfs.h"

struct iov_iter;
struct socket;
struct task;

#define SOCK_ADDR_MAX 128
#define SCM_MAX_FD 253

/* Ancillary data of one message. */
struct scm {
    struct file **files; /* nfiles references, kmalloc'ed array */
    u32 nfiles;
    bool has_cred;
    struct linux_ucred cred;
};
void scm_release(struct scm *scm); /* drops files; zeroes it */

struct sock_msg {
    struct iov_iter *iter;
    u8 name[SOCK_ADDR_MAX]; /* send: destination; receive: source */
    u32 name_len;           /* 0 = none */
    struct scm scm;
    u32 out_flags; /* receive: LINUX_MSG_TRUNC, CTRUNC, EOR */
};

/* Called without locks; may block with task_block() unless LINUX_MSG_DONTWAIT. */
struct socket_ops {
    int (*bind)(struct socket *s, const void *addr, u32 len);
    int (*connect)(struct socket *s, const void *addr, u32 len, bool nonblock);
    int (*listen)(struct socket *s, int backlog);
    /* A new connected socket (one reference). */
    int (*accept)(struct socket *s, bool nonblock, struct socket **out);
    int (*getname)(struct socket *s, bool peer, void *addr, u32 *len); /* addr[SOCK_ADDR_MAX] */
    /* Takes over what it queues of m->scm (clears it). */
    ssize_t (*sendmsg)(struct socket *s, struct sock_msg *m, u32 flags);
    ssize_t (*recvmsg)(struct socket *s, struct sock_msg *m, u32 flags);
    int (*shutdown)(struct socket *s, int how);
    /* level is not SOL_SOCKET, or the generic code does not know the option. -ENOPROTOOPT. */
    int (*setsockopt)(struct socket *s, int level, int name, const void *val, u32 len);
    int (*getsockopt)(struct socket *s, int level, int name, void *val, u32 *len);
    s64 (*ioctl)(struct socket *s, u32 cmd, u64 arg);
    u32 (*poll)(struct socket *s);
    struct waitq *(*waitq)(struct socket *s);
    void (*release)(struct socket *s); /* the file is gone: drops the file's reference */
};

/* Common part, embedded first in the family's socket. */
struct socket {
    const struct socket_ops *ops;
    int family, type, protocol; /* immutable */
    _Atomic bool passcred;
    _Atomic u32 sndbuf, rcvbuf;
    _Atomic u64 rcvtimeo_ns, sndtimeo_ns; /* 0 = none */
    _Atomic int error;                    /* SO_ERROR, cleared by reading */
    _Atomic bool listening;
    _Atomic u64 misc_opts; /* flags that are only kept: bit = option number */
    _Atomic(struct linux_linger) linger;
};

#define SOCK_BUF_DEFAULT 212992u
void socket_init(struct socket *s, const struct socket_ops *ops, int family, int type, int proto);
/* A file for s (consumes s's reference on success): flags LINUX_O_NONBLOCK. */
int socket_file_new(struct socket *s, u32 flags, struct file **out);
/* The socket of a file, or NULL. */
struct socket *socket_from_file(struct file *f);
/* Absolute deadline of a blocking call: TASK_FOREVER without a timeout. */
u64 socket_deadline(u64 timeo_ns);

/* Families. */
int unix_socket_new(int type, int proto, struct socket **out);
int unix_socket_pair(int type, int proto, struct socket *out[2]);

#endif
