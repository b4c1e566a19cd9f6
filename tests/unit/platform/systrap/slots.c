/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Patched call sites and slots on the systrap backend, with guests that write to their slot what they
 * like: a thread whose request has been taken need not wait for the answer.
 */
#include "platform/systrap/systrap.h"
#define TOY_PLATFORM "systrap"
#include "tests/unit/platform/contract/toy.h"

#include <criterion/criterion.h>

#define FORGED 2000 /* call number */

#define STR_(x) #x
#define STR(x) STR_(x)

__asm__(
    ".pushsection .rodata\n"
    "g_begin: nop; nop; nop; nop\n"
    /* until the vcpu looks at the slot, then a request that nobody waits for */
    "g_forge: mov $39,%eax; syscall\n"
    "cmpw $1,%gs:" STR(
        CTX_STATE) "; jne g_forge\n"
                   "movl $2000,%gs:" STR(CTX_NR) "; movw $0,%gs:" STR(CTX_ATTN) "; incw %gs:" STR(
                       CTX_SEQ) "\n"
                                "1: incq (%rdi); cmpw $0,%gs:" STR(
                                    CTX_STATE) "; jne 1b\n"
                                               "mov %gs:" STR(CTX_SEQ) ",%ax; cmp %ax,%gs:" STR(
                                                   CTX_DONE) "; jne g_forge; jmp 1b\n"
                                                             /* steps over a site with the trap flag, once it is hot */
                                                             "g_tf: mov $600,%ebx; xor "
                                                             "%r12d,%r12d\n"
                                                             "2: mov $39,%eax; syscall; dec %ebx; "
                                                             "jnz 2b\n"
                                                             "test %r12d,%r12d; jnz 3f; mov "
                                                             "$1,%r12d; mov $1,%ebx\n"
                                                             "pushfq; orq $0x100,(%rsp); popfq; "
                                                             "jmp 2b\n"
                                                             "3: mov $60,%eax; syscall\n"
                                                             /* what was left in the context; leaves something */
                                                             "g_left: mov %gs:" STR(
                                                                 CTX_FP) ",%rdi; mov %gs:" STR(LOAD_R12) ",%rsi\n"
                                                                                                         "mov %gs:4160,%rdx; movq $0x55,%gs:" STR(CTX_FP) "; movq $0x56,%gs:" STR(
                                                                                                             LOAD_R12) "\n"
                                                                                                                       "movq $0x57,%gs:4160; mov $61,%eax; syscall\n"
                                                                                                                       /* for ever: a report of a fault where code of ours has found no slot, and a return from a
         * frame that blocks all signals; rax, r15 = its offset, the address of the report */
                                                                                                                       "g_report: mov $39,%eax; syscall; mov %rax,%r14; mov (%rdi),%r15; mov 8(%rdi),%r13\n"
                                                                                                                       "4: rdgsbase %rbx; lea (%rbx,%r14),%rsi; mov %r13,%rcx\n"
                                                                                                                       "mov 16(%rdi),%rax; mov %rcx,(%rsi,%rax)\n" /* rip */
                                                                                                                       "mov 24(%rdi),%rax; movq $11,(%rsi,%rax); movq $1,8(%rsi,%rax); movq $0,16(%rsi,%rax)\n"
                                                                                                                       "rdfsbase %rdx; mov %rbx,%r10; mov %rdi,%r12; lea 4096(%rdi),%rsp; mov $11,%edi\n"
                                                                                                                       "xor %ecx,%ecx; mov $" STR(
                                                                                                                           REPORT_NR) ",%eax; jmp *%r15\n"
                                                                                                                                      "g_again: jmp 4b\n"
                                                                                                                                      /* calls that make the site hot, then one each time when it is told so */
                                                                                                                                      "g_kick: mov $600,%ebx; 5: mov $39,%eax; syscall; dec %ebx; jg 5b\n"
                                                                                                                                      "6: pause; cmpl $0,(%rdi); je 6b; movl $0,(%rdi); jmp 5b\n"
                                                                                                                                      "g_end:\n.popsection\n");
extern const char g_begin[], g_forge[], g_tf[], g_left[], g_report[], g_again[], g_kick[], g_end[];
#define AT(label) (TOY_CODE + (u64)((label)-g_begin))

static struct platform_as *g_as;
static atomic_uint g_go; /* futex: the handler may go on */

static void setup(void)
{
    toy_init(g_begin, g_end);
    g_as = toy_as();
}

static void teardown(void)
{
    platform_shutdown();
}

TestSuite(systrap_slots, .init = setup, .fini = teardown, .timeout = 60);

static void patch(const struct platform_event *ev)
{
    if (ev->hot)
        platform_as_patch(g_as, ev->ip, toy_mem + ((ev->ip - TOY_CODE) & PAGE_MASK),
                          PLATFORM_READ | PLATFORM_EXEC);
}

static u64 counter(void)
{
    return __atomic_load_n((u64 *)(toy_mem + TOY_DATA_OFF), __ATOMIC_RELAXED);
}

/* Whether the thread that is in an event does something. Not if the host lets nobody spin. */
static bool wait_forged(struct toy_task *t)
{
    u64 deadline = host_now_mono() + 20 * NSEC_PER_SEC;

    while (!__atomic_load_n(&t->last[0], __ATOMIC_ACQUIRE)) {
        if (host_now_mono() > deadline)
            return false;
        toy_sleep_ms(1);
    }
    return true;
}

static void expect_still(void)
{
    u64 before = counter();
    toy_sleep_ms(30);
    cr_expect_eq(counter(), before, "guest code runs and has the page");
}

static struct platform_action on_forge(struct toy_task *t, const struct platform_event *ev)
{
    if (ev->type != PLATFORM_SYSCALL)
        return toy_exit(t);
    if (ev->nr != FORGED) {
        patch(ev);
        return RESUME(0);
    }
    __atomic_store_n(&t->last[0], 1, __ATOMIC_RELEASE);
    while (atomic_load(&g_go) == 0)
        host_futex_wait(&g_go, 0, 0);
    if (t->data) {
        memset(toy_mem + TOY_DATA_OFF + PAGE_SIZE, 0, PAGE_SIZE);
        platform_fp_get(t->pt, toy_mem + TOY_DATA_OFF + PAGE_SIZE);
    }
    return t->last[1] ? RESUME(0) : toy_exit(t);
}

static void go(struct toy_task *t)
{
    atomic_store(&g_go, 1);
    host_futex_wake(&g_go, 1);
    toy_join(t);
}

/* A change from outside must reach a thread that only pretends to be in an event. */
Test(systrap_slots, removal_reaches_a_thread_that_goes_on)
{
    struct toy_task t = {.fn = on_forge, .entry = AT(g_forge), .arg = TOY_DATA};
    struct platform_mapop op = {.type = PLATFORM_UNMAP, .addr = TOY_DATA, .len = PAGE_SIZE};

    toy_start(g_as, &t);
    if (!wait_forged(&t))
        cr_skip_test("nobody spins on this host");
    cr_expect_eq(platform_as_apply(g_as, &op, 1), 0);
    expect_still();
    go(&t);
    platform_as_put(g_as);
}

/* ... and so must the end of its address space. */
Test(systrap_slots, retirement_reaches_a_thread_that_has_exited)
{
    struct toy_task t = {.fn = on_forge, .entry = AT(g_forge), .arg = TOY_DATA};

    toy_start(g_as, &t);
    if (!wait_forged(&t))
        cr_skip_test("nobody spins on this host");
    go(&t);
    platform_as_retire(g_as);
    expect_still();
    platform_as_put(g_as);
}

/* The kernel asks for its FP state, which it should save. */
Test(systrap_slots, thread_that_ignores_a_command_is_ended)
{
    struct toy_task t = {.fn = on_forge, .entry = AT(g_forge), .arg = TOY_DATA, .data = &t};

    toy_start(g_as, &t);
    if (!wait_forged(&t))
        cr_skip_test("nobody spins on this host");
    go(&t);
    platform_as_put(g_as);
}

/* Every instruction of a program that has set its trap flag is a step, whatever became of the code. */
static struct platform_action on_step(struct toy_task *t, const struct platform_event *ev)
{
    if (ev->type == PLATFORM_SYSCALL) {
        patch(ev);
        t->last[1]++;
        return ev->nr == 60 ? toy_exit(t) : RESUME(0);
    }
    if (ev->type == PLATFORM_FAULT && ev->signo == LINUX_SIGSEGV) { /* the backend has dropped it */
        struct platform_mapop op = toy_map(TOY_CODE, TOY_CODE_SIZE, 0,
                                           PLATFORM_READ | PLATFORM_EXEC);
        cr_expect_eq(ev->addr & PAGE_MASK, TOY_CODE);
        if (++t->last[3] < 5 && platform_as_apply(g_as, &op, 1) == 0)
            return CONTEXT();
    }
    cr_expect_eq(ev->type, PLATFORM_FAULT);
    cr_expect_eq(ev->signo, LINUX_SIGTRAP);
    if (ev->type != PLATFORM_FAULT || ev->signo != LINUX_SIGTRAP || ++t->last[2] > 50)
        return toy_exit(t);
    return CONTEXT();
}

Test(systrap_slots, trap_flag_at_a_patched_site)
{
    struct toy_task t = {.fn = on_step, .entry = AT(g_tf)};

    toy_start(g_as, &t);
    toy_join(&t);
    cr_expect_eq(t.last[1], 602);
    cr_expect_leq(t.last[2], 12);
    cr_expect_geq(t.last[2], 4);
    platform_as_put(g_as);
}

static struct platform_action on_left(struct toy_task *t, const struct platform_event *ev)
{
    for (int i = 0; i < 3; i++)
        t->last[i] = ev->args[i];
    return toy_exit(t);
}

/* A stub that is used again has nothing of its former guest. */
Test(systrap_slots, contexts_are_forgotten)
{
    for (int i = 0; i < 30; i++) {
        struct toy_task t = {.fn = on_left, .entry = AT(g_left)};

        toy_start(g_as, &t);
        toy_join(&t);
        for (int k = 0; k < 3; k++)
            cr_expect_eq(t.last[k], 0);
        platform_as_put(g_as);
        toy_sleep_ms(2);
        g_as = toy_as();
    }
    platform_as_put(g_as);
}

static struct platform_action on_report(struct toy_task *t, const struct platform_event *ev)
{
    u64 *data = (u64 *)(toy_mem + TOY_DATA_OFF);
    struct linux_rt_sigframe *f = (void *)(data + 512);

    if (ev->type != PLATFORM_SYSCALL || t->last[0]++)
        return toy_exit(t);
    data[0] = SYSTRAP_STUB(systrap_stub_reported) - 2;
    data[1] = SYSTRAP_LOW(systrap_low_mov);
    data[2] = offsetof(struct linux_rt_sigframe, uc.uc_mcontext.rip);
    data[3] = offsetof(struct linux_rt_sigframe, info);
    memset(f, 0, sizeof(*f));
    f->uc.uc_sigmask = ~0ull;
    f->uc.uc_flags = LINUX_UC_SIGCONTEXT_SS | LINUX_UC_STRICT_RESTORE_SS;
    f->uc.uc_mcontext.rip = AT(g_again);
    f->uc.uc_mcontext.rdi = TOY_DATA;
    f->uc.uc_mcontext.r13 = data[1];
    f->uc.uc_mcontext.r14 = t->pt->stub->frame;
    f->uc.uc_mcontext.r15 = data[0];
    f->uc.uc_mcontext.cs = ARCH_USER_CS;
    f->uc.uc_mcontext.ss = ARCH_USER_DS;
    f->uc.uc_mcontext.eflags = 0x202;
    return RESUME(t->pt->stub->frame);
}

/* What is no event for the kernel, again and again, does not keep an interrupt away. */
Test(systrap_slots, reports_that_are_no_events)
{
    struct toy_task t = {.fn = on_report, .entry = AT(g_report), .arg = TOY_DATA};

    if (g_systrap.rungs & RUNG_TRAP)
        cr_skip_test("without notifications the host ends a stub that blocks SIGSYS");
    toy_start(g_as, &t);
    while (atomic_load(&t.events) == 0)
        toy_sleep_ms(1);
    toy_sleep_ms(50);
    cr_expect_eq(atomic_load(&t.events), 1);
    platform_thread_interrupt(t.pt);
    toy_join(&t);
    platform_as_put(g_as);
}

/* All the ways in which a call can be answered. */
static struct platform_action on_kick(struct toy_task *t, const struct platform_event *ev)
{
    static char fp[ARCH_FP_MAX] __aligned_to(64);
    struct arch_regs regs;
    u64 n = t->last[1]++;

    if (t->last[0])
        return toy_exit(t);
    if (ev->type != PLATFORM_SYSCALL) /* also of the single step */
        return CONTEXT();
    patch(ev);
    switch (n % 7) {
    case 1:
        platform_regs_get(t->pt, &regs);
        return RESUME(0);
    case 2:
        platform_regs_get(t->pt, &regs);
        platform_regs_set(t->pt, &regs);
        return CONTEXT();
    case 3:
        platform_fp_get(t->pt, fp);
        platform_fp_set(t->pt, fp);
        return RESUME(0);
    case 4:
        return RESUME(-512);
    case 5:
        platform_single_step(t->pt);
        return RESUME(0);
    default:
        return RESUME(0);
    }
}

Test(systrap_slots, no_interrupt_is_lost_at_a_slot)
{
    struct toy_task t = {.fn = on_kick, .entry = AT(g_kick), .arg = TOY_DATA};

    toy_start(g_as, &t);
    while (atomic_load(&t.events) < 600 && atomic_load(&t.done) == 0)
        toy_sleep_ms(1);
    u64 ns = toy_kick_at_calls(&t, 20000);
    cr_log_info("longest %lu us", (unsigned long)ns / 1000);
    cr_expect_lt(ns, TOY_LOST_NS);
    t.last[0] = 1;
    platform_thread_interrupt(t.pt);
    toy_join(&t);
    cr_expect_eq(atomic_load(&toy_stub_deaths), 0);
}
