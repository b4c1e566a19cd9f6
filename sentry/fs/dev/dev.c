/* SPDX-License-Identifier: Apache-2.0 */
/* devtmpfs: a tmpfs with the standard nodes. */
#include "abi/linux/stat.h"
#include "sentry/fs/dev/mem.h"
#include "sentry/fs/mounts.h"
#include "sentry/fs/tmpfs/tmpfs.h"

#include <errno.h>
#include <stddef.h>

#define DEV_SIZE (64ul << 20)

struct node {
    const char *name;
    u32 mode; /* with the type */
    u32 major, minor;
    const char *target;
};

static const struct node g_nodes[] = {
    {"null", LINUX_S_IFCHR | 0666, MEM_MAJOR, MEM_NULL, NULL},
    {"zero", LINUX_S_IFCHR | 0666, MEM_MAJOR, MEM_ZERO, NULL},
    {"full", LINUX_S_IFCHR | 0666, MEM_MAJOR, MEM_FULL, NULL},
    {"random", LINUX_S_IFCHR | 0666, MEM_MAJOR, MEM_RANDOM, NULL},
    {"urandom", LINUX_S_IFCHR | 0666, MEM_MAJOR, MEM_URANDOM, NULL},
    {"tty", LINUX_S_IFCHR | 0666, 5, 0, NULL},
    {"console", LINUX_S_IFCHR | 0620, 5, 1, NULL},
    {"ptmx", LINUX_S_IFLNK | 0777, 0, 0, "pts/ptmx"},
    {"fd", LINUX_S_IFLNK | 0777, 0, 0, "/proc/self/fd"},
    {"stdin", LINUX_S_IFLNK | 0777, 0, 0, "/proc/self/fd/0"},
    {"stdout", LINUX_S_IFLNK | 0777, 0, 0, "/proc/self/fd/1"},
    {"stderr", LINUX_S_IFLNK | 0777, 0, 0, "/proc/self/fd/2"},
    {"pts", LINUX_S_IFDIR | 0755, 0, 0, NULL},
    {"shm", LINUX_S_IFDIR | 01777, 0, 0, NULL},
    {"mqueue", LINUX_S_IFDIR | 01777, 0, 0, NULL},
};

int dev_fs_new(struct filesystem **fs, struct dentry **root)
{
    const struct tmpfs_options opt = {.size = DEV_SIZE, .mode = 0755};
    int err = tmpfs_fs_new("devtmpfs", &opt, fs, root);

    for (size_t i = 0; !err && i < ARRAY_SIZE(g_nodes); i++) {
        const struct node *n = &g_nodes[i];

        err = tmpfs_add(*root, n->name, n->mode, LINUX_MAKEDEV(n->major, n->minor), n->target,
                        NULL);
        if (err) {
            dentry_shrink(*fs);
            dentry_put(*root);
            fs_put(*fs);
        }
    }
    return err;
}

static int dev_mount(const char *source, u64 flags, const char *data, struct filesystem **fs,
                     struct dentry **root)
{
    return dev_fs_new(fs, root);
}

extern const struct fs_type g_devtmpfs_type;
const struct fs_type g_devtmpfs_type = {.name = "devtmpfs", .mount = dev_mount, .user_mount = true};
