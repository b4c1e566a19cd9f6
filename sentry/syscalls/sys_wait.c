/* SPDX-License-Identifier: Apache-2.0 */
/* wait4, waitid. */
#include "abi/linux/errno_internal.h"
#include "abi/linux/wait.h"
#include "sentry/kernel/exit.h"
#include "sentry/kernel/fdtable.h"
#include "sentry/kernel/pidfd.h"
#include "sentry/kernel/wait.h"
#include "sentry/mm/uaccess.h"
#include "sentry/syscalls/handlers.h"

#include <errno.h>
#include <string.h>

#define WAIT4_OPTIONS                                                                              \
    (LINUX_WNOHANG | LINUX_WUNTRACED | LINUX_WCONTINUED | LINUX___WNOTHREAD | LINUX___WALL |       \
     (int)LINUX___WCLONE)
#define WAITID_OPTIONS (WAIT4_OPTIONS | LINUX_WEXITED | LINUX_WNOWAIT)

static int put_rusage(struct task *t, uaddr_t u, const struct rusage_k *k)
{
    struct linux_rusage ru;
    rusage_to_linux(k, &ru);
    return copy_out(t, u, &ru, sizeof(ru));
}

/* Another thread, or the parent, may be moving the process to another group. */
static int own_pgrp(struct task *t)
{
    rwlock_rdlock(&g_tasks_lock);
    int id = t->group->pgrp->id;
    rwlock_rdunlock(&g_tasks_lock);
    return id;
}

s64 sys_wait4(struct task *t, const struct syscall_args *a)
{
    int pid = arg_int(a, 0), options = arg_int(a, 2);
    struct wait_result r;
    struct wait_opts o = {.options = options | LINUX_WEXITED, .idtype = LINUX_P_PID, .id = pid};
    if (options & ~WAIT4_OPTIONS)
        return -EINVAL;
    if (pid == INT32_MIN)
        return -ESRCH;
    if (pid == -1) {
        o.idtype = LINUX_P_ALL;
    } else if (pid <= 0) {
        o.idtype = LINUX_P_PGID;
        o.id = pid ? -pid : own_pgrp(t);
    }
    int ret = wait_children(t, &o, &r);
    if (ret <= 0)
        return ret;
    if (a->v[1] && put_u32(t, arg_ptr(a, 1), (u32)r.status))
        return -EFAULT;
    if (a->v[3] && put_rusage(t, arg_ptr(a, 3), &r.usage))
        return -EFAULT;
    return r.pid;
}

/* The number behind a pidfd, or -EBADF. *nonblock: WNOHANG semantics with -EAGAIN. */
static int waitid_pidfd(struct task *t, int fd, bool *nonblock)
{
    struct file *f = fd_get(t, fd);
    if (!f)
        return -EBADF;
    struct thread_group *g = pidfd_group(f);
    int id = -EBADF;
    if (g) {
        id = g->id;
        *nonblock = file_nonblock(f);
        group_put(g);
    }
    file_put(f);
    return id;
}

s64 sys_waitid(struct task *t, const struct syscall_args *a)
{
    int idtype = arg_int(a, 0), id = arg_int(a, 1), options = arg_int(a, 3);
    struct wait_result r = {0};
    struct wait_opts o = {.options = options, .idtype = idtype, .id = id};
    bool nonblock = false;
    if ((options & ~WAITID_OPTIONS) ||
        !(options & (LINUX_WEXITED | LINUX_WSTOPPED | LINUX_WCONTINUED)))
        return -EINVAL;
    switch (idtype) {
    case LINUX_P_ALL:
        break;
    case LINUX_P_PID:
        if (id <= 0)
            return -EINVAL;
        break;
    case LINUX_P_PGID:
        if (id < 0)
            return -EINVAL;
        if (!id)
            o.id = own_pgrp(t);
        break;
    case LINUX_P_PIDFD:
        if (id < 0)
            return -EINVAL;
        o.idtype = LINUX_P_PID;
        o.id = waitid_pidfd(t, id, &nonblock);
        if (o.id < 0)
            return o.id;
        break;
    default:
        return -EINVAL;
    }
    if (nonblock)
        o.options |= LINUX_WNOHANG;
    int ret = wait_children(t, &o, &r);
    if (ret < 0)
        return ret;
    if (!ret && nonblock && !(options & LINUX_WNOHANG))
        return -EAGAIN;
    struct linux_siginfo info;
    memset(&info, 0, sizeof(info));
    if (ret) {
        info.si_signo = LINUX_SIGCHLD;
        info.si_code = r.code;
        info.chld.pid = r.pid;
        info.chld.uid = r.uid;
        if (r.code == LINUX_CLD_EXITED)
            info.chld.status = LINUX_WEXITSTATUS(r.status);
        else if (r.code == LINUX_CLD_CONTINUED)
            info.chld.status = LINUX_SIGCONT;
        else if (r.code == LINUX_CLD_STOPPED)
            info.chld.status = LINUX_WSTOPSIG(r.status);
        else
            info.chld.status = LINUX_WTERMSIG(r.status);
        if (a->v[4] && put_rusage(t, arg_ptr(a, 4), &r.usage))
            return -EFAULT;
    }
    /* Only the fields that waitid defines are written. */
    if (a->v[2] && copy_out(t, arg_ptr(a, 2), &info, 28))
        return -EFAULT;
    return 0;
}
