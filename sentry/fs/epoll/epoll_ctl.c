/* SPDX-License-Identifier: Apache-2.0 */
/* epoll_ctl: the interest set, what may watch what, and files that go away while watched. */
#include "abi/linux/fcntl.h"
#include "abi/linux/poll.h"
#include "cvisor/kcache.h"
#include "sentry/fs/epoll/epoll_internal.h"

#include <errno.h>

KCACHE(epoll_item);

/* Instances that watch each other, in a row: at most this many edges. */
#define EPOLL_MAX_NESTS 4
#define EPOLL_EXCLUSIVE_OK                                                                         \
    (LINUX_EPOLLIN | LINUX_EPOLLOUT | LINUX_EPOLLERR | LINUX_EPOLLHUP | LINUX_EPOLLWAKEUP |        \
     LINUX_EPOLLET | LINUX_EPOLLEXCLUSIVE)

/* Serialises changes of which instance watches which. */
static struct mutex g_epoll_nest_lock = MUTEX_INIT(LOCK_EPOLL_CONTROL);

/* ---- items ---- */

/* The watched file's waitq is locked. */
static void epoll_item_notify(struct waiter *w, u32 events)
{
    struct epoll_item *it = w->arg;
    struct epoll *ep = it->ep;
    mutex_lock(&ep->ready_lock);
    u32 want = it->events & ~EPOLL_PRIVATE_BITS;
    bool wake = want && (events & (want | LINUX_EPOLLERR | LINUX_EPOLLHUP));
    if (wake)
        epoll_item_set_ready_locked(it);
    mutex_unlock(&ep->ready_lock);
    if (wake)
        epoll_wake(ep);
}

/* ep->lock held. */
static struct epoll_item *epoll_find(struct epoll *ep, int fd, const struct file *f)
{
    struct range_node *n = rangetree_lower(&ep->items, (u64)fd);
    for (; n && n->start == (u64)fd; n = rangetree_next(n)) {
        if (epoll_item_of(n)->file == f)
            return epoll_item_of(n);
    }
    return NULL;
}

void epoll_item_remove(struct epoll_item *it)
{
    struct epoll *ep = it->ep;
    waitq_remove(&it->waiter);
    rangetree_remove(&ep->items, &it->node);
    mutex_lock(&ep->ready_lock);
    if (it->ready)
        list_del(&it->ready_node);
    mutex_unlock(&ep->ready_lock);
    mutex_lock(&it->file->ep_lock);
    list_del(&it->file_node);
    mutex_unlock(&it->file->ep_lock);
    kcache_free(epoll_item, it);
}

void epoll_file_release(struct file *f)
{
    for (;;) {
        mutex_lock(&f->ep_lock);
        struct epoll *ep = NULL;
        if (!list_empty(&f->ep_items)) {
            /* An instance takes its items out before it gives up its own reference. */
            ep = list_first_entry(&f->ep_items, struct epoll_item, file_node)->ep;
            ref_get(&ep->refs);
        }
        mutex_unlock(&f->ep_lock);
        if (!ep)
            break;
        mutex_lock(&ep->lock);
        struct range_node *n = rangetree_first(&ep->items), *next;
        for (; n; n = next) {
            next = rangetree_next(n);
            if (epoll_item_of(n)->file == f)
                epoll_item_remove(epoll_item_of(n));
        }
        mutex_unlock(&ep->lock);
        epoll_put(ep);
    }
}

/* ---- nesting; g_epoll_nest_lock held ---- */

/* Longest chain of instances below ep, or -ELOOP when it leads to `to` or is too long. */
static int epoll_depth_below(struct epoll *ep, const struct epoll *to, int level)
{
    int deepest = 0;
    if (ep == to || level > EPOLL_MAX_NESTS)
        return -ELOOP;
    mutex_lock_nested(&ep->lock);
    for (struct range_node *n = rangetree_first(&ep->items); n; n = rangetree_next(n)) {
        struct file *f = epoll_item_of(n)->file;
        if (!file_is_epoll(f))
            continue;
        int d = epoll_depth_below(f->priv, to, level + 1);
        if (d < 0) {
            deepest = d;
            break;
        }
        deepest = MAX(deepest, d + 1);
    }
    mutex_unlock(&ep->lock);
    return deepest;
}

/* Longest chain of instances that watch f. */
static int epoll_depth_above(struct file *f, int level)
{
    struct epoll_item *it;
    int deepest = 0;
    if (level > EPOLL_MAX_NESTS)
        return level;
    mutex_lock_nested(&f->ep_lock);
    list_for_each_entry (it, &f->ep_items, file_node) {
        int d = epoll_depth_above(it->ep->file, level + 1);
        deepest = MAX(deepest, d + 1);
        if (deepest > EPOLL_MAX_NESTS)
            break;
    }
    mutex_unlock(&f->ep_lock);
    return deepest;
}

static int epoll_check_nesting(struct epoll *ep, struct file *f)
{
    int below = epoll_depth_below(f->priv, ep, 0);
    if (below < 0)
        return below;
    return below + 1 + epoll_depth_above(ep->file, 0) > EPOLL_MAX_NESTS ? -ELOOP : 0;
}

/* ---- ctl ---- */

/* ep->lock held: a look at the file right after the item came or changed. */
static bool epoll_item_check(struct epoll_item *it)
{
    if (!epoll_item_poll(it))
        return false;
    mutex_lock(&it->ep->ready_lock);
    bool fresh = !it->ready;
    epoll_item_set_ready_locked(it);
    mutex_unlock(&it->ep->ready_lock);
    return fresh;
}

/* ep->lock held. */
static int epoll_add(struct epoll *ep, int fd, struct file *f, u32 events, u64 data, bool *wake)
{
    struct waitq *q = file_waitq(f);
    struct epoll_item *it = kcache_alloc(epoll_item);
    if (!it)
        return -ENOMEM;
    it->ep = ep;
    it->file = f;
    it->fd = fd;
    it->events = events | LINUX_EPOLLERR | LINUX_EPOLLHUP;
    it->data = data;
    list_init(&it->ready_node);
    list_init(&it->file_node);
    it->node.start = (u64)fd;
    it->node.end = (u64)fd + 1;
    it->waiter = (struct waiter){.mask = ~0u, .notify = epoll_item_notify, .arg = it};
    list_init(&it->waiter.node);
    if (events & LINUX_EPOLLEXCLUSIVE) {
        it->waiter.exclusive = true;
        it->waiter.mask = events & ~EPOLL_PRIVATE_BITS;
    }
    rangetree_insert_multi(&ep->items, &it->node);
    mutex_lock(&f->ep_lock);
    list_add_tail(&it->file_node, &f->ep_items);
    mutex_unlock(&f->ep_lock);
    if (q)
        waitq_add(q, &it->waiter);
    *wake = epoll_item_check(it);
    return 0;
}

/* ep->lock held. */
static int epoll_mod(struct epoll_item *it, u32 events, u64 data, bool *wake)
{
    if ((it->events & LINUX_EPOLLEXCLUSIVE) || (events & LINUX_EPOLLEXCLUSIVE))
        return -EINVAL;
    mutex_lock(&it->ep->ready_lock);
    it->events = events | LINUX_EPOLLERR | LINUX_EPOLLHUP;
    mutex_unlock(&it->ep->ready_lock);
    it->data = data;
    *wake = epoll_item_check(it);
    return 0;
}

int epoll_change(struct file *epf, int op, int fd, struct file *f,
                 const struct linux_epoll_event *ev)
{
    struct epoll *ep = epf->priv;
    bool nest = op == LINUX_EPOLL_CTL_ADD && file_is_epoll(f), wake = false;
    int err;
    if (!f->ops->poll)
        return -EPERM;
    if (f == epf)
        return -EINVAL;
    if (ev && op != LINUX_EPOLL_CTL_DEL && (ev->events & LINUX_EPOLLEXCLUSIVE)) {
        if (op == LINUX_EPOLL_CTL_MOD || file_is_epoll(f) || (ev->events & ~EPOLL_EXCLUSIVE_OK))
            return -EINVAL;
    }
    if (nest) {
        mutex_lock(&g_epoll_nest_lock);
        err = epoll_check_nesting(ep, f);
        if (err) {
            mutex_unlock(&g_epoll_nest_lock);
            return err;
        }
    }
    mutex_lock(&ep->lock);
    struct epoll_item *it = epoll_find(ep, fd, f);
    switch (op) {
    case LINUX_EPOLL_CTL_ADD:
        err = it ? -EEXIST : epoll_add(ep, fd, f, ev->events, ev->data, &wake);
        break;
    case LINUX_EPOLL_CTL_MOD:
        err = it ? epoll_mod(it, ev->events, ev->data, &wake) : -ENOENT;
        break;
    case LINUX_EPOLL_CTL_DEL:
        err = it ? 0 : -ENOENT;
        if (it)
            epoll_item_remove(it);
        break;
    default:
        err = -EINVAL;
    }
    mutex_unlock(&ep->lock);
    if (nest)
        mutex_unlock(&g_epoll_nest_lock);
    if (wake)
        epoll_wake(ep);
    return err;
}
