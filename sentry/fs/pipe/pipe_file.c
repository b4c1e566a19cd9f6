/* SPDX-License-Identifier: Apache-2.0 */
/* Pipes as files: creation, FIFO opens, readiness, size. */
#include "abi/linux/fcntl.h"
#include "abi/linux/ioctl.h"
#include "abi/linux/limits.h"
#include "abi/linux/poll.h"
#include "abi/linux/stat.h"
#include "abi/linux/uio.h"
#include "sentry/fs/pipe/pipe_internal.h"
#include "sentry/kernel/task.h"
#include "sentry/mm/uaccess.h"
#include "sentry/vfs/vfs.h"

#include <errno.h>
#include <stdio.h>

/* Guards inode->ipc of every FIFO and pipe. */
static struct mutex g_pipe_lock = MUTEX_INIT(LOCK_LEAF);

/* The inode's pipe, referenced; made when there is none. */
static struct pipe *pipe_of_inode(struct inode *inode)
{
    mutex_lock(&g_pipe_lock);
    struct pipe *p = inode->ipc;
    if (p)
        ref_get(&p->refs);
    else
        p = inode->ipc = pipe_alloc();
    mutex_unlock(&g_pipe_lock);
    return p;
}

static void pipe_put(struct pipe *p, struct inode *inode)
{
    mutex_lock(&g_pipe_lock);
    bool last = ref_put(&p->refs);
    if (last)
        inode->ipc = NULL;
    mutex_unlock(&g_pipe_lock);
    if (last)
        pipe_free(p);
}

static void pipe_leave(struct pipe *p, struct file *f)
{
    mutex_lock(&p->lock);
    if (f->readable)
        p->readers--;
    if (f->writable)
        p->writers--;
    bool alone = !p->readers || !p->writers;
    mutex_unlock(&p->lock);
    if (alone)
        waitq_notify(&p->waitq, LINUX_POLLIN | LINUX_POLLOUT | LINUX_POLLRDNORM | LINUX_POLLWRNORM |
                                    LINUX_POLLERR | LINUX_POLLHUP);
    pipe_put(p, f->inode);
}

static void pipe_release(struct file *f)
{
    pipe_leave(f->priv, f);
}

static bool file_nowait(struct file *f, int rwf)
{
    return file_nonblock(f) || (rwf & LINUX_RWF_NOWAIT);
}

static bool pipe_named(struct file *f)
{
    return !(f->path.dentry->flags & DENTRY_DISCONNECTED);
}

static ssize_t pipe_file_read(struct file *f, struct iov_iter *to, u64 *pos, int rwf)
{
    ssize_t n = pipe_read(f->priv, to, file_nowait(f, rwf), 0);
    if (n > 0 && pipe_named(f))
        file_accessed(f);
    return n;
}

static ssize_t pipe_file_write(struct file *f, struct iov_iter *from, u64 *pos, int rwf)
{
    u32 flags = atomic_load_explicit(&f->flags, memory_order_relaxed);
    ssize_t n = pipe_write(f->priv, from, file_nowait(f, rwf),
                           flags & LINUX_O_DIRECT ? PIPE_PACKET : 0);
    if (n > 0 && pipe_named(f))
        inode_touch(f->inode, ATTR_MTIME | ATTR_CTIME);
    return n;
}

static u32 pipe_poll(struct file *f)
{
    struct pipe *p = f->priv;
    u32 ev = 0;
    mutex_lock(&p->lock);
    if (f->readable) {
        if (!list_empty(&p->bufs))
            ev |= LINUX_POLLIN | LINUX_POLLRDNORM;
        /* ra_pos: writers that had opened before us. A FIFO that none has opened since is no end. */
        if (!p->writers && f->ra_pos != p->w_opens)
            ev |= LINUX_POLLHUP;
    }
    if (f->writable) {
        if (!pipe_full(p))
            ev |= LINUX_POLLOUT | LINUX_POLLWRNORM;
        if (!p->readers)
            ev |= LINUX_POLLERR;
    }
    mutex_unlock(&p->lock);
    return ev;
}

static struct waitq *pipe_waitq(struct file *f)
{
    struct pipe *p = f->priv;
    return &p->waitq;
}

static s64 pipe_ioctl(struct file *f, u32 cmd, u64 arg)
{
    struct pipe *p = f->priv;
    if (cmd != LINUX_FIONREAD)
        return -ENOTTY;
    mutex_lock(&p->lock);
    u64 n = pipe_bytes(p);
    mutex_unlock(&p->lock);
    return put_u32(current, uaddr(arg), (u32)n);
}

static const struct file_ops g_pipe_ops = {
    .release = pipe_release,
    .read = pipe_file_read,
    .write = pipe_file_write,
    .ioctl = pipe_ioctl,
    .poll = pipe_poll,
    .waitq = pipe_waitq,
};

struct pipe *pipe_from_file(struct file *f)
{
    return f->ops == &g_pipe_ops ? f->priv : NULL;
}

/* ---- pipe(2) ---- */

int pipe_new(u32 flags, struct file *out[2])
{
    char name[40];
    struct inode *inode = anon_inode_new(LINUX_S_IFIFO | 0600);
    if (!inode)
        return -ENOMEM;
    struct pipe *p = pipe_of_inode(inode);
    if (!p) {
        inode_put(inode);
        return -ENOMEM;
    }
    p->readers = p->writers = 1;
    p->r_opens = p->w_opens = 1;
    snprintf(name, sizeof(name), "pipe:[%llu]", (unsigned long long)inode->ino);
    flags &= LINUX_O_NONBLOCK | LINUX_O_DIRECT;
    ref_get(&p->refs);
    inode_get(inode); /* for the second file */
    int err = file_new_anon(inode, name, &g_pipe_ops, p, LINUX_O_RDONLY | flags, &out[0]);
    if (err) {
        pipe_put(p, inode);
        pipe_put(p, inode);
        inode_put(inode);
        return err;
    }
    err = file_new_anon(inode, name, &g_pipe_ops, p, LINUX_O_WRONLY | flags, &out[1]);
    if (err) {
        pipe_put(p, out[0]->inode);
        file_put(out[0]);
        return err;
    }
    out[0]->ra_pos = 0;
    return 0;
}

/* ---- open of a FIFO ---- */

/*
 * Waits until *counter is no longer was: 0 or -ERESTARTSYS. A peer that came together with a signal counts:
 * it has seen us, and would find nobody if this open failed.
 */
static int fifo_wait_peer(struct pipe *p, const u32 *counter, u32 was)
{
    struct task *t = current;
    struct waiter w;
    int err = 0;
    waiter_init_task(&w, t, ~0u);
    waitq_add(&p->waitq, &w);
    for (;;) {
        task_prepare_block(t);
        mutex_lock(&p->lock);
        bool came = *counter != was;
        mutex_unlock(&p->lock);
        if (came)
            err = 0;
        if (came || err)
            break;
        err = task_block(t, TASK_FOREVER);
    }
    waitq_remove(&w);
    return err;
}

int pipe_fifo_open(struct inode *inode, struct file *f)
{
    struct pipe *p = pipe_of_inode(inode);
    bool nonblock = file_nonblock(f), wait_reader = false, wait_writer = false;
    int err = 0;
    if (!p)
        return -ENOMEM;
    mutex_lock(&p->lock);
    /* The descriptor of a pipe opened again through /proc: its ends are as they are. */
    bool fifo = inode->fs != anon_filesystem();
    if (fifo && f->writable && !f->readable && nonblock && !p->readers) {
        mutex_unlock(&p->lock);
        pipe_put(p, inode);
        return -ENXIO;
    }
    u32 r_was = p->r_opens, w_was = p->w_opens;
    if (f->readable) {
        p->r_opens++;
        p->readers++;
    }
    if (f->writable) {
        p->w_opens++;
        p->writers++;
    }
    f->ra_pos = ~0ull;
    if (fifo && f->readable && !p->writers) {
        if (nonblock)
            f->ra_pos = w_was;
        else
            wait_writer = true;
    }
    if (fifo && f->writable && !p->readers)
        wait_reader = true;
    mutex_unlock(&p->lock);
    waitq_notify(&p->waitq, ~0u);
    if (wait_writer)
        err = fifo_wait_peer(p, &p->w_opens, w_was);
    else if (wait_reader)
        err = fifo_wait_peer(p, &p->r_opens, r_was);
    if (err) {
        pipe_leave(p, f);
        return err;
    }
    f->priv = p;
    f->ops = &g_pipe_ops;
    return 0;
}

/* ---- size ---- */

int pipe_get_size(struct file *f)
{
    struct pipe *p = pipe_from_file(f);
    if (!p)
        return -EBADF;
    mutex_lock(&p->lock);
    int n = (int)(p->max_bufs * PAGE_SIZE);
    mutex_unlock(&p->lock);
    return n;
}

int pipe_set_size(struct file *f, u32 bytes)
{
    struct pipe *p = pipe_from_file(f);
    if (!p)
        return -EBADF;
    if (bytes > 1u << 31)
        return -EINVAL;
    u64 size = PAGE_SIZE;
    while (size < bytes)
        size *= 2;
    /* The limit holds for everybody: the memory is the sandbox's. */
    if (size > LINUX_PIPE_MAX_SIZE)
        return -EPERM;
    u32 bufs = (u32)(size / PAGE_SIZE);
    mutex_lock(&p->lock);
    bool busy = p->nbufs > bufs;
    bool grown = !busy && pipe_full(p) && bufs > p->max_bufs;
    if (!busy)
        p->max_bufs = bufs;
    mutex_unlock(&p->lock);
    if (grown)
        waitq_notify(&p->waitq, LINUX_POLLOUT | LINUX_POLLWRNORM);
    return busy ? -EBUSY : (int)size;
}
