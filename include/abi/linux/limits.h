/* SPDX-License-Identifier: Apache-2.0 */
/* Limits that the guest can see. */
#ifndef ABI_LINUX_LIMITS_H
#define ABI_LINUX_LIMITS_H

#include "cvisor/types.h"

#define LINUX_PATH_MAX       4096 /* terminating NUL included */
#define LINUX_NAME_MAX       255
#define LINUX_SYMLINK_MAX    4095
#define LINUX_MAXSYMLINKS    40
#define LINUX_PIPE_BUF       4096
#define LINUX_LINK_MAX       127
#define LINUX_NGROUPS_MAX    65536
#define LINUX_XATTR_NAME_MAX 255
#define LINUX_XATTR_SIZE_MAX 65536
#define LINUX_XATTR_LIST_MAX 65536

/* execve: one string; the whole, which is also limited by a quarter of RLIMIT_STACK */
#define LINUX_MAX_ARG_STRLEN   131072
#define LINUX_MAX_ARG_STRINGS  0x7fffffff
#define LINUX_ARG_MAX_TOTAL    (6UL << 20)
#define LINUX_ARG_MAX_MIN      131072
#define LINUX_BINPRM_BUF_SIZE  256
#define LINUX_BINPRM_MAX_DEPTH 5

#define LINUX_PID_MAX_DEFAULT  32768
#define LINUX_PID_MAX_LIMIT    4194304
#define LINUX_NR_OPEN          1048576
#define LINUX_MAX_LFS_FILESIZE 0x7fffffffffffffffLL

/* Pipes */
#define LINUX_PIPE_DEF_SIZE 65536
#define LINUX_PIPE_MAX_SIZE 1048576

/* User addresses, 48-bit: [mmap_min_addr, TASK_SIZE) */
#define LINUX_TASK_SIZE     0x7ffffffff000ULL
#define LINUX_MMAP_MIN_ADDR 65536
#define LINUX_MAX_MAP_COUNT 65530

#endif
