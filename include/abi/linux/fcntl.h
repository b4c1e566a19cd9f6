/* SPDX-License-Identifier: Apache-2.0 */
/* open, openat2, fcntl, flock, rename and fallocate: flags and structures. */
#ifndef ABI_LINUX_FCNTL_H
#define ABI_LINUX_FCNTL_H

#include "cvisor/types.h"

/* open flags */
#define LINUX_O_ACCMODE   00000003
#define LINUX_O_RDONLY    00000000
#define LINUX_O_WRONLY    00000001
#define LINUX_O_RDWR      00000002
#define LINUX_O_CREAT     00000100
#define LINUX_O_EXCL      00000200
#define LINUX_O_NOCTTY    00000400
#define LINUX_O_TRUNC     00001000
#define LINUX_O_APPEND    00002000
#define LINUX_O_NONBLOCK  00004000
#define LINUX_O_DSYNC     00010000
#define LINUX_FASYNC      00020000
#define LINUX_O_DIRECT    00040000
#define LINUX_O_LARGEFILE 00100000
#define LINUX_O_DIRECTORY 00200000
#define LINUX_O_NOFOLLOW  00400000
#define LINUX_O_NOATIME   01000000
#define LINUX_O_CLOEXEC   02000000
#define LINUX___O_SYNC    04000000
#define LINUX_O_SYNC      (LINUX___O_SYNC | LINUX_O_DSYNC)
#define LINUX_O_PATH      010000000
#define LINUX___O_TMPFILE 020000000
#define LINUX_O_TMPFILE   (LINUX___O_TMPFILE | LINUX_O_DIRECTORY)
#define LINUX_O_NDELAY    LINUX_O_NONBLOCK

/* fcntl commands */
#define LINUX_F_DUPFD            0
#define LINUX_F_GETFD            1
#define LINUX_F_SETFD            2
#define LINUX_F_GETFL            3
#define LINUX_F_SETFL            4
#define LINUX_F_GETLK            5
#define LINUX_F_SETLK            6
#define LINUX_F_SETLKW           7
#define LINUX_F_SETOWN           8
#define LINUX_F_GETOWN           9
#define LINUX_F_SETSIG           10
#define LINUX_F_GETSIG           11
#define LINUX_F_SETOWN_EX        15
#define LINUX_F_GETOWN_EX        16
#define LINUX_F_GETOWNER_UIDS    17
#define LINUX_F_OFD_GETLK        36
#define LINUX_F_OFD_SETLK        37
#define LINUX_F_OFD_SETLKW       38
#define LINUX_FD_CLOEXEC         1
#define LINUX_F_SETLEASE         1024
#define LINUX_F_GETLEASE         1025
#define LINUX_F_CANCELLK         1029
#define LINUX_F_DUPFD_CLOEXEC    1030
#define LINUX_F_NOTIFY           1026
#define LINUX_F_SETPIPE_SZ       1031
#define LINUX_F_GETPIPE_SZ       1032
#define LINUX_F_ADD_SEALS        1033
#define LINUX_F_GET_SEALS        1034
#define LINUX_F_GET_RW_HINT      1035
#define LINUX_F_SET_RW_HINT      1036
#define LINUX_F_GET_FILE_RW_HINT 1037
#define LINUX_F_SET_FILE_RW_HINT 1038

/* record lock types */
#define LINUX_F_RDLCK 0
#define LINUX_F_WRLCK 1
#define LINUX_F_UNLCK 2
#define LINUX_F_EXLCK 4
#define LINUX_F_SHLCK 8

/* f_owner_ex.type */
#define LINUX_F_OWNER_TID  0
#define LINUX_F_OWNER_PID  1
#define LINUX_F_OWNER_PGRP 2

/* F_ADD_SEALS */
#define LINUX_F_SEAL_SEAL         0x0001
#define LINUX_F_SEAL_SHRINK       0x0002
#define LINUX_F_SEAL_GROW         0x0004
#define LINUX_F_SEAL_WRITE        0x0008
#define LINUX_F_SEAL_FUTURE_WRITE 0x0010
#define LINUX_F_SEAL_EXEC         0x0020

/* flock(2) */
#define LINUX_LOCK_SH    1
#define LINUX_LOCK_EX    2
#define LINUX_LOCK_NB    4
#define LINUX_LOCK_UN    8
#define LINUX_LOCK_MAND  32
#define LINUX_LOCK_READ  64
#define LINUX_LOCK_WRITE 128
#define LINUX_LOCK_RW    192

/* F_NOTIFY */
#define LINUX_DN_ACCESS    0x00000001
#define LINUX_DN_MODIFY    0x00000002
#define LINUX_DN_CREATE    0x00000004
#define LINUX_DN_DELETE    0x00000008
#define LINUX_DN_RENAME    0x00000010
#define LINUX_DN_ATTRIB    0x00000020
#define LINUX_DN_MULTISHOT 0x80000000

/* F_SET_RW_HINT */
#define LINUX_RWH_WRITE_LIFE_NOT_SET 0
#define LINUX_RWH_WRITE_LIFE_NONE    1
#define LINUX_RWH_WRITE_LIFE_SHORT   2
#define LINUX_RWH_WRITE_LIFE_MEDIUM  3
#define LINUX_RWH_WRITE_LIFE_LONG    4
#define LINUX_RWH_WRITE_LIFE_EXTREME 5

/* *at flags */
#define LINUX_AT_FDCWD              (-100)
#define LINUX_AT_SYMLINK_NOFOLLOW   0x100
#define LINUX_AT_EACCESS            0x200
#define LINUX_AT_REMOVEDIR          0x200
#define LINUX_AT_SYMLINK_FOLLOW     0x400
#define LINUX_AT_NO_AUTOMOUNT       0x800
#define LINUX_AT_EMPTY_PATH         0x1000
#define LINUX_AT_STATX_SYNC_TYPE    0x6000
#define LINUX_AT_STATX_SYNC_AS_STAT 0x0000
#define LINUX_AT_STATX_FORCE_SYNC   0x2000
#define LINUX_AT_STATX_DONT_SYNC    0x4000
#define LINUX_AT_RECURSIVE          0x8000

/* lseek */
#define LINUX_SEEK_SET  0
#define LINUX_SEEK_CUR  1
#define LINUX_SEEK_END  2
#define LINUX_SEEK_DATA 3
#define LINUX_SEEK_HOLE 4
#define LINUX_SEEK_MAX  4

/* renameat2 */
#define LINUX_RENAME_NOREPLACE (1 << 0)
#define LINUX_RENAME_EXCHANGE  (1 << 1)
#define LINUX_RENAME_WHITEOUT  (1 << 2)

/* fallocate */
#define LINUX_FALLOC_FL_KEEP_SIZE      0x01
#define LINUX_FALLOC_FL_PUNCH_HOLE     0x02
#define LINUX_FALLOC_FL_NO_HIDE_STALE  0x04
#define LINUX_FALLOC_FL_COLLAPSE_RANGE 0x08
#define LINUX_FALLOC_FL_ZERO_RANGE     0x10
#define LINUX_FALLOC_FL_INSERT_RANGE   0x20
#define LINUX_FALLOC_FL_UNSHARE_RANGE  0x40

/* openat2: open_how.resolve */
#define LINUX_RESOLVE_NO_XDEV       0x01
#define LINUX_RESOLVE_NO_MAGICLINKS 0x02
#define LINUX_RESOLVE_NO_SYMLINKS   0x04
#define LINUX_RESOLVE_BENEATH       0x08
#define LINUX_RESOLVE_IN_ROOT       0x10
#define LINUX_RESOLVE_CACHED        0x20

/* posix_fadvise */
#define LINUX_POSIX_FADV_NORMAL     0
#define LINUX_POSIX_FADV_RANDOM     1
#define LINUX_POSIX_FADV_SEQUENTIAL 2
#define LINUX_POSIX_FADV_WILLNEED   3
#define LINUX_POSIX_FADV_DONTNEED   4
#define LINUX_POSIX_FADV_NOREUSE    5

/* sync_file_range */
#define LINUX_SYNC_FILE_RANGE_WAIT_BEFORE 1
#define LINUX_SYNC_FILE_RANGE_WRITE       2
#define LINUX_SYNC_FILE_RANGE_WAIT_AFTER  4

/* close_range */
#define LINUX_CLOSE_RANGE_UNSHARE 2
#define LINUX_CLOSE_RANGE_CLOEXEC 4

/* splice, tee, vmsplice */
#define LINUX_SPLICE_F_MOVE     0x1
#define LINUX_SPLICE_F_NONBLOCK 0x2
#define LINUX_SPLICE_F_MORE     0x4
#define LINUX_SPLICE_F_GIFT     0x8

/* access(2) modes */
#define LINUX_F_OK 0
#define LINUX_X_OK 1
#define LINUX_W_OK 2
#define LINUX_R_OK 4

struct linux_flock {
    s16 l_type;
    s16 l_whence;
    u32 pad0;
    s64 l_start;
    s64 l_len;
    s32 l_pid;
    u32 pad1;
};
_Static_assert(sizeof(struct linux_flock) == 32, "guest ABI");

struct linux_f_owner_ex {
    s32 type;
    s32 pid;
};
_Static_assert(sizeof(struct linux_f_owner_ex) == 8, "guest ABI");

struct linux_open_how {
    u64 flags;
    u64 mode;
    u64 resolve;
};
#define LINUX_OPEN_HOW_SIZE_VER0 24
_Static_assert(sizeof(struct linux_open_how) == 24, "guest ABI");

struct linux_file_handle {
    u32 handle_bytes;
    s32 handle_type;
    u8 f_handle[];
};
#define LINUX_MAX_HANDLE_SZ 128
_Static_assert(sizeof(struct linux_file_handle) == 8, "guest ABI");

#endif
