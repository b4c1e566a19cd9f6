/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of the gofer server: connections, fids, requests.
 *
 * One thread of a connection is its leader: it reads one message, answers it, and reads the next.
 * A handler that may take long (fsync, large I/O) first gives the lead away with
 * gofer_lead_release(), so that others are served meanwhile. All that "lead" guards is touched
 * only by the leader: a handler looks its fids up before it gives the lead away.
 */
#ifndef RUNSC_GOFER_SERVER_H
#define RUNSC_GOFER_SERVER_H

#include "cvisor/eager.h"
#include "cvisor/list.h"
#include "cvisor/lock.h"
#include "cvisor/p9.h"
#include "cvisor/rangetree.h"
#include "cvisor/refs.h"
#include "runsc/gofer/gofer.h"

#include <stdatomic.h>

#define GOFER_FIDS_MAX (1u << 20)
#define GOFER_THREADS_MAX 4u            /* of a connection */
#define GOFER_INLINE_IO (64u << 10)     /* reads and writes up to this size keep the lead */
#define GOFER_EXT_MSIZE_MIN (16u << 10) /* every extension answer without data fits */
#define GOFER_XATTR_MAX (64u << 10)

struct linux_stat;

/* A file of the export: an O_PATH descriptor. Shared by the fids that were cloned from each other. */
struct gofer_node {
    struct ref refs;
    int fd;       /* O_PATH; immutable */
    u32 type;     /* S_IFMT bits; immutable */
    u64 dev, ino; /* immutable */
};

enum gofer_xattr_mode { GOFER_XATTR_NONE, GOFER_XATTR_READ, GOFER_XATTR_WRITE };

struct gofer_fid {
    struct range_node tree;  /* in conn->fids: start = number; lead */
    struct ref refs;         /* the table and requests in progress */
    struct gofer_node *node; /* immutable */
    /* Where it was walked to, for Trename and Tremove; NULL with extensions and for the root. */
    struct gofer_node *parent;        /* lead */
    char *name;                       /* lead */
    u32 uid;                          /* creator of new files, from attach; immutable */
    atomic_int open_fd;               /* -1 = not open; set once */
    u32 open_flags;                   /* lead; before open_fd */
    u64 dir_pos;                      /* of open_fd, for readdir; lead */
    enum gofer_xattr_mode xattr_mode; /* lead */
    u32 xattr_flags;
    char *xattr_name;
    u8 *xattr_buf; /* kmalloc'ed */
    size_t xattr_size, xattr_done;
};

struct gofer_conn {
    struct gofer_export ex; /* immutable */
    bool ext;               /* extensions negotiated; lead */
    u32 msize;              /* lead */
    struct rangetree fids;  /* lead */
    u8 *stage;              /* bytes received and not yet parsed; lead */
    size_t stage_pos, stage_len;
    bool greeted;       /* the first request has come; lead */
    struct eager eager; /* lead */

    struct mutex lock;     /* rank GOFER_CONN */
    struct cond changed;   /* leading, dead, slow or threads changed */
    bool leading;          /* lock: somebody is leader */
    bool dead;             /* lock: socket closed or broken */
    u32 threads, idle;     /* lock */
    struct list_head slow; /* lock: requests whose handler gave the lead away */
    struct mutex tx_lock;  /* rank LEAF: one answer at a time on the socket */
};

/* A thread's place (follow.c). */
struct gofer_follow {
    u32 hint;    /* of the last request: a CPU + 1, or 0 */
    u32 same;    /* so many in a row */
    bool pinned; /* to that CPU */
    u32 len;     /* pinned: valid bytes of all */
    u64 all[16]; /* pinned: where it may run otherwise */
};

struct gofer_req {
    struct gofer_conn *conn;
    struct p9_reader in;
    struct p9_writer out; /* buf is kmalloc'ed, out_alloc bytes */
    size_t out_alloc;
    u8 type;
    u16 tag;
    int donate_fd;              /* sent with the answer, then closed; -1 = none */
    int more_fds[P9_OPENV_MAX]; /* as donate_fd, several; with one or the other */
    u32 nmore;
    bool leading;
    struct gofer_follow follow; /* of the thread */
    struct list_head slow_node; /* conn->slow; conn->lock */
};

extern int g_gofer_procfd; /* /proc/self/fd; immutable after gofer_prepare */

/* --- server.c, conn.c --- */
/* Copies ex; the socket and root descriptors are owned by it only when it succeeds. */
struct gofer_conn *gofer_conn_new(const struct gofer_export *ex);
void gofer_conn_free(struct gofer_conn *c);
/* Runs a connection's service on the calling thread, until the peer closes. */
void gofer_conn_serve(struct gofer_conn *c);
/* Lets another thread read the next request. The handler keeps only its references to fids. */
void gofer_lead_release(struct gofer_req *r);
/* Waits until no request other than r has the tag (P9_NOTAG: none at all) and is in progress. */
void gofer_wait_slow(struct gofer_req *r, u16 tag);
/* Closes what would be sent with the answer. */
void gofer_req_drop_fds(struct gofer_req *r);

/* --- follow.c --- */
/* A request has come, with that hint (p9_tag_hint). */
void gofer_follow(struct gofer_follow *f, u32 hint);
void gofer_follow_nobody(struct gofer_follow *f);

/* --- dispatch.c --- */
/* Executes the message in r->in (header already parsed into r): the size of the answer in
 * r->out.buf. */
size_t gofer_dispatch(struct gofer_req *r);
/* Makes room for an answer of n bytes in all (bounded by msize). */
int gofer_req_reserve(struct gofer_req *r, size_t n);

#define GOFER_DECODE(r, lname, m)                                                                  \
    struct p9_##lname m;                                                                           \
    if (!p9_get_##lname(&(r)->in, &m))                                                             \
    return -EINVAL

#define GOFER_REPLY(r, lname, UNAME, ...)                                                          \
    do {                                                                                           \
        struct p9_##lname reply_ = {__VA_ARGS__};                                                  \
        p9_begin(&(r)->out, P9_##UNAME, (r)->tag);                                                 \
        p9_put_##lname(&(r)->out, &reply_);                                                        \
    } while (0)

/* --- fid.c --- */
/* Takes fd over, also on failure. st: its attributes; NULL = not wanted. */
int gofer_node_new(int fd, struct gofer_node **out, struct linux_stat *st);
void gofer_node_get(struct gofer_node *n);
void gofer_node_put(struct gofer_node *n);
/* Opens one component: O_PATH, never through a symlink. */
int gofer_node_walk(struct gofer_node *dir, const struct p9_str *name, struct gofer_node **out,
                    struct linux_stat *st);
/* Descriptor of the folder at names below dir, O_PATH or flags: dir's own when there are no names, else the
 * caller's. */
int gofer_walk_dirs(struct gofer_node *dir, const struct p9_str *names, u16 n, int flags);
/* The same for one component that gofer_name accepted, never through a symlink. */
int gofer_open_dir(int dirfd, const char *name, int flags);
/* A real descriptor for a node (regular files and directories only). */
int gofer_node_reopen(struct gofer_node *n, int flags);
/*
 * A descriptor of the regular file at a component that gofer_name accepted, and what was opened. known: the name
 * was looked at already, NULL = not yet. Nothing that is not a regular file is opened, unless it takes the
 * place of one in that moment; then it is closed again.
 */
int gofer_open_regular(int dirfd, const char *name, int flags, const struct linux_stat *known,
                       struct linux_stat *st);
/* NUL-terminated copy of a valid component, else -EINVAL (-ENAMETOOLONG). */
int gofer_name(const struct p9_str *s, char out[P9_NAME_MAX + 1]);
/* "N" for use with g_gofer_procfd. */
void gofer_procfd_name(const struct gofer_node *n, char out[12]);

/* Referenced, or NULL. */
struct gofer_fid *gofer_fid_get(struct gofer_conn *c, u32 num);
/* Binds num to node (both references are taken). parent and name may be NULL. */
int gofer_fid_new(struct gofer_conn *c, u32 num, struct gofer_node *node, u32 uid,
                  struct gofer_node *parent, const struct p9_str *name, struct gofer_fid **out);
void gofer_fid_put(struct gofer_fid *f);
/* Takes it out of the table; the caller's reference stays. */
void gofer_fid_unbind(struct gofer_conn *c, struct gofer_fid *f);
void gofer_fids_clear(struct gofer_conn *c);
bool gofer_fid_free_num(struct gofer_conn *c, u32 num);

static inline void gofer_fid_cleanup(struct gofer_fid **f)
{
    if (*f)
        gofer_fid_put(*f);
}
#define __gofer_fid __cleanup(gofer_fid_cleanup)

static inline void gofer_node_cleanup(struct gofer_node **n)
{
    if (*n)
        gofer_node_put(*n);
}
#define __gofer_node __cleanup(gofer_node_cleanup)

/* f = the fid of number num, or return -EBADF. */
#define GOFER_FID(r, f, num)                                                                       \
    __gofer_fid struct gofer_fid *f = gofer_fid_get((r)->conn, num);                               \
    if (!f)                                                                                        \
    return -EBADF

/* --- attributes, shared by the handlers: ops_attr.c --- */
void gofer_qid_of(const struct linux_stat *st, struct p9_qid *q);
void gofer_attr_of(const struct linux_stat *st, struct p9_attr *a);
int gofer_node_qid(struct gofer_node *n, struct p9_qid *q);
int gofer_node_attr(struct gofer_node *n, struct p9_attr *a);

/* --- handlers: 0 with the answer in r->out, or -errno --- */
int gofer_op_version(struct gofer_req *r);
int gofer_op_attach(struct gofer_req *r);
int gofer_op_flush(struct gofer_req *r);
int gofer_op_walk(struct gofer_req *r);
int gofer_op_xwalk(struct gofer_req *r);
int gofer_op_clunk(struct gofer_req *r);
int gofer_op_xmclunk(struct gofer_req *r);
int gofer_op_lopen(struct gofer_req *r);
int gofer_op_lcreate(struct gofer_req *r);
int gofer_op_xopen(struct gofer_req *r);
int gofer_op_xcreate(struct gofer_req *r);
int gofer_op_read(struct gofer_req *r);
int gofer_op_write(struct gofer_req *r);
int gofer_op_fsync(struct gofer_req *r);
int gofer_op_xallocate(struct gofer_req *r);
int gofer_op_xflushf(struct gofer_req *r);
int gofer_op_lock(struct gofer_req *r);
int gofer_op_getlock(struct gofer_req *r);
int gofer_op_mkdir(struct gofer_req *r);
int gofer_op_mknod(struct gofer_req *r);
int gofer_op_symlink(struct gofer_req *r);
int gofer_op_xmake(struct gofer_req *r);
int gofer_op_link(struct gofer_req *r);
int gofer_op_rename(struct gofer_req *r);
int gofer_op_renameat(struct gofer_req *r);
int gofer_op_xrename(struct gofer_req *r);
int gofer_op_unlinkat(struct gofer_req *r);
int gofer_op_remove(struct gofer_req *r);
int gofer_op_readlink(struct gofer_req *r);
int gofer_op_readdir(struct gofer_req *r);
int gofer_op_xreaddir(struct gofer_req *r);
int gofer_op_xlist(struct gofer_req *r);
int gofer_op_xopenv(struct gofer_req *r);
int gofer_op_getattr(struct gofer_req *r);
int gofer_op_setattr(struct gofer_req *r);
int gofer_op_statfs(struct gofer_req *r);
int gofer_op_xattrwalk(struct gofer_req *r);
int gofer_op_xattrcreate(struct gofer_req *r);
int gofer_op_xgetxattr(struct gofer_req *r);
int gofer_op_xsetxattr(struct gofer_req *r);

/* Commits a Txattrcreate: called when its fid is clunked. xattr.c */
int gofer_xattr_commit(struct gofer_fid *f);
/* Reads a fid bound by Txattrwalk / writes one of Txattrcreate: bytes or -errno. */
ssize_t gofer_xattr_read(struct gofer_fid *f, u8 *buf, size_t n, u64 off);
ssize_t gofer_xattr_write(struct gofer_fid *f, const struct p9_data *d, u64 off);
/* After creating name in dir: owner and special mode bits. Removes it again on failure. */
int gofer_finish_create(struct gofer_node *dir, const char *name, struct gofer_node *n, u32 mode,
                        u32 uid, u32 gid);

#endif
