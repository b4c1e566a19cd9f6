/* SPDX-License-Identifier: Apache-2.0 */
/* Names of capabilities and rlimits, and lexical cleaning of paths. */
#include "abi/linux/capability.h"
#include "abi/linux/resource.h"
#include "runsc/oci/spec.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

/* Indexed by number. */
static const char *const g_cap_names[] = {
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
};
_Static_assert(ARRAY_SIZE(g_cap_names) == LINUX_CAP_LAST_CAP + 1, "one name a capability");

static const char *const g_rlimit_names[LINUX_RLIM_NLIMITS] = {
    "CPU",     "FSIZE", "DATA",  "STACK",      "CORE",     "RSS",  "NPROC",  "NOFILE",
    "MEMLOCK", "AS",    "LOCKS", "SIGPENDING", "MSGQUEUE", "NICE", "RTPRIO", "RTTIME",
};

static int name_index(const char *const *names, size_t n, const char *prefix, const char *name)
{
    size_t skip = strlen(prefix);

    if (strncasecmp(name, prefix, skip) == 0)
        name += skip;
    for (size_t i = 0; i < n; i++) {
        if (strcasecmp(names[i], name) == 0)
            return (int)i;
    }
    return -ENOENT;
}

int oci_cap_number(const char *name)
{
    return name_index(g_cap_names, ARRAY_SIZE(g_cap_names), "CAP_", name);
}

int oci_rlimit_number(const char *name)
{
    return name_index(g_rlimit_names, ARRAY_SIZE(g_rlimit_names), "RLIMIT_", name);
}

const char *oci_clean_path(struct pool *pool, const char *dir, const char *path)
{
    char *full = path[0] == '/' ? pool_strdup(pool, path) : pool_printf(pool, "%s/%s", dir, path);
    char *out = pool_alloc(pool, strlen(full) + 2);
    size_t len = 0;

    for (char *part = full; *part;) {
        size_t n = strcspn(part, "/");

        if (n == 2 && part[0] == '.' && part[1] == '.') {
            if (len == 0)
                return NULL;
            while (out[--len] != '/')
                ;
        } else if (n > 0 && !(n == 1 && part[0] == '.')) {
            out[len++] = '/';
            memcpy(out + len, part, n);
            len += n;
        }
        part += n;
        part += strspn(part, "/");
    }
    if (len == 0)
        out[len++] = '/';
    out[len] = '\0';
    return out;
}
