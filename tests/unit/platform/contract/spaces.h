/* SPDX-License-Identifier: Apache-2.0 */
/* Address spaces and threads: map operations, many of each, deaths, leaks. Each backend's spaces.c includes this. */
#ifndef TESTS_UNIT_PLATFORM_CONTRACT_SPACES_H
#define TESTS_UNIT_PLATFORM_CONTRACT_SPACES_H

#include "tests/unit/platform/contract/toy.h"

#include <criterion/criterion.h>
#include <stdlib.h>

__asm__(".pushsection .rodata\n"
        "g_begin:\n"
        "g_loop: mov $39,%eax; syscall; jmp g_loop\n"
        "g_exit: mov $60,%eax; syscall; hlt\n"
        "g_spin: jmp g_spin\n"
        /* reads rdi forever; every 256 reads a syscall with the last value */
        "g_reader: xor %ecx,%ecx\n"
        "1: mov (%rdi),%rsi; inc %cl; jnz 1b; mov $39,%eax; syscall; jmp g_reader\n"
        /* counts with its own register and checks it across syscalls */
        "g_count: mov $1000,%ebx\n"
        "2: mov $39,%eax; syscall; dec %ebx; jnz 2b; mov $60,%eax; syscall\n"
        "g_end:\n.popsection\n");
extern const char g_begin[], g_loop[], g_exit[], g_spin[], g_reader[], g_count[], g_end[];
#define AT(label) (TOY_CODE + (u64)((label)-g_begin))

static int g_template; /* read before the master may change it */

static void setup(void)
{
    toy_init(g_begin, g_end);
    g_template = TOY_TEMPLATE_PID;
}

static void teardown(void)
{
    platform_shutdown();
    cr_expect_eq(toy_children(NULL, 0), 0);
}

TOY_SUITE_OPTIONS(.init = setup, .fini = teardown, .timeout = 60);

static struct platform_action exit_at_60(struct toy_task *t, const struct platform_event *ev)
{
    if (ev->type == PLATFORM_INTERRUPTED)
        return CONTEXT();
    if (ev->type != PLATFORM_SYSCALL || ev->nr == 60)
        return toy_exit(t);
    return RESUME(0);
}

/* --- threads --- */

TOY_TEST(thirty_threads_of_one_space)
{
    struct platform_as *as = toy_as();
    struct toy_task t[30];

    memset(t, 0, sizeof(t));
    for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
        t[i].fn = exit_at_60;
        t[i].entry = AT(g_count);
        toy_start(as, &t[i]);
    }
    for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
        toy_join(&t[i]);
        cr_expect_eq(t[i].events, 1001);
    }
    platform_as_put(as);
}

struct spawner {
    struct platform_as *as;
    int left;
    struct toy_task child;
};

static struct platform_action spawn(struct toy_task *t, const struct platform_event *ev)
{
    struct spawner *s = t->data;

    if (ev->type != PLATFORM_SYSCALL || s->left-- == 0)
        return toy_exit(t);
    struct toy_task *c = &s->child;
    memset(c, 0, sizeof(*c));
    c->fn = exit_at_60;
    c->entry = AT(g_exit);
    toy_start(s->as, c);
    toy_join(c);
    return RESUME(0);
}

TOY_TEST(threads_made_in_an_event)
{
    struct spawner s = {.as = toy_as(), .left = 500};
    struct toy_task t = {.fn = spawn, .entry = AT(g_loop), .data = &s};

    toy_start(s.as, &t);
    toy_join(&t);
    cr_expect_eq(t.events, 501);
    platform_as_put(s.as);
}

/* --- map operations --- */

static struct platform_action record(struct toy_task *t, const struct platform_event *ev)
{
    if (ev->type == PLATFORM_SYSCALL) {
        t->last[0] = ev->args[1]; /* rsi */
        return t->last[7] ? toy_exit(t) : RESUME(0);
    }
    if (ev->type == PLATFORM_INTERRUPTED)
        return CONTEXT();
    t->last[1] = ev->addr;
    return toy_exit(t);
}

TOY_TEST(removal_from_outside_reaches_a_running_guest)
{
    struct platform_as *as = toy_as();
    struct toy_task t = {.fn = record, .entry = AT(g_reader), .arg = TOY_DATA};
    struct platform_mapop op = {.type = PLATFORM_UNMAP, .addr = TOY_DATA, .len = PAGE_SIZE};

    toy_start(as, &t);
    while (atomic_load(&t.events) < 10)
        host_sched_yield();
    cr_expect_eq(platform_as_apply(as, &op, 1), 0);
    toy_join(&t);
    cr_expect_eq(t.last[1], TOY_DATA);
    platform_as_put(as);
}

TOY_TEST(replaced_page_is_seen_at_once)
{
    struct platform_as *as = toy_as();
    struct toy_task t = {.fn = record, .entry = AT(g_reader), .arg = TOY_DATA};

    for (u64 i = 0; i < 200; i++)
        *(u64 *)(toy_mem + 0x200000 + i * PAGE_SIZE) = i + 1;
    toy_start(as, &t);
    while (atomic_load(&t.events) < 10)
        host_sched_yield();
    for (u64 i = 0; i < 200; i++) {
        struct platform_mapop op = toy_map(TOY_DATA, PAGE_SIZE, 0x200000 + i * PAGE_SIZE,
                                           PLATFORM_READ);
        cr_assert_eq(platform_as_apply(as, &op, 1), 0);
        u64 before = atomic_load(&t.events);
        /* The call under way may carry the old value, the one behind it may not; an event is counted
         * before it is recorded. */
        while (atomic_load(&t.events) < before + 3)
            host_sched_yield();
        cr_assert_geq(t.last[0], i + 1, "%lu after %lu", (long)t.last[0], (long)i + 1);
        cr_assert_eq(atomic_load(&t.faults), 0);
    }
    t.last[7] = 1;
    toy_join(&t);
    platform_as_put(as);
}

struct mapper {
    struct platform_as *as;
    u64 base;
    int errors;
    atomic_uint *left;
};

static void map_many(void *arg)
{
    struct mapper *m = arg;

    for (u64 i = 0; i < 300; i++) {
        u64 addr = m->base + (i % 16) * 2 * PAGE_SIZE;
        struct platform_mapop ops[3] = {
            toy_map(addr, PAGE_SIZE, 0x300000, PLATFORM_READ),
            {.type = PLATFORM_PROTECT, .addr = addr, .len = PAGE_SIZE, .prot = 0},
            {.type = PLATFORM_UNMAP, .addr = addr, .len = PAGE_SIZE},
        };
        m->errors += platform_as_apply(m->as, ops, 1 + i % 3) != 0;
    }
    atomic_uint *left = m->left; /* m may be gone when the last one is counted */
    atomic_fetch_sub(left, 1);
    host_futex_wake(left, 1);
}

TOY_TEST(concurrent_changes_from_outside)
{
    struct platform_as *as = toy_as();
    struct toy_task t[3];
    struct mapper m[4];
    atomic_uint left = ARRAY_SIZE(m);

    memset(t, 0, sizeof(t));
    for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
        t[i].fn = record;
        t[i].entry = i == 0 ? AT(g_loop) : i == 1 ? AT(g_reader) : AT(g_spin);
        t[i].arg = TOY_DATA;
        toy_start(as, &t[i]);
    }
    for (size_t i = 0; i < ARRAY_SIZE(m); i++) {
        m[i] = (struct mapper){.as = as, .base = 0x30000000 + i * 0x1000000, .left = &left};
        cr_assert_eq(cv_thread_create("mapper", map_many, &m[i]), 0);
    }
    for (u32 n; (n = atomic_load(&left)) > 0;)
        host_futex_wait(&left, n, 0);
    for (size_t i = 0; i < ARRAY_SIZE(m); i++)
        cr_expect_eq(m[i].errors, 0);
    for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
        cr_expect_eq(atomic_load(&t[i].faults), 0);
        cr_expect_eq(atomic_load(&t[i].done), 0);
    }
    /* Ends the spinning one too: its code goes away. */
    struct platform_mapop op = {.type = PLATFORM_UNMAP, .addr = TOY_CODE, .len = TOY_CODE_SIZE};
    cr_expect_eq(platform_as_apply(as, &op, 1), 0);
    for (size_t i = 0; i < ARRAY_SIZE(t); i++)
        toy_join(&t[i]);
    platform_as_put(as);
}

static struct platform_action apply_errors(struct toy_task *t, const struct platform_event *ev)
{
    struct platform_as *as = t->data;
    struct platform_mapop bad = toy_map(0x20000000, PAGE_SIZE, 0, PLATFORM_READ);
    struct platform_mapop hole[] = {
        toy_map(0x20000000, PAGE_SIZE, 0, PLATFORM_READ),
        {.type = PLATFORM_PROTECT, .addr = 0x20000000, .len = 4 * PAGE_SIZE, .prot = 1},
    };
    struct platform_mapop outside[] = {
        {.type = PLATFORM_UNMAP, .addr = g_platform_info.vm_end, .len = PAGE_SIZE},
        {.type = PLATFORM_UNMAP, .addr = g_platform_info.vm_end - PAGE_SIZE, .len = 2 * PAGE_SIZE},
        {.type = PLATFORM_UNMAP, .addr = ~0ull & PAGE_MASK, .len = 2 * PAGE_SIZE},
        {.type = PLATFORM_UNMAP, .addr = 0, .len = PAGE_SIZE},
        {.type = PLATFORM_UNMAP, .addr = 0x20000001, .len = PAGE_SIZE},
        {.type = PLATFORM_UNMAP, .addr = 0x20000000, .len = 0},
    };

    cr_expect_eq(ev->type, PLATFORM_SYSCALL);
    bad.fd = 1000;
    cr_expect_eq(platform_as_apply(as, &bad, 1), -EBADF);
    cr_expect_eq(platform_as_apply(as, hole, 2), 0);
    for (size_t i = 0; i < ARRAY_SIZE(outside); i++)
        cr_expect_eq(platform_as_apply(as, &outside[i], 1), -EINVAL);
    return toy_exit(t);
}

TOY_TEST(errors_of_apply)
{
    struct platform_as *as = toy_as();
    struct toy_task t = {.fn = apply_errors, .entry = AT(g_loop), .data = as};
    toy_start(as, &t);
    toy_join(&t);
    platform_as_put(as);
}

/* More operations than a batch holds, none of which merge; then one whose fd is closed before the
 * queue runs: it is as if it had never been. */
TOY_TEST(long_queues)
{
    static struct platform_mapop ops[1000];
    struct platform_as *as = toy_as();
    struct toy_task t = {.fn = record, .entry = AT(g_reader), .arg = 0x50000000 + 998 * 0x2000};

    for (u64 i = 0; i < ARRAY_SIZE(ops); i++)
        ops[i] = toy_map(0x50000000 + i * 0x2000, PAGE_SIZE, 0x200000, PLATFORM_READ);
    *(u64 *)(toy_mem + 0x200000) = 77;
    cr_assert_eq(platform_as_apply(as, ops, ARRAY_SIZE(ops)), 0);
    struct platform_mapop closed = toy_map(0x20000000, PAGE_SIZE, 0, PLATFORM_READ);
    closed.fd = 999;
    cr_assert_eq(platform_as_apply(as, &closed, 1), 0);
    t.last[7] = 1;
    toy_start(as, &t);
    toy_join(&t);
    cr_expect_eq(t.last[0], 77);
    struct toy_task u = {.fn = record, .entry = AT(g_reader), .arg = 0x20000000};
    toy_start(as, &u);
    toy_join(&u);
    cr_expect_eq(u.last[1], 0x20000000);
    platform_as_put(as);
}

/* --- exec --- */

struct exec {
    struct platform_as *to;
    int count;
};

static struct platform_action on_exec(struct toy_task *t, const struct platform_event *ev)
{
    struct exec *x = t->data;
    struct arch_regs regs;

    cr_expect_eq(ev->type, PLATFORM_SYSCALL);
    if (x->count-- == 0)
        return toy_exit(t);
    x->to = toy_as();
    cr_expect_eq(platform_thread_switch_as(t->pt, x->to), 0);
    platform_as_put(x->to);
    platform_regs_get(t->pt, &regs);
    cr_expect_eq(regs.rbx, 0);
    regs.rip = AT(g_count);
    platform_regs_set(t->pt, &regs);
    return CONTEXT();
}

TOY_TEST(exec_into_new_spaces)
{
    struct exec x = {.count = 200};
    struct toy_task t = {.fn = on_exec, .entry = AT(g_loop), .data = &x};
    struct platform_as *as = toy_as();

    toy_start(as, &t);
    platform_as_put(as);
    toy_join(&t);
    cr_expect_eq(t.events, 201);
}

/* What one guest had mapped is gone when its stub is used again. */
TOY_TEST(recycled_spaces_are_empty)
{
    for (int i = 0; i < 20; i++) {
        struct platform_as *as = toy_as();
        struct platform_mapop op = toy_map(0x60000000, PAGE_SIZE, 0, PLATFORM_READ);
        struct toy_task t = {.fn = record, .entry = AT(g_reader), .arg = 0x60000000};
        toy_start(as, &t);
        toy_join(&t);
        cr_assert_eq(t.last[1], 0x60000000);
        struct toy_task u = {.fn = record, .entry = AT(g_reader), .arg = 0x60000000};
        u.last[7] = 1;
        cr_assert_eq(platform_as_apply(as, &op, 1), 0);
        toy_start(as, &u);
        toy_join(&u);
        cr_assert_eq(u.faults, 0);
        platform_as_put(as);
    }
}

/* --- deaths --- */

static struct platform_action count_died(struct toy_task *t, const struct platform_event *ev)
{
    if (ev->type == PLATFORM_DIED) {
        t->last[0]++;
        return toy_exit(t);
    }
    if (t->last[7]) { /* blocks until the flag goes */
        atomic_uint *gate = t->data;
        t->last[6] = 1;
        while (atomic_load(gate) == 0)
            host_futex_wait(gate, 0, 0);
    }
    return ev->type == PLATFORM_SYSCALL ? RESUME(0) : CONTEXT();
}

/* All but the template. */
static void kill_stubs(void)
{
    int pids[64], n = toy_children(pids, 64);

    for (int i = 0; i < n && i < 64; i++) {
        if (pids[i] != g_template)
            host_kill(pids[i], LINUX_SIGKILL);
    }
}

TOY_TEST(stub_killed)
{
    bool soak = getenv("CV_SOAK") != NULL;
    u64 end = host_now_mono() + (soak ? 20 : 3) * NSEC_PER_SEC;

    for (int round = 0; round < (soak ? 200 : 20) && host_now_mono() < end; round++) {
        /* The kill of the round before may be seen only now, as the end of this one's stub. */
        int before = atomic_load(&toy_stub_deaths);
        struct platform_as *as = toy_as();
        struct toy_task t[4];
        atomic_uint gate = 0;

        memset(t, 0, sizeof(t));
        for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
            t[i].fn = count_died;
            t[i].entry = i & 1 ? AT(g_loop) : AT(g_spin);
            t[i].last[7] = i == 3;
            t[i].data = &gate;
            /* Not if an earlier round's kill has just hit a stub in store. */
            if (platform_thread_create(as, &t[i], &t[i].pt) < 0) {
                t[i].last[0] = 1;
                atomic_store(&t[i].done, 1);
            }
        }
        bool wait = round & 1; /* for the one that is to block; else at any moment */
        while (wait && atomic_load(&t[3].events) == 0 && atomic_load(&t[3].done) == 0)
            host_sched_yield();
        kill_stubs();
        for (int i = 0; i < 3; i++)
            toy_join(&t[i]);
        struct platform_mapop op = toy_map(0x20000000, PAGE_SIZE, 0, PLATFORM_READ);
        cr_expect_eq(platform_as_apply(as, &op, 1), -ESRCH);
        for (int i = 0; i < 1000 && atomic_load(&toy_stub_deaths) == before; i++)
            toy_sleep_ms(1);
        cr_expect_gt(atomic_load(&toy_stub_deaths), before);
        if (t[3].last[6])
            cr_expect_eq(atomic_load(&t[3].done), 0);
        atomic_store(&gate, 1);
        host_futex_wake(&gate, 10);
        toy_join(&t[3]);
        for (size_t i = 0; i < ARRAY_SIZE(t); i++)
            cr_expect_eq(t[i].last[0], 1);
        platform_as_put(as);
    }
}

TOY_TEST(template_killed)
{
    struct platform_as *as = toy_as(), *other;

    host_kill(g_template, LINUX_SIGKILL);
    for (int i = 0; i < 1000 && atomic_load(&toy_stub_deaths) == 0; i++)
        toy_sleep_ms(1);
    cr_expect_eq(atomic_load(&toy_stub_deaths), 1);
    int err = 0;
    for (int i = 0; i < 8 && err == 0; i++)
        err = platform_as_create(&other);
    cr_expect_eq(err, -EAGAIN);
    struct toy_task t = {.fn = exit_at_60, .entry = AT(g_exit)};
    toy_start(as, &t);
    toy_join(&t);
    platform_as_put(as);
}

TOY_TEST(shutdown_with_running_guests)
{
    struct toy_task t[3];

    memset(t, 0, sizeof(t));
    for (int i = 0; i < 3; i++) {
        t[i].entry = i == 1 ? AT(g_loop) : AT(g_spin);
        t[i].fn = exit_at_60;
        toy_start(toy_as(), &t[i]);
    }
    toy_sleep_ms(10);
    platform_shutdown();
    cr_expect_eq(toy_children(NULL, 0), 0);
    for (int i = 0; i < 3; i++)
        cr_expect_eq(atomic_load(&t[i].done), 0);
}

/* --- leaks --- */

TOY_TEST(thousand_spaces_leave_nothing)
{
    static struct toy_task t[20];
    int fds = 0;

    for (int round = 0; round < 52; round++) {
        struct platform_as *as[20];
        memset(t, 0, sizeof(t));
        for (int i = 0; i < 20; i++) {
            as[i] = toy_as();
            t[i].fn = exit_at_60;
            t[i].entry = AT(g_exit);
            toy_start(as[i], &t[i]);
        }
        for (int i = 0; i < 20; i++) {
            toy_join(&t[i]);
            platform_as_put(as[i]);
        }
        if (round == 1)
            fds = toy_count("/proc/self/fd");
    }
    toy_sleep_ms(300);
    cr_expect_leq(toy_count("/proc/self/fd"), fds + TOY_STORE_FDS);
    cr_expect_leq(toy_count("/proc/self/task"), 25); /* 16 vcpus in store, the master, ours */
    cr_expect_leq(toy_children(NULL, 0), 1 + TOY_STORE_STUBS);
}

#endif
