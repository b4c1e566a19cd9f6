/* SPDX-License-Identifier: Apache-2.0 */
/* The config.json parser, on the files of tests/oci: good ones field by field, bad ones by message. */
#include "runsc/oci/spec.h"

#include "abi/linux/capability.h"
#include "abi/linux/resource.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DIR_GOOD "tests/oci/good/"
#define DIR_BAD "tests/oci/bad/"

static char *file_read(const char *path, size_t *len)
{
    static char buf[65536];
    FILE *f = fopen(path, "r");

    cr_assert(f, "cannot open %s (run the test from the top of the tree)", path);
    *len = fread(buf, 1, sizeof(buf) - 1, f);
    buf[*len] = '\0';
    fclose(f);
    return buf;
}

static int parse_file(const char *path, struct pool *pool, struct oci_spec *spec, struct error *e)
{
    size_t len;
    char *text = file_read(path, &len);

    return oci_parse(text, len, "/bundle", pool, spec, e);
}

Test(oci_spec, minimal)
{
    struct error e = ERROR_INIT;
    struct pool pool = {0};
    struct oci_spec s;

    cr_assert_eq(parse_file(DIR_GOOD "minimal.json", &pool, &s, &e), 0, "%s", e.msg);
    cr_assert_str_eq(s.process.args[0], "true");
    cr_assert_null(s.process.args[1]);
    cr_assert_null(s.process.env[0]);
    cr_assert_eq(s.process.umask, 0022);
    cr_assert_str_eq(s.root_path, "/bundle/rootfs");
    cr_assert(!s.root_readonly && !s.process.has_caps && !s.process.no_new_privs);
    cr_assert_eq(s.nmounts, 0);
    cr_assert_eq(s.nwarnings, 0);
    cr_assert_null(s.hostname);
    pool_free(&pool);
}

Test(oci_spec, full_process)
{
    struct error e = ERROR_INIT;
    struct pool pool = {0};
    struct oci_spec s;
    const struct oci_process *p = &s.process;

    cr_assert_eq(parse_file(DIR_GOOD "full.json", &pool, &s, &e), 0, "%s", e.msg);
    cr_assert(p->terminal && p->no_new_privs && p->has_caps);
    cr_assert_str_eq(p->args[2], "echo \"$HOME\"");
    cr_assert_str_eq(p->env[1], "HOME=/home/\xc3\xbc");
    cr_assert_str_eq(p->cwd, "/srv");
    cr_assert(p->uid == 1000 && p->gid == 1001 && p->umask == 077);
    cr_assert(p->ngroups == 2 && p->groups[0] == 5 && p->groups[1] == 6);
    cr_assert_eq(p->caps_bounding,
                 LINUX_CAP_MASK(LINUX_CAP_CHOWN) | LINUX_CAP_MASK(LINUX_CAP_KILL));
    cr_assert_eq(p->caps_effective, LINUX_CAP_MASK(LINUX_CAP_KILL));
    /* What is not permitted and inheritable cannot be ambient. */
    cr_assert_eq(p->caps_ambient, LINUX_CAP_MASK(LINUX_CAP_CHOWN));
    cr_assert_eq(p->nrlimits, 2);
    cr_assert(p->rlimits[0].resource == LINUX_RLIMIT_NOFILE && p->rlimits[0].soft == 1024 &&
              p->rlimits[0].hard == 4096);
    cr_assert(p->rlimits[1].soft == 0 && p->rlimits[1].hard == LINUX_RLIM_INFINITY);
    pool_free(&pool);
}

Test(oci_spec, full_rest)
{
    static const enum oci_mount_type types[] = {
        OCI_MOUNT_PROC,    OCI_MOUNT_DEV,  OCI_MOUNT_DEVPTS, OCI_MOUNT_MQUEUE, OCI_MOUNT_SYSFS,
        OCI_MOUNT_IGNORED, OCI_MOUNT_BIND, OCI_MOUNT_BIND,   OCI_MOUNT_TMPFS,
    };
    struct error e = ERROR_INIT;
    struct pool pool = {0};
    struct oci_spec s;
    const struct oci_mount *m;

    cr_assert_eq(parse_file(DIR_GOOD "full.json", &pool, &s, &e), 0, "%s", e.msg);
    cr_assert(s.root_readonly);
    cr_assert_str_eq(s.root_path, "/srv/root");
    cr_assert_str_eq(s.hostname, "box");
    cr_assert_eq(s.memory_limit, 256u << 20);
    cr_assert_str_eq(s.cgroups_path, "/a/b");
    cr_assert_eq(s.nmounts, ARRAY_SIZE(types));
    for (size_t i = 0; i < s.nmounts; i++)
        cr_assert_eq(s.mounts[i].type, types[i], "mount %zu", i);
    m = &s.mounts[6];
    cr_assert_str_eq(m->destination, "/data/y");
    cr_assert_str_eq(m->source, "/bundle/data");
    cr_assert(m->recursive && m->readonly);
    m = &s.mounts[7];
    cr_assert(!m->recursive && !m->readonly && m->noexec);
    m = &s.mounts[8];
    cr_assert(m->size == 2ull << 30 && m->mode == 01770 && m->uid == 7 && m->gid == 8);
    /* network path, pids, seccomp, maskedPaths, apparmor, hooks */
    cr_assert_eq(s.nwarnings, 6);
    pool_free(&pool);
}

Test(oci_spec, bad_files)
{
    DIR *d = opendir(DIR_BAD);
    struct dirent *entry;
    unsigned int n = 0;

    cr_assert(d, "cannot open " DIR_BAD " (run the test from the top of the tree)");
    while ((entry = readdir(d))) {
        struct error e = ERROR_INIT;
        struct pool pool = {0};
        struct oci_spec s;
        char path[512], want[256];
        char *dot = strstr(entry->d_name, ".json");
        size_t len;

        if (!dot)
            continue;
        snprintf(path, sizeof(path), DIR_BAD "%.*s.expect", (int)(dot - entry->d_name),
                 entry->d_name);
        snprintf(want, sizeof(want), "%s", file_read(path, &len));
        want[strcspn(want, "\n")] = '\0';
        snprintf(path, sizeof(path), DIR_BAD "%s", entry->d_name);
        cr_assert_lt(parse_file(path, &pool, &s, &e), 0, "%s is accepted", path);
        cr_assert(strstr(e.msg, want), "%s: \"%s\" does not contain \"%s\"", path, e.msg, want);
        pool_free(&pool);
        n++;
    }
    closedir(d);
    cr_assert_gt(n, 30);
}

Test(oci_spec, our_own_default)
{
    const char *const args[] = {"sh", "-c", "true", NULL};
    struct error e = ERROR_INIT;
    struct pool pool = {0};
    struct oci_spec s;
    char *text = oci_default_config(args);

    cr_assert(text);
    cr_assert_eq(oci_parse(text, strlen(text), "/b", &pool, &s, &e), 0, "%s", e.msg);
    cr_assert_str_eq(s.process.args[1], "-c");
    cr_assert_eq(s.nwarnings, 0);
    cr_assert(s.root_readonly);
    free(text);
    pool_free(&pool);
}

Test(oci_spec, names)
{
    cr_assert_eq(oci_cap_number("CAP_CHOWN"), 0);
    cr_assert_eq(oci_cap_number("cap_sys_admin"), LINUX_CAP_SYS_ADMIN);
    cr_assert_eq(oci_cap_number("CAP_CHECKPOINT_RESTORE"), LINUX_CAP_LAST_CAP);
    cr_assert_lt(oci_cap_number("CAP_"), 0);
    cr_assert_lt(oci_cap_number(""), 0);
    cr_assert_eq(oci_rlimit_number("RLIMIT_RTTIME"), LINUX_RLIMIT_RTTIME);
    cr_assert_lt(oci_rlimit_number("RLIMIT_RTTIMEX"), 0);
}

Test(oci_spec, clean_path)
{
    static const struct {
        const char *dir, *path, *want;
    } cases[] = {
        {"", "/", "/"},
        {"", "//a//b/", "/a/b"},
        {"", "/a/./b/../c", "/a/c"},
        {"/x", "y/z", "/x/y/z"},
        {"", "/a/..", "/"},
        {"", "/..", NULL},
        {"", "/a/../..", NULL},
        {"", "/...", "/..."},
        {"/", "a", "/a"},
        {"/x", "..", "/"},
        {"", "/a/.../..b", "/a/.../..b"},
        {"", "/a/..b/..", "/a"},
    };
    struct pool pool = {0};

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const char *got = oci_clean_path(&pool, cases[i].dir, cases[i].path);

        if (cases[i].want)
            cr_assert_str_eq(got, cases[i].want);
        else
            cr_assert_null(got, "%s", cases[i].path);
    }
    pool_free(&pool);
}
