/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The overlay over two tmpfs layers: /lower is the lower layer (which must never change), /o the
 * overlay. With a task that has no guest.
 */
#include "abi/linux/dirent.h"
#include "abi/linux/fcntl.h"
#include "abi/linux/mount.h"
#include "abi/linux/stat.h"
#include "cvisor/kcache.h"
#include "sentry/fs/mounts.h"
#include "sentry/kernel/fdtable.h"
#include "sentry/kernel/task.h"
#include "sentry/mm/memory_file.h"
#include "sentry/vfs/vfs.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define AT LINUX_AT_FDCWD

static struct task g_task;
static struct thread_group g_group;
static struct filesystem *g_lower, *g_overlay;

/* ---- helpers --------------------------------------------------------------------------------- */

static void put_file(const char *path, const char *text, u32 mode)
{
    struct file *f;

    cr_assert_eq(vfs_open(AT, path, LINUX_O_CREAT | LINUX_O_WRONLY | LINUX_O_TRUNC, mode, 0, &f), 0,
                 "%s", path);
    cr_assert_eq(file_pwrite_kernel(f, text, strlen(text), 0), (ssize_t)strlen(text));
    file_put(f);
}

static const char *get_file(const char *path)
{
    static char buf[256];
    struct file *f;
    ssize_t n;

    if (vfs_open(AT, path, LINUX_O_RDONLY, 0, 0, &f))
        return "(cannot open)";
    n = file_pread_kernel(f, buf, sizeof(buf) - 1, 0);
    buf[n > 0 ? n : 0] = '\0';
    file_put(f);
    return buf;
}

#define assert_file(path, text) cr_assert_str_eq(get_file(path), text)

static int stat_path(const char *path, struct linux_stat *st)
{
    struct vfs_path p;
    int err = vfs_resolve(AT, path, 0, &p);

    memset(st, 0, sizeof(*st));
    if (!err) {
        err = vfs_stat(&p, st);
        vfs_path_put(&p);
    }
    return err;
}

static int exists(const char *path)
{
    struct linux_stat st;

    return stat_path(path, &st);
}

static int set_mode(const char *path, u32 mode)
{
    struct iattr attr = {.valid = ATTR_MODE, .mode = mode};
    struct vfs_path p;
    int err = vfs_resolve(AT, path, RP_FOLLOW, &p);

    if (!err) {
        err = vfs_setattr(&p, &attr);
        vfs_path_put(&p);
    }
    return err;
}

static int link_path(const char *from, const char *to)
{
    struct vfs_path p;
    int err = vfs_resolve(AT, from, 0, &p);

    if (!err) {
        err = vfs_link(&p, AT, to);
        vfs_path_put(&p);
    }
    return err;
}

static int rename_path(const char *from, const char *to, u32 flags)
{
    return vfs_rename(AT, from, AT, to, flags);
}

struct names {
    struct dir_emit e;
    char text[1024];
    size_t budget; /* entries taken in one call */
};

static bool names_add(struct dir_emit *e, const char *name, size_t len, u64 ino, u8 type, u64 off)
{
    struct names *n = container_of(e, struct names, e);

    if (!n->budget)
        return false;
    n->budget--;
    if (len > 2 || name[0] != '.')
        snprintf(n->text + strlen(n->text), sizeof(n->text) - strlen(n->text), "%s%.*s",
                 n->text[0] ? " " : "", (int)len, name);
    return true;
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Sorted names in a directory, read step entries at a time. */
static const char *list(const char *path, size_t step)
{
    static char out[1024];
    struct names n = {.e.fn = names_add};
    char *v[128], *save = NULL;
    size_t count = 0;
    struct file *f;

    if (vfs_open(AT, path, LINUX_O_RDONLY | LINUX_O_DIRECTORY, 0, 0, &f))
        return "(cannot open)";
    do {
        n.budget = step;
        cr_assert_eq(file_iterate(f, &n.e), 0);
    } while (n.budget != step);
    file_put(f);
    for (char *s = strtok_r(n.text, " ", &save); s; s = strtok_r(NULL, " ", &save))
        v[count++] = s;
    qsort(v, count, sizeof(*v), compare);
    out[0] = '\0';
    for (size_t i = 0; i < count; i++) {
        if (i)
            strcat(out, " ");
        strcat(out, v[i]);
    }
    return out;
}

#define assert_list(path, text)                                                                    \
    do {                                                                                           \
        cr_assert_str_eq(list(path, 100), text);                                                   \
        cr_assert_str_eq(list(path, 1), text);                                                     \
    } while (0)

struct find_ino {
    struct dir_emit e;
    const char *name;
    u64 ino;
};

static bool find_ino_add(struct dir_emit *e, const char *name, size_t len, u64 ino, u8 type,
                         u64 off)
{
    struct find_ino *fi = container_of(e, struct find_ino, e);

    if (len == strlen(fi->name) && !memcmp(name, fi->name, len))
        fi->ino = ino;
    return true;
}

static u64 dirent_ino(const char *dir, const char *name)
{
    struct find_ino fi = {.e.fn = find_ino_add, .name = name};
    struct file *f;

    cr_assert_eq(vfs_open(AT, dir, LINUX_O_RDONLY | LINUX_O_DIRECTORY, 0, 0, &f), 0);
    cr_assert_eq(file_iterate(f, &fi.e), 0);
    file_put(f);
    return fi.ino;
}

static u64 path_ino(const char *path)
{
    struct linux_stat st;

    cr_assert_eq(stat_path(path, &st), 0, "%s", path);
    cr_assert_eq(st.st_dev, g_overlay->dev);
    return st.st_ino;
}

/* ---- fixture --------------------------------------------------------------------------------- */

static void attach(struct filesystem *fs, struct dentry *root, const char *at)
{
    struct mount *m = mount_new(fs, root, 0, at);
    struct vfs_path p;

    dentry_put(root);
    fs_put(fs);
    cr_assert_eq(vfs_mkdir(AT, at, 0755), 0);
    cr_assert_eq(vfs_resolve(AT, at, 0, &p), 0);
    cr_assert_eq(mount_attach(g_task.mnt_ns, m, &p), 0);
    vfs_path_put(&p);
}

static void fill_lower(void)
{
    put_file("/lower/f", "lower f", 0640);
    put_file("/lower/g", "lower g", 0644);
    cr_assert_eq(vfs_mkdir(AT, "/lower/d", 0750), 0);
    cr_assert_eq(vfs_mkdir(AT, "/lower/d/s", 0755), 0);
    put_file("/lower/d/x", "lower x", 0644);
    put_file("/lower/d/y", "lower y", 0644);
    put_file("/lower/d/s/deep", "lower deep", 0644);
    cr_assert_eq(vfs_symlink("d/x", AT, "/lower/link"), 0);
    cr_assert_eq(vfs_mknod(AT, "/lower/fifo", LINUX_S_IFIFO | 0600, 0), 0);
    put_file("/lower/hard1", "hard", 0644);
    cr_assert_eq(link_path("/lower/hard1", "/lower/hard2"), 0);
    cr_assert_eq(vfs_mkdir(AT, "/lower/empty", 0755), 0);
}

static void setup(void)
{
    struct filesystem *fs, *upper;
    struct dentry *root, *upper_root, *lower_root;
    struct mount *m;
    struct vfs_path p;

    cr_assert_eq(memory_file_init(256ul << 20), 0);
    g_group.id = 1;
    for (int i = 0; i < LINUX_RLIM_NLIMITS; i++)
        g_group.rlimits[i] = (struct linux_rlimit){~0ull, ~0ull};
    cr_assert_eq(tmpfs_new(0, 0755, 0, 0, &fs, &root), 0);
    m = mount_new(fs, root, 0, "root");
    dentry_put(root);
    fs_put(fs);
    p = (struct vfs_path){m, m->root};
    mount_get(m);
    ref_init(&g_task.refs);
    g_task.tid = 1;
    g_task.group = &g_group;
    mutex_init(&g_task.res_lock, LOCK_LEAF);
    g_task.cred = cred_new();
    g_task.files = fdtable_new();
    g_task.fs = fs_context_new(&p, &p, 022);
    g_task.mnt_ns = mount_ns_new(m);
    mount_put(m);
    current = &g_task;

    cr_assert_eq(tmpfs_new(0, 0755, 0, 0, &g_lower, &lower_root), 0);
    dentry_get(lower_root);
    fs_get(g_lower);
    attach(g_lower, lower_root, "/lower");
    fill_lower();
    cr_assert_eq(tmpfs_new(0, 0700, 0, 0, &upper, &upper_root), 0);
    cr_assert_eq(overlay_fs_new(upper, upper_root, g_lower, lower_root, &g_overlay, &root), 0);
    attach(g_overlay, root, "/o");
}

#define LOWER_ROOT "d empty f fifo g hard1 hard2 link"

/* Nothing a test does may show in lower. */
static void check_lower(void)
{
    cr_assert_str_eq(list("/lower", 100), LOWER_ROOT);
    cr_assert_str_eq(list("/lower/d", 100), "s x y");
    assert_file("/lower/f", "lower f");
    assert_file("/lower/d/x", "lower x");
    assert_file("/lower/hard2", "hard");
}

#define TEST(name)                                                                                 \
    static void check_##name(void);                                                                \
    Test(overlay, name)                                                                            \
    {                                                                                              \
        setup();                                                                                   \
        check_##name();                                                                            \
        check_lower();                                                                             \
    }                                                                                              \
    static void check_##name(void)

/* ---- tests ----------------------------------------------------------------------------------- */

TEST(reads_through)
{
    struct linux_stat st, low;
    struct file *f;

    assert_list("/o", LOWER_ROOT);
    assert_list("/o/d", "s x y");
    assert_file("/o/f", "lower f");
    assert_file("/o/link", "lower x");
    assert_file("/o/d/s/deep", "lower deep");
    cr_assert_eq(exists("/o/none"), -ENOENT);
    cr_assert_eq(exists("/o/f/none"), -ENOTDIR);
    cr_assert_eq(stat_path("/o/f", &st), 0);
    cr_assert_eq(stat_path("/lower/f", &low), 0);
    cr_assert_eq(st.st_mode, LINUX_S_IFREG | 0640);
    cr_assert_eq(st.st_size, 7);
    cr_assert_eq(st.st_ino, low.st_ino);
    cr_assert_neq(st.st_dev, low.st_dev);
    cr_assert_eq(dirent_ino("/o", "f"), st.st_ino);
    /* The open file is lower's own. */
    cr_assert_eq(vfs_open(AT, "/o/f", LINUX_O_RDONLY, 0, 0, &f), 0);
    cr_assert_eq(f->inode->fs, g_lower);
    cr_assert(f->inode->mappable != NULL);
    cr_assert_eq(vfs_stat(&f->path, &st), 0);
    cr_assert_eq(st.st_dev, g_overlay->dev);
    file_put(f);
}

TEST(write_copies_up)
{
    struct linux_stat before, after;
    struct file *old, *f;
    char buf[8] = "";

    cr_assert_eq(stat_path("/o/f", &before), 0);
    cr_assert_eq(vfs_open(AT, "/o/f", LINUX_O_RDONLY, 0, 0, &old), 0);
    cr_assert_eq(vfs_open(AT, "/o/f", LINUX_O_RDWR, 0, 0, &f), 0);
    cr_assert_eq(stat_path("/o/f", &after), 0);
    cr_assert_eq(after.st_ino, before.st_ino);
    cr_assert_eq(after.st_mode, before.st_mode);
    cr_assert_eq(after.st_mtime_nsec, before.st_mtime_nsec);
    cr_assert_eq(file_pwrite_kernel(f, "UPPER", 5, 0), 5);
    file_put(f);
    assert_file("/o/f", "UPPER f");
    cr_assert_eq(file_pread_kernel(old, buf, 7, 0), 7);
    cr_assert_str_eq(buf, "lower f", "opened before the copy-up");
    file_put(old);
    assert_list("/o", LOWER_ROOT);
    /* Also when everything cached is forgotten. */
    dentry_shrink(g_overlay);
    cr_assert_eq(path_ino("/o/f"), before.st_ino);
    cr_assert_eq(dirent_ino("/o", "f"), before.st_ino);
    assert_file("/o/f", "UPPER f");
}

TEST(parents_are_copied_up)
{
    struct linux_stat before, after;
    u64 s_ino = path_ino("/o/d/s");

    cr_assert_eq(stat_path("/o/d", &before), 0);
    put_file("/o/d/s/deep", "new", 0644);
    assert_file("/o/d/s/deep", "new");
    assert_list("/o/d/s", "deep");
    assert_list("/o/d", "s x y");
    cr_assert_eq(stat_path("/o/d", &after), 0);
    cr_assert_eq(after.st_mode, before.st_mode);
    cr_assert_eq(after.st_mtime_nsec, before.st_mtime_nsec, "copying up is no change");
    cr_assert_eq(after.st_ino, before.st_ino);
    cr_assert_eq(path_ino("/o/d/s"), s_ino);
    dentry_shrink(g_overlay);
    cr_assert_eq(path_ino("/o/d/s"), s_ino);
    cr_assert_eq(dirent_ino("/o/d", "s"), s_ino);
    assert_file("/o/d/x", "lower x");
    assert_file("/o/d/s/deep", "new");
}

TEST(truncation)
{
    struct vfs_path p;
    struct file *f;

    cr_assert_eq(vfs_resolve(AT, "/o/f", 0, &p), 0);
    cr_assert_eq(vfs_truncate(&p, 5), 0);
    vfs_path_put(&p);
    assert_file("/o/f", "lower");
    cr_assert_eq(vfs_open(AT, "/o/g", LINUX_O_WRONLY | LINUX_O_TRUNC, 0, 0, &f), 0);
    cr_assert_eq(atomic_load(&f->flags) & LINUX_O_TRUNC, 0);
    file_put(f);
    assert_file("/o/g", "");
}

TEST(large_and_sparse)
{
    static char buf[1 << 20], got[1 << 20];
    struct linux_stat st;
    struct file *f;

    for (size_t i = 0; i < sizeof(buf); i++)
        buf[i] = (char)(i * 7 + i / 4096);
    cr_assert_eq(vfs_open(AT, "/lower/f", LINUX_O_RDWR, 0, 0, &f), 0);
    cr_assert_eq(file_pwrite_kernel(f, buf, sizeof(buf), 8 << 20), (ssize_t)sizeof(buf));
    cr_assert_eq(vfs_ftruncate(f, 40 << 20), 0);
    file_put(f);
    cr_assert_eq(set_mode("/o/f", 0600), 0);
    cr_assert_eq(stat_path("/o/f", &st), 0);
    cr_assert_eq(st.st_size, 40 << 20);
    cr_assert_lt(st.st_blocks, (4 << 20) / 512);
    cr_assert_eq(vfs_open(AT, "/o/f", LINUX_O_RDONLY, 0, 0, &f), 0);
    cr_assert_eq(file_pread_kernel(f, got, sizeof(got), 8 << 20), (ssize_t)sizeof(got));
    cr_assert_eq(memcmp(got, buf, sizeof(buf)), 0);
    file_put(f);
    cr_assert_eq(vfs_open(AT, "/lower/f", LINUX_O_RDWR | LINUX_O_TRUNC, 0, 0, &f), 0);
    cr_assert_eq(file_pwrite_kernel(f, "lower f", 7, 0), 7);
    file_put(f);
}

TEST(attributes)
{
    struct linux_stat st;
    struct iattr own = {.valid = ATTR_UID | ATTR_GID, .uid = 7, .gid = 8};
    struct vfs_path p;

    cr_assert_eq(set_mode("/o/d", 0711), 0);
    cr_assert_eq(stat_path("/o/d", &st), 0);
    cr_assert_eq(st.st_mode, LINUX_S_IFDIR | 0711);
    cr_assert_eq(vfs_resolve(AT, "/o/link", 0, &p), 0);
    cr_assert_eq(vfs_setattr(&p, &own), 0);
    vfs_path_put(&p);
    cr_assert_eq(stat_path("/o/link", &st), 0);
    cr_assert_eq(st.st_uid, 7);
    assert_file("/o/link", "lower x");
    cr_assert_eq(set_mode("/o/fifo", 0622), 0);
    cr_assert_eq(stat_path("/o/fifo", &st), 0);
    cr_assert_eq(st.st_mode, LINUX_S_IFIFO | 0622);
    cr_assert_eq(stat_path("/lower/fifo", &st), 0);
    cr_assert_eq(st.st_mode, LINUX_S_IFIFO | 0600);
}

TEST(unlink_and_create_again)
{
    u64 ino = path_ino("/o/f");

    cr_assert_eq(vfs_unlink(AT, "/o/f"), 0);
    cr_assert_eq(exists("/o/f"), -ENOENT);
    cr_assert_eq(vfs_unlink(AT, "/o/f"), -ENOENT);
    assert_list("/o", "d empty fifo g hard1 hard2 link");
    dentry_shrink(g_overlay);
    cr_assert_eq(exists("/o/f"), -ENOENT);
    put_file("/o/f", "again", 0644);
    assert_file("/o/f", "again");
    cr_assert_neq(path_ino("/o/f"), ino);
    cr_assert_eq(dirent_ino("/o", "f"), path_ino("/o/f"));
    assert_list("/o", LOWER_ROOT);
    /* Upper and lower have it. */
    cr_assert_eq(vfs_unlink(AT, "/o/f"), 0);
    cr_assert_eq(exists("/o/f"), -ENOENT);
    dentry_shrink(g_overlay);
    cr_assert_eq(exists("/o/f"), -ENOENT);
    /* Only upper has it. */
    put_file("/o/new", "new", 0644);
    cr_assert_eq(vfs_unlink(AT, "/o/new"), 0);
    cr_assert_eq(exists("/o/new"), -ENOENT);
    assert_list("/o", "d empty fifo g hard1 hard2 link");
    cr_assert_eq(vfs_mknod(AT, "/o/wh", LINUX_S_IFCHR | 0600, 0), -EPERM);
}

TEST(unlinked_while_open)
{
    struct linux_stat st;
    struct iattr attr = {.valid = ATTR_MODE, .mode = 0444};
    struct file *f;

    cr_assert_eq(vfs_open(AT, "/o/f", LINUX_O_RDONLY, 0, 0, &f), 0);
    cr_assert_eq(vfs_unlink(AT, "/o/f"), 0);
    cr_assert_eq(vfs_stat(&f->path, &st), 0);
    cr_assert_eq(st.st_nlink, 0);
    cr_assert_eq(vfs_setattr(&f->path, &attr), 0, "a copy without a name");
    cr_assert_eq(exists("/o/f"), -ENOENT);
    cr_assert_eq(vfs_stat(&f->path, &st), 0);
    cr_assert_eq(st.st_mode, LINUX_S_IFREG | 0444);
    cr_assert_eq(st.st_nlink, 0);
    file_put(f);
    assert_list("/o", "d empty fifo g hard1 hard2 link");
}

TEST(directories_go_and_come_back_empty)
{
    cr_assert_eq(vfs_rmdir(AT, "/o/d"), -ENOTEMPTY);
    cr_assert_eq(vfs_rmdir(AT, "/o/empty"), 0);
    cr_assert_eq(exists("/o/empty"), -ENOENT);
    cr_assert_eq(vfs_unlink(AT, "/o/d/x"), 0);
    cr_assert_eq(vfs_unlink(AT, "/o/d/y"), 0);
    cr_assert_eq(vfs_rmdir(AT, "/o/d"), -ENOTEMPTY);
    cr_assert_eq(vfs_unlink(AT, "/o/d/s/deep"), 0);
    cr_assert_eq(vfs_rmdir(AT, "/o/d/s"), 0);
    assert_list("/o/d", "");
    cr_assert_eq(vfs_rmdir(AT, "/o/d"), 0);
    cr_assert_eq(exists("/o/d"), -ENOENT);
    cr_assert_eq(vfs_mkdir(AT, "/o/d", 0755), 0);
    assert_list("/o/d", "");
    cr_assert_eq(exists("/o/d/x"), -ENOENT);
    dentry_shrink(g_overlay);
    assert_list("/o/d", "");
    cr_assert_eq(exists("/o/d/x"), -ENOENT);
    put_file("/o/d/x", "other", 0644);
    assert_list("/o/d", "x");
    cr_assert_eq(vfs_unlink(AT, "/o/d/x"), 0);
    cr_assert_eq(vfs_rmdir(AT, "/o/d"), 0);
    cr_assert_eq(exists("/o/d"), -ENOENT);
    assert_list("/o", "f fifo g hard1 hard2 link");
}

TEST(merged_listing)
{
    struct linux_stat st;

    put_file("/o/d/a", "a", 0644);
    put_file("/o/d/x", "upper x", 0644);
    cr_assert_eq(vfs_unlink(AT, "/o/d/y"), 0);
    cr_assert_eq(vfs_mkdir(AT, "/o/d/z", 0755), 0);
    assert_list("/o/d", "a s x z");
    cr_assert_eq(stat_path("/o/d", &st), 0);
    cr_assert_eq(st.st_nlink, 1);
    cr_assert_eq(dirent_ino("/o/d", "a"), path_ino("/o/d/a"));
    cr_assert_eq(dirent_ino("/o/d", "x"), path_ino("/o/d/x"));
    cr_assert_eq(dirent_ino("/o/d", "s"), path_ino("/o/d/s"));
    cr_assert_eq(dirent_ino("/o/d", "."), path_ino("/o/d"));
    cr_assert_eq(dirent_ino("/o/d", ".."), path_ino("/o"));
}

/* rm -r reads and removes in turn. */
TEST(removal_while_reading)
{
    struct names n = {.e.fn = names_add};
    char path[64];
    struct file *f;

    cr_assert_eq(vfs_mkdir(AT, "/o/d/s/t", 0755), 0);
    for (int i = 0; i < 60; i++) {
        snprintf(path, sizeof(path), "/o/d/s/n%02d", i);
        put_file(path, "n", 0644);
    }
    cr_assert_eq(vfs_rmdir(AT, "/o/d/s/t"), 0);
    cr_assert_eq(vfs_open(AT, "/o/d/s", LINUX_O_RDONLY | LINUX_O_DIRECTORY, 0, 0, &f), 0);
    do {
        n.text[0] = '\0';
        n.budget = 1;
        cr_assert_eq(file_iterate(f, &n.e), 0);
        if (n.text[0]) {
            snprintf(path, sizeof(path), "/o/d/s/%.40s", n.text);
            cr_assert_eq(vfs_unlink(AT, path), 0, "%s", path);
        }
    } while (!n.budget);
    file_put(f);
    cr_assert_eq(vfs_rmdir(AT, "/o/d/s"), 0);
    assert_list("/o/d", "x y");
}

TEST(hard_links)
{
    struct linux_stat a, b;

    cr_assert_eq(link_path("/o/f", "/o/d/f2"), 0);
    cr_assert_eq(stat_path("/o/f", &a), 0);
    cr_assert_eq(stat_path("/o/d/f2", &b), 0);
    cr_assert_eq(a.st_ino, b.st_ino);
    cr_assert_eq(a.st_nlink, 2);
    dentry_shrink(g_overlay);
    cr_assert_eq(path_ino("/o/d/f2"), a.st_ino);
    cr_assert_eq(dirent_ino("/o/d", "f2"), a.st_ino);
    put_file("/o/d/f2", "both", 0644);
    assert_file("/o/f", "both");
    cr_assert_eq(vfs_unlink(AT, "/o/f"), 0);
    assert_file("/o/d/f2", "both");
    cr_assert_eq(stat_path("/o/d/f2", &b), 0);
    cr_assert_eq(b.st_nlink, 1);
    cr_assert_eq(b.st_ino, a.st_ino);
    /* A copy of one name of several is a file of its own. */
    put_file("/o/hard1", "mine", 0644);
    assert_file("/o/hard1", "mine");
    assert_file("/o/hard2", "hard");
    cr_assert_neq(path_ino("/o/hard1"), path_ino("/o/hard2"));
    cr_assert_eq(dirent_ino("/o", "hard1"), path_ino("/o/hard1"));
}

TEST(rename_files)
{
    u64 ino = path_ino("/o/f");

    cr_assert_eq(rename_path("/o/f", "/o/d/moved", 0), 0);
    cr_assert_eq(exists("/o/f"), -ENOENT);
    assert_file("/o/d/moved", "lower f");
    cr_assert_eq(path_ino("/o/d/moved"), ino);
    cr_assert_eq(rename_path("/o/d/moved", "/o/g", 0), 0);
    assert_file("/o/g", "lower f");
    cr_assert_eq(exists("/o/d/moved"), -ENOENT);
    assert_list("/o", "d empty fifo g hard1 hard2 link");
    assert_list("/o/d", "s x y");
    dentry_shrink(g_overlay);
    assert_file("/o/g", "lower f");
    cr_assert_eq(exists("/o/f"), -ENOENT);
    cr_assert_eq(rename_path("/o/g", "/o/f", LINUX_RENAME_NOREPLACE), 0);
    assert_file("/o/f", "lower f");
    cr_assert_eq(exists("/o/g"), -ENOENT);
    cr_assert_eq(rename_path("/o/f", "/o/d/x", LINUX_RENAME_NOREPLACE), -EEXIST);
    cr_assert_eq(rename_path("/o/f", "/o/d/x", LINUX_RENAME_EXCHANGE), 0);
    assert_file("/o/f", "lower x");
    assert_file("/o/d/x", "lower f");
    /* A new file over a lower one, as editors do. */
    put_file("/o/d/.tmp", "edited", 0644);
    cr_assert_eq(rename_path("/o/d/.tmp", "/o/d/y", 0), 0);
    assert_file("/o/d/y", "edited");
    assert_list("/o/d", "s x y");
    cr_assert_eq(vfs_unlink(AT, "/o/d/y"), 0);
    cr_assert_eq(exists("/o/d/y"), -ENOENT);
    dentry_shrink(g_overlay);
    cr_assert_eq(exists("/o/d/y"), -ENOENT);
}

TEST(rename_directories)
{
    u64 ino = path_ino("/o/d");

    /* Merged: what is below stays where it is in lower. */
    put_file("/o/d/new", "new", 0644);
    cr_assert_eq(rename_path("/o/d", "/o/e", 0), 0);
    cr_assert_eq(exists("/o/d"), -ENOENT);
    cr_assert_eq(path_ino("/o/e"), ino);
    assert_list("/o/e", "new s x y");
    assert_file("/o/e/s/deep", "lower deep");
    dentry_shrink(g_overlay);
    cr_assert_eq(exists("/o/d"), -ENOENT);
    cr_assert_eq(path_ino("/o/e"), ino);
    assert_list("/o/e", "new s x y");
    put_file("/o/e/s/deep", "changed", 0644);
    assert_file("/o/e/s/deep", "changed");
    cr_assert_eq(vfs_unlink(AT, "/o/e/y"), 0);
    assert_list("/o/e", "new s x");
    /* A new one under the old name shows nothing of the old. */
    cr_assert_eq(vfs_mkdir(AT, "/o/d", 0755), 0);
    assert_list("/o/d", "");
    cr_assert_eq(rename_path("/o/e", "/o/d", 0), 0, "over an empty one");
    assert_list("/o/d", "new s x");
    cr_assert_eq(exists("/o/e"), -ENOENT);
    cr_assert_eq(rename_path("/o/d", "/o/empty", 0), 0, "over an empty lower one");
    assert_list("/o/empty", "new s x");
    cr_assert_eq(rename_path("/o/empty/s", "/o/s", 0), 0);
    assert_list("/o", "empty f fifo g hard1 hard2 link s");
    assert_file("/o/s/deep", "changed");
    cr_assert_eq(rename_path("/o/empty", "/o/empty/x/q", 0), -ENOTDIR);
    cr_assert_eq(rename_path("/o/s", "/o/empty", 0), -ENOTEMPTY);
    cr_assert_eq(rename_path("/o/s", "/o/f", 0), -ENOTDIR);
    cr_assert_eq(rename_path("/o/f", "/o/s", 0), -EISDIR);
}

/* Removing what was merged leaves nothing behind that a rename or mkdir could show. */
TEST(rename_over_cleared_directory)
{
    cr_assert_eq(vfs_unlink(AT, "/o/d/s/deep"), 0);
    cr_assert_eq(vfs_mkdir(AT, "/o/n", 0755), 0);
    put_file("/o/n/q", "q", 0644);
    cr_assert_eq(rename_path("/o/n", "/o/d/s", 0), 0);
    assert_list("/o/d/s", "q");
    cr_assert_eq(exists("/o/d/s/deep"), -ENOENT);
    cr_assert_eq(exists("/o/n"), -ENOENT);
    dentry_shrink(g_overlay);
    assert_list("/o/d/s", "q");
}

TEST(tmpfile)
{
    struct file *f;

    cr_assert_eq(vfs_open(AT, "/o/d", LINUX_O_TMPFILE | LINUX_O_RDWR, 0600, 0, &f), 0);
    cr_assert_eq(file_pwrite_kernel(f, "tmp", 3, 0), 3);
    assert_list("/o/d", "s x y");
    cr_assert_eq(vfs_link(&f->path, AT, "/o/d/linked"), 0);
    file_put(f);
    assert_file("/o/d/linked", "tmp");
}

TEST(owner_and_special_files)
{
    struct linux_stat st;

    cr_assert_eq(vfs_mknod(AT, "/o/d/pipe", LINUX_S_IFIFO | 0600, 0), 0);
    cr_assert_eq(vfs_mknod(AT, "/o/d/null", LINUX_S_IFCHR | 0666, LINUX_MAKEDEV(1, 3)), 0);
    cr_assert_eq(stat_path("/o/d/null", &st), 0);
    cr_assert_eq(st.st_rdev, LINUX_MAKEDEV(1, 3));
    assert_list("/o/d", "null pipe s x y");
    cr_assert_eq(link_path("/o/d/pipe", "/o/pipe2"), 0);
    {
        struct vfs_path a, b;

        cr_assert_eq(vfs_resolve(AT, "/o/d/pipe", 0, &a), 0);
        cr_assert_eq(vfs_resolve(AT, "/o/pipe2", 0, &b), 0);
        cr_assert_eq(dentry_inode(a.dentry), dentry_inode(b.dentry), "one pipe");
        vfs_path_put(&a);
        vfs_path_put(&b);
    }
    cr_assert_eq(set_mode("/o/d", 02775), 0);
    put_file("/o/d/own", "", 0644);
    cr_assert_eq(stat_path("/o/d/own", &st), 0);
    cr_assert_eq(st.st_uid, 0);
}

struct census {
    const char *type;
    size_t live;
};

static void census_add(void *arg, const char *name, size_t size, size_t live, size_t total)
{
    struct census *c = arg;

    if (!strcmp(name, c->type))
        c->live += live;
}

static size_t live_objects(const char *type)
{
    struct census c = {type, 0};

    kcache_census(census_add, &c);
    return c.live;
}

static void umount_overlay(void)
{
    struct vfs_path p;

    cr_assert_eq(vfs_resolve(AT, "/o", 0, &p), 0);
    cr_assert_eq(mount_umount(g_task.mnt_ns, &p, LINUX_MNT_DETACH), 0);
    vfs_path_put(&p);
    cr_assert_eq(live_objects("ovl_inode"), 0);
    cr_assert_eq(live_objects("ovl_mark"), 0);
    cr_assert_eq(live_objects("ovl_fs"), 0);
}

/* After the last umount nothing is left, whatever was changed. */
TEST(umount)
{
    put_file("/o/d/s/deep", "changed", 0644);
    cr_assert_eq(rename_path("/o/d", "/o/e", 0), 0);
    cr_assert_eq(vfs_unlink(AT, "/o/f"), 0);
    cr_assert_eq(vfs_mkdir(AT, "/o/new", 0755), 0);
    put_file("/o/new/file", "x", 0644);
    cr_assert_eq(link_path("/o/g", "/o/g2"), 0);
    cr_assert_eq(vfs_unlink(AT, "/o/g"), 0);
    cr_assert_gt(live_objects("ovl_mark"), 0);
    umount_overlay();
}

/* ---- threads ---------------------------------------------------------------------------------- */

#define THREADS 4
#define ROUNDS 3000

static void random_step(u32 *seed)
{
    static const char *const names[] = {"/o/d/x",   "/o/d/y", "/o/d/n", "/o/d/s/deep",
                                        "/o/d/s/m", "/o/e/x", "/o/f",   "/o/e"};
    const char *a, *b;
    struct vfs_path p;
    struct file *f;

    *seed = *seed * 1103515245u + 12345u;
    a = names[(*seed >> 8) % ARRAY_SIZE(names)];
    b = names[(*seed >> 16) % ARRAY_SIZE(names)];
    switch ((*seed >> 24) % 12) {
    case 0:
    case 1:
    case 2:
        if (!vfs_open(AT, a, LINUX_O_CREAT | LINUX_O_RDWR, 0644, 0, &f)) {
            cr_assert_eq(file_pwrite_kernel(f, "data", 4, 0), 4);
            file_put(f);
        }
        break;
    case 3:
        vfs_unlink(AT, a);
        break;
    case 4:
        rename_path(a, b, 0);
        break;
    case 5:
        rename_path(a, b, LINUX_RENAME_EXCHANGE);
        break;
    case 6:
        link_path(a, b);
        break;
    case 7:
        set_mode(a, 0600 + (*seed >> 28));
        break;
    case 8:
        vfs_mkdir(AT, "/o/e", 0755);
        rename_path("/o/d", "/o/e", (*seed >> 28) & 1 ? 0 : LINUX_RENAME_EXCHANGE);
        break;
    case 9:
        if (!vfs_open(AT, "/o/d", LINUX_O_RDONLY | LINUX_O_DIRECTORY, 0, 0, &f)) {
            struct names n = {.e.fn = names_add, .budget = 100};

            file_iterate(f, &n.e);
            file_put(f);
        }
        break;
    case 10:
        vfs_rmdir(AT, "/o/e");
        vfs_rmdir(AT, "/o/d/s");
        if (!((*seed >> 28) & 7))
            dentry_shrink(g_overlay);
        break;
    default:
        if (!vfs_resolve(AT, a, 0, &p)) {
            if (inode_type(dentry_inode(p.dentry)) == LINUX_S_IFREG)
                vfs_truncate(&p, 3);
            vfs_path_put(&p);
        }
    }
}

static void *stress(void *arg)
{
    u32 seed = (u32)(uintptr_t)arg * 7919;

    current = &g_task;
    for (int i = 0; i < ROUNDS; i++)
        random_step(&seed);
    return NULL;
}

/* Everything at once: nothing may crash, leak, deadlock or reach lower. */
TEST(threads)
{
    pthread_t t[THREADS];

    for (uintptr_t i = 0; i < THREADS; i++)
        cr_assert_eq(pthread_create(&t[i], NULL, stress, (void *)(i + 1)), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(t[i], NULL);
    umount_overlay();
}
