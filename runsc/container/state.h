/* SPDX-License-Identifier: Apache-2.0 */
/*
 * State files of containers: ROOT/ID/state.json and ROOT/ID/lock. The runsc that runs a container
 * holds the lock exclusively for as long as it lives, so a state whose lock is free is one of a
 * container that has ended, however it ended.
 */
#ifndef RUNSC_CONTAINER_STATE_H
#define RUNSC_CONTAINER_STATE_H

#include "cvisor/error.h"
#include "runsc/conf.h"
#include "runsc/pool.h"

struct container_state {
    const char *id;
    const char *bundle;
    int runner_pid; /* the runsc that runs it */
    int sentry_pid;
    u64 created_ns; /* since 1970 */
    bool running;   /* state_load(): somebody holds the lock */
};

/* A container that this process runs. */
struct state_handle {
    const char *dir;
    int lock_fd; /* -1 = none */
};

/* Makes ROOT/ID and takes its lock. -EEXIST with a message when the container runs already; what an
 * ended one left is taken over. */
int state_create(const struct runsc_conf *conf, const char *id, struct pool *pool,
                 struct state_handle *out, struct error *e);
int state_write(const struct state_handle *h, const struct container_state *s, struct error *e);
/* Removes the files and lets the lock go. */
void state_remove(struct state_handle *h);

/* -ENOENT with a message when there is no such container. */
int state_load(const struct runsc_conf *conf, const char *id, struct pool *pool,
               struct container_state *out, struct error *e);
/* Removes what an ended container left; -EBUSY with a message when it runs. */
int state_delete(const struct runsc_conf *conf, const char *id, struct pool *pool, struct error *e);
/* Ids of all containers, NULL-terminated and sorted; what is not a container is skipped. */
int state_ids(const struct runsc_conf *conf, struct pool *pool, const char *const **out,
              struct error *e);

/* The JSON of `runsc state`, to be freed with free(). */
char *state_to_json(const struct container_state *s);
/* -EINVAL with a message unless it can be a file name: letters, digits, "_+-.". */
int state_check_id(const char *id, struct error *e);

#endif
