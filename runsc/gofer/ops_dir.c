/* SPDX-License-Identifier: Apache-2.0 */
/* Gofer server: changes of directories: mkdir, mknod, symlink, link, rename, unlink. */
#include "runsc/gofer/server.h"

#include "abi/linux/fcntl.h"
#include "abi/linux/stat.h"
#include "cvisor/host.h"
#include "cvisor/kcache.h"
#include "cvisor/log.h"

#include <errno.h>
#include <string.h>

/* Checks that dir may be changed and copies the name. */
static int dir_change(const struct gofer_conn *c, const struct gofer_node *dir,
                      const struct p9_str *name, char buf[P9_NAME_MAX + 1])
{
    int rc = gofer_name(name, buf);

    if (rc < 0)
        return rc;
    if (c->ex.readonly)
        return -EROFS;
    return dir->type == LINUX_S_IFDIR ? 0 : -ENOTDIR;
}

int gofer_finish_create(struct gofer_node *dir, const char *name, struct gofer_node *n, u32 mode,
                        u32 uid, u32 gid)
{
    struct linux_stat st;
    char proc[12];
    int rc = host_fstat(n->fd, &st);

    /* ~0 leaves that id as it is. Without CAP_CHOWN (rootless) only a real change fails. */
    if (uid == st.st_uid)
        uid = ~0u;
    if (gid == st.st_gid)
        gid = ~0u;
    if (rc == 0 && (uid != ~0u || gid != ~0u))
        rc = host_fchownat(n->fd, "", uid, gid, LINUX_AT_EMPTY_PATH);
    /* mkdir and chown drop these bits. */
    if (rc == 0 && n->type != LINUX_S_IFLNK && (mode & 07000)) {
        gofer_procfd_name(n, proc);
        rc = host_fchmodat(g_gofer_procfd, proc, mode & LINUX_S_IALLUGO);
    }
    if (rc < 0)
        host_unlinkat(dir->fd, name, n->type == LINUX_S_IFDIR ? LINUX_AT_REMOVEDIR : 0);
    return rc == -EINVAL ? -EPERM : rc; /* EINVAL: the id has no mapping in our user namespace */
}

/* Makes anything that is not an open file. The new node is referenced. */
static int make_node(struct gofer_conn *c, struct gofer_node *dir, const struct p9_str *name,
                     u32 mode, u32 uid, u32 gid, const struct p9_str *target,
                     struct gofer_node **out)
{
    char buf[P9_NAME_MAX + 1];
    u32 type = mode & LINUX_S_IFMT;
    char *tgt = NULL;
    int rc = dir_change(c, dir, name, buf);

    if (rc < 0)
        return rc;
    switch (type) {
    case LINUX_S_IFDIR:
        rc = host_mkdirat(dir->fd, buf, mode & 01777);
        break;
    case LINUX_S_IFLNK:
        if (target->len == 0 || target->len > P9_TARGET_MAX || memchr(target->s, '\0', target->len))
            return -EINVAL;
        tgt = kstrndup(target->s, target->len);
        if (!tgt)
            return -ENOMEM;
        rc = host_symlinkat(tgt, dir->fd, buf);
        kfree(tgt);
        break;
    case LINUX_S_IFREG:
    case LINUX_S_IFIFO:
    case LINUX_S_IFSOCK:
        rc = host_mknodat(dir->fd, buf, mode & (LINUX_S_IFMT | LINUX_S_IALLUGO), 0);
        break;
    default:
        return -EPERM; /* device nodes give access to the host's devices */
    }
    if (rc < 0)
        return rc;
    rc = gofer_node_walk(dir, name, out, NULL);
    if (rc < 0)
        return rc;
    return gofer_finish_create(dir, buf, *out, mode, uid, gid);
}

int gofer_op_xmake(struct gofer_req *r)
{
    __gofer_node struct gofer_node *n = NULL;
    struct p9_attr attr;
    int rc;

    GOFER_DECODE(r, txmake, m);
    GOFER_FID(r, f, m.dfid);
    rc = make_node(r->conn, f->node, &m.name, m.mode, m.uid, m.gid, &m.target, &n);
    if (rc == 0)
        rc = gofer_node_attr(n, &attr);
    if (rc < 0)
        return rc;
    GOFER_REPLY(r, rxmake, RXMAKE, .attr = attr);
    return 0;
}

static int make_plain(struct gofer_req *r, u32 dfid, const struct p9_str *name, u32 mode, u32 gid,
                      const struct p9_str *target, struct p9_qid *qid)
{
    __gofer_node struct gofer_node *n = NULL;
    int rc;

    GOFER_FID(r, f, dfid);
    rc = make_node(r->conn, f->node, name, mode, f->uid, gid, target, &n);
    if (rc == 0)
        rc = gofer_node_qid(n, qid);
    return rc;
}

int gofer_op_mkdir(struct gofer_req *r)
{
    struct p9_qid qid;
    int rc;

    GOFER_DECODE(r, tmkdir, m);
    rc = make_plain(r, m.dfid, &m.name, LINUX_S_IFDIR | (m.mode & LINUX_S_IALLUGO), m.gid, NULL,
                    &qid);
    if (rc < 0)
        return rc;
    GOFER_REPLY(r, rmkdir, RMKDIR, .qid = qid);
    return 0;
}

int gofer_op_mknod(struct gofer_req *r)
{
    struct p9_qid qid;
    int rc;

    GOFER_DECODE(r, tmknod, m);
    if (LINUX_S_ISDIR(m.mode) || LINUX_S_ISLNK(m.mode))
        return -EINVAL;
    rc = make_plain(r, m.dfid, &m.name, m.mode, m.gid, NULL, &qid);
    if (rc < 0)
        return rc;
    GOFER_REPLY(r, rmknod, RMKNOD, .qid = qid);
    return 0;
}

int gofer_op_symlink(struct gofer_req *r)
{
    struct p9_qid qid;
    int rc;

    GOFER_DECODE(r, tsymlink, m);
    rc = make_plain(r, m.dfid, &m.name, LINUX_S_IFLNK | 0777, m.gid, &m.target, &qid);
    if (rc < 0)
        return rc;
    GOFER_REPLY(r, rsymlink, RSYMLINK, .qid = qid);
    return 0;
}

int gofer_op_link(struct gofer_req *r)
{
    char buf[P9_NAME_MAX + 1], proc[12];
    int rc;

    GOFER_DECODE(r, tlink, m);
    GOFER_FID(r, d, m.dfid);
    GOFER_FID(r, f, m.fid);
    rc = dir_change(r->conn, d->node, &m.name, buf);
    if (rc < 0)
        return rc;
    if (f->node->type == LINUX_S_IFDIR)
        return -EPERM;
    /* Through /proc/self/fd, because AT_EMPTY_PATH needs CAP_DAC_READ_SEARCH. The magic link ends
     * at the node itself, also when that is a symbolic link. */
    gofer_procfd_name(f->node, proc);
    rc = host_linkat(g_gofer_procfd, proc, d->node->fd, buf, LINUX_AT_SYMLINK_FOLLOW);
    if (rc < 0)
        return rc;
    GOFER_REPLY(r, rlink, RLINK);
    return 0;
}

static int do_rename(struct gofer_req *r, u32 olddir, const struct p9_str *oldname, u32 newdir,
                     const struct p9_str *newname, u32 flags)
{
    char from[P9_NAME_MAX + 1], to[P9_NAME_MAX + 1];
    int rc;

    GOFER_FID(r, od, olddir);
    GOFER_FID(r, nd, newdir);
    rc = dir_change(r->conn, od->node, oldname, from);
    if (rc == 0)
        rc = dir_change(r->conn, nd->node, newname, to);
    if (rc == 0 && (flags & ~(u32)(LINUX_RENAME_NOREPLACE | LINUX_RENAME_EXCHANGE)))
        rc = -EINVAL;
    if (rc < 0)
        return rc;
    return host_renameat2(od->node->fd, from, nd->node->fd, to, flags);
}

int gofer_op_renameat(struct gofer_req *r)
{
    int rc;

    GOFER_DECODE(r, trenameat, m);
    rc = do_rename(r, m.olddirfid, &m.oldname, m.newdirfid, &m.newname, 0);
    if (rc < 0)
        return rc;
    GOFER_REPLY(r, rrenameat, RRENAMEAT);
    return 0;
}

int gofer_op_xrename(struct gofer_req *r)
{
    int rc;

    GOFER_DECODE(r, txrename, m);
    rc = do_rename(r, m.olddirfid, &m.oldname, m.newdirfid, &m.newname, m.flags);
    if (rc < 0)
        return rc;
    GOFER_REPLY(r, rxrename, RXRENAME);
    return 0;
}

/* The name under which a fid was walked to, if it still stands for the same file. */
static int fid_name_check(struct gofer_fid *f)
{
    struct linux_stat st;
    int rc;

    if (!f->parent)
        return -EOPNOTSUPP;
    rc = host_fstatat(f->parent->fd, f->name, &st, LINUX_AT_SYMLINK_NOFOLLOW);
    if (rc < 0)
        return rc;
    return st.st_dev == f->node->dev && st.st_ino == f->node->ino ? 0 : -ESTALE;
}

int gofer_op_rename(struct gofer_req *r)
{
    char to[P9_NAME_MAX + 1];
    char *name;
    int rc;

    GOFER_DECODE(r, trename, m);
    GOFER_FID(r, f, m.fid);
    GOFER_FID(r, d, m.dfid);
    rc = dir_change(r->conn, d->node, &m.name, to);
    if (rc == 0)
        rc = fid_name_check(f);
    if (rc < 0)
        return rc;
    name = kstrdup(to);
    if (!name)
        return -ENOMEM;
    rc = host_renameat2(f->parent->fd, f->name, d->node->fd, to, 0);
    if (rc < 0) {
        kfree(name);
        return rc;
    }
    kfree(f->name);
    f->name = name;
    gofer_node_get(d->node);
    gofer_node_put(f->parent);
    f->parent = d->node;
    GOFER_REPLY(r, rrename, RRENAME);
    return 0;
}

int gofer_op_unlinkat(struct gofer_req *r)
{
    char buf[P9_NAME_MAX + 1];
    int rc;

    GOFER_DECODE(r, tunlinkat, m);
    GOFER_FID(r, d, m.dirfid);
    rc = dir_change(r->conn, d->node, &m.name, buf);
    if (rc == 0 && (m.flags & ~(u32)LINUX_AT_REMOVEDIR))
        rc = -EINVAL;
    if (rc == 0)
        rc = host_unlinkat(d->node->fd, buf, (int)m.flags);
    if (rc < 0)
        return rc;
    GOFER_REPLY(r, runlinkat, RUNLINKAT);
    return 0;
}

/* Removes the file and clunks the fid, even when the removal fails. */
int gofer_op_remove(struct gofer_req *r)
{
    int rc;

    GOFER_DECODE(r, tremove, m);
    GOFER_FID(r, f, m.fid);
    gofer_fid_unbind(r->conn, f);
    if (r->conn->ex.readonly)
        return -EROFS;
    rc = fid_name_check(f);
    if (rc == 0)
        rc = host_unlinkat(f->parent->fd, f->name,
                           f->node->type == LINUX_S_IFDIR ? LINUX_AT_REMOVEDIR : 0);
    if (rc < 0)
        return rc;
    GOFER_REPLY(r, rremove, RREMOVE);
    return 0;
}
