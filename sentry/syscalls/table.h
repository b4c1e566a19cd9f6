/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The syscall table, generated from syscalls.tbl by gen.sh: dispatch, strace's view of the
 * arguments, and what `runsc help syscalls` prints.
 */
#ifndef SENTRY_SYSCALLS_TABLE_H
#define SENTRY_SYSCALLS_TABLE_H

#include "abi/linux/unistd.h"
#include "cvisor/types.h"
#include "sentry/syscalls/args.h"

/*
 * Kinds of arguments: column "args" of syscalls.tbl in lower case. _OUT is written by the kernel
 * and decoded when the call returns, _INOUT and FDSET, POLLFDS are decoded both times. LEN: needs
 * kind:N, argument N is its size in bytes or its count.
 */
enum syscall_arg {
    ARG_NONE,
    /* Plain numbers */
    ARG_INT,
    ARG_UINT,
    ARG_LONG,
    ARG_HEX,
    ARG_PTR,
    ARG_SIZE,
    ARG_OFF,
    ARG_FD,
    ARG_DIRFD,
    ARG_PID,
    ARG_UID,
    ARG_GID,
    ARG_DEV,
    ARG_MODE,
    ARG_MODE_CREAT, /* only when the flags before it contain O_CREAT or O_TMPFILE */
    /* Flags and enumerations, by name */
    ARG_ACCMODE,
    ARG_ARCHOP,
    ARG_ATFLAGS,
    ARG_CLOCKID,
    ARG_CLONEFLAGS,
    ARG_CLOSERANGEFLAGS,
    ARG_EPOLLCTL,
    ARG_EVENTFDFLAGS,
    ARG_FALLOCMODE,
    ARG_FAMILY,
    ARG_FCNTLCMD,
    ARG_FDFLAGS, /* CLOEXEC and NONBLOCK of any kind of descriptor */
    ARG_FLOCKOP,
    ARG_FUTEXOP,
    ARG_GRNDFLAGS,
    ARG_IDTYPE,
    ARG_INOTIFYMASK,
    ARG_IOCTLCMD,
    ARG_IPCFLAGS,
    ARG_ITIMER,
    ARG_MADVICE,
    ARG_MAPFLAGS,
    ARG_MCLFLAGS,
    ARG_MEMBARRIERCMD,
    ARG_MFDFLAGS,
    ARG_MOUNTFLAGS,
    ARG_MREMAPFLAGS,
    ARG_MSGFLAGS,
    ARG_MSYNCFLAGS,
    ARG_OFLAGS,
    ARG_PRCTLOP,
    ARG_PRIO,
    ARG_PROT,
    ARG_PTRACEREQ,
    ARG_RENAMEFLAGS,
    ARG_RLIMITRES,
    ARG_RWFFLAGS,
    ARG_SCHEDPOLICY,
    ARG_SECCOMPOP,
    ARG_SHUTHOW,
    ARG_SIGHOW,
    ARG_SIGNAL,
    ARG_SOCKOPT,
    ARG_SOCKTYPE,
    ARG_SPLICEFLAGS,
    ARG_STATXMASK,
    ARG_TIMERFLAGS,
    ARG_UMOUNTFLAGS,
    ARG_UNLINKFLAGS,
    ARG_WAITOPTS,
    ARG_WHENCE,
    ARG_XATTRFLAGS,
    /* Guest memory */
    ARG_PATH,
    ARG_STR,
    ARG_STR_OUT, /* LEN */
    ARG_BUF_IN,  /* LEN */
    ARG_BUF_OUT, /* LEN; only as much as the call returned */
    ARG_IOV_IN,  /* LEN */
    ARG_IOV_OUT, /* LEN */
    ARG_IOV_RAW, /* LEN; of another process: not followed */
    ARG_MSGHDR,
    ARG_MSGHDR_OUT,
    ARG_SOCKADDR,     /* LEN */
    ARG_SOCKADDR_OUT, /* LEN: the argument that points at the size */
    ARG_ARGV,
    ARG_ENVP,
    ARG_CLONEARGS, /* LEN */
    ARG_DIRENTS_OUT,
    ARG_EPEVENT,
    ARG_EPEVENTS_OUT,
    ARG_FDS_OUT, /* int[2] */
    ARG_FDSET,
    ARG_FUTEX_TIMEOUT,
    ARG_INT_OUT,
    ARG_UINT_INOUT,
    ARG_LONG_OUT,
    ARG_OFF_INOUT,
    ARG_ITIMERSPEC,
    ARG_ITIMERSPEC_OUT,
    ARG_ITIMERVAL,
    ARG_ITIMERVAL_OUT,
    ARG_OPENHOW,
    ARG_POLLFDS, /* LEN */
    ARG_RLIMIT,
    ARG_RLIMIT_OUT,
    ARG_RUSAGE_OUT,
    ARG_SIGACTION,
    ARG_SIGACTION_OUT,
    ARG_SIGEVENT,
    ARG_SIGINFO,
    ARG_SIGINFO_OUT,
    ARG_SIGSET,
    ARG_SIGSET_OUT,
    ARG_STACK,
    ARG_STACK_OUT,
    ARG_STAT_OUT,
    ARG_STATFS_OUT,
    ARG_STATX_OUT,
    ARG_SYSINFO_OUT,
    ARG_TIMESPEC,
    ARG_TIMESPEC2, /* [2] */
    ARG_TIMESPEC_OUT,
    ARG_TIMEVAL,
    ARG_TIMEVAL2, /* [2] */
    ARG_TIMEVAL_OUT,
    ARG_TIMEX,
    ARG_TMS_OUT,
    ARG_UTSNAME_OUT,
    ARG_WSTATUS_OUT,
    ARG_COUNT_
};

enum syscall_level { SYSCALL_NONE, SYSCALL_PARTIAL, SYSCALL_FULL };

/* The handler reads or changes registers beyond its arguments and its result: the dispatcher
 * fetches the full context first and resumes with RESUME_CONTEXT. */
#define SYSCALL_FULL_REGS 1u

typedef s64 syscall_handler(struct task *t, const struct syscall_args *a);

struct syscall_desc {
    const char *name;         /* NULL: no such number */
    syscall_handler *handler; /* NULL: ENOSYS */
    u8 nargs;
    u8 level; /* enum syscall_level */
    u8 flags; /* SYSCALL_FULL_REGS */
    struct {
        u8 kind; /* enum syscall_arg */
        u8 len;  /* index of the argument with the length */
    } args[6];
    const char *note; /* "" or for people: what is missing, or why it is refused */
};

#define SYSCALL_COUNT (LINUX_SYS_MAX + 1)
extern const struct syscall_desc g_syscall_table[SYSCALL_COUNT]; /* by number */

/* NULL when there is no such syscall. nr is what the guest put into rax. */
const struct syscall_desc *syscall_lookup(u64 nr);
/* The number of a name of n bytes, or -ENOENT. */
int syscall_number(const char *name, size_t n);
/* "full", "partial", "none". */
const char *syscall_level_name(enum syscall_level level);

#endif
