/* SPDX-License-Identifier: Apache-2.0 */
/* rseq. */
#ifndef ABI_LINUX_RSEQ_H
#define ABI_LINUX_RSEQ_H

#include "cvisor/types.h"

#define LINUX_RSEQ_CPU_ID_UNINITIALIZED          (-1)
#define LINUX_RSEQ_CPU_ID_REGISTRATION_FAILED    (-2)
#define LINUX_RSEQ_FLAG_UNREGISTER               (1U << 0)
#define LINUX_RSEQ_CS_FLAG_NO_RESTART_ON_PREEMPT (1U << 0)
#define LINUX_RSEQ_CS_FLAG_NO_RESTART_ON_SIGNAL  (1U << 1)
#define LINUX_RSEQ_CS_FLAG_NO_RESTART_ON_MIGRATE (1U << 2)

struct linux_rseq_cs {
    u32 version;
    u32 flags;
    u64 start_ip;
    u64 post_commit_offset;
    u64 abort_ip;
} __attribute__((aligned(32)));
_Static_assert(sizeof(struct linux_rseq_cs) == 32, "guest ABI");

/* The original 32 bytes; later kernels announce more through AT_RSEQ_FEATURE_SIZE. */
struct linux_rseq {
    u32 cpu_id_start;
    u32 cpu_id;
    u64 rseq_cs;
    u32 flags;
    u32 node_id;
    u32 mm_cid;
    u32 pad0;
} __attribute__((aligned(32)));
#define LINUX_RSEQ_ORIG_SIZE 32
_Static_assert(sizeof(struct linux_rseq) == 32, "guest ABI");

#endif
