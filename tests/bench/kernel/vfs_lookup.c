/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stat of a file below N directories of a tmpfs, by path from the root; and the same below the mount point of
 * another tmpfs, so that the walk crosses a mount once.
 */
#include "abi/linux/fcntl.h"
#include "bench.h"
#include "sentry/fs/mounts.h"
#include "sentry/vfs/vfs.h"

#include <errno.h>
#include <stdio.h>

#define AT LINUX_AT_FDCWD
#define PATH_LEN 512

static char g_path[PATH_LEN];

static void make_dir(const char *path)
{
    int err = vfs_mkdir(AT, path, 0755);

    bench_need(err == 0 || err == -EEXIST, path);
}

/* g_path becomes top/1/2/.../depth/file, which exists then. */
static void make_path(const char *top, long depth)
{
    struct file *f;
    size_t n = (size_t)snprintf(g_path, PATH_LEN, "%s", top);

    for (long i = 1; i <= depth; i++) {
        n += (size_t)snprintf(g_path + n, PATH_LEN - n, "/%ld", i);
        make_dir(g_path);
    }
    snprintf(g_path + n, PATH_LEN - n, "/file");
    bench_need(vfs_open(AT, g_path, LINUX_O_CREAT | LINUX_O_WRONLY, 0644, 0, &f) == 0, g_path);
    file_put(f);
}

static void setup_plain(const struct bench_case *c)
{
    make_path("", c->arg);
}

static void mount_tmpfs(const char *path)
{
    struct filesystem *fs;
    struct dentry *root;
    struct mount *m;
    struct vfs_path at;

    make_dir(path);
    bench_need(tmpfs_new(0, 0755, 0, 0, &fs, &root) == 0, "tmpfs");
    m = mount_new(fs, root, 0, "bench");
    dentry_put(root);
    fs_put(fs);
    bench_need(vfs_resolve(AT, path, RP_FOLLOW, &at) == 0, path);
    bench_need(mount_attach(current->mnt_ns, m, &at) == 0, "mount");
    vfs_path_put(&at);
}

static void setup_mount(const struct bench_case *c)
{
    static bool mounted;

    if (!mounted)
        mount_tmpfs("/mnt");
    mounted = true;
    make_path("/mnt", c->arg);
}

static void run_stat(const struct bench_case *c, long n)
{
    struct linux_stat st;
    struct vfs_path p;

    for (long i = 0; i < n; i++) {
        bench_need(vfs_resolve(AT, g_path, RP_FOLLOW, &p) == 0, g_path);
        bench_need(vfs_stat(&p, &st) == 0, "stat");
        vfs_path_put(&p);
    }
}

#define PLAIN(depth)                                                                               \
    {                                                                                              \
        "vfs_stat_depth_" #depth, run_stat, setup_plain, depth, true                               \
    }
#define MOUNT(depth)                                                                               \
    {                                                                                              \
        "vfs_stat_mount_depth_" #depth, run_stat, setup_mount, depth, true                         \
    }

const struct bench_case g_bench_vfs[] = {
    PLAIN(1), PLAIN(2), PLAIN(3), PLAIN(8),  PLAIN(64),  PLAIN(100),     MOUNT(1),
    MOUNT(2), MOUNT(3), MOUNT(8), MOUNT(64), MOUNT(100), {.name = NULL},
};
