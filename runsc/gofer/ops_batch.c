/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Gofer server: many answers in one: the listings of a directory and of what is below it, and several
 * files opened for reading. What can't be read is left out, or has its errno; the rest is answered.
 */
#include "runsc/gofer/server.h"

#include "abi/linux/dirent.h"
#include "abi/linux/fcntl.h"
#include "abi/linux/stat.h"
#include "cvisor/host.h"
#include "cvisor/kcache.h"

#include <errno.h>
#include <string.h>

#define DENTS_SIZE (32u << 10)
#define DENTS_MIN (4u << 10)
#define TREE_DEPTH_MAX 24u
#define TREE_DIRS_MAX 1024u

/* --- steps between folders --- */

#define STEPS_DEPTH_MAX 16u

/* Where the children of a request are: folders that it went down into. */
struct stepper {
    int fds[STEPS_DEPTH_MAX + 1]; /* fds[0] is not ours */
    u32 depth, lost;              /* lost: levels below fds[depth] that could not be entered */
};

static void stepper_up(struct stepper *s)
{
    if (s->lost > 0)
        s->lost--;
    else
        host_close(s->fds[s->depth--]);
}

/* One component, never through a symbolic link. */
static void stepper_down(struct stepper *s, const struct p9_str *name)
{
    char buf[P9_NAME_MAX + 1];
    int fd = -1;

    if (s->lost == 0 && s->depth < STEPS_DEPTH_MAX && gofer_name(name, buf) == 0)
        fd = gofer_open_dir(s->fds[s->depth], buf, LINUX_O_PATH);
    if (fd < 0)
        s->lost++;
    else
        s->fds[++s->depth] = fd;
}

/* Was that a step? steps_check agreed. */
static bool stepper_step(struct stepper *s, const struct p9_str *child)
{
    struct p9_str name;

    if (p9_step_is_up(child)) {
        stepper_up(s);
        return true;
    }
    if (!p9_step_is_down(child))
        return false;
    name = (struct p9_str){.s = child->s + 1, .len = (u16)(child->len - 1)};
    stepper_down(s, &name);
    return true;
}

static void stepper_end(struct stepper *s)
{
    while (s->depth > 0 || s->lost > 0)
        stepper_up(s);
}

/* Number of children that are no steps, or -EINVAL when it goes up from where it began. */
static int steps_check(const struct p9_names *children)
{
    int n = 0, depth = 0;

    for (u16 i = 0; i < children->n; i++) {
        if (p9_step_is_up(&children->v[i])) {
            if (depth-- == 0)
                return -EINVAL;
        } else if (p9_step_is_down(&children->v[i])) {
            depth++;
        } else {
            n++;
        }
    }
    return n;
}

/* --- listings --- */

struct lister {
    struct p9_writer *out;
    size_t limit; /* out->len may not go above it */
    u32 flags, ndirs;
    bool full, part; /* part: what there is of the directory counts */
    u64 pos;         /* after the last entry taken */
    u8 *dents;
    size_t ndents; /* no more than is likely to be of use */
    char target[P9_TARGET_MAX + 1];
};

static bool is_dot(const char *name)
{
    return name[0] == '.' && (name[1] == '\0' || (name[1] == '.' && name[2] == '\0'));
}

static int add_attr(struct lister *l, int fd, const char *name, struct p9_listent *e)
{
    struct linux_stat st;
    ssize_t n;
    int rc = host_fstatat(fd, name, &st, LINUX_AT_SYMLINK_NOFOLLOW);

    if (rc < 0)
        return rc;
    gofer_attr_of(&st, &e->attr);
    e->type = LINUX_MODE_TO_DT(st.st_mode);
    e->plus = true;
    if (LINUX_S_ISLNK(st.st_mode)) {
        n = host_readlinkat(fd, name, l->target, sizeof(l->target));
        if (n > 0 && n <= (ssize_t)P9_TARGET_MAX)
            e->target = (struct p9_str){.s = l->target, .len = (u16)n};
    }
    return 0;
}

static void add_entry(struct lister *l, int fd, const struct linux_dirent64 *de, u32 *count)
{
    struct p9_listent e = {.type = de->d_type, .ino = de->d_ino, .name = p9_str_of(de->d_name)};
    size_t size;

    if (is_dot(de->d_name)) {
        l->pos = (u64)de->d_off;
        return;
    }
    if ((l->flags & P9_XLIST_ATTRS) || de->d_type == LINUX_DT_DIR ||
        de->d_type == LINUX_DT_UNKNOWN) {
        int rc = add_attr(l, fd, de->d_name, &e);

        if (rc == -ENOENT) { /* gone meanwhile */
            l->pos = (u64)de->d_off;
            return;
        }
        /* The name is there; what else there is to know, the client has to ask for. */
        if (rc < 0)
            e.type = LINUX_DT_UNKNOWN;
    }
    size = 1 + 2 + (size_t)e.name.len + 8;
    if (e.plus)
        size += P9_ATTR_WIRE_SIZE + 2 + (size_t)e.target.len;
    if (l->out->len + size > l->limit) {
        l->full = true;
        return;
    }
    p9_put_listent(l->out, &e);
    l->pos = (u64)de->d_off;
    ++*count;
}

/* Writes one directory, or nothing. *at: where its entries are. */
static bool list_one(struct lister *l, int fd, struct p9_listdir *d, size_t *at)
{
    struct linux_stat st;
    size_t start = l->out->len, end;
    ssize_t n = 0;

    if (host_fstat(fd, &st) < 0)
        return false;
    *d = (struct p9_listdir){.dev = st.st_dev, .ino = st.st_ino};
    if (start + 28 > l->limit)
        l->full = true;
    else
        p9_put_listdir(l->out, d);
    *at = l->out->len;
    while (!l->full && (n = host_getdents64(fd, l->dents, l->ndents)) > 0) {
        for (size_t pos = 0; pos + LINUX_DIRENT64_NAME_OFFSET < (size_t)n && !l->full;) {
            const struct linux_dirent64 *de = (const void *)(l->dents + pos);

            if (de->d_reclen == 0) {
                n = -EIO;
                break;
            }
            add_entry(l, fd, de, &d->count);
            pos += de->d_reclen;
        }
        if (n < 0)
            break;
    }
    if (n < 0 || (l->full && (!l->part || d->count == 0))) {
        l->out->len = start;
        return false;
    }
    if (l->full)
        d->next = l->pos;
    end = l->out->len;
    l->out->len = start;
    p9_put_listdir(l->out, d);
    l->out->len = end;
    l->ndirs++;
    return true;
}

static void list_child(struct lister *l, int dirfd, const struct p9_str *name, u32 depth);

/* fd, and what is below it. */
static void list_tree(struct lister *l, int fd, u32 depth)
{
    struct p9_listdir d;
    struct p9_listent e;
    struct p9_reader in;
    size_t at;

    if (!list_one(l, fd, &d, &at) || !(l->flags & P9_XLIST_TREE) || depth >= TREE_DEPTH_MAX)
        return;
    p9_reader_init(&in, l->out->buf + at, l->out->len - at);
    while (d.count-- > 0 && !l->full && l->ndirs < TREE_DIRS_MAX && p9_get_listent(&in, &e)) {
        if (e.type == LINUX_DT_DIR)
            list_child(l, fd, &e.name, depth + 1);
    }
}

/* One component, never through a symbolic link. */
static void list_child(struct lister *l, int dirfd, const struct p9_str *name, u32 depth)
{
    char buf[P9_NAME_MAX + 1];
    int fd;

    if (gofer_name(name, buf) < 0)
        return;
    fd = gofer_open_dir(dirfd, buf, LINUX_O_RDONLY);
    if (fd < 0)
        return;
    list_tree(l, fd, depth);
    host_close(fd);
}

static void list_children(struct lister *l, int fd, const struct p9_names *children)
{
    struct stepper s = {.fds = {fd}};

    for (u16 i = 0; i < children->n && !l->full && l->ndirs < TREE_DIRS_MAX; i++) {
        if (!stepper_step(&s, &children->v[i]) && s.lost == 0)
            list_child(l, s.fds[s.depth], &children->v[i], 1);
    }
    stepper_end(&s);
}

int gofer_op_xlist(struct gofer_req *r)
{
    struct lister *l;
    size_t head;
    u32 count, len;
    int rc, fd;

    GOFER_DECODE(r, txlist, m);
    GOFER_FID(r, f, m.fid);
    if (m.flags & ~(P9_XLIST_ATTRS | P9_XLIST_TREE | P9_XLIST_PART))
        return -EINVAL;
    if ((m.flags & P9_XLIST_PART) && ((m.flags & P9_XLIST_TREE) || m.children.n > 0))
        return -EINVAL;
    if (steps_check(&m.children) < 0)
        return -EINVAL;
    if (f->node->type != LINUX_S_IFDIR)
        return -ENOTDIR;
    count = MIN(m.count, r->conn->msize - P9_IO_OVERHEAD);
    rc = gofer_req_reserve(r, count + P9_IO_OVERHEAD);
    if (rc < 0)
        return rc;
    l = kmalloc(sizeof(*l));
    if (!l)
        return -ENOMEM;
    *l = (struct lister){.out = &r->out,
                         .flags = m.flags,
                         .part = m.flags & P9_XLIST_PART,
                         .ndents = MIN(MAX(count, DENTS_MIN), DENTS_SIZE)};
    l->dents = kmalloc(l->ndents);
    if (!l->dents)
        fd = -ENOMEM;
    else if (m.names.n > 0)
        fd = gofer_walk_dirs(f->node, m.names.v, m.names.n, LINUX_O_RDONLY);
    else
        fd = gofer_node_reopen(f->node, LINUX_O_RDONLY | LINUX_O_DIRECTORY);
    if (fd >= 0 && l->part && m.offset > 0) {
        s64 pos = host_lseek(fd, (s64)m.offset, LINUX_SEEK_SET);

        if (pos < 0) {
            host_close(fd);
            fd = (int)pos;
        }
    }
    if (fd >= 0) {
        p9_begin(&r->out, P9_RXLIST, r->tag);
        head = r->out.len;
        p9_put_u32(&r->out, 0);
        l->limit = head + 4 + count;
        if (m.children.n == 0)
            list_tree(l, fd, 0);
        list_children(l, fd, &m.children);
        host_close(fd);
        len = (u32)(r->out.len - head - 4);
        memcpy(r->out.buf + head, &len, sizeof(len));
    }
    kfree(l->dents);
    kfree(l);
    return fd < 0 ? fd : 0;
}

/* --- files --- */

/* The descriptor of one file, and its identity. */
static int open_child(struct stepper *s, const struct p9_str *name, struct p9_opened *opened)
{
    char buf[P9_NAME_MAX + 1];
    struct linux_stat st;
    int fd, rc = s->lost ? -ENOENT : gofer_name(name, buf);

    if (rc < 0)
        return rc;
    fd = gofer_open_regular(s->fds[s->depth], buf, LINUX_O_RDONLY, NULL, &st);
    if (fd >= 0) {
        opened->dev = st.st_dev;
        opened->ino = st.st_ino;
    }
    return fd;
}

int gofer_op_xopenv(struct gofer_req *r)
{
    struct stepper s = {0};
    size_t head;
    u32 len;
    int rc;

    GOFER_DECODE(r, txopenv, m);
    GOFER_FID(r, f, m.fid);
    if (!r->conn->ex.donate_fds)
        return -EOPNOTSUPP;
    rc = steps_check(&m.children);
    if (rc <= 0 || rc > (int)P9_OPENV_MAX)
        return -EINVAL;
    rc = gofer_walk_dirs(f->node, m.names.v, m.names.n, LINUX_O_PATH);
    if (rc < 0)
        return rc;
    s.fds[0] = rc;
    p9_begin(&r->out, P9_RXOPENV, r->tag);
    p9_put_u8(&r->out, 0);
    head = r->out.len;
    p9_put_u32(&r->out, 0);
    for (u16 i = 0; i < m.children.n; i++) {
        struct p9_opened opened = {0};
        int fd;

        if (stepper_step(&s, &m.children.v[i]))
            continue;
        fd = open_child(&s, &m.children.v[i], &opened);
        if (fd < 0)
            opened = (struct p9_opened){.err = (u32)-fd};
        else
            r->more_fds[r->nmore++] = fd;
        p9_put_opened(&r->out, &opened);
    }
    stepper_end(&s);
    if (s.fds[0] != f->node->fd)
        host_close(s.fds[0]);
    r->out.buf[head - 1] = (u8)r->nmore;
    len = (u32)(r->out.len - head - 4);
    memcpy(r->out.buf + head, &len, sizeof(len));
    return 0;
}
