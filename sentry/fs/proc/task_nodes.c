/* SPDX-License-Identifier: Apache-2.0 */
/* What is in /proc/PID and /proc/PID/task/TID: a line for each file. */
#include "sentry/fs/proc/proc.h"

#define DIR(m) (LINUX_S_IFDIR | (m))
#define FILE(m) (LINUX_S_IFREG | (m))
#define LINK (LINUX_S_IFLNK | 0777)

static const char g_io[] = "rchar: 0\nwchar: 0\nsyscr: 0\nsyscw: 0\nread_bytes: 0\nwrite_bytes: 0\n"
                           "cancelled_write_bytes: 0\n";
static const char g_id_map[] = "         0          0 4294967295\n";

/* In both directories. */
#define COMMON_NODES                                                                               \
    {.name = "auxv", .mode = FILE(0400), .flags = PROC_PTRACE, .show = proc_show_auxv},            \
        {.name = "cgroup", .mode = FILE(0444), .text = "0::/\n", .show = proc_show_text},          \
        {.name = "cmdline", .mode = FILE(0444), .fops = &g_proc_cmdline_fops},                     \
        {.name = "comm", .mode = FILE(0644), .show = proc_show_comm, .store = proc_store_comm},    \
        {.name = "cpuset", .mode = FILE(0444), .text = "/\n", .show = proc_show_text},             \
        {.name = "cwd",                                                                            \
         .mode = LINK,                                                                             \
         .flags = PROC_PTRACE,                                                                     \
         .iops = &g_proc_link_iops,                                                                \
         .data = &g_proc_cwd_link},                                                                \
        {.name = "environ",                                                                        \
         .mode = FILE(0400),                                                                       \
         .iops = &g_proc_mem_iops,                                                                 \
         .fops = &g_proc_environ_fops},                                                            \
        {.name = "exe",                                                                            \
         .mode = LINK,                                                                             \
         .flags = PROC_PTRACE,                                                                     \
         .iops = &g_proc_link_iops,                                                                \
         .data = &g_proc_exe_link},                                                                \
        {.name = "fd",                                                                             \
         .mode = DIR(0500),                                                                        \
         .iops = &g_proc_fd_dir_iops,                                                              \
         .fops = &g_proc_fd_dir_fops},                                                             \
        {.name = "fdinfo",                                                                         \
         .mode = DIR(0555),                                                                        \
         .iops = &g_proc_fdinfo_dir_iops,                                                          \
         .fops = &g_proc_fdinfo_dir_fops},                                                         \
        {.name = "gid_map",                                                                        \
         .mode = FILE(0644),                                                                       \
         .text = g_id_map,                                                                         \
         .show = proc_show_text,                                                                   \
         .store = proc_store_id_map},                                                              \
        {.name = "io",                                                                             \
         .mode = FILE(0400),                                                                       \
         .flags = PROC_PTRACE,                                                                     \
         .text = g_io,                                                                             \
         .show = proc_show_text},                                                                  \
        {.name = "limits", .mode = FILE(0444), .show = proc_show_limits},                          \
        {.name = "loginuid", .mode = FILE(0444), .text = "4294967295", .show = proc_show_text},    \
        {.name = "maps", .mode = FILE(0444), .flags = PROC_PTRACE, .show = proc_show_maps},        \
        {.name = "mem", .mode = FILE(0600), .iops = &g_proc_mem_iops, .fops = &g_proc_mem_fops},   \
        {.name = "mountinfo", .mode = FILE(0444), .show = proc_show_mounts, .arg = 1},             \
        {.name = "mounts", .mode = FILE(0444), .show = proc_show_mounts},                          \
        {.name = "net", .mode = DIR(0555), .children = g_proc_net_nodes},                          \
        {.name = "ns", .mode = DIR(0511), .children = g_proc_ns_nodes},                            \
        {.name = "oom_score", .mode = FILE(0444), .show = proc_show_oom_score},                    \
        {.name = "oom_score_adj",                                                                  \
         .mode = FILE(0644),                                                                       \
         .show = proc_show_oom_score_adj,                                                          \
         .store = proc_store_oom_score_adj},                                                       \
        {.name = "personality",                                                                    \
         .mode = FILE(0400),                                                                       \
         .flags = PROC_PTRACE,                                                                     \
         .show = proc_show_personality},                                                           \
        {.name = "root",                                                                           \
         .mode = LINK,                                                                             \
         .flags = PROC_PTRACE,                                                                     \
         .iops = &g_proc_link_iops,                                                                \
         .data = &g_proc_root_link},                                                               \
        {.name = "sched", .mode = FILE(0444), .show = proc_show_sched},                            \
        {.name = "schedstat", .mode = FILE(0444), .show = proc_show_schedstat},                    \
        {.name = "sessionid", .mode = FILE(0444), .text = "4294967295", .show = proc_show_text},   \
        {.name = "setgroups",                                                                      \
         .mode = FILE(0644),                                                                       \
         .text = "allow\n",                                                                        \
         .show = proc_show_text,                                                                   \
         .store = proc_store_id_map},                                                              \
        {.name = "smaps",                                                                          \
         .mode = FILE(0444),                                                                       \
         .flags = PROC_PTRACE,                                                                     \
         .show = proc_show_maps,                                                                   \
         .arg = 1},                                                                                \
        {.name = "smaps_rollup",                                                                   \
         .mode = FILE(0444),                                                                       \
         .flags = PROC_PTRACE,                                                                     \
         .show = proc_show_smaps_rollup},                                                          \
        {.name = "stack",                                                                          \
         .mode = FILE(0400),                                                                       \
         .flags = PROC_PTRACE,                                                                     \
         .text = "",                                                                               \
         .show = proc_show_text},                                                                  \
        {.name = "stat", .mode = FILE(0444), .show = proc_show_stat},                              \
        {.name = "statm", .mode = FILE(0444), .show = proc_show_statm},                            \
        {.name = "status", .mode = FILE(0444), .show = proc_show_status},                          \
        {.name = "syscall", .mode = FILE(0400), .flags = PROC_PTRACE, .show = proc_show_syscall},  \
        {.name = "uid_map",                                                                        \
         .mode = FILE(0644),                                                                       \
         .text = g_id_map,                                                                         \
         .show = proc_show_text,                                                                   \
         .store = proc_store_id_map},                                                              \
    {                                                                                              \
        .name = "wchan", .mode = FILE(0444), .text = "0", .show = proc_show_text                   \
    }

static const struct kernfs_node g_tgid_nodes[] = {
    COMMON_NODES,
    {.name = "task", .mode = DIR(0555), .iops = &g_proc_task_iops, .fops = &g_proc_task_fops},
    {.name = "timerslack_ns",
     .mode = FILE(0666),
     .show = proc_show_timerslack,
     .store = proc_store_timerslack},
    {0},
};

static const struct kernfs_node g_tid_nodes[] = {
    COMMON_NODES,
    {.name = "children", .mode = FILE(0444), .show = proc_show_children},
    {0},
};

const struct kernfs_node g_proc_tgid_node = {
    .name = "", .mode = DIR(0555), .children = g_tgid_nodes, .iops = &g_proc_tgid_iops};
const struct kernfs_node g_proc_tid_node = {.name = "", .mode = DIR(0555), .children = g_tid_nodes};
