/* SPDX-License-Identifier: Apache-2.0 */
/* Ends of tasks and what the parent hears of it. */
#ifndef SENTRY_KERNEL_EXIT_H
#define SENTRY_KERNEL_EXIT_H

#include "sentry/kernel/task.h"

/* SIGCHLD (unless SA_NOCLDSTOP) and a wake-up of wait4. code: CLD_STOPPED, CLD_CONTINUED. Takes TASKS. */
void exit_notify_parent_stop(struct thread_group *g, int code, int sig);
/* TASKS held: terminal stop signals have no effect on g. */
bool exit_pgrp_orphaned(struct thread_group *g);
/* The old image goes: robust futexes, clear_child_tid, vfork parent. Called by exit and exec while
 * t->mm is still the old one. */
void exit_release_mm(struct task *t);
/* exec: ends all other threads of the group and takes over the leader's number. -EAGAIN when the group is
 * already exiting. */
int exit_other_threads(struct task *t);
/* g_init_exited: called once the last thread of g_init is gone, with its wait status. Set by boot. */
/* TASKS (write): takes a dead group out of the tree. mount_prune() is to follow, without the lock. */
void exit_reap_locked(struct thread_group *g);
extern void (*g_init_exited)(int wait_status);

/* The group's usage so far (live threads included) and that of its reaped children. TASKS held. */
void group_usage_locked(struct thread_group *g, struct rusage_k *self);
void rusage_add(struct rusage_k *to, const struct rusage_k *from);
struct linux_rusage;
void rusage_to_linux(const struct rusage_k *k, struct linux_rusage *ru);

#endif
