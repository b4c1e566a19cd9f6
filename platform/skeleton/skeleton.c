/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An empty backend: copy this folder to port cvisor to another way of running guest code. The
 * contract is include/cvisor/platform.h; platform/ptrace is the one to compare with. Each function
 * says what it has to achieve. This one builds with PLATFORMS="... skeleton" and never works:
 * its probe() says so.
 *
 * Order of work that has proved good: probe and init; as_create, as_apply and thread_create until a
 * guest's first syscall arrives as an event; RESUME; registers; faults; interrupt; FP; single step;
 * then the deaths and the races.
 */
#include "cvisor/host.h"
#include "cvisor/platform.h"
#include "cvisor/refs.h"

#include <errno.h>
#include <stdio.h>

/* What stands for an address space: a process, a virtual machine's page tables, ... */
struct platform_as {
    struct ref refs;
};

/* What runs a guest thread, between events too. */
struct platform_thread {
    struct platform_as *as; /* holds a reference */
    void *task;             /* for kops->event() */
};

/* Can this host do it at all? Leaves nothing behind. The reason is for people: say what to change. */
static int skeleton_probe(char *why, size_t n)
{
    snprintf(why, n, "the skeleton runs no guests: it is a template for new backends");
    return -ENOSYS;
}

/*
 * Everything that needs privileges or syscalls which the sentry's seccomp filter will not allow
 * later. Fills in all of info: the usable addresses (what the backend maps for itself lies outside),
 * the size and features of the FP area that fp_get() gives.
 */
static int skeleton_init(const struct platform_config *cfg, const struct platform_kernel_ops *kops,
                         struct platform_info *info)
{
    return -ENOSYS;
}

/* Ends what runs guest code. No event is delivered after it returns. */
static void skeleton_shutdown(void)
{
}

/* An empty address space. Fork and exec wait for this: keep some in store. */
static int skeleton_as_create(struct platform_as **out)
{
    return -ENOSYS;
}

static void skeleton_as_get(struct platform_as *as)
{
    ref_get(&as->refs);
}

/* Last put: no thread uses it. Recycle it only when nothing of the former guest stays. */
static void skeleton_as_put(struct platform_as *as)
{
    if (ref_put(&as->refs)) {
        /* end or recycle */
    }
}

/*
 * Called with kernel locks held, from any host thread, while guest threads of `as` run. When it
 * returns none of them can use what was removed: that includes their TLBs. Never wait here for a
 * host thread that may be inside the kernel: it may be waiting for the caller's locks.
 */
static int skeleton_as_apply(struct platform_as *as, const struct platform_mapop *ops, size_t n)
{
    return -ENOSYS;
}

/* Only for speed: refusing is always right. */
static int skeleton_as_patch(struct platform_as *as, u64 ip, const void *text, u32 prot)
{
    return -ENOSYS;
}

/* START arrives on a host thread of the backend. The FP state is the initial one; registers of an
 * earlier guest, or of the sentry, must not be visible. */
static int skeleton_thread_create(struct platform_as *as, void *task, struct platform_thread **out)
{
    return -ENOSYS;
}

/* Two races to think of: it comes while the thread is on its way into guest code (must not be lost),
 * and after it has left (a spurious INTERRUPTED is allowed, a lost or misdirected signal is not). */
static void skeleton_thread_interrupt(struct platform_thread *pt)
{
}

/* Only for speed: an event for each call is always right. */
static void skeleton_thread_answer(struct platform_thread *pt, u32 nr, s64 value)
{
}

static int skeleton_thread_switch_as(struct platform_thread *pt, struct platform_as *as)
{
    return -ENOSYS;
}

/* Lazy: most events never ask. */
static void skeleton_regs_get(struct platform_thread *pt, struct arch_regs *regs)
{
}

/* Sanitise: the values come from a guest (sigreturn, ptrace). */
static void skeleton_regs_set(struct platform_thread *pt, const struct arch_regs *regs)
{
}

/* The XSAVE area in the standard format, info.fp_size bytes, features within info.xfeatures. */
static void skeleton_fp_get(struct platform_thread *pt, void *buf)
{
}

static int skeleton_fp_set(struct platform_thread *pt, const void *buf)
{
    return -ENOSYS;
}

static void skeleton_single_step(struct platform_thread *pt)
{
}

/* A pool of host threads puts another one in this one's place; one host thread for each guest thread
 * has nothing to do. */
static void skeleton_about_to_block(struct platform_thread *pt)
{
}

static void skeleton_done_blocking(struct platform_thread *pt)
{
}

extern const struct platform_ops g_platform_skeleton;
const struct platform_ops g_platform_skeleton = {
    .name = "skeleton",
    .probe = skeleton_probe,
    .init = skeleton_init,
    .shutdown = skeleton_shutdown,
    .as_create = skeleton_as_create,
    .as_get = skeleton_as_get,
    .as_put = skeleton_as_put,
    .as_apply = skeleton_as_apply,
    .as_patch = skeleton_as_patch,
    .thread_create = skeleton_thread_create,
    .thread_interrupt = skeleton_thread_interrupt,
    .thread_answer = skeleton_thread_answer,
    .thread_switch_as = skeleton_thread_switch_as,
    .regs_get = skeleton_regs_get,
    .regs_set = skeleton_regs_set,
    .fp_get = skeleton_fp_get,
    .fp_set = skeleton_fp_set,
    .single_step = skeleton_single_step,
    .about_to_block = skeleton_about_to_block,
    .done_blocking = skeleton_done_blocking,
};
