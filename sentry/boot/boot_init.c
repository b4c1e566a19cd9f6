/* SPDX-License-Identifier: Apache-2.0 */
/* The first task: limits, credentials, descriptors 0 to 2, and its program. */
#include "abi/linux/fcntl.h"
#include "cvisor/host.h"
#include "cvisor/kcache.h"
#include "sentry/boot/boot_internal.h"
#include "sentry/fs/host/host_file.h"
#include "sentry/kernel/exec.h"
#include "sentry/kernel/fdtable.h"
#include "sentry/kernel/signal.h"
#include "sentry/kernel/task_alloc.h"
#include "sentry/loader/loader.h"
#include "sentry/mm/mm.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static void init_rlimits(struct thread_group *g, const struct boot_process *p)
{
    for (int i = 0; i < LINUX_RLIM_NLIMITS; i++)
        g->rlimits[i] = (struct linux_rlimit){LINUX_RLIM_INFINITY, LINUX_RLIM_INFINITY};
    g->rlimits[LINUX_RLIMIT_STACK].rlim_cur = 8ull << 20;
    g->rlimits[LINUX_RLIMIT_CORE].rlim_cur = 0;
    g->rlimits[LINUX_RLIMIT_NOFILE] = (struct linux_rlimit){1024, 1u << 20};
    g->rlimits[LINUX_RLIMIT_MEMLOCK] = (struct linux_rlimit){8ull << 20, 8ull << 20};
    g->rlimits[LINUX_RLIMIT_SIGPENDING] = (struct linux_rlimit){4096, 4096};
    g->rlimits[LINUX_RLIMIT_NPROC] = (struct linux_rlimit){32000, 32000};
    g->rlimits[LINUX_RLIMIT_MSGQUEUE] = (struct linux_rlimit){819200, 819200};
    g->rlimits[LINUX_RLIMIT_NICE] = (struct linux_rlimit){0, 0};
    g->rlimits[LINUX_RLIMIT_RTPRIO] = (struct linux_rlimit){0, 0};
    for (size_t i = 0; i < p->nrlimits; i++) {
        int r = p->rlimits[i].resource;
        if (r >= 0 && r < LINUX_RLIM_NLIMITS)
            g->rlimits[r] = (struct linux_rlimit){p->rlimits[i].cur, p->rlimits[i].max};
    }
}

struct task *boot_init_task(const struct boot_config *cfg, char *why, size_t n)
{
    struct sighand *sh = sighand_new();
    struct thread_group *g = sh ? group_alloc(sh) : NULL;
    struct task *t = g ? task_alloc(g) : NULL;
    if (!t) {
        snprintf(why, n, "out of memory");
        return NULL;
    }
    group_put(g);
    g->exit_signal = LINUX_SIGCHLD;
    init_rlimits(g, &cfg->init);
    t->cred = cred_new();
    t->files = fdtable_new();
    if (!t->cred || !t->files) {
        snprintf(why, n, "out of memory");
        return NULL;
    }
    return t;
}

static int init_stdio(struct task *t, const struct boot_config *cfg, char *why, size_t n)
{
    for (int i = 0; i < 3; i++) {
        struct file *f;
        if (cfg->stdio[i] < 0)
            continue;
        int acc = host_fcntl(cfg->stdio[i], LINUX_F_GETFL, 0);
        u32 flags = acc >= 0 ? (u32)acc & (LINUX_O_ACCMODE | LINUX_O_APPEND | LINUX_O_NONBLOCK)
                             : LINUX_O_RDWR;
        int err = host_file_new(cfg->stdio[i], flags, &f);
        if (!err)
            err = fd_replace(t, i, f, false);
        if (err < 0) {
            snprintf(why, n, "cannot pass descriptor %d to the program: %s", i, strerror(-err));
            return -EINVAL;
        }
    }
    return 0;
}

static int init_cred(struct task *t, const struct boot_process *p)
{
    struct cred *c = cred_copy(t->cred);
    if (!c)
        return -ENOMEM;
    c->uid = c->euid = c->suid = c->fsuid = p->uid;
    c->gid = c->egid = c->sgid = c->fsgid = p->gid;
    c->cap_effective = p->caps_effective;
    c->cap_permitted = p->caps_permitted;
    c->cap_inheritable = p->caps_inheritable;
    c->cap_bounding = p->caps_bounding;
    c->cap_ambient = p->caps_ambient;
    if (p->ngroups) {
        c->groups = kcalloc(p->ngroups, sizeof(u32));
        if (!c->groups) {
            cred_put(c);
            return -ENOMEM;
        }
        memcpy(c->groups, p->groups, p->ngroups * sizeof(u32));
        c->ngroups = p->ngroups;
        /* cred_in_group() searches a sorted list. */
        for (size_t i = 1; i < c->ngroups; i++) {
            u32 v = c->groups[i];
            size_t k = i;
            for (; k && c->groups[k - 1] > v; k--)
                c->groups[k] = c->groups[k - 1];
            c->groups[k] = v;
        }
    }
    cred_commit(t, c);
    t->no_new_privs = p->no_new_privs;
    return 0;
}

static const char *init_env(const struct boot_process *p, const char *name)
{
    size_t len = strlen(name);
    for (const char *const *e = p->envp; e && *e; e++) {
        if (strncmp(*e, name, len) == 0 && (*e)[len] == '=')
            return *e + len + 1;
    }
    return NULL;
}

static int init_load(struct task *t, const char *path, const struct exec_strings *argv,
                     const struct exec_strings *envp, struct loader_result *res)
{
    struct loader_args la = {.dirfd = LINUX_AT_FDCWD, .path = path, .argv = argv, .envp = envp};
    return loader_exec(t, &la, res);
}

/* execvp: the directories of PATH in turn; EACCES is remembered, as the shell does. */
static int init_search(struct task *t, const struct boot_process *p,
                       const struct exec_strings *argv, const struct exec_strings *envp,
                       struct loader_result *res)
{
    const char *name = p->argv[0];
    if (strchr(name, '/') || !*name)
        return init_load(t, name, argv, envp, res);
    const char *dirs = init_env(p, "PATH");
    int ret = -ENOENT;
    if (!dirs)
        dirs = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    while (dirs) {
        const char *end = strchr(dirs, ':');
        int len = end ? (int)(end - dirs) : (int)strlen(dirs);
        char *path __kfree = len ? kasprintf("%.*s/%s", len, dirs, name) : kstrdup(name);
        dirs = end ? end + 1 : NULL;
        if (!path)
            return -ENOMEM;
        int err = init_load(t, path, argv, envp, res);
        if (err != -ENOENT && err != -ENOTDIR && err != -EACCES)
            return err;
        if (err == -EACCES)
            ret = err;
    }
    return ret;
}

static int init_cwd(struct task *t, const char *cwd)
{
    struct vfs_path p;
    int err = vfs_resolve(LINUX_AT_FDCWD, cwd, RP_FOLLOW | RP_DIRECTORY, &p);
    if (err)
        return err;
    mutex_lock(&t->fs->lock);
    struct vfs_path old = t->fs->cwd;
    t->fs->cwd = p;
    mutex_unlock(&t->fs->lock);
    vfs_path_put(&old);
    return 0;
}

static int init_program(struct task *t, const struct boot_process *p, char *why, size_t n)
{
    struct exec_strings argv = {0}, envp = {0};
    struct loader_result res = {0};
    int err = exec_strings_from(p->argv, &argv);
    if (!err)
        err = exec_strings_from(p->envp, &envp);
    if (!err)
        err = init_search(t, p, &argv, &envp, &res);
    if (!err) {
        exec_adopt_image(t, &res);
        t->start_fp = exec_initial_fp();
        memset(&t->regs, 0, sizeof(t->regs));
        t->regs.rip = res.entry;
        t->regs.rsp = res.stack;
        t->regs.cs = ARCH_USER_CS;
        t->regs.ss = ARCH_USER_DS;
        t->regs.eflags = 0x200;
        t->regs.orig_rax = ~0ull;
    } else {
        snprintf(why, n, "cannot run \"%s\" in the sandbox: %s", p->argv[0], strerror(-err));
    }
    loader_result_free(&res);
    exec_strings_free(&argv);
    exec_strings_free(&envp);
    return err;
}

int boot_init_image(struct task *t, const struct boot_config *cfg, char *why, size_t n)
{
    const struct boot_process *p = &cfg->init;
    if (!p->argv || !p->argv[0]) {
        snprintf(why, n, "no program to run");
        return -EINVAL;
    }
    int err = init_stdio(t, cfg, why, n);
    if (err)
        return err;
    err = init_cred(t, p);
    if (err) {
        snprintf(why, n, "out of memory");
        return err;
    }
    t->fs->umask = p->umask;
    err = init_cwd(t, p->cwd && *p->cwd ? p->cwd : "/");
    if (err) {
        snprintf(why, n, "cannot change to the working directory \"%s\": %s", p->cwd,
                 strerror(-err));
        return -EINVAL; /* -ENOENT would say that there is no such program */
    }
    return init_program(t, p, why, n);
}
