/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptor tables, shared by CLONE_FILES. */
#ifndef SENTRY_KERNEL_FDTABLE_H
#define SENTRY_KERNEL_FDTABLE_H

#include "cvisor/types.h"

struct fdtable;
struct file;
struct task;

#define FD_MAX (1 << 20) /* hard bound of a descriptor number */

struct fdtable *fdtable_new(void);
struct fdtable *fdtable_copy(struct fdtable *ft);
/* Somebody else uses it too (a stale answer is possible only towards true). */
bool fdtable_shared(struct fdtable *ft);
void fdtable_get(struct fdtable *ft);
void fdtable_put(struct fdtable *ft); /* last one closes everything */

/* Referenced file of a descriptor of t's table, or NULL. _path: O_PATH files too (plain fd_get
 * refuses them: the syscall returns EBADF). */
struct file *fd_get(struct task *t, int fd);
struct file *fd_get_path(struct task *t, int fd);
/* Lowest free number >= min under RLIMIT_NOFILE; consumes the caller's file reference on success. The
 * number, or -EMFILE, -ENOMEM. */
int fd_install(struct task *t, struct file *f, bool cloexec, int min);
/* Reserve first, publish later (pipe, SCM_RIGHTS): reserve returns the number; then fill or cancel. */
int fd_reserve(struct task *t, int min);
void fd_fill(struct task *t, int fd, struct file *f, bool cloexec); /* consumes the reference */
void fd_cancel(struct task *t, int fd);
/* dup2/dup3: replaces (closing the old one). Consumes f's reference on success. */
int fd_replace(struct task *t, int fd, struct file *f, bool cloexec);
int fd_close(struct task *t, int fd);
int fd_close_range(struct task *t, u32 first, u32 last, bool cloexec_only);
int fd_get_cloexec(struct task *t, int fd); /* 0, 1 or -EBADF */
int fd_set_cloexec(struct task *t, int fd, bool on);
void fdtable_close_on_exec(struct task *t);
/* /proc/PID/fd: smallest open number >= fd, or -1; and the file, referenced. */
int fdtable_next(struct fdtable *ft, int fd);
struct file *fdtable_lookup(struct fdtable *ft, int fd, bool *cloexec);

#endif
