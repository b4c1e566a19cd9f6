/* SPDX-License-Identifier: Apache-2.0 */
/* signalfd: takes signals by reading. */
#ifndef SENTRY_FS_SIGNALFD_SIGNALFD_H
#define SENTRY_FS_SIGNALFD_SIGNALFD_H

#include "cvisor/types.h"

struct file;

/* flags: LINUX_SFD_NONBLOCK. */
int signalfd_file_new(u64 mask, u32 flags, struct file **out);
/* A new mask for an existing one; -EINVAL when f is no signalfd. */
int signalfd_set_mask(struct file *f, u64 mask);

#endif
