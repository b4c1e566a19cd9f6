/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The data of a pipe: a queue of pages. As on Linux, capacity is counted in pages, and a write is merged into
 * the last page only when its odd bytes fit there whole, which is what makes writes up to PIPE_BUF atomic.
 */
#include "sentry/fs/pipe/pipe_internal.h"

#include "abi/linux/limits.h"
#include "abi/linux/poll.h"
#include "cvisor/kcache.h"
#include "sentry/kernel/signal.h"
#include "sentry/mm/uaccess.h"

#include <errno.h>
#include <string.h>

KCACHE(pipe);
KCACHE(pipe_buf);

#define PIPE_IN (LINUX_POLLIN | LINUX_POLLRDNORM)
#define PIPE_OUT (LINUX_POLLOUT | LINUX_POLLWRNORM)

struct pipe *pipe_alloc(void)
{
    struct pipe *p = kcache_alloc(pipe);
    if (!p)
        return NULL;
    ref_init(&p->refs);
    mutex_init(&p->lock, LOCK_PIPE);
    list_init(&p->bufs);
    waitq_init(&p->waitq);
    p->max_bufs = LINUX_PIPE_DEF_SIZE / PAGE_SIZE;
    return p;
}

void pipe_free(struct pipe *p)
{
    struct pipe_buf *b, *n;
    list_for_each_entry_safe (b, n, &p->bufs, node)
        kcache_free(pipe_buf, b);
    for (size_t i = 0; i < ARRAY_SIZE(p->spare); i++)
        kcache_free(pipe_buf, p->spare[i]);
    kcache_free(pipe, p);
}

/* ---- buffers; lock held ---- */

static struct pipe_buf *pipe_buf_get(struct pipe *p)
{
    struct pipe_buf *b = NULL;
    for (size_t i = 0; i < ARRAY_SIZE(p->spare) && !b; i++) {
        b = p->spare[i];
        p->spare[i] = NULL;
    }
    if (!b)
        b = kcache_alloc(pipe_buf);
    if (b) {
        b->off = b->len = 0;
        b->packet = false;
    }
    return b;
}

static void pipe_buf_put(struct pipe *p, struct pipe_buf *b)
{
    for (size_t i = 0; i < ARRAY_SIZE(p->spare); i++) {
        if (!p->spare[i]) {
            p->spare[i] = b;
            return;
        }
    }
    kcache_free(pipe_buf, b);
}

static void pipe_buf_drop(struct pipe *p, struct pipe_buf *b)
{
    list_del(&b->node);
    p->nbufs--;
    pipe_buf_put(p, b);
}

u64 pipe_bytes(const struct pipe *p)
{
    struct pipe_buf *b;
    u64 n = 0;
    list_for_each_entry (b, &p->bufs, node)
        n += b->len;
    return n;
}

/* ---- reading ---- */

/* lock held, something is there. Bytes or -EFAULT. */
static ssize_t pipe_take(struct pipe *p, struct iov_iter *to, u32 how)
{
    struct pipe_buf *b, *next;
    ssize_t done = 0;
    list_for_each_entry_safe (b, next, &p->bufs, node) {
        size_t want = MIN((size_t)b->len, iov_iter_count(to));
        ssize_t n = want ? iov_copy_to(to, b->data + b->off, want) : 0;
        bool packet = b->packet;
        if (n < 0)
            return done ? done : n;
        done += n;
        if (!(how & PIPE_PEEK)) {
            b->off += (u32)n;
            b->len -= (u32)n;
            /* What a reader has no room for of a packet is lost. */
            if (!b->len || packet)
                pipe_buf_drop(p, b);
        }
        if ((size_t)n < want || packet || !iov_iter_count(to))
            break;
    }
    return done;
}

/* Once: bytes, 0 = end, -EAGAIN = nothing there. */
static ssize_t pipe_try_read(struct pipe *p, struct iov_iter *to, u32 how)
{
    ssize_t n;
    mutex_lock(&p->lock);
    bool was_full = pipe_full(p);
    if (!list_empty(&p->bufs))
        n = pipe_take(p, to, how);
    else
        n = p->writers ? -EAGAIN : 0;
    bool room = was_full && !pipe_full(p);
    mutex_unlock(&p->lock);
    if (room)
        waitq_notify(&p->waitq, PIPE_OUT);
    return n;
}

ssize_t pipe_read(struct pipe *p, struct iov_iter *to, bool nonblock, u32 how)
{
    struct task *t = current;
    struct waiter w;
    if (!iov_iter_count(to))
        return 0;
    ssize_t n = pipe_try_read(p, to, how);
    if (n != -EAGAIN || nonblock)
        return n;
    waiter_init_task(&w, t, LINUX_POLLIN);
    waitq_add(&p->waitq, &w);
    for (;;) {
        task_prepare_block(t);
        n = pipe_try_read(p, to, how);
        if (n != -EAGAIN)
            break;
        n = task_block(t, TASK_FOREVER);
        if (n)
            break;
    }
    waitq_remove(&w);
    return n;
}

/* ---- writing ---- */

/* lock held: into the last page, when the odd bytes of the write fit there. */
static ssize_t pipe_merge(struct pipe *p, struct iov_iter *from)
{
    size_t odd = iov_iter_count(from) & (PAGE_SIZE - 1);
    if (!odd || list_empty(&p->bufs))
        return 0;
    struct pipe_buf *b = list_last_entry(&p->bufs, struct pipe_buf, node);
    if (b->packet || b->off + b->len + odd > PAGE_SIZE)
        return 0;
    ssize_t n = iov_copy_from(from, b->data + b->off + b->len, odd);
    if (n != (ssize_t)odd)
        return n < 0 ? n : -EFAULT; /* what was copied is not part of the pipe */
    b->len += (u32)n;
    return n;
}

/* lock held, there is room: one page more. Bytes, -EFAULT, -ENOMEM. */
static ssize_t pipe_append(struct pipe *p, struct iov_iter *from, u32 how)
{
    size_t want = MIN(iov_iter_count(from), PAGE_SIZE);
    struct pipe_buf *b = pipe_buf_get(p);
    if (!b)
        return -ENOMEM;
    ssize_t n = iov_copy_from(from, b->data, want);
    if (n <= 0) {
        pipe_buf_put(p, b);
        return n ? n : -EFAULT;
    }
    b->len = (u32)n;
    b->packet = how & PIPE_PACKET;
    list_add_tail(&b->node, &p->bufs);
    p->nbufs++;
    return n;
}

/* Once. Bytes written go to *done; 0 = everything is written, -EAGAIN = full, other errors. */
static int pipe_try_write(struct pipe *p, struct iov_iter *from, u32 how, ssize_t *done)
{
    ssize_t n = 0, before = *done;
    int err = 0;
    mutex_lock(&p->lock);
    if (!p->readers) {
        err = -EPIPE;
    } else if (!*done && !(how & PIPE_PACKET)) {
        n = pipe_merge(p, from);
        if (n < 0)
            err = (int)n;
        else
            *done += n;
    }
    while (!err && iov_iter_count(from)) {
        if (pipe_full(p)) {
            err = -EAGAIN;
            break;
        }
        n = pipe_append(p, from, how);
        if (n < 0)
            err = (int)n;
        else
            *done += n;
    }
    mutex_unlock(&p->lock);
    if (*done > before)
        waitq_notify(&p->waitq, PIPE_IN);
    return err;
}

static void pipe_sigpipe(struct task *t)
{
    struct linux_siginfo info;
    siginfo_user(&info, LINUX_SIGPIPE, LINUX_SI_USER);
    signal_send_task(t, LINUX_SIGPIPE, &info);
}

ssize_t pipe_write(struct pipe *p, struct iov_iter *from, bool nonblock, u32 how)
{
    struct task *t = current;
    struct waiter w;
    ssize_t done = 0;
    if (!iov_iter_count(from))
        return 0;
    int err = pipe_try_write(p, from, how, &done);
    if (err == -EAGAIN && !nonblock) {
        waiter_init_task(&w, t, LINUX_POLLOUT);
        waitq_add(&p->waitq, &w);
        for (;;) {
            task_prepare_block(t);
            err = pipe_try_write(p, from, how, &done);
            if (err != -EAGAIN)
                break;
            err = task_block(t, TASK_FOREVER);
            if (err)
                break;
        }
        waitq_remove(&w);
    }
    if (err == -EPIPE)
        pipe_sigpipe(t);
    return done ? done : err;
}

/* ---- for splice ---- */

ssize_t pipe_read_kernel(struct pipe *p, void *buf, size_t n, bool nonblock)
{
    struct iov_iter it;
    iov_iter_kernel(&it, buf, n);
    return pipe_read(p, &it, nonblock, 0);
}

ssize_t pipe_peek_kernel(struct pipe *p, void *buf, size_t n, bool nonblock)
{
    struct iov_iter it;
    iov_iter_kernel(&it, buf, n);
    return pipe_read(p, &it, nonblock, PIPE_PEEK);
}

int pipe_unread_kernel(struct pipe *p, const void *buf, size_t n)
{
    const u8 *src = buf;
    int err = 0;
    mutex_lock(&p->lock);
    while (n && !err) {
        u32 len = (u32)((n - 1) % PAGE_SIZE + 1); /* the last piece first */
        struct pipe_buf *b = pipe_buf_get(p);
        if (b) {
            memcpy(b->data, src + n - len, len);
            b->len = len;
            list_add(&b->node, &p->bufs);
            p->nbufs++;
            n -= len;
        } else {
            err = -ENOMEM;
        }
    }
    mutex_unlock(&p->lock);
    waitq_notify(&p->waitq, PIPE_IN);
    return err;
}

ssize_t pipe_write_kernel(struct pipe *p, const void *buf, size_t n, bool nonblock)
{
    struct iov_iter it;
    iov_iter_kernel(&it, (void *)(uintptr_t)buf, n);
    return pipe_write(p, &it, nonblock, 0);
}

static ssize_t pipe_room(struct pipe *p)
{
    mutex_lock(&p->lock);
    ssize_t n = pipe_full(p) ? -EAGAIN : (ssize_t)((p->max_bufs - p->nbufs) * PAGE_SIZE);
    if (!p->readers)
        n = -EPIPE;
    mutex_unlock(&p->lock);
    return n;
}

ssize_t pipe_wait_room(struct pipe *p, bool nonblock)
{
    struct task *t = current;
    struct waiter w;
    ssize_t n = pipe_room(p);
    if (n == -EAGAIN && !nonblock) {
        waiter_init_task(&w, t, LINUX_POLLOUT);
        waitq_add(&p->waitq, &w);
        for (;;) {
            task_prepare_block(t);
            n = pipe_room(p);
            if (n != -EAGAIN)
                break;
            n = task_block(t, TASK_FOREVER);
            if (n)
                break;
        }
        waitq_remove(&w);
    }
    if (n == -EPIPE)
        pipe_sigpipe(t);
    return n;
}
