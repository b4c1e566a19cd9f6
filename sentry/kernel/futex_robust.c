/* SPDX-License-Identifier: Apache-2.0 */
/* Robust lists: what a dying task still owns is marked, so that its waiters learn of it. */
#include "abi/linux/futex.h"
#include "sentry/kernel/futex_internal.h"
#include "sentry/mm/uaccess.h"

/* One lock of the dying task. False at a fault: the list is not to be trusted any further. */
static bool robust_death(struct task *t, uaddr_t addr, bool pi, bool pending)
{
    u32 v, old;
    if (addr.v & 3)
        return false;
    if (user_load_u32(t, addr, &v))
        return false;
    for (;;) {
        if (pending && !pi && v == 0) {
            /* It had unlocked, but not yet woken. */
            futex_wake_user(t, addr, 1);
            return true;
        }
        if ((int)(v & LINUX_FUTEX_TID_MASK) != t->tid)
            return true;
        u32 new = (v & LINUX_FUTEX_WAITERS) | LINUX_FUTEX_OWNER_DIED;
        if (user_cmpxchg_u32(t, addr, v, new, &old))
            return false;
        if (old == v)
            break;
        v = old;
    }
    if (!(v & LINUX_FUTEX_WAITERS))
        return true;
    if (pi) {
        futex_pi_kick(t, (struct futex_word){.addr = addr, .shared = true});
        futex_pi_kick(t, (struct futex_word){.addr = addr, .shared = false});
    } else {
        futex_wake_user(t, addr, 1);
    }
    return true;
}

void futex_exit_robust(struct task *t)
{
    struct linux_robust_list_head head;
    uaddr_t list = t->robust_list;
    __atomic_store_n(&t->robust_list.v, 0, __ATOMIC_RELAXED);
    if (list.v && copy_in(t, &head, list, sizeof(head)) == 0) {
        u64 entry = head.list, pending = head.list_op_pending & ~1ull;
        bool pi = entry & 1, pending_pi = head.list_op_pending & 1;
        u64 limit = LINUX_ROBUST_LIST_LIMIT;
        entry &= ~1ull;
        while (entry != list.v && limit--) {
            u64 next;
            /* The next one first: the entry may be gone once its lock is free. */
            bool ok = get_u64(t, &next, uaddr(entry)) == 0;
            if (entry != pending &&
                !robust_death(t, uaddr(entry + (u64)head.futex_offset), pi, false))
                break;
            if (!ok)
                break;
            pi = next & 1;
            entry = next & ~1ull;
        }
        if (pending)
            robust_death(t, uaddr(pending + (u64)head.futex_offset), pending_pi, true);
    }
    futex_pi_owner_died();
}
