/* SPDX-License-Identifier: Apache-2.0 */
/* Interval timers of a process, and the check of everything that waits for CPU time. */
#include "abi/linux/poll.h"
#include "abi/linux/time.h"
#include "cvisor/host.h"
#include "sentry/kernel/posix_timer_internal.h"
#include "sentry/kernel/signal_internal.h"

#include <errno.h>

/* CPU clocks are looked at no more often than this. */
#define CPU_CHECK_NS ((u64)NSEC_PER_MSEC)
#define ITIMER_MIN_PERIOD_NS (50 * (u64)NSEC_PER_USEC)

/* ---- ITIMER_REAL ---- */

static void itimer_real_expired(struct ktimer *kt)
{
    struct posix_timers *pts = kt->arg;
    struct itimer *it = &pts->itimers[LINUX_ITIMER_REAL];
    struct sighand *sh = group_lock_sighand(pts->group);
    u64 now = host_now_mono();
    if (it->expiry && now < it->expiry) {
        ktimer_arm(kt, it->expiry);
    } else if (it->expiry) {
        signal_send_locked(pts->group, NULL, sh, LINUX_SIGALRM, NULL, NULL);
        if (it->interval) {
            timer_forward(&it->expiry, it->interval, now);
            ktimer_arm(kt, MAX(it->expiry, now + ITIMER_MIN_PERIOD_NS));
        } else {
            it->expiry = 0;
        }
    }
    mutex_unlock(&sh->lock);
}

void itimer_init(struct posix_timers *pts)
{
    ktimer_init(&pts->itimers[LINUX_ITIMER_REAL].kt, itimer_real_expired, pts);
}

/* ---- CPU time ---- */

/* SIGHAND held. Nearest moment is kept in *left (ns of CPU time). */
static void cpu_check_itimer(struct posix_timers *pts, int which, u64 now, u64 *left)
{
    struct itimer *it = &pts->itimers[which];
    int sig = which == LINUX_ITIMER_VIRTUAL ? LINUX_SIGVTALRM : LINUX_SIGPROF;
    if (!it->expiry)
        return;
    if (now >= it->expiry) {
        signal_send_locked(pts->group, NULL, pts->group->sighand, sig, NULL, NULL);
        if (it->interval)
            timer_forward(&it->expiry, it->interval, now);
        else
            it->expiry = 0;
    }
    if (it->expiry)
        *left = MIN(*left, it->expiry - now);
}

/* SIGHAND held. */
static void cpu_check_timer(struct posix_timer *pt, u64 now, u64 *left)
{
    if (pt->expiry && now >= pt->expiry) {
        bool none = pt->notify == LINUX_SIGEV_NONE;
        struct task *to = pt->notify & LINUX_SIGEV_THREAD_ID ? pt->target : NULL;
        if (!none && signal_timer_queued(pt->group, to, pt))
            pt->overrun++;
        else if (!none)
            posix_timer_fire(pt);
        if (pt->interval)
            pt->overrun += timer_forward(&pt->expiry, pt->interval, now) - 1;
        else
            pt->expiry = 0;
    }
    if (pt->expiry)
        *left = MIN(*left, pt->expiry - now);
    else
        list_del(&pt->cpu_node);
}

static void cpu_check(struct ktimer *kt)
{
    struct posix_timers *pts = kt->arg;
    struct thread_group *g = pts->group;
    struct posix_timer *pt, *n;
    u64 user, sys, left = ~0ull;
    group_cpu_time(g, &user, &sys);
    struct sighand *sh = group_lock_sighand(g);
    if (!pts->dying) {
        cpu_check_itimer(pts, LINUX_ITIMER_VIRTUAL, user, &left);
        cpu_check_itimer(pts, LINUX_ITIMER_PROF, user + sys, &left);
        list_for_each_entry_safe (pt, n, &pts->cpu_timers, cpu_node)
            cpu_check_timer(pt, posix_timer_now(pt, user, sys), &left);
        if (left != ~0ull) {
            u64 threads = (u64)MAX(g->nthreads, 1);
            ktimer_arm(kt, deadline_after(MAX(left / threads, CPU_CHECK_NS)));
        }
    }
    mutex_unlock(&sh->lock);
}

void cpu_timer_init(struct posix_timers *pts)
{
    ktimer_init(&pts->cpu_kt, cpu_check, pts);
}

void cpu_timer_kick(struct posix_timers *pts)
{
    ktimer_arm(&pts->cpu_kt, deadline_after(CPU_CHECK_NS / 4));
}

/* ---- getitimer, setitimer ---- */

static u64 itimer_now(struct thread_group *g, int which)
{
    u64 user, sys;
    if (which == LINUX_ITIMER_REAL)
        return host_now_mono();
    group_cpu_time(g, &user, &sys);
    return which == LINUX_ITIMER_VIRTUAL ? user : user + sys;
}

/* SIGHAND held. */
static void itimer_read(const struct itimer *it, u64 now, struct itimer_value *out)
{
    out->interval = it->interval;
    if (!it->expiry)
        out->value = 0;
    else /* about to fire: still armed */
        out->value = it->expiry > now ? it->expiry - now : (u64)NSEC_PER_USEC;
    if (out->value)
        out->value = MAX(out->value, (u64)NSEC_PER_USEC);
}

void itimer_get(struct thread_group *g, int which, struct itimer_value *out)
{
    struct posix_timers *pts = g->timers;
    *out = (struct itimer_value){0};
    if (!pts)
        return;
    u64 now = itimer_now(g, which);
    struct sighand *sh = group_lock_sighand(g);
    itimer_read(&pts->itimers[which], now, out);
    mutex_unlock(&sh->lock);
}

int itimer_set(struct thread_group *g, int which, const struct itimer_value *new,
               struct itimer_value *old)
{
    struct posix_timers *pts = posix_timers_of(g);
    if (!pts)
        return -ENOMEM;
    struct itimer *it = &pts->itimers[which];
    u64 now = itimer_now(g, which);
    struct sighand *sh = group_lock_sighand(g);
    itimer_read(it, now, old);
    it->interval = new->interval;
    it->expiry = new->value ? now + new->value : 0;
    if (it->expiry) {
        if (which == LINUX_ITIMER_REAL)
            ktimer_arm(&it->kt, it->expiry);
        else
            cpu_timer_kick(pts);
    }
    mutex_unlock(&sh->lock);
    return 0;
}
