/* SPDX-License-Identifier: Apache-2.0 */
/* Reference counts: life cycle, and death on overflow, underflow and resurrection. */
#include "cvisor/refs.h"
#include "tests/unit/death.h"

#include <criterion/criterion.h>

Test(refs, life)
{
    struct ref r;

    ref_init(&r);
    ref_get(&r);
    cr_assert_eq(ref_read(&r), 2);
    cr_assert(ref_get_unless_zero(&r));
    cr_assert(!ref_put(&r) && !ref_put(&r));
    cr_assert(ref_put(&r));
    cr_assert(!ref_get_unless_zero(&r));
}

static void overflow(void)
{
    struct ref r = {.n = INT32_MAX};

    ref_get(&r);
}

static void underflow(void)
{
    struct ref r;

    ref_init(&r);
    ref_put(&r);
    ref_put(&r);
}

static void resurrection(void)
{
    struct ref r;

    ref_init(&r);
    ref_put(&r);
    ref_get(&r);
}

Test(refs, misuse_is_fatal)
{
    assert_panics(overflow, "BUG: old <= 0");
    assert_panics(underflow, "BUG: old <= 0");
    assert_panics(resurrection, "BUG: old <= 0");
}
