/* SPDX-License-Identifier: Apache-2.0 */
/* The list of a plan's mounts: see plan_mounts.h. */
#include "runsc/container/plan_mounts.h"

#include <string.h>

void plan_mounts_init(struct sandbox_plan *plan, struct pool *pool, size_t count)
{
    plan->mounts = pool_calloc(pool, count, sizeof(*plan->mounts));
    plan->nmounts = 0;
}

struct sandbox_mount *plan_mount_add(struct sandbox_plan *plan, enum boot_mount_type type,
                                     const char *destination)
{
    struct sandbox_mount *m = &plan->mounts[plan->nmounts++];

    m->boot.type = type;
    m->boot.destination = destination;
    m->boot.gofer_fd = -1;
    return m;
}

bool plan_has_mount(const struct sandbox_plan *plan, const char *destination)
{
    for (size_t i = 0; i < plan->nmounts; i++) {
        if (strcmp(plan->mounts[i].boot.destination, destination) == 0)
            return true;
    }
    return false;
}

void plan_add_standard_mounts(struct sandbox_plan *plan)
{
    static const struct {
        const char *destination;
        enum boot_mount_type type;
        u32 mode;
    } standard[PLAN_STANDARD_MOUNTS] = {
        {"/proc", BOOT_MOUNT_PROC, 0},         {"/sys", BOOT_MOUNT_SYSFS, 0},
        {"/dev", BOOT_MOUNT_DEV, 0},           {"/dev/pts", BOOT_MOUNT_DEVPTS, 0},
        {"/dev/shm", BOOT_MOUNT_TMPFS, 01777},
    };

    for (size_t i = 0; i < ARRAY_SIZE(standard); i++) {
        struct sandbox_mount *m;

        if (plan_has_mount(plan, standard[i].destination))
            continue;
        m = plan_mount_add(plan, standard[i].type, standard[i].destination);
        m->boot.mode = standard[i].mode;
        m->boot.nosuid = true;
        m->boot.nodev = standard[i].type != BOOT_MOUNT_DEV && standard[i].type != BOOT_MOUNT_DEVPTS;
        m->boot.readonly = standard[i].type == BOOT_MOUNT_SYSFS;
    }
}

static size_t plan_depth(const char *path)
{
    size_t n = 0;

    for (; *path; path++)
        n += path[0] == '/' && path[1] != '\0';
    return n;
}

void plan_mounts_sort(struct sandbox_plan *plan, struct pool *pool)
{
    struct sandbox_mount *sorted = pool_calloc(pool, plan->nmounts, sizeof(*sorted));
    size_t n = 0;

    for (size_t depth = 0; n < plan->nmounts; depth++) {
        for (size_t i = 0; i < plan->nmounts; i++) {
            if (plan_depth(plan->mounts[i].boot.destination) == depth)
                sorted[n++] = plan->mounts[i];
        }
    }
    plan->mounts = sorted;
}
