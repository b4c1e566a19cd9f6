/* SPDX-License-Identifier: Apache-2.0 */
/* Signal functions for callers that hold the sighand lock. */
#ifndef SENTRY_KERNEL_SIGNAL_INTERNAL_H
#define SENTRY_KERNEL_SIGNAL_INTERNAL_H

#include "sentry/kernel/signal.h"

#define SIGACT_DFL 0ull
#define SIGACT_IGN 1ull

enum sig_default { SIG_DEFAULT_TERM, SIG_DEFAULT_CORE, SIG_DEFAULT_IGNORE, SIG_DEFAULT_STOP };
enum sig_default signal_default(int sig);

struct posix_timer;
/* t NULL = process-directed. timer: the POSIX timer it belongs to, or NULL. */
int signal_send_locked(struct thread_group *g, struct task *t, struct sighand *sh, int sig,
                       const struct linux_siginfo *info, struct posix_timer *timer);
/* SIGHAND held: the timer goes, what it has queued goes with it. */
void signal_purge_timer(struct thread_group *g, struct posix_timer *timer);
/* SIGHAND held: a signal of the timer waits to be taken. */
bool signal_timer_queued(struct thread_group *g, struct task *t, struct posix_timer *timer);
int signal_dequeue_locked(struct task *t, sigset64 set, struct linux_siginfo *info);
sigset64 signal_pending_locked(struct task *t);
void signal_recalc(struct task *t);
/* SIGHAND held: t, which has stop_pending, stops or leaves. True when the group's stop waited for it
 * only: the parent is to be told, once the lock is dropped. */
bool group_stop_take_part(struct task *t);
void signal_retarget(struct task *t, sigset64 which);
void group_kill_locked(struct thread_group *g, int status);
/* Makes t run signal_work() soon. */
void task_set_signal_work(struct task *t);
/* sigaction(2). Takes the lock itself. new or old may be NULL. */
void signal_set_action(struct thread_group *g, int sig, const struct sigaction_k *new,
                       struct sigaction_k *old);

#endif
