/* SPDX-License-Identifier: Apache-2.0 */
/* prctl, arch_prctl. */
#include "abi/linux/prctl.h"
#include "sentry/kernel/selftest.h"
#include "sentry/kernel/signal_internal.h"
#include "sentry/kernel/task.h"
#include "sentry/mm/mm.h"
#include "sentry/mm/uaccess.h"
#include "sentry/syscalls/handlers.h"

#include <errno.h>
#include <string.h>

#define SECURE_KEEP_CAPS 16u
#define SECURE_ALL_BITS 0xffu
#define SECURE_NO_CAP_AMBIENT_RAISE 64u

static s64 prctl_capbset_drop(struct task *t, u64 cap)
{
    if (!capable(LINUX_CAP_SETPCAP))
        return -EPERM;
    if (cap > LINUX_CAP_LAST_CAP)
        return -EINVAL;
    struct cred *c = cred_copy(t->cred);
    if (!c)
        return -ENOMEM;
    c->cap_bounding &= ~(1ull << cap);
    cred_commit(t, c);
    return 0;
}

static s64 prctl_keepcaps(struct task *t, u64 on)
{
    if (on > 1)
        return -EINVAL;
    struct cred *c = cred_copy(t->cred);
    if (!c)
        return -ENOMEM;
    c->keep_caps = on;
    c->securebits = (c->securebits & ~SECURE_KEEP_CAPS) | (on ? SECURE_KEEP_CAPS : 0);
    cred_commit(t, c);
    return 0;
}

static s64 prctl_securebits(struct task *t, u64 bits)
{
    const struct cred *old = t->cred;
    if (bits & ~(u64)SECURE_ALL_BITS)
        return -EPERM;
    /* A locked bit (the one above each) may not change, a lock may not be taken off. */
    u32 locked = (old->securebits & 0xaa) >> 1;
    if (((old->securebits & locked) ^ (bits & locked)) || (old->securebits & 0xaa & ~bits) ||
        !capable(LINUX_CAP_SETPCAP))
        return -EPERM;
    struct cred *c = cred_copy(old);
    if (!c)
        return -ENOMEM;
    c->securebits = (u32)bits;
    c->keep_caps = (bits & SECURE_KEEP_CAPS) != 0;
    cred_commit(t, c);
    return 0;
}

static s64 prctl_cap_ambient(struct task *t, const struct syscall_args *a)
{
    u64 op = a->v[1], cap = a->v[2];
    if (a->v[3] || a->v[4])
        return -EINVAL;
    if (op == LINUX_PR_CAP_AMBIENT_CLEAR_ALL) {
        if (cap)
            return -EINVAL;
    } else if (cap > LINUX_CAP_LAST_CAP) {
        return -EINVAL;
    }
    const struct cred *old = t->cred;
    if (op == LINUX_PR_CAP_AMBIENT_IS_SET)
        return (s64)((old->cap_ambient >> cap) & 1);
    struct cred *c = cred_copy(old);
    if (!c)
        return -ENOMEM;
    int err = 0;
    if (op == LINUX_PR_CAP_AMBIENT_CLEAR_ALL) {
        c->cap_ambient = 0;
    } else if (op == LINUX_PR_CAP_AMBIENT_LOWER) {
        c->cap_ambient &= ~(1ull << cap);
    } else if (op == LINUX_PR_CAP_AMBIENT_RAISE) {
        if (!((c->cap_permitted & c->cap_inheritable) >> cap & 1) ||
            (c->securebits & SECURE_NO_CAP_AMBIENT_RAISE))
            err = -EPERM;
        c->cap_ambient |= 1ull << cap;
    } else {
        err = -EINVAL;
    }
    if (err) {
        cred_put(c);
        return err;
    }
    cred_commit(t, c);
    return 0;
}

static s64 prctl_name(struct task *t, u64 op, uaddr_t u)
{
    char name[TASK_COMM_LEN] = {0};
    if (op == LINUX_PR_GET_NAME) {
        task_get_comm(t, name);
        return copy_out(t, u, name, sizeof(name));
    }
    ssize_t n = copy_in_str(t, name, sizeof(name), u);
    if (n == -ENAMETOOLONG) {
        if (copy_in(t, name, u, sizeof(name)))
            return -EFAULT;
        name[15] = '\0';
    } else if (n < 0) {
        return n;
    }
    task_set_comm(t, name);
    return 0;
}

static s64 prctl_subreaper(struct task *t, const struct syscall_args *a)
{
    if (arg_int(a, 0) == LINUX_PR_GET_CHILD_SUBREAPER)
        return put_u32(t, arg_ptr(a, 1), t->group->child_subreaper);
    t->group->child_subreaper = a->v[1] != 0;
    return 0;
}

static s64 prctl_dumpable(struct task *t, u64 v)
{
    if (v > 1)
        return -EINVAL;
    t->mm->dumpable = v;
    return 0;
}

s64 sys_prctl(struct task *t, const struct syscall_args *a)
{
    u64 v = a->v[1];
    switch (arg_int(a, 0)) {
    case LINUX_PR_SET_PDEATHSIG:
        if (v > NSIG)
            return -EINVAL;
        t->pdeath_signal = (int)v;
        return 0;
    case LINUX_PR_GET_PDEATHSIG:
        return put_u32(t, uaddr(v), (u32)t->pdeath_signal);
    case LINUX_PR_GET_DUMPABLE:
        return t->mm->dumpable;
    case LINUX_PR_SET_DUMPABLE:
        return prctl_dumpable(t, v);
    case LINUX_PR_SET_NAME:
    case LINUX_PR_GET_NAME:
        return prctl_name(t, a->v[0], uaddr(v));
    case LINUX_PR_GET_KEEPCAPS:
        return t->cred->keep_caps;
    case LINUX_PR_SET_KEEPCAPS:
        return prctl_keepcaps(t, v);
    case LINUX_PR_CAPBSET_READ:
        return v > LINUX_CAP_LAST_CAP ? -EINVAL : (s64)((t->cred->cap_bounding >> v) & 1);
    case LINUX_PR_CAPBSET_DROP:
        return prctl_capbset_drop(t, v);
    case LINUX_PR_GET_SECUREBITS:
        return t->cred->securebits;
    case LINUX_PR_SET_SECUREBITS:
        return prctl_securebits(t, v);
    case LINUX_PR_CAP_AMBIENT:
        return prctl_cap_ambient(t, a);
    case LINUX_PR_SET_TIMERSLACK:
        t->timerslack_ns = v ? v : 50000;
        return 0;
    case LINUX_PR_GET_TIMERSLACK:
        return (s64)t->timerslack_ns;
    case LINUX_PR_SET_CHILD_SUBREAPER:
    case LINUX_PR_GET_CHILD_SUBREAPER:
        return prctl_subreaper(t, a);
    case LINUX_PR_SET_NO_NEW_PRIVS:
        if (v != 1 || a->v[2] || a->v[3] || a->v[4])
            return -EINVAL;
        t->no_new_privs = true;
        return 0;
    case LINUX_PR_GET_NO_NEW_PRIVS:
        if (v || a->v[2] || a->v[3] || a->v[4])
            return -EINVAL;
        return t->no_new_privs;
    case LINUX_PR_GET_TID_ADDRESS:
        return put_u64(t, uaddr(v), t->clear_child_tid.v);
    case LINUX_PR_GET_SECCOMP:
        return 0;
    case LINUX_PR_GET_TSC:
        return put_u32(t, uaddr(v), LINUX_PR_TSC_ENABLE);
    case LINUX_PR_SET_TSC:
        return v == LINUX_PR_TSC_ENABLE ? 0 : -EINVAL;
    case SELFTEST_PRCTL:
        return selftest_prctl(t, v, uaddr(a->v[2]), a->v[3]);
    default:
        return -EINVAL;
    }
}

s64 sys_arch_prctl(struct task *t, const struct syscall_args *a)
{
    u64 v = a->v[1];
    switch (arg_int(a, 0)) {
    case LINUX_ARCH_SET_FS:
        if (v >= g_platform_info.vm_end)
            return -EPERM;
        task_regs_mut(t)->fs_base = v;
        return 0;
    case LINUX_ARCH_SET_GS:
        if (v >= g_platform_info.vm_end)
            return -EPERM;
        task_regs_mut(t)->gs_base = v;
        return 0;
    case LINUX_ARCH_GET_FS:
        return put_u64(t, uaddr(v), task_regs(t)->fs_base);
    case LINUX_ARCH_GET_GS:
        return put_u64(t, uaddr(v), task_regs(t)->gs_base);
    default:
        return -EINVAL;
    }
}
