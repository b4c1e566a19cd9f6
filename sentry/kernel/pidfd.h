/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptors that refer to processes. */
#ifndef SENTRY_KERNEL_PIDFD_H
#define SENTRY_KERNEL_PIDFD_H

#include "cvisor/types.h"

struct file;
struct task;
struct thread_group;

/* A close-on-exec descriptor of t for g. flags: LINUX_O_NONBLOCK. The number or -errno. */
int pidfd_create(struct task *t, struct thread_group *g, u32 flags);
/* The process behind f, referenced, or NULL when f is no pidfd. */
struct thread_group *pidfd_group(struct file *f);
/* The group's end: wakes pollers. TASKS held. */
void pidfd_notify_exit(struct thread_group *g);

#endif
