/* SPDX-License-Identifier: Apache-2.0 */
/* Blocking until a file is ready. */
#include "abi/linux/poll.h"
#include "sentry/kernel/task.h"
#include "sentry/kernel/waitq.h"
#include "sentry/vfs/vfs.h"

int file_wait(struct file *f, u32 mask, u64 deadline)
{
    struct task *t = current;
    struct waitq *q = file_waitq(f);
    struct waiter w;
    int err = 0;

    mask |= LINUX_POLLERR | LINUX_POLLHUP;
    if (!q)
        return 0;
    waiter_init_task(&w, t, mask);
    waitq_add(q, &w);
    for (;;) {
        task_prepare_block(t);
        if (file_poll(f) & mask)
            break;
        err = task_block(t, deadline);
        if (err)
            break;
    }
    waitq_remove(&w);
    return err;
}
