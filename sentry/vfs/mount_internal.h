/* SPDX-License-Identifier: Apache-2.0 */
/* The mount table, shared by the files that change it. */
#ifndef SENTRY_VFS_MOUNT_INTERNAL_H
#define SENTRY_VFS_MOUNT_INTERNAL_H

#include "sentry/vfs/vfs.h"

#define MOUNT_NS_MAX 100000u /* mounts in one namespace */
#define MOUNT_DEPTH_MAX 500u /* mounts above each other: trees are walked by recursion */

struct mount_ns {
    struct ref refs;
    struct mount *root;      /* one reference; g_mounts_lock */
    struct list_head mounts; /* mount.ns_node; g_mounts_lock */
    u32 count;               /* g_mounts_lock */
};

extern struct rwlock g_mounts_lock; /* rank VFS_MOUNTS */
extern struct mutex g_mount_change; /* rank VFS_MOUNT_CHANGE */

/* m and all below it may hang below parent. g_mounts_lock. */
bool mount_fits_locked(struct mount *m, struct mount *parent);
/* As fs_ops.point_is_dead. */
bool mount_point_is_dead(struct dentry *point);
struct mount *mount_find_locked(struct mount *mnt, struct dentry *point);
void mount_link_locked(struct mount *m, struct mount *parent, struct dentry *point);
struct dentry *mount_unlink_locked(struct mount *m);
void mount_set_ns_locked(struct mount *m, struct mount_ns *ns);
void mount_detach_tree_locked(struct mount *m, struct list_head *dead);
void mount_put_dead(struct list_head *dead);
/* g_mount_change is held; m's reference is consumed on success only. */
int mount_attach_locked(struct mount_ns *ns, struct mount *m, const struct vfs_path *at);

#endif
