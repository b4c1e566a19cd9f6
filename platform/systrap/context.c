/* SPDX-License-Identifier: Apache-2.0 */
/* Register and FP context of a vcpu: fetched from the stub when the kernel asks for it. */
#include "cvisor/host.h"
#include "cvisor/log.h"
#include "platform/systrap/systrap.h"

#include <errno.h>
#include <string.h>

#define CAPTURE_TRIES 3 /* calls of the slot's code before the report */

void context_sanitize(struct arch_regs *regs)
{
    regs->cs = ARCH_USER_CS;
    regs->ss = ARCH_USER_DS;
    regs->eflags = (regs->eflags & ARCH_EFLAGS_USER) | 0x202;
    if (regs->fs_base >= SYSTRAP_TASK_END)
        regs->fs_base = 0;
    if (regs->gs_base >= SYSTRAP_TASK_END)
        regs->gs_base = 0;
}

/*
 * From a system call into the handler: the signal is pending when the call is answered, so the host
 * delivers it before the thread executes anything else. In the code of its slot it may be anywhere,
 * which does not matter: its registers are known.
 */
int context_capture(struct platform_as *as, struct stub_thread *s, struct linux_seccomp_notif *n)
{
    if (s->state == STUB_FRESH && !systrap_traps()) {
        int err = notify_recv(s->fd, as->pid, s->tid, n);
        if (err < 0)
            return err;
        s->id = n->id;
        s->state = STUB_SYSCALL;
    }
    int tries = 0;

    st_guest_enter(as, s); /* it may have blocked the signal */
    atomic_store(&s->kicked, true);
    if (host_tgkill(as->pid, s->tid, SYSTRAP_SIGNAL) < 0)
        return -ESRCH;
    /* A thread that spins stays where it is, or is on its way into a call. */
    if (s->id && st_send(s, s->id, 0) < 0)
        return -ESRCH;
    s->id = 0;
    s->state = STUB_GUEST;
    atomic_store(&s->running, true);
    do {
        int err = st_recv(as, s, n);
        if (err < 0)
            return err;
        if (slot_is_call(n))
            st_send(s, n->id, 0);
    } while (slot_is_call(n) && ++tries < CAPTURE_TRIES);
    atomic_store(&s->running, false);
    atomic_store(&s->kicked, false);
    s->id = n->id;
    s->state = STUB_SYSCALL;
    if (!notify_is(n, systrap_stub_reported) || !frame_take(s, n)) {
        st_as_kill(as, "a guest keeps signals away");
        return -ESRCH;
    }
    frame_enter(s, n);
    st_guest_left(as, s);
    atomic_store(&s->ctx->state, SLOT_NONE); /* its request is over */
    return 0;
}

bool context_load(struct platform_thread *v)
{
    struct linux_seccomp_notif n;

    if (v->valid)
        return true;
    if (!v->died && v->stub && v->stub->state == STUB_SLOT) {
        slot_regs(v);
        v->valid = true;
        return true;
    }
    if (v->died || !v->stub || context_capture(v->as, v->stub, &n) < 0) {
        memset(&v->regs, 0, sizeof(v->regs)); /* nobody will see them */
        v->valid = true;
        if (!v->died)
            st_vcpu_died(v);
        return false;
    }
    frame_read(v->stub, &n, &v->regs);
    v->regs.rip = v->regs.rcx = v->ip; /* in an entry's code, or in doubt, it is not in the frame */
    v->regs.rax = v->rax;
    v->regs.orig_rax = v->orig_rax;
    if (v->strip) { /* our trap flag, saved by the syscall instruction */
        v->regs.eflags &= ~ARCH_EFLAGS_TF;
        v->regs.r11 &= ~ARCH_EFLAGS_TF;
        v->strip = false;
    }
    v->valid = v->dirty = true;
    v->bases = false;
    return true;
}

void context_reset(struct platform_thread *v)
{
    v->rax = 0;
    v->orig_rax = ~0ull;
    v->valid = v->next_set = v->step = v->stepping = v->strip = false;
    v->fp = FP_STUB;
    memset(&v->hot, 0, sizeof(v->hot));
    if (v->stub->state == STUB_FRAME)
        v->valid = true; /* it parked there */
    if (v->stub->state == STUB_SLOT ? !slot_to_frame(v) : !context_load(v)) {
        if (!v->died)
            st_vcpu_died(v);
        return;
    }
    slot_init(v->stub);
    st_answers_apply(v);
    frame_fp_reset(v->stub);
    memset(&v->regs, 0, sizeof(v->regs));
    v->regs.orig_rax = ~0ull;
    context_sanitize(&v->regs);
    v->valid = v->dirty = v->bases = true;
}

void systrap_regs_get(struct platform_thread *v, struct arch_regs *regs)
{
    if (v->next_set) {
        *regs = v->next;
        return;
    }
    context_load(v);
    *regs = v->regs;
}

void systrap_regs_set(struct platform_thread *v, const struct arch_regs *regs)
{
    v->next = *regs;
    context_sanitize(&v->next);
    v->next_set = true;
}

/* Its thread is in its handler. */
bool context_frame(struct platform_thread *v)
{
    if (!context_load(v) || v->died)
        return false;
    if (v->stub->state == STUB_SLOT && !slot_to_frame(v)) {
        st_vcpu_died(v);
        return false;
    }
    return true;
}

void systrap_fp_get(struct platform_thread *v, void *buf)
{
    if (!v->died && v->stub && v->stub->state == STUB_SLOT && frame_fp_small())
        slot_fp_get(v, buf);
    else if (context_frame(v))
        frame_fp_get(v->stub, buf);
    else
        memset(buf, 0, g_platform_info.fp_size);
}

int systrap_fp_set(struct platform_thread *v, const void *buf)
{
    if (!v->died && v->stub && v->stub->state == STUB_SLOT && frame_fp_small())
        return slot_fp_set(v, buf);
    if (!context_frame(v))
        return 0; /* DIED comes with the resume */
    return frame_fp_set(v->stub, buf);
}
