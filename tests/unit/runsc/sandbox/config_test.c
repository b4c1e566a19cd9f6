/* SPDX-License-Identifier: Apache-2.0 */
/* The config of the sentry on its way through a memory file: whole, truncated, damaged. */
#include "runsc/sandbox/config.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static const char *const g_argv[] = {"sh", "-c", "\xff\xfe", "", NULL};
static const char *const g_envp[] = {"A=1", NULL};
static const u32 g_groups[] = {4, 5};
static const struct boot_rlimit g_limits[] = {{7, 1024, ~0ull}};
static const struct boot_mount g_mounts[] = {
    {.type = BOOT_MOUNT_GOFER, .destination = "/", .gofer_fd = 9, .overlay = true},
    {.type = BOOT_MOUNT_TMPFS,
     .destination = "/t",
     .gofer_fd = -1,
     .size_limit = 1ull << 40,
     .mode = 01777,
     .readonly = true},
};

static struct config_sentry sample(void)
{
    return (struct config_sentry){
        .process = {.id = "id", .start_ns = 12345, .log_format = LOG_JSON, .log_level = LOG_DEBUG},
        .seccomp_log = true,
        .boot =
            {
                .platform = NULL,
                .strace = true,
                .stdio = {6, -1, 8},
                .control_fd = 4,
                .hostname = "h",
                .mounts = g_mounts,
                .nmounts = 2,
                .init =
                    {
                        .argv = g_argv,
                        .envp = g_envp,
                        .cwd = "/",
                        .uid = 1,
                        .groups = g_groups,
                        .ngroups = 2,
                        .caps_bounding = 1ull << 40,
                        .umask = 027,
                        .rlimits = g_limits,
                        .nrlimits = 1,
                    },
                .memory_limit = 77,
            },
    };
}

Test(config, round_trip)
{
    struct config_sentry in = sample(), out = {0};
    struct pool pool = {0};
    size_t len;
    u8 *buf;

    cr_assert_eq(config_sentry_to_bytes(&in, &buf, &len), 0);
    cr_assert_eq(config_sentry_from_bytes(&pool, buf, len, &out), 0);
    cr_assert_str_eq(out.process.id, "id");
    cr_assert(out.seccomp_log && out.boot.strace && !out.boot.platform);
    cr_assert(out.boot.stdio[0] == 6 && out.boot.stdio[1] == -1);
    cr_assert_str_eq(out.boot.init.argv[2], "\xff\xfe");
    cr_assert_str_eq(out.boot.init.argv[3], "");
    cr_assert_null(out.boot.init.argv[4]);
    cr_assert_str_eq(out.boot.init.envp[0], "A=1");
    cr_assert(out.boot.init.ngroups == 2 && out.boot.init.groups[1] == 5);
    cr_assert(out.boot.init.rlimits[0].max == ~0ull && out.boot.init.umask == 027);
    cr_assert(out.boot.init.caps_bounding == 1ull << 40);
    cr_assert_str_eq(out.boot.mounts[1].destination, "/t");
    cr_assert(out.boot.mounts[0].gofer_fd == 9 && out.boot.mounts[0].overlay);
    cr_assert(out.boot.mounts[1].size_limit == 1ull << 40 && out.boot.mounts[1].readonly);
    cr_assert_eq(out.boot.memory_limit, 77);
    free(buf);
    pool_free(&pool);
}

Test(config, truncated)
{
    struct config_sentry in = sample();
    size_t len;
    u8 *buf;

    cr_assert_eq(config_sentry_to_bytes(&in, &buf, &len), 0);
    for (size_t n = 0; n < len; n++) {
        struct config_sentry out = {0};
        struct pool pool = {0};

        cr_assert_lt(config_sentry_from_bytes(&pool, buf, n, &out), 0, "%zu bytes", n);
        pool_free(&pool);
    }
    free(buf);
}

Test(config, damaged)
{
    struct config_sentry in = sample();
    size_t len;
    u8 *buf;

    cr_assert_eq(config_sentry_to_bytes(&in, &buf, &len), 0);
    for (size_t i = 0; i < len; i++) {
        u8 old = buf[i];

        for (unsigned int bit = 0; bit < 8; bit++) {
            struct config_sentry out = {0};
            struct pool pool = {0};

            buf[i] = old ^ (u8)(1u << bit);
            config_sentry_from_bytes(&pool, buf, len, &out); /* any answer, no crash */
            pool_free(&pool);
        }
        buf[i] = old;
    }
    free(buf);
}
