/* SPDX-License-Identifier: Apache-2.0 */
/* Resource limits and usage. */
#include "abi/linux/resource.h"
#include "abi/linux/times.h"
#include "cvisor/host.h"
#include "sentry/kernel/cpu_limit.h"
#include "sentry/kernel/exit.h"
#include "sentry/kernel/task.h"
#include "sentry/mm/uaccess.h"
#include "sentry/syscalls/handlers.h"

#include <errno.h>

static int rlimit_change(struct task *t, struct thread_group *g, u32 resource,
                         const struct linux_rlimit *new, struct linux_rlimit *old)
{
    int err = 0;
    if (resource >= LINUX_RLIM_NLIMITS || (new &&new->rlim_cur > new->rlim_max))
        return -EINVAL;
    if (new &&resource == LINUX_RLIMIT_NOFILE &&new->rlim_max > (1u << 20))
        return -EPERM; /* fs.nr_open */
    mutex_lock(&g->rlimit_lock);
    struct linux_rlimit *r = &g->rlimits[resource];
    *old = *r;
    if (new) {
        if (new->rlim_max > r->rlim_max && !cred_capable(t->cred, LINUX_CAP_SYS_RESOURCE)) {
            err = -EPERM;
        } else {
            /* group_rlimit() takes no lock. */
            __atomic_store_n(&r->rlim_cur, new->rlim_cur, __ATOMIC_RELAXED);
            __atomic_store_n(&r->rlim_max, new->rlim_max, __ATOMIC_RELAXED);
        }
    }
    mutex_unlock(&g->rlimit_lock);
    if (!err && new &&resource == LINUX_RLIMIT_CPU)
        cpu_limit_changed(g);
    return err;
}

s64 sys_getrlimit(struct task *t, const struct syscall_args *a)
{
    struct linux_rlimit old;
    int err = rlimit_change(t, t->group, arg_u32(a, 0), NULL, &old);
    if (err)
        return err;
    return copy_out(t, arg_ptr(a, 1), &old, sizeof(old));
}

s64 sys_setrlimit(struct task *t, const struct syscall_args *a)
{
    struct linux_rlimit new, old;
    if (copy_in(t, &new, arg_ptr(a, 1), sizeof(new)))
        return -EFAULT;
    return rlimit_change(t, t->group, arg_u32(a, 0), &new, &old);
}

/* prlimit on others: same user ids, or CAP_SYS_RESOURCE. */
static bool prlimit_allowed(struct task *t, struct task *to)
{
    const struct cred *c = t->cred, *o;
    if (t->group == to->group || cred_capable(c, LINUX_CAP_SYS_RESOURCE))
        return true;
    o = task_cred_get(to);
    bool ok = c->uid == o->uid && c->uid == o->euid && c->uid == o->suid && c->gid == o->gid &&
              c->gid == o->egid && c->gid == o->sgid;
    cred_put(o);
    return ok;
}

s64 sys_prlimit64(struct task *t, const struct syscall_args *a)
{
    int pid = arg_int(a, 0);
    struct linux_rlimit new, old;
    if (a->v[2] && copy_in(t, &new, arg_ptr(a, 2), sizeof(new)))
        return -EFAULT;
    struct task *to = pid ? task_find(pid) : t;
    if (!to)
        return -ESRCH;
    int err = -EPERM;
    if (prlimit_allowed(t, to))
        err = rlimit_change(t, to->group, arg_u32(a, 1), a->v[2] ? &new : NULL, &old);
    if (pid)
        task_put(to);
    if (!err && a->v[3])
        err = copy_out(t, arg_ptr(a, 3), &old, sizeof(old));
    return err;
}

s64 sys_getrusage(struct task *t, const struct syscall_args *a)
{
    struct rusage_k u = {0};
    struct linux_rusage ru;
    switch (arg_int(a, 0)) {
    case LINUX_RUSAGE_SELF:
    case LINUX_RUSAGE_CHILDREN:
        rwlock_rdlock(&g_tasks_lock);
        if (arg_int(a, 0) == LINUX_RUSAGE_SELF)
            group_usage_locked(t->group, &u);
        else
            u = t->group->children_usage;
        rwlock_rdunlock(&g_tasks_lock);
        break;
    case LINUX_RUSAGE_THREAD:
        u.utime_ns = t->utime_ns;
        u.stime_ns = t->stime_ns;
        u.nvcsw = t->nvcsw;
        u.minflt = t->minflt;
        break;
    default:
        return -EINVAL;
    }
    rusage_to_linux(&u, &ru);
    return copy_out(t, arg_ptr(a, 1), &ru, sizeof(ru));
}

s64 sys_times(struct task *t, const struct syscall_args *a)
{
    const u64 tick = (u64)NSEC_PER_SEC / LINUX_USER_HZ;
    struct rusage_k u;
    rwlock_rdlock(&g_tasks_lock);
    group_usage_locked(t->group, &u);
    struct linux_tms tms = {
        .tms_utime = (s64)(u.utime_ns / tick),
        .tms_stime = (s64)(u.stime_ns / tick),
        .tms_cutime = (s64)(t->group->children_usage.utime_ns / tick),
        .tms_cstime = (s64)(t->group->children_usage.stime_ns / tick),
    };
    rwlock_rdunlock(&g_tasks_lock);
    if (a->v[0] && copy_out(t, arg_ptr(a, 0), &tms, sizeof(tms)))
        return -EFAULT;
    return (s64)(host_now_mono() / tick);
}
