/* SPDX-License-Identifier: Apache-2.0 */
/* sysinfo. */
#ifndef ABI_LINUX_SYSINFO_H
#define ABI_LINUX_SYSINFO_H

#include "cvisor/types.h"

#define LINUX_SI_LOAD_SHIFT 16

struct linux_sysinfo {
    s64 uptime;
    u64 loads[3];
    u64 totalram;
    u64 freeram;
    u64 sharedram;
    u64 bufferram;
    u64 totalswap;
    u64 freeswap;
    u16 procs;
    u16 pad0;
    u32 pad1;
    u64 totalhigh;
    u64 freehigh;
    u32 mem_unit;
    u32 pad2;
};
_Static_assert(sizeof(struct linux_sysinfo) == 112, "guest ABI");

#endif
