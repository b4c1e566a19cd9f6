/* SPDX-License-Identifier: Apache-2.0 */
/* eventfd: a counter behind a descriptor. */
#ifndef SENTRY_FS_EVENTFD_EVENTFD_H
#define SENTRY_FS_EVENTFD_EVENTFD_H

#include "cvisor/types.h"

struct file;

/* flags: LINUX_EFD_SEMAPHORE, LINUX_EFD_NONBLOCK. */
int eventfd_file_new(u64 count, u32 flags, struct file **out);
/* For the kernel's own use (AIO): adds n, wakes readers. False when f is no eventfd. */
bool eventfd_signal(struct file *f, u64 n);

#endif
