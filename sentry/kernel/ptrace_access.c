/* SPDX-License-Identifier: Apache-2.0 */
/* The permission check of everything that reaches into another process. */
#include "sentry/kernel/ptrace_access.h"

#include "sentry/kernel/cred.h"
#include "sentry/kernel/task.h"
#include "sentry/mm/mm.h"

static bool same_ids(const struct cred *from, const struct cred *to)
{
    return from->uid == to->euid && from->uid == to->suid && from->uid == to->uid &&
           from->gid == to->egid && from->gid == to->sgid && from->gid == to->gid;
}

struct mm *task_mm_get(struct task *t)
{
    struct mm *mm;

    mutex_lock(&t->res_lock);
    mm = t->mm;
    if (mm)
        mm_get(mm);
    mutex_unlock(&t->res_lock);
    return mm;
}

bool ptrace_may_access(struct task *from, struct task *to)
{
    const struct cred *mine = from->cred, *theirs;
    struct mm *mm;
    bool ok;

    if (from->group == to->group || cred_capable(mine, LINUX_CAP_SYS_PTRACE))
        return true;
    theirs = task_cred_get(to);
    ok = same_ids(mine, theirs) && !(theirs->cap_permitted & ~mine->cap_permitted);
    cred_put(theirs);
    mm = task_mm_get(to);
    if (mm) {
        ok = ok && mm->dumpable;
        mm_put(mm);
    }
    return ok;
}
