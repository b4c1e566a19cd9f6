/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /sys/devices/system/cpu. The processors are the cores of one package without siblings, all on line.
 * kernfs_inode.arg of a processor's directory, and of what is in it, is its number.
 */
#include "sentry/fs/sysfs/sysfs.h"

#include "abi/linux/dirent.h"
#include "sentry/kernel/cpus.h"

#include <cpuid.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define DIR_MODE (LINUX_S_IFDIR | 0755)
#define FILE_RO (LINUX_S_IFREG | 0444)

/* ---- masks ----------------------------------------------------------------------------------- */

int sysfs_show_cpu_list(struct inode *inode, struct ktext *t)
{
    u64 mask[16];

    cpus_mask(mask);
    ktext_bitlist(t, mask, (unsigned)cpus_count());
    ktext_puts(t, "\n");
    return 0;
}

int sysfs_show_cpu_map(struct inode *inode, struct ktext *t)
{
    u64 mask[16];

    cpus_mask(mask);
    ktext_bitmap(t, mask, (unsigned)cpus_count());
    ktext_puts(t, "\n");
    return 0;
}

static int show_own_list(struct inode *inode, struct ktext *t)
{
    ktext_printf(t, "%llu\n", (unsigned long long)kernfs_i(inode)->arg);
    return 0;
}

static int show_own_map(struct inode *inode, struct ktext *t)
{
    u64 cpu = kernfs_i(inode)->arg, mask[16] = {0};

    mask[cpu / 64 % ARRAY_SIZE(mask)] = 1ull << (cpu % 64);
    ktext_bitmap(t, mask, (unsigned)cpus_count());
    ktext_puts(t, "\n");
    return 0;
}

/* ---- caches ---------------------------------------------------------------------------------- */

struct cache {
    u32 type, level, line, ways, sets;
    u64 size;
};

static bool cache_get(u32 index, struct cache *c)
{
    u32 a = 0, b = 0, cx = 0, d = 0;
    u32 leaf = 4;

    if (__get_cpuid(0, &a, &b, &cx, &d) && b == signature_AMD_ebx)
        leaf = 0x8000001d;
    if (!__get_cpuid_count(leaf, index, &a, &b, &cx, &d) || !(a & 31))
        return false;
    c->type = a & 31;
    c->level = (a >> 5) & 7;
    c->line = (b & 0xfff) + 1;
    c->ways = (b >> 22) + 1;
    c->sets = cx + 1;
    c->size = (u64)c->line * c->ways * c->sets * (((b >> 12) & 0x3ff) + 1);
    return true;
}

enum cache_field { CACHE_LEVEL, CACHE_TYPE, CACHE_SIZE, CACHE_LINE, CACHE_WAYS, CACHE_SETS };

/* node.arg: index of the cache * 16 + field. */
static int show_cache(struct inode *inode, struct ktext *t)
{
    static const char *const types[] = {"Unknown", "Data", "Instruction", "Unified"};
    u64 arg = kernfs_i(inode)->node->arg;
    struct cache c;

    if (!cache_get((u32)(arg / 16), &c))
        return -EIO;
    switch ((enum cache_field)(arg % 16)) {
    case CACHE_LEVEL:
        ktext_printf(t, "%u\n", c.level);
        break;
    case CACHE_TYPE:
        ktext_printf(t, "%s\n", types[c.type & 3]);
        break;
    case CACHE_SIZE:
        ktext_printf(t, "%lluK\n", (unsigned long long)(c.size >> 10));
        break;
    case CACHE_LINE:
        ktext_printf(t, "%u\n", c.line);
        break;
    case CACHE_WAYS:
        ktext_printf(t, "%u\n", c.ways);
        break;
    case CACHE_SETS:
        ktext_printf(t, "%u\n", c.sets);
        break;
    }
    return 0;
}

/* The last level is shared by all, the others belong to one processor. */
static int show_cache_shared(struct inode *inode, struct ktext *t)
{
    const struct kernfs_node *node = kernfs_i(inode)->node;
    bool list = node->arg % 16 != 0;
    struct cache c;

    if (!cache_get((u32)(node->arg / 16), &c))
        return -EIO;
    if (c.level >= 3)
        return list ? sysfs_show_cpu_list(inode, t) : sysfs_show_cpu_map(inode, t);
    return list ? show_own_list(inode, t) : show_own_map(inode, t);
}

#define CACHE_FILE(n, i, field)                                                                    \
    {                                                                                              \
        .name = n, .mode = FILE_RO, .show = show_cache, .arg = (i)*16 + (field)                    \
    }
#define CACHE_SHARED(n, i, list)                                                                   \
    {                                                                                              \
        .name = n, .mode = FILE_RO, .show = show_cache_shared, .arg = (i)*16 + (list)              \
    }
#define CACHE_NODES(i)                                                                             \
    static const struct kernfs_node g_cache##i[] = {                                               \
        CACHE_FILE("coherency_line_size", i, CACHE_LINE),                                          \
        CACHE_FILE("level", i, CACHE_LEVEL),                                                       \
        CACHE_FILE("number_of_sets", i, CACHE_SETS),                                               \
        CACHE_SHARED("shared_cpu_list", i, 1),                                                     \
        CACHE_SHARED("shared_cpu_map", i, 0),                                                      \
        CACHE_FILE("size", i, CACHE_SIZE),                                                         \
        CACHE_FILE("type", i, CACHE_TYPE),                                                         \
        CACHE_FILE("ways_of_associativity", i, CACHE_WAYS),                                        \
        {0},                                                                                       \
    }
CACHE_NODES(0);
CACHE_NODES(1);
CACHE_NODES(2);
CACHE_NODES(3);

static const struct kernfs_node g_caches[] = {
    {.name = "index0", .mode = DIR_MODE, .children = g_cache0},
    {.name = "index1", .mode = DIR_MODE, .children = g_cache1},
    {.name = "index2", .mode = DIR_MODE, .children = g_cache2},
    {.name = "index3", .mode = DIR_MODE, .children = g_cache3},
    {0},
};

/* ---- a processor ----------------------------------------------------------------------------- */

#define TOPOLOGY(n, fn)                                                                            \
    {                                                                                              \
        .name = n, .mode = FILE_RO, .show = fn                                                     \
    }

static const struct kernfs_node g_topology[] = {
    TOPOLOGY("core_cpus", show_own_map),
    TOPOLOGY("core_cpus_list", show_own_list),
    TOPOLOGY("core_id", show_own_list),
    TOPOLOGY("core_siblings", sysfs_show_cpu_map),
    TOPOLOGY("core_siblings_list", sysfs_show_cpu_list),
    {.name = "die_id", .mode = FILE_RO, .text = "0\n"},
    TOPOLOGY("package_cpus", sysfs_show_cpu_map),
    TOPOLOGY("package_cpus_list", sysfs_show_cpu_list),
    {.name = "physical_package_id", .mode = FILE_RO, .text = "0\n"},
    TOPOLOGY("thread_siblings", show_own_map),
    TOPOLOGY("thread_siblings_list", show_own_list),
    {0},
};

static const struct kernfs_node g_processor_nodes[] = {
    {.name = "cache", .mode = DIR_MODE, .children = g_caches},
    {.name = "online", .mode = FILE_RO, .text = "1\n"},
    {.name = "topology", .mode = DIR_MODE, .children = g_topology},
    {0},
};

static const struct kernfs_node g_processor_node = {
    .name = "", .mode = DIR_MODE, .children = g_processor_nodes};

/* Far from the codes of the constant children. */
static u64 processor_code(const struct kernfs_inode *dir, u64 cpu)
{
    return dir->code * 4096 + 256 + cpu;
}

const struct kernfs_node g_sysfs_cpu_nodes[] = {
    {.name = "isolated", .mode = FILE_RO, .text = "\n"},
    {.name = "kernel_max", .mode = FILE_RO, .text = "1023\n"},
    {.name = "offline", .mode = FILE_RO, .text = "\n"},
    TOPOLOGY("online", sysfs_show_cpu_list),
    TOPOLOGY("possible", sysfs_show_cpu_list),
    TOPOLOGY("present", sysfs_show_cpu_list),
    {0},
};

static int cpu_lookup(struct inode *dir, struct dentry *d)
{
    struct kernfs_inode *parent = kernfs_i(dir), *ki;
    int err = kernfs_lookup(dir, d), n = cpus_count();
    char name[16];

    if (err != -ENOENT || d->name_len < 4 || strncmp(d->name, "cpu", 3))
        return err;
    for (int i = 0; i < n; i++) {
        snprintf(name, sizeof(name), "cpu%d", i);
        if (strcmp(name, d->name))
            continue;
        ki = kernfs_inode_new(dir->fs, &g_processor_node, parent->ino_base,
                              processor_code(parent, (u64)i), (u64)i);
        if (!ki)
            return -ENOMEM;
        dentry_instantiate(d, &ki->inode);
        return 0;
    }
    return -ENOENT;
}

static int cpu_iterate(struct file *f, struct dir_emit *e)
{
    struct kernfs_inode *dir = kernfs_i(f->inode);
    u64 base = 2 + kernfs_child_count(dir->node), n = (u64)cpus_count();
    char name[16];

    if (!kernfs_emit_children(f, e))
        return 0;
    while (f->pos - base < n) {
        u64 cpu = f->pos - base;
        int len = snprintf(name, sizeof(name), "cpu%llu", (unsigned long long)cpu);

        if (!dir_emit(e, name, (size_t)len, dir->ino_base + processor_code(dir, cpu), LINUX_DT_DIR,
                      f->pos + 1))
            break;
        f->pos++;
    }
    return 0;
}

static int cpu_getattr(struct inode *inode, struct linux_stat *st)
{
    inode_fill_stat(inode, st);
    st->st_nlink += (u64)cpus_count();
    return 0;
}

const struct inode_ops g_sysfs_cpu_iops = {
    .lookup = cpu_lookup,
    .getattr = cpu_getattr,
    .setattr = kernfs_setattr,
    .destroy = kernfs_destroy,
};

const struct file_ops g_sysfs_cpu_fops = {
    .iterate = cpu_iterate,
    .llseek = kernfs_llseek,
};
