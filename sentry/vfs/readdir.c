/* SPDX-License-Identifier: Apache-2.0 */
/* Reading directories. */
#include "abi/linux/dirent.h"
#include "sentry/vfs/vfs.h"

#include <errno.h>

bool dir_emit(struct dir_emit *e, const char *name, size_t len, u64 ino, u8 dtype, u64 off)
{
    return e->fn(e, name, len, ino, dtype, off);
}

bool dir_emit_dots(struct file *f, struct dir_emit *e)
{
    if (f->pos == 0) {
        if (!dir_emit(e, ".", 1, f->inode->ino, LINUX_DT_DIR, 1))
            return false;
        f->pos = 1;
    }
    if (f->pos == 1) {
        struct dentry *parent = dentry_parent(f->path.dentry);
        bool more = dir_emit(e, "..", 2, dentry_inode(parent)->ino, LINUX_DT_DIR, 2);

        dentry_put(parent);
        if (!more)
            return false;
        f->pos = 2;
    }
    return true;
}

int file_iterate(struct file *f, struct dir_emit *e)
{
    int err;

    if (!f->ops->iterate || !inode_is_dir(f->inode))
        return -ENOTDIR;
    mutex_lock(&f->pos_lock);
    if (f->path.dentry->flags & DENTRY_DEAD)
        err = -ENOENT;
    else
        err = f->ops->iterate(f, e);
    mutex_unlock(&f->pos_lock);
    return err;
}
