/* SPDX-License-Identifier: Apache-2.0 */
/* Readiness of host descriptors: one thread waits in a host epoll and notifies wait queues. */
#ifndef SENTRY_FS_HOST_NOTIFIER_H
#define SENTRY_FS_HOST_NOTIFIER_H

#include "cvisor/types.h"

struct waitq;

/* q is notified when fd becomes ready for any of IN, OUT, HUP, ERR. -EPERM for files that are always ready
 * (regular files). Starts the thread on first use. */
int notifier_add(int fd, struct waitq *q);
/* After it returns q is not used any more. */
void notifier_remove(int fd);

#endif
