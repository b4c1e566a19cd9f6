/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of the gofer filesystem.
 *
 * An inode needs no fid to be known: attributes come with walks and listings. Directories get one when
 * something is done in them and keep it; other files are reached through their place (parent inode
 * and name), and get one for a moment, or for good when they lose their last name while in use.
 *
 * Locks, in the order of their ranks: dir_lock and data_lock of the VFS; map_lock of a file
 * (FILE_DATA); place_lock (GOFER_FID), held for reading around requests that name a file by its
 * place, for writing around those that move one; LEAF: table_lock, fd_lock, listing_lock.
 */
#ifndef SENTRY_FS_GOFER_GOFER_FS_H
#define SENTRY_FS_GOFER_GOFER_FS_H

#include "sentry/fs/gofer/p9_client.h"
#include "sentry/mm/memory_file.h"
#include "sentry/mm/mm.h"
#include "sentry/vfs/vfs.h"

#define GOFER_TABLE_SIZE 4096u
#define GOFER_DENTRIES_MAX 4096u
#define GOFER_IDLE_FDS_MAX 128u            /* files whose host descriptors stay open unused */
#define GOFER_LISTING_BYTES_MAX (1u << 20) /* of cached listings */
#define GOFER_AHEAD_BYTES_MAX (1u << 20)   /* of listings that nobody has asked for yet */
#define GOFER_AHEAD_BUCKETS 256u
#define GOFER_AHEAD_FDS 64u      /* descriptors that nobody has asked for yet */
#define GOFER_ATTRS_CREDIT 8u    /* listings with attributes that may go unused in a row */
#define GOFER_PREFETCH_MAX 1024u /* entries of a listing that become dentries */
#define GOFER_DEVS_MAX 16u
#define GOFER_MISSES_WITHOUT_FID 4u

/* Who is authoritative for attributes and names. */
enum gofer_interop {
    /* Nobody but this sandbox changes the tree: everything is cached, absence too; timestamps of
     * reads and writes are ours and are not written back. */
    GOFER_EXCLUSIVE,
};

/* What is in a directory: entries as they came (p9_get_listent), and where each begins. */
struct gofer_listing {
    struct ref refs;
    struct gofer_inode *cached_in; /* listing_lock */
    struct list_head ahead_node;   /* listing_lock: in its bucket of fs.ahead */
    struct list_head fifo_node;    /* listing_lock */
    u64 dev, ino;                  /* of the directory; immutable, as what follows */
    u64 gen;                       /* fs.gen before it was read */
    u64 ino_bits;                  /* gofer_ino() of this device for number 0 */
    bool attrs;                    /* of all entries, not of directories only */
    u32 n, n_max;
    u32 *offsets; /* of entries in text; kmalloc'ed */
    u8 *text;     /* kmalloc'ed */
    size_t len, text_max;
    u32 next;   /* where the next name is looked for first; dir_lock */
    u32 misses; /* names without attributes that were asked for; dir_lock */
    u32 *index; /* hash table of entry numbers + 1; NULL = not made yet; dir_lock */
    u32 index_mask;
    atomic_uint dir_next; /* the entry after the last directory that was listed by request */
    atomic_uint dir_end;  /* the entry after the last one that was asked for with it */
    /* The entry after the last one whose file was opened by request, while open_epoch is the filesystem's. */
    atomic_uint open_next, open_epoch;
};

/* Requests that were sent ahead, and whose answers nobody has waited for yet. */
struct gofer_sent {
    struct p9c_slot *slot; /* NULL = none */
    u32 n;                 /* files */
    u32 flags;             /* of listings */
    u64 gen;               /* of listings: fs.gen before it was sent */
};

/* A descriptor that came with others. */
struct gofer_ahead_fd {
    u64 dev, ino;
    int fd;
};

struct gofer_fs {
    struct filesystem fs;
    struct p9_client *client;                 /* immutable */
    enum gofer_interop mode;                  /* immutable */
    struct rwlock place_lock;                 /* rank GOFER_FID; parent and name of every inode */
    struct mutex table_lock;                  /* rank LEAF */
    struct list_head table[GOFER_TABLE_SIZE]; /* inodes by host identity; table_lock */
    u64 devs[GOFER_DEVS_MAX];                 /* host devices seen, the root's first; table_lock */
    u32 ndevs;
    struct mutex fd_lock;      /* rank LEAF; opens and idle of every file, changes of its fds */
    struct list_head idle;     /* gofer_file.idle_node, oldest first; fd_lock */
    u32 nidle;                 /* fd_lock */
    struct mutex listing_lock; /* rank LEAF; listing and listing_node of every directory */
    struct list_head listings; /* gofer_inode.listing_node, oldest first */
    size_t listing_bytes;
    /* Anything that changes attributes or names counts twice, before and after: what was read
     * between two equal values is true as long as the value stays. */
    atomic_ullong gen;
    struct list_head ahead[GOFER_AHEAD_BUCKETS];      /* listings by identity; listing_lock */
    struct list_head ahead_fifo;                      /* oldest first; listing_lock */
    size_t ahead_bytes;                               /* listing_lock */
    struct gofer_ahead_fd ahead_fds[GOFER_AHEAD_FDS]; /* a ring; fd_lock */
    u32 ahead_fd_next;                                /* fd_lock */
    atomic_uint ahead_nfds;                           /* changed under fd_lock */
    struct gofer_sent sent_files;                     /* fd_lock */
    struct gofer_sent sent_lists;                     /* listing_lock */
    /* Guesses, all of them; a wrong one costs time. */
    atomic_uint attrs_credit; /* listings come with attributes while it lasts */
    atomic_uint list_streak;  /* directories listed after their parents, in a row */
    atomic_uint open_streak;  /* files opened in the order of their listing, in a row */
    atomic_uint open_epoch;   /* counts times that this order was left; never 0 */
    atomic_uint open_waste;   /* descriptors that came for nothing, of late */
    atomic_bool
        open_around; /* they are opened in the order of the tree, over several directories */
    atomic_ullong fetch_gen;          /* gen at the last listing */
    atomic_ullong walk_dev, walk_ino; /* where a walk began: what is above is not part of it */
};

struct gofer_inode {
    struct inode inode;
    u64 host_dev, host_ino;        /* immutable */
    struct list_head hash_node;    /* table_lock */
    _Atomic u32 fid;               /* P9_NOFID = none; set once */
    struct gofer_inode *parent;    /* place_lock; referenced; NULL = root, or no name left */
    char *name;                    /* place_lock */
    _Atomic(char *) target;        /* symlinks: NULL = not known yet; set once */
    u32 misses;                    /* directories: lookups done in it, up to a bound; dir_lock */
    struct gofer_listing *listing; /* directories; listing_lock; one reference */
    struct list_head listing_node; /* listing_lock */
};

/* One host descriptor of a file as something that can be mapped. */
struct gofer_backing {
    struct backing b; /* fd -1 = not open; set under fd_lock, stable while the file is in use */
    struct gofer_file *file;
    struct rangetree windows; /* sentry mappings, by file offset; map_lock */
};

/* A regular file. */
struct gofer_file {
    struct gofer_inode gi;
    struct gofer_backing ro, rw;
    bool rw_reads;              /* rw can also be read; set with rw.b.fd */
    u32 opens;                  /* open descriptions; fd_lock */
    struct list_head idle_node; /* fd_lock: opens is 0 and a descriptor is open */
    atomic_ullong end;          /* where a read was cut short last; 0 = nowhere */
    _Atomic s64 map_pages;      /* range references held on ro and rw */
    atomic_bool mmap_written;   /* a shared mapping was written: mtime is due */
    struct mutex map_lock;      /* rank FILE_DATA */
    struct mappable mappable;
};

static inline struct gofer_fs *gofer_fs_of(struct filesystem *fs)
{
    return container_of(fs, struct gofer_fs, fs);
}

static inline struct gofer_inode *gofer_inode_of(struct inode *inode)
{
    return container_of(inode, struct gofer_inode, inode);
}

static inline struct gofer_fs *gofer_inode_fs(struct gofer_inode *gi)
{
    return gofer_fs_of(gi->inode.fs);
}

static inline struct gofer_file *gofer_file_of(struct inode *inode)
{
    return container_of(gofer_inode_of(inode), struct gofer_file, gi);
}

/* --- inode.c --- */
/*
 * The inode with these attributes, referenced: the one that is known already (whose attributes stay)
 * or a new one at parent/name. parent is NULL for the root. -errno in *err when NULL.
 */
struct gofer_inode *gofer_inode_get(struct gofer_fs *gfs, const struct p9_attr *a,
                                    struct gofer_inode *parent, const char *name, size_t len);
/* A known directory, referenced, or NULL. */
struct gofer_inode *gofer_inode_find_dir(struct gofer_fs *gfs, u64 dev, u64 ino);
/* It has no name any more: it is not found by identity, its number may be used again. */
void gofer_inode_forget(struct gofer_inode *gi);
void gofer_inode_destroy(struct inode *inode);
/* Number that the guest sees for a host file. */
u64 gofer_ino(struct gofer_fs *gfs, u64 host_dev, u64 host_ino);

/* --- place.c --- */
/* place_lock is held for writing. NULL parent: no place. -ENOMEM. */
int gofer_place_set_locked(struct gofer_inode *gi, struct gofer_inode *parent, const char *name,
                           size_t len);
bool gofer_place_is_locked(struct gofer_inode *gi, struct gofer_inode *parent, const char *name);
/* Fid and names that lead to gi; on success place_lock is held for reading, as long as the names are
 * used. At least one of names' slots is left for the caller. */
int gofer_place_begin(struct gofer_inode *gi, u32 *fid, struct p9_names *names);
void gofer_place_end(struct gofer_inode *gi);
/* A fid of its own that stays. */
int gofer_inode_fid_ensure(struct gofer_inode *gi);
/* One message of a directory's listing, as p9c_readdir. A directory without a fid gets it in the same round
 * trip. */
int gofer_inode_readdir(struct gofer_inode *gi, u64 *next,
                        int (*fn)(void *arg, const struct p9_dirent *d), void *arg);
/* Its fid, for a moment: give it back. */
int gofer_inode_fid_get(struct gofer_inode *gi, u32 *fid);
void gofer_inode_fid_put(struct gofer_inode *gi, u32 fid);

/* Around everything that changes names or attributes. */
static inline void gofer_changing(struct gofer_fs *gfs)
{
    atomic_fetch_add(&gfs->gen, 1);
}

/* --- listing.c --- */
struct gofer_listing *gofer_listing_new(struct gofer_fs *gfs, u64 dev, u64 ino, u64 gen);
void gofer_listing_put(struct gofer_listing *l); /* may be NULL */
/* Adds one entry; entries: adds count well-formed ones. -ENOMEM. */
int gofer_listing_add(struct gofer_listing *l, const struct p9_listent *e);
int gofer_listing_add_all(struct gofer_listing *l, u32 count, const u8 *entries, size_t len);
void gofer_listing_entry(const struct gofer_listing *l, u32 i, struct p9_listent *e);
/* Less of it, faster. */
struct gofer_name {
    const char *name; /* not NUL-terminated */
    size_t len;
    u64 dev, ino;
    u8 type; /* DT_* */
};
void gofer_listing_name(const struct gofer_listing *l, u32 i, struct gofer_name *out);
bool gofer_listing_is(const struct gofer_listing *l, u32 i, const char *name, size_t len);
/* Number of the entry of that name, or -1. dir_lock is held. */
s64 gofer_listing_find(struct gofer_listing *l, const char *name, size_t len);
/* The directory's listing, referenced, or NULL. */
struct gofer_listing *gofer_listing_cached(struct gofer_inode *dir);
/* Keeps l for the next who asks, unless it is too large: false. dir_lock is held. */
bool gofer_listing_cache(struct gofer_inode *dir, struct gofer_listing *l);
size_t gofer_listing_bytes(const struct gofer_listing *l);
/* The content of dir changed; dir_lock is held. */
void gofer_listing_drop(struct gofer_inode *dir);

/* The same of one that is a base for several steps: false when there is no way to name it now. */
bool gofer_place_chain_locked(struct gofer_inode *gi, u32 *fid, struct p9_names *names);

/* --- ahead_plan.c: what comes next --- */
struct gofer_plan {
    u32 fid;
    struct p9_names names; /* these two: where the steps begin */
    struct p9c_steps steps;
    u32 n; /* files or directories among them */
    struct gofer_listing *held[P9_WALK_MAX + 32];
    u32 nheld;
};
/*
 * At most max files, or directories without a known listing, that follow entry from - 1 of dir's listing l; around:
 * also in the directories below and above. False: there are none. What it has is used before place_lock,
 * held for reading, is given up. gofer_plan_done in any case.
 */
bool gofer_plan_make_locked(struct gofer_plan *p, struct gofer_inode *dir, struct gofer_listing *l,
                            u32 from, u32 max, bool files, bool around);
void gofer_plan_done(struct gofer_plan *p);
/* Where l's files go on to be opened. */
u32 gofer_listing_opened(struct gofer_fs *gfs, struct gofer_listing *l);
void gofer_listing_set_opened(struct gofer_fs *gfs, struct gofer_listing *l, u32 next);
/* Entry of a name, searched from the hint on, or -1. Any lock or none. */
s64 gofer_listing_near(const struct gofer_listing *l, u32 from, u32 near, const char *name);

/* --- ahead.c: listings that are going to be asked for --- */
/* The listing of dir, with those of its neighbours when a tree is being walked. must: with attributes.
 * -EAGAIN: not this way. dir_lock is held. */
int gofer_ahead_list(struct gofer_inode *dir, bool must, struct gofer_listing **out);
/* One that came with an earlier one, or NULL. dir_lock is held. */
struct gofer_listing *gofer_ahead_take(struct gofer_inode *dir);
/* Caches dir's listing if it is small. dir_lock is held. */
bool gofer_ahead_list_small(struct gofer_inode *dir);
/* The listing of a directory, whether somebody has asked for it or not, referenced, or NULL. */
struct gofer_listing *gofer_ahead_known(struct gofer_fs *gfs, u64 dev, u64 ino);
/* The parent of gi, referenced, or NULL. */
struct gofer_inode *gofer_parent_get(struct gofer_inode *gi);
/* Forgets them. */
void gofer_ahead_clear_lists(struct gofer_fs *gfs);

/* --- ahead_files.c: descriptors that are going to be asked for --- */
/* Takes fd over, which reads the file with these attributes. */
void gofer_ahead_keep_fd(struct gofer_fs *gfs, const struct p9_attr *a, int fd);
/* A descriptor for reading. -EAGAIN: not this way. */
int gofer_ahead_open(struct gofer_file *gf);
/* Closes them. */
void gofer_ahead_clear_files(struct gofer_fs *gfs);

/* --- dir.c, lookup.c, readdir.c --- */
extern const struct inode_ops g_gofer_dir_ops;
extern const struct file_ops g_gofer_dir_fops;
int gofer_lookup(struct inode *dir, struct dentry *d);
/* dir's listing, from the cache or the server. dir_lock is held. attrs: of all entries. */
int gofer_listing_get(struct gofer_inode *dir, struct dentry *d, bool attrs,
                      struct gofer_listing **out);

/* --- attr.c --- */
int gofer_getattr(struct inode *inode, struct linux_stat *st);
int gofer_setattr(struct inode *inode, const struct iattr *attr);
int gofer_readlink(struct inode *inode, char **target);
ssize_t gofer_getxattr(struct inode *inode, const char *name, void *buf, size_t n);
int gofer_setxattr(struct inode *inode, const char *name, const void *buf, size_t n, int flags);
ssize_t gofer_listxattr(struct inode *inode, char *buf, size_t n);
int gofer_removexattr(struct inode *inode, const char *name);

/* --- file.c, file_fd.c, map.c --- */
extern const struct inode_ops g_gofer_file_ops;
extern const struct file_ops g_gofer_file_fops;
void gofer_file_init(struct gofer_file *gf);
/* Everything it holds; last reference. */
void gofer_file_fini(struct gofer_file *gf);
/* Descriptors for reading and/or writing; counted until gofer_file_close. */
int gofer_file_open(struct gofer_file *gf, bool read, bool write);
void gofer_file_close(struct gofer_file *gf);
/* fd, if it is a regular file's; else it is closed: -errno. */
int gofer_fd_check(struct gofer_fs *gfs, int fd);
/* A file that was just created, with its descriptor (O_RDWR, taken over). */
void gofer_file_created(struct gofer_file *gf, int fd);
/* Descriptor to read, write from; -1 = none. Stable while the file is open. */
int gofer_file_read_fd(struct gofer_file *gf);
int gofer_file_write_fd(struct gofer_file *gf);
/* The one to write to of a file that need not be open, or -1: it stays until gofer_file_close, which
 * is to be called in any case. */
int gofer_file_hold_write_fd(struct gofer_file *gf);
/* mtime for writes through mappings. */
void gofer_file_settle(struct gofer_file *gf);
extern const struct mappable_ops g_gofer_mappable_ops;
void gofer_backing_init(struct gofer_backing *gb, struct gofer_file *gf);
/* Unmaps the sentry's windows. No range reference is held; map_lock is. */
void gofer_backing_drop_windows_locked(struct gofer_backing *gb);

#endif
