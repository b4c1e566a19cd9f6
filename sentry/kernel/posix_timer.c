/* SPDX-License-Identifier: Apache-2.0 */
/*
 * POSIX timers. A periodic timer whose signal is queued does not run on: overruns are computed when
 * the signal is taken, so that a tiny interval costs nothing.
 */
#include "abi/linux/time.h"
#include "cvisor/host.h"
#include "cvisor/kcache.h"
#include "sentry/kernel/posix_timer_internal.h"
#include "sentry/kernel/signal_internal.h"

#include <errno.h>
#include <string.h>

KCACHE(posix_timer);
KCACHE(posix_timers);

/* While a signal waits to be taken, the timer looks this often whether it still does. */
#define TIMER_RECHECK_NS (50 * (u64)NSEC_PER_MSEC)
#define TIMER_MIN_PERIOD_NS (100 * (u64)NSEC_PER_USEC)
#define TIMERS_MAX 32768u

struct posix_timers *posix_timers_of(struct thread_group *g)
{
    struct posix_timers *pts = atomic_load_explicit(&g->timers, memory_order_acquire), *old = NULL;
    if (pts)
        return pts;
    pts = kcache_alloc(posix_timers);
    if (!pts)
        return NULL;
    pts->group = g;
    mutex_init(&pts->lock, LOCK_TIMER_SET);
    rangetree_init(&pts->by_id);
    list_init(&pts->cpu_timers);
    itimer_init(pts);
    cpu_timer_init(pts);
    if (atomic_compare_exchange_strong(&g->timers, &old, pts))
        return pts;
    kcache_free(posix_timers, pts);
    return old;
}

/* timers->lock held. */
static struct posix_timer *posix_timer_find(struct posix_timers *pts, int id)
{
    if (id < 0)
        return NULL;
    struct range_node *n = rangetree_find(&pts->by_id, (u64)id);
    return n ? container_of(n, struct posix_timer, node) : NULL;
}

/* ---- expiry ---- */

bool posix_timer_fire(struct posix_timer *pt)
{
    struct thread_group *g = pt->group;
    struct linux_siginfo info;
    struct task *to = pt->notify & LINUX_SIGEV_THREAD_ID ? pt->target : NULL;
    if (to && (atomic_load(&to->state) == TASK_ZOMBIE || atomic_load(&to->state) == TASK_DEAD))
        return false;
    memset(&info, 0, sizeof(info));
    info.si_signo = pt->signo;
    info.si_code = LINUX_SI_TIMER;
    info.timer.tid = (s32)pt->node.start;
    info.timer.value = pt->value;
    signal_send_locked(g, to, g->sighand, pt->signo, &info, pt);
    return signal_timer_queued(g, to, pt);
}

static void posix_timer_expired(struct ktimer *kt)
{
    struct posix_timer *pt = kt->arg;
    struct thread_group *g = pt->group;
    struct task *to = pt->notify & LINUX_SIGEV_THREAD_ID ? pt->target : NULL;
    struct sighand *sh = group_lock_sighand(g);
    u64 now = host_now_mono();
    if (!pt->expiry || pt->notify == LINUX_SIGEV_NONE)
        goto out;
    if (now < pt->expiry) {
        ktimer_arm(kt, pt->expiry); /* it was set again meanwhile */
        goto out;
    }
    bool queued = signal_timer_queued(g, to, pt);
    if (!queued)
        queued = posix_timer_fire(pt);
    pt->fired = queued;
    if (!pt->interval) {
        pt->expiry = 0;
    } else if (queued) {
        ktimer_arm(kt, now + MAX(pt->interval, TIMER_RECHECK_NS));
    } else {
        timer_forward(&pt->expiry, pt->interval, now);
        ktimer_arm(kt, MAX(pt->expiry, now + TIMER_MIN_PERIOD_NS));
    }
out:
    mutex_unlock(&sh->lock);
}

void posix_timer_signal_taken(struct posix_timer *pt, struct linux_siginfo *info)
{
    u64 now = host_now_mono();
    if (pt->fired && pt->interval && pt->expiry && !pt->cpu && now >= pt->expiry) {
        pt->overrun += timer_forward(&pt->expiry, pt->interval, now) - 1;
        ktimer_arm(&pt->kt, pt->expiry);
    }
    pt->fired = false;
    pt->overrun_last = (int)MIN(pt->overrun, (u64)INT32_MAX);
    pt->overrun = 0;
    info->timer.overrun = pt->overrun_last;
}

/* ---- creation and end ---- */

static int timer_check_clock(struct task *t, int clock)
{
    u64 now;
    switch (clock) {
    case LINUX_CLOCK_MONOTONIC_RAW:
    case LINUX_CLOCK_REALTIME_COARSE:
    case LINUX_CLOCK_MONOTONIC_COARSE:
        return -EOPNOTSUPP;
    case LINUX_CLOCK_REALTIME_ALARM:
    case LINUX_CLOCK_BOOTTIME_ALARM:
        return cred_capable(t->cred, LINUX_CAP_WAKE_ALARM) ? 0 : -EPERM;
    default:
        return kernel_clock_get(clock, &now);
    }
}

static int timer_check_event(struct task *t, struct posix_timer *pt,
                             const struct linux_sigevent *sev)
{
    pt->notify = sev->sigev_notify;
    pt->signo = sev->sigev_signo;
    pt->value = sev->sigev_value;
    switch (pt->notify) {
    case LINUX_SIGEV_NONE:
        return 0;
    case LINUX_SIGEV_THREAD_ID: {
        struct task *o = task_find(sev->tid);
        if (!o)
            return -EINVAL;
        if (o->group != t->group) {
            task_put(o);
            return -EINVAL;
        }
        pt->target = o;
        break;
    }
    case LINUX_SIGEV_SIGNAL:
    case LINUX_SIGEV_THREAD:
        break;
    default:
        return -EINVAL;
    }
    return pt->signo < 1 || pt->signo > NSIG ? -EINVAL : 0;
}

/* CPU clocks: of a thread of this process, or of this process. */
static int timer_bind_cpu(struct task *t, struct posix_timer *pt)
{
    int id = ~(pt->clock >> 3);
    if (!pt->cpu)
        return 0;
    if (!(pt->clock & CLOCK_CPU_THREAD))
        return id == 0 || id == t->group->id ? 0 : -EINVAL;
    if (id) {
        pt->clock_task = task_find(id);
    } else {
        task_get(t);
        pt->clock_task = t;
    }
    /* Again: the number may be somebody else's since the clock was checked. */
    return pt->clock_task && pt->clock_task->group == t->group ? 0 : -EINVAL;
}

static void posix_timer_free(struct posix_timer *pt)
{
    if (pt->target)
        task_put(pt->target);
    if (pt->clock_task)
        task_put(pt->clock_task);
    kcache_free(posix_timer, pt);
}

/* A number that is free: they are given out in ascending order, as on Linux. pts->lock held. */
static int timer_new_id(struct posix_timers *pts)
{
    int id = pts->next_id;
    while (posix_timer_find(pts, id))
        id = id == INT32_MAX ? 0 : id + 1;
    pts->next_id = id == INT32_MAX ? 0 : id + 1;
    return id;
}

int posix_timer_create(struct task *t, int clock, const struct linux_sigevent *sev)
{
    struct linux_sigevent def = {.sigev_signo = LINUX_SIGALRM};
    struct posix_timers *pts = posix_timers_of(t->group);
    u64 limit = group_rlimit(t->group, LINUX_RLIMIT_SIGPENDING);
    int err = timer_check_clock(t, clock);
    if (err)
        return err;
    struct posix_timer *pt = pts ? kcache_alloc(posix_timer) : NULL;
    if (!pt)
        return -EAGAIN;
    err = timer_check_event(t, pt, sev ? sev : &def);
    if (err) {
        posix_timer_free(pt);
        return err;
    }
    pt->group = t->group;
    pt->clock = clock_normalise(clock);
    pt->cpu = clock_is_cpu(pt->clock);
    list_init(&pt->cpu_node);
    ktimer_init(&pt->kt, posix_timer_expired, pt);
    err = timer_bind_cpu(t, pt);
    if (err) {
        posix_timer_free(pt);
        return err;
    }
    mutex_lock(&pts->lock);
    if (pts->by_id.count >= TIMERS_MAX || pts->by_id.count >= limit) {
        mutex_unlock(&pts->lock);
        posix_timer_free(pt);
        return -EAGAIN;
    }
    int id = timer_new_id(pts);
    pt->node.start = (u64)id;
    pt->node.end = (u64)id + 1;
    if (!sev)
        pt->value.sival_int = id;
    rangetree_insert(&pts->by_id, &pt->node);
    mutex_unlock(&pts->lock);
    return id;
}

/* Out of the tree already; no locks held. */
static void posix_timer_destroy(struct posix_timer *pt)
{
    struct thread_group *g = pt->group;
    struct sighand *sh = group_lock_sighand(g);
    pt->expiry = 0;
    list_del(&pt->cpu_node);
    signal_purge_timer(g, pt);
    mutex_unlock(&sh->lock);
    /* Nothing can arm or fire it any more but a callback that runs right now. */
    ktimer_cancel(&pt->kt);
    posix_timer_free(pt);
}

int posix_timer_delete(struct task *t, int id)
{
    struct posix_timers *pts = t->group->timers;
    if (!pts)
        return -EINVAL;
    mutex_lock(&pts->lock);
    struct posix_timer *pt = posix_timer_find(pts, id);
    if (pt)
        rangetree_remove(&pts->by_id, &pt->node);
    mutex_unlock(&pts->lock);
    if (!pt)
        return -EINVAL;
    posix_timer_destroy(pt);
    return 0;
}

static void posix_timers_delete_all(struct posix_timers *pts)
{
    for (;;) {
        mutex_lock(&pts->lock);
        struct range_node *n = rangetree_first(&pts->by_id);
        if (n)
            rangetree_remove(&pts->by_id, n);
        else
            pts->next_id = 0;
        mutex_unlock(&pts->lock);
        if (!n)
            break;
        posix_timer_destroy(container_of(n, struct posix_timer, node));
    }
}

void posix_timers_exec(struct thread_group *g)
{
    struct posix_timers *pts = g->timers;
    if (pts)
        posix_timers_delete_all(pts);
}

void posix_timers_exit(struct thread_group *g)
{
    struct posix_timers *pts = g->timers;
    if (!pts)
        return;
    posix_timers_delete_all(pts);
    struct sighand *sh = group_lock_sighand(g);
    for (int i = 0; i < 3; i++)
        pts->itimers[i].expiry = 0;
    pts->dying = true;
    mutex_unlock(&sh->lock);
    ktimer_cancel(&pts->itimers[LINUX_ITIMER_REAL].kt);
    ktimer_cancel(&pts->cpu_kt);
    g->timers = NULL;
    kcache_free(posix_timers, pts);
}

/* ---- arming and reading ---- */

u64 posix_timer_now(struct posix_timer *pt, u64 user, u64 sys)
{
    if (!pt->cpu)
        return host_now_mono();
    if (pt->clock_task)
        task_cpu_time(pt->clock_task, &user, &sys);
    return clock_cpu_pick(pt->clock, user, sys);
}

/* SIGHAND held. */
static void timer_value(struct posix_timer *pt, u64 now, struct linux_itimerspec *out)
{
    u64 left = 0;
    if (pt->expiry > now)
        left = pt->expiry - now;
    else if (pt->expiry && pt->interval)
        left = pt->interval - (now - pt->expiry) % pt->interval;
    else if (pt->expiry && pt->notify != LINUX_SIGEV_NONE)
        left = 1; /* just about to fire */
    out->it_value = ns_to_timespec(left);
    out->it_interval = ns_to_timespec(pt->interval);
}

/* When the timer is to expire first, in the unit of expiry; 0 = never. */
static u64 timer_first(struct posix_timer *pt, bool absolute, u64 value, u64 now)
{
    u64 at;
    if (!value)
        return 0;
    if (!absolute)
        return now + value;
    if (pt->cpu)
        return value;
    return kernel_clock_deadline(pt->clock, value, &at) ? 1 : at;
}

int posix_timer_set(struct task *t, int id, bool absolute, const struct linux_itimerspec *new,
                    struct linux_itimerspec *old)
{
    struct posix_timers *pts = t->group->timers;
    if (!pts)
        return -EINVAL;
    /* The CPU clocks take TASKS, which is outside of the timers' lock. */
    u64 user, sys;
    group_cpu_time(t->group, &user, &sys);
    mutex_lock(&pts->lock);
    struct posix_timer *pt = posix_timer_find(pts, id);
    if (!pt) {
        mutex_unlock(&pts->lock);
        return -EINVAL;
    }
    u64 now = posix_timer_now(pt, user, sys);
    u64 first = timer_first(pt, absolute, timespec_to_ns(&new->it_value), now);
    struct sighand *sh = group_lock_sighand(pt->group);
    if (old)
        timer_value(pt, now, old);
    pt->expiry = first;
    pt->interval = first ? timespec_to_ns(&new->it_interval) : 0;
    pt->fired = false;
    pt->overrun = 0;
    pt->overrun_last = 0;
    if (pt->cpu) {
        list_del(&pt->cpu_node);
        if (first) {
            list_add_tail(&pt->cpu_node, &pts->cpu_timers);
            cpu_timer_kick(pts);
        }
    } else if (first && pt->notify != LINUX_SIGEV_NONE) {
        ktimer_arm(&pt->kt, first);
    }
    mutex_unlock(&sh->lock);
    mutex_unlock(&pts->lock);
    return 0;
}

int posix_timer_get(struct task *t, int id, struct linux_itimerspec *out)
{
    struct posix_timers *pts = t->group->timers;
    u64 user, sys;
    if (!pts)
        return -EINVAL;
    group_cpu_time(t->group, &user, &sys);
    mutex_lock(&pts->lock);
    struct posix_timer *pt = posix_timer_find(pts, id);
    if (pt) {
        u64 now = posix_timer_now(pt, user, sys);
        struct sighand *sh = group_lock_sighand(pt->group);
        timer_value(pt, now, out);
        mutex_unlock(&sh->lock);
    }
    mutex_unlock(&pts->lock);
    return pt ? 0 : -EINVAL;
}

int posix_timer_overrun(struct task *t, int id)
{
    struct posix_timers *pts = t->group->timers;
    int n = -EINVAL;
    if (!pts)
        return -EINVAL;
    mutex_lock(&pts->lock);
    struct posix_timer *pt = posix_timer_find(pts, id);
    if (pt) {
        struct sighand *sh = group_lock_sighand(pt->group);
        n = pt->overrun_last;
        mutex_unlock(&sh->lock);
    }
    mutex_unlock(&pts->lock);
    return n;
}
