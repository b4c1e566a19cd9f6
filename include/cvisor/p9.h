/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file protocol between sentry and gofer: 9P2000.L on a stream socket, and our extensions to it
 * (version "9P2000.L.cvisor.1"). The message list is one X-macro, from which the structures, the
 * encoders and the decoders of both ends are made (platform/base/p9_codec.c).
 *
 * A message is size[4] type[1] tag[2] body, little endian. Decoders never trust a length: they
 * fail on short input, on trailing bytes and on arrays above the bounds below. Strings and data of a
 * decoded message point into the message's buffer.
 */
#ifndef CVISOR_P9_H
#define CVISOR_P9_H

#include "cvisor/compiler.h"

#define P9_VERSION_PLAIN "9P2000.L"
#define P9_VERSION_EXT "9P2000.L.cvisor.1"

#define P9_NOTAG 0xffffu
/* Our client numbers its requests with the lower half of the tag. The upper half says on which CPU it
 * waits, + 1, or 0; it is not more than a hint for the server, which just returns it. */
#define P9_TAG_NR(tag) ((tag)&0xffu)
#define P9_TAG_HINT_SHIFT 8
#define P9_NOFID 0xffffffffu
#define P9_NONUNAME 0xffffffffu
#define P9_HEADER_SIZE 7u
#define P9_MSIZE_MIN 4096u
#define P9_MSIZE_MAX (1u << 20)
/* Room that the header and the fixed fields of a read, write or readdir message may need. */
#define P9_IO_OVERHEAD 32u
#define P9_WALK_PLAIN_MAX 16u /* names in a Twalk */
#define P9_WALK_MAX 64u       /* names in an extension message */
#define P9_FIDS_MAX 128u      /* fids in a Txmclunk */
#define P9_NAME_MAX 255u      /* bytes of a path component */
#define P9_TARGET_MAX 4095u   /* bytes of a symlink target */

/* qid.type */
#define P9_QTDIR 0x80u
#define P9_QTSYMLINK 0x02u
#define P9_QTFILE 0x00u

/* Tgetattr.request_mask, Rgetattr.valid */
#define P9_GETATTR_BASIC 0x000007ffull

/* Tsetattr.valid */
#define P9_SETATTR_MODE 0x001u
#define P9_SETATTR_UID 0x002u
#define P9_SETATTR_GID 0x004u
#define P9_SETATTR_SIZE 0x008u
#define P9_SETATTR_ATIME 0x010u
#define P9_SETATTR_MTIME 0x020u
#define P9_SETATTR_CTIME 0x040u
#define P9_SETATTR_ATIME_SET 0x080u
#define P9_SETATTR_MTIME_SET 0x100u

/* Rlock.status */
#define P9_LOCK_SUCCESS 0u
#define P9_LOCK_BLOCKED 1u
#define P9_LOCK_ERROR 2u

/* Txwalk.flags: the first attributes of the answer are those of the starting fid itself. */
#define P9_XWALK_SELF 0x1u
/* When all was walked: a symbolic link at the end whose target is a name in the same directory is followed by
 * one step, whose attributes come after the others; a regular file there is opened for reading. */
#define P9_XWALK_FOLLOW 0x2u
#define P9_XWALK_OPEN 0x4u

/* Txlist.flags: attributes of all entries, not of directories only; what is below, too; a directory
 * without children that does not fit is answered in part. */
#define P9_XLIST_ATTRS 0x1u
#define P9_XLIST_TREE 0x2u
#define P9_XLIST_PART 0x4u

#define P9_OPENV_MAX 32u /* files in a Txopenv */

struct p9_str {
    const char *s; /* not NUL-terminated; may be NULL when len is 0 */
    u16 len;
};

struct p9_data {
    const u8 *p;
    u32 len;
};

struct p9_qid {
    u8 type;
    u32 version;
    u64 path; /* host inode number */
};

/* What the sentry wants to know about a file, in one piece (extensions only). */
struct p9_attr {
    struct p9_qid qid;
    u64 dev; /* host device: with qid.path the identity of the file */
    u32 mode, uid, gid;
    u64 nlink, rdev, size, blocks;
    u32 blksize;
    s64 atime_sec, mtime_sec, ctime_sec;
    u32 atime_nsec, mtime_nsec, ctime_nsec;
};
#define P9_ATTR_WIRE_SIZE 105u

struct p9_names {
    u16 n;
    struct p9_str v[P9_WALK_MAX];
};

struct p9_qids {
    u16 n;
    struct p9_qid v[P9_WALK_PLAIN_MAX];
};

struct p9_attrs {
    u16 n;
    struct p9_attr v[P9_WALK_MAX + 1];
};

struct p9_fids {
    u16 n;
    u32 v[P9_FIDS_MAX];
};

/*
 * M(name, NAME, type, fields), F(kind, field). Extensions, all of them only after P9_VERSION_EXT:
 *
 * xwalk: walks as many of names as exist and answers with the attributes of each. err is 0 when all
 *   were walked, else the errno at the first that was not: ENOENT; ENOTDIR (the last one walked is
 *   no directory); ELOOP (the last one walked is a symbolic link). target: of the last one walked
 *   when that is a symbolic link. newfid (or P9_NOFID) is bound only when err is 0. hostfd as for xopen.
 * xopen: opens the regular file at names below fid (no names: fid itself) with Linux's open flags.
 *   hostfd 1: the host descriptor comes with the answer (SCM_RIGHTS) and newfid is not bound;
 *   hostfd 0: newfid is bound to the open file, for read and write messages.
 * xcreate: creates a regular file, exclusively, and opens it; answer as for xopen.
 * xmake: makes a directory, symbolic link (target), FIFO, socket or regular file, as mode says.
 * xrename: renameat2 with flags. xreaddir: entries with attributes, from the start when offset is
 *   0, else from the offset of the last entry received; eof 1: there are no more. xmclunk: several clunks.
 * xallocate: fallocate. xflushf: what close(2) does on the host (flush of NFS and friends).
 * xgetxattr: the value, or the list of names when name is empty. xsetxattr: sets or removes.
 * xlist: whole directories: the one at names below fid, or, if there are any, each of children in that one; with
 *   TREE those below them too, each right after its parent, in the order of its entries. The answer
 *   is a sequence of directories (p9_listdir), at most count bytes; it ends before the first
 *   that does not fit. What can't be read is left out. With PART one directory is answered as far as it
 *   fits, from offset (next of the part before) on.
 * Among children, here and in xopenv, are steps: "/" and a name goes down into that directory, the empty name up again.
 * xopenv: opens children, regular files in the directory at names below fid, for reading. The answer has a
 *   p9_opened for each file; as many descriptors as nfds says come with it, in order.
 */
#define P9_MESSAGES(M)                                                                             \
    M(rlerror, RLERROR, 7, F(u32, ecode))                                                          \
    M(tstatfs, TSTATFS, 8, F(u32, fid))                                                            \
    M(rstatfs, RSTATFS, 9,                                                                         \
      F(u32, type) F(u32, bsize) F(u64, blocks) F(u64, bfree) F(u64, bavail) F(u64, files)         \
          F(u64, ffree) F(u64, fsid) F(u32, namelen))                                              \
    M(tlopen, TLOPEN, 12, F(u32, fid) F(u32, flags))                                               \
    M(rlopen, RLOPEN, 13, F(qid, qid) F(u32, iounit))                                              \
    M(tlcreate, TLCREATE, 14, F(u32, fid) F(str, name) F(u32, flags) F(u32, mode) F(u32, gid))     \
    M(rlcreate, RLCREATE, 15, F(qid, qid) F(u32, iounit))                                          \
    M(tsymlink, TSYMLINK, 16, F(u32, dfid) F(str, name) F(str, target) F(u32, gid))                \
    M(rsymlink, RSYMLINK, 17, F(qid, qid))                                                         \
    M(tmknod, TMKNOD, 18,                                                                          \
      F(u32, dfid) F(str, name) F(u32, mode) F(u32, major) F(u32, minor) F(u32, gid))              \
    M(rmknod, RMKNOD, 19, F(qid, qid))                                                             \
    M(trename, TRENAME, 20, F(u32, fid) F(u32, dfid) F(str, name))                                 \
    M(rrename, RRENAME, 21, )                                                                      \
    M(treadlink, TREADLINK, 22, F(u32, fid))                                                       \
    M(rreadlink, RREADLINK, 23, F(str, target))                                                    \
    M(tgetattr, TGETATTR, 24, F(u32, fid) F(u64, mask))                                            \
    M(rgetattr, RGETATTR, 25,                                                                      \
      F(u64, valid) F(qid, qid) F(u32, mode) F(u32, uid) F(u32, gid) F(u64, nlink) F(u64, rdev)    \
          F(u64, size) F(u64, blksize) F(u64, blocks) F(u64, atime_sec) F(u64, atime_nsec)         \
              F(u64, mtime_sec) F(u64, mtime_nsec) F(u64, ctime_sec) F(u64, ctime_nsec)            \
                  F(u64, btime_sec) F(u64, btime_nsec) F(u64, gen) F(u64, data_version))           \
    M(tsetattr, TSETATTR, 26,                                                                      \
      F(u32, fid) F(u32, valid) F(u32, mode) F(u32, uid) F(u32, gid) F(u64, size)                  \
          F(u64, atime_sec) F(u64, atime_nsec) F(u64, mtime_sec) F(u64, mtime_nsec))               \
    M(rsetattr, RSETATTR, 27, )                                                                    \
    M(txattrwalk, TXATTRWALK, 30, F(u32, fid) F(u32, newfid) F(str, name))                         \
    M(rxattrwalk, RXATTRWALK, 31, F(u64, size))                                                    \
    M(txattrcreate, TXATTRCREATE, 32, F(u32, fid) F(str, name) F(u64, size) F(u32, flags))         \
    M(rxattrcreate, RXATTRCREATE, 33, )                                                            \
    M(treaddir, TREADDIR, 40, F(u32, fid) F(u64, offset) F(u32, count))                            \
    M(rreaddir, RREADDIR, 41, F(data, data))                                                       \
    M(tfsync, TFSYNC, 50, F(u32, fid) F(opt_u32, datasync))                                        \
    M(rfsync, RFSYNC, 51, )                                                                        \
    M(tlock, TLOCK, 52,                                                                            \
      F(u32, fid) F(u8, type) F(u32, flags) F(u64, start) F(u64, length) F(u32, proc_id)           \
          F(str, client_id))                                                                       \
    M(rlock, RLOCK, 53, F(u8, status))                                                             \
    M(tgetlock, TGETLOCK, 54,                                                                      \
      F(u32, fid) F(u8, type) F(u64, start) F(u64, length) F(u32, proc_id) F(str, client_id))      \
    M(rgetlock, RGETLOCK, 55,                                                                      \
      F(u8, type) F(u64, start) F(u64, length) F(u32, proc_id) F(str, client_id))                  \
    M(tlink, TLINK, 70, F(u32, dfid) F(u32, fid) F(str, name))                                     \
    M(rlink, RLINK, 71, )                                                                          \
    M(tmkdir, TMKDIR, 72, F(u32, dfid) F(str, name) F(u32, mode) F(u32, gid))                      \
    M(rmkdir, RMKDIR, 73, F(qid, qid))                                                             \
    M(trenameat, TRENAMEAT, 74,                                                                    \
      F(u32, olddirfid) F(str, oldname) F(u32, newdirfid) F(str, newname))                         \
    M(rrenameat, RRENAMEAT, 75, )                                                                  \
    M(tunlinkat, TUNLINKAT, 76, F(u32, dirfid) F(str, name) F(u32, flags))                         \
    M(runlinkat, RUNLINKAT, 77, )                                                                  \
    M(tversion, TVERSION, 100, F(u32, msize) F(str, version))                                      \
    M(rversion, RVERSION, 101, F(u32, msize) F(str, version))                                      \
    M(tattach, TATTACH, 104, F(u32, fid) F(u32, afid) F(str, uname) F(str, aname) F(u32, n_uname)) \
    M(rattach, RATTACH, 105, F(qid, qid))                                                          \
    M(tflush, TFLUSH, 108, F(u16, oldtag))                                                         \
    M(rflush, RFLUSH, 109, )                                                                       \
    M(twalk, TWALK, 110, F(u32, fid) F(u32, newfid) F(names, names))                               \
    M(rwalk, RWALK, 111, F(qids, qids))                                                            \
    M(tread, TREAD, 116, F(u32, fid) F(u64, offset) F(u32, count))                                 \
    M(rread, RREAD, 117, F(data, data))                                                            \
    M(twrite, TWRITE, 118, F(u32, fid) F(u64, offset) F(data, data))                               \
    M(rwrite, RWRITE, 119, F(u32, count))                                                          \
    M(tclunk, TCLUNK, 120, F(u32, fid))                                                            \
    M(rclunk, RCLUNK, 121, )                                                                       \
    M(tremove, TREMOVE, 122, F(u32, fid))                                                          \
    M(rremove, RREMOVE, 123, )                                                                     \
    M(txwalk, TXWALK, 160, F(u32, fid) F(u32, newfid) F(u32, flags) F(names, names))               \
    M(rxwalk, RXWALK, 161, F(u8, hostfd) F(u32, err) F(attrs, attrs) F(str, target))               \
    M(txopen, TXOPEN, 162, F(u32, fid) F(u32, newfid) F(u32, flags) F(names, names))               \
    M(rxopen, RXOPEN, 163, F(u8, hostfd) F(attr, attr) F(u32, iounit))                             \
    M(txcreate, TXCREATE, 164,                                                                     \
      F(u32, dfid) F(u32, newfid) F(str, name) F(u32, flags) F(u32, mode) F(u32, uid) F(u32, gid)) \
    M(rxcreate, RXCREATE, 165, F(u8, hostfd) F(attr, attr) F(u32, iounit))                         \
    M(txmake, TXMAKE, 166,                                                                         \
      F(u32, dfid) F(str, name) F(u32, mode) F(u32, uid) F(u32, gid) F(str, target))               \
    M(rxmake, RXMAKE, 167, F(attr, attr))                                                          \
    M(txrename, TXRENAME, 168,                                                                     \
      F(u32, olddirfid) F(str, oldname) F(u32, newdirfid) F(str, newname) F(u32, flags))           \
    M(rxrename, RXRENAME, 169, )                                                                   \
    M(txreaddir, TXREADDIR, 170, F(u32, fid) F(u64, offset) F(u32, count))                         \
    M(rxreaddir, RXREADDIR, 171, F(u8, eof) F(data, data))                                         \
    M(txmclunk, TXMCLUNK, 172, F(fids, fids))                                                      \
    M(rxmclunk, RXMCLUNK, 173, )                                                                   \
    M(txallocate, TXALLOCATE, 174, F(u32, fid) F(u32, mode) F(u64, offset) F(u64, length))         \
    M(rxallocate, RXALLOCATE, 175, )                                                               \
    M(txflushf, TXFLUSHF, 176, F(u32, fid))                                                        \
    M(rxflushf, RXFLUSHF, 177, )                                                                   \
    M(txgetxattr, TXGETXATTR, 178, F(u32, fid) F(str, name))                                       \
    M(rxgetxattr, RXGETXATTR, 179, F(data, data))                                                  \
    M(txsetxattr, TXSETXATTR, 180,                                                                 \
      F(u32, fid) F(str, name) F(u32, flags) F(u8, remove) F(data, data))                          \
    M(rxsetxattr, RXSETXATTR, 181, )                                                               \
    M(txlist, TXLIST, 182,                                                                         \
      F(u32, fid) F(u32, flags) F(u32, count) F(u64, offset) F(names, names) F(names, children))   \
    M(rxlist, RXLIST, 183, F(data, data))                                                          \
    M(txopenv, TXOPENV, 184, F(u32, fid) F(names, names) F(names, children))                       \
    M(rxopenv, RXOPENV, 185, F(u8, nfds) F(data, data))

enum p9_type {
#define P9_ENUM_(lname, UNAME, num, fields) P9_##UNAME = num,
    P9_MESSAGES(P9_ENUM_)
#undef P9_ENUM_
};

/* C types of the field kinds. opt_u32 may be missing at the end of a message: 0 then. */
typedef u8 p9_kind_u8;
typedef u16 p9_kind_u16;
typedef u32 p9_kind_u32;
typedef u32 p9_kind_opt_u32;
typedef u64 p9_kind_u64;
typedef struct p9_str p9_kind_str;
typedef struct p9_data p9_kind_data;
typedef struct p9_qid p9_kind_qid;
typedef struct p9_attr p9_kind_attr;
typedef struct p9_names p9_kind_names;
typedef struct p9_qids p9_kind_qids;
typedef struct p9_attrs p9_kind_attrs;
typedef struct p9_fids p9_kind_fids;

#define F(kind, field) p9_kind_##kind field;
#define P9_STRUCT_(lname, UNAME, num, fields)                                                      \
    struct p9_##lname {                                                                            \
        fields                                                                                     \
    };
P9_MESSAGES(P9_STRUCT_)
#undef P9_STRUCT_
#undef F

/* --- encoding --- */
struct p9_writer {
    u8 *buf;
    size_t cap, len;
    bool bad; /* something did not fit */
};

void p9_writer_init(struct p9_writer *w, void *buf, size_t cap);
/* Starts a message: header with a size that p9_end fills in. */
static inline u32 p9_tag_hint(u16 tag)
{
    return tag == P9_NOTAG ? 0 : tag >> P9_TAG_HINT_SHIFT;
}
void p9_begin(struct p9_writer *w, enum p9_type type, u16 tag);
/* Size of the finished message, or 0 when it did not fit. */
size_t p9_end(struct p9_writer *w);
/* Room for n bytes that the caller fills in, or NULL. */
u8 *p9_reserve(struct p9_writer *w, size_t n);
void p9_put_u8(struct p9_writer *w, u8 v);
void p9_put_u16(struct p9_writer *w, u16 v);
void p9_put_u32(struct p9_writer *w, u32 v);
void p9_put_u64(struct p9_writer *w, u64 v);
void p9_put_str(struct p9_writer *w, const struct p9_str *s);
void p9_put_data(struct p9_writer *w, const struct p9_data *d);
void p9_put_qid(struct p9_writer *w, const struct p9_qid *q);
void p9_put_attr(struct p9_writer *w, const struct p9_attr *a);

/* --- decoding --- */
struct p9_reader {
    const u8 *buf;
    size_t len, pos;
    bool bad; /* short or malformed; everything read after that is zero */
};

struct p9_header {
    u32 size;
    u8 type;
    u16 tag;
};

void p9_reader_init(struct p9_reader *r, const void *buf, size_t len);
/* buf holds at least P9_HEADER_SIZE bytes. */
struct p9_header p9_header_parse(const void *buf);
u8 p9_get_u8(struct p9_reader *r);
u16 p9_get_u16(struct p9_reader *r);
u32 p9_get_u32(struct p9_reader *r);
u64 p9_get_u64(struct p9_reader *r);
void p9_get_str(struct p9_reader *r, struct p9_str *s);
void p9_get_data(struct p9_reader *r, struct p9_data *d);
void p9_get_qid(struct p9_reader *r, struct p9_qid *q);
void p9_get_attr(struct p9_reader *r, struct p9_attr *a);

/*
 * p9_put_<message>: the body (between p9_begin and p9_end). p9_get_<message>: the body, which must
 * fill the reader exactly; false when malformed.
 */
#define P9_PROTO_(lname, UNAME, num, fields)                                                       \
    void p9_put_##lname(struct p9_writer *w, const struct p9_##lname *m);                          \
    bool p9_get_##lname(struct p9_reader *r, struct p9_##lname *m);
P9_MESSAGES(P9_PROTO_)
#undef P9_PROTO_

/* One entry of Rreaddir (attr.qid only) or of Rxreaddir (all of attr). */
struct p9_dirent {
    struct p9_attr attr;
    u64 offset; /* where the next read goes on */
    u8 type;    /* DT_* */
    struct p9_str name;
};

void p9_put_dirent(struct p9_writer *w, const struct p9_dirent *d, bool plus);
/* False at the end and on malformed input (r->bad then). */
bool p9_get_dirent(struct p9_reader *r, struct p9_dirent *d, bool plus);
/* Bytes that the entry takes. */
size_t p9_dirent_size(const struct p9_dirent *d, bool plus);

/* One directory of Rxlist: which one, then count entries. */
struct p9_listdir {
    u64 dev, ino;
    u64 next; /* where the rest begins; 0 = this is all */
    u32 count;
};

/* One entry of it, never "." or "..". */
struct p9_listent {
    u8 type;   /* DT_* */
    bool plus; /* attr and target, else only ino */
    u64 ino;   /* on the directory's device, unless there are attributes */
    struct p9_str name;
    struct p9_attr attr;
    struct p9_str target; /* of a symbolic link; empty: not known */
};

void p9_put_listdir(struct p9_writer *w, const struct p9_listdir *d);
bool p9_get_listdir(struct p9_reader *r, struct p9_listdir *d);
void p9_put_listent(struct p9_writer *w, const struct p9_listent *e);
bool p9_get_listent(struct p9_reader *r, struct p9_listent *e);

/* One file of Rxopenv: err 0 = the next descriptor is it, and its identity. */
struct p9_opened {
    u32 err;
    u64 dev, ino;
};

void p9_put_opened(struct p9_writer *w, const struct p9_opened *o);
bool p9_get_opened(struct p9_reader *r, struct p9_opened *o);

static inline bool p9_step_is_up(const struct p9_str *s)
{
    return s->len == 0;
}

static inline bool p9_step_is_down(const struct p9_str *s)
{
    return s->len > 0 && s->s[0] == '/';
}

/* Name of a message type for logs, "?" when there is none. */
const char *p9_type_name(u8 type);
/* A string as p9_str; s must be shorter than 64 KiB. */
struct p9_str p9_str_of(const char *s);
bool p9_str_equal(const struct p9_str *a, const char *b);
/* A name that may stand as one path component: 1..255 bytes, no '/', no NUL, not "." or "..". */
bool p9_name_valid(const struct p9_str *s);

#endif
