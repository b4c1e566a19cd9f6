/* SPDX-License-Identifier: Apache-2.0 */
/* Address spaces and threads on the systrap backend. */
#include "platform/systrap/systrap.h"
#define TOY_PLATFORM "systrap"
#define TOY_SUITE systrap_spaces
#define TOY_TEMPLATE_PID g_systrap.template_pid
#define TOY_TELLS_ACCESS true
#define TOY_STORE_STUBS 6
#define TOY_STORE_FDS (2 * TOY_STORE_STUBS) /* two listeners each */
#include "tests/unit/platform/contract/spaces.h"
