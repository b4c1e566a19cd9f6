/* SPDX-License-Identifier: Apache-2.0 */
/* File operations of null, zero, full, random and urandom. */
#include "sentry/fs/dev/mem.h"

#include "abi/linux/ioctl.h"
#include "cvisor/host.h"
#include "sentry/kernel/task.h"
#include "sentry/mm/mm.h"
#include "sentry/mm/uaccess.h"
#include "sentry/vfs/vfs.h"

#include <errno.h>

#define RNDGETENTCNT LINUX_IOR('R', 0, int)
#define ENTROPY_BITS 256

static ssize_t null_read(struct file *f, struct iov_iter *to, u64 *pos, int rwf)
{
    return 0;
}

static ssize_t discard(struct file *f, struct iov_iter *from, u64 *pos, int rwf)
{
    size_t n = from->count;

    iov_iter_advance(from, n);
    return (ssize_t)n;
}

static ssize_t zero_read(struct file *f, struct iov_iter *to, u64 *pos, int rwf)
{
    return iov_zero(to, to->count);
}

static ssize_t full_write(struct file *f, struct iov_iter *from, u64 *pos, int rwf)
{
    return -ENOSPC;
}

/* Seeking succeeds and means nothing. */
static s64 null_llseek(struct file *f, s64 off, int whence)
{
    f->pos = 0;
    return 0;
}

static int zero_mmap(struct file *f, struct mmap_args *a)
{
    struct file *shm;
    int err;

    a->off = 0;
    if (!(a->vma_flags & VMA_SHARED)) {
        a->file = NULL;
        return 0;
    }
    err = shmem_file_new("dev/zero", a->len, 0, &shm);
    if (err)
        return err;
    err = shm->ops->mmap(shm, a);
    if (err)
        file_put(shm);
    else
        a->file = shm;
    return err;
}

static ssize_t random_read(struct file *f, struct iov_iter *to, u64 *pos, int rwf)
{
    u8 buf[1024];
    ssize_t done = 0, n = 0;

    while (to->count) {
        size_t want = MIN(to->count, sizeof(buf));

        n = host_getrandom(buf, want, 0);
        if (n <= 0)
            break;
        n = iov_copy_to(to, buf, (size_t)n);
        if (n <= 0)
            break;
        done += n;
        if ((size_t)n < want || (done % (64 << 10) == 0 && current && task_signal_pending(current)))
            break;
    }
    return done ? done : n;
}

static ssize_t random_write(struct file *f, struct iov_iter *from, u64 *pos, int rwf)
{
    return discard(f, from, pos, rwf);
}

static s64 random_ioctl(struct file *f, u32 cmd, u64 arg)
{
    if (cmd == RNDGETENTCNT)
        return put_u32(current, uaddr(arg), ENTROPY_BITS);
    return -EINVAL;
}

static const struct file_ops g_null_ops = {
    .read = null_read,
    .write = discard,
    .llseek = null_llseek,
};

static const struct file_ops g_zero_ops = {
    .read = zero_read,
    .write = discard,
    .llseek = null_llseek,
    .mmap = zero_mmap,
};

static const struct file_ops g_full_ops = {
    .read = zero_read,
    .write = full_write,
    .llseek = null_llseek,
};

static const struct file_ops g_random_ops = {
    .read = random_read,
    .write = random_write,
    .llseek = null_llseek,
    .ioctl = random_ioctl,
};

int mem_open(u32 minor, struct file *f)
{
    switch (minor) {
    case MEM_NULL:
        f->ops = &g_null_ops;
        return 0;
    case MEM_ZERO:
        f->ops = &g_zero_ops;
        return 0;
    case MEM_FULL:
        f->ops = &g_full_ops;
        return 0;
    case MEM_RANDOM:
    case MEM_URANDOM:
        f->ops = &g_random_ops;
        return 0;
    default:
        return -ENXIO;
    }
}
