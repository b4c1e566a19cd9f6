/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbers of tasks, process groups and sessions. A number stays taken while any of the three uses
 * it. Everything here wants g_tasks_lock (write to change, read to look up).
 */
#ifndef SENTRY_KERNEL_PIDTAB_H
#define SENTRY_KERNEL_PIDTAB_H

#include "cvisor/list.h"

struct process_group;
struct session;
struct task;

struct pid {
    struct list_head node;
    int nr;
    struct task *task; /* not referenced: cleared before the task is released */
    struct process_group *pgrp;
    struct session *session;
};

void pidtab_init(void);
/* A fresh number with task set; -EAGAIN when none is left, -ENOMEM. */
int pidtab_alloc(struct task *t);
/* A given number (clone3 set_tid): -EEXIST. */
int pidtab_alloc_at(struct task *t, int nr);
struct pid *pidtab_find(int nr);
/* Frees the number when nothing uses it any more. Call after clearing a member. */
void pidtab_release(struct pid *p);
/* Calls fn for every task number >= from in ascending order... use pidtab_next for /proc. */
struct task *pidtab_next_leader(int from);
u32 pidtab_count(void);

#endif
