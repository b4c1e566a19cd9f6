/* SPDX-License-Identifier: Apache-2.0 */
/* fork, vfork, clone, clone3, exit. */
#include "abi/linux/errno_internal.h"
#include "abi/linux/sched.h"
#include "abi/linux/wait.h"
#include "sentry/kernel/task.h"
#include "sentry/mm/uaccess.h"
#include "sentry/syscalls/handlers.h"

#include <errno.h>
#include <string.h>

#define CLONE_LEGACY_FLAGS 0xffffffffull

s64 sys_fork(struct task *t, const struct syscall_args *a __unused)
{
    struct clone_params p = {.exit_signal = LINUX_SIGCHLD};
    return task_clone(t, &p);
}

s64 sys_vfork(struct task *t, const struct syscall_args *a __unused)
{
    struct clone_params p = {
        .flags = LINUX_CLONE_VFORK | LINUX_CLONE_VM,
        .exit_signal = LINUX_SIGCHLD,
    };
    return task_clone(t, &p);
}

s64 sys_clone(struct task *t, const struct syscall_args *a)
{
    struct clone_params p = {
        .flags = a->v[0] & CLONE_LEGACY_FLAGS & ~(u64)LINUX_CSIGNAL,
        .exit_signal = (int)(a->v[0] & LINUX_CSIGNAL),
        .stack = a->v[1],
        .parent_tid = arg_ptr(a, 2),
        .child_tid = arg_ptr(a, 3),
        .tls = a->v[4],
        .pidfd = arg_ptr(a, 2),
    };
    if (p.exit_signal > NSIG)
        return -EINVAL;
    if ((p.flags & LINUX_CLONE_PIDFD) &&
        (p.flags & (LINUX_CLONE_PARENT_SETTID | LINUX_CLONE_DETACHED)))
        return -EINVAL;
    return task_clone(t, &p);
}

/* The struct may be longer than ours if the rest is zero. */
static int clone3_copy_in(struct task *t, uaddr_t u, u64 size, struct linux_clone_args *ca)
{
    if (size > PAGE_SIZE)
        return -E2BIG;
    if (size < LINUX_CLONE_ARGS_SIZE_VER0)
        return -EINVAL;
    memset(ca, 0, sizeof(*ca));
    if (copy_in(t, ca, u, MIN(size, sizeof(*ca))))
        return -EFAULT;
    for (u64 off = sizeof(*ca); off < size; off++) {
        u8 b;
        if (copy_in(t, &b, uaddr_add(u, off), 1))
            return -EFAULT;
        if (b)
            return -E2BIG;
    }
    return 0;
}

s64 sys_clone3(struct task *t, const struct syscall_args *a)
{
    struct linux_clone_args ca;
    int err = clone3_copy_in(t, arg_ptr(a, 0), a->v[1], &ca);
    if (err)
        return err;
    if (ca.flags & ~(CLONE_LEGACY_FLAGS | LINUX_CLONE_CLEAR_SIGHAND | LINUX_CLONE_INTO_CGROUP))
        return -EINVAL;
    if (ca.flags & (LINUX_CLONE_DETACHED | (LINUX_CSIGNAL & ~LINUX_CLONE_NEWTIME)))
        return -EINVAL;
    if (ca.flags & LINUX_CLONE_INTO_CGROUP)
        return -EOPNOTSUPP; /* there are no cgroups to be in */
    if (ca.exit_signal > NSIG)
        return -EINVAL;
    if ((ca.flags & (LINUX_CLONE_THREAD | LINUX_CLONE_PARENT)) && ca.exit_signal)
        return -EINVAL;
    if ((ca.stack == 0) != (ca.stack_size == 0))
        return -EINVAL;
    /* One pid namespace, so at most one number. */
    if (ca.set_tid_size > 1 || (ca.set_tid_size == 0) != (ca.set_tid == 0))
        return -EINVAL;
    s32 tid = 0;
    if (ca.set_tid_size) {
        if (!capable(LINUX_CAP_SYS_ADMIN) && !capable(LINUX_CAP_CHECKPOINT_RESTORE))
            return -EPERM;
        if (copy_in(t, &tid, uaddr(ca.set_tid), sizeof(tid)))
            return -EFAULT;
    }
    struct clone_params p = {
        .flags = ca.flags,
        .exit_signal = (int)ca.exit_signal,
        .stack = ca.stack ? ca.stack + ca.stack_size : 0,
        .tls = ca.tls,
        .parent_tid = uaddr(ca.parent_tid),
        .child_tid = uaddr(ca.child_tid),
        .pidfd = uaddr(ca.pidfd),
        .set_tid = &tid,
        .set_tid_size = ca.set_tid_size,
    };
    return task_clone(t, &p);
}

s64 sys_exit(struct task *t, const struct syscall_args *a)
{
    task_exit(t, LINUX_W_EXITCODE(arg_int(a, 0), 0));
    return 0;
}

s64 sys_exit_group(struct task *t, const struct syscall_args *a)
{
    group_exit(t, LINUX_W_EXITCODE(arg_int(a, 0), 0));
    return 0;
}

s64 sys_set_tid_address(struct task *t, const struct syscall_args *a)
{
    t->clear_child_tid = arg_ptr(a, 0);
    return t->tid;
}
