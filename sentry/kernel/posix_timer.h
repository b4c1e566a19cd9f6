/* SPDX-License-Identifier: Apache-2.0 */
/* POSIX timers and interval timers of a process, as the rest of the kernel sees them. */
#ifndef SENTRY_KERNEL_POSIX_TIMER_H
#define SENTRY_KERNEL_POSIX_TIMER_H

#include "cvisor/types.h"

struct linux_itimerspec;
struct linux_sigevent;
struct linux_siginfo;
struct posix_timer;
struct task;
struct thread_group;

/* A timer's queued signal is being delivered: fills si_overrun and lets the next one be queued.
 * sighand->lock is held. */
void posix_timer_signal_taken(struct posix_timer *pt, struct linux_siginfo *info);
/* execve: deletes POSIX timers, keeps interval timers. exit: deletes all. No locks held. */
void posix_timers_exec(struct thread_group *g);
void posix_timers_exit(struct thread_group *g);

/* ---- behind the syscalls; results are theirs ---- */

/* sev NULL: SIGALRM with the number as value. The new number or -errno. */
int posix_timer_create(struct task *t, int clock, const struct linux_sigevent *sev);
int posix_timer_delete(struct task *t, int id);
/* new is validated; old may be NULL. */
int posix_timer_set(struct task *t, int id, bool absolute, const struct linux_itimerspec *new,
                    struct linux_itimerspec *old);
int posix_timer_get(struct task *t, int id, struct linux_itimerspec *out);
int posix_timer_overrun(struct task *t, int id);

/* which: LINUX_ITIMER_*, valid. Times in ns; value 0 = not armed. */
struct itimer_value {
    u64 value, interval;
};
void itimer_get(struct thread_group *g, int which, struct itimer_value *out);
int itimer_set(struct thread_group *g, int which, const struct itimer_value *new,
               struct itimer_value *old);

#endif
