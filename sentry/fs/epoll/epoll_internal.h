/* SPDX-License-Identifier: Apache-2.0 */
/* The structures of epoll.c and epoll_ctl.c. */
#ifndef SENTRY_FS_EPOLL_EPOLL_INTERNAL_H
#define SENTRY_FS_EPOLL_EPOLL_INTERNAL_H

#include "abi/linux/epoll.h"
#include "cvisor/rangetree.h"
#include "sentry/fs/epoll/epoll.h"
#include "sentry/kernel/waitq.h"
#include "sentry/vfs/vfs.h"

/*
 * An instance lives as long as its file, and longer while a watched file's release is looking at it. Its items
 * hold no reference to the files that they watch: the last file_put() of such a file takes them out
 * (under ep->lock) before the file goes.
 */
struct epoll {
    struct ref refs;
    struct mutex lock;       /* rank EPOLL: items, and the right to take from ready */
    struct rangetree items;  /* lock; multiset by descriptor number */
    struct mutex ready_lock; /* rank EPOLL_READY */
    struct list_head ready;  /* ready_lock; epoll_item.ready_node */
    bool scanning;           /* ready_lock: what was in ready is in a private list, under lock */
    struct waitq sleepers;   /* tasks in epoll_wait */
    struct waitq waitq;      /* poll and outer instances */
    struct file *file;       /* the instance's own; not referenced */
};

struct epoll_item {
    struct range_node node;     /* ep->items; start = fd */
    struct epoll *ep;           /* immutable */
    struct file *file;          /* immutable; not referenced, see above */
    int fd;                     /* immutable */
    struct list_head file_node; /* file->ep_items; file->ep_lock */
    u32 events;                 /* changed under ep->lock and ready_lock; read under either */
    u64 data;                   /* ep->lock */
    struct waiter waiter;
    struct list_head ready_node; /* ready_lock */
    bool ready;                  /* in ep->ready, or in the private list of a scan; ready_lock */
};

/* Bits of events that are not conditions. Without conditions an item is disabled (ONESHOT). */
#define EPOLL_PRIVATE_BITS                                                                         \
    (LINUX_EPOLLWAKEUP | LINUX_EPOLLONESHOT | LINUX_EPOLLET | LINUX_EPOLLEXCLUSIVE)

static inline struct epoll_item *epoll_item_of(struct range_node *n)
{
    return n ? container_of(n, struct epoll_item, node) : NULL;
}

void epoll_put(struct epoll *ep);
/* ready_lock held: into the ready list. */
void epoll_item_set_ready_locked(struct epoll_item *it);
/* What the item's file is ready for, of what the item wants. ep->lock held. */
u32 epoll_item_poll(struct epoll_item *it);
/* ep->lock held: takes the item out of everything and frees it. */
void epoll_item_remove(struct epoll_item *it);
/* Something happened: wakes who waits for the instance. Another waitq's lock may be held. */
void epoll_wake(struct epoll *ep);

#endif
