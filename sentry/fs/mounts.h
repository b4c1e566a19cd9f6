/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Constructors of filesystems that boot needs with more than strings. Each gives a new filesystem (one
 * reference) and its root dentry (one reference).
 */
#ifndef SENTRY_FS_MOUNTS_H
#define SENTRY_FS_MOUNTS_H

#include "cvisor/types.h"

struct dentry;
struct filesystem;

/* sock is a connected socket to a gofer server, owned by the filesystem from now on (also on failure). */
int gofer_fs_new(int sock, bool readonly, struct filesystem **fs, struct dentry **root);
/* A writable layer over lower. Both roots' references are taken over. */
int overlay_fs_new(struct filesystem *upper, struct dentry *upper_root, struct filesystem *lower,
                   struct dentry *lower_root, struct filesystem **fs, struct dentry **root);
/* size 0 = no limit but the sandbox's. */
int tmpfs_new(u64 size, u32 mode, u32 uid, u32 gid, struct filesystem **fs, struct dentry **root);
int proc_fs_new(struct filesystem **fs, struct dentry **root);
int dev_fs_new(struct filesystem **fs, struct dentry **root);
int sysfs_new(struct filesystem **fs, struct dentry **root);

#endif
