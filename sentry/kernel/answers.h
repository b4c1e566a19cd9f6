/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers: system calls without arguments whose result changes rarely, and which the platform may give
 * by itself (platform_thread_answer). Whoever changes a result tells it here, before anything
 * from which the guest could know of the change.
 */
#ifndef SENTRY_KERNEL_ANSWERS_H
#define SENTRY_KERNEL_ANSWERS_H

#include "cvisor/types.h"

struct task;
struct thread_group;

/* What the system call gives: getpid, gettid, getppid, getuid, geteuid, getgid, getegid, getpgrp. Self;
 * TASKS is held for getppid and getpgrp. */
s64 answers_value(const struct task *t, u32 nr);

/* At START. Takes TASKS. Self. */
void answers_start(struct task *t);
/* t->cred was replaced. Self. */
void answers_cred_changed(struct task *t);
/* The rest with TASKS held for writing: for the task, and for every task of the process. */
void answers_tid_changed(struct task *t);
void answers_parent_changed(struct thread_group *g);
void answers_pgrp_changed(struct thread_group *g);

#endif
