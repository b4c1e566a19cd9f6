/* SPDX-License-Identifier: Apache-2.0 */
/* read, write and their families; lseek. */
#include "abi/linux/uio.h"
#include "cvisor/kcache.h"
#include "sentry/kernel/fdtable.h"
#include "sentry/kernel/task.h"
#include "sentry/mm/uaccess.h"
#include "sentry/syscalls/handlers.h"
#include "sentry/vfs/vfs.h"

#include <errno.h>

static ssize_t do_rw(struct file *f, struct iov_iter *it, bool write, const u64 *pos, int rwf)
{
    if (pos)
        return write ? file_pwrite(f, it, *pos, rwf) : file_pread(f, it, *pos, rwf);
    return write ? file_write(f, it, rwf) : file_read(f, it, rwf);
}

/* The address range must lie in the guest's half, even when nothing is moved. */
static bool range_ok(u64 addr, u64 n)
{
    return addr <= LINUX_TASK_SIZE && n <= LINUX_TASK_SIZE - addr;
}

static s64 rw_buf(struct task *t, int fd, uaddr_t buf, u64 n, bool write, const u64 *pos)
{
    struct file *f = fd_get(t, fd);
    struct iov_iter it;
    s64 r;

    if (!f)
        return -EBADF;
    if (write ? !f->writable : !f->readable)
        r = pos && !f->seekable ? -ESPIPE : -EBADF;
    else if (!range_ok(buf.v, n))
        r = -EFAULT;
    else {
        iov_iter_user(&it, t, buf, MIN(n, MAX_RW_COUNT));
        r = do_rw(f, &it, write, pos, 0);
    }
    file_put(f);
    return r;
}

s64 sys_read(struct task *t, const struct syscall_args *a)
{
    return rw_buf(t, arg_int(a, 0), arg_ptr(a, 1), a->v[2], false, NULL);
}

s64 sys_write(struct task *t, const struct syscall_args *a)
{
    return rw_buf(t, arg_int(a, 0), arg_ptr(a, 1), a->v[2], true, NULL);
}

s64 sys_pread64(struct task *t, const struct syscall_args *a)
{
    if ((s64)a->v[3] < 0)
        return -EINVAL;
    return rw_buf(t, arg_int(a, 0), arg_ptr(a, 1), a->v[2], false, &a->v[3]);
}

s64 sys_pwrite64(struct task *t, const struct syscall_args *a)
{
    if ((s64)a->v[3] < 0)
        return -EINVAL;
    return rw_buf(t, arg_int(a, 0), arg_ptr(a, 1), a->v[2], true, &a->v[3]);
}

static s64 rw_vec(struct task *t, const struct syscall_args *a, bool write, const u64 *pos, int rwf)
{
    struct file *f = fd_get(t, arg_int(a, 0));
    struct linux_iovec *iov = NULL;
    struct iov_iter it;
    s64 r;

    if (!f)
        return -EBADF;
    if (rwf & ~LINUX_RWF_SUPPORTED)
        r = -EOPNOTSUPP;
    else if (pos && !f->seekable)
        r = -ESPIPE;
    else if (write ? !f->writable : !f->readable)
        r = -EBADF;
    else
        r = iov_iter_import(&it, t, arg_ptr(a, 1), a->v[2], &iov);
    if (!r)
        r = do_rw(f, &it, write, pos, rwf);
    kfree(iov);
    file_put(f);
    return r;
}

s64 sys_readv(struct task *t, const struct syscall_args *a)
{
    return rw_vec(t, a, false, NULL, 0);
}

s64 sys_writev(struct task *t, const struct syscall_args *a)
{
    return rw_vec(t, a, true, NULL, 0);
}

/* The offset comes as two halves, of which the low one is whole on 64-bit. */
s64 sys_preadv(struct task *t, const struct syscall_args *a)
{
    if ((s64)a->v[3] < 0)
        return -EINVAL;
    return rw_vec(t, a, false, &a->v[3], 0);
}

s64 sys_pwritev(struct task *t, const struct syscall_args *a)
{
    if ((s64)a->v[3] < 0)
        return -EINVAL;
    return rw_vec(t, a, true, &a->v[3], 0);
}

static s64 rw_vec2(struct task *t, const struct syscall_args *a, bool write)
{
    s64 pos = arg_s64(a, 3);

    if (pos == -1)
        return rw_vec(t, a, write, NULL, arg_int(a, 5));
    if (pos < 0)
        return -EINVAL;
    return rw_vec(t, a, write, &a->v[3], arg_int(a, 5));
}

s64 sys_preadv2(struct task *t, const struct syscall_args *a)
{
    return rw_vec2(t, a, false);
}

s64 sys_pwritev2(struct task *t, const struct syscall_args *a)
{
    return rw_vec2(t, a, true);
}

s64 sys_lseek(struct task *t, const struct syscall_args *a)
{
    struct file *f = fd_get(t, arg_int(a, 0));
    s64 r;

    if (!f)
        return -EBADF;
    r = file_llseek(f, arg_s64(a, 1), arg_int(a, 2));
    file_put(f);
    return r;
}
