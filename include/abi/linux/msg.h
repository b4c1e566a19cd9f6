/* SPDX-License-Identifier: Apache-2.0 */
/* System V message queues. */
#ifndef ABI_LINUX_MSG_H
#define ABI_LINUX_MSG_H

#include "abi/linux/ipc.h"
#include "cvisor/types.h"

/* msgrcv flags and msgctl commands */
#define LINUX_MSG_STAT     11
#define LINUX_MSG_INFO     12
#define LINUX_MSG_STAT_ANY 13
#define LINUX_MSG_NOERROR  010000
#define LINUX_MSG_EXCEPT   020000
#define LINUX_MSG_COPY     040000

#define LINUX_MSGMNI 32000
#define LINUX_MSGMAX 8192
#define LINUX_MSGMNB 16384

struct linux_msqid64_ds {
    struct linux_ipc64_perm msg_perm;
    s64 msg_stime;
    s64 msg_rtime;
    s64 msg_ctime;
    u64 msg_cbytes;
    u64 msg_qnum;
    u64 msg_qbytes;
    s32 msg_lspid;
    s32 msg_lrpid;
    u64 unused[2];
};
_Static_assert(sizeof(struct linux_msqid64_ds) == 120, "guest ABI");

struct linux_msginfo {
    s32 msgpool;
    s32 msgmap;
    s32 msgmax;
    s32 msgmnb;
    s32 msgmni;
    s32 msgssz;
    s32 msgtql;
    u16 msgseg;
    u16 pad0;
};
_Static_assert(sizeof(struct linux_msginfo) == 32, "guest ABI");

#endif
