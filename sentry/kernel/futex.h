/* SPDX-License-Identifier: Apache-2.0 */
/* Futexes, as the rest of the kernel uses them. */
#ifndef SENTRY_KERNEL_FUTEX_H
#define SENTRY_KERNEL_FUTEX_H

#include "cvisor/types.h"

struct task;

void futex_init(void);
/* Wakes up to n waiters of a guest word (both the shared and the private key). May fault. */
void futex_wake_user(struct task *t, uaddr_t addr, int n);
/* Exit or exec: walks the robust list (bounded) and marks owned locks FUTEX_OWNER_DIED. */
void futex_exit_robust(struct task *t);

/* ---- operations of futex(2); addresses and counts are the guest's, results as of the syscall ---- */

struct futex_word {
    uaddr_t addr;
    bool shared; /* FUTEX_PRIVATE_FLAG was not given */
};

/* deadline: CLOCK_MONOTONIC ns, 0 = none. -ERESTARTSYS, or with a deadline -ERESTART_RESTARTBLOCK. */
s64 futex_wait(struct task *t, struct futex_word w, u32 val, u32 bitset, u64 deadline);
s64 futex_wake(struct task *t, struct futex_word w, int nr, u32 bitset);
/* cmp: NULL, or the value that `from` must have. Woken plus requeued. */
s64 futex_requeue(struct task *t, struct futex_word from, struct futex_word to, int nr_wake,
                  int nr_requeue, const u32 *cmp);
s64 futex_wake_op(struct task *t, struct futex_word w1, struct futex_word w2, int nr1, int nr2,
                  u32 op);

struct futex_waitv_arg {
    struct futex_word w;
    u32 val;
};
/* Index of a woken one. n <= FUTEX_WAITV_MAX. */
s64 futex_wait_multiple(struct task *t, const struct futex_waitv_arg *v, u32 n, u64 deadline);

/* Priority-inheritance futexes: ownership words as on Linux, without the inheritance. */
s64 futex_lock_pi(struct task *t, struct futex_word w, u64 deadline, bool try);
s64 futex_unlock_pi(struct task *t, struct futex_word w);
s64 futex_wait_requeue_pi(struct task *t, struct futex_word w, u32 val, u32 bitset, u64 deadline,
                          struct futex_word pi);
s64 futex_cmp_requeue_pi(struct task *t, struct futex_word from, struct futex_word to, int nr_wake,
                         int nr_requeue, u32 cmp);

#endif
