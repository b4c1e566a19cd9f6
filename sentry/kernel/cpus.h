/* SPDX-License-Identifier: Apache-2.0 */
/* The processors that the guest sees: those the sentry may run on. */
#ifndef SENTRY_KERNEL_CPUS_H
#define SENTRY_KERNEL_CPUS_H

#include "cvisor/types.h"

/* Boot, before the sandbox closes. */
void cpus_init(void);
int cpus_count(void); /* numbered 0 .. n-1 for the guest */
void cpus_mask(u64 mask[16]);

struct task;
/* The processors that t may run on, as sched_setaffinity() left them. Take res_lock. */
void cpus_get_allowed(struct task *t, u64 mask[16]);
void cpus_set_allowed(struct task *t, const u64 mask[16]);

#endif
