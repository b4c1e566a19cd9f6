/* SPDX-License-Identifier: Apache-2.0 */
/* timerfd files. After an expiry the timer rests until somebody reads: ticks are computed then. */
#include "sentry/fs/timerfd/timerfd.h"

#include "abi/linux/fcntl.h"
#include "abi/linux/poll.h"
#include "abi/linux/time.h"
#include "abi/linux/timerfd.h"
#include "abi/linux/uio.h"
#include "cvisor/host.h"
#include "cvisor/kcache.h"
#include "sentry/kernel/task.h"
#include "sentry/kernel/timer.h"
#include "sentry/mm/uaccess.h"
#include "sentry/vfs/vfs.h"

#include <errno.h>
#include <stdio.h>

struct timerfd {
    struct mutex lock; /* rank TIMER_SET: outside of TIMERS */
    struct ktimer kt;
    struct waitq waitq;
    int clock; /* immutable */
    /* lock: */
    u64 expiry, interval; /* CLOCK_MONOTONIC ns; expiry 0 = not armed */
    u64 ticks;            /* not read yet */
    bool resting;         /* expired and periodic: expiry is to be moved on */
    int settime_flags;
};
KCACHE(timerfd);

static void timerfd_expired(struct ktimer *kt)
{
    struct timerfd *tf = kt->arg;
    bool ready = false;
    mutex_lock(&tf->lock);
    if (tf->expiry && host_now_mono() < tf->expiry) {
        ktimer_arm(kt, tf->expiry); /* set again meanwhile */
    } else if (tf->expiry && !tf->resting) {
        tf->ticks++;
        if (tf->interval)
            tf->resting = true;
        else
            tf->expiry = 0;
        ready = true;
    }
    mutex_unlock(&tf->lock);
    if (ready)
        waitq_notify(&tf->waitq, LINUX_POLLIN | LINUX_POLLRDNORM);
}

/* lock held: counts the periods since the expiry and starts the timer again. */
static void timerfd_catch_up(struct timerfd *tf)
{
    if (!tf->resting)
        return;
    u64 now = host_now_mono();
    u64 k = (now - tf->expiry) / tf->interval + 1;
    tf->ticks += k - 1;
    tf->expiry += k * tf->interval;
    tf->resting = false;
    ktimer_arm(&tf->kt, tf->expiry);
}

static void timerfd_release(struct file *f)
{
    struct timerfd *tf = f->priv;
    mutex_lock(&tf->lock);
    tf->expiry = 0;
    mutex_unlock(&tf->lock);
    ktimer_cancel(&tf->kt);
    kcache_free(timerfd, tf);
}

static ssize_t timerfd_read(struct file *f, struct iov_iter *to, u64 *pos, int rwf)
{
    struct timerfd *tf = f->priv;
    u64 v;
    if (iov_iter_count(to) < sizeof(v))
        return -EINVAL;
    for (;;) {
        mutex_lock(&tf->lock);
        if (tf->ticks)
            timerfd_catch_up(tf);
        v = tf->ticks;
        tf->ticks = 0;
        mutex_unlock(&tf->lock);
        if (v)
            break;
        if (file_nonblock(f) || (rwf & LINUX_RWF_NOWAIT))
            return -EAGAIN;
        int err = file_wait(f, LINUX_POLLIN, TASK_FOREVER);
        if (err)
            return err;
    }
    return iov_copy_to(to, &v, sizeof(v)) == sizeof(v) ? (ssize_t)sizeof(v) : -EFAULT;
}

static u32 timerfd_poll(struct file *f)
{
    struct timerfd *tf = f->priv;
    mutex_lock(&tf->lock);
    bool ready = tf->ticks != 0;
    mutex_unlock(&tf->lock);
    return ready ? LINUX_POLLIN | LINUX_POLLRDNORM : 0;
}

static struct waitq *timerfd_waitq(struct file *f)
{
    struct timerfd *tf = f->priv;
    return &tf->waitq;
}

static s64 timerfd_ioctl(struct file *f, u32 cmd, u64 arg)
{
    struct timerfd *tf = f->priv;
    u64 ticks;
    if (cmd != LINUX_TFD_IOC_SET_TICKS)
        return -ENOTTY;
    if (get_u64(current, &ticks, uaddr(arg)))
        return -EFAULT;
    if (!ticks)
        return -EINVAL;
    mutex_lock(&tf->lock);
    bool armed = tf->expiry != 0;
    if (armed)
        tf->ticks = ticks;
    mutex_unlock(&tf->lock);
    if (!armed)
        return -ECANCELED;
    waitq_notify(&tf->waitq, LINUX_POLLIN | LINUX_POLLRDNORM);
    return 0;
}

/* lock held. */
static void timerfd_value(struct timerfd *tf, struct linux_itimerspec *out)
{
    u64 now = host_now_mono(), left = 0;
    if (tf->ticks)
        timerfd_catch_up(tf);
    if (tf->expiry)
        left = tf->expiry > now ? tf->expiry - now : 1;
    out->it_value = ns_to_timespec(left);
    out->it_interval = ns_to_timespec(tf->interval);
}

static void timerfd_show(struct file *f, char *buf, size_t n)
{
    struct timerfd *tf = f->priv;
    struct linux_itimerspec v;
    mutex_lock(&tf->lock);
    u64 ticks = tf->ticks;
    int flags = tf->settime_flags;
    timerfd_value(tf, &v);
    mutex_unlock(&tf->lock);
    snprintf(buf, n,
             "clockid: %d\nticks: %llu\nsettime flags: 0%o\nit_value: (%llu, %llu)\n"
             "it_interval: (%llu, %llu)\n",
             tf->clock, (unsigned long long)ticks, (unsigned)flags,
             (unsigned long long)v.it_value.tv_sec, (unsigned long long)v.it_value.tv_nsec,
             (unsigned long long)v.it_interval.tv_sec, (unsigned long long)v.it_interval.tv_nsec);
}

static const struct file_ops g_timerfd_ops = {
    .release = timerfd_release,
    .read = timerfd_read,
    .ioctl = timerfd_ioctl,
    .poll = timerfd_poll,
    .waitq = timerfd_waitq,
    .show_fdinfo = timerfd_show,
};

int timerfd_file_new(int clock, u32 flags, struct file **out)
{
    struct timerfd *tf = kcache_alloc(timerfd);
    if (!tf)
        return -ENOMEM;
    mutex_init(&tf->lock, LOCK_TIMER_SET);
    waitq_init(&tf->waitq);
    ktimer_init(&tf->kt, timerfd_expired, tf);
    tf->clock = clock;
    struct inode *inode = anon_inode_new(0600);
    int err = inode ? file_new_anon(inode, "anon_inode:[timerfd]", &g_timerfd_ops, tf,
                                    LINUX_O_RDWR | (flags & LINUX_TFD_NONBLOCK), out)
                    : -ENOMEM;
    if (err)
        kcache_free(timerfd, tf);
    return err;
}

int timerfd_set(struct file *f, bool absolute, const struct linux_itimerspec *new,
                struct linux_itimerspec *old)
{
    if (f->ops != &g_timerfd_ops)
        return -EINVAL;
    struct timerfd *tf = f->priv;
    u64 value = timespec_to_ns(&new->it_value), first = 0;
    if (value && !absolute) {
        first = deadline_after(value);
    } else if (value) {
        int err = kernel_clock_deadline(tf->clock, value, &first);
        if (err)
            return err;
    }
    mutex_lock(&tf->lock);
    if (old)
        timerfd_value(tf, old);
    tf->expiry = first;
    tf->interval = timespec_to_ns(&new->it_interval);
    tf->ticks = 0;
    tf->resting = false;
    tf->settime_flags = absolute;
    if (first)
        ktimer_arm(&tf->kt, first);
    mutex_unlock(&tf->lock);
    return 0;
}

int timerfd_get(struct file *f, struct linux_itimerspec *out)
{
    if (f->ops != &g_timerfd_ops)
        return -EINVAL;
    struct timerfd *tf = f->priv;
    mutex_lock(&tf->lock);
    timerfd_value(tf, out);
    mutex_unlock(&tf->lock);
    return 0;
}
