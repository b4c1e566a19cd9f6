/* SPDX-License-Identifier: Apache-2.0 */
/* null, zero, full, random, urandom: the devices with major number 1. */
#ifndef SENTRY_FS_DEV_MEM_H
#define SENTRY_FS_DEV_MEM_H

#include "cvisor/types.h"

struct file;

#define MEM_MAJOR 1u
#define MEM_NULL 3u
#define MEM_ZERO 5u
#define MEM_FULL 7u
#define MEM_RANDOM 8u
#define MEM_URANDOM 9u

/* -ENXIO for other minors. */
int mem_open(u32 minor, struct file *f);

#endif
