/* SPDX-License-Identifier: Apache-2.0 */
/* config.json: the "process" object. */
#include "runsc/oci/parse.h"

#include "abi/linux/resource.h"

#include <errno.h>
#include <string.h>

#define OCI_GROUPS_MAX 65536u /* NGROUPS_MAX of Linux */

static int process_parse_user(struct json_reader *r, struct json_at at, struct oci_process *out)
{
    struct json_at groups, mask;
    size_t n;
    int ret = json_need_object(r, at, false);

    if (ret < 0)
        return ret;
    ret = json_get_u32(r, json_key(r, at, "uid"), &out->uid);
    if (ret == 0)
        ret = json_get_u32(r, json_key(r, at, "gid"), &out->gid);
    mask = json_key(r, at, "umask");
    if (ret == 0)
        ret = json_get_u32(r, mask, &out->umask);
    if (ret < 0)
        return ret;
    if (out->umask > 0777)
        return json_fail(r, mask, "%u is out of range: it must be at most 511 (octal 0777)",
                         out->umask);
    groups = json_key(r, at, "additionalGids");
    ret = json_need_array(r, groups, false, OCI_GROUPS_MAX, &n);
    if (ret < 0)
        return ret;
    out->groups = pool_calloc(r->pool, n, sizeof(*out->groups));
    out->ngroups = n;
    for (size_t i = 0; i < n; i++) {
        ret = json_get_u32(r, json_item(r, groups, i), &out->groups[i]);
        if (ret < 0)
            return ret;
    }
    return 0;
}

static int process_parse_rlimit(struct json_reader *r, struct json_at at, struct oci_rlimit *out)
{
    const char *type = NULL;
    struct json_at name;
    int ret = json_need_object(r, at, true);

    if (ret < 0)
        return ret;
    name = json_key(r, at, "type");
    ret = json_get_string(r, name, true, &type);
    if (ret == 0)
        ret = json_get_u64(r, json_key(r, at, "soft"), true, &out->soft);
    if (ret == 0)
        ret = json_get_u64(r, json_key(r, at, "hard"), true, &out->hard);
    if (ret < 0)
        return ret;
    out->resource = oci_rlimit_number(type);
    if (strncmp(type, "RLIMIT_", 7) != 0 || out->resource < 0)
        return json_fail(r, name, "\"%.40s\" is not a limit: see setrlimit(2) for the names", type);
    if (out->soft > out->hard)
        return json_fail(r, at, "%s: the soft limit exceeds the hard limit", type);
    return 0;
}

static int process_parse_rlimits(struct json_reader *r, struct json_at at, struct oci_process *out)
{
    u32 seen = 0;
    size_t n;
    int ret = json_need_array(r, at, false, LINUX_RLIM_NLIMITS, &n);

    if (ret < 0)
        return ret;
    out->rlimits = pool_calloc(r->pool, n, sizeof(*out->rlimits));
    out->nrlimits = n;
    for (size_t i = 0; i < n; i++) {
        struct json_at item = json_item(r, at, i);

        ret = process_parse_rlimit(r, item, &out->rlimits[i]);
        if (ret < 0)
            return ret;
        if (seen & (1u << out->rlimits[i].resource))
            return json_fail(r, item, "this limit is given twice");
        seen |= 1u << out->rlimits[i].resource;
    }
    return 0;
}

static int process_parse_cap_set(struct json_reader *r, struct json_at at, u64 *out)
{
    const char **names = NULL;
    size_t n = 0;
    int ret = json_get_strings(r, at, false, &names, &n);

    for (size_t i = 0; ret == 0 && i < n; i++) {
        int cap = oci_cap_number(names[i]);

        if (cap >= 0)
            *out |= 1ull << cap;
        else
            json_warn(r, "%s: %.40s is not a capability that runsc knows: ignored", at.path,
                      names[i]);
    }
    return ret;
}

static int process_parse_caps(struct json_reader *r, struct json_at at, struct oci_process *out)
{
    const struct {
        const char *name;
        u64 *set;
    } sets[] = {
        {"bounding", &out->caps_bounding},       {"effective", &out->caps_effective},
        {"permitted", &out->caps_permitted},     {"ambient", &out->caps_ambient},
        {"inheritable", &out->caps_inheritable},
    };
    int ret = json_need_object(r, at, false);

    out->has_caps = at.v != NULL;
    for (size_t i = 0; ret == 0 && i < ARRAY_SIZE(sets); i++)
        ret = process_parse_cap_set(r, json_key(r, at, sets[i].name), sets[i].set);
    if (ret < 0)
        return ret;
    if (out->caps_effective & ~out->caps_permitted)
        return json_fail(r, at, "the effective set must lie within the permitted set");
    /* As the kernel has it: an ambient capability is permitted and inheritable, else dropped. */
    out->caps_ambient &= out->caps_permitted & out->caps_inheritable;
    return 0;
}

static int process_check(struct json_reader *r, struct json_at at, const struct oci_process *p)
{
    if (!p->args[0])
        return json_fail(r, json_key(r, at, "args"), "is empty: it must name the program to run");
    if (p->args[0][0] == '\0')
        return json_fail(r, json_key(r, at, "args"), "the first element must name a program");
    if (p->cwd[0] != '/')
        return json_fail(r, json_key(r, at, "cwd"), "\"%.200s\" must be an absolute path", p->cwd);
    for (size_t i = 0; p->env[i]; i++) {
        const char *eq = strchr(p->env[i], '=');

        if (!eq || eq == p->env[i])
            return json_fail(r, json_item(r, json_key(r, at, "env"), i),
                             "\"%.80s\" must have the form NAME=VALUE", p->env[i]);
    }
    return 0;
}

int oci_parse_process(struct json_reader *r, struct json_at at, struct oci_process *out)
{
    static const char *const lsm[] = {"apparmorProfile", "selinuxLabel"};
    size_t n;
    int ret = json_need_object(r, at, true);

    if (ret < 0)
        return ret;
    out->umask = 0022;
    ret = json_get_strings(r, json_key(r, at, "args"), true, &out->args, &n);
    if (ret == 0)
        ret = json_get_strings(r, json_key(r, at, "env"), false, &out->env, &n);
    if (ret == 0)
        ret = json_get_string(r, json_key(r, at, "cwd"), true, &out->cwd);
    if (ret == 0)
        ret = json_get_bool(r, json_key(r, at, "terminal"), &out->terminal);
    if (ret == 0)
        ret = json_get_bool(r, json_key(r, at, "noNewPrivileges"), &out->no_new_privs);
    if (ret == 0)
        ret = process_parse_user(r, json_key(r, at, "user"), out);
    if (ret == 0)
        ret = process_parse_rlimits(r, json_key(r, at, "rlimits"), out);
    if (ret == 0)
        ret = process_parse_caps(r, json_key(r, at, "capabilities"), out);
    if (ret < 0)
        return ret;
    if (!out->env)
        out->env = pool_calloc(r->pool, 1, sizeof(*out->env));
    for (size_t i = 0; i < ARRAY_SIZE(lsm); i++) {
        const char *s = NULL;

        ret = json_get_string(r, json_key(r, at, lsm[i]), false, &s);
        if (ret < 0)
            return ret;
        if (s && *s)
            json_warn(r, "process.%s is ignored: the sandbox has no such security module", lsm[i]);
    }
    return process_check(r, at, out);
}
