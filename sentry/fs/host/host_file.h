/* SPDX-License-Identifier: Apache-2.0 */
/* Host descriptors as files of the guest: its standard input, output and error. */
#ifndef SENTRY_FS_HOST_HOST_FILE_H
#define SENTRY_FS_HOST_HOST_FILE_H

#include "cvisor/types.h"

struct file;

/* flags: access mode, O_APPEND, O_NONBLOCK as the host has them. hostfd is owned by the file from now on
 * (also on failure). */
int host_file_new(int hostfd, u32 flags, struct file **out);

#endif
