/* SPDX-License-Identifier: Apache-2.0 */
/* Patched call sites and slots on the systrap backend without notifications. */
#include "cvisor/platform.h"
#define TOY_RUNGS (PLATFORM_RUNG_ANSWER | PLATFORM_RUNG_SPIN | PLATFORM_RUNG_TRAP)
#include "tests/unit/platform/systrap/slots.c" /* NOLINT: the same tests */
