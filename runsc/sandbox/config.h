/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What runsc tells the two processes that it starts: the sentry (`runsc boot`) and the gofer. Each
 * gets its config as a sealed memory file at descriptor CONFIG_FD_CONFIG.
 */
#ifndef RUNSC_SANDBOX_CONFIG_H
#define RUNSC_SANDBOX_CONFIG_H

#include "cvisor/error.h"
#include "cvisor/log.h"
#include "runsc/pool.h"
#include "sentry/boot/boot.h"

/* Descriptors of a started process. Those from CONFIG_FD_FREE on are named by its config. */
enum config_fd {
    CONFIG_FD_NULL_IN, /* /dev/null */
    CONFIG_FD_NULL_OUT,
    CONFIG_FD_STDERR, /* runsc's standard error: last words only */
    CONFIG_FD_CONFIG,
    CONFIG_FD_CONTROL, /* struct boot_msg both ways; its end means that runsc has ended */
    CONFIG_FD_LOG,
    CONFIG_FD_FREE,
};

/* Common to both. */
struct config_process {
    const char *id;
    u64 start_ns; /* monotonic time at which runsc started: zero of the boot timeline */
    enum log_format log_format;
    enum log_level log_level;
    bool private_mounts; /* no user namespace: mounts must be cut off from the host's */
};

struct config_sentry {
    struct config_process process;
    bool seccomp_log; /* log forbidden calls instead of ending the sentry */
    struct boot_config boot;
};

struct config_export {
    const char *source; /* absolute host path */
    bool readonly;
    bool recursive; /* with the mounts below it */
    int sock;       /* the gofer's descriptor of the connection to the sentry */
};

struct config_gofer {
    struct config_process process;
    struct config_export *exports;
    size_t nexports;
};

/* A sealed memory file with the config, or -errno. */
int config_encode_sentry(struct config_sentry *c, struct error *e);
int config_encode_gofer(struct config_gofer *c, struct error *e);
/* Reads and closes CONFIG_FD_CONFIG. */
int config_decode_sentry(struct pool *pool, struct config_sentry *c, struct error *e);
int config_decode_gofer(struct pool *pool, struct config_gofer *c, struct error *e);

/* In memory, for tests: *buf is from malloc. */
int config_sentry_to_bytes(struct config_sentry *c, u8 **buf, size_t *len);
int config_sentry_from_bytes(struct pool *pool, u8 *buf, size_t len, struct config_sentry *c);

#endif
