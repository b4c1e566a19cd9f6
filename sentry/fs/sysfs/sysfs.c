/* SPDX-License-Identifier: Apache-2.0 */
/* /sys: what C libraries and language runtimes look at to size themselves. */
#include "sentry/fs/sysfs/sysfs.h"

#include "abi/linux/statfs.h"
#include "cvisor/kcache.h"
#include "sentry/fs/mounts.h"
#include "sentry/mm/memory_file.h"

#include <errno.h>

struct sysfs {
    struct filesystem fs;
};
KCACHE(sysfs);

#define DIR_MODE (LINUX_S_IFDIR | 0755)
#define FILE_RO (LINUX_S_IFREG | 0444)
#define SYS_DIR(n, nodes)                                                                          \
    {                                                                                              \
        .name = n, .mode = DIR_MODE, .children = nodes                                             \
    }
#define SYS_EMPTY(n)                                                                               \
    {                                                                                              \
        .name = n, .mode = DIR_MODE                                                                \
    }
#define SYS_TEXT(n, content)                                                                       \
    {                                                                                              \
        .name = n, .mode = FILE_RO, .text = content                                                \
    }

/* ---- NUMA ------------------------------------------------------------------------------------ */

static int show_node_meminfo(struct inode *inode, struct ktext *t)
{
    u64 total = memory_file_limit() >> 10, used = 0;

    for (int k = 0; k < MF_KIND_COUNT; k++)
        used += memory_file_used((enum mf_kind)k) >> 10;
    used = MIN(used, total);
    ktext_printf(t,
                 "Node 0 MemTotal:       %8llu kB\nNode 0 MemFree:        %8llu kB\n"
                 "Node 0 MemUsed:        %8llu kB\n",
                 (unsigned long long)total, (unsigned long long)(total - used),
                 (unsigned long long)used);
    return 0;
}

static const struct kernfs_node g_node0[] = {
    {.name = "cpulist", .mode = FILE_RO, .show = sysfs_show_cpu_list},
    {.name = "cpumap", .mode = FILE_RO, .show = sysfs_show_cpu_map},
    SYS_TEXT("distance", "10\n"),
    {.name = "meminfo", .mode = FILE_RO, .show = show_node_meminfo},
    {0},
};

/* node0 stands for all memory and all processors. */
static const struct kernfs_node g_numa[] = {
    SYS_TEXT("has_cpu", "0\n"),
    SYS_TEXT("has_memory", "0\n"),
    SYS_TEXT("has_normal_memory", "0\n"),
    SYS_DIR("node0", g_node0),
    SYS_TEXT("online", "0\n"),
    SYS_TEXT("possible", "0\n"),
    {0},
};

/* ---- tree ------------------------------------------------------------------------------------ */

static const struct kernfs_node g_thp[] = {
    SYS_TEXT("defrag", "always defer defer+madvise [madvise] never\n"),
    SYS_TEXT("enabled", "always [madvise] never\n"),
    SYS_TEXT("hpage_pmd_size", "2097152\n"),
    SYS_TEXT("shmem_enabled", "always within_size advise [never] deny force\n"),
    SYS_TEXT("use_zero_page", "1\n"),
    {0},
};

static const struct kernfs_node g_kernel_mm[] = {
    SYS_EMPTY("hugepages"),
    SYS_DIR("transparent_hugepage", g_thp),
    {0},
};

static const struct kernfs_node g_kernel[] = {
    SYS_DIR("mm", g_kernel_mm),
    {0},
};

static const struct kernfs_node g_fs[] = {
    SYS_EMPTY("cgroup"),
    {0},
};

static const struct kernfs_node g_system[] = {
    {.name = "cpu",
     .mode = DIR_MODE,
     .children = g_sysfs_cpu_nodes,
     .iops = &g_sysfs_cpu_iops,
     .fops = &g_sysfs_cpu_fops},
    SYS_DIR("node", g_numa),
    {0},
};

static const struct kernfs_node g_devices[] = {
    SYS_DIR("system", g_system),
    SYS_EMPTY("virtual"),
    {0},
};

static const struct kernfs_node g_class[] = {
    SYS_EMPTY("block"),        SYS_EMPTY("mem"), SYS_EMPTY("net"),
    SYS_EMPTY("power_supply"), SYS_EMPTY("tty"), {0},
};

static const struct kernfs_node g_dev[] = {
    SYS_EMPTY("block"),
    SYS_EMPTY("char"),
    {0},
};

static const struct kernfs_node g_root[] = {
    SYS_EMPTY("block"),
    SYS_EMPTY("bus"),
    SYS_DIR("class", g_class),
    SYS_DIR("dev", g_dev),
    SYS_DIR("devices", g_devices),
    SYS_EMPTY("firmware"),
    SYS_DIR("fs", g_fs),
    SYS_DIR("kernel", g_kernel),
    SYS_EMPTY("module"),
    SYS_EMPTY("power"),
    {0},
};

static const struct kernfs_node g_root_node = {.name = "", .mode = DIR_MODE, .children = g_root};

/* ---- filesystem ------------------------------------------------------------------------------ */

static void sysfs_destroy(struct filesystem *fs)
{
    kcache_free(sysfs, container_of(fs, struct sysfs, fs));
}

static const struct fs_ops g_sysfs_ops = {
    .walk = vfs_walk_generic,
    .destroy = sysfs_destroy,
};

int sysfs_new(struct filesystem **fs, struct dentry **root)
{
    struct sysfs *s = kcache_alloc(sysfs);
    int err;

    if (!s)
        return -ENOMEM;
    err = kernfs_init(&s->fs, "sysfs", LINUX_SYSFS_MAGIC, &g_sysfs_ops, 0, &g_root_node, root);
    if (err)
        return err;
    *fs = &s->fs;
    return 0;
}

static int sysfs_mount(const char *source, u64 flags, const char *data, struct filesystem **fs,
                       struct dentry **root)
{
    return sysfs_new(fs, root);
}

extern const struct fs_type g_sysfs_type;
const struct fs_type g_sysfs_type = {.name = "sysfs", .mount = sysfs_mount, .user_mount = true};
