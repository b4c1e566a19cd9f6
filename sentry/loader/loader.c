/* SPDX-License-Identifier: Apache-2.0 */
/* The course of an exec: open, scripts, ELF, interpreter, stack. */
#include "sentry/loader/loader.h"

#include "abi/linux/fcntl.h"
#include "abi/linux/personality.h"
#include "cvisor/compiler.h"
#include "cvisor/host.h"
#include "cvisor/kcache.h"
#include "sentry/arch/x86_64/vdso.h"
#include "sentry/kernel/task.h"
#include "sentry/loader/loader_internal.h"
#include "sentry/mm/mm.h"
#include "sentry/vfs/vfs.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* One exec. */
struct load {
    struct task *t;
    struct file *file;        /* referenced: the binary in the end */
    char *filename;           /* kmalloc'ed: AT_EXECFN, name of a script for its interpreter */
    struct exec_strings argv; /* own copy when a script changed it */
    bool own_argv;
    u8 head[LINUX_BINPRM_BUF_SIZE];
    size_t head_len;
};

u64 loader_random(struct task *t, u64 mask)
{
    u64 r = 0;

    if (t->personality & LINUX_ADDR_NO_RANDOMIZE)
        return 0;
    if (host_getrandom(&r, sizeof(r), 0) != (int)sizeof(r))
        return 0;
    return r & mask & PAGE_MASK;
}

static int open_image(int dirfd, const char *path, int flags, struct file **out)
{
    u32 rp = flags & LINUX_AT_SYMLINK_NOFOLLOW ? 0 : RP_FOLLOW;

    if (flags & LINUX_AT_EMPTY_PATH)
        rp |= RP_EMPTY_PATH;
    return vfs_open_exec(dirfd, path, rp, out);
}

/* What the program sees as its name: a path relative to a descriptor goes through /dev/fd. */
static char *image_name(const struct loader_args *args)
{
    const char *path = args->path ? args->path : "";

    if (args->file || args->dirfd == LINUX_AT_FDCWD || path[0] == '/')
        return kstrdup(path);
    if (!*path)
        return kasprintf("/dev/fd/%d", args->dirfd);
    return kasprintf("/dev/fd/%d/%s", args->dirfd, path);
}

static int read_head(struct load *l)
{
    ssize_t n = file_pread_kernel(l->file, l->head, sizeof(l->head), 0);

    if (n < 0)
        return (int)n;
    l->head_len = (size_t)n;
    return 0;
}

/* argv of a script's interpreter: interpreter, argument, script, the rest. */
static int script_argv(struct load *l, const struct loader_args *args, const char *name,
                       const struct script_line *s)
{
    int err = 0;

    if (!l->own_argv) {
        const struct exec_strings *src = args->argv;

        l->own_argv = true;
        if (src->size) {
            l->argv.buf = kmalloc(src->size);
            if (!l->argv.buf)
                return -ENOMEM;
            memcpy(l->argv.buf, src->buf, src->size);
            l->argv.size = l->argv.cap = src->size;
            l->argv.count = src->count;
        }
    }
    exec_strings_drop_first(&l->argv);
    err = exec_strings_prepend(&l->argv, name);
    if (!err && s->arg[0])
        err = exec_strings_prepend(&l->argv, s->arg);
    if (!err)
        err = exec_strings_prepend(&l->argv, s->interp);
    return err;
}

/* Follows #! lines until file is no script. */
static int resolve_scripts(struct load *l, const struct loader_args *args)
{
    struct script_line *s __kfree = kmalloc(sizeof(*s));
    char *name __kfree = kstrdup(l->filename);

    if (!s || !name)
        return -ENOMEM;
    for (int depth = 0;; depth++) {
        int err = read_head(l);

        if (!err)
            err = script_parse((const char *)l->head, l->head_len, s);
        if (err <= 0)
            return err;
        if (depth == LINUX_BINPRM_MAX_DEPTH)
            return -ELOOP;
        err = script_argv(l, args, name, s);
        if (err)
            return err;
        file_allow_write(l->file);
        file_put(l->file);
        l->file = NULL;
        err = open_image(LINUX_AT_FDCWD, s->interp, 0, &l->file);
        if (err)
            return err;
        kfree(name);
        name = kstrdup(s->interp);
        if (!name)
            return -ENOMEM;
    }
}

/* ---- the image --------------------------------------------------------------------------------- */

/* Opens and maps the program named by PT_INTERP. */
static int load_interp(struct load *l, struct mm *mm, const struct elf_image *im,
                       struct elf_loaded *out)
{
    char *path __kfree = kmalloc(im->interp_len);
    struct elf_image *ii __kfree = kmalloc(sizeof(*ii));
    struct file *f = NULL;
    u8 head[ELF_HEADER_SIZE];
    ssize_t n;
    int err;

    if (!path || !ii)
        return -ENOMEM;
    n = file_pread_kernel(l->file, path, im->interp_len, im->interp_off);
    if (n != (ssize_t)im->interp_len)
        return n < 0 ? (int)n : -EIO;
    if (path[im->interp_len - 1] != 0)
        return -ENOEXEC;
    err = open_image(LINUX_AT_FDCWD, path, 0, &f);
    if (err)
        return err;
    n = file_pread_kernel(f, head, sizeof(head), 0);
    err = n < 0 ? (int)n : elf_read(f, head, (size_t)n, ii);
    if (err == -ENOEXEC)
        err = -ELIBBAD;
    if (!err)
        err = elf_map(l->t, mm, f, ii, true, out);
    file_allow_write(f);
    file_put(f);
    return err;
}

static int load_elf(struct load *l, const struct loader_args *args, struct mm *mm,
                    struct loader_result *res)
{
    struct elf_image *im __kfree = kmalloc(sizeof(*im));
    struct elf_loaded main = {0}, interp = {0};
    struct stack_info si = {.argv = l->own_argv ? &l->argv : args->argv,
                            .envp = args->envp,
                            .execfn = l->filename,
                            .image = im,
                            .main = &main,
                            .cred = res->cred,
                            .secure = res->secure};
    int err;

    if (!im)
        return -ENOMEM;
    err = elf_read(l->file, l->head, l->head_len, im);
    if (!err)
        err = elf_map(l->t, mm, l->file, im, false, &main);
    if (!err && im->interp_len) {
        err = load_interp(l, mm, im, &interp);
        si.interp_base = interp.bias;
    }
    if (!err)
        err = vdso_map(mm, &mm->vdso_base);
    si.vdso_base = mm->vdso_base;
    if (!err)
        err = stack_build(l->t, mm, &si, &res->stack);
    if (err)
        return err;
    res->entry = im->interp_len ? interp.entry : main.entry;
    return 0;
}

static int image_creds(struct load *l, struct loader_result *res)
{
    struct inode *inode = l->file->inode;
    struct mount *mnt = l->file->path.mnt;

    return cred_for_exec(l->t, atomic_load(&inode->mode), atomic_load(&inode->uid),
                         atomic_load(&inode->gid), mnt && (atomic_load(&mnt->flags) & MOUNT_NOSUID),
                         &res->cred, &res->secure);
}

/* The last component of the path that was given. */
static void set_comm(struct loader_result *res, const char *filename)
{
    const char *base = strrchr(filename, '/');

    snprintf(res->comm, sizeof(res->comm), "%s", base ? base + 1 : filename);
}

static u64 stack_rlimit(struct task *t)
{
    return t->group ? group_rlimit(t->group, LINUX_RLIMIT_STACK) : LINUX_RLIM_INFINITY;
}

static int load(struct load *l, const struct loader_args *args, struct loader_result *res)
{
    int err;

    if (args->file) {
        l->file = args->file;
        file_get(l->file);
    } else {
        err = open_image(args->dirfd, args->path, args->flags, &l->file);
        if (err)
            return err;
    }
    err = resolve_scripts(l, args);
    if (!err)
        err = image_creds(l, res);
    if (err)
        return err;
    err = mm_create(&res->mm);
    if (err) {
        res->mm = NULL;
        return err;
    }
    mm_set_layout(res->mm, stack_rlimit(l->t));
    err = load_elf(l, args, res->mm, res);
    if (err)
        return err;
    file_get(l->file);
    res->mm->exe = l->file;
    set_comm(res, l->filename);
    return 0;
}

int loader_exec(struct task *t, struct loader_args *args, struct loader_result *out)
{
    struct load l = {.t = t};
    int err = -ENOMEM;

    memset(out, 0, sizeof(*out));
    l.filename = image_name(args);
    if (l.filename)
        err = load(&l, args, out);
    if (l.file)
        file_put(l.file);
    kfree(l.filename);
    exec_strings_free(&l.argv);
    if (err)
        loader_result_free(out);
    return err;
}

void loader_result_free(struct loader_result *res)
{
    if (res->mm)
        mm_drop(res->mm);
    if (res->cred)
        cred_put(res->cred);
    res->mm = NULL;
    res->cred = NULL;
}
