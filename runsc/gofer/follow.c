/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Gofer server: on which CPU a thread serves. Client and server take turns; on two CPUs each turn is an
 * interrupt to a CPU that sleeps. So a thread goes where its client is, while that stays there.
 */
#include "runsc/gofer/server.h"

#include "cvisor/host.h"

#define FOLLOW_AFTER 4 /* requests with the same hint */

void gofer_follow(struct gofer_follow *f, u32 hint)
{
    u64 mask[ARRAY_SIZE(f->all)] = {0};
    u32 cpu = hint - 1;
    int len;

    if (hint != f->hint) {
        gofer_follow_nobody(f);
        f->hint = hint;
        f->same = 0;
    }
    if (hint == 0 || f->same == FOLLOW_AFTER || ++f->same < FOLLOW_AFTER)
        return;
    len = host_sched_getaffinity(0, sizeof(f->all), f->all);
    if (len <= 0 || cpu >= (u32)len * 8 || !(f->all[cpu / 64] & 1ull << cpu % 64))
        return;
    mask[cpu / 64] = 1ull << cpu % 64;
    f->len = (u32)len;
    f->pinned = host_sched_setaffinity(0, f->len, mask) == 0;
}

void gofer_follow_nobody(struct gofer_follow *f)
{
    if (f->pinned)
        host_sched_setaffinity(0, f->len, f->all);
    f->pinned = false;
    f->hint = 0;
}
