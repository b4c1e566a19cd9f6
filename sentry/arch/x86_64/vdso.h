/* SPDX-License-Identifier: Apache-2.0 */
/* The vDSO: clock functions that the guest runs without entering the sentry. */
#ifndef SENTRY_ARCH_X86_64_VDSO_H
#define SENTRY_ARCH_X86_64_VDSO_H

#include "cvisor/types.h"

struct mm;

/* At boot, after memory_file_init: copies the image, calibrates the clocks, starts the thread that
 * keeps the parameters current. Without an invariant TSC the functions make syscalls. */
int vdso_init(void);
/* Earlier in the boot: takes the first sample of the clocks, so that vdso_init does not have to wait
 * for the second. Optional. */
void vdso_clock_prepare(void);
/* Maps it at a random place; *base = address of its ELF header, for AT_SYSINFO_EHDR. */
int vdso_map(struct mm *mm, u64 *base);
/* The clocks of the vDSO (REALTIME, MONOTONIC, BOOTTIME, the coarse ones), by the same arithmetic, so
 * that syscalls and vDSO agree. False: ask the host. */
bool vdso_clock_get(int clock, u64 *ns);

#endif
