/* SPDX-License-Identifier: Apache-2.0 */
/* Credentials: immutable once published, shared by reference (copy, change, commit). */
#ifndef SENTRY_KERNEL_CRED_H
#define SENTRY_KERNEL_CRED_H

#include "abi/linux/capability.h"
#include "cvisor/refs.h"

#define NGROUPS_MAX 65536

struct cred {
    struct ref refs;
    u32 uid, euid, suid, fsuid;
    u32 gid, egid, sgid, fsgid;
    u64 cap_effective, cap_permitted, cap_inheritable, cap_bounding, cap_ambient; /* bit = CAP_* */
    u32 securebits;
    bool keep_caps;
    size_t ngroups;
    u32 *groups; /* sorted; owned */
};

struct task;

struct cred *cred_new(void); /* root with all capabilities, no groups */
struct cred *cred_copy(const struct cred *c);
static inline void cred_get(const struct cred *c)
{
    ref_get((struct ref *)&c->refs);
}
void cred_put(const struct cred *c);
/* Publishes c (reference consumed) as t's credentials. Self only. */
void cred_commit(struct task *t, struct cred *c);
/* Referenced credentials of any task. */
const struct cred *task_cred_get(struct task *t);

static inline bool cred_capable(const struct cred *c, int cap)
{
    return (c->cap_effective >> cap) & 1;
}
bool cred_in_group(const struct cred *c, u32 gid); /* fsgid or supplementary */
/* current has the capability. */
bool capable(int cap);
/* Set-id bits and file capabilities of an image: new credentials for exec, referenced. */
struct cred;
int cred_for_exec(struct task *t, u32 file_mode, u32 file_uid, u32 file_gid, bool nosuid,
                  struct cred **out, bool *secure);

#endif
