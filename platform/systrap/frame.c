/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The signal frame of a stub thread in its handler. The host kernel writes it to the context that
 * the thread shares with us, and reads it again when the handler returns: whoever changes it changes
 * the registers. Other threads of the stub can do so at any time: values are copied once, and none of
 * them is trusted. The frame's place in the context is always the same (the stack is "autodisarmed").
 */
#include "abi/linux/ptrace.h"
#include "platform/systrap/systrap.h"

#include <cpuid.h>
#include <errno.h>
#include <string.h>

#define XSAVE_HEADER 512 /* u64 xstate_bv, xcomp_bv, 48 bytes of zero */
#define XSAVE_EXTENDED 576
#define XSAVE_SW 464 /* what the kernel says of the area */
#define SW_SIZE 48
#define FCW_DEFAULT 0x37fu
#define MXCSR_DEFAULT 0x1f80u
#define PKRU_DEFAULT 0x55555554u /* as Linux starts programs */
/* Tile configuration and data: the host gives them only to processes that ask, stubs do not. */
#define XFEATURE_AMX (LINUX_XFEATURE_XTILE_CFG | LINUX_XFEATURE_XTILE_DATA)

/* Immutable after frame_init and frame_learn. */
static size_t g_fp_size;
static u64 g_xfeatures;
static struct {
    u32 off, size;
} g_component[64];
static u64 g_frame_off;   /* in the context; 0 = not learned */
static u64 g_fp_off;      /* of the FP area in the context */
static u32 g_xstate_size; /* where MAGIC2 stands */
static u32 g_mxcsr_mask;
static char g_sw[SW_SIZE];

static u64 read_xcr0(void)
{
    u32 eax, edx;
    __asm__ volatile("xgetbv" : "=a"(eax), "=d"(edx) : "c"(0));
    return eax | (u64)edx << 32;
}

int frame_init(struct platform_info *info)
{
    u32 a, b, c, d;

    if (!__get_cpuid_count(1, 0, &a, &b, &c, &d) || !(c & (1u << 27)))
        return -ENOSYS; /* no XSAVE, or the host does not use it */
    g_xfeatures = read_xcr0() & ~XFEATURE_AMX;
    g_fp_size = XSAVE_EXTENDED;
    for (u32 i = 2; i < 63; i++) {
        if (!(g_xfeatures & (1ull << i)))
            continue;
        __cpuid_count(0xd, i, a, b, c, d); /* a = size, b = offset in the standard format */
        g_component[i].off = b;
        g_component[i].size = a;
        g_fp_size = MAX(g_fp_size, (size_t)a + b);
    }
    if (g_fp_size > ARCH_FP_MAX)
        return -ENOSYS;
    info->fp_size = g_fp_size;
    info->xfeatures = g_xfeatures;
    return 0;
}

const struct linux_rt_sigframe *frame_of(struct stub_thread *s)
{
    return (const struct linux_rt_sigframe *)((const char *)s->ctx + g_frame_off);
}

static struct linux_rt_sigframe *frame(struct stub_thread *s)
{
    return (struct linux_rt_sigframe *)((char *)s->ctx + g_frame_off);
}

static char *fp_area(struct stub_thread *s)
{
    return (char *)s->ctx + g_fp_off;
}

bool frame_take(struct stub_thread *s, const struct linux_seccomp_notif *n)
{
    u64 off = n->data.args[1] - s->addr;

    if (g_frame_off)
        return off == g_frame_off;
    return off >= SYSTRAP_STACK_OFF && off % 8 == 0 &&
           off <= CTX_SHARED_SIZE - sizeof(struct linux_rt_sigframe);
}

void frame_enter(struct stub_thread *s, const struct linux_seccomp_notif *n)
{
    s->id = n->id;
    s->frame = n->data.args[1] - s->addr;
    s->state = STUB_FRAME;
    atomic_store(&s->kicked, false);
}

int frame_learn(struct stub_thread *s)
{
    u64 off = s->frame;
    const struct linux_rt_sigframe *f = (const void *)((const char *)s->ctx + off);
    u64 fp = f->uc.uc_mcontext.fpstate - s->addr;
    struct linux_fpx_sw_bytes sw;

    if (fp < SYSTRAP_STACK_OFF || fp % 64 || fp > CTX_SHARED_SIZE - XSAVE_EXTENDED)
        return -ENOSYS;
    memcpy(&sw, (const char *)s->ctx + fp + XSAVE_SW, sizeof(sw));
    if (sw.magic1 != LINUX_FP_XSTATE_MAGIC1 || sw.xstate_size < g_fp_size ||
        (sw.xfeatures & g_xfeatures) != g_xfeatures ||
        fp + sw.xstate_size + LINUX_FP_XSTATE_MAGIC2_SIZE > CTX_SHARED_SIZE)
        return -ENOSYS;
    memcpy(g_sw, &sw, sizeof(g_sw));
    memcpy(&g_mxcsr_mask, (const char *)s->ctx + fp + 28, sizeof(g_mxcsr_mask));
    if (g_mxcsr_mask == 0)
        g_mxcsr_mask = 0xffbf;
    g_xstate_size = sw.xstate_size;
    g_fp_off = fp;
    g_frame_off = off;
    return 0;
}

void frame_read(struct stub_thread *s, const struct linux_seccomp_notif *n, struct arch_regs *r)
{
    struct linux_sigcontext c = frame(s)->uc.uc_mcontext;

    *r = (struct arch_regs){
        .r15 = c.r15,
        .r14 = c.r14,
        .r13 = c.r13,
        .r12 = c.r12,
        .rbp = c.rbp,
        .rbx = c.rbx,
        .r11 = c.r11,
        .r10 = c.r10,
        .r9 = c.r9,
        .r8 = c.r8,
        .rax = c.rax,
        .rcx = c.rcx,
        .rdx = c.rdx,
        .rsi = c.rsi,
        .rdi = c.rdi,
        .rip = c.rip,
        .cs = c.cs,
        .eflags = c.eflags,
        .rsp = c.rsp,
        .ss = c.ss,
        .orig_rax = ~0ull,
        .fs_base = n->data.args[2],
        .gs_base = n->data.args[3] == s->addr ? 0 : n->data.args[3], /* ours */
    };
}

void frame_write(struct stub_thread *s, const struct arch_regs *r)
{
    struct linux_rt_sigframe *f = frame(s);
    struct linux_sigcontext c = {
        .r15 = r->r15,
        .r14 = r->r14,
        .r13 = r->r13,
        .r12 = r->r12,
        .rbp = r->rbp,
        .rbx = r->rbx,
        .r11 = r->r11,
        .r10 = r->r10,
        .r9 = r->r9,
        .r8 = r->r8,
        .rax = r->rax,
        .rcx = r->rcx,
        .rdx = r->rdx,
        .rsi = r->rsi,
        .rdi = r->rdi,
        .rip = r->rip,
        .cs = (u16)r->cs,
        .eflags = r->eflags,
        .rsp = r->rsp,
        .ss = (u16)r->ss,
        .fpstate = s->addr + g_fp_off,
    };

    f->uc.uc_flags = LINUX_UC_FP_XSTATE | LINUX_UC_SIGCONTEXT_SS | LINUX_UC_STRICT_RESTORE_SS;
    f->uc.uc_link = 0;
    f->uc.uc_stack = (struct linux_stack){.ss_sp = s->addr + SYSTRAP_STACK_OFF,
                                          .ss_flags = (s32)LINUX_SS_AUTODISARM,
                                          .ss_size = SYSTRAP_STACK_SIZE};
    f->uc.uc_mcontext = c;
    f->uc.uc_sigmask = 0;
}

/* --- FP --- */

static void put_u32(char *buf, size_t off, u32 val)
{
    memcpy(buf + off, &val, sizeof(val));
}

/* What makes the host restore all of the area. */
static void put_software(struct stub_thread *s)
{
    memcpy(fp_area(s) + XSAVE_SW, g_sw, sizeof(g_sw));
    put_u32(fp_area(s), g_xstate_size, LINUX_FP_XSTATE_MAGIC2);
}

/* As a new program finds it; nothing of the stub's former life stays. */
void frame_fp_reset(struct stub_thread *s)
{
    char *fp = fp_area(s);
    u64 bv = LINUX_XFEATURE_FP | LINUX_XFEATURE_SSE;

    memset(fp, 0, g_xstate_size);
    put_u32(fp, 0, FCW_DEFAULT);
    put_u32(fp, 24, MXCSR_DEFAULT);
    if (g_xfeatures & LINUX_XFEATURE_PKRU) {
        bv |= LINUX_XFEATURE_PKRU;
        put_u32(fp, g_component[9].off, PKRU_DEFAULT);
    }
    memcpy(fp + XSAVE_HEADER, &bv, sizeof(bv));
    put_software(s);
}

/* Of the context, all but that. The thread is in its handler. */
void frame_scrub(struct stub_thread *s)
{
    char *ctx = (char *)s->ctx;
    u64 end = g_frame_off + sizeof(struct linux_rt_sigframe);
    u64 fp_end = g_fp_off + g_xstate_size + LINUX_FP_XSTATE_MAGIC2_SIZE;

    memset(ctx, 0, g_frame_off);
    if (end < g_fp_off)
        memset(ctx + end, 0, g_fp_off - end);
    memset(ctx + fp_end, 0, CTX_SHARED_SIZE - fp_end);
}

u64 frame_fp_mask(void)
{
    return g_xfeatures;
}

bool frame_fp_small(void)
{
    return g_fp_size <= CTX_FP_MAX;
}

void fp_normalize(void *fp)
{
    char *out = fp;
    u64 bv;

    memcpy(&bv, out + XSAVE_HEADER, sizeof(bv));
    bv &= g_xfeatures;
    memset(out + XSAVE_HEADER, 0, XSAVE_EXTENDED - XSAVE_HEADER);
    memcpy(out + XSAVE_HEADER, &bv, sizeof(bv));
    memset(out + 416, 0, XSAVE_HEADER - 416);
    put_u32(out, 28, g_mxcsr_mask);
    if (!(bv & LINUX_XFEATURE_FP)) {
        memset(out, 0, 24);
        memset(out + 32, 0, 128);
        put_u32(out, 0, FCW_DEFAULT);
    }
    if (!(bv & LINUX_XFEATURE_SSE)) {
        memset(out + 160, 0, 256);
        if (!(bv & LINUX_XFEATURE_YMM))
            put_u32(out, 24, MXCSR_DEFAULT);
    }
    for (u32 i = 2; i < 63; i++) {
        if ((g_xfeatures & (1ull << i)) && !(bv & (1ull << i)))
            memset(out + g_component[i].off, 0, g_component[i].size);
    }
}

void frame_fp_get(struct stub_thread *s, void *buf)
{
    memcpy(buf, fp_area(s), g_fp_size);
    fp_normalize(buf);
}

/* The host, or the processor, will load it. */
bool fp_acceptable(const void *fp)
{
    const char *in = fp;
    u64 header[8];
    u32 mxcsr;

    memcpy(header, in + XSAVE_HEADER, sizeof(header));
    memcpy(&mxcsr, in + 24, sizeof(mxcsr));
    if ((header[0] & ~g_xfeatures) || (mxcsr & ~g_mxcsr_mask))
        return false;
    for (int i = 1; i < 8; i++) {
        if (header[i])
            return false;
    }
    return true;
}

int frame_fp_set(struct stub_thread *s, const void *buf)
{
    char *fp = fp_area(s);

    if (!fp_acceptable(buf))
        return -EINVAL;
    memset(fp, 0, g_xstate_size);
    memcpy(fp, buf, g_fp_size);
    put_software(s);
    return 0;
}
