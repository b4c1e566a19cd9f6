/* SPDX-License-Identifier: Apache-2.0 */
/* mlock and its family: accounted against RLIMIT_MEMLOCK; the sandbox's memory is not pinned. */
#include "abi/linux/mman.h"
#include "sentry/kernel/task.h"
#include "sentry/mm/mm.h"
#include "sentry/mm/mm_lock.h"
#include "sentry/syscalls/handlers.h"

#include <errno.h>

s64 sys_mlock(struct task *t, const struct syscall_args *a)
{
    return mm_mlock(t->mm, a->v[0], a->v[1], true, false);
}

s64 sys_mlock2(struct task *t, const struct syscall_args *a)
{
    if ((int)a->v[2] & ~LINUX_MLOCK_ONFAULT)
        return -EINVAL;
    return mm_mlock(t->mm, a->v[0], a->v[1], true, ((int)a->v[2] & LINUX_MLOCK_ONFAULT) != 0);
}

s64 sys_munlock(struct task *t, const struct syscall_args *a)
{
    return mm_mlock(t->mm, a->v[0], a->v[1], false, false);
}

s64 sys_mlockall(struct task *t, const struct syscall_args *a)
{
    return mm_mlockall(t->mm, (int)a->v[0]);
}

s64 sys_munlockall(struct task *t, const struct syscall_args *a)
{
    mm_munlockall(t->mm);
    return 0;
}
