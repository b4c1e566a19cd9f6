/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keeps the platform's answers current. A task has some from its START until it leaves its group; both
 * happen under g_tasks_lock, which whoever changes an answer of somebody else holds for writing, so the
 * platform thread is there. There are none while strace is on: every call is to be seen.
 */
#include "sentry/kernel/answers.h"

#include "abi/linux/unistd.h"
#include "sentry/kernel/task.h"
#include "sentry/syscalls/strace.h"

static const u16 g_cred_answers[] = {LINUX_SYS_getuid, LINUX_SYS_geteuid, LINUX_SYS_getgid,
                                     LINUX_SYS_getegid};
static const u16 g_tree_answers[] = {LINUX_SYS_getpid, LINUX_SYS_gettid, LINUX_SYS_getppid,
                                     LINUX_SYS_getpgrp};

_Static_assert(ARRAY_SIZE(g_cred_answers) + ARRAY_SIZE(g_tree_answers) <= PLATFORM_ANSWERS, "");

s64 answers_value(const struct task *t, u32 nr)
{
    const struct thread_group *g = t->group;

    switch (nr) {
    case LINUX_SYS_getpid:
        return g->id;
    case LINUX_SYS_gettid:
        return t->tid;
    case LINUX_SYS_getppid:
        return g->parent ? g->parent->id : 0;
    case LINUX_SYS_getpgrp:
        return g->pgrp->id;
    case LINUX_SYS_getuid:
        return t->cred->uid;
    case LINUX_SYS_geteuid:
        return t->cred->euid;
    case LINUX_SYS_getgid:
        return t->cred->gid;
    case LINUX_SYS_getegid:
        return t->cred->egid;
    default:
        return -1;
    }
}

static void answer(struct task *t, u32 nr)
{
    if (t->answering && t->pt)
        platform_thread_answer(t->pt, nr, answers_value(t, nr));
}

static void answer_group(struct thread_group *g, u32 nr)
{
    struct task *t;

    list_for_each_entry (t, &g->tasks, group_node)
        answer(t, nr);
}

void answers_start(struct task *t)
{
    if (g_strace_on)
        return;
    /* For reading is enough: nobody else touches a task that is not answering yet. */
    rwlock_rdlock(&g_tasks_lock);
    t->answering = true;
    for (size_t i = 0; i < ARRAY_SIZE(g_tree_answers); i++)
        answer(t, g_tree_answers[i]);
    rwlock_rdunlock(&g_tasks_lock);
    answers_cred_changed(t);
}

void answers_cred_changed(struct task *t)
{
    for (size_t i = 0; i < ARRAY_SIZE(g_cred_answers); i++)
        answer(t, g_cred_answers[i]);
}

void answers_tid_changed(struct task *t)
{
    answer(t, LINUX_SYS_gettid);
}

void answers_parent_changed(struct thread_group *g)
{
    answer_group(g, LINUX_SYS_getppid);
}

void answers_pgrp_changed(struct thread_group *g)
{
    answer_group(g, LINUX_SYS_getpgrp);
}
