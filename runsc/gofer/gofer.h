/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The gofer: the process that owns the host's file trees and serves them to the sentry over 9P
 * (include/cvisor/p9.h). It trusts neither the guest nor the sentry. Links base and host only.
 */
#ifndef RUNSC_GOFER_GOFER_H
#define RUNSC_GOFER_GOFER_H

#include "cvisor/error.h"

struct gofer_export {
    int sock;        /* connected SOCK_STREAM unix socket; owned by gofer_serve from then on */
    int root_fd;     /* O_PATH directory (or regular file, for a bind mount of one); owned too */
    bool readonly;   /* refuse every change */
    bool donate_fds; /* hand out host descriptors of regular files */
};

/*
 * Opens /proc/self/fd for reopening O_PATH descriptors. Call it in the final process, while a /proc
 * of its pid namespace (or of an ancestor) is visible: before chroot and the filter.
 * Sets the umask to 0.
 */
int gofer_prepare(struct error *e);

/*
 * Serves all exports until every socket is closed by its peer; then 0. -errno when it cannot start
 * (gofer_prepare was not called and /proc is not there, no memory).
 */
int gofer_serve(const struct gofer_export *exports, size_t n);

#endif
