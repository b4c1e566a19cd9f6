/* SPDX-License-Identifier: Apache-2.0 */
/* Error objects. */
#include "cvisor/error.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

Test(error, set_and_wrap)
{
    struct error e = ERROR_INIT;

    cr_assert_eq(error_set(&e, -EACCES, "cannot mount %s", "/dev"), -EACCES);
    cr_assert_eq(e.code, EACCES);
    cr_assert_str_eq(e.msg, "cannot mount /dev: Permission denied");
    cr_assert_eq(error_wrap(&e, "cannot start sandbox %d", 3), -EACCES);
    cr_assert_str_eq(e.msg, "cannot start sandbox 3: cannot mount /dev: Permission denied");
}

Test(error, positive_and_no_code)
{
    struct error e = ERROR_INIT;

    cr_assert_eq(error_set(&e, ENOENT, "x"), -ENOENT);
    cr_assert_str_eq(e.msg, "x: No such file or directory");
    cr_assert_eq(error_set(&e, 0, "bad option"), -EINVAL);
    cr_assert_str_eq(e.msg, "bad option");
    cr_assert_eq(error_set(&e, 4000, "odd"), -4000);
    cr_assert_str_eq(e.msg, "odd: error 4000");
}

Test(error, long_messages_are_cut_at_the_end)
{
    struct error e = ERROR_INIT;
    char big[3000];

    memset(big, 'x', sizeof(big) - 1);
    big[sizeof(big) - 1] = 0;
    error_set(&e, EIO, "%s", big);
    cr_assert_eq(strlen(e.msg), sizeof(e.msg) - 1);
    error_wrap(&e, "outer");
    cr_assert_eq(strncmp(e.msg, "outer: xxx", 10), 0);
    cr_assert_eq(strlen(e.msg), sizeof(e.msg) - 1);
    error_wrap(&e, "%s", big);
    cr_assert_eq(strlen(e.msg), sizeof(e.msg) - 1);
    cr_assert_eq(e.code, EIO);
}
