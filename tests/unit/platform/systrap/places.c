/* SPDX-License-Identifier: Apache-2.0 */
/* Where vcpus run: one whose guest runs alone and makes calls stays on its CPU, for a while. */
#include "platform/systrap/systrap.h"
#define TOY_PLATFORM "systrap"
#include "tests/unit/platform/contract/toy.h"

#include <criterion/criterion.h>

__asm__(".pushsection .rodata\n"
        "g_begin:\n"
        "g_loop: mov $39,%eax; syscall; jmp g_loop\n"
        "g_spin: jmp g_spin\n"
        "g_end:\n.popsection\n");
extern const char g_begin[], g_loop[], g_spin[], g_end[];
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

TestSuite(systrap_places, .init = setup, .fini = teardown, .timeout = 60);

/* True when that thread may run on so many CPUs within two seconds. */
static bool comes_to(int tid, int cpus)
{
    u64 end = host_now_mono() + 2 * NSEC_PER_SEC;

    while (host_now_mono() < end) {
        if (toy_cpus(tid) == cpus)
            return true;
        toy_sleep_ms(1);
    }
    return false;
}

static struct platform_action until_told(struct toy_task *t, const struct platform_event *ev)
{
    if (atomic_load((atomic_uint *)t->data))
        return toy_exit(t);
    return ev->type == PLATFORM_SYSCALL ? RESUME(0) : CONTEXT();
}

static int start(struct toy_task *t, u64 entry, atomic_uint *stop)
{
    *t = (struct toy_task){.fn = until_told, .entry = entry, .data = stop};
    toy_start(g_as, t);
    while (atomic_load(&t->pt->host_tid) == 0)
        toy_sleep_ms(1);
    return atomic_load(&t->pt->host_tid);
}

static void stop(struct toy_task *t, atomic_uint *flag)
{
    atomic_store(flag, 1);
    platform_thread_interrupt(t->pt);
    toy_join(t);
}

Test(systrap_places, alone_it_stays_and_now_and_then_floats)
{
    atomic_uint end = 0;
    struct toy_task t;
    int all = toy_cpus(0), tid;

    if (all == 1)
        cr_skip_test("one CPU");
    tid = start(&t, AT(g_loop), &end);
    for (int i = 0; i < 3; i++) {
        cr_expect(comes_to(tid, 1));
        cr_expect(comes_to(tid, all));
    }
    cr_expect_eq(toy_cpus(t.pt->stub->tid), all, "a stub thread is never held");
    stop(&t, &end);
}

Test(systrap_places, side_by_side_both_float)
{
    atomic_uint end[2] = {0};
    struct toy_task t[2];
    int all = toy_cpus(0), tid[2], held = 0;

    if (all == 1)
        cr_skip_test("one CPU");
    tid[0] = start(&t[0], AT(g_loop), &end[0]);
    cr_expect(comes_to(tid[0], 1));
    tid[1] = start(&t[1], AT(g_spin), &end[1]);
    cr_expect(comes_to(tid[0], all));
    for (int i = 0; i < 150; i++) {
        held += toy_cpus(tid[0]) == 1;
        toy_sleep_ms(1);
    }
    cr_expect_eq(held, 0, "held in %d of 150 ms", held);
    stop(&t[1], &end[1]);
    cr_expect(comes_to(tid[0], 1));
    stop(&t[0], &end[0]);
}
