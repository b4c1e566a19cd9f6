/* SPDX-License-Identifier: Apache-2.0 */
/* /proc/meminfo, stat, uptime, loadavg, version, filesystems, vmstat. */
#include "sentry/fs/proc/proc.h"

#include "cvisor/host.h"
#include "sentry/kernel/cpus.h"
#include "sentry/kernel/exit.h"
#include "sentry/kernel/pidtab.h"
#include "sentry/kernel/task.h"
#include "sentry/kernel/uts.h"
#include "sentry/mm/memory_file.h"

#include <stdio.h>

typedef unsigned long long ull;

#define NS_PER_TICK 10000000ull

/* The system of the guest was booted when its first process was made. */
static u64 uptime_ns(void)
{
    return g_init ? kernel_now_mono() - g_init->start_ns : 0;
}

/* ---- memory ---------------------------------------------------------------------------------- */

struct memory {
    u64 total, used, anon, shmem, cache; /* KiB */
};

static struct memory memory_now(void)
{
    struct memory m = {.total = memory_file_limit() >> 10};

    m.anon = memory_file_used(MF_ANON) >> 10;
    m.shmem = memory_file_used(MF_TMPFS) >> 10;
    m.cache = memory_file_used(MF_PAGECACHE) >> 10;
    m.used = m.anon + m.shmem + m.cache + (memory_file_used(MF_SYSTEM) >> 10);
    m.used = MIN(m.used, m.total);
    return m;
}

static void mem_line(struct ktext *t, const char *name, u64 kib)
{
    char label[32];

    snprintf(label, sizeof(label), "%s:", name);
    ktext_printf(t, "%-15s %8llu kB\n", label, (ull)kib);
}

int proc_show_meminfo(struct inode *inode, struct ktext *t)
{
    struct memory m = memory_now();
    u64 unused = m.total - m.used, cached = m.shmem + m.cache;
    const struct {
        const char *name;
        u64 kib;
    } lines[] = {
        {"MemTotal", m.total},
        {"MemFree", unused},
        {"MemAvailable", MIN(unused + m.cache, m.total)},
        {"Buffers", 0},
        {"Cached", cached},
        {"SwapCached", 0},
        {"Active", MIN(m.anon + m.cache, m.total)},
        {"Inactive", m.shmem},
        {"Active(anon)", m.anon},
        {"Inactive(anon)", m.shmem},
        {"Active(file)", m.cache},
        {"Inactive(file)", 0},
        {"Unevictable", 0},
        {"Mlocked", 0},
        {"SwapTotal", 0},
        {"SwapFree", 0},
        {"Dirty", 0},
        {"Writeback", 0},
        {"AnonPages", m.anon},
        {"Mapped", m.cache},
        {"Shmem", m.shmem},
        {"KReclaimable", 0},
        {"Slab", 0},
        {"SReclaimable", 0},
        {"SUnreclaim", 0},
        {"KernelStack", pidtab_count() * 16ull},
        {"PageTables", m.used / 512},
        {"NFS_Unstable", 0},
        {"Bounce", 0},
        {"WritebackTmp", 0},
        {"CommitLimit", m.total},
        {"Committed_AS", m.anon + m.shmem},
        {"VmallocTotal", 34359738367ull},
        {"VmallocUsed", 0},
        {"VmallocChunk", 0},
        {"Percpu", 0},
        {"AnonHugePages", 0},
        {"ShmemHugePages", 0},
        {"ShmemPmdMapped", 0},
    };

    for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
        mem_line(t, lines[i].name, lines[i].kib);
    ktext_puts(t, "HugePages_Total:       0\nHugePages_Free:        0\nHugePages_Rsvd:        0\n"
                  "HugePages_Surp:        0\nHugepagesize:       2048 kB\n"
                  "Hugetlb:               0 kB\n");
    return 0;
}

int proc_show_vmstat(struct inode *inode, struct ktext *t)
{
    struct memory m = memory_now();

    ktext_printf(t,
                 "nr_free_pages %llu\nnr_inactive_anon %llu\nnr_active_anon %llu\n"
                 "nr_inactive_file 0\nnr_active_file %llu\nnr_unevictable 0\nnr_mlock 0\n"
                 "nr_anon_pages %llu\nnr_mapped %llu\nnr_file_pages %llu\nnr_dirty 0\n"
                 "nr_writeback 0\nnr_shmem %llu\npgpgin 0\npgpgout 0\npswpin 0\npswpout 0\n"
                 "pgfault 0\npgmajfault 0\noom_kill 0\n",
                 (ull)((m.total - m.used) / 4), (ull)(m.shmem / 4), (ull)(m.anon / 4),
                 (ull)(m.cache / 4), (ull)(m.anon / 4), (ull)(m.cache / 4),
                 (ull)((m.cache + m.shmem) / 4), (ull)(m.shmem / 4));
    return 0;
}

/* ---- load ------------------------------------------------------------------------------------ */

struct load {
    u64 user_ns, sys_ns, switches;
    u32 tasks, running, blocked;
    int last_pid;
};

/* TASKS is held. Dead children are in their parents' accounts. */
static int add_group(struct thread_group *g, void *arg)
{
    struct load *l = arg;
    struct rusage_k u;
    struct task *t;

    group_usage_locked(g, &u);
    rusage_add(&u, &g->children_usage);
    l->user_ns += u.utime_ns;
    l->sys_ns += u.stime_ns;
    l->switches += u.nvcsw + u.nivcsw;
    list_for_each_entry (t, &g->tasks, group_node) {
        int state = atomic_load(&t->state);

        l->tasks++;
        l->running += state == TASK_RUNNING;
        l->blocked += state == TASK_UNINTERRUPTIBLE;
        l->last_pid = MAX(l->last_pid, t->tid);
    }
    return 0;
}

static struct load load_now(void)
{
    struct load l = {0};

    group_for_each(add_group, &l);
    return l;
}

int proc_show_system_stat(struct inode *inode, struct ktext *t)
{
    struct load l = load_now();
    u64 n = (u64)cpus_count(), up = uptime_ns();
    u64 user = l.user_ns / NS_PER_TICK, sys = l.sys_ns / NS_PER_TICK, total = up * n / NS_PER_TICK;
    u64 idle = total > user + sys ? total - user - sys : 0;

    ktext_printf(t, "cpu  %llu 0 %llu %llu 0 0 0 0 0 0\n", (ull)user, (ull)sys, (ull)idle);
    for (u64 i = 0; i < n; i++)
        ktext_printf(t, "cpu%llu %llu 0 %llu %llu 0 0 0 0 0 0\n", (ull)i, (ull)(user / n),
                     (ull)(sys / n), (ull)(idle / n));
    ktext_printf(t,
                 "intr 0\nctxt %llu\nbtime %llu\nprocesses %d\nprocs_running %u\n"
                 "procs_blocked %u\nsoftirq 0 0 0 0 0 0 0 0 0 0 0\n",
                 (ull)l.switches, (ull)((kernel_now_real() - up) / (u64)NSEC_PER_SEC), l.last_pid,
                 MAX(l.running, 1u), l.blocked);
    return 0;
}

int proc_show_uptime(struct inode *inode, struct ktext *t)
{
    struct load l = load_now();
    u64 up = uptime_ns(), busy = l.user_ns + l.sys_ns, all = up * (u64)cpus_count();
    u64 idle = all > busy ? all - busy : 0;

    /* Never 0: a program that divides by it would be surprised. */
    up = MAX(up, NS_PER_TICK);
    ktext_printf(t, "%llu.%02llu %llu.%02llu\n", (ull)(up / 1000000000),
                 (ull)(up / NS_PER_TICK % 100), (ull)(idle / 1000000000),
                 (ull)(idle / NS_PER_TICK % 100));
    return 0;
}

int proc_show_loadavg(struct inode *inode, struct ktext *t)
{
    struct load l = load_now();

    ktext_printf(t, "0.00 0.00 0.00 %u/%u %d\n", MAX(l.running, 1u), l.tasks, l.last_pid);
    return 0;
}

/* ---- names ----------------------------------------------------------------------------------- */

int proc_show_version(struct inode *inode, struct ktext *t)
{
    struct linux_utsname u;

    uts_get(&u);
    ktext_printf(t, "%s version %s (cvisor@cvisor) (gcc) %s\n", u.sysname, u.release, u.version);
    return 0;
}

int proc_show_filesystems(struct inode *inode, struct ktext *t)
{
    for (const struct fs_type *const *fs = g_fs_types; *fs; fs++)
        ktext_printf(t, "nodev\t%s\n", (*fs)->name);
    return 0;
}

void proc_make_uuid(char *out)
{
    u8 b[16] = {0};

    host_getrandom(b, sizeof(b), 0);
    b[6] = (u8)((b[6] & 0x0f) | 0x40);
    b[8] = (u8)((b[8] & 0x3f) | 0x80);
    snprintf(out, 37, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0],
             b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13],
             b[14], b[15]);
}
