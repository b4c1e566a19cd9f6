/* SPDX-License-Identifier: Apache-2.0 */
/* rlimits, rusage, times, priorities. */
#ifndef ABI_LINUX_RESOURCE_H
#define ABI_LINUX_RESOURCE_H

#include "abi/linux/time.h"
#include "cvisor/types.h"

/* resources */
#define LINUX_RLIMIT_CPU        0
#define LINUX_RLIMIT_FSIZE      1
#define LINUX_RLIMIT_DATA       2
#define LINUX_RLIMIT_STACK      3
#define LINUX_RLIMIT_CORE       4
#define LINUX_RLIMIT_RSS        5
#define LINUX_RLIMIT_NPROC      6
#define LINUX_RLIMIT_NOFILE     7
#define LINUX_RLIMIT_MEMLOCK    8
#define LINUX_RLIMIT_AS         9
#define LINUX_RLIMIT_LOCKS      10
#define LINUX_RLIMIT_SIGPENDING 11
#define LINUX_RLIMIT_MSGQUEUE   12
#define LINUX_RLIMIT_NICE       13
#define LINUX_RLIMIT_RTPRIO     14
#define LINUX_RLIMIT_RTTIME     15
#define LINUX_RLIM_NLIMITS      16
#define LINUX_RLIM_INFINITY     (~0ULL)

struct linux_rlimit {
    u64 rlim_cur;
    u64 rlim_max;
};
_Static_assert(sizeof(struct linux_rlimit) == 16, "guest ABI");

/* getrusage */
#define LINUX_RUSAGE_SELF     0
#define LINUX_RUSAGE_CHILDREN (-1)
#define LINUX_RUSAGE_BOTH     (-2)
#define LINUX_RUSAGE_THREAD   1

struct linux_rusage {
    struct linux_timeval ru_utime;
    struct linux_timeval ru_stime;
    s64 ru_maxrss; /* KiB */
    s64 ru_ixrss;
    s64 ru_idrss;
    s64 ru_isrss;
    s64 ru_minflt;
    s64 ru_majflt;
    s64 ru_nswap;
    s64 ru_inblock;
    s64 ru_oublock;
    s64 ru_msgsnd;
    s64 ru_msgrcv;
    s64 ru_nsignals;
    s64 ru_nvcsw;
    s64 ru_nivcsw;
};
_Static_assert(sizeof(struct linux_rusage) == 144, "guest ABI");

/* The unit of struct linux_tms and of AT_CLKTCK. */
#define LINUX_USER_HZ 100

struct linux_tms {
    s64 tms_utime;
    s64 tms_stime;
    s64 tms_cutime;
    s64 tms_cstime;
};
_Static_assert(sizeof(struct linux_tms) == 32, "guest ABI");

/* getpriority, setpriority */
#define LINUX_PRIO_MIN     (-20)
#define LINUX_PRIO_MAX     20
#define LINUX_PRIO_PROCESS 0
#define LINUX_PRIO_PGRP    1
#define LINUX_PRIO_USER    2

#endif
