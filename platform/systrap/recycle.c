/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stubs that are used again: on the master thread, each thread that has run guest code proves that it
 * is in our handler, and what the old guest could have left for the next one goes.
 */
#include "abi/linux/poll.h"
#include "cvisor/host.h"
#include "cvisor/host_stub.h"
#include "cvisor/log.h"
#include "platform/systrap/systrap.h"

#include <errno.h>

#define PROOF_TIMEOUT_MS 300
#define PROOF_REPORTS 8 /* signals from outside that may come in between */

static bool wait_report(struct stub_thread *s)
{
    struct linux_pollfd p = {.fd = s->fd, .events = LINUX_POLLIN};
    int r;

    do {
        r = host_poll(&p, 1, PROOF_TIMEOUT_MS);
    } while (r == -EINTR);
    return r == 1 && (p.revents & LINUX_POLLIN);
}

/*
 * Brings a thread that has run hostile code into its handler, provably: a queued signal carries a
 * random number, which the host writes to the frame. Found there, it says that the signal was not
 * blocked, that the handler's stack is where we put it, and that the thread executes the handler
 * with this frame. All other threads of the stub are in events, and nothing of the guest is mapped.
 */
static bool prove_thread(struct platform_as *as, struct stub_thread *s)
{
    struct linux_seccomp_notif n;
    struct arch_regs idle;
    u64 secret;

    if (s->state == STUB_FRESH)
        return true;
    if (host_getrandom(&secret, sizeof(secret), 0) != sizeof(secret) ||
        host_signal_queue(as->pid, s->tid, SYSTRAP_PROOF_SIGNAL, secret) < 0)
        return false;
    st_trace_stub_regs(&idle, systrap_stub_idle);
    for (int i = 0; i < PROOF_REPORTS; i++) {
        if (s->state == STUB_FRAME) {
            frame_fp_reset(s);
            frame_write(s, &idle);
        }
        if (s->id) /* 0: it spins, for a while */
            notify_send(s->fd, s->id, 0);
        if (!wait_report(s) || notify_recv(s->fd, as->pid, s->tid, &n) < 0)
            return false;
        s->id = n.id;
        s->state = STUB_SYSCALL;
        if (!notify_is(&n, systrap_stub_reported) || !frame_take(s, &n))
            continue;
        frame_enter(s, &n);
        const struct linux_siginfo *si = &frame_of(s)->info;
        if (si->si_signo == SYSTRAP_PROOF_SIGNAL && si->rt.value.sival_ptr == secret)
            return true;
    }
    return false;
}

static bool trap_queue(struct platform_as *as, struct stub_thread *s, u64 *secret)
{
    return host_getrandom(secret, sizeof(*secret), 0) == sizeof(*secret) &&
           host_signal_queue(as->pid, s->tid, SYSTRAP_PROOF_SIGNAL, *secret) == 0;
}

/* Lets it go from its handler, if it is there, to where it waits for a signal. */
static void trap_release(struct stub_thread *s)
{
    struct arch_regs idle;

    if (s->state != STUB_FRAME)
        return;
    st_trace_stub_regs(&idle, systrap_stub_trap_idle);
    frame_fp_reset(s);
    frame_write(s, &idle);
    st_send(s, s->id, 0);
    s->state = STUB_GUEST;
}

/*
 * The same without notifications, for the only guest thread of a stub. It can write to the words of
 * its reports, so that there is one says little. But from its handler it does not get on without an
 * answer, and none is given from the moment at which the secret is sent: when that is found at the
 * constant place, the thread has had no time to carry it there. One report, and no second try.
 */
static bool prove_trapped(struct platform_as *as, struct stub_thread *s)
{
    const u64 timeout = PROOF_TIMEOUT_MS * NSEC_PER_MSEC;
    struct linux_seccomp_notif n;
    u64 secret;

    if (s->state == STUB_FRESH)
        return true;
    trap_release(s);
    if (atomic_load(&s->kicked)) { /* another signal would come first */
        if (!trap_wait_report(s, timeout, &n) || !frame_take(s, &n))
            return false;
        frame_enter(s, &n);
        trap_release(s);
    }
    if (!trap_queue(as, s, &secret) || !trap_wait_report(s, timeout, &n) || !frame_take(s, &n))
        return false;
    frame_enter(s, &n);
    const struct linux_siginfo *si = &frame_of(s)->info;
    return si->si_signo == SYSTRAP_PROOF_SIGNAL && si->rt.value.sival_ptr == secret;
}

/* The next guest can read the contexts of all threads: nothing of this one stays there. */
static void forget(struct stub_thread *s)
{
    struct arch_regs idle;

    if (s->state != STUB_FRAME)
        return;
    st_trace_stub_regs(&idle, stub_idle_label());
    frame_scrub(s);
    frame_fp_reset(s);
    frame_write(s, &idle);
    slot_init(s);
}

/* False: it is to be ended. */
bool stub_recycle(struct platform_as *as)
{
    u32 kept = systrap_traps() ? SYSTRAP_THREADS_KEPT_TRAP : SYSTRAP_THREADS_KEPT;

    if (atomic_load(&as->dead) || as->nthreads > kept || st_as_clean(as) < 0)
        return false;
    for (struct stub_thread *s = atomic_load(&as->all); s; s = s->next) {
        if (!(systrap_traps() ? prove_trapped(as, s) : prove_thread(as, s))) {
            log_debug("systrap: thread %d of stub %d is not used again", s->tid, as->pid);
            return false;
        }
        s->counted = false;
    }
    atomic_store(&as->nguest, 0);
    for (struct stub_thread *s = atomic_load(&as->all); s; s = s->next)
        forget(s);
    return true;
}
