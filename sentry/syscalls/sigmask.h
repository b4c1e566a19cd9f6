/* SPDX-License-Identifier: Apache-2.0 */
/* The temporary signal mask of ppoll, pselect6, epoll_pwait. */
#ifndef SENTRY_SYSCALLS_SIGMASK_H
#define SENTRY_SYSCALLS_SIGMASK_H

#include "sentry/kernel/signal.h"
#include "sentry/mm/uaccess.h"

#include <errno.h>

/* Installs the mask at u (none when NULL) until sigmask_leave(). 0 or -errno. */
static inline int sigmask_enter(struct task *t, uaddr_t u, u64 size)
{
    sigset64 set;
    if (!u.v)
        return 0;
    if (size != LINUX_SIGSET_SIZE)
        return -EINVAL;
    if (get_u64(t, &set, u))
        return -EFAULT;
    t->saved_mask = t->blocked;
    t->restore_mask = true;
    signal_set_mask(t, set);
    return 0;
}

/* interrupted: a signal ended the call: its handler runs first, the mask is restored by it. */
static inline void sigmask_leave(struct task *t, bool interrupted)
{
    if (!t->restore_mask || interrupted)
        return;
    t->restore_mask = false;
    signal_set_mask(t, t->saved_mask);
}

#endif
