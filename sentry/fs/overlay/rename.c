/* SPDX-License-Identifier: Apache-2.0 */
/*
 * overlay: rename. What moves is copied up first; a directory only as itself, for its mark leads to
 * the lower directory whatever the names are.
 */
#include "sentry/fs/overlay/overlay.h"

#include "abi/linux/fcntl.h"

#include <errno.h>

struct rename {
    struct ovl_inode *olddir, *newdir;
    struct dentry *oldd, *newd;
    struct ovl_inode *victim; /* of newd: it goes; or NULL */
    u32 flags;
};

static int copy_up_all(const struct rename *r)
{
    int err = ovl_copy_up(r->olddir, ~0ull, false);

    if (!err)
        err = ovl_copy_up(r->newdir, ~0ull, false);
    if (!err)
        err = ovl_copy_up(ovl_i(r->oldd->inode), ~0ull, false);
    if (!err && (r->flags & LINUX_RENAME_EXCHANGE))
        err = ovl_copy_up(ovl_i(r->newd->inode), ~0ull, false);
    return err;
}

/* The victim's copy-up lock is held. */
static int move(const struct rename *r)
{
    struct dentry *from = r->olddir->udentry, *to = r->newdir->udentry;
    int has = 0, err = 0;

    if (!(r->flags & LINUX_RENAME_EXCHANGE)) {
        /* oldd itself has an upper by now, and would hide what is in lower. */
        has = ovl_lower_has(r->olddir, r->oldd);
        if (has < 0)
            return has;
    }
    if (has)
        err = ovl_whiteout_prepare(from);
    if (err)
        return err;
    if (r->victim && r->victim->udentry)
        err = ovl_dir_clear(r->victim->udentry);
    if (!err)
        err = ovl_upper_rename(from, r->oldd->name, r->oldd->name_len, to, r->newd->name,
                               r->newd->name_len, r->flags & LINUX_RENAME_EXCHANGE);
    if (has && err)
        ovl_whiteout_cancel(from);
    else if (has)
        err = ovl_whiteout_place(from, r->oldd->name, r->oldd->name_len);
    return err;
}

/* What is known of lower belongs to the place, not to the dentry. */
static void move_knowledge(const struct rename *r)
{
    void *known = r->oldd->priv;

    r->oldd->priv = r->newd->priv;
    if (r->flags & LINUX_RENAME_EXCHANGE)
        r->newd->priv = known;
}

int ovl_rename(struct inode *olddir, struct dentry *oldd, struct inode *newdir, struct dentry *newd,
               u32 flags)
{
    struct rename r = {ovl_i(olddir), ovl_i(newdir), oldd, newd, NULL, flags};
    bool exchange = flags & LINUX_RENAME_EXCHANGE;
    int err;

    if (flags & ~(u32)(LINUX_RENAME_NOREPLACE | LINUX_RENAME_EXCHANGE))
        return -EINVAL;
    if (newd->inode && !exchange) {
        r.victim = ovl_i(newd->inode);
        err = inode_is_dir(newd->inode) ? ovl_dir_empty(r.victim) : 0;
        if (err)
            return err;
    }
    err = copy_up_all(&r);
    if (err)
        return err;
    if (r.victim)
        mutex_lock(&r.victim->inode.data_lock);
    err = move(&r);
    if (!err)
        move_knowledge(&r);
    if (!err && r.victim && !ovl_upper(r.victim))
        r.victim->removed = true;
    if (r.victim) {
        mutex_unlock(&r.victim->inode.data_lock);
        ovl_sync_attrs(r.victim);
    }
    ovl_sync_attrs(ovl_i(oldd->inode));
    ovl_sync_attrs(r.olddir);
    ovl_sync_attrs(r.newdir);
    return err;
}
