/* SPDX-License-Identifier: Apache-2.0 */
/* The generated syscall table and its lookups. */
#include "sentry/syscalls/table.h"

#include <criterion/criterion.h>
#include <errno.h>

Test(syscall_table, lookup)
{
    cr_assert_str_eq(syscall_lookup(LINUX_SYS_read)->name, "read");
    cr_assert_str_eq(syscall_lookup(LINUX_SYS_mseal)->name, "mseal");
    cr_assert_null(syscall_lookup(336));
    cr_assert_null(syscall_lookup(SYSCALL_COUNT));
    cr_assert_null(syscall_lookup(~0ull));
}

Test(syscall_table, number)
{
    cr_assert_eq(syscall_number("openat", 6), LINUX_SYS_openat);
    cr_assert_eq(syscall_number("openat2", 6), LINUX_SYS_openat);
    cr_assert_eq(syscall_number("open", 3), -ENOENT);
    cr_assert_eq(syscall_number("", 0), -ENOENT);
}

Test(syscall_table, rows_are_sound)
{
    for (u64 nr = 0; nr < SYSCALL_COUNT; nr++) {
        const struct syscall_desc *d = syscall_lookup(nr);

        if (!d)
            continue;
        cr_assert_leq(d->nargs, 6);
        cr_assert_not_null(d->note);
        cr_assert_eq(d->handler == NULL, d->level == SYSCALL_NONE, "%s", d->name);
        for (unsigned i = 0; i < d->nargs; i++) {
            cr_assert_neq(d->args[i].kind, ARG_NONE, "%s", d->name);
            cr_assert_lt(d->args[i].len, d->nargs, "%s", d->name);
        }
    }
}

Test(syscall_table, full_registers)
{
    cr_assert(syscall_lookup(LINUX_SYS_clone)->flags & SYSCALL_FULL_REGS);
    cr_assert(syscall_lookup(LINUX_SYS_rt_sigreturn)->flags & SYSCALL_FULL_REGS);
    cr_assert(syscall_lookup(LINUX_SYS_execve)->flags & SYSCALL_FULL_REGS);
    cr_assert_not(syscall_lookup(LINUX_SYS_getpid)->flags & SYSCALL_FULL_REGS);
}
