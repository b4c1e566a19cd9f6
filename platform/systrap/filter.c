/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The seccomp programs of the stubs. The base is the template's and so everybody's: it lets our own
 * stub code do its few things. A thread adds one more before it leaves stub code: guest threads one
 * that notifies its own listener of everything but rt_sigreturn, the memory thread one that notifies
 * of its report. The strictest answer counts, and of equals the newest. Without notifications there is
 * a trap instead, guest threads wake and wait by futex, and the memory thread adds nothing.
 */
#include "abi/linux/filter.h"
#include "abi/linux/futex.h"
#include "abi/linux/mman.h"
#include "abi/linux/prctl.h"
#include "abi/linux/unistd.h"
#include "cvisor/host_stub.h"
#include "platform/systrap/systrap.h"

#include <errno.h>
#include <string.h>

#define CHECKS_MAX 2

/* Allowed in stub code when (args[arg] & mask) == value for each check. */
struct rule {
    u32 rungs; /* only with these; 0 = always */
    u32 nr;
    struct {
        u8 arg;
        u64 mask, value;
    } check[CHECKS_MAX]; /* mask 0: no check */
};

#define ALL_BITS (~0ull)
#define NOT_PROT (~(u64)(LINUX_PROT_READ | LINUX_PROT_WRITE | LINUX_PROT_EXEC))

static const struct rule g_rules[] = {
    /* Map guest memory: always shared, always at a place that the sentry chose. */
    {0,
     LINUX_SYS_mmap,
     {{2, NOT_PROT, 0}, {3, ~(u64)LINUX_MAP_POPULATE, LINUX_MAP_SHARED | LINUX_MAP_FIXED}}},
    /* Unmap guest memory; the template empties itself. */
    {0, LINUX_SYS_munmap, {{0}}},
    /* Change the protection of guest memory. */
    {0, LINUX_SYS_mprotect, {{2, NOT_PROT, 0}}},
    /* Every return from a handler. Without a trap, the only rule that guest threads can use. */
    {0, LINUX_SYS_rt_sigreturn, {{0}}},
    /* One more thread. */
    {0, LINUX_SYS_clone, {{0, ALL_BITS, SYSTRAP_CLONE_THREAD}, {1, ALL_BITS, 0}}},
    /* It has its handler's stack in its context... */
    {0, LINUX_SYS_sigaltstack, {{1, ALL_BITS, 0}}},
    /* ... and shuts itself in. */
    {RUNG_NOTIFY,
     LINUX_SYS_seccomp,
     {{0, ALL_BITS, LINUX_SECCOMP_SET_MODE_FILTER}, {1, ALL_BITS, SYSTRAP_LISTENER_FLAGS}}},
    {RUNG_TRAP,
     LINUX_SYS_seccomp,
     {{0, ALL_BITS, LINUX_SECCOMP_SET_MODE_FILTER}, {1, ALL_BITS, 0}}},
    /* The template makes a stub. */
    {0, LINUX_SYS_clone, {{0, ALL_BITS, SYSTRAP_CLONE_PROCESS}, {1, ALL_BITS, 0}}},
    /* A new stub asks to die with the sentry... */
    {0, LINUX_SYS_prctl, {{0, ALL_BITS, LINUX_PR_SET_PDEATHSIG}}},
    /* ... and looks whether it is too late for that. */
    {0, LINUX_SYS_getppid, {{0}}},
    /* The memory thread reports a byte; its filter is this one alone. */
    {RUNG_TRAP, LINUX_SYS_write, {{2, ALL_BITS, 1}}},
    /* It waits for orders; guest threads wake and wait, as their own program says. */
    {RUNG_TRAP, LINUX_SYS_futex, {{1, ~1ull, 0}, {3, ALL_BITS, 0}}},
};

/* for each rule: nr, up to CHECKS_MAX * (two halves * (load, and, jump)), return; and the rest */
#define INSNS_MAX (ARRAY_SIZE(g_rules) * (2 + CHECKS_MAX * 6 + 1) + 64)

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

static struct linux_sock_filter *emit_jump(struct program *p, u32 op, u32 k)
{
    return emit(p, LINUX_BPF_JMP | op | LINUX_BPF_K, k);
}

static void emit_return(struct program *p, u32 action)
{
    emit(p, LINUX_BPF_RET | LINUX_BPF_K, action);
}

/* Jumps marked 0xff, and not set yet, go to the end of what was emitted since first. */
static void patch(struct program *p, size_t first)
{
    for (size_t i = first; i < p->n; i++) {
        if (p->insn[i].jf == 0xff)
            p->insn[i].jf = (u8)(p->n - i - 1);
        if (p->insn[i].jt == 0xff)
            p->insn[i].jt = (u8)(p->n - i - 1);
    }
}

/* One half of a 64-bit comparison. */
static void emit_half(struct program *p, size_t offset, u32 mask, u32 value)
{
    if (mask == 0)
        return;
    emit_load(p, offset);
    if (mask != UINT32_MAX)
        emit(p, LINUX_BPF_ALU | LINUX_BPF_AND | LINUX_BPF_K, mask);
    emit_jump(p, LINUX_BPF_JEQ, value)->jf = 0xff;
}

static void emit_rule(struct program *p, const struct rule *r)
{
    size_t first = p->n;

    emit_load(p, offsetof(struct linux_seccomp_data, nr));
    emit_jump(p, LINUX_BPF_JEQ, r->nr)->jf = 0xff;
    for (size_t i = 0; i < CHECKS_MAX; i++) {
        size_t offset = offsetof(struct linux_seccomp_data, args) + 8ul * r->check[i].arg;
        u64 mask = r->check[i].mask, value = r->check[i].value;
        emit_half(p, offset, (u32)mask, (u32)value);
        emit_half(p, offset + 4, (u32)(mask >> 32), (u32)(value >> 32));
    }
    emit_return(p, LINUX_SECCOMP_RET_ALLOW);
    patch(p, first);
}

#define IP_LOW offsetof(struct linux_seccomp_data, instruction_pointer)
#define IP_HIGH (IP_LOW + 4)

/* What becomes of calls that nothing else is said of. */
static u32 other_calls(void)
{
    return systrap_traps() ? LINUX_SECCOMP_RET_TRAP : LINUX_SECCOMP_RET_USER_NOTIF;
}

/* At one place: exactly this operation of futex. */
static void emit_futex_at(struct program *p, u64 ip, u32 op)
{
    size_t first = p->n;

    emit_load(p, IP_HIGH);
    emit_jump(p, LINUX_BPF_JEQ, (u32)(ip >> 32))->jf = 0xff;
    emit_load(p, IP_LOW);
    emit_jump(p, LINUX_BPF_JEQ, (u32)ip)->jf = 0xff;
    emit_half(p, offsetof(struct linux_seccomp_data, args[1]), UINT32_MAX, op);
    emit_return(p, LINUX_SECCOMP_RET_ALLOW);
    patch(p, first);
}

/*
 * How threads report and wait where there are no notifications: no futex but on words of the region,
 * none that is private, and no time limit, which would bring restarts of the host's own.
 */
static void emit_futexes(struct program *p)
{
    const size_t word = offsetof(struct linux_seccomp_data, args[0]);
    const size_t limit = offsetof(struct linux_seccomp_data, args[3]);
    u64 region = g_systrap.region;
    size_t first = p->n;

    emit_load(p, offsetof(struct linux_seccomp_data, nr));
    emit_jump(p, LINUX_BPF_JEQ, LINUX_SYS_futex)->jf = 0xff;
    emit_half(p, word + 4, UINT32_MAX, (u32)(region >> 32));
    emit_load(p, word);
    emit_jump(p, LINUX_BPF_JGE, (u32)region)->jf = 0xff;
    emit_jump(p, LINUX_BPF_JGE, (u32)(region + SYSTRAP_REGION_SIZE - 4))->jt = 0xff;
    emit_half(p, offsetof(struct linux_seccomp_data, args[1]) + 4, UINT32_MAX, 0);
    emit_half(p, limit, UINT32_MAX, 0);
    emit_half(p, limit + 4, UINT32_MAX, 0);
    emit_futex_at(p, SYSTRAP_STUB(systrap_stub_trap_woken), LINUX_FUTEX_WAKE);
    emit_futex_at(p, SYSTRAP_STUB(systrap_stub_trap_waited), LINUX_FUTEX_WAIT);
    emit_futex_at(p, SYSTRAP_STUB(systrap_stub_trap_idle_waited), LINUX_FUTEX_WAIT);
    if (g_systrap.rungs & RUNG_PATCH) {
        emit_futex_at(p, SYSTRAP_LOW(systrap_low_trap_woken), LINUX_FUTEX_WAKE);
        emit_futex_at(p, SYSTRAP_LOW(systrap_low_trap_waited), LINUX_FUTEX_WAIT);
    }
    patch(p, first);
}

/*
 * Runs in the template, after everything else that it needs the host for. USER_NOTIF is an error for
 * a thread without a listener. The page of code does not cross a 4 GiB boundary: it is aligned.
 */
int st_filter_install(void)
{
    struct program p = {.n = 0};

    emit_load(&p, offsetof(struct linux_seccomp_data, arch));
    emit_jump(&p, LINUX_BPF_JEQ, LINUX_AUDIT_ARCH_X86_64)->jt = 1;
    emit_return(&p, other_calls());
    if (systrap_traps())
        emit_futexes(&p);
    emit_load(&p, IP_HIGH);
    emit_jump(&p, LINUX_BPF_JEQ, (u32)(g_systrap.region >> 32))->jt = 1;
    emit_return(&p, other_calls());
    emit_load(&p, IP_LOW);
    emit(&p, LINUX_BPF_ALU | LINUX_BPF_AND | LINUX_BPF_K, (u32)PAGE_MASK);
    emit_jump(&p, LINUX_BPF_JEQ, (u32)g_systrap.region)->jt = 1;
    emit_return(&p, other_calls());
    for (size_t i = 0; i < ARRAY_SIZE(g_rules); i++) {
        if (!g_rules[i].rungs || (g_rules[i].rungs & g_systrap.rungs))
            emit_rule(&p, &g_rules[i]);
    }
    emit_return(&p, other_calls());
    return host_seccomp_filter(p.insn, p.n);
}

/* Calls on the vsyscall page and 32-bit ones become a signal: neither is a system call for us. */
static void guest_program(struct program *p)
{
    u64 ip = SYSTRAP_STUB(systrap_stub_sigreturn);

    emit_load(p, offsetof(struct linux_seccomp_data, arch));
    emit_jump(p, LINUX_BPF_JEQ, LINUX_AUDIT_ARCH_X86_64)->jt = 1;
    emit_return(p, LINUX_SECCOMP_RET_TRAP);
    emit_load(p, IP_HIGH);
    emit_jump(p, LINUX_BPF_JEQ, UINT32_MAX)->jf = 1;
    emit_return(p, LINUX_SECCOMP_RET_TRAP);
    size_t first = p->n;
    emit_jump(p, LINUX_BPF_JEQ, (u32)(ip >> 32))->jf = 0xff;
    emit_load(p, IP_LOW);
    emit_jump(p, LINUX_BPF_JEQ, (u32)ip)->jf = 0xff;
    emit_load(p, offsetof(struct linux_seccomp_data, nr));
    emit_jump(p, LINUX_BPF_JEQ, LINUX_SYS_rt_sigreturn)->jf = 0xff;
    emit_return(p, LINUX_SECCOMP_RET_ALLOW);
    patch(p, first);
    if (systrap_traps())
        emit_futexes(p);
    emit_return(p, other_calls());
}

static void memory_program(struct program *p)
{
    u64 ip = SYSTRAP_STUB(systrap_stub_memory_reported);
    size_t first = p->n;

    emit_load(p, IP_LOW);
    emit_jump(p, LINUX_BPF_JEQ, (u32)ip)->jf = 0xff;
    emit_load(p, IP_HIGH);
    emit_jump(p, LINUX_BPF_JEQ, (u32)(ip >> 32))->jf = 0xff;
    emit_return(p, LINUX_SECCOMP_RET_USER_NOTIF);
    patch(p, first);
    emit_return(p, LINUX_SECCOMP_RET_ALLOW);
}

#define PROG_SIZE ((PAGE_SIZE - SYSTRAP_PROG_OFF) / 2)

static void write_program(char *code, size_t off, const struct program *p)
{
    struct linux_sock_fprog prog = {
        .len = (u16)p->n,
        .filter = g_systrap.region + off + sizeof(prog),
    };

    BUG_ON(sizeof(prog) + p->n * sizeof(p->insn[0]) > PROG_SIZE);
    memcpy(code + off, &prog, sizeof(prog));
    memcpy(code + off + sizeof(prog), p->insn, p->n * sizeof(p->insn[0]));
}

void st_filter_write_programs(char *code)
{
    struct program p = {.n = 0};

    guest_program(&p);
    write_program(code, SYSTRAP_PROG_OFF, &p);
    p.n = 0;
    memory_program(&p);
    write_program(code, SYSTRAP_PROG_OFF + PROG_SIZE, &p);
}

u64 st_filter_guest_program(void)
{
    return g_systrap.region + SYSTRAP_PROG_OFF;
}

u64 st_filter_memory_program(void)
{
    return g_systrap.region + SYSTRAP_PROG_OFF + PROG_SIZE;
}
