/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tmpfs: files in the memory file, directories in the dentry tree. devtmpfs is built from it, shared
 * anonymous memory and memfds are its files without names.
 */
#ifndef SENTRY_FS_TMPFS_TMPFS_H
#define SENTRY_FS_TMPFS_TMPFS_H

#include "sentry/vfs/vfs.h"

struct tmpfs_options {
    u64 size;           /* bytes, 0 = half of the memory file's limit */
    u64 inodes;         /* 0 = default */
    u32 mode, uid, gid; /* of the root directory */
};

/* A filesystem with its root directory; one reference to each. (tmpfs_new of fs/mounts.h is the short
 * form for boot.) */
int tmpfs_fs_new(const char *type_name, const struct tmpfs_options *opt, struct filesystem **fs,
                 struct dentry **root);
/* size=, nr_blocks=, nr_inodes=, mode=, uid=, gid=; others: -EINVAL. data may be NULL. */
int tmpfs_parse_options(const char *data, struct tmpfs_options *opt);
/* Puts an entry into a directory of a tmpfs without permission checks (boot, devtmpfs). target: of a
 * symlink. out may be NULL, else referenced. */
int tmpfs_add(struct dentry *dir, const char *name, u32 mode, u64 rdev, const char *target,
              struct dentry **out);

/* memfd_create. name: "memfd:x", which /proc shows as "/memfd:x (deleted)". flags: LINUX_MFD_*. */
int memfd_file_new(const char *name, u32 flags, struct file **out);
/* F_ADD_SEALS, F_GET_SEALS: -EINVAL when f is no file of a tmpfs. */
int memfd_add_seals(struct file *f, u32 seals);
int memfd_get_seals(struct file *f);

#endif
