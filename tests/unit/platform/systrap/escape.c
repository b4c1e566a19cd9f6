/* SPDX-License-Identifier: Apache-2.0 */
/* Hostile guests on the systrap backend: jumps to stub code, signal frames of their own making. */
#include "abi/linux/futex.h"
#include "abi/linux/sched.h"
#include "platform/systrap/systrap.h"
#define TOY_PLATFORM "systrap"
#include "tests/unit/platform/contract/toy.h"

#include <criterion/criterion.h>

__asm__(
    ".pushsection .rodata\n"
    "g_begin:\n"
    "g_loop: mov $39,%eax; syscall; jmp g_loop\n"
    "g_mark: movl $1,0x10008000\n"
    "g_spin: jmp g_spin\n"
    "g_exit: mov $60,%eax; syscall; hlt\n"
    "g_int80: mov $20,%eax; int $0x80; hlt\n"
    /* rdi -> registers: target, rax, rdi, rsi, rdx, r10, r8, r9, rsp */
    "g_jump: mov %rdi,%rbx; mov 8(%rbx),%rax; mov 24(%rbx),%rsi; mov 32(%rbx),%rdx\n"
    "mov 40(%rbx),%r10; mov 48(%rbx),%r8; mov 56(%rbx),%r9; mov 64(%rbx),%rsp\n"
    "mov 16(%rbx),%rdi; mov $0x7777,%r12d; mov $0x8888,%r13d; jmp *(%rbx)\n"
    /* rdi -> (address, u32) to store, a context behind address 0: its handler "reports"; then copies
         * a word forever */
    "g_forge: mov (%rdi),%rax; mov 8(%rdi),%rbx; add $16,%rdi; test %rax,%rax; jz 1f\n"
    "mov %ebx,(%rax); jmp g_forge\n"
    "1: mov 20472(%rbx),%eax; inc %eax; mov %eax,0x1e4(%rbx); incl 0x1e0(%rbx)\n"
    "2: mov 0x10008000,%eax; mov %eax,0x10004000; jmp 2b\n"
    "g_end:\n.popsection\n");
extern const char g_begin[], g_loop[], g_mark[], g_spin[], g_exit[], g_int80[], g_jump[], g_forge[],
    g_end[];
#define AT(label) (TOY_CODE + (u64)((label)-g_begin))
#define JUMP_OFF 0x1000ul
#define FRAME_OFF 0x2000ul
#define WORD_OFF 0x8000ul /* as in the code above */

static _Atomic u32 *word_of(u64 off)
{
    return (_Atomic u32 *)(toy_mem + TOY_DATA_OFF + off);
}

struct jump {
    u64 target, rax, rdi, rsi, rdx, r10, r8, r9, rsp;
};

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

TestSuite(systrap_escape, .init = setup, .fini = teardown, .timeout = 120);

static struct jump *jump_slot(void)
{
    return (struct jump *)(toy_mem + TOY_DATA_OFF + JUMP_OFF);
}

static struct platform_action keep_event(struct toy_task *t, const struct platform_event *ev)
{
    struct platform_event *out = t->data;
    *out = *ev;
    return toy_exit(t);
}

/* Without notifications a guest can bring itself to wait in our code: an interrupt ends that. */
static void join_waiting(struct toy_task *t)
{
    u64 deadline = host_now_mono() + 100 * NSEC_PER_MSEC;

    while (atomic_load(&t->done) == 0 && host_now_mono() < deadline)
        host_futex_wait(&t->done, 0, deadline);
    if (atomic_load(&t->done) == 0)
        platform_thread_interrupt(t->pt);
    toy_join(t);
}

static struct platform_event event_of_jump(struct jump j)
{
    struct platform_event ev = {0};
    struct toy_task t = {
        .fn = keep_event, .entry = AT(g_jump), .arg = TOY_DATA + JUMP_OFF, .data = &ev};

    *jump_slot() = j;
    toy_start(g_as, &t);
    if (systrap_traps())
        join_waiting(&t);
    else
        toy_join(&t);
    if (ev.type == PLATFORM_DIED) {
        platform_as_put(g_as);
        g_as = toy_as();
    }
    return ev;
}

static const struct {
    u64 nr, args[6];
} g_calls[] = {
    {LINUX_SYS_mmap, {0x20000000, PAGE_SIZE, 7, 0x11, 3, 0}},
    {LINUX_SYS_munmap, {TOY_CODE, TOY_CODE_SIZE}},
    {LINUX_SYS_mprotect, {TOY_CODE, TOY_CODE_SIZE, 7}},
    {LINUX_SYS_clone, {SYSTRAP_CLONE_THREAD}},
    {LINUX_SYS_clone, {SYSTRAP_CLONE_PROCESS}},
    {LINUX_SYS_seccomp, {LINUX_SECCOMP_SET_MODE_FILTER, SYSTRAP_LISTENER_FLAGS, 0}},
    {LINUX_SYS_sigaltstack, {0}},
    {LINUX_SYS_prctl, {1}},
    {LINUX_SYS_getppid, {0}},
    {LINUX_SYS_rt_sigreturn, {0}},
    {LINUX_SYS_exit_group, {0}},
    {LINUX_SYS_write, {2, TOY_CODE, 8}},
    {LINUX_SYS_execve, {TOY_CODE, 0, 0}},
    {LINUX_SYS_rt_sigprocmask, {0}},
    {LINUX_SYS_futex, {TOY_DATA, LINUX_FUTEX_WAIT, 0}},
    {LINUX_SYS_futex, {TOY_DATA, LINUX_FUTEX_WAKE, 1}},
    {LINUX_SYS_futex, {0, LINUX_FUTEX_WAKE | LINUX_FUTEX_PRIVATE_FLAG, 1}},
    {LINUX_SYS_futex, {0, LINUX_FUTEX_REQUEUE, 1, 1, TOY_DATA}},
    {LINUX_SYS_futex, {0, 1ull << 32 | LINUX_FUTEX_WAKE, 1}},
    {LINUX_SYS_futex, {0, LINUX_FUTEX_WAIT, 0, TOY_DATA}},
    {SYSTRAP_REPORT_NR, {11, 0, 0}},
};

/* An address of 0 is one that filters let threads use: of a context. */
static void args_of(size_t i, u64 *a)
{
    memcpy(a, g_calls[i].args, sizeof(g_calls[i].args));
    if (g_calls[i].nr == LINUX_SYS_futex && a[0] == 0)
        a[0] = g_systrap.region + SYSTRAP_CONTEXT_OFF;
}

static bool is_syscall(const char *code)
{
    return (u8)code[0] == 0x0f && (u8)code[1] == 0x05;
}

/* Every instruction that makes a syscall, with every syscall that some rule lets through and some
 * that none does: all of them come to us, but rt_sigreturn at its own place. */
Test(systrap_escape, every_syscall_instruction)
{
    size_t size = (size_t)(systrap_stub_end - systrap_stub_begin), found = 0;

    for (size_t off = 0; off + 1 < size; off++) {
        if (!is_syscall(systrap_stub_begin + off))
            continue;
        found++;
        for (size_t i = 0; i < ARRAY_SIZE(g_calls); i++) {
            u64 a[6];
            args_of(i, a);
            struct platform_event ev = event_of_jump((struct jump){
                g_systrap.region + off, g_calls[i].nr, a[0], a[1], a[2], a[3], a[4], a[5], 0x5000});
            if (g_calls[i].nr == LINUX_SYS_rt_sigreturn &&
                off + 2 == (size_t)(systrap_stub_sigreturn - systrap_stub_begin)) {
                cr_expect_neq(ev.type, PLATFORM_SYSCALL); /* there is no frame */
                continue;
            }
            cr_expect_eq(ev.type, PLATFORM_SYSCALL, "offset %zu nr %lu: event %d", off,
                         (long)g_calls[i].nr, ev.type);
            cr_expect_eq(ev.nr, g_calls[i].nr);
            cr_expect_eq(ev.ip, g_systrap.region + off + 2);
        }
    }
    cr_expect_eq(found, 18);
}

/* The code of call sites has none that the filters know at all. A forged report says nothing, as no
 * request has been posted, and its thread goes on into nowhere. */
Test(systrap_escape, every_syscall_instruction_of_call_sites)
{
    size_t size = (size_t)(systrap_low_end - systrap_low_begin), found = 0;

    for (size_t off = 0; off + 1 < size; off++) {
        if (!is_syscall(systrap_low_begin + off))
            continue;
        found++;
        for (size_t i = 0; i < ARRAY_SIZE(g_calls); i++) {
            u64 a[6];
            args_of(i, a);
            struct platform_event ev = event_of_jump((struct jump){
                LOW_BASE + off, g_calls[i].nr, a[0], a[1], a[2], a[3], a[4], a[5], 0x5000});
            if (g_calls[i].nr == SYSTRAP_REPORT_NR && !systrap_traps() &&
                off + 2 == (size_t)(systrap_low_posted - systrap_low_begin)) {
                cr_expect_eq(ev.type, PLATFORM_FAULT);
                continue;
            }
            cr_expect_eq(ev.type, PLATFORM_SYSCALL, "offset %zu nr %lu: event %d", off,
                         (long)g_calls[i].nr, ev.type);
            cr_expect_eq(ev.nr, g_calls[i].nr);
            cr_expect_eq(ev.ip, 0);
        }
    }
    cr_expect_eq(found, 3);
}

static void jump_to_bytes(u64 addr, size_t size, size_t densely)
{
    for (size_t off = 0; off < size; off += off < densely ? 1 : 37) {
        struct platform_event ev = event_of_jump((struct jump){addr + off, LINUX_SYS_mmap, TOY_DATA,
                                                               PAGE_SIZE, 3, 0x11, 3, 0,
                                                               TOY_DATA + TOY_DATA_SIZE - 4096});
        cr_expect(ev.type == PLATFORM_SYSCALL || ev.type == PLATFORM_FAULT ||
                      ev.type == PLATFORM_DIED ||
                      (systrap_traps() && ev.type == PLATFORM_INTERRUPTED),
                  "address %#lx: event %d", (long)(addr + off), ev.type);
    }
}

/* Any byte of our pages, with registers that might do something: an event, always. */
Test(systrap_escape, every_byte)
{
    jump_to_bytes(g_systrap.region, SYSTRAP_CODE_SIZE, 400);
}

Test(systrap_escape, every_byte_of_call_sites)
{
    size_t size = (size_t)(systrap_low_end - systrap_low_begin);

    jump_to_bytes(LOW_BASE, PAGE_SIZE, size);
}

/* --- rt_sigreturn with a frame of the guest's --- */

static struct jump forge(u64 rip, u64 mask, u64 stack)
{
    struct linux_ucontext *uc = (void *)(toy_mem + TOY_DATA_OFF + FRAME_OFF);

    memset(uc, 0, sizeof(*uc));
    uc->uc_flags = LINUX_UC_SIGCONTEXT_SS | LINUX_UC_STRICT_RESTORE_SS;
    uc->uc_mcontext.rip = rip;
    uc->uc_mcontext.rsp = TOY_DATA + TOY_DATA_SIZE;
    uc->uc_mcontext.cs = ARCH_USER_CS;
    uc->uc_mcontext.ss = ARCH_USER_DS;
    uc->uc_mcontext.eflags = 0x202;
    uc->uc_sigmask = mask;
    uc->uc_stack = (struct linux_stack){
        .ss_sp = stack, .ss_flags = (s32)LINUX_SS_AUTODISARM, .ss_size = 4 * PAGE_SIZE};
    if (!stack)
        uc->uc_stack.ss_flags = LINUX_SS_DISABLE;
    return (struct jump){
        .target = SYSTRAP_STUB(systrap_stub_sigreturn) - 2,
        .rax = LINUX_SYS_rt_sigreturn,
        .rsp = TOY_DATA + FRAME_OFF,
    };
}

static struct platform_action until_dead(struct toy_task *t, const struct platform_event *ev)
{
    if (ev->type == PLATFORM_SYSCALL) {
        t->last[0]++;
        return t->last[1] ? toy_exit(t) : RESUME(0);
    }
    t->last[2] = ev->type;
    return toy_exit(t);
}

static void start_forged(struct toy_task *t, struct jump j)
{
    *jump_slot() = j;
    t->fn = until_dead;
    t->entry = AT(g_jump);
    t->arg = TOY_DATA + JUMP_OFF;
    toy_start(g_as, t);
}

Test(systrap_escape, own_frame_is_just_registers)
{
    struct toy_task t = {.last = {0, 1}};
    struct jump j = forge(AT(g_exit), 0, 0);
    struct linux_ucontext *uc = (void *)(toy_mem + TOY_DATA_OFF + FRAME_OFF);

    if (systrap_traps()) /* calls need the handler's stack */
        uc->uc_stack = (struct linux_stack){.ss_sp = atomic_load(&g_as->all)->addr +
                                                     SYSTRAP_STACK_OFF,
                                            .ss_flags = (s32)LINUX_SS_AUTODISARM,
                                            .ss_size = SYSTRAP_STACK_SIZE};
    start_forged(&t, j);
    toy_join(&t);
    cr_expect_eq(t.last[0], 1);
}

/* Signals blocked: an interrupt does not get through. The guest pays with its life. */
Test(systrap_escape, blocked_signals_end_the_stub)
{
    struct toy_task t = {0};

    atomic_store(word_of(WORD_OFF), 0);
    start_forged(&t, forge(AT(g_mark), ~0ull, 0));
    while (atomic_load(word_of(WORD_OFF)) == 0)
        toy_sleep_ms(1);
    platform_thread_interrupt(t.pt);
    toy_join(&t);
    cr_expect_eq(t.last[2], PLATFORM_DIED);
    cr_expect_eq(atomic_load(&toy_stub_deaths), 0); /* not from outside */
}

/* With syscalls in between the interrupt comes at the next one. By a signal that is blocked no call
 * comes: the host ends who makes one. */
Test(systrap_escape, blocked_signals_and_syscalls)
{
    struct toy_task t = {0};

    start_forged(&t, forge(AT(g_loop), ~0ull, 0));
    if (!systrap_traps()) {
        toy_sleep_ms(20);
        platform_thread_interrupt(t.pt);
    }
    toy_join(&t);
    cr_expect_eq(t.last[2], systrap_traps() ? PLATFORM_DIED : PLATFORM_INTERRUPTED);
}

/* A fault, or a call that the filter refuses, of one that blocks the signal: the host ends the stub,
 * which is the guest's own doing. */
Test(systrap_escape, blocked_faults_end_the_stub)
{
    u64 entries[] = {0x1000, AT(g_int80), AT(g_loop)};

    for (size_t i = 0; i < ARRAY_SIZE(entries); i++) {
        struct toy_task t = {.last = {0, i == 2 && !systrap_traps()}};
        start_forged(&t, forge(entries[i], ~0ull, 0));
        toy_join(&t);
        if (!t.last[1])
            cr_expect_eq(t.last[2], PLATFORM_DIED);
        platform_as_put(g_as);
        g_as = toy_as();
    }
    toy_sleep_ms(600); /* the master has seen the ends */
    cr_expect_eq(atomic_load(&toy_stub_deaths), 0);
}

static struct platform_action ask_for_registers(struct toy_task *t, const struct platform_event *ev)
{
    struct arch_regs regs;

    if (ev->type == PLATFORM_SYSCALL) {
        platform_regs_get(t->pt, &regs);
        return RESUME(0);
    }
    t->last[2] = ev->type;
    return toy_exit(t);
}

/* The handler's stack elsewhere, or no signals: registers can't be had. */
Test(systrap_escape, registers_kept_away)
{
    struct toy_task t = {0}, u = {0};

    *jump_slot() = forge(AT(g_loop), ~0ull, 0);
    t.entry = u.entry = AT(g_jump);
    t.arg = u.arg = TOY_DATA + JUMP_OFF;
    t.fn = u.fn = ask_for_registers;
    toy_start(g_as, &t);
    toy_join(&t);
    cr_expect_eq(t.last[2], PLATFORM_DIED);
    platform_as_put(g_as);

    g_as = toy_as();
    *jump_slot() = forge(AT(g_loop), 0, TOY_DATA + 0x10000);
    toy_start(g_as, &u);
    toy_join(&u);
    cr_expect_eq(u.last[2], PLATFORM_DIED);
}

/* What a guest did to its thread does not meet the next user of the stub. */
Test(systrap_escape, nothing_is_inherited)
{
    static const struct {
        u64 mask, stack;
    } tricks[] = {{~0ull, 0}, {0, TOY_DATA + 0x10000}, {0, 0}, {1ull << 60, 0}};

    for (size_t i = 0; i < 24; i++) {
        struct toy_task t = {.last = {0, 1}};
        struct toy_task u = {.fn = until_dead, .entry = AT(g_spin)};
        start_forged(&t, forge(AT(g_exit), tricks[i % 4].mask, tricks[i % 4].stack));
        toy_join(&t);
        platform_as_put(g_as);
        toy_sleep_ms(2);
        g_as = toy_as();
        toy_start(g_as, &u);
        toy_sleep_ms(2);
        platform_thread_interrupt(u.pt);
        toy_join(&u);
        cr_expect_eq(u.last[2], PLATFORM_INTERRUPTED, "after trick %zu: event %lu", i % 4,
                     (long)u.last[2]);
    }
}

/* --- reports that a guest writes itself, where there are no notifications --- */

#define POKES_OFF 0x3000ul
#define COPY_OFF 0x4000ul

_Static_assert(CTX_TRAP_ANSWER == 20472 && CTX_TRAP_REPORT == 0x1e4 && CTX_TRAP_BELL == 0x1e0,
               "g_forge");

static struct platform_action stay_in_fault(struct toy_task *t, const struct platform_event *ev)
{
    _Atomic u32 *stage = t->data;

    if (ev->type != PLATFORM_FAULT) {
        t->last[2] = ev->type;
        return toy_exit(t);
    }
    atomic_store(stage, 1);
    while (atomic_load(stage) == 1)
        toy_sleep_ms(1);
    return toy_exit(t);
}

/* One guest thread has come and gone: the place of frames is known, and there is one stub thread. */
static void run_first(void)
{
    struct toy_task first = {.entry = AT(g_exit)};
    bool back = false;

    toy_start(g_as, &first);
    toy_join(&first);
    while (!back) {
        mutex_lock(&g_as->lock);
        back = !list_empty(&g_as->ready);
        mutex_unlock(&g_as->lock);
        toy_sleep_ms(1);
    }
}

/* A fault, it says, while it goes on. */
static void start_forger(struct toy_task *t)
{
    struct stub_thread *s = atomic_load(&g_as->all);
    u64 frame = s->addr + s->frame;
    u64 pokes[][2] = {
        {frame + offsetof(struct linux_rt_sigframe, info.si_code), 1},
        {s->addr + CTX_TRAP_SIG, LINUX_SIGSEGV},
        {s->addr + CTX_TRAP_FRAME, (u32)frame},
        {s->addr + CTX_TRAP_FRAME + 4, frame >> 32},
        {0, s->addr},
    };

    memcpy(toy_mem + TOY_DATA_OFF + POKES_OFF, pokes, sizeof(pokes));
    t->entry = AT(g_forge);
    t->arg = TOY_DATA + POKES_OFF;
    toy_start(g_as, t);
}

/* It runs, though it says that it waits. */
static bool forger_runs(void)
{
    u64 deadline = host_now_mono() + 10 * NSEC_PER_SEC;

    atomic_store(word_of(COPY_OFF), 0);
    while (atomic_load(word_of(COPY_OFF)) != 1 && host_now_mono() < deadline)
        toy_sleep_ms(1);
    return atomic_load(word_of(COPY_OFF)) == 1;
}

/* Memory that is taken away is gone, though the thread only says that it waits. */
Test(systrap_escape, forged_report_keeps_no_memory)
{
    struct platform_mapop unmap = {
        .type = PLATFORM_UNMAP, .addr = TOY_DATA + WORD_OFF, .len = PAGE_SIZE};
    _Atomic u32 stage = 0;
    struct toy_task t = {.fn = stay_in_fault, .data = &stage};

    if (!systrap_traps())
        cr_skip_test("forged reports are for the trap transport");
    run_first();
    atomic_store(word_of(WORD_OFF), 1);
    start_forger(&t);
    while (atomic_load(&stage) == 0)
        toy_sleep_ms(1);
    cr_assert(forger_runs());
    cr_expect_eq(platform_as_apply(g_as, &unmap, 1), 0);
    atomic_store(word_of(WORD_OFF), 2);
    toy_sleep_ms(20);
    cr_expect_eq(atomic_load(word_of(COPY_OFF)), 1);
    atomic_store(&stage, 2);
    toy_join(&t);
}

/* ... nor when the address space goes, and its thread does not meet the next user of the stub. */
Test(systrap_escape, forged_report_ends_with_its_space)
{
    _Atomic u32 stage = 0;
    struct toy_task u = {.fn = until_dead, .entry = AT(g_spin)};

    if (!systrap_traps())
        cr_skip_test("forged reports are for the trap transport");
    for (u32 i = 0; i < 8; i++) {
        struct toy_task t = {.fn = stay_in_fault, .data = &stage};
        atomic_store(&stage, 0);
        run_first();
        atomic_store(word_of(WORD_OFF), 1);
        start_forger(&t);
        while (atomic_load(&stage) == 0)
            toy_sleep_ms(1);
        cr_assert(forger_runs());
        atomic_store(&stage, 2);
        toy_join(&t);
        platform_as_retire(g_as);
        atomic_store(word_of(WORD_OFF), 2);
        toy_sleep_ms(5);
        cr_expect_eq(atomic_load(word_of(COPY_OFF)), 1);
        platform_as_put(g_as);
        g_as = toy_as();
        toy_start(g_as, &u);
        toy_sleep_ms(2);
        platform_thread_interrupt(u.pt);
        toy_join(&u);
        cr_expect_eq(u.last[2], PLATFORM_INTERRUPTED);
    }
}
