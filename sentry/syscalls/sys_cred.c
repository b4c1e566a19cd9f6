/* SPDX-License-Identifier: Apache-2.0 */
/* User and group ids, capabilities. */
#include "abi/linux/capability.h"
#include "abi/linux/unistd.h"
#include "cvisor/kcache.h"
#include "sentry/kernel/answers.h"
#include "sentry/kernel/cred.h"
#include "sentry/kernel/task.h"
#include "sentry/mm/uaccess.h"
#include "sentry/syscalls/handlers.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SECURE_NO_SETUID_FIXUP 4u
#define ID_KEEP 0xffffffffu

s64 sys_getuid(struct task *t, const struct syscall_args *a __unused)
{
    return answers_value(t, LINUX_SYS_getuid);
}

s64 sys_geteuid(struct task *t, const struct syscall_args *a __unused)
{
    return answers_value(t, LINUX_SYS_geteuid);
}

s64 sys_getgid(struct task *t, const struct syscall_args *a __unused)
{
    return answers_value(t, LINUX_SYS_getgid);
}

s64 sys_getegid(struct task *t, const struct syscall_args *a __unused)
{
    return answers_value(t, LINUX_SYS_getegid);
}

s64 sys_getresuid(struct task *t, const struct syscall_args *a)
{
    const struct cred *c = t->cred;
    if (put_u32(t, arg_ptr(a, 0), c->uid) || put_u32(t, arg_ptr(a, 1), c->euid) ||
        put_u32(t, arg_ptr(a, 2), c->suid))
        return -EFAULT;
    return 0;
}

s64 sys_getresgid(struct task *t, const struct syscall_args *a)
{
    const struct cred *c = t->cred;
    if (put_u32(t, arg_ptr(a, 0), c->gid) || put_u32(t, arg_ptr(a, 1), c->egid) ||
        put_u32(t, arg_ptr(a, 2), c->sgid))
        return -EFAULT;
    return 0;
}

/* capabilities(7): what changing user ids does to the sets. */
static void cred_fix_uid(const struct cred *old, struct cred *c)
{
    if (c->securebits & SECURE_NO_SETUID_FIXUP)
        return;
    bool had_root = !old->uid || !old->euid || !old->suid;
    bool has_root = !c->uid || !c->euid || !c->suid;
    if (had_root && !has_root) {
        if (!c->keep_caps)
            c->cap_permitted = c->cap_effective = 0;
        c->cap_ambient = 0;
    }
    if (!old->euid && c->euid)
        c->cap_effective = 0;
    if (old->euid && !c->euid)
        c->cap_effective = c->cap_permitted;
}

static s64 cred_publish_uid(struct task *t, struct cred *c)
{
    c->fsuid = c->euid;
    cred_fix_uid(t->cred, c);
    cred_commit(t, c);
    return 0;
}

static s64 cred_publish_gid(struct task *t, struct cred *c)
{
    c->fsgid = c->egid;
    cred_commit(t, c);
    return 0;
}

s64 sys_setuid(struct task *t, const struct syscall_args *a)
{
    u32 id = arg_u32(a, 0);
    const struct cred *old = t->cred;
    if (id == ID_KEEP)
        return -EINVAL;
    bool cap = cred_capable(old, LINUX_CAP_SETUID);
    if (!cap && id != old->uid && id != old->suid)
        return -EPERM;
    struct cred *c = cred_copy(old);
    if (!c)
        return -ENOMEM;
    if (cap)
        c->uid = c->suid = id;
    c->euid = id;
    return cred_publish_uid(t, c);
}

s64 sys_setgid(struct task *t, const struct syscall_args *a)
{
    u32 id = arg_u32(a, 0);
    const struct cred *old = t->cred;
    if (id == ID_KEEP)
        return -EINVAL;
    bool cap = cred_capable(old, LINUX_CAP_SETGID);
    if (!cap && id != old->gid && id != old->sgid)
        return -EPERM;
    struct cred *c = cred_copy(old);
    if (!c)
        return -ENOMEM;
    if (cap)
        c->gid = c->sgid = id;
    c->egid = id;
    return cred_publish_gid(t, c);
}

s64 sys_setreuid(struct task *t, const struct syscall_args *a)
{
    u32 r = arg_u32(a, 0), e = arg_u32(a, 1);
    const struct cred *old = t->cred;
    bool cap = cred_capable(old, LINUX_CAP_SETUID);
    if (!cap && r != ID_KEEP && r != old->uid && r != old->euid)
        return -EPERM;
    if (!cap && e != ID_KEEP && e != old->uid && e != old->euid && e != old->suid)
        return -EPERM;
    struct cred *c = cred_copy(old);
    if (!c)
        return -ENOMEM;
    if (r != ID_KEEP)
        c->uid = r;
    if (e != ID_KEEP)
        c->euid = e;
    if (r != ID_KEEP || (e != ID_KEEP && e != old->uid))
        c->suid = c->euid;
    return cred_publish_uid(t, c);
}

s64 sys_setregid(struct task *t, const struct syscall_args *a)
{
    u32 r = arg_u32(a, 0), e = arg_u32(a, 1);
    const struct cred *old = t->cred;
    bool cap = cred_capable(old, LINUX_CAP_SETGID);
    if (!cap && r != ID_KEEP && r != old->gid && r != old->egid)
        return -EPERM;
    if (!cap && e != ID_KEEP && e != old->gid && e != old->egid && e != old->sgid)
        return -EPERM;
    struct cred *c = cred_copy(old);
    if (!c)
        return -ENOMEM;
    if (r != ID_KEEP)
        c->gid = r;
    if (e != ID_KEEP)
        c->egid = e;
    if (r != ID_KEEP || (e != ID_KEEP && e != old->gid))
        c->sgid = c->egid;
    return cred_publish_gid(t, c);
}

static bool id_allowed(u32 id, u32 r, u32 e, u32 s)
{
    return id == ID_KEEP || id == r || id == e || id == s;
}

s64 sys_setresuid(struct task *t, const struct syscall_args *a)
{
    u32 r = arg_u32(a, 0), e = arg_u32(a, 1), s = arg_u32(a, 2);
    const struct cred *old = t->cred;
    if (!cred_capable(old, LINUX_CAP_SETUID) && !(id_allowed(r, old->uid, old->euid, old->suid) &&
                                                  id_allowed(e, old->uid, old->euid, old->suid) &&
                                                  id_allowed(s, old->uid, old->euid, old->suid)))
        return -EPERM;
    struct cred *c = cred_copy(old);
    if (!c)
        return -ENOMEM;
    if (r != ID_KEEP)
        c->uid = r;
    if (e != ID_KEEP)
        c->euid = e;
    if (s != ID_KEEP)
        c->suid = s;
    return cred_publish_uid(t, c);
}

s64 sys_setresgid(struct task *t, const struct syscall_args *a)
{
    u32 r = arg_u32(a, 0), e = arg_u32(a, 1), s = arg_u32(a, 2);
    const struct cred *old = t->cred;
    if (!cred_capable(old, LINUX_CAP_SETGID) && !(id_allowed(r, old->gid, old->egid, old->sgid) &&
                                                  id_allowed(e, old->gid, old->egid, old->sgid) &&
                                                  id_allowed(s, old->gid, old->egid, old->sgid)))
        return -EPERM;
    struct cred *c = cred_copy(old);
    if (!c)
        return -ENOMEM;
    if (r != ID_KEEP)
        c->gid = r;
    if (e != ID_KEEP)
        c->egid = e;
    if (s != ID_KEEP)
        c->sgid = s;
    return cred_publish_gid(t, c);
}

s64 sys_setfsuid(struct task *t, const struct syscall_args *a)
{
    u32 id = arg_u32(a, 0);
    const struct cred *old = t->cred;
    u32 was = old->fsuid;
    if (id == ID_KEEP || id == was)
        return was;
    if (!cred_capable(old, LINUX_CAP_SETUID) && id != old->uid && id != old->euid &&
        id != old->suid)
        return was;
    struct cred *c = cred_copy(old);
    if (!c)
        return was;
    c->fsuid = id;
    cred_commit(t, c);
    return was;
}

s64 sys_setfsgid(struct task *t, const struct syscall_args *a)
{
    u32 id = arg_u32(a, 0);
    const struct cred *old = t->cred;
    u32 was = old->fsgid;
    if (id == ID_KEEP || id == was)
        return was;
    if (!cred_capable(old, LINUX_CAP_SETGID) && id != old->gid && id != old->egid &&
        id != old->sgid)
        return was;
    struct cred *c = cred_copy(old);
    if (!c)
        return was;
    c->fsgid = id;
    cred_commit(t, c);
    return was;
}

s64 sys_getgroups(struct task *t, const struct syscall_args *a)
{
    int n = arg_int(a, 0);
    const struct cred *c = t->cred;
    if (n < 0)
        return -EINVAL;
    if (n == 0)
        return (s64)c->ngroups;
    if ((size_t)n < c->ngroups)
        return -EINVAL;
    if (copy_out(t, arg_ptr(a, 1), c->groups, c->ngroups * sizeof(u32)))
        return -EFAULT;
    return (s64)c->ngroups;
}

static int gid_compare(const void *x, const void *y)
{
    u32 a = *(const u32 *)x, b = *(const u32 *)y;
    return a < b ? -1 : a > b;
}

s64 sys_setgroups(struct task *t, const struct syscall_args *a)
{
    int n = arg_int(a, 0);
    if (!capable(LINUX_CAP_SETGID))
        return -EPERM;
    if (n < 0 || n > NGROUPS_MAX)
        return -EINVAL;
    u32 *groups = NULL;
    if (n) {
        int err = copy_in_alloc(t, (void **)&groups, arg_ptr(a, 1), (size_t)n * sizeof(u32));
        if (err)
            return err;
        qsort(groups, (size_t)n, sizeof(u32), gid_compare);
    }
    struct cred *c = cred_copy(t->cred);
    if (!c) {
        kfree(groups);
        return -ENOMEM;
    }
    kfree(c->groups);
    c->groups = groups;
    c->ngroups = (size_t)n;
    cred_commit(t, c);
    return 0;
}

/* ---- capabilities ---- */

static int cap_header(struct task *t, uaddr_t u, struct linux_cap_user_header *h, size_t *words)
{
    if (copy_in(t, h, u, sizeof(*h)))
        return -EFAULT;
    switch (h->version) {
    case LINUX_CAPABILITY_VERSION_1:
        *words = 1;
        return 0;
    case LINUX_CAPABILITY_VERSION_2:
    case LINUX_CAPABILITY_VERSION_3:
        *words = 2;
        return 0;
    default:
        (void)put_u32(t, u, LINUX_CAPABILITY_VERSION_3);
        return -EINVAL;
    }
}

s64 sys_capget(struct task *t, const struct syscall_args *a)
{
    struct linux_cap_user_header h;
    struct linux_cap_user_data d[2] = {0};
    size_t words;
    int err = cap_header(t, arg_ptr(a, 0), &h, &words);
    if (err)
        return err == -EINVAL && !a->v[1] ? 0 : err;
    if (h.pid < 0)
        return -EINVAL;
    struct task *to = h.pid ? task_find(h.pid) : NULL;
    if (h.pid && !to)
        return -ESRCH;
    const struct cred *c = task_cred_get(to ? to : t);
    if (to)
        task_put(to);
    for (size_t i = 0; i < 2; i++) {
        d[i].effective = (u32)(c->cap_effective >> (32 * i));
        d[i].permitted = (u32)(c->cap_permitted >> (32 * i));
        d[i].inheritable = (u32)(c->cap_inheritable >> (32 * i));
    }
    cred_put(c);
    if (a->v[1] && copy_out(t, arg_ptr(a, 1), d, words * sizeof(d[0])))
        return -EFAULT;
    return 0;
}

s64 sys_capset(struct task *t, const struct syscall_args *a)
{
    struct linux_cap_user_header h;
    struct linux_cap_user_data d[2] = {0};
    size_t words;
    int err = cap_header(t, arg_ptr(a, 0), &h, &words);
    if (err)
        return err;
    if (h.pid && h.pid != t->tid)
        return -EPERM;
    if (copy_in(t, d, arg_ptr(a, 1), words * sizeof(d[0])))
        return -EFAULT;
    u64 eff = d[0].effective | (u64)d[1].effective << 32;
    u64 perm = d[0].permitted | (u64)d[1].permitted << 32;
    u64 inh = d[0].inheritable | (u64)d[1].inheritable << 32;
    const u64 all = (1ull << (LINUX_CAP_LAST_CAP + 1)) - 1;
    eff &= all;
    perm &= all;
    inh &= all;
    const struct cred *old = t->cred;
    if (perm & ~old->cap_permitted)
        return -EPERM;
    if (eff & ~perm)
        return -EPERM;
    u64 inh_limit = old->cap_inheritable | old->cap_bounding;
    if (!cred_capable(old, LINUX_CAP_SETPCAP))
        inh_limit &= old->cap_inheritable | old->cap_permitted;
    if (inh & ~inh_limit)
        return -EPERM;
    struct cred *c = cred_copy(old);
    if (!c)
        return -ENOMEM;
    c->cap_effective = eff;
    c->cap_permitted = perm;
    c->cap_inheritable = inh;
    c->cap_ambient &= perm & inh;
    cred_commit(t, c);
    return 0;
}
