/* SPDX-License-Identifier: Apache-2.0 */
/* Magic links: exe, cwd, root and the descriptors. Read they give a name, followed the object itself. */
#include "sentry/fs/proc/proc.h"

#include "abi/linux/limits.h"
#include "cvisor/kcache.h"
#include "sentry/kernel/fdtable.h"
#include "sentry/kernel/ptrace_access.h"
#include "sentry/kernel/task.h"
#include "sentry/mm/mm.h"

#include <errno.h>

static int exe_get(struct inode *inode, struct task *t, struct vfs_path *out)
{
    struct mm *mm = task_mm_get(t);
    struct file *exe;

    if (!mm)
        return -ENOENT;
    rwlock_rdlock(&mm->map_lock);
    exe = mm->exe;
    if (exe)
        file_get(exe);
    rwlock_rdunlock(&mm->map_lock);
    mm_put(mm);
    if (!exe)
        return -ENOENT;
    *out = exe->path;
    vfs_path_get(out);
    file_put(exe);
    return 0;
}

static int cwd_get(struct inode *inode, struct task *t, struct vfs_path *out)
{
    struct fs_context *fs = proc_fs_context_get(t);

    if (!fs)
        return -ENOENT;
    fs_context_cwd(fs, out);
    fs_context_put(fs);
    return 0;
}

static int root_get(struct inode *inode, struct task *t, struct vfs_path *out)
{
    struct fs_context *fs = proc_fs_context_get(t);

    if (!fs)
        return -ENOENT;
    fs_context_root(fs, out);
    fs_context_put(fs);
    return 0;
}

static int fd_get_link(struct inode *inode, struct task *t, struct vfs_path *out)
{
    struct fdtable *ft = proc_files_get(t);
    struct file *f;
    bool cloexec;

    if (!ft)
        return -ENOENT;
    f = fdtable_lookup(ft, proc_i(inode)->fd, &cloexec);
    fdtable_put(ft);
    if (!f)
        return -ENOENT;
    *out = f->path;
    vfs_path_get(out);
    file_put(f);
    return 0;
}

const struct proc_link g_proc_exe_link = {exe_get};
const struct proc_link g_proc_cwd_link = {cwd_get};
const struct proc_link g_proc_root_link = {root_get};
const struct proc_link g_proc_fd_link = {fd_get_link};

static int link_follow(struct inode *inode, struct vfs_path *out)
{
    const struct proc_link *link = kernfs_i(inode)->node->data;
    struct task *t;
    int err = proc_task_access(inode, &t);

    if (err)
        return err == -ESRCH ? -ENOENT : err;
    err = link->get(inode, t, out);
    task_put(t);
    return err;
}

static int link_readlink(struct inode *inode, char **target)
{
    struct vfs_path p, root = {0};
    char *buf __kfree = kmalloc(LINUX_PATH_MAX), *name;
    int err;

    if (!buf)
        return -ENOMEM;
    err = link_follow(inode, &p);
    if (err)
        return err;
    if (current && current->fs)
        fs_context_root(current->fs, &root);
    name = vfs_path_name(&p, root.dentry ? &root : NULL, buf, LINUX_PATH_MAX, &err);
    vfs_path_put(&root);
    vfs_path_put(&p);
    if (!name)
        return err;
    *target = kstrdup(name);
    return *target ? 0 : -ENOMEM;
}

static bool fd_is_open(struct inode *inode, struct task *t, u32 *mode)
{
    struct fdtable *ft = proc_files_get(t);
    struct file *f;
    bool cloexec;

    if (!ft)
        return false;
    f = fdtable_lookup(ft, proc_i(inode)->fd, &cloexec);
    fdtable_put(ft);
    if (!f)
        return false;
    *mode = LINUX_S_IFLNK | (f->readable ? 0500u : 0u) | (f->writable ? 0300u : 0u);
    file_put(f);
    return true;
}

static int link_getattr(struct inode *inode, struct linux_stat *st)
{
    struct task *t;
    int err = proc_getattr(inode, st);

    if (err || kernfs_i(inode)->node->data != &g_proc_fd_link)
        return err;
    t = proc_task_get(inode);
    if (!t)
        return 0;
    fd_is_open(inode, t, &st->st_mode);
    task_put(t);
    st->st_size = 64;
    return 0;
}

/* The parent's dir_lock may be held: no reference to a file is taken here, since dropping the last one
 * may close it. */
static int link_revalidate(struct dentry *d)
{
    struct inode *inode = dentry_inode(d);
    int fd = proc_i(inode)->fd, ok = proc_revalidate(d);
    struct fdtable *ft;
    struct task *t;

    if (ok <= 0 || kernfs_i(inode)->node->data != &g_proc_fd_link)
        return ok;
    t = proc_task_get(inode);
    if (!t)
        return 0;
    ft = proc_files_get(t);
    task_put(t);
    if (!ft)
        return 0;
    ok = fdtable_next(ft, fd) == fd;
    fdtable_put(ft);
    return ok;
}

const struct inode_ops g_proc_link_iops = {
    .readlink = link_readlink,
    .follow = link_follow,
    .getattr = link_getattr,
    .setattr = kernfs_setattr,
    .revalidate = link_revalidate,
    .destroy = proc_destroy,
};
