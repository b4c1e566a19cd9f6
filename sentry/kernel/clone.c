/* SPDX-License-Identifier: Apache-2.0 */
/* clone: a new task that shares or copies what its parent has. */
#include "abi/linux/errno_internal.h"
#include "abi/linux/sched.h"
#include "cvisor/kcache.h"
#include "sentry/kernel/cpu_limit.h"
#include "sentry/kernel/fdtable.h"
#include "sentry/kernel/pgrp.h"
#include "sentry/kernel/pidfd.h"
#include "sentry/kernel/pidtab.h"
#include "sentry/kernel/signal_internal.h"
#include "sentry/kernel/task_alloc.h"
#include "sentry/mm/mm.h"
#include "sentry/mm/uaccess.h"

#include <errno.h>
#include <string.h>

/* Namespaces of the guest are not there yet: all processes are in the sandbox's. */
#define CLONE_NAMESPACES                                                                           \
    (LINUX_CLONE_NEWCGROUP | LINUX_CLONE_NEWUTS | LINUX_CLONE_NEWIPC | LINUX_CLONE_NEWUSER |       \
     LINUX_CLONE_NEWPID | LINUX_CLONE_NEWNET | LINUX_CLONE_NEWTIME)

static int clone_check(const struct clone_params *p)
{
    u64 f = p->flags;
    if ((f & LINUX_CLONE_SIGHAND) && !(f & LINUX_CLONE_VM))
        return -EINVAL;
    if ((f & LINUX_CLONE_THREAD) && !(f & LINUX_CLONE_SIGHAND))
        return -EINVAL;
    if ((f & LINUX_CLONE_FS) && (f & (LINUX_CLONE_NEWNS | LINUX_CLONE_NEWUSER)))
        return -EINVAL;
    if ((f & LINUX_CLONE_CLEAR_SIGHAND) && (f & LINUX_CLONE_SIGHAND))
        return -EINVAL;
    if ((f & LINUX_CLONE_PIDFD) && (f & LINUX_CLONE_THREAD))
        return -EINVAL;
    if ((f & (LINUX_CLONE_THREAD | LINUX_CLONE_PARENT)) && (f & LINUX_CLONE_NEWPID))
        return -EINVAL;
    if (f & CLONE_NAMESPACES)
        return capable(LINUX_CAP_SYS_ADMIN) ? -EINVAL : -EPERM;
    if ((f & LINUX_CLONE_NEWNS) && !capable(LINUX_CAP_SYS_ADMIN))
        return -EPERM;
    return 0;
}

static bool clone_over_nproc(struct task *t)
{
    u64 limit = group_rlimit(t->group, LINUX_RLIMIT_NPROC);
    if (t->cred->uid == 0 || capable(LINUX_CAP_SYS_RESOURCE) || capable(LINUX_CAP_SYS_ADMIN))
        return false;
    /* Counted over the sandbox: one user is the normal case. */
    return pidtab_count() >= limit;
}

static struct sighand *clone_sighand(struct task *t, u64 flags)
{
    struct sighand *sh = t->group->sighand;
    if (flags & LINUX_CLONE_SIGHAND) {
        ref_get(&sh->refs);
        return sh;
    }
    sh = sighand_copy(sh);
    if (sh && (flags & LINUX_CLONE_CLEAR_SIGHAND))
        sighand_reset(sh);
    return sh;
}

static struct thread_group *clone_group(struct task *t, const struct clone_params *p)
{
    if (p->flags & LINUX_CLONE_THREAD) {
        group_get(t->group);
        return t->group;
    }
    struct sighand *sh = clone_sighand(t, p->flags);
    if (!sh)
        return NULL;
    struct thread_group *g = group_alloc(sh);
    if (!g) {
        sighand_put(sh);
        return NULL;
    }
    g->exit_signal = p->exit_signal;
    mutex_lock(&t->group->rlimit_lock);
    memcpy(g->rlimits, t->group->rlimits, sizeof(g->rlimits));
    mutex_unlock(&t->group->rlimit_lock);
    g->oom_score_adj = t->group->oom_score_adj;
    return g;
}

static int clone_resources(struct task *t, struct task *c, u64 flags)
{
    int err = 0;
    if (flags & LINUX_CLONE_VM) {
        mm_use(t->mm);
        c->mm = t->mm;
    } else {
        err = mm_fork(t->mm, &c->mm);
        if (err)
            return err;
    }
    if (flags & LINUX_CLONE_FILES) {
        fdtable_get(t->files);
        c->files = t->files;
    } else {
        c->files = fdtable_copy(t->files);
    }
    if (flags & LINUX_CLONE_FS) {
        fs_context_get(t->fs);
        c->fs = t->fs;
    } else {
        c->fs = fs_context_copy(t->fs);
    }
    if (!c->files || !c->fs)
        return -ENOMEM;
    if (flags & LINUX_CLONE_NEWNS) {
        struct vfs_path root, cwd;
        fs_context_root(c->fs, &root);
        fs_context_cwd(c->fs, &cwd);
        c->mnt_ns = mount_ns_copy(t->mnt_ns, &root, &cwd);
        if (c->mnt_ns) {
            struct fs_context *fs = fs_context_new(&root, &cwd, fs_context_umask(c->fs));
            fs_context_put(c->fs);
            c->fs = fs;
        }
        vfs_path_put(&root);
        vfs_path_put(&cwd);
        if (!c->mnt_ns || !c->fs)
            return -ENOMEM;
    } else {
        mount_ns_get(t->mnt_ns);
        c->mnt_ns = t->mnt_ns;
    }
    return 0;
}

static void clone_undo(struct task *c)
{
    /* /proc may have found it meanwhile, and keeps the task. */
    mutex_lock(&c->res_lock);
    struct fdtable *files = c->files;
    struct fs_context *fs = c->fs;
    struct mount_ns *ns = c->mnt_ns;
    struct mm *mm = c->mm;
    c->files = NULL;
    c->fs = NULL;
    c->mnt_ns = NULL;
    c->mm = NULL;
    mutex_unlock(&c->res_lock);
    if (files)
        fdtable_put(files);
    if (fs)
        fs_context_put(fs);
    if (ns)
        mount_ns_put(ns);
    if (mm)
        mm_drop(mm);
    if (c->vfork_parent)
        task_put(c->vfork_parent);
    task_put(c);
}

static int clone_context(struct task *t, struct task *c, const struct clone_params *p)
{
    c->regs = *task_regs(t);
    c->regs.rax = 0;
    c->regs.orig_rax = ~0ull;
    if (p->stack)
        c->regs.rsp = p->stack;
    if (p->flags & LINUX_CLONE_SETTLS) {
        if (p->tls >= g_platform_info.vm_end)
            return -EPERM;
        c->regs.fs_base = p->tls;
    }
    c->start_fp = kmalloc(g_platform_info.fp_size);
    if (!c->start_fp)
        return -ENOMEM;
    platform_fp_get(t->pt, c->start_fp);
    return 0;
}

static void clone_inherit(struct task *t, struct task *c, const struct clone_params *p)
{
    task_get_comm(t, c->comm);
    cred_get(t->cred);
    c->cred = t->cred;
    c->blocked = t->blocked;
    /* A thread in a new address space, or vfork, keeps the alternate stack; a thread does not. */
    if (!(p->flags & LINUX_CLONE_VM) || (p->flags & LINUX_CLONE_VFORK))
        c->altstack = t->altstack;
    c->nice = t->sched_reset_on_fork ? MAX(t->nice, 0) : t->nice;
    c->sched_policy = t->sched_reset_on_fork ? 0 : t->sched_policy;
    c->sched_priority = t->sched_reset_on_fork ? 0 : t->sched_priority;
    c->timerslack_ns = t->timerslack_ns;
    mutex_lock(&t->res_lock);
    memcpy(c->cpu_mask, t->cpu_mask, sizeof(c->cpu_mask));
    mutex_unlock(&t->res_lock);
    c->personality = t->personality;
    c->no_new_privs = t->no_new_privs;
    if (!(p->flags & LINUX_CLONE_VM)) {
        c->rseq_addr = t->rseq_addr;
        c->rseq_len = t->rseq_len;
        c->rseq_sig = t->rseq_sig;
    }
    if (p->flags & LINUX_CLONE_CHILD_CLEARTID)
        c->clear_child_tid = p->child_tid;
    if (p->flags & LINUX_CLONE_CHILD_SETTID)
        c->set_child_tid = p->child_tid;
    if (p->flags & LINUX_CLONE_VFORK) {
        task_get(t);
        c->vfork_parent = t;
        atomic_store(&t->vfork_done, false);
    }
}

/* Puts c into the tree: number, group, parent, process group. TASKS (write). */
static int task_publish_locked(struct task *t, struct task *c, const struct clone_params *p)
{
    struct thread_group *g = c->group;
    bool thread = g == t->group;
    int nr = p->set_tid_size ? pidtab_alloc_at(c, p->set_tid[0]) : pidtab_alloc(c);
    if (nr < 0)
        return nr;
    c->tid = nr;
    struct sighand *sh = group_lock_sighand(g);
    if (thread && (g->group_exiting || g->exec_task)) {
        mutex_unlock(&sh->lock);
        struct pid *pid = pidtab_find(nr);
        pid->task = NULL;
        pidtab_release(pid);
        return -ERESTARTNOINTR;
    }
    list_add_tail(&c->group_node, &g->tasks);
    g->nthreads++;
    if (thread && g->stop != GROUP_RUNNING) {
        c->stop_pending = true;
        if (g->stop == GROUP_STOPPING)
            g->stop_count++;
        atomic_store(&c->signal_work, true);
    }
    if (!thread) {
        g->id = nr;
        g->leader = c;
    }
    mutex_unlock(&sh->lock);
    if (thread)
        return nr;
    struct thread_group *parent = t->group;
    if ((p->flags & LINUX_CLONE_PARENT) && t->group->parent) {
        parent = t->group->parent;
        g->exit_signal = t->group->exit_signal;
    }
    g->parent = parent;
    list_add_tail(&g->sibling, &parent->children);
    pgrp_join(g, t->group->pgrp);
    return nr;
}

void task_unpublish(struct task *t)
{
    struct thread_group *g = t->group;
    rwlock_wrlock(&g_tasks_lock);
    struct sighand *sh = group_lock_sighand(g);
    sigpending_flush(g, &t->pending);
    list_del(&t->group_node);
    g->nthreads--;
    if (t->stop_pending && g->stop_count > 0)
        g->stop_count--;
    atomic_store(&t->state, TASK_DEAD);
    mutex_unlock(&sh->lock);
    struct pid *pid = pidtab_find(t->tid);
    pid->task = NULL;
    pidtab_release(pid);
    if (g->leader == t) {
        list_del(&g->sibling);
        pgrp_leave(g);
        g->zombie = true;
        g->parent = NULL;
    }
    rwlock_wrunlock(&g_tasks_lock);
}

int task_publish_init(struct task *t)
{
    struct thread_group *g = t->group;
    rwlock_wrlock(&g_tasks_lock);
    int nr = pidtab_alloc(t);
    if (nr > 0) {
        t->tid = g->id = nr;
        g->leader = t;
        g->nthreads = 1;
        list_add_tail(&t->group_node, &g->tasks);
        struct process_group *pg = session_new(nr);
        if (pg) {
            pgrp_join(g, pg);
            pg->session->leader = g;
            pgrp_put(pg);
            g_init = g;
        } else {
            nr = -ENOMEM;
        }
    }
    rwlock_wrunlock(&g_tasks_lock);
    return nr;
}

int task_start(struct task *t)
{
    task_get(t); /* the platform thread's reference, dropped at EXIT */
    int err = platform_thread_create(t->mm->as, t, &t->pt);
    if (err)
        task_put(t);
    return err;
}

static s64 clone_wait_vfork(struct task *t, struct task *c, int tid)
{
    while (!atomic_load(&t->vfork_done)) {
        task_prepare_block(t);
        if (atomic_load(&t->vfork_done))
            break;
        if (task_block_killable(t, TASK_FOREVER))
            break;
    }
    return tid;
}

s64 task_clone(struct task *t, const struct clone_params *p)
{
    int err = clone_check(p);
    if (err)
        return err;
    if (clone_over_nproc(t))
        return -EAGAIN;
    struct thread_group *g = clone_group(t, p);
    if (!g)
        return -ENOMEM;
    struct task *c = task_alloc(g);
    group_put(g);
    if (!c)
        return -ENOMEM;
    clone_inherit(t, c, p);
    err = clone_context(t, c, p);
    if (!err)
        err = clone_resources(t, c, p->flags);
    int pidfd = -1;
    if (!err) {
        rwlock_wrlock(&g_tasks_lock);
        err = task_publish_locked(t, c, p);
        rwlock_wrunlock(&g_tasks_lock);
    }
    if (err < 0) {
        clone_undo(c);
        return err;
    }
    int tid = c->tid;
    task_get(c);
    if (p->flags & LINUX_CLONE_PIDFD) {
        pidfd = pidfd_create(t, c->group, 0);
        err = pidfd < 0 ? pidfd : put_u32(t, p->pidfd, (u32)pidfd);
    } else {
        err = 0;
    }
    if (!err && (p->flags & LINUX_CLONE_PARENT_SETTID))
        (void)put_u32(t, p->parent_tid, (u32)tid);
    if (!(p->flags & LINUX_CLONE_THREAD))
        cpu_limit_changed(c->group);
    if (!err)
        err = task_start(c);
    if (err) {
        if (pidfd >= 0)
            fd_close(t, pidfd);
        task_unpublish(c);
        if (!(p->flags & LINUX_CLONE_THREAD))
            cpu_limit_exit(c->group);
        task_put(c);
        clone_undo(c);
        return err;
    }
    s64 ret = tid;
    if (p->flags & LINUX_CLONE_VFORK)
        ret = clone_wait_vfork(t, c, tid);
    task_put(c);
    return ret;
}
