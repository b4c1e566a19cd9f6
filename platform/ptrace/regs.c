/* SPDX-License-Identifier: Apache-2.0 */
/* Register and FP context of guest threads. All of it runs on the vcpu's host thread. */
#include "abi/linux/ptrace.h"
#include "abi/linux/uio.h"
#include "cvisor/host.h"
#include "cvisor/host_stub.h"
#include "cvisor/log.h"
#include "platform/ptrace/ptrace.h"

#include <cpuid.h>
#include <errno.h>
#include <string.h>

#define NT_X86_XSTATE 0x202

/* The XSAVE area. */
#define XSAVE_FCW 0
#define XSAVE_MXCSR 24
#define XSAVE_HEADER 512 /* u64 xstate_bv, xcomp_bv, 48 bytes of zero */
#define XSAVE_EXTENDED 576
#define XFEATURE_FP_SSE 3ull
#define XFEATURE_PKRU (1ull << 9)
/* Tile configuration and data: the host gives them only to processes that ask, stubs do not. */
#define XFEATURE_AMX (3ull << 17)
#define PKRU_DEFAULT 0x55555554u /* as Linux starts programs */
#define FCW_DEFAULT 0x37fu
#define MXCSR_DEFAULT 0x1f80u

static size_t g_fp_size;     /* immutable after fp_init_info */
static u64 g_xfeatures;      /* immutable after fp_init_info */
static size_t g_pkru_offset; /* immutable after fp_init_info; 0 = none */

void regs_sanitize(struct arch_regs *regs)
{
    regs->cs = ARCH_USER_CS;
    regs->ss = ARCH_USER_DS;
    regs->eflags = (regs->eflags & ARCH_EFLAGS_USER) | 0x202;
}

/* What PTRACE_SETREGS would refuse; a guest can load such values itself. */
static void make_acceptable(struct arch_regs *regs)
{
    if (regs->fs_base >= PTRACE_TASK_END)
        regs->fs_base = 0;
    if (regs->gs_base >= PTRACE_TASK_END)
        regs->gs_base = 0;
    u64 *selectors[] = {&regs->ds, &regs->es, &regs->fs, &regs->gs};
    for (size_t i = 0; i < ARRAY_SIZE(selectors); i++) {
        if (*selectors[i] > 0xffff || (*selectors[i] & 3) != 3)
            *selectors[i] = 0;
    }
    if ((regs->cs & 3) != 3 || regs->cs > 0xffff)
        regs->cs = ARCH_USER_CS;
    if ((regs->ss & 3) != 3 || regs->ss > 0xffff)
        regs->ss = ARCH_USER_DS;
    regs->orig_rax = ~0ull; /* the host must not restart what the guest had asked for */
}

/* Fetches the registers of the event unless we have them. */
void regs_load(struct platform_thread *v)
{
    if (v->valid)
        return;
    if (v->tid == 0 || host_ptrace(LINUX_PTRACE_GETREGS, v->tid, 0, (u64)(uintptr_t)&v->regs) < 0)
        memset(&v->regs, 0, sizeof(v->regs)); /* it died: nobody will see them */
    else if (v->event == PLATFORM_SYSCALL)
        v->regs.rax = v->nr;
    v->valid = true;
}

int regs_store(struct platform_thread *v, struct arch_regs *regs)
{
    make_acceptable(regs);
    long err = host_ptrace(LINUX_PTRACE_SETREGS, v->tid, 0, (u64)(uintptr_t)regs);
    if (err < 0 && err != -ESRCH)
        log_error("ptrace: PTRACE_SETREGS: error %d", (int)-err);
    return err < 0 ? -ESRCH : 0;
}

void ptrace_regs_get(struct platform_thread *v, struct arch_regs *regs)
{
    if (v->next_set) {
        *regs = v->next;
        return;
    }
    regs_load(v);
    *regs = v->regs;
}

void ptrace_regs_set(struct platform_thread *v, const struct arch_regs *regs)
{
    v->next = *regs;
    regs_sanitize(&v->next);
    v->next_set = true;
}

/* --- FP --- */

static u64 read_xcr0(void)
{
    u32 eax, edx;
    __asm__ volatile("xgetbv" : "=a"(eax), "=d"(edx) : "c"(0));
    return eax | (u64)edx << 32;
}

/* tid is stopped. Fills in the FP part of info. */
int fp_init_info(int tid, struct platform_info *info)
{
    static char buf[65536];
    struct linux_iovec iov = {.iov_base = (u64)(uintptr_t)buf, .iov_len = sizeof(buf)};
    u32 a, b, c, d;
    long err;

    if (!__get_cpuid_count(1, 0, &a, &b, &c, &d) || !(c & (1u << 27)))
        return -ENOSYS; /* no XSAVE, or the host does not use it */
    err = host_ptrace(LINUX_PTRACE_GETREGSET, tid, NT_X86_XSTATE, (u64)(uintptr_t)&iov);
    if (err < 0)
        return (int)err;
    g_ptrace.xstate_size = iov.iov_len;

    g_xfeatures = read_xcr0() & ~XFEATURE_AMX;
    g_fp_size = XSAVE_EXTENDED;
    for (u32 i = 2; i < 63; i++) {
        if (!(g_xfeatures & (1ull << i)))
            continue;
        __cpuid_count(0xd, i, a, b, c, d); /* a = size, b = offset in the standard format */
        g_fp_size = MAX(g_fp_size, (size_t)a + b);
        if ((1ull << i) == XFEATURE_PKRU)
            g_pkru_offset = b;
    }
    if (g_fp_size > g_ptrace.xstate_size || g_ptrace.xstate_size > ARCH_FP_MAX)
        return -ENOSYS;
    info->fp_size = g_fp_size;
    info->xfeatures = g_xfeatures;
    return 0;
}

static int set_xstate(struct platform_thread *v, void *buf)
{
    struct linux_iovec iov = {.iov_base = (u64)(uintptr_t)buf, .iov_len = g_ptrace.xstate_size};
    return (int)host_ptrace(LINUX_PTRACE_SETREGSET, v->tid, NT_X86_XSTATE, (u64)(uintptr_t)&iov);
}

static void put_u32(char *buf, size_t off, u32 val)
{
    memcpy(buf + off, &val, sizeof(val));
}

/* As a new program finds it; nothing of the stub's former life stays. */
int fp_reset(struct platform_thread *v)
{
    char buf[ARCH_FP_MAX] __aligned_to(64);
    u64 bv = XFEATURE_FP_SSE;

    memset(buf, 0, g_ptrace.xstate_size);
    put_u32(buf, XSAVE_FCW, FCW_DEFAULT);
    put_u32(buf, XSAVE_MXCSR, MXCSR_DEFAULT);
    if (g_pkru_offset) {
        bv |= XFEATURE_PKRU;
        put_u32(buf, g_pkru_offset, PKRU_DEFAULT);
    }
    memcpy(buf + XSAVE_HEADER, &bv, sizeof(bv));
    return set_xstate(v, buf);
}

void ptrace_fp_get(struct platform_thread *v, void *buf)
{
    struct linux_iovec iov = {.iov_base = (u64)(uintptr_t)buf, .iov_len = g_fp_size};
    u64 bv;

    memset(buf, 0, g_fp_size);
    if (v->tid)
        host_ptrace(LINUX_PTRACE_GETREGSET, v->tid, NT_X86_XSTATE, (u64)(uintptr_t)&iov);
    memcpy(&bv, (char *)buf + XSAVE_HEADER, sizeof(bv));
    bv &= g_xfeatures;
    memcpy((char *)buf + XSAVE_HEADER, &bv, sizeof(bv));
}

int ptrace_fp_set(struct platform_thread *v, const void *buf)
{
    char full[ARCH_FP_MAX] __aligned_to(64);
    u64 bv;

    memset(full, 0, g_ptrace.xstate_size);
    memcpy(full, buf, g_fp_size);
    memcpy(&bv, full + XSAVE_HEADER, sizeof(bv));
    if (bv & ~g_xfeatures)
        return -EINVAL;
    if (v->tid == 0)
        return 0; /* DIED comes with the resume */
    int err = set_xstate(v, full);
    return err == 0 || err == -ESRCH ? 0 : -EINVAL;
}
