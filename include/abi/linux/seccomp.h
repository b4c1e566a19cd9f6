/* SPDX-License-Identifier: Apache-2.0 */
/* seccomp. */
#ifndef ABI_LINUX_SECCOMP_H
#define ABI_LINUX_SECCOMP_H

#include "cvisor/types.h"

#define LINUX_SECCOMP_MODE_DISABLED                  0
#define LINUX_SECCOMP_MODE_STRICT                    1
#define LINUX_SECCOMP_MODE_FILTER                    2
#define LINUX_SECCOMP_SET_MODE_STRICT                0
#define LINUX_SECCOMP_SET_MODE_FILTER                1
#define LINUX_SECCOMP_GET_ACTION_AVAIL               2
#define LINUX_SECCOMP_GET_NOTIF_SIZES                3
#define LINUX_SECCOMP_FILTER_FLAG_TSYNC              (1UL << 0)
#define LINUX_SECCOMP_FILTER_FLAG_LOG                (1UL << 1)
#define LINUX_SECCOMP_FILTER_FLAG_SPEC_ALLOW         (1UL << 2)
#define LINUX_SECCOMP_FILTER_FLAG_NEW_LISTENER       (1UL << 3)
#define LINUX_SECCOMP_FILTER_FLAG_TSYNC_ESRCH        (1UL << 4)
#define LINUX_SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#define LINUX_SECCOMP_RET_KILL_PROCESS               0x80000000U
#define LINUX_SECCOMP_RET_KILL_THREAD                0x00000000U
#define LINUX_SECCOMP_RET_KILL                       LINUX_SECCOMP_RET_KILL_THREAD
#define LINUX_SECCOMP_RET_TRAP                       0x00030000U
#define LINUX_SECCOMP_RET_ERRNO                      0x00050000U
#define LINUX_SECCOMP_RET_USER_NOTIF                 0x7fc00000U
#define LINUX_SECCOMP_RET_TRACE                      0x7ff00000U
#define LINUX_SECCOMP_RET_LOG                        0x7ffc0000U
#define LINUX_SECCOMP_RET_ALLOW                      0x7fff0000U
#define LINUX_SECCOMP_RET_ACTION_FULL                0xffff0000U
#define LINUX_SECCOMP_RET_ACTION                     0x7fff0000U
#define LINUX_SECCOMP_RET_DATA                       0x0000ffffU
#define LINUX_SECCOMP_USER_NOTIF_FLAG_CONTINUE       (1UL << 0)
#define LINUX_SECCOMP_ADDFD_FLAG_SETFD               (1UL << 0)
#define LINUX_SECCOMP_ADDFD_FLAG_SEND                (1UL << 1)

#define LINUX_AUDIT_ARCH_X86_64 0xc000003eU

struct linux_seccomp_data {
    s32 nr;
    u32 arch;
    u64 instruction_pointer;
    u64 args[6];
};
_Static_assert(sizeof(struct linux_seccomp_data) == 64, "guest ABI");

struct linux_seccomp_notif_sizes {
    u16 seccomp_notif;
    u16 seccomp_notif_resp;
    u16 seccomp_data;
};
_Static_assert(sizeof(struct linux_seccomp_notif_sizes) == 6, "guest ABI");

struct linux_seccomp_notif {
    u64 id;
    u32 pid;
    u32 flags;
    struct linux_seccomp_data data;
};
_Static_assert(sizeof(struct linux_seccomp_notif) == 80, "guest ABI");

struct linux_seccomp_notif_resp {
    u64 id;
    s64 val;
    s32 error;
    u32 flags;
};
_Static_assert(sizeof(struct linux_seccomp_notif_resp) == 24, "guest ABI");

struct linux_seccomp_notif_addfd {
    u64 id;
    u32 flags;
    u32 srcfd;
    u32 newfd;
    u32 newfd_flags;
};
_Static_assert(sizeof(struct linux_seccomp_notif_addfd) == 24, "guest ABI");

#define LINUX_SECCOMP_IOCTL_NOTIF_RECV           0xc0502100U
#define LINUX_SECCOMP_IOCTL_NOTIF_SEND           0xc0182101U
#define LINUX_SECCOMP_IOCTL_NOTIF_ID_VALID       0x40082102U
#define LINUX_SECCOMP_IOCTL_NOTIF_ADDFD          0x40182103U
#define LINUX_SECCOMP_IOCTL_NOTIF_SET_FLAGS      0x40082104U
#define LINUX_SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP (1UL << 0)

#endif
