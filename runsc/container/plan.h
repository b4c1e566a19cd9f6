/* SPDX-License-Identifier: Apache-2.0 */
/* From a command line or a bundle to the plan of a sandbox. */
#ifndef RUNSC_CONTAINER_PLAN_H
#define RUNSC_CONTAINER_PLAN_H

#include "runsc/oci/spec.h"
#include "runsc/sandbox/sandbox.h"

struct plan_volume {
    const char *source;      /* absolute host path */
    const char *destination; /* absolute guest path */
    bool readonly;
};

struct plan_do {
    const char *const *argv;
    const char *cwd;        /* absolute guest path */
    const char *const *env; /* NULL-terminated */
    const struct plan_volume *volumes;
    size_t nvolumes;
};

/* The host's root under a writable overlay in memory, the caller's identity, limits and umask. */
int plan_for_do(const struct runsc_conf *conf, const struct plan_do *d, struct pool *pool,
                struct sandbox_plan *out, struct error *e);
/* An OCI bundle. */
int plan_from_spec(const struct runsc_conf *conf, const struct oci_spec *spec, const char *id,
                   struct pool *pool, struct sandbox_plan *out, struct error *e);

/* "SRC:DST[:ro|:rw]"; a relative SRC starts at cwd. */
int plan_parse_volume(const char *text, const char *cwd, struct pool *pool, struct plan_volume *out,
                      struct error *e);
/* env with each NAME=VALUE of `set` added or put in place of an older one; later ones win. */
const char *const *plan_merge_env(struct pool *pool, const char *const *env, const char *const *set,
                                  size_t nset);

#endif
