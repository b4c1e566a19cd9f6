/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Access to guest memory. The only place where a uaddr_t becomes host memory is uaccess.c.
 * Every syscall reads a guest value once, into kernel memory, and validates the copy.
 * Faults in missing pages; may block on file I/O. No lock of rank MM_MAP or below may be held.
 */
#ifndef SENTRY_MM_UACCESS_H
#define SENTRY_MM_UACCESS_H

#include "cvisor/types.h"

struct linux_iovec;
struct mm;
struct task;

/* All of n bytes, or -EFAULT (part may have been copied). */
int copy_in(struct task *t, void *dst, uaddr_t src, size_t n);
int copy_out(struct task *t, uaddr_t dst, const void *src, size_t n);
int clear_user(struct task *t, uaddr_t dst, size_t n);
/* A NUL-terminated string into dst[cap]: its length, -ENAMETOOLONG when there is no NUL in cap bytes,
 * -EFAULT. */
ssize_t copy_in_str(struct task *t, char *dst, size_t cap, uaddr_t src);
/* A path: kmalloc'ed in *out (free with kfree); -ENAMETOOLONG, -EFAULT, -ENOMEM; "" is allowed. */
int copy_in_path(struct task *t, char **out, uaddr_t src);
/* kmalloc'ed copy; n is bounded by the caller. */
int copy_in_alloc(struct task *t, void **out, uaddr_t src, size_t n);
/* Values; the address needs no alignment. */
int get_u32(struct task *t, u32 *out, uaddr_t src);
int get_u64(struct task *t, u64 *out, uaddr_t src);
int put_u32(struct task *t, uaddr_t dst, u32 v);
int put_u64(struct task *t, uaddr_t dst, u64 v);
/* Of another address space (ptrace, /proc/PID/mem, cmdline): bytes copied or -EFAULT; force ignores
 * the protection of private mappings, as ptrace does. */
ssize_t mm_copy_in(struct mm *mm, void *dst, u64 src, size_t n, bool force);
ssize_t mm_copy_out(struct mm *mm, u64 dst, const void *src, size_t n, bool force);
/* Atomic operations on an aligned guest word (futex): 0 or -EFAULT. */
int user_load_u32(struct task *t, uaddr_t p, u32 *out);
int user_cmpxchg_u32(struct task *t, uaddr_t p, u32 expect, u32 desired, u32 *old);
int user_xchg_u32(struct task *t, uaddr_t p, u32 val, u32 *old);
/* The same without faulting anything in: -EFAULT when the page is not there (or not writable) right now,
 * also when the plain one would succeed. They take MM_PMA at most, so that a lock outside it (FUTEX) may
 * be held. The caller drops its locks, uses the plain one, and tries again. */
int user_load_u32_nofault(struct task *t, uaddr_t p, u32 *out);
int user_cmpxchg_u32_nofault(struct task *t, uaddr_t p, u32 expect, u32 desired, u32 *old);

/*
 * iov_iter: where a read or write moves its data. Over guest memory (one range or a vector) or a
 * kernel buffer. Moves forward only.
 */
struct iov_iter {
    struct task *task;             /* NULL: kernel memory */
    const struct linux_iovec *iov; /* kernel copy of the vector; owned by the caller */
    size_t nsegs;                  /* left, including the current one */
    size_t seg_off;                /* into iov[0] */
    size_t count;                  /* bytes left in all */
    struct linux_iovec *single_;   /* storage hint for init_user/init_kernel */
    u64 inline_[2];
};

/* [addr, addr+n) of the task. n is at most MAX_RW_COUNT (clamped by the caller). */
void iov_iter_user(struct iov_iter *it, struct task *t, uaddr_t addr, size_t n);
void iov_iter_kernel(struct iov_iter *it, void *buf, size_t n);
/* Copies a guest vector in (-EINVAL for > IOV_MAX or a negative sum, -EFAULT). *iov is kmalloc'ed,
 * kfree it after use (NULL on error). Total is clamped to MAX_RW_COUNT. */
int iov_iter_import(struct iov_iter *it, struct task *t, uaddr_t vec, u64 cnt,
                    struct linux_iovec **iov);
#define MAX_RW_COUNT 0x7ffff000ul

static inline size_t iov_iter_count(const struct iov_iter *it)
{
    return it->count;
}
void iov_iter_advance(struct iov_iter *it, size_t n);
/* Drops what is beyond n bytes. */
void iov_iter_truncate(struct iov_iter *it, size_t n);
/* Kernel → iter (read) and iter → kernel (write). Bytes moved, less than n only at a fault or the end
 * of the iter; -EFAULT when nothing could be moved because of a fault. */
ssize_t iov_copy_to(struct iov_iter *it, const void *src, size_t n);
ssize_t iov_copy_from(struct iov_iter *it, void *dst, size_t n);
ssize_t iov_zero(struct iov_iter *it, size_t n);

/*
 * Runs fn on host segments behind the next bytes of the iter, for host I/O without a copy. At most max
 * bytes and 64 segments a call. write_to: fn will write to the segments. The pages stay referenced
 * during the call (the mm's MM_PMA lock is held for reading: fn takes no lock of that rank or
 * above). fn returns bytes moved (the iter is advanced by it) or -errno, which is passed on.
 * A host -EFAULT from a vanished page is fn's to report. -EFAULT when the first byte has no page.
 */
ssize_t iov_iter_host(struct iov_iter *it, size_t max, bool write_to,
                      ssize_t (*fn)(void *arg, struct linux_iovec *segs, int n), void *arg);

#endif
