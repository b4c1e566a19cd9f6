/* SPDX-License-Identifier: Apache-2.0 */
/* Vcpus: their host threads, their stub threads, interrupts. run.c has what they do with guests. */
#include "cvisor/host.h"
#include "cvisor/kcache.h"
#include "cvisor/log.h"
#include "platform/systrap/systrap.h"

#include <errno.h>

#define FREE_MAX 16 /* vcpus kept without work */

enum { UNASSIGNED, ASSIGNED, LEAVE };

KCACHE(platform_thread);

__thread struct platform_thread *t_systrap_vcpu;

static void set_stub(struct platform_thread *v, struct stub_thread *s)
{
    mutex_lock(&v->lock);
    v->stub = s;
    mutex_unlock(&v->lock);
}

void st_vcpu_died(struct platform_thread *v)
{
    if (!atomic_exchange(&v->as->dead, true)) {
        host_kill(v->as->pid, LINUX_SIGKILL); /* when only this thread is lost: it does not work */
        st_master_ring();                     /* to see the end of the leader */
    }
    v->died = true;
}

/* The guest thread is gone: its stub thread stays where it is, in an event. */
static void release_thread(struct platform_thread *v)
{
    struct stub_thread *s = v->stub;

    set_stub(v, NULL);
    if (!s)
        return;
    slot_block(s); /* it need not spin for what will not come */
    st_guest_left(v->as, s);
    st_as_return_thread(v->as, s);
}

/* --- host threads --- */

static void vcpu_start(struct platform_thread *v)
{
    v->event = PLATFORM_START;
    v->died = false;
    context_reset(v);
}

static bool keep_free(struct platform_thread *v)
{
    bool keep;

    mutex_lock(&g_systrap.lock);
    keep = g_systrap.nvcpus < FREE_MAX;
    if (keep) {
        list_add(&v->link, &g_systrap.vcpus);
        g_systrap.nvcpus++;
    }
    mutex_unlock(&g_systrap.lock);
    return keep;
}

static void vcpu_main(void *arg)
{
    struct platform_thread *v = arg;

    t_systrap_vcpu = v;
    atomic_store(&v->host_tid, host_gettid());
    for (;;) {
        u32 state = atomic_load(&v->assigned);
        if (state == UNASSIGNED) {
            host_futex_wait(&v->assigned, UNASSIGNED, 0);
            continue;
        }
        if (state == LEAVE)
            break;
        atomic_store(&v->assigned, UNASSIGNED);
        spin_begin(v);
        place_hint(v);
        vcpu_start(v);
        st_vcpu_run_guest(v);
        spin_end(v);
        struct platform_as *as = v->as;
        release_thread(v);
        v->as = NULL;
        v->task = NULL;
        systrap_as_put(as);
        if (!keep_free(v))
            break;
    }
    t_systrap_vcpu = NULL;
    kcache_free(platform_thread, v);
}

static struct platform_thread *vcpu_get(void)
{
    struct platform_thread *v = NULL;

    mutex_lock(&g_systrap.lock);
    if (!list_empty(&g_systrap.vcpus)) {
        v = list_first_entry(&g_systrap.vcpus, struct platform_thread, link);
        list_del(&v->link);
        g_systrap.nvcpus--;
    }
    mutex_unlock(&g_systrap.lock);
    if (v)
        return v;
    v = kcache_alloc(platform_thread);
    if (!v)
        return NULL;
    mutex_init(&v->lock, LOCK_LEAF);
    list_init(&v->link);
    if (cv_thread_create("vcpu", vcpu_main, v) < 0) {
        kcache_free(platform_thread, v);
        return NULL;
    }
    return v;
}

/* --- operations --- */

int systrap_thread_create(struct platform_as *as, void *task, struct platform_thread **out)
{
    struct platform_thread *v = vcpu_get();
    struct stub_thread *s;

    if (!v)
        return -EAGAIN;
    int err = st_as_take_thread(as, &s);
    if (err < 0) {
        if (!keep_free(v)) {
            atomic_store(&v->assigned, LEAVE);
            host_futex_wake(&v->assigned, 1);
        }
        return err;
    }
    ref_get(&as->refs);
    v->as = as;
    v->task = task;
    v->stub = s;
    v->nanswers = 0;
    atomic_store(&v->flags, 0);
    *out = v;
    place_start(v);
    atomic_store(&v->assigned, ASSIGNED);
    host_futex_wake(&v->assigned, 1);
    return 0;
}

void systrap_thread_interrupt(struct platform_thread *v)
{
    mutex_lock(&v->lock);
    u32 old = atomic_fetch_or(&v->flags, VCPU_INTR);
    if ((old & VCPU_GUEST) && !(old & VCPU_INTR) && v->stub) {
        atomic_store(&v->stub->kicked, true);
        host_tgkill(v->as->pid, v->stub->tid, SYSTRAP_SIGNAL);
        atomic_store(&v->stub->kicked, true); /* a report may have come between */
    }
    mutex_unlock(&v->lock);
}

/* Those of its life so far, in a new stub thread's page. */
void st_answers_apply(struct platform_thread *v)
{
    mutex_lock(&v->lock);
    for (u32 i = 0; i < v->nanswers && v->stub; i++)
        slot_set_answer(v->stub, v->answers[i].nr, v->answers[i].value);
    mutex_unlock(&v->lock);
}

void systrap_thread_answer(struct platform_thread *v, u32 nr, s64 value)
{
    u32 i = 0;

    if (!(g_systrap.rungs & RUNG_ANSWER) || nr >= CTX_ANSWERS_MAX)
        return;
    mutex_lock(&v->lock);
    while (i < v->nanswers && v->answers[i].nr != nr)
        i++;
    if (i < PLATFORM_ANSWERS) {
        v->nanswers = MAX(v->nanswers, i + 1);
        v->answers[i].nr = nr;
        v->answers[i].value = value;
        if (v->stub)
            slot_set_answer(v->stub, nr, value);
    }
    mutex_unlock(&v->lock);
}

int systrap_thread_switch_as(struct platform_thread *v, struct platform_as *as)
{
    struct platform_as *old = v->as;
    struct stub_thread *s;
    int err = st_as_take_thread(as, &s);

    if (err < 0)
        return err;
    ref_get(&as->refs);
    release_thread(v);
    mutex_lock(&v->lock);
    v->as = as;
    v->stub = s;
    mutex_unlock(&v->lock);
    v->died = false;
    context_reset(v);
    systrap_as_put(old);
    return 0;
}

void systrap_single_step(struct platform_thread *v)
{
    v->step = true;
}
