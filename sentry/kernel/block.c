/* SPDX-License-Identifier: Apache-2.0 */
/* How a task sleeps inside the sentry and how it is woken. */
#include "cvisor/host.h"
#include "sentry/kernel/task.h"

#include "abi/linux/errno_internal.h"

#include <errno.h>

void task_prepare_block(struct task *t)
{
    t->wake_prepared = atomic_load(&t->wake_seq);
}

void task_wake(struct task *t)
{
    atomic_fetch_add(&t->wake_seq, 1);
    if (atomic_load(&t->sleeping))
        host_futex_wake(&t->wake_seq, 1);
}

bool task_signal_pending(struct task *t)
{
    return atomic_load(&t->signal_work) || atomic_load(&t->killed);
}

static int task_sleep(struct task *t, u64 deadline_ns, bool interruptible)
{
    lockdep_assert_none_held("task_block");
    u64 since = host_now_mono();
    int ret = 0;
    bool blocked = false;
    for (;;) {
        if (atomic_load(&t->killed) || (interruptible && atomic_load(&t->signal_work))) {
            ret = -ERESTARTSYS;
            break;
        }
        if (atomic_load(&t->wake_seq) != t->wake_prepared)
            break;
        if (deadline_ns && host_now_mono() >= deadline_ns) {
            ret = -ETIMEDOUT;
            break;
        }
        if (!blocked) {
            blocked = true;
            platform_about_to_block(t->pt);
            atomic_store(&t->state, interruptible ? TASK_SLEEPING : TASK_UNINTERRUPTIBLE);
        }
        atomic_store(&t->sleeping, true);
        /* A wake-up before this point has changed wake_seq: the wait returns at once. */
        host_futex_wait(&t->wake_seq, t->wake_prepared, deadline_ns);
        atomic_store(&t->sleeping, false);
    }
    if (blocked) {
        atomic_store(&t->state, TASK_RUNNING);
        platform_done_blocking(t->pt);
        atomic_fetch_add(&t->nvcsw, 1);
        /* Time asleep is not time in the kernel. */
        __atomic_fetch_add(&t->last_event_ns, host_now_mono() - since, __ATOMIC_RELAXED);
    }
    return ret;
}

int task_block(struct task *t, u64 deadline_ns)
{
    return task_sleep(t, deadline_ns, true);
}

int task_block_killable(struct task *t, u64 deadline_ns)
{
    return task_sleep(t, deadline_ns, false);
}
