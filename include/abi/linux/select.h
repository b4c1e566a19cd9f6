/* SPDX-License-Identifier: Apache-2.0 */
/* select and pselect6. */
#ifndef ABI_LINUX_SELECT_H
#define ABI_LINUX_SELECT_H

#include "cvisor/types.h"

#define LINUX_FD_SETSIZE 1024
#define LINUX_NFDBITS    64

struct linux_fd_set {
    u64 fds_bits[LINUX_FD_SETSIZE / LINUX_NFDBITS];
};
_Static_assert(sizeof(struct linux_fd_set) == 128, "guest ABI");

#endif
