/* SPDX-License-Identifier: Apache-2.0 */
/* Lookups in the generated syscall table. */
#include "sentry/syscalls/table.h"

#include <errno.h>
#include <string.h>

const struct syscall_desc *syscall_lookup(u64 nr)
{
    if (nr >= SYSCALL_COUNT || !g_syscall_table[nr].name)
        return NULL;
    return &g_syscall_table[nr];
}

int syscall_number(const char *name, size_t n)
{
    for (int i = 0; i < SYSCALL_COUNT; i++) {
        const char *s = g_syscall_table[i].name;

        if (s && strlen(s) == n && !memcmp(s, name, n))
            return i;
    }
    return -ENOENT;
}

const char *syscall_level_name(enum syscall_level level)
{
    switch (level) {
    case SYSCALL_FULL:
        return "full";
    case SYSCALL_PARTIAL:
        return "partial";
    case SYSCALL_NONE:
        break;
    }
    return "none";
}
