/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers of processes, process groups and sessions. */
#include "abi/linux/unistd.h"
#include "sentry/kernel/answers.h"
#include "sentry/kernel/pgrp.h"
#include "sentry/kernel/task.h"
#include "sentry/syscalls/handlers.h"

#include <errno.h>

s64 sys_getpid(struct task *t, const struct syscall_args *a __unused)
{
    return answers_value(t, LINUX_SYS_getpid);
}

s64 sys_gettid(struct task *t, const struct syscall_args *a __unused)
{
    return answers_value(t, LINUX_SYS_gettid);
}

s64 sys_getppid(struct task *t, const struct syscall_args *a __unused)
{
    rwlock_rdlock(&g_tasks_lock);
    s64 id = answers_value(t, LINUX_SYS_getppid);
    rwlock_rdunlock(&g_tasks_lock);
    return id;
}

static s64 getpgid(struct task *t, int pid, bool session)
{
    s64 ret = -ESRCH;
    rwlock_rdlock(&g_tasks_lock);
    struct task *to = pid ? task_find_locked(pid) : t;
    if (to)
        ret = session ? to->group->pgrp->session->id : to->group->pgrp->id;
    rwlock_rdunlock(&g_tasks_lock);
    return ret;
}

s64 sys_getpgid(struct task *t, const struct syscall_args *a)
{
    return getpgid(t, arg_int(a, 0), false);
}

s64 sys_getpgrp(struct task *t, const struct syscall_args *a __unused)
{
    rwlock_rdlock(&g_tasks_lock);
    s64 id = answers_value(t, LINUX_SYS_getpgrp);
    rwlock_rdunlock(&g_tasks_lock);
    return id;
}

s64 sys_getsid(struct task *t, const struct syscall_args *a)
{
    return getpgid(t, arg_int(a, 0), true);
}

/* TASKS (write). */
static int setpgid_locked(struct task *t, int pid, int pgid)
{
    struct thread_group *g = pid ? group_find_locked(pid) : t->group;
    if (!g)
        return -ESRCH;
    struct session *s = t->group->pgrp->session;
    if (g->parent == t->group) {
        if (g->pgrp->session != s)
            return -EPERM;
        if (g->did_exec)
            return -EACCES;
    } else if (g != t->group) {
        return -ESRCH;
    }
    if (g->pgrp->session->leader == g)
        return -EPERM;
    if (!pgid)
        pgid = g->id;
    struct process_group *pg = pgrp_find_locked(pgid);
    if (!pg) {
        if (pgid != g->id)
            return -EPERM;
        pg = pgrp_new(pgid, s);
        if (!pg)
            return -ENOMEM;
        pgrp_join(g, pg);
        pgrp_put(pg);
        return 0;
    }
    if (pg->session != s)
        return -EPERM;
    pgrp_join(g, pg);
    return 0;
}

s64 sys_setpgid(struct task *t, const struct syscall_args *a)
{
    int pid = arg_int(a, 0), pgid = arg_int(a, 1);
    if (pgid < 0)
        return -EINVAL;
    rwlock_wrlock(&g_tasks_lock);
    int err = setpgid_locked(t, pid, pgid);
    rwlock_wrunlock(&g_tasks_lock);
    return err;
}

s64 sys_setsid(struct task *t, const struct syscall_args *a __unused)
{
    struct thread_group *g = t->group;
    s64 ret = g->id;
    rwlock_wrlock(&g_tasks_lock);
    if (g->pgrp->session->leader == g || pgrp_find_locked(g->id)) {
        ret = -EPERM;
    } else {
        struct process_group *pg = session_new(g->id);
        if (pg) {
            pgrp_join(g, pg);
            pg->session->leader = g;
            pgrp_put(pg);
        } else {
            ret = -ENOMEM;
        }
    }
    rwlock_wrunlock(&g_tasks_lock);
    return ret;
}
