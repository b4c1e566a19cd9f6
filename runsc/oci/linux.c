/* SPDX-License-Identifier: Apache-2.0 */
/* config.json: the "linux" object. */
#include "runsc/oci/parse.h"

#include <errno.h>
#include <string.h>

static int linux_parse_namespace(struct json_reader *r, struct json_at at, u32 *seen)
{
    static const char *const types[] = {"pid", "network", "mount",  "ipc",
                                        "uts", "user",    "cgroup", "time"};
    const char *type = NULL, *path = NULL;
    size_t i;
    int ret = json_need_object(r, at, true);

    if (ret == 0)
        ret = json_get_string(r, json_key(r, at, "type"), true, &type);
    if (ret == 0)
        ret = json_get_string(r, json_key(r, at, "path"), false, &path);
    if (ret < 0)
        return ret;
    for (i = 0; i < ARRAY_SIZE(types); i++) {
        if (strcmp(types[i], type) == 0)
            break;
    }
    if (i == ARRAY_SIZE(types))
        return json_fail(r, json_key(r, at, "type"), "\"%.40s\" is not a kind of namespace", type);
    if (*seen & (1u << i))
        return json_fail(r, at, "the %s namespace is given twice", type);
    *seen |= 1u << i;
    if (path && *path)
        json_warn(r, "%s.path is ignored: the sandbox has %s namespaces of its own", at.path, type);
    return 0;
}

static int linux_parse_resources(struct json_reader *r, struct json_at at, struct oci_spec *out)
{
    static const char *const unsupported[] = {"cpu", "pids", "blockIO", "hugepageLimits",
                                              "unified"};
    struct json_at memory = json_key(r, at, "memory");
    u64 limit = 0;
    int ret = json_need_object(r, at, false);

    if (ret == 0)
        ret = json_need_object(r, memory, false);
    if (ret == 0)
        ret = json_get_u64(r, json_key(r, memory, "limit"), false, &limit);
    if (ret < 0)
        return ret;
    out->memory_limit = limit == UINT64_MAX ? 0 : limit; /* -1: no limit */
    for (size_t i = 0; i < ARRAY_SIZE(unsupported); i++) {
        if (json_key(r, at, unsupported[i]).v)
            json_warn(r, "linux.resources.%s is ignored: cgroups are not managed", unsupported[i]);
    }
    return 0;
}

/* Below /proc and /sys there is nothing of the host's to hide. */
static int linux_parse_hidden(struct json_reader *r, struct json_at at)
{
    const char **paths = NULL;
    size_t n = 0;
    int ret = json_get_strings(r, at, false, &paths, &n);

    for (size_t i = 0; ret == 0 && i < n; i++) {
        if (strncmp(paths[i], "/proc/", 6) != 0 && strncmp(paths[i], "/sys/", 5) != 0)
            json_warn(r, "%s[%zu] is ignored: %.200s stays as it is", at.path, i, paths[i]);
    }
    return ret;
}

int oci_parse_linux(struct json_reader *r, struct json_at at, struct oci_spec *out)
{
    static const struct {
        const char *key, *why;
    } ignored[] = {
        {"seccomp",
         "the program's calls go to the sandbox's kernel, not through the host's filter"},
        {"devices", "the sandbox has its standard devices only"},
        {"sysctl", "the sandbox's kernel has its own settings"},
        {"uidMappings", "users inside are those of the sandbox's kernel"},
        {"gidMappings", "groups inside are those of the sandbox's kernel"},
        {"mountLabel", "the sandbox has no such security module"},
        {"intelRdt", "not supported"},
        {"personality", "not supported"},
    };
    struct json_at ns = json_key(r, at, "namespaces");
    u32 seen = 0;
    size_t n;
    int ret = json_need_object(r, at, false);

    if (ret < 0 || !at.v)
        return ret;
    ret = json_need_array(r, ns, false, 64, &n);
    for (size_t i = 0; ret == 0 && i < n; i++)
        ret = linux_parse_namespace(r, json_item(r, ns, i), &seen);
    if (ret == 0)
        ret = linux_parse_resources(r, json_key(r, at, "resources"), out);
    if (ret == 0)
        ret = json_get_string(r, json_key(r, at, "cgroupsPath"), false, &out->cgroups_path);
    if (ret == 0)
        ret = linux_parse_hidden(r, json_key(r, at, "maskedPaths"));
    if (ret == 0)
        ret = linux_parse_hidden(r, json_key(r, at, "readonlyPaths"));
    if (ret < 0)
        return ret;
    for (size_t i = 0; i < ARRAY_SIZE(ignored); i++) {
        struct json_at item = json_key(r, at, ignored[i].key);

        if (item.v &&
            (json_object_size(item.v) || json_array_size(item.v) || json_is_string(item.v)))
            json_warn(r, "linux.%s is ignored: %s", ignored[i].key, ignored[i].why);
    }
    return 0;
}
