/* SPDX-License-Identifier: Apache-2.0 */
/*
 * signalfd files. They show the signals of whoever reads, not of who made them. A process that has waited
 * on one stays referenced by it, because an epoll item may hang in its signal_waitq; one that is dead and
 * has no waiter left there is dropped for the next process.
 */
#include "sentry/fs/signalfd/signalfd.h"

#include "abi/linux/errno_internal.h"
#include "abi/linux/fcntl.h"
#include "abi/linux/poll.h"
#include "abi/linux/signalfd.h"
#include "abi/linux/uio.h"
#include "cvisor/kcache.h"
#include "sentry/kernel/signal.h"
#include "sentry/mm/uaccess.h"
#include "sentry/vfs/vfs.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define SIGNALFD_GROUPS 8

struct signalfd {
    _Atomic u64 mask;
    struct mutex lock;            /* rank SIGNALFD */
    struct thread_group **groups; /* lock; referenced; kmalloc'ed */
    u32 ngroups, cap;             /* lock */
};
KCACHE(signalfd);

static void signalfd_release(struct file *f)
{
    struct signalfd *s = f->priv;
    for (u32 i = 0; i < s->ngroups; i++)
        group_put(s->groups[i]);
    kfree(s->groups);
    kcache_free(signalfd, s);
}

/* Nothing hangs in its queue, nor ever will: only its own tasks add to it. */
static bool group_is_done(struct thread_group *g)
{
    if (!atomic_load(&g->zombie))
        return false;
    mutex_lock(&g->signal_waitq.lock);
    bool empty = list_empty(&g->signal_waitq.waiters);
    mutex_unlock(&g->signal_waitq.lock);
    return empty;
}

/* The place of g: where it is, that of a dead one, or a new one. NULL: no memory. */
static struct thread_group **pin_place_locked(struct signalfd *s, const struct thread_group *g)
{
    for (u32 i = s->ngroups; i-- > 0;) {
        if (s->groups[i] == g)
            return &s->groups[i];
    }
    for (u32 i = 0; i < s->ngroups; i++) {
        if (group_is_done(s->groups[i]))
            return &s->groups[i];
    }
    if (s->ngroups == s->cap) {
        void *p = krealloc(s->groups, (s->cap + SIGNALFD_GROUPS) * sizeof(*s->groups));
        if (!p)
            return NULL;
        s->groups = p;
        s->cap += SIGNALFD_GROUPS;
    }
    s->groups[s->ngroups] = NULL;
    return &s->groups[s->ngroups++];
}

/* Keeps g alive as long as the file, or itself. False: no memory. */
static bool signalfd_pin(struct signalfd *s, struct thread_group *g)
{
    struct thread_group *old = NULL;
    mutex_lock(&s->lock);
    struct thread_group **place = pin_place_locked(s, g);
    if (place && *place != g) {
        old = *place;
        group_get(g);
        *place = g;
    }
    mutex_unlock(&s->lock);
    if (old)
        group_put(old);
    return place != NULL;
}

static void signalfd_fill(struct linux_signalfd_siginfo *o, const struct linux_siginfo *i)
{
    memset(o, 0, sizeof(*o));
    o->ssi_signo = (u32)i->si_signo;
    o->ssi_errno = i->si_errno;
    o->ssi_code = i->si_code;
    if (i->si_code == LINUX_SI_TIMER) {
        o->ssi_tid = (u32)i->timer.tid;
        o->ssi_overrun = (u32)i->timer.overrun;
        o->ssi_ptr = i->timer.value.sival_ptr;
        o->ssi_int = i->timer.value.sival_int;
        return;
    }
    if (i->si_code <= 0) {
        o->ssi_pid = (u32)i->rt.pid;
        o->ssi_uid = i->rt.uid;
        if (i->si_code != LINUX_SI_USER && i->si_code != LINUX_SI_TKILL) {
            o->ssi_ptr = i->rt.value.sival_ptr;
            o->ssi_int = i->rt.value.sival_int;
        }
        return;
    }
    switch (i->si_signo) {
    case LINUX_SIGCHLD:
        o->ssi_pid = (u32)i->chld.pid;
        o->ssi_uid = i->chld.uid;
        o->ssi_status = i->chld.status;
        o->ssi_utime = (u64)i->chld.utime;
        o->ssi_stime = (u64)i->chld.stime;
        break;
    case LINUX_SIGILL:
    case LINUX_SIGFPE:
    case LINUX_SIGSEGV:
    case LINUX_SIGBUS:
    case LINUX_SIGTRAP:
        o->ssi_addr = i->fault.addr;
        if (i->si_signo == LINUX_SIGBUS)
            o->ssi_addr_lsb = (u16)i->fault.addr_lsb;
        break;
    case LINUX_SIGIO:
        o->ssi_band = (u32)i->poll.band;
        o->ssi_fd = i->poll.fd;
        break;
    case LINUX_SIGSYS:
        o->ssi_call_addr = i->sys.call_addr;
        o->ssi_syscall = i->sys.nr;
        o->ssi_arch = i->sys.arch;
        break;
    default:
        o->ssi_pid = (u32)i->kill.pid;
        o->ssi_uid = i->kill.uid;
    }
}

/* One signal: its number, -EAGAIN, -ERESTARTSYS. */
static int signalfd_next(struct file *f, bool block, struct linux_siginfo *info)
{
    struct signalfd *s = f->priv;
    struct task *t = current;
    struct waiter w;
    int sig = signal_dequeue(t, atomic_load(&s->mask), info);
    if (sig)
        return sig;
    if (!block)
        return -EAGAIN;
    waiter_init_task(&w, t, ~0u);
    waitq_add(&t->group->signal_waitq, &w);
    for (;;) {
        task_prepare_block(t);
        sig = signal_dequeue(t, atomic_load(&s->mask), info);
        if (sig)
            break;
        sig = task_block(t, TASK_FOREVER);
        if (sig)
            break;
    }
    waitq_remove(&w);
    return sig;
}

static ssize_t signalfd_read(struct file *f, struct iov_iter *to, u64 *pos, int rwf)
{
    struct linux_signalfd_siginfo out;
    bool block = !file_nonblock(f) && !(rwf & LINUX_RWF_NOWAIT);
    ssize_t done = 0;
    if (iov_iter_count(to) < sizeof(out))
        return -EINVAL;
    while (iov_iter_count(to) >= sizeof(out)) {
        struct linux_siginfo info;
        int sig = signalfd_next(f, block && !done, &info);
        if (sig < 0)
            return done ? done : sig;
        signalfd_fill(&out, &info);
        if (iov_copy_to(to, &out, sizeof(out)) != sizeof(out))
            return done ? done : -EFAULT;
        done += (ssize_t)sizeof(out);
    }
    return done;
}

static u32 signalfd_poll(struct file *f)
{
    struct signalfd *s = f->priv;
    if (!current || !(signal_pending_set(current) & atomic_load(&s->mask)))
        return 0;
    return LINUX_POLLIN | LINUX_POLLRDNORM;
}

static struct waitq *signalfd_waitq(struct file *f)
{
    struct thread_group *g = current->group;
    return signalfd_pin(f->priv, g) ? &g->signal_waitq : NULL;
}

static void signalfd_show(struct file *f, char *buf, size_t n)
{
    struct signalfd *s = f->priv;
    snprintf(buf, n, "sigmask:\t%016llx\n", (unsigned long long)atomic_load(&s->mask));
}

static const struct file_ops g_signalfd_ops = {
    .release = signalfd_release,
    .read = signalfd_read,
    .poll = signalfd_poll,
    .waitq = signalfd_waitq,
    .show_fdinfo = signalfd_show,
};

static u64 signalfd_clean_mask(u64 mask)
{
    return mask & ~(sig_bit(LINUX_SIGKILL) | sig_bit(LINUX_SIGSTOP));
}

int signalfd_file_new(u64 mask, u32 flags, struct file **out)
{
    struct signalfd *s = kcache_alloc(signalfd);
    if (!s)
        return -ENOMEM;
    mutex_init(&s->lock, LOCK_SIGNALFD);
    atomic_init(&s->mask, signalfd_clean_mask(mask));
    struct inode *inode = anon_inode_new(0600);
    int err = inode ? file_new_anon(inode, "anon_inode:[signalfd]", &g_signalfd_ops, s,
                                    LINUX_O_RDWR | (flags & LINUX_SFD_NONBLOCK), out)
                    : -ENOMEM;
    if (err)
        kcache_free(signalfd, s);
    return err;
}

int signalfd_set_mask(struct file *f, u64 mask)
{
    if (f->ops != &g_signalfd_ops)
        return -EINVAL;
    struct signalfd *s = f->priv;
    atomic_store(&s->mask, signalfd_clean_mask(mask));
    waitq_notify(&current->group->signal_waitq, ~0u);
    return 0;
}
