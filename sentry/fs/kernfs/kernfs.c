/* SPDX-License-Identifier: Apache-2.0 */
/* Inodes and directories of synthetic filesystems. */
#include "sentry/fs/kernfs/kernfs.h"

#include "abi/linux/dirent.h"
#include "abi/linux/fcntl.h"
#include "cvisor/kcache.h"
#include "sentry/kernel/cred.h"

#include <errno.h>
#include <string.h>

KCACHE(kernfs_inode);

/* ---- inodes ---------------------------------------------------------------------------------- */

size_t kernfs_child_count(const struct kernfs_node *node)
{
    size_t n = 0;

    while (node->children && node->children[n].name)
        n++;
    return n;
}

static u32 dir_nlink(const struct kernfs_node *node)
{
    u32 n = 2;

    for (const struct kernfs_node *c = node->children; c && c->name; c++)
        n += LINUX_S_ISDIR(c->mode);
    return n;
}

void kernfs_inode_init(struct kernfs_inode *ki, struct filesystem *fs,
                       const struct kernfs_node *node, u64 ino_base, u64 code,
                       const struct inode_ops *iops)
{
    const struct file_ops *fops = node->fops;
    const struct inode_ops *def;

    switch (node->mode & LINUX_S_IFMT) {
    case LINUX_S_IFDIR:
        def = &g_kernfs_dir_iops;
        fops = fops ? fops : &g_kernfs_dir_fops;
        break;
    case LINUX_S_IFLNK:
        def = &g_kernfs_link_iops;
        break;
    default:
        def = &g_kernfs_file_iops;
        fops = fops ? fops : &g_kernfs_text_fops;
        break;
    }
    if (node->iops)
        iops = node->iops;
    inode_init(&ki->inode, fs, ino_base + code, node->mode, iops ? iops : def, fops);
    ki->inode.blksize = 1024;
    if (LINUX_S_ISDIR(node->mode))
        atomic_store(&ki->inode.nlink, dir_nlink(node));
    ki->node = node;
    ki->ino_base = ino_base;
    ki->code = code;
}

struct kernfs_inode *kernfs_inode_new(struct filesystem *fs, const struct kernfs_node *node,
                                      u64 ino_base, u64 code, u64 arg)
{
    struct kernfs_inode *ki = kcache_alloc(kernfs_inode);

    if (!ki)
        return NULL;
    kernfs_inode_init(ki, fs, node, ino_base, code, NULL);
    ki->arg = arg;
    return ki;
}

void kernfs_destroy(struct inode *inode)
{
    inode_fini(inode);
    kcache_free(kernfs_inode, kernfs_i(inode));
}

/* Owners and modes are what the kernel says; the size is not kept. */
int kernfs_setattr(struct inode *inode, const struct iattr *attr)
{
    return attr->valid & (ATTR_MODE | ATTR_UID | ATTR_GID) ? -EPERM : 0;
}

int kernfs_permission(struct inode *inode, const struct cred *cred, u32 may)
{
    u32 mode;

    if (!(kernfs_i(inode)->node->flags & KERNFS_STRICT_MODE))
        return inode_permission_generic(inode, cred, may);
    mode = atomic_load(&inode->mode);
    if (cred->fsuid == atomic_load(&inode->uid))
        mode >>= 6;
    else if (cred_in_group(cred, atomic_load(&inode->gid)))
        mode >>= 3;
    return may & ~mode & 7 ? -EACCES : 0;
}

/* ---- directories ----------------------------------------------------------------------------- */

int kernfs_find(const struct kernfs_node *node, const char *name, size_t len)
{
    for (int i = 0; node->children && node->children[i].name; i++) {
        const char *c = node->children[i].name;

        if (!strncmp(c, name, len) && !c[len])
            return i;
    }
    return -1;
}

int kernfs_lookup(struct inode *dir, struct dentry *d)
{
    struct kernfs_inode *parent = kernfs_i(dir), *ki;
    int i = kernfs_find(parent->node, d->name, d->name_len);

    if (i < 0)
        return -ENOENT;
    ki = kernfs_inode_new(dir->fs, &parent->node->children[i], parent->ino_base,
                          kernfs_child_code(parent, (size_t)i), parent->arg);
    if (!ki)
        return -ENOMEM;
    dentry_instantiate(d, &ki->inode);
    return 0;
}

bool kernfs_emit_children(struct file *f, struct dir_emit *e)
{
    struct kernfs_inode *ki = kernfs_i(f->inode);
    size_t n = kernfs_child_count(ki->node);

    if (!dir_emit_dots(f, e))
        return false;
    while (f->pos < 2 + n) {
        size_t i = f->pos - 2;
        const struct kernfs_node *c = &ki->node->children[i];

        if (!dir_emit(e, c->name, strlen(c->name), ki->ino_base + kernfs_child_code(ki, i),
                      (u8)LINUX_MODE_TO_DT(c->mode), f->pos + 1))
            return false;
        f->pos++;
    }
    return true;
}

int kernfs_iterate(struct file *f, struct dir_emit *e)
{
    kernfs_emit_children(f, e);
    return 0;
}

s64 kernfs_llseek(struct file *f, s64 off, int whence)
{
    if (whence != LINUX_SEEK_SET && whence != LINUX_SEEK_CUR)
        return -EINVAL;
    return file_llseek_size(f, off, whence, 0);
}

/* ---- symlinks -------------------------------------------------------------------------------- */

static int kernfs_readlink(struct inode *inode, char **target)
{
    *target = kstrdup(kernfs_i(inode)->node->text);
    return *target ? 0 : -ENOMEM;
}

/* ---- tables ---------------------------------------------------------------------------------- */

const struct inode_ops g_kernfs_dir_iops = {
    .lookup = kernfs_lookup,
    .setattr = kernfs_setattr,
    .destroy = kernfs_destroy,
};

const struct inode_ops g_kernfs_file_iops = {
    .open = kernfs_open,
    .setattr = kernfs_setattr,
    .permission = kernfs_permission,
    .destroy = kernfs_destroy,
};

const struct inode_ops g_kernfs_link_iops = {
    .readlink = kernfs_readlink,
    .setattr = kernfs_setattr,
    .destroy = kernfs_destroy,
};

const struct file_ops g_kernfs_dir_fops = {
    .iterate = kernfs_iterate,
    .llseek = kernfs_llseek,
};

int kernfs_init(struct filesystem *fs, const char *type, u64 magic, const struct fs_ops *ops,
                u32 flags, const struct kernfs_node *root_node, struct dentry **root)
{
    struct kernfs_inode *ki;
    struct dentry *d;

    fs_init(fs, type, magic, ops, flags | FS_NO_DCACHE);
    ki = kernfs_inode_new(fs, root_node, 0, 1, 0);
    d = ki ? dentry_alloc(fs, NULL, "", 0) : NULL;
    if (!d) {
        if (ki)
            inode_put(&ki->inode);
        fs_put(fs);
        return -ENOMEM;
    }
    dentry_instantiate(d, &ki->inode);
    *root = d;
    return 0;
}
