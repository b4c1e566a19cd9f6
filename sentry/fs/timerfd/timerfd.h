/* SPDX-License-Identifier: Apache-2.0 */
/* timerfd: a timer behind a descriptor. */
#ifndef SENTRY_FS_TIMERFD_TIMERFD_H
#define SENTRY_FS_TIMERFD_TIMERFD_H

#include "cvisor/types.h"

struct file;
struct linux_itimerspec;

/* clock is valid. flags: LINUX_TFD_NONBLOCK. */
int timerfd_file_new(int clock, u32 flags, struct file **out);
/* -EINVAL when f is no timerfd. new is validated; old may be NULL. */
int timerfd_set(struct file *f, bool absolute, const struct linux_itimerspec *new,
                struct linux_itimerspec *old);
int timerfd_get(struct file *f, struct linux_itimerspec *out);

#endif
