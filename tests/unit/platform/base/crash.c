/* SPDX-License-Identifier: Apache-2.0 */
/* Crash reports: what they contain, for panics, faults and stack overflow, on any thread. */
#include "cvisor/crash.h"
#include "cvisor/lock.h"
#include "tests/unit/death.h"

#include <criterion/criterion.h>
#include <stdio.h>

#define __noinline __attribute__((noinline))

static void guest_context(char *buf, size_t n)
{
    snprintf(buf, n, "task 17\nrip 0x401000");
}

static volatile int g_depth = 3; /* volatile: the compiler must not see the end of a recursion */
static volatile uintptr_t g_address = 16;

static __noinline void deep_panic(int n)
{
    if (g_depth == 0)
        return;
    if (n == g_depth)
        PANIC("the reason is %d", 42);
    deep_panic(n + 1);
    __asm__ volatile("" ::: "memory"); /* no tail call */
}

static __noinline void panic_here(void)
{
    crash_init();
    g_crash_context = guest_context;
    deep_panic(0);
    __asm__ volatile("" ::: "memory");
}

Test(crash, panic_report)
{
    assert_panics(panic_here, "panic: the reason is 42");
    assert_panics(panic_here, "deep_panic+0x");
    assert_panics(panic_here, "panic_here+0x");
    assert_panics(panic_here, "guest: task 17\n");
    assert_panics(panic_here, "guest: rip 0x401000\n");
}

static void panic_in_context(char *buf, size_t n)
{
    PANIC("again");
}

static void panic_twice(void)
{
    crash_init();
    g_crash_context = panic_in_context;
    PANIC("first");
}

Test(crash, panic_in_the_report_ends_it)
{
    static char out[65536];
    int status = death_run(panic_twice, out, sizeof(out));

    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 134, "0x%x", status);
    cr_assert(strstr(out, "panic: first") && !strstr(out, "again"));
}

#if !defined(CV_ASAN) && !defined(CV_TSAN)
static __noinline void null_write(void)
{
    crash_init();
    *(volatile int *)g_address = 1;
}

static void bad_instruction(void)
{
    crash_init();
    __asm__ volatile("ud2");
}

static __noinline int grow(volatile char *p)
{
    volatile char buf[4096];

    buf[0] = *p;
    if (g_depth == 0)
        return 0;
    return grow(buf) + buf[0];
}

static void overflow_in_thread(void *arg)
{
    grow((volatile char[1]){0});
}

static void stack_overflow(void)
{
    crash_init();
    cv_thread_create("victim", overflow_in_thread, NULL);
    for (;;)
        pause();
}

Test(crash, fault_report)
{
    assert_panics(null_write, "fatal: SIGSEGV (code 1) at address 0x10");
    assert_panics(null_write, "cr2 0000000000000010");
    assert_panics(null_write, "null_write+0x");
    assert_panics(bad_instruction, "fatal: SIGILL");
    assert_panics(stack_overflow, "victim");
    assert_panics(stack_overflow, " grow");
}
#endif

Test(crash, symbols)
{
    u64 pcs[8];
    char name[100];
    size_t n;

    crash_init();
    n = crash_backtrace(pcs, 8);
    cr_assert(n >= 2);
    crash_symbol((u64)(uintptr_t)crash_symbol + 1, name, sizeof(name));
    cr_assert_str_eq(name, "crash_symbol+0x1");
    crash_symbol((u64)(uintptr_t)guest_context, name, sizeof(name));
    cr_assert_str_eq(name, "guest_context+0x0");
    crash_symbol(3, name, sizeof(name));
    cr_assert_str_eq(name, "?");
}
