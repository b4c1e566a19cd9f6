/* SPDX-License-Identifier: Apache-2.0 */
/* mount, umount2, and the mount API of file descriptors. */
#ifndef ABI_LINUX_MOUNT_H
#define ABI_LINUX_MOUNT_H

#include "cvisor/types.h"

/* mount flags (MS_ASYNC and its kind belong to msync: mman.h) */
#define LINUX_MS_RDONLY       1
#define LINUX_MS_NOSUID       2
#define LINUX_MS_NODEV        4
#define LINUX_MS_NOEXEC       8
#define LINUX_MS_SYNCHRONOUS  16
#define LINUX_MS_REMOUNT      32
#define LINUX_MS_MANDLOCK     64
#define LINUX_MS_DIRSYNC      128
#define LINUX_MS_NOSYMFOLLOW  256
#define LINUX_MS_NOATIME      1024
#define LINUX_MS_NODIRATIME   2048
#define LINUX_MS_BIND         4096
#define LINUX_MS_MOVE         8192
#define LINUX_MS_REC          16384
#define LINUX_MS_VERBOSE      32768
#define LINUX_MS_SILENT       32768
#define LINUX_MS_POSIXACL     (1 << 16)
#define LINUX_MS_UNBINDABLE   (1 << 17)
#define LINUX_MS_PRIVATE      (1 << 18)
#define LINUX_MS_SLAVE        (1 << 19)
#define LINUX_MS_SHARED       (1 << 20)
#define LINUX_MS_RELATIME     (1 << 21)
#define LINUX_MS_KERNMOUNT    (1 << 22)
#define LINUX_MS_I_VERSION    (1 << 23)
#define LINUX_MS_STRICTATIME  (1 << 24)
#define LINUX_MS_LAZYTIME     (1 << 25)
#define LINUX_MS_SUBMOUNT     (1 << 26)
#define LINUX_MS_NOREMOTELOCK (1 << 27)
#define LINUX_MS_NOSEC        (1 << 28)
#define LINUX_MS_BORN         (1 << 29)
#define LINUX_MS_ACTIVE       (1 << 30)
#define LINUX_MS_NOUSER       0x80000000U
#define LINUX_MS_RMT_MASK                                                                          \
    (LINUX_MS_RDONLY | LINUX_MS_SYNCHRONOUS | LINUX_MS_MANDLOCK | LINUX_MS_I_VERSION |             \
     LINUX_MS_LAZYTIME)
#define LINUX_MS_MGC_VAL 0xC0ED0000
#define LINUX_MS_MGC_MSK 0xffff0000

/* umount2 */
#define LINUX_MNT_FORCE       0x1
#define LINUX_MNT_DETACH      0x2
#define LINUX_MNT_EXPIRE      0x4
#define LINUX_UMOUNT_NOFOLLOW 0x8

/* open_tree, move_mount, fsopen, fsmount, fspick, mount_setattr */
#define LINUX_OPEN_TREE_CLONE         1
#define LINUX_OPEN_TREE_CLOEXEC       02000000
#define LINUX_MOVE_MOUNT_F_SYMLINKS   0x00000001
#define LINUX_MOVE_MOUNT_F_AUTOMOUNTS 0x00000002
#define LINUX_MOVE_MOUNT_F_EMPTY_PATH 0x00000004
#define LINUX_MOVE_MOUNT_T_SYMLINKS   0x00000010
#define LINUX_MOVE_MOUNT_T_AUTOMOUNTS 0x00000020
#define LINUX_MOVE_MOUNT_T_EMPTY_PATH 0x00000040
#define LINUX_MOVE_MOUNT_SET_GROUP    0x00000100
#define LINUX_MOVE_MOUNT__MASK        0x00000177
#define LINUX_FSOPEN_CLOEXEC          0x00000001
#define LINUX_FSPICK_CLOEXEC          0x00000001
#define LINUX_FSPICK_SYMLINK_NOFOLLOW 0x00000002
#define LINUX_FSPICK_NO_AUTOMOUNT     0x00000004
#define LINUX_FSPICK_EMPTY_PATH       0x00000008
#define LINUX_FSMOUNT_CLOEXEC         0x00000001
#define LINUX_MOUNT_ATTR_RDONLY       0x00000001
#define LINUX_MOUNT_ATTR_NOSUID       0x00000002
#define LINUX_MOUNT_ATTR_NODEV        0x00000004
#define LINUX_MOUNT_ATTR_NOEXEC       0x00000008
#define LINUX_MOUNT_ATTR__ATIME       0x00000070
#define LINUX_MOUNT_ATTR_RELATIME     0x00000000
#define LINUX_MOUNT_ATTR_NOATIME      0x00000010
#define LINUX_MOUNT_ATTR_STRICTATIME  0x00000020
#define LINUX_MOUNT_ATTR_NODIRATIME   0x00000080
#define LINUX_MOUNT_ATTR_IDMAP        0x00100000
#define LINUX_MOUNT_ATTR_NOSYMFOLLOW  0x00200000
#define LINUX_MOUNT_ATTR_SIZE_VER0    32

/* fsconfig */
#define LINUX_FSCONFIG_SET_FLAG        0
#define LINUX_FSCONFIG_SET_STRING      1
#define LINUX_FSCONFIG_SET_BINARY      2
#define LINUX_FSCONFIG_SET_PATH        3
#define LINUX_FSCONFIG_SET_PATH_EMPTY  4
#define LINUX_FSCONFIG_SET_FD          5
#define LINUX_FSCONFIG_CMD_CREATE      6
#define LINUX_FSCONFIG_CMD_RECONFIGURE 7

struct linux_mount_attr {
    u64 attr_set;
    u64 attr_clr;
    u64 propagation;
    u64 userns_fd;
};
_Static_assert(sizeof(struct linux_mount_attr) == 32, "guest ABI");

#endif
