/* SPDX-License-Identifier: Apache-2.0 */
/* What the socket syscalls share. */
#ifndef SENTRY_SYSCALLS_SOCKFD_H
#define SENTRY_SYSCALLS_SOCKFD_H

#include "sentry/net/socket.h"

/* The socket of a descriptor; its file is referenced. NULL with *err = -EBADF, -ENOTSOCK. */
struct file *sockfd_get(struct task *t, int fd, struct socket **s, int *err);
/* An address from the guest: at most SOCK_ADDR_MAX bytes. */
int sockaddr_in(struct task *t, uaddr_t u, u64 len, u8 out[SOCK_ADDR_MAX]);
/* An address to the guest, cut to the room in *ulen, which gets the full length. */
int sockaddr_out(struct task *t, uaddr_t u, uaddr_t ulen, const void *addr, u32 len);

#endif
