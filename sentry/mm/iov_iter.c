/* SPDX-License-Identifier: Apache-2.0 */
/* iov_iter: a cursor over guest memory or a kernel buffer. */
#include "abi/linux/uio.h"
#include "cvisor/host.h"
#include "cvisor/kcache.h"
#include "sentry/kernel/task.h"
#include "sentry/mm/mm_internal.h"
#include "sentry/mm/uaccess.h"
#include "sentry/mm/uaccess_internal.h"

#include <errno.h>
#include <string.h>

#define HOST_SEGS 64

/* A single range lives in the iter itself, so that an iter can be copied. */
static const struct linux_iovec *iter_segs(const struct iov_iter *it)
{
    return it->iov ? it->iov : (const struct linux_iovec *)it->inline_;
}

static void init_single(struct iov_iter *it, struct task *t, u64 addr, size_t n)
{
    it->task = t;
    it->iov = NULL;
    it->nsegs = 1;
    it->seg_off = 0;
    it->count = n;
    it->single_ = NULL;
    it->inline_[0] = addr;
    it->inline_[1] = n;
}

void iov_iter_user(struct iov_iter *it, struct task *t, uaddr_t addr, size_t n)
{
    init_single(it, t, addr.v, n);
}

void iov_iter_kernel(struct iov_iter *it, void *buf, size_t n)
{
    init_single(it, NULL, (u64)(uintptr_t)buf, n);
}

int iov_iter_import(struct iov_iter *it, struct task *t, uaddr_t vec, u64 cnt,
                    struct linux_iovec **iov)
{
    struct linux_iovec *v = NULL;
    u64 total = 0;
    int err;

    *iov = NULL;
    if (cnt > LINUX_IOV_MAX)
        return -EINVAL;
    if (cnt) {
        err = copy_in_alloc(t, (void **)&v, vec, cnt * sizeof(*v));
        if (err < 0)
            return err;
    }
    for (u64 i = 0; i < cnt; i++) {
        u64 len = v[i].iov_len;

        if ((s64)len < 0) {
            kfree(v);
            return -EINVAL;
        }
        if (len > MAX_RW_COUNT - total)
            v[i].iov_len = len = MAX_RW_COUNT - total;
        if (!user_range_ok(v[i].iov_base, len)) {
            kfree(v);
            return -EFAULT;
        }
        total += len;
    }
    init_single(it, t, 0, 0);
    if (v) {
        it->iov = v;
        it->nsegs = cnt;
        it->count = total;
    }
    *iov = v;
    return 0;
}

void iov_iter_advance(struct iov_iter *it, size_t n)
{
    n = MIN(n, it->count);
    it->count -= n;
    while (n && it->nsegs) {
        const struct linux_iovec *seg = iter_segs(it);
        size_t room = seg->iov_len - it->seg_off;

        if (n < room || it->nsegs == 1) {
            it->seg_off += n;
            return;
        }
        n -= room;
        it->seg_off = 0;
        it->nsegs--;
        it->iov++; /* more than one: a vector */
    }
}

void iov_iter_truncate(struct iov_iter *it, size_t n)
{
    it->count = MIN(it->count, n);
}

/* The next piece: its address, with *n cut to its length. Steps over empty ones. */
static u64 iter_piece(struct iov_iter *it, size_t *n)
{
    const struct linux_iovec *seg = iter_segs(it);

    while (it->nsegs > 1 && it->seg_off == seg->iov_len) {
        it->seg_off = 0;
        it->nsegs--;
        seg = ++it->iov;
    }
    *n = MIN(*n, it->count);
    *n = MIN(*n, seg->iov_len - it->seg_off);
    return seg->iov_base + it->seg_off;
}

enum iov_dir { IOV_TO, IOV_FROM, IOV_ZERO };

static size_t move_piece(struct iov_iter *it, u64 addr, void *buf, size_t n, enum iov_dir dir)
{
    if (it->task) {
        struct mm *mm = it->task->mm;

        return dir == IOV_TO     ? user_copy_out(mm, addr, buf, n)
               : dir == IOV_FROM ? user_copy_in(mm, buf, addr, n)
                                 : user_zero(mm, addr, n);
    }
    if (dir == IOV_TO)
        memcpy((void *)(uintptr_t)addr, buf, n);
    else if (dir == IOV_FROM)
        memcpy(buf, (void *)(uintptr_t)addr, n);
    else
        memset((void *)(uintptr_t)addr, 0, n);
    return n;
}

static ssize_t iter_move(struct iov_iter *it, void *buf, size_t n, enum iov_dir dir)
{
    size_t done = 0;

    while (done < n && it->count) {
        size_t len = n - done, k;
        u64 addr = iter_piece(it, &len);

        if (!len)
            break;
        k = move_piece(it, addr, buf ? (u8 *)buf + done : NULL, len, dir);
        iov_iter_advance(it, k);
        done += k;
        if (k < len)
            return done ? (ssize_t)done : -EFAULT;
    }
    return (ssize_t)done;
}

ssize_t iov_copy_to(struct iov_iter *it, const void *src, size_t n)
{
    return iter_move(it, (void *)(uintptr_t)src, n, IOV_TO);
}

ssize_t iov_copy_from(struct iov_iter *it, void *dst, size_t n)
{
    return iter_move(it, dst, n, IOV_FROM);
}

ssize_t iov_zero(struct iov_iter *it, size_t n)
{
    return iter_move(it, NULL, n, IOV_ZERO);
}

/* ---- host segments ---------------------------------------------------------------------------- */

/* Segments behind the next max bytes. *fault: the first address that is not there, or 0. pma_lock
 * held for reading when the iter is over guest memory. */
static int build_segs(const struct iov_iter *src, size_t max, u32 access, struct linux_iovec *segs,
                      u64 *fault)
{
    struct iov_iter it = *src;
    int n = 0;

    *fault = 0;
    max = MIN(max, it.count);
    while (max && n < HOST_SEGS) {
        size_t len = max;
        u64 addr = iter_piece(&it, &len), got = len;
        void *host = (void *)(uintptr_t)addr;

        if (!len)
            break;
        if (it.task) {
            host = user_range_ok(addr, len) ? pma_host(it.task->mm, addr, len, access, false, &got)
                                            : NULL;
            if (!host) {
                *fault = addr;
                break;
            }
        }
        if (n && segs[n - 1].iov_base + segs[n - 1].iov_len == (u64)(uintptr_t)host) {
            segs[n - 1].iov_len += got;
        } else {
            segs[n].iov_base = (u64)(uintptr_t)host;
            segs[n++].iov_len = got;
        }
        iov_iter_advance(&it, got);
        max -= got;
    }
    return n;
}

ssize_t iov_iter_host(struct iov_iter *it, size_t max, bool write_to,
                      ssize_t (*fn)(void *arg, struct linux_iovec *segs, int n), void *arg)
{
    u32 access = write_to ? PLATFORM_WRITE : PLATFORM_READ;
    struct mm *mm = it->task ? it->task->mm : NULL;
    struct linux_iovec segs[HOST_SEGS];
    bool faulting = true;
    ssize_t ret;
    u64 fault;
    int n;

    if (!it->count || !max)
        return 0;
    for (int tries = 0;; tries++) {
        if (mm)
            rwlock_rdlock(&mm->pma_lock);
        n = build_segs(it, max, access, segs, &fault);
        if (!fault || !faulting)
            break;
        rwlock_rdunlock(&mm->pma_lock);
        /* As much as can be had; what can't ends the transfer early. */
        faulting = tries < 1024 && user_range_ok(fault, 1) &&
                   mm_fault_in(mm, fault, access, false) == MM_FAULT_OK;
    }
    ret = n ? fn(arg, segs, n) : -EFAULT;
    if (mm)
        rwlock_rdunlock(&mm->pma_lock);
    if (ret > 0)
        iov_iter_advance(it, (size_t)ret);
    return ret;
}
