/* SPDX-License-Identifier: Apache-2.0 */
/* epoll instances. epoll_file_release() is declared in sentry/vfs/vfs.h. */
#ifndef SENTRY_FS_EPOLL_EPOLL_H
#define SENTRY_FS_EPOLL_EPOLL_H

#include "cvisor/types.h"

struct file;
struct linux_epoll_event;
struct task;

int epoll_file_new(struct file **out);
bool file_is_epoll(struct file *f);
/* op: LINUX_EPOLL_CTL_*; ev is NULL for DEL only. f is what fd of the calling task is. */
int epoll_change(struct file *epf, int op, int fd, struct file *f,
                 const struct linux_epoll_event *ev);
/* Copies up to max events to the guest. deadline: CLOCK_MONOTONIC ns, TASK_FOREVER; poll: do not
 * sleep. The count, -EINTR, -EFAULT. */
int epoll_await(struct task *t, struct file *epf, uaddr_t events, int max, u64 deadline, bool poll);

#endif
