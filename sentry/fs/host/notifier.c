/* SPDX-License-Identifier: Apache-2.0 */
/* The notifier thread. Edge-triggered: a waiter checks the state itself before it sleeps. */
#include "sentry/fs/host/notifier.h"

#include "abi/linux/epoll.h"
#include "cvisor/host.h"
#include "cvisor/kcache.h"
#include "cvisor/list.h"
#include "cvisor/lock.h"
#include "sentry/kernel/waitq.h"

#include <errno.h>

#define EVENTS 16

struct notified {
    struct list_head node;
    int fd;
    struct waitq *q;
};
KCACHE(notified);

static struct mutex g_lock = MUTEX_INIT(LOCK_FDNOTIFY);
static struct list_head g_notified = LIST_HEAD_INIT(g_notified); /* g_lock */
static int g_epfd = -1;                                          /* g_lock */

static struct waitq *g_notifying;      /* g_lock; whose waiters are being told right now */
static struct cond g_told = COND_INIT; /* g_notifying changed */

static void notify(int fd, u32 events)
{
    struct notified *n;
    mutex_lock(&g_lock);
    list_for_each_entry (n, &g_notified, node) {
        if (n->fd != fd)
            continue;
        /* Wait queues are outside of this lock: notifier_remove() waits for us instead. */
        g_notifying = n->q;
        mutex_unlock(&g_lock);
        waitq_notify(g_notifying, events);
        mutex_lock(&g_lock);
        g_notifying = NULL;
        cond_broadcast(&g_told);
        break; /* a descriptor is there once */
    }
    mutex_unlock(&g_lock);
}

static void notifier_thread(void *arg)
{
    int ep = (int)(intptr_t)arg;
    struct linux_epoll_event ev[EVENTS];
    for (;;) {
        int n = host_epoll_wait(ep, ev, EVENTS, -1);
        for (int i = 0; i < n; i++)
            notify((int)ev[i].data, ev[i].events);
    }
}

static int notifier_start_locked(void)
{
    if (g_epfd >= 0)
        return 0;
    int ep = host_epoll_create();
    if (ep < 0)
        return ep;
    int err = cv_thread_create("fdnotify", notifier_thread, (void *)(intptr_t)ep);
    if (err) {
        host_close(ep);
        return err;
    }
    g_epfd = ep;
    return 0;
}

int notifier_add(int fd, struct waitq *q)
{
    struct linux_epoll_event ev = {
        .events = LINUX_EPOLLIN | LINUX_EPOLLOUT | LINUX_EPOLLRDHUP | LINUX_EPOLLET,
        .data = (u64)fd,
    };
    struct notified *n = kcache_alloc(notified);
    if (!n)
        return -ENOMEM;
    n->fd = fd;
    n->q = q;
    mutex_lock(&g_lock);
    int err = notifier_start_locked();
    if (!err)
        err = host_epoll_ctl(g_epfd, LINUX_EPOLL_CTL_ADD, fd, &ev);
    if (!err)
        list_add_tail(&n->node, &g_notified);
    mutex_unlock(&g_lock);
    if (err)
        kcache_free(notified, n);
    return err;
}

void notifier_remove(int fd)
{
    struct notified *n, *next;
    mutex_lock(&g_lock);
    list_for_each_entry_safe (n, next, &g_notified, node) {
        if (n->fd != fd)
            continue;
        list_del(&n->node);
        host_epoll_ctl(g_epfd, LINUX_EPOLL_CTL_DEL, fd, NULL);
        while (g_notifying == n->q)
            cond_wait(&g_told, &g_lock);
        kcache_free(notified, n);
        break;
    }
    mutex_unlock(&g_lock);
}
