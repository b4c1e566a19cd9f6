/* SPDX-License-Identifier: Apache-2.0 */
/* /proc/PID/fd and fdinfo: a link and a text file for each descriptor. */
#include "sentry/fs/proc/proc.h"

#include "abi/linux/dirent.h"
#include "abi/linux/fcntl.h"
#include "sentry/kernel/cred.h"
#include "sentry/kernel/fdtable.h"
#include "sentry/kernel/task.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const struct kernfs_node g_fd_node = {
    .name = "fd",
    .mode = LINUX_S_IFLNK | 0700,
    .flags = PROC_PTRACE,
    .iops = &g_proc_link_iops,
    .data = &g_proc_fd_link,
};

static const struct inode_ops g_fdinfo_iops;
static const struct kernfs_node g_fdinfo_node = {
    .name = "fdinfo",
    .mode = LINUX_S_IFREG | 0444,
    .flags = PROC_PTRACE,
    .show = proc_show_fdinfo,
    .iops = &g_fdinfo_iops,
};

/* Above the codes of the constant nodes. */
static u64 fd_code(int fd, bool info)
{
    return (1ull << 34) | (info ? 1ull << 30 : 0) | (u64)fd;
}

static bool dir_is_info(struct inode *dir)
{
    return dir->fops == &g_proc_fdinfo_dir_fops;
}

/* Open numbers only: see link_revalidate(). */
static int fd_exists(struct inode *inode, int fd)
{
    struct task *t = proc_task_get(inode);
    struct fdtable *ft;
    bool found;

    if (!t)
        return -ENOENT;
    ft = proc_files_get(t);
    task_put(t);
    if (!ft)
        return -ENOENT;
    found = fdtable_next(ft, fd) == fd;
    fdtable_put(ft);
    return found ? 0 : -ENOENT;
}

static int fd_lookup(struct inode *dir, struct dentry *d)
{
    bool info = dir_is_info(dir);
    struct proc_inode *pi;
    int fd, err;

    if (!proc_parse_number(d->name, d->name_len, &fd))
        return -ENOENT;
    err = fd_exists(dir, fd);
    if (err)
        return err;
    pi = proc_inode_new(proc_i(dir), info ? &g_fdinfo_node : &g_fd_node, fd_code(fd, info));
    if (!pi)
        return -ENOMEM;
    pi->fd = fd;
    dentry_instantiate(d, &pi->k.inode);
    return 0;
}

/* Cookies: 2 + number. */
static int fd_iterate(struct file *f, struct dir_emit *e)
{
    bool info = dir_is_info(f->inode);
    u64 base = kernfs_i(f->inode)->ino_base;
    struct task *t;
    struct fdtable *ft;
    char name[16];
    int fd, err = proc_task_access(f->inode, &t);

    if (err)
        return err == -ESRCH ? -ENOENT : err;
    ft = proc_files_get(t);
    task_put(t);
    if (!dir_emit_dots(f, e) || !ft)
        goto out;
    while (f->pos - 2 < FD_MAX && (fd = fdtable_next(ft, (int)(f->pos - 2))) >= 0) {
        int n = snprintf(name, sizeof(name), "%d", fd);

        if (!dir_emit(e, name, (size_t)n, base + fd_code(fd, info),
                      info ? LINUX_DT_REG : LINUX_DT_LNK, (u64)fd + 3))
            break;
        f->pos = (u64)fd + 3;
    }
out:
    if (ft)
        fdtable_put(ft);
    return 0;
}

/* A process always gets at its own descriptors, whatever the owner of the directory. */
static int fd_permission(struct inode *inode, const struct cred *cred, u32 may)
{
    int err = inode_permission_generic(inode, cred, may);

    if (err && current && current->group == proc_i(inode)->group)
        err = 0;
    return err;
}

const struct inode_ops g_proc_fd_dir_iops = {
    .lookup = fd_lookup,
    .getattr = proc_getattr,
    .setattr = kernfs_setattr,
    .permission = fd_permission,
    .revalidate = proc_revalidate,
    .destroy = proc_destroy,
};

/* Names are for those who may trace. */
static int fdinfo_permission(struct inode *inode, const struct cred *cred, u32 may)
{
    struct task *t;
    int err = proc_task_access(inode, &t);

    if (err)
        return err == -ESRCH ? -ENOENT : err;
    task_put(t);
    return inode_permission_generic(inode, cred, may);
}

const struct inode_ops g_proc_fdinfo_dir_iops = {
    .lookup = fd_lookup,
    .getattr = proc_getattr,
    .setattr = kernfs_setattr,
    .permission = fdinfo_permission,
    .revalidate = proc_revalidate,
    .destroy = proc_destroy,
};

const struct file_ops g_proc_fd_dir_fops = {
    .iterate = fd_iterate,
    .llseek = kernfs_llseek,
};

const struct file_ops g_proc_fdinfo_dir_fops = {
    .iterate = fd_iterate,
    .llseek = kernfs_llseek,
};

/* ---- fdinfo ---------------------------------------------------------------------------------- */

int proc_show_fdinfo(struct inode *inode, struct ktext *out)
{
    struct fdtable *ft;
    struct file *f;
    struct task *t;
    char extra[1024] = "";
    bool cloexec = false;
    u32 flags;
    int err = proc_task_access(inode, &t);

    if (err)
        return err;
    ft = proc_files_get(t);
    task_put(t);
    if (!ft)
        return -ENOENT;
    f = fdtable_lookup(ft, proc_i(inode)->fd, &cloexec);
    fdtable_put(ft);
    if (!f)
        return -ENOENT;
    flags = atomic_load(&f->flags);
    if (cloexec)
        flags |= LINUX_O_CLOEXEC;
    ktext_printf(out, "pos:\t%llu\nflags:\t0%o\nmnt_id:\t%u\nino:\t%llu\n",
                 (unsigned long long)file_pos_now(f), flags, f->path.mnt ? f->path.mnt->id : 0,
                 (unsigned long long)f->inode->ino);
    if (f->ops->show_fdinfo) {
        f->ops->show_fdinfo(f, extra, sizeof(extra));
        ktext_puts(out, extra);
    }
    file_put(f);
    return 0;
}

static int fdinfo_revalidate(struct dentry *d)
{
    struct inode *inode = dentry_inode(d);
    int ok = proc_revalidate(d);

    return ok > 0 ? fd_exists(inode, proc_i(inode)->fd) == 0 : ok;
}

static const struct inode_ops g_fdinfo_iops = {
    .open = proc_open,
    .getattr = proc_getattr,
    .setattr = kernfs_setattr,
    .revalidate = fdinfo_revalidate,
    .destroy = proc_destroy,
};
