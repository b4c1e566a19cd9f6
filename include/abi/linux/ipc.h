/* SPDX-License-Identifier: Apache-2.0 */
/* System V IPC: what sem.h, shm.h and msg.h share. */
#ifndef ABI_LINUX_IPC_H
#define ABI_LINUX_IPC_H

#include "cvisor/types.h"

#define LINUX_IPC_PRIVATE 0

/* flags of the get calls */
#define LINUX_IPC_CREAT  00001000
#define LINUX_IPC_EXCL   00002000
#define LINUX_IPC_NOWAIT 00004000

/* commands */
#define LINUX_IPC_RMID 0
#define LINUX_IPC_SET  1
#define LINUX_IPC_STAT 2
#define LINUX_IPC_INFO 3
#define LINUX_IPC_64   0x0100

struct linux_ipc64_perm {
    s32 key;
    u32 uid;
    u32 gid;
    u32 cuid;
    u32 cgid;
    u32 mode;
    u16 seq;
    u16 pad0;
    u32 pad1;
    u64 unused[2];
};
_Static_assert(sizeof(struct linux_ipc64_perm) == 48, "guest ABI");

#endif
