/* SPDX-License-Identifier: Apache-2.0 */
/* Gofer server: nodes (O_PATH descriptors) and the table of fids. Confinement of lookups is here. */
#include "runsc/gofer/server.h"

#include "abi/linux/fcntl.h"
#include "abi/linux/stat.h"
#include "cvisor/host.h"
#include "cvisor/kcache.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

KCACHE(gofer_node);
KCACHE(gofer_fid);

int g_gofer_procfd = -1;

int gofer_name(const struct p9_str *s, char out[P9_NAME_MAX + 1])
{
    if (s->len > P9_NAME_MAX)
        return -ENAMETOOLONG;
    if (!p9_name_valid(s))
        return -EINVAL;
    memcpy(out, s->s, s->len);
    out[s->len] = '\0';
    return 0;
}

void gofer_procfd_name(const struct gofer_node *n, char out[12])
{
    snprintf(out, 12, "%d", n->fd);
}

/* --- nodes --- */

int gofer_node_new(int fd, struct gofer_node **out, struct linux_stat *st)
{
    struct linux_stat unused;
    struct gofer_node *n;
    int rc;

    if (!st)
        st = &unused;
    rc = host_fstat(fd, st);

    if (rc < 0) {
        host_close(fd);
        return rc;
    }
    n = kcache_alloc(gofer_node);
    if (!n) {
        host_close(fd);
        return -ENOMEM;
    }
    ref_init(&n->refs);
    n->fd = fd;
    n->type = st->st_mode & LINUX_S_IFMT;
    n->dev = st->st_dev;
    n->ino = st->st_ino;
    *out = n;
    return 0;
}

void gofer_node_get(struct gofer_node *n)
{
    ref_get(&n->refs);
}

void gofer_node_put(struct gofer_node *n)
{
    if (!ref_put(&n->refs))
        return;
    host_close(n->fd);
    kcache_free(gofer_node, n);
}

int gofer_node_walk(struct gofer_node *dir, const struct p9_str *name, struct gofer_node **out,
                    struct linux_stat *st)
{
    char buf[P9_NAME_MAX + 1];
    int rc = gofer_name(name, buf);

    if (rc < 0)
        return rc;
    if (dir->type != LINUX_S_IFDIR)
        return -ENOTDIR;
    /* One valid component, relative to a directory of the export, not through a symlink: it cannot
     * leave the export. */
    rc = host_openat(dir->fd, buf, LINUX_O_PATH | LINUX_O_NOFOLLOW | LINUX_O_CLOEXEC, 0);
    if (rc < 0)
        return rc;
    return gofer_node_new(rc, out, st);
}

int gofer_open_dir(int dirfd, const char *name, int flags)
{
    return host_openat(dirfd, name, flags | LINUX_O_DIRECTORY | LINUX_O_NOFOLLOW | LINUX_O_CLOEXEC,
                       0);
}

int gofer_walk_dirs(struct gofer_node *dir, const struct p9_str *names, u16 n, int flags)
{
    char buf[P9_NAME_MAX + 1];
    int fd = dir->fd, rc = dir->type == LINUX_S_IFDIR ? 0 : -ENOTDIR;

    for (u16 i = 0; i < n && rc == 0; i++) {
        int next = rc = gofer_name(&names[i], buf);

        if (rc == 0)
            next = gofer_open_dir(fd, buf, i + 1 == n ? flags : LINUX_O_PATH);
        if (fd != dir->fd)
            host_close(fd);
        fd = next;
        rc = MIN(next, 0);
    }
    return rc < 0 ? rc : fd;
}

int gofer_node_reopen(struct gofer_node *n, int flags)
{
    char name[12];

    if (n->type == LINUX_S_IFLNK)
        return -ELOOP;
    if (n->type != LINUX_S_IFREG && n->type != LINUX_S_IFDIR)
        return -ENXIO;
    gofer_procfd_name(n, name);
    return host_openat(g_gofer_procfd, name, flags | LINUX_O_CLOEXEC | LINUX_O_NOCTTY, 0);
}

int gofer_open_regular(int dirfd, const char *name, int flags, const struct linux_stat *known,
                       struct linux_stat *st)
{
    int fd, rc = 0;

    if (!known) {
        rc = host_fstatat(dirfd, name, st, LINUX_AT_SYMLINK_NOFOLLOW);
        known = st;
    }
    if (rc == 0 && LINUX_S_ISDIR(known->st_mode))
        rc = -EISDIR;
    else if (rc == 0 && LINUX_S_ISLNK(known->st_mode))
        rc = -ELOOP;
    else if (rc == 0 && !LINUX_S_ISREG(known->st_mode))
        rc = -ENXIO;
    if (rc < 0)
        return rc;
    /* What took its place meanwhile does not make us wait, and exports have no devices (nodev). */
    fd = host_openat(dirfd, name,
                     flags | LINUX_O_NOFOLLOW | LINUX_O_NONBLOCK | LINUX_O_CLOEXEC | LINUX_O_NOCTTY,
                     0);
    if (fd < 0)
        return fd;
    rc = host_fstat(fd, st);
    if (rc == 0 && !LINUX_S_ISREG(st->st_mode))
        rc = -ENXIO;
    if (rc < 0)
        host_close(fd);
    return rc < 0 ? rc : fd;
}

/* --- fids --- */

struct gofer_fid *gofer_fid_get(struct gofer_conn *c, u32 num)
{
    struct range_node *rn = rangetree_find(&c->fids, num);
    struct gofer_fid *f;

    if (!rn)
        return NULL;
    f = container_of(rn, struct gofer_fid, tree);
    ref_get(&f->refs);
    return f;
}

bool gofer_fid_free_num(struct gofer_conn *c, u32 num)
{
    return num != P9_NOFID && !rangetree_find(&c->fids, num);
}

int gofer_fid_new(struct gofer_conn *c, u32 num, struct gofer_node *node, u32 uid,
                  struct gofer_node *parent, const struct p9_str *name, struct gofer_fid **out)
{
    struct gofer_fid *f;

    if (!gofer_fid_free_num(c, num))
        return -EBADF;
    if (c->fids.count >= GOFER_FIDS_MAX)
        return -ENFILE;
    f = kcache_alloc(gofer_fid);
    if (!f)
        return -ENOMEM;
    if (parent && name) {
        f->name = kstrndup(name->s, name->len);
        if (!f->name) {
            kcache_free(gofer_fid, f);
            return -ENOMEM;
        }
        gofer_node_get(parent);
        f->parent = parent;
    }
    ref_init(&f->refs);
    gofer_node_get(node);
    f->node = node;
    f->uid = uid;
    atomic_init(&f->open_fd, -1);
    f->tree.start = num;
    f->tree.end = (u64)num + 1;
    BUG_ON(rangetree_insert(&c->fids, &f->tree) < 0);
    if (out) {
        ref_get(&f->refs);
        *out = f;
    }
    return 0;
}

void gofer_fid_put(struct gofer_fid *f)
{
    int fd;

    if (!ref_put(&f->refs))
        return;
    fd = atomic_load(&f->open_fd);
    if (fd >= 0)
        host_close(fd);
    gofer_node_put(f->node);
    if (f->parent)
        gofer_node_put(f->parent);
    kfree(f->name);
    kfree(f->xattr_name);
    kfree(f->xattr_buf);
    kcache_free(gofer_fid, f);
}

void gofer_fid_unbind(struct gofer_conn *c, struct gofer_fid *f)
{
    rangetree_remove(&c->fids, &f->tree);
    gofer_fid_put(f);
}

void gofer_fids_clear(struct gofer_conn *c)
{
    struct range_node *rn;

    while ((rn = rangetree_first(&c->fids)))
        gofer_fid_unbind(c, container_of(rn, struct gofer_fid, tree));
}
