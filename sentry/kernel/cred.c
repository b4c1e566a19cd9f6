/* SPDX-License-Identifier: Apache-2.0 */
/* Credentials: copy, commit, capabilities, and what an exec makes of them. */
#include "sentry/kernel/cred.h"

#include "abi/linux/prctl.h"
#include "abi/linux/stat.h"
#include "cvisor/kcache.h"
#include "sentry/kernel/answers.h"
#include "sentry/kernel/task.h"
#include "sentry/mm/mm.h"

#include <errno.h>
#include <string.h>

KCACHE(cred);

#define CAP_ALL ((1ull << (LINUX_CAP_LAST_CAP + 1)) - 1)
#define SECURE_NOROOT 1u
#define SECURE_KEEP_CAPS 16u

struct cred *cred_new(void)
{
    struct cred *c = kcache_alloc(cred);
    if (!c)
        return NULL;
    ref_init(&c->refs);
    c->cap_effective = c->cap_permitted = c->cap_bounding = CAP_ALL;
    return c;
}

struct cred *cred_copy(const struct cred *old)
{
    struct cred *c = kcache_alloc(cred);
    if (!c)
        return NULL;
    /* Others take and drop references of old at the same time. */
    memcpy((char *)c + sizeof(c->refs), (const char *)old + sizeof(old->refs),
           sizeof(*c) - sizeof(c->refs));
    ref_init(&c->refs);
    c->groups = NULL;
    if (old->ngroups) {
        c->groups = kmalloc(old->ngroups * sizeof(u32));
        if (!c->groups) {
            kcache_free(cred, c);
            return NULL;
        }
        memcpy(c->groups, old->groups, old->ngroups * sizeof(u32));
    }
    return c;
}

void cred_put(const struct cred *c)
{
    struct cred *m = (struct cred *)(uintptr_t)c;
    if (!m || !ref_put(&m->refs))
        return;
    kfree(m->groups);
    kcache_free(cred, m);
}

void cred_commit(struct task *t, struct cred *c)
{
    const struct cred *old = t->cred;
    if (t->mm && old &&
        (old->euid != c->euid || old->egid != c->egid || old->fsuid != c->fsuid ||
         old->fsgid != c->fsgid || (c->cap_permitted & ~old->cap_permitted)))
        t->mm->dumpable = false;
    mutex_lock(&t->res_lock);
    t->cred = c;
    mutex_unlock(&t->res_lock);
    answers_cred_changed(t);
    cred_put(old);
}

const struct cred *task_cred_get(struct task *t)
{
    mutex_lock(&t->res_lock);
    const struct cred *c = t->cred;
    cred_get(c);
    mutex_unlock(&t->res_lock);
    return c;
}

bool cred_in_group(const struct cred *c, u32 gid)
{
    if (c->fsgid == gid)
        return true;
    size_t lo = 0, hi = c->ngroups;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (c->groups[mid] == gid)
            return true;
        if (c->groups[mid] < gid)
            lo = mid + 1;
        else
            hi = mid;
    }
    return false;
}

bool capable(int cap)
{
    return !current || cred_capable(current->cred, cap);
}

int cred_for_exec(struct task *t, u32 mode, u32 uid, u32 gid, bool nosuid, struct cred **out,
                  bool *secure)
{
    const struct cred *old = t->cred;
    struct cred *c = cred_copy(old);
    if (!c)
        return -ENOMEM;
    bool may_setid = !nosuid && !t->no_new_privs;
    if (may_setid && (mode & LINUX_S_ISUID))
        c->euid = uid;
    if (may_setid && (mode & LINUX_S_ISGID) && (mode & LINUX_S_IXGRP))
        c->egid = gid;
    bool setid = c->euid != old->euid || c->egid != old->egid;
    c->suid = c->fsuid = c->euid;
    c->sgid = c->fsgid = c->egid;
    if (setid)
        c->cap_ambient = 0;

    u64 file_permitted = 0, file_inheritable = 0;
    bool file_effective = false;
    bool root = !(c->securebits & SECURE_NOROOT) && (c->uid == 0 || c->euid == 0);
    if (root) {
        file_permitted = file_inheritable = CAP_ALL;
        file_effective = c->euid == 0;
    }
    u64 permitted = (c->cap_inheritable & file_inheritable) | (file_permitted & c->cap_bounding) |
                    c->cap_ambient;
    c->cap_permitted = permitted;
    c->cap_effective = file_effective ? permitted : c->cap_ambient;
    c->securebits &= ~SECURE_KEEP_CAPS;
    c->keep_caps = false;
    *secure = setid || c->uid != c->euid || c->gid != c->egid;
    *out = c;
    return 0;
}
