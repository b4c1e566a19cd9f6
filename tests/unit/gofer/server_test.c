/* SPDX-License-Identifier: Apache-2.0 */
/* Gofer server against a raw client: the plain protocol, extensions, confinement. */
#include "gofer_test.h"

#include "abi/linux/fcntl.h"

#include <sys/xattr.h>

#define EXISTS(r, name)                                                                            \
    ({                                                                                             \
        char path_[256];                                                                           \
        snprintf(path_, sizeof(path_), "%s/%s", (r)->root, name);                                  \
        access(path_, F_OK) == 0;                                                                  \
    })

Test(gofer_server, plain_client)
{
    struct raw *r = raw_start(false, true);
    struct p9_rlopen lo;
    struct p9_rread rd;
    struct p9_rwrite wr;
    struct p9_rclunk cl;
    struct p9_rlcreate lc;
    struct p9_rgetattr ga;
    struct p9_rxwalk xw;

    raw_attach(r, P9_VERSION_PLAIN);
    cr_assert_eq(raw_walk(r, 0, 1, NAMES("a", "b", "c")), 3);
    cr_assert_eq(RAW(r, tlopen, TLOPEN, (.fid = 1, .flags = 0), rlopen, RLOPEN, &lo), 0);
    cr_assert_eq(r->fd, -1, "no descriptor without the extension");
    cr_assert_eq(RAW(r, tread, TREAD, (.fid = 1, .offset = 1, .count = 100), rread, RREAD, &rd), 0);
    cr_assert_eq(rd.data.len, 3);
    cr_assert(memcmp(rd.data.p, "eep", 3) == 0);
    cr_assert_eq(RAW(r, twrite, TWRITE, (.fid = 1, .data = {.p = (const u8 *)"x", .len = 1}),
                     rwrite, RWRITE, &wr),
                 -EBADF, "opened for reading");
    cr_assert_eq(RAW(r, tclunk, TCLUNK, (.fid = 1), rclunk, RCLUNK, &cl), 0);
    cr_assert_eq(RAW(r, tclunk, TCLUNK, (.fid = 1), rclunk, RCLUNK, &cl), -EBADF);

    cr_assert_eq(raw_walk(r, 0, 2, NAMES("a")), 1);
    cr_assert_eq(RAW(r, tlcreate, TLCREATE,
                     (.fid = 2, .name = p9_str_of("new"), .flags = LINUX_O_RDWR, .mode = 0640,
                      .gid = getgid()),
                     rlcreate, RLCREATE, &lc),
                 0);
    cr_assert_eq(RAW(r, twrite, TWRITE,
                     (.fid = 2, .offset = 2, .data = {.p = (const u8 *)"xyz", .len = 3}), rwrite,
                     RWRITE, &wr),
                 0);
    cr_assert_eq(wr.count, 3);
    cr_assert_eq(RAW(r, tgetattr, TGETATTR, (.fid = 2, .mask = ~0ull), rgetattr, RGETATTR, &ga), 0);
    cr_assert_eq(ga.size, 5);
    cr_assert_eq(ga.mode, 0100640);
    cr_assert(EXISTS(r, "a/new"));
    cr_assert_eq(RAW(r, txwalk, TXWALK, (.fid = 0, .newfid = P9_NOFID), rxwalk, RXWALK, &xw),
                 -EOPNOTSUPP, "extensions were not negotiated");
    raw_stop(r);
}

Test(gofer_server, rename_remove)
{
    struct raw *r = raw_start(false, true);
    struct p9_rmkdir md;
    struct p9_rrenameat ra;
    struct p9_rrename rn;
    struct p9_rremove rm;
    struct p9_runlinkat ul;
    struct p9_rlink ln;

    raw_attach(r, P9_VERSION_PLAIN);
    cr_assert_eq(RAW(r, tmkdir, TMKDIR,
                     (.dfid = 0, .name = p9_str_of("n"), .mode = 0700, .gid = getgid()), rmkdir,
                     RMKDIR, &md),
                 0);
    cr_assert_eq(
        RAW(r, trenameat, TRENAMEAT,
            (.olddirfid = 0, .oldname = p9_str_of("n"), .newdirfid = 0, .newname = p9_str_of("m")),
            rrenameat, RRENAMEAT, &ra),
        0);
    cr_assert(EXISTS(r, "m") && !EXISTS(r, "n"));
    cr_assert_eq(raw_walk(r, 0, 5, NAMES("f")), 1);
    cr_assert_eq(raw_walk(r, 0, 6, NAMES("m")), 1);
    cr_assert_eq(
        RAW(r, tlink, TLINK, (.dfid = 6, .fid = 5, .name = p9_str_of("hard")), rlink, RLINK, &ln),
        0);
    cr_assert(EXISTS(r, "m/hard"));
    cr_assert_eq(RAW(r, trename, TRENAME, (.fid = 5, .dfid = 6, .name = p9_str_of("g")), rrename,
                     RRENAME, &rn),
                 0);
    cr_assert(EXISTS(r, "m/g") && !EXISTS(r, "f"));
    cr_assert_eq(RAW(r, tremove, TREMOVE, (.fid = 5), rremove, RREMOVE, &rm), 0);
    cr_assert(!EXISTS(r, "m/g") && EXISTS(r, "m/hard"));
    cr_assert_eq(RAW(r, tunlinkat, TUNLINKAT,
                     (.dirfid = 0, .name = p9_str_of("m"), .flags = LINUX_AT_REMOVEDIR), runlinkat,
                     RUNLINKAT, &ul),
                 -ENOTEMPTY);
    cr_assert_eq(RAW(r, tunlinkat, TUNLINKAT, (.dirfid = 6, .name = p9_str_of("hard")), runlinkat,
                     RUNLINKAT, &ul),
                 0);
    /* fid 6 was never renamed by its fid: the name it was walked to still stands for it. */
    cr_assert_eq(RAW(r, tremove, TREMOVE, (.fid = 6), rremove, RREMOVE, &rm), 0);
    cr_assert(!EXISTS(r, "m"));
    raw_stop(r);
}

Test(gofer_server, no_escape)
{
    struct raw *r = raw_start(false, true);
    struct p9_rlopen lo;
    struct p9_rlcreate lc;
    struct p9_rxopen xo;
    struct p9_rmknod mk;
    struct p9_rsymlink sy;
    struct p9_rreadlink rl;
    const char *bad[] = {"..", ".", "", "a/b", "/etc", "../secret"};

    raw_attach(r, P9_VERSION_EXT);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        cr_assert_eq(raw_walk(r, 0, 10, NAMES(bad[i])), -EINVAL, "%s", bad[i]);
    {
        struct p9_names nul = {.n = 1, .v = {{.s = "f\0g", .len = 3}}};
        cr_assert_eq(raw_walk(r, 0, 10, nul), -EINVAL);
    }
    /* A symlink can be walked to, but neither through nor opened. */
    cr_assert_eq(raw_walk(r, 0, 10, NAMES("out", "secret")), 1);
    cr_assert_eq(raw_walk(r, 0, 10, NAMES("etc", "passwd")), 1);
    cr_assert_eq(raw_walk(r, 0, 10, NAMES("steal")), 1);
    cr_assert_eq(RAW(r, tlopen, TLOPEN, (.fid = 10), rlopen, RLOPEN, &lo), -ELOOP);
    cr_assert_eq(RAW(r, treadlink, TREADLINK, (.fid = 10), rreadlink, RREADLINK, &rl), 0);
    cr_assert(p9_str_equal(&rl.target, "../secret"));
    cr_assert_eq(RAW(r, txopen, TXOPEN, (.fid = 0, .newfid = 11, .names = NAMES("etc", "passwd")),
                     rxopen, RXOPEN, &xo),
                 -ENOTDIR);
    cr_assert_eq(RAW(r, txopen, TXOPEN, (.fid = 0, .newfid = 11, .names = NAMES("steal")), rxopen,
                     RXOPEN, &xo),
                 -ELOOP);
    cr_assert_eq(RAW(r, txopen, TXOPEN, (.fid = 0, .newfid = 11, .names = NAMES("..", "secret")),
                     rxopen, RXOPEN, &xo),
                 -EINVAL);
    /* Creation does not follow a dangling or other link. */
    cr_assert_eq(raw_walk(r, 0, 12, NAMES("a")), 1);
    cr_assert_eq(
        RAW(r, tsymlink, TSYMLINK,
            (.dfid = 12, .name = p9_str_of("l"), .target = p9_str_of("../../new"), .gid = getgid()),
            rsymlink, RSYMLINK, &sy),
        0);
    cr_assert_eq(RAW(r, tlcreate, TLCREATE,
                     (.fid = 12, .name = p9_str_of("l"), .flags = LINUX_O_RDWR, .mode = 0600,
                      .gid = getgid()),
                     rlcreate, RLCREATE, &lc),
                 -EEXIST);
    cr_assert_eq(RAW(r, tlcreate, TLCREATE,
                     (.fid = 12, .name = p9_str_of("../x"), .mode = 0600, .gid = getgid()),
                     rlcreate, RLCREATE, &lc),
                 -EINVAL);
    cr_assert_eq(RAW(r, tmknod, TMKNOD,
                     (.dfid = 12, .name = p9_str_of("null"), .mode = S_IFCHR | 0666, .major = 1,
                      .minor = 3, .gid = getgid()),
                     rmknod, RMKNOD, &mk),
                 -EPERM, "no device nodes");
    /* A FIFO is never opened. */
    cr_assert_eq(RAW(r, txopen, TXOPEN, (.fid = 0, .newfid = 11, .names = NAMES("fifo")), rxopen,
                     RXOPEN, &xo),
                 -ENXIO);
    raw_stop(r);
}

Test(gofer_server, readonly)
{
    struct raw *r = raw_start(true, true);
    struct p9_rlcreate lc;
    struct p9_rxopen xo;
    struct p9_rxmake xm;
    struct p9_rxcreate xc;
    struct p9_rxrename xr;
    struct p9_rsetattr sa;
    struct p9_runlinkat ul;
    struct p9_rlink ln;
    struct p9_rremove rm;
    struct p9_rxsetxattr sx;

    raw_attach(r, P9_VERSION_EXT);
    cr_assert_eq(raw_walk(r, 0, 1, NAMES("f")), 1);
    for (u32 flags = 1; flags <= 2; flags++)
        cr_assert_eq(RAW(r, txopen, TXOPEN,
                         (.fid = 0, .newfid = 9, .flags = flags, .names = NAMES("f")), rxopen,
                         RXOPEN, &xo),
                     -EROFS);
    cr_assert_eq(RAW(r, txopen, TXOPEN,
                     (.fid = 0, .newfid = 9, .flags = LINUX_O_TRUNC, .names = NAMES("f")), rxopen,
                     RXOPEN, &xo),
                 -EROFS);
    cr_assert_eq(
        RAW(r, tlcreate, TLCREATE, (.fid = 0, .name = p9_str_of("x")), rlcreate, RLCREATE, &lc),
        -EROFS);
    cr_assert_eq(RAW(r, txcreate, TXCREATE, (.dfid = 0, .newfid = 9, .name = p9_str_of("x")),
                     rxcreate, RXCREATE, &xc),
                 -EROFS);
    cr_assert_eq(RAW(r, txmake, TXMAKE, (.dfid = 0, .name = p9_str_of("x"), .mode = S_IFDIR | 0755),
                     rxmake, RXMAKE, &xm),
                 -EROFS);
    cr_assert_eq(
        RAW(r, txrename, TXRENAME,
            (.olddirfid = 0, .oldname = p9_str_of("f"), .newdirfid = 0, .newname = p9_str_of("g")),
            rxrename, RXRENAME, &xr),
        -EROFS);
    cr_assert_eq(RAW(r, tsetattr, TSETATTR, (.fid = 1, .valid = P9_SETATTR_MODE, .mode = 0777),
                     rsetattr, RSETATTR, &sa),
                 -EROFS);
    cr_assert_eq(RAW(r, tunlinkat, TUNLINKAT, (.dirfid = 0, .name = p9_str_of("f")), runlinkat,
                     RUNLINKAT, &ul),
                 -EROFS);
    cr_assert_eq(
        RAW(r, tlink, TLINK, (.dfid = 0, .fid = 1, .name = p9_str_of("h")), rlink, RLINK, &ln),
        -EROFS);
    cr_assert_eq(RAW(r, txsetxattr, TXSETXATTR, (.fid = 1, .name = p9_str_of("user.x")), rxsetxattr,
                     RXSETXATTR, &sx),
                 -EROFS);
    cr_assert_eq(RAW(r, tremove, TREMOVE, (.fid = 1), rremove, RREMOVE, &rm), -EROFS);
    cr_assert(EXISTS(r, "f"));
    raw_stop(r);
}

Test(gofer_server, donation)
{
    struct raw *r = raw_start(false, true);
    struct p9_rxopen xo;
    struct p9_rxcreate xc;
    char buf[16];

    raw_attach(r, P9_VERSION_EXT);
    cr_assert_eq(RAW(r, txopen, TXOPEN, (.fid = 0, .newfid = 1, .names = NAMES("a", "b", "c")),
                     rxopen, RXOPEN, &xo),
                 0);
    cr_assert_eq(xo.hostfd, 1);
    cr_assert_eq(xo.attr.size, 4);
    cr_assert_geq(r->fd, 0);
    cr_assert_eq(read(r->fd, buf, sizeof(buf)), 4);
    cr_assert_eq(write(r->fd, "x", 1), -1, "read-only as asked");
    cr_assert_eq(raw_walk(r, 1, 2, (struct p9_names){0}), -EBADF, "donated: newfid is not bound");
    cr_assert_eq(
        RAW(r, txopen, TXOPEN, (.fid = 0, .newfid = 1, .names = NAMES("a")), rxopen, RXOPEN, &xo),
        -EISDIR, "a folder is never donated");
    cr_assert_eq(RAW(r, txcreate, TXCREATE,
                     (.dfid = 0, .newfid = P9_NOFID, .name = p9_str_of("new"),
                      .flags = LINUX_O_RDWR, .mode = 0444, .uid = getuid(), .gid = getgid()),
                     rxcreate, RXCREATE, &xc),
                 0);
    cr_assert_eq(xc.hostfd, 1);
    cr_assert_eq(xc.attr.mode, 0100444);
    cr_assert_eq(write(r->fd, "data", 4), 4);
    raw_stop(r);

    r = raw_start(false, false);
    raw_attach(r, P9_VERSION_EXT);
    cr_assert_eq(
        RAW(r, txopen, TXOPEN, (.fid = 0, .newfid = 1, .names = NAMES("f")), rxopen, RXOPEN, &xo),
        0);
    cr_assert_eq(xo.hostfd, 0);
    cr_assert_eq(r->fd, -1);
    raw_stop(r);
}

Test(gofer_server, xwalk)
{
    struct raw *r = raw_start(false, true);
    static struct p9_rxwalk w;

    raw_attach(r, P9_VERSION_EXT);
    cr_assert_eq(RAW(r, txwalk, TXWALK,
                     (.fid = 0, .newfid = 1, .flags = P9_XWALK_SELF, .names = NAMES("a", "b", "c")),
                     rxwalk, RXWALK, &w),
                 0);
    cr_assert_eq(w.err, 0);
    cr_assert_eq(w.attrs.n, 4);
    cr_assert_eq(w.attrs.v[3].size, 4);
    cr_assert_eq(w.attrs.v[0].mode & S_IFMT, S_IFDIR);
    cr_assert_eq(RAW(r, txwalk, TXWALK, (.fid = 0, .newfid = 2, .names = NAMES("a", "none", "c")),
                     rxwalk, RXWALK, &w),
                 0);
    cr_assert_eq(w.err, ENOENT);
    cr_assert_eq(w.attrs.n, 1);
    cr_assert_eq(raw_walk(r, 2, 3, (struct p9_names){0}), -EBADF, "not bound");
    cr_assert_eq(RAW(r, txwalk, TXWALK,
                     (.fid = 0, .newfid = P9_NOFID, .names = NAMES("etc", "passwd")), rxwalk,
                     RXWALK, &w),
                 0);
    cr_assert_eq(w.err, ELOOP);
    cr_assert_eq(w.attrs.n, 1);
    cr_assert(p9_str_equal(&w.target, "/etc"));
    cr_assert_eq(RAW(r, txwalk, TXWALK, (.fid = 0, .newfid = P9_NOFID, .names = NAMES("f", "x")),
                     rxwalk, RXWALK, &w),
                 0);
    cr_assert_eq(w.err, ENOTDIR);
    cr_assert_eq(RAW(r, txwalk, TXWALK, (.fid = 0, .newfid = P9_NOFID, .names = NAMES("steal")),
                     rxwalk, RXWALK, &w),
                 0);
    cr_assert_eq(w.err, 0);
    cr_assert(p9_str_equal(&w.target, "../secret"));
    raw_stop(r);
}

static size_t count_entries(struct raw *r, const struct p9_data *d, bool plus, u64 *next)
{
    struct p9_reader in;
    struct p9_dirent e;
    size_t n = 0;

    p9_reader_init(&in, d->p, d->len);
    while (p9_get_dirent(&in, &e, plus)) {
        *next = e.offset;
        n++;
    }
    cr_assert(!in.bad);
    return n;
}

Test(gofer_server, readdir)
{
    struct raw *r = raw_start(false, true);
    struct p9_rlopen lo;
    struct p9_rreaddir rd;
    struct p9_rxreaddir xr;
    struct p9_rxmake xm;
    char name[32];
    u64 next = 0;
    size_t n, total;

    raw_attach(r, P9_VERSION_EXT);
    cr_assert_eq(raw_walk(r, 0, 1, NAMES("a", "b")), 2);
    for (int i = 0; i < 500; i++) {
        snprintf(name, sizeof(name), "entry-%d", i);
        cr_assert_eq(RAW(r, txmake, TXMAKE,
                         (.dfid = 1, .name = p9_str_of(name), .mode = S_IFREG | 0644,
                          .uid = getuid(), .gid = getgid()),
                         rxmake, RXMAKE, &xm),
                     0);
    }
    /* Many small answers and the biggest one give the same. */
    for (u32 count = 1000; count <= 200000; count *= 200) {
        total = 0;
        next = 0;
        do {
            cr_assert_eq(RAW(r, txreaddir, TXREADDIR, (.fid = 1, .offset = next, .count = count),
                             rxreaddir, RXREADDIR, &xr),
                         0);
            cr_assert_leq(xr.data.len, count);
            n = count_entries(r, &xr.data, true, &next);
            total += n;
        } while (!xr.eof);
        cr_assert_eq(total, 501);
    }
    cr_assert_eq(RAW(r, txreaddir, TXREADDIR, (.fid = 1, .offset = 0, .count = 10), rxreaddir,
                     RXREADDIR, &xr),
                 -EINVAL, "no entry fits");
    cr_assert_eq(raw_walk(r, 0, 2, NAMES("a", "b")), 2);
    cr_assert_eq(RAW(r, treaddir, TREADDIR, (.fid = 2, .count = 1000), rreaddir, RREADDIR, &rd),
                 -EBADF, "not open");
    cr_assert_eq(RAW(r, tlopen, TLOPEN, (.fid = 2), rlopen, RLOPEN, &lo), 0);
    total = 0;
    next = 0;
    do {
        cr_assert_eq(RAW(r, treaddir, TREADDIR, (.fid = 2, .offset = next, .count = 777), rreaddir,
                         RREADDIR, &rd),
                     0);
        n = count_entries(r, &rd.data, false, &next);
        total += n;
    } while (n > 0);
    cr_assert_eq(total, 503, "with . and ..");
    raw_stop(r);
}

Test(gofer_server, setattr)
{
    struct raw *r = raw_start(false, true);
    struct p9_rsetattr sa;
    struct p9_rgetattr ga;

    raw_attach(r, P9_VERSION_PLAIN);
    cr_assert_eq(raw_walk(r, 0, 1, NAMES("f")), 1);
    cr_assert_eq(raw_walk(r, 0, 2, NAMES("steal")), 1);
    cr_assert_eq(
        RAW(r, tsetattr, TSETATTR,
            (.fid = 1,
             .valid = P9_SETATTR_MODE | P9_SETATTR_SIZE | P9_SETATTR_MTIME | P9_SETATTR_MTIME_SET,
             .mode = 04711, .size = 2, .mtime_sec = 1000, .mtime_nsec = 5),
            rsetattr, RSETATTR, &sa),
        0);
    cr_assert_eq(RAW(r, tgetattr, TGETATTR, (.fid = 1), rgetattr, RGETATTR, &ga), 0);
    cr_assert_eq(ga.mode, 0100711 | (ga.mode & 04000));
    cr_assert_eq(ga.size, 2);
    cr_assert_eq(ga.mtime_sec, 1000);
    cr_assert_eq(ga.mtime_nsec, 5);
    /* Times of a link, not of what it points to. */
    cr_assert_eq(
        RAW(r, tsetattr, TSETATTR,
            (.fid = 2, .valid = P9_SETATTR_MTIME | P9_SETATTR_MTIME_SET, .mtime_sec = 2000),
            rsetattr, RSETATTR, &sa),
        0);
    cr_assert_eq(RAW(r, tgetattr, TGETATTR, (.fid = 2), rgetattr, RGETATTR, &ga), 0);
    cr_assert_eq(ga.mtime_sec, 2000);
    cr_assert_eq(ga.mode & S_IFMT, S_IFLNK);
    cr_assert_eq(RAW(r, tsetattr, TSETATTR, (.fid = 2, .valid = P9_SETATTR_MODE, .mode = 0777),
                     rsetattr, RSETATTR, &sa),
                 -EOPNOTSUPP);
    cr_assert_eq(
        RAW(r, tsetattr, TSETATTR,
            (.fid = 1, .valid = P9_SETATTR_MTIME | P9_SETATTR_MTIME_SET, .mtime_nsec = 1000000000),
            rsetattr, RSETATTR, &sa),
        -EINVAL);
    raw_stop(r);
}

Test(gofer_server, xattr)
{
    struct raw *r = raw_start(false, true);
    struct p9_rxsetxattr sx;
    struct p9_rxgetxattr gx;
    struct p9_rxattrwalk xw;
    struct p9_rread rd;
    char path[256];
    int rc;

    snprintf(path, sizeof(path), "%s/f", r->root);
    if (setxattr(path, "user.probe", "1", 1, 0) < 0) {
        raw_stop(r);
        cr_skip_test("no user.* attributes in /tmp");
    }
    raw_attach(r, P9_VERSION_EXT);
    cr_assert_eq(raw_walk(r, 0, 1, NAMES("f")), 1);
    rc = RAW(r, txsetxattr, TXSETXATTR,
             (.fid = 1, .name = p9_str_of("user.k"), .data = {.p = (const u8 *)"val", .len = 3}),
             rxsetxattr, RXSETXATTR, &sx);
    cr_assert_eq(rc, 0);
    rc = RAW(r, txgetxattr, TXGETXATTR, (.fid = 1, .name = p9_str_of("user.k")), rxgetxattr,
             RXGETXATTR, &gx);
    cr_assert_eq(rc, 0);
    cr_assert_eq(gx.data.len, 3);
    cr_assert(memcmp(gx.data.p, "val", 3) == 0);
    rc = RAW(r, txgetxattr, TXGETXATTR, (.fid = 1, .name = p9_str_of("security.selinux")),
             rxgetxattr, RXGETXATTR, &gx);
    cr_assert_eq(rc, -EOPNOTSUPP);
    rc = RAW(r, txattrwalk, TXATTRWALK, (.fid = 1, .newfid = 2), rxattrwalk, RXATTRWALK, &xw);
    cr_assert_eq(rc, 0);
    cr_assert_eq(xw.size, sizeof("user.k") + sizeof("user.probe"));
    rc = RAW(r, tread, TREAD, (.fid = 2, .count = 5), rread, RREAD, &rd);
    cr_assert_eq(rc, 0);
    cr_assert_eq(rd.data.len, 5);
    raw_stop(r);
}
