/* SPDX-License-Identifier: Apache-2.0 */
/* The x86-64 signal frame: layout on the guest's stack, and the way back through rt_sigreturn. */
#include "abi/linux/sigcontext.h"
#include "cvisor/kcache.h"
#include "sentry/kernel/signal_internal.h"
#include "sentry/kernel/task.h"
#include "sentry/mm/uaccess.h"

#include <errno.h>
#include <string.h>

#define RED_ZONE 128
#define FP_ALIGN 64
#define EFLAGS_HANDLER_CLEAR (LINUX_EFLAGS_DF | LINUX_EFLAGS_TF | LINUX_EFLAGS_RF)

static bool on_altstack(struct task *t, u64 sp)
{
    if (t->altstack.ss_flags & LINUX_SS_DISABLE)
        return false;
    return sp > t->altstack.ss_sp && sp - t->altstack.ss_sp <= t->altstack.ss_size;
}

/* Writes the XSAVE area with its software bytes and trailing magic. */
static int put_fpstate(struct task *t, u64 at)
{
    size_t size = g_platform_info.fp_size;
    u8 *buf __kfree = kzalloc(size + LINUX_FP_XSTATE_MAGIC2_SIZE);
    if (!buf)
        return -ENOMEM;
    platform_fp_get(t->pt, buf);
    struct linux_fpstate *fx = (struct linux_fpstate *)(void *)buf;
    if (size > sizeof(*fx)) {
        memset(&fx->sw_reserved, 0, sizeof(fx->sw_reserved));
        fx->sw_reserved.magic1 = LINUX_FP_XSTATE_MAGIC1;
        fx->sw_reserved.extended_size = (u32)(size + LINUX_FP_XSTATE_MAGIC2_SIZE);
        fx->sw_reserved.xfeatures = g_platform_info.xfeatures;
        fx->sw_reserved.xstate_size = (u32)size;
        u32 magic2 = LINUX_FP_XSTATE_MAGIC2;
        memcpy(buf + size, &magic2, sizeof(magic2));
        size += LINUX_FP_XSTATE_MAGIC2_SIZE;
    }
    return copy_out(t, uaddr(at), buf, size);
}

static void fill_sigcontext(struct linux_sigcontext *sc, const struct arch_regs *r, struct task *t,
                            sigset64 mask)
{
    sc->r8 = r->r8;
    sc->r9 = r->r9;
    sc->r10 = r->r10;
    sc->r11 = r->r11;
    sc->r12 = r->r12;
    sc->r13 = r->r13;
    sc->r14 = r->r14;
    sc->r15 = r->r15;
    sc->rdi = r->rdi;
    sc->rsi = r->rsi;
    sc->rbp = r->rbp;
    sc->rbx = r->rbx;
    sc->rdx = r->rdx;
    sc->rax = r->rax;
    sc->rcx = r->rcx;
    sc->rsp = r->rsp;
    sc->rip = r->rip;
    sc->eflags = r->eflags;
    sc->cs = (u16)r->cs;
    sc->ss = (u16)r->ss;
    sc->err = t->fault_err;
    sc->trapno = t->fault_trapno;
    sc->cr2 = t->fault_addr;
    sc->oldmask = mask;
}

int arch_signal_frame(struct task *t, int sig, const struct linux_siginfo *info,
                      const struct sigaction_k *ka, sigset64 mask)
{
    struct arch_regs *r = task_regs_mut(t);
    u64 sp = r->rsp - RED_ZONE;
    bool nested = on_altstack(t, r->rsp);
    if ((ka->flags & LINUX_SA_ONSTACK) && !(t->altstack.ss_flags & LINUX_SS_DISABLE) && !nested)
        sp = t->altstack.ss_sp + t->altstack.ss_size;

    size_t fp_size = g_platform_info.fp_size + LINUX_FP_XSTATE_MAGIC2_SIZE;
    u64 fp = (sp - fp_size) & ~(u64)(FP_ALIGN - 1);
    u64 frame = ((fp - sizeof(struct linux_rt_sigframe)) & ~15ull) - 8;
    if (frame > sp) /* wrapped */
        return -EFAULT;
    /* An overflow of the alternate stack must not write below it. */
    if (nested && !on_altstack(t, frame))
        return -EFAULT;

    struct linux_rt_sigframe f;
    memset(&f, 0, sizeof(f));
    f.pretcode = ka->restorer;
    f.uc.uc_flags = LINUX_UC_SIGCONTEXT_SS | LINUX_UC_STRICT_RESTORE_SS;
    if (g_platform_info.fp_size > sizeof(struct linux_fpstate))
        f.uc.uc_flags |= LINUX_UC_FP_XSTATE;
    f.uc.uc_stack = t->altstack;
    if (nested && !(t->altstack.ss_flags & LINUX_SS_DISABLE))
        f.uc.uc_stack.ss_flags |= LINUX_SS_ONSTACK;
    fill_sigcontext(&f.uc.uc_mcontext, r, t, mask);
    f.uc.uc_mcontext.fpstate = fp;
    f.uc.uc_sigmask = mask;
    f.info = *info;
    if (put_fpstate(t, fp) || copy_out(t, uaddr(frame), &f, sizeof(f)))
        return -EFAULT;
    if (t->altstack.ss_flags & (s32)LINUX_SS_AUTODISARM)
        t->altstack = (struct linux_stack){.ss_flags = LINUX_SS_DISABLE};

    r->rdi = (u64)sig;
    r->rsi = frame + offsetof(struct linux_rt_sigframe, info);
    r->rdx = frame + offsetof(struct linux_rt_sigframe, uc);
    r->rax = 0;
    r->rip = ka->handler;
    r->rsp = frame;
    r->eflags &= ~EFLAGS_HANDLER_CLEAR;
    r->cs = ARCH_USER_CS;
    r->ss = ARCH_USER_DS;
    task_set_syscall(t, ~0ull);
    return 0;
}

/* Reads the FP area that a sigcontext names. NULL address = initial state. */
static int get_fpstate(struct task *t, u64 at)
{
    size_t size = g_platform_info.fp_size;
    u8 *buf __kfree = kzalloc(size + FP_ALIGN);
    if (!buf)
        return -ENOMEM;
    struct linux_xstate *xs = (struct linux_xstate *)(void *)buf;
    if (!at) {
        xs->fpstate.cwd = 0x37f;
        xs->fpstate.mxcsr = 0x1f80;
        return platform_fp_set(t->pt, buf);
    }
    if (copy_in(t, buf, uaddr(at), sizeof(struct linux_fpstate)))
        return -EFAULT;
    struct linux_fpx_sw_bytes sw = xs->fpstate.sw_reserved;
    memset(&xs->fpstate.sw_reserved, 0, sizeof(sw));
    u32 magic2 = 0;
    bool extended = sw.magic1 == LINUX_FP_XSTATE_MAGIC1 && sw.xstate_size >= sizeof(*xs) &&
                    sw.xstate_size <= size && size > sizeof(struct linux_fpstate) &&
                    get_u32(t, &magic2, uaddr(at + sw.xstate_size)) == 0 &&
                    magic2 == LINUX_FP_XSTATE_MAGIC2;
    if (extended) {
        size_t rest = sw.xstate_size - sizeof(struct linux_fpstate);
        if (copy_in(t, buf + sizeof(struct linux_fpstate), uaddr(at + sizeof(struct linux_fpstate)),
                    rest))
            return -EFAULT;
        xs->header.xfeatures &= g_platform_info.xfeatures & sw.xfeatures;
        xs->header.xcomp_bv = 0;
        memset(xs->header.reserved, 0, sizeof(xs->header.reserved));
    } else if (size > sizeof(struct linux_fpstate)) {
        memset(buf + sizeof(struct linux_fpstate), 0, size - sizeof(struct linux_fpstate));
        xs->header.xfeatures = LINUX_XFEATURE_FP | LINUX_XFEATURE_SSE;
    }
    xs->fpstate.mxcsr &= 0xffff;
    return platform_fp_set(t->pt, buf);
}

s64 arch_sigreturn(struct task *t)
{
    struct arch_regs *r = task_regs_mut(t);
    struct linux_rt_sigframe f;
    /* pretcode was popped by the handler's ret. */
    if (copy_in(t, &f, uaddr(r->rsp - 8), sizeof(f)))
        goto bad;
    const struct linux_sigcontext *sc = &f.uc.uc_mcontext;
    if (get_fpstate(t, sc->fpstate))
        goto bad;
    r->r8 = sc->r8;
    r->r9 = sc->r9;
    r->r10 = sc->r10;
    r->r11 = sc->r11;
    r->r12 = sc->r12;
    r->r13 = sc->r13;
    r->r14 = sc->r14;
    r->r15 = sc->r15;
    r->rdi = sc->rdi;
    r->rsi = sc->rsi;
    r->rbp = sc->rbp;
    r->rbx = sc->rbx;
    r->rdx = sc->rdx;
    r->rax = sc->rax;
    r->rcx = sc->rcx;
    r->rsp = sc->rsp;
    r->rip = sc->rip;
    r->eflags = (r->eflags & ~ARCH_EFLAGS_USER) | (sc->eflags & ARCH_EFLAGS_USER);
    r->cs = ARCH_USER_CS;
    r->ss = ARCH_USER_DS;
    r->orig_rax = ~0ull;
    signal_set_mask(t, f.uc.uc_sigmask);
    /* restore_altstack: errors are ignored, as Linux does. */
    if (!on_altstack(t, r->rsp)) {
        struct linux_stack ss = f.uc.uc_stack;
        if (ss.ss_flags & LINUX_SS_DISABLE)
            t->altstack = (struct linux_stack){.ss_flags = LINUX_SS_DISABLE};
        else if (ss.ss_size >= LINUX_MINSIGSTKSZ)
            t->altstack = (struct linux_stack){
                .ss_sp = ss.ss_sp,
                .ss_size = ss.ss_size,
                .ss_flags = ss.ss_flags & (s32)LINUX_SS_AUTODISARM,
            };
    }
    task_set_syscall(t, ~0ull);
    return (s64)r->rax;
bad:;
    struct linux_siginfo segv = {.si_signo = LINUX_SIGSEGV, .si_code = LINUX_SI_KERNEL};
    signal_force(t, &segv);
    task_set_syscall(t, ~0ull);
    return (s64)r->rax;
}
