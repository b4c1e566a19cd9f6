/* SPDX-License-Identifier: Apache-2.0 */
/* Syscalls about the system as a whole. */
#include "abi/linux/membarrier.h"
#include "abi/linux/random.h"
#include "abi/linux/sysinfo.h"
#include "cvisor/host.h"
#include "sentry/kernel/cpus.h"
#include "sentry/kernel/pidtab.h"
#include "sentry/kernel/task.h"
#include "sentry/kernel/uts.h"
#include "sentry/mm/memory_file.h"
#include "sentry/mm/mm.h"
#include "sentry/mm/uaccess.h"
#include "sentry/syscalls/handlers.h"

#include <errno.h>
#include <string.h>

s64 sys_uname(struct task *t, const struct syscall_args *a)
{
    struct linux_utsname u;
    uts_get(&u);
    return copy_out(t, arg_ptr(a, 0), &u, sizeof(u));
}

static s64 set_name(struct task *t, const struct syscall_args *a,
                    void (*set)(const char *name, size_t len))
{
    int len = arg_int(a, 1);
    char name[LINUX_NEW_UTS_LEN];
    if (!capable(LINUX_CAP_SYS_ADMIN))
        return -EPERM;
    if (len < 0 || len > LINUX_NEW_UTS_LEN)
        return -EINVAL;
    if (copy_in(t, name, arg_ptr(a, 0), (size_t)len))
        return -EFAULT;
    set(name, (size_t)len);
    return 0;
}

s64 sys_sethostname(struct task *t, const struct syscall_args *a)
{
    return set_name(t, a, uts_set_hostname);
}

s64 sys_setdomainname(struct task *t, const struct syscall_args *a)
{
    return set_name(t, a, uts_set_domainname);
}

s64 sys_sysinfo(struct task *t, const struct syscall_args *a)
{
    struct linux_sysinfo si;
    memset(&si, 0, sizeof(si));
    si.uptime = (s64)((host_now_mono() - g_init->start_ns) / (u64)NSEC_PER_SEC);
    si.totalram = memory_file_limit();
    u64 used = 0;
    for (int k = 0; k < MF_KIND_COUNT; k++)
        used += memory_file_used((enum mf_kind)k);
    si.freeram = si.totalram - MIN(used, si.totalram);
    si.sharedram = memory_file_used(MF_TMPFS);
    si.mem_unit = 1;
    rwlock_rdlock(&g_tasks_lock);
    si.procs = (u16)MIN(pidtab_count(), 65535u);
    rwlock_rdunlock(&g_tasks_lock);
    return copy_out(t, arg_ptr(a, 0), &si, sizeof(si));
}

s64 sys_getrandom(struct task *t, const struct syscall_args *a)
{
    u32 flags = arg_u32(a, 2);
    u64 want = MIN(a->v[1], (u64)INT32_MAX), done = 0;
    if ((flags & ~(LINUX_GRND_NONBLOCK | LINUX_GRND_RANDOM | LINUX_GRND_INSECURE)) ||
        ((flags & LINUX_GRND_RANDOM) && (flags & LINUX_GRND_INSECURE)))
        return -EINVAL;
    while (done < want) {
        u8 buf[256];
        size_t n = MIN(want - done, sizeof(buf));
        int got = host_getrandom(buf, n, 0);
        if (got <= 0)
            return done ? (s64)done : -EAGAIN;
        if (copy_out(t, uaddr(a->v[0] + done), buf, (size_t)got))
            return done ? (s64)done : -EFAULT;
        done += (u64)got;
        if (task_signal_pending(t) && done >= 256)
            break;
    }
    return (s64)done;
}

#define MEMBARRIER_SUPPORTED                                                                       \
    (LINUX_MEMBARRIER_CMD_GLOBAL | LINUX_MEMBARRIER_CMD_GLOBAL_EXPEDITED |                         \
     LINUX_MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED | LINUX_MEMBARRIER_CMD_PRIVATE_EXPEDITED |     \
     LINUX_MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED)

/* Every thread that is in guest code passes through the host kernel, which is a full barrier. */
static void membarrier_all(bool global, struct task *t)
{
    rwlock_rdlock(&g_tasks_lock);
    for (struct task *l = pidtab_next_leader(1); l; l = pidtab_next_leader(l->tid + 1)) {
        struct task *o;
        if (!global && l->group != t->group)
            continue;
        struct sighand *sh = group_lock_sighand(l->group);
        list_for_each_entry (o, &l->group->tasks, group_node) {
            /* In this order: pt is there once its thread has run. */
            if (o != t && !atomic_load(&o->in_event) && o->pt)
                platform_thread_interrupt(o->pt);
        }
        mutex_unlock(&sh->lock);
    }
    rwlock_rdunlock(&g_tasks_lock);
    atomic_thread_fence(memory_order_seq_cst);
}

s64 sys_membarrier(struct task *t, const struct syscall_args *a)
{
    int cmd = arg_int(a, 0);
    if (arg_u32(a, 1))
        return -EINVAL;
    switch (cmd) {
    case LINUX_MEMBARRIER_CMD_QUERY:
        return MEMBARRIER_SUPPORTED;
    case LINUX_MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED:
    case LINUX_MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED:
        atomic_fetch_or(&t->mm->membarrier_state, (u32)cmd);
        return 0;
    case LINUX_MEMBARRIER_CMD_PRIVATE_EXPEDITED:
        if (!(atomic_load(&t->mm->membarrier_state) &
              LINUX_MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED))
            return -EPERM;
        membarrier_all(false, t);
        return 0;
    case LINUX_MEMBARRIER_CMD_GLOBAL:
    case LINUX_MEMBARRIER_CMD_GLOBAL_EXPEDITED:
        membarrier_all(true, t);
        return 0;
    default:
        return -EINVAL;
    }
}

s64 sys_personality(struct task *t, const struct syscall_args *a)
{
    u32 old = t->personality, p = arg_u32(a, 0);
    if (p != 0xffffffffu)
        t->personality = p;
    return old;
}

s64 sys_syslog(struct task *t __unused, const struct syscall_args *a)
{
    /* The sandbox has no kernel log to read: sizes and reads are empty. */
    switch (arg_int(a, 0)) {
    case 3:  /* SYSLOG_ACTION_READ_ALL */
    case 9:  /* SIZE_UNREAD */
    case 10: /* SIZE_BUFFER */
        return 0;
    default:
        return -EPERM;
    }
}

s64 sys_vhangup(struct task *t __unused, const struct syscall_args *a __unused)
{
    return capable(LINUX_CAP_SYS_TTY_CONFIG) ? 0 : -EPERM;
}
