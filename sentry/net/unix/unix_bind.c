/* SPDX-License-Identifier: Apache-2.0 */
/* AF_UNIX: names. Pathnames live in the filesystem (inode->ipc), abstract ones in a hash table. */
#include "abi/linux/fcntl.h"
#include "cvisor/kcache.h"
#include "sentry/kernel/task.h"
#include "sentry/net/unix/unix.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define NAME_BUCKETS 64

struct name_table {
    struct list_head bucket[NAME_BUCKETS]; /* usock.name_node */
    bool ready;
    u32 next_auto; /* autobind */
};
static struct name_table g_names; /* g_unix_lock */

static struct list_head *name_bucket(const char *path, u32 len)
{
    if (!g_names.ready) {
        for (int i = 0; i < NAME_BUCKETS; i++)
            list_init(&g_names.bucket[i]);
        g_names.ready = true;
    }
    u32 h = 2166136261u;
    for (u32 i = 0; i < len; i++)
        h = (h ^ (u8)path[i]) * 16777619u;
    return &g_names.bucket[h % NAME_BUCKETS];
}

static struct usock *name_find_locked(const char *path, u32 len)
{
    struct list_head *b = name_bucket(path, len);
    struct usock *u;
    list_for_each_entry (u, b, name_node) {
        if (u->addr->len == len && memcmp(u->addr->path, path, len) == 0)
            return u;
    }
    return NULL;
}

void unix_unbind_locked(struct usock *u)
{
    list_del(&u->name_node);
    if (u->bound_inode) {
        u->bound_inode = false;
        struct inode *inode = u->path.dentry->inode;
        if (inode->ipc == u)
            inode->ipc = NULL;
    }
}

/* sockaddr → path and length; abstract names keep their leading NUL. -EINVAL. */
static int unix_parse(const void *addr, u32 len, char path[UNIX_PATH_MAX + 1], u32 *plen)
{
    u16 family;
    if (len < sizeof(family) || len > sizeof(family) + UNIX_PATH_MAX)
        return -EINVAL;
    memcpy(&family, addr, sizeof(family));
    if (family != LINUX_AF_UNIX)
        return -EINVAL;
    u32 n = len - (u32)sizeof(family);
    memset(path, 0, UNIX_PATH_MAX + 1);
    memcpy(path, (const char *)addr + sizeof(family), n);
    *plen = n && path[0] ? (u32)strlen(path) : n;
    return 0;
}

static struct unix_addr *addr_new(const char *path, u32 len)
{
    struct unix_addr *a = kzalloc(sizeof(*a));
    if (a) {
        a->len = len;
        memcpy(a->path, path, MIN(len, (u32)UNIX_PATH_MAX));
    }
    return a;
}

/* g_unix_lock held. An unused abstract name of five hex digits, as Linux gives. */
static int unix_autobind_locked(struct usock *u)
{
    for (u32 tries = 0; tries < 0x100000; tries++) {
        char name[8] = "";
        snprintf(name + 1, sizeof(name) - 1, "%05x", g_names.next_auto++ & 0xfffff);
        if (name_find_locked(name, 6))
            continue;
        u->addr = addr_new(name, 6);
        if (!u->addr)
            return -ENOMEM;
        list_add(&u->name_node, name_bucket(name, 6));
        return 0;
    }
    return -ENOSPC;
}

static int unix_bind_abstract(struct usock *u, const char *path, u32 len)
{
    struct unix_addr *a = addr_new(path, len);
    int err = a ? 0 : -ENOMEM;
    mutex_lock(&g_unix_lock);
    if (!err && u->addr)
        err = -EINVAL;
    if (!err && name_find_locked(path, len))
        err = -EADDRINUSE;
    if (!err) {
        u->addr = a;
        list_add(&u->name_node, name_bucket(path, len));
    }
    mutex_unlock(&g_unix_lock);
    if (err)
        kfree(a);
    return err;
}

static int unix_bind_path(struct usock *u, const char *path, u32 len)
{
    struct unix_addr *a = addr_new(path, MIN(len + 1, (u32)UNIX_PATH_MAX));
    struct vfs_path at = {0};
    if (!a)
        return -ENOMEM;
    mutex_lock(&g_unix_lock);
    bool bound = u->addr != NULL;
    mutex_unlock(&g_unix_lock);
    int err = bound ? -EINVAL : vfs_bind_socket(LINUX_AT_FDCWD, path, 0777, &at);
    if (err) {
        kfree(a);
        return err == -EEXIST ? -EADDRINUSE : err;
    }
    mutex_lock(&g_unix_lock);
    if (u->addr) {
        err = -EINVAL;
    } else {
        u->addr = a;
        u->path = at;
        u->bound_inode = true;
        at.dentry->inode->ipc = u;
    }
    mutex_unlock(&g_unix_lock);
    if (err) {
        kfree(a);
        vfs_path_put(&at);
    }
    return err;
}

int unix_bind(struct socket *s, const void *addr, u32 len)
{
    struct usock *u = usock(s);
    char path[UNIX_PATH_MAX + 1];
    u32 plen;
    int err = unix_parse(addr, len, path, &plen);
    if (err)
        return err;
    if (!plen && len == sizeof(u16)) {
        mutex_lock(&g_unix_lock);
        err = u->addr ? 0 : unix_autobind_locked(u);
        mutex_unlock(&g_unix_lock);
        return err;
    }
    if (!path[0])
        return unix_bind_abstract(u, path, plen);
    return unix_bind_path(u, path, plen);
}

static int unix_find_path(const char *path, struct usock **out)
{
    struct vfs_path at;
    int err = vfs_resolve(LINUX_AT_FDCWD, path, RP_FOLLOW, &at);
    if (err)
        return err;
    struct inode *inode = at.dentry->inode;
    err = inode_permission(inode, current->cred, MAY_WRITE);
    if (!err && inode_type(inode) != LINUX_S_IFSOCK)
        err = -ECONNREFUSED;
    if (!err) {
        mutex_lock(&g_unix_lock);
        struct usock *u = inode->ipc;
        if (u && ref_get_unless_zero(&u->refs))
            *out = u;
        else
            err = -ECONNREFUSED;
        mutex_unlock(&g_unix_lock);
    }
    vfs_path_put(&at);
    return err;
}

int unix_find(const void *addr, u32 len, int type, struct usock **out)
{
    char path[UNIX_PATH_MAX + 1];
    u32 plen;
    int err = unix_parse(addr, len, path, &plen);
    if (err)
        return err;
    if (!plen)
        return -EINVAL;
    if (path[0]) {
        err = unix_find_path(path, out);
    } else {
        mutex_lock(&g_unix_lock);
        struct usock *u = name_find_locked(path, plen);
        if (u && ref_get_unless_zero(&u->refs))
            *out = u;
        else
            err = -ECONNREFUSED;
        mutex_unlock(&g_unix_lock);
    }
    if (!err && (*out)->sock.type != type) {
        usock_put(*out);
        err = -EPROTOTYPE;
    }
    return err;
}

int unix_getname(struct socket *s, bool peer, void *addr, u32 *len)
{
    struct usock *u = usock(s);
    u16 family = LINUX_AF_UNIX;
    int err = 0;
    memset(addr, 0, SOCK_ADDR_MAX);
    memcpy(addr, &family, sizeof(family));
    *len = sizeof(family);
    mutex_lock(&g_unix_lock);
    if (peer)
        u = u->peer;
    if (!u) {
        err = -ENOTCONN;
    } else if (u->addr) {
        memcpy((char *)addr + sizeof(family), u->addr->path, u->addr->len);
        *len += u->addr->len;
    }
    mutex_unlock(&g_unix_lock);
    return err;
}
