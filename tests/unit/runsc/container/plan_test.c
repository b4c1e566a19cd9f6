/* SPDX-License-Identifier: Apache-2.0 */
/* Plans of `do` and `run`: volumes, environment, mounts. */
#include "runsc/container/plan.h"
#include "runsc/container/plan_mounts.h"

#include <criterion/criterion.h>
#include <string.h>

static struct runsc_conf g_conf = {.overlay2 = "none", .log_format = "text"};

Test(plan, volumes)
{
    static const char *const bad[] = {"x", ":/y", "/x:y", "/x:/y:rx", "/x:/", "/x:/..", "/x:", ""};
    struct error e = ERROR_INIT;
    struct pool pool = {0};
    struct plan_volume v;

    cr_assert_eq(plan_parse_volume("/src:/dst", "/cwd", &pool, &v, &e), 0);
    cr_assert(!v.readonly);
    cr_assert_str_eq(v.source, "/src");
    cr_assert_eq(plan_parse_volume("rel:/a/../b:ro", "/cwd", &pool, &v, &e), 0);
    cr_assert(v.readonly);
    cr_assert_str_eq(v.source, "/cwd/rel");
    cr_assert_str_eq(v.destination, "/b");
    cr_assert_eq(plan_parse_volume("/s:/d:rw", "/cwd", &pool, &v, &e), 0);
    cr_assert(!v.readonly);
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        cr_assert_lt(plan_parse_volume(bad[i], "/cwd", &pool, &v, &e), 0, "%s", bad[i]);
    pool_free(&pool);
}

Test(plan, environment)
{
    const char *const env[] = {"A=1", "AB=2", "B=3", NULL};
    const char *const set[] = {"AB=x", "C=4", "C=5", "A="};
    struct pool pool = {0};
    const char *const *got = plan_merge_env(&pool, env, set, 4);

    cr_assert_str_eq(got[0], "A=");
    cr_assert_str_eq(got[1], "AB=x");
    cr_assert_str_eq(got[2], "B=3");
    cr_assert_str_eq(got[3], "C=5");
    cr_assert_null(got[4]);
    pool_free(&pool);
}

static const struct sandbox_mount *find(const struct sandbox_plan *p, const char *destination)
{
    for (size_t i = 0; i < p->nmounts; i++) {
        if (strcmp(p->mounts[i].boot.destination, destination) == 0)
            return &p->mounts[i];
    }
    return NULL;
}

/* Every mount stands after the mounts that its destination lies in. */
static void check_order(const struct sandbox_plan *p)
{
    cr_assert_str_eq(p->mounts[0].boot.destination, "/");
    for (size_t i = 1; i < p->nmounts; i++) {
        const char *d = p->mounts[i].boot.destination;

        for (size_t k = i + 1; k < p->nmounts; k++) {
            const char *later = p->mounts[k].boot.destination;
            size_t n = strlen(later);

            cr_assert(!(strncmp(d, later, n) == 0 && d[n] == '/'), "%s before %s", d, later);
        }
    }
}

Test(plan, of_do)
{
    const char *const argv[] = {"true", NULL}, *const env[] = {NULL};
    const struct plan_volume volumes[] = {
        {"/host/a", "/dev/shm/deep/er", false},
        {"/host/b", "/v", true},
    };
    struct plan_do d = {argv, "/", env, volumes, 2};
    struct error e = ERROR_INIT;
    struct pool pool = {0};
    struct sandbox_plan p;

    cr_assert_eq(plan_for_do(&g_conf, &d, &pool, &p, &e), 0, "%s", e.msg);
    check_order(&p);
    cr_assert(p.mounts[0].boot.overlay && p.mounts[0].source_readonly &&
              !p.mounts[0].boot.readonly);
    cr_assert(find(&p, "/v")->source_readonly && find(&p, "/v")->boot.readonly);
    cr_assert(!find(&p, "/dev/shm/deep/er")->source_readonly);
    cr_assert_eq(find(&p, "/proc")->boot.type, BOOT_MOUNT_PROC);
    cr_assert_eq(p.init.nrlimits, 16);
    pool_free(&pool);
}

static void plan_of(const char *mounts, bool readonly, const char *overlay2, struct pool *pool,
                    struct sandbox_plan *p)
{
    struct runsc_conf conf = g_conf;
    struct error e = ERROR_INIT;
    struct oci_spec s;
    char *text = pool_printf(
        pool,
        "{\"ociVersion\":\"1.0.0\",\"process\":{\"args\":[\"a\"],\"cwd\":\"/\"},"
        "\"root\":{\"path\":\"/r\",\"readonly\":%s},\"mounts\":[%s]}",
        readonly ? "true" : "false", mounts);

    conf.overlay2 = overlay2;
    cr_assert_eq(oci_parse(text, strlen(text), "/b", pool, &s, &e), 0, "%s", e.msg);
    cr_assert_eq(plan_from_spec(&conf, &s, "id", pool, p, &e), 0, "%s", e.msg);
    check_order(p);
}

#define BIND "{\"destination\":\"/m\",\"source\":\"/s\",\"options\":[\"bind\"]}"
#define BIND_RO "{\"destination\":\"/m\",\"source\":\"/s\",\"options\":[\"bind\",\"ro\"]}"

Test(plan, of_run)
{
    struct pool pool = {0};
    struct sandbox_plan p;

    plan_of(BIND, false, "none", &pool, &p);
    cr_assert(!p.mounts[0].boot.overlay && !p.mounts[0].source_readonly);
    cr_assert(!find(&p, "/m")->boot.overlay && !find(&p, "/m")->source_readonly);
    cr_assert(find(&p, "/dev") && find(&p, "/dev/pts") && find(&p, "/sys"));
    cr_assert_str_eq(p.hostname, "id");

    plan_of(BIND_RO, true, "none", &pool, &p);
    cr_assert(p.mounts[0].boot.readonly && p.mounts[0].source_readonly);
    cr_assert(find(&p, "/m")->boot.readonly && find(&p, "/m")->source_readonly);

    plan_of(BIND, false, "root:memory", &pool, &p);
    cr_assert(p.mounts[0].boot.overlay && p.mounts[0].source_readonly &&
              !p.mounts[0].boot.readonly);
    cr_assert(!find(&p, "/m")->boot.overlay && !find(&p, "/m")->source_readonly);

    plan_of(BIND, false, "all:memory", &pool, &p);
    cr_assert(find(&p, "/m")->boot.overlay && find(&p, "/m")->source_readonly);
    pool_free(&pool);
}

Test(plan, own_mounts_win)
{
    struct pool pool = {0};
    struct sandbox_plan p;
    size_t n = 0;

    plan_of("{\"destination\":\"/dev\",\"type\":\"tmpfs\"},"
            "{\"destination\":\"/dev/shm\",\"type\":\"tmpfs\",\"options\":[\"size=1m\"]},"
            "{\"destination\":\"/c\",\"type\":\"cgroup\"}",
            false, "none", &pool, &p);
    for (size_t i = 0; i < p.nmounts; i++)
        n += strcmp(p.mounts[i].boot.destination, "/dev/shm") == 0;
    cr_assert_eq(n, 1);
    cr_assert_eq(find(&p, "/dev/shm")->boot.size_limit, 1u << 20);
    cr_assert_eq(find(&p, "/dev")->boot.type, BOOT_MOUNT_DEV);
    cr_assert_null(find(&p, "/c"));
    pool_free(&pool);
}
