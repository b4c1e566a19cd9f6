/* SPDX-License-Identifier: Apache-2.0 */
/* poll and ppoll. */
#ifndef ABI_LINUX_POLL_H
#define ABI_LINUX_POLL_H

#include "cvisor/types.h"

/* events */
#define LINUX_POLLIN     0x0001
#define LINUX_POLLPRI    0x0002
#define LINUX_POLLOUT    0x0004
#define LINUX_POLLERR    0x0008
#define LINUX_POLLHUP    0x0010
#define LINUX_POLLNVAL   0x0020
#define LINUX_POLLRDNORM 0x0040
#define LINUX_POLLRDBAND 0x0080
#define LINUX_POLLWRNORM 0x0100
#define LINUX_POLLWRBAND 0x0200
#define LINUX_POLLMSG    0x0400
#define LINUX_POLLREMOVE 0x1000
#define LINUX_POLLRDHUP  0x2000

struct linux_pollfd {
    s32 fd;
    s16 events;
    s16 revents;
};
_Static_assert(sizeof(struct linux_pollfd) == 8, "guest ABI");

#endif
