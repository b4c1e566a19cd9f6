/* SPDX-License-Identifier: Apache-2.0 */
/* What a process of the sandbox gives up for good. Called with one thread. */
#ifndef RUNSC_SANDBOX_PRIVILEGES_H
#define RUNSC_SANDBOX_PRIVILEGES_H

#include "cvisor/error.h"

/* Drops every capability outside `keep` (bits of LINUX_CAP_MASK) from all sets, the bounding set
 * included, and forbids new privileges. Fails if anything is left. */
int privileges_drop(u64 keep, struct error *e);

/* Ends with SIGKILL when runsc ends, and at once if it has ended already (the control socket tells).
 * Last among the changes of identity: those clear it. */
int privileges_follow_parent(struct error *e);

/* Descriptors up to the hard limit; no core dumps of memory that belongs to the guest. */
int privileges_set_limits(struct error *e);

#endif
