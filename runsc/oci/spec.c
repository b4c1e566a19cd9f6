/* SPDX-License-Identifier: Apache-2.0 */
/* config.json: reading the file, the top level, and the default that `runsc spec` writes. */
#include "runsc/oci/spec.h"

#include "abi/linux/fcntl.h"
#include "abi/linux/stat.h"
#include "cvisor/host.h"
#include "runsc/oci/parse.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* "1.x.y", with or without a suffix. */
static int spec_check_version(struct json_reader *r, struct json_at at, const char *v)
{
    char *end;
    unsigned long parts[3];
    const char *s = v;

    for (int i = 0; i < 3; i++) {
        if (*s < '0' || *s > '9')
            return json_fail(r, at, "\"%.40s\" is not a version such as " OCI_VERSION, v);
        parts[i] = strtoul(s, &end, 10);
        if (i < 2 && *end != '.')
            return json_fail(r, at, "\"%.40s\" is not a version such as " OCI_VERSION, v);
        s = end + 1;
    }
    if (*end && *end != '-' && *end != '+')
        return json_fail(r, at, "\"%.40s\" is not a version such as " OCI_VERSION, v);
    if (parts[0] != 1)
        return json_fail(r, at, "version %.40s is not supported: runsc reads version 1.x", v);
    return 0;
}

static int spec_parse_root(struct json_reader *r, struct json_at at, const char *bundle,
                           struct oci_spec *out)
{
    const char *path = NULL;
    int ret = json_need_object(r, at, true);

    if (ret == 0)
        ret = json_get_string(r, json_key(r, at, "path"), true, &path);
    if (ret == 0)
        ret = json_get_bool(r, json_key(r, at, "readonly"), &out->root_readonly);
    if (ret < 0)
        return ret;
    if (!*path)
        return json_fail(r, json_key(r, at, "path"), "is empty: it must name the root's folder");
    out->root_path = *path == '/' ? path : pool_printf(r->pool, "%s/%s", bundle, path);
    return 0;
}

static int spec_parse_top(struct json_reader *r, struct json_at top, const char *bundle,
                          struct oci_spec *out)
{
    struct json_at at;
    int ret = json_need_object(r, top, true);

    if (ret < 0)
        return ret;
    at = json_key(r, top, "ociVersion");
    ret = json_get_string(r, at, true, &out->version);
    if (ret == 0)
        ret = spec_check_version(r, at, out->version);
    if (ret == 0)
        ret = oci_parse_process(r, json_key(r, top, "process"), &out->process);
    if (ret == 0)
        ret = spec_parse_root(r, json_key(r, top, "root"), bundle, out);
    at = json_key(r, top, "hostname");
    if (ret == 0)
        ret = json_get_string(r, at, false, &out->hostname);
    if (ret == 0 && out->hostname && strlen(out->hostname) > 64)
        ret = json_fail(r, at, "is longer than 64 bytes");
    if (ret == 0)
        ret = oci_parse_mounts(r, json_key(r, top, "mounts"), bundle, out);
    if (ret == 0)
        ret = oci_parse_linux(r, json_key(r, top, "linux"), out);
    at = json_key(r, top, "hooks");
    if (ret == 0)
        ret = json_need_object(r, at, false);
    if (ret == 0 && at.v && json_object_size(at.v))
        json_warn(r, "hooks are ignored: runsc does not run any yet");
    return ret;
}

int oci_parse(const char *text, size_t len, const char *bundle, struct pool *pool,
              struct oci_spec *out, struct error *e)
{
    struct json_reader r = {.pool = pool, .e = e};
    json_error_t je;
    json_t *doc;
    int ret;

    memset(out, 0, sizeof(*out));
    r.warnings = pool_calloc(pool, JSON_WARNINGS_MAX, sizeof(*r.warnings));
    doc = json_loadb(text, len, JSON_REJECT_DUPLICATES, &je);
    if (!doc && json_error_code(&je) == json_error_numeric_overflow)
        doc = json_loadb(text, len, JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL, &je);
    if (!doc)
        return error_set(e, 0, "not valid JSON: line %d, column %d: %s", je.line, je.column,
                         je.text);
    ret = spec_parse_top(&r, (struct json_at){doc, ""}, bundle, out);
    out->warnings = r.warnings;
    out->nwarnings = r.nwarnings;
    json_decref(doc);
    return ret;
}

int oci_load(const char *bundle, struct pool *pool, struct oci_spec *out, struct error *e)
{
    const char *path = pool_printf(pool, "%s/config.json", bundle);
    struct linux_stat st;
    char *text;
    ssize_t n;
    int ret;
    int fd = host_openat(LINUX_AT_FDCWD, path, LINUX_O_RDONLY | LINUX_O_CLOEXEC, 0);

    if (fd < 0)
        return error_set(e, fd, "cannot read the bundle's %s (`runsc spec` writes one)", path);
    ret = host_fstat(fd, &st);
    if (ret == 0 && (st.st_mode & LINUX_S_IFMT) != LINUX_S_IFREG)
        ret = error_set(e, 0, "%s is not a regular file", path);
    else if (ret == 0 && st.st_size > OCI_CONFIG_MAX)
        ret = error_set(e, 0, "%s is larger than %u bytes", path, OCI_CONFIG_MAX);
    else if (ret < 0)
        error_set(e, ret, "cannot read %s", path);
    if (ret < 0) {
        host_close(fd);
        return ret;
    }
    text = pool_alloc(pool, (size_t)st.st_size + 1);
    n = host_read(fd, text, (size_t)st.st_size);
    host_close(fd);
    if (n < 0)
        return error_set(e, (int)n, "cannot read %s", path);
    ret = oci_parse(text, (size_t)n, bundle, pool, out, e);
    if (ret < 0)
        error_wrap(e, "%s", path);
    return ret;
}

static const char g_default_config[] =
    "{"
    "\"ociVersion\":\"" OCI_VERSION "\","
    "\"process\":{\"terminal\":false,\"user\":{\"uid\":0,\"gid\":0},\"args\":[],"
    "\"env\":[\"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\","
    "\"TERM=xterm\"],\"cwd\":\"/\","
    "\"capabilities\":{"
    "\"bounding\":[\"CAP_AUDIT_WRITE\",\"CAP_KILL\",\"CAP_NET_BIND_SERVICE\"],"
    "\"effective\":[\"CAP_AUDIT_WRITE\",\"CAP_KILL\",\"CAP_NET_BIND_SERVICE\"],"
    "\"inheritable\":[\"CAP_AUDIT_WRITE\",\"CAP_KILL\",\"CAP_NET_BIND_SERVICE\"],"
    "\"permitted\":[\"CAP_AUDIT_WRITE\",\"CAP_KILL\",\"CAP_NET_BIND_SERVICE\"]},"
    "\"rlimits\":[{\"type\":\"RLIMIT_NOFILE\",\"hard\":1024,\"soft\":1024}]},"
    "\"root\":{\"path\":\"rootfs\",\"readonly\":true},"
    "\"hostname\":\"runsc\","
    "\"mounts\":["
    "{\"destination\":\"/proc\",\"type\":\"proc\",\"source\":\"proc\"},"
    "{\"destination\":\"/dev\",\"type\":\"tmpfs\",\"source\":\"tmpfs\"},"
    "{\"destination\":\"/sys\",\"type\":\"sysfs\",\"source\":\"sysfs\","
    "\"options\":[\"nosuid\",\"noexec\",\"nodev\",\"ro\"]}],"
    "\"linux\":{\"namespaces\":[{\"type\":\"pid\"},{\"type\":\"network\"},{\"type\":\"ipc\"},"
    "{\"type\":\"uts\"},{\"type\":\"mount\"}]}"
    "}";

char *oci_default_config(const char *const *args)
{
    json_error_t je;
    json_t *doc = json_loads(g_default_config, 0, &je);
    json_t *list = doc ? json_object_get(json_object_get(doc, "process"), "args") : NULL;
    char *text;

    BUG_ON(!list);
    for (size_t i = 0; args[i]; i++) {
        if (json_array_append_new(list, json_string(args[i])) < 0) { /* not UTF-8 */
            json_decref(doc);
            return NULL;
        }
    }
    text = json_dumps(doc, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
    json_decref(doc);
    return text;
}
