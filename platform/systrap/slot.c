/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The slot of a stub thread: how the code behind patched call sites posts requests and gets answers,
 * with all registers there to be read and written. The stub can write to all of it at any time:
 * values are copied once, and what they can say is only what its own threads do and get.
 */
#include "cvisor/host.h"
#include "cvisor/log.h"
#include "platform/systrap/systrap.h"

#include <errno.h>
#include <string.h>

#define RFLAGS_FIXED 0x202u
/* What a site leaves alone and the slot's code does not change. */
#define RFLAGS_LIVE (LINUX_EFLAGS_DF | LINUX_EFLAGS_AC | LINUX_EFLAGS_ID)

static char *slot_fp(struct stub_thread *s)
{
    return (char *)s->ctx + CTX_FP;
}

static s64 *slot_answers(struct stub_thread *s)
{
    return (s64 *)((char *)s->ctx + CTX_ANSWERS);
}

void slot_init(struct stub_thread *s)
{
    struct stub_context *c = s->ctx;

    memset(slot_answers(s), 0xff, CTX_ANSWERS_MAX * sizeof(s64));
    c->magic = SLOT_MAGIC;
    c->spins = spin_stub_limit();
    c->fp_mask = frame_fp_mask();
    c->cmd = 0;
    atomic_store(&c->state, SLOT_NONE);
    atomic_store(&c->attn, 0);
    atomic_store(&c->seq, 0);
    atomic_store(&c->done, 0);
    s->seq = 0;
    s->owed = OWED_NOTHING;
}

void slot_set_answer(struct stub_thread *s, u32 nr, s64 value)
{
    __atomic_store_n(&slot_answers(s)[nr], value < 0 ? -1 : value, __ATOMIC_SEQ_CST);
}

bool slot_is_call(const struct linux_seccomp_notif *n)
{
    return n->data.nr == REPORT_NR &&
           n->data.instruction_pointer == SYSTRAP_LOW(systrap_low_posted);
}

bool slot_has_request(struct stub_thread *s)
{
    return atomic_load_explicit(&s->ctx->seq, memory_order_acquire) != s->seq;
}

void slot_event(struct platform_thread *v, struct platform_event *ev)
{
    struct stub_thread *s = v->stub;
    struct stub_context *c = s->ctx;
    u64 entry = (u64)LOW_BASE + __atomic_load_n(&c->entry, __ATOMIC_RELAXED);
    const struct patch_site *site = patch_site_at(v->as, entry);

    s->state = STUB_SLOT;
    s->owed = OWED_NOTHING;
    s->seq = atomic_load_explicit(&c->seq, memory_order_relaxed);
    v->event = ev->type = PLATFORM_SYSCALL;
    ev->nr = v->rax = v->orig_rax = (u64)(s64)(s32)__atomic_load_n(&c->nr, __ATOMIC_RELAXED);
    ev->args[0] = c->rdi;
    ev->args[1] = c->rsi;
    ev->args[2] = c->rdx;
    ev->args[3] = c->r10;
    ev->args[4] = c->r8;
    ev->args[5] = c->r9;
    /* No such site: only a guest that jumps into our code gets there. It goes on at 0. */
    v->ip = ev->ip = site ? site->ip : 0;
    v->keeps_flags = site && patch_is_mov(site);
    v->fp = FP_STUB;
}

/* All but the bits of a frame that are not in a slot. */
void slot_regs(struct platform_thread *v)
{
    struct stub_context c = *v->stub->ctx;

    v->regs = (struct arch_regs){
        .r15 = c.r15,
        .r14 = c.r14,
        .r13 = c.r13,
        .r12 = c.r12,
        .rbp = c.rbp,
        .rbx = c.rbx,
        .r10 = c.r10,
        .r9 = c.r9,
        .r8 = c.r8,
        .rdx = c.rdx,
        .rsi = c.rsi,
        .rdi = c.rdi,
        .rsp = c.rsp,
        .rax = v->rax,
        .orig_rax = v->orig_rax,
        .rip = v->ip,
        .rcx = v->ip,
        .eflags = (v->keeps_flags ? trampoline_flags(c.flags) : RFLAGS_FIXED) |
                  (c.eflags & RFLAGS_LIVE),
        .cs = ARCH_USER_CS,
        .ss = ARCH_USER_DS,
        .fs_base = c.req_fs,
    };
    v->regs.r11 = v->regs.eflags;
}

/* Lets the thread go on, to look at the answer. */
static void release(struct stub_thread *s, u16 state)
{
    u64 id = s->id;

    atomic_store_explicit(&s->ctx->state, state, memory_order_relaxed);
    atomic_store_explicit(&s->ctx->done, s->seq, memory_order_release);
    s->id = 0;
    if (id)
        st_send(s, id, 0);
}

bool slot_called(struct stub_thread *s, const struct linux_seccomp_notif *n)
{
    if (!slot_has_request(s)) {
        st_send(s, n->id, 0);
        return false;
    }
    s->id = n->id;
    return true;
}

/* A load that the slot's code can do. */
bool slot_can_load(const struct arch_regs *r)
{
    return r->gs_base == 0 && !(r->eflags & ARCH_EFLAGS_TF);
}

void slot_answer(struct platform_thread *v, bool spin)
{
    struct stub_thread *s = v->stub;
    struct stub_context *c = s->ctx;

    if (likely(!v->dirty && v->fp != FP_SET)) {
        c->ret = v->rax;
        c->cmd = 0;
        s->owed = OWED_RESULT;
    } else {
        if (!v->valid)
            slot_regs(v);
        patch_redirect(v->as, &v->regs);
        c->load = v->regs;
        c->cmd = v->fp == FP_SET ? CMD_LOAD | CMD_LOAD_FP : CMD_LOAD;
        s->owed = OWED_LOAD;
    }
    v->spin.answered = __builtin_ia32_rdtsc();
    release(s, spin ? SLOT_SPIN : SLOT_NONE);
}

/* As one that was sent a signal: the master ends a stub that takes too long. */
static bool await_call(struct platform_thread *v, struct linux_seccomp_notif *n)
{
    struct stub_thread *s = v->stub;
    bool kicked = atomic_exchange(&s->kicked, true);

    atomic_store(&s->running, true);
    int err = st_recv(v->as, s, n);
    atomic_store(&s->running, false);
    atomic_store(&s->kicked, kicked);
    return err == 0;
}

/* Has the thread do something and wait again: its next request, or its handler's report. */
static bool slot_command(struct platform_thread *v, u32 cmd)
{
    struct stub_thread *s = v->stub;
    struct linux_seccomp_notif n;
    bool spin = s->id == 0 && v->spin.on;

    st_guest_enter(v->as, s); /* it may do something else */
    s->ctx->cmd = cmd;
    release(s, spin ? SLOT_SPIN : SLOT_NONE);
    if (spin && spin_wait(v, false)) {
        s->seq = atomic_load(&s->ctx->seq);
        return true;
    }
    for (;;) {
        if (!await_call(v, &n))
            return false;
        if (slot_is_call(&n)) {
            if (!slot_called(s, &n))
                continue;
            s->seq = atomic_load(&s->ctx->seq);
            break;
        }
        if (!notify_is(&n, systrap_stub_reported) || !frame_take(s, &n)) {
            st_as_kill(v->as, "a guest does not do what its slot says");
            return false;
        }
        /* A signal from outside: the frame has the FP state, and v->regs the rest. */
        s->id = n.id;
        frame_enter(s, &n);
        v->dirty = v->bases = true;
        break;
    }
    st_guest_left(v->as, s);
    return true;
}

/* Others can write to the slot: one copy is looked at and used. */
void slot_fp_to_frame(struct stub_thread *s)
{
    char fp[CTX_FP_MAX];

    if (!frame_fp_small())
        return; /* the slot never holds it, whatever the stub says of the last command */
    memcpy(fp, slot_fp(s), g_platform_info.fp_size);
    frame_fp_set(s, fp);
}

bool slot_to_frame(struct platform_thread *v)
{
    struct stub_thread *s = v->stub;
    struct linux_seccomp_notif n;

    if (!v->valid)
        slot_regs(v);
    v->valid = true;
    if (context_capture(v->as, s, &n) < 0)
        return false;
    if (v->fp == FP_SET)
        slot_fp_to_frame(s);
    v->fp = FP_STUB;
    v->dirty = v->bases = true;
    return true;
}

void slot_fp_get(struct platform_thread *v, void *buf)
{
    struct stub_thread *s = v->stub;

    if (v->fp == FP_STUB) {
        if (!v->valid)
            slot_regs(v);
        v->valid = true;
        if (!slot_command(v, CMD_SAVE)) {
            st_vcpu_died(v);
            memset(buf, 0, g_platform_info.fp_size);
            return;
        }
        if (s->state == STUB_FRAME) {
            frame_fp_get(s, buf);
            return;
        }
        v->fp = FP_SAVED;
    }
    memcpy(buf, slot_fp(s), g_platform_info.fp_size);
    fp_normalize(buf);
}

int slot_fp_set(struct platform_thread *v, const void *buf)
{
    if (!fp_acceptable(buf))
        return -EINVAL;
    memcpy(slot_fp(v->stub), buf, g_platform_info.fp_size);
    v->fp = FP_SET;
    return 0;
}

void slot_block(struct stub_thread *s)
{
    if (s->state == STUB_SLOT && s->id == 0)
        atomic_store_explicit(&s->ctx->state, SLOT_BLOCK, memory_order_relaxed);
}
