/* SPDX-License-Identifier: Apache-2.0 */
/* Construction of tasks and groups: for clone.c and boot only. */
#ifndef SENTRY_KERNEL_TASK_ALLOC_H
#define SENTRY_KERNEL_TASK_ALLOC_H

#include "sentry/kernel/task.h"

/* One reference; takes one on g. Not in any list and without a number. */
struct task *task_alloc(struct thread_group *g);
/* One reference; consumes the reference on sh. */
struct thread_group *group_alloc(struct sighand *sh);

/* Makes the platform thread of a task that is in the tree. On failure the task is still there. */
int task_start(struct task *t);
/* The first process: numbers, its own session. TASKS is taken. */
int task_publish_init(struct task *t);
/* What clone() failed to start is taken out of the tree again, as if it had never been. */
void task_unpublish(struct task *t);

/* The platform's callback: sentry/kernel/event.c. */
extern const struct platform_kernel_ops g_kernel_platform_ops;

#endif
