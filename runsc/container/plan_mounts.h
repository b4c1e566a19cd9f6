/* SPDX-License-Identifier: Apache-2.0 */
/* The growing list of a plan's mounts. */
#ifndef RUNSC_CONTAINER_PLAN_MOUNTS_H
#define RUNSC_CONTAINER_PLAN_MOUNTS_H

#include "runsc/container/plan.h"

/* Room for `count` mounts in plan->mounts. */
void plan_mounts_init(struct sandbox_plan *plan, struct pool *pool, size_t count);
/* A zeroed mount at the end. */
struct sandbox_mount *plan_mount_add(struct sandbox_plan *plan, enum boot_mount_type type,
                                     const char *destination);
bool plan_has_mount(const struct sandbox_plan *plan, const char *destination);
/* /proc, /sys, /dev, /dev/pts, /dev/shm, as far as they are not there. At most
 * PLAN_STANDARD_MOUNTS. */
void plan_add_standard_mounts(struct sandbox_plan *plan);
/* Parents before children, the order kept otherwise; "/" stays first. */
void plan_mounts_sort(struct sandbox_plan *plan, struct pool *pool);

#define PLAN_STANDARD_MOUNTS 5

#endif
