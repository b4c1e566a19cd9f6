/* SPDX-License-Identifier: Apache-2.0 */
/*
 * O_ASYNC: SIGIO (or the signal of F_SETSIG) to a file's owner when it becomes ready. The waiter is
 * called under the event source's lock, where no signal can be sent: it arms a timer that is due at
 * once.
 */
#include "abi/linux/fcntl.h"
#include "abi/linux/poll.h"
#include "abi/linux/signal.h"
#include "cvisor/kcache.h"
#include "sentry/kernel/cred.h"
#include "sentry/kernel/signal.h"
#include "sentry/kernel/task.h"
#include "sentry/kernel/timer.h"
#include "sentry/kernel/waitq.h"
#include "sentry/vfs/internal.h"
#include "sentry/vfs/vfs.h"

#include <errno.h>
#include <string.h>

struct file_async {
    struct waiter waiter;
    struct ktimer timer;
    struct file *file;       /* owns this */
    _Atomic u32 events;      /* seen since the last signal */
    int fd;                  /* for si_fd */
    const struct cred *cred; /* who set it: may it signal the owner */
};

KCACHE(file_async);

#define EVENTS (LINUX_POLLIN | LINUX_POLLOUT | LINUX_POLLPRI | LINUX_POLLERR | LINUX_POLLHUP)

static void on_event(struct waiter *w, u32 events)
{
    struct file_async *fa = w->arg;

    atomic_fetch_or(&fa->events, events & EVENTS);
    ktimer_arm(&fa->timer, 1);
}

static bool may_signal(const struct cred *from, struct task *to)
{
    const struct cred *c = task_cred_get(to);
    bool ok = from->euid == 0 || from->euid == c->suid || from->euid == c->uid ||
              from->uid == c->suid || from->uid == c->uid;

    cred_put(c);
    return ok;
}

static void fill_info(const struct file_async *fa, int sig, u32 events, struct linux_siginfo *info)
{
    memset(info, 0, sizeof(*info));
    info->si_signo = sig;
    info->si_code = events & LINUX_POLLIN ? LINUX_POLL_IN : LINUX_POLL_OUT;
    info->poll.band = events;
    info->poll.fd = fa->fd;
}

static int signal_group_of(struct task *t, int sig, const struct linux_siginfo *info)
{
    return signal_send_group(t->group, sig, info);
}

/* On the timer thread. */
static void deliver(struct ktimer *kt)
{
    struct file_async *fa = kt->arg;
    u32 events = atomic_exchange(&fa->events, 0);
    int owner = atomic_load(&fa->file->owner), chosen = atomic_load(&fa->file->owner_sig);
    int sig = chosen ? chosen : LINUX_SIGIO;
    struct linux_siginfo info;
    struct process_group *pg;
    struct thread_group *g;
    struct task *t;

    if (!owner || !events)
        return;
    fill_info(fa, sig, events, &info);
    if (owner > 0) {
        t = task_find(owner);
        if (!t)
            return;
        if (may_signal(fa->cred, t))
            signal_group_of(t, sig, chosen ? &info : NULL);
        task_put(t);
        return;
    }
    rwlock_rdlock(&g_tasks_lock);
    pg = pgrp_find_locked(-owner);
    if (pg) {
        list_for_each_entry (g, &pg->members, pgrp_node) {
            if (g->leader && may_signal(fa->cred, g->leader))
                signal_send_group(g, sig, chosen ? &info : NULL);
        }
    }
    rwlock_rdunlock(&g_tasks_lock);
}

static void async_destroy(struct file_async *fa)
{
    waitq_remove(&fa->waiter);
    ktimer_cancel(&fa->timer);
    cred_put(fa->cred);
    kcache_free(file_async, fa);
}

int file_async_set(struct file *f, int fd, bool on)
{
    struct waitq *q = file_waitq(f);
    struct file_async *fa, *none = NULL;

    if (!on) {
        file_async_free(f);
        return 0;
    }
    if (!q || atomic_load(&f->async))
        return 0;
    fa = kcache_alloc(file_async);
    if (!fa)
        return -ENOMEM;
    fa->file = f;
    fa->fd = fd;
    fa->cred = vfs_cred();
    cred_get(fa->cred);
    ktimer_init(&fa->timer, deliver, fa);
    list_init(&fa->waiter.node);
    fa->waiter.mask = EVENTS;
    fa->waiter.notify = on_event;
    fa->waiter.arg = fa;
    waitq_add(q, &fa->waiter);
    /* Last: from here on another thread may take it off and free it. */
    if (!atomic_compare_exchange_strong(&f->async, &none, fa))
        async_destroy(fa);
    return 0;
}

void file_async_free(struct file *f)
{
    struct file_async *fa = atomic_exchange(&f->async, NULL);

    if (fa)
        async_destroy(fa);
}
