/* SPDX-License-Identifier: Apache-2.0 */
/* Vectored I/O. */
#ifndef ABI_LINUX_UIO_H
#define ABI_LINUX_UIO_H

#include "cvisor/types.h"

#define LINUX_IOV_MAX     1024
#define LINUX_UIO_FASTIOV 8
#define LINUX_UIO_MAXIOV  LINUX_IOV_MAX
/* The most that one read or write transfers. */
#define LINUX_MAX_RW_COUNT 0x7ffff000UL

struct linux_iovec {
    u64 iov_base;
    u64 iov_len;
};
_Static_assert(sizeof(struct linux_iovec) == 16, "guest ABI");

/* preadv2, pwritev2 */
#define LINUX_RWF_HIPRI  0x1
#define LINUX_RWF_DSYNC  0x2
#define LINUX_RWF_SYNC   0x4
#define LINUX_RWF_NOWAIT 0x8
#define LINUX_RWF_APPEND 0x10
#define LINUX_RWF_SUPPORTED                                                                        \
    (LINUX_RWF_HIPRI | LINUX_RWF_DSYNC | LINUX_RWF_SYNC | LINUX_RWF_NOWAIT | LINUX_RWF_APPEND)

#endif
