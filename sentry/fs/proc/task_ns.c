/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /proc/PID/ns: links to namespaces. There is one namespace of each kind but mount; following a link
 * gives a file of nsfs whose inode number is the namespace's name.
 */
#include "sentry/fs/proc/proc.h"

#include "abi/linux/statfs.h"
#include "cvisor/host.h"
#include "cvisor/kcache.h"
#include "sentry/kernel/task.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define MNT_NS_INITIAL 4026531841ull

struct ns_inode {
    struct inode inode;
};
KCACHE(ns_inode);

static struct filesystem g_nsfs;
static struct mutex g_nsfs_lock = MUTEX_INIT(LOCK_LEAF);
static bool g_nsfs_ready; /* g_nsfs_lock */
static u64 g_ns_seed;     /* immutable once g_nsfs_ready */

static void nsfs_destroy(struct filesystem *fs)
{
    /* Never: it has a reference of its own. */
}

static const struct fs_ops g_nsfs_ops = {.destroy = nsfs_destroy};

static struct filesystem *nsfs(void)
{
    mutex_lock(&g_nsfs_lock);
    if (!g_nsfs_ready) {
        fs_init(&g_nsfs, "nsfs", LINUX_NSFS_MAGIC, &g_nsfs_ops, FS_NO_DCACHE);
        host_getrandom(&g_ns_seed, sizeof(g_ns_seed), 0);
        g_ns_seed |= 1;
        g_nsfs_ready = true;
    }
    mutex_unlock(&g_nsfs_lock);
    return &g_nsfs;
}

static void ns_inode_destroy(struct inode *inode)
{
    inode_fini(inode);
    kcache_free(ns_inode, container_of(inode, struct ns_inode, inode));
}

static const struct inode_ops g_ns_inode_ops = {.setattr = kernfs_setattr,
                                                .destroy = ns_inode_destroy};
static const struct file_ops g_ns_fops;

static struct mount_ns *mnt_ns_of(struct task *t)
{
    struct mount_ns *ns;

    mutex_lock(&t->res_lock);
    ns = t->mnt_ns;
    mutex_unlock(&t->res_lock);
    return ns;
}

/* The number of t's mount namespace: that of init has the usual one; others are named by their object,
 * mixed with a secret. */
static u64 mnt_ns_ino(struct task *t)
{
    struct mount_ns *ns = mnt_ns_of(t), *first = NULL;

    rwlock_rdlock(&g_tasks_lock);
    if (g_init && g_init->leader)
        first = mnt_ns_of(g_init->leader);
    rwlock_rdunlock(&g_tasks_lock);
    if (!ns || !first || ns == first)
        return MNT_NS_INITIAL;
    nsfs();
    return 4026532000ull + ((((u64)(uintptr_t)ns >> 4) * g_ns_seed) >> 36);
}

/* Name of the link's target into out[48]: 0 or -errno. */
static int ns_name(struct inode *inode, char *out, u64 *ino)
{
    const struct kernfs_node *node = kernfs_i(inode)->node;
    struct task *t;
    int err = proc_task_access(inode, &t);

    if (err)
        return err == -ESRCH ? -ENOENT : err;
    *ino = node->arg == MNT_NS_INITIAL ? mnt_ns_ino(t) : node->arg;
    task_put(t);
    snprintf(out, 48, "%s:[%llu]", node->text, (unsigned long long)*ino);
    return 0;
}

static int ns_readlink(struct inode *inode, char **target)
{
    char name[48];
    u64 ino;
    int err = ns_name(inode, name, &ino);

    if (err)
        return err;
    *target = kstrdup(name);
    return *target ? 0 : -ENOMEM;
}

static int ns_follow(struct inode *inode, struct vfs_path *out)
{
    struct filesystem *fs = nsfs();
    struct ns_inode *ni;
    struct dentry *d;
    char name[48];
    u64 ino;
    int err = ns_name(inode, name, &ino);

    if (err)
        return err;
    ni = kcache_alloc(ns_inode);
    if (!ni)
        return -ENOMEM;
    inode_init(&ni->inode, fs, ino, LINUX_S_IFREG | 0444, &g_ns_inode_ops, &g_ns_fops);
    d = dentry_alloc(fs, NULL, name, strlen(name));
    if (!d) {
        inode_put(&ni->inode);
        return -ENOMEM;
    }
    d->flags |= DENTRY_DISCONNECTED;
    dentry_instantiate(d, &ni->inode);
    out->mnt = NULL;
    out->dentry = d;
    return 0;
}

const struct inode_ops g_proc_ns_iops = {
    .readlink = ns_readlink,
    .follow = ns_follow,
    .getattr = proc_getattr,
    .setattr = kernfs_setattr,
    .revalidate = proc_revalidate,
    .destroy = proc_destroy,
};

#define NS_LINK(file, kind, number)                                                                \
    {                                                                                              \
        .name = file, .mode = LINUX_S_IFLNK | 0777, .flags = PROC_PTRACE, .text = kind,            \
        .iops = &g_proc_ns_iops, .arg = number                                                     \
    }

const struct kernfs_node g_proc_ns_nodes[] = {
    NS_LINK("cgroup", "cgroup", 4026531835ull),
    NS_LINK("ipc", "ipc", 4026531839ull),
    NS_LINK("mnt", "mnt", MNT_NS_INITIAL),
    NS_LINK("net", "net", 4026531840ull),
    NS_LINK("pid", "pid", 4026531836ull),
    NS_LINK("pid_for_children", "pid", 4026531836ull),
    NS_LINK("time", "time", 4026531834ull),
    NS_LINK("time_for_children", "time", 4026531834ull),
    NS_LINK("user", "user", 4026531837ull),
    NS_LINK("uts", "uts", 4026531838ull),
    {0},
};
