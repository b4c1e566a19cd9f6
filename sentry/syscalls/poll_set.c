/* SPDX-License-Identifier: Apache-2.0 */
/* Waiting for one of many descriptors. */
#include "sentry/syscalls/poll_set.h"

#include "abi/linux/errno_internal.h"
#include "abi/linux/personality.h"
#include "abi/linux/poll.h"
#include "abi/linux/time.h"
#include "cvisor/kcache.h"
#include "sentry/kernel/fdtable.h"
#include "sentry/kernel/task.h"
#include "sentry/kernel/timer.h"
#include "sentry/mm/uaccess.h"

#include <errno.h>

#define POLL_ON_STACK 8

struct poll_entry {
    struct file *file; /* referenced; NULL: no such descriptor, or not asked for */
    struct waiter waiter;
};

/* Looks at the entries that are open: how many have revents. */
static int poll_look(struct linux_pollfd *pfds, struct poll_entry *e, u32 n, u32 always)
{
    int ready = 0;
    for (u32 i = 0; i < n; i++) {
        struct linux_pollfd *p = &pfds[i];
        if (e[i].file) {
            u32 want = (u16)p->events | always;
            p->revents = (s16)(file_poll(e[i].file) & want);
        }
        ready += p->revents != 0;
    }
    return ready;
}

static int poll_sleep(struct task *t, struct linux_pollfd *pfds, struct poll_entry *e, u32 n,
                      u64 deadline, u32 always)
{
    int ret;
    for (u32 i = 0; i < n; i++) {
        struct waitq *q = e[i].file ? file_waitq(e[i].file) : NULL;
        waiter_init_task(&e[i].waiter, t, (u16)pfds[i].events | LINUX_POLLERR | LINUX_POLLHUP);
        if (q)
            waitq_add(q, &e[i].waiter);
    }
    for (;;) {
        task_prepare_block(t);
        ret = poll_look(pfds, e, n, always);
        if (ret)
            break;
        ret = task_block(t, deadline);
        if (ret)
            break;
    }
    for (u32 i = 0; i < n; i++)
        waitq_remove(&e[i].waiter);
    if (ret == -ETIMEDOUT)
        return poll_look(pfds, e, n, always);
    return ret < 0 ? -ERESTARTNOHAND : ret;
}

int poll_set_wait(struct task *t, struct linux_pollfd *pfds, u32 n, u64 deadline, bool poll,
                  bool exact)
{
    u32 always = exact ? 0 : LINUX_POLLERR | LINUX_POLLHUP;
    struct poll_entry small[POLL_ON_STACK], *e = small;
    if (n > POLL_ON_STACK) {
        e = kcalloc(n, sizeof(*e));
        if (!e)
            return -ENOMEM;
    }
    for (u32 i = 0; i < n; i++) {
        e[i].file = pfds[i].fd >= 0 ? fd_get(t, pfds[i].fd) : NULL;
        pfds[i].revents = pfds[i].fd >= 0 && !e[i].file ? LINUX_POLLNVAL : 0;
    }
    int ret = poll_look(pfds, e, n, always);
    if (!ret && !poll)
        ret = poll_sleep(t, pfds, e, n, deadline, always);
    for (u32 i = 0; i < n; i++) {
        if (e[i].file)
            file_put(e[i].file);
    }
    if (e != small)
        kfree(e);
    return ret;
}

s64 poll_put_remaining(struct task *t, uaddr_t u, bool timeval, u64 deadline, s64 ret)
{
    int err;
    /* No time limit, or one of zero, which needs no update. */
    if (!u.v || !deadline)
        return ret;
    if (!(t->personality & LINUX_STICKY_TIMEOUTS)) {
        u64 now = kernel_now_mono(), left = deadline > now ? deadline - now : 0;
        if (timeval) {
            struct linux_timeval tv = ns_to_tv(left);
            err = copy_out(t, u, &tv, sizeof(tv));
        } else {
            struct linux_timespec ts = ns_to_timespec(left);
            err = copy_out(t, u, &ts, sizeof(ts));
        }
        if (!err)
            return ret;
    }
    /* Without the update it can't be restarted. A time limit in read-only memory is no error. */
    return ret == -ERESTARTNOHAND ? -EINTR : ret;
}
