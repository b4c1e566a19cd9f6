/* SPDX-License-Identifier: Apache-2.0 */
/* NUMA policies on a machine with one memory node: checked, and without effect. */
#include "abi/linux/mman.h"
#include "sentry/kernel/task.h"
#include "sentry/mm/mm.h"
#include "sentry/mm/uaccess.h"
#include "sentry/syscalls/handlers.h"

#include <errno.h>

#define MAX_NODES (PAGE_SIZE * 8)
#define MODE_FLAGS (LINUX_MPOL_F_STATIC_NODES | LINUX_MPOL_F_RELATIVE_NODES)

/* The nodes of a guest mask of maxnode bits (the last one is not used, as in Linux). Only node 0 exists;
 * others are an error when they stand alone. */
static int copy_nodes(struct task *t, uaddr_t mask, u64 maxnode, u64 *nodes)
{
    u64 bits, word, i;
    int err;

    *nodes = 0;
    if (!maxnode || !mask.v)
        return 0;
    bits = maxnode - 1;
    if (bits > MAX_NODES)
        return -EINVAL;
    for (i = 0; i < (bits + 63) / 64; i++) {
        err = get_u64(t, &word, uaddr_add(mask, i * 8));
        if (err)
            return err;
        if (i == bits / 64 && bits % 64)
            word &= (1ull << bits % 64) - 1;
        if (i && word)
            return -EINVAL;
        if (!i)
            *nodes = word;
    }
    return 0;
}

static int check_policy(struct task *t, int mode, uaddr_t mask, u64 maxnode)
{
    u64 nodes;
    int err = copy_nodes(t, mask, maxnode, &nodes), flags = mode & MODE_FLAGS;

    if (err)
        return err;
    mode &= ~MODE_FLAGS;
    if (mode < LINUX_MPOL_DEFAULT || mode > LINUX_MPOL_PREFERRED_MANY || flags == MODE_FLAGS)
        return -EINVAL;
    switch (mode) {
    case LINUX_MPOL_DEFAULT:
        return nodes ? -EINVAL : 0;
    case LINUX_MPOL_LOCAL:
        return nodes || flags ? -EINVAL : 0;
    case LINUX_MPOL_PREFERRED:
        if (!nodes)
            return flags ? -EINVAL : 0;
        break;
    default:
        break;
    }
    return nodes & 1 ? 0 : -EINVAL;
}

s64 sys_set_mempolicy(struct task *t, const struct syscall_args *a)
{
    int mode = (int)a->v[0], err = check_policy(t, mode, uaddr(a->v[1]), a->v[2]);

    if (!err)
        t->mempolicy = mode;
    return err;
}

s64 sys_mbind(struct task *t, const struct syscall_args *a)
{
    u64 start = a->v[0], len = a->v[1];
    u32 flags = (u32)a->v[5];

    if (flags & ~(u32)(LINUX_MPOL_MF_STRICT | LINUX_MPOL_MF_MOVE | LINUX_MPOL_MF_MOVE_ALL))
        return -EINVAL;
    if ((flags & LINUX_MPOL_MF_MOVE_ALL) && !capable(LINUX_CAP_SYS_NICE))
        return -EPERM;
    if ((start & ~PAGE_MASK) || len > PAGE_DOWN(~0ull) || start + PAGE_UP(len) < start)
        return -EINVAL;
    return check_policy(t, (int)a->v[2], uaddr(a->v[3]), a->v[4]);
}

s64 sys_get_mempolicy(struct task *t, const struct syscall_args *a)
{
    uaddr_t policy = uaddr(a->v[0]), mask = uaddr(a->v[1]);
    u64 maxnode = a->v[2], flags = a->v[4], node = 0;
    int mode = t->mempolicy, err = 0;

    if (flags & ~(u64)(LINUX_MPOL_F_NODE | LINUX_MPOL_F_ADDR | LINUX_MPOL_F_MEMS_ALLOWED))
        return -EINVAL;
    if (mask.v && (!maxnode || maxnode > MAX_NODES))
        return -EINVAL;
    if (flags & LINUX_MPOL_F_MEMS_ALLOWED) {
        if (flags & (LINUX_MPOL_F_NODE | LINUX_MPOL_F_ADDR))
            return -EINVAL;
        node = 1;
        mode = 0;
    } else if (flags & LINUX_MPOL_F_ADDR) {
        struct futex_key key;

        if (mm_futex_key(t->mm, uaddr(a->v[3]), true, &key) < 0)
            return -EFAULT;
        mode = LINUX_MPOL_DEFAULT;
    } else if (a->v[3]) {
        return -EINVAL;
    } else if ((mode & ~MODE_FLAGS) != LINUX_MPOL_DEFAULT &&
               (mode & ~MODE_FLAGS) != LINUX_MPOL_LOCAL) {
        node = 1;
    }
    if (flags & LINUX_MPOL_F_NODE) {
        if (!(flags & LINUX_MPOL_F_ADDR) && (mode & ~MODE_FLAGS) != LINUX_MPOL_INTERLEAVE)
            return -EINVAL;
        mode = 0; /* the number of the node */
    }
    if (policy.v)
        err = put_u32(t, policy, (u32)mode);
    if (!err && mask.v) {
        err = put_u64(t, mask, node);
        if (!err && maxnode > 64)
            err = clear_user(t, uaddr_add(mask, 8), (maxnode + 63) / 64 * 8 - 8);
    }
    return err;
}
