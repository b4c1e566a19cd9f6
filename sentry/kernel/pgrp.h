/* SPDX-License-Identifier: Apache-2.0 */
/* Process groups and sessions. TASKS (write) unless said. */
#ifndef SENTRY_KERNEL_PGRP_H
#define SENTRY_KERNEL_PGRP_H

#include "sentry/kernel/task.h"

/* New session with one new group, both numbered id; one reference on the group to the caller. */
struct process_group *session_new(int id);
/* New group in a session. One reference to the caller. */
struct process_group *pgrp_new(int id, struct session *s);
void pgrp_get(struct process_group *pg);
void pgrp_put(struct process_group *pg);
/* Moves g into pg (takes a reference, drops the old one, releases empty groups' numbers). */
void pgrp_join(struct thread_group *g, struct process_group *pg);
/* g leaves its group for good (reaped). Keeps g->pgrp for late readers. */
void pgrp_leave(struct thread_group *g);
/* Some member's parent is in another group of the same session; `except` does not count. */
bool pgrp_is_orphaned(struct process_group *pg, struct thread_group *except);
bool pgrp_has_stopped(struct process_group *pg);
/* After g exits or leaves: groups that became orphaned with stopped members get HUP and CONT. TASKS
 * held for writing; except = the exiting group. */
void pgrp_check_orphans(struct thread_group *exiting);
/* The same for the group of a child that has just got a new parent. */
void pgrp_check_reparented(struct thread_group *child, struct thread_group *old_parent);
/* Sends to every member. TASKS held (either way). */
int pgrp_signal_locked(struct process_group *pg, int sig, const struct linux_siginfo *info);

#endif
