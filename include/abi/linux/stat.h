/* SPDX-License-Identifier: Apache-2.0 */
/* stat, statx and the mode bits of a file. */
#ifndef ABI_LINUX_STAT_H
#define ABI_LINUX_STAT_H

#include "cvisor/types.h"

/* file type and permission bits */
#define LINUX_S_IFMT   00170000
#define LINUX_S_IFSOCK 0140000
#define LINUX_S_IFLNK  0120000
#define LINUX_S_IFREG  0100000
#define LINUX_S_IFBLK  0060000
#define LINUX_S_IFDIR  0040000
#define LINUX_S_IFCHR  0020000
#define LINUX_S_IFIFO  0010000
#define LINUX_S_ISUID  0004000
#define LINUX_S_ISGID  0002000
#define LINUX_S_ISVTX  0001000
#define LINUX_S_IRWXU  00700
#define LINUX_S_IRUSR  00400
#define LINUX_S_IWUSR  00200
#define LINUX_S_IXUSR  00100
#define LINUX_S_IRWXG  00070
#define LINUX_S_IRGRP  00040
#define LINUX_S_IWGRP  00020
#define LINUX_S_IXGRP  00010
#define LINUX_S_IRWXO  00007
#define LINUX_S_IROTH  00004
#define LINUX_S_IWOTH  00002
#define LINUX_S_IXOTH  00001

#define LINUX_S_ISLNK(m)  (((m)&LINUX_S_IFMT) == LINUX_S_IFLNK)
#define LINUX_S_ISREG(m)  (((m)&LINUX_S_IFMT) == LINUX_S_IFREG)
#define LINUX_S_ISDIR(m)  (((m)&LINUX_S_IFMT) == LINUX_S_IFDIR)
#define LINUX_S_ISCHR(m)  (((m)&LINUX_S_IFMT) == LINUX_S_IFCHR)
#define LINUX_S_ISBLK(m)  (((m)&LINUX_S_IFMT) == LINUX_S_IFBLK)
#define LINUX_S_ISFIFO(m) (((m)&LINUX_S_IFMT) == LINUX_S_IFIFO)
#define LINUX_S_ISSOCK(m) (((m)&LINUX_S_IFMT) == LINUX_S_IFSOCK)
#define LINUX_S_IRWXUGO   (LINUX_S_IRWXU | LINUX_S_IRWXG | LINUX_S_IRWXO)
#define LINUX_S_IALLUGO   07777

/* The encoding of st_dev and st_rdev (new_encode_dev, and the 64-bit form that glibc unpacks). */
#define LINUX_MAKEDEV(ma, mi)                                                                      \
    ((((u64)(mi)) & 0xff) | ((((u64)(ma)) & 0xfff) << 8) | ((((u64)(mi)) & 0xffffff00) << 12) |    \
     ((((u64)(ma)) & 0xfffff000) << 32))
#define LINUX_MAJOR(d) ((u32)((((u64)(d)) >> 8) & 0xfff) | (u32)((((u64)(d)) >> 32) & 0xfffff000))
#define LINUX_MINOR(d) ((u32)(((u64)(d)) & 0xff) | (u32)((((u64)(d)) >> 12) & 0xffffff00))

/* utimensat: special values of tv_nsec */
#define LINUX_UTIME_NOW  0x3fffffff
#define LINUX_UTIME_OMIT 0x3ffffffe

struct linux_stat {
    u64 st_dev;
    u64 st_ino;
    u64 st_nlink;
    u32 st_mode;
    u32 st_uid;
    u32 st_gid;
    u32 pad0;
    u64 st_rdev;
    s64 st_size;
    s64 st_blksize;
    s64 st_blocks;
    s64 st_atime_sec;
    u64 st_atime_nsec;
    s64 st_mtime_sec;
    u64 st_mtime_nsec;
    s64 st_ctime_sec;
    u64 st_ctime_nsec;
    s64 unused[3];
};
_Static_assert(sizeof(struct linux_stat) == 144, "guest ABI");

/* statx: stx_mask and stx_attributes */
#define LINUX_STATX_TYPE            0x00000001U
#define LINUX_STATX_MODE            0x00000002U
#define LINUX_STATX_NLINK           0x00000004U
#define LINUX_STATX_UID             0x00000008U
#define LINUX_STATX_GID             0x00000010U
#define LINUX_STATX_ATIME           0x00000020U
#define LINUX_STATX_MTIME           0x00000040U
#define LINUX_STATX_CTIME           0x00000080U
#define LINUX_STATX_INO             0x00000100U
#define LINUX_STATX_SIZE            0x00000200U
#define LINUX_STATX_BLOCKS          0x00000400U
#define LINUX_STATX_BASIC_STATS     0x000007ffU
#define LINUX_STATX_BTIME           0x00000800U
#define LINUX_STATX_MNT_ID          0x00001000U
#define LINUX_STATX_DIOALIGN        0x00002000U
#define LINUX_STATX__RESERVED       0x80000000U
#define LINUX_STATX_ALL             0x00000fffU
#define LINUX_STATX_ATTR_COMPRESSED 0x00000004
#define LINUX_STATX_ATTR_IMMUTABLE  0x00000010
#define LINUX_STATX_ATTR_APPEND     0x00000020
#define LINUX_STATX_ATTR_NODUMP     0x00000040
#define LINUX_STATX_ATTR_ENCRYPTED  0x00000800
#define LINUX_STATX_ATTR_AUTOMOUNT  0x00001000
#define LINUX_STATX_ATTR_MOUNT_ROOT 0x00002000
#define LINUX_STATX_ATTR_VERITY     0x00100000
#define LINUX_STATX_ATTR_DAX        0x00200000
#define LINUX_STATX_MNT_ID_UNIQUE   0x00004000U
#define LINUX_STATX_SUBVOL          0x00008000U

struct linux_statx_timestamp {
    s64 tv_sec;
    u32 tv_nsec;
    s32 reserved;
};
_Static_assert(sizeof(struct linux_statx_timestamp) == 16, "guest ABI");

struct linux_statx {
    u32 stx_mask;
    u32 stx_blksize;
    u64 stx_attributes;
    u32 stx_nlink;
    u32 stx_uid;
    u32 stx_gid;
    u16 stx_mode;
    u16 pad0;
    u64 stx_ino;
    u64 stx_size;
    u64 stx_blocks;
    u64 stx_attributes_mask;
    struct linux_statx_timestamp stx_atime;
    struct linux_statx_timestamp stx_btime;
    struct linux_statx_timestamp stx_ctime;
    struct linux_statx_timestamp stx_mtime;
    u32 stx_rdev_major;
    u32 stx_rdev_minor;
    u32 stx_dev_major;
    u32 stx_dev_minor;
    u64 stx_mnt_id;
    u32 stx_dio_mem_align;
    u32 stx_dio_offset_align;
    u64 spare[12];
};
_Static_assert(sizeof(struct linux_statx) == 256, "guest ABI");

#endif
