/* SPDX-License-Identifier: Apache-2.0 */
/* Requests with many answers: trees of listings, several open files; from both ends. */
#include "gofer_test.h"

#include "abi/linux/fcntl.h"
#include "abi/linux/stat.h"
#include "cvisor/kcache.h"
#include "sentry/fs/gofer/gofer_fs.h"
#include "sentry/fs/mounts.h"
#include "sentry/mm/uaccess.h"

#include <sys/inotify.h>

#define DIRS 40
#define FILES 30

/* root/t/d00..d39/f00..f29 */
static void make_tree(struct raw *r)
{
    char path[300], name[32];

    snprintf(path, sizeof(path), "%s/t", r->root);
    cr_assert_eq(mkdir(path, 0755), 0);
    for (int i = 0; i < DIRS; i++) {
        snprintf(path, sizeof(path), "%s/t/d%02d", r->root, i);
        cr_assert_eq(mkdir(path, 0755), 0);
        for (int k = 0; k < FILES; k++) {
            snprintf(name, sizeof(name), "f%02d", k);
            raw_put_file(path, name, "text");
        }
    }
}

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

/* --- the client --- */

struct bt {
    struct raw *raw;
    struct filesystem *fs;
    struct dentry *root;
    struct mount *mnt;
    struct vfs_path path;
};

static struct bt bt_start(void)
{
    struct bt b = {.raw = raw_start(false, true)};

    make_tree(b.raw);
    cr_assert_eq(gofer_fs_new(b.raw->sock, false, &b.fs, &b.root), 0);
    b.raw->sock = -1; /* the client's now */
    b.mnt = mount_new(b.fs, b.root, 0, "test");
    cr_assert(b.mnt);
    b.path = (struct vfs_path){.mnt = b.mnt, .dentry = b.root};
    return b;
}

static void bt_stop(struct bt *b)
{
    dentry_put(b->root);
    mount_put(b->mnt);
    fs_put(b->fs);
    raw_stop(b->raw);
}

static u64 calls(struct bt *b)
{
    return atomic_load(&gofer_fs_of(b->fs)->client->calls);
}

static struct file *open_at(struct bt *b, const char *path)
{
    struct inode *inode;
    struct vfs_path p;
    struct file *f;

    cr_assert_eq(vfs_resolve_from(&b->path, path, RP_FOLLOW, &p), 0, "%s", path);
    inode = dentry_inode(p.dentry);
    f = file_alloc(&p, LINUX_O_RDONLY);
    cr_assert(f);
    f->seekable = true;
    f->ops = inode->fops;
    if (inode->ops->open)
        cr_assert_eq(inode->ops->open(inode, p.dentry, f), 0);
    vfs_path_put(&p);
    return f;
}

struct order {
    struct dir_emit e; /* first */
    u32 n;
    char names[64][8];
};

static bool order_fn(struct dir_emit *e, const char *name, size_t len, u64 ino, u8 type, u64 off)
{
    struct order *o = (struct order *)e;

    if (name[0] == '.')
        return true;
    cr_assert_lt(o->n, 64);
    snprintf(o->names[o->n++], sizeof(o->names[0]), "%.*s", (int)len, name);
    return true;
}

static void list_at(struct bt *b, const char *path, struct order *o)
{
    struct file *f = open_at(b, path);

    *o = (struct order){.e = {.fn = order_fn}};
    cr_assert_eq(file_iterate(f, &o->e), 0);
    file_put(f);
}

Test(gofer_batch, a_walk_is_a_few_requests)
{
    struct bt b = bt_start();
    struct order top, in;
    struct linux_stat st;
    struct vfs_path p;
    char path[32];
    u64 n = calls(&b);

    list_at(&b, "t", &top);
    cr_assert_eq(top.n, DIRS);
    for (u32 i = 0; i < top.n; i++) {
        snprintf(path, sizeof(path), "t/%s", top.names[i]);
        list_at(&b, path, &in);
        cr_assert_eq(in.n, FILES);
        for (u32 k = 0; k < in.n; k++) {
            snprintf(path, sizeof(path), "t/%s/%s", top.names[i], in.names[k]);
            cr_assert_eq(vfs_resolve_from(&b.path, path, 0, &p), 0);
            cr_assert_eq(vfs_stat(&p, &st), 0);
            cr_assert_eq(st.st_size, 4);
            vfs_path_put(&p);
        }
    }
    cr_assert_lt(calls(&b) - n, DIRS / 2, "%llu", (unsigned long long)(calls(&b) - n));
    /* What a listing does not have is not there. */
    n = calls(&b);
    cr_assert_eq(vfs_resolve_from(&b.path, "t/none", 0, &p), -ENOENT);
    cr_assert_eq(calls(&b) - n, 0);
    bt_stop(&b);
}

Test(gofer_batch, files_in_order_are_opened_together)
{
    struct bt b = bt_start();
    struct order top, in;
    char path[32], buf[8];
    u64 n = calls(&b);

    list_at(&b, "t", &top);
    for (u32 i = 0; i < 8; i++) {
        snprintf(path, sizeof(path), "t/%s", top.names[i]);
        list_at(&b, path, &in);
        for (u32 k = 0; k < in.n; k++) {
            struct iov_iter it;
            struct file *f;
            u64 pos = 0;

            snprintf(path, sizeof(path), "t/%s/%s", top.names[i], in.names[k]);
            f = open_at(&b, path);
            iov_iter_kernel(&it, buf, sizeof(buf));
            cr_assert_eq(f->ops->read(f, &it, &pos, 0), 4);
            cr_assert_eq(memcmp(buf, "text", 4), 0);
            file_put(f);
        }
    }
    cr_assert_lt(calls(&b) - n, 8 * FILES / 4, "%llu", (unsigned long long)(calls(&b) - n));
    cr_assert_leq(atomic_load(&gofer_fs_of(b.fs)->ahead_nfds), GOFER_AHEAD_FDS);
    bt_stop(&b);
}

/* One answer read ahead, at most, and what waits is bounded. */
static void check_bounds(struct bt *b)
{
    struct gofer_fs *gfs = gofer_fs_of(b->fs);

    cr_assert_leq(atomic_load(&gfs->ahead_nfds), GOFER_AHEAD_FDS);
    cr_assert_leq(gfs->ahead_bytes, GOFER_AHEAD_BYTES_MAX);
    cr_assert_leq(gfs->listing_bytes, GOFER_LISTING_BYTES_MAX);
}

static void read_text(struct bt *b, const char *path)
{
    struct iov_iter it;
    char buf[8];
    struct file *f = open_at(b, path);
    u64 pos = 0;

    iov_iter_kernel(&it, buf, sizeof(buf));
    cr_assert_eq(f->ops->read(f, &it, &pos, 0), 4, "%s", path);
    cr_assert_eq(memcmp(buf, "text", 4), 0);
    cr_assert_eq(f->ops->read(f, &it, &pos, 0), 0);
    file_put(f);
}

/* As grep -r does: each directory is listed, each file opened, depth first. */
static void walk_tree(struct bt *b, const struct order *top, u32 dirs)
{
    struct order in;
    char path[32];

    for (u32 i = 0; i < dirs; i++) {
        snprintf(path, sizeof(path), "t/%s", top->names[i]);
        list_at(b, path, &in);
        cr_assert_eq(in.n, FILES);
        for (u32 k = 0; k < in.n; k++) {
            snprintf(path, sizeof(path), "t/%s/%s", top->names[i], in.names[k]);
            read_text(b, path);
            check_bounds(b);
        }
    }
}

Test(gofer_batch, files_of_many_directories_are_opened_together)
{
    struct bt b = bt_start();
    struct order top;
    u64 n = calls(&b);

    list_at(&b, "t", &top);
    walk_tree(&b, &top, DIRS);
    cr_assert_lt(calls(&b) - n, DIRS * FILES / P9_OPENV_MAX * 3 / 2 + 20, "%llu",
                 (unsigned long long)(calls(&b) - n));
    /* Once more, with other things remembered. */
    n = calls(&b);
    walk_tree(&b, &top, DIRS);
    cr_assert_lt(calls(&b) - n, DIRS * FILES / P9_OPENV_MAX * 3 / 2 + 20, "%llu",
                 (unsigned long long)(calls(&b) - n));
    bt_stop(&b);
}

/* The end that a short read found is not asked for again, once; what comes after it is found. */
Test(gofer_batch, end_of_a_file)
{
    struct bt b = bt_start();
    struct file *f = open_at(&b, "t/d00/f00");
    struct iov_iter it;
    char path[160], buf[16];
    u64 pos = 0;
    FILE *host;

    iov_iter_kernel(&it, buf, sizeof(buf));
    cr_assert_eq(f->ops->read(f, &it, &pos, 0), 4);
    cr_assert_eq(it.count, sizeof(buf) - 4);
    snprintf(path, sizeof(path), "%s/t/d00/f00", b.raw->root);
    host = fopen(path, "a");
    cr_assert(host);
    fputs("more", host);
    fclose(host);
    iov_iter_kernel(&it, buf, sizeof(buf));
    cr_assert_eq(f->ops->read(f, &it, &pos, 0), 0);
    iov_iter_kernel(&it, buf, sizeof(buf));
    cr_assert_eq(f->ops->read(f, &it, &pos, 0), 4, "the host's own change");
    cr_assert_eq(memcmp(buf, "more", 4), 0);
    /* A buffer that is filled exactly says nothing about the end. */
    pos = 4;
    iov_iter_kernel(&it, buf, 4);
    cr_assert_eq(f->ops->read(f, &it, &pos, 0), 4);
    cr_assert_eq(f->ops->read(f, &it, &pos, 0), 0);
    file_put(f);
    bt_stop(&b);
}

/* What is under way when a name goes does not keep the file. */
Test(gofer_batch, a_removed_file_is_not_kept_open)
{
    struct bt b = bt_start();
    struct order top, in;
    struct vfs_path p;
    struct dentry *d;
    char path[32];

    list_at(&b, "t", &top);
    walk_tree(&b, &top, 20);
    cr_assert(gofer_fs_of(b.fs)->sent_files.slot);
    cr_assert_gt(atomic_load(&gofer_fs_of(b.fs)->ahead_nfds), 0);
    snprintf(path, sizeof(path), "t/%s", top.names[20]);
    list_at(&b, path, &in);
    cr_assert_eq(vfs_resolve_from(&b.path, path, 0, &p), 0);
    mutex_lock(&dentry_inode(p.dentry)->dir_lock);
    cr_assert_eq(dentry_lookup_locked(p.dentry, in.names[3], strlen(in.names[3]), &d), 0);
    cr_assert_eq(dentry_inode(p.dentry)->ops->unlink(dentry_inode(p.dentry), d), 0);
    dentry_kill(d);
    mutex_unlock(&dentry_inode(p.dentry)->dir_lock);
    dentry_put(d);
    vfs_path_put(&p);
    cr_assert_eq(atomic_load(&gofer_fs_of(b.fs)->ahead_nfds), 0);
    cr_assert(!gofer_fs_of(b.fs)->sent_files.slot);
    bt_stop(&b);
}

/* A link to a neighbour, and the open that follows, are one request. */
Test(gofer_batch, open_through_a_link)
{
    struct bt b = bt_start();
    char path[200];
    struct file *f;
    u64 n;

    snprintf(path, sizeof(path), "%s/a/link", b.raw->root);
    cr_assert_eq(symlink("target", path), 0);
    snprintf(path, sizeof(path), "%s/a", b.raw->root);
    raw_put_file(path, "target", "text");
    n = calls(&b);
    {
        struct vfs_path p;
        struct inode *inode;

        cr_assert_eq(vfs_resolve_from(&b.path, "a/link", RP_FOLLOW | RP_OPEN, &p), 0);
        inode = dentry_inode(p.dentry);
        cr_assert_eq(atomic_load(&inode->size), 4);
        f = file_alloc(&p, LINUX_O_RDONLY);
        cr_assert(f);
        f->ops = inode->fops;
        cr_assert_eq(inode->ops->open(inode, p.dentry, f), 0);
        vfs_path_put(&p);
        file_put(f);
    }
    cr_assert_eq(calls(&b) - n, 1);
    bt_stop(&b);
}

/* What came ahead is not believed after a change. */
Test(gofer_batch, changes_are_seen)
{
    struct bt b = bt_start();
    struct order top, in;
    struct linux_stat st;
    struct vfs_path p, q;
    struct dentry *d;
    struct iattr attr = {.valid = ATTR_MODE, .mode = 0600};
    char path[32];

    list_at(&b, "t", &top);
    for (u32 i = 0; i < 4; i++) {
        snprintf(path, sizeof(path), "t/%s", top.names[i]);
        list_at(&b, path, &in);
    }
    /* A file less and another mode, in a directory whose listing is there already. */
    snprintf(path, sizeof(path), "t/%s", top.names[4]);
    cr_assert_eq(vfs_resolve_from(&b.path, path, 0, &p), 0);
    mutex_lock(&dentry_inode(p.dentry)->dir_lock);
    cr_assert_eq(dentry_lookup_locked(p.dentry, "f00", 3, &d), 0);
    cr_assert_eq(dentry_inode(p.dentry)->ops->unlink(dentry_inode(p.dentry), d), 0);
    dentry_kill(d);
    mutex_unlock(&dentry_inode(p.dentry)->dir_lock);
    dentry_put(d);
    vfs_path_put(&p);
    snprintf(path, sizeof(path), "t/%s/f01", top.names[4]);
    cr_assert_eq(vfs_resolve_from(&b.path, path, 0, &q), 0);
    cr_assert_eq(dentry_inode(q.dentry)->ops->setattr(dentry_inode(q.dentry), &attr), 0);
    vfs_path_put(&q);
    dentry_shrink(b.fs);
    snprintf(path, sizeof(path), "t/%s", top.names[4]);
    list_at(&b, path, &in);
    cr_assert_eq(in.n, FILES - 1);
    snprintf(path, sizeof(path), "t/%s/f01", top.names[4]);
    cr_assert_eq(vfs_resolve_from(&b.path, path, 0, &q), 0);
    cr_assert_eq(vfs_stat(&q, &st), 0);
    cr_assert_eq(st.st_mode & 0777, 0600);
    vfs_path_put(&q);
    bt_stop(&b);
}
