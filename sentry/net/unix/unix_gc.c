/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Descriptors in flight. Sockets may wait in each other's queues with nobody left who could receive
 * them; the collector finds such sets and empties their queues.
 *
 * A socket all of whose file references are in flight is a candidate. One that is in flight in more
 * messages than the queues of candidates hold is alive, and so is what its queue holds; the rest is
 * garbage. g_gc_lock (SOCK_GC) is held from the first look to the last, and by everybody who puts a
 * socket into flight, takes it out or (MSG_PEEK) copies a reference, so no candidate can come back to
 * life in between.
 */
#include "sentry/net/unix/unix.h"

#include "cvisor/kcache.h"

#include <string.h>

/* Collections cost as much as there is in flight: one for each so many opened and closed sockets. */
#define GC_SHARE 4

static struct mutex g_gc_lock = MUTEX_INIT(LOCK_SOCK_GC);
static struct list_head g_inflight = LIST_HEAD_INIT(g_inflight); /* usock.gc_node; g_gc_lock */
static atomic_uint g_inflight_count;                             /* length; g_gc_lock to change */
static atomic_uint g_gc_debt; /* sockets opened and closed since the last collection */
static atomic_bool g_gc_running;

static struct usock *gc_usock(struct file *f)
{
    struct socket *s = socket_from_file(f);

    return s && s->ops == &g_unix_ops ? usock(s) : NULL;
}

/* ---- in and out of flight -------------------------------------------------------------------- */

static void gc_attach_locked(struct file *f)
{
    struct usock *u = gc_usock(f);

    if (!u)
        return;
    if (u->inflight++ == 0) {
        u->file = f;
        list_add_tail(&u->gc_node, &g_inflight);
        atomic_fetch_add(&g_inflight_count, 1);
    }
}

static void gc_detach_locked(struct file *f)
{
    struct usock *u = gc_usock(f);

    if (!u)
        return;
    BUG_ON(u->inflight == 0);
    if (--u->inflight == 0) {
        list_del(&u->gc_node);
        atomic_fetch_sub(&g_inflight_count, 1);
    }
}

static bool gc_has_socket(const struct scm *scm)
{
    for (u32 i = 0; i < scm->nfiles; i++) {
        if (gc_usock(scm->files[i]))
            return true;
    }
    return false;
}

void unix_gc_attach(struct unix_buf *b)
{
    if (!gc_has_socket(&b->scm))
        return;
    mutex_lock(&g_gc_lock);
    for (u32 i = 0; i < b->scm.nfiles; i++)
        gc_attach_locked(b->scm.files[i]);
    mutex_unlock(&g_gc_lock);
    b->inflight = true;
}

void unix_gc_detach(struct unix_buf *b)
{
    if (!b->inflight)
        return;
    mutex_lock(&g_gc_lock);
    for (u32 i = 0; i < b->scm.nfiles; i++)
        gc_detach_locked(b->scm.files[i]);
    b->inflight = false; /* it may be in a queue still */
    mutex_unlock(&g_gc_lock);
}

void unix_gc_copy(struct unix_buf *b, struct file **out)
{
    mutex_lock(&g_gc_lock);
    for (u32 i = 0; i < b->scm.nfiles; i++) {
        file_get(b->scm.files[i]);
        out[i] = b->scm.files[i];
    }
    mutex_unlock(&g_gc_lock);
}

/* ---- the collector --------------------------------------------------------------------------- */

/* Calls fn for each candidate that a message in u's queue holds. u->lock is taken. */
static void gc_scan_queue(struct usock *u, void (*fn)(struct usock *held, struct list_head *arg),
                          struct list_head *arg)
{
    struct unix_buf *b;

    mutex_lock(&u->lock);
    list_for_each_entry (b, &u->queue, node) {
        for (u32 i = 0; b->inflight && i < b->scm.nfiles; i++) {
            struct usock *held = gc_usock(b->scm.files[i]);
            if (held && held->gc_candidate)
                fn(held, arg);
        }
    }
    mutex_unlock(&u->lock);
}

/* The queues that are reached through u: its own, and of connections nobody has accepted yet. */
static void gc_scan(struct usock *u, void (*fn)(struct usock *held, struct list_head *arg),
                    struct list_head *arg)
{
    struct usock *q;

    gc_scan_queue(u, fn, arg);
    if (!atomic_load(&u->sock.listening))
        return;
    mutex_lock(&g_unix_lock);
    list_for_each_entry (q, &u->accept_queue, accept_node)
        gc_scan_queue(q, fn, arg);
    mutex_unlock(&g_unix_lock);
}

static void gc_count(struct usock *held, struct list_head *arg __unused)
{
    held->gc_internal++;
}

static void gc_revive(struct usock *held, struct list_head *live)
{
    held->gc_candidate = false;
    list_move_tail(&held->gc_node, live);
}

static void gc_take_queue(struct usock *u, struct list_head *dead)
{
    mutex_lock(&u->lock);
    list_splice_tail(&u->queue, dead);
    u->queued_bytes = 0;
    mutex_unlock(&u->lock);
}

/* Moves the messages of all garbage to dead. */
static void gc_collect_locked(struct list_head *dead)
{
    struct list_head live = LIST_HEAD_INIT(live), maybe = LIST_HEAD_INIT(maybe);
    struct usock *u, *n, *q;

    list_for_each_entry (u, &g_inflight, gc_node) {
        u->gc_candidate = ref_read(&u->file->refs) == (int)u->inflight;
        u->gc_internal = 0;
    }
    list_for_each_entry (u, &g_inflight, gc_node) {
        if (u->gc_candidate)
            gc_scan(u, gc_count, NULL);
    }
    list_splice_tail(&g_inflight, &maybe);
    list_for_each_entry_safe (u, n, &maybe, gc_node) {
        if (!u->gc_candidate)
            list_move_tail(&u->gc_node, &g_inflight);
        else if (u->inflight > u->gc_internal)
            gc_revive(u, &live);
    }
    while (!list_empty(&live)) {
        u = list_first_entry(&live, struct usock, gc_node);
        list_move_tail(&u->gc_node, &g_inflight);
        gc_scan(u, gc_revive, &live);
    }
    while (!list_empty(&maybe)) {
        u = list_first_entry(&maybe, struct usock, gc_node);
        list_move_tail(&u->gc_node, &g_inflight);
        u->gc_candidate = false;
        gc_take_queue(u, dead);
        mutex_lock(&g_unix_lock);
        list_for_each_entry (q, &u->accept_queue, accept_node)
            gc_take_queue(q, dead);
        mutex_unlock(&g_unix_lock);
    }
}

void unix_gc(void)
{
    struct list_head dead = LIST_HEAD_INIT(dead);

    if (likely(!atomic_load_explicit(&g_inflight_count, memory_order_relaxed)))
        return;
    if (atomic_fetch_add(&g_gc_debt, GC_SHARE) + GC_SHARE < atomic_load(&g_inflight_count))
        return;
    /* Closing what is found comes here again. */
    if (atomic_exchange(&g_gc_running, true))
        return;
    atomic_store(&g_gc_debt, 0);
    mutex_lock(&g_gc_lock);
    gc_collect_locked(&dead);
    mutex_unlock(&g_gc_lock);
    atomic_store(&g_gc_running, false);
    unix_bufs_free(&dead);
}

/* ---- the end of messages --------------------------------------------------------------------- */

/* What the outermost unix_bufs_free() of this thread has still to free. */
static _Thread_local struct list_head *t_dead;

void unix_bufs_free(struct list_head *bufs)
{
    if (t_dead) {
        list_splice_tail(bufs, t_dead);
        return;
    }
    t_dead = bufs;
    while (!list_empty(bufs)) {
        struct unix_buf *b = list_first_entry(bufs, struct unix_buf, node);
        list_del(&b->node);
        unix_buf_free(b);
    }
    t_dead = NULL;
}
