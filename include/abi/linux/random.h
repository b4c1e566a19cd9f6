/* SPDX-License-Identifier: Apache-2.0 */
/* getrandom. */
#ifndef ABI_LINUX_RANDOM_H
#define ABI_LINUX_RANDOM_H

#include "cvisor/types.h"

#define LINUX_GRND_NONBLOCK 0x0001
#define LINUX_GRND_RANDOM   0x0002
#define LINUX_GRND_INSECURE 0x0004

#endif
