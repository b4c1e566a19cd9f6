/* SPDX-License-Identifier: Apache-2.0 */
/* A gofer in a thread over a temporary tree, and a raw 9P client that sends what a test likes. */
#ifndef TESTS_UNIT_GOFER_TEST_H
#define TESTS_UNIT_GOFER_TEST_H

#include "cvisor/host.h"
#include "cvisor/p9.h"
#include "runsc/gofer/gofer.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef cr_skip_test /* the small stand-in for Criterion under TSan */
#define cr_skip_test(...) return
#endif

struct raw {
    char dir[64]; /* the export's root is dir/root; dir/secret is outside */
    char root[96];
    int sock; /* our end */
    struct gofer_export ex;
    pthread_t thread;
    int served; /* what gofer_serve returned */
    u8 tx[P9_MSIZE_MAX], rx[P9_MSIZE_MAX];
    struct p9_reader in;
    u8 type;
    int fd; /* that came with the last answer */
};

static inline void raw_put_file(const char *dir, const char *name, const char *text)
{
    char path[512];
    FILE *f;

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    f = fopen(path, "w");
    cr_assert(f);
    fputs(text, f);
    fclose(f);
}

static void *raw_thread(void *arg)
{
    struct raw *r = arg;

    r->served = gofer_serve(&r->ex, 1);
    return NULL;
}

static inline struct raw *raw_start(bool readonly, bool donate)
{
    struct raw *r = calloc(1, sizeof(*r));
    int sv[2];
    char path[256];

    strcpy(r->dir, "/tmp/gofer-test-XXXXXX");
    cr_assert(mkdtemp(r->dir));
    snprintf(r->root, sizeof(r->root), "%s/root", r->dir);
    raw_put_file(r->dir, "secret", "secret");
    cr_assert_eq(mkdir(r->root, 0755), 0);
    raw_put_file(r->root, "f", "hello");
    snprintf(path, sizeof(path), "%s/a", r->root);
    mkdir(path, 0755);
    snprintf(path, sizeof(path), "%s/a/b", r->root);
    mkdir(path, 0755);
    raw_put_file(path, "c", "deep");
    snprintf(path, sizeof(path), "%s/out", r->root);
    cr_assert_eq(symlink("..", path), 0);
    snprintf(path, sizeof(path), "%s/etc", r->root);
    cr_assert_eq(symlink("/etc", path), 0);
    snprintf(path, sizeof(path), "%s/steal", r->root);
    cr_assert_eq(symlink("../secret", path), 0);
    snprintf(path, sizeof(path), "%s/fifo", r->root);
    cr_assert_eq(mkfifo(path, 0644), 0);
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), 0);
    r->sock = sv[0];
    r->fd = -1;
    r->ex = (struct gofer_export){.sock = sv[1], .readonly = readonly, .donate_fds = donate};
    r->ex.root_fd = open(r->root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    cr_assert_eq(pthread_create(&r->thread, NULL, raw_thread, r), 0);
    return r;
}

/* Ends the server; it must end by itself when the peer closes. */
static inline void raw_stop(struct raw *r)
{
    char cmd[128];

    if (r->fd >= 0)
        close(r->fd);
    if (r->sock >= 0)
        close(r->sock);
    pthread_join(r->thread, NULL);
    cr_assert_eq(r->served, 0);
    snprintf(cmd, sizeof(cmd), "rm -rf %s", r->dir);
    cr_assert_eq(system(cmd), 0);
    free(r);
}

static inline bool raw_send(struct raw *r, const void *p, size_t n)
{
    const u8 *b = p;

    while (n > 0) {
        ssize_t k = send(r->sock, b, n, MSG_NOSIGNAL);
        if (k <= 0)
            return false;
        b += k;
        n -= (size_t)k;
    }
    return true;
}

/* One answer into r->in: 0, -errno of an Rlerror, or -EPIPE when the server closed. */
static inline int raw_recv(struct raw *r)
{
    size_t got = 0, want = P9_HEADER_SIZE;

    if (r->fd >= 0)
        close(r->fd);
    r->fd = -1;
    while (got < want) {
        int fds[4];
        size_t nfds = 4;
        ssize_t n = host_recv_fds(r->sock, r->rx + got, want - got, fds, &nfds, 0);

        if (n <= 0)
            return -EPIPE;
        if (nfds > 0)
            r->fd = fds[0];
        got += (size_t)n;
        if (got >= P9_HEADER_SIZE && want == P9_HEADER_SIZE)
            want = p9_header_parse(r->rx).size;
        cr_assert_leq(want, sizeof(r->rx));
    }
    r->type = p9_header_parse(r->rx).type;
    p9_reader_init(&r->in, r->rx + P9_HEADER_SIZE, want - P9_HEADER_SIZE);
    if (r->type == P9_RLERROR) {
        struct p9_rlerror e;
        cr_assert(p9_get_rlerror(&r->in, &e));
        cr_assert_neq(e.ecode, 0);
        return -(int)e.ecode;
    }
    return 0;
}

/* RAW(r, tmsg, TMSG, (fields...), rmsg, RMSG, &answer): 0 or -errno. */
#define RAW_FIELDS(...) __VA_ARGS__
#define RAW(r, tl, TU, fields, rl, RU, rep)                                                        \
    ({                                                                                             \
        struct p9_##tl t_ = {RAW_FIELDS fields};                                                   \
        struct p9_writer w_;                                                                       \
        size_t n_;                                                                                 \
        int rc_;                                                                                   \
        p9_writer_init(&w_, (r)->tx, sizeof((r)->tx));                                             \
        p9_begin(&w_, P9_##TU, 1);                                                                 \
        p9_put_##tl(&w_, &t_);                                                                     \
        n_ = p9_end(&w_);                                                                          \
        cr_assert(n_ > 0);                                                                         \
        rc_ = raw_send((r), (r)->tx, n_) ? raw_recv(r) : -EPIPE;                                   \
        if (rc_ == 0) {                                                                            \
            cr_assert_eq((r)->type, P9_##RU);                                                      \
            cr_assert(p9_get_##rl(&(r)->in, (rep)));                                               \
        }                                                                                          \
        rc_;                                                                                       \
    })

static inline struct p9_names raw_names(size_t n, const char *const *v)
{
    struct p9_names names = {.n = (u16)n};

    for (size_t i = 0; i < n; i++)
        names.v[i] = p9_str_of(v[i]);
    return names;
}
#define NAMES(...)                                                                                 \
    raw_names(sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *), (const char *[]){__VA_ARGS__})

/* Negotiates version and attaches fid 0. */
static inline void raw_attach(struct raw *r, const char *version)
{
    struct p9_rversion v;
    struct p9_rattach a;

    cr_assert_eq(RAW(r, tversion, TVERSION, (.msize = 256 << 10, .version = p9_str_of(version)),
                     rversion, RVERSION, &v),
                 0);
    cr_assert(p9_str_equal(&v.version, version));
    cr_assert_eq(RAW(r, tattach, TATTACH,
                     (.fid = 0, .afid = P9_NOFID, .uname = p9_str_of("root"),
                      .aname = p9_str_of("/"), .n_uname = P9_NONUNAME),
                     rattach, RATTACH, &a),
                 0);
    cr_assert_eq(a.qid.type, P9_QTDIR);
}

static inline int raw_walk(struct raw *r, u32 fid, u32 newfid, struct p9_names names)
{
    struct p9_rwalk w;
    int rc = RAW(r, twalk, TWALK, (.fid = fid, .newfid = newfid, .names = names), rwalk, RWALK, &w);

    return rc < 0 ? rc : w.qids.n;
}

#endif
