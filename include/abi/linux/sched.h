/* SPDX-License-Identifier: Apache-2.0 */
/* clone, and the scheduling syscalls. */
#ifndef ABI_LINUX_SCHED_H
#define ABI_LINUX_SCHED_H

#include "cvisor/types.h"

/* clone flags */
#define LINUX_CSIGNAL              0x000000ff
#define LINUX_CLONE_VM             0x00000100
#define LINUX_CLONE_FS             0x00000200
#define LINUX_CLONE_FILES          0x00000400
#define LINUX_CLONE_SIGHAND        0x00000800
#define LINUX_CLONE_PIDFD          0x00001000
#define LINUX_CLONE_PTRACE         0x00002000
#define LINUX_CLONE_VFORK          0x00004000
#define LINUX_CLONE_PARENT         0x00008000
#define LINUX_CLONE_THREAD         0x00010000
#define LINUX_CLONE_NEWNS          0x00020000
#define LINUX_CLONE_SYSVSEM        0x00040000
#define LINUX_CLONE_SETTLS         0x00080000
#define LINUX_CLONE_PARENT_SETTID  0x00100000
#define LINUX_CLONE_CHILD_CLEARTID 0x00200000
#define LINUX_CLONE_DETACHED       0x00400000
#define LINUX_CLONE_UNTRACED       0x00800000
#define LINUX_CLONE_CHILD_SETTID   0x01000000
#define LINUX_CLONE_NEWCGROUP      0x02000000
#define LINUX_CLONE_NEWUTS         0x04000000
#define LINUX_CLONE_NEWIPC         0x08000000
#define LINUX_CLONE_NEWUSER        0x10000000
#define LINUX_CLONE_NEWPID         0x20000000
#define LINUX_CLONE_NEWNET         0x40000000
#define LINUX_CLONE_IO             0x80000000
#define LINUX_CLONE_CLEAR_SIGHAND  0x100000000ULL
#define LINUX_CLONE_INTO_CGROUP    0x200000000ULL
#define LINUX_CLONE_NEWTIME        0x00000080

struct linux_clone_args {
    u64 flags;
    u64 pidfd;
    u64 child_tid;
    u64 parent_tid;
    u64 exit_signal;
    u64 stack;
    u64 stack_size;
    u64 tls;
    u64 set_tid;
    u64 set_tid_size;
    u64 cgroup;
};
_Static_assert(sizeof(struct linux_clone_args) == 88, "guest ABI");
#define LINUX_CLONE_ARGS_SIZE_VER0 64
#define LINUX_CLONE_ARGS_SIZE_VER1 80
#define LINUX_CLONE_ARGS_SIZE_VER2 88

/* scheduling policies */
#define LINUX_SCHED_NORMAL        0
#define LINUX_SCHED_FIFO          1
#define LINUX_SCHED_RR            2
#define LINUX_SCHED_BATCH         3
#define LINUX_SCHED_IDLE          5
#define LINUX_SCHED_DEADLINE      6
#define LINUX_SCHED_RESET_ON_FORK 0x40000000

#define LINUX_SCHED_OTHER LINUX_SCHED_NORMAL
#define LINUX_MAX_RT_PRIO 100

/* sched_attr.sched_flags */
#define LINUX_SCHED_FLAG_RESET_ON_FORK  0x01
#define LINUX_SCHED_FLAG_RECLAIM        0x02
#define LINUX_SCHED_FLAG_DL_OVERRUN     0x04
#define LINUX_SCHED_FLAG_KEEP_POLICY    0x08
#define LINUX_SCHED_FLAG_KEEP_PARAMS    0x10
#define LINUX_SCHED_FLAG_UTIL_CLAMP_MIN 0x20
#define LINUX_SCHED_FLAG_UTIL_CLAMP_MAX 0x40
#define LINUX_SCHED_FLAG_KEEP_ALL       (LINUX_SCHED_FLAG_KEEP_POLICY | LINUX_SCHED_FLAG_KEEP_PARAMS)
#define LINUX_SCHED_FLAG_UTIL_CLAMP                                                                \
    (LINUX_SCHED_FLAG_UTIL_CLAMP_MIN | LINUX_SCHED_FLAG_UTIL_CLAMP_MAX)
#define LINUX_SCHED_FLAG_ALL 0x7f

struct linux_sched_param {
    s32 sched_priority;
};
_Static_assert(sizeof(struct linux_sched_param) == 4, "guest ABI");

struct linux_sched_attr {
    u32 size;
    u32 sched_policy;
    u64 sched_flags;
    s32 sched_nice;
    u32 sched_priority;
    u64 sched_runtime;
    u64 sched_deadline;
    u64 sched_period;
    u32 sched_util_min;
    u32 sched_util_max;
};
#define LINUX_SCHED_ATTR_SIZE_VER0 48
#define LINUX_SCHED_ATTR_SIZE_VER1 56
_Static_assert(sizeof(struct linux_sched_attr) == 56, "guest ABI");

/* ioprio_get, ioprio_set */
#define LINUX_IOPRIO_CLASS_SHIFT 13
#define LINUX_IOPRIO_CLASS_NONE  0
#define LINUX_IOPRIO_CLASS_RT    1
#define LINUX_IOPRIO_CLASS_BE    2
#define LINUX_IOPRIO_CLASS_IDLE  3
#define LINUX_IOPRIO_WHO_PROCESS 1
#define LINUX_IOPRIO_WHO_PGRP    2
#define LINUX_IOPRIO_WHO_USER    3

/* kcmp, pidfd_open */
#define LINUX_KCMP_FILE      0
#define LINUX_KCMP_VM        1
#define LINUX_KCMP_FILES     2
#define LINUX_KCMP_FS        3
#define LINUX_KCMP_SIGHAND   4
#define LINUX_KCMP_IO        5
#define LINUX_KCMP_SYSVSEM   6
#define LINUX_KCMP_EPOLL_TFD 7
#define LINUX_PIDFD_NONBLOCK 04000

#endif
