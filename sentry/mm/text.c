/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Patched call sites. The platform may put an altered copy of a page of text in the place of what is
 * mapped (platform_as_patch). The kernel knows nothing of the copy: its pma still leads to the
 * file, so that whatever the sentry reads, and whatever a fork maps, has the original bytes.
 *
 * Invariant: while a page is patched, the bytes behind its pma are those that the copy was made of. It
 * holds because
 * - only a private file mapping is patched that has not been broken out by copy-on-write (need_cow,
 *   so neither the guest nor the sentry, with or without force, writes to it), of a file that no
 *   shared mapping may write to;
 * - whoever takes the page away or replaces it calls platform_as_apply() for it, and the platform drops
 *   its copy: munmap, mmap over it, mremap (UNMAP here, MAP of the original there), a change of what
 *   the stub may do with it (mprotect), MADV_DONTNEED, mappable_invalidate(), and copy-on-write,
 *   which maps the private copy, also for a writer that ignores the protection (/proc/PID/mem).
 *   For the stub nothing changes where the right to write is added before the write has broken the
 *   page out, but then the guest is about to look at what it writes to: it is mapped anew;
 * - what changes the file itself (write, truncate, fallocate) and a new shared mapping that may write to
 *   it drop its translations: mappable_changed(). `patched` is set before the bytes are read, and
 *   looked at after they were written, so one of the two sees the other.
 * A new address space (fork, exec) starts without copies. The one thing that goes unseen is a change of
 * the file by the host or another sandbox: for a private mapping POSIX leaves open whether that is seen.
 */
#include "sentry/mm/mm_internal.h"
#include "sentry/mm/uaccess_internal.h"

#include "cvisor/host.h"
#include "cvisor/kcache.h"

#include <errno.h>

static bool vma_is_text(const struct vma *v)
{
    return (v->prot & LINUX_PROT_EXEC) && !(v->prot & LINUX_PROT_WRITE) && vma_private(v) &&
           v->file && v->mappable;
}

static bool pma_is_text(const struct pma *p, const struct vma *v)
{
    return p->private && p->need_cow && !p->copied && p->mappable == v->mappable &&
           (p->eff & PLATFORM_EXEC) && !(p->eff & PLATFORM_WRITE);
}

bool pma_may_be_patched(const struct pma *p)
{
    return p->private && p->need_cow && !p->copied && p->mappable && (p->eff & PLATFORM_EXEC) &&
           atomic_load(&p->mappable->patched);
}

/* `ip` is behind the instruction, which lies in `page`. map_lock and the mappable's lock are held. */
static int patch_locked(struct mm *mm, struct vma *v, u64 page, u64 ip, u8 *text)
{
    u64 got = 0;
    int err = -EACCES;
    struct pma *p;
    u8 *host;

    rwlock_wrlock(&mm->pma_lock);
    p = pma_find(mm, page);
    if (p && pma_is_text(p, v) && mm->as) {
        atomic_store(&v->mappable->patched, true);
        host = pma_host(mm, page, PAGE_SIZE, PLATFORM_READ, false, &got);
        if (!host || got != PAGE_SIZE || host_copy_safe(text, host, PAGE_SIZE) != 0)
            err = -EFAULT;
        else if (text[ip - page - 2] != 0x0f || text[ip - page - 1] != 0x05)
            err = -ENOENT; /* not syscall: it was replaced meanwhile */
        else
            err = platform_as_patch(mm->as, ip, text, p->eff);
    }
    rwlock_wrunlock(&mm->pma_lock);
    return err;
}

int mm_patch_text(struct mm *mm, u64 ip)
{
    u64 page = PAGE_DOWN(ip - 2);
    int err = -EACCES;
    struct vma *v;
    u8 *text;

    if (ip < mm->vm_start + PAGE_SIZE || ip >= mm->vm_end || ip - page > PAGE_SIZE)
        return -ERANGE;
    text = kmalloc(PAGE_SIZE);
    if (!text)
        return -ENOMEM;
    rwlock_rdlock(&mm->map_lock);
    v = vma_find(mm, page);
    if (v && vma_is_text(v)) {
        /* Until the copy is in place no mapping may come that writes to the file. */
        mutex_lock(&v->mappable->lock);
        if (!mappable_has_writable_locked(v->mappable))
            err = patch_locked(mm, v, page, ip, text);
        mutex_unlock(&v->mappable->lock);
    }
    rwlock_rdunlock(&mm->map_lock);
    kfree(text);
    return err;
}
