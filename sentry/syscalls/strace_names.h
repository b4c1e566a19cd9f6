/* SPDX-License-Identifier: Apache-2.0 */
/* Names of the guest ABI's constants, for strace. */
#ifndef SENTRY_SYSCALLS_STRACE_NAMES_H
#define SENTRY_SYSCALLS_STRACE_NAMES_H

#include "cvisor/types.h"

struct strace_name {
    u64 value;
    const char *name;
};

struct strace_names {
    const struct strace_name *v;
    size_t n;
    bool flags; /* bits that combine, or exclusive values */
};

extern const struct strace_names g_names_accmode;
extern const struct strace_names g_names_archop;
extern const struct strace_names g_names_atflags;
extern const struct strace_names g_names_clockid;
extern const struct strace_names g_names_cloneflags;
extern const struct strace_names g_names_closerangeflags;
extern const struct strace_names g_names_epollctl;
extern const struct strace_names g_names_epollevents;
extern const struct strace_names g_names_eventfdflags;
extern const struct strace_names g_names_fallocmode;
extern const struct strace_names g_names_family;
extern const struct strace_names g_names_fcntlcmd;
extern const struct strace_names g_names_fdflags;
extern const struct strace_names g_names_flockop;
extern const struct strace_names g_names_futexcmd;
extern const struct strace_names g_names_futexopts;
extern const struct strace_names g_names_grndflags;
extern const struct strace_names g_names_idtype;
extern const struct strace_names g_names_inotifymask;
extern const struct strace_names g_names_ioctlcmd;
extern const struct strace_names g_names_ipcflags;
extern const struct strace_names g_names_itimer;
extern const struct strace_names g_names_madvice;
extern const struct strace_names g_names_mapflags;
extern const struct strace_names g_names_mclflags;
extern const struct strace_names g_names_membarriercmd;
extern const struct strace_names g_names_mfdflags;
extern const struct strace_names g_names_mountflags;
extern const struct strace_names g_names_mremapflags;
extern const struct strace_names g_names_msgflags;
extern const struct strace_names g_names_msyncflags;
extern const struct strace_names g_names_oflags;
extern const struct strace_names g_names_pollevents;
extern const struct strace_names g_names_prctlop;
extern const struct strace_names g_names_prio;
extern const struct strace_names g_names_prot;
extern const struct strace_names g_names_ptracereq;
extern const struct strace_names g_names_renameflags;
extern const struct strace_names g_names_resolve;
extern const struct strace_names g_names_rlimitres;
extern const struct strace_names g_names_rwfflags;
extern const struct strace_names g_names_saflags;
extern const struct strace_names g_names_schedpolicy;
extern const struct strace_names g_names_seccompop;
extern const struct strace_names g_names_shuthow;
extern const struct strace_names g_names_sicode;
extern const struct strace_names g_names_sighow;
extern const struct strace_names g_names_sockopt;
extern const struct strace_names g_names_socktype;
extern const struct strace_names g_names_sockflags;
extern const struct strace_names g_names_spliceflags;
extern const struct strace_names g_names_ssflags;
extern const struct strace_names g_names_statxmask;
extern const struct strace_names g_names_timerflags;
extern const struct strace_names g_names_umountflags;
extern const struct strace_names g_names_unlinkflags;
extern const struct strace_names g_names_waitopts;
extern const struct strace_names g_names_whence;
extern const struct strace_names g_names_xattrflags;

/* "ENOENT", "ERESTARTSYS"; NULL when unknown. */
const char *strace_errno_name(int err);
/* "SIGKILL"; NULL for real-time signals and for what is none. */
const char *strace_signal_name(u64 sig);

#endif
