/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptors: close, dup, fcntl, flock, ioctl. */
#include "abi/linux/capability.h"
#include "abi/linux/errno_internal.h"
#include "abi/linux/fcntl.h"
#include "abi/linux/ioctl.h"
#include "abi/linux/stat.h"
#include "sentry/fs/pipe/pipe.h"
#include "sentry/fs/tmpfs/tmpfs.h"
#include "sentry/kernel/fdtable.h"
#include "sentry/kernel/pidtab.h"
#include "sentry/kernel/task.h"
#include "sentry/mm/uaccess.h"
#include "sentry/syscalls/handlers.h"
#include "sentry/vfs/file_lock.h"
#include "sentry/vfs/vfs.h"

#include <errno.h>

s64 sys_close(struct task *t, const struct syscall_args *a)
{
    int err = fd_close(t, arg_int(a, 0));

    /* The descriptor is gone: there is nothing to restart. */
    return err <= -ERESTARTSYS && err >= -ERESTART_RESTARTBLOCK ? -EINTR : err;
}

s64 sys_close_range(struct task *t, const struct syscall_args *a)
{
    u32 first = arg_u32(a, 0), last = arg_u32(a, 1), flags = arg_u32(a, 2);

    if ((flags & ~(u32)(LINUX_CLOSE_RANGE_UNSHARE | LINUX_CLOSE_RANGE_CLOEXEC)) || first > last)
        return -EINVAL;
    if (flags & LINUX_CLOSE_RANGE_UNSHARE) {
        struct fdtable *old = t->files, *copy = fdtable_copy(old);

        if (!copy)
            return -ENOMEM;
        mutex_lock(&t->res_lock);
        t->files = copy;
        mutex_unlock(&t->res_lock);
        fdtable_put(old);
    }
    return fd_close_range(t, first, last, flags & LINUX_CLOSE_RANGE_CLOEXEC);
}

static s64 dup_min(struct task *t, int fd, int min, bool cloexec)
{
    struct file *f = fd_get_path(t, fd);
    int r;

    if (!f)
        return -EBADF;
    r = fd_install(t, f, cloexec, min);
    if (r < 0)
        file_put(f);
    return r;
}

s64 sys_dup(struct task *t, const struct syscall_args *a)
{
    return dup_min(t, arg_int(a, 0), 0, false);
}

static s64 dup_to(struct task *t, int from, int to, bool cloexec)
{
    struct file *f = fd_get_path(t, from);
    int r;

    if (!f)
        return -EBADF;
    r = fd_replace(t, to, f, cloexec);
    if (r < 0)
        file_put(f);
    return r;
}

s64 sys_dup2(struct task *t, const struct syscall_args *a)
{
    int from = arg_int(a, 0), to = arg_int(a, 1);

    if (from == to)
        return fd_get_cloexec(t, from) < 0 ? -EBADF : to;
    return dup_to(t, from, to, false);
}

s64 sys_dup3(struct task *t, const struct syscall_args *a)
{
    int from = arg_int(a, 0), to = arg_int(a, 1), flags = arg_int(a, 2);

    if ((flags & ~LINUX_O_CLOEXEC) || from == to)
        return -EINVAL;
    return dup_to(t, from, to, flags & LINUX_O_CLOEXEC);
}

/* ---- fcntl ------------------------------------------------------------------------------------- */

#define SETFL_FLAGS                                                                                \
    (LINUX_O_APPEND | LINUX_O_NONBLOCK | LINUX_O_DIRECT | LINUX_FASYNC | LINUX_O_NOATIME)

/* Those of which become as in arg. */
static int set_flags(struct file *f, int fd, u32 which, u32 arg)
{
    u32 old = atomic_load(&f->flags), new = (old & ~which) | (arg & which);
    int err;

    if ((new & ~old &LINUX_O_NOATIME) && !inode_owner_or_capable(f->inode, vfs_cred()))
        return -EPERM;
    if (f->ops->setfl) {
        err = f->ops->setfl(f, new);
        if (err)
            return err;
    }
    if ((old ^ new) & LINUX_FASYNC) {
        err = file_async_set(f, fd, new &LINUX_FASYNC);
        if (err)
            return err;
    }
    /* Another thread may be changing others. */
    while (!atomic_compare_exchange_weak(&f->flags, &old, new))
        new = (old & ~which) | (arg & which);
    return 0;
}

static s64 fcntl_lock(struct task *t, int fd, struct file *f, int cmd, uaddr_t arg)
{
    struct fdtable *ft = t->files;
    struct linux_flock fl;
    struct file *now;
    int err = copy_in(t, &fl, arg, sizeof(fl));

    if (err)
        return err;
    err = file_lock_fcntl(f, cmd, &fl, ft);
    if (err)
        return err;
    if (cmd == LINUX_F_GETLK || cmd == LINUX_F_OFD_GETLK)
        return copy_out(t, arg, &fl, sizeof(fl));
    if (cmd == LINUX_F_OFD_SETLK || cmd == LINUX_F_OFD_SETLKW || fl.l_type == LINUX_F_UNLCK)
        return 0;
    /* Closed by another thread meanwhile: its close() did not see this lock. */
    now = fdtable_lookup(ft, fd, NULL);
    if (now != f) {
        file_locks_release_posix(f, ft);
        err = -EBADF;
    }
    if (now)
        file_put(now);
    return err;
}

/* F_SETOWN: a process, a thread (EX only) or, negative, a group. It must exist. */
static int set_owner(struct file *f, int who)
{
    bool found = true;

    if (who) {
        rwlock_rdlock(&g_tasks_lock);
        found = who > 0 ? task_find_locked(who) != NULL : pgrp_find_locked(-who) != NULL;
        rwlock_rdunlock(&g_tasks_lock);
    }
    if (!found)
        return -ESRCH;
    atomic_store(&f->owner, who);
    return 0;
}

static s64 owner_ex(struct task *t, struct file *f, int cmd, uaddr_t arg)
{
    struct linux_f_owner_ex ex = {0, 0};
    int who;

    if (cmd == LINUX_F_GETOWN_EX) {
        who = atomic_load(&f->owner);
        ex.type = who < 0 ? LINUX_F_OWNER_PGRP : LINUX_F_OWNER_PID;
        ex.pid = who < 0 ? -who : who;
        return copy_out(t, arg, &ex, sizeof(ex));
    }
    if (copy_in(t, &ex, arg, sizeof(ex)))
        return -EFAULT;
    if (ex.type < LINUX_F_OWNER_TID || ex.type > LINUX_F_OWNER_PGRP || ex.pid < 0)
        return -EINVAL;
    return set_owner(f, ex.type == LINUX_F_OWNER_PGRP ? -ex.pid : ex.pid);
}

/* What is allowed on O_PATH descriptors too. -ENOIOCTLCMD: not one of these. */
static s64 fcntl_path(struct task *t, int fd, struct file *f, int cmd, u64 arg)
{
    switch (cmd) {
    case LINUX_F_DUPFD:
    case LINUX_F_DUPFD_CLOEXEC:
        if (arg > INT32_MAX)
            return -EINVAL;
        return dup_min(t, fd, (int)arg, cmd == LINUX_F_DUPFD_CLOEXEC);
    case LINUX_F_GETFD:
        return fd_get_cloexec(t, fd);
    case LINUX_F_SETFD:
        return fd_set_cloexec(t, fd, arg & LINUX_FD_CLOEXEC);
    case LINUX_F_GETFL:
        return atomic_load(&f->flags);
    default:
        return -ENOIOCTLCMD;
    }
}

static s64 fcntl_file(struct task *t, int fd, struct file *f, int cmd, u64 arg)
{
    switch (cmd) {
    case LINUX_F_SETFL:
        return set_flags(f, fd, SETFL_FLAGS, (u32)arg);
    case LINUX_F_GETLK:
    case LINUX_F_SETLK:
    case LINUX_F_SETLKW:
    case LINUX_F_OFD_GETLK:
    case LINUX_F_OFD_SETLK:
    case LINUX_F_OFD_SETLKW:
        return fcntl_lock(t, fd, f, cmd, uaddr(arg));
    case LINUX_F_GETOWN:
        return atomic_load(&f->owner);
    case LINUX_F_SETOWN:
        if ((int)arg == INT32_MIN)
            return -EINVAL;
        return set_owner(f, (int)arg);
    case LINUX_F_GETOWN_EX:
    case LINUX_F_SETOWN_EX:
        return owner_ex(t, f, cmd, uaddr(arg));
    case LINUX_F_GETSIG:
        return atomic_load(&f->owner_sig);
    case LINUX_F_SETSIG:
        if (arg > NSIG)
            return -EINVAL;
        atomic_store(&f->owner_sig, (int)arg);
        return 0;
    case LINUX_F_ADD_SEALS:
        return memfd_add_seals(f, (u32)arg);
    case LINUX_F_GET_SEALS:
        return memfd_get_seals(f);
    case LINUX_F_GETPIPE_SZ:
        return pipe_get_size(f);
    case LINUX_F_SETPIPE_SZ:
        if (arg > INT32_MAX)
            return -EINVAL;
        return pipe_set_size(f, (u32)arg);
    case LINUX_F_GETLEASE:
        return LINUX_F_UNLCK;
    case LINUX_F_SETLEASE:
        if (inode_type(f->inode) != LINUX_S_IFREG)
            return -EINVAL;
        return (int)arg == LINUX_F_UNLCK ? -EAGAIN : -EINVAL;
    case LINUX_F_GET_RW_HINT:
    case LINUX_F_GET_FILE_RW_HINT:
        return put_u64(t, uaddr(arg), LINUX_RWH_WRITE_LIFE_NOT_SET);
    case LINUX_F_SET_RW_HINT:
    case LINUX_F_SET_FILE_RW_HINT: {
        u64 hint;
        if (get_u64(t, &hint, uaddr(arg)))
            return -EFAULT;
        return hint <= LINUX_RWH_WRITE_LIFE_EXTREME ? 0 : -EINVAL;
    }
    default:
        return -EINVAL;
    }
}

s64 sys_fcntl(struct task *t, const struct syscall_args *a)
{
    int fd = arg_int(a, 0), cmd = arg_int(a, 1);
    struct file *f = fd_get_path(t, fd);
    s64 r;

    if (!f)
        return -EBADF;
    r = fcntl_path(t, fd, f, cmd, a->v[2]);
    if (r == -ENOIOCTLCMD)
        r = atomic_load(&f->flags) & LINUX_O_PATH ? -EBADF : fcntl_file(t, fd, f, cmd, a->v[2]);
    file_put(f);
    return r;
}

s64 sys_flock(struct task *t, const struct syscall_args *a)
{
    struct file *f = fd_get(t, arg_int(a, 0));
    s64 r;

    if (!f)
        return -EBADF;
    r = file_lock_flock(f, arg_int(a, 1));
    file_put(f);
    return r;
}

/* ---- ioctl ------------------------------------------------------------------------------------- */

static s64 toggle_flag(struct task *t, int fd, struct file *f, uaddr_t arg, u32 flag)
{
    u32 on;
    int err = get_u32(t, &on, arg);

    return err ? err : set_flags(f, fd, flag, on ? flag : 0);
}

static s64 own_ioctl(struct file *f, u32 cmd, u64 arg)
{
    s64 r = f->ops->ioctl ? f->ops->ioctl(f, cmd, arg) : -ENOTTY;

    return r == -ENOIOCTLCMD ? -ENOTTY : r;
}

static s64 do_ioctl(struct task *t, int fd, struct file *f, u32 cmd, u64 arg)
{
    bool regular = inode_type(f->inode) == LINUX_S_IFREG;

    switch (cmd) {
    case LINUX_FIOCLEX:
        return fd_set_cloexec(t, fd, true);
    case LINUX_FIONCLEX:
        return fd_set_cloexec(t, fd, false);
    case LINUX_FIONBIO:
        return toggle_flag(t, fd, f, uaddr(arg), LINUX_O_NONBLOCK);
    case LINUX_FIOASYNC:
        return toggle_flag(t, fd, f, uaddr(arg), LINUX_FASYNC);
    case LINUX_FIOQSIZE:
        if (!regular && inode_type(f->inode) != LINUX_S_IFDIR)
            return -ENOTTY;
        return put_u64(t, uaddr(arg), atomic_load(&f->inode->size));
    case LINUX_FIONREAD:
        if (!regular)
            break;
        {
            u64 size = atomic_load(&f->inode->size);
            mutex_lock(&f->pos_lock);
            u64 pos = f->pos;
            mutex_unlock(&f->pos_lock);
            return put_u32(t, uaddr(arg), size > pos ? (u32)(size - pos) : 0);
        }
    case LINUX_FIGETBSZ:
        if (!regular && inode_type(f->inode) != LINUX_S_IFDIR)
            break;
        return put_u32(t, uaddr(arg), f->inode->blksize);
    default:
        break;
    }
    return own_ioctl(f, cmd, arg);
}

s64 sys_ioctl(struct task *t, const struct syscall_args *a)
{
    int fd = arg_int(a, 0);
    struct file *f = fd_get(t, fd);
    s64 r;

    if (!f)
        return -EBADF;
    r = do_ioctl(t, fd, f, arg_u32(a, 1), a->v[2]);
    file_put(f);
    return r;
}
