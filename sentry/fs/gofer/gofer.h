/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The gofer filesystem: files of the host, through a gofer process. See README.md beside it. Its
 * constructor, gofer_fs_new(), is in sentry/fs/mounts.h.
 */
#ifndef SENTRY_FS_GOFER_GOFER_H
#define SENTRY_FS_GOFER_GOFER_H

/*
 * Called once for each connection that dies, from the thread that noticed, without locks of this
 * module but possibly with locks of its callers: it must not block. Set at boot; it ends the
 * sandbox. NULL = calls just fail with -EIO.
 */
extern void (*g_gofer_on_death)(const char *why);

#endif
