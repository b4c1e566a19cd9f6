/* SPDX-License-Identifier: Apache-2.0 */
/* /proc/sys. What can be set has an effect; everything else is a constant and read-only. */
#include "sentry/fs/proc/proc.h"

#include "abi/linux/capability.h"
#include "abi/linux/limits.h"
#include "sentry/kernel/cred.h"
#include "sentry/kernel/pidtab.h"
#include "sentry/kernel/task.h"
#include "sentry/kernel/uts.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

typedef unsigned long long ull;

/* ---- names of the system --------------------------------------------------------------------- */

/* node.arg: offset in struct linux_utsname. */
static int show_uts(struct inode *inode, struct ktext *t)
{
    struct linux_utsname u;

    uts_get(&u);
    ktext_printf(t, "%s\n", (const char *)&u + kernfs_i(inode)->node->arg);
    return 0;
}

static int store_uts(const char *buf, size_t n, void (*set)(const char *name, size_t len))
{
    size_t len = strcspn(buf, "\n");

    if (!capable(LINUX_CAP_SYS_ADMIN))
        return -EPERM;
    set(buf, MIN(MIN(len, n), (size_t)LINUX_NEW_UTS_LEN));
    return 0;
}

static int store_hostname(struct inode *inode, const char *buf, size_t n)
{
    return store_uts(buf, n, uts_set_hostname);
}

static int store_domainname(struct inode *inode, const char *buf, size_t n)
{
    return store_uts(buf, n, uts_set_domainname);
}

/* ---- values ---------------------------------------------------------------------------------- */

static int show_uuid(struct inode *inode, struct ktext *t)
{
    char uuid[40];

    proc_make_uuid(uuid);
    ktext_printf(t, "%s\n", uuid);
    return 0;
}

static int show_boot_id(struct inode *inode, struct ktext *t)
{
    ktext_printf(t, "%s\n", proc_fs(inode)->boot_id);
    return 0;
}

static int show_ns_last_pid(struct inode *inode, struct ktext *t)
{
    struct task *task;
    int last = 0;

    rwlock_rdlock(&g_tasks_lock);
    for (task = pidtab_next_leader(1); task; task = pidtab_next_leader(task->tid + 1))
        last = task->tid;
    rwlock_rdunlock(&g_tasks_lock);
    ktext_printf(t, "%d\n", last);
    return 0;
}

static int show_number(struct inode *inode, struct ktext *t)
{
    ktext_printf(t, "%llu\n", (ull)kernfs_i(inode)->node->arg);
    return 0;
}

/* ---- tree ------------------------------------------------------------------------------------ */

#define DIR_MODE (LINUX_S_IFDIR | 0555)
#define SYS_DIR(n, nodes)                                                                          \
    {                                                                                              \
        .name = n, .mode = DIR_MODE, .children = nodes                                             \
    }
#define SYS_TEXT(n, content)                                                                       \
    {                                                                                              \
        .name = n, .mode = LINUX_S_IFREG | 0444, .flags = KERNFS_STRICT_MODE, .text = content      \
    }
#define SYS_NUM(n, value)                                                                          \
    {                                                                                              \
        .name = n, .mode = LINUX_S_IFREG | 0444, .flags = KERNFS_STRICT_MODE, .show = show_number, \
        .arg = value                                                                               \
    }
#define SYS_SHOW(n, fn)                                                                            \
    {                                                                                              \
        .name = n, .mode = LINUX_S_IFREG | 0444, .flags = KERNFS_STRICT_MODE, .show = fn           \
    }
#define SYS_UTS(n, perm, field, fn)                                                                \
    {                                                                                              \
        .name = n, .mode = LINUX_S_IFREG | (perm), .flags = KERNFS_STRICT_MODE, .show = show_uts,  \
        .store = fn, .arg = offsetof(struct linux_utsname, field)                                  \
    }

static const struct kernfs_node g_random_nodes[] = {
    SYS_SHOW("boot_id", show_boot_id),
    SYS_NUM("entropy_avail", 256),
    SYS_NUM("poolsize", 256),
    SYS_SHOW("uuid", show_uuid),
    {0},
};

static const struct kernfs_node g_kernel_nodes[] = {
    SYS_NUM("cap_last_cap", LINUX_CAP_LAST_CAP),
    SYS_TEXT("core_pattern", "core\n"),
    SYS_NUM("core_uses_pid", 0),
    SYS_NUM("dmesg_restrict", 1),
    SYS_UTS("domainname", 0644, domainname, store_domainname),
    SYS_UTS("hostname", 0644, nodename, store_hostname),
    SYS_NUM("kptr_restrict", 1),
    SYS_NUM("msgmax", 8192),
    SYS_NUM("msgmnb", 16384),
    SYS_NUM("msgmni", 32000),
    SYS_NUM("ngroups_max", LINUX_NGROUPS_MAX),
    SYS_SHOW("ns_last_pid", show_ns_last_pid),
    SYS_UTS("osrelease", 0444, release, NULL),
    SYS_UTS("ostype", 0444, sysname, NULL),
    SYS_NUM("overflowgid", 65534),
    SYS_NUM("overflowuid", 65534),
    SYS_TEXT("perf_event_paranoid", "4\n"),
    SYS_NUM("pid_max", TID_MAX),
    SYS_DIR("random", g_random_nodes),
    SYS_NUM("randomize_va_space", 2),
    SYS_NUM("sched_rr_timeslice_ms", 100),
    SYS_NUM("sched_rt_period_us", 1000000),
    SYS_NUM("sched_rt_runtime_us", 950000),
    SYS_TEXT("sem", "32000\t1024000000\t500\t32000\n"),
    SYS_NUM("shmall", 18446744073692774399ull),
    SYS_NUM("shmmax", 18446744073692774399ull),
    SYS_NUM("shmmni", 4096),
    SYS_NUM("tainted", 0),
    SYS_NUM("threads-max", TID_MAX),
    SYS_UTS("version", 0444, version, NULL),
    {0},
};

static const struct kernfs_node g_vm_nodes[] = {
    SYS_NUM("dirty_background_ratio", 10),
    SYS_NUM("dirty_ratio", 20),
    SYS_NUM("max_map_count", LINUX_MAX_MAP_COUNT),
    SYS_NUM("mmap_min_addr", LINUX_MMAP_MIN_ADDR),
    SYS_NUM("nr_hugepages", 0),
    SYS_NUM("overcommit_memory", 1),
    SYS_NUM("overcommit_ratio", 50),
    SYS_NUM("swappiness", 60),
    {0},
};

static const struct kernfs_node g_inotify_nodes[] = {
    SYS_NUM("max_queued_events", 16384),
    SYS_NUM("max_user_instances", 128),
    SYS_NUM("max_user_watches", 65536),
    {0},
};

static const struct kernfs_node g_mqueue_nodes[] = {
    SYS_NUM("msg_default", 10),   SYS_NUM("msg_max", 10),     SYS_NUM("msgsize_default", 8192),
    SYS_NUM("msgsize_max", 8192), SYS_NUM("queues_max", 256), {0},
};

static const struct kernfs_node g_epoll_nodes[] = {
    SYS_NUM("max_user_watches", 1048576),
    {0},
};

static const struct kernfs_node g_fs_nodes[] = {
    SYS_NUM("aio-max-nr", 65536),
    SYS_NUM("aio-nr", 0),
    SYS_DIR("epoll", g_epoll_nodes),
    SYS_NUM("file-max", 9223372036854775807ull),
    SYS_TEXT("file-nr", "0\t0\t9223372036854775807\n"),
    SYS_DIR("inotify", g_inotify_nodes),
    SYS_NUM("lease-break-time", 45),
    SYS_NUM("leases-enable", 1),
    SYS_DIR("mqueue", g_mqueue_nodes),
    SYS_NUM("nr_open", LINUX_NR_OPEN),
    SYS_NUM("overflowgid", 65534),
    SYS_NUM("overflowuid", 65534),
    SYS_NUM("pipe-max-size", LINUX_PIPE_MAX_SIZE),
    SYS_NUM("pipe-user-pages-hard", 0),
    SYS_NUM("pipe-user-pages-soft", 16384),
    SYS_NUM("protected_fifos", 0),
    SYS_NUM("protected_hardlinks", 0),
    SYS_NUM("protected_regular", 0),
    SYS_NUM("protected_symlinks", 0),
    SYS_NUM("suid_dumpable", 0),
    {0},
};

static const struct kernfs_node g_core_nodes[] = {
    SYS_NUM("netdev_max_backlog", 1000), SYS_NUM("optmem_max", 20480),
    SYS_NUM("rmem_default", 212992),     SYS_NUM("rmem_max", 212992),
    SYS_NUM("somaxconn", 4096),          SYS_NUM("wmem_default", 212992),
    SYS_NUM("wmem_max", 212992),         {0},
};

static const struct kernfs_node g_ipv4_nodes[] = {
    SYS_NUM("ip_forward", 0),
    SYS_TEXT("ip_local_port_range", "32768\t60999\n"),
    SYS_NUM("ip_unprivileged_port_start", 1024),
    SYS_TEXT("ping_group_range", "1\t0\n"),
    SYS_NUM("tcp_fin_timeout", 60),
    SYS_NUM("tcp_keepalive_intvl", 75),
    SYS_NUM("tcp_keepalive_probes", 9),
    SYS_NUM("tcp_keepalive_time", 7200),
    SYS_NUM("tcp_max_syn_backlog", 1024),
    SYS_TEXT("tcp_rmem", "4096\t131072\t6291456\n"),
    SYS_NUM("tcp_sack", 1),
    SYS_NUM("tcp_syncookies", 1),
    SYS_TEXT("tcp_wmem", "4096\t16384\t4194304\n"),
    {0},
};

static const struct kernfs_node g_unix_nodes[] = {
    SYS_NUM("max_dgram_qlen", 512),
    {0},
};

static const struct kernfs_node g_sys_net_nodes[] = {
    SYS_DIR("core", g_core_nodes),
    SYS_DIR("ipv4", g_ipv4_nodes),
    SYS_DIR("unix", g_unix_nodes),
    {0},
};

static const struct kernfs_node g_user_nodes[] = {
    SYS_NUM("max_mnt_namespaces", LINUX_NR_OPEN),
    SYS_NUM("max_user_namespaces", 0),
    {0},
};

const struct kernfs_node g_proc_sys_nodes[] = {
    SYS_DIR("fs", g_fs_nodes),       SYS_DIR("kernel", g_kernel_nodes),
    SYS_DIR("net", g_sys_net_nodes), SYS_DIR("user", g_user_nodes),
    SYS_DIR("vm", g_vm_nodes),       {0},
};
