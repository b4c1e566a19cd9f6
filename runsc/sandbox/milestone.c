/* SPDX-License-Identifier: Apache-2.0 */
/* The boot timeline: see milestone.h. */
#include "runsc/sandbox/milestone.h"

#include "cvisor/host.h"
#include "cvisor/log.h"

#include <stdio.h>
#include <stdlib.h>

#define ENV_NAME "RUNSC_SPAWN"

/* Private to the thread that starts the sandbox. */
static u64 g_start, g_last;

void milestone_to_env(const struct milestone_spawn *s, char env[MILESTONE_ENV_SIZE])
{
    snprintf(env, MILESTONE_ENV_SIZE, ENV_NAME "=%lu,%lu,%lu", (unsigned long)s->cloned,
             (unsigned long)s->namespaces, (unsigned long)s->exec);
}

void milestone_begin(u64 start_ns)
{
    g_start = g_last = start_ns;
}

static void milestone_at(u64 ns, const char *what)
{
    log_debug("boot +%lu us (%lu us): %s", (unsigned long)(ns - g_start) / 1000,
              (unsigned long)(ns - g_last) / 1000, what);
    g_last = ns;
}

void milestone(const char *what)
{
    milestone_at(host_now_mono(), what);
}

void milestone_begin_spawned(u64 start_ns)
{
    const char *env = getenv(ENV_NAME);
    unsigned long cloned, namespaces, exec;

    milestone_begin(start_ns);
    if (env && sscanf(env, "%lu,%lu,%lu", &cloned, &namespaces, &exec) == 3) {
        milestone_at(cloned, "runsc decided, process cloned");
        milestone_at(namespaces, "host namespaces made");
        milestone_at(exec, "identity and descriptors arranged");
    }
    milestone("runsc's program and libc started");
}
