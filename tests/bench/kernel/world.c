/* SPDX-License-Identifier: Apache-2.0 */
/* What the kernel needs around it to be called: tasks, a root, guest memory; on the platform without guests. */
#include "bench.h"
#include "sentry/fs/mounts.h"
#include "sentry/kernel/fdtable.h"
#include "sentry/kernel/futex.h"
#include "sentry/mm/memory_file.h"
#include "sentry/mm/uaccess.h"
#include "sentry/vfs/vfs.h"
#include "tests/unit/sentry/fake_platform.h"

#define RW (LINUX_PROT_READ | LINUX_PROT_WRITE)

struct task g_bench_tasks[BENCH_TASKS];
uaddr_t g_bench_user;
static struct thread_group g_group;

static struct mount *root_mount(void)
{
    struct filesystem *fs;
    struct dentry *root;
    struct mount *m;

    bench_need(tmpfs_new(0, 0755, 0, 0, &fs, &root) == 0, "tmpfs");
    m = mount_new(fs, root, 0, "root");
    dentry_put(root);
    fs_put(fs);
    return m;
}

static void map_memory(struct mm *mm)
{
    struct mmap_args a = {.len = BENCH_USER_LEN, .prot = RW, .max_prot = RW | LINUX_PROT_EXEC};
    s64 at = mm_mmap(mm, &a);

    bench_need(at > 0, "mmap");
    g_bench_user.v = (u64)at;
    bench_need(clear_user(current, g_bench_user, BENCH_USER_LEN) == 0, "clear_user");
}

void bench_world(void)
{
    struct mm *mm;
    struct mount *m;
    struct vfs_path p;
    struct task *first = &g_bench_tasks[0];

    fake_platform_init(1ull << 30);
    futex_init();
    g_group.id = 1;
    for (int i = 0; i < LINUX_RLIM_NLIMITS; i++)
        g_group.rlimits[i] = (struct linux_rlimit){~0ull, ~0ull};
    g_group.rlimits[LINUX_RLIMIT_NOFILE].rlim_cur = 1024;
    m = root_mount();
    p = (struct vfs_path){m, m->root};
    bench_need(mm_create(&mm) == 0, "mm_create");
    for (int i = 0; i < BENCH_TASKS; i++) {
        struct task *t = &g_bench_tasks[i];

        ref_init(&t->refs);
        t->tid = i + 1;
        t->group = &g_group;
        mutex_init(&t->res_lock, LOCK_LEAF);
        t->mm = mm;
    }
    first->cred = cred_new();
    first->files = fdtable_new();
    first->fs = fs_context_new(&p, &p, 022);
    mount_get(m);
    first->mnt_ns = mount_ns_new(m);
    for (int i = 1; i < BENCH_TASKS; i++) {
        struct task *t = &g_bench_tasks[i];

        cred_get(first->cred);
        t->cred = first->cred;
        t->fs = first->fs;
        t->mnt_ns = first->mnt_ns;
        t->files = first->files;
    }
    current = first;
    map_memory(mm);
}
