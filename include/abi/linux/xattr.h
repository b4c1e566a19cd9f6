/* SPDX-License-Identifier: Apache-2.0 */
/* Extended attributes. */
#ifndef ABI_LINUX_XATTR_H
#define ABI_LINUX_XATTR_H

#include "cvisor/types.h"

/* setxattr flags */
#define LINUX_XATTR_CREATE  0x1
#define LINUX_XATTR_REPLACE 0x2

#define LINUX_XATTR_SECURITY_PREFIX        "security."
#define LINUX_XATTR_SYSTEM_PREFIX          "system."
#define LINUX_XATTR_TRUSTED_PREFIX         "trusted."
#define LINUX_XATTR_USER_PREFIX            "user."
#define LINUX_XATTR_NAME_CAPS              "security.capability"
#define LINUX_XATTR_NAME_POSIX_ACL_ACCESS  "system.posix_acl_access"
#define LINUX_XATTR_NAME_POSIX_ACL_DEFAULT "system.posix_acl_default"
/* The limits are in limits.h. */

#endif
