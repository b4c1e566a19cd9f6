/* SPDX-License-Identifier: Apache-2.0 */
/* Lockdep must fire on each kind of mistake, and only then. */
#include "cvisor/lock.h"
#include "tests/unit/death.h"

#include <criterion/criterion.h>

#ifdef CV_LOCKDEP

static struct mutex g_outer = MUTEX_INIT(LOCK_TASKS), g_inner = MUTEX_INIT(LOCK_FUTEX);
static struct mutex g_twin = MUTEX_INIT(LOCK_FUTEX);
static struct rwlock g_rw = RWLOCK_INIT(LOCK_VFS_TREE);
static struct cond g_cond = COND_INIT;

static void wrong_order(void)
{
    mutex_lock(&g_inner);
    mutex_lock(&g_outer);
}

static void wrong_order_rwlock(void)
{
    mutex_lock(&g_inner);
    rwlock_rdlock(&g_rw);
}

static void recursion(void)
{
    mutex_lock(&g_inner);
    mutex_lock(&g_inner);
}

static void recursion_nested(void)
{
    mutex_lock(&g_inner);
    mutex_lock_nested(&g_inner);
}

static void recursive_reader(void)
{
    rwlock_rdlock(&g_rw);
    rwlock_rdlock(&g_rw);
}

static void same_rank(void)
{
    mutex_lock(&g_inner);
    mutex_lock(&g_twin);
}

static void nested_outside(void)
{
    mutex_lock(&g_inner);
    mutex_lock_nested(&g_outer);
}

static void not_held(void)
{
    mutex_unlock(&g_inner);
}

static void assert_not_held(void)
{
    mutex_assert_held(&g_inner);
}

static void none_held(void)
{
    mutex_lock(&g_inner);
    lockdep_assert_none_held("the return to the guest");
}

static void wait_with_inner_lock(void)
{
    mutex_lock(&g_outer);
    mutex_lock(&g_inner);
    cond_timedwait(&g_cond, &g_outer, 1);
}

static void not_initialised(void)
{
    struct mutex m = {.word = 0, .rank = 12345};

    mutex_lock(&m);
}

Test(lockdep, fires)
{
    assert_panics(wrong_order, "taking TASKS");
    assert_panics(wrong_order, "while holding FUTEX");
    assert_panics(wrong_order, "mutex_lock+0x");
    assert_panics(wrong_order_rwlock, "taking VFS_TREE");
    assert_panics(recursion, "recursion");
    assert_panics(recursion_nested, "recursion");
    assert_panics(recursive_reader, "recursion");
    assert_panics(same_rank, "mutex_lock_nested");
    assert_panics(nested_outside, "taking TASKS");
    assert_panics(not_held, "does not hold");
    assert_panics(assert_not_held, "must be held");
    assert_panics(none_held, "locks held at the return to the guest: FUTEX");
    assert_panics(wait_with_inner_lock, "taking TASKS");
    assert_panics(not_initialised, "not initialised");
}

Test(lockdep, accepts_the_right_order)
{
    rwlock_rdlock(&g_rw);
    mutex_lock(&g_outer);
    mutex_lock(&g_inner);
    mutex_lock_nested(&g_twin);
    mutex_assert_held(&g_twin);
    mutex_unlock(&g_inner);
    rwlock_rdunlock(&g_rw);
    mutex_unlock(&g_twin);
    cond_timedwait(&g_cond, &g_outer, 1);
    mutex_unlock(&g_outer);
    lockdep_assert_none_held("the end");
    /* A lock that cannot block needs no order. */
    mutex_lock(&g_inner);
    cr_assert(mutex_trylock(&g_outer));
    mutex_unlock(&g_outer);
    mutex_unlock(&g_inner);
    lockdep_assert_none_held("the end");
}

#else

Test(lockdep, is_off_without_the_option)
{
    struct mutex m = MUTEX_INIT(LOCK_LEAF);

    mutex_assert_held(&m);
    mutex_lock(&m);
    lockdep_assert_none_held("here");
    mutex_unlock(&m);
}

#endif
