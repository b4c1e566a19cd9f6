/* SPDX-License-Identifier: Apache-2.0 */
/* memfd_create. */
#ifndef ABI_LINUX_MEMFD_H
#define ABI_LINUX_MEMFD_H

#include "cvisor/types.h"

#define LINUX_MFD_CLOEXEC       0x0001U
#define LINUX_MFD_ALLOW_SEALING 0x0002U
#define LINUX_MFD_HUGETLB       0x0004U
#define LINUX_MFD_NOEXEC_SEAL   0x0008U
#define LINUX_MFD_EXEC          0x0010U
#define LINUX_MFD_NAME_MAX_LEN  249

#endif
