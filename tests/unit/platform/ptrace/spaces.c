/* SPDX-License-Identifier: Apache-2.0 */
/* Address spaces and threads on the ptrace backend. */
#include "platform/ptrace/ptrace.h"
#define TOY_PLATFORM "ptrace"
#define TOY_SUITE ptrace_spaces
#define TOY_TEMPLATE_PID g_ptrace.template_pid
#define TOY_TELLS_ACCESS false
#define TOY_STORE_STUBS 4
#define TOY_STORE_FDS 0
#include "tests/unit/platform/contract/spaces.h"
