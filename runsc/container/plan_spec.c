/* SPDX-License-Identifier: Apache-2.0 */
/* The plan of `runsc run`: from a validated OCI spec. */
#include "cvisor/log.h"
#include "runsc/container/plan_mounts.h"

#include <errno.h>
#include <string.h>

/* --overlay2: whose changes stay in memory. */
static bool plan_overlay_root(const struct runsc_conf *conf)
{
    return strcmp(conf->overlay2, "none") != 0;
}

static bool plan_overlay_all(const struct runsc_conf *conf)
{
    return strcmp(conf->overlay2, "all:memory") == 0;
}

static void plan_process(const struct oci_process *p, struct pool *pool, struct boot_process *out)
{
    struct boot_rlimit *limits = pool_calloc(pool, p->nrlimits, sizeof(*limits));

    for (size_t i = 0; i < p->nrlimits; i++)
        limits[i] = (struct boot_rlimit){p->rlimits[i].resource, p->rlimits[i].soft,
                                         p->rlimits[i].hard};
    *out = (struct boot_process){
        .argv = p->args,
        .envp = p->env,
        .cwd = p->cwd,
        .uid = p->uid,
        .gid = p->gid,
        .groups = p->groups,
        .ngroups = p->ngroups,
        .caps_effective = p->caps_effective,
        .caps_permitted = p->caps_permitted,
        .caps_inheritable = p->caps_inheritable,
        .caps_bounding = p->caps_bounding,
        .caps_ambient = p->caps_ambient,
        .no_new_privs = p->no_new_privs,
        .umask = p->umask,
        .rlimits = limits,
        .nrlimits = p->nrlimits,
    };
}

static void plan_mount(const struct runsc_conf *conf, const struct oci_mount *m,
                       struct sandbox_plan *out)
{
    static const enum boot_mount_type types[] = {
        [OCI_MOUNT_BIND] = BOOT_MOUNT_GOFER,    [OCI_MOUNT_TMPFS] = BOOT_MOUNT_TMPFS,
        [OCI_MOUNT_PROC] = BOOT_MOUNT_PROC,     [OCI_MOUNT_SYSFS] = BOOT_MOUNT_SYSFS,
        [OCI_MOUNT_DEV] = BOOT_MOUNT_DEV,       [OCI_MOUNT_DEVPTS] = BOOT_MOUNT_DEVPTS,
        [OCI_MOUNT_MQUEUE] = BOOT_MOUNT_MQUEUE,
    };
    struct sandbox_mount *s;

    if (m->type == OCI_MOUNT_IGNORED) {
        log_info("the mount on %s is left out: the sandbox has no such file system",
                 m->destination);
        return;
    }
    s = plan_mount_add(out, types[m->type], m->destination);
    s->boot.readonly = m->readonly;
    s->boot.noexec = m->noexec;
    s->boot.nosuid = m->nosuid;
    s->boot.nodev = m->nodev;
    s->boot.size_limit = m->size;
    s->boot.mode = m->mode;
    s->boot.uid = m->uid;
    s->boot.gid = m->gid;
    if (m->type != OCI_MOUNT_BIND)
        return;
    s->source = m->source;
    s->recursive = m->recursive;
    s->boot.overlay = plan_overlay_all(conf) && !m->readonly;
    s->source_readonly = m->readonly || s->boot.overlay;
}

int plan_from_spec(const struct runsc_conf *conf, const struct oci_spec *spec, const char *id,
                   struct pool *pool, struct sandbox_plan *out, struct error *e)
{
    struct sandbox_mount *root;

    memset(out, 0, sizeof(*out));
    out->id = id;
    out->hostname = spec->hostname ? spec->hostname : id;
    out->memory_limit = spec->memory_limit;
    plan_process(&spec->process, pool, &out->init);
    for (size_t i = 0; i < spec->nwarnings; i++)
        log_warn("%s", spec->warnings[i]);
    if (spec->cgroups_path && !conf->ignore_cgroups)
        log_warn("linux.cgroupsPath is ignored: cgroups are not managed (--ignore-cgroups says so "
                 "on purpose)");

    plan_mounts_init(out, pool, 1 + spec->nmounts + PLAN_STANDARD_MOUNTS);
    root = plan_mount_add(out, BOOT_MOUNT_GOFER, "/");
    root->source = spec->root_path;
    root->recursive = true;
    root->boot.readonly = spec->root_readonly;
    /* Mount points that the root lacks are made in memory if it must not change. */
    root->boot.overlay = plan_overlay_root(conf) || spec->root_readonly;
    root->source_readonly = root->boot.overlay;
    for (size_t i = 0; i < spec->nmounts; i++) {
        if (strcmp(spec->mounts[i].destination, "/") == 0)
            return error_set(e, 0, "mounts[%zu]: a mount cannot take the place of the root", i);
        plan_mount(conf, &spec->mounts[i], out);
    }
    plan_add_standard_mounts(out);
    plan_mounts_sort(out, pool);
    return 0;
}
