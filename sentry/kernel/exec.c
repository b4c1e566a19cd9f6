/* SPDX-License-Identifier: Apache-2.0 */
/* execve: the loader builds a new image aside; once nothing can fail any more the task moves over. */
#include "abi/linux/errno_internal.h"
#include "abi/linux/fcntl.h"
#include "cvisor/kcache.h"
#include "sentry/kernel/answers.h"
#include "sentry/kernel/exec.h"
#include "sentry/kernel/exit.h"
#include "sentry/kernel/fdtable.h"
#include "sentry/kernel/posix_timer.h"
#include "sentry/kernel/signal_internal.h"
#include "sentry/kernel/task.h"
#include "sentry/loader/loader.h"
#include "sentry/mm/mm.h"
#include "sentry/mm/uaccess.h"
#include "sentry/syscalls/handlers.h"

#include <errno.h>
#include <string.h>

/* So often can a process share its signal actions and part from them again by an exec. */
#define OLD_SIGHANDS_MAX 256

/* Signal actions that others use too must not be those of the new image: it may have rights that they
 * have not. The old ones stay, since somebody may be about to lock them: see group_lock_sighand(). */
static int exec_unshare_sighand(struct thread_group *g)
{
    struct sighand *old = g->sighand, *sh;
    if (ref_read(&old->refs) == 1)
        return 0;
    if (g->nold_sighands >= OLD_SIGHANDS_MAX)
        return -EAGAIN;
    struct old_sighand *keep = kmalloc(sizeof(*keep));
    sh = keep ? sighand_copy(old) : NULL;
    if (!sh) {
        kfree(keep);
        return -ENOMEM;
    }
    keep->sighand = old;
    rwlock_wrlock(&g_tasks_lock);
    mutex_lock(&old->lock);
    keep->next = g->old_sighands;
    g->old_sighands = keep;
    g->nold_sighands++;
    atomic_store(&g->sighand, sh);
    mutex_unlock(&old->lock);
    rwlock_wrunlock(&g_tasks_lock);
    return 0;
}

/* A private copy of shared signal actions, then defaults for handlers. */
static int exec_reset_signals(struct task *t)
{
    struct thread_group *g = t->group;
    int err = exec_unshare_sighand(g);
    if (err)
        return err;
    sighand_reset(g->sighand);
    t->altstack = (struct linux_stack){.ss_flags = LINUX_SS_DISABLE};
    return 0;
}

static void exec_set_registers(struct task *t, const struct loader_result *res)
{
    struct arch_regs *r = task_regs_mut(t);
    memset(r, 0, sizeof(*r));
    r->rip = res->entry;
    r->rsp = res->stack;
    r->cs = ARCH_USER_CS;
    r->ss = ARCH_USER_DS;
    r->eflags = 0x200;
    r->orig_rax = ~0ull;
}

void *exec_initial_fp(void)
{
    u8 *fp = kzalloc(g_platform_info.fp_size);
    if (!fp)
        return NULL;
    struct linux_fpstate *fx = (struct linux_fpstate *)(void *)fp;
    fx->cwd = 0x37f;
    fx->mxcsr = 0x1f80;
    return fp;
}

void exec_adopt_image(struct task *t, struct loader_result *res)
{
    const struct cred *old = t->cred;
    /* Both at once: whoever sees the new memory must be judged by the new credentials. */
    res->mm->dumpable = !res->secure;
    mutex_lock(&t->res_lock);
    t->mm = res->mm;
    t->cred = res->cred;
    memcpy(t->comm, res->comm, sizeof(t->comm));
    mutex_unlock(&t->res_lock);
    answers_cred_changed(t);
    cred_put(old);
    res->mm = NULL;
    res->cred = NULL;
}

/* Descriptors shared with another process (CLONE_FILES) become the image's own. */
static int exec_unshare_files(struct task *t)
{
    struct fdtable *old = t->files, *copy = fdtable_copy(old);
    if (!copy)
        return -ENOMEM;
    mutex_lock(&t->res_lock);
    t->files = copy;
    mutex_unlock(&t->res_lock);
    fdtable_put(old);
    return 0;
}

/* Who shares root, working directory and umask must not steer a program that has more rights. */
static int exec_unshare_fs(struct task *t)
{
    struct fs_context *old = t->fs, *copy = fs_context_copy(old);
    if (!copy)
        return -ENOMEM;
    mutex_lock(&t->res_lock);
    t->fs = copy;
    mutex_unlock(&t->res_lock);
    fs_context_put(old);
    return 0;
}

/* The point of no return is the switch of the address space. */
static int exec_commit(struct task *t, struct loader_result *res)
{
    void *fp = exec_initial_fp();
    struct mm *old = t->mm;
    int err = fp ? exit_other_threads(t) : -ENOMEM;
    if (!err && fdtable_shared(t->files))
        err = exec_unshare_files(t);
    if (!err && res->secure && ref_read(&t->fs->refs) > 1)
        err = exec_unshare_fs(t);
    if (!err)
        err = exec_reset_signals(t);
    if (!err)
        err = platform_thread_switch_as(t->pt, res->mm->as);
    if (err) {
        kfree(fp);
        return err;
    }
    exit_release_mm(t);
    exec_adopt_image(t, res);
    mm_drop(old);

    struct thread_group *g = t->group;
    posix_timers_exec(g);
    fdtable_close_on_exec(t);
    rwlock_wrlock(&g_tasks_lock);
    if (g->parent)
        g->exit_signal = LINUX_SIGCHLD;
    g->did_exec = true;
    rwlock_wrunlock(&g_tasks_lock);
    t->rseq_addr = 0;
    t->rseq_len = 0;
    __atomic_store_n(&t->robust_list.v, 0, __ATOMIC_RELAXED);
    t->restart_fn = NULL;
    if (res->secure)
        t->pdeath_signal = 0;
    platform_fp_set(t->pt, fp);
    kfree(fp);
    exec_set_registers(t, res);
    return 0;
}

static s64 do_execve(struct task *t, int dirfd, uaddr_t upath, uaddr_t argv, uaddr_t envp,
                     int flags)
{
    if (flags & ~(LINUX_AT_EMPTY_PATH | LINUX_AT_SYMLINK_NOFOLLOW))
        return -EINVAL;
    char *path __kfree = NULL;
    struct exec_strings args = {0}, env = {0};
    struct loader_result res = {0};
    int err = copy_in_path(t, &path, upath);
    if (err)
        return err;
    err = exec_strings_copy_in(t, argv, &args);
    /* Programs rely on argv[0], set-user-id ones too. */
    if (!err && !args.count)
        err = exec_strings_add(&args, "");
    if (!err)
        err = exec_strings_copy_in(t, envp, &env);
    if (!err) {
        struct loader_args la = {
            .dirfd = dirfd,
            .path = path,
            .flags = flags,
            .argv = &args,
            .envp = &env,
        };
        err = loader_exec(t, &la, &res);
    }
    if (!err)
        err = exec_commit(t, &res);
    loader_result_free(&res);
    exec_strings_free(&args);
    exec_strings_free(&env);
    return err;
}

s64 sys_execve(struct task *t, const struct syscall_args *a)
{
    return do_execve(t, LINUX_AT_FDCWD, arg_ptr(a, 0), arg_ptr(a, 1), arg_ptr(a, 2), 0);
}

s64 sys_execveat(struct task *t, const struct syscall_args *a)
{
    return do_execve(t, arg_int(a, 0), arg_ptr(a, 1), arg_ptr(a, 2), arg_ptr(a, 3), arg_int(a, 4));
}
