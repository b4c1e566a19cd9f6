/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The boot timeline in the debug log: each line has the time since runsc started and, in brackets, the
 * time since the line before it of the same process. A process that was spawned begins with what
 * happened before its log could be opened.
 */
#ifndef RUNSC_SANDBOX_MILESTONE_H
#define RUNSC_SANDBOX_MILESTONE_H

#include "cvisor/types.h"

/* What a child of spawn_process() hands to the program through its environment. */
struct milestone_spawn {
    u64 cloned, namespaces,
        exec; /* monotonic times at which the first was done, ..., the last began */
};

#define MILESTONE_ENV_SIZE 96
void milestone_to_env(const struct milestone_spawn *s, char env[MILESTONE_ENV_SIZE]);

/* The zero of the timeline. */
void milestone_begin(u64 start_ns);
/* The same in a spawned process, with its first lines. */
void milestone_begin_spawned(u64 start_ns);
void milestone(const char *what);

#endif
