/* SPDX-License-Identifier: Apache-2.0 */
/* The initial stack: strings, auxiliary vector, envp, argv, argc. */
#include "abi/linux/auxvec.h"
#include "abi/linux/mman.h"
#include "cvisor/compiler.h"
#include "cvisor/host.h"
#include "cvisor/kcache.h"
#include "sentry/kernel/task.h"
#include "sentry/loader/loader_internal.h"
#include "sentry/mm/mm.h"
#include "sentry/mm/uaccess.h"

#include <errno.h>
#include <string.h>

#define STACK_ROOM (128ull << 10) /* beyond the arguments, mapped from the start */
#define STACK_ALIGN_RANDOM 8192
#define PLATFORM_NAME "x86_64"

/* Filling downwards from the top of the stack. */
struct push {
    struct mm *mm;
    u64 sp;
    int err;
};

static u64 push_bytes(struct push *p, const void *buf, size_t n)
{
    p->sp -= n;
    if (!p->err && n && mm_copy_out(p->mm, p->sp, buf, n, false) != (ssize_t)n)
        p->err = -EFAULT;
    return p->sp;
}

u64 stack_args_limit(void)
{
    u64 stack = current && current->group ? group_rlimit(current->group, LINUX_RLIMIT_STACK)
                                          : LINUX_RLIM_INFINITY;
    u64 limit = MIN(stack / 4, LINUX_ARG_MAX_TOTAL);

    return MAX(limit, (u64)LINUX_ARG_MAX_MIN);
}

/* ---- auxiliary vector ------------------------------------------------------------------------- */

struct auxv {
    u64 words[64];
    u32 n;
};

static void aux_add(struct auxv *a, u64 type, u64 val)
{
    BUG_ON(a->n + 2 > ARRAY_SIZE(a->words));
    a->words[a->n++] = type;
    a->words[a->n++] = val;
}

/* Instructions that the kernel has to enable. */
#define HWCAP2_FSGSBASE 2ull

struct placed {
    u64 random, platform, execfn, argv, envp;
};

static void aux_fill(struct auxv *a, const struct stack_info *si, const struct placed *at)
{
    const struct cred *c = si->cred;

    if (si->vdso_base)
        aux_add(a, LINUX_AT_SYSINFO_EHDR, si->vdso_base);
    /* A signal frame: the FP state, its alignment, the registers. */
    aux_add(a, LINUX_AT_MINSIGSTKSZ, (g_platform_info.fp_size + 64 + 1024 + 15) & ~15ull);
    aux_add(a, LINUX_AT_HWCAP, host_hwcap());
    aux_add(a, LINUX_AT_PAGESZ, PAGE_SIZE);
    aux_add(a, LINUX_AT_CLKTCK, LINUX_USER_HZ);
    aux_add(a, LINUX_AT_PHDR, si->main->phdr);
    aux_add(a, LINUX_AT_PHENT, ELF_PHDR_SIZE);
    aux_add(a, LINUX_AT_PHNUM, si->image->hdr.phnum);
    aux_add(a, LINUX_AT_BASE, si->interp_base);
    aux_add(a, LINUX_AT_FLAGS, 0);
    aux_add(a, LINUX_AT_ENTRY, si->main->entry);
    aux_add(a, LINUX_AT_UID, c->uid);
    aux_add(a, LINUX_AT_EUID, c->euid);
    aux_add(a, LINUX_AT_GID, c->gid);
    aux_add(a, LINUX_AT_EGID, c->egid);
    aux_add(a, LINUX_AT_SECURE, si->secure);
    aux_add(a, LINUX_AT_RANDOM, at->random);
    aux_add(a, LINUX_AT_HWCAP2, host_hwcap2() & HWCAP2_FSGSBASE);
    aux_add(a, LINUX_AT_EXECFN, at->execfn);
    aux_add(a, LINUX_AT_PLATFORM, at->platform);
    aux_add(a, LINUX_AT_NULL, 0);
}

/* ---- the vectors ------------------------------------------------------------------------------ */

/* Pointers to the strings of s, which lie at base, and a NULL: words written. */
static size_t pointers(u64 *out, const struct exec_strings *s, u64 base)
{
    const char *p = s->buf;
    size_t i;

    for (i = 0; i < s->count; i++) {
        out[i] = base + (u64)(p - s->buf);
        p += strlen(p) + 1;
    }
    out[i] = 0;
    return i + 1;
}

static int push_vectors(struct push *p, const struct stack_info *si, const struct placed *at)
{
    size_t words = 1 + si->argv->count + 1 + si->envp->count + 1, n = 1;
    struct auxv aux = {.n = 0};
    u64 *vec __kfree = NULL;

    aux_fill(&aux, si, at);
    words += aux.n;
    vec = kcalloc(words, sizeof(*vec));
    if (!vec)
        return -ENOMEM;
    vec[0] = si->argv->count;
    n += pointers(vec + n, si->argv, at->argv);
    n += pointers(vec + n, si->envp, at->envp);
    memcpy(vec + n, aux.words, aux.n * sizeof(u64));
    p->sp = ((p->sp - words * sizeof(u64)) & ~15ull) + words * sizeof(u64);
    push_bytes(p, vec, words * sizeof(u64));
    memcpy(p->mm->auxv, aux.words, sizeof(p->mm->auxv));
    p->mm->auxv_len = aux.n;
    return p->err;
}

static s64 map_stack(struct mm *mm, u64 args, bool exec)
{
    u64 len = PAGE_UP(args + STACK_ROOM);
    struct mmap_args a = {.addr = mm->stack_top - len,
                          .len = len,
                          .fixed = true,
                          .prot = LINUX_PROT_READ | LINUX_PROT_WRITE | (exec ? LINUX_PROT_EXEC : 0),
                          .max_prot = LINUX_PROT_READ | LINUX_PROT_WRITE | LINUX_PROT_EXEC,
                          .vma_flags = VMA_GROWSDOWN | VMA_STACK,
                          .name = "[stack]"};

    return mm_mmap(mm, &a);
}

int stack_build(struct task *t, struct mm *mm, const struct stack_info *si, u64 *sp)
{
    u64 strings = si->argv->size + si->envp->size + strlen(si->execfn) + 1;
    u64 words = si->argv->count + si->envp->count;
    struct push p = {.mm = mm, .sp = mm->stack_top - sizeof(u64)};
    struct placed at;
    u8 random[16];
    s64 base;
    int err;

    if (strings + words * sizeof(u64) > stack_args_limit())
        return -E2BIG;
    base = map_stack(mm, strings + words * sizeof(u64), si->image->exec_stack);
    if (base < 0)
        return (int)base;
    if (host_getrandom(random, sizeof(random), 0) != (int)sizeof(random))
        return -EIO;
    at.execfn = push_bytes(&p, si->execfn, strlen(si->execfn) + 1);
    at.envp = push_bytes(&p, si->envp->buf, si->envp->size);
    at.argv = push_bytes(&p, si->argv->buf, si->argv->size);
    mm->arg_start = at.argv;
    mm->arg_end = mm->env_start = at.envp;
    mm->env_end = at.execfn;
    p.sp = (p.sp - loader_random(t, (1ull << 32) - 1) / PAGE_SIZE % STACK_ALIGN_RANDOM) & ~15ull;
    at.platform = push_bytes(&p, PLATFORM_NAME, sizeof(PLATFORM_NAME));
    at.random = push_bytes(&p, random, sizeof(random));
    err = push_vectors(&p, si, &at);
    if (err)
        return err;
    mm->start_stack = p.sp;
    *sp = p.sp;
    return 0;
}
