/* SPDX-License-Identifier: Apache-2.0 */
/* pidfd files. */
#include "sentry/kernel/pidfd.h"

#include "abi/linux/fcntl.h"
#include "abi/linux/poll.h"
#include "sentry/kernel/fdtable.h"
#include "sentry/kernel/task.h"
#include "sentry/vfs/vfs.h"

#include <errno.h>
#include <stdio.h>

/* Pollers, hashed by group: a notification may reach those of another process, who look again. */
#define PIDFD_QUEUES 64u
static struct waitq g_pidfd_queues[PIDFD_QUEUES];
static atomic_uint g_pidfd_state; /* queues: 0 not there, 1 being made, 2 ready */

static struct waitq *pidfd_queue(struct thread_group *g)
{
    return &g_pidfd_queues[((uintptr_t)g >> 7) % PIDFD_QUEUES];
}

static void pidfd_init_queues(void)
{
    static struct mutex lock = MUTEX_INIT(LOCK_LEAF);
    if (atomic_load_explicit(&g_pidfd_state, memory_order_acquire) == 2)
        return;
    mutex_lock(&lock);
    if (atomic_load(&g_pidfd_state) != 2) {
        for (u32 i = 0; i < PIDFD_QUEUES; i++)
            waitq_init(&g_pidfd_queues[i]);
        atomic_store_explicit(&g_pidfd_state, 2, memory_order_release);
    }
    mutex_unlock(&lock);
}

static void pidfd_release(struct file *f)
{
    group_put(f->priv);
}

static u32 pidfd_poll(struct file *f)
{
    struct thread_group *g = f->priv;
    return atomic_load_explicit(&g->zombie, memory_order_acquire) ? LINUX_POLLIN | LINUX_POLLRDNORM
                                                                  : 0;
}

static struct waitq *pidfd_waitq(struct file *f)
{
    return pidfd_queue(f->priv);
}

static void pidfd_show(struct file *f, char *buf, size_t n)
{
    struct thread_group *g = f->priv;
    rwlock_rdlock(&g_tasks_lock);
    int pid = group_find_locked(g->id) == g ? g->id : -1;
    rwlock_rdunlock(&g_tasks_lock);
    snprintf(buf, n, "Pid:\t%d\nNSpid:\t%d\n", pid, pid);
}

static const struct file_ops g_pidfd_ops = {
    .release = pidfd_release,
    .poll = pidfd_poll,
    .waitq = pidfd_waitq,
    .show_fdinfo = pidfd_show,
};

int pidfd_create(struct task *t, struct thread_group *g, u32 flags)
{
    struct file *f;
    pidfd_init_queues();
    struct inode *inode = anon_inode_new(0600);
    int err = inode ? file_new_anon(inode, "anon_inode:[pidfd]", &g_pidfd_ops, g,
                                    LINUX_O_RDWR | (flags & LINUX_O_NONBLOCK), &f)
                    : -ENOMEM;
    if (err)
        return err;
    group_get(g);
    int fd = fd_install(t, f, true, 0);
    if (fd < 0)
        file_put(f);
    return fd;
}

struct thread_group *pidfd_group(struct file *f)
{
    if (f->ops != &g_pidfd_ops)
        return NULL;
    struct thread_group *g = f->priv;
    group_get(g);
    return g;
}

void pidfd_notify_exit(struct thread_group *g)
{
    if (atomic_load_explicit(&g_pidfd_state, memory_order_acquire) == 2)
        waitq_notify(pidfd_queue(g), LINUX_POLLIN | LINUX_POLLRDNORM);
}
