/* SPDX-License-Identifier: Apache-2.0 */
/* See selftest.h. Empty but in debug builds. */
#include "sentry/kernel/selftest.h"

#ifdef CV_DEBUG

#include "cvisor/kcache.h"
#include "cvisor/lock.h"
#include "sentry/mm/uaccess.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>

#define CENSUS_MAX 16384

struct selftest_text {
    size_t n;
    char text[CENSUS_MAX];
};

static void selftest_count(void *arg, const char *name, size_t size, size_t live, size_t total)
{
    struct selftest_text *s = arg;
    int n = snprintf(s->text + s->n, sizeof(s->text) - s->n, "%s %zu\n", name, live);

    if (n > 0 && (size_t)n < sizeof(s->text) - s->n)
        s->n += (size_t)n;
}

static s64 selftest_census(struct task *t, uaddr_t buf, u64 size)
{
    struct selftest_text *s = kmalloc(sizeof(*s));
    s64 ret;

    if (!s)
        return -ENOMEM;
    s->n = 0;
    kcache_census(selftest_count, s);
    ret = s->n <= size ? copy_out(t, buf, s->text, s->n) : -ERANGE;
    if (ret == 0)
        ret = (s64)s->n;
    kfree(s);
    return ret;
}

static struct mutex g_outer = MUTEX_INIT(LOCK_FDTABLE);
static struct mutex g_inner = MUTEX_INIT(LOCK_MM_MAP);

static volatile int g_racy; /* guarded by nothing, on purpose */

s64 selftest_prctl(struct task *t, u64 what, uaddr_t buf, u64 size)
{
    volatile char *volatile stale;
    volatile int big = INT_MAX;

    switch (what) {
    case SELFTEST_PROBE:
        return 0;
    case SELFTEST_USE_AFTER_FREE:
        stale = kmalloc(100);
        kfree((void *)stale);
        return stale ? stale[50] : -ENOMEM;
    case SELFTEST_OVERFLOW:
        big = big + 1;
        return big;
    case SELFTEST_LOCK_ORDER:
        mutex_lock(&g_inner);
        mutex_lock(&g_outer);
        mutex_unlock(&g_outer);
        mutex_unlock(&g_inner);
        return 0;
    case SELFTEST_LOCK_HELD:
        mutex_lock(&g_inner);
        return 0;
    case SELFTEST_CENSUS:
        return selftest_census(t, buf, size);
    case SELFTEST_FAIL_ALLOC:
        atomic_store(&g_kcache_fail_every, (u32)buf.v);
        return 0;
    case SELFTEST_RACE:
        g_racy = g_racy + 1;
        return 0;
    default:
        return -EINVAL;
    }
}

#else

#include <errno.h>

s64 selftest_prctl(struct task *t, u64 what, uaddr_t buf, u64 size)
{
    return -EINVAL;
}

#endif
