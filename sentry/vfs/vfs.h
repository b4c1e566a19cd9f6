/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The virtual filesystem: inodes, dentries, mounts, path resolution and open files.
 *
 * Path resolution is driven by the filesystem: the VFS hands it a resolving path (struct vfs_rp)
 * and the filesystem's walk() consumes as many components as it can. It comes back to the VFS at
 * a mount boundary ("cross"), when the walk is done, or with an error. vfs_walk_generic() is
 * the walk for filesystems that keep dentries and answer one component at a time; a filesystem
 * with a wire protocol may resolve many components in one round trip. Mounts are a separate check
 * on contextual state (the current mount), so one dentry tree may be mounted many times.
 *
 * Locks: lock_order.h. VFS_DIR (inode.dir_lock) serialises changes and lookup misses of one
 * directory; VFS_TREE (filesystem.tree_lock) guards dentry links and is never held over a call
 * that may block on a peer.
 */
#ifndef SENTRY_VFS_VFS_H
#define SENTRY_VFS_VFS_H

#include "abi/linux/stat.h"
#include "abi/linux/time.h"
#include "cvisor/list.h"
#include "cvisor/lock.h"
#include "cvisor/refs.h"

#include <stdatomic.h>

struct cred;
struct dentry;
struct epoll_item;
struct file;
struct file_async;
struct file_lock_set;
struct filesystem;
struct inode;
struct iov_iter;
struct linux_statfs;
struct mappable;
struct mm;
struct mount;
struct mount_ns;
struct task;
struct vfs_rp;
struct waiter;
struct waitq;

/* A position in the mount tree. Whether it owns its two references is said where it is used. */
struct vfs_path {
    struct mount *mnt;
    struct dentry *dentry;
};

void vfs_path_get(const struct vfs_path *p);
void vfs_path_put(struct vfs_path *p); /* clears it; NULL members are allowed */

/* ---- filesystem ---------------------------------------------------------------------------- */

/* Unreferenced dentries leave the tree at once (proc: names that come and go by themselves). */
#define FS_NO_DCACHE 1u
/* Names that are known not to exist may be cached as negative dentries. */
#define FS_NEGATIVE_DENTRIES 2u
/* unlink/rmdir may be called with an uninstantiated victim (victim->inode == NULL and flag
 * DENTRY_UNKNOWN): the filesystem removes by name. */
#define FS_UNLINK_BY_NAME 4u
/* Every dentry stays until it is removed (tmpfs: the dentry tree is the data). */
#define FS_PIN_DENTRIES 8u
/* Calls revalidate() on each cached dentry that is walked through. */
#define FS_REVALIDATE 16u

struct fs_ops {
    /* Consumes components of rp (see vfs_rp). 0 = done, VFS_CROSS = the VFS must look at rp->cur
     * (mount, "..", absolute symlink), or -errno. May block. Usually vfs_walk_generic. */
    int (*walk)(struct filesystem *fs, struct vfs_rp *rp);
    int (*statfs)(struct filesystem *fs, struct linux_statfs *out);
    int (*sync)(struct filesystem *fs);
    /* Last reference: no mounts, dentries or inodes are left. Frees priv and fs itself. */
    void (*destroy)(struct filesystem *fs);
    /* What d stands for is gone for good: nothing is mounted there any more, and mount_prune() takes
     * away what is. VFS_MOUNTS is held. NULL: never. */
    bool (*point_is_dead)(struct dentry *d);
    /* Text of mount options for /proc/mounts, with leading comma; may be NULL. */
    void (*show_options)(struct filesystem *fs, char *buf, size_t n);
};

struct filesystem {
    struct ref refs;       /* one for each mount, inode and open use */
    const char *type_name; /* "tmpfs", as in /proc/mounts */
    u64 magic;             /* statfs f_type */
    const struct fs_ops *ops;
    u32 flags;                /* FS_*; immutable */
    u64 dev;                  /* st_dev, set by fs_init */
    u64 max_name;             /* bytes in a name, 255 */
    struct rwlock tree_lock;  /* parent/name/children of every dentry of this filesystem */
    struct mutex rename_lock; /* cross-directory renames */
    atomic_ullong next_ino;   /* fs_new_ino() */
    struct list_head lru;     /* cached dentries that may be evicted, tree_lock (write) */
    u32 lru_count, lru_max;   /* tree_lock */
    /* Children by (parent, name); tree_lock. NULL when fs_init() had no memory: dentries are not
     * cached then, so a filesystem with FS_PIN_DENTRIES must not be used. dentry.c */
    struct dentry_table *_Atomic htable;
    _Atomic u32
        tree_seq; /* odd while tree_lock is held for writing. Only dentry.c locks for writing */
    u32 hcount;   /* hashed dentries; tree_lock */
    atomic_uint active; /* mounts; at 0 every cached dentry is dropped. mount.c */
    void *priv;
};

/* Initialises the common part; refs = 1, a fresh anonymous device number. */
void fs_init(struct filesystem *fs, const char *type_name, u64 magic, const struct fs_ops *ops,
             u32 flags);
void fs_get(struct filesystem *fs);
void fs_put(struct filesystem *fs);
static inline u64 fs_new_ino(struct filesystem *fs)
{
    return atomic_fetch_add_explicit(&fs->next_ino, 1, memory_order_relaxed);
}

/* Registered types for mount(2) and boot. mount() makes a new filesystem with one reference and
 * its root dentry (one reference). source and data are kernel copies, may be NULL. */
struct fs_type {
    const char *name;
    int (*mount)(const char *source, u64 flags, const char *data, struct filesystem **fs,
                 struct dentry **root);
    bool user_mount; /* allowed for CAP_SYS_ADMIN guests through mount(2) */
};
/* Terminated by NULL; lives in vfs/fs_types.c. */
extern const struct fs_type *const g_fs_types[];
const struct fs_type *fs_type_find(const char *name);

/* ---- inode --------------------------------------------------------------------------------- */

/* What setattr changes. */
#define ATTR_MODE 1u
#define ATTR_UID 2u
#define ATTR_GID 4u
#define ATTR_SIZE 8u
#define ATTR_ATIME 16u
#define ATTR_MTIME 32u
#define ATTR_CTIME 64u
/* Only between the syscalls and vfs_setattr(): the times are explicit, not "now" (owner only). */
#define ATTR_TIMES_SET 128u
/* The same: chown(2), which takes the set-id bits away even when it changes nothing. */
#define ATTR_CHOWN 256u
struct iattr {
    u32 valid;
    u32 mode, uid, gid;
    u64 size;
    struct linux_timespec atime, mtime; /* already resolved: UTIME_NOW is done by the VFS */
};

#define MAY_EXEC 1u
#define MAY_WRITE 2u
#define MAY_READ 4u

struct inode_ops {
    /* --- directories. The caller holds dir->dir_lock. Names are valid (no '/', length checked). --- */
    /* d is new: name and parent set, no inode. Sets it with dentry_instantiate(), or leaves it
     * negative and returns 0. -errno for other failures. */
    int (*lookup)(struct inode *dir, struct dentry *d);
    /* The VFS has checked permissions and that d is negative (or unknown). They instantiate d. */
    int (*create)(struct inode *dir, struct dentry *d, u32 mode);
    int (*mkdir)(struct inode *dir, struct dentry *d, u32 mode);
    int (*mknod)(struct inode *dir, struct dentry *d, u32 mode, u64 rdev);
    int (*symlink)(struct inode *dir, struct dentry *d, const char *target);
    int (*link)(struct inode *dir, struct dentry *d, struct inode *target);
    /* The dentry is unhashed by the VFS after success. */
    int (*unlink)(struct inode *dir, struct dentry *d);
    int (*rmdir)(struct inode *dir, struct dentry *d);
    /* Both dir_locks and, across directories, fs->rename_lock are held. newd may be positive (is
     * replaced, or exchanged with RENAME_EXCHANGE). The VFS moves the dentries afterwards. */
    int (*rename)(struct inode *olddir, struct dentry *oldd, struct inode *newdir,
                  struct dentry *newd, u32 flags);
    /* O_TMPFILE: a new unlinked regular inode. */
    int (*tmpfile)(struct inode *dir, u32 mode, struct inode **out);

    /* --- any inode; no VFS locks held unless said --- */
    /* FS_REVALIDATE: 1 = still right, 0 = drop the dentry and look it up again. The parent's dir_lock
     * may be held. For a negative dentry it is the directory's operation that is called. */
    int (*revalidate)(struct dentry *d);
    /* A new kmalloc'ed NUL-terminated string, at most PATH_MAX - 1 bytes. */
    int (*readlink)(struct inode *inode, char **target);
    /* Magic links (/proc/self/fd/3, .../exe): a referenced path, instead of readlink, when walked
     * through. */
    int (*follow)(struct inode *inode, struct vfs_path *out);
    /* Sets up f (fops, private) for an open. Default: f->ops = inode->fops. */
    int (*open)(struct inode *inode, struct dentry *d, struct file *f);
    /* Fills everything. Default: inode_fill_stat. */
    int (*getattr)(struct inode *inode, struct linux_stat *st);
    /* Permission checks are done by the VFS, which holds data_lock; ATTR_SIZE is for regular files
     * only. Changes ctime. Default for fs without backing: inode_set_attr. */
    int (*setattr)(struct inode *inode, const struct iattr *attr);
    /* Default: inode_permission_generic. */
    int (*permission)(struct inode *inode, const struct cred *cred, u32 may);
    ssize_t (*getxattr)(struct inode *inode, const char *name, void *buf, size_t n);
    int (*setxattr)(struct inode *inode, const char *name, const void *buf, size_t n, int flags);
    ssize_t (*listxattr)(struct inode *inode, char *buf, size_t n);
    int (*removexattr)(struct inode *inode, const char *name);
    /* Last reference. Frees the filesystem's own struct in which inode is embedded. */
    void (*destroy)(struct inode *inode);
};

/* Common part; filesystems embed it. */
struct inode {
    struct ref refs;       /* dentries and open files */
    struct filesystem *fs; /* referenced; immutable */
    u64 ino;               /* immutable */
    const struct inode_ops *ops;
    const struct file_ops *fops; /* default for open; may be NULL */
    _Atomic u32 mode, uid, gid;  /* atomic reads; changed under attr_lock */
    _Atomic u32 nlink;           /* attr_lock */
    atomic_ullong size;          /* atomic reads; changed under attr_lock and data_lock */
    atomic_ullong blocks;        /* 512-byte blocks */
    u64 rdev;                    /* immutable: linux dev_t encoding */
    u32 blksize;
    struct linux_timespec atime, mtime, ctime, btime; /* attr_lock */
    struct mutex attr_lock;                           /* rank ATTR */
    struct mutex dir_lock;                            /* rank VFS_DIR; directories: content. */
    /* rank VFS_INODE. The VFS holds it around setattr and, for regular files, file_ops.write and
     * fallocate; filesystems may take it in read. */
    struct mutex data_lock;
    atomic_int writers;        /* > 0: open for writing; < 0: being executed (ETXTBSY) */
    struct mappable *mappable; /* regular files that can be mapped; NULL otherwise. Immutable */
    _Atomic(struct file_lock_set *) locks; /* made on first use, file_lock.c */
    void *ipc; /* pipe of a FIFO, bound socket; owner: that module, under its own lock */
};

/* refs = 1, times = now, nlink = 1, takes a reference to fs. */
void inode_init(struct inode *inode, struct filesystem *fs, u64 ino, u32 mode,
                const struct inode_ops *ops, const struct file_ops *fops);
void inode_get(struct inode *inode);
void inode_put(struct inode *inode);
/* For destroy(): releases what inode_init and the VFS attached (locks, fs reference). */
void inode_fini(struct inode *inode);
void inode_fill_stat(struct inode *inode, struct linux_stat *st);
int inode_set_attr(struct inode *inode, const struct iattr *attr);
/* Which: ATTR_ATIME|ATTR_MTIME|ATTR_CTIME, to the sentry's clock now. */
void inode_touch(struct inode *inode, u32 which);
/* nlink += delta and ctime, under attr_lock. */
void inode_add_nlink(struct inode *inode, int delta);
/* After a read of f: atime by the rules of relatime, O_NOATIME and the mount's flags. */
void file_accessed(struct file *f);
int inode_permission_generic(struct inode *inode, const struct cred *cred, u32 may);
/* Through ops->permission; root capabilities are handled inside. 0 or -EACCES. */
int inode_permission(struct inode *inode, const struct cred *cred, u32 may);
/* current is the owner or has CAP_FOWNER. */
bool inode_owner_or_capable(struct inode *inode, const struct cred *cred);
/* Credentials of current, or the sentry's own (root) on its own threads. Borrowed. */
const struct cred *vfs_cred(void);
/* Owner, group and mode of a new inode: fsuid, fsgid or the directory's group when setgid. */
void inode_init_owner(struct inode *inode, struct inode *dir, u32 mode);
static inline u32 inode_type(struct inode *inode)
{
    return atomic_load_explicit(&inode->mode, memory_order_relaxed) & LINUX_S_IFMT;
}
static inline bool inode_is_dir(struct inode *inode)
{
    return inode_type(inode) == LINUX_S_IFDIR;
}

/* ---- dentry -------------------------------------------------------------------------------- */

#define DENTRY_HASHED 1u       /* in its parent's table; fs->tree_lock */
#define DENTRY_UNKNOWN 2u      /* never looked up: FS_UNLINK_BY_NAME */
#define DENTRY_DEAD 4u         /* removed: getcwd says (deleted), creation inside gives ENOENT */
#define DENTRY_DISCONNECTED 8u /* pipes, sockets, memfds: no parent; path is "name" as it is */

struct dentry {
    /* First, because the allocator writes here when the dentry is free, while a walk without locks
     * may still look at the rest (walk.c). */
    struct list_head lru_node; /* tree_lock */
    struct ref refs; /* users, and each hashed or referenced child; FS_PIN_DENTRIES: plus one */
    struct filesystem *fs; /* immutable */
    struct dentry *parent; /* referenced; NULL for a root. tree_lock (write to change) */
    struct inode *inode; /* referenced; NULL = negative. Set once: dentry_inode() without a lock */
    char *name;          /* tree_lock (write to change), or the parent's dir_lock to read */
    u32 name_len, name_hash;
    _Atomic u32 flags;         /* DENTRY_*; tree_lock to change */
    atomic_bool used;          /* walked through since the last scan for eviction */
    atomic_uint mounts;        /* mounts whose mount point this is (any mount of this fs) */
    struct dentry *hash_next;  /* tree_lock */
    struct list_head sibling;  /* in parent->children; tree_lock */
    struct list_head children; /* tree_lock */
    void *priv;                /* filesystem's own; freed by its inode or release hook */
    char short_name[40];       /* storage of name when it fits */
};

static inline struct inode *dentry_inode(const struct dentry *d)
{
    return __atomic_load_n(&d->inode, __ATOMIC_ACQUIRE);
}

/* A new unhashed negative dentry, one reference. parent may be NULL (root, disconnected). */
struct dentry *dentry_alloc(struct filesystem *fs, struct dentry *parent, const char *name,
                            size_t len);
/* Consumes the caller's inode reference. */
void dentry_instantiate(struct dentry *d, struct inode *inode);
void dentry_get(struct dentry *d);
void dentry_put(struct dentry *d);
/* Makes it visible under its parent. The caller holds the parent's dir_lock. Harmless when it is
 * already; the VFS calls it after lookup, create and the like. Unless FS_NO_DCACHE, a hashed dentry
 * keeps one reference of its own. */
void dentry_hash(struct dentry *d);
/* Harmless when it is not hashed. */
void dentry_unhash(struct dentry *d);
/* For a removed file: unhashes, and DENTRY_DEAD. */
void dentry_kill(struct dentry *d);
/* d takes the place (parent and name) of target, which is left unhashed. Both dir_locks held. */
void dentry_move(struct dentry *d, struct dentry *target);
/* RENAME_EXCHANGE. */
void dentry_exchange(struct dentry *a, struct dentry *b);
/* Referenced parent (itself for a root). */
struct dentry *dentry_parent(struct dentry *d);
/* d is below (or is) ancestor. Takes tree_lock. */
bool dentry_is_below(struct dentry *d, struct dentry *ancestor);
/* Drops every cached dentry of fs that nobody uses (umount, memory pressure). */
void dentry_shrink(struct filesystem *fs);
/* Cached child with a reference, or NULL. Takes tree_lock. */
struct dentry *dentry_find(struct dentry *parent, const char *name, size_t len);
/* The cached child, or lookup() under dir_lock (taken here). A negative dentry is returned as one. */
int dentry_lookup(struct dentry *parent, const char *name, size_t len, struct dentry **out);
/* As above; the caller holds parent->inode->dir_lock. A negative one may be unhashed. */
int dentry_lookup_locked(struct dentry *parent, const char *name, size_t len, struct dentry **out);

/* ---- mounts -------------------------------------------------------------------------------- */

#define MOUNT_RDONLY 1u
#define MOUNT_NOSUID 2u
#define MOUNT_NODEV 4u
#define MOUNT_NOEXEC 8u
#define MOUNT_NOATIME 16u

struct mount {
    struct ref refs;
    struct filesystem *fs; /* referenced; immutable */
    struct dentry *root;   /* referenced; immutable */
    struct mount *parent;  /* VFS_MOUNTS; NULL for the namespace's root and for detached ones */
    struct dentry *point;  /* VFS_MOUNTS; where in parent; referenced */
    atomic_uint flags;     /* MOUNT_* */
    u32 id;
    struct mount_ns *ns;         /* VFS_MOUNTS */
    struct list_head ns_node;    /* VFS_MOUNTS */
    struct list_head children;   /* VFS_MOUNTS */
    struct list_head child_node; /* VFS_MOUNTS */
    struct list_head hash_node;  /* VFS_MOUNTS: by (parent, point) */
    struct list_head mortal;     /* VFS_MOUNTS: of those whose point may die; else empty */
    char *source;                /* for /proc/mounts */
};

/* Takes references of its own to fs and root: the caller of fs_type.mount() still puts its two. */
struct mount *mount_new(struct filesystem *fs, struct dentry *root, u32 flags, const char *source);
void mount_get(struct mount *m);
void mount_put(struct mount *m);
/* The topmost mount on (mnt, point), referenced, or NULL. Fast when point->mounts is 0. */
struct mount *mount_lookup(struct mount *mnt, struct dentry *point);
/* Namespace with its root mount (reference consumed); one reference. NULL: no memory. */
struct mount_ns *mount_ns_new(struct mount *root);
struct mount_ns *mount_ns_copy(struct mount_ns *ns, struct vfs_path *root, struct vfs_path *cwd);
void mount_ns_get(struct mount_ns *ns);
void mount_ns_put(struct mount_ns *ns);
/* Attaches m (reference consumed, also on failure) at a directory or file. */
int mount_attach(struct mount_ns *ns, struct mount *m, const struct vfs_path *at);
/* at is the root of the mount that goes. flags: LINUX_MNT_*. */
int mount_umount(struct mount_ns *ns, const struct vfs_path *at, u32 flags);
/* Takes away mounts on points that have died, in all namespaces. Cheap when no mount is where that
 * can happen. To be called after what makes points die, without locks. */
void mount_prune(void);
/* mount(2): MS_BIND (with MS_REC), MS_MOVE, MS_REMOUNT of the mount whose root is at. */
int mount_bind(struct mount_ns *ns, const struct vfs_path *from, const struct vfs_path *at,
               bool rec);
int mount_move(struct mount_ns *ns, const struct vfs_path *from, const struct vfs_path *at);
int mount_remount(const struct vfs_path *at, u32 flags);
int mount_pivot_root(struct mount_ns *ns, const struct vfs_path *new_root,
                     const struct vfs_path *put_old);
/* The root of the namespace, or what is mounted on it, referenced. */
void mount_ns_root(struct mount_ns *ns, struct vfs_path *out);
/* All mounts of ns, each referenced, in a kmalloc'ed array. -ENOMEM. */
int mount_ns_snapshot(struct mount_ns *ns, struct mount ***out, size_t *count);
/* Where m is mounted, referenced; false for a root or a detached mount. */
bool mount_point_of(struct mount *m, struct vfs_path *out);
/* Some namespace has a mount on d: removal and renames say EBUSY. */
static inline bool dentry_is_mountpoint(const struct dentry *d)
{
    return atomic_load_explicit(&d->mounts, memory_order_acquire) != 0;
}
/* Whole /proc/mounts (or mountinfo) text as seen from root: kmalloc'ed. */
int mount_ns_show(struct mount_ns *ns, const struct vfs_path *root, bool mountinfo, char **out,
                  size_t *len);

/* ---- path resolution ----------------------------------------------------------------------- */

#define RP_FOLLOW 1u    /* follow a symlink in the last component */
#define RP_PARENT 2u    /* stop at the parent of the last component (rp->last) */
#define RP_DIRECTORY 4u /* the result must be a directory */
#define RP_NO_MAGIC 8u  /* openat2 RESOLVE_NO_MAGICLINKS */
#define RP_NO_SYMLINKS 16u
#define RP_BENEATH 32u
#define RP_IN_ROOT 64u
#define RP_NO_XDEV 128u
#define RP_EMPTY_PATH 256u /* "" means the starting point */
#define RP_OPEN 512u       /* a file at the end is going to be opened for reading: a hint */

#define VFS_CROSS 1

enum rp_last { RP_LAST_NORMAL, RP_LAST_DOT, RP_LAST_DOTDOT, RP_LAST_ROOT };

struct vfs_rp {
    const struct cred *cred; /* borrowed */
    struct vfs_path root;    /* borrowed: the task's root, or the starting point for IN_ROOT */
    struct vfs_path start;   /* borrowed; for BENEATH */
    struct vfs_path cur;     /* owned; where we are */
    u32 flags;
    /* Remaining path, NUL-terminated. It points into the caller's copy or into a symlink target
     * owned by rp. Components are taken with vfs_rp_next(). */
    const char *rest;
    u32 next_len; /* of the component that peek returned */
    u32 symlinks; /* followed so far, ELOOP at 40 */
    bool
        jumped; /* cur was set by an absolute or magic link: what is mounted on it is not entered */
    bool owns_root;
    struct fs_context *lender; /* whose root is borrowed, or NULL; fs_context.c */
    char *bufs[41];            /* kmalloc'ed symlink targets joined with what was left */
    u32 nbufs;
    /* With RP_PARENT, at the end: the last component, not looked up. */
    const char *last;
    size_t last_len;
    enum rp_last last_type;
    bool trailing_slash;
};

/* Helpers for walk(): peek the next component without consuming; false at the end of the path. */
bool vfs_rp_peek(struct vfs_rp *rp, const char **name, size_t *len);
/* Consumes what peek returned. */
void vfs_rp_advance(struct vfs_rp *rp);
/* walk() moves: takes over the caller's reference to d and drops the one to the old position. A
 * walk returns VFS_CROSS right after it when dentry_is_mountpoint(d), also at the end of the path;
 * and VFS_CROSS without consuming when the next component is ".." and cur is the root of its mount
 * or rp->root. */
void vfs_rp_move(struct vfs_rp *rp, struct dentry *d);
/* RP_PARENT: records the last component (just peeked) in rp->last; walk() then returns 0. */
void vfs_rp_set_last(struct vfs_rp *rp);
/* A symlink is followed at this (peeked, not yet consumed) component. */
bool vfs_rp_follows(const struct vfs_rp *rp);
/* Consumes the peeked component, whose dentry d (position: a child of cur) is a symlink, and goes
 * where it points. 0, VFS_CROSS or -errno. */
int vfs_rp_follow_link(struct vfs_rp *rp, struct dentry *d);
/* True when the component that peek returned is the last one. */
bool vfs_rp_is_last(const struct vfs_rp *rp);
/* Consumes the peeked component and puts a symlink's target in front of the rest (kmalloc'ed,
 * consumed): 0, VFS_CROSS for an absolute one, -ELOOP, -ENAMETOOLONG. */
int vfs_rp_push_symlink(struct vfs_rp *rp, char *target);
int vfs_walk_generic(struct filesystem *fs, struct vfs_rp *rp);
/* The path that this host thread is walking, for lookups that can fetch more than one component in
 * one request (a hint: peek only, and compare with the name that is looked up); NULL outside a walk. */
extern _Thread_local struct vfs_rp *g_vfs_walking;

/* Resolves path from dirfd (LINUX_AT_FDCWD or a descriptor of current). out is owned by the caller. */
int vfs_resolve(int dirfd, const char *path, u32 flags, struct vfs_path *out);
/* Parent of the last component: rp->cur and rp->last are valid until vfs_rp_done(). */
int vfs_resolve_parent(int dirfd, const char *path, u32 flags, struct vfs_rp *rp);
void vfs_rp_done(struct vfs_rp *rp);
/* From an explicit starting point instead of a descriptor. */
int vfs_resolve_from(const struct vfs_path *start, const char *path, u32 flags,
                     struct vfs_path *out);
/* The starting point of the calls above for RP_EMPTY_PATH and the like. */
int vfs_resolve_parent_from(const struct vfs_path *start, const char *path, u32 flags,
                            struct vfs_rp *rp);
/* Absolute path of p as seen from root into buf[n] (built at its end); returns the start, or
 * ERR: NULL with *err = -ENAMETOOLONG. Unreachable paths get "(unreachable)", dead ones
 * " (deleted)". */
char *vfs_path_name(const struct vfs_path *p, const struct vfs_path *root, char *buf, size_t n,
                    int *err);

/* ---- operations on paths (one for each syscall family; all take kernel copies of paths) ------ */

int vfs_open(int dirfd, const char *path, u32 flags, u32 mode, u32 resolve, struct file **out);
/* execve, interpreter: O_RDONLY with MAY_EXEC, regular, not on a noexec mount. */
int vfs_open_exec(int dirfd, const char *path, u32 rp_flags, struct file **out);
int vfs_stat(const struct vfs_path *p, struct linux_stat *st);
int vfs_setattr(const struct vfs_path *p, struct iattr *attr); /* with permission checks, ctime */
int vfs_truncate(const struct vfs_path *p, u64 len);
int vfs_ftruncate(struct file *f, u64 len);
/* times: [2], tv_nsec may be LINUX_UTIME_NOW or _OMIT; NULL = both now. */
int vfs_utimes(const struct vfs_path *p, const struct linux_timespec *times);
int vfs_fallocate(struct file *f, int mode, u64 off, u64 len);
int vfs_statfs(const struct vfs_path *p, struct linux_statfs *st);
int vfs_mkdir(int dirfd, const char *path, u32 mode);
int vfs_mknod(int dirfd, const char *path, u32 mode, u64 dev);
int vfs_symlink(const char *target, int dirfd, const char *path);
int vfs_link(const struct vfs_path *old, int newdir, const char *newpath);
int vfs_unlink(int dirfd, const char *path);
int vfs_rmdir(int dirfd, const char *path);
int vfs_rename(int olddir, const char *oldp, int newdir, const char *newp, u32 flags);
int vfs_readlink(const struct vfs_path *p, char **target);
int vfs_access(const struct vfs_path *p, u32 may, const struct cred *cred);
/* bind(2) of a unix socket: makes a socket inode and returns its path. */
int vfs_bind_socket(int dirfd, const char *path, u32 mode, struct vfs_path *out);

/* ---- open files ---------------------------------------------------------------------------- */

/* readdir: sink of entries. Embedded by who collects them. */
struct dir_emit {
    bool (*fn)(struct dir_emit *e, const char *name, size_t len, u64 ino, u8 dtype, u64 off);
};
/* False = the buffer is full: stop, the entry was not taken. off = cookie of the NEXT entry. */
bool dir_emit(struct dir_emit *e, const char *name, size_t len, u64 ino, u8 dtype, u64 off);

struct mmap_args; /* sentry/mm/mm.h */

struct file_ops {
    /* Last reference to the description. Frees f->priv. */
    void (*release)(struct file *f);
    /* close() of one descriptor; its errno is close's. May be NULL. */
    int (*flush)(struct file *f);
    /*
     * Seekable files (f->seekable): pread/pwrite at *pos, which they advance; the VFS keeps f->pos
     * (lock FILE_POS). Others get pos == NULL. Return bytes, or -errno; -EAGAIN is for
     * O_NONBLOCK: without it they block with task_block(). rwf: LINUX_RWF_*.
     */
    ssize_t (*read)(struct file *f, struct iov_iter *to, u64 *pos, int rwf);
    ssize_t (*write)(struct file *f, struct iov_iter *from, u64 *pos, int rwf);
    /* Emits entries from f->pos on, with "." and ".." (dir_emit_dots); sets f->pos. FILE_POS is
     * held, no other lock. */
    int (*iterate)(struct file *f, struct dir_emit *e);
    /* NULL = generic: SET, CUR, END with inode->size, DATA/HOLE as one extent. */
    s64 (*llseek)(struct file *f, s64 off, int whence);
    s64 (*ioctl)(struct file *f, u32 cmd, u64 arg);
    /* Fills a->mappable (or leaves it and clears a->file: anonymous), a->off as needed, may restrict
     * a->max_prot. May put another file into a->file, whose reference the caller drops at the end.
     * NULL = -ENODEV. */
    int (*mmap)(struct file *f, struct mmap_args *a);
    /* LINUX_POLL* that are ready now. NULL = always readable and writable. Must not block. */
    u32 (*poll)(struct file *f);
    /* Where changes of readiness are notified; NULL = never changes. */
    struct waitq *(*waitq)(struct file *f);
    int (*fsync)(struct file *f, bool data_only, u64 start, u64 end);
    int (*fallocate)(struct file *f, int mode, u64 off, u64 len);
    /* F_SETFL changed f->flags (O_NONBLOCK, O_DIRECT, O_ASYNC). May be NULL. */
    int (*setfl)(struct file *f, u32 flags);
    /* splice() and sendfile() to it are refused: it takes no part of what is written. */
    bool no_splice;
    /* Extra lines of /proc/PID/fdinfo. May be NULL. */
    void (*show_fdinfo)(struct file *f, char *buf, size_t n);
};

struct file {
    struct ref refs;
    const struct file_ops *ops; /* immutable after open */
    struct vfs_path path;       /* owned; always set (disconnected dentry for pipes and the like) */
    struct inode *inode; /* = path.dentry->inode, or the upper inode of an overlay; referenced */
    _Atomic u32 flags;   /* LINUX_O_* status and access mode; not O_CLOEXEC */
    bool seekable;       /* immutable after open */
    bool readable, writable;          /* from the access mode; false for O_PATH. Immutable */
    bool deny_write;                  /* opened for exec: holds off writers. Owner: open.c */
    bool counted_writer;              /* in inode->writers. Owner: open.c */
    u64 pos;                          /* pos_lock */
    struct mutex pos_lock;            /* FILE_POS */
    struct cred *cred;                /* of the opener; referenced */
    struct mutex ep_lock;             /* rank LEAF; guards ep_items */
    struct list_head ep_items;        /* epoll_item.file_node: removed when the file is released */
    _Atomic s32 owner;                /* F_SETOWN: > 0 pid, < 0 group, 0 none */
    struct file_async *_Atomic async; /* O_ASYNC is on; file_async.c */
    _Atomic s32 owner_sig;            /* F_SETSIG */
    u64 ra_pos;                       /* sequential read detection; owner: the filesystem */
    void *priv;                       /* owner: ops */
};

/* A file for an inode without a name in a tree ("pipe:[12]", "anon_inode:[eventfd]"): consumes the
 * inode reference. flags as in open(2). */
int file_new_anon(struct inode *inode, const char *name, const struct file_ops *ops, void *priv,
                  u32 flags, struct file **out);
/* Owner: epoll. Called by the last file_put() when ep_items is not empty: takes the items out. */
void epoll_file_release(struct file *f);
/* For open(): path reference is taken (not consumed). NULL: no memory. The inode's open() may
 * replace f->inode (dropping the reference to the old one). */
struct file *file_alloc(const struct vfs_path *path, u32 flags);
/* The filesystem of anonymous inodes; file_new_anon() callers that need no inode of their own use
 * anon_inode_new(mode). */
struct inode *anon_inode_new(u32 mode);
/* For modules that embed struct inode in an anonymous object of their own. Borrowed. */
struct filesystem *anon_filesystem(void);
void file_get(struct file *f);
void file_put(struct file *f);

/* Checks access mode, seals pos handling (seekable: pos_lock), fsnotify-free. */
ssize_t file_read(struct file *f, struct iov_iter *to, int rwf);
ssize_t file_write(struct file *f, struct iov_iter *from, int rwf);
/* -ESPIPE when not seekable. */
ssize_t file_pread(struct file *f, struct iov_iter *to, u64 pos, int rwf);
ssize_t file_pwrite(struct file *f, struct iov_iter *from, u64 pos, int rwf);
/* Kernel buffers: loader, splice. */
ssize_t file_pread_kernel(struct file *f, void *buf, size_t n, u64 pos);
ssize_t file_pwrite_kernel(struct file *f, const void *buf, size_t n, u64 pos);
/* All entries from f->pos, under pos_lock: 0 or -errno (ENOTDIR). */
int file_iterate(struct file *f, struct dir_emit *e);
/* "." (pos 0) and ".." (pos 1): true when both are out and the filesystem's own come next, from
 * cookie 2 on. */
bool dir_emit_dots(struct file *f, struct dir_emit *e);
s64 file_llseek(struct file *f, s64 off, int whence);
/* f->pos at some moment, for who may not wait for pos_lock: a read that waits may hold it. */
u64 file_pos_now(const struct file *f);
/* The generic llseek, for filesystems that wrap it: size = end of file. pos_lock is held. */
s64 file_llseek_size(struct file *f, s64 off, int whence, u64 size);
/* Sleeps until one of mask (LINUX_POLL*, ERR and HUP always) is ready: 0, -ERESTARTSYS, -ETIMEDOUT
 * (deadline: CLOCK_MONOTONIC ns, TASK_FOREVER). */
int file_wait(struct file *f, u32 mask, u64 deadline);
int file_fsync(struct file *f, bool data_only, u64 start, u64 end);
/* O_ASYNC was switched; fd is told to the signal's handler. */
int file_async_set(struct file *f, int fd, bool on);
/* An interpreter: it may be written again (files opened by vfs_open_exec). */
void file_allow_write(struct file *f);
/* close() of a descriptor: the POSIX locks of that table on the file go. */
struct fdtable;
void file_locks_release_posix(struct file *f, struct fdtable *ft);
static inline u32 file_poll(struct file *f)
{
    return f->ops->poll ? f->ops->poll(f) : 0x145u; /* POLLIN|POLLOUT|POLLRDNORM|POLLWRNORM */
}
static inline struct waitq *file_waitq(struct file *f)
{
    return f->ops->waitq ? f->ops->waitq(f) : NULL;
}
static inline bool file_nonblock(struct file *f)
{
    return (atomic_load_explicit(&f->flags, memory_order_relaxed) & 04000u) != 0; /* O_NONBLOCK */
}

#endif
