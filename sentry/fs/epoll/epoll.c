/* SPDX-License-Identifier: Apache-2.0 */
/* epoll instances as files: readiness, waiting, the end of an instance. */
#include "sentry/fs/epoll/epoll.h"

#include "abi/linux/errno_internal.h"
#include "abi/linux/fcntl.h"
#include "abi/linux/poll.h"
#include "cvisor/kcache.h"
#include "sentry/fs/epoll/epoll_internal.h"
#include "sentry/kernel/task.h"
#include "sentry/mm/uaccess.h"

#include <errno.h>
#include <stdio.h>

KCACHE(epoll);

#define EPOLL_BATCH 32

void epoll_put(struct epoll *ep)
{
    if (ref_put(&ep->refs))
        kcache_free(epoll, ep);
}

/* ---- readiness ---- */

void epoll_item_set_ready_locked(struct epoll_item *it)
{
    if (it->ready)
        return;
    it->ready = true;
    list_add_tail(&it->ready_node, &it->ep->ready);
}

void epoll_wake(struct epoll *ep)
{
    waitq_notify_nested(&ep->sleepers, LINUX_POLLIN | LINUX_POLLRDNORM);
    waitq_notify_nested(&ep->waitq, LINUX_POLLIN | LINUX_POLLRDNORM);
}

u32 epoll_item_poll(struct epoll_item *it)
{
    u32 want = it->events & ~EPOLL_PRIVATE_BITS; /* ERR and HUP among them, unless disabled */
    return want ? file_poll(it->file) & want : 0;
}

/* ep->lock held. The first entry that stood in the list at the beginning of the scan, no longer marked;
 * NULL at the end. again: one to be put back first (level-triggered). */
static struct epoll_item *epoll_next(struct epoll *ep, struct list_head *scan,
                                     struct epoll_item *again)
{
    struct epoll_item *it = NULL;
    mutex_lock(&ep->ready_lock);
    if (again)
        epoll_item_set_ready_locked(again);
    if (!list_empty(scan)) {
        it = list_first_entry(scan, struct epoll_item, ready_node);
        list_del(&it->ready_node);
        it->ready = false;
    }
    mutex_unlock(&ep->ready_lock);
    return it;
}

static void epoll_scan_begin(struct epoll *ep, struct list_head *scan)
{
    list_init(scan);
    mutex_lock(&ep->ready_lock);
    list_splice_tail(&ep->ready, scan);
    ep->scanning = true;
    mutex_unlock(&ep->ready_lock);
}

/* What was not looked at goes back to the front. True when something is ready still. */
static bool epoll_scan_end(struct epoll *ep, struct list_head *scan, struct epoll_item *again)
{
    mutex_lock(&ep->ready_lock);
    if (again)
        epoll_item_set_ready_locked(again);
    list_splice_tail(&ep->ready, scan);
    list_splice_tail(scan, &ep->ready);
    ep->scanning = false;
    bool left = !list_empty(&ep->ready);
    mutex_unlock(&ep->ready_lock);
    return left;
}

/* ep->lock held. Fills out[max]. */
static int epoll_collect(struct epoll *ep, struct list_head *scan, struct epoll_item **again,
                         struct linux_epoll_event *out, int max)
{
    int n = 0;
    while (n < max) {
        struct epoll_item *it = epoll_next(ep, scan, *again);
        *again = NULL;
        if (!it)
            break;
        u32 ev = epoll_item_poll(it);
        if (!ev)
            continue;
        out[n++] = (struct linux_epoll_event){.events = ev, .data = it->data};
        if (it->events & LINUX_EPOLLONESHOT) {
            mutex_lock(&ep->ready_lock);
            it->events &= EPOLL_PRIVATE_BITS;
            mutex_unlock(&ep->ready_lock);
        } else if (!(it->events & LINUX_EPOLLET)) {
            *again = it;
        }
    }
    return n;
}

/* While somebody scans nobody knows: ep->lock is to be waited for. */
static bool epoll_has_ready(struct epoll *ep)
{
    mutex_lock(&ep->ready_lock);
    bool r = ep->scanning || !list_empty(&ep->ready);
    mutex_unlock(&ep->ready_lock);
    return r;
}

/* Hands out what is ready: a count, -EFAULT. */
static int epoll_harvest(struct task *t, struct epoll *ep, uaddr_t events, int max)
{
    struct linux_epoll_event batch[EPOLL_BATCH];
    struct epoll_item *again = NULL;
    struct list_head scan;
    int done = 0, err = 0;
    if (!epoll_has_ready(ep))
        return 0;
    mutex_lock(&ep->lock);
    epoll_scan_begin(ep, &scan);
    while (done < max) {
        int n = epoll_collect(ep, &scan, &again, batch, MIN(max - done, EPOLL_BATCH));
        if (!n)
            break;
        err = copy_out(t, uaddr_add(events, (u64)done * sizeof(batch[0])), batch,
                       (size_t)n * sizeof(batch[0]));
        if (err)
            break;
        done += n;
        if (n < EPOLL_BATCH && list_empty(&scan))
            break;
    }
    bool left = epoll_scan_end(ep, &scan, again);
    mutex_unlock(&ep->lock);
    if (left)
        waitq_notify(&ep->sleepers, LINUX_POLLIN | LINUX_POLLRDNORM);
    return done ? done : err;
}

int epoll_await(struct task *t, struct file *epf, uaddr_t events, int max, u64 deadline, bool poll)
{
    struct epoll *ep = epf->priv;
    struct waiter w;
    int n = epoll_harvest(t, ep, events, max);
    if (n || poll)
        return n;
    waiter_init_task(&w, t, LINUX_POLLIN);
    w.exclusive = true;
    waitq_add(&ep->sleepers, &w);
    for (;;) {
        task_prepare_block(t);
        if (epoll_has_ready(ep)) {
            /* Not queued while it takes: its own putting back must wake others, not itself. */
            waitq_remove(&w);
            n = epoll_harvest(t, ep, events, max);
            if (n)
                return n;
            waitq_add(&ep->sleepers, &w);
            if (epoll_has_ready(ep))
                continue;
        }
        n = task_block(t, deadline);
        if (n)
            break;
    }
    waitq_remove(&w);
    /* The wake-up may have been for us alone. */
    if (epoll_has_ready(ep)) {
        if (n == -ETIMEDOUT)
            return epoll_harvest(t, ep, events, max);
        waitq_notify(&ep->sleepers, LINUX_POLLIN | LINUX_POLLRDNORM);
    }
    return n == -ETIMEDOUT ? 0 : -EINTR;
}

/* ---- the file ---- */

/* An outer instance or poll looks: is anything of ours really ready? */
static u32 epoll_poll(struct file *f)
{
    struct epoll *ep = f->priv;
    struct epoll_item *it;
    struct list_head scan;
    u32 ev = 0;
    if (!epoll_has_ready(ep))
        return 0;
    mutex_lock_nested(&ep->lock);
    epoll_scan_begin(ep, &scan);
    while (!ev && (it = epoll_next(ep, &scan, NULL))) {
        if (epoll_item_poll(it)) {
            mutex_lock(&ep->ready_lock);
            epoll_item_set_ready_locked(it);
            mutex_unlock(&ep->ready_lock);
            ev = LINUX_POLLIN | LINUX_POLLRDNORM;
        }
    }
    epoll_scan_end(ep, &scan, NULL);
    mutex_unlock(&ep->lock);
    return ev;
}

static struct waitq *epoll_waitq(struct file *f)
{
    struct epoll *ep = f->priv;
    return &ep->waitq;
}

static void epoll_release(struct file *f)
{
    struct epoll *ep = f->priv;
    struct range_node *n;
    mutex_lock(&ep->lock);
    while ((n = rangetree_first(&ep->items)))
        epoll_item_remove(epoll_item_of(n));
    mutex_unlock(&ep->lock);
    epoll_put(ep);
}

static void epoll_show(struct file *f, char *buf, size_t n)
{
    struct epoll *ep = f->priv;
    size_t at = 0;
    buf[0] = 0;
    mutex_lock(&ep->lock);
    for (struct range_node *r = rangetree_first(&ep->items); r && at < n; r = rangetree_next(r)) {
        struct epoll_item *it = epoll_item_of(r);
        int k = snprintf(buf + at, n - at, "tfd: %8d events: %8x data: %16llx  ino:%llx\n", it->fd,
                         it->events, (unsigned long long)it->data,
                         (unsigned long long)it->file->inode->ino);
        if (k < 0)
            break;
        at += (size_t)k;
    }
    mutex_unlock(&ep->lock);
}

static const struct file_ops g_epoll_ops = {
    .release = epoll_release,
    .poll = epoll_poll,
    .waitq = epoll_waitq,
    .show_fdinfo = epoll_show,
};

bool file_is_epoll(struct file *f)
{
    return f->ops == &g_epoll_ops;
}

int epoll_file_new(struct file **out)
{
    struct epoll *ep = kcache_alloc(epoll);
    if (!ep)
        return -ENOMEM;
    ref_init(&ep->refs);
    mutex_init(&ep->lock, LOCK_EPOLL);
    mutex_init(&ep->ready_lock, LOCK_EPOLL_READY);
    rangetree_init(&ep->items);
    list_init(&ep->ready);
    waitq_init(&ep->sleepers);
    waitq_init(&ep->waitq);
    struct inode *inode = anon_inode_new(0600);
    int err = inode ? file_new_anon(inode, "anon_inode:[eventpoll]", &g_epoll_ops, ep, LINUX_O_RDWR,
                                    out)
                    : -ENOMEM;
    if (err) {
        epoll_put(ep);
        return err;
    }
    ep->file = *out;
    return 0;
}
