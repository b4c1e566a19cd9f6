/* SPDX-License-Identifier: Apache-2.0 */
/* Structures of tmpfs. */
#ifndef SENTRY_FS_TMPFS_INTERNAL_H
#define SENTRY_FS_TMPFS_INTERNAL_H

#include "cvisor/rangetree.h"
#include "sentry/fs/tmpfs/tmpfs.h"
#include "sentry/mm/mm.h"
#include "sentry/vfs/vfs.h"

struct tmpfs {
    struct filesystem fs;
    u64 max_pages, max_inodes; /* atomic reads; remount */
    _Atomic u64 used_pages, used_inodes;
};

/* Bytes [node.start, node.end) of the file are at off of the memory file. Page-aligned. */
struct tmpfs_extent {
    struct range_node node;
    u64 off;
};

/* One entry of a directory, in order of creation: node.start is its cookie. d->priv points back. */
struct tmpfs_dirent {
    struct range_node node;
    struct dentry *d; /* hashed, so it lives as long as the entry */
};

struct tmpfs_xattr {
    struct list_head node;
    size_t n;
    u8 *value;
    char *name;
};

struct tmpfs_inode {
    struct inode inode;
    struct mappable map;
    /* Regular files. Lock order: inode.data_lock (writers), cache_lock. */
    struct mutex cache_lock;  /* rank FILE_DATA */
    struct rangetree extents; /* cache_lock; removal also under data_lock */
    u64 pages;                /* charged; cache_lock */
    /* Allocated ahead of a sequential writer; touched: maybe not all zeroes. cache_lock */
    u64 spec_start;
    _Atomic u64 spec_end;
    bool spec_touched;
    _Atomic u32 seals; /* LINUX_F_SEAL_*; changed under data_lock */
    bool anonymous;    /* shared anonymous memory: large pieces. Immutable */
    bool linkable;     /* O_TMPFILE without O_EXCL; dir_lock of the linker */
    /* Directories: dir_lock */
    struct rangetree entries;
    u64 next_cookie;
    /* Symlinks: immutable */
    char *target;
    struct list_head xattrs; /* attr_lock */
    size_t xattr_bytes;      /* attr_lock */
};

static inline struct tmpfs *tmpfs_of(struct filesystem *fs)
{
    return (struct tmpfs *)fs->priv;
}

static inline struct tmpfs_inode *tmpfs_i(struct inode *inode)
{
    return container_of(inode, struct tmpfs_inode, inode);
}

/* tmpfs_inode.c */
/* A new inode (one reference), charged. dir may be NULL: then root owns it. */
int tmpfs_inode_new(struct filesystem *fs, struct inode *dir, u32 mode, u64 rdev,
                    struct tmpfs_inode **out);

/* tmpfs_data.c: cache_lock is held for _locked ones. */
extern const struct mappable_ops g_tmpfs_mappable_ops;
bool tmpfs_charge(struct tmpfs *t, u64 pages);
void tmpfs_uncharge(struct tmpfs *t, u64 pages);
struct tmpfs_extent *tmpfs_extent_at(struct tmpfs_inode *ti, u64 pos);
/* Backs [start, end) (page-aligned, a hole) as far as limits allow: the extent that contains start,
 * or NULL. holes: in memory that has no pages yet. */
struct tmpfs_extent *tmpfs_fill_locked(struct tmpfs_inode *ti, u64 start, u64 end, bool holes);
/* Releases whole pages of [start, end); data_lock is held. -ENOMEM. */
int tmpfs_drop(struct tmpfs_inode *ti, u64 start, u64 end);
/* Zeroes [start, end) where it is backed; data_lock is held. */
void tmpfs_zero(struct tmpfs_inode *ti, u64 start, u64 end);
/* Gives back what was allocated ahead; data_lock is held. */
void tmpfs_trim(struct tmpfs_inode *ti);
/* Changes the size and what goes with it, not the times. data_lock is held. */
int tmpfs_truncate(struct tmpfs_inode *ti, u64 size);
u64 tmpfs_blocks(struct tmpfs_inode *ti);

/* tmpfs_file.c */
extern const struct file_ops g_tmpfs_file_ops;
/* tmpfs_dir.c */
extern const struct inode_ops g_tmpfs_dir_inode_ops;
extern const struct file_ops g_tmpfs_dir_ops;
/* tmpfs_inode.c */
extern const struct inode_ops g_tmpfs_inode_ops;
int tmpfs_getattr(struct inode *inode, struct linux_stat *st);
int tmpfs_setattr(struct inode *inode, const struct iattr *attr);
void tmpfs_inode_destroy(struct inode *inode);

/* tmpfs_xattr.c */
ssize_t tmpfs_getxattr(struct inode *inode, const char *name, void *buf, size_t n);
int tmpfs_setxattr(struct inode *inode, const char *name, const void *buf, size_t n, int flags);
ssize_t tmpfs_listxattr(struct inode *inode, char *buf, size_t n);
int tmpfs_removexattr(struct inode *inode, const char *name);
void tmpfs_xattr_free(struct tmpfs_inode *ti);

/* Frees the entries of a directory that nobody can reach any more. */
void tmpfs_dirents_free(struct tmpfs_inode *ti);

#endif
