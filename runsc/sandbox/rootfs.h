/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mounts of the sandbox's processes. The sentry sees an empty folder. The gofer holds each exported
 * tree as a detached mount of its own, and sees an empty folder too. Nothing is ever mounted where
 * the host could see it.
 */
#ifndef RUNSC_SANDBOX_ROOTFS_H
#define RUNSC_SANDBOX_ROOTFS_H

#include "runsc/sandbox/config.h"

/* Stops propagation to and from the host. Needed unless the mount namespace came with a new user
 * namespace. */
int rootfs_make_private(struct error *e);

/* Hides every mount of the host kernel's own file systems (proc, sysfs, devtmpfs, cgroup, ...) below
 * an empty one, so that no export shows them, however it is reached. */
int rootfs_hide_kernel_fs(struct error *e);

/* The tree at x->source as a detached mount without device nodes and set-user-ID, read-only if so
 * asked: an O_PATH descriptor of its root, a folder or a file. -errno with a message. */
int rootfs_open_export(const struct config_export *x, struct error *e);

/* An empty read-only folder becomes "/" and the current folder; everything else is unmounted. */
int rootfs_enter_empty(struct error *e);

#endif
