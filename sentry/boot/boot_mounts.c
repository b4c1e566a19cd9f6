/* SPDX-License-Identifier: Apache-2.0 */
/* The mount tree of a new sandbox. */
#include "abi/linux/fcntl.h"
#include "abi/linux/stat.h"
#include "cvisor/kcache.h"
#include "cvisor/log.h"
#include "sentry/boot/boot_internal.h"
#include "sentry/fs/mounts.h"
#include "sentry/kernel/task.h"
#include "sentry/vfs/vfs.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static int make_gofer(const struct boot_mount *m, struct filesystem **fs, struct dentry **root)
{
    struct filesystem *lower, *upper;
    struct dentry *lower_root, *upper_root;
    if (!m->overlay)
        return gofer_fs_new(m->gofer_fd, m->readonly, fs, root);
    int err = gofer_fs_new(m->gofer_fd, true, &lower, &lower_root);
    if (err)
        return err;
    err = tmpfs_new(0, 0755, 0, 0, &upper, &upper_root);
    if (err) {
        dentry_put(lower_root);
        fs_put(lower);
        return err;
    }
    return overlay_fs_new(upper, upper_root, lower, lower_root, fs, root);
}

static int make_by_name(const char *type, struct filesystem **fs, struct dentry **root)
{
    const struct fs_type *ft = fs_type_find(type);
    return ft ? ft->mount(type, 0, NULL, fs, root) : -ENODEV;
}

static int make_fs(const struct boot_mount *m, struct filesystem **fs, struct dentry **root)
{
    switch (m->type) {
    case BOOT_MOUNT_GOFER:
        return make_gofer(m, fs, root);
    case BOOT_MOUNT_TMPFS:
        return tmpfs_new(m->size_limit, m->mode ? m->mode : 01777, m->uid, m->gid, fs, root);
    case BOOT_MOUNT_PROC:
        return proc_fs_new(fs, root);
    case BOOT_MOUNT_DEV:
        return dev_fs_new(fs, root);
    case BOOT_MOUNT_DEVPTS:
        return make_by_name("devpts", fs, root);
    case BOOT_MOUNT_SYSFS:
        return sysfs_new(fs, root);
    case BOOT_MOUNT_MQUEUE:
        return make_by_name("mqueue", fs, root);
    }
    return -EINVAL;
}

static u32 mount_flags(const struct boot_mount *m)
{
    u32 f = 0;
    if (m->readonly)
        f |= MOUNT_RDONLY;
    if (m->noexec)
        f |= MOUNT_NOEXEC;
    if (m->nosuid)
        f |= MOUNT_NOSUID;
    if (m->nodev)
        f |= MOUNT_NODEV;
    return f;
}

static const char *mount_source(const struct boot_mount *m)
{
    switch (m->type) {
    case BOOT_MOUNT_GOFER:
        return m->overlay ? "overlay" : "none";
    case BOOT_MOUNT_TMPFS:
        return "tmpfs";
    case BOOT_MOUNT_PROC:
        return "proc";
    case BOOT_MOUNT_DEV:
        return "devtmpfs";
    case BOOT_MOUNT_DEVPTS:
        return "devpts";
    case BOOT_MOUNT_SYSFS:
        return "sysfs";
    case BOOT_MOUNT_MQUEUE:
        return "mqueue";
    }
    return "none";
}

/* The mount point, made when it is missing (mkdir -p; a file for a mounted file). */
static int make_point(const char *path, bool dir, struct vfs_path *out)
{
    int err = vfs_resolve(LINUX_AT_FDCWD, path, RP_FOLLOW, out);
    if (err != -ENOENT)
        return err;
    char *p __kfree = kstrdup(path);
    if (!p)
        return -ENOMEM;
    for (char *s = strchr(p + 1, '/'); s; s = strchr(s + 1, '/')) {
        *s = '\0';
        err = vfs_mkdir(LINUX_AT_FDCWD, p, 0755);
        *s = '/';
        if (err && err != -EEXIST)
            return err;
    }
    err = dir ? vfs_mkdir(LINUX_AT_FDCWD, p, 0755)
              : vfs_mknod(LINUX_AT_FDCWD, p, LINUX_S_IFREG | 0644, 0);
    if (err && err != -EEXIST)
        return err;
    return vfs_resolve(LINUX_AT_FDCWD, path, RP_FOLLOW, out);
}

static int mount_one(struct task *t, const struct boot_mount *m)
{
    struct filesystem *fs;
    struct dentry *root;
    int err = make_fs(m, &fs, &root);
    if (err == -ENODEV) {
        log_warn("mount %s: this kind of filesystem is not supported, left out", m->destination);
        return 0;
    }
    if (err)
        return err;
    bool dir = inode_is_dir(root->inode);
    struct mount *mnt = mount_new(fs, root, mount_flags(m) & ~MOUNT_RDONLY, mount_source(m));
    dentry_put(root);
    fs_put(fs);
    if (!mnt)
        return -ENOMEM;
    struct vfs_path at;
    err = make_point(m->destination, dir, &at);
    if (!err) {
        err = mount_attach(t->mnt_ns, mnt, &at);
        vfs_path_put(&at);
    } else {
        mount_put(mnt);
    }
    return err;
}

static int mount_root(struct task *t, const struct boot_mount *m)
{
    struct filesystem *fs;
    struct dentry *root;
    int err = make_fs(m, &fs, &root);
    if (err)
        return err;
    struct mount *mnt = mount_new(fs, root, mount_flags(m) & ~MOUNT_RDONLY, mount_source(m));
    fs_put(fs);
    if (!mnt) {
        dentry_put(root);
        return -ENOMEM;
    }
    struct vfs_path p = {.mnt = mnt, .dentry = root};
    mount_get(mnt);
    t->mnt_ns = mount_ns_new(mnt);
    if (t->mnt_ns)
        t->fs = fs_context_new(&p, &p, 0022);
    vfs_path_put(&p);
    return t->fs ? 0 : -ENOMEM;
}

/* Mounts become read-only once the mount points below them have been made. */
static int mount_seal(const struct boot_mount *m)
{
    struct vfs_path at;
    if (!m->readonly)
        return 0;
    int err = vfs_resolve(LINUX_AT_FDCWD, m->destination, RP_FOLLOW, &at);
    if (err)
        return err == -ENOENT ? 0 : err; /* left out, or hidden by a later one */
    if (at.dentry == at.mnt->root)
        err = mount_remount(&at, mount_flags(m));
    vfs_path_put(&at);
    return err;
}

int boot_mounts(struct task *t, const struct boot_config *cfg, char *why, size_t n)
{
    if (!cfg->nmounts || strcmp(cfg->mounts[0].destination, "/") != 0) {
        snprintf(why, n, "the first mount must be the root");
        return -EINVAL;
    }
    for (size_t i = 0; i < cfg->nmounts; i++) {
        const struct boot_mount *m = &cfg->mounts[i];
        int err = i ? mount_one(t, m) : mount_root(t, m);
        if (err) {
            snprintf(why, n, "cannot mount %s in the sandbox: %s", m->destination, strerror(-err));
            return -EINVAL; /* -ENOENT would say that there is no such program */
        }
    }
    for (size_t i = 0; i < cfg->nmounts; i++) {
        int err = mount_seal(&cfg->mounts[i]);
        if (err) {
            snprintf(why, n, "cannot make %s read-only in the sandbox: %s",
                     cfg->mounts[i].destination, strerror(-err));
            return -EINVAL;
        }
    }
    return 0;
}
