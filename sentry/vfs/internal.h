/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of sentry/vfs share among themselves and with nobody else. */
#ifndef SENTRY_VFS_INTERNAL_H
#define SENTRY_VFS_INTERNAL_H

#include "sentry/vfs/vfs.h"

/* inode.c */
void vfs_now(struct linux_timespec *ts);

/* dentry.c */
void dentry_table_init(struct filesystem *fs);
void dentry_table_free(struct filesystem *fs);
/* tree_lock is held (any mode): the hashed child, no reference. */
struct dentry *dentry_find_locked(struct dentry *parent, const char *name, size_t len);
/*
 * Walks without the tree_lock: dentries are only ever freed to be dentries again, and the sequence
 * number of the tree says afterwards whether what was seen was true. Memory may be anything of that
 * type in between: pointers are checked, loops are bounded, nothing is written.
 */
#if defined(CV_DEBUG) || defined(CV_ASAN) || defined(__SANITIZE_ADDRESS__) ||                      \
    defined(__SANITIZE_THREAD__)
#define DENTRY_LOCKLESS 0 /* freed memory is poisoned, or every access is watched */
#else
#define DENTRY_LOCKLESS 1
#endif
/* False: the tree is being changed, take the lock. */
bool dentry_seq_begin(struct filesystem *fs, u32 *seq);
/* Nothing was changed since. */
bool dentry_seq_valid(struct filesystem *fs, u32 seq);
/* As dentry_find_locked(). *unsure: not known, take the lock. */
struct dentry *dentry_find_lockless(struct dentry *parent, const char *name, size_t len, u32 seq,
                                    bool *unsure);

/* file_async.c */
void file_async_free(struct file *f);

/* file_lock.c */
void file_locks_free(struct inode *inode);
/* Last reference to f: its OFD and flock locks go. */
void file_locks_release_file(struct file *f);

/* open.c */
void file_release_access(struct file *f);

/* permission.c */
/* -EROFS when the mount is read-only. */
int mount_want_write(const struct mount *mnt);
/* May entries be added to, or taken from, dir: MAY_WRITE | MAY_EXEC. */
int dir_may_change(struct inode *dir, const struct cred *cred);
/* Sticky bit: may victim be removed from dir. */
int dir_may_delete(struct inode *dir, struct inode *victim, const struct cred *cred);

/* resolve.c */
int vfs_rp_init(struct vfs_rp *rp, const struct vfs_path *start, int dirfd, const char *path,
                u32 flags);
int vfs_rp_run(struct vfs_rp *rp);
/* After RP_PARENT stopped before a symlink d: follow it and go on, still with RP_PARENT. */
int vfs_rp_continue_link(struct vfs_rp *rp, struct dentry *d);
/* Enters what is mounted on cur; 0 or -errno. */
int vfs_rp_cross_mounts(struct vfs_rp *rp);

/* setattr.c */
/* A write or truncation by someone without CAP_FSETID: the set-id bits go. data_lock is held. */
int inode_clear_privs_locked(struct inode *inode);
/* A new size, and what goes with it. Takes data_lock. */
int inode_truncate(struct inode *inode, u64 len);

#endif
