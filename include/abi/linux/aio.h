/* SPDX-License-Identifier: Apache-2.0 */
/* io_setup and its family. */
#ifndef ABI_LINUX_AIO_H
#define ABI_LINUX_AIO_H

#include "cvisor/types.h"

#define LINUX_IOCB_CMD_PREAD   0
#define LINUX_IOCB_CMD_PWRITE  1
#define LINUX_IOCB_CMD_FSYNC   2
#define LINUX_IOCB_CMD_FDSYNC  3
#define LINUX_IOCB_CMD_POLL    5
#define LINUX_IOCB_CMD_NOOP    6
#define LINUX_IOCB_CMD_PREADV  7
#define LINUX_IOCB_CMD_PWRITEV 8
#define LINUX_IOCB_FLAG_RESFD  (1U << 0)
#define LINUX_IOCB_FLAG_IOPRIO (1U << 1)

struct linux_io_event {
    u64 data;
    u64 obj;
    s64 res;
    s64 res2;
};
_Static_assert(sizeof(struct linux_io_event) == 32, "guest ABI");

struct linux_iocb {
    u64 aio_data;
    u32 aio_key;
    s32 aio_rw_flags;
    u16 aio_lio_opcode;
    s16 aio_reqprio;
    u32 aio_fildes;
    u64 aio_buf;
    u64 aio_nbytes;
    s64 aio_offset;
    u64 aio_reserved2;
    u32 aio_flags;
    u32 aio_resfd;
};
_Static_assert(sizeof(struct linux_iocb) == 64, "guest ABI");

#endif
