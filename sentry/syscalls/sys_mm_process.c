/* SPDX-License-Identifier: Apache-2.0 */
/* Memory of other processes: process_vm_readv, process_vm_writev, process_madvise. */
#include "abi/linux/mman.h"
#include "abi/linux/uio.h"
#include "cvisor/kcache.h"
#include "sentry/kernel/fdtable.h"
#include "sentry/kernel/pidfd.h"
#include "sentry/kernel/ptrace_access.h"
#include "sentry/kernel/task.h"
#include "sentry/mm/mm.h"
#include "sentry/mm/uaccess.h"
#include "sentry/syscalls/handlers.h"
#include "sentry/vfs/vfs.h"

#include <errno.h>

#define BOUNCE (64ul << 10)

/* Moves len bytes at addr of mm through buf: bytes, or -EFAULT. */
static ssize_t move_range(struct mm *mm, u64 addr, u64 len, struct iov_iter *it, u8 *buf,
                          bool write)
{
    u64 done = 0;

    while (done < len && iov_iter_count(it)) {
        size_t n = MIN(MIN(len - done, (u64)BOUNCE), (u64)iov_iter_count(it));
        ssize_t k, moved;

        if (write) {
            k = iov_copy_from(it, buf, n);
            moved = k > 0 ? mm_copy_out(mm, addr + done, buf, (size_t)k, false) : k;
        } else {
            k = mm_copy_in(mm, buf, addr + done, n, false);
            moved = k > 0 ? iov_copy_to(it, buf, (size_t)k) : k;
        }
        if (moved > 0)
            done += (u64)moved;
        if (moved < (ssize_t)n)
            return done ? (ssize_t)done : -EFAULT;
    }
    return (ssize_t)done;
}

static ssize_t move_all(struct mm *mm, const struct linux_iovec *remote, size_t n,
                        struct iov_iter *it, bool write)
{
    u8 *buf = kmalloc(BOUNCE);
    ssize_t total = 0, k = 0;

    if (!buf)
        return -ENOMEM;
    for (size_t i = 0; i < n && iov_iter_count(it); i++) {
        k = move_range(mm, remote[i].iov_base, remote[i].iov_len, it, buf, write);
        if (k > 0)
            total += k;
        if (k < 0 || ((u64)k < remote[i].iov_len && iov_iter_count(it)))
            break;
    }
    kfree(buf);
    return total ? total : k;
}

static int find_mm(struct task *t, int pid, struct mm **mm)
{
    struct task *target = task_find(pid);
    int err = 0;

    *mm = NULL;
    if (!target)
        return -ESRCH;
    /* First the memory, then the question: an exec in between must not lend us the new program's. */
    *mm = task_mm_get(target);
    if (!ptrace_may_access(t, target))
        err = -EPERM;
    else if (!*mm)
        err = -ESRCH;
    if (err && *mm) {
        mm_put(*mm);
        *mm = NULL;
    }
    task_put(target);
    return err;
}

static s64 process_vm(struct task *t, const struct syscall_args *a, bool write)
{
    struct linux_iovec *local = NULL, *remote = NULL;
    struct mm *mm = NULL;
    struct iov_iter it;
    s64 ret;

    if (a->v[5])
        return -EINVAL;
    ret = iov_iter_import(&it, t, uaddr(a->v[1]), a->v[2], &local);
    if (ret < 0)
        return ret;
    if (!iov_iter_count(&it))
        goto out;
    ret = a->v[4] > LINUX_IOV_MAX ? -EINVAL : 0;
    if (!ret && a->v[4])
        ret = copy_in_alloc(t, (void **)&remote, uaddr(a->v[3]), a->v[4] * sizeof(*remote));
    for (u64 i = 0; !ret && i < a->v[4]; i++)
        if ((s64)remote[i].iov_len < 0)
            ret = -EINVAL;
    if (!ret)
        ret = find_mm(t, (int)a->v[0], &mm);
    if (!ret)
        ret = move_all(mm, remote, a->v[4], &it, write);
    if (mm)
        mm_put(mm);
out:
    kfree(remote);
    kfree(local);
    return ret;
}

s64 sys_process_vm_readv(struct task *t, const struct syscall_args *a)
{
    return process_vm(t, a, false);
}

s64 sys_process_vm_writev(struct task *t, const struct syscall_args *a)
{
    return process_vm(t, a, true);
}

/* Only advice without an effect on contents may come from outside. */
static bool process_advice_ok(int advice)
{
    return advice == LINUX_MADV_COLD || advice == LINUX_MADV_PAGEOUT ||
           advice == LINUX_MADV_WILLNEED || advice == LINUX_MADV_COLLAPSE;
}

s64 sys_process_madvise(struct task *t, const struct syscall_args *a)
{
    struct thread_group *g;
    struct linux_iovec *iov;
    struct iov_iter it;
    struct file *f;
    s64 ret;

    if ((u32)a->v[4])
        return -EINVAL;
    ret = iov_iter_import(&it, t, uaddr(a->v[1]), a->v[2], &iov);
    if (ret < 0)
        return ret;
    f = fd_get(t, (int)a->v[0]);
    g = f ? pidfd_group(f) : NULL;
    if (!g) {
        ret = -EBADF;
    } else if (!process_advice_ok((int)a->v[3])) {
        ret = -EINVAL;
    } else if (g != t->group && !capable(LINUX_CAP_SYS_NICE)) {
        ret = -EPERM;
    } else {
        ret = (s64)iov_iter_count(&it);
    }
    if (g)
        group_put(g);
    if (f)
        file_put(f);
    kfree(iov);
    return ret;
}
