/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of the overlay filesystem: a writable layer in memory (upper, a tmpfs nobody else uses)
 * over a read-only one (lower). README.md has the model.
 *
 * Locks of an overlay inode: dir_lock has rank OVERLAY_DIR, data_lock has rank OVERLAY_COPYUP and
 * is the copy-up lock: whoever gives the inode an upper, or takes its name while it may have none,
 * holds it. Descendant before ancestor. The locks of the layers come after both.
 */
#ifndef SENTRY_FS_OVERLAY_OVERLAY_H
#define SENTRY_FS_OVERLAY_OVERLAY_H

#include "abi/linux/stat.h"
#include "sentry/vfs/vfs.h"

#define OVL_LIVE_BUCKETS 1024u
#define OVL_MARK_BUCKETS 2048u
#define OVL_DENTRIES_MAX 8192u
/* In the inode numbers of what was born in upper. Small enough for a double. */
#define OVL_INO_UPPER (1ull << 51)

struct ovl_fs {
    struct filesystem fs;
    struct filesystem *upper, *lower;         /* referenced; immutable */
    struct dentry *upper_root, *lower_root;   /* referenced; immutable */
    struct mutex table_lock;                  /* rank LEAF; the tables */
    struct list_head live[OVL_LIVE_BUCKETS];  /* ovl_inode.live_node by upper inode number */
    struct list_head marks[OVL_MARK_BUCKETS]; /* ovl_mark.node by upper inode number */
    atomic_uint nmarks;                       /* changed under table_lock */
};

/* What an upper inode was copied up from. Lives as long as the upper inode has a name or is in use:
 * an upper directory without one hides whatever lower has in its place. */
struct ovl_mark {
    struct list_head node; /* table_lock */
    u64 upper_ino;         /* immutable */
    struct dentry *lower;  /* referenced; immutable */
};

/*
 * One file, in upper, lower or both. Without an upper it has exactly one name, that of its lower
 * dentry in parent, since renames and links copy up first.
 */
struct ovl_inode {
    struct inode inode;
    struct list_head live_node;    /* table_lock; in fs.live when there is an upper */
    _Atomic(struct inode *) upper; /* referenced; set once, under the copy-up lock */
    struct dentry *udentry;        /* directories: upper's dentry; set before upper; referenced */
    struct dentry *lower;          /* referenced; NULL = born in upper. Immutable */
    struct ovl_inode *parent;      /* referenced; of what was found in lower. Immutable */
    atomic_bool removed;           /* lost its name while it had no upper; copy-up lock to change */
};

/* In dentry.priv of overlay dentries: lower is known to have nothing of this name here. Guarded by
 * the parent's dir_lock. */
#define OVL_NO_LOWER ((void *)1)

static inline struct ovl_fs *ovl_fs_of(struct filesystem *fs)
{
    return container_of(fs, struct ovl_fs, fs);
}

static inline struct ovl_inode *ovl_i(struct inode *inode)
{
    return container_of(inode, struct ovl_inode, inode);
}

static inline struct ovl_fs *ovl_inode_fs(struct ovl_inode *oi)
{
    return ovl_fs_of(oi->inode.fs);
}

static inline struct inode *ovl_upper(struct ovl_inode *oi)
{
    return atomic_load_explicit(&oi->upper, memory_order_acquire);
}

/* The inode that has the data and attributes now. */
static inline struct inode *ovl_real(struct ovl_inode *oi)
{
    struct inode *u = ovl_upper(oi);

    return u ? u : dentry_inode(oi->lower);
}

static inline bool ovl_is_whiteout(struct inode *inode)
{
    return inode->rdev == 0 && inode_type(inode) == LINUX_S_IFCHR;
}

/* --- inode.c --- */
/* Uninitialised memory for ovl_inode_of_upper(), so that it cannot fail; NULL = no memory. */
struct ovl_inode *ovl_inode_alloc(void);
void ovl_inode_free(struct ovl_inode *oi);
/* The inode of an upper one, referenced: the live one, or fresh (taken over in any case). ud is its
 * dentry when it is a directory, else may be NULL. */
struct ovl_inode *ovl_inode_of_upper(struct ovl_fs *o, struct inode *upper, struct dentry *ud,
                                     struct ovl_inode *fresh);
/* The inode of a lower dentry (taken over) that is not in upper; parent NULL: the root. */
struct ovl_inode *ovl_inode_of_lower(struct ovl_fs *o, struct dentry *lower,
                                     struct ovl_inode *parent, struct ovl_inode *fresh);
/* Copy-up: oi has this upper from now on (reference taken over; ud's too, may be NULL), and the
 * mark (taken over, may be NULL). The copy-up lock is held. */
void ovl_inode_set_upper(struct ovl_inode *oi, struct inode *upper, struct dentry *ud,
                         struct ovl_mark *mark);
/* st_ino of oi, and of an upper inode that is known by its number only. */
u64 ovl_ino(struct ovl_inode *oi);
u64 ovl_ino_of_upper(struct ovl_fs *o, u64 upper_ino);
struct ovl_mark *ovl_mark_alloc(struct dentry *lower);
void ovl_mark_free(struct ovl_mark *m);

/* --- attr.c --- */
/* Takes owner, mode, nlink and size over from the real inode, for permission checks. */
void ovl_sync_attrs(struct ovl_inode *oi);
int ovl_getattr(struct inode *inode, struct linux_stat *st);
int ovl_setattr(struct inode *inode, const struct iattr *attr);
/* setattr of an inode of a layer, with its data_lock. */
int ovl_real_setattr(struct inode *real, const struct iattr *attr);
ssize_t ovl_getxattr(struct inode *inode, const char *name, void *buf, size_t n);
int ovl_setxattr(struct inode *inode, const char *name, const void *buf, size_t n, int flags);
ssize_t ovl_listxattr(struct inode *inode, char *buf, size_t n);
int ovl_removexattr(struct inode *inode, const char *name);

/* --- copyup.c --- */
/*
 * Gives oi an upper, and its ancestors before it. No more than limit bytes of data are copied (a
 * truncation follows). locked: the caller holds the copy-up lock.
 */
int ovl_copy_up(struct ovl_inode *oi, u64 limit, bool locked);
/* A file of a layer for the overlay's own use, without any checks. */
int ovl_open_real(struct dentry *d, u32 flags, struct file **out);

/* --- upper.c: changes of upper's directories; they take upper's dir_locks --- */
struct ovl_new {
    u32 mode; /* with the type */
    u64 rdev;
    const char *target; /* S_IFLNK */
    struct inode *link; /* another name for this upper inode; the rest is ignored */
    bool keep_times;    /* of the directory */
};
/* The referenced child, which may be a whiteout, or NULL. */
struct dentry *ovl_upper_find(struct dentry *dir, const char *name, size_t len);
/* A whiteout of the name is replaced. *out is referenced, may be NULL. */
int ovl_upper_make(struct dentry *dir, const char *name, size_t len, const struct ovl_new *what,
                   struct dentry **out);
int ovl_upper_remove(struct dentry *dir, const char *name, size_t len);
/* flags: LINUX_RENAME_EXCHANGE or 0. What is at the new name goes. */
int ovl_upper_rename(struct dentry *olddir, const char *oldname, size_t oldlen,
                     struct dentry *newdir, const char *newname, size_t newlen, u32 flags);
int ovl_whiteout(struct dentry *dir, const char *name, size_t len);
/* A whiteout where something has to leave first: made under no real name beforehand, so that
 * nothing can fail in between. The overlay directory's dir_lock is held throughout. */
int ovl_whiteout_prepare(struct dentry *dir);
int ovl_whiteout_place(struct dentry *dir, const char *name, size_t len);
void ovl_whiteout_cancel(struct dentry *dir);

/* --- dir.c --- */
extern const struct inode_ops g_ovl_dir_ops;
/* Lower has something called like d in dir (whose dir_lock is held): 1, 0 or -errno. */
int ovl_lower_has(struct ovl_inode *dir, struct dentry *d);

/* --- rename.c --- */
int ovl_rename(struct inode *olddir, struct dentry *oldd, struct inode *newdir, struct dentry *newd,
               u32 flags);

/* --- readdir.c --- */
extern const struct file_ops g_ovl_dir_fops;
int ovl_dir_open(struct inode *inode, struct dentry *d, struct file *f);
/* 0 = nothing is visible in it, -ENOTEMPTY or -errno. */
int ovl_dir_empty(struct ovl_inode *dir);
/* Removes the whiteouts in a directory of upper where nothing else is left. */
int ovl_dir_clear(struct dentry *udir);

/* --- file.c --- */
extern const struct inode_ops g_ovl_file_ops, g_ovl_link_ops, g_ovl_special_ops;
void ovl_inode_destroy(struct inode *inode);

#endif
