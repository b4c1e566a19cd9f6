/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waiting for a peer on another CPU by looking again and again, for a few microseconds, instead of
 * sleeping: to wake a CPU that sleeps takes longer than most answers. Only for a limited number of
 * messages, as at the start of a sandbox, and not where others need the CPU.
 */
#ifndef CVISOR_EAGER_H
#define CVISOR_EAGER_H

#include "cvisor/types.h"

/* Private to whoever receives. */
struct eager {
    s32 credit; /* messages that may still be waited for like this; what was waited in vain costs */
};

struct eager_wait {
    u64 begin, last; /* 0: not yet begun */
};

/* None where there is but one CPU. */
void eager_init(struct eager *e, s32 messages);
/* False: sleep now. Else after a pause; {0} at first, and the same one until the message is there. */
bool eager_again(struct eager *e, struct eager_wait *w);
/* The message is there. */
void eager_done(struct eager *e, const struct eager_wait *w);

#endif
