/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The master thread: tracer of the template and of every leader. It serves calls of other host
 * threads, keeps a few stubs in store, notices when one is killed or stopped from outside, and ends
 * one whose guest keeps our signals away.
 */
#include "abi/linux/memfd.h"
#include "abi/linux/mman.h"
#include "cvisor/host.h"
#include "cvisor/host_stub.h"
#include "cvisor/log.h"
#include "platform/systrap/systrap.h"

#include <errno.h>

#define SPARES_MIN 2 /* the master makes more when there are fewer */
#define SPARES_MAX 6 /* released stubs over that are ended */
/* From the start on: short-lived guests need none. */
#define SPARES_AFTER_NS (20ull * NSEC_PER_MSEC)
#define POLL_NS (250ull * NSEC_PER_MSEC)   /* while guest code runs */
#define IDLE_POLL_NS (4ull * NSEC_PER_SEC) /* while none does */
#define KICK_TICKS 20                      /* polls that a thread may take to react to a signal */

static atomic_int g_master_tid;
/* What the first stub needs to know of the processor is there: 1, or 2 = it can't be had. */
static atomic_uint g_measured;

/*
 * The master sleeps until SIGCHLD: the host sends it when a tracee stops or dies, and we do when
 * there is a call. It is held back in all threads, so none is lost.
 */
void st_master_ring(void)
{
    int tid = atomic_load(&g_master_tid);

    if (atomic_exchange(&g_systrap.bell, 1) == 0 && tid)
        host_tgkill(g_systrap.sentry_pid, tid, LINUX_SIGCHLD);
}

static void enqueue(struct master_call *call)
{
    mutex_lock(&g_systrap.lock);
    list_add_tail(&call->link, &g_systrap.calls);
    mutex_unlock(&g_systrap.lock);
    st_master_ring();
}

/* Blocks until the master has done it. */
int st_master_call(struct master_call *call)
{
    call->async = false;
    atomic_init(&call->done, 0);
    enqueue(call);
    while (atomic_load(&call->done) == 0)
        host_futex_wait(&call->done, 0, 0);
    return call->result;
}

void st_master_call_async(struct master_call *call)
{
    call->async = true;
    enqueue(call);
}

static void store_or_end(struct platform_as *as)
{
    bool stored = false;

    mutex_lock(&g_systrap.lock);
    if (g_systrap.nspares < SPARES_MAX && !atomic_load(&g_systrap.down)) {
        list_add(&as->link, &g_systrap.spares);
        g_systrap.nspares++;
        stored = true;
    }
    mutex_unlock(&g_systrap.lock);
    if (!stored)
        stub_end(as);
}

static void end_all(void)
{
    u64 deadline = host_now_mono() + 500 * NSEC_PER_MSEC;

    for (u32 i = 0; i < g_systrap.nslots; i++) {
        struct platform_as *as = g_systrap.slots[i];
        if (as && !as->leader_reaped)
            host_kill(as->pid, LINUX_SIGKILL);
    }
    if (g_systrap.template_pid) {
        host_kill(g_systrap.template_pid, LINUX_SIGKILL);
        st_trace_reap(g_systrap.template_pid);
        g_systrap.template_pid = 0;
    }
    for (;;) {
        bool left = false;
        stub_poll_deaths();
        for (u32 i = 0; i < g_systrap.nslots; i++)
            left |= g_systrap.slots[i] && !g_systrap.slots[i]->leader_reaped;
        if (!left || host_now_mono() > deadline)
            return;
        host_signal_wait(LINUX_SIGCHLD, 10 * NSEC_PER_MSEC);
    }
}

static void handle_call(struct master_call *call)
{
    struct platform_as *as = call->as;
    int r;

    switch (call->type) {
    case CALL_CREATE:
        r = stub_make(&call->as);
        break;
    case CALL_CLONE:
        r = stub_add_thread(as, &call->thread);
        break;
    case CALL_RECYCLE:
        if (stub_recycle(as))
            store_or_end(as);
        else
            stub_end(as);
        return; /* call is gone */
    case CALL_KILL:
        stub_end(as);
        return;
    case CALL_SHUTDOWN:
        end_all();
        r = 0;
        break;
    default:
        r = -EINVAL;
    }
    call->result = r;
    atomic_store(&call->done, 1);
    host_futex_wake(&call->done, 1);
}

static struct master_call *next_call(bool *refill)
{
    struct master_call *call = NULL;

    mutex_lock(&g_systrap.lock);
    if (!list_empty(&g_systrap.calls)) {
        call = list_first_entry(&g_systrap.calls, struct master_call, link);
        list_del(&call->link);
    }
    *refill = g_systrap.nspares < SPARES_MIN && !atomic_load(&g_systrap.down);
    mutex_unlock(&g_systrap.lock);
    return call;
}

/* A guest can block signals with an rt_sigreturn of its own. It must not get away with it. False:
 * no guest code runs. */
static bool watch_kicks(void)
{
    bool running = false;

    for (u32 i = 0; i < g_systrap.nslots; i++) {
        struct platform_as *as = g_systrap.slots[i];
        if (!as || atomic_load(&as->dead))
            continue;
        for (struct stub_thread *s = atomic_load(&as->all); s; s = s->next) {
            bool late = atomic_load(&s->kicked) && atomic_load(&s->running);
            s->ticks = late ? s->ticks + 1 : 0;
            if (s->ticks > KICK_TICKS)
                st_as_kill(as, "a guest keeps signals away");
            running |= atomic_load(&s->running);
        }
    }
    return running;
}

/* Stubs in store that were killed from outside. */
static void drop_dead_spares(void)
{
    struct platform_as *as, *next;
    struct list_head dead;

    list_init(&dead);
    mutex_lock(&g_systrap.lock);
    list_for_each_entry_safe (as, next, &g_systrap.spares, link) {
        if (!atomic_load(&as->dead))
            continue;
        list_del(&as->link);
        list_add(&as->link, &dead);
        g_systrap.nspares--;
    }
    mutex_unlock(&g_systrap.lock);
    while (!list_empty(&dead)) {
        as = list_first_entry(&dead, struct platform_as, link);
        list_del(&as->link);
        stub_end(as);
    }
}

static void master_loop(void)
{
    u64 now = host_now_mono();
    u64 refill_after = now + SPARES_AFTER_NS; /* or later, when making one has failed */
    u64 next_poll = now + POLL_NS;

    for (;;) {
        atomic_store(&g_systrap.bell, 0);
        bool refill;
        struct master_call *call = next_call(&refill);
        if (call) {
            if (call->type == CALL_CREATE) /* there was none */
                refill_after = 0;
            handle_call(call);
            continue;
        }
        now = host_now_mono();
        if (refill && now >= refill_after) {
            struct platform_as *as;
            if (stub_make(&as) == 0) {
                store_or_end(as);
                continue;
            }
            refill_after = now + POLL_NS;
        }
        stub_poll_deaths();
        drop_dead_spares();
        if (now >= next_poll)
            next_poll = now + (watch_kicks() ? POLL_NS : IDLE_POLL_NS);
        u64 wake = refill && refill_after < next_poll ? refill_after : next_poll;
        host_signal_wait(LINUX_SIGCHLD, wake - now);
    }
}

/* The first stub shows that all of it works here, and where frames are. */
static int try_stub(void)
{
    struct linux_seccomp_notif n;
    struct platform_as *as;
    int err = stub_make(&as);

    if (err < 0) {
        log_debug("systrap: a stub can't be made: error %d", -err);
        return err;
    }
    struct stub_thread *s = list_first_entry(&as->ready, struct stub_thread, link);
    err = context_capture(as, s, &n);
    if (err == 0)
        err = frame_learn(s);
    if (err < 0) {
        log_debug("systrap: a stub's registers can't be had: error %d", -err);
        stub_end(as);
        return err;
    }
    s->counted = false; /* no guest code has run here */
    atomic_store(&as->nguest, 0);
    store_or_end(as);
    return 0;
}

static int start(void)
{
    int r = st_template_create();

    if (r < 0)
        return r;
    g_systrap.template_pid = r;
    while (atomic_load(&g_measured) == 0)
        host_futex_wait(&g_measured, 0, 0);
    return atomic_load(&g_measured) == 1 ? try_stub() : -ENOSYS;
}

/* Another template, with other filters and handlers. */
static int start_trapping(void)
{
    end_all();
    g_systrap.rungs = (g_systrap.rungs & ~(u32)RUNG_NOTIFY) | RUNG_TRAP;
    int r = st_template_reserve();
    return r < 0 ? r : start();
}

static void master_main(void *arg)
{
    atomic_store(&g_master_tid, host_gettid());
    gather_begin();
    int r = start();

    if (r < 0 && !systrap_traps() && st_trap_instead(r))
        r = start_trapping();
    gather_end();
    if (r < 0) {
        atomic_store(&g_systrap.down, true);
        end_all();
        g_systrap.init_error = r;
        atomic_store(&g_systrap.ready, 2);
        host_futex_wake(&g_systrap.ready, 1);
        return;
    }
    atomic_store(&g_systrap.ready, 1);
    host_futex_wake(&g_systrap.ready, 1);
    master_loop();
}

static int shared_file(const char *name, u64 size, int *fd, char **map)
{
    *fd = host_memfd_create(name, LINUX_MFD_CLOEXEC);
    if (*fd < 0)
        return *fd;
    int err = host_ftruncate(*fd, size);
    if (err < 0)
        return err;
    void *p = host_mmap(NULL, size, LINUX_PROT_READ | LINUX_PROT_WRITE,
                        LINUX_MAP_SHARED | LINUX_MAP_NORESERVE, *fd, 0);
    if (host_is_err(p))
        return (int)(intptr_t)p;
    *map = p;
    return 0;
}

/* Returns when the first stub is there; info gets its FP part. */
int st_master_start(struct platform_info *info)
{
    void *slots = host_mmap(NULL, SYSTRAP_STUBS_MAX * sizeof(struct platform_as *),
                            LINUX_PROT_READ | LINUX_PROT_WRITE,
                            LINUX_MAP_PRIVATE | LINUX_MAP_ANONYMOUS, -1, 0);
    if (host_is_err(slots))
        return (int)(intptr_t)slots;
    g_systrap.slots = slots;

    int err = shared_file("cvisor-batch", (u64)SYSTRAP_STUBS_MAX * SYSTRAP_BATCH_SIZE,
                          &g_systrap.batch_fd, &g_systrap.batch_map);
    if (err == 0)
        err = shared_file("cvisor-context", (u64)SYSTRAP_CONTEXTS * SYSTRAP_CONTEXT_SIZE,
                          &g_systrap.context_fd, &g_systrap.context_map);
    if (err == 0)
        err = host_signal_hold_child();
    if (err == 0)
        err = cv_thread_create("systrap-master", master_main, NULL);
    if (err < 0)
        return err;
    /* While the template starts. */
    spin_init();
    atomic_store(&g_measured, frame_init(info) == 0 ? 1 : 2);
    host_futex_wake(&g_measured, 1);
    while (atomic_load(&g_systrap.ready) == 0)
        host_futex_wait(&g_systrap.ready, 0, 0);
    return atomic_load(&g_systrap.ready) == 1 ? 0 : g_systrap.init_error;
}
