/* SPDX-License-Identifier: Apache-2.0 */
/* State files: create, load, takeover, delete, ids. */
#include "runsc/container/state.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

Test(state, ids)
{
    static const char *const good[] = {"a", "A-b_c+d.e", "0"};
    static const char *const bad[] = {"", ".", "..", "a/b", "-x", ".x", "a b", "\xc3\xbc", "a\n"};
    struct error e = ERROR_INIT;

    for (size_t i = 0; i < ARRAY_SIZE(good); i++)
        cr_assert_eq(state_check_id(good[i], &e), 0, "%s", good[i]);
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        cr_assert_lt(state_check_id(bad[i], &e), 0, "%s", bad[i]);
}

Test(state, life)
{
    char root[] = "/tmp/runsc-state-XXXXXX";
    struct container_state s = {"box", "/b", 11, 22, 1700000000123456789ull, false}, got;
    struct runsc_conf conf = {0};
    struct state_handle h, second;
    struct error e = ERROR_INIT;
    struct pool pool = {0};
    const char *const *ids;

    cr_assert(mkdtemp(root));
    conf.root = root;
    cr_assert_eq(state_load(&conf, "box", &pool, &got, &e), -ENOENT);
    cr_assert_eq(state_create(&conf, "box", &pool, &h, &e), 0, "%s", e.msg);
    cr_assert_eq(state_write(&h, &s, &e), 0, "%s", e.msg);
    cr_assert_eq(state_create(&conf, "box", &pool, &second, &e), -EEXIST);
    cr_assert_eq(state_load(&conf, "box", &pool, &got, &e), 0, "%s", e.msg);
    cr_assert(got.running && got.runner_pid == 11 && got.sentry_pid == 22 &&
              got.created_ns == s.created_ns);
    cr_assert_str_eq(got.bundle, "/b");
    cr_assert_eq(state_delete(&conf, "box", &pool, &e), -EBUSY);

    close(h.lock_fd); /* the runner is killed */
    cr_assert_eq(state_load(&conf, "box", &pool, &got, &e), 0, "%s", e.msg);
    cr_assert(!got.running);
    cr_assert_eq(state_create(&conf, "box", &pool, &second, &e), 0, "%s", e.msg);
    cr_assert_eq(state_ids(&conf, &pool, &ids, &e), 0);
    cr_assert_str_eq(ids[0], "box");
    cr_assert_null(ids[1]);
    state_remove(&second);
    cr_assert_eq(state_ids(&conf, &pool, &ids, &e), 0);
    cr_assert_null(ids[0]);
    cr_assert_eq(rmdir(root), 0, "something is left in %s", root);
    pool_free(&pool);
}

Test(state, damaged)
{
    char root[] = "/tmp/runsc-state-XXXXXX", path[128];
    struct runsc_conf conf = {0};
    struct container_state got;
    struct state_handle h;
    struct error e = ERROR_INIT;
    struct pool pool = {0};
    FILE *f;

    cr_assert(mkdtemp(root));
    conf.root = root;
    cr_assert_eq(state_create(&conf, "x", &pool, &h, &e), 0, "%s", e.msg);
    snprintf(path, sizeof(path), "%s/x/state.json", root);
    f = fopen(path, "w");
    fputs("{\"bundle\": 7}", f);
    fclose(f);
    cr_assert_lt(state_load(&conf, "x", &pool, &got, &e), 0);
    cr_assert(strstr(e.msg, "bundle"), "%s", e.msg);
    state_remove(&h);
    rmdir(root);
    pool_free(&pool);
}
