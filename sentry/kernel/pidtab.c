/* SPDX-License-Identifier: Apache-2.0 */
/* The table of numbers: one tree ordered by number, allocation goes round as Linux's does. */
#include "sentry/kernel/pidtab.h"

#include "cvisor/kcache.h"
#include "cvisor/rangetree.h"
#include "sentry/kernel/task.h"

#include <errno.h>

/* A guest can't hold more numbers than this: memory stays bounded. */
#define PID_MAX_LIVE 32768
#define PID_RESERVED 300

struct pid_entry {
    struct range_node range;
    struct pid pid;
};
KCACHE(pid_entry);

static struct rangetree g_pids; /* TASKS */
static int g_last_pid;          /* TASKS */
static _Atomic u32 g_ntasks;    /* changed under TASKS */

void pidtab_init(void)
{
    rangetree_init(&g_pids);
    g_last_pid = 0;
}

static int pidtab_insert(struct task *t, int nr)
{
    struct pid_entry *e = kcache_alloc(pid_entry);
    if (!e)
        return -ENOMEM;
    e->pid.nr = nr;
    e->pid.task = t;
    e->range.start = (u64)nr;
    e->range.end = (u64)nr + 1;
    int err = rangetree_insert(&g_pids, &e->range);
    if (err) {
        kcache_free(pid_entry, e);
        return err;
    }
    g_ntasks++;
    return nr;
}

int pidtab_alloc(struct task *t)
{
    if (g_pids.count >= PID_MAX_LIVE)
        return -EAGAIN;
    int nr = g_last_pid;
    for (int tries = 0; tries <= PID_MAX_LIVE + PID_RESERVED; tries++) {
        nr++;
        if (nr >= TID_MAX)
            nr = PID_RESERVED;
        if (!rangetree_find(&g_pids, (u64)nr)) {
            int r = pidtab_insert(t, nr);
            if (r > 0)
                g_last_pid = nr;
            return r;
        }
    }
    return -EAGAIN;
}

int pidtab_alloc_at(struct task *t, int nr)
{
    if (nr <= 0 || nr >= TID_MAX)
        return -EINVAL;
    if (g_pids.count >= PID_MAX_LIVE)
        return -EAGAIN;
    return pidtab_insert(t, nr);
}

struct pid *pidtab_find(int nr)
{
    if (nr <= 0)
        return NULL;
    struct range_node *n = rangetree_find(&g_pids, (u64)nr);
    return n ? &container_of(n, struct pid_entry, range)->pid : NULL;
}

void pidtab_release(struct pid *p)
{
    if (p->task || p->pgrp || p->session)
        return;
    struct pid_entry *e = container_of(p, struct pid_entry, pid);
    rangetree_remove(&g_pids, &e->range);
    g_ntasks--;
    kcache_free(pid_entry, e);
}

struct task *pidtab_next_leader(int from)
{
    struct range_node *n = rangetree_lower(&g_pids, from < 0 ? 0 : (u64)from);
    for (; n; n = rangetree_next(n)) {
        struct task *t = container_of(n, struct pid_entry, range)->pid.task;
        if (t && t->group->id == t->tid)
            return t;
    }
    return NULL;
}

u32 pidtab_count(void)
{
    return g_ntasks;
}
