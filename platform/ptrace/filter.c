/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The seccomp filter of the stubs. It judges only the syscalls of our own stub code: a guest's are
 * stopped by PTRACE_SYSEMU before any filter looks at them. It is the second wall, should a stub
 * thread ever run untraced with registers that are not ours.
 */
#include "abi/linux/filter.h"
#include "abi/linux/mman.h"
#include "abi/linux/prctl.h"
#include "abi/linux/seccomp.h"
#include "abi/linux/unistd.h"
#include "cvisor/host_stub.h"
#include "platform/ptrace/ptrace.h"

#include <errno.h>

#define CHECKS_MAX 2

/* Allowed when (args[arg] & mask) == value for each check. */
struct rule {
    u32 nr;
    u32 action;
    struct {
        u8 arg;
        u64 mask, value;
    } check[CHECKS_MAX]; /* mask 0: no check */
};

#define ALLOW LINUX_SECCOMP_RET_ALLOW
#define ALL_BITS (~0ull)
#define NOT_PROT (~(u64)(LINUX_PROT_READ | LINUX_PROT_WRITE | LINUX_PROT_EXEC))

static const struct rule g_rules[] = {
    /* Map guest memory: always shared, always at a place that the sentry chose. */
    {LINUX_SYS_mmap,
     ALLOW,
     {{2, NOT_PROT, 0}, {3, ~(u64)LINUX_MAP_POPULATE, LINUX_MAP_SHARED | LINUX_MAP_FIXED}}},
    /* Unmap guest memory; the template empties itself. */
    {LINUX_SYS_munmap, ALLOW, {{0}}},
    /* Change the protection of guest memory. */
    {LINUX_SYS_mprotect, ALLOW, {{2, NOT_PROT, 0}}},
    /* A thread that no guest thread uses waits here, untraced. */
    {LINUX_SYS_pause, ALLOW, {{0}}},
    /* One more thread for a guest. */
    {LINUX_SYS_clone, ALLOW, {{0, ALL_BITS, PTRACE_CLONE_THREAD}, {1, ALL_BITS, 0}}},
    /* The template makes a stub. */
    {LINUX_SYS_clone, ALLOW, {{0, ALL_BITS, PTRACE_CLONE_PROCESS}, {1, ALL_BITS, 0}}},
    /* A thread too many ends. */
    {LINUX_SYS_exit, ALLOW, {{0}}},
    /* A new stub asks to die with the sentry... */
    {LINUX_SYS_prctl, ALLOW, {{0, ALL_BITS, LINUX_PR_SET_PDEATHSIG}}},
    /* ... and looks whether it is too late for that. */
    {LINUX_SYS_getppid, ALLOW, {{0}}},
    /* The host kernel emulates the vsyscall page for guests, and asks this filter: turn those calls
     * into a signal, which the tracer makes a fault. Stub code has no use for them. */
    {LINUX_SYS_gettimeofday, LINUX_SECCOMP_RET_TRAP, {{0}}},
    {LINUX_SYS_time, LINUX_SECCOMP_RET_TRAP, {{0}}},
    {LINUX_SYS_getcpu, LINUX_SECCOMP_RET_TRAP, {{0}}},
};

/* arch; then for each rule: nr, up to CHECKS_MAX * (two halves * (load, and, jump)), return */
#define INSNS_MAX (4 + ARRAY_SIZE(g_rules) * (2 + CHECKS_MAX * 6 + 1) + 1)

struct program {
    struct linux_sock_filter insn[INSNS_MAX];
    size_t n;
};

static struct linux_sock_filter *emit(struct program *p, u32 code, u32 k)
{
    BUG_ON(p->n == INSNS_MAX);
    struct linux_sock_filter *f = &p->insn[p->n++];
    *f = (struct linux_sock_filter){.code = (u16)code, .k = k};
    return f;
}

static void emit_load(struct program *p, size_t offset)
{
    emit(p, LINUX_BPF_LD | LINUX_BPF_W | LINUX_BPF_ABS, (u32)offset);
}

/* One half of a 64-bit comparison; its failing jump is patched by the caller (jf = 0xff). */
static void emit_half(struct program *p, size_t offset, u32 mask, u32 value)
{
    if (mask == 0)
        return;
    emit_load(p, offset);
    if (mask != UINT32_MAX)
        emit(p, LINUX_BPF_ALU | LINUX_BPF_AND | LINUX_BPF_K, mask);
    emit(p, LINUX_BPF_JMP | LINUX_BPF_JEQ | LINUX_BPF_K, value)->jf = 0xff;
}

static void emit_rule(struct program *p, const struct rule *r)
{
    size_t first = p->n;

    emit_load(p, offsetof(struct linux_seccomp_data, nr));
    emit(p, LINUX_BPF_JMP | LINUX_BPF_JEQ | LINUX_BPF_K, r->nr)->jf = 0xff;
    for (size_t i = 0; i < CHECKS_MAX; i++) {
        size_t offset = offsetof(struct linux_seccomp_data, args) + 8ul * r->check[i].arg;
        u64 mask = r->check[i].mask, value = r->check[i].value;
        emit_half(p, offset, (u32)mask, (u32)value);
        emit_half(p, offset + 4, (u32)(mask >> 32), (u32)(value >> 32));
    }
    emit(p, LINUX_BPF_RET | LINUX_BPF_K, r->action);
    for (size_t i = first; i < p->n; i++) {
        if (p->insn[i].jf == 0xff)
            p->insn[i].jf = (u8)(p->n - i - 1);
    }
}

/* Runs in the template, after everything else that it needs the host for. */
int filter_install(void)
{
    struct program p = {.n = 0};

    emit_load(&p, offsetof(struct linux_seccomp_data, arch));
    emit(&p, LINUX_BPF_JMP | LINUX_BPF_JEQ | LINUX_BPF_K, LINUX_AUDIT_ARCH_X86_64)->jt = 1;
    emit(&p, LINUX_BPF_RET | LINUX_BPF_K, LINUX_SECCOMP_RET_KILL_PROCESS);
    for (size_t i = 0; i < ARRAY_SIZE(g_rules); i++)
        emit_rule(&p, &g_rules[i]);
    emit(&p, LINUX_BPF_RET | LINUX_BPF_K, LINUX_SECCOMP_RET_KILL_PROCESS);
    return host_seccomp_filter(p.insn, p.n);
}
