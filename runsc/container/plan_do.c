/* SPDX-License-Identifier: Apache-2.0 */
/* The plan of `runsc do`. */
#include "abi/linux/capability.h"
#include "abi/linux/resource.h"
#include "cvisor/host.h"
#include "cvisor/host_setup.h"
#include "runsc/container/plan_mounts.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

int plan_parse_volume(const char *text, const char *cwd, struct pool *pool, struct plan_volume *out,
                      struct error *e)
{
    char *source = pool_strdup(pool, text);
    char *dest = strchr(source, ':');
    char *mode = dest ? strchr(dest + 1, ':') : NULL;

    if (!dest || dest == source)
        return error_set(e, 0, "--volume %s: it must have the form SRC:DST or SRC:DST:ro", text);
    *dest++ = '\0';
    if (mode)
        *mode++ = '\0';
    if (mode && strcmp(mode, "ro") != 0 && strcmp(mode, "rw") != 0)
        return error_set(e, 0, "--volume %s: \"%s\" must be ro or rw", text, mode);
    if (dest[0] != '/')
        return error_set(e, 0, "--volume %s: the path inside the sandbox must be absolute", text);
    out->source = source[0] == '/' ? source : pool_printf(pool, "%s/%s", cwd, source);
    out->destination = oci_clean_path(pool, "", dest);
    out->readonly = mode && strcmp(mode, "ro") == 0;
    if (!out->destination || strcmp(out->destination, "/") == 0)
        return error_set(e, 0, "--volume %s: it cannot take the place of the root", text);
    return 0;
}

/* Bytes of the name in NAME=VALUE. */
static size_t env_name_len(const char *var)
{
    return strcspn(var, "=");
}

const char *const *plan_merge_env(struct pool *pool, const char *const *env, const char *const *set,
                                  size_t nset)
{
    size_t n = 0;
    const char **out;

    while (env[n])
        n++;
    out = pool_calloc(pool, n + nset + 1, sizeof(*out));
    memcpy(out, env, n * sizeof(*out));
    for (size_t i = 0; i < nset; i++) {
        size_t len = env_name_len(set[i]), at = 0;

        while (at < n && !(env_name_len(out[at]) == len && memcmp(out[at], set[i], len) == 0))
            at++;
        out[at] = set[i];
        n = MAX(n, at + 1);
    }
    return out;
}

static int plan_callers_identity(const struct runsc_conf *conf, struct pool *pool,
                                 struct boot_process *p, struct error *e)
{
    u32 *groups;
    int n, r;

    p->caps_effective = p->caps_permitted = p->caps_bounding = LINUX_CAP_ALL;
    if (conf->rootless)
        return 0; /* root inside, as in the user namespace */
    p->uid = host_getuid();
    p->gid = host_getgid();
    n = host_getgroups(0, NULL);
    if (n > 0) {
        groups = pool_calloc(pool, (size_t)n, sizeof(*groups));
        r = n = host_getgroups((size_t)n, groups);
        if (r < 0)
            return error_set(e, r, "cannot read the caller's groups");
        p->groups = groups;
        p->ngroups = (size_t)n;
    }
    return 0;
}

static int plan_callers_limits(struct pool *pool, struct boot_process *p, struct error *e)
{
    struct boot_rlimit *limits = pool_calloc(pool, LINUX_RLIM_NLIMITS, sizeof(*limits));

    for (int i = 0; i < LINUX_RLIM_NLIMITS; i++) {
        struct linux_rlimit l;
        int r = host_prlimit(i, NULL, &l);

        if (r < 0)
            return error_set(e, r, "cannot read the caller's resource limits");
        limits[i] = (struct boot_rlimit){i, l.rlim_cur, l.rlim_max};
    }
    p->rlimits = limits;
    p->nrlimits = LINUX_RLIM_NLIMITS;
    p->umask = host_umask(0);
    host_umask(p->umask);
    return 0;
}

int plan_for_do(const struct runsc_conf *conf, const struct plan_do *d, struct pool *pool,
                struct sandbox_plan *out, struct error *e)
{
    struct sandbox_mount *root;
    int r;

    memset(out, 0, sizeof(*out));
    out->id = pool_printf(pool, "runsc-%d", host_getpid());
    out->hostname = "runsc";
    out->init.argv = d->argv;
    out->init.envp = d->env;
    out->init.cwd = d->cwd;
    r = plan_callers_identity(conf, pool, &out->init, e);
    if (r == 0)
        r = plan_callers_limits(pool, &out->init, e);
    if (r < 0)
        return r;

    plan_mounts_init(out, pool, 1 + d->nvolumes + PLAN_STANDARD_MOUNTS);
    root = plan_mount_add(out, BOOT_MOUNT_GOFER, "/");
    root->source = "/";
    root->source_readonly = true;
    root->recursive = true;
    root->boot.overlay = true;
    for (size_t i = 0; i < d->nvolumes; i++) {
        const struct plan_volume *v = &d->volumes[i];
        struct sandbox_mount *m = plan_mount_add(out, BOOT_MOUNT_GOFER, v->destination);

        m->source = v->source;
        m->source_readonly = m->boot.readonly = v->readonly;
        m->recursive = true;
    }
    plan_add_standard_mounts(out);
    plan_mounts_sort(out, pool);
    return 0;
}
