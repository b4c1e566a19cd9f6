/* SPDX-License-Identifier: Apache-2.0 */
/* How strace writes values. */
#include "sentry/syscalls/strace_out.h"

#include "abi/linux/errno_internal.h"
#include "abi/linux/fcntl.h"
#include "sentry/syscalls/strace.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

static char buf[256];

static struct strace_out fresh(size_t cap)
{
    memset(buf, '#', sizeof(buf));
    buf[0] = '\0';
    return (struct strace_out){buf, 0, cap};
}

Test(strace_out, quoted)
{
    struct strace_out o = fresh(sizeof(buf));

    out_quoted(&o, "a\"\\\n\0\x7f", 6, false);
    cr_assert_str_eq(buf, "\"a\\\"\\\\\\n\\x00\\x7f\"");
    o = fresh(sizeof(buf));
    out_quoted(&o, "ab", 2, true);
    cr_assert_str_eq(buf, "\"ab\"...");
}

Test(strace_out, flags)
{
    struct strace_out o = fresh(sizeof(buf));

    out_names(&o, &g_names_oflags, LINUX_O_SYNC | LINUX_O_CREAT);
    cr_assert_str_eq(buf, "O_CREAT|O_SYNC");
    o = fresh(sizeof(buf));
    out_names(&o, &g_names_renameflags, 0);
    cr_assert_str_eq(buf, "0");
    o = fresh(sizeof(buf));
    out_names(&o, &g_names_renameflags, LINUX_RENAME_NOREPLACE | 0x100);
    cr_assert_str_eq(buf, "RENAME_NOREPLACE|0x100");
    o = fresh(sizeof(buf));
    out_names(&o, &g_names_accmode, LINUX_F_OK);
    cr_assert_str_eq(buf, "F_OK");
}

Test(strace_out, enumeration)
{
    struct strace_out o = fresh(sizeof(buf));

    out_names(&o, &g_names_whence, LINUX_SEEK_END);
    out_str(&o, " ");
    out_names(&o, &g_names_whence, 77);
    cr_assert_str_eq(buf, "SEEK_END 0x4d");
}

Test(strace_out, sigset)
{
    struct strace_out o = fresh(sizeof(buf));

    out_sigset(&o, 0x4002);
    cr_assert_str_eq(buf, "[SIGINT SIGTERM]");
    o = fresh(sizeof(buf));
    out_sigset(&o, ~0x100ull);
    cr_assert_str_eq(buf, "~[SIGKILL]");
    o = fresh(sizeof(buf));
    out_sigset(&o, 0);
    cr_assert_str_eq(buf, "[]");
}

Test(strace_out, result)
{
    struct strace_out o = fresh(sizeof(buf));

    out_result(&o, -ENOENT);
    cr_assert_str_eq(buf, " = -1 errno=2 (ENOENT)");
    o = fresh(sizeof(buf));
    out_result(&o, -ERESTARTSYS);
    cr_assert_str_eq(buf, " = ? errno=512 (ERESTARTSYS)");
    o = fresh(sizeof(buf));
    out_result(&o, 10);
    cr_assert_str_eq(buf, " = 10 (0xa)");
}

Test(strace_out, never_overflows)
{
    for (size_t cap = 1; cap < 40; cap++) {
        struct strace_out o = fresh(cap);

        out_str(&o, "0123456789");
        out_quoted(&o, "\x01\x02\x03\x04", 4, true);
        out_sigset(&o, ~0ull);
        out_result(&o, -EAGAIN);
        cr_assert_lt(o.len, cap);
        cr_assert_eq(buf[o.len], '\0');
        cr_assert_eq(buf[cap], '#');
    }
}

Test(strace, configure)
{
    char bad[4];

    cr_assert_eq(strace_configure("read,nosuch", bad, sizeof(bad)), -EINVAL);
    cr_assert_str_eq(bad, "nos");
    cr_assert_eq(strace_configure("read,,write,", bad, sizeof(bad)), 0);
    cr_assert_eq(strace_configure(NULL, bad, sizeof(bad)), 0);
}
