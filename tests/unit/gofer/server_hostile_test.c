/* SPDX-License-Identifier: Apache-2.0 */
/* Gofer server against a client that sends nonsense: it answers or hangs up, and never dies. */
#include "gofer_test.h"

#include <poll.h>

/* Still there? (The connection may be closed, the process may not be gone.) */
static void expect_closed(struct raw *r)
{
    struct pollfd p = {.fd = r->sock, .events = POLLIN};
    u8 b[64];

    cr_assert_eq(poll(&p, 1, 5000), 1);
    cr_assert_leq(recv(r->sock, b, sizeof(b), 0), 0);
}

static void send_header(struct raw *r, u32 size, u8 type)
{
    u8 h[P9_HEADER_SIZE] = {0};

    memcpy(h, &size, 4);
    h[4] = type;
    raw_send(r, h, sizeof(h));
}

Test(gofer_hostile, sizes)
{
    const u32 bad[] = {0, 6, P9_MSIZE_MAX + 1, 0x7fffffff, 0xffffffff, 1 << 20};

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct raw *r = raw_start(false, true);

        if (bad[i] == 1 << 20)
            raw_attach(r, P9_VERSION_EXT); /* above what was negotiated */
        send_header(r, bad[i], P9_TREAD);
        expect_closed(r);
        raw_stop(r);
    }
}

Test(gofer_hostile, short_body_then_close)
{
    struct raw *r = raw_start(false, true);

    send_header(r, 1000, P9_TVERSION);
    raw_stop(r);
}

Test(gofer_hostile, every_type_empty)
{
    struct raw *r = raw_start(false, true);

    raw_attach(r, P9_VERSION_EXT);
    for (int type = 0; type < 256; type++) {
        send_header(r, P9_HEADER_SIZE, (u8)type);
        cr_assert_lt(raw_recv(r), 0, "type %d", type);
        cr_assert_neq(raw_recv, NULL);
    }
    raw_stop(r);
}

Test(gofer_hostile, counts)
{
    struct raw *r = raw_start(false, true);
    struct p9_rlopen lo;
    struct p9_rread rd;
    struct p9_rwrite wr;
    struct p9_rxattrcreate xc;

    raw_attach(r, P9_VERSION_EXT);
    cr_assert_eq(raw_walk(r, 0, 1, NAMES("f")), 1);
    cr_assert_eq(RAW(r, tread, TREAD, (.fid = 1, .count = 10), rread, RREAD, &rd), -EBADF);
    cr_assert_eq(RAW(r, tlopen, TLOPEN, (.fid = 1, .flags = 2), rlopen, RLOPEN, &lo), 0);
    cr_assert_eq(RAW(r, tread, TREAD, (.fid = 1, .count = 0xffffffff), rread, RREAD, &rd), 0);
    cr_assert_eq(rd.data.len, 5);
    cr_assert_lt(RAW(r, tread, TREAD, (.fid = 1, .offset = ~0ull, .count = 10), rread, RREAD, &rd),
                 0);
    cr_assert_lt(RAW(r, twrite, TWRITE,
                     (.fid = 1, .offset = ~0ull, .data = {.p = (const u8 *)"x", .len = 1}), rwrite,
                     RWRITE, &wr),
                 0);
    cr_assert_eq(raw_walk(r, 0, 2, NAMES("f")), 1);
    cr_assert_eq(RAW(r, txattrcreate, TXATTRCREATE,
                     (.fid = 2, .name = p9_str_of("user.x"), .size = ~0ull), rxattrcreate,
                     RXATTRCREATE, &xc),
                 -E2BIG);
    cr_assert_eq(raw_walk(r, 0, 1, NAMES("f")), -EBADF, "the number is taken");
    cr_assert_eq(raw_walk(r, 0, P9_NOFID, NAMES("f")), -EBADF);
    cr_assert_eq(raw_walk(r, 77, 78, NAMES("f")), -EBADF);
    raw_stop(r);
}

/* Frames are right, bodies are random; every one gets an answer. */
Test(gofer_hostile, random_bodies)
{
    struct raw *r = raw_start(false, true);
    unsigned seed = 1;
    u8 msg[256];

    raw_attach(r, P9_VERSION_EXT);
    for (int i = 0; i < 20000; i++) {
        u32 n;

        seed = seed * 1103515245u + 12345u;
        n = P9_HEADER_SIZE + (seed >> 16) % 80;
        for (u32 k = 4; k < n; k++) {
            seed = seed * 1103515245u + 12345u;
            msg[k] = (u8)((seed >> 16) % 3 ? (seed >> 24) % 4 : seed >> 16);
        }
        memcpy(msg, &n, 4);
        if (msg[4] == P9_TVERSION)
            continue;
        cr_assert(raw_send(r, msg, n));
        cr_assert_neq(raw_recv(r), -EPIPE);
    }
    raw_stop(r);
}

/* Many requests at once, some of them slow: every tag is answered once. */
Test(gofer_hostile, pipelined)
{
    struct raw *r = raw_start(false, false);
    struct p9_rlopen lo;
    enum { N = 64 };
    int seen[N] = {0};

    raw_attach(r, P9_VERSION_EXT);
    cr_assert_eq(raw_walk(r, 0, 1, NAMES("f")), 1);
    cr_assert_eq(RAW(r, tlopen, TLOPEN, (.fid = 1, .flags = 2), rlopen, RLOPEN, &lo), 0);
    for (int round = 0; round < 20; round++) {
        for (u16 t = 0; t < N; t++) {
            struct p9_writer w;

            p9_writer_init(&w, r->tx, sizeof(r->tx));
            if (t % 4 == 0) {
                p9_begin(&w, P9_TFSYNC, t);
                p9_put_tfsync(&w, &(struct p9_tfsync){.fid = 1});
            } else if (t % 4 == 1) {
                p9_begin(&w, P9_TREAD, t);
                p9_put_tread(&w, &(struct p9_tread){.fid = 1, .count = 200000});
            } else {
                p9_begin(&w, P9_TGETATTR, t);
                p9_put_tgetattr(&w, &(struct p9_tgetattr){.fid = 1});
            }
            cr_assert(raw_send(r, r->tx, p9_end(&w)));
        }
        for (u16 t = 0; t < N; t++) {
            cr_assert_eq(raw_recv(r), 0);
            seen[p9_header_parse(r->rx).tag]++;
        }
    }
    for (u16 t = 0; t < N; t++)
        cr_assert_eq(seen[t], 20);
    raw_stop(r);
}
