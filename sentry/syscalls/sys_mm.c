/* SPDX-License-Identifier: Apache-2.0 */
/* mmap and its family: decoding and checks; the work is sentry/mm's. */
#include "abi/linux/limits.h"
#include "abi/linux/mman.h"
#include "abi/linux/personality.h"
#include "cvisor/kcache.h"
#include "sentry/kernel/fdtable.h"
#include "sentry/kernel/task.h"
#include "sentry/mm/mm.h"
#include "sentry/mm/mm_lock.h"
#include "sentry/mm/uaccess.h"
#include "sentry/syscalls/handlers.h"
#include "sentry/vfs/vfs.h"

#include <errno.h>

#define PROT_RWX ((u32)(LINUX_PROT_READ | LINUX_PROT_WRITE | LINUX_PROT_EXEC))

/* The sharing type, from the flags. */
static int decode_type(u32 flags, bool *shared)
{
    switch (flags & LINUX_MAP_TYPE) {
    case LINUX_MAP_PRIVATE:
        *shared = false;
        return 0;
    case LINUX_MAP_SHARED_VALIDATE:
        if (flags & LINUX_MAP_SYNC)
            return -EOPNOTSUPP;
        *shared = true;
        return 0;
    case LINUX_MAP_SHARED:
        *shared = true;
        return 0;
    default:
        return -EINVAL;
    }
}

/* Rights of a mapping of f, and its mappable. */
static int setup_file(struct mmap_args *a, struct file *f, bool shared)
{
    a->file = f;
    if (!f->readable)
        return -EACCES;
    if (shared && !f->writable) {
        if (a->prot & LINUX_PROT_WRITE)
            return -EACCES;
        a->max_prot &= ~(u32)LINUX_PROT_WRITE;
    }
    if (f->path.mnt && (atomic_load(&f->path.mnt->flags) & MOUNT_NOEXEC)) {
        if (a->prot & LINUX_PROT_EXEC)
            return -EPERM;
        a->max_prot &= ~(u32)LINUX_PROT_EXEC;
    }
    if (!f->ops->mmap)
        return -ENODEV;
    return f->ops->mmap(f, a);
}

static int setup_flags(struct mmap_args *a, u32 flags, bool shared)
{
    a->fixed = (flags & (LINUX_MAP_FIXED | LINUX_MAP_FIXED_NOREPLACE)) != 0;
    a->noreplace = (flags & LINUX_MAP_FIXED_NOREPLACE) != 0;
    a->below_4g = (flags & LINUX_MAP_32BIT) != 0;
    a->populate = (flags & LINUX_MAP_POPULATE) && !(flags & LINUX_MAP_NONBLOCK);
    if (shared)
        a->vma_flags |= VMA_SHARED;
    if (flags & LINUX_MAP_NORESERVE)
        a->vma_flags |= VMA_NORESERVE;
    if (flags & LINUX_MAP_GROWSDOWN) {
        if (shared)
            return -EINVAL;
        a->vma_flags |= VMA_GROWSDOWN;
    }
    if (flags & LINUX_MAP_LOCKED) {
        if (!mm_may_lock())
            return -EPERM;
        a->vma_flags |= VMA_LOCKED;
    }
    return 0;
}

static int setup_address(struct mmap_args *a, u64 addr, u64 len)
{
    if (!len)
        return -EINVAL;
    if (len > LINUX_TASK_SIZE)
        return -ENOMEM;
    a->len = PAGE_UP(len);
    if (a->off + a->len < a->off || a->off + a->len > (u64)INT64_MAX)
        return -EOVERFLOW;
    if (a->fixed) {
        if (addr & ~PAGE_MASK)
            return -EINVAL;
        if (addr > LINUX_TASK_SIZE - a->len)
            return -ENOMEM;
        a->addr = addr;
    } else {
        a->addr = addr > LINUX_TASK_SIZE ? 0 : PAGE_UP(addr);
        if (a->addr && a->addr < LINUX_MMAP_MIN_ADDR)
            a->addr = LINUX_MMAP_MIN_ADDR;
    }
    return 0;
}

s64 sys_mmap(struct task *t, const struct syscall_args *args)
{
    u32 prot = (u32)args->v[2], flags = (u32)args->v[3];
    struct mmap_args a = {.prot = prot & PROT_RWX, .max_prot = PROT_RWX, .off = args->v[5]};
    struct file *f = NULL;
    bool shared;
    s64 ret;

    if (a.off & ~PAGE_MASK)
        return -EINVAL;
    if (flags & LINUX_MAP_ANONYMOUS) {
        a.off = 0;
    } else {
        f = fd_get(t, (int)args->v[4]);
        if (!f)
            return -EBADF;
    }
    if ((a.prot & LINUX_PROT_READ) && (t->personality & LINUX_READ_IMPLIES_EXEC) && !f)
        a.prot |= LINUX_PROT_EXEC;
    ret = decode_type(flags, &shared);
    if (!ret && (flags & LINUX_MAP_HUGETLB))
        ret = args->v[1] ? -ENOMEM : -EINVAL; /* the pool of huge pages is empty */
    if (!ret)
        ret = setup_flags(&a, flags, shared);
    if (!ret)
        ret = setup_address(&a, args->v[0], args->v[1]);
    if (!ret && shared && !f)
        ret = shmem_file_new("dev/zero", a.len, 0, &f);
    if (!ret && f)
        ret = setup_file(&a, f, shared);
    if (!ret)
        ret = mm_mmap(t->mm, &a);
    if (a.file && a.file != f)
        file_put(a.file);
    if (f)
        file_put(f);
    return ret;
}

s64 sys_munmap(struct task *t, const struct syscall_args *a)
{
    return mm_munmap(t->mm, a->v[0], a->v[1]);
}

static s64 do_mprotect(struct task *t, u64 addr, u64 len, u64 prot)
{
    u64 grows = prot & (LINUX_PROT_GROWSDOWN | LINUX_PROT_GROWSUP);

    prot &= ~(u64)(LINUX_PROT_GROWSDOWN | LINUX_PROT_GROWSUP);
    if (grows == (LINUX_PROT_GROWSDOWN | LINUX_PROT_GROWSUP) || (addr & ~PAGE_MASK))
        return -EINVAL;
    if (!len)
        return 0;
    if (len > PAGE_DOWN(~0ull) || addr + PAGE_UP(len) <= addr)
        return -ENOMEM;
    if ((prot & ~(u64)(PROT_RWX | LINUX_PROT_SEM)) || (grows & LINUX_PROT_GROWSUP))
        return -EINVAL;
    if ((prot & LINUX_PROT_READ) && (t->personality & LINUX_READ_IMPLIES_EXEC))
        prot |= LINUX_PROT_EXEC;
    return mm_mprotect(t->mm, addr, len, (u32)prot & PROT_RWX, grows != 0);
}

s64 sys_mprotect(struct task *t, const struct syscall_args *a)
{
    return do_mprotect(t, a->v[0], a->v[1], a->v[2]);
}

s64 sys_pkey_mprotect(struct task *t, const struct syscall_args *a)
{
    if ((int)a->v[3] != -1)
        return -EINVAL;
    return do_mprotect(t, a->v[0], a->v[1], a->v[2]);
}

s64 sys_pkey_alloc(struct task *t, const struct syscall_args *a)
{
    if (a->v[0] || (a->v[1] & ~(u64)(LINUX_PKEY_DISABLE_ACCESS | LINUX_PKEY_DISABLE_WRITE)))
        return -EINVAL;
    return -ENOSPC;
}

s64 sys_pkey_free(struct task *t, const struct syscall_args *a)
{
    return -EINVAL;
}

s64 sys_mremap(struct task *t, const struct syscall_args *a)
{
    if (a->v[3] >> 32)
        return -EINVAL;
    return mm_mremap(t->mm, a->v[0], a->v[1], a->v[2], (u32)a->v[3], a->v[4]);
}

s64 sys_brk(struct task *t, const struct syscall_args *a)
{
    return (s64)mm_brk(t->mm, a->v[0]);
}

s64 sys_madvise(struct task *t, const struct syscall_args *a)
{
    return mm_madvise(t->mm, a->v[0], a->v[1], (int)a->v[2]);
}

s64 sys_msync(struct task *t, const struct syscall_args *a)
{
    return mm_msync(t->mm, a->v[0], a->v[1], (int)a->v[2]);
}

s64 sys_mincore(struct task *t, const struct syscall_args *a)
{
    u64 start = a->v[0], len = a->v[1], end, done = 0;
    u8 *vec;
    int err = 0;

    if (start & ~PAGE_MASK)
        return -EINVAL;
    if (len > LINUX_TASK_SIZE || start > LINUX_TASK_SIZE - PAGE_UP(len))
        return -ENOMEM;
    end = start + PAGE_UP(len);
    vec = kmalloc(PAGE_SIZE);
    if (!vec)
        return -EAGAIN;
    while (!err && start < end) {
        u64 n = MIN(end - start, PAGE_SIZE << PAGE_SHIFT);

        err = mm_mincore(t->mm, start, start + n, vec);
        if (!err)
            err = copy_out(t, uaddr(a->v[2] + done), vec, n >> PAGE_SHIFT);
        start += n;
        done += n >> PAGE_SHIFT;
    }
    kfree(vec);
    return err;
}
