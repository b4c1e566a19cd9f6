/* SPDX-License-Identifier: Apache-2.0 */
/* splice, tee, vmsplice: through a kernel buffer; what cannot be passed on goes back into the pipe. */
#include "abi/linux/fcntl.h"
#include "abi/linux/poll.h"
#include "abi/linux/uio.h"
#include "cvisor/kcache.h"
#include "sentry/fs/pipe/pipe.h"
#include "sentry/kernel/fdtable.h"
#include "sentry/kernel/task.h"
#include "sentry/mm/uaccess.h"
#include "sentry/syscalls/handlers.h"
#include "sentry/vfs/vfs.h"

#include <errno.h>

#define SPLICE_CHUNK (64u << 10)
#define SPLICE_FLAGS                                                                               \
    (LINUX_SPLICE_F_MOVE | LINUX_SPLICE_F_NONBLOCK | LINUX_SPLICE_F_MORE | LINUX_SPLICE_F_GIFT)

/* One side of a splice. */
struct side {
    struct file *f;
    struct pipe *pipe; /* NULL: not a pipe */
    uaddr_t uoff;      /* the guest's offset; 0: the file's own */
    u64 pos;
    bool nonblock;
};

static int side_init(struct task *t, struct side *s, struct file *f, uaddr_t uoff, u32 flags)
{
    s->f = f;
    s->pipe = pipe_from_file(f);
    s->uoff = uoff;
    s->pos = 0;
    s->nonblock = file_nonblock(f) || (flags & LINUX_SPLICE_F_NONBLOCK);
    if (!uoff.v)
        return 0;
    if (s->pipe)
        return -ESPIPE;
    if (!f->seekable)
        return -EINVAL;
    if (get_u64(t, &s->pos, uoff))
        return -EFAULT;
    return (s64)s->pos < 0 ? -EINVAL : 0;
}

static int side_finish(struct task *t, const struct side *s)
{
    return s->uoff.v ? put_u64(t, s->uoff, s->pos) : 0;
}

static ssize_t side_read(struct side *s, void *buf, size_t n)
{
    struct iov_iter it;
    ssize_t r;

    iov_iter_kernel(&it, buf, n);
    r = s->uoff.v ? file_pread(s->f, &it, s->pos, 0) : file_read(s->f, &it, 0);
    if (r > 0)
        s->pos += (u64)r;
    return r;
}

static ssize_t side_write(struct side *s, const void *buf, size_t n)
{
    struct iov_iter it;
    ssize_t r;

    iov_iter_kernel(&it, (void *)(uintptr_t)buf, n);
    r = s->uoff.v ? file_pwrite(s->f, &it, s->pos, 0) : file_write(s->f, &it, 0);
    if (r > 0)
        s->pos += (u64)r;
    return r;
}

/* pipe → file: all that is there, up to len; waits for the first bytes only. */
static s64 from_pipe(struct side *in, struct side *out, u8 *buf, u64 len)
{
    u64 done = 0;
    s64 r = 0;

    while (done < len) {
        ssize_t n = pipe_read_kernel(in->pipe, buf, MIN(len - done, SPLICE_CHUNK),
                                     in->nonblock || done);
        ssize_t w;

        r = n;
        if (n <= 0)
            break;
        w = side_write(out, buf, (size_t)n);
        r = w;
        if (w < n) {
            ssize_t kept = MAX(w, 0);
            (void)pipe_unread_kernel(in->pipe, buf + kept, (size_t)(n - kept));
        }
        if (w > 0)
            done += (u64)w;
        if (w < n)
            break;
    }
    return done ? (s64)done : r;
}

/* file → pipe: one piece, no more than there is room for. */
static s64 to_pipe(struct side *in, struct side *out, u8 *buf, u64 len)
{
    ssize_t room = pipe_wait_room(out->pipe, out->nonblock), n, w;
    size_t done = 0;

    if (room <= 0)
        return room;
    n = side_read(in, buf, MIN(MIN(len, (u64)room), SPLICE_CHUNK));
    if (n <= 0)
        return n;
    /* Another writer may have taken the room: what came from a stream has to wait then. */
    while (done < (size_t)n) {
        w = pipe_write_kernel(out->pipe, buf + done, (size_t)n - done, false);
        if (w <= 0)
            return done ? (s64)done : w;
        done += (size_t)w;
    }
    return (s64)done;
}

/* pipe → pipe. keep: the bytes stay in the first one (tee). */
static s64 pipe_to_pipe(struct side *in, struct side *out, u8 *buf, u64 len, bool keep)
{
    ssize_t room = pipe_wait_room(out->pipe, out->nonblock), n, w;

    if (room <= 0)
        return room;
    len = MIN(MIN(len, (u64)room), SPLICE_CHUNK);
    n = keep ? pipe_peek_kernel(in->pipe, buf, len, in->nonblock)
             : pipe_read_kernel(in->pipe, buf, len, in->nonblock);
    if (n <= 0)
        return n;
    w = pipe_write_kernel(out->pipe, buf, (size_t)n, true);
    if (!keep && w < n) {
        ssize_t kept = MAX(w, 0);
        (void)pipe_unread_kernel(in->pipe, buf + kept, (size_t)(n - kept));
    }
    return w;
}

static s64 splice_sides(struct task *t, struct side *in, struct side *out, u64 len)
{
    u8 *buf;
    s64 r;

    if (!in->pipe && !out->pipe)
        return -EINVAL;
    if (in->pipe == out->pipe)
        return -EINVAL;
    if (!out->pipe && (atomic_load(&out->f->flags) & LINUX_O_APPEND))
        return -EINVAL;
    if ((!in->pipe && (!in->f->ops->read || inode_is_dir(in->f->inode))) ||
        (!out->pipe && (!out->f->ops->write || out->f->ops->no_splice)))
        return -EINVAL;
    buf = kmalloc(SPLICE_CHUNK);
    if (!buf)
        return -ENOMEM;
    if (in->pipe && out->pipe)
        r = pipe_to_pipe(in, out, buf, len, false);
    else if (in->pipe)
        r = from_pipe(in, out, buf, len);
    else
        r = to_pipe(in, out, buf, len);
    kfree(buf);
    if (r > 0 && (side_finish(t, in) || side_finish(t, out)))
        return -EFAULT;
    return r;
}

s64 sys_splice(struct task *t, const struct syscall_args *a)
{
    struct file *in, *out;
    struct side si, so;
    u64 len = MIN(a->v[4], MAX_RW_COUNT);
    u32 flags = arg_u32(a, 5);
    s64 r;

    if (flags & ~(u32)SPLICE_FLAGS)
        return -EINVAL;
    if (!len)
        return 0;
    in = fd_get(t, arg_int(a, 0));
    out = fd_get(t, arg_int(a, 2));
    if (!in || !out || !in->readable || !out->writable)
        r = -EBADF;
    else
        r = side_init(t, &si, in, arg_ptr(a, 1), flags);
    if (!r)
        r = side_init(t, &so, out, arg_ptr(a, 3), flags);
    if (!r)
        r = splice_sides(t, &si, &so, len);
    if (in)
        file_put(in);
    if (out)
        file_put(out);
    return r;
}

s64 sys_tee(struct task *t, const struct syscall_args *a)
{
    struct file *in, *out;
    struct side si, so;
    u64 len = MIN(a->v[2], MAX_RW_COUNT);
    u32 flags = arg_u32(a, 3);
    u8 *buf = NULL;
    s64 r = 0;

    if (flags & ~(u32)SPLICE_FLAGS)
        return -EINVAL;
    if (!len)
        return 0;
    in = fd_get(t, arg_int(a, 0));
    out = fd_get(t, arg_int(a, 1));
    if (!in || !out || !in->readable || !out->writable)
        r = -EBADF;
    if (!r) {
        (void)side_init(t, &si, in, uaddr(0), flags);
        (void)side_init(t, &so, out, uaddr(0), flags);
        if (!si.pipe || !so.pipe || si.pipe == so.pipe)
            r = -EINVAL;
    }
    if (!r) {
        buf = kmalloc(SPLICE_CHUNK);
        r = buf ? pipe_to_pipe(&si, &so, buf, len, true) : -ENOMEM;
        kfree(buf);
    }
    if (in)
        file_put(in);
    if (out)
        file_put(out);
    return r;
}

/* Guest memory ↔ pipe. */
static s64 vmsplice_loop(struct pipe *p, struct iov_iter *it, bool to_pipe_, bool nonblock)
{
    u8 *buf = kmalloc(SPLICE_CHUNK);
    u64 done = 0;
    s64 r = 0;

    if (!buf)
        return -ENOMEM;
    while (it->count) {
        size_t want = MIN(it->count, SPLICE_CHUNK);
        ssize_t n, w;

        if (to_pipe_) {
            ssize_t room = pipe_wait_room(p, nonblock || done);

            r = room;
            if (room <= 0)
                break;
            n = iov_copy_from(it, buf, MIN(want, (size_t)room));
            w = n > 0 ? pipe_write_kernel(p, buf, (size_t)n, nonblock) : n;
        } else {
            n = pipe_read_kernel(p, buf, want, nonblock || done);
            w = n > 0 ? iov_copy_to(it, buf, (size_t)n) : n;
            if (n > 0 && w < n) {
                ssize_t kept = MAX(w, 0);
                (void)pipe_unread_kernel(p, buf + kept, (size_t)(n - kept));
            }
        }
        r = w;
        if (w <= 0)
            break;
        done += (u64)w;
        if (w < n)
            break;
    }
    kfree(buf);
    return done ? (s64)done : r;
}

s64 sys_vmsplice(struct task *t, const struct syscall_args *a)
{
    u32 flags = arg_u32(a, 3);
    struct linux_iovec *iov = NULL;
    struct iov_iter it;
    struct file *f;
    struct pipe *p;
    s64 r;

    if (flags & ~(u32)SPLICE_FLAGS)
        return -EINVAL;
    f = fd_get(t, arg_int(a, 0));
    p = f ? pipe_from_file(f) : NULL;
    if (!p) {
        if (f)
            file_put(f);
        return -EBADF;
    }
    r = iov_iter_import(&it, t, arg_ptr(a, 1), a->v[2], &iov);
    if (!r)
        r = vmsplice_loop(p, &it, f->writable, flags & LINUX_SPLICE_F_NONBLOCK);
    kfree(iov);
    file_put(f);
    return r;
}
