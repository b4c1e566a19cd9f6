/* SPDX-License-Identifier: Apache-2.0 */
/* wait4 and waitid: options and the encoding of a status. */
#ifndef ABI_LINUX_WAIT_H
#define ABI_LINUX_WAIT_H

#include "cvisor/types.h"

/* options */
#define LINUX_WNOHANG     0x00000001
#define LINUX_WUNTRACED   0x00000002
#define LINUX_WSTOPPED    LINUX_WUNTRACED
#define LINUX_WEXITED     0x00000004
#define LINUX_WCONTINUED  0x00000008
#define LINUX_WNOWAIT     0x01000000
#define LINUX___WNOTHREAD 0x20000000
#define LINUX___WALL      0x40000000
#define LINUX___WCLONE    0x80000000

/* waitid: idtype */
#define LINUX_P_ALL   0
#define LINUX_P_PID   1
#define LINUX_P_PGID  2
#define LINUX_P_PIDFD 3

/* The status word. */
#define LINUX_W_EXITCODE(code, sig) ((((code)&0xff) << 8) | ((sig)&0x7f))
#define LINUX_W_STOPCODE(sig)       (((sig) << 8) | 0x7f)
#define LINUX_W_CONTINUED           0xffff
#define LINUX_W_COREFLAG            0x80
#define LINUX_WEXITSTATUS(s)        (((s)&0xff00) >> 8)
#define LINUX_WTERMSIG(s)           ((s)&0x7f)
#define LINUX_WSTOPSIG(s)           LINUX_WEXITSTATUS(s)
#define LINUX_WIFEXITED(s)          (LINUX_WTERMSIG(s) == 0)
#define LINUX_WIFSIGNALED(s)        (((s)&0xffff) - 1U < 0xffU)
#define LINUX_WIFSTOPPED(s)         (((s)&0xff) == 0x7f)
#define LINUX_WIFCONTINUED(s)       ((s) == LINUX_W_CONTINUED)

#endif
