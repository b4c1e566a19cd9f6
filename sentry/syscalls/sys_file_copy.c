/* SPDX-License-Identifier: Apache-2.0 */
/* sendfile and copy_file_range: through a kernel buffer, in chunks. */
#include "abi/linux/fcntl.h"
#include "abi/linux/poll.h"
#include "abi/linux/stat.h"
#include "cvisor/kcache.h"
#include "sentry/kernel/fdtable.h"
#include "sentry/kernel/task.h"
#include "sentry/mm/uaccess.h"
#include "sentry/syscalls/handlers.h"
#include "sentry/vfs/vfs.h"

#include <errno.h>

#define COPY_CHUNK (128u << 10)

/* An offset: the guest's, or the file's own. */
struct pos_arg {
    uaddr_t user;
    bool given;
    u64 pos;
};

static int pos_begin(struct task *t, struct file *f, uaddr_t user, struct pos_arg *p)
{
    p->user = user;
    p->given = user.v != 0;
    if (p->given) {
        if (get_u64(t, &p->pos, user))
            return -EFAULT;
        if (!f->seekable)
            return -ESPIPE;
        return (s64)p->pos < 0 ? -EINVAL : 0;
    }
    mutex_lock(&f->pos_lock);
    p->pos = f->pos;
    mutex_unlock(&f->pos_lock);
    return 0;
}

static int pos_end(struct task *t, struct file *f, const struct pos_arg *p)
{
    if (p->given)
        return put_u64(t, p->user, p->pos);
    if (f->seekable) {
        mutex_lock(&f->pos_lock);
        f->pos = p->pos;
        mutex_unlock(&f->pos_lock);
    }
    return 0;
}

static ssize_t read_chunk(struct file *f, void *buf, size_t n, u64 pos)
{
    struct iov_iter it;

    iov_iter_kernel(&it, buf, n);
    return f->seekable ? file_pread(f, &it, pos, 0) : file_read(f, &it, 0);
}

#define FULL_MAX 16 /* times in a row that a target which says that it has room has none */

/* pos NULL: at the file's own offset. keep: data that was taken from a stream must not get lost, so
 * a full target is waited for. Not for ever: others may fill it, or it takes less than it says. */
static ssize_t write_chunk(struct file *f, const u8 *buf, size_t n, const u64 *pos, bool keep)
{
    size_t done = 0;
    int full = 0;

    while (done < n) {
        struct iov_iter it;
        ssize_t w;

        iov_iter_kernel(&it, (void *)(uintptr_t)(buf + done), n - done);
        w = pos ? file_pwrite(f, &it, *pos + done, 0) : file_write(f, &it, 0);
        if (w == -EAGAIN && keep && ++full < FULL_MAX && !task_signal_pending(current) &&
            !file_wait(f, LINUX_POLLOUT, TASK_FOREVER))
            continue;
        if (w <= 0)
            return done ? (ssize_t)done : w;
        done += (size_t)w;
        full = 0;
        if (!keep)
            break;
    }
    return (ssize_t)done;
}

/* in at *in_pos → out at *out_pos (NULL: its own). Bytes, or -errno when there are none. */
static s64 copy_loop(struct task *t, struct file *in, u64 *in_pos, struct file *out, u64 *out_pos,
                     u64 count)
{
    size_t cap = MIN(count, (u64)COPY_CHUNK);
    u8 *buf = kmalloc(cap ? cap : 1);
    u64 done = 0;
    s64 r = 0;

    if (!buf)
        return -ENOMEM;
    while (done < count) {
        size_t want = MIN(count - done, cap);
        ssize_t n = read_chunk(in, buf, want, *in_pos), w;

        r = n;
        if (n <= 0)
            break;
        w = write_chunk(out, buf, (size_t)n, out_pos, !in->seekable);
        r = w;
        if (w <= 0)
            break;
        *in_pos += (u64)w;
        if (out_pos)
            *out_pos += (u64)w;
        done += (u64)w;
        if (w < n || task_signal_pending(t) || (!in->seekable && (size_t)n < want))
            break;
    }
    kfree(buf);
    return done ? (s64)done : r;
}

s64 sys_sendfile(struct task *t, const struct syscall_args *a)
{
    struct file *out = fd_get(t, arg_int(a, 0)), *in = fd_get(t, arg_int(a, 1));
    u64 count = MIN(a->v[3], MAX_RW_COUNT);
    struct pos_arg p;
    s64 r;

    if (!in || !in->readable || !out || !out->writable)
        r = -EBADF;
    else if ((s64)a->v[3] < 0 || inode_is_dir(in->inode) || !in->ops->read || !out->ops->write ||
             out->ops->no_splice || (atomic_load(&out->flags) & LINUX_O_APPEND))
        r = -EINVAL;
    else
        r = pos_begin(t, in, arg_ptr(a, 2), &p);
    if (!r) {
        r = copy_loop(t, in, &p.pos, out, NULL, count);
        if (r >= 0 && pos_end(t, in, &p))
            r = -EFAULT;
    }
    if (in)
        file_put(in);
    if (out)
        file_put(out);
    return r;
}

static int check_copy(struct file *in, struct file *out, u64 in_pos, u64 out_pos, u64 count)
{
    if (inode_is_dir(in->inode) || inode_is_dir(out->inode))
        return -EISDIR;
    if (inode_type(in->inode) != LINUX_S_IFREG || inode_type(out->inode) != LINUX_S_IFREG)
        return -EINVAL;
    if (!in->readable || !out->writable || (atomic_load(&out->flags) & LINUX_O_APPEND))
        return -EBADF;
    if (in_pos + count < in_pos || out_pos + count < out_pos)
        return -EOVERFLOW;
    if (in->inode == out->inode && out_pos + count > in_pos && out_pos < in_pos + count)
        return -EINVAL;
    return 0;
}

s64 sys_copy_file_range(struct task *t, const struct syscall_args *a)
{
    struct file *in = fd_get(t, arg_int(a, 0)), *out = fd_get(t, arg_int(a, 2));
    u64 count = a->v[4], size;
    struct pos_arg ip, op;
    s64 r;

    if (!in || !out)
        r = -EBADF;
    else if (arg_u32(a, 5))
        r = -EINVAL;
    else
        r = pos_begin(t, in, arg_ptr(a, 1), &ip);
    if (!r)
        r = pos_begin(t, out, arg_ptr(a, 3), &op);
    if (!r) {
        /* What lies beyond the end is not copied, so it cannot overlap either. */
        size = atomic_load(&in->inode->size);
        if (inode_type(in->inode) == LINUX_S_IFREG)
            count = ip.pos < size ? MIN(count, size - ip.pos) : 0;
        count = MIN(count, MAX_RW_COUNT);
        r = check_copy(in, out, ip.pos, op.pos, count);
    }
    if (!r && count) {
        r = copy_loop(t, in, &ip.pos, out, &op.pos, count);
        if (r > 0 && (pos_end(t, in, &ip) || pos_end(t, out, &op)))
            r = -EFAULT;
    }
    if (in)
        file_put(in);
    if (out)
        file_put(out);
    return r;
}
