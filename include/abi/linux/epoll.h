/* SPDX-License-Identifier: Apache-2.0 */
/* epoll. */
#ifndef ABI_LINUX_EPOLL_H
#define ABI_LINUX_EPOLL_H

#include "cvisor/types.h"

/* events */
#define LINUX_EPOLLIN        0x1
#define LINUX_EPOLLPRI       0x2
#define LINUX_EPOLLOUT       0x4
#define LINUX_EPOLLERR       0x8
#define LINUX_EPOLLHUP       0x10
#define LINUX_EPOLLNVAL      0x20
#define LINUX_EPOLLRDNORM    0x40
#define LINUX_EPOLLRDBAND    0x80
#define LINUX_EPOLLWRNORM    0x100
#define LINUX_EPOLLWRBAND    0x200
#define LINUX_EPOLLMSG       0x400
#define LINUX_EPOLLRDHUP     0x2000
#define LINUX_EPOLLEXCLUSIVE 0x10000000
#define LINUX_EPOLLWAKEUP    0x20000000
#define LINUX_EPOLLONESHOT   0x40000000
#define LINUX_EPOLLET        0x80000000

/* operations */
#define LINUX_EPOLL_CTL_ADD 1
#define LINUX_EPOLL_CTL_DEL 2
#define LINUX_EPOLL_CTL_MOD 3

#define LINUX_EPOLL_CLOEXEC 02000000

/* Packed on x86-64. */
struct linux_epoll_event {
    u32 events;
    u64 data;
} __attribute__((packed));
_Static_assert(sizeof(struct linux_epoll_event) == 12, "guest ABI");

#endif
