/* SPDX-License-Identifier: Apache-2.0 */
/* gofer: changes of directories. The VFS holds dir_lock (both of them for a rename). */
#include "sentry/fs/gofer/gofer_fs.h"

#include "abi/linux/fcntl.h"
#include "abi/linux/limits.h"
#include "cvisor/host.h"
#include "cvisor/kcache.h"

#include <errno.h>
#include <string.h>

static struct p9_client *client_of(struct inode *dir)
{
    return gofer_fs_of(dir->fs)->client;
}

/* The fid of a directory that is about to be changed. */
static int dir_fid(struct inode *dir, u32 *fid)
{
    int rc = gofer_inode_fid_ensure(gofer_inode_of(dir));

    gofer_changing(gofer_fs_of(dir->fs));
    *fid = atomic_load(&gofer_inode_of(dir)->fid);
    return rc;
}

/* The content of dir changed; subdirs: how many directories more it has. */
static void dir_changed(struct inode *dir, int subdirs)
{
    gofer_listing_drop(gofer_inode_of(dir));
    gofer_changing(gofer_fs_of(dir->fs));
    inode_touch(dir, ATTR_MTIME | ATTR_CTIME);
    /* Filesystems that don't count (btrfs) say 1. */
    if (subdirs && atomic_load(&dir->nlink) >= 2)
        inode_add_nlink(dir, subdirs);
}

/* Gives d the inode that was just made. */
static int made(struct inode *dir, struct dentry *d, const struct p9_attr *a,
                struct gofer_inode **out)
{
    struct gofer_inode *gi = gofer_inode_get(gofer_fs_of(dir->fs), a, gofer_inode_of(dir), d->name,
                                             d->name_len);

    if (!gi)
        return -ENOMEM;
    dentry_instantiate(d, &gi->inode);
    if (out)
        *out = gi;
    dir_changed(dir, inode_is_dir(&gi->inode) ? 1 : 0);
    return 0;
}

struct owner {
    u32 uid, gid, mode;
};

static struct owner new_owner(struct inode *dir, u32 mode)
{
    struct inode tmp;

    inode_init_owner(&tmp, dir, mode);
    return (struct owner){atomic_load(&tmp.uid), atomic_load(&tmp.gid), atomic_load(&tmp.mode)};
}

static int dir_create(struct inode *dir, struct dentry *d, u32 mode)
{
    struct owner o = new_owner(dir, mode);
    struct gofer_inode *gi;
    struct p9c_opened op;
    struct linux_stat st;
    u32 fid;
    int rc = dir_fid(dir, &fid);

    if (rc == 0)
        rc = p9c_create(client_of(dir), fid, d->name, P9_NOFID, LINUX_O_RDWR, o.mode, o.uid, o.gid,
                        &op);
    if (rc < 0)
        return rc;
    if (!LINUX_S_ISREG(op.attr.mode) ||
        (op.hostfd >= 0 && (host_fstat(op.hostfd, &st) < 0 || !LINUX_S_ISREG(st.st_mode))))
        rc = p9c_garbage(client_of(dir), "created something else");
    if (rc == 0)
        rc = made(dir, d, &op.attr, &gi);
    if (rc < 0) {
        if (op.hostfd >= 0)
            host_close(op.hostfd);
        return rc;
    }
    if (op.hostfd >= 0)
        gofer_file_created(gofer_file_of(&gi->inode), op.hostfd);
    return 0;
}

static int make(struct inode *dir, struct dentry *d, u32 mode, const char *target,
                struct gofer_inode **out)
{
    struct owner o = new_owner(dir, mode);
    struct p9_attr attr;
    u32 fid;
    int rc = dir_fid(dir, &fid);

    if (rc == 0)
        rc = p9c_make(client_of(dir), fid, d->name, o.mode, o.uid, o.gid, target, &attr);
    if (rc == 0 && (attr.mode & LINUX_S_IFMT) != (mode & LINUX_S_IFMT))
        rc = p9c_garbage(client_of(dir), "made something else");
    return rc < 0 ? rc : made(dir, d, &attr, out);
}

static int dir_mkdir(struct inode *dir, struct dentry *d, u32 mode)
{
    return make(dir, d, mode, "", NULL);
}

static int dir_mknod(struct inode *dir, struct dentry *d, u32 mode, u64 rdev)
{
    u32 type = mode & LINUX_S_IFMT;

    /* Device nodes would be the host's. */
    if (type == LINUX_S_IFCHR || type == LINUX_S_IFBLK)
        return -EPERM;
    return make(dir, d, mode, "", NULL);
}

static int dir_symlink(struct inode *dir, struct dentry *d, const char *target)
{
    struct gofer_inode *gi;
    int rc;

    if (strlen(target) > P9_TARGET_MAX)
        return -ENAMETOOLONG;
    rc = make(dir, d, LINUX_S_IFLNK | 0777, target, &gi);
    if (rc == 0)
        atomic_store(&gi->target, kstrdup(target)); /* NULL: it will be asked for */
    return rc;
}

static int dir_link(struct inode *dir, struct dentry *d, struct inode *target)
{
    struct gofer_inode *gi = gofer_inode_of(target);
    u32 dfid, fid;
    int rc = dir_fid(dir, &dfid);

    if (rc == 0)
        rc = gofer_inode_fid_get(gi, &fid);
    if (rc < 0)
        return rc;
    /* Counted first: the last of the other names may go while the server makes this one. */
    inode_add_nlink(target, 1);
    rc = p9c_link(client_of(dir), dfid, fid, d->name);
    gofer_inode_fid_put(gi, fid);
    if (rc < 0) {
        inode_add_nlink(target, -1);
        if (atomic_load(&target->nlink) == 0)
            gofer_inode_forget(gi);
        return rc;
    }
    inode_get(target);
    dentry_instantiate(d, target);
    dir_changed(dir, 0);
    return 0;
}

/*
 * Before a name of inode goes: whoever still uses the inode afterwards needs a fid. The dentry that
 * is removed holds one reference.
 */
static int keep_reachable(struct inode *inode)
{
    if (!inode || inode_is_dir(inode) || ref_read(&inode->refs) <= 1)
        return 0;
    return gofer_inode_fid_ensure(gofer_inode_of(inode));
}

/* After the name dir/name of inode went. */
static void name_gone(struct inode *dir, const char *name, struct inode *inode)
{
    struct gofer_inode *gi = gofer_inode_of(inode);
    struct gofer_fs *gfs = gofer_inode_fs(gi);

    if (inode_is_dir(inode)) {
        mutex_lock(&inode->attr_lock);
        atomic_store(&inode->nlink, 0);
        mutex_unlock(&inode->attr_lock);
    } else if (atomic_load(&inode->nlink) > 0) {
        inode_add_nlink(inode, -1);
    }
    if (atomic_load(&inode->nlink) == 0)
        gofer_inode_forget(gi);
    rwlock_wrlock(&gfs->place_lock);
    if (gofer_place_is_locked(gi, gofer_inode_of(dir), name))
        gofer_place_set_locked(gi, NULL, NULL, 0);
    rwlock_wrunlock(&gfs->place_lock);
}

static int remove_name(struct inode *dir, struct dentry *d, u32 flags)
{
    struct inode *inode = dentry_inode(d); /* NULL: removed without ever being looked up */
    u32 fid;
    int rc = dir_fid(dir, &fid);

    if (rc == 0)
        rc = keep_reachable(inode);
    gofer_ahead_clear_files(gofer_fs_of(dir->fs));
    gofer_ahead_clear_lists(gofer_fs_of(dir->fs));
    if (rc == 0)
        rc = p9c_unlinkat(client_of(dir), fid, d->name, flags);
    if (rc < 0)
        return rc;
    if (inode)
        name_gone(dir, d->name, inode);
    dir_changed(dir, flags ? -1 : 0);
    return 0;
}

static int dir_unlink(struct inode *dir, struct dentry *d)
{
    return remove_name(dir, d, 0);
}

static int dir_rmdir(struct inode *dir, struct dentry *d)
{
    return remove_name(dir, d, LINUX_AT_REMOVEDIR);
}

/* inode was at from/old and is at to/new now. place_lock is held for writing. */
static void place_move_locked(struct inode *inode, struct inode *from, const char *old,
                              struct inode *to, const char *new)
{
    struct gofer_inode *gi = gofer_inode_of(inode);

    if (!gofer_place_is_locked(gi, gofer_inode_of(from), old))
        return; /* known by another link */
    if (gofer_place_set_locked(gi, gofer_inode_of(to), new, strlen(new)) < 0)
        gofer_place_set_locked(gi, NULL, NULL, 0);
}

static int dir_rename(struct inode *olddir, struct dentry *oldd, struct inode *newdir,
                      struct dentry *newd, u32 flags)
{
    struct gofer_fs *gfs = gofer_fs_of(olddir->fs);
    struct inode *inode = dentry_inode(oldd), *victim = dentry_inode(newd);
    bool exchange = flags & LINUX_RENAME_EXCHANGE;
    int moved_dirs = 0, new_dirs = 0;
    u32 oldfid = 0, newfid = 0;
    int rc;

    if (flags & ~(u32)(LINUX_RENAME_NOREPLACE | LINUX_RENAME_EXCHANGE))
        return -EINVAL;
    rc = dir_fid(olddir, &oldfid);
    if (rc == 0)
        rc = dir_fid(newdir, &newfid);
    if (rc == 0 && !exchange)
        rc = keep_reachable(victim);
    if (rc < 0)
        return rc;
    gofer_ahead_clear_files(gfs);
    gofer_ahead_clear_lists(gfs);
    /* Nobody may name a file by its place while it moves. */
    rwlock_wrlock(&gfs->place_lock);
    rc = p9c_rename(gfs->client, oldfid, oldd->name, newfid, newd->name, flags);
    if (rc == 0) {
        place_move_locked(inode, olddir, oldd->name, newdir, newd->name);
        if (exchange)
            place_move_locked(victim, newdir, newd->name, olddir, oldd->name);
        else if (victim &&
                 gofer_place_is_locked(gofer_inode_of(victim), gofer_inode_of(newdir), newd->name))
            gofer_place_set_locked(gofer_inode_of(victim), NULL, NULL, 0);
    }
    rwlock_wrunlock(&gfs->place_lock);
    if (rc < 0)
        return rc;
    if (inode_is_dir(inode))
        moved_dirs--, new_dirs++;
    if (victim && inode_is_dir(victim)) {
        new_dirs--;
        if (exchange)
            moved_dirs++;
    }
    if (victim && !exchange)
        name_gone(newdir, newd->name, victim);
    inode_touch(inode, ATTR_CTIME);
    if (olddir == newdir) {
        dir_changed(olddir, moved_dirs + new_dirs);
    } else {
        dir_changed(olddir, moved_dirs);
        dir_changed(newdir, new_dirs);
    }
    return 0;
}

const struct inode_ops g_gofer_dir_ops = {
    .lookup = gofer_lookup,
    .create = dir_create,
    .mkdir = dir_mkdir,
    .mknod = dir_mknod,
    .symlink = dir_symlink,
    .link = dir_link,
    .unlink = dir_unlink,
    .rmdir = dir_rmdir,
    .rename = dir_rename,
    .setattr = gofer_setattr,
    .getxattr = gofer_getxattr,
    .setxattr = gofer_setxattr,
    .listxattr = gofer_listxattr,
    .removexattr = gofer_removexattr,
    .destroy = gofer_inode_destroy,
};
