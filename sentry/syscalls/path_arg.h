/* SPDX-License-Identifier: Apache-2.0 */
/* Paths as arguments of syscalls. */
#ifndef SENTRY_SYSCALLS_PATH_ARG_H
#define SENTRY_SYSCALLS_PATH_ARG_H

#include "sentry/vfs/vfs.h"

struct task;

/* What `dirfd, path, AT_* flags` means: copies the path in and resolves it (AT_SYMLINK_NOFOLLOW,
 * AT_SYMLINK_FOLLOW via follow, AT_EMPTY_PATH). out is owned by the caller. */
int path_arg_resolve(struct task *t, int dirfd, uaddr_t path, bool follow, int at_flags,
                     struct vfs_path *out);
/* The path of a descriptor, referenced. -EBADF. plain: O_PATH is refused. */
int path_arg_fd(struct task *t, int fd, bool plain, struct vfs_path *out);

#endif
