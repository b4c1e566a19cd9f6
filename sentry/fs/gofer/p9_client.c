/* SPDX-License-Identifier: Apache-2.0 */
/* 9P client: slots, sending, receiving by one of the waiting threads, death. */
#include "sentry/fs/gofer/p9_client.h"
#include "sentry/fs/gofer/gofer.h"

#include "abi/linux/socket.h"
#include "cvisor/host.h"
#include "cvisor/kcache.h"
#include "cvisor/log.h"

#include <errno.h>
#include <string.h>

#define STAGE_SIZE (64u << 10)
#define TX_SIZE 1024u
#define RX_SIZE 4096u
#define EAGER_REQUESTS 64 /* about as many as there are until a small program runs */

KCACHE(p9_client);

void (*g_gofer_on_death)(const char *why);

/* --- death --- */

static void client_die(struct p9_client *c, const char *why)
{
    bool first;

    mutex_lock(&c->lock);
    first = !atomic_exchange(&c->dead, true);
    for (u32 i = 0; i < P9C_SLOTS; i++)
        cond_broadcast(&c->slots[i].cond);
    cond_broadcast(&c->slot_freed);
    mutex_unlock(&c->lock);
    if (!first)
        return;
    host_shutdown(c->sock, LINUX_SHUT_RDWR);
    log_error("connection to the gofer: %s", why);
    if (g_gofer_on_death)
        g_gofer_on_death(why);
}

int p9c_garbage(struct p9_client *c, const char *what)
{
    client_die(c, what);
    return -EIO;
}

/* --- slots --- */

static bool slot_fit(struct p9c_slot *s, size_t size)
{
    u8 *p;

    if (size > s->out.cap) {
        p = krealloc(s->out.buf, size);
        if (!p)
            return false;
        p9_writer_init(&s->out, p, size);
    }
    return true;
}

static struct p9c_slot *slot_get(struct p9_client *c, size_t size, bool block)
{
    struct p9c_slot *s = NULL;

    if (size > c->msize)
        return NULL;
    mutex_lock(&c->lock);
    while (block && !c->free_slots && !atomic_load(&c->dead))
        cond_wait(&c->slot_freed, &c->lock);
    if (c->free_slots && !atomic_load(&c->dead)) {
        s = c->free_slots;
        c->free_slots = s->next_free;
        s->sent = s->done = false;
        s->fd = -1;
        s->nmore = 0;
    }
    mutex_unlock(&c->lock);
    if (s && !slot_fit(s, MAX(size, (size_t)TX_SIZE))) {
        p9c_slot_put(c, s);
        return NULL;
    }
    return s;
}

struct p9c_slot *p9c_slot_get(struct p9_client *c, size_t size)
{
    return slot_get(c, size, true);
}

struct p9c_slot *p9c_slot_try(struct p9_client *c, size_t size)
{
    return slot_get(c, size, false);
}

void p9c_slot_put(struct p9_client *c, struct p9c_slot *s)
{
    if (s->fd >= 0)
        host_close(s->fd);
    s->fd = -1;
    while (s->nmore > 0)
        host_close(s->more_fds[--s->nmore]);
    mutex_lock(&c->lock);
    s->sent = false;
    s->next_free = c->free_slots;
    c->free_slots = s;
    cond_signal(&c->slot_freed);
    mutex_unlock(&c->lock);
}

/* --- receiving: the thread that set c->receiving --- */

static ssize_t client_read(struct p9_client *c, u8 *buf, size_t n, size_t *nfds)
{
    size_t room = *nfds;
    struct eager_wait w = {0};
    ssize_t r;

    /* Not where the server is to come to this CPU. */
    while (!cv_cpu_hint && eager_again(&c->eager, &w)) {
        r = host_recv_fds(c->sock, buf, n, c->fds + c->nfds, nfds, LINUX_MSG_DONTWAIT);
        if (r != -EAGAIN) {
            eager_done(&c->eager, &w);
            return r;
        }
        *nfds = room;
    }
    return host_recv_fds(c->sock, buf, n, c->fds + c->nfds, nfds, 0);
}

/* At least want bytes in the stage, or a reason why not. */
static const char *stage_fill(struct p9_client *c, size_t want)
{
    if (c->stage_len - c->stage_pos >= want)
        return NULL;
    memmove(c->stage, c->stage + c->stage_pos, c->stage_len - c->stage_pos);
    c->stage_len -= c->stage_pos;
    c->stage_pos = 0;
    while (c->stage_len < want) {
        size_t nfds = P9C_FDS_MAX - c->nfds;
        ssize_t n = client_read(c, c->stage + c->stage_len, STAGE_SIZE - c->stage_len, &nfds);

        if (n == -EINTR)
            continue;
        if (n == 0)
            return "closed by the gofer";
        if (n < 0)
            return "cannot receive";
        c->nfds += nfds;
        c->stage_len += (size_t)n;
    }
    return NULL;
}

static int take_fd(struct p9_client *c)
{
    int fd;

    if (c->nfds == 0)
        return -1;
    fd = c->fds[0];
    c->nfds--;
    memmove(c->fds, c->fds + 1, c->nfds * sizeof(c->fds[0]));
    return fd;
}

/* The slot that waits for this tag, or NULL. */
static struct p9c_slot *slot_of(struct p9_client *c, u16 tag)
{
    struct p9c_slot *s = NULL;

    mutex_lock(&c->lock);
    tag = P9_TAG_NR(tag);
    if (tag < P9C_SLOTS && c->slots[tag].sent && !c->slots[tag].done)
        s = &c->slots[tag];
    mutex_unlock(&c->lock);
    return s;
}

/* Moves one answer from the socket to its slot. NULL, or a reason to die. */
static const char *receive_one(struct p9_client *c)
{
    const char *why = stage_fill(c, P9_HEADER_SIZE);
    struct p9_header h;
    struct p9c_slot *s;
    size_t body, got;

    if (why)
        return why;
    h = p9_header_parse(c->stage + c->stage_pos);
    if (h.size < P9_HEADER_SIZE || h.size > c->msize)
        return "answer of an impossible size";
    s = slot_of(c, h.tag);
    if (!s)
        return "answer to nothing";
    c->stage_pos += P9_HEADER_SIZE;
    body = h.size - P9_HEADER_SIZE;
    if (body > s->rx_cap) {
        u8 *p = krealloc(s->rx, body);

        if (!p)
            return "out of memory for an answer";
        s->rx = p;
        s->rx_cap = body;
    }
    for (got = 0; got < body;) {
        size_t n;

        why = stage_fill(c, 1);
        if (why)
            return why;
        n = MIN(body - got, c->stage_len - c->stage_pos);
        memcpy(s->rx + got, c->stage + c->stage_pos, n);
        c->stage_pos += n;
        got += n;
    }
    if ((h.type == P9_RXOPEN || h.type == P9_RXCREATE || h.type == P9_RXWALK) && body > 0 &&
        s->rx[0]) {
        s->fd = take_fd(c);
        if (s->fd < 0)
            return "answer without its descriptor";
    }
    if (h.type == P9_RXOPENV && body > 0) {
        if (s->rx[0] > P9_OPENV_MAX || s->rx[0] > c->nfds)
            return "answer without its descriptors";
        while (s->nmore < s->rx[0])
            s->more_fds[s->nmore++] = take_fd(c);
    }
    p9_reader_init(&s->in, s->rx, body);
    s->type = h.type;
    mutex_lock(&c->lock);
    s->done = true;
    cond_signal(&s->cond);
    mutex_unlock(&c->lock);
    return NULL;
}

/* Wakes one waiting thread to be the next receiver. */
static void receiver_pass_locked(struct p9_client *c)
{
    for (u32 i = 0; i < P9C_SLOTS; i++) {
        if (c->slots[i].waiting && !c->slots[i].done) {
            cond_signal(&c->slots[i].cond);
            return;
        }
    }
}

static int slot_wait(struct p9_client *c, struct p9c_slot *s)
{
    int rc;

    mutex_lock(&c->lock);
    /* Only now: one that is still sending may be blocked until somebody receives. */
    s->waiting = true;
    while (!s->done && !atomic_load(&c->dead)) {
        const char *why;

        if (c->receiving) {
            cond_wait(&s->cond, &c->lock);
            continue;
        }
        c->receiving = true;
        mutex_unlock(&c->lock);
        why = receive_one(c);
        if (why)
            client_die(c, why);
        mutex_lock(&c->lock);
        c->receiving = false;
    }
    s->waiting = false;
    rc = s->done ? 0 : -EIO;
    if (!c->receiving)
        receiver_pass_locked(c);
    mutex_unlock(&c->lock);
    return rc;
}

static int slot_send(struct p9_client *c, struct p9c_slot *s, size_t len)
{
    size_t done = 0;
    ssize_t n;

    mutex_lock(&c->tx_lock);
    while (done < len) {
        n = host_send_fds(c->sock, s->out.buf + done, len - done, NULL, 0); /* no SIGPIPE */
        if (n == -EINTR)
            continue;
        if (n <= 0)
            break;
        done += (size_t)n;
    }
    mutex_unlock(&c->tx_lock);
    return done == len ? 0 : -EIO;
}

int p9c_send(struct p9_client *c, struct p9c_slot *s)
{
    size_t len = p9_end(&s->out);
    int rc;

    if (len == 0 || len > c->msize)
        return -EMSGSIZE;
    atomic_fetch_add_explicit(&c->calls, 1, memory_order_relaxed);
    s->out.buf[P9_HEADER_SIZE - 1] = cv_cpu_hint < 0xff ? (u8)cv_cpu_hint : 0;
    mutex_lock(&c->lock);
    s->sent = true; /* its answer may be read by another thread at once */
    mutex_unlock(&c->lock);
    rc = slot_send(c, s, len);
    if (rc < 0)
        client_die(c, "cannot send");
    return rc;
}

int p9c_wait(struct p9_client *c, struct p9c_slot *s, enum p9_type rtype)
{
    int rc = slot_wait(c, s);

    if (rc < 0)
        return rc;
    if (s->type == rtype)
        return 0;
    if (s->type == P9_RLERROR) {
        struct p9_rlerror m;

        if (!p9_get_rlerror(&s->in, &m) || m.ecode == 0 || m.ecode >= 512)
            return p9c_garbage(c, "malformed error answer");
        return -(int)m.ecode;
    }
    return p9c_garbage(c, "answer of the wrong type");
}

int p9c_call(struct p9_client *c, struct p9c_slot *s, enum p9_type rtype)
{
    int rc = p9c_send(c, s);

    return rc < 0 ? rc : p9c_wait(c, s, rtype);
}

/* --- life --- */

static void client_free(struct p9_client *c)
{
    for (u32 i = 0; i < P9C_SLOTS; i++) {
        kfree(c->slots[i].out.buf);
        kfree(c->slots[i].rx);
    }
    for (size_t i = 0; i < c->nfds; i++)
        host_close(c->fds[i]);
    kfree(c->stage);
    kcache_free(p9_client, c);
}

static int client_version(struct p9_client *c)
{
    struct p9_tversion t = {.msize = P9_MSIZE_MAX, .version = p9_str_of(P9_VERSION_EXT)};
    struct p9_rversion r;
    struct p9c_slot *s = p9c_slot_get(c, TX_SIZE);
    int rc;

    if (!s)
        return -ENOMEM;
    p9_begin(&s->out, P9_TVERSION, s->tag);
    p9_put_tversion(&s->out, &t);
    rc = p9c_call(c, s, P9_RVERSION);
    if (rc == 0 && !p9_get_rversion(&s->in, &r))
        rc = p9c_garbage(c, "malformed Rversion");
    if (rc == 0 && !p9_str_equal(&r.version, P9_VERSION_EXT)) {
        log_error("the gofer speaks %.*s, not " P9_VERSION_EXT, r.version.len, r.version.s);
        rc = -EPROTONOSUPPORT;
    }
    if (rc == 0 && (r.msize < P9_MSIZE_MIN || r.msize > t.msize))
        rc = p9c_garbage(c, "impossible message size");
    if (rc == 0)
        c->msize = r.msize;
    p9c_slot_put(c, s);
    return rc;
}

static int client_attach(struct p9_client *c)
{
    struct p9_tattach t = {.fid = P9C_ROOT_FID, .afid = P9_NOFID, .n_uname = P9_NONUNAME};
    struct p9_rattach r;
    struct p9c_slot *s = p9c_slot_get(c, TX_SIZE);
    int rc;

    if (!s)
        return -ENOMEM;
    p9_begin(&s->out, P9_TATTACH, s->tag);
    p9_put_tattach(&s->out, &t);
    rc = p9c_call(c, s, P9_RATTACH);
    if (rc == 0 && !p9_get_rattach(&s->in, &r))
        rc = p9c_garbage(c, "malformed Rattach");
    p9c_slot_put(c, s);
    return rc;
}

int p9c_open(int sock, struct p9_client **out)
{
    struct p9_client *c = kcache_alloc(p9_client);
    int rc;

    if (!c)
        return -ENOMEM;
    c->sock = sock;
    c->msize = P9_MSIZE_MAX; /* until the version is known */
    c->next_fid = P9C_ROOT_FID + 1;
    eager_init(&c->eager, EAGER_REQUESTS);
    mutex_init(&c->lock, LOCK_GOFER_CONN);
    mutex_init(&c->tx_lock, LOCK_GOFER_CONN);
    cond_init(&c->slot_freed);
    c->stage = kmalloc(STAGE_SIZE);
    for (u32 i = P9C_SLOTS; i-- > 0;) {
        c->slots[i].tag = (u16)i;
        c->slots[i].fd = -1;
        cond_init(&c->slots[i].cond);
        c->slots[i].next_free = c->free_slots;
        c->free_slots = &c->slots[i];
    }
    rc = c->stage ? client_version(c) : -ENOMEM;
    if (rc == 0)
        rc = client_attach(c);
    if (rc < 0) {
        client_free(c);
        return rc;
    }
    *out = c;
    return 0;
}

void p9c_close(struct p9_client *c)
{
    atomic_store(&c->dead, true); /* nobody is left who could use it; no hook */
    host_close(c->sock);
    client_free(c);
}

/* --- fids --- */

u32 p9c_fid_alloc(struct p9_client *c)
{
    u32 fid;

    mutex_lock(&c->lock);
    if (c->nfree_fids > 0)
        fid = c->free_fids[--c->nfree_fids];
    else if (c->next_fid < P9_NOFID)
        fid = c->next_fid++;
    else
        fid = P9_NOFID; /* the server refuses it */
    mutex_unlock(&c->lock);
    return fid;
}

static void fid_free_locked(struct p9_client *c, u32 fid)
{
    /* Above the limit numbers are lost: there are four thousand million of them. */
    if (c->nfree_fids < P9C_FREE_FIDS)
        c->free_fids[c->nfree_fids++] = fid;
}

void p9c_fid_free(struct p9_client *c, u32 fid)
{
    mutex_lock(&c->lock);
    fid_free_locked(c, fid);
    mutex_unlock(&c->lock);
}

static void send_clunks(struct p9_client *c, const struct p9_txmclunk *t)
{
    struct p9c_slot *s = p9c_slot_get(c, TX_SIZE);

    if (!s)
        return;
    p9_begin(&s->out, P9_TXMCLUNK, s->tag);
    p9_put_txmclunk(&s->out, t);
    /* An error is of no interest: the fids are gone in any case. */
    p9c_call(c, s, P9_RXMCLUNK);
    p9c_slot_put(c, s);
    mutex_lock(&c->lock);
    for (u16 i = 0; i < t->fids.n; i++)
        fid_free_locked(c, t->fids.v[i]);
    mutex_unlock(&c->lock);
}

void p9c_clunk(struct p9_client *c, u32 fid, bool now)
{
    struct p9_txmclunk t;

    t.fids.n = 0;
    mutex_lock(&c->lock);
    c->clunks[c->nclunks++] = fid;
    if (now || c->nclunks == P9C_CLUNK_BATCH) {
        memcpy(t.fids.v, c->clunks, c->nclunks * sizeof(u32));
        t.fids.n = (u16)c->nclunks;
        c->nclunks = 0;
    }
    mutex_unlock(&c->lock);
    if (t.fids.n > 0)
        send_clunks(c, &t);
}
