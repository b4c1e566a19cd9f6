/* SPDX-License-Identifier: Apache-2.0 */
/* Control messages between guest memory and struct scm. */
#ifndef SENTRY_NET_CMSG_H
#define SENTRY_NET_CMSG_H

#include "sentry/net/socket.h"

/* From the guest's control buffer (len bytes). On failure scm is empty. */
int cmsg_import(struct task *t, struct socket *s, uaddr_t control, u64 len, struct scm *scm);
/* To the guest: installs descriptors, writes at most *len bytes, sets *len to what was used and
 * LINUX_MSG_CTRUNC in *flags when something did not fit. */
int cmsg_export(struct task *t, struct socket *s, uaddr_t control, u64 *len, struct scm *scm,
                bool cloexec, u32 *flags);

#endif
