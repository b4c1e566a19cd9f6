/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where seccomp notifications can't be had: guest calls become SIGSYS, and what a listener does
 * elsewhere is done by words of shared memory and futexes. A guest can write to the words of its
 * reports, at any time and for any of its threads, so nothing here says where a thread really is. It
 * can't write to what its handlers and the memory thread wait for.
 */
#include "abi/linux/fcntl.h"
#include "abi/linux/poll.h"
#include "cvisor/host.h"
#include "cvisor/log.h"
#include "platform/systrap/systrap.h"

#include <errno.h>
#include <string.h>

/* Nobody tells of the end of a thread: the master of a leader's, and besides we look. */
#define LOOK_MS 500

enum { ID_HANDLER = 1, ID_SLOT = 2 };

/* In the page of the context that the stub can't write. */
static _Atomic u32 *answer_word(struct stub_thread *s)
{
    return (_Atomic u32 *)((char *)s->ctx + CTX_TRAP_ANSWER);
}

static u32 *bases_word(struct stub_thread *s)
{
    return (u32 *)((char *)s->ctx + CTX_TRAP_BASES);
}

/* The slot's state and, behind it, the number of the request that was answered. */
static const _Atomic u32 *state_word(struct stub_thread *s)
{
    return (const _Atomic u32 *)((const char *)s->ctx + CTX_STATE);
}

void trap_init_thread(struct stub_thread *s)
{
    s->bell = 0;
    s->answered = 0;
    atomic_store(&s->ctx->bell, 0);
    atomic_store(&s->ctx->report, 0);
    atomic_store(answer_word(s), 0);
}

static bool handler_reports(struct stub_thread *s)
{
    return atomic_load(&s->ctx->report) == s->answered + 1;
}

static void take_report(struct stub_thread *s, struct linux_seccomp_notif *n)
{
    const struct stub_context *c = s->ctx;

    *n = (struct linux_seccomp_notif){
        .id = ID_HANDLER,
        .data =
            {
                .nr = REPORT_NR,
                .instruction_pointer = SYSTRAP_STUB(systrap_stub_reported),
                .args = {c->trap_sig, c->trap_frame, c->trap_fs, c->trap_gs},
            },
    };
}

int trap_recv(struct platform_as *as, struct stub_thread *s, struct linux_seccomp_notif *n)
{
    for (;;) {
        u32 bell = atomic_load(&s->ctx->bell);
        if (atomic_load(&as->dead))
            return -ESRCH;
        bool rung = bell != s->bell;
        s->bell = bell;
        if (handler_reports(s)) {
            take_report(s, n);
            return 0;
        }
        if (rung) { /* somebody is to look at the slot */
            *n = (struct linux_seccomp_notif){
                .id = ID_SLOT,
                .data = {.nr = REPORT_NR, .instruction_pointer = SYSTRAP_LOW(systrap_low_posted)},
            };
            return 0;
        }
        int err = host_futex_wait_shared(&s->ctx->bell, bell,
                                         host_now_mono() + LOOK_MS * NSEC_PER_MSEC);
        if (err == -ETIMEDOUT && host_tgkill(as->pid, s->tid, 0) < 0)
            return -ESRCH;
    }
}

int trap_send(struct stub_thread *s, u64 id, s64 val)
{
    if (id == ID_SLOT) {
        host_futex_wake_shared(state_word(s), 1); /* it waits until its request is answered */
    } else {
        *bases_word(s) = val != 0;
        atomic_store(answer_word(s), ++s->answered);
        host_futex_wake_shared(answer_word(s), 1);
    }
    return 0;
}

bool trap_wait_report(struct stub_thread *s, u64 ns, struct linux_seccomp_notif *n)
{
    u64 deadline = host_now_mono() + ns;

    for (;;) {
        u32 bell = atomic_load(&s->ctx->bell);
        s->bell = bell;
        if (handler_reports(s)) {
            take_report(s, n);
            return true;
        }
        if (host_futex_wait_shared(&s->ctx->bell, bell, deadline) == -ETIMEDOUT ||
            host_now_mono() > deadline)
            return false;
    }
}

void trap_wake_all(struct platform_as *as)
{
    const char gone = -1;

    for (struct stub_thread *s = atomic_load(&as->all); s; s = s->next) {
        atomic_fetch_add(&s->ctx->bell, 1);
        host_futex_wake_shared(&s->ctx->bell, 1);
    }
    if (as->mem_out >= 0)
        host_write(as->mem_out, &gone, 1);
}

/* --- the memory thread --- */

struct batch_order {
    _Atomic u32 number;
    u32 idle;
    u64 first;
};

_Static_assert((SYSTRAP_BATCH_OPS + 1) * sizeof(struct stub_op) <= BATCH_ORDER, "slot_layout.h");
_Static_assert(BATCH_ORDER + sizeof(struct batch_order) <= SYSTRAP_BATCH_SIZE, "slot_layout.h");
_Static_assert(BATCH_ORDER + offsetof(struct batch_order, first) == BATCH_ORDER_FIRST, "");

static struct batch_order *order_of(struct platform_as *as)
{
    return (struct batch_order *)((char *)as->batch + BATCH_ORDER);
}

int trap_init_memory(struct platform_as *as)
{
    int fds[2];
    int err = host_pipe2(fds, LINUX_O_CLOEXEC);

    if (err < 0)
        return err;
    as->mem_fd = fds[0];
    as->mem_out = fds[1];
    *order_of(as) = (struct batch_order){0};
    return 0;
}

static int read_report(struct platform_as *as, u8 *buf, size_t n)
{
    size_t done = 0;

    while (done < n) {
        if (atomic_load(&as->dead))
            return -ESRCH;
        struct linux_pollfd p = {.fd = as->mem_fd, .events = LINUX_POLLIN};
        int r = host_poll(&p, 1, LOOK_MS);
        if (r > 0) {
            ssize_t got = host_read(as->mem_fd, buf + done, n - done);
            if (got <= 0 && got != -EINTR)
                return -ESRCH;
            done += got > 0 ? (size_t)got : 0;
        } else if (r == 0 && host_tgkill(as->pid, as->mem_tid, 0) < 0) {
            return -ESRCH;
        }
    }
    return atomic_load(&as->dead) ? -ESRCH : 0;
}

/* Only the memory thread writes to the pipe, and guests write to nothing that it reads. */
int trap_run_batch(struct platform_as *as, u64 first, u64 *failed)
{
    struct batch_order *o = order_of(as);
    u8 error, offset[2];

    o->first = first;
    atomic_fetch_add(&o->number, 1);
    host_futex_wake_shared(&o->number, 1);
    int err = read_report(as, &error, 1);
    if (err < 0 || error == 0)
        return err;
    err = read_report(as, offset, sizeof(offset));
    *failed = SYSTRAP_BATCH_ADDR + (u64)(offset[0] | offset[1] << 8);
    return err < 0 ? err : -(int)error;
}
