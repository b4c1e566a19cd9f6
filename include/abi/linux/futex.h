/* SPDX-License-Identifier: Apache-2.0 */
/* futex: commands, the wait and op encodings, robust lists. */
#ifndef ABI_LINUX_FUTEX_H
#define ABI_LINUX_FUTEX_H

#include "cvisor/types.h"

/* commands and options */
#define LINUX_FUTEX_WAIT                    0
#define LINUX_FUTEX_WAKE                    1
#define LINUX_FUTEX_FD                      2
#define LINUX_FUTEX_REQUEUE                 3
#define LINUX_FUTEX_CMP_REQUEUE             4
#define LINUX_FUTEX_WAKE_OP                 5
#define LINUX_FUTEX_LOCK_PI                 6
#define LINUX_FUTEX_UNLOCK_PI               7
#define LINUX_FUTEX_TRYLOCK_PI              8
#define LINUX_FUTEX_WAIT_BITSET             9
#define LINUX_FUTEX_WAKE_BITSET             10
#define LINUX_FUTEX_WAIT_REQUEUE_PI         11
#define LINUX_FUTEX_CMP_REQUEUE_PI          12
#define LINUX_FUTEX_LOCK_PI2                13
#define LINUX_FUTEX_PRIVATE_FLAG            128
#define LINUX_FUTEX_CLOCK_REALTIME          256
#define LINUX_FUTEX_CMD_MASK                (~(LINUX_FUTEX_PRIVATE_FLAG | LINUX_FUTEX_CLOCK_REALTIME))
#define LINUX_FUTEX_WAIT_PRIVATE            (LINUX_FUTEX_WAIT | LINUX_FUTEX_PRIVATE_FLAG)
#define LINUX_FUTEX_WAKE_PRIVATE            (LINUX_FUTEX_WAKE | LINUX_FUTEX_PRIVATE_FLAG)
#define LINUX_FUTEX_REQUEUE_PRIVATE         (LINUX_FUTEX_REQUEUE | LINUX_FUTEX_PRIVATE_FLAG)
#define LINUX_FUTEX_CMP_REQUEUE_PRIVATE     (LINUX_FUTEX_CMP_REQUEUE | LINUX_FUTEX_PRIVATE_FLAG)
#define LINUX_FUTEX_WAKE_OP_PRIVATE         (LINUX_FUTEX_WAKE_OP | LINUX_FUTEX_PRIVATE_FLAG)
#define LINUX_FUTEX_LOCK_PI_PRIVATE         (LINUX_FUTEX_LOCK_PI | LINUX_FUTEX_PRIVATE_FLAG)
#define LINUX_FUTEX_LOCK_PI2_PRIVATE        (LINUX_FUTEX_LOCK_PI2 | LINUX_FUTEX_PRIVATE_FLAG)
#define LINUX_FUTEX_UNLOCK_PI_PRIVATE       (LINUX_FUTEX_UNLOCK_PI | LINUX_FUTEX_PRIVATE_FLAG)
#define LINUX_FUTEX_TRYLOCK_PI_PRIVATE      (LINUX_FUTEX_TRYLOCK_PI | LINUX_FUTEX_PRIVATE_FLAG)
#define LINUX_FUTEX_WAIT_BITSET_PRIVATE     (LINUX_FUTEX_WAIT_BITSET | LINUX_FUTEX_PRIVATE_FLAG)
#define LINUX_FUTEX_WAKE_BITSET_PRIVATE     (LINUX_FUTEX_WAKE_BITSET | LINUX_FUTEX_PRIVATE_FLAG)
#define LINUX_FUTEX_WAIT_REQUEUE_PI_PRIVATE (LINUX_FUTEX_WAIT_REQUEUE_PI | LINUX_FUTEX_PRIVATE_FLAG)
#define LINUX_FUTEX_CMP_REQUEUE_PI_PRIVATE  (LINUX_FUTEX_CMP_REQUEUE_PI | LINUX_FUTEX_PRIVATE_FLAG)
#define LINUX_FUTEX_32                      2
#define LINUX_FUTEX_WAITV_MAX               128
#define LINUX_FUTEX_BITSET_MATCH_ANY        0xffffffff

/* the futex word of a PI or robust futex */
#define LINUX_FUTEX_WAITERS     0x80000000
#define LINUX_FUTEX_OWNER_DIED  0x40000000
#define LINUX_FUTEX_TID_MASK    0x3fffffff
#define LINUX_ROBUST_LIST_LIMIT 2048

/* FUTEX_WAKE_OP: op and cmp */
#define LINUX_FUTEX_OP_SET         0
#define LINUX_FUTEX_OP_ADD         1
#define LINUX_FUTEX_OP_OR          2
#define LINUX_FUTEX_OP_ANDN        3
#define LINUX_FUTEX_OP_XOR         4
#define LINUX_FUTEX_OP_OPARG_SHIFT 8
#define LINUX_FUTEX_OP_CMP_EQ      0
#define LINUX_FUTEX_OP_CMP_NE      1
#define LINUX_FUTEX_OP_CMP_LT      2
#define LINUX_FUTEX_OP_CMP_LE      3
#define LINUX_FUTEX_OP_CMP_GT      4
#define LINUX_FUTEX_OP_CMP_GE      5

struct linux_futex_waitv {
    u64 val;
    u64 uaddr;
    u32 flags;
    u32 reserved;
};
_Static_assert(sizeof(struct linux_futex_waitv) == 24, "guest ABI");

struct linux_robust_list_head {
    u64 list; /* guest address of the first entry; an entry's first word is the next one */
    s64 futex_offset;
    u64 list_op_pending;
};
_Static_assert(sizeof(struct linux_robust_list_head) == 24, "guest ABI");

#endif
