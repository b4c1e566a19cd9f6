/* SPDX-License-Identifier: Apache-2.0 */
/* Signals: numbers, actions, siginfo, alternate stacks. */
#ifndef ABI_LINUX_SIGNAL_H
#define ABI_LINUX_SIGNAL_H

#include "cvisor/types.h"

/* signal numbers */
#define LINUX_SIGHUP    1
#define LINUX_SIGINT    2
#define LINUX_SIGQUIT   3
#define LINUX_SIGILL    4
#define LINUX_SIGTRAP   5
#define LINUX_SIGABRT   6
#define LINUX_SIGIOT    6
#define LINUX_SIGBUS    7
#define LINUX_SIGFPE    8
#define LINUX_SIGKILL   9
#define LINUX_SIGUSR1   10
#define LINUX_SIGSEGV   11
#define LINUX_SIGUSR2   12
#define LINUX_SIGPIPE   13
#define LINUX_SIGALRM   14
#define LINUX_SIGTERM   15
#define LINUX_SIGSTKFLT 16
#define LINUX_SIGCHLD   17
#define LINUX_SIGCONT   18
#define LINUX_SIGSTOP   19
#define LINUX_SIGTSTP   20
#define LINUX_SIGTTIN   21
#define LINUX_SIGTTOU   22
#define LINUX_SIGURG    23
#define LINUX_SIGXCPU   24
#define LINUX_SIGXFSZ   25
#define LINUX_SIGVTALRM 26
#define LINUX_SIGPROF   27
#define LINUX_SIGWINCH  28
#define LINUX_SIGIO     29
#define LINUX_SIGPOLL   LINUX_SIGIO
#define LINUX_SIGPWR    30
#define LINUX_SIGSYS    31
#define LINUX_SIGUNUSED 31

#define LINUX_SIGRTMIN 32
#define LINUX_SIGRTMAX 64
#define LINUX_NSIG     64 /* signals are 1..NSIG */

/* A set of signals: bit (signo - 1). */
typedef u64 linux_sigset;
#define LINUX_SIGSET_SIZE  8
#define LINUX_SIGMASK(sig) (1ULL << ((sig)-1))

/* sa_flags */
#define LINUX_SA_RESTORER       0x04000000
#define LINUX_SA_NOCLDSTOP      0x00000001
#define LINUX_SA_NOCLDWAIT      0x00000002
#define LINUX_SA_SIGINFO        0x00000004
#define LINUX_SA_UNSUPPORTED    0x00000400
#define LINUX_SA_EXPOSE_TAGBITS 0x00000800
#define LINUX_SA_ONSTACK        0x08000000
#define LINUX_SA_RESTART        0x10000000
#define LINUX_SA_NODEFER        0x40000000
#define LINUX_SA_RESETHAND      0x80000000
#define LINUX_SA_NOMASK         LINUX_SA_NODEFER
#define LINUX_SA_ONESHOT        LINUX_SA_RESETHAND

#define LINUX_SA_IMMUTABLE 0x00800000 /* internal to the kernel: never from or to the guest */

/* sa_handler */
#define LINUX_SIG_DFL 0ULL
#define LINUX_SIG_IGN 1ULL
#define LINUX_SIG_ERR (~0ULL)

/* rt_sigprocmask: how */
#define LINUX_SIG_BLOCK   0
#define LINUX_SIG_UNBLOCK 1
#define LINUX_SIG_SETMASK 2

/* si_code, any signal */
#define LINUX_SI_USER     0
#define LINUX_SI_KERNEL   0x80
#define LINUX_SI_QUEUE    (-1)
#define LINUX_SI_TIMER    (-2)
#define LINUX_SI_MESGQ    (-3)
#define LINUX_SI_ASYNCIO  (-4)
#define LINUX_SI_SIGIO    (-5)
#define LINUX_SI_TKILL    (-6)
#define LINUX_SI_DETHREAD (-7)
#define LINUX_SI_ASYNCNL  (-60)

/* si_code by signal */
#define LINUX_ILL_ILLOPC           1
#define LINUX_ILL_ILLOPN           2
#define LINUX_ILL_ILLADR           3
#define LINUX_ILL_ILLTRP           4
#define LINUX_ILL_PRVOPC           5
#define LINUX_ILL_PRVREG           6
#define LINUX_ILL_COPROC           7
#define LINUX_ILL_BADSTK           8
#define LINUX_ILL_BADIADDR         9
#define LINUX_FPE_INTDIV           1
#define LINUX_FPE_INTOVF           2
#define LINUX_FPE_FLTDIV           3
#define LINUX_FPE_FLTOVF           4
#define LINUX_FPE_FLTUND           5
#define LINUX_FPE_FLTRES           6
#define LINUX_FPE_FLTINV           7
#define LINUX_FPE_FLTSUB           8
#define LINUX_FPE_FLTUNK           14
#define LINUX_FPE_CONDTRAP         15
#define LINUX_SEGV_MAPERR          1
#define LINUX_SEGV_ACCERR          2
#define LINUX_SEGV_BNDERR          3
#define LINUX_SEGV_PKUERR          4
#define LINUX_SEGV_ACCADI          5
#define LINUX_SEGV_ADIDERR         6
#define LINUX_SEGV_ADIPERR         7
#define LINUX_SEGV_MTEAERR         8
#define LINUX_SEGV_MTESERR         9
#define LINUX_BUS_ADRALN           1
#define LINUX_BUS_ADRERR           2
#define LINUX_BUS_OBJERR           3
#define LINUX_BUS_MCEERR_AR        4
#define LINUX_BUS_MCEERR_AO        5
#define LINUX_TRAP_BRKPT           1
#define LINUX_TRAP_TRACE           2
#define LINUX_TRAP_BRANCH          3
#define LINUX_TRAP_HWBKPT          4
#define LINUX_TRAP_UNK             5
#define LINUX_TRAP_PERF            6
#define LINUX_TRAP_PERF_FLAG_ASYNC (1u << 0)
#define LINUX_CLD_EXITED           1
#define LINUX_CLD_KILLED           2
#define LINUX_CLD_DUMPED           3
#define LINUX_CLD_TRAPPED          4
#define LINUX_CLD_STOPPED          5
#define LINUX_CLD_CONTINUED        6
#define LINUX_POLL_IN              1
#define LINUX_POLL_OUT             2
#define LINUX_POLL_MSG             3
#define LINUX_POLL_ERR             4
#define LINUX_POLL_PRI             5
#define LINUX_POLL_HUP             6
#define LINUX_SYS_SECCOMP          1
#define LINUX_SYS_USER_DISPATCH    2

union linux_sigval {
    s32 sival_int;
    u64 sival_ptr;
};

struct linux_siginfo {
    s32 si_signo;
    s32 si_errno;
    s32 si_code;
    u32 pad0;
    union {
        u8 pad[112];
        struct {
            s32 pid;
            u32 uid;
        } kill;
        struct {
            s32 tid;
            s32 overrun;
            union linux_sigval value;
            s32 sys_private;
        } timer;
        struct {
            s32 pid;
            u32 uid;
            union linux_sigval value;
        } rt;
        struct {
            s32 pid;
            u32 uid;
            s32 status;
            u32 pad0;
            s64 utime;
            s64 stime;
        } chld;
        struct {
            u64 addr;
            union {
                s32 trapno;
                s16 addr_lsb;
                struct {
                    u64 pad0;
                    u64 lower;
                    u64 upper;
                } bnd;
                struct {
                    u64 pad0;
                    u32 pkey;
                } pkey;
                struct {
                    u64 data;
                    u32 type;
                    u32 flags;
                } perf;
            };
        } fault;
        struct {
            s64 band;
            s32 fd;
        } poll;
        struct {
            u64 call_addr;
            s32 nr;
            u32 arch;
        } sys;
    };
};
_Static_assert(sizeof(struct linux_siginfo) == 128, "guest ABI");

/* The argument of rt_sigaction. */
struct linux_sigaction {
    u64 handler; /* SIG_DFL, SIG_IGN or a guest address */
    u64 flags;
    u64 restorer;
    linux_sigset mask;
};
_Static_assert(sizeof(struct linux_sigaction) == 32, "guest ABI");

/* sigaltstack */
#define LINUX_SS_ONSTACK    1
#define LINUX_SS_DISABLE    2
#define LINUX_SS_AUTODISARM 0x80000000U
#define LINUX_MINSIGSTKSZ   2048
#define LINUX_SIGSTKSZ      8192

struct linux_stack {
    u64 ss_sp;
    s32 ss_flags;
    u32 pad0;
    u64 ss_size;
};
typedef struct linux_stack linux_stack_t;
_Static_assert(sizeof(struct linux_stack) == 24, "guest ABI");

/* sigev_notify */
#define LINUX_SIGEV_SIGNAL    0
#define LINUX_SIGEV_NONE      1
#define LINUX_SIGEV_THREAD    2
#define LINUX_SIGEV_THREAD_ID 4
#define LINUX_SIGEV_MAX_SIZE  64
#define LINUX_SIGEV_PAD_SIZE  12

struct linux_sigevent {
    union linux_sigval sigev_value;
    s32 sigev_signo;
    s32 sigev_notify;
    union {
        s32 pad[12];
        s32 tid;
    };
};
_Static_assert(sizeof(struct linux_sigevent) == 64, "guest ABI");

/* The last argument of pselect6 and io_pgetevents. */
struct linux_sigset_argpack {
    u64 set;
    u64 size;
};
_Static_assert(sizeof(struct linux_sigset_argpack) == 16, "guest ABI");

#endif
