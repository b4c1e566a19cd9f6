/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inodes below /proc/PID: which task they belong to, who owns them, who may look, and the directories of
 * threads. An inode refers to a process (or thread) object, never to a number alone: a number that
 * is used again does not revive an old directory.
 */
#include "sentry/fs/proc/proc.h"

#include "abi/linux/dirent.h"
#include "cvisor/kcache.h"
#include "sentry/kernel/fdtable.h"
#include "sentry/kernel/ptrace_access.h"
#include "sentry/kernel/task.h"
#include "sentry/mm/mm.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

KCACHE(proc_inode);

/* ---- tasks of inodes ------------------------------------------------------------------------- */

/* TASKS */
static struct task *find_locked(const struct proc_inode *pi)
{
    struct task *t = task_find_locked(pi->tid);

    return t && t->group == pi->group && (!pi->task || pi->task == t) ? t : NULL;
}

bool proc_point_is_dead(struct dentry *d)
{
    struct inode *inode = dentry_inode(d);
    bool dead;

    if (!inode || inode->ops->destroy != proc_destroy)
        return false; /* not below a number */
    rwlock_rdlock(&g_tasks_lock);
    dead = !find_locked(proc_i(inode));
    rwlock_rdunlock(&g_tasks_lock);
    return dead;
}

struct task *proc_task_get(struct inode *inode)
{
    struct task *t;

    rwlock_rdlock(&g_tasks_lock);
    t = find_locked(proc_i(inode));
    if (t)
        task_get(t);
    rwlock_rdunlock(&g_tasks_lock);
    return t;
}

int proc_may_access(struct task *t)
{
    return !current || t == current || ptrace_may_access(current, t) ? 0 : -EACCES;
}

int proc_task_access(struct inode *inode, struct task **out)
{
    struct task *t = proc_task_get(inode);
    int err;

    if (!t)
        return -ESRCH;
    err = proc_may_access(t);
    if (err)
        task_put(t);
    else
        *out = t;
    return err;
}

struct fdtable *proc_files_get(struct task *t)
{
    struct fdtable *ft;

    mutex_lock(&t->res_lock);
    ft = t->files;
    if (ft)
        fdtable_get(ft);
    mutex_unlock(&t->res_lock);
    return ft;
}

struct fs_context *proc_fs_context_get(struct task *t)
{
    struct fs_context *fs;

    mutex_lock(&t->res_lock);
    fs = t->fs;
    if (fs)
        fs_context_get(fs);
    mutex_unlock(&t->res_lock);
    return fs;
}

/* ---- inodes ---------------------------------------------------------------------------------- */

u64 proc_task_ino(int tid, bool whole)
{
    return ((1ull << 60) | ((u64)tid << 36) | (whole ? 0 : 1ull << 35)) + 1;
}

/* Owner: the effective ids, or root when the process keeps its memory to itself. The attributes
 * that everybody may look at belong to the task in any case. */
static void update_owner(struct inode *inode, struct task *t)
{
    u32 mode = atomic_load(&inode->mode), uid = 0, gid = 0;
    bool open = mode == (LINUX_S_IFDIR | 0555);

    if (!open) {
        mutex_lock(&t->res_lock);
        open = t->mm && t->mm->dumpable;
        mutex_unlock(&t->res_lock);
    }
    if (open) {
        const struct cred *c = task_cred_get(t);

        uid = c->euid;
        gid = c->egid;
        cred_put(c);
    }
    mutex_lock(&inode->attr_lock);
    atomic_store(&inode->uid, uid);
    atomic_store(&inode->gid, gid);
    mutex_unlock(&inode->attr_lock);
}

static struct proc_inode *inode_new(struct filesystem *fs, const struct kernfs_node *node,
                                    u64 ino_base, u64 code, struct thread_group *g,
                                    struct task *task, int tid, bool whole)
{
    struct proc_inode *pi = kcache_alloc(proc_inode);
    const struct inode_ops *iops = LINUX_S_ISDIR(node->mode) ? &g_proc_dir_iops : &g_proc_file_iops;

    if (!pi)
        return NULL;
    kernfs_inode_init(&pi->k, fs, node, ino_base, code, iops);
    group_get(g);
    pi->group = g;
    if (task)
        task_get(task);
    pi->task = task;
    pi->tid = tid;
    pi->whole = whole;
    return pi;
}

struct proc_inode *proc_inode_new(struct proc_inode *parent, const struct kernfs_node *node,
                                  u64 code)
{
    struct proc_inode *pi = inode_new(parent->k.inode.fs, node, parent->k.ino_base, code,
                                      parent->group, parent->task, parent->tid, parent->whole);
    struct task *t;

    if (!pi)
        return NULL;
    t = proc_task_get(&pi->k.inode);
    if (t) {
        update_owner(&pi->k.inode, t);
        task_put(t);
    }
    return pi;
}

int proc_task_dir_new(struct filesystem *fs, struct task *t, bool whole, struct inode **out)
{
    const struct kernfs_node *node = whole ? &g_proc_tgid_node : &g_proc_tid_node;
    struct thread_group *g = t->group;
    struct proc_inode *pi;
    int tid;
    bool leader;

    rwlock_rdlock(&g_tasks_lock);
    tid = t->tid;
    leader = g->leader == t;
    rwlock_rdunlock(&g_tasks_lock);
    pi = inode_new(fs, node, proc_task_ino(tid, whole) - 1, 1, g, whole && leader ? NULL : t, tid,
                   whole);
    if (!pi)
        return -ENOMEM;
    update_owner(&pi->k.inode, t);
    *out = &pi->k.inode;
    return 0;
}

void proc_destroy(struct inode *inode)
{
    struct proc_inode *pi = proc_i(inode);

    inode_fini(inode);
    if (pi->task)
        task_put(pi->task);
    group_put(pi->group);
    kcache_free(proc_inode, pi);
}

int proc_getattr(struct inode *inode, struct linux_stat *st)
{
    struct task *t = proc_task_get(inode);

    if (t) {
        update_owner(inode, t);
        task_put(t);
    }
    inode_fill_stat(inode, st);
    return 0;
}

int proc_revalidate(struct dentry *d)
{
    struct inode *inode = dentry_inode(d);
    struct task *t = proc_task_get(inode);

    if (!t)
        return 0;
    update_owner(inode, t);
    task_put(t);
    return 1;
}

int proc_open(struct inode *inode, struct dentry *d, struct file *f)
{
    struct task *t;
    int err;

    if (kernfs_i(inode)->node->flags & PROC_PTRACE) {
        err = proc_task_access(inode, &t);
        if (err)
            return err;
        task_put(t);
    }
    return kernfs_open(inode, d, f);
}

static int dir_lookup(struct inode *dir, struct dentry *d)
{
    struct proc_inode *parent = proc_i(dir), *pi;
    int i = kernfs_find(parent->k.node, d->name, d->name_len);
    struct task *t;

    if (i < 0)
        return -ENOENT;
    t = proc_task_get(dir);
    if (!t)
        return -ENOENT;
    task_put(t);
    pi = proc_inode_new(parent, &parent->k.node->children[i],
                        kernfs_child_code(&parent->k, (size_t)i));
    if (!pi)
        return -ENOMEM;
    dentry_instantiate(d, &pi->k.inode);
    return 0;
}

/* /proc/PID: a dead process's directory can't be walked through. */
static int tgid_permission(struct inode *inode, const struct cred *cred, u32 may)
{
    struct task *t = proc_task_get(inode);

    if (!t)
        return -ESRCH;
    task_put(t);
    return inode_permission_generic(inode, cred, may);
}

const struct inode_ops g_proc_tgid_iops = {
    .lookup = dir_lookup,
    .getattr = proc_getattr,
    .setattr = kernfs_setattr,
    .permission = tgid_permission,
    .revalidate = proc_revalidate,
    .destroy = proc_destroy,
};

const struct inode_ops g_proc_file_iops = {
    .open = proc_open,
    .getattr = proc_getattr,
    .setattr = kernfs_setattr,
    .revalidate = proc_revalidate,
    .destroy = proc_destroy,
};

const struct inode_ops g_proc_dir_iops = {
    .lookup = dir_lookup,
    .getattr = proc_getattr,
    .setattr = kernfs_setattr,
    .revalidate = proc_revalidate,
    .destroy = proc_destroy,
};

/* ---- numbers in /proc ------------------------------------------------------------------------ */

bool proc_parse_number(const char *s, size_t n, int *out)
{
    u32 v = 0;

    if (!n || n > 9 || (s[0] == '0' && n > 1))
        return false;
    for (size_t i = 0; i < n; i++) {
        if (s[i] < '0' || s[i] > '9')
            return false;
        v = v * 10 + (u32)(s[i] - '0');
    }
    *out = (int)v;
    return true;
}

int proc_pid_lookup(struct filesystem *fs, struct dentry *d)
{
    struct inode *inode;
    struct task *t;
    int tid, err;

    if (!proc_parse_number(d->name, d->name_len, &tid))
        return -ENOENT;
    t = task_find(tid);
    if (!t)
        return -ENOENT;
    err = proc_task_dir_new(fs, t, true, &inode);
    task_put(t);
    if (!err)
        dentry_instantiate(d, inode);
    return err;
}

/* ---- task/ ----------------------------------------------------------------------------------- */

static int task_lookup(struct inode *dir, struct dentry *d)
{
    struct inode *inode;
    struct task *t;
    int tid, err;

    if (!proc_parse_number(d->name, d->name_len, &tid))
        return -ENOENT;
    t = task_find(tid);
    if (!t)
        return -ENOENT;
    if (t->group != proc_i(dir)->group)
        err = -ENOENT;
    else
        err = proc_task_dir_new(dir->fs, t, false, &inode);
    task_put(t);
    if (!err)
        dentry_instantiate(d, inode);
    return err;
}

static int compare_int(const void *a, const void *b)
{
    int x = *(const int *)a, y = *(const int *)b;

    return (x > y) - (x < y);
}

/* The numbers of a group's tasks in order, kmalloc'ed; NULL: no memory or none. */
static int *list_tids(struct thread_group *g, size_t *count)
{
    int *tids = NULL, cap = 0, n = 0;
    struct task *t;

    for (;;) {
        rwlock_rdlock(&g_tasks_lock);
        n = 0;
        list_for_each_entry (t, &g->tasks, group_node) {
            if (n < cap)
                tids[n] = t->tid;
            n++;
        }
        rwlock_rdunlock(&g_tasks_lock);
        if (n <= cap)
            break;
        kfree(tids);
        cap = n + 16;
        tids = kcalloc((size_t)cap, sizeof(*tids));
        if (!tids)
            return NULL;
    }
    if (tids)
        qsort(tids, (size_t)n, sizeof(*tids), compare_int);
    *count = (size_t)n;
    return tids;
}

/* Cookies: 2 + number. */
static int task_iterate(struct file *f, struct dir_emit *e)
{
    size_t n = 0;
    char name[16];
    struct task *t = proc_task_get(f->inode);
    int *tids __kfree = NULL;

    if (!t)
        return -ENOENT;
    task_put(t);
    if (!dir_emit_dots(f, e))
        return 0;
    tids = list_tids(proc_i(f->inode)->group, &n);
    for (size_t i = 0; tids && i < n; i++) {
        int len = snprintf(name, sizeof(name), "%d", tids[i]);

        if ((u64)tids[i] + 2 < f->pos)
            continue;
        if (!dir_emit(e, name, (size_t)len, proc_task_ino(tids[i], false), LINUX_DT_DIR,
                      (u64)tids[i] + 3))
            break;
        f->pos = (u64)tids[i] + 3;
    }
    return 0;
}

static int task_getattr(struct inode *inode, struct linux_stat *st)
{
    int err = proc_getattr(inode, st);

    rwlock_rdlock(&g_tasks_lock);
    st->st_nlink = 2 + (u64)proc_i(inode)->group->nthreads;
    rwlock_rdunlock(&g_tasks_lock);
    return err;
}

const struct inode_ops g_proc_task_iops = {
    .lookup = task_lookup,
    .getattr = task_getattr,
    .setattr = kernfs_setattr,
    .revalidate = proc_revalidate,
    .destroy = proc_destroy,
};

const struct file_ops g_proc_task_fops = {
    .iterate = task_iterate,
    .llseek = kernfs_llseek,
};
