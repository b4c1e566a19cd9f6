/* SPDX-License-Identifier: Apache-2.0 */
/* One guest thread: system calls, faults, registers, FP, stepping, signals. Each backend's events.c includes this. */
#ifndef TESTS_UNIT_PLATFORM_CONTRACT_EVENTS_H
#define TESTS_UNIT_PLATFORM_CONTRACT_EVENTS_H

#include "tests/unit/platform/contract/toy.h"

#include <criterion/criterion.h>

__asm__(".pushsection .rodata\n"
        "g_begin:\n"
        /* six arguments, then the result as first argument of the next call */
        "g_args: mov $1001,%eax; mov $1,%edi; mov $2,%esi; mov $3,%edx; mov $4,%r10d\n"
        "mov $5,%r8d; mov $6,%r9d; mov $0x77,%ebx; syscall\n"
        "mov %rax,%rdi; mov %rbx,%rsi; mov $1002,%eax; syscall; hlt\n"
        "g_loop: mov $39,%eax; syscall; jmp g_loop\n"
        "g_spin: jmp g_spin\n"
        /* a call each time when it is told so, and computes in between */
        "g_wait: mov $39,%eax; syscall; 1: pause; cmpl $0,(%rdi); je 1b\n"
        "movl $0,(%rdi); jmp g_wait\n"
        "g_read: mov (%rdi),%rax; mov $1,%eax; syscall\n"
        "g_write: movq $5,(%rdi); mov $1,%eax; syscall\n"
        "g_call: call *%rdi; mov %rax,%rdi; mov $1,%eax; syscall\n"
        "g_div: xor %ecx,%ecx; mov $1,%eax; xor %edx,%edx; div %ecx\n"
        "g_ud: ud2\n"
        "g_int3: int3\n"
        "g_int80: mov $20,%eax; int $0x80\n"
        "g_priv: hlt\n"
        "g_step: nop; nop; mov $39,%eax; syscall; nop; nop\n"
        "g_fp: mov $0x1122334455667788,%rax; movq %rax,%xmm3; mov $39,%eax; syscall\n"
        "movq %xmm3,%rdi; mov $40,%eax; syscall\n"
        "g_fsbase: mov $-1,%rax; shl $47,%rax; wrfsbase %rax; mov $1,%eax; mov %eax,%ds\n"
        "mov $39,%eax; syscall; mov $40,%eax; syscall\n"
        "g_end:\n.popsection\n");
extern const char g_begin[], g_args[], g_loop[], g_spin[], g_wait[], g_read[], g_write[], g_call[],
    g_div[], g_ud[], g_int3[], g_int80[], g_priv[], g_step[], g_fp[], g_fsbase[], g_end[];
#define AT(label) (TOY_CODE + (u64)((label)-g_begin))

static struct platform_as *g_as;

static void setup(void)
{
    toy_init(g_begin, g_end);
    g_as = toy_as();
}

static void teardown(void)
{
    platform_as_put(g_as);
    platform_shutdown();
    cr_expect_eq(toy_children(NULL, 0), 0);
}

TOY_SUITE_OPTIONS(.init = setup, .fini = teardown, .timeout = 20);

static void run(struct toy_task *t)
{
    toy_start(g_as, t);
    toy_join(t);
}

static struct platform_action on_args(struct toy_task *t, const struct platform_event *ev)
{
    struct arch_regs regs;

    cr_assert_eq(ev->type, PLATFORM_SYSCALL);
    if (ev->nr == 1001) {
        for (u64 i = 0; i < 6; i++)
            cr_expect_eq(ev->args[i], i + 1);
        platform_regs_get(t->pt, &regs);
        cr_expect_eq(regs.rax, 1001);
        cr_expect_eq(regs.rip, ev->ip);
        cr_expect_eq(regs.rdi, 1);
        cr_expect_eq(regs.rbx, 0x77);
        return RESUME(-38);
    }
    cr_expect_eq(ev->nr, 1002);
    cr_expect_eq(ev->args[0], (u64)-38);
    cr_expect_eq(ev->args[1], 0x77);
    t->last[0] = 1;
    return toy_exit(t);
}

TOY_TEST(syscall_arguments_and_result)
{
    struct toy_task t = {.fn = on_args, .entry = AT(g_args)};
    run(&t);
    cr_expect_eq(t.last[0], 1);
}

/* The host's restart codes as a result are just numbers. */
static struct platform_action on_restart_code(struct toy_task *t, const struct platform_event *ev)
{
    cr_assert_eq(ev->type, PLATFORM_SYSCALL);
    if (ev->nr == 1001) {
        platform_thread_interrupt(t->pt); /* a signal at the exit of the syscall */
        return RESUME(-512);
    }
    cr_expect_eq(ev->nr, 1002);
    cr_expect_eq(ev->args[0], (u64)-512);
    return toy_exit(t);
}

static struct platform_action skip_interrupts(struct toy_task *t, const struct platform_event *ev)
{
    if (ev->type == PLATFORM_INTERRUPTED)
        return CONTEXT();
    return on_restart_code(t, ev);
}

TOY_TEST(restart_codes_pass_through)
{
    struct toy_task t = {.fn = skip_interrupts, .entry = AT(g_args)};
    run(&t);
    cr_expect_eq(t.interrupted, 1);
    cr_expect_eq(t.events, 3);
}

static struct platform_action keep_event(struct toy_task *t, const struct platform_event *ev)
{
    struct platform_event *out = t->data;
    *out = *ev;
    return toy_exit(t);
}

static struct platform_event event_of(const char *label, u64 arg)
{
    struct platform_event ev = {0};
    struct toy_task t = {.fn = keep_event, .entry = AT(label), .arg = arg, .data = &ev};
    run(&t);
    return ev;
}

static void expect_fault(struct platform_event ev, u64 ip, int sig, int code, u32 trapno)
{
    cr_expect_eq(ev.type, PLATFORM_FAULT);
    cr_expect_eq(ev.signo, sig, "signal %d, expected %d", ev.signo, sig);
    cr_expect_eq(ev.si_code, code, "code %d, expected %d", ev.si_code, code);
    cr_expect_eq(ev.ip, ip, "ip %lx, expected %lx", (long)ev.ip, (long)ip);
    cr_expect_eq(ev.trapno, trapno, "trap %u, expected %u", ev.trapno, trapno);
}

TOY_TEST(faults)
{
    struct platform_event ev = event_of(g_read, 0x7000000);
    expect_fault(ev, AT(g_read), LINUX_SIGSEGV, LINUX_SEGV_MAPERR, 14);
    cr_expect_eq(ev.addr, 0x7000000);
    cr_expect_eq(ev.access, TOY_TELLS_ACCESS ? PLATFORM_READ : 0);

    ev = event_of(g_write, TOY_CODE);
    expect_fault(ev, AT(g_write), LINUX_SIGSEGV, LINUX_SEGV_ACCERR, 14);
    cr_expect_eq(ev.access, TOY_TELLS_ACCESS ? PLATFORM_WRITE : 0);
    cr_expect_eq(ev.addr, TOY_CODE);

    ev = event_of(g_read, 0x8000000000000000ull); /* not canonical */
    expect_fault(ev, AT(g_read), LINUX_SIGSEGV, LINUX_SI_KERNEL, 13);

    ev = event_of(g_call, TOY_DATA); /* not executable */
    expect_fault(ev, TOY_DATA, LINUX_SIGSEGV, LINUX_SEGV_ACCERR, 14);
    cr_expect_eq(ev.access, PLATFORM_EXEC);

    expect_fault(event_of(g_div, 0), AT(g_div) + 9, LINUX_SIGFPE, LINUX_FPE_INTDIV, 0);
    expect_fault(event_of(g_ud, 0), AT(g_ud), LINUX_SIGILL, LINUX_ILL_ILLOPN, 6);
    expect_fault(event_of(g_int3, 0), AT(g_int3) + 1, LINUX_SIGTRAP, LINUX_SI_KERNEL, 3);
    expect_fault(event_of(g_priv, 0), AT(g_priv), LINUX_SIGSEGV, LINUX_SI_KERNEL, 13);
}

TOY_TEST(file_end_is_sigbus)
{
    struct platform_mapop op = toy_map(0x20000000, PAGE_SIZE, TOY_FILE_SIZE, PLATFORM_READ);
    cr_assert_eq(platform_as_apply(g_as, &op, 1), 0);
    struct platform_event ev = event_of(g_read, 0x20000000);
    expect_fault(ev, AT(g_read), LINUX_SIGBUS, LINUX_BUS_ADRERR, 14);
}

TOY_TEST(int80_is_a_fault)
{
    struct platform_event ev = event_of(g_int80, 0);
    expect_fault(ev, AT(g_int80) + 5, LINUX_SIGSEGV, LINUX_SI_KERNEL, 13);
}

/* Whatever the host does with its vsyscall page, the guest gets a fault there and not a call. */
TOY_TEST(vsyscall_page_is_a_fault)
{
    struct platform_event ev = event_of(g_call, 0xffffffffff600000ull);
    cr_expect_eq(ev.type, PLATFORM_FAULT);
    cr_expect_eq(ev.signo, LINUX_SIGSEGV);
    cr_expect_eq(ev.ip, 0xffffffffff600000ull);
    cr_expect_eq(atomic_load(&toy_stub_deaths), 0);
}

/* --- registers --- */

static struct platform_action fix_and_retry(struct toy_task *t, const struct platform_event *ev)
{
    struct arch_regs regs;

    if (ev->type == PLATFORM_SYSCALL)
        return toy_exit(t);
    platform_regs_get(t->pt, &regs);
    cr_expect_eq(regs.rdi, 0x7000000);
    regs.rdi = TOY_DATA;
    regs.cs = 8; /* sanitised */
    regs.ss = 0;
    regs.eflags = ~0ull & ~ARCH_EFLAGS_TF & ~0x40000ull /* AC */;
    regs.fs_base = 0xffff800000000000ull;
    regs.orig_rax = 39;
    platform_regs_set(t->pt, &regs);
    platform_regs_get(t->pt, &regs);
    cr_expect_eq(regs.cs, ARCH_USER_CS);
    return CONTEXT();
}

TOY_TEST(registers_are_sanitised)
{
    struct toy_task t = {.fn = fix_and_retry, .entry = AT(g_read), .arg = 0x7000000};
    run(&t);
    cr_expect_eq(t.faults, 1);
    cr_expect_eq(t.events, 2);
}

/* A guest that loads bases and selectors which ptrace would not set. */
static struct platform_action apply_in_event(struct toy_task *t, const struct platform_event *ev)
{
    struct platform_mapop op = toy_map(0x20000000, PAGE_SIZE, 0x200000, PLATFORM_READ);

    cr_assert_eq(ev->type, PLATFORM_SYSCALL);
    cr_expect_eq(platform_as_apply(g_as, &op, 1), 0);
    return ev->nr == 40 ? toy_exit(t) : RESUME(0);
}

TOY_TEST(odd_bases_of_the_guest)
{
    struct toy_task t = {.fn = apply_in_event, .entry = AT(g_fsbase)};
    run(&t);
    cr_expect_eq(t.events, 2);
}

/* --- FP --- */

static struct platform_action on_fp(struct toy_task *t, const struct platform_event *ev)
{
    static char buf[ARCH_FP_MAX] __attribute__((aligned(64)));
    u64 xmm3, bv;

    cr_assert_eq(ev->type, PLATFORM_SYSCALL);
    if (ev->nr == 40) {
        t->last[0] = ev->args[0];
        return toy_exit(t);
    }
    platform_fp_get(t->pt, buf);
    memcpy(&xmm3, buf + 160 + 3 * 16, 8);
    cr_expect_eq(xmm3, 0x1122334455667788ull);
    xmm3 = 0xabcdef;
    memcpy(buf + 160 + 3 * 16, &xmm3, 8);
    memcpy(&bv, buf + 512, 8);
    cr_expect_eq(bv & ~g_platform_info.xfeatures, 0);
    bv |= 2;
    memcpy(buf + 512, &bv, 8);
    cr_expect_eq(platform_fp_set(t->pt, buf), 0);
    buf[520] = 1; /* XCOMP_BV */
    cr_expect_eq(platform_fp_set(t->pt, buf), -EINVAL);
    buf[520] = 0;
    memset(buf + 24, 0xff, 4); /* reserved bits of MXCSR */
    cr_expect_eq(platform_fp_set(t->pt, buf), -EINVAL);
    return RESUME(0);
}

TOY_TEST(fp_get_and_set)
{
    struct toy_task t = {.fn = on_fp, .entry = AT(g_fp)};
    run(&t);
    cr_expect_eq(t.last[0], 0xabcdef);
    cr_expect_geq(g_platform_info.fp_size, 576);
}

/* What a thread leaves in its registers is not what the next one finds. */
static struct platform_action clean_start(struct toy_task *t, const struct platform_event *ev)
{
    static char buf[ARCH_FP_MAX] __attribute__((aligned(64)));
    struct arch_regs regs;
    u64 xmm3;

    platform_fp_get(t->pt, buf);
    memcpy(&xmm3, buf + 160 + 3 * 16, 8);
    cr_expect_eq(xmm3, 0);
    cr_expect_eq(buf[0], 0x7f);
    cr_expect_eq(buf[1], 3);
    platform_regs_get(t->pt, &regs);
    cr_expect_eq(regs.rbx, 0);
    cr_expect_eq(regs.fs_base, 0);
    cr_expect_eq(regs.gs_base, 0);
    return toy_exit(t);
}

TOY_TEST(recycled_threads_start_clean)
{
    struct toy_task t = {.fn = on_fp, .entry = AT(g_fp)};
    run(&t);
    struct toy_task u = {.fn = clean_start, .entry = AT(g_loop)};
    run(&u);
    cr_expect_eq(u.events, 1);
}

/* --- stepping --- */

static struct platform_action on_step(struct toy_task *t, const struct platform_event *ev)
{
    u64 n = t->last[0]++;
    /* START stepped the first nop. */
    static const int offsets[] = {1, 2, 7};
    if (n < 3) {
        cr_expect_eq(ev->type, PLATFORM_FAULT);
        cr_expect_eq(ev->signo, LINUX_SIGTRAP);
        cr_expect_eq(ev->si_code, LINUX_TRAP_TRACE);
        cr_expect_eq(ev->ip, AT(g_step) + (u64)offsets[n]);
        platform_single_step(t->pt);
        return CONTEXT();
    }
    if (n == 3) {
        cr_expect_eq(ev->type, PLATFORM_SYSCALL);
        cr_expect_eq(ev->nr, 39);
        platform_single_step(t->pt);
        return RESUME(0);
    }
    cr_expect_eq(ev->type, PLATFORM_FAULT);
    cr_expect_eq(ev->ip, AT(g_step) + 10);
    struct arch_regs regs;
    platform_regs_get(t->pt, &regs);
    cr_expect_eq(regs.eflags & ARCH_EFLAGS_TF, 0);
    return toy_exit(t);
}

static struct platform_action start_stepping(struct toy_task *t, const struct platform_event *ev)
{
    struct arch_regs regs;

    if (t->last[1])
        return on_step(t, ev);
    /* the first syscall of g_loop: go to g_step */
    t->last[1] = 1;
    platform_regs_get(t->pt, &regs);
    regs.rip = AT(g_step);
    platform_regs_set(t->pt, &regs);
    platform_single_step(t->pt);
    return CONTEXT();
}

TOY_TEST(single_step)
{
    struct toy_task t = {.fn = start_stepping, .entry = AT(g_loop)};
    run(&t);
    cr_expect_eq(t.last[0], 5);
}

/* --- interrupts and signals from outside --- */

static struct platform_action until_interrupted(struct toy_task *t, const struct platform_event *ev)
{
    if (ev->type != PLATFORM_INTERRUPTED)
        return ev->type == PLATFORM_SYSCALL ? RESUME(0) : toy_exit(t);
    struct arch_regs regs;
    platform_regs_get(t->pt, &regs);
    cr_expect(regs.rip >= AT(g_loop) && regs.rip < AT(g_read));
    return atomic_load(&t->interrupted) < t->last[0] ? CONTEXT() : toy_exit(t);
}

TOY_TEST(interrupt_of_spinning_guest)
{
    struct toy_task t = {.fn = until_interrupted, .entry = AT(g_spin), .last = {5}};
    toy_start(g_as, &t);
    for (int i = 0; i < 5; i++) {
        toy_sleep_ms(5);
        u64 before = atomic_load(&t.interrupted);
        platform_thread_interrupt(t.pt);
        for (int j = 0; j < 1000 && atomic_load(&t.interrupted) == before; j++)
            toy_sleep_ms(1);
        cr_assert_eq(atomic_load(&t.interrupted), before + 1);
    }
    toy_join(&t);
}

TOY_TEST(interrupt_of_syscalls_in_a_row)
{
    struct toy_task t = {.fn = until_interrupted, .entry = AT(g_loop), .last = {200}};
    toy_start(g_as, &t);
    for (u64 i = 0; i < 200; i++) {
        u64 before = atomic_load(&t.interrupted);
        platform_thread_interrupt(t.pt);
        while (atomic_load(&t.interrupted) == before)
            host_sched_yield();
    }
    toy_join(&t);
    cr_expect_eq(t.interrupted, 200);
}

static struct platform_action on_kick(struct toy_task *t, const struct platform_event *ev)
{
    if (ev->type == PLATFORM_SYSCALL)
        return RESUME(0);
    return ev->type == PLATFORM_INTERRUPTED && t->last[0] == 0 ? CONTEXT() : toy_exit(t);
}

/* Around the begin or the end of a call, of a guest that makes no other. */
TOY_TEST(no_interrupt_is_lost_at_a_call)
{
    struct toy_task t = {.fn = on_kick, .entry = AT(g_wait), .arg = TOY_DATA};

    toy_start(g_as, &t);
    u64 ns = toy_kick_at_calls(&t, 20000);
    cr_log_info("longest %lu us", (unsigned long)ns / 1000);
    cr_expect_lt(ns, TOY_LOST_NS);
    t.last[0] = 1;
    platform_thread_interrupt(t.pt);
    toy_join(&t);
    cr_expect_eq(t.faults, 0);
}

static const int g_signals[] = {LINUX_SIGTERM, LINUX_SIGSEGV, LINUX_SIGTRAP, LINUX_SIGINT,
                                LINUX_SIGSTOP, LINUX_SIGTSTP, LINUX_SIGCONT, 62};

/* The template and at least one stub: as many as wanted, if they come in time. */
static int children(int *pids, int max, int wanted)
{
    int n;

    for (int i = 0; i < 200 && (n = toy_children(pids, max)) < wanted; i++)
        toy_sleep_ms(10);
    cr_assert_geq(n, wanted);
    return MIN(n, max);
}

TOY_TEST(signals_from_outside_are_absorbed)
{
    struct toy_task t = {.fn = until_interrupted, .entry = AT(g_loop), .last = {1}};
    int pids[16];

    toy_start(g_as, &t);
    u64 before = atomic_load(&t.events);
    int n = children(pids, 16, 2);
    for (int p = 0; p < n; p++) {
        for (size_t i = 0; i < ARRAY_SIZE(g_signals); i++) {
            host_kill(pids[p], g_signals[i]);
            toy_sleep_ms(1);
        }
    }
    u64 deadline = host_now_mono() + 5000 * NSEC_PER_MSEC;
    while (atomic_load(&t.events) <= before + 100 && host_now_mono() < deadline)
        toy_sleep_ms(1);
    cr_expect_gt(atomic_load(&t.events), before + 100);
    platform_thread_interrupt(t.pt);
    toy_join(&t);
    cr_expect_eq(t.faults, 0);
    cr_expect_eq(atomic_load(&toy_stub_deaths), 0);
}

/* To the template, and to a stub in store, of whose threads one is not traced. */
TOY_TEST(signals_while_no_guest_runs)
{
    int pids[16];

    int n = children(pids, 16, 3);
    for (int p = 0; p < n; p++) {
        for (size_t i = 0; i < ARRAY_SIZE(g_signals); i++)
            host_kill(pids[p], g_signals[i]);
    }
    toy_sleep_ms(20);
    cr_expect_geq(toy_children(pids, 16), n); /* there may be one more in store */
    for (int i = 0; i < 4; i++) {
        struct toy_task t = {.fn = until_interrupted, .entry = AT(g_loop), .last = {1}};
        struct platform_as *as = toy_as();
        toy_start(as, &t);
        toy_sleep_ms(5);
        platform_thread_interrupt(t.pt);
        toy_join(&t);
        cr_expect_gt(t.events, 0);
        cr_expect_eq(t.faults, 0);
        platform_as_put(as);
    }
    cr_expect_eq(atomic_load(&toy_stub_deaths), 0);
}

/* The number of the call must not be taken for its result. */
TOY_TEST(trap_from_outside_before_stub_code_runs)
{
    struct platform_as *as[6];
    int pids[16];

    for (size_t i = 0; i < ARRAY_SIZE(as); i++) {
        int n = toy_children(pids, 16);
        for (int p = 0; p < MIN(n, 16); p++)
            host_kill(pids[p], LINUX_SIGTRAP);
        cr_assert_eq(platform_as_create(&as[i]), 0, "%zu", i);
    }
    for (size_t i = 0; i < ARRAY_SIZE(as); i++)
        platform_as_put(as[i]);
    cr_expect_eq(atomic_load(&toy_stub_deaths), 0);
}

#endif
