/* SPDX-License-Identifier: Apache-2.0 */
/* times(2): struct linux_tms is with the other resource usage. */
#ifndef ABI_LINUX_TIMES_H
#define ABI_LINUX_TIMES_H

#include "abi/linux/resource.h"

#endif
