/* SPDX-License-Identifier: Apache-2.0 */
/* Record locks (POSIX and OFD) and flock. */
#ifndef SENTRY_VFS_FILE_LOCK_H
#define SENTRY_VFS_FILE_LOCK_H

#include "cvisor/types.h"

struct fdtable;
struct file;
struct linux_flock;

/* fcntl: cmd is LINUX_F_(OFD_)GETLK, SETLK or SETLKW. GETLK fills *fl. owner: the descriptor table, for
 * the commands that are not OFD. SETLKW may block: -ERESTARTSYS, -EDEADLK. */
int file_lock_fcntl(struct file *f, int cmd, struct linux_flock *fl, struct fdtable *owner);
/* flock(2). */
int file_lock_flock(struct file *f, int op);

#endif
