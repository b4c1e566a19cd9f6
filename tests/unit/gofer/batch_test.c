/* SPDX-License-Identifier: Apache-2.0 */
/* Requests with many answers, as the server sees them: trees of listings, several open files. */
#include "batch_tree.h"

#include "abi/linux/fcntl.h"
#include "abi/linux/stat.h"
#include "cvisor/kcache.h"
#include "sentry/fs/gofer/gofer_fs.h"
#include "sentry/fs/mounts.h"
#include "sentry/mm/uaccess.h"

#include <sys/inotify.h>

/* Directories and entries of an answer. */
static u32 count_list(const struct p9_data *data, u32 *entries, u32 *with_attrs)
{
    struct p9_listdir d;
    struct p9_listent e;
    struct p9_reader in;
    u32 n = 0;

    *entries = *with_attrs = 0;
    p9_reader_init(&in, data->p, data->len);
    while (p9_get_listdir(&in, &d)) {
        n++;
        for (u32 i = 0; i < d.count; i++) {
            cr_assert(p9_get_listent(&in, &e));
            cr_assert(p9_name_valid(&e.name));
            ++*entries;
            *with_attrs += e.plus;
        }
    }
    cr_assert(!in.bad);
    return n;
}

static int xlist(struct raw *r, u32 flags, u32 count, struct p9_names names,
                 struct p9_names children, struct p9_rxlist *out)
{
    return RAW(r, txlist, TXLIST,
               (.fid = 0, .flags = flags, .count = count, .names = names, .children = children),
               rxlist, RXLIST, out);
}

Test(gofer_batch, xlist)
{
    struct raw *r = raw_start(false, true);
    struct p9_names none = {0};
    struct p9_rxlist l;
    u32 n, attrs;

    make_tree(r);
    raw_attach(r, P9_VERSION_EXT);
    cr_assert_eq(xlist(r, 0, 100000, NAMES("t"), none, &l), 0);
    cr_assert_eq(count_list(&l.data, &n, &attrs), 1);
    cr_assert_eq(n, DIRS);
    cr_assert_eq(attrs, DIRS, "directories always have them");
    cr_assert_eq(xlist(r, P9_XLIST_TREE, 200000, NAMES("t"), none, &l), 0);
    cr_assert_eq(count_list(&l.data, &n, &attrs), 1 + DIRS);
    cr_assert_eq(n, DIRS + DIRS * FILES);
    cr_assert_eq(attrs, DIRS);
    cr_assert_eq(xlist(r, P9_XLIST_ATTRS, 200000, NAMES("t"), NAMES("d03", "gone", "d01"), &l), 0);
    cr_assert_eq(count_list(&l.data, &n, &attrs), 2, "what is not there is left out");
    cr_assert_eq(attrs, 2 * FILES);
    /* Whole directories, as many as fit. */
    cr_assert_eq(xlist(r, P9_XLIST_TREE, 10000, NAMES("t"), none, &l), 0);
    cr_assert_leq(l.data.len, 10000);
    cr_assert_lt(count_list(&l.data, &n, &attrs), DIRS);
    cr_assert_eq(n % FILES, DIRS % FILES);
    cr_assert_eq(xlist(r, 0, 30, NAMES("t"), none, &l), 0);
    cr_assert_eq(l.data.len, 0);
    raw_stop(r);
}

/* A directory in parts. */
Test(gofer_batch, xlist_part)
{
    struct raw *r = raw_start(false, true);
    struct p9_listdir d = {0};
    struct p9_names none = {0};
    struct p9_reader in;
    struct p9_rxlist l;
    u32 parts = 0, total = 0;

    make_tree(r);
    raw_attach(r, P9_VERSION_EXT);
    do {
        cr_assert_eq(RAW(r, txlist, TXLIST,
                         (.fid = 0, .flags = P9_XLIST_PART, .count = 120, .offset = d.next,
                          .names = NAMES("t", "d05"), .children = none),
                         rxlist, RXLIST, &l),
                     0);
        p9_reader_init(&in, l.data.p, l.data.len);
        cr_assert(p9_get_listdir(&in, &d));
        total += d.count;
        parts++;
    } while (d.next);
    cr_assert_eq(total, FILES);
    cr_assert_gt(parts, 3);
    cr_assert_eq(xlist(r, P9_XLIST_PART | P9_XLIST_TREE, 1000, none, none, &l), -EINVAL);
    cr_assert_eq(xlist(r, P9_XLIST_PART, 1000, none, NAMES("t"), &l), -EINVAL);
    raw_stop(r);
}

Test(gofer_batch, xlist_does_not_escape)
{
    struct raw *r = raw_start(false, true);
    struct p9_names none = {0};
    struct p9_rxlist l;
    u32 n, attrs;

    raw_attach(r, P9_VERSION_EXT);
    cr_assert_lt(xlist(r, 0, 10000, NAMES(".."), none, &l), 0);
    cr_assert_lt(xlist(r, 0, 10000, NAMES("etc"), none, &l), 0, "a symbolic link");
    cr_assert_eq(xlist(r, P9_XLIST_TREE, 10000, none, NAMES("..", "etc", "out", "a/b", "f"), &l),
                 0);
    cr_assert_eq(count_list(&l.data, &n, &attrs), 0);
    /* Steps go down by one component, through no link, and never up from where they began. */
    cr_assert_eq(xlist(r, 0, 10000, none, NAMES("/a", "b", "", "a"), &l), 0);
    cr_assert_eq(count_list(&l.data, &n, &attrs), 2);
    cr_assert_eq(xlist(r, P9_XLIST_TREE, 10000, none,
                       NAMES("/..", "root", "", "/etc", "ssl", "", "/out", "root", "", "/", "a", "",
                             "/a/b", "x", "", "/f", "x"),
                       &l),
                 0);
    cr_assert_eq(count_list(&l.data, &n, &attrs), 0);
    cr_assert_eq(xlist(r, 0, 10000, none, NAMES("", "root"), &l), -EINVAL);
    cr_assert_eq(xlist(r, 0, 10000, none, NAMES("/a", "", "", "root"), &l), -EINVAL);
    cr_assert_eq(xlist(r, ~0u, 10000, none, none, &l), -EINVAL);
    cr_assert_eq(xlist(r, P9_XLIST_TREE | P9_XLIST_ATTRS, ~0u, none, none, &l), 0);
    cr_assert_eq(count_list(&l.data, &n, &attrs), 3, "root, a, a/b");
    raw_stop(r);
}

Test(gofer_batch, plain_clients_do_not_have_it)
{
    struct raw *r = raw_start(false, true);
    struct p9_names none = {0};
    struct p9_rxopenv o;
    struct p9_rxlist l;

    raw_attach(r, P9_VERSION_PLAIN);
    cr_assert_eq(xlist(r, 0, 10000, none, none, &l), -EOPNOTSUPP);
    cr_assert_eq(RAW(r, txopenv, TXOPENV, (.fid = 0, .children = NAMES("f")), rxopenv, RXOPENV, &o),
                 -EOPNOTSUPP);
    raw_stop(r);
}

Test(gofer_batch, xopenv)
{
    struct raw *r = raw_start(false, true);
    struct p9_names many = {.n = P9_OPENV_MAX + 1};
    struct p9_opened o;
    struct p9_rxopenv m;
    struct p9_reader in;
    char buf[8];

    raw_attach(r, P9_VERSION_EXT);
    cr_assert_eq(
        RAW(r, txopenv, TXOPENV,
            (.fid = 0, .children = NAMES("gone", "f", "fifo", "steal", "a", "..", "a/b/c")),
            rxopenv, RXOPENV, &m),
        0);
    cr_assert_eq(m.nfds, 1, "regular files only");
    cr_assert_geq(r->fd, 0);
    cr_assert_eq(read(r->fd, buf, sizeof(buf)), 5);
    cr_assert_lt(write(r->fd, "x", 1), 0);
    p9_reader_init(&in, m.data.p, m.data.len);
    for (int i = 0; i < 7; i++) {
        cr_assert(p9_get_opened(&in, &o));
        cr_assert_eq(o.err == 0, i == 1);
    }
    cr_assert_eq(in.pos, in.len);
    cr_assert_eq(RAW(r, txopenv, TXOPENV,
                     (.fid = 0, .names = NAMES("a", "b"), .children = NAMES("c")), rxopenv, RXOPENV,
                     &m),
                 0);
    cr_assert_eq(m.nfds, 1);
    for (int i = 0; i < many.n; i++)
        many.v[i] = p9_str_of("f");
    cr_assert_eq(RAW(r, txopenv, TXOPENV, (.fid = 0, .children = many), rxopenv, RXOPENV, &m),
                 -EINVAL);
    cr_assert_eq(RAW(r, txopenv, TXOPENV, (.fid = 0), rxopenv, RXOPENV, &m), -EINVAL);
    raw_stop(r);
}

/* Errors of an answer, as letters: o = opened, x = not. */
static const char *openv_outcome(struct raw *r, struct p9_names children, u8 *nfds)
{
    static char out[P9_WALK_MAX + 1];
    struct p9_rxopenv m;
    struct p9_reader in;
    struct p9_opened o;
    size_t n = 0;
    int rc = RAW(r, txopenv, TXOPENV, (.fid = 0, .children = children), rxopenv, RXOPENV, &m);

    if (rc < 0)
        return "refused";
    p9_reader_init(&in, m.data.p, m.data.len);
    while (p9_get_opened(&in, &o))
        out[n++] = o.err ? 'x' : 'o';
    cr_assert_eq(in.pos, in.len);
    out[n] = '\0';
    *nfds = m.nfds;
    return out;
}

Test(gofer_batch, xopenv_steps)
{
    struct raw *r = raw_start(false, true);
    struct p9_names deep = {0};
    u8 nfds;

    raw_attach(r, P9_VERSION_EXT);
    cr_assert_str_eq(openv_outcome(r, NAMES("/a", "/b", "c", "", "b", "", "f"), &nfds), "oxo");
    cr_assert_eq(nfds, 2);
    /* Below what is not there, is a link, no folder or no name, nothing is found; after it all goes on. */
    cr_assert_str_eq(openv_outcome(r, NAMES("/gone", "f", "/a", "f", "", "", "f"), &nfds), "xxo");
    cr_assert_str_eq(
        openv_outcome(r, NAMES("/out", "secret", "", "/etc", "passwd", "", "f"), &nfds), "xxo");
    cr_assert_str_eq(openv_outcome(r, NAMES("/f", "f", "", "/fifo", "f", "", "f"), &nfds), "xxo");
    cr_assert_str_eq(openv_outcome(r, NAMES("/..", "secret", "", "/.", "f", "", "f"), &nfds),
                     "xxo");
    cr_assert_str_eq(openv_outcome(r, NAMES("/", "f", "", "//etc", "passwd", "", "f"), &nfds),
                     "xxo");
    cr_assert_str_eq(openv_outcome(r, NAMES("/a/b", "c", "", "a/b/c", "f"), &nfds), "xxo");
    /* Never above where it began. */
    cr_assert_str_eq(openv_outcome(r, NAMES("", "secret"), &nfds), "refused");
    cr_assert_str_eq(openv_outcome(r, NAMES("/a", "", "", "secret"), &nfds), "refused");
    cr_assert_str_eq(openv_outcome(r, NAMES("/a", "/b", ""), &nfds), "refused", "no file");
    while (deep.n < P9_WALK_MAX - 1)
        deep.v[deep.n++] = p9_str_of("/a");
    deep.v[deep.n++] = p9_str_of("f");
    cr_assert_str_eq(openv_outcome(r, deep, &nfds), "x");
    raw_stop(r);
}

struct swapper {
    struct raw *r;
    atomic_bool stop;
};

/* What is called "x" changes: a file, a FIFO, a link to outside, a folder. */
static void *swap_thread(void *arg)
{
    static const char *const what[] = {"s-file", "s-fifo", "s-steal", "s-dir"};
    struct swapper *s = arg;
    char path[4][160], x[160];

    snprintf(x, sizeof(x), "%s/x", s->r->root);
    for (int i = 0; i < 4; i++)
        snprintf(path[i], sizeof(path[i]), "%s/%s", s->r->root, what[i]);
    raw_put_file(s->r->root, what[0], "hello");
    cr_assert_eq(mkfifo(path[1], 0644), 0);
    cr_assert_eq(symlink("../secret", path[2]), 0);
    cr_assert_eq(mkdir(path[3], 0755), 0);
    for (u32 i = 0; !atomic_load(&s->stop); i++) {
        cr_assert_eq(rename(path[i % 4], x), 0);
        cr_assert_eq(rename(x, path[i % 4]), 0);
    }
    return NULL;
}

/* A name that changes between the look and the open gives a regular file of the export or nothing, and nobody waits. */
Test(gofer_batch, swapped_names, .timeout = 60)
{
    struct raw *r = raw_start(false, true);
    struct swapper s = {.r = r};
    static struct p9_rxwalk w;
    struct p9_rxopen o;
    pthread_t t;
    u8 nfds;

    raw_attach(r, P9_VERSION_EXT);
    cr_assert_eq(pthread_create(&t, NULL, swap_thread, &s), 0);
    for (int i = 0; i < 6000; i++) {
        struct stat st;
        char buf[8];
        int rc;

        if (i % 3 == 0) {
            openv_outcome(r, NAMES("x"), &nfds);
        } else if (i % 3 == 1) {
            rc = RAW(r, txopen, TXOPEN,
                     (.fid = 0, .newfid = P9_NOFID, .flags = i & 1 ? LINUX_O_RDWR : LINUX_O_RDONLY,
                      .names = NAMES("x")),
                     rxopen, RXOPEN, &o);
            cr_assert(rc <= 0);
        } else {
            rc = RAW(r, txwalk, TXWALK,
                     (.fid = 0, .newfid = P9_NOFID, .flags = P9_XWALK_FOLLOW | P9_XWALK_OPEN,
                      .names = NAMES("x")),
                     rxwalk, RXWALK, &w);
            cr_assert_eq(rc, 0);
        }
        if (r->fd < 0)
            continue;
        cr_assert_eq(fstat(r->fd, &st), 0);
        cr_assert(S_ISREG(st.st_mode));
        cr_assert_eq(read(r->fd, buf, sizeof(buf)), 5);
        cr_assert_eq(memcmp(buf, "hello", 5), 0);
        close(r->fd);
        r->fd = -1;
    }
    atomic_store(&s.stop, true);
    pthread_join(t, NULL);
    raw_stop(r);
}

/* Not even for a moment: somebody may wait at the other end. */
Test(gofer_batch, fifos_are_not_touched)
{
    struct raw *r = raw_start(false, true);
    struct p9_rxopen o;
    char path[160];
    u8 nfds;
    int in = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);

    snprintf(path, sizeof(path), "%s/fifo", r->root);
    cr_assert_geq(in, 0);
    cr_assert_geq(inotify_add_watch(in, path, IN_OPEN), 0);
    raw_attach(r, P9_VERSION_EXT);
    cr_assert_str_eq(openv_outcome(r, NAMES("fifo"), &nfds), "x");
    cr_assert_eq(RAW(r, txopen, TXOPEN,
                     (.fid = 0, .newfid = P9_NOFID, .flags = LINUX_O_RDWR, .names = NAMES("fifo")),
                     rxopen, RXOPEN, &o),
                 -ENXIO);
    cr_assert_eq(RAW(r, txopen, TXOPEN, (.fid = 0, .newfid = P9_NOFID, .names = NAMES("steal")),
                     rxopen, RXOPEN, &o),
                 -ELOOP);
    cr_assert_eq(RAW(r, txopen, TXOPEN, (.fid = 0, .newfid = P9_NOFID, .names = NAMES("a")), rxopen,
                     RXOPEN, &o),
                 -EISDIR);
    cr_assert_lt(r->fd, 0);
    cr_assert_lt(read(in, path, sizeof(path)), 0, "the FIFO was opened");
    close(in);
    raw_stop(r);
}

Test(gofer_batch, xwalk_goes_on)
{
    struct raw *r = raw_start(false, true);
    static struct p9_rxwalk w;
    char path[200];

    snprintf(path, sizeof(path), "%s/link", r->root);
    cr_assert_eq(symlink("f", path), 0);
    raw_attach(r, P9_VERSION_EXT);
    cr_assert_eq(RAW(r, txwalk, TXWALK,
                     (.fid = 0, .newfid = P9_NOFID, .flags = P9_XWALK_FOLLOW | P9_XWALK_OPEN,
                      .names = NAMES("link")),
                     rxwalk, RXWALK, &w),
                 0);
    cr_assert_eq(w.attrs.n, 2);
    cr_assert_eq(w.attrs.v[1].size, 5);
    cr_assert_eq(w.hostfd, 1);
    cr_assert_geq(r->fd, 0);
    cr_assert_eq(read(r->fd, path, sizeof(path)), 5);
    /* Never out of the directory, and nothing but regular files. */
    for (size_t i = 0; i < 4; i++) {
        static const char *const names[] = {"steal", "out", "etc", "fifo"};

        cr_assert_eq(RAW(r, txwalk, TXWALK,
                         (.fid = 0, .newfid = P9_NOFID, .flags = P9_XWALK_FOLLOW | P9_XWALK_OPEN,
                          .names = NAMES(names[i])),
                         rxwalk, RXWALK, &w),
                     0);
        cr_assert_eq(w.attrs.n, 1, "%s", names[i]);
        cr_assert_eq(w.hostfd, 0, "%s", names[i]);
    }
    raw_stop(r);
}
