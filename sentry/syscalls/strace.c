/* SPDX-License-Identifier: Apache-2.0 */
/* strace of the guest: which calls are traced, and how a line is put together. */
#include "sentry/syscalls/strace.h"

#include "abi/linux/fcntl.h"
#include "abi/linux/futex.h"
#include "abi/linux/sched.h"
#include "abi/linux/socket.h"
#include "cvisor/log.h"
#include "sentry/kernel/task.h"
#include "sentry/syscalls/strace_out.h"
#include "sentry/syscalls/strace_types.h"
#include "sentry/syscalls/table.h"

#include <errno.h>
#include <string.h>

bool g_strace_on;
static bool traced[SYSCALL_COUNT]; /* immutable once the first task runs */

int strace_configure(const char *names, char *bad, size_t n)
{
    memset(traced, !names || !*names, sizeof(traced));
    while (names && *names) {
        size_t len = strcspn(names, ",");
        int nr = syscall_number(names, len);

        if (len && nr < 0) {
            size_t copied = n ? MIN(len, n - 1) : 0;

            memcpy(bad, names, copied);
            if (n)
                bad[copied] = '\0';
            return -EINVAL;
        }
        if (len)
            traced[nr] = true;
        names += len + (names[len] == ',');
    }
    g_strace_on = true;
    return 0;
}

/* ---- plain arguments ------------------------------------------------------------------------ */

typedef void strace_value_fn(const struct strace_arg *a);

static void value_int(const struct strace_arg *a)
{
    out_printf(a->out, "%d", (s32)a->v);
}

static void value_uint(const struct strace_arg *a)
{
    out_printf(a->out, "%u", (u32)a->v);
}

static void value_long(const struct strace_arg *a)
{
    out_printf(a->out, "%lld", (long long)a->v);
}

static void value_hex(const struct strace_arg *a)
{
    out_printf(a->out, "%#llx", (unsigned long long)a->v);
}

static void value_size(const struct strace_arg *a)
{
    out_printf(a->out, "%llu", (unsigned long long)a->v);
}

static void value_dirfd(const struct strace_arg *a)
{
    if ((s32)a->v == LINUX_AT_FDCWD)
        out_str(a->out, "AT_FDCWD");
    else
        value_int(a);
}

static void value_dev(const struct strace_arg *a)
{
    out_printf(a->out, "%u:%u", ((u32)a->v >> 8) & 0xfff,
               ((u32)a->v & 0xff) | ((u32)a->v >> 20 << 8));
}

static void value_mode(const struct strace_arg *a)
{
    out_printf(a->out, "0%o", (u32)a->v);
}

static void value_signal(const struct strace_arg *a)
{
    out_signal(a->out, (u64)(s64)(s32)a->v);
}

/* The exit signal is in the low byte. */
static void value_clone(const struct strace_arg *a)
{
    if (a->v & ~(u64)LINUX_CSIGNAL || !a->v)
        out_names(a->out, &g_names_cloneflags, a->v & ~(u64)LINUX_CSIGNAL);
    if (a->v & LINUX_CSIGNAL) {
        if (a->v & ~(u64)LINUX_CSIGNAL)
            out_str(a->out, "|");
        out_signal(a->out, a->v & LINUX_CSIGNAL);
    }
}

static void value_oflags(const struct strace_arg *a)
{
    u32 flags = (u32)a->v;

    if ((flags & LINUX_O_ACCMODE) == LINUX_O_RDONLY) {
        out_str(a->out, "O_RDONLY");
        if (!flags)
            return;
        out_str(a->out, "|");
    }
    out_names(a->out, &g_names_oflags, flags);
}

static void value_futexop(const struct strace_arg *a)
{
    u32 op = (u32)a->v, opts = op & (LINUX_FUTEX_PRIVATE_FLAG | LINUX_FUTEX_CLOCK_REALTIME);

    out_names(a->out, &g_names_futexcmd, op & ~opts);
    if (opts) {
        out_str(a->out, "|");
        out_names(a->out, &g_names_futexopts, opts);
    }
}

static void value_socktype(const struct strace_arg *a)
{
    u32 type = (u32)a->v & LINUX_SOCK_TYPE_MASK, flags = (u32)a->v & ~LINUX_SOCK_TYPE_MASK;

    out_names(a->out, &g_names_socktype, type);
    if (flags) {
        out_str(a->out, "|");
        out_names(a->out, &g_names_sockflags, flags);
    }
}

/* The option's names depend on the level, argument 1. */
static void value_sockopt(const struct strace_arg *a)
{
    if ((s32)a->args->v[1] == LINUX_SOL_SOCKET)
        out_names(a->out, &g_names_sockopt, (u32)a->v);
    else
        value_int(a);
}

/* Argument 3 of futex is a timeout or a number, as the command says. */
static void type_futex_timeout(const struct strace_arg *a)
{
    switch (a->args->v[1] & (u64)LINUX_FUTEX_CMD_MASK) {
    case LINUX_FUTEX_WAIT:
    case LINUX_FUTEX_WAIT_BITSET:
    case LINUX_FUTEX_LOCK_PI:
    case LINUX_FUTEX_LOCK_PI2:
    case LINUX_FUTEX_WAIT_REQUEUE_PI:
        type_timespec(a);
        return;
    default:
        value_int(a);
    }
}

/* ---- kinds ---------------------------------------------------------------------------------- */

/* What to do with a kind of argument: names of a 32-bit value, or value for plain numbers, or the
 * memory behind a pointer on entry (in) and on return (out); without one of them, the address. */
struct strace_kind {
    const struct strace_names *names;
    strace_value_fn *value;
    strace_type_fn *in, *out;
};

/* clang-format off */
#define NAMES(k, n) [ARG_##k] = {.names = &g_names_##n}
#define VALUE(k, f) [ARG_##k] = {.value = value_##f}
#define IN(k, f)    [ARG_##k] = {.in = type_##f, .out = type_##f}
#define OUT(k, f)   [ARG_##k] = {.out = type_##f}

static const struct strace_kind kinds[ARG_COUNT_] = {
    VALUE(NONE, hex), VALUE(INT, int), VALUE(UINT, uint), VALUE(LONG, long), VALUE(HEX, hex),
    VALUE(SIZE, size), VALUE(OFF, long), VALUE(FD, int), VALUE(DIRFD, dirfd), VALUE(PID, int),
    VALUE(UID, int), VALUE(GID, int), VALUE(DEV, dev), VALUE(MODE, mode), VALUE(MODE_CREAT, mode),
    VALUE(SIGNAL, signal), VALUE(CLONEFLAGS, clone), VALUE(OFLAGS, oflags),
    VALUE(FUTEXOP, futexop), VALUE(SOCKTYPE, socktype), VALUE(SOCKOPT, sockopt),

    NAMES(ACCMODE, accmode), NAMES(ARCHOP, archop), NAMES(ATFLAGS, atflags),
    NAMES(CLOCKID, clockid), NAMES(CLOSERANGEFLAGS, closerangeflags), NAMES(EPOLLCTL, epollctl),
    NAMES(EVENTFDFLAGS, eventfdflags), NAMES(FALLOCMODE, fallocmode), NAMES(FAMILY, family),
    NAMES(FCNTLCMD, fcntlcmd), NAMES(FDFLAGS, fdflags), NAMES(FLOCKOP, flockop),
    NAMES(GRNDFLAGS, grndflags), NAMES(IDTYPE, idtype), NAMES(INOTIFYMASK, inotifymask),
    NAMES(IOCTLCMD, ioctlcmd), NAMES(IPCFLAGS, ipcflags), NAMES(ITIMER, itimer),
    NAMES(MADVICE, madvice), NAMES(MAPFLAGS, mapflags), NAMES(MCLFLAGS, mclflags),
    NAMES(MEMBARRIERCMD, membarriercmd), NAMES(MFDFLAGS, mfdflags),
    NAMES(MOUNTFLAGS, mountflags), NAMES(MREMAPFLAGS, mremapflags), NAMES(MSGFLAGS, msgflags),
    NAMES(MSYNCFLAGS, msyncflags), NAMES(PRCTLOP, prctlop), NAMES(PRIO, prio), NAMES(PROT, prot),
    NAMES(PTRACEREQ, ptracereq), NAMES(RENAMEFLAGS, renameflags), NAMES(RLIMITRES, rlimitres),
    NAMES(RWFFLAGS, rwfflags), NAMES(SCHEDPOLICY, schedpolicy), NAMES(SECCOMPOP, seccompop),
    NAMES(SHUTHOW, shuthow), NAMES(SIGHOW, sighow), NAMES(SPLICEFLAGS, spliceflags),
    NAMES(STATXMASK, statxmask), NAMES(TIMERFLAGS, timerflags), NAMES(UMOUNTFLAGS, umountflags),
    NAMES(UNLINKFLAGS, unlinkflags), NAMES(WAITOPTS, waitopts), NAMES(WHENCE, whence),
    NAMES(XATTRFLAGS, xattrflags),

    IN(PATH, str), IN(STR, str), OUT(STR_OUT, str), IN(BUF_IN, buf), OUT(BUF_OUT, buf_ret),
    IN(IOV_IN, iov), [ARG_IOV_OUT] = {.in = type_iov_raw, .out = type_iov_ret},
    IN(IOV_RAW, iov_raw), IN(MSGHDR, msghdr), OUT(MSGHDR_OUT, msghdr),
    IN(SOCKADDR, sockaddr), OUT(SOCKADDR_OUT, sockaddr_ret), IN(ARGV, argv), IN(ENVP, envp),
    IN(CLONEARGS, cloneargs), OUT(DIRENTS_OUT, dirents), IN(EPEVENT, epevent),
    OUT(EPEVENTS_OUT, epevents), OUT(FDS_OUT, fds), IN(FDSET, fdset),
    IN(FUTEX_TIMEOUT, futex_timeout), OUT(INT_OUT, int), IN(UINT_INOUT, uint),
    OUT(LONG_OUT, long), IN(OFF_INOUT, long), IN(ITIMERSPEC, itimerspec),
    OUT(ITIMERSPEC_OUT, itimerspec), IN(ITIMERVAL, itimerval), OUT(ITIMERVAL_OUT, itimerval),
    IN(OPENHOW, openhow), IN(POLLFDS, pollfds), IN(RLIMIT, rlimit), OUT(RLIMIT_OUT, rlimit),
    OUT(RUSAGE_OUT, rusage), IN(SIGACTION, sigaction), OUT(SIGACTION_OUT, sigaction),
    IN(SIGEVENT, sigevent), IN(SIGINFO, siginfo), OUT(SIGINFO_OUT, siginfo), IN(SIGSET, sigset),
    OUT(SIGSET_OUT, sigset), IN(STACK, stack), OUT(STACK_OUT, stack), OUT(STAT_OUT, stat),
    OUT(STATFS_OUT, statfs), OUT(STATX_OUT, statx), OUT(SYSINFO_OUT, sysinfo),
    IN(TIMESPEC, timespec), IN(TIMESPEC2, timespec2), OUT(TIMESPEC_OUT, timespec),
    IN(TIMEVAL, timeval), IN(TIMEVAL2, timeval2), OUT(TIMEVAL_OUT, timeval), IN(TIMEX, timex),
    OUT(TMS_OUT, tms), OUT(UTSNAME_OUT, utsname), OUT(WSTATUS_OUT, wstatus),
};
/* clang-format on */

static void show_arg(const struct strace_arg *a, u8 kind, bool follow)
{
    const struct strace_kind *k = &kinds[kind];
    strace_type_fn *type = a->exit ? k->out : k->in;

    if (k->value)
        k->value(a);
    else if (k->names)
        out_names(a->out, k->names, (u32)a->v);
    else if (!type || !a->v || !follow)
        type_hex(a, a->v);
    else
        type(a);
}

/* The mode of an open that creates nothing is not there. */
static bool has_mode(const struct syscall_args *args, unsigned i)
{
    return i && (args->v[i - 1] & (LINUX_O_CREAT | (LINUX_O_TMPFILE & ~LINUX_O_DIRECTORY)));
}

/* follow: pointers may be followed. */
static void show_call(struct strace_arg *a, const struct syscall_desc *d, u64 nr, bool follow,
                      s64 ret)
{
    unsigned nargs = d ? d->nargs : 6;

    if (d)
        out_printf(a->out, "%s(", d->name);
    else
        out_printf(a->out, "syscall_%llu(", (unsigned long long)nr);
    for (unsigned i = 0; i < nargs; i++) {
        u8 kind = d ? d->args[i].kind : (u8)ARG_HEX;
        bool out_only = kinds[kind].out && !kinds[kind].in;

        if (kind == ARG_MODE_CREAT && !has_mode(a->args, i))
            continue;
        if (i)
            out_str(a->out, ", ");
        a->v = a->args->v[i];
        a->len = d ? a->args->v[d->args[i].len] : 0;
        show_arg(a, kind, follow && !(a->exit && out_only && ret < 0));
    }
    out_str(a->out, ")");
}

static void strace_line(struct task *t, u64 nr, const struct syscall_args *args, bool exit, s64 ret)
{
    const struct syscall_desc *d = syscall_lookup(nr);
    char line[LOG_LINE_MAX - 256]; /* log_write adds its own prefix */
    struct strace_out out = {line, 0, sizeof(line)};
    struct strace_arg a = {
        .task = t,
        .out = &out,
        .args = args,
        .ret = ret > 0 ? (u64)ret : 0,
        .exit = exit,
    };
    char comm[TASK_COMM_LEN];
    bool new_image = exit && ret == 0 && (nr == LINUX_SYS_execve || nr == LINUX_SYS_execveat);

    if (nr < SYSCALL_COUNT ? !traced[nr] : !traced[0])
        return;
    task_get_comm(t, comm);
    line[0] = '\0';
    out_printf(&out, "[%4d:%4d] %s %s ", t->group->id, t->tid, comm, exit ? "X" : "E");
    show_call(&a, d, nr, !new_image, ret);
    if (exit) {
        /* The result is the point of the line: keep room for it. */
        out.len = MIN(out.len, out.cap - 64);
        out_result(&out, ret);
    }
    log_raw(LOG_INFO, "%s", line);
}

void strace_enter(struct task *t, u64 nr, const struct syscall_args *a)
{
    if (unlikely(g_strace_on))
        strace_line(t, nr, a, false, 0);
}

void strace_exit(struct task *t, u64 nr, const struct syscall_args *a, s64 ret)
{
    if (unlikely(g_strace_on))
        strace_line(t, nr, a, true, ret);
}
