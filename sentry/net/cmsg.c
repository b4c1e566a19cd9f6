/* SPDX-License-Identifier: Apache-2.0 */
/* SCM_RIGHTS and SCM_CREDENTIALS. */
#include "sentry/net/cmsg.h"

#include "cvisor/kcache.h"
#include "sentry/kernel/fdtable.h"
#include "sentry/kernel/task.h"
#include "sentry/mm/uaccess.h"

#include <errno.h>
#include <string.h>

#define CONTROL_MAX 20480 /* net.core.optmem_max */

static int import_rights(struct task *t, const u8 *data, u64 n, struct scm *scm)
{
    u64 count = n / sizeof(s32);
    if (count > SCM_MAX_FD || scm->nfiles + count > SCM_MAX_FD)
        return -EINVAL;
    if (!count)
        return 0;
    struct file **files = krealloc(scm->files, (scm->nfiles + count) * sizeof(*files));
    if (!files)
        return -ENOMEM;
    scm->files = files;
    for (u64 i = 0; i < count; i++) {
        s32 fd;
        memcpy(&fd, data + i * sizeof(fd), sizeof(fd));
        struct file *f = fd_get_path(t, fd);
        if (!f)
            return -EBADF;
        scm->files[scm->nfiles++] = f;
    }
    return 0;
}

/* A sender may claim only ids it has, unless it is privileged. */
static int import_cred(struct task *t, const u8 *data, u64 n, struct scm *scm)
{
    const struct cred *c = t->cred;
    if (n != sizeof(scm->cred))
        return -EINVAL;
    memcpy(&scm->cred, data, sizeof(scm->cred));
    if (scm->cred.pid != t->group->id && !capable(LINUX_CAP_SYS_ADMIN))
        return -EPERM;
    bool uid = scm->cred.uid == c->uid || scm->cred.uid == c->euid || scm->cred.uid == c->suid;
    bool gid = scm->cred.gid == c->gid || scm->cred.gid == c->egid || scm->cred.gid == c->sgid;
    if ((!uid && !capable(LINUX_CAP_SETUID)) || (!gid && !capable(LINUX_CAP_SETGID)))
        return -EPERM;
    scm->has_cred = true;
    return 0;
}

int cmsg_import(struct task *t, struct socket *s, uaddr_t control, u64 len, struct scm *scm)
{
    u8 *buf __kfree = NULL;
    memset(scm, 0, sizeof(*scm));
    if (!len)
        return 0;
    if (len > CONTROL_MAX)
        return -ENOBUFS;
    int err = copy_in_alloc(t, (void **)&buf, control, len);
    u64 off = 0;
    while (!err && off + sizeof(struct linux_cmsghdr) <= len) {
        struct linux_cmsghdr h;
        memcpy(&h, buf + off, sizeof(h));
        if (h.cmsg_len < sizeof(h) || h.cmsg_len > len - off) {
            err = -EINVAL;
            break;
        }
        const u8 *data = buf + off + sizeof(h);
        u64 n = h.cmsg_len - sizeof(h);
        if (h.cmsg_level == LINUX_SOL_SOCKET && s->family == LINUX_AF_UNIX) {
            if (h.cmsg_type == LINUX_SCM_RIGHTS)
                err = import_rights(t, data, n, scm);
            else if (h.cmsg_type == LINUX_SCM_CREDENTIALS)
                err = import_cred(t, data, n, scm);
            else
                err = -EINVAL;
        }
        off += LINUX_CMSG_ALIGN(h.cmsg_len);
    }
    if (err)
        scm_release(scm);
    return err;
}

struct cmsg_out {
    struct task *t;
    uaddr_t at;
    u64 left, used;
    u32 flags;
    int err;
};

static void put_one(struct cmsg_out *o, int type, const void *data, u64 n)
{
    struct linux_cmsghdr h = {
        .cmsg_level = LINUX_SOL_SOCKET,
        .cmsg_type = type,
        .cmsg_len = sizeof(h) + n,
    };
    if (o->left < sizeof(h)) {
        o->flags |= LINUX_MSG_CTRUNC;
        return;
    }
    if (h.cmsg_len > o->left) {
        o->flags |= LINUX_MSG_CTRUNC;
        h.cmsg_len = o->left;
    }
    if (copy_out(o->t, o->at, &h, sizeof(h)) ||
        copy_out(o->t, uaddr_add(o->at, sizeof(h)), data, h.cmsg_len - sizeof(h))) {
        o->err = -EFAULT;
        return;
    }
    u64 step = MIN(LINUX_CMSG_ALIGN(h.cmsg_len), o->left);
    o->at = uaddr_add(o->at, step);
    o->left -= step;
    o->used += step;
}

/* Descriptors that fit get installed; the others are closed and CTRUNC says so. */
static void put_rights(struct cmsg_out *o, struct scm *scm, bool cloexec)
{
    s32 fds[SCM_MAX_FD];
    u32 n = 0;
    u64 room = o->left > sizeof(struct linux_cmsghdr)
                   ? (o->left - sizeof(struct linux_cmsghdr)) / sizeof(s32)
                   : 0;
    while (n < scm->nfiles && n < room) {
        int fd = fd_reserve(o->t, 0);
        if (fd < 0)
            break;
        file_get(scm->files[n]);
        fd_fill(o->t, fd, scm->files[n], cloexec);
        fds[n++] = fd;
    }
    if (n)
        put_one(o, LINUX_SCM_RIGHTS, fds, n * sizeof(s32));
    if (n < scm->nfiles)
        o->flags |= LINUX_MSG_CTRUNC;
}

int cmsg_export(struct task *t, struct socket *s, uaddr_t control, u64 *len, struct scm *scm,
                bool cloexec, u32 *flags)
{
    struct cmsg_out o = {.t = t, .at = control, .left = *len};
    if (atomic_load(&s->passcred) && scm->has_cred)
        put_one(&o, LINUX_SCM_CREDENTIALS, &scm->cred, sizeof(scm->cred));
    if (scm->nfiles)
        put_rights(&o, scm, cloexec);
    *len = o.used;
    *flags |= o.flags;
    return o.err;
}
