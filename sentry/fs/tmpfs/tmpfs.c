/* SPDX-License-Identifier: Apache-2.0 */
/* tmpfs: the filesystem, its limits and its mount options. */
#include "abi/linux/stat.h"
#include "abi/linux/statfs.h"
#include "cvisor/kcache.h"
#include "sentry/fs/mounts.h"
#include "sentry/fs/tmpfs/tmpfs_internal.h"
#include "sentry/kernel/cred.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define DEFAULT_INODES (4u << 20)

KCACHE(tmpfs);

bool tmpfs_charge(struct tmpfs *t, u64 pages)
{
    u64 used = atomic_load(&t->used_pages);

    do {
        if (pages > t->max_pages || used > t->max_pages - pages)
            return false;
    } while (!atomic_compare_exchange_weak(&t->used_pages, &used, used + pages));
    return true;
}

void tmpfs_uncharge(struct tmpfs *t, u64 pages)
{
    atomic_fetch_sub(&t->used_pages, pages);
}

static int tmpfs_statfs(struct filesystem *fs, struct linux_statfs *st)
{
    struct tmpfs *t = tmpfs_of(fs);
    u64 used = atomic_load(&t->used_pages), inodes = atomic_load(&t->used_inodes);

    st->f_bsize = st->f_frsize = PAGE_SIZE;
    st->f_blocks = t->max_pages;
    st->f_bfree = st->f_bavail = t->max_pages > used ? t->max_pages - used : 0;
    st->f_files = t->max_inodes;
    st->f_ffree = t->max_inodes > inodes ? t->max_inodes - inodes : 0;
    return 0;
}

static void tmpfs_destroy(struct filesystem *fs)
{
    kcache_free(tmpfs, tmpfs_of(fs));
}

static void tmpfs_show_options(struct filesystem *fs, char *buf, size_t n)
{
    struct tmpfs *t = tmpfs_of(fs);

    snprintf(buf, n, ",size=%lluk", (unsigned long long)(t->max_pages * (PAGE_SIZE / 1024)));
}

static const struct fs_ops g_tmpfs_ops = {
    .walk = vfs_walk_generic,
    .statfs = tmpfs_statfs,
    .destroy = tmpfs_destroy,
    .show_options = tmpfs_show_options,
};

int tmpfs_fs_new(const char *type_name, const struct tmpfs_options *opt, struct filesystem **fs,
                 struct dentry **root)
{
    struct tmpfs *t = kcache_alloc(tmpfs);
    struct tmpfs_inode *ti;
    struct dentry *d;
    u64 size;
    int err;

    if (!t)
        return -ENOMEM;
    fs_init(&t->fs, type_name, LINUX_TMPFS_MAGIC, &g_tmpfs_ops, FS_PIN_DENTRIES);
    t->fs.priv = t;
    size = opt->size ? opt->size : memory_file_limit() / 2;
    t->max_pages = size / PAGE_SIZE + (size % PAGE_SIZE != 0);
    t->max_inodes = opt->inodes ? opt->inodes : DEFAULT_INODES;
    atomic_init(&t->used_pages, 0);
    atomic_init(&t->used_inodes, 0);
    err = t->fs.htable ? tmpfs_inode_new(&t->fs, NULL, LINUX_S_IFDIR | (opt->mode & 07777), 0, &ti)
                       : -ENOMEM;
    if (err) {
        fs_put(&t->fs);
        return err;
    }
    atomic_store(&ti->inode.uid, opt->uid);
    atomic_store(&ti->inode.gid, opt->gid);
    d = dentry_alloc(&t->fs, NULL, "", 0);
    if (!d) {
        inode_put(&ti->inode);
        fs_put(&t->fs);
        return -ENOMEM;
    }
    dentry_instantiate(d, &ti->inode);
    *fs = &t->fs;
    *root = d;
    return 0;
}

int tmpfs_new(u64 size, u32 mode, u32 uid, u32 gid, struct filesystem **fs, struct dentry **root)
{
    struct tmpfs_options opt = {.size = size ? size : memory_file_limit(),
                                .mode = mode ? mode : 01777,
                                .uid = uid,
                                .gid = gid};

    return tmpfs_fs_new("tmpfs", &opt, fs, root);
}

/* ---- options ----------------------------------------------------------------------------------- */

/* A number of the given base with an optional suffix k, m, g or % (of the memory file). */
static int parse_number(const char *s, size_t n, unsigned base, bool suffix, u64 *out)
{
    u64 v = 0;
    size_t i = 0;

    for (; i < n && s[i] >= '0' && s[i] < (char)('0' + base); i++) {
        if (__builtin_mul_overflow(v, (u64)base, &v) ||
            __builtin_add_overflow(v, (u64)(s[i] - '0'), &v))
            return -EINVAL;
    }
    if (!i)
        return -EINVAL;
    if (suffix && i + 1 == n) {
        unsigned shift = 0;

        switch (s[i] | 0x20) {
        case 'k':
            shift = 10;
            break;
        case 'm':
            shift = 20;
            break;
        case 'g':
            shift = 30;
            break;
        case 't':
            shift = 40;
            break;
        case '%' | 0x20:
            if (v > 10000)
                return -EINVAL;
            *out = memory_file_limit() / 100 * v;
            return 0;
        default:
            return -EINVAL;
        }
        if (v > (~0ull >> shift))
            return -EINVAL;
        v <<= shift;
        i++;
    }
    *out = v;
    return i == n ? 0 : -EINVAL;
}

static int parse_option(const char *key, size_t klen, const char *val, size_t vlen,
                        struct tmpfs_options *opt)
{
    u64 v;
    int err;

#define IS(name) (klen == sizeof(name) - 1 && !memcmp(key, name, klen))
    if (IS("size") || IS("nr_blocks") || IS("nr_inodes")) {
        err = parse_number(val, vlen, 10, true, &v);
        if (err)
            return err;
        if (IS("nr_inodes"))
            opt->inodes = v;
        else if (IS("nr_blocks") && v > ~0ull / PAGE_SIZE)
            return -EINVAL;
        else
            opt->size = IS("size") ? v : v * PAGE_SIZE;
        return 0;
    }
    if (IS("mode")) {
        err = parse_number(val, vlen, 8, false, &v);
        opt->mode = (u32)v & 07777;
        return err;
    }
    if (IS("uid") || IS("gid")) {
        err = parse_number(val, vlen, 10, false, &v);
        if (err || v >= UINT32_MAX)
            return -EINVAL;
        *(IS("uid") ? &opt->uid : &opt->gid) = (u32)v;
        return 0;
    }
    if (IS("huge") || IS("mpol") || IS("inode64") || IS("inode32") || IS("noswap") || IS("rw") ||
        IS("ro") || IS("nosuid") || IS("nodev") || IS("noexec") || IS("relatime"))
        return 0;
#undef IS
    return -EINVAL;
}

int tmpfs_parse_options(const char *data, struct tmpfs_options *opt)
{
    while (data && *data) {
        size_t n = strcspn(data, ","), k = strcspn(data, "=,");
        int err = 0;

        if (n)
            err = parse_option(data, k, data + MIN(k + 1, n), k < n ? n - k - 1 : 0, opt);
        if (err)
            return err;
        data += n;
        data += *data == ',';
    }
    return 0;
}

static int mount_as(const char *type, const char *data, struct filesystem **fs,
                    struct dentry **root)
{
    const struct cred *cred = vfs_cred();
    struct tmpfs_options opt = {.mode = 01777, .uid = cred->fsuid, .gid = cred->fsgid};
    int err = tmpfs_parse_options(data, &opt);

    return err ? err : tmpfs_fs_new(type, &opt, fs, root);
}

static int tmpfs_mount(const char *source, u64 flags, const char *data, struct filesystem **fs,
                       struct dentry **root)
{
    return mount_as("tmpfs", data, fs, root);
}

static int ramfs_mount(const char *source, u64 flags, const char *data, struct filesystem **fs,
                       struct dentry **root)
{
    return mount_as("ramfs", data, fs, root);
}

extern const struct fs_type g_tmpfs_type, g_ramfs_type;
const struct fs_type g_tmpfs_type = {.name = "tmpfs", .mount = tmpfs_mount, .user_mount = true};
const struct fs_type g_ramfs_type = {.name = "ramfs", .mount = ramfs_mount, .user_mount = true};
