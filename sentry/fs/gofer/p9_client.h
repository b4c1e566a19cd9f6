/* SPDX-License-Identifier: Apache-2.0 */
/*
 * 9P client: one connection to a gofer, shared by all threads of the sentry.
 *
 * A request takes a slot (its tag and its buffers), is sent whole, and waits. There is no receiving
 * thread: one of the waiting threads reads the socket for all of them, hands each answer to its
 * slot, and passes that duty on when its own answer has come. The end of the stream, a malformed
 * message or a descriptor that should be there and is not kill the connection for good: every call
 * returns -EIO from then on.
 */
#ifndef SENTRY_FS_GOFER_P9_CLIENT_H
#define SENTRY_FS_GOFER_P9_CLIENT_H

#include "cvisor/eager.h"
#include "cvisor/lock.h"
#include "cvisor/p9.h"

#include <stdatomic.h>

#define P9C_SLOTS 32u
#define P9C_ROOT_FID 0u
#define P9C_FDS_MAX 80u /* of two answers, at least */
#define P9C_CLUNK_BATCH 16u
#define P9C_FREE_FIDS 1024u

struct linux_statfs;

struct p9c_slot {
    u16 tag;              /* immutable */
    struct p9_writer out; /* the request; owner of the slot */
    u8 *rx;               /* the answer's body; written by the receiving thread before done */
    size_t rx_cap;
    struct p9_reader in;        /* over rx */
    u8 type;                    /* of the answer */
    int fd;                     /* that came with it, or -1 */
    int more_fds[P9_OPENV_MAX]; /* several */
    u32 nmore;
    bool sent, waiting, done;   /* client->lock */
    struct cond cond;           /* done, dead, or the receiver's place is free */
    struct p9c_slot *next_free; /* client->lock */
};

struct p9_client {
    int sock;             /* immutable */
    u32 msize;            /* immutable after p9c_open */
    struct mutex lock;    /* rank GOFER_CONN */
    struct mutex tx_lock; /* rank GOFER_CONN: one message at a time on the socket; not with lock */
    struct p9c_slot slots[P9C_SLOTS];
    struct p9c_slot *free_slots; /* lock */
    struct cond slot_freed;
    bool receiving; /* lock: some thread reads the socket and owns what follows */
    u8 *stage;
    size_t stage_pos, stage_len;
    struct eager eager;   /* who receives */
    int fds[P9C_FDS_MAX]; /* received and not yet claimed by an answer, in order */
    size_t nfds;
    atomic_bool dead;             /* set under lock */
    atomic_ullong calls;          /* requests sent; for tests and statistics */
    u32 next_fid;                 /* lock */
    u32 free_fids[P9C_FREE_FIDS]; /* lock */
    u32 nfree_fids;               /* lock */
    u32 clunks[P9C_CLUNK_BATCH];  /* lock: fids to be clunked with the next batch */
    u32 nclunks;                  /* lock */
};

/* Negotiates the extensions and attaches P9C_ROOT_FID. sock is owned by the client on success. */
int p9c_open(int sock, struct p9_client **out);
void p9c_close(struct p9_client *c);

/* --- calls: 0 or -errno; all may block on the gofer --- */

/* p9_names of one component, or appended to. False when it is full. */
bool p9c_names_add(struct p9_names *n, const char *name, size_t len);

struct p9c_walk {
    struct p9_names names; /* in: no names = the fid itself */
    bool self;             /* in: attributes of the fid first */
    /* in: follow a link to a neighbour (one more attrs then); open a regular file. Not with newfid. */
    bool follow, open;
    u32 newfid; /* in: bound when everything was walked; P9_NOFID = none */
    /* out: room for names.n of them (+ 1 with self), n are filled; NULL = not wanted */
    struct p9_attr *attrs;
    u16 n;
    int err;       /* out: 0, or -errno of the first component that was not walked */
    bool followed; /* out: attrs[n] is where the link leads */
    int hostfd;    /* out: the caller's, or -1 */
    char *target;  /* out: kmalloc'ed, when the last one walked is a symbolic link, else NULL */
    /* in: a request that is sent right behind this one, before its answer; NULL = none. The server
     * takes requests in order, so it may use newfid. */
    struct p9c_slot *behind;
    bool behind_sent; /* out */
};
int p9c_walk(struct p9_client *c, u32 fid, struct p9c_walk *w);

struct p9c_opened {
    int hostfd; /* donated, or -1: the new fid is open then */
    struct p9_attr attr;
};
int p9c_xopen(struct p9_client *c, u32 fid, const struct p9_names *names, u32 newfid, u32 flags,
              struct p9c_opened *out);
int p9c_create(struct p9_client *c, u32 dfid, const char *name, u32 newfid, u32 flags, u32 mode,
               u32 uid, u32 gid, struct p9c_opened *out);
int p9c_make(struct p9_client *c, u32 dfid, const char *name, u32 mode, u32 uid, u32 gid,
             const char *target, struct p9_attr *attr);
int p9c_link(struct p9_client *c, u32 dfid, u32 fid, const char *name);
int p9c_unlinkat(struct p9_client *c, u32 dfid, const char *name, u32 flags);
int p9c_rename(struct p9_client *c, u32 olddir, const char *oldname, u32 newdir,
               const char *newname, u32 flags);
int p9c_readlink(struct p9_client *c, u32 fid, char **target);
int p9c_setattr(struct p9_client *c, u32 fid, const struct p9_tsetattr *m);
int p9c_statfs(struct p9_client *c, u32 fid, struct linux_statfs *out);
int p9c_fsync(struct p9_client *c, u32 fid, bool data_only);
/* Calls fn for each entry of one message; *next = offset to go on from. 0 = that was the end, 1 = more.
 * fn's name is not NUL-terminated; its -errno ends the call. */
int p9c_readdir(struct p9_client *c, u32 fid, u64 offset, u64 *next,
                int (*fn)(void *arg, const struct p9_dirent *d), void *arg);
/* The same in two halves, for p9c_walk.behind. begin: NULL = do it the other way. end: always, gives the
 * slot back; sent: p9c_walk.behind_sent. */
struct p9c_slot *p9c_readdir_begin(struct p9_client *c, u32 fid, u64 offset);
int p9c_readdir_end(struct p9_client *c, struct p9c_slot *s, bool sent, u64 *next,
                    int (*fn)(void *arg, const struct p9_dirent *d), void *arg);
/* Value (name "" = list of names) into buf[n]; n = 0 asks for the size. */
ssize_t p9c_getxattr(struct p9_client *c, u32 fid, const char *name, void *buf, size_t n);
int p9c_setxattr(struct p9_client *c, u32 fid, const char *name, const void *value, size_t n,
                 u32 flags, bool remove);

/* --- p9_batch.c --- */
/* Children of a directory, in it and around: names, and steps between directories. */
struct p9c_steps {
    struct p9_names v; /* empty: up again */
    u64 down;          /* bit i: go down into v[i] */
};
_Static_assert(P9_WALK_MAX <= 64, "a bit for each name");

/*
 * Listings of the directory at names below fid, or of children in it (flags: P9_XLIST_*). begin sends the
 * request: NULL = it could not be, or, unless block, there was no slot. end waits, gives the slot back, and calls
 * fn for each directory with its d->count entries, which are well-formed (p9_get_listent); its -errno ends
 * the call. part: P9_XLIST_PART was asked for. -EOPNOTSUPP: the server doesn't know how.
 */
struct p9c_slot *p9c_list_begin(struct p9_client *c, bool block, u32 fid, u32 flags, u32 count,
                                u64 offset, const struct p9_names *names,
                                const struct p9c_steps *children);
int p9c_list_end(struct p9_client *c, struct p9c_slot *s, bool part,
                 int (*fn)(void *arg, const struct p9_listdir *d, const u8 *entries, size_t len),
                 void *arg);
/* Opens children for reading, n files, in the same two halves. opened and fds have room for n. fds[i] is -1 where
 * opened[i].err says why. */
struct p9c_slot *p9c_openv_begin(struct p9_client *c, bool block, u32 fid,
                                 const struct p9_names *names, const struct p9c_steps *children);
int p9c_openv_end(struct p9_client *c, struct p9c_slot *s, u32 n, struct p9_opened *opened,
                  int *fds);
/* Attributes are used without further checks: what is impossible ends here. */
bool p9c_attr_sane(const struct p9_attr *a);
size_t p9c_names_size(const struct p9_names *n);

/* --- fids --- */
u32 p9c_fid_alloc(struct p9_client *c);
/* A number that the server did not bind. */
void p9c_fid_free(struct p9_client *c, u32 fid);
/* Gives a bound fid back: soon (with others in one message), or before it returns. */
void p9c_clunk(struct p9_client *c, u32 fid, bool now);

/* --- slots: p9_client.c for p9_rpc.c --- */
/* Blocks while all are in use. NULL when the connection is dead or memory is short. The request
 * has room for size bytes. */
struct p9c_slot *p9c_slot_get(struct p9_client *c, size_t size);
/* Does not block: a second one for a thread that has one already. NULL also when none is free. */
struct p9c_slot *p9c_slot_try(struct p9_client *c, size_t size);
/* Sends slot->out; waits for an answer of that type; both. */
int p9c_send(struct p9_client *c, struct p9c_slot *s);
int p9c_wait(struct p9_client *c, struct p9c_slot *s, enum p9_type rtype);
int p9c_call(struct p9_client *c, struct p9c_slot *s, enum p9_type rtype);
void p9c_slot_put(struct p9_client *c, struct p9c_slot *s);
/* The server sent nonsense: kills the connection, returns -EIO. */
int p9c_garbage(struct p9_client *c, const char *what);

#endif
