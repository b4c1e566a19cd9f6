/* SPDX-License-Identifier: Apache-2.0 */
/* System V semaphores. */
#ifndef ABI_LINUX_SEM_H
#define ABI_LINUX_SEM_H

#include "abi/linux/ipc.h"
#include "cvisor/types.h"

/* commands and flags */
#define LINUX_SEM_UNDO     0x1000
#define LINUX_GETPID       11
#define LINUX_GETVAL       12
#define LINUX_GETALL       13
#define LINUX_GETNCNT      14
#define LINUX_GETZCNT      15
#define LINUX_SETVAL       16
#define LINUX_SETALL       17
#define LINUX_SEM_STAT     18
#define LINUX_SEM_INFO     19
#define LINUX_SEM_STAT_ANY 20

#define LINUX_SEMMNI 32000
#define LINUX_SEMMSL 32000
#define LINUX_SEMMNS (LINUX_SEMMNI * LINUX_SEMMSL)
#define LINUX_SEMOPM 500
#define LINUX_SEMVMX 32767
#define LINUX_SEMAEM LINUX_SEMVMX

struct linux_sembuf {
    u16 sem_num;
    s16 sem_op;
    s16 sem_flg;
};
_Static_assert(sizeof(struct linux_sembuf) == 6, "guest ABI");

struct linux_semid64_ds {
    struct linux_ipc64_perm sem_perm;
    s64 sem_otime;
    u64 unused1;
    s64 sem_ctime;
    u64 unused2;
    u64 sem_nsems;
    u64 unused3[2];
};
_Static_assert(sizeof(struct linux_semid64_ds) == 104, "guest ABI");

struct linux_seminfo {
    s32 semmap;
    s32 semmni;
    s32 semmns;
    s32 semmnu;
    s32 semmsl;
    s32 semopm;
    s32 semume;
    s32 semusz;
    s32 semvmx;
    s32 semaem;
};
_Static_assert(sizeof(struct linux_seminfo) == 40, "guest ABI");

#endif
