/* SPDX-License-Identifier: Apache-2.0 */
/* Gofer filesystem of the sentry over a real server: requests that are saved, names, open files. */
#include "mounted.h"

#include "abi/linux/fcntl.h"
#include "cvisor/kcache.h"

static int lookup(struct gt *g, const char *path, struct vfs_path *out)
{
    return vfs_resolve_from(&g->path, path, RP_FOLLOW, out);
}

static int stat_path(struct gt *g, const char *path, struct linux_stat *st)
{
    struct vfs_path p;
    int rc = lookup(g, path, &p);

    if (rc < 0)
        return rc;
    rc = vfs_stat(&p, st);
    vfs_path_put(&p);
    return rc;
}

/* The dentry of dir/name, with dir's dir_lock held. */
static struct dentry *child(struct dentry *dir, const char *name)
{
    struct dentry *d;

    mutex_lock(&dentry_inode(dir)->dir_lock);
    cr_assert_eq(dentry_lookup_locked(dir, name, strlen(name), &d), 0);
    return d;
}

static void child_done(struct dentry *dir, struct dentry *d, bool hash)
{
    if (hash)
        dentry_hash(d);
    mutex_unlock(&dentry_inode(dir)->dir_lock);
    dentry_put(d);
}

static int create(struct dentry *dir, const char *name, u32 mode)
{
    struct dentry *d = child(dir, name);
    struct inode *i = dentry_inode(dir);
    int rc = LINUX_S_ISDIR(mode) ? i->ops->mkdir(i, d, mode) : i->ops->create(i, d, mode);

    child_done(dir, d, rc == 0);
    return rc;
}

static int unlink_child(struct dentry *dir, const char *name)
{
    struct dentry *d = child(dir, name);
    int rc = dentry_inode(dir)->ops->unlink(dentry_inode(dir), d);

    if (rc == 0)
        dentry_kill(d);
    child_done(dir, d, false);
    return rc;
}

static int rename_child(struct dentry *dir, const char *from, const char *to)
{
    struct inode *i = dentry_inode(dir);
    struct dentry *a, *b;
    int rc;

    mutex_lock(&i->dir_lock);
    cr_assert_eq(dentry_lookup_locked(dir, from, strlen(from), &a), 0);
    cr_assert_eq(dentry_lookup_locked(dir, to, strlen(to), &b), 0);
    rc = i->ops->rename(i, a, i, b, 0);
    if (rc == 0)
        dentry_move(a, b);
    mutex_unlock(&i->dir_lock);
    dentry_put(a);
    dentry_put(b);
    return rc;
}

Test(gofer_fs, cold_stat_is_one_request)
{
    struct gt g = gt_start(false);
    struct linux_stat st;
    u64 n = calls(&g);

    cr_assert_eq(stat_path(&g, "a/b/c", &st), 0);
    cr_assert_eq(calls(&g) - n, 1, "%d requests", (int)(calls(&g) - n));
    cr_assert_eq(st.st_size, 4);
    n = calls(&g);
    cr_assert_eq(stat_path(&g, "a/b/c", &st), 0);
    cr_assert_eq(stat_path(&g, "a/b", &st), 0);
    cr_assert_eq(stat_path(&g, "a/b/../b/./c", &st), 0);
    cr_assert_eq(calls(&g) - n, 0, "all of it is cached");
    gt_stop(&g);
}

Test(gofer_fs, absence_is_cached)
{
    struct gt g = gt_start(false);
    struct linux_stat st;
    u64 n = calls(&g);

    cr_assert_eq(stat_path(&g, "a/none/x/y", &st), -ENOENT);
    cr_assert_eq(calls(&g) - n, 1);
    n = calls(&g);
    cr_assert_eq(stat_path(&g, "a/none/x/y", &st), -ENOENT);
    cr_assert_eq(stat_path(&g, "a/none", &st), -ENOENT);
    cr_assert_eq(stat_path(&g, "a", &st), 0);
    cr_assert_eq(calls(&g) - n, 0);
    cr_assert_eq(stat_path(&g, "f/x", &st), -ENOTDIR);
    gt_stop(&g);
}

Test(gofer_fs, symlinks)
{
    struct gt g = gt_start(false);
    char path[256], *target;
    struct linux_stat st;
    struct vfs_path p;
    u64 n;

    snprintf(path, sizeof(path), "%s/into", g.raw->root);
    cr_assert_eq(symlink("a/b", path), 0);
    n = calls(&g);
    cr_assert_eq(stat_path(&g, "into/c", &st), 0);
    cr_assert_eq(calls(&g) - n, 2, "the link with its target, then a/b/c");
    n = calls(&g);
    cr_assert_eq(stat_path(&g, "into/c", &st), 0);
    cr_assert_eq(vfs_resolve_from(&g.path, "into", 0, &p), 0);
    cr_assert_eq(dentry_inode(p.dentry)->ops->readlink(dentry_inode(p.dentry), &target), 0);
    cr_assert_str_eq(target, "a/b");
    kfree(target);
    vfs_path_put(&p);
    cr_assert_eq(calls(&g) - n, 0);
    gt_stop(&g);
}

struct names {
    struct dir_emit e; /* first */
    size_t n;
    bool c_seen;
};

static bool names_fn(struct dir_emit *e, const char *name, size_t len, u64 ino, u8 type, u64 off)
{
    struct names *s = (struct names *)e;

    s->n++;
    s->c_seen |= len == 1 && name[0] == 'c' && type == 8;
    return true;
}

Test(gofer_fs, listing_fills_the_cache)
{
    struct gt g = gt_start(false);
    struct names s = {.e = {.fn = names_fn}};
    struct linux_stat st;
    struct file *f = gt_open(&g, "a/b", LINUX_O_RDONLY);
    u64 n;

    cr_assert_eq(file_iterate(f, &s.e), 0);
    cr_assert_eq(s.n, 3);
    cr_assert(s.c_seen);
    n = calls(&g);
    cr_assert_eq(stat_path(&g, "a/b/c", &st), 0);
    cr_assert_eq(st.st_size, 4);
    cr_assert_eq(file_llseek(f, 0, LINUX_SEEK_SET), 0);
    s.n = 0;
    cr_assert_eq(file_iterate(f, &s.e), 0);
    cr_assert_eq(s.n, 3);
    cr_assert_eq(calls(&g) - n, 0);
    /* A change is seen after a rewind. */
    cr_assert_eq(create(f->path.dentry, "new", LINUX_S_IFREG | 0644), 0);
    file_llseek(f, 0, LINUX_SEEK_SET);
    s.n = 0;
    cr_assert_eq(file_iterate(f, &s.e), 0);
    cr_assert_eq(s.n, 4);
    file_put(f);
    gt_stop(&g);
}

Test(gofer_fs, read_write)
{
    struct gt g = gt_start(false);
    struct linux_stat st;
    struct file *f;
    char buf[16] = {0}, path[256];
    u64 n;

    cr_assert_eq(create(g.root, "new", LINUX_S_IFREG | 0600), 0);
    n = calls(&g);
    f = gt_open(&g, "new", LINUX_O_RDWR);
    cr_assert_eq(calls(&g) - n, 0, "the descriptor came with its creation");
    cr_assert_eq(file_pwrite_kernel(f, "0123456789", 10, 5), 10);
    cr_assert_eq(atomic_load(&f->inode->size), 15);
    cr_assert_eq(file_pread_kernel(f, buf, 16, 10), 5);
    cr_assert(memcmp(buf, "56789", 5) == 0);
    cr_assert_eq(file_pread_kernel(f, buf, 16, 15), 0);
    {
        struct iattr attr = {.valid = ATTR_SIZE, .size = 7};
        mutex_lock(&f->inode->data_lock);
        cr_assert_eq(f->inode->ops->setattr(f->inode, &attr), 0);
        mutex_unlock(&f->inode->data_lock);
    }
    cr_assert_eq(file_pread_kernel(f, buf, 16, 0), 7);
    cr_assert_eq(calls(&g) - n, 0, "data goes past the server");
    cr_assert_eq(file_llseek(f, 0, LINUX_SEEK_END), 7);
    cr_assert_eq(stat_path(&g, "new", &st), 0);
    cr_assert_eq(st.st_size, 7);
    file_put(f);
    n = calls(&g);
    f = gt_open(&g, "new", LINUX_O_RDONLY);
    cr_assert_eq(calls(&g) - n, 0, "opened again soon");
    file_put(f);
    snprintf(path, sizeof(path), "%s/new", g.raw->root);
    cr_assert_eq(truncate(path, 7), 0);
    gt_stop(&g);
}

Test(gofer_fs, unlinked_files_stay_usable)
{
    struct gt g = gt_start(false);
    struct linux_stat st;
    struct iattr attr = {.valid = ATTR_MODE, .mode = 0400};
    struct file *f = gt_open(&g, "f", LINUX_O_RDWR);
    char buf[16];

    cr_assert_eq(unlink_child(g.root, "f"), 0);
    cr_assert_eq(stat_path(&g, "f", &st), -ENOENT);
    cr_assert_eq(file_pread_kernel(f, buf, 16, 0), 5);
    cr_assert_eq(file_pwrite_kernel(f, "x", 1, 0), 1);
    cr_assert_eq(f->inode->ops->setattr(f->inode, &attr), 0);
    cr_assert_eq(vfs_stat(&f->path, &st), 0);
    cr_assert_eq(st.st_nlink, 0);
    cr_assert_eq(st.st_mode, LINUX_S_IFREG | 0400);
    /* A new file of that name is another one. */
    cr_assert_eq(create(g.root, "f", LINUX_S_IFREG | 0644), 0);
    cr_assert_eq(stat_path(&g, "f", &st), 0);
    cr_assert_eq(st.st_size, 0);
    file_put(f);
    gt_stop(&g);
}

Test(gofer_fs, rename_keeps_places)
{
    struct gt g = gt_start(false);
    struct linux_stat st;
    struct file *f = gt_open(&g, "a/b/c", LINUX_O_RDONLY), *f2;
    struct iattr attr = {.valid = ATTR_MODE, .mode = 0640};
    char buf[16], path[256];
    struct stat hst;

    cr_assert_eq(rename_child(g.root, "a", "moved"), 0);
    cr_assert_eq(stat_path(&g, "a", &st), -ENOENT);
    cr_assert_eq(stat_path(&g, "moved/b/c", &st), 0);
    cr_assert_eq(file_pread_kernel(f, buf, 16, 0), 4);
    /* Requests that name it by its place find it. */
    f2 = gt_open(&g, "moved/b/c", LINUX_O_RDWR);
    cr_assert_eq(f2->inode, f->inode);
    cr_assert_eq(f->inode->ops->setattr(f->inode, &attr), 0);
    snprintf(path, sizeof(path), "%s/moved/b/c", g.raw->root);
    cr_assert_eq(stat(path, &hst), 0);
    cr_assert_eq(hst.st_mode & 07777, 0640);
    file_put(f2);
    /* Onto an existing file, which is open. */
    cr_assert_eq(create(g.root, "x", LINUX_S_IFREG | 0644), 0);
    f2 = gt_open(&g, "f", LINUX_O_RDONLY);
    cr_assert_eq(rename_child(g.root, "x", "f"), 0);
    cr_assert_eq(file_pread_kernel(f2, buf, 16, 0), 5);
    cr_assert_eq(f2->inode->ops->setattr(f2->inode, &attr), 0);
    cr_assert_eq(stat_path(&g, "f", &st), 0);
    cr_assert_eq(st.st_size, 0);
    file_put(f2);
    file_put(f);
    gt_stop(&g);
}

Test(gofer_fs, hard_links_share_an_inode)
{
    struct gt g = gt_start(false);
    struct linux_stat st;
    struct vfs_path p;
    struct dentry *d;
    u32 nlink;

    cr_assert_eq(lookup(&g, "f", &p), 0);
    d = child(g.root, "hard");
    cr_assert_eq(dentry_inode(g.root)->ops->link(dentry_inode(g.root), d, dentry_inode(p.dentry)),
                 0);
    child_done(g.root, d, true);
    vfs_path_put(&p);
    dentry_shrink(g.fs);
    cr_assert_eq(stat_path(&g, "f", &st), 0);
    nlink = (u32)st.st_nlink;
    cr_assert_eq(nlink, 2);
    {
        struct file *f = gt_open(&g, "hard", LINUX_O_RDWR);
        cr_assert_eq(file_pwrite_kernel(f, "longer than before", 18, 0), 18);
        cr_assert_eq(unlink_child(g.root, "hard"), 0);
        cr_assert_eq(stat_path(&g, "f", &st), 0);
        cr_assert_eq(st.st_size, 18);
        cr_assert_eq(st.st_nlink, 1);
        file_put(f);
    }
    gt_stop(&g);
}

Test(gofer_fs, unlink_without_lookup)
{
    struct gt g = gt_start(false);
    struct inode *dir = dentry_inode(g.root);
    struct linux_stat st;
    struct dentry *d;
    u64 n = calls(&g);

    mutex_lock(&dir->dir_lock);
    d = dentry_alloc(g.fs, g.root, "f", 1);
    d->flags |= DENTRY_UNKNOWN;
    cr_assert_eq(dir->ops->unlink(dir, d), 0);
    mutex_unlock(&dir->dir_lock);
    dentry_put(d);
    cr_assert_eq(calls(&g) - n, 1);
    cr_assert_eq(stat_path(&g, "f", &st), -ENOENT);
    gt_stop(&g);
}

Test(gofer_fs, deep_paths)
{
    struct gt g = gt_start(false);
    char path[1024] = "";
    struct linux_stat st;
    struct vfs_path p;
    struct file *f;

    vfs_path_get(&g.path);
    p = g.path;
    for (int i = 0; i < 150; i++) {
        struct vfs_path next;

        cr_assert_eq(create(p.dentry, "d", LINUX_S_IFDIR | 0755), 0);
        cr_assert_eq(vfs_resolve_from(&p, "d", 0, &next), 0);
        vfs_path_put(&p);
        p = next;
        strcat(path, "d/");
    }
    cr_assert_eq(create(p.dentry, "leaf", LINUX_S_IFREG | 0644), 0);
    vfs_path_put(&p);
    strcat(path, "leaf");
    dentry_shrink(g.fs);
    {
        u64 n = calls(&g);
        cr_assert_eq(stat_path(&g, path, &st), 0);
        cr_assert_leq(calls(&g) - n, 12, "%d requests", (int)(calls(&g) - n));
    }
    f = gt_open(&g, path, LINUX_O_RDWR);
    cr_assert_eq(file_pwrite_kernel(f, "x", 1, 0), 1);
    file_put(f);
    gt_stop(&g);
}

/* The cache stays bounded, and so do descriptors. */
Test(gofer_fs, many_files)
{
    struct gt g = gt_start(false);
    char name[32];
    struct linux_stat st;

    for (int i = 0; i < 6000; i++) {
        snprintf(name, sizeof(name), "n%d", i);
        cr_assert_eq(create(g.root, name, LINUX_S_IFREG | 0644), 0);
    }
    cr_assert_leq(g.fs->lru_count, GOFER_DENTRIES_MAX + 64);
    cr_assert_leq(gofer_fs_of(g.fs)->nidle, GOFER_IDLE_FDS_MAX);
    for (int i = 0; i < 6000; i += 7) {
        snprintf(name, sizeof(name), "n%d", i);
        cr_assert_eq(stat_path(&g, name, &st), 0);
    }
    gt_stop(&g);
}

static void *stat_thread(void *arg)
{
    struct gt *g = arg;
    struct linux_stat st;
    char name[32];

    for (int i = 0; i < 2000; i++) {
        snprintf(name, sizeof(name), "a/b/none%d", i);
        cr_assert_eq(stat_path(g, name, &st), -ENOENT);
    }
    return NULL;
}

Test(gofer_fs, threads)
{
    struct gt g = gt_start(false);
    pthread_t t[8];

    for (int i = 0; i < 8; i++)
        pthread_create(&t[i], NULL, stat_thread, &g);
    for (int i = 0; i < 8; i++)
        pthread_join(t[i], NULL);
    gt_stop(&g);
}

static int g_deaths;

static void on_death(const char *why)
{
    g_deaths++;
}

Test(gofer_fs, death)
{
    struct gt g = gt_start(false);
    struct linux_stat st;

    g_gofer_on_death = on_death;
    shutdown(g.raw->ex.sock, SHUT_RDWR); /* the server's end */
    cr_assert_eq(stat_path(&g, "a", &st), -EIO);
    cr_assert_eq(stat_path(&g, "b", &st), -EIO);
    cr_assert_eq(g_deaths, 1);
    gt_stop(&g);
}
