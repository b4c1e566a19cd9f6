/* SPDX-License-Identifier: Apache-2.0 */
/* Copies that may fault: the signal handlers and the C side of safecopy.S. */
#define _GNU_SOURCE
#include "cvisor/crash.h"
#include "cvisor/host.h"
#include "platform/host/safecopy.h"

#include <errno.h>
#include <signal.h>
#include <ucontext.h>

/* Where a fault at pc goes on, or 0. */
static u64 find_fixup(u64 pc)
{
    for (const struct host_safecopy_entry *e = host_safecopy_table; e < host_safecopy_table_end;
         e++) {
        u64 base = (u64)(uintptr_t)e;
        if (pc >= base + (u64)(s64)e->start && pc < base + (u64)(s64)e->end)
            return base + (u64)(s64)e->fixup;
    }
    return 0;
}

static void on_fault(int sig, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;
    u64 fixup = find_fixup((u64)uc->uc_mcontext.gregs[REG_RIP]);

    /* si_code <= 0: somebody sent it; the instruction has nothing to do with it. */
    if (fixup && info->si_code > 0) {
        uc->uc_mcontext.gregs[REG_RIP] = (greg_t)fixup;
        return;
    }
    crash_on_fault(sig, info, context);
}

void host_safecopy_init(void)
{
    struct sigaction sa = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK};

    sigemptyset(&sa.sa_mask);
    BUG_ON(sigaction(SIGSEGV, &sa, NULL) != 0 || sigaction(SIGBUS, &sa, NULL) != 0);
}

size_t host_copy_safe(void *dst, const void *src, size_t n)
{
    return host_safecopy_copy(dst, src, n);
}

size_t host_zero_safe(void *dst, size_t n)
{
    return host_safecopy_zero(dst, n);
}

int host_load_u32_safe(const u32 *p, u32 *out)
{
    return host_safecopy_load(p, out);
}

int host_cmpxchg_u32_safe(u32 *p, u32 expect, u32 desired, u32 *old)
{
    return host_safecopy_cmpxchg(p, expect, desired, old);
}

int host_xchg_u32_safe(u32 *p, u32 val, u32 *old)
{
    return host_safecopy_xchg(p, val, old);
}
