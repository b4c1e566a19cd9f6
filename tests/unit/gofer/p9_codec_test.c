/* SPDX-License-Identifier: Apache-2.0 */
/* 9P codec: round trips of every message, truncation, trailing bytes, absurd counts. */
#include "cvisor/p9.h"

#include <criterion/criterion.h>
#include <string.h>

static u8 g_buf[1 << 16], g_again[1 << 16];

/*
 * Every message type: decoding random bytes never reads out of bounds, and whatever decodes is
 * encoded to the same bytes again.
 */
#define TRY_(lname, UNAME, num, fields)                                                            \
    {                                                                                              \
        static struct p9_##lname m;                                                                \
        struct p9_reader r;                                                                        \
        p9_reader_init(&r, g_buf, n);                                                              \
        if (p9_get_##lname(&r, &m)) {                                                              \
            struct p9_writer w;                                                                    \
            p9_writer_init(&w, g_again, sizeof(g_again));                                          \
            p9_put_##lname(&w, &m);                                                                \
            cr_assert(!w.bad);                                                                     \
            /* the optional last field of tfsync may have been missing */                          \
            cr_assert(w.len == n || (num) == P9_TFSYNC);                                           \
            cr_assert(memcmp(g_buf, g_again, n) == 0);                                             \
            decoded++;                                                                             \
        }                                                                                          \
    }

Test(p9_codec, random_bytes)
{
    unsigned seed = 12345;
    size_t decoded = 0;

    for (int i = 0; i < 20000; i++) {
        size_t n = (size_t)(seed % 200);
        for (size_t k = 0; k < n; k++) {
            seed = seed * 1103515245u + 12345u;
            /* small numbers, so that counts fit now and then */
            g_buf[k] = (u8)((seed >> 16) % 5 ? 0 : (seed >> 20) % 7);
        }
        seed = seed * 1103515245u + 12345u;
        P9_MESSAGES(TRY_)
    }
    cr_assert_gt(decoded, 1000);
}

static struct p9_attr attr_sample(u64 k)
{
    return (struct p9_attr){.qid = {.type = P9_QTDIR, .version = 3, .path = k},
                            .dev = 0x1122334455667788ull,
                            .mode = 040755,
                            .uid = 1,
                            .gid = 2,
                            .nlink = 3,
                            .rdev = 4,
                            .size = 5,
                            .blocks = 6,
                            .blksize = 7,
                            .atime_sec = -1,
                            .mtime_sec = 8,
                            .ctime_sec = 9,
                            .atime_nsec = 10,
                            .mtime_nsec = 11,
                            .ctime_nsec = 12};
}

Test(p9_codec, round_trip_and_truncation)
{
    static struct p9_rxwalk in, out;
    struct p9_writer w;
    struct p9_reader r;
    size_t n;

    in.err = 2;
    in.attrs.n = P9_WALK_MAX;
    for (u16 i = 0; i < in.attrs.n; i++)
        in.attrs.v[i] = attr_sample(i);
    in.target = p9_str_of("/some/where");
    p9_writer_init(&w, g_buf, sizeof(g_buf));
    p9_begin(&w, P9_RXWALK, 77);
    p9_put_rxwalk(&w, &in);
    n = p9_end(&w);
    cr_assert_eq(n, P9_HEADER_SIZE + 1 + 4 + 2 + P9_WALK_MAX * P9_ATTR_WIRE_SIZE + 2 + 11);
    cr_assert_eq(p9_header_parse(g_buf).size, n);
    cr_assert_eq(p9_header_parse(g_buf).type, P9_RXWALK);
    cr_assert_eq(p9_header_parse(g_buf).tag, 77);
    p9_reader_init(&r, g_buf + P9_HEADER_SIZE, n - P9_HEADER_SIZE);
    cr_assert(p9_get_rxwalk(&r, &out));
    cr_assert_eq(out.err, 2);
    cr_assert_eq(out.attrs.n, P9_WALK_MAX);
    cr_assert_eq(out.attrs.v[63].qid.path, 63);
    cr_assert_eq(out.attrs.v[63].atime_sec, -1);
    cr_assert_eq(out.attrs.v[63].ctime_nsec, 12);
    cr_assert(p9_str_equal(&out.target, "/some/where"));
    for (size_t cut = 0; cut < n - P9_HEADER_SIZE; cut++) {
        p9_reader_init(&r, g_buf + P9_HEADER_SIZE, cut);
        cr_assert(!p9_get_rxwalk(&r, &out));
    }
    g_buf[n] = 0;
    p9_reader_init(&r, g_buf + P9_HEADER_SIZE, n - P9_HEADER_SIZE + 1);
    cr_assert(!p9_get_rxwalk(&r, &out), "a trailing byte");
}

Test(p9_codec, counts_above_the_bound)
{
    static struct p9_twalk m;
    struct p9_writer w;
    struct p9_reader r;

    p9_writer_init(&w, g_buf, sizeof(g_buf));
    p9_put_u32(&w, 1);
    p9_put_u32(&w, 2);
    p9_put_u16(&w, P9_WALK_MAX + 1);
    for (u32 i = 0; i < P9_WALK_MAX + 1; i++)
        p9_put_str(&w, &(struct p9_str){.s = "x", .len = 1});
    p9_reader_init(&r, g_buf, w.len);
    cr_assert(!p9_get_twalk(&r, &m));
    cr_assert_eq(m.names.n, 0);
}

Test(p9_codec, writer_overflow)
{
    struct p9_rread m = {.data = {.p = g_again, .len = 100}};
    struct p9_writer w;

    p9_writer_init(&w, g_buf, 50);
    p9_begin(&w, P9_RREAD, 1);
    p9_put_rread(&w, &m);
    cr_assert_eq(p9_end(&w), 0);
}

Test(p9_codec, names)
{
    const char *bad[] = {"", ".", "..", "a/b", "/", "/etc"};
    char longname[300];
    struct p9_str s;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        s = p9_str_of(bad[i]);
        cr_assert(!p9_name_valid(&s), "%s", bad[i]);
    }
    s = (struct p9_str){.s = "a\0b", .len = 3};
    cr_assert(!p9_name_valid(&s));
    memset(longname, 'x', sizeof(longname));
    s = (struct p9_str){.s = longname, .len = 256};
    cr_assert(!p9_name_valid(&s));
    s.len = 255;
    cr_assert(p9_name_valid(&s));
    s = p9_str_of("...");
    cr_assert(p9_name_valid(&s));
}

Test(p9_codec, dirents)
{
    struct p9_dirent d = {.attr = attr_sample(9), .offset = 5, .type = 4, .name = p9_str_of("n")};
    struct p9_dirent e;
    struct p9_writer w;
    struct p9_reader r;

    for (int plus = 0; plus < 2; plus++) {
        p9_writer_init(&w, g_buf, sizeof(g_buf));
        p9_put_dirent(&w, &d, plus);
        cr_assert_eq(w.len, p9_dirent_size(&d, plus));
        p9_reader_init(&r, g_buf, w.len);
        cr_assert(p9_get_dirent(&r, &e, plus));
        cr_assert_eq(e.attr.qid.path, 9);
        cr_assert(p9_str_equal(&e.name, "n"));
        cr_assert(!p9_get_dirent(&r, &e, plus));
        cr_assert(!r.bad);
        p9_reader_init(&r, g_buf, w.len - 1);
        cr_assert(!p9_get_dirent(&r, &e, plus));
        cr_assert(r.bad);
    }
}
