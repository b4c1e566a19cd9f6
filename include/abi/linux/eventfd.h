/* SPDX-License-Identifier: Apache-2.0 */
/* eventfd2. */
#ifndef ABI_LINUX_EVENTFD_H
#define ABI_LINUX_EVENTFD_H

#include "cvisor/types.h"

#define LINUX_EFD_SEMAPHORE 1
#define LINUX_EFD_CLOEXEC   02000000
#define LINUX_EFD_NONBLOCK  04000

#endif
