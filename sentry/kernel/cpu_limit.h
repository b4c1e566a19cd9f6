/* SPDX-License-Identifier: Apache-2.0 */
/* RLIMIT_CPU: SIGXCPU each second beyond the soft limit, SIGKILL at the hard one. */
#ifndef SENTRY_KERNEL_CPU_LIMIT_H
#define SENTRY_KERNEL_CPU_LIMIT_H

struct thread_group;

/* The limit was set, or inherited by a new process: starts watching when it is finite. No locks held. */
void cpu_limit_changed(struct thread_group *g);
/* The last thread has gone. No locks held. */
void cpu_limit_exit(struct thread_group *g);

#endif
