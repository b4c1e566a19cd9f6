/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of /sys share. */
#ifndef SENTRY_FS_SYSFS_SYSFS_H
#define SENTRY_FS_SYSFS_SYSFS_H

#include "sentry/fs/kernfs/kernfs.h"

/* /sys/devices/system/cpu: constant files and a directory for each processor. */
extern const struct kernfs_node g_sysfs_cpu_nodes[];
extern const struct inode_ops g_sysfs_cpu_iops;
extern const struct file_ops g_sysfs_cpu_fops;

/* All processors, as a list ("0-3") and as a mask. */
int sysfs_show_cpu_list(struct inode *inode, struct ktext *t);
int sysfs_show_cpu_map(struct inode *inode, struct ktext *t);

#endif
