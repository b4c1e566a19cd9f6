/* SPDX-License-Identifier: Apache-2.0 */
/* Short waits without sleeping: see cvisor/eager.h. */
#include "cvisor/eager.h"

#include "cvisor/compiler.h"
#include "cvisor/host.h"

#define LOOK_NS 50000 /* the longest wait */
#define GAP_NS 20000  /* between two looks: the host has run somebody else */
#define MISS_COST 8
#define MASK_BYTES 1024 /* 8192 CPUs, what Linux can be configured for */

static bool has_two_cpus(void)
{
    u64 mask[MASK_BYTES / 8];
    int r = host_sched_getaffinity(0, sizeof(mask), mask), n = 0;

    for (int i = 0; i < r / 8; i++)
        n += __builtin_popcountll(mask[i]);
    return n > 1;
}

void eager_init(struct eager *e, s32 messages)
{
    e->credit = has_two_cpus() ? messages : 0;
}

bool eager_again(struct eager *e, struct eager_wait *w)
{
    u64 now;

    if (e->credit <= 0)
        return false;
    now = host_now_mono();
    if (!w->begin) {
        w->begin = w->last = now;
    } else if (now - w->last > GAP_NS) {
        e->credit = 0;
        return false;
    } else if (now - w->begin > LOOK_NS) {
        e->credit -= MISS_COST;
        return false;
    }
    w->last = now;
    __builtin_ia32_pause();
    return true;
}

void eager_done(struct eager *e, const struct eager_wait *w)
{
    if (w->begin)
        e->credit--;
}
