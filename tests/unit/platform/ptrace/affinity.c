/* SPDX-License-Identifier: Apache-2.0 */
/* Where the ptrace backend lets guest threads run: together with their tracer, or anywhere. */
#include "platform/ptrace/ptrace.h"
#define TOY_PLATFORM "ptrace"
#include "tests/unit/platform/contract/toy.h"

#include <criterion/criterion.h>

__asm__(".pushsection .rodata\n"
        "g_begin:\n"
        "g_loop: mov $39,%eax; syscall; jmp g_loop\n"
        "g_spin: jmp g_spin\n"
        "g_end:\n.popsection\n");
extern const char g_begin[], g_loop[], g_spin[], g_end[];
#define AT(label) (TOY_CODE + (u64)((label)-g_begin))

static void setup(void)
{
    toy_init(g_begin, g_end);
}

static void teardown(void)
{
    platform_shutdown();
    cr_expect_eq(toy_children(NULL, 0), 0);
}

TestSuite(ptrace_affinity, .init = setup, .fini = teardown, .timeout = 60);

static struct platform_action until_told(struct toy_task *t, const struct platform_event *ev)
{
    t->last[0] = (u64)t->pt->tid;
    if (atomic_load((atomic_uint *)t->data))
        return toy_exit(t);
    return ev->type == PLATFORM_SYSCALL ? RESUME(0) : CONTEXT();
}

/* True when the guest's stub thread may run on that many CPUs within a second. */
static bool comes_to(int tid, int cpus)
{
    for (int i = 0; i < 1000; i++) {
        if (toy_cpus(tid) == cpus)
            return true;
        toy_sleep_ms(1);
    }
    return false;
}

static void run(u64 entry, bool pinned)
{
    struct platform_as *as = toy_as();
    atomic_uint stop = 0;
    struct toy_task t = {.fn = until_told, .entry = entry, .data = &stop};
    int all = toy_cpus(0);

    if (all == 1)
        cr_skip_test("one CPU");
    toy_start(as, &t);
    platform_thread_interrupt(t.pt); /* an event for one that computes */
    while (t.last[0] == 0)
        toy_sleep_ms(1);
    cr_expect(comes_to((int)t.last[0], pinned ? 1 : all));
    atomic_store(&stop, 1);
    platform_thread_interrupt(t.pt);
    toy_join(&t);
    platform_as_put(as);
}

Test(ptrace_affinity, guest_that_makes_syscalls_stays_with_its_tracer)
{
    run(AT(g_loop), true);
}

Test(ptrace_affinity, guest_that_computes_may_run_anywhere)
{
    run(AT(g_spin), false);
}

static void note_cpus(void *arg)
{
    atomic_uint *n = arg;
    atomic_store(n, (u32)toy_cpus(0));
    host_futex_wake(n, 1);
}

static struct platform_action make_thread(struct toy_task *t, const struct platform_event *ev)
{
    if (atomic_load(&t->events) < 1000)
        return ev->type == PLATFORM_SYSCALL ? RESUME(0) : CONTEXT();
    cr_expect_eq(cv_thread_create("note", note_cpus, t->data), 0);
    return toy_exit(t);
}

Test(ptrace_affinity, threads_made_in_an_event_do_not_inherit_the_pin)
{
    struct platform_as *as = toy_as();
    atomic_uint cpus = 0;
    struct toy_task t = {.fn = make_thread, .entry = AT(g_loop), .data = &cpus};

    toy_start(as, &t);
    toy_join(&t);
    while (atomic_load(&cpus) == 0)
        host_futex_wait(&cpus, 0, 0);
    cr_expect_eq((int)cpus, toy_cpus(0));
    platform_as_put(as);
}
