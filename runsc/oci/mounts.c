/* SPDX-License-Identifier: Apache-2.0 */
/* config.json: the "mounts" array. */
#include "runsc/oci/parse.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define OCI_MOUNTS_MAX 1024

static const struct {
    const char *name;
    enum oci_mount_type type;
} g_mount_types[] = {
    {"bind", OCI_MOUNT_BIND},       {"rbind", OCI_MOUNT_BIND},    {"tmpfs", OCI_MOUNT_TMPFS},
    {"proc", OCI_MOUNT_PROC},       {"sysfs", OCI_MOUNT_SYSFS},   {"devtmpfs", OCI_MOUNT_DEV},
    {"devpts", OCI_MOUNT_DEVPTS},   {"mqueue", OCI_MOUNT_MQUEUE}, {"cgroup", OCI_MOUNT_IGNORED},
    {"cgroup2", OCI_MOUNT_IGNORED},
};

/* "64k", "10M", "1g", "4096": bytes. */
static int mount_parse_size(const char *s, u64 *out)
{
    char *end;
    u64 n, unit = 1;

    if (*s < '0' || *s > '9')
        return -EINVAL;
    errno = 0;
    n = strtoull(s, &end, 10);
    if (errno)
        return -EINVAL;
    switch (*end) {
    case 'k':
    case 'K':
        unit = 1ull << 10;
        end++;
        break;
    case 'm':
    case 'M':
        unit = 1ull << 20;
        end++;
        break;
    case 'g':
    case 'G':
        unit = 1ull << 30;
        end++;
        break;
    }
    return *end || __builtin_mul_overflow(n, unit, out) ? -EINVAL : 0;
}

static int mount_parse_number(const char *s, int base, u64 max, u32 *out)
{
    char *end;
    u64 n;

    if (*s < '0' || *s > '9')
        return -EINVAL;
    errno = 0;
    n = strtoull(s, &end, base);
    if (errno || *end || n > max)
        return -EINVAL;
    *out = (u32)n;
    return 0;
}

/* Options that are plain switches. false: not one of them. */
static bool mount_parse_switch(struct oci_mount *m, const char *opt)
{
    const struct {
        const char *name;
        bool *field;
        bool value;
    } switches[] = {
        {"ro", &m->readonly, true},   {"rw", &m->readonly, false},    {"rro", &m->readonly, true},
        {"rrw", &m->readonly, false}, {"noexec", &m->noexec, true},   {"exec", &m->noexec, false},
        {"nosuid", &m->nosuid, true}, {"suid", &m->nosuid, false},    {"nodev", &m->nodev, true},
        {"dev", &m->nodev, false},    {"rbind", &m->recursive, true},
    };

    for (size_t i = 0; i < ARRAY_SIZE(switches); i++) {
        if (strcmp(switches[i].name, opt) == 0) {
            *switches[i].field = switches[i].value;
            return true;
        }
    }
    return false;
}

/* Options that change nothing inside the sandbox: propagation, access times, and those of
 * filesystems that the sandbox implements itself. */
static bool mount_option_is_moot(const char *opt)
{
    static const char *const moot[] = {
        "bind",       "private",     "rprivate",    "slave",       "rslave",        "shared",
        "rshared",    "unbindable",  "runbindable", "atime",       "noatime",       "diratime",
        "nodiratime", "relatime",    "norelatime",  "strictatime", "nostrictatime", "defaults",
        "async",      "sync",        "dirsync",     "silent",      "loud",          "iversion",
        "noiversion", "newinstance", "tmpcopyup",   "lazytime",    "nolazytime",
    };
    static const char *const prefixes[] = {"ptmxmode=", "nr_inodes=", "nr_blocks=", "hidepid="};

    for (size_t i = 0; i < ARRAY_SIZE(moot); i++) {
        if (strcmp(moot[i], opt) == 0)
            return true;
    }
    for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++) {
        if (strncmp(prefixes[i], opt, strlen(prefixes[i])) == 0)
            return true;
    }
    return false;
}

static int mount_parse_option(struct json_reader *r, struct json_at at, struct oci_mount *m,
                              const char *opt)
{
    int ret;

    if (mount_parse_switch(m, opt) || mount_option_is_moot(opt))
        return 0;
    if (strncmp(opt, "size=", 5) == 0)
        ret = mount_parse_size(opt + 5, &m->size);
    else if (strncmp(opt, "mode=", 5) == 0)
        ret = mount_parse_number(opt + 5, 8, 07777, &m->mode);
    else if (strncmp(opt, "uid=", 4) == 0)
        ret = mount_parse_number(opt + 4, 10, UINT32_MAX - 1, &m->uid);
    else if (strncmp(opt, "gid=", 4) == 0)
        ret = mount_parse_number(opt + 4, 10, UINT32_MAX - 1, &m->gid);
    else
        return json_fail(r, at, "\"%.80s\" is not a mount option that runsc supports", opt);
    if (ret < 0)
        return json_fail(r, at, "\"%.80s\": the value is not valid", opt);
    return 0;
}

static int mount_parse_type(struct json_reader *r, struct json_at at, struct oci_mount *m,
                            const char *type, bool bind)
{
    if (bind) {
        m->type = OCI_MOUNT_BIND;
        return 0;
    }
    if (!type)
        return json_fail(r, at, "is missing: it must name a file system, or options have \"bind\"");
    for (size_t i = 0; i < ARRAY_SIZE(g_mount_types); i++) {
        if (strcmp(g_mount_types[i].name, type) == 0) {
            m->type = g_mount_types[i].type;
            /* The sandbox makes the standard devices itself. */
            if (m->type == OCI_MOUNT_TMPFS && strcmp(m->destination, "/dev") == 0)
                m->type = OCI_MOUNT_DEV;
            return 0;
        }
    }
    return json_fail(r, at,
                     "\"%.40s\" is not supported: use bind, tmpfs, proc, sysfs, devtmpfs, devpts "
                     "or mqueue",
                     type);
}

static int mount_parse(struct json_reader *r, struct json_at at, const char *bundle,
                       struct oci_mount *m)
{
    const char *dest = NULL, *type = NULL, *source = NULL, **opts = NULL;
    struct json_at opts_at = json_key(r, at, "options");
    bool bind = false;
    size_t n = 0;
    int ret = json_need_object(r, at, true);

    if (ret == 0)
        ret = json_get_string(r, json_key(r, at, "destination"), true, &dest);
    if (ret == 0)
        ret = json_get_string(r, json_key(r, at, "type"), false, &type);
    if (ret == 0)
        ret = json_get_string(r, json_key(r, at, "source"), false, &source);
    if (ret == 0)
        ret = json_get_strings(r, opts_at, false, &opts, &n);
    if (ret < 0)
        return ret;
    if (dest[0] != '/')
        return json_fail(r, json_key(r, at, "destination"), "\"%.200s\" must be an absolute path",
                         dest);
    m->destination = oci_clean_path(r->pool, "", dest);
    if (!m->destination)
        return json_fail(r, json_key(r, at, "destination"), "\"%.200s\" leads out of the root",
                         dest);
    for (size_t i = 0; i < n; i++)
        bind |= strcmp(opts[i], "bind") == 0 || strcmp(opts[i], "rbind") == 0;
    ret = mount_parse_type(r, json_key(r, at, "type"), m, type, bind);
    if (ret < 0)
        return ret;
    for (size_t i = 0; i < n && m->type != OCI_MOUNT_IGNORED; i++) {
        ret = mount_parse_option(r, json_item(r, opts_at, i), m, opts[i]);
        if (ret < 0)
            return ret;
    }
    if (m->type != OCI_MOUNT_BIND)
        return 0;
    if (!source || !*source)
        return json_fail(r, json_key(r, at, "source"),
                         "is missing: a bind mount needs a host path");
    /* Not cleaned: "link/.." has a meaning on the host. */
    m->source = source[0] == '/' ? source : pool_printf(r->pool, "%s/%s", bundle, source);
    return 0;
}

int oci_parse_mounts(struct json_reader *r, struct json_at at, const char *bundle,
                     struct oci_spec *out)
{
    size_t n;
    int ret = json_need_array(r, at, false, OCI_MOUNTS_MAX, &n);

    if (ret < 0)
        return ret;
    out->mounts = pool_calloc(r->pool, n, sizeof(*out->mounts));
    out->nmounts = n;
    for (size_t i = 0; i < n; i++) {
        ret = mount_parse(r, json_item(r, at, i), bundle, &out->mounts[i]);
        if (ret < 0)
            return ret;
    }
    return 0;
}
