/* SPDX-License-Identifier: Apache-2.0 */
/* The loop of a vcpu: event, action, answer, wait. */
#include "cvisor/host.h"
#include "cvisor/log.h"
#include "platform/systrap/systrap.h"

#include <errno.h>
#include <string.h>

/* int $0x80 without 32-bit emulation: the descriptor's index in the IDT. */
#define ERR_INT80 (0x80u * 8 + 2)

/* The host kernel would take these for its own restart codes when a signal is pending. */
static bool is_restart_code(u64 rax)
{
    return (s64)rax >= -516 && (s64)rax <= -512;
}

/*
 * A signal was sent, perhaps before we had received the call: the host may drop an answer that comes
 * before it has looked again (there is such a race in WAIT_KILLABLE_RECV), and would make the call again. Not if
 * all registers are written, at the signal.
 */
static bool is_in_doubt(struct stub_thread *s)
{
    return atomic_load_explicit(&s->kicked, memory_order_relaxed);
}

/* Brings the registers, ours or still in the stub, to what the action says. */
static void apply_action(struct platform_thread *v, const struct platform_action *act)
{
    if (act->type == PLATFORM_RESUME && v->event == PLATFORM_SYSCALL) {
        v->rax = (u64)act->retval;
        if (v->valid) {
            v->regs.rax = v->rax;
            v->dirty |= v->stub->state == STUB_FRAME;
        }
    } else if (act->type == PLATFORM_RESUME_CONTEXT && v->next_set) {
        if (context_load(v)) {
            v->bases |= v->next.fs_base != v->regs.fs_base || v->next.gs_base != v->regs.gs_base;
            v->regs = v->next;
            v->dirty = true;
        }
    }
    v->next_set = false;
}

/* Counts the thread into guest code; then nothing more is queued. */
void st_guest_enter(struct platform_as *as, struct stub_thread *s)
{
    if (!s->counted)
        atomic_fetch_add(&as->nguest, 1);
    s->counted = true;
    if (likely(atomic_load(&as->npending) == 0))
        return;
    mutex_lock(&as->lock);
    if (atomic_load(&as->npending) > 0)
        st_as_flush_locked(as);
    mutex_unlock(&as->lock);
}

/* A request in the slot may be there while its thread goes on: only a notification shows that it
 * has stopped. Reports without notifications show nothing. */
void st_guest_left(struct platform_as *as, struct stub_thread *s)
{
    if (!s->counted || systrap_traps() || (s->state == STUB_SLOT && s->id == 0) ||
        s->state == STUB_GUEST)
        return;
    s->counted = false;
    atomic_fetch_sub(&as->nguest, 1);
}

/* A report that is nothing for the kernel, which may wait for one. */
static bool interrupted(struct platform_thread *v, struct platform_event *ev)
{
    if (!(atomic_load(&v->flags) & VCPU_INTR))
        return false;
    atomic_fetch_and(&v->flags, ~(u32)VCPU_INTR);
    v->event = ev->type = PLATFORM_INTERRUPTED;
    return true;
}

/* The trap flag for one instruction, and away again. Its thread is in its handler. */
static void prepare_step(struct platform_thread *v)
{
    v->stepping = v->step && !(v->regs.eflags & ARCH_EFLAGS_TF);
    if (v->step)
        v->regs.eflags |= ARCH_EFLAGS_TF;
    v->step = false;
    v->dirty = true;
}

/* GS is ours as long as the guest has no use for it. */
static void write_bases(struct platform_thread *v)
{
    struct stub_thread *s = v->stub;

    s->ctx->fs_base = v->regs.fs_base;
    s->ctx->gs_base = v->regs.gs_base;
    if (v->regs.gs_base)
        atomic_store(&v->as->no_patch, true);
    else if (g_systrap.low)
        s->ctx->gs_base = s->addr;
}

/* Into its handler, if that is needed for what it is to be told. False: it is gone. */
static bool prepare(struct platform_thread *v)
{
    struct stub_thread *s = v->stub;

    if (unlikely(v->step || v->strip) && !context_frame(v))
        return false;
    if (s->state == STUB_SYSCALL && unlikely(is_restart_code(v->rax) || is_in_doubt(s)) &&
        !context_load(v))
        return false;
    return s->state != STUB_SLOT || !v->dirty || slot_can_load(&v->regs) || context_frame(v);
}

/* Lets the thread go on. *spins: its next request may come in its slot; *woken: it sleeps. */
static void answer(struct platform_thread *v, bool *spins, bool *woken)
{
    struct stub_thread *s = v->stub;
    s64 val;

    *spins = false;
    if (unlikely(v->step || v->strip))
        prepare_step(v);
    if (s->state == STUB_SLOT) {
        bool spin = spin_wanted(v);
        *woken = s->id != 0;
        if (spin && *woken)
            spin_place(v);
        slot_answer(v, spin);
        *spins = spin;
    } else {
        val = (s64)v->rax;
        if (s->state == STUB_FRAME) {
            if (v->dirty) {
                patch_redirect(v->as, &v->regs);
                frame_write(s, &v->regs);
            }
            val = v->bases;
            if (v->bases)
                write_bases(v);
        }
        st_send(s, s->id, val); /* the next receive tells whether it has died */
        s->id = 0;
    }
    v->valid = v->dirty = v->bases = false;
    v->fp = FP_STUB;
    s->state = STUB_GUEST;
}

/* --- what a notification means --- */

static void segv_event(struct platform_event *ev, s32 code, u64 addr, u64 ip)
{
    ev->signo = LINUX_SIGSEGV;
    ev->si_code = code;
    ev->addr = addr;
    ev->ip = ip;
}

static void memory_access(struct platform_event *ev)
{
    if (ev->trapno != LINUX_TRAP_PF)
        return;
    if (ev->errorcode & LINUX_PF_INSTR)
        ev->access = PLATFORM_EXEC;
    else
        ev->access = ev->errorcode & LINUX_PF_WRITE ? PLATFORM_WRITE : PLATFORM_READ;
}

/* A call: registers are not looked at. */
static void call_event(struct platform_thread *v, struct platform_event *ev, s32 nr, u64 ip)
{
    v->counts[COUNT_CALL]++;
    spin_missed(v, false);
    v->event = ev->type = PLATFORM_SYSCALL;
    ev->nr = v->rax = v->orig_rax = (u64)(s64)nr;
    ev->ip = ip;
    if (unlikely(ev->ip - LOW_BASE < LOW_SIZE)) {
        const struct patch_site *site = patch_site_at(v->as, ev->ip);
        ev->ip = site ? site->ip : 0;
    } else {
        ev->hot = patch_is_hot(v, ev->ip);
    }
    v->ip = ev->ip;
}

/* Where there are no notifications, every call that is not made through the slot. */
static bool is_call_by_signal(int sig, const struct linux_siginfo *si)
{
    return systrap_traps() && sig == LINUX_SIGSYS && si->si_code > 0 &&
           si->sys.arch == LINUX_AUDIT_ARCH_X86_64 && (s64)si->sys.call_addr >= 0;
}

/* The frame has the registers. The host may have taken the number for a restart code of its own: what
 * counts is in siginfo. */
static void frame_call_event(struct platform_thread *v, struct platform_event *ev,
                             const struct linux_siginfo *si)
{
    struct arch_regs *r = &v->regs;

    call_event(v, ev, si->sys.nr, si->sys.call_addr);
    r->rax = r->orig_rax = v->rax;
    r->rip = r->rcx = v->ip;
    r->r11 = r->eflags;
    ev->args[0] = r->rdi;
    ev->args[1] = r->rsi;
    ev->args[2] = r->rdx;
    ev->args[3] = r->r10;
    ev->args[4] = r->r8;
    ev->args[5] = r->r9;
    v->dirty = true;
}

/* Calls that our filter refuses: on the vsyscall page, and of 32-bit kind. */
static void sigsys_event(struct platform_thread *v, struct platform_event *ev,
                         const struct linux_siginfo *si)
{
    u64 call = si->sys.call_addr;

    v->dirty = true;
    if (si->sys.arch == LINUX_AUDIT_ARCH_X86_64) {
        /* It has already "returned" from the call: go back, to a fault at the address called. */
        v->regs.rip = call;
        v->regs.rsp -= 8;
        segv_event(ev, LINUX_SEGV_MAPERR, call, call);
        ev->trapno = LINUX_TRAP_PF;
        ev->errorcode = LINUX_PF_USER | LINUX_PF_INSTR;
        ev->access = PLATFORM_EXEC;
    } else {
        /* As on a host without 32-bit emulation. */
        v->regs.rip = call - 2;
        segv_event(ev, LINUX_SI_KERNEL, 0, call - 2);
        ev->trapno = LINUX_TRAP_GP;
        ev->errorcode = ERR_INT80;
    }
}

/* A signal has come between a load of all registers and that of the FP state. */
static void loaded_fp(struct platform_thread *v, u64 rip)
{
    struct stub_thread *s = v->stub;

    if (s->owed == OWED_LOAD && (s->ctx->cmd & CMD_LOAD_FP) &&
        (rip < SYSTRAP_LOW(systrap_low_fp_loaded) || rip >= SYSTRAP_LOW(systrap_low_load_end)))
        slot_fp_to_frame(s);
}

/* The guest's own trap flag in the code of a site: steps are those of the bytes that were there. */
static bool is_step_in_site(struct platform_thread *v, int sig, u64 rip)
{
    struct patch_site *site;

    if (sig != LINUX_SIGTRAP || rip - LOW_BASE >= LOW_SIZE || !(v->regs.eflags & ARCH_EFLAGS_TF) ||
        !(site = patch_site_starting(v->as, v->regs.rip)))
        return false;
    patch_give_up(v->as, site);
    return true;
}

/* The stub's handler reports. False: nothing for the kernel. */
static bool frame_event(struct platform_thread *v, struct platform_event *ev,
                        const struct linux_seccomp_notif *n)
{
    struct stub_thread *s = v->stub;
    const struct linux_rt_sigframe *f = frame_of(s);
    struct linux_siginfo si = f->info;
    int sig = (int)n->data.args[0];

    struct arch_regs loaded = v->regs;
    frame_enter(s, n);
    frame_read(s, n, &v->regs);
    u64 rip = v->regs.rip;
    v->valid = true;
    v->dirty = v->bases = false;
    v->orig_rax = ~0ull;
    bool call = is_call_by_signal(sig, &si);
    v->counts[COUNT_FRAME] += !call;
    if (unlikely(rip - LOW_BASE < LOW_SIZE) && !call) {
        loaded_fp(v, rip);
        trampoline_fix(v, &v->regs, &loaded);
        v->dirty = v->bases = true;
    }
    v->rax = v->regs.rax;
    s->owed = OWED_NOTHING;
    s->seq = atomic_load(&s->ctx->seq); /* a request that was not taken is made again, or is lost */
    bool fault = sig == LINUX_SIGSEGV || sig == LINUX_SIGBUS || sig == LINUX_SIGFPE ||
                 sig == LINUX_SIGILL || sig == LINUX_SIGTRAP || sig == LINUX_SIGSYS;
    if (!fault || si.si_code <= 0) /* ours, or somebody sent it */
        return interrupted(v, ev);
    if (is_step_in_site(v, sig, rip))
        return interrupted(v, ev);
    if (v->stepping) {
        v->stepping = false;
        v->regs.eflags &= ~ARCH_EFLAGS_TF;
        v->dirty = true;
    }
    if (call) {
        frame_call_event(v, ev, &si);
        return true;
    }
    if (sig == LINUX_SIGSEGV && st_as_fault(v->as, si.fault.addr))
        return interrupted(v, ev);
    if (patch_fault(v, sig, v->regs.rip) || trampoline_fault(v, sig, rip)) {
        v->rax = v->regs.rax;
        v->dirty = true;
        return interrupted(v, ev);
    }
    v->event = ev->type = PLATFORM_FAULT;
    ev->access = 0;
    if (sig == LINUX_SIGSYS) {
        sigsys_event(v, ev, &si);
        return true;
    }
    ev->signo = sig;
    ev->si_code = si.si_code;
    ev->addr = si.fault.addr;
    ev->ip = v->regs.rip;
    ev->trapno = (u32)f->uc.uc_mcontext.trapno;
    ev->errorcode = (u32)f->uc.uc_mcontext.err;
    memory_access(ev);
    return true;
}

static bool notify_event(struct platform_thread *v, struct platform_event *ev,
                         const struct linux_seccomp_notif *n)
{
    struct stub_thread *s = v->stub;

    place_event(v);
    if (slot_is_call(n)) {
        v->counts[COUNT_SLOT]++;
        spin_missed(v, true);
        slot_event(v, ev);
        return true;
    }
    s->id = n->id;
    if (unlikely(notify_is(n, systrap_stub_reported) && frame_take(s, n)))
        return frame_event(v, ev, n);
    s->state = STUB_SYSCALL;
    s->owed = OWED_NOTHING;
    call_event(v, ev, n->data.nr, n->data.instruction_pointer);
    memcpy(ev->args, n->data.args, sizeof(ev->args));
    if (unlikely(v->stepping)) {
        v->stepping = false;
        v->strip = true;
    }
    return true;
}

/* Runs guest code up to the next event. False: the stub is gone. */
static bool run(struct platform_thread *v, struct platform_event *ev)
{
    struct stub_thread *s = v->stub;
    struct linux_seccomp_notif n;
    bool spins = false, woken = false, again;

    ev->hot = false;
    do {
        if (!prepare(v))
            return false;
        /* The signal of an interrupt may have been taken for the one that brought it there. */
        if (unlikely(s->state == STUB_FRAME) && interrupted(v, ev)) {
            v->orig_rax = v->regs.orig_rax = ~0ull; /* the call is over */
            return true;
        }
        answer(v, &spins, &woken);
        atomic_store_explicit(&s->running, true, memory_order_relaxed);
        if (spins && spin_wait(v, woken)) {
            atomic_store_explicit(&s->running, false, memory_order_relaxed);
            v->counts[COUNT_SPIN]++;
            slot_event(v, ev);
            return true;
        }
        do {
            if (st_recv(v->as, s, &n) < 0)
                return false;
            again = slot_is_call(&n) && !slot_called(s, &n);
        } while (again);
        atomic_store_explicit(&s->running, false, memory_order_relaxed);
    } while (!notify_event(v, ev, &n));
    return true;
}

/* From an action to the next event. */
static void resume(struct platform_thread *v, const struct platform_action *act,
                   struct platform_event *ev)
{
    u32 none = 0;

    v->retried = 0;
    if (!v->died && atomic_load(&v->as->dead))
        st_vcpu_died(v);
    if (v->died)
        goto died;
    apply_action(v, act);
    if (v->died)
        goto died;
    st_guest_enter(v->as, v->stub);
    if (unlikely(!atomic_compare_exchange_strong(&v->flags, &none, VCPU_GUEST))) {
        atomic_fetch_and(&v->flags, ~(u32)VCPU_INTR);
        st_guest_left(v->as, v->stub);
        v->event = ev->type = PLATFORM_INTERRUPTED;
        return;
    }
    bool alive = run(v, ev);
    atomic_fetch_and(&v->flags, ~(u32)VCPU_GUEST);
    st_guest_left(v->as, v->stub);
    if (likely(alive))
        return;
died:
    if (!v->died)
        st_vcpu_died(v);
    v->event = ev->type = PLATFORM_DIED;
}

/* Nobody is to see the deaths that a shutdown brings. */
static void stop_at_shutdown(void)
{
    atomic_uint never = 0;

    while (atomic_load(&g_systrap.down))
        host_futex_wait(&never, 0, 0);
}

void st_vcpu_run_guest(struct platform_thread *v)
{
    struct platform_event ev = {.type = PLATFORM_START};

    for (;;) {
        struct platform_action act = g_systrap.kops->event(v->task, &ev);
        if (act.type == PLATFORM_EXIT)
            return;
        resume(v, &act, &ev);
        if (unlikely(v->died))
            stop_at_shutdown();
    }
}
