/* SPDX-License-Identifier: Apache-2.0 */
/* uname. */
#ifndef ABI_LINUX_UTSNAME_H
#define ABI_LINUX_UTSNAME_H

#include "cvisor/types.h"

#define LINUX_NEW_UTS_LEN 64

struct linux_utsname {
    char sysname[LINUX_NEW_UTS_LEN + 1];
    char nodename[LINUX_NEW_UTS_LEN + 1];
    char release[LINUX_NEW_UTS_LEN + 1];
    char version[LINUX_NEW_UTS_LEN + 1];
    char machine[LINUX_NEW_UTS_LEN + 1];
    char domainname[LINUX_NEW_UTS_LEN + 1];
};
_Static_assert(sizeof(struct linux_utsname) == 390, "guest ABI");

#endif
