/* SPDX-License-Identifier: Apache-2.0 */
/* eventfd files. */
#include "sentry/fs/eventfd/eventfd.h"

#include "abi/linux/eventfd.h"
#include "abi/linux/fcntl.h"
#include "abi/linux/poll.h"
#include "abi/linux/uio.h"
#include "cvisor/kcache.h"
#include "sentry/kernel/task.h"
#include "sentry/mm/uaccess.h"
#include "sentry/vfs/vfs.h"

#include <errno.h>
#include <stdio.h>

struct eventfd {
    struct mutex lock; /* rank LEAF */
    u64 count;         /* lock; at most EVENTFD_MAX */
    bool semaphore;    /* immutable */
    struct waitq waitq;
};
KCACHE(eventfd);

#define EVENTFD_MAX (UINT64_MAX - 1)

static void eventfd_release(struct file *f)
{
    kcache_free(eventfd, f->priv);
}

/* Takes a value out: false when there is none. */
static bool eventfd_take(struct eventfd *e, u64 *v)
{
    mutex_lock(&e->lock);
    *v = e->semaphore && e->count ? 1 : e->count;
    e->count -= *v;
    mutex_unlock(&e->lock);
    return *v != 0;
}

static ssize_t eventfd_read(struct file *f, struct iov_iter *to, u64 *pos, int rwf)
{
    struct eventfd *e = f->priv;
    u64 v;
    if (iov_iter_count(to) < sizeof(v))
        return -EINVAL;
    while (!eventfd_take(e, &v)) {
        if (file_nonblock(f) || (rwf & LINUX_RWF_NOWAIT))
            return -EAGAIN;
        int err = file_wait(f, LINUX_POLLIN, TASK_FOREVER);
        if (err)
            return err;
    }
    waitq_notify(&e->waitq, LINUX_POLLOUT | LINUX_POLLWRNORM);
    return iov_copy_to(to, &v, sizeof(v)) == sizeof(v) ? (ssize_t)sizeof(v) : -EFAULT;
}

static bool eventfd_add(struct eventfd *e, u64 v)
{
    mutex_lock(&e->lock);
    bool ok = EVENTFD_MAX - e->count >= v;
    if (ok)
        e->count += v;
    mutex_unlock(&e->lock);
    if (ok)
        waitq_notify(&e->waitq, LINUX_POLLIN | LINUX_POLLRDNORM);
    return ok;
}

static ssize_t eventfd_write(struct file *f, struct iov_iter *from, u64 *pos, int rwf)
{
    struct eventfd *e = f->priv;
    struct task *t = current;
    struct waiter w;
    u64 v;
    int err = 0;
    if (iov_iter_count(from) < sizeof(v))
        return -EINVAL;
    if (iov_copy_from(from, &v, sizeof(v)) != sizeof(v))
        return -EFAULT;
    if (v == UINT64_MAX)
        return -EINVAL;
    if (eventfd_add(e, v))
        return sizeof(v);
    if (file_nonblock(f) || (rwf & LINUX_RWF_NOWAIT))
        return -EAGAIN;
    /* POLLOUT says that 1 can be added, which may be too little. */
    waiter_init_task(&w, t, LINUX_POLLOUT);
    waitq_add(&e->waitq, &w);
    for (;;) {
        task_prepare_block(t);
        if (eventfd_add(e, v))
            break;
        err = task_block(t, TASK_FOREVER);
        if (err)
            break;
    }
    waitq_remove(&w);
    return err ? err : (ssize_t)sizeof(v);
}

static u32 eventfd_poll(struct file *f)
{
    struct eventfd *e = f->priv;
    u32 ev = 0;
    mutex_lock(&e->lock);
    if (e->count)
        ev |= LINUX_POLLIN | LINUX_POLLRDNORM;
    if (e->count < EVENTFD_MAX)
        ev |= LINUX_POLLOUT | LINUX_POLLWRNORM;
    mutex_unlock(&e->lock);
    return ev;
}

static struct waitq *eventfd_waitq(struct file *f)
{
    struct eventfd *e = f->priv;
    return &e->waitq;
}

static void eventfd_show(struct file *f, char *buf, size_t n)
{
    struct eventfd *e = f->priv;
    mutex_lock(&e->lock);
    u64 v = e->count;
    mutex_unlock(&e->lock);
    snprintf(buf, n, "eventfd-count: %16llx\n", (unsigned long long)v);
}

static const struct file_ops g_eventfd_ops = {
    .release = eventfd_release,
    .read = eventfd_read,
    .write = eventfd_write,
    .poll = eventfd_poll,
    .waitq = eventfd_waitq,
    .no_splice = true,
    .show_fdinfo = eventfd_show,
};

int eventfd_file_new(u64 count, u32 flags, struct file **out)
{
    struct eventfd *e = kcache_alloc(eventfd);
    if (!e)
        return -ENOMEM;
    mutex_init(&e->lock, LOCK_LEAF);
    waitq_init(&e->waitq);
    e->count = count;
    e->semaphore = flags & LINUX_EFD_SEMAPHORE;
    struct inode *inode = anon_inode_new(0600);
    int err = inode ? file_new_anon(inode, "anon_inode:[eventfd]", &g_eventfd_ops, e,
                                    LINUX_O_RDWR | (flags & LINUX_EFD_NONBLOCK), out)
                    : -ENOMEM;
    if (err)
        kcache_free(eventfd, e);
    return err;
}

bool eventfd_signal(struct file *f, u64 n)
{
    if (f->ops != &g_eventfd_ops)
        return false;
    struct eventfd *e = f->priv;
    mutex_lock(&e->lock);
    e->count += MIN(n, EVENTFD_MAX - e->count);
    mutex_unlock(&e->lock);
    waitq_notify(&e->waitq, LINUX_POLLIN | LINUX_POLLRDNORM);
    return true;
}
