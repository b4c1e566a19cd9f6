/* SPDX-License-Identifier: Apache-2.0 */
/* Decoding of the guest's fixed structures for strace. */
#include "sentry/syscalls/strace_types.h"

#include "abi/linux/fcntl.h"
#include "abi/linux/resource.h"
#include "abi/linux/sched.h"
#include "abi/linux/signal.h"
#include "abi/linux/stat.h"
#include "abi/linux/statfs.h"
#include "abi/linux/sysinfo.h"
#include "abi/linux/time.h"
#include "abi/linux/utsname.h"
#include "abi/linux/wait.h"
#include "cvisor/compiler.h"

#include <string.h>

typedef unsigned long long ull;

static void show_timespec(struct strace_out *o, const struct linux_timespec *ts)
{
    if (ts->tv_nsec == LINUX_UTIME_NOW)
        out_str(o, "UTIME_NOW");
    else if (ts->tv_nsec == LINUX_UTIME_OMIT)
        out_str(o, "UTIME_OMIT");
    else
        out_printf(o, "{%lld s, %lld ns}", (long long)ts->tv_sec, (long long)ts->tv_nsec);
}

static void show_timeval(struct strace_out *o, const struct linux_timeval *tv)
{
    out_printf(o, "{%lld s, %lld us}", (long long)tv->tv_sec, (long long)tv->tv_usec);
}

void type_timespec(const struct strace_arg *a)
{
    struct linux_timespec ts;

    if (type_fetch(a, &ts, a->v, sizeof(ts)))
        show_timespec(a->out, &ts);
}

void type_timeval(const struct strace_arg *a)
{
    struct linux_timeval tv;

    if (type_fetch(a, &tv, a->v, sizeof(tv)))
        show_timeval(a->out, &tv);
}

void type_timespec2(const struct strace_arg *a)
{
    struct linux_timespec ts[2];

    if (!type_fetch(a, ts, a->v, sizeof(ts)))
        return;
    out_str(a->out, "[");
    show_timespec(a->out, &ts[0]);
    out_str(a->out, ", ");
    show_timespec(a->out, &ts[1]);
    out_str(a->out, "]");
}

void type_timeval2(const struct strace_arg *a)
{
    struct linux_timeval tv[2];

    if (!type_fetch(a, tv, a->v, sizeof(tv)))
        return;
    out_str(a->out, "[");
    show_timeval(a->out, &tv[0]);
    out_str(a->out, ", ");
    show_timeval(a->out, &tv[1]);
    out_str(a->out, "]");
}

void type_itimerspec(const struct strace_arg *a)
{
    struct linux_itimerspec it;

    if (!type_fetch(a, &it, a->v, sizeof(it)))
        return;
    out_str(a->out, "{interval=");
    show_timespec(a->out, &it.it_interval);
    out_str(a->out, ", value=");
    show_timespec(a->out, &it.it_value);
    out_str(a->out, "}");
}

void type_itimerval(const struct strace_arg *a)
{
    struct linux_itimerval it;

    if (!type_fetch(a, &it, a->v, sizeof(it)))
        return;
    out_str(a->out, "{interval=");
    show_timeval(a->out, &it.it_interval);
    out_str(a->out, ", value=");
    show_timeval(a->out, &it.it_value);
    out_str(a->out, "}");
}

void type_timex(const struct strace_arg *a)
{
    struct linux_timex x;

    if (type_fetch(a, &x, a->v, sizeof(x)))
        out_printf(a->out, "{modes=%#x, offset=%lld, freq=%lld, status=%#x}", x.modes,
                   (long long)x.offset, (long long)x.freq, x.status);
}

void type_tms(const struct strace_arg *a)
{
    struct linux_tms t;

    if (type_fetch(a, &t, a->v, sizeof(t)))
        out_printf(a->out, "{%lld, %lld, %lld, %lld}", (long long)t.tms_utime,
                   (long long)t.tms_stime, (long long)t.tms_cutime, (long long)t.tms_cstime);
}

static void show_mode(struct strace_out *o, u32 mode)
{
    static const char *const types[16] = {
        [1] = "S_IFIFO|", [2] = "S_IFCHR|",  [4] = "S_IFDIR|",   [6] = "S_IFBLK|",
        [8] = "S_IFREG|", [10] = "S_IFLNK|", [12] = "S_IFSOCK|",
    };
    const char *type = types[(mode & LINUX_S_IFMT) >> 12];

    out_printf(o, "%s0%o", type ? type : "", type ? mode & ~(u32)LINUX_S_IFMT : mode);
}

void type_stat(const struct strace_arg *a)
{
    struct linux_stat st;

    if (!type_fetch(a, &st, a->v, sizeof(st)))
        return;
    out_printf(a->out, "{dev=%u:%u, ino=%llu, mode=", LINUX_MAJOR(st.st_dev),
               LINUX_MINOR(st.st_dev), (ull)st.st_ino);
    show_mode(a->out, st.st_mode);
    out_printf(a->out, ", nlink=%llu, uid=%u, gid=%u, size=%lld}", (ull)st.st_nlink, st.st_uid,
               st.st_gid, (long long)st.st_size);
}

void type_statx(const struct strace_arg *a)
{
    struct linux_statx st;

    if (!type_fetch(a, &st, a->v, sizeof(st)))
        return;
    out_str(a->out, "{mask=");
    out_names(a->out, &g_names_statxmask, st.stx_mask);
    out_printf(a->out, ", dev=%u:%u, ino=%llu, mode=", st.stx_dev_major, st.stx_dev_minor,
               (ull)st.stx_ino);
    show_mode(a->out, st.stx_mode);
    out_printf(a->out, ", nlink=%u, uid=%u, gid=%u, size=%llu}", st.stx_nlink, st.stx_uid,
               st.stx_gid, (ull)st.stx_size);
}

void type_statfs(const struct strace_arg *a)
{
    struct linux_statfs s;

    if (type_fetch(a, &s, a->v, sizeof(s)))
        out_printf(a->out, "{type=%#llx, bsize=%lld, blocks=%llu, bfree=%llu, files=%llu}",
                   (ull)s.f_type, (long long)s.f_bsize, (ull)s.f_blocks, (ull)s.f_bfree,
                   (ull)s.f_files);
}

void type_sysinfo(const struct strace_arg *a)
{
    struct linux_sysinfo s;

    if (type_fetch(a, &s, a->v, sizeof(s)))
        out_printf(a->out, "{uptime=%lld, totalram=%llu, freeram=%llu, procs=%u}",
                   (long long)s.uptime, (ull)s.totalram, (ull)s.freeram, s.procs);
}

void type_utsname(const struct strace_arg *a)
{
    struct linux_utsname u;

    if (!type_fetch(a, &u, a->v, sizeof(u)))
        return;
    out_str(a->out, "{");
    out_quoted(a->out, u.sysname, strnlen(u.sysname, sizeof(u.sysname)), false);
    out_str(a->out, ", ");
    out_quoted(a->out, u.nodename, strnlen(u.nodename, sizeof(u.nodename)), false);
    out_str(a->out, ", ");
    out_quoted(a->out, u.release, strnlen(u.release, sizeof(u.release)), false);
    out_str(a->out, ", ...}");
}

void type_rlimit(const struct strace_arg *a)
{
    struct linux_rlimit r;

    if (!type_fetch(a, &r, a->v, sizeof(r)))
        return;
    out_printf(a->out, r.rlim_cur == LINUX_RLIM_INFINITY ? "{RLIM_INFINITY, " : "{%llu, ",
               (ull)r.rlim_cur);
    out_printf(a->out, r.rlim_max == LINUX_RLIM_INFINITY ? "RLIM_INFINITY}" : "%llu}",
               (ull)r.rlim_max);
}

void type_rusage(const struct strace_arg *a)
{
    struct linux_rusage r;

    if (!type_fetch(a, &r, a->v, sizeof(r)))
        return;
    out_str(a->out, "{utime=");
    show_timeval(a->out, &r.ru_utime);
    out_str(a->out, ", stime=");
    show_timeval(a->out, &r.ru_stime);
    out_printf(a->out, ", maxrss=%lld}", (long long)r.ru_maxrss);
}

void type_wstatus(const struct strace_arg *a)
{
    u32 s;

    if (!type_fetch(a, &s, a->v, sizeof(s)))
        return;
    if (LINUX_WIFCONTINUED(s)) {
        out_str(a->out, "[continued]");
    } else if (LINUX_WIFSTOPPED(s)) {
        out_str(a->out, "[stopped by ");
        out_signal(a->out, LINUX_WSTOPSIG(s));
        out_str(a->out, "]");
    } else if (LINUX_WIFSIGNALED(s)) {
        out_str(a->out, "[killed by ");
        out_signal(a->out, LINUX_WTERMSIG(s));
        out_str(a->out, s & LINUX_W_COREFLAG ? ", core dumped]" : "]");
    } else {
        out_printf(a->out, "[exited with %u]", LINUX_WEXITSTATUS(s));
    }
}

void type_sigset(const struct strace_arg *a)
{
    u64 set;

    if (type_fetch(a, &set, a->v, sizeof(set)))
        out_sigset(a->out, set);
}

void type_sigaction(const struct strace_arg *a)
{
    struct linux_sigaction sa;

    if (!type_fetch(a, &sa, a->v, sizeof(sa)))
        return;
    if (sa.handler == LINUX_SIG_DFL)
        out_str(a->out, "{SIG_DFL");
    else if (sa.handler == LINUX_SIG_IGN)
        out_str(a->out, "{SIG_IGN");
    else
        out_printf(a->out, "{%#llx", (ull)sa.handler);
    out_str(a->out, ", ");
    out_sigset(a->out, sa.mask);
    out_str(a->out, ", ");
    out_names(a->out, &g_names_saflags, sa.flags);
    out_str(a->out, "}");
}

void type_siginfo(const struct strace_arg *a)
{
    struct linux_siginfo si;

    if (!type_fetch(a, &si, a->v, sizeof(si)))
        return;
    out_str(a->out, "{");
    out_signal(a->out, (u32)si.si_signo);
    out_str(a->out, ", code=");
    if (si.si_code <= 0 || si.si_code == LINUX_SI_KERNEL)
        out_names(a->out, &g_names_sicode, (u64)(s64)si.si_code);
    else
        out_printf(a->out, "%d", si.si_code);
    if (si.si_signo == LINUX_SIGCHLD || si.si_code <= 0)
        out_printf(a->out, ", pid=%d, uid=%u", si.kill.pid, si.kill.uid);
    if (si.si_signo == LINUX_SIGCHLD && si.si_code > 0)
        out_printf(a->out, ", status=%d", si.chld.status);
    out_str(a->out, "}");
}

void type_sigevent(const struct strace_arg *a)
{
    struct linux_sigevent se;

    if (!type_fetch(a, &se, a->v, sizeof(se)))
        return;
    out_printf(a->out, "{notify=%d, signo=", se.sigev_notify);
    out_signal(a->out, (u32)se.sigev_signo);
    out_printf(a->out, ", value=%#llx}", (ull)se.sigev_value.sival_ptr);
}

void type_stack(const struct strace_arg *a)
{
    struct linux_stack st;

    if (!type_fetch(a, &st, a->v, sizeof(st)))
        return;
    out_printf(a->out, "{sp=%#llx, flags=", (ull)st.ss_sp);
    out_names(a->out, &g_names_ssflags, (u32)st.ss_flags);
    out_printf(a->out, ", size=%llu}", (ull)st.ss_size);
}

void type_openhow(const struct strace_arg *a)
{
    struct linux_open_how how;

    if (!type_fetch(a, &how, a->v, sizeof(how)))
        return;
    out_str(a->out, "{");
    out_names(a->out, &g_names_oflags, how.flags);
    out_printf(a->out, ", mode=0%llo, resolve=", (ull)how.mode);
    out_names(a->out, &g_names_resolve, how.resolve);
    out_str(a->out, "}");
}

void type_cloneargs(const struct strace_arg *a)
{
    struct linux_clone_args c;
    u64 size = a->len;

    memset(&c, 0, sizeof(c));
    if (size < LINUX_CLONE_ARGS_SIZE_VER0) {
        type_hex(a, a->v);
        return;
    }
    if (!type_fetch(a, &c, a->v, MIN(size, (u64)sizeof(c))))
        return;
    out_str(a->out, "{flags=");
    out_names(a->out, &g_names_cloneflags, c.flags);
    out_str(a->out, ", exit_signal=");
    out_signal(a->out, c.exit_signal);
    out_printf(a->out, ", stack=%#llx, stack_size=%#llx}", (ull)c.stack, (ull)c.stack_size);
}
