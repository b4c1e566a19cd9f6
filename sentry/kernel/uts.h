/* SPDX-License-Identifier: Apache-2.0 */
/* Names of the system: uname, /proc/sys/kernel/{hostname,ostype,osrelease,version}. */
#ifndef SENTRY_KERNEL_UTS_H
#define SENTRY_KERNEL_UTS_H

#include "abi/linux/utsname.h"

#define UTS_RELEASE "5.15.0-cvisor"
#define UTS_VERSION "#1 SMP PREEMPT cvisor"

void uts_init(const char *hostname);
void uts_get(struct linux_utsname *out);
/* len bytes without NUL, at most LINUX_NEW_UTS_LEN. */
void uts_set_hostname(const char *name, size_t len);
void uts_set_domainname(const char *name, size_t len);

#endif
