/* SPDX-License-Identifier: Apache-2.0 */
/* futex and its successors, robust lists. */
#include "abi/linux/errno_internal.h"
#include "abi/linux/futex.h"
#include "abi/linux/time.h"
#include "cvisor/kcache.h"
#include "sentry/kernel/futex.h"
#include "sentry/kernel/task.h"
#include "sentry/kernel/timer.h"
#include "sentry/mm/uaccess.h"
#include "sentry/syscalls/handlers.h"

#include <errno.h>

static bool futex_has_timeout(int cmd)
{
    switch (cmd) {
    case LINUX_FUTEX_WAIT:
    case LINUX_FUTEX_LOCK_PI:
    case LINUX_FUTEX_LOCK_PI2:
    case LINUX_FUTEX_WAIT_BITSET:
    case LINUX_FUTEX_WAIT_REQUEUE_PI:
        return true;
    default:
        return false;
    }
}

/* 0 in *deadline: none. */
static int futex_timeout(struct task *t, uaddr_t u, int cmd, bool realtime, u64 *deadline)
{
    struct linux_timespec ts;
    *deadline = 0;
    if (!u.v || !futex_has_timeout(cmd))
        return 0;
    if (copy_in(t, &ts, u, sizeof(ts)))
        return -EFAULT;
    if (!timespec_valid(&ts))
        return -EINVAL;
    u64 ns = timespec_to_ns(&ts);
    if (cmd == LINUX_FUTEX_WAIT) {
        *deadline = deadline_after(ns);
        return 0;
    }
    realtime |= cmd == LINUX_FUTEX_LOCK_PI;
    return kernel_clock_deadline(realtime ? LINUX_CLOCK_REALTIME : LINUX_CLOCK_MONOTONIC, ns,
                                 deadline);
}

s64 sys_futex(struct task *t, const struct syscall_args *a)
{
    int op = arg_int(a, 1), cmd = op & LINUX_FUTEX_CMD_MASK;
    bool shared = !(op & LINUX_FUTEX_PRIVATE_FLAG), rt = op & LINUX_FUTEX_CLOCK_REALTIME;
    struct futex_word w = {.addr = arg_ptr(a, 0), .shared = shared};
    struct futex_word w2 = {.addr = arg_ptr(a, 4), .shared = shared};
    u32 val = arg_u32(a, 2), val3 = arg_u32(a, 5);
    int val2 = arg_int(a, 3); /* in the place of the timeout */
    u64 deadline;
    int err = futex_timeout(t, arg_ptr(a, 3), cmd, rt, &deadline);
    if (err)
        return err;
    if (rt && cmd != LINUX_FUTEX_WAIT_BITSET && cmd != LINUX_FUTEX_WAIT_REQUEUE_PI &&
        cmd != LINUX_FUTEX_LOCK_PI2)
        return -ENOSYS;
    switch (cmd) {
    case LINUX_FUTEX_WAIT:
        return futex_wait(t, w, val, LINUX_FUTEX_BITSET_MATCH_ANY, deadline);
    case LINUX_FUTEX_WAIT_BITSET:
        return futex_wait(t, w, val, val3, deadline);
    case LINUX_FUTEX_WAKE:
        return futex_wake(t, w, (int)val, LINUX_FUTEX_BITSET_MATCH_ANY);
    case LINUX_FUTEX_WAKE_BITSET:
        return futex_wake(t, w, (int)val, val3);
    case LINUX_FUTEX_REQUEUE:
        return futex_requeue(t, w, w2, (int)val, val2, NULL);
    case LINUX_FUTEX_CMP_REQUEUE:
        return futex_requeue(t, w, w2, (int)val, val2, &val3);
    case LINUX_FUTEX_WAKE_OP:
        return futex_wake_op(t, w, w2, (int)val, val2, val3);
    case LINUX_FUTEX_LOCK_PI:
    case LINUX_FUTEX_LOCK_PI2:
        return futex_lock_pi(t, w, deadline, false);
    case LINUX_FUTEX_TRYLOCK_PI:
        return futex_lock_pi(t, w, 0, true);
    case LINUX_FUTEX_UNLOCK_PI:
        return futex_unlock_pi(t, w);
    case LINUX_FUTEX_WAIT_REQUEUE_PI:
        return futex_wait_requeue_pi(t, w, val, LINUX_FUTEX_BITSET_MATCH_ANY, deadline, w2);
    case LINUX_FUTEX_CMP_REQUEUE_PI:
        return futex_cmp_requeue_pi(t, w, w2, (int)val, val2, val3);
    default:
        return -ENOSYS;
    }
}

/* ---- futex_waitv and the calls with one operation each ---- */

static int futex2_flags(u32 flags, bool *shared)
{
    if (flags & ~(u32)(LINUX_FUTEX_32 | LINUX_FUTEX_PRIVATE_FLAG))
        return -EINVAL;
    if (!(flags & LINUX_FUTEX_32))
        return -EINVAL;
    *shared = !(flags & LINUX_FUTEX_PRIVATE_FLAG);
    return 0;
}

static int futex2_timeout(struct task *t, uaddr_t u, int clock, u64 *deadline)
{
    struct linux_timespec ts;
    *deadline = 0;
    if (!u.v)
        return 0;
    if (clock != LINUX_CLOCK_REALTIME && clock != LINUX_CLOCK_MONOTONIC)
        return -EINVAL;
    if (copy_in(t, &ts, u, sizeof(ts)))
        return -EFAULT;
    if (!timespec_valid(&ts))
        return -EINVAL;
    return kernel_clock_deadline(clock, timespec_to_ns(&ts), deadline);
}

static int futex_waitv_parse(struct task *t, uaddr_t u, u32 n, struct futex_waitv_arg *v)
{
    for (u32 i = 0; i < n; i++) {
        struct linux_futex_waitv x;
        if (copy_in(t, &x, uaddr_add(u, i * sizeof(x)), sizeof(x)))
            return -EFAULT;
        int err = x.reserved ? -EINVAL : futex2_flags(x.flags, &v[i].w.shared);
        if (err)
            return err;
        if (x.val > UINT32_MAX)
            return -EINVAL;
        v[i].w.addr = uaddr(x.uaddr);
        v[i].val = (u32)x.val;
    }
    return 0;
}

s64 sys_futex_waitv(struct task *t, const struct syscall_args *a)
{
    u32 n = arg_u32(a, 1);
    u64 deadline;
    if (arg_u32(a, 2))
        return -EINVAL;
    if (n == 0 || n > LINUX_FUTEX_WAITV_MAX || !a->v[0])
        return -EINVAL;
    int err = futex2_timeout(t, arg_ptr(a, 3), arg_int(a, 4), &deadline);
    if (err)
        return err;
    struct futex_waitv_arg *v = kcalloc(n, sizeof(*v));
    if (!v)
        return -ENOMEM;
    s64 ret = futex_waitv_parse(t, arg_ptr(a, 0), n, v);
    if (!ret)
        ret = futex_wait_multiple(t, v, n, deadline);
    kfree(v);
    return ret;
}

s64 sys_futex_wake(struct task *t, const struct syscall_args *a)
{
    struct futex_word w = {.addr = arg_ptr(a, 0)};
    int err = futex2_flags(arg_u32(a, 3), &w.shared);
    if (err)
        return err;
    if (a->v[1] > UINT32_MAX)
        return -EINVAL;
    if (arg_int(a, 2) == 0)
        return 0;
    return futex_wake(t, w, arg_int(a, 2), (u32)a->v[1]);
}

s64 sys_futex_wait(struct task *t, const struct syscall_args *a)
{
    struct futex_word w = {.addr = arg_ptr(a, 0)};
    u64 deadline;
    int err = futex2_flags(arg_u32(a, 3), &w.shared);
    if (err)
        return err;
    if (a->v[1] > UINT32_MAX || a->v[2] > UINT32_MAX)
        return -EINVAL;
    err = futex2_timeout(t, arg_ptr(a, 4), arg_int(a, 5), &deadline);
    if (err)
        return err;
    return futex_wait(t, w, (u32)a->v[1], (u32)a->v[2], deadline);
}

s64 sys_futex_requeue(struct task *t, const struct syscall_args *a)
{
    struct futex_waitv_arg v[2];
    if (arg_u32(a, 1) || !a->v[0])
        return -EINVAL;
    int err = futex_waitv_parse(t, arg_ptr(a, 0), 2, v);
    if (err)
        return err;
    return futex_requeue(t, v[0].w, v[1].w, arg_int(a, 2), arg_int(a, 3), &v[0].val);
}

/* ---- robust lists ---- */

s64 sys_set_robust_list(struct task *t, const struct syscall_args *a)
{
    if (a->v[1] != sizeof(struct linux_robust_list_head))
        return -EINVAL;
    __atomic_store_n(&t->robust_list.v, arg_ptr(a, 0).v, __ATOMIC_RELAXED);
    t->robust_len = a->v[1];
    return 0;
}

s64 sys_get_robust_list(struct task *t, const struct syscall_args *a)
{
    int pid = arg_int(a, 0);
    u64 head;
    if (pid == 0 || pid == t->tid) {
        head = t->robust_list.v;
    } else {
        struct task *o = task_find(pid);
        if (!o)
            return -ESRCH;
        const struct cred *c = task_cred_get(o);
        bool ok = t->group == o->group || capable(LINUX_CAP_SYS_PTRACE) ||
                  (t->cred->fsuid == c->euid && t->cred->fsuid == c->suid &&
                   t->cred->fsuid == c->uid);
        cred_put(c);
        head = __atomic_load_n(&o->robust_list.v, __ATOMIC_RELAXED);
        task_put(o);
        if (!ok)
            return -EPERM;
    }
    if (put_u64(t, arg_ptr(a, 2), sizeof(struct linux_robust_list_head)))
        return -EFAULT;
    return put_u64(t, arg_ptr(a, 1), head);
}
