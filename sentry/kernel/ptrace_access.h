/* SPDX-License-Identifier: Apache-2.0 */
/* Who may look into, or change, another process: ptrace, process_vm_readv, /proc/PID/mem. */
#ifndef SENTRY_KERNEL_PTRACE_ACCESS_H
#define SENTRY_KERNEL_PTRACE_ACCESS_H

#include "cvisor/types.h"

struct mm;
struct task;

/* Linux's PTRACE_MODE_ATTACH_REALCREDS: the same ids and no more capabilities than from, and dumpable;
 * or from has CAP_SYS_PTRACE. */
bool ptrace_may_access(struct task *from, struct task *to);
/* The target's address space, referenced; NULL when it is gone. Check access after it, not before: the
 * target may be about to become another program. */
struct mm *task_mm_get(struct task *t);

#endif
