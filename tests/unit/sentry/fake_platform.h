/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A platform without guests: each address space is a reserved region of the test process, where the
 * "guest" address a lies at base + a. fake_read and fake_write behave as guest instructions do: they
 * fault, ask the mm, and try again.
 */
#ifndef TESTS_UNIT_SENTRY_FAKE_PLATFORM_H
#define TESTS_UNIT_SENTRY_FAKE_PLATFORM_H

#include "abi/linux/mman.h"
#include "cvisor/host.h"
#include "cvisor/kcache.h"
#include "cvisor/platform.h"
#include "sentry/mm/mm.h"

#include <errno.h>
#include <string.h>

#define FAKE_VM_END (64ull << 30)

struct platform_as {
    u8 *base;
    int refs;
    u64 applies, ops; /* counters */
    int fail_next;    /* -errno for the next apply, 0 = work */
};

static int fake_as_create(struct platform_as **out)
{
    struct platform_as *as = kzalloc(sizeof(*as));

    as->base = host_mmap(NULL, FAKE_VM_END, LINUX_PROT_NONE,
                         LINUX_MAP_PRIVATE | LINUX_MAP_ANONYMOUS | LINUX_MAP_NORESERVE, -1, 0);
    as->refs = 1;
    *out = as;
    return 0;
}

static void fake_as_get(struct platform_as *as)
{
    as->refs++;
}

static void fake_as_put(struct platform_as *as)
{
    if (--as->refs)
        return;
    host_munmap(as->base, FAKE_VM_END);
    kfree(as);
}

static int fake_as_apply(struct platform_as *as, const struct platform_mapop *ops, size_t n)
{
    int err = as->fail_next;

    as->fail_next = 0;
    if (err)
        return err;
    as->applies++;
    as->ops += n;
    for (size_t i = 0; i < n; i++) {
        const struct platform_mapop *o = &ops[i];
        u8 *at = as->base + o->addr;
        int prot = (o->prot & PLATFORM_READ ? LINUX_PROT_READ : 0) |
                   (o->prot & PLATFORM_WRITE ? LINUX_PROT_WRITE : 0);
        void *p = at;

        BUG_ON(o->addr + o->len > FAKE_VM_END || !o->len || (o->addr | o->len) & ~PAGE_MASK);
        if (o->type == PLATFORM_MAP)
            p = host_mmap(at, o->len, prot, LINUX_MAP_SHARED | LINUX_MAP_FIXED, o->fd, o->offset);
        else if (o->type == PLATFORM_UNMAP)
            p = host_mmap(at, o->len, LINUX_PROT_NONE,
                          LINUX_MAP_PRIVATE | LINUX_MAP_ANONYMOUS | LINUX_MAP_NORESERVE |
                              LINUX_MAP_FIXED,
                          -1, 0);
        else if (host_mprotect(at, o->len, prot) < 0)
            return -ENOMEM;
        if (host_is_err(p))
            return -ENOMEM;
    }
    return 0;
}

static const struct platform_ops fake_platform = {
    .name = "fake",
    .as_create = fake_as_create,
    .as_get = fake_as_get,
    .as_put = fake_as_put,
    .as_apply = fake_as_apply,
};

static void fake_platform_init(u64 memory_limit)
{
    g_platform = &fake_platform;
    g_platform_info.vm_start = 0x10000;
    g_platform_info.vm_end = FAKE_VM_END;
    g_platform_info.fp_size = 1024;
    host_safecopy_init();
    BUG_ON(memory_file_init(memory_limit) != 0);
}

/* A guest access; unknown: the backend does not tell what kind of access it was. */
static enum mm_fault fake_access(struct mm *mm, u64 addr, void *buf, size_t n, bool write,
                                 bool unknown)
{
    u8 *at = mm->as->base + addr;

    for (int i = 0; i < 200; i++) {
        size_t left = write ? host_copy_safe(at, buf, n) : host_copy_safe(buf, at, n);
        enum mm_fault r;

        if (!left)
            return MM_FAULT_OK;
        r = mm_handle_fault(mm, addr + (n - left),
                            unknown ? 0
                            : write ? PLATFORM_WRITE
                                    : PLATFORM_READ);
        if (r != MM_FAULT_OK)
            return r;
    }
    return MM_FAULT_OOM;
}

static inline enum mm_fault fake_write(struct mm *mm, u64 addr, u64 v)
{
    return fake_access(mm, addr, &v, sizeof(v), true, false);
}

/* The value, or ~0 with a fault that is not resolved. */
static inline u64 fake_read(struct mm *mm, u64 addr)
{
    u64 v = 0;

    return fake_access(mm, addr, &v, sizeof(v), false, false) == MM_FAULT_OK ? v : ~0ull;
}

#endif
