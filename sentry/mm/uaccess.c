/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Copies to and from guest memory. Fast path: the pma under a shared pma_lock gives the sentry's own
 * mapping of the bytes. Slow path: mm_fault_in(), then again.
 */
#include "sentry/mm/uaccess.h"

#include "abi/linux/uio.h"
#include "cvisor/host.h"
#include "cvisor/kcache.h"
#include "sentry/kernel/task.h"
#include "sentry/mm/mm_internal.h"
#include "sentry/mm/uaccess_internal.h"

#include <errno.h>
#include <string.h>

#define COPY_CHUNK (1ull << 20) /* longest time with pma_lock held */
#define STR_CHUNK 256

bool user_range_ok(u64 addr, u64 n)
{
    return n <= LINUX_TASK_SIZE && addr <= LINUX_TASK_SIZE - n;
}

static bool pma_allows(const struct pma *p, u32 access, bool force)
{
    if ((p->eff & access) == access)
        return true;
    if (!force)
        return false;
    return !(access & PLATFORM_WRITE) || (p->private && !p->need_cow);
}

u8 *pma_host(struct mm *mm, u64 addr, u64 n, u32 access, bool force, u64 *got)
{
    struct pma *p = pma_find(mm, addr);
    u64 room;
    u8 *host;

    if (!p || !pma_allows(p, access, force))
        return NULL;
    room = MIN(n, p->node.end - addr);
    *got = room;
    host = p->backing->ops->map(p->backing, p->off + (addr - p->node.start), room,
                                (access & PLATFORM_WRITE) != 0, got);
    *got = MIN(*got, room);
    return *got ? host : NULL;
}

enum copy_dir { COPY_IN, COPY_OUT, COPY_ZERO };

/* One piece at addr: bytes done, 0 when it has to be faulted in first. *bad: the page vanished. */
static size_t copy_piece(struct mm *mm, u64 addr, void *buf, size_t n, enum copy_dir dir,
                         bool force, bool *bad)
{
    u32 access = dir == COPY_IN ? PLATFORM_READ : PLATFORM_WRITE;
    size_t left = 0;
    u64 got = 0;
    u8 *host;

    rwlock_rdlock(&mm->pma_lock);
    host = pma_host(mm, addr, MIN(n, COPY_CHUNK), access, force, &got);
    if (!host)
        got = 0;
    else if (dir == COPY_IN)
        left = host_copy_safe(buf, host, got);
    else if (dir == COPY_OUT)
        left = host_copy_safe(host, buf, got);
    else
        left = host_zero_safe(host, got);
    rwlock_rdunlock(&mm->pma_lock);
    *bad = left != 0;
    return got - left;
}

/* Bytes done; less than n only at a fault. */
static size_t mm_copy(struct mm *mm, u64 addr, void *buf, size_t n, enum copy_dir dir, bool force)
{
    u32 access = dir == COPY_IN ? PLATFORM_READ : PLATFORM_WRITE;
    size_t done = 0;
    int tries = 0;

    if (!mm || !user_range_ok(addr, n))
        return 0;
    while (done < n) {
        bool bad;
        size_t k = copy_piece(mm, addr + done, buf ? (u8 *)buf + done : NULL, n - done, dir, force,
                              &bad);

        done += k;
        if (bad)
            break;
        if (k) {
            tries = 0;
            continue;
        }
        /* Another thread may take the page away again, but not for ever. */
        if (++tries > 100 || mm_fault_in(mm, addr + done, access, force) != MM_FAULT_OK)
            break;
    }
    return done;
}

size_t user_copy_in(struct mm *mm, void *dst, u64 src, size_t n)
{
    return mm_copy(mm, src, dst, n, COPY_IN, false);
}

size_t user_copy_out(struct mm *mm, u64 dst, const void *src, size_t n)
{
    return mm_copy(mm, dst, (void *)(uintptr_t)src, n, COPY_OUT, false);
}

size_t user_zero(struct mm *mm, u64 dst, size_t n)
{
    return mm_copy(mm, dst, NULL, n, COPY_ZERO, false);
}

int copy_in(struct task *t, void *dst, uaddr_t src, size_t n)
{
    return user_copy_in(t->mm, dst, src.v, n) == n ? 0 : -EFAULT;
}

int copy_out(struct task *t, uaddr_t dst, const void *src, size_t n)
{
    return user_copy_out(t->mm, dst.v, src, n) == n ? 0 : -EFAULT;
}

int clear_user(struct task *t, uaddr_t dst, size_t n)
{
    return user_zero(t->mm, dst.v, n) == n ? 0 : -EFAULT;
}

ssize_t copy_in_str(struct task *t, char *dst, size_t cap, uaddr_t src)
{
    size_t done = 0;

    while (done < cap) {
        u64 addr = src.v + done, page_left = PAGE_SIZE - (addr & (PAGE_SIZE - 1));
        size_t n = MIN(MIN(cap - done, (size_t)STR_CHUNK), (size_t)page_left);
        char *nul;

        if (addr < src.v || user_copy_in(t->mm, dst + done, addr, n) != n)
            return -EFAULT;
        nul = memchr(dst + done, 0, n);
        if (nul)
            return nul - dst;
        done += n;
    }
    return -ENAMETOOLONG;
}

int copy_in_path(struct task *t, char **out, uaddr_t src)
{
    char *buf = kmalloc(LINUX_PATH_MAX), *fit;
    ssize_t n;

    *out = NULL;
    if (!buf)
        return -ENOMEM;
    n = copy_in_str(t, buf, LINUX_PATH_MAX, src);
    if (n < 0) {
        kfree(buf);
        return (int)n;
    }
    fit = krealloc(buf, (size_t)n + 1);
    *out = fit ? fit : buf;
    return 0;
}

int copy_in_alloc(struct task *t, void **out, uaddr_t src, size_t n)
{
    void *p = kmalloc(n ? n : 1);

    *out = NULL;
    if (!p)
        return -ENOMEM;
    if (copy_in(t, p, src, n) < 0) {
        kfree(p);
        return -EFAULT;
    }
    *out = p;
    return 0;
}

int get_u32(struct task *t, u32 *out, uaddr_t src)
{
    return copy_in(t, out, src, sizeof(*out));
}

int get_u64(struct task *t, u64 *out, uaddr_t src)
{
    return copy_in(t, out, src, sizeof(*out));
}

int put_u32(struct task *t, uaddr_t dst, u32 v)
{
    return copy_out(t, dst, &v, sizeof(v));
}

int put_u64(struct task *t, uaddr_t dst, u64 v)
{
    return copy_out(t, dst, &v, sizeof(v));
}

ssize_t mm_copy_in(struct mm *mm, void *dst, u64 src, size_t n, bool force)
{
    size_t done = mm_copy(mm, src, dst, n, COPY_IN, force);

    return done || !n ? (ssize_t)done : -EFAULT;
}

ssize_t mm_copy_out(struct mm *mm, u64 dst, const void *src, size_t n, bool force)
{
    size_t done = mm_copy(mm, dst, (void *)(uintptr_t)src, n, COPY_OUT, force);

    return done || !n ? (ssize_t)done : -EFAULT;
}

/* ---- atomic operations ------------------------------------------------------------------------- */

struct atomic_op {
    enum { OP_LOAD, OP_CMPXCHG, OP_XCHG } kind;
    u32 a, b; /* CMPXCHG: expected, desired. XCHG: new value in b */
    u32 *old;
};

static int user_atomic(struct task *t, uaddr_t addr, const struct atomic_op *op, bool nofault)
{
    u32 access = op->kind == OP_LOAD ? PLATFORM_READ : PLATFORM_WRITE;
    struct mm *mm = t->mm;

    if (!mm || (addr.v & 3) || !user_range_ok(addr.v, 4))
        return -EFAULT;
    for (int tries = 0; tries < 100; tries++) {
        int err = -EAGAIN;
        u64 got = 0;
        u32 *p;

        rwlock_rdlock(&mm->pma_lock);
        p = (u32 *)pma_host(mm, addr.v, 4, access, false, &got);
        if (p && got == 4) {
            if (op->kind == OP_LOAD)
                err = host_load_u32_safe(p, op->old);
            else if (op->kind == OP_CMPXCHG)
                err = host_cmpxchg_u32_safe(p, op->a, op->b, op->old);
            else
                err = host_xchg_u32_safe(p, op->b, op->old);
        }
        rwlock_rdunlock(&mm->pma_lock);
        if (err != -EAGAIN)
            return err;
        if (nofault || mm_fault_in(mm, addr.v, access, false) != MM_FAULT_OK)
            break;
    }
    return -EFAULT;
}

int user_load_u32(struct task *t, uaddr_t p, u32 *out)
{
    return user_atomic(t, p, &(struct atomic_op){.kind = OP_LOAD, .old = out}, false);
}

int user_load_u32_nofault(struct task *t, uaddr_t p, u32 *out)
{
    return user_atomic(t, p, &(struct atomic_op){.kind = OP_LOAD, .old = out}, true);
}

int user_cmpxchg_u32(struct task *t, uaddr_t p, u32 expect, u32 desired, u32 *old)
{
    struct atomic_op op = {.kind = OP_CMPXCHG, .a = expect, .b = desired, .old = old};

    return user_atomic(t, p, &op, false);
}

int user_cmpxchg_u32_nofault(struct task *t, uaddr_t p, u32 expect, u32 desired, u32 *old)
{
    struct atomic_op op = {.kind = OP_CMPXCHG, .a = expect, .b = desired, .old = old};

    return user_atomic(t, p, &op, true);
}

int user_xchg_u32(struct task *t, uaddr_t p, u32 val, u32 *old)
{
    return user_atomic(t, p, &(struct atomic_op){.kind = OP_XCHG, .b = val, .old = old}, false);
}
