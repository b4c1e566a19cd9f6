/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a signal finds when it interrupts the code behind a patched call site. The guest must not see
 * it there: its call has not begun (back to the site), or is over (on behind it).
 */
#include "abi/linux/signal.h"
#include "platform/systrap/systrap.h"

#define FLAGS_AH 0xd5u /* SF ZF AF PF CF */
#define FLAG_OF 0x800u
#define FLAGS_FIXED 0x202u

/* As lahf and seto have left them in ax; seto's result may have had 127 added. */
u64 trampoline_flags(u32 saved)
{
    u32 al = saved & 0xff;

    return (saved >> 8 & FLAGS_AH) | (al == 1 || al == 128 ? FLAG_OF : 0) | FLAGS_FIXED;
}

static void set_flags(struct arch_regs *r, u64 flags)
{
    u64 mask = FLAGS_AH | FLAG_OF;
    r->eflags = (r->eflags & ~mask) | (flags & mask);
}

/* Before the call. */
static void back(const struct patch_site *site, struct arch_regs *r)
{
    r->rip = patch_is_mov(site) ? site->ip - (site->kind == PATCH_MOV32 ? 7 : 9) : site->ip - 2;
    if (patch_is_mov(site))
        r->rax = site->nr;
    r->rcx = r->r11 = 0; /* dead: a call changes them */
}

/* Behind the call, with the result in rax. */
static void on(const struct patch_site *site, struct arch_regs *r)
{
    r->rip = site->ip;
    r->rcx = site->ip;
    r->r11 = r->eflags;
}

static void fix_entry(const struct patch_site *site, struct arch_regs *r)
{
    switch (r->rip % ENTRY_SIZE) {
    case ENTRY_SLOW:
        /* Not before the whole site: it may be a restart with another number. */
        r->rip = site->ip - 2;
        return;
    case ENTRY_TAIL:
        r->rip = site->ip;
        return;
    case ENTRY_TAIL + 6:
        r->rip = site->ret;
        return;
    default:
        back(site, r);
    }
}

/* GS does not lead to the slot: the guest has loaded the selector, or the base. */
bool trampoline_fault(struct platform_thread *v, int sig, u64 rip)
{
    struct patch_site *site;

    if (sig != LINUX_SIGSEGV ||
        (rip != SYSTRAP_LOW(systrap_low_mov) && rip != SYSTRAP_LOW(systrap_low_cmp)))
        return false;
    if (v->regs.gs_base) {
        site = patch_site_starting(v->as, v->regs.rip);
        if (!site)
            return false;
        patch_give_up(v->as, site);
        atomic_store(&v->as->no_patch, true);
    }
    return true;
}

static void fix(struct platform_thread *v, struct arch_regs *r, const struct arch_regs *loaded)
{
    struct stub_thread *s = v->stub;
    const struct stub_context *c = s->ctx;
    const struct patch_site *site;
    u64 at = r->rip;

    if (at - LOW_BASE >= LOW_SIZE)
        return;
    if (at >= LOW_ENTRIES)
        return;
    if (at >= SYSTRAP_LOW(systrap_low_load) && at < SYSTRAP_LOW(systrap_low_load_end)) {
        if (s->owed == OWED_LOAD) {
            u64 fs = loaded->fs_base;
            *r = *loaded;
            r->fs_base = fs;
        }
        return;
    }
    bool saved = at >= SYSTRAP_LOW(systrap_low_stored);
    if (at >= SYSTRAP_LOW(systrap_low_trap) && at < SYSTRAP_LOW(systrap_low_trap_end)) {
        r->rdi = c->rdi;
        r->rsi = c->rsi;
        r->rdx = c->rdx;
        r->r10 = c->r10;
    }
    if (at >= SYSTRAP_LOW(systrap_low_flags) && at < SYSTRAP_LOW(systrap_low_flags_end))
        r->rsp = c->rsp;
    if (at == SYSTRAP_LOW(systrap_low_return)) {
        r->rip = r->rcx;
        return;
    }
    site = patch_site_at(v->as, saved ? (u64)LOW_BASE + __atomic_load_n(&c->entry, __ATOMIC_RELAXED)
                                      : r->rcx);
    if (!site)
        return; /* a guest that jumps into our code */
    u32 flags = saved ? __atomic_load_n(&c->flags, __ATOMIC_RELAXED) : (u32)r->r11;
    /* The request that is in the slot was taken, and has been answered. */
    bool answered = at >= SYSTRAP_LOW(systrap_low_saved) && s->owed != OWED_NOTHING &&
                    s->seq == atomic_load(&c->seq);
    if (answered) {
        if (s->owed == OWED_LOAD) {
            *r = *loaded;
            return;
        }
        r->rax = v->rax;
        if (patch_is_mov(site))
            set_flags(r, trampoline_flags(flags));
        on(site, r);
    } else if (at >= SYSTRAP_LOW(systrap_low_finish_mov) && at < SYSTRAP_LOW(systrap_low_alien)) {
        bool swapped = at >= SYSTRAP_LOW(systrap_low_swapped) &&
                       at < SYSTRAP_LOW(systrap_low_unswapped);
        u64 rax = r->rax;
        if (swapped) {
            r->rax = r->r11;
            flags = (u32)rax;
        }
        if (at < SYSTRAP_LOW(systrap_low_unswapped))
            set_flags(r, trampoline_flags(flags));
        on(site, r);
    } else if (at == SYSTRAP_LOW(systrap_low_answered_cmp)) {
        on(site, r);
    } else {
        if (patch_is_mov(site))
            set_flags(r, trampoline_flags(flags));
        else if (saved)
            r->rax = __atomic_load_n(&c->nr, __ATOMIC_RELAXED);
        back(site, r);
    }
}

void trampoline_fix(struct platform_thread *v, struct arch_regs *r, struct arch_regs *loaded)
{
    fix(v, r, loaded);
    /* What was to be loaded may lead into an entry in its turn. */
    const struct patch_site *site = r->rip >= LOW_ENTRIES ? patch_site_at(v->as, r->rip) : NULL;
    if (site)
        fix_entry(site, r);
}
