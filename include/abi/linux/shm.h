/* SPDX-License-Identifier: Apache-2.0 */
/* System V shared memory. */
#ifndef ABI_LINUX_SHM_H
#define ABI_LINUX_SHM_H

#include "abi/linux/ipc.h"
#include "cvisor/types.h"

/* shmget, shmat flags; modes */
#define LINUX_SHM_R         0400
#define LINUX_SHM_W         0200
#define LINUX_SHM_NORESERVE 010000
#define LINUX_SHM_RDONLY    010000
#define LINUX_SHM_RND       020000
#define LINUX_SHM_REMAP     040000
#define LINUX_SHM_EXEC      0100000

/* commands */
#define LINUX_SHM_LOCK     11
#define LINUX_SHM_UNLOCK   12
#define LINUX_SHM_STAT     13
#define LINUX_SHM_INFO     14
#define LINUX_SHM_STAT_ANY 15

#define LINUX_SHM_LOCKED 02000
#define LINUX_SHM_DEST   01000

#define LINUX_SHMMNI 4096
#define LINUX_SHMMIN 1
#define LINUX_SHMMAX (~0ULL - (1ULL << 24))
#define LINUX_SHMALL (~0ULL - (1ULL << 24))
#define LINUX_SHMSEG LINUX_SHMMNI
#define LINUX_SHMLBA 4096

struct linux_shmid64_ds {
    struct linux_ipc64_perm shm_perm;
    u64 shm_segsz;
    s64 shm_atime;
    s64 shm_dtime;
    s64 shm_ctime;
    s32 shm_cpid;
    s32 shm_lpid;
    u64 shm_nattch;
    u64 unused[2];
};
_Static_assert(sizeof(struct linux_shmid64_ds) == 112, "guest ABI");

struct linux_shminfo64 {
    u64 shmmax;
    u64 shmmin;
    u64 shmmni;
    u64 shmseg;
    u64 shmall;
    u64 unused[4];
};
_Static_assert(sizeof(struct linux_shminfo64) == 72, "guest ABI");

struct linux_shm_info {
    s32 used_ids;
    u32 pad0;
    u64 shm_tot;
    u64 shm_rss;
    u64 shm_swp;
    u64 swap_attempts;
    u64 swap_successes;
};
_Static_assert(sizeof(struct linux_shm_info) == 48, "guest ABI");

#endif
