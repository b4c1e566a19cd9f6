/* SPDX-License-Identifier: Apache-2.0 */
/* Between vdso_map.c and vdso_clock.c. */
#ifndef SENTRY_ARCH_X86_64_VDSO_INTERNAL_H
#define SENTRY_ARCH_X86_64_VDSO_INTERNAL_H

#include "cvisor/lock.h"
#include "sentry/arch/x86_64/vdso/vdso_params.h"

/* Calibrates and fills params (a zeroed page). */
int vdso_clock_init(struct vdso_params *params);
/* Starts the thread that keeps them current. */
int vdso_clock_start(void);

#endif
