/* SPDX-License-Identifier: Apache-2.0 */
/* Capabilities. */
#ifndef ABI_LINUX_CAPABILITY_H
#define ABI_LINUX_CAPABILITY_H

#include "cvisor/types.h"

/* capability numbers */
#define LINUX_CAP_CHOWN              0
#define LINUX_CAP_DAC_OVERRIDE       1
#define LINUX_CAP_DAC_READ_SEARCH    2
#define LINUX_CAP_FOWNER             3
#define LINUX_CAP_FSETID             4
#define LINUX_CAP_KILL               5
#define LINUX_CAP_SETGID             6
#define LINUX_CAP_SETUID             7
#define LINUX_CAP_SETPCAP            8
#define LINUX_CAP_LINUX_IMMUTABLE    9
#define LINUX_CAP_NET_BIND_SERVICE   10
#define LINUX_CAP_NET_BROADCAST      11
#define LINUX_CAP_NET_ADMIN          12
#define LINUX_CAP_NET_RAW            13
#define LINUX_CAP_IPC_LOCK           14
#define LINUX_CAP_IPC_OWNER          15
#define LINUX_CAP_SYS_MODULE         16
#define LINUX_CAP_SYS_RAWIO          17
#define LINUX_CAP_SYS_CHROOT         18
#define LINUX_CAP_SYS_PTRACE         19
#define LINUX_CAP_SYS_PACCT          20
#define LINUX_CAP_SYS_ADMIN          21
#define LINUX_CAP_SYS_BOOT           22
#define LINUX_CAP_SYS_NICE           23
#define LINUX_CAP_SYS_RESOURCE       24
#define LINUX_CAP_SYS_TIME           25
#define LINUX_CAP_SYS_TTY_CONFIG     26
#define LINUX_CAP_MKNOD              27
#define LINUX_CAP_LEASE              28
#define LINUX_CAP_AUDIT_WRITE        29
#define LINUX_CAP_AUDIT_CONTROL      30
#define LINUX_CAP_SETFCAP            31
#define LINUX_CAP_MAC_OVERRIDE       32
#define LINUX_CAP_MAC_ADMIN          33
#define LINUX_CAP_SYSLOG             34
#define LINUX_CAP_WAKE_ALARM         35
#define LINUX_CAP_BLOCK_SUSPEND      36
#define LINUX_CAP_AUDIT_READ         37
#define LINUX_CAP_PERFMON            38
#define LINUX_CAP_BPF                39
#define LINUX_CAP_CHECKPOINT_RESTORE 40
#define LINUX_CAP_LAST_CAP           LINUX_CAP_CHECKPOINT_RESTORE
#define LINUX_CAP_ALL                ((1ULL << (LINUX_CAP_LAST_CAP + 1)) - 1)
#define LINUX_CAP_MASK(cap)          (1ULL << (cap))

/* capget, capset: versions, and how many data structures follow each */
#define LINUX_CAPABILITY_VERSION_1 0x19980330
#define LINUX_CAPABILITY_VERSION_2 0x20071026
#define LINUX_CAPABILITY_VERSION_3 0x20080522
#define LINUX_CAPABILITY_U32S_1    1
#define LINUX_CAPABILITY_U32S_3    2

struct linux_cap_user_header {
    u32 version;
    s32 pid;
};
_Static_assert(sizeof(struct linux_cap_user_header) == 8, "guest ABI");

struct linux_cap_user_data {
    u32 effective;
    u32 permitted;
    u32 inheritable;
};
_Static_assert(sizeof(struct linux_cap_user_data) == 12, "guest ABI");

/* security.capability */
#define LINUX_VFS_CAP_REVISION_MASK   0xff000000
#define LINUX_VFS_CAP_REVISION_2      0x02000000
#define LINUX_VFS_CAP_REVISION_3      0x03000000
#define LINUX_VFS_CAP_FLAGS_EFFECTIVE 0x000001

struct linux_vfs_cap_data {
    u32 magic_etc;
    struct {
        u32 permitted;
        u32 inheritable;
    } data[2];
};
_Static_assert(sizeof(struct linux_vfs_cap_data) == 20, "guest ABI");

struct linux_vfs_ns_cap_data {
    u32 magic_etc;
    struct {
        u32 permitted;
        u32 inheritable;
    } data[2];
    u32 rootid;
};
_Static_assert(sizeof(struct linux_vfs_ns_cap_data) == 24, "guest ABI");

/* PR_SET_SECUREBITS */
#define LINUX_SECURE_NOROOT                      0
#define LINUX_SECURE_NOROOT_LOCKED               1
#define LINUX_SECURE_NO_SETUID_FIXUP             2
#define LINUX_SECURE_NO_SETUID_FIXUP_LOCKED      3
#define LINUX_SECURE_KEEP_CAPS                   4
#define LINUX_SECURE_KEEP_CAPS_LOCKED            5
#define LINUX_SECURE_NO_CAP_AMBIENT_RAISE        6
#define LINUX_SECURE_NO_CAP_AMBIENT_RAISE_LOCKED 7
#define LINUX_SECURE_ALL_BITS                    85
#define LINUX_SECURE_ALL_LOCKS                   (LINUX_SECURE_ALL_BITS << 1)

#endif
