/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scheduling parameters. The host schedules guest threads as ordinary ones: policies, priorities and
 * affinities are kept and reported, with Linux's permission rules, but do not change what runs.
 */
#include "abi/linux/resource.h"
#include "abi/linux/sched.h"
#include "cvisor/host.h"
#include "sentry/kernel/cpus.h"
#include "sentry/kernel/task.h"
#include "sentry/mm/uaccess.h"
#include "sentry/syscalls/handlers.h"

#include <errno.h>
#include <string.h>

s64 sys_sched_yield(struct task *t __unused, const struct syscall_args *a __unused)
{
    host_sched_yield();
    return 0;
}

/* 0 = self. Referenced. */
static struct task *sched_target(struct task *t, int pid)
{
    if (!pid) {
        task_get(t);
        return t;
    }
    return task_find(pid);
}

static bool sched_owner(struct task *t, struct task *to)
{
    if (t == to || capable(LINUX_CAP_SYS_NICE))
        return true;
    const struct cred *o = task_cred_get(to);
    bool ok = t->cred->euid == o->euid || t->cred->euid == o->uid;
    cred_put(o);
    return ok;
}

static bool sched_is_rt(int policy)
{
    return policy == LINUX_SCHED_FIFO || policy == LINUX_SCHED_RR;
}

static int sched_check(int policy, int prio)
{
    switch (policy) {
    case LINUX_SCHED_NORMAL:
    case LINUX_SCHED_BATCH:
    case LINUX_SCHED_IDLE:
        return prio ? -EINVAL : 0;
    case LINUX_SCHED_FIFO:
    case LINUX_SCHED_RR:
        return prio >= 1 && prio < LINUX_MAX_RT_PRIO ? 0 : -EINVAL;
    default:
        return -EINVAL;
    }
}

static int sched_set(struct task *t, int pid, int policy, int prio, bool reset)
{
    if (pid < 0)
        return -EINVAL;
    struct task *to = sched_target(t, pid);
    if (!to)
        return -ESRCH;
    if (policy < 0)
        policy = to->sched_policy;
    int err = sched_check(policy, prio);
    if (!err && !sched_owner(t, to))
        err = -EPERM;
    if (!err && sched_is_rt(policy) && !capable(LINUX_CAP_SYS_NICE) &&
        (u64)prio > group_rlimit(to->group, LINUX_RLIMIT_RTPRIO) &&
        (policy != to->sched_policy || prio > to->sched_priority))
        err = -EPERM;
    if (!err) {
        to->sched_policy = policy;
        to->sched_priority = prio;
        to->sched_reset_on_fork = reset;
    }
    task_put(to);
    return err;
}

s64 sys_sched_setscheduler(struct task *t, const struct syscall_args *a)
{
    int policy = arg_int(a, 1);
    u32 prio;
    if (!a->v[2] || policy < 0)
        return -EINVAL;
    if (get_u32(t, &prio, arg_ptr(a, 2)))
        return -EFAULT;
    return sched_set(t, arg_int(a, 0), policy & ~LINUX_SCHED_RESET_ON_FORK, (int)prio,
                     (policy & LINUX_SCHED_RESET_ON_FORK) != 0);
}

s64 sys_sched_setparam(struct task *t, const struct syscall_args *a)
{
    u32 prio;
    if (!a->v[1])
        return -EINVAL;
    if (get_u32(t, &prio, arg_ptr(a, 1)))
        return -EFAULT;
    return sched_set(t, arg_int(a, 0), -1, (int)prio, false);
}

s64 sys_sched_getscheduler(struct task *t, const struct syscall_args *a)
{
    if (arg_int(a, 0) < 0)
        return -EINVAL;
    struct task *to = sched_target(t, arg_int(a, 0));
    if (!to)
        return -ESRCH;
    s64 r = to->sched_policy | (to->sched_reset_on_fork ? LINUX_SCHED_RESET_ON_FORK : 0);
    task_put(to);
    return r;
}

s64 sys_sched_getparam(struct task *t, const struct syscall_args *a)
{
    if (arg_int(a, 0) < 0 || !a->v[1])
        return -EINVAL;
    struct task *to = sched_target(t, arg_int(a, 0));
    if (!to)
        return -ESRCH;
    u32 prio = (u32)to->sched_priority;
    task_put(to);
    return put_u32(t, arg_ptr(a, 1), prio);
}

s64 sys_sched_get_priority_max(struct task *t __unused, const struct syscall_args *a)
{
    int policy = arg_int(a, 0);
    if (sched_is_rt(policy))
        return LINUX_MAX_RT_PRIO - 1;
    return sched_check(policy, 0) && policy != LINUX_SCHED_DEADLINE ? -EINVAL : 0;
}

s64 sys_sched_get_priority_min(struct task *t __unused, const struct syscall_args *a)
{
    int policy = arg_int(a, 0);
    if (sched_is_rt(policy))
        return 1;
    return sched_check(policy, 0) && policy != LINUX_SCHED_DEADLINE ? -EINVAL : 0;
}

s64 sys_sched_rr_get_interval(struct task *t, const struct syscall_args *a)
{
    if (arg_int(a, 0) < 0)
        return -EINVAL;
    struct task *to = sched_target(t, arg_int(a, 0));
    if (!to)
        return -ESRCH;
    struct linux_timespec ts = {0};
    if (to->sched_policy == LINUX_SCHED_RR)
        ts.tv_nsec = 100000000;
    else if (to->sched_policy != LINUX_SCHED_FIFO)
        ts.tv_nsec = 4000000;
    task_put(to);
    return copy_out(t, arg_ptr(a, 1), &ts, sizeof(ts));
}

s64 sys_sched_setattr(struct task *t, const struct syscall_args *a)
{
    struct linux_sched_attr at;
    u32 size;
    memset(&at, 0, sizeof(at));
    if (!a->v[1] || arg_u32(a, 2))
        return -EINVAL;
    if (get_u32(t, &size, arg_ptr(a, 1)))
        return -EFAULT;
    if (!size)
        size = LINUX_SCHED_ATTR_SIZE_VER0;
    if (size < LINUX_SCHED_ATTR_SIZE_VER0 || size > PAGE_SIZE)
        return -E2BIG;
    if (copy_in(t, &at, arg_ptr(a, 1), MIN((size_t)size, sizeof(at))))
        return -EFAULT;
    int err = sched_set(t, arg_int(a, 0), (int)at.sched_policy, (int)at.sched_priority,
                        (at.sched_flags & LINUX_SCHED_FLAG_RESET_ON_FORK) != 0);
    if (!err && !sched_is_rt((int)at.sched_policy)) {
        struct task *to = sched_target(t, arg_int(a, 0));
        if (to) {
            to->nice = MAX(-20, MIN(19, at.sched_nice));
            task_put(to);
        }
    }
    return err;
}

s64 sys_sched_getattr(struct task *t, const struct syscall_args *a)
{
    u32 size = arg_u32(a, 2);
    if (!a->v[1] || size < LINUX_SCHED_ATTR_SIZE_VER0 || size > PAGE_SIZE || arg_u32(a, 3))
        return -EINVAL;
    struct task *to = sched_target(t, arg_int(a, 0));
    if (!to)
        return -ESRCH;
    struct linux_sched_attr at;
    memset(&at, 0, sizeof(at));
    at.size = (u32)MIN((size_t)size, sizeof(at));
    at.sched_policy = (u32)to->sched_policy;
    at.sched_flags = to->sched_reset_on_fork ? LINUX_SCHED_FLAG_RESET_ON_FORK : 0;
    at.sched_nice = to->nice;
    at.sched_priority = (u32)to->sched_priority;
    task_put(to);
    return copy_out(t, arg_ptr(a, 1), &at, at.size);
}

s64 sys_sched_getaffinity(struct task *t, const struct syscall_args *a)
{
    u64 len = a->v[1];
    size_t bytes = ((size_t)(cpus_count() + 63) / 64) * 8;
    if ((len & 7) || len * 8 < (u64)cpus_count())
        return -EINVAL;
    struct task *to = sched_target(t, arg_int(a, 0));
    if (!to)
        return -ESRCH;
    u64 mask[16];
    cpus_get_allowed(to, mask);
    task_put(to);
    bytes = MIN(bytes, (size_t)len);
    if (copy_out(t, arg_ptr(a, 2), mask, bytes))
        return -EFAULT;
    return (s64)bytes;
}

s64 sys_sched_setaffinity(struct task *t, const struct syscall_args *a)
{
    u64 mask[16] = {0}, have[16], any = 0;
    if (copy_in(t, mask, arg_ptr(a, 2), MIN(a->v[1], sizeof(mask))))
        return -EFAULT;
    struct task *to = sched_target(t, arg_int(a, 0));
    if (!to)
        return -ESRCH;
    cpus_mask(have);
    for (size_t i = 0; i < ARRAY_SIZE(mask); i++)
        any |= mask[i] & have[i];
    int err = !sched_owner(t, to) ? -EPERM : !any ? -EINVAL : 0;
    if (!err)
        cpus_set_allowed(to, mask);
    task_put(to);
    return err;
}

s64 sys_getcpu(struct task *t, const struct syscall_args *a)
{
    u32 cpu = 0, node = 0;
    host_getcpu(&cpu, &node);
    if ((a->v[0] && put_u32(t, arg_ptr(a, 0), cpu)) || (a->v[1] && put_u32(t, arg_ptr(a, 1), 0)))
        return -EFAULT;
    return 0;
}

/* ---- nice values ---- */

static int nice_set(struct task *t, struct task *to, int nice)
{
    if (!sched_owner(t, to))
        return -EPERM;
    u64 limit = group_rlimit(to->group, LINUX_RLIMIT_NICE);
    if (nice < to->nice && !capable(LINUX_CAP_SYS_NICE) && (u64)(20 - nice) > limit)
        return -EACCES;
    to->nice = nice;
    return 0;
}

struct prio_scan {
    struct task *from;
    int which, who, nice, found, err;
    bool set;
};

static void prio_visit(struct prio_scan *p, struct task *to)
{
    if (p->set) {
        int err = nice_set(p->from, to, p->nice);
        if (err)
            p->err = err;
        p->found = MAX(p->found, 1);
    } else {
        p->found = MAX(p->found, 20 - to->nice);
    }
}

static int prio_group(struct thread_group *g, void *arg)
{
    struct prio_scan *p = arg;
    struct task *to;
    bool match;
    if (p->which == LINUX_PRIO_PGRP) {
        match = g->pgrp->id == (p->who ? p->who : p->from->group->pgrp->id);
    } else {
        const struct cred *c = task_cred_get(g->leader);
        match = c->uid == (p->who ? (u32)p->who : p->from->cred->uid);
        cred_put(c);
    }
    if (!match)
        return 0;
    list_for_each_entry (to, &g->tasks, group_node)
        prio_visit(p, to);
    return 0;
}

static int prio_scan(struct prio_scan *p)
{
    if (p->which == LINUX_PRIO_PROCESS) {
        struct task *to = sched_target(p->from, p->who);
        if (to) {
            prio_visit(p, to);
            task_put(to);
        }
    } else if (p->which == LINUX_PRIO_PGRP || p->which == LINUX_PRIO_USER) {
        group_for_each(prio_group, p);
    } else {
        return -EINVAL;
    }
    if (!p->found)
        return -ESRCH;
    return p->err;
}

s64 sys_setpriority(struct task *t, const struct syscall_args *a)
{
    struct prio_scan p = {
        .from = t,
        .which = arg_int(a, 0),
        .who = arg_int(a, 1),
        .nice = MAX(-20, MIN(19, arg_int(a, 2))),
        .set = true,
    };
    return prio_scan(&p);
}

s64 sys_getpriority(struct task *t, const struct syscall_args *a)
{
    struct prio_scan p = {.from = t, .which = arg_int(a, 0), .who = arg_int(a, 1)};
    int err = prio_scan(&p);
    return err ? err : p.found;
}
