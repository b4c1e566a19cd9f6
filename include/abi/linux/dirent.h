/* SPDX-License-Identifier: Apache-2.0 */
/* getdents64. */
#ifndef ABI_LINUX_DIRENT_H
#define ABI_LINUX_DIRENT_H

#include "cvisor/types.h"

struct linux_dirent64 {
    u64 d_ino;
    s64 d_off;
    u16 d_reclen; /* of this record: a multiple of 8 */
    u8 d_type;
    char d_name[];
};
#define LINUX_DIRENT64_NAME_OFFSET 19
_Static_assert(__builtin_offsetof(struct linux_dirent64, d_name) == LINUX_DIRENT64_NAME_OFFSET,
               "guest ABI");

/* getdents: d_type is the last byte of the record. */
struct linux_dirent {
    u64 d_ino;
    s64 d_off;
    u16 d_reclen;
    char d_name[];
};
#define LINUX_DIRENT_NAME_OFFSET 18
_Static_assert(__builtin_offsetof(struct linux_dirent, d_name) == LINUX_DIRENT_NAME_OFFSET,
               "guest ABI");

#define LINUX_DT_UNKNOWN 0
#define LINUX_DT_FIFO    1
#define LINUX_DT_CHR     2
#define LINUX_DT_DIR     4
#define LINUX_DT_BLK     6
#define LINUX_DT_REG     8
#define LINUX_DT_LNK     10
#define LINUX_DT_SOCK    12
#define LINUX_DT_WHT     14
/* d_type of a mode */
#define LINUX_MODE_TO_DT(mode) (((mode) >> 12) & 15)

#endif
