/* SPDX-License-Identifier: Apache-2.0 */
/* Gofer server: one connection. Framing, its leader and its few threads. */
#include "runsc/gofer/server.h"

#include "abi/linux/socket.h"
#include "cvisor/host.h"
#include "cvisor/kcache.h"
#include "cvisor/log.h"

#include <errno.h>
#include <string.h>

#define STAGE_SIZE (64u << 10)
#define OUT_SIZE (16u << 10)
/* Requests that a sandbox makes while it starts. They come one after the other. */
#define EAGER_REQUESTS 64

KCACHE(gofer_conn);

struct gofer_conn *gofer_conn_new(const struct gofer_export *ex)
{
    struct gofer_conn *c = kcache_alloc(gofer_conn);

    if (!c)
        return NULL;
    c->stage = kmalloc(STAGE_SIZE);
    if (!c->stage) {
        kcache_free(gofer_conn, c);
        return NULL;
    }
    c->ex = *ex;
    c->msize = P9_MSIZE_MIN;
    rangetree_init(&c->fids);
    mutex_init(&c->lock, LOCK_GOFER_CONN);
    mutex_init(&c->tx_lock, LOCK_LEAF);
    cond_init(&c->changed);
    list_init(&c->slow);
    return c;
}

void gofer_conn_free(struct gofer_conn *c)
{
    gofer_fids_clear(c);
    host_close(c->ex.sock);
    host_close(c->ex.root_fd);
    kfree(c->stage);
    kcache_free(gofer_conn, c);
}

/* --- receiving: leader only --- */

static ssize_t conn_read(struct gofer_conn *c, void *buf, size_t n)
{
    struct eager_wait w = {0};
    ssize_t r;

    while (eager_again(&c->eager, &w)) {
        r = host_recv(c->ex.sock, buf, n, LINUX_MSG_DONTWAIT);
        if (r != -EAGAIN) {
            eager_done(&c->eager, &w);
            return r;
        }
    }
    r = host_read(c->ex.sock, buf, n);
    if (r > 0 && !c->greeted) {
        c->greeted = true;
        eager_init(&c->eager, EAGER_REQUESTS);
    }
    return r;
}

/* At least want bytes in the stage. False at the end of the connection. */
static bool stage_fill(struct gofer_conn *c, size_t want)
{
    ssize_t n;

    if (c->stage_len - c->stage_pos >= want)
        return true;
    memmove(c->stage, c->stage + c->stage_pos, c->stage_len - c->stage_pos);
    c->stage_len -= c->stage_pos;
    c->stage_pos = 0;
    while (c->stage_len < want) {
        n = conn_read(c, c->stage + c->stage_len, STAGE_SIZE - c->stage_len);
        if (n == -EINTR)
            continue;
        if (n <= 0)
            return false;
        c->stage_len += (size_t)n;
    }
    return true;
}

struct rx_buf {
    u8 *p;
    size_t cap;
};

/* Reads one message into b: its size, or 0 at the end of the connection or when the peer is mad. */
static size_t conn_receive(struct gofer_conn *c, struct rx_buf *b)
{
    struct p9_header h;
    size_t got;
    ssize_t n;

    if (!stage_fill(c, P9_HEADER_SIZE))
        return 0;
    h = p9_header_parse(c->stage + c->stage_pos);
    if (h.size < P9_HEADER_SIZE || h.size > MAX(c->msize, P9_MSIZE_MIN)) {
        log_warn("closing a connection: message of %u bytes, limit %u", h.size, c->msize);
        return 0;
    }
    if (h.size > b->cap) {
        size_t cap = MAX((size_t)h.size, (size_t)P9_MSIZE_MIN);
        u8 *p = krealloc(b->p, cap);

        if (!p)
            return 0;
        b->p = p;
        b->cap = cap;
    }
    if (h.size <= STAGE_SIZE && !stage_fill(c, h.size))
        return 0;
    got = MIN((size_t)h.size, c->stage_len - c->stage_pos);
    memcpy(b->p, c->stage + c->stage_pos, got);
    c->stage_pos += got;
    while (got < h.size) {
        n = host_read(c->ex.sock, b->p + got, h.size - got);
        if (n == -EINTR)
            continue;
        if (n <= 0)
            return 0;
        got += (size_t)n;
    }
    return h.size;
}

/* --- sending --- */

static bool conn_send(struct gofer_conn *c, struct gofer_req *r, size_t len)
{
    size_t done = 0;
    ssize_t n = 0;

    mutex_lock(&c->tx_lock);
    while (done < len) {
        if (done == 0 && r->donate_fd >= 0)
            n = host_send_fds(c->ex.sock, r->out.buf, len, &r->donate_fd, 1);
        else if (done == 0)
            n = host_send_fds(c->ex.sock, r->out.buf, len, r->more_fds, r->nmore);
        else
            n = host_send_fds(c->ex.sock, r->out.buf + done, len - done, NULL, 0); /* no SIGPIPE */
        if (n == -EINTR)
            continue;
        if (n <= 0)
            break;
        done += (size_t)n;
    }
    mutex_unlock(&c->tx_lock);
    gofer_req_drop_fds(r);
    return done == len;
}

/* --- the lead --- */

/* True: this thread is the leader now. False: it should end. */
static bool lead_take(struct gofer_conn *c, bool stay)
{
    bool ok;

    mutex_lock(&c->lock);
    c->idle++;
    /* One thread in reserve is enough. */
    while (!c->dead && c->leading && (stay || c->idle <= 1))
        cond_wait(&c->changed, &c->lock);
    c->idle--;
    ok = !c->dead && !c->leading;
    if (ok)
        c->leading = true;
    mutex_unlock(&c->lock);
    return ok;
}

static void conn_thread(void *arg);

void gofer_lead_release(struct gofer_req *r)
{
    struct gofer_conn *c = r->conn;
    bool create;

    if (!r->leading)
        return;
    gofer_follow_nobody(&r->follow); /* nor does a new thread inherit the place */
    mutex_lock(&c->lock);
    create = c->idle == 0 && c->threads < GOFER_THREADS_MAX;
    if (!create && c->idle == 0) {
        /* Everybody is busy: keep the lead, the others wait. */
        mutex_unlock(&c->lock);
        return;
    }
    if (create)
        c->threads++;
    c->leading = false;
    r->leading = false;
    list_add_tail(&r->slow_node, &c->slow);
    cond_broadcast(&c->changed);
    mutex_unlock(&c->lock);
    if (create && cv_thread_create("gofer-io", conn_thread, c) < 0) {
        mutex_lock(&c->lock);
        c->threads--;
        mutex_unlock(&c->lock);
    }
}

static bool slow_has_locked(struct gofer_conn *c, struct gofer_req *me, u16 tag)
{
    struct gofer_req *r;

    list_for_each_entry (r, &c->slow, slow_node) {
        if (r != me && (tag == P9_NOTAG || r->tag == tag))
            return true;
    }
    return false;
}

void gofer_wait_slow(struct gofer_req *r, u16 tag)
{
    struct gofer_conn *c = r->conn;

    mutex_lock(&c->lock);
    while (slow_has_locked(c, r, tag))
        cond_wait(&c->changed, &c->lock);
    mutex_unlock(&c->lock);
}

static void req_done(struct gofer_req *r)
{
    struct gofer_conn *c = r->conn;

    if (r->leading)
        return;
    mutex_lock(&c->lock);
    list_del(&r->slow_node);
    cond_broadcast(&c->changed);
    mutex_unlock(&c->lock);
}

static void conn_die(struct gofer_conn *c)
{
    mutex_lock(&c->lock);
    c->dead = true;
    cond_broadcast(&c->changed);
    mutex_unlock(&c->lock);
    host_shutdown(c->ex.sock, LINUX_SHUT_RDWR);
}

/* Serves as leader, whenever it can be one, until the connection dies. stay: also when there are
 * more threads than needed. */
static void conn_worker(struct gofer_conn *c, bool stay)
{
    struct rx_buf rx = {0};
    struct gofer_req r = {.conn = c, .donate_fd = -1};

    list_init(&r.slow_node);
    r.out.buf = kmalloc(OUT_SIZE);
    r.out_alloc = OUT_SIZE;
    while (r.out.buf && lead_take(c, stay)) {
        r.leading = true;
        while (r.leading) {
            size_t n = conn_receive(c, &rx);
            struct p9_header h;
            bool ok;

            if (n == 0) {
                conn_die(c);
                break;
            }
            h = p9_header_parse(rx.p);
            r.type = h.type;
            r.tag = h.tag;
            gofer_follow(&r.follow, p9_tag_hint(h.tag));
            if (r.follow.pinned)
                c->eager.credit = 0; /* the client needs this CPU */
            p9_reader_init(&r.in, rx.p + P9_HEADER_SIZE, n - P9_HEADER_SIZE);
            n = gofer_dispatch(&r);
            ok = n > 0 && conn_send(c, &r, n);
            req_done(&r);
            if (!ok) {
                conn_die(c);
                break;
            }
        }
    }
    if (!r.out.buf)
        conn_die(c);
    kfree(rx.p);
    kfree(r.out.buf);
}

static void thread_gone(struct gofer_conn *c)
{
    mutex_lock(&c->lock);
    c->threads--;
    cond_broadcast(&c->changed);
    mutex_unlock(&c->lock);
}

static void conn_thread(void *arg)
{
    conn_worker(arg, false);
    thread_gone(arg);
}

void gofer_conn_serve(struct gofer_conn *c)
{
    mutex_lock(&c->lock);
    c->threads++;
    mutex_unlock(&c->lock);
    conn_worker(c, true);
    mutex_lock(&c->lock);
    c->threads--;
    while (c->threads > 0)
        cond_wait(&c->changed, &c->lock);
    mutex_unlock(&c->lock);
}
