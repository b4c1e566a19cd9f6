/* SPDX-License-Identifier: Apache-2.0 */
/* personality. */
#ifndef ABI_LINUX_PERSONALITY_H
#define ABI_LINUX_PERSONALITY_H

#include "cvisor/types.h"

#define LINUX_UNAME26            0x20000
#define LINUX_ADDR_NO_RANDOMIZE  0x40000
#define LINUX_FDPIC_FUNCPTRS     0x80000
#define LINUX_MMAP_PAGE_ZERO     0x100000
#define LINUX_ADDR_COMPAT_LAYOUT 0x200000
#define LINUX_READ_IMPLIES_EXEC  0x400000
#define LINUX_ADDR_LIMIT_32BIT   0x800000
#define LINUX_SHORT_INODE        0x1000000
#define LINUX_WHOLE_SECONDS      0x2000000
#define LINUX_STICKY_TIMEOUTS    0x4000000
#define LINUX_ADDR_LIMIT_3GB     0x8000000
#define LINUX_PER_LINUX          0x0
#define LINUX_PER_LINUX32        0x8
#define LINUX_PER_MASK           0xff
#define LINUX_PER_QUERY          0xffffffffU
#define LINUX_PER_CLEAR_ON_SETID                                                                   \
    (LINUX_READ_IMPLIES_EXEC | LINUX_ADDR_NO_RANDOMIZE | LINUX_ADDR_COMPAT_LAYOUT |                \
     LINUX_MMAP_PAGE_ZERO)

#endif
