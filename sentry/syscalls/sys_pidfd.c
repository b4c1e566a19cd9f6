/* SPDX-License-Identifier: Apache-2.0 */
/* pidfd_open, pidfd_send_signal, pidfd_getfd. */
#include "abi/linux/sched.h"
#include "sentry/kernel/fdtable.h"
#include "sentry/kernel/pidfd.h"
#include "sentry/kernel/ptrace_access.h"
#include "sentry/kernel/signal.h"
#include "sentry/mm/uaccess.h"
#include "sentry/syscalls/handlers.h"

#include <errno.h>

s64 sys_pidfd_open(struct task *t, const struct syscall_args *a)
{
    int pid = arg_int(a, 0);
    u32 flags = arg_u32(a, 1);
    if ((flags & ~(u32)LINUX_PIDFD_NONBLOCK) || pid <= 0)
        return -EINVAL;
    struct task *o = task_find(pid);
    if (!o)
        return -ESRCH;
    int fd = o->group->id == pid ? pidfd_create(t, o->group, flags) : -EINVAL;
    task_put(o);
    return fd;
}

/* The process behind a descriptor of t, referenced. */
static int group_of_fd(struct task *t, int fd, struct thread_group **g)
{
    struct file *f = fd_get(t, fd);
    if (!f)
        return -EBADF;
    *g = pidfd_group(f);
    file_put(f);
    return *g ? 0 : -EBADF;
}

/* A process is there until it is reaped. TASKS held. */
static bool group_exists_locked(struct thread_group *g)
{
    return group_find_locked(g->id) == g;
}

s64 sys_pidfd_send_signal(struct task *t, const struct syscall_args *a)
{
    int sig = arg_int(a, 1);
    struct linux_siginfo info;
    struct thread_group *g;
    if (arg_u32(a, 3))
        return -EINVAL;
    int err = group_of_fd(t, arg_int(a, 0), &g);
    if (err)
        return err;
    if (a->v[2]) {
        err = copy_in(t, &info, arg_ptr(a, 2), sizeof(info));
        if (!err && info.si_signo != sig)
            err = -EINVAL;
        else if (!err && g != t->group && (info.si_code >= 0 || info.si_code == LINUX_SI_TKILL))
            err = -EPERM;
    } else {
        siginfo_user(&info, sig, LINUX_SI_USER);
    }
    if (!err && (sig < 0 || sig > NSIG))
        err = -EINVAL;
    if (!err) {
        rwlock_rdlock(&g_tasks_lock);
        if (!group_exists_locked(g))
            err = -ESRCH;
        else if (!signal_may_send(t, g, sig))
            err = -EPERM;
        else if (sig)
            err = signal_send_group(g, sig, &info);
        rwlock_rdunlock(&g_tasks_lock);
    }
    group_put(g);
    return err;
}

static int task_get_file(struct task *o, int fd, struct file **out)
{
    bool cloexec;
    mutex_lock(&o->res_lock);
    struct fdtable *ft = o->files;
    if (ft)
        fdtable_get(ft);
    mutex_unlock(&o->res_lock);
    if (!ft)
        return -ESRCH;
    *out = fdtable_lookup(ft, fd, &cloexec);
    fdtable_put(ft);
    return *out ? 0 : -EBADF;
}

s64 sys_pidfd_getfd(struct task *t, const struct syscall_args *a)
{
    struct thread_group *g;
    struct task *o = NULL;
    struct file *f;
    if (arg_u32(a, 2))
        return -EINVAL;
    int err = group_of_fd(t, arg_int(a, 0), &g);
    if (err)
        return err;
    rwlock_rdlock(&g_tasks_lock);
    if (group_exists_locked(g)) {
        o = g->leader;
        task_get(o);
    }
    rwlock_rdunlock(&g_tasks_lock);
    group_put(g);
    if (!o)
        return -ESRCH;
    /* The file first: an exec in between must not lend us what the new program has opened. */
    err = task_get_file(o, arg_int(a, 1), &f);
    if (!ptrace_may_access(t, o)) {
        if (!err)
            file_put(f);
        err = -EPERM;
    }
    task_put(o);
    if (err)
        return err;
    int fd = fd_install(t, f, true, 0);
    if (fd < 0)
        file_put(f);
    return fd;
}
