/* SPDX-License-Identifier: Apache-2.0 */
/* Clocks, timers and the structures of time. */
#ifndef ABI_LINUX_TIME_H
#define ABI_LINUX_TIME_H

#include "cvisor/types.h"

/* clocks */
#define LINUX_CLOCK_REALTIME           0
#define LINUX_CLOCK_MONOTONIC          1
#define LINUX_CLOCK_PROCESS_CPUTIME_ID 2
#define LINUX_CLOCK_THREAD_CPUTIME_ID  3
#define LINUX_CLOCK_MONOTONIC_RAW      4
#define LINUX_CLOCK_REALTIME_COARSE    5
#define LINUX_CLOCK_MONOTONIC_COARSE   6
#define LINUX_CLOCK_BOOTTIME           7
#define LINUX_CLOCK_REALTIME_ALARM     8
#define LINUX_CLOCK_BOOTTIME_ALARM     9
#define LINUX_CLOCK_SGI_CYCLE          10
#define LINUX_CLOCK_TAI                11

#define LINUX_TIMER_ABSTIME 0x01
#define LINUX_MAX_CLOCKS    16

/* getitimer, setitimer */
#define LINUX_ITIMER_REAL    0
#define LINUX_ITIMER_VIRTUAL 1
#define LINUX_ITIMER_PROF    2

struct linux_timespec {
    s64 tv_sec;
    s64 tv_nsec;
};
_Static_assert(sizeof(struct linux_timespec) == 16, "guest ABI");

struct linux_timeval {
    s64 tv_sec;
    s64 tv_usec;
};
_Static_assert(sizeof(struct linux_timeval) == 16, "guest ABI");

struct linux_itimerspec {
    struct linux_timespec it_interval;
    struct linux_timespec it_value;
};
_Static_assert(sizeof(struct linux_itimerspec) == 32, "guest ABI");

struct linux_itimerval {
    struct linux_timeval it_interval;
    struct linux_timeval it_value;
};
_Static_assert(sizeof(struct linux_itimerval) == 32, "guest ABI");

struct linux_timezone {
    s32 tz_minuteswest;
    s32 tz_dsttime;
};
_Static_assert(sizeof(struct linux_timezone) == 8, "guest ABI");

struct linux_utimbuf {
    s64 actime;
    s64 modtime;
};
_Static_assert(sizeof(struct linux_utimbuf) == 16, "guest ABI");

struct linux_timex {
    u32 modes;
    u32 pad0;
    s64 offset;
    s64 freq;
    s64 maxerror;
    s64 esterror;
    s32 status;
    u32 pad1;
    s64 constant;
    s64 precision;
    s64 tolerance;
    struct linux_timeval time;
    s64 tick;
    s64 ppsfreq;
    s64 jitter;
    s32 shift;
    u32 pad2;
    s64 stabil;
    s64 jitcnt;
    s64 calcnt;
    s64 errcnt;
    s64 stbcnt;
    s32 tai;
    u32 pad3[11];
};
_Static_assert(sizeof(struct linux_timex) == 208, "guest ABI");

/* timex.modes */
#define LINUX_ADJ_OFFSET            0x0001
#define LINUX_ADJ_FREQUENCY         0x0002
#define LINUX_ADJ_MAXERROR          0x0004
#define LINUX_ADJ_ESTERROR          0x0008
#define LINUX_ADJ_STATUS            0x0010
#define LINUX_ADJ_TIMECONST         0x0020
#define LINUX_ADJ_TAI               0x0080
#define LINUX_ADJ_SETOFFSET         0x0100
#define LINUX_ADJ_MICRO             0x1000
#define LINUX_ADJ_NANO              0x2000
#define LINUX_ADJ_TICK              0x4000
#define LINUX_ADJ_OFFSET_SINGLESHOT 0x8001
#define LINUX_ADJ_OFFSET_SS_READ    0xa001

/* timex.status, and the result of adjtimex */
#define LINUX_STA_PLL       0x0001
#define LINUX_STA_PPSFREQ   0x0002
#define LINUX_STA_PPSTIME   0x0004
#define LINUX_STA_FLL       0x0008
#define LINUX_STA_INS       0x0010
#define LINUX_STA_DEL       0x0020
#define LINUX_STA_UNSYNC    0x0040
#define LINUX_STA_FREQHOLD  0x0080
#define LINUX_STA_PPSSIGNAL 0x0100
#define LINUX_STA_PPSJITTER 0x0200
#define LINUX_STA_PPSWANDER 0x0400
#define LINUX_STA_PPSERROR  0x0800
#define LINUX_STA_CLOCKERR  0x1000
#define LINUX_STA_NANO      0x2000
#define LINUX_STA_MODE      0x4000
#define LINUX_STA_CLK       0x8000
#define LINUX_STA_RONLY     0xff00
#define LINUX_TIME_OK       0
#define LINUX_TIME_INS      1
#define LINUX_TIME_DEL      2
#define LINUX_TIME_OOP      3
#define LINUX_TIME_WAIT     4
#define LINUX_TIME_ERROR    5
#define LINUX_TIME_BAD      LINUX_TIME_ERROR

#endif
