/* SPDX-License-Identifier: Apache-2.0 */
/* Requests with many answers, as the client makes them: before they are needed. */
#include "batch_tree.h"
#include "mounted.h"

#include "abi/linux/fcntl.h"
#include "abi/linux/stat.h"
#include "cvisor/kcache.h"
#include "sentry/mm/uaccess.h"

static struct gt start_with_tree(void)
{
    struct gt g = gt_start(false);

    make_tree(g.raw);
    return g;
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

static void list_at(struct gt *g, const char *path, struct order *o)
{
    struct file *f = gt_open(g, path, LINUX_O_RDONLY);

    *o = (struct order){.e = {.fn = order_fn}};
    cr_assert_eq(file_iterate(f, &o->e), 0);
    file_put(f);
}

Test(gofer_ahead, a_walk_is_a_few_requests)
{
    struct gt g = start_with_tree();
    struct order top, in;
    struct linux_stat st;
    struct vfs_path p;
    char path[32];
    u64 n = calls(&g);

    list_at(&g, "t", &top);
    cr_assert_eq(top.n, DIRS);
    for (u32 i = 0; i < top.n; i++) {
        snprintf(path, sizeof(path), "t/%s", top.names[i]);
        list_at(&g, path, &in);
        cr_assert_eq(in.n, FILES);
        for (u32 k = 0; k < in.n; k++) {
            snprintf(path, sizeof(path), "t/%s/%s", top.names[i], in.names[k]);
            cr_assert_eq(vfs_resolve_from(&g.path, path, 0, &p), 0);
            cr_assert_eq(vfs_stat(&p, &st), 0);
            cr_assert_eq(st.st_size, 4);
            vfs_path_put(&p);
        }
    }
    cr_assert_lt(calls(&g) - n, DIRS / 2, "%llu", (unsigned long long)(calls(&g) - n));
    /* What a listing does not have is not there. */
    n = calls(&g);
    cr_assert_eq(vfs_resolve_from(&g.path, "t/none", 0, &p), -ENOENT);
    cr_assert_eq(calls(&g) - n, 0);
    gt_stop(&g);
}

Test(gofer_ahead, files_in_order_are_opened_together)
{
    struct gt g = start_with_tree();
    struct order top, in;
    char path[32], buf[8];
    u64 n = calls(&g);

    list_at(&g, "t", &top);
    for (u32 i = 0; i < 8; i++) {
        snprintf(path, sizeof(path), "t/%s", top.names[i]);
        list_at(&g, path, &in);
        for (u32 k = 0; k < in.n; k++) {
            struct iov_iter it;
            struct file *f;
            u64 pos = 0;

            snprintf(path, sizeof(path), "t/%s/%s", top.names[i], in.names[k]);
            f = gt_open(&g, path, LINUX_O_RDONLY);
            iov_iter_kernel(&it, buf, sizeof(buf));
            cr_assert_eq(f->ops->read(f, &it, &pos, 0), 4);
            cr_assert_eq(memcmp(buf, "text", 4), 0);
            file_put(f);
        }
    }
    cr_assert_lt(calls(&g) - n, 8 * FILES / 4, "%llu", (unsigned long long)(calls(&g) - n));
    cr_assert_leq(atomic_load(&gofer_fs_of(g.fs)->ahead_nfds), GOFER_AHEAD_FDS);
    gt_stop(&g);
}

/* One answer read ahead, at most, and what waits is bounded. */
static void check_bounds(struct gt *g)
{
    struct gofer_fs *gfs = gofer_fs_of(g->fs);

    cr_assert_leq(atomic_load(&gfs->ahead_nfds), GOFER_AHEAD_FDS);
    cr_assert_leq(gfs->ahead_bytes, GOFER_AHEAD_BYTES_MAX);
    cr_assert_leq(gfs->listing_bytes, GOFER_LISTING_BYTES_MAX);
}

static void read_text(struct gt *g, const char *path)
{
    struct iov_iter it;
    char buf[8];
    struct file *f = gt_open(g, path, LINUX_O_RDONLY);
    u64 pos = 0;

    iov_iter_kernel(&it, buf, sizeof(buf));
    cr_assert_eq(f->ops->read(f, &it, &pos, 0), 4, "%s", path);
    cr_assert_eq(memcmp(buf, "text", 4), 0);
    cr_assert_eq(f->ops->read(f, &it, &pos, 0), 0);
    file_put(f);
}

/* As grep -r does: each directory is listed, each file opened, depth first. */
static void walk_tree(struct gt *g, const struct order *top, u32 dirs)
{
    struct order in;
    char path[32];

    for (u32 i = 0; i < dirs; i++) {
        snprintf(path, sizeof(path), "t/%s", top->names[i]);
        list_at(g, path, &in);
        cr_assert_eq(in.n, FILES);
        for (u32 k = 0; k < in.n; k++) {
            snprintf(path, sizeof(path), "t/%s/%s", top->names[i], in.names[k]);
            read_text(g, path);
            check_bounds(g);
        }
    }
}

Test(gofer_ahead, files_of_many_directories_are_opened_together)
{
    struct gt g = start_with_tree();
    struct order top;
    u64 n = calls(&g);

    list_at(&g, "t", &top);
    walk_tree(&g, &top, DIRS);
    cr_assert_lt(calls(&g) - n, DIRS * FILES / P9_OPENV_MAX * 3 / 2 + 20, "%llu",
                 (unsigned long long)(calls(&g) - n));
    /* Once more, with other things remembered. */
    n = calls(&g);
    walk_tree(&g, &top, DIRS);
    cr_assert_lt(calls(&g) - n, DIRS * FILES / P9_OPENV_MAX * 3 / 2 + 20, "%llu",
                 (unsigned long long)(calls(&g) - n));
    gt_stop(&g);
}

/* The end that a short read found is not asked for again, once; what comes after it is found. */
Test(gofer_ahead, end_of_a_file)
{
    struct gt g = start_with_tree();
    struct file *f = gt_open(&g, "t/d00/f00", LINUX_O_RDONLY);
    struct iov_iter it;
    char path[160], buf[16];
    u64 pos = 0;
    FILE *host;

    iov_iter_kernel(&it, buf, sizeof(buf));
    cr_assert_eq(f->ops->read(f, &it, &pos, 0), 4);
    cr_assert_eq(it.count, sizeof(buf) - 4);
    snprintf(path, sizeof(path), "%s/t/d00/f00", g.raw->root);
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
    gt_stop(&g);
}

/* What is under way when a name goes does not keep the file. */
Test(gofer_ahead, a_removed_file_is_not_kept_open)
{
    struct gt g = start_with_tree();
    struct order top, in;
    struct vfs_path p;
    struct dentry *d;
    char path[32];

    list_at(&g, "t", &top);
    walk_tree(&g, &top, 20);
    cr_assert(gofer_fs_of(g.fs)->sent_files.slot);
    cr_assert_gt(atomic_load(&gofer_fs_of(g.fs)->ahead_nfds), 0);
    snprintf(path, sizeof(path), "t/%s", top.names[20]);
    list_at(&g, path, &in);
    cr_assert_eq(vfs_resolve_from(&g.path, path, 0, &p), 0);
    mutex_lock(&dentry_inode(p.dentry)->dir_lock);
    cr_assert_eq(dentry_lookup_locked(p.dentry, in.names[3], strlen(in.names[3]), &d), 0);
    cr_assert_eq(dentry_inode(p.dentry)->ops->unlink(dentry_inode(p.dentry), d), 0);
    dentry_kill(d);
    mutex_unlock(&dentry_inode(p.dentry)->dir_lock);
    dentry_put(d);
    vfs_path_put(&p);
    cr_assert_eq(atomic_load(&gofer_fs_of(g.fs)->ahead_nfds), 0);
    cr_assert(!gofer_fs_of(g.fs)->sent_files.slot);
    gt_stop(&g);
}

/* A link to a neighbour, and the open that follows, are one request. */
Test(gofer_ahead, open_through_a_link)
{
    struct gt g = start_with_tree();
    char path[200];
    struct file *f;
    u64 n;

    snprintf(path, sizeof(path), "%s/a/link", g.raw->root);
    cr_assert_eq(symlink("target", path), 0);
    snprintf(path, sizeof(path), "%s/a", g.raw->root);
    raw_put_file(path, "target", "text");
    n = calls(&g);
    {
        struct vfs_path p;
        struct inode *inode;

        cr_assert_eq(vfs_resolve_from(&g.path, "a/link", RP_FOLLOW | RP_OPEN, &p), 0);
        inode = dentry_inode(p.dentry);
        cr_assert_eq(atomic_load(&inode->size), 4);
        f = file_alloc(&p, LINUX_O_RDONLY);
        cr_assert(f);
        f->ops = inode->fops;
        cr_assert_eq(inode->ops->open(inode, p.dentry, f), 0);
        vfs_path_put(&p);
        file_put(f);
    }
    cr_assert_eq(calls(&g) - n, 1);
    gt_stop(&g);
}

/* What came ahead is not believed after a change. */
Test(gofer_ahead, changes_are_seen)
{
    struct gt g = start_with_tree();
    struct order top, in;
    struct linux_stat st;
    struct vfs_path p, q;
    struct dentry *d;
    struct iattr attr = {.valid = ATTR_MODE, .mode = 0600};
    char path[32];

    list_at(&g, "t", &top);
    for (u32 i = 0; i < 4; i++) {
        snprintf(path, sizeof(path), "t/%s", top.names[i]);
        list_at(&g, path, &in);
    }
    /* A file less and another mode, in a directory whose listing is there already. */
    snprintf(path, sizeof(path), "t/%s", top.names[4]);
    cr_assert_eq(vfs_resolve_from(&g.path, path, 0, &p), 0);
    mutex_lock(&dentry_inode(p.dentry)->dir_lock);
    cr_assert_eq(dentry_lookup_locked(p.dentry, "f00", 3, &d), 0);
    cr_assert_eq(dentry_inode(p.dentry)->ops->unlink(dentry_inode(p.dentry), d), 0);
    dentry_kill(d);
    mutex_unlock(&dentry_inode(p.dentry)->dir_lock);
    dentry_put(d);
    vfs_path_put(&p);
    snprintf(path, sizeof(path), "t/%s/f01", top.names[4]);
    cr_assert_eq(vfs_resolve_from(&g.path, path, 0, &q), 0);
    cr_assert_eq(dentry_inode(q.dentry)->ops->setattr(dentry_inode(q.dentry), &attr), 0);
    vfs_path_put(&q);
    dentry_shrink(g.fs);
    snprintf(path, sizeof(path), "t/%s", top.names[4]);
    list_at(&g, path, &in);
    cr_assert_eq(in.n, FILES - 1);
    snprintf(path, sizeof(path), "t/%s/f01", top.names[4]);
    cr_assert_eq(vfs_resolve_from(&g.path, path, 0, &q), 0);
    cr_assert_eq(vfs_stat(&q, &st), 0);
    cr_assert_eq(st.st_mode & 0777, 0600);
    vfs_path_put(&q);
    gt_stop(&g);
}
