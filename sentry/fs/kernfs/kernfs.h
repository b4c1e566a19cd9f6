/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Synthetic filesystems: a constant tree of nodes (directories, text files, symlinks). Dentries and
 * inodes are made when a name is looked up and go with their last user. What is not constant
 * (directories of processes, of processors) brings inode operations of its own and embeds struct
 * kernfs_inode.
 */
#ifndef SENTRY_FS_KERNFS_KERNFS_H
#define SENTRY_FS_KERNFS_KERNFS_H

#include "sentry/fs/kernfs/ktext.h"
#include "sentry/vfs/vfs.h"

/* Capabilities do not override the mode of the file (sysctl). */
#define KERNFS_STRICT_MODE 1u

struct kernfs_node {
    const char *name;                   /* NULL ends an array */
    u32 mode;                           /* type and permissions */
    u32 flags;                          /* KERNFS_*, and those of the filesystem from 256 on */
    const struct kernfs_node *children; /* directory; NULL = empty */
    const char *text;                   /* fixed content of a file, target of a symlink */
    /* Makes the whole content: 0 or -errno. No locks but FILE_POS are held; may block. */
    int (*show)(struct inode *inode, struct ktext *t);
    /* A write: n bytes (less than a page) and a NUL after them. 0 or -errno. FILE_POS and data_lock
     * are held. */
    int (*store)(struct inode *inode, const char *buf, size_t n);
    const struct inode_ops *iops; /* instead of the default of the type */
    const struct file_ops *fops;  /* instead of text */
    const void *data;             /* for show and store */
    u64 arg;
};

struct kernfs_inode {
    struct inode inode;
    const struct kernfs_node *node; /* immutable */
    /* inode.ino = ino_base + code; a child's code is 256 * code + its index + 1: the same number
     * at each lookup, and nobody has to keep a table. Immutable. */
    u64 ino_base, code;
    u64 arg; /* of a directory made by the filesystem, inherited by what is below. Immutable */
};

static inline struct kernfs_inode *kernfs_i(struct inode *inode)
{
    return container_of(inode, struct kernfs_inode, inode);
}

extern const struct inode_ops g_kernfs_dir_iops, g_kernfs_file_iops, g_kernfs_link_iops;
extern const struct file_ops g_kernfs_dir_fops, g_kernfs_text_fops;

/* Fills an embedded kernfs_inode. iops, fops: defaults for the type of node unless the node has its
 * own; NULL = those above. */
void kernfs_inode_init(struct kernfs_inode *ki, struct filesystem *fs,
                       const struct kernfs_node *node, u64 ino_base, u64 code,
                       const struct inode_ops *iops);
/* A plain one from the cache of kernfs. */
struct kernfs_inode *kernfs_inode_new(struct filesystem *fs, const struct kernfs_node *node,
                                      u64 ino_base, u64 code, u64 arg);
static inline u64 kernfs_child_code(const struct kernfs_inode *dir, size_t index)
{
    return dir->code * 256 + index + 1;
}
/* Index of name among the children of node, or -1. */
int kernfs_find(const struct kernfs_node *node, const char *name, size_t len);
/* Filesystem (fs is zeroed memory of the caller's) and its root. On failure fs is put. */
int kernfs_init(struct filesystem *fs, const char *type, u64 magic, const struct fs_ops *ops,
                u32 flags, const struct kernfs_node *root_node, struct dentry **root);

/* ---- for operations tables that add to the default ------------------------------------------- */

int kernfs_lookup(struct inode *dir, struct dentry *d);
int kernfs_open(struct inode *inode, struct dentry *d, struct file *f);
int kernfs_setattr(struct inode *inode, const struct iattr *attr);
int kernfs_permission(struct inode *inode, const struct cred *cred, u32 may);
void kernfs_destroy(struct inode *inode);
/* "." and "..", then the constant children: cookies 2 .. 2 + n. True when all of them are out. */
bool kernfs_emit_children(struct file *f, struct dir_emit *e);
size_t kernfs_child_count(const struct kernfs_node *node);
int kernfs_iterate(struct file *f, struct dir_emit *e);
/* SEEK_SET and SEEK_CUR only. */
s64 kernfs_llseek(struct file *f, s64 off, int whence);

/* Parses a decimal number with optional sign, leading blanks and one newline at the end: 0 or -EINVAL. */
int kernfs_parse_int(const char *buf, size_t n, s64 *out);

#endif
