/* SPDX-License-Identifier: Apache-2.0 */
/* Sending, queueing, and delivering signals. */
#ifndef SENTRY_KERNEL_SIGNAL_H
#define SENTRY_KERNEL_SIGNAL_H

#include "sentry/kernel/task.h"

/* Permissions are the caller's business. info NULL = SI_KERNEL. -EAGAIN when the queue limit of a
 * realtime signal is reached. Any locks outside SIGHAND may be held. */
int signal_send_task(struct task *t, int sig, const struct linux_siginfo *info);
int signal_send_group(struct thread_group *g, int sig, const struct linux_siginfo *info);
/* TASKS is taken for reading. -ESRCH when the group is empty. */
int signal_send_pgrp(int pgid, int sig, const struct linux_siginfo *info);
/* kill(2) semantic check: current may signal g. */
bool signal_may_send(struct task *from, struct thread_group *to, int sig);
/* A synchronous fault of the current task: cannot be blocked or ignored. */
void signal_force(struct task *t, const struct linux_siginfo *info);
void siginfo_user(struct linux_siginfo *info, int sig, int code); /* si_pid, si_uid of current */

/* Changes t->blocked (self) and re-evaluates what is pending. KILL and STOP are dropped from it. */
void signal_set_mask(struct task *t, sigset64 mask);
/* Dequeues a signal in `set` for t: its number, 0 when none. */
int signal_dequeue(struct task *t, sigset64 set, struct linux_siginfo *info);
/* Pending for t (thread and process). */
sigset64 signal_pending_set(struct task *t);

/*
 * Before each return to the guest, when signal_work is set: group stop, exit, one or more handler
 * frames, syscall restart. False when the task must exit (task_exit has been called).
 */
bool signal_work(struct task *t);

/* arch/x86_64/sigframe.c: pushes a frame for ka; -EFAULT when the stack can't take it. */
int arch_signal_frame(struct task *t, int sig, const struct linux_siginfo *info,
                      const struct sigaction_k *ka, sigset64 mask);
s64 arch_sigreturn(struct task *t);

struct sighand *sighand_new(void);
struct sighand *sighand_copy(struct sighand *sh);
void sighand_put(struct sighand *sh);
/* exec: handlers become default, ignored ones stay. */
void sighand_reset(struct sighand *sh);
void sigpending_init(struct sigpending *p);
void sigpending_flush(struct thread_group *g, struct sigpending *p);

/* Registers of the task in its event: fetched on first use. */
struct arch_regs *task_regs(struct task *t);
/* The same, and they will be written back. */
struct arch_regs *task_regs_mut(struct task *t);

#endif
