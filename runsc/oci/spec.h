/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The typed form of an OCI bundle's config.json: only what runsc acts upon, validated. Numbers of
 * signals, limits and capabilities are those of the guest ABI. Immutable once parsed; everything is
 * allocated in the pool that was given.
 */
#ifndef RUNSC_OCI_SPEC_H
#define RUNSC_OCI_SPEC_H

#include "cvisor/error.h"
#include "runsc/pool.h"

#define OCI_VERSION "1.1.0"       /* written by us */
#define OCI_CONFIG_MAX (4u << 20) /* bytes of a config.json */

struct oci_rlimit {
    int resource; /* LINUX_RLIMIT_* */
    u64 soft, hard;
};

struct oci_process {
    bool terminal;
    const char **args; /* NULL-terminated, at least one */
    const char **env;  /* NULL-terminated, each NAME=VALUE */
    const char *cwd;   /* absolute */
    u32 uid, gid;
    u32 *groups;
    size_t ngroups;
    u32 umask; /* 0022 by default */
    struct oci_rlimit *rlimits;
    size_t nrlimits;
    bool has_caps; /* false: the file names no capabilities at all */
    u64 caps_effective, caps_permitted, caps_inheritable, caps_bounding, caps_ambient;
    bool no_new_privs;
};

enum oci_mount_type {
    OCI_MOUNT_BIND,
    OCI_MOUNT_TMPFS,
    OCI_MOUNT_PROC,
    OCI_MOUNT_SYSFS,
    OCI_MOUNT_DEV, /* a tmpfs or devtmpfs on /dev */
    OCI_MOUNT_DEVPTS,
    OCI_MOUNT_MQUEUE,
    OCI_MOUNT_IGNORED, /* cgroup */
};

struct oci_mount {
    enum oci_mount_type type;
    const char *destination; /* absolute, cleaned: no "..", no "//" */
    const char *source;      /* BIND: absolute host path */
    bool readonly, noexec, nosuid, nodev;
    bool recursive; /* BIND */
    u64 size;       /* TMPFS: bytes, 0 = default */
    u32 mode;       /* TMPFS: 0 = default */
    u32 uid, gid;   /* TMPFS */
};

struct oci_spec {
    const char *version;
    struct oci_process process;
    const char *root_path; /* absolute host path */
    bool root_readonly;
    const char *hostname; /* NULL = none given */
    struct oci_mount *mounts;
    size_t nmounts;
    u64 memory_limit;         /* bytes, 0 = none */
    const char *cgroups_path; /* NULL = none given */
    const char **warnings;    /* properties that have no effect here but that somebody relies on */
    size_t nwarnings;
};

/* Reads BUNDLE/config.json. bundle is absolute. */
int oci_load(const char *bundle, struct pool *pool, struct oci_spec *out, struct error *e);
/* The same from memory; relative paths in it are relative to bundle. */
int oci_parse(const char *text, size_t len, const char *bundle, struct pool *pool,
              struct oci_spec *out, struct error *e);
/* The config.json of `runsc spec`, to be freed with free(). args: NULL-terminated. */
char *oci_default_config(const char *const *args);

/* "/a//b/./c/.." → "/a/b"; dir stands in front of a relative path. NULL when ".." leaves "/". */
const char *oci_clean_path(struct pool *pool, const char *dir, const char *path);
/* Numbers of "CAP_CHOWN" and "RLIMIT_NOFILE" (the rlimit also without its prefix), or -ENOENT. */
int oci_cap_number(const char *name);
int oci_rlimit_number(const char *name);

#endif
