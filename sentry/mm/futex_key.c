/* SPDX-License-Identifier: Apache-2.0 */
/* The identity of a guest word for futexes. */
#include "sentry/mm/mm_internal.h"

#include <errno.h>

int mm_futex_key(struct mm *mm, uaddr_t addr, bool shared, struct futex_key *key)
{
    struct vma *v;
    int err = 0;

    if (addr.v >= mm->vm_end)
        return -EFAULT;
    key->space = mm->id;
    key->off = addr.v;
    if (!shared)
        return 0;
    rwlock_rdlock(&mm->map_lock);
    v = vma_find(mm, addr.v);
    if (!v) {
        err = -EFAULT;
    } else if (v->flags & VMA_SHARED) {
        key->space = v->mappable->id;
        key->off = v->off + (addr.v - v->node.start);
    }
    rwlock_rdunlock(&mm->map_lock);
    return err;
}
