/* SPDX-License-Identifier: Apache-2.0 */
/* Names of paths: getcwd, /proc/PID/fd and maps, /proc/mounts. */
#include "abi/linux/limits.h"
#include "cvisor/kcache.h"
#include "sentry/vfs/internal.h"
#include "sentry/vfs/mount_internal.h"
#include "sentry/vfs/vfs.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Text that grows towards the front of a buffer. */
struct tail {
    char *start, *floor;
    bool full;
};

static void prepend(struct tail *t, const char *s, size_t n)
{
    if ((size_t)(t->start - t->floor) < n) {
        t->full = true;
        return;
    }
    t->start -= n;
    memcpy(t->start, s, n);
}

/*
 * Prepends the names from d up to stop, or to a dentry without parent. Returns where it ended, without
 * a reference. tree_lock (read).
 */
static struct dentry *prepend_up_locked(struct tail *t, struct dentry *d, const struct dentry *stop,
                                        const struct dentry *stop2)
{
    while (d != stop && d != stop2 && d->parent) {
        prepend(t, d->name, d->name_len);
        prepend(t, "/", 1);
        d = d->parent;
    }
    return d;
}

static bool is_deleted(const struct dentry *d)
{
    return (d->flags & DENTRY_DEAD) || (d->parent && !(d->flags & DENTRY_HASHED));
}

/* Up through the mounts. True when root was met. Consumes the references of cur. */
static bool prepend_path(struct tail *t, struct vfs_path cur, const struct vfs_path *root)
{
    for (;;) {
        struct filesystem *fs = cur.dentry->fs;
        struct dentry *stop2 = root && cur.mnt == root->mnt ? root->dentry : NULL, *d;
        struct vfs_path up;

        rwlock_rdlock(&fs->tree_lock);
        d = prepend_up_locked(t, cur.dentry, cur.mnt ? cur.mnt->root : NULL, stop2);
        dentry_get(d);
        rwlock_rdunlock(&fs->tree_lock);
        dentry_put(cur.dentry);
        cur.dentry = d;
        if (root && cur.mnt == root->mnt && d == root->dentry) {
            vfs_path_put(&cur);
            return true;
        }
        if (!cur.mnt || d != cur.mnt->root || !mount_point_of(cur.mnt, &up)) {
            bool top = !root;

            vfs_path_put(&cur);
            return top;
        }
        vfs_path_put(&cur);
        cur = up;
    }
}

char *vfs_path_name(const struct vfs_path *p, const struct vfs_path *root, char *buf, size_t n,
                    int *err)
{
    struct tail t = {.start = buf + n, .floor = buf};
    struct dentry *d = p->dentry;
    struct vfs_path cur = *p;
    const char *end;
    bool deleted;

    prepend(&t, "", 1);
    end = t.start;
    rwlock_rdlock(&d->fs->tree_lock);
    if (d->flags & DENTRY_DISCONNECTED) {
        prepend(&t, d->name, d->name_len);
        rwlock_rdunlock(&d->fs->tree_lock);
        goto out;
    }
    deleted = is_deleted(d);
    rwlock_rdunlock(&d->fs->tree_lock);
    if (deleted)
        prepend(&t, " (deleted)", 10);
    end = t.start;
    vfs_path_get(&cur);
    if (!prepend_path(&t, cur, root)) {
        if (t.start == end)
            prepend(&t, "/", 1);
        prepend(&t, "(unreachable)", 13);
    }
    if (t.start == end)
        prepend(&t, "/", 1);
out:
    *err = t.full ? -ENAMETOOLONG : 0;
    return t.full ? NULL : t.start;
}

/* ---- /proc/mounts -------------------------------------------------------------------------- */

struct text {
    char *p;
    size_t len, cap;
    bool failed;
};

static void text_add(struct text *t, const char *s, size_t n)
{
    if (t->failed)
        return;
    if (t->len + n + 1 > t->cap) {
        size_t cap = (t->len + n + 1) * 2;
        char *p = krealloc(t->p, cap);

        if (!p) {
            t->failed = true;
            return;
        }
        t->p = p;
        t->cap = cap;
    }
    memcpy(t->p + t->len, s, n);
    t->len += n;
    t->p[t->len] = 0;
}

static void text_printf(struct text *t, const char *fmt, ...) __printf(2, 3);
static void text_printf(struct text *t, const char *fmt, ...)
{
    char line[256];
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(line, sizeof(line), fmt, ap);
    va_end(ap);
    text_add(t, line, (size_t)MIN(n, (int)sizeof(line) - 1));
}

/* A field: space, tab, newline and backslash as octal. */
static void text_field(struct text *t, const char *s)
{
    for (; *s; s++) {
        if (strchr(" \t\n\\#", *s))
            text_printf(t, "\\%03o", (u8)*s);
        else
            text_add(t, s, 1);
    }
}

static void text_flags(struct text *t, u32 flags)
{
    text_printf(t, "%s%s%s%s%s", flags & MOUNT_RDONLY ? "ro" : "rw",
                flags & MOUNT_NOSUID ? ",nosuid" : "", flags & MOUNT_NODEV ? ",nodev" : "",
                flags & MOUNT_NOEXEC ? ",noexec" : "",
                flags & MOUNT_NOATIME ? ",noatime" : ",relatime");
}

static u32 parent_id(struct mount *m)
{
    u32 id;

    rwlock_rdlock(&g_mounts_lock);
    id = m->parent ? m->parent->id : 1;
    rwlock_rdunlock(&g_mounts_lock);
    return id;
}

static void show_mount(struct text *t, struct mount *m, const char *at, bool mountinfo,
                       char *scratch, size_t n)
{
    u32 flags = atomic_load(&m->flags);
    char opts[256] = "";

    if (m->fs->ops->show_options)
        m->fs->ops->show_options(m->fs, opts, sizeof(opts));
    if (mountinfo) {
        struct vfs_path p = {NULL, m->root};
        int err;
        const char *in_fs;

        /* Without a mount the name is the one inside the filesystem. */
        in_fs = vfs_path_name(&p, NULL, scratch, n, &err);
        text_printf(t, "%u %u %u:%u ", m->id, parent_id(m), LINUX_MAJOR(m->fs->dev),
                    LINUX_MINOR(m->fs->dev));
        text_field(t, in_fs && *in_fs == '/' ? in_fs : "/");
        text_add(t, " ", 1);
        text_field(t, at);
        text_add(t, " ", 1);
        text_flags(t, flags);
        text_printf(t, " - %s ", m->fs->type_name);
        text_field(t, m->source);
        text_printf(t, " rw%s\n", opts);
        return;
    }
    text_field(t, m->source);
    text_add(t, " ", 1);
    text_field(t, at);
    text_printf(t, " %s ", m->fs->type_name);
    text_flags(t, flags);
    text_printf(t, "%s 0 0\n", opts);
}

int mount_ns_show(struct mount_ns *ns, const struct vfs_path *root, bool mountinfo, char **out,
                  size_t *len)
{
    struct text t = {0};
    size_t n;
    struct mount **v;
    char *buf = kmalloc(2 * LINUX_PATH_MAX);

    if (mount_ns_snapshot(ns, &v, &n) || !buf)
        t.failed = true;
    for (size_t i = 0; i < n; i++) {
        struct vfs_path p = {v[i], v[i]->root};
        const char *at = NULL;
        int err;

        if (buf)
            at = vfs_path_name(&p, root, buf, LINUX_PATH_MAX, &err);
        if (at && *at == '/')
            show_mount(&t, v[i], at, mountinfo, buf + LINUX_PATH_MAX, LINUX_PATH_MAX);
        mount_put(v[i]);
    }
    kfree(v);
    kfree(buf);
    if (!t.failed && !t.p)
        text_add(&t, "", 0);
    if (t.failed) {
        kfree(t.p);
        return -ENOMEM;
    }
    *out = t.p;
    *len = t.len;
    return 0;
}
