/* SPDX-License-Identifier: Apache-2.0 */
/* add_key, request_key, keyctl. */
#ifndef ABI_LINUX_KEYCTL_H
#define ABI_LINUX_KEYCTL_H

#include "cvisor/types.h"

#define LINUX_KEY_SPEC_THREAD_KEYRING              (-1)
#define LINUX_KEY_SPEC_PROCESS_KEYRING             (-2)
#define LINUX_KEY_SPEC_SESSION_KEYRING             (-3)
#define LINUX_KEY_SPEC_USER_KEYRING                (-4)
#define LINUX_KEY_SPEC_USER_SESSION_KEYRING        (-5)
#define LINUX_KEY_SPEC_GROUP_KEYRING               (-6)
#define LINUX_KEY_SPEC_REQKEY_AUTH_KEY             (-7)
#define LINUX_KEY_SPEC_REQUESTOR_KEYRING           (-8)
#define LINUX_KEY_REQKEY_DEFL_NO_CHANGE            (-1)
#define LINUX_KEY_REQKEY_DEFL_DEFAULT              0
#define LINUX_KEY_REQKEY_DEFL_THREAD_KEYRING       1
#define LINUX_KEY_REQKEY_DEFL_PROCESS_KEYRING      2
#define LINUX_KEY_REQKEY_DEFL_SESSION_KEYRING      3
#define LINUX_KEY_REQKEY_DEFL_USER_KEYRING         4
#define LINUX_KEY_REQKEY_DEFL_USER_SESSION_KEYRING 5
#define LINUX_KEY_REQKEY_DEFL_GROUP_KEYRING        6
#define LINUX_KEY_REQKEY_DEFL_REQUESTOR_KEYRING    7
#define LINUX_KEYCTL_GET_KEYRING_ID                0
#define LINUX_KEYCTL_JOIN_SESSION_KEYRING          1
#define LINUX_KEYCTL_UPDATE                        2
#define LINUX_KEYCTL_REVOKE                        3
#define LINUX_KEYCTL_CHOWN                         4
#define LINUX_KEYCTL_SETPERM                       5
#define LINUX_KEYCTL_DESCRIBE                      6
#define LINUX_KEYCTL_CLEAR                         7
#define LINUX_KEYCTL_LINK                          8
#define LINUX_KEYCTL_UNLINK                        9
#define LINUX_KEYCTL_SEARCH                        10
#define LINUX_KEYCTL_READ                          11
#define LINUX_KEYCTL_INSTANTIATE                   12
#define LINUX_KEYCTL_NEGATE                        13
#define LINUX_KEYCTL_SET_REQKEY_KEYRING            14
#define LINUX_KEYCTL_SET_TIMEOUT                   15
#define LINUX_KEYCTL_ASSUME_AUTHORITY              16
#define LINUX_KEYCTL_GET_SECURITY                  17
#define LINUX_KEYCTL_SESSION_TO_PARENT             18
#define LINUX_KEYCTL_REJECT                        19
#define LINUX_KEYCTL_INSTANTIATE_IOV               20
#define LINUX_KEYCTL_INVALIDATE                    21
#define LINUX_KEYCTL_GET_PERSISTENT                22
#define LINUX_KEYCTL_DH_COMPUTE                    23
#define LINUX_KEYCTL_PKEY_QUERY                    24
#define LINUX_KEYCTL_PKEY_ENCRYPT                  25
#define LINUX_KEYCTL_PKEY_DECRYPT                  26
#define LINUX_KEYCTL_PKEY_SIGN                     27
#define LINUX_KEYCTL_PKEY_VERIFY                   28
#define LINUX_KEYCTL_RESTRICT_KEYRING              29
#define LINUX_KEYCTL_MOVE                          30
#define LINUX_KEYCTL_CAPABILITIES                  31
#define LINUX_KEYCTL_WATCH_KEY                     32
#define LINUX_KEYCTL_SUPPORTS_ENCRYPT              0x01
#define LINUX_KEYCTL_SUPPORTS_DECRYPT              0x02
#define LINUX_KEYCTL_SUPPORTS_SIGN                 0x04
#define LINUX_KEYCTL_SUPPORTS_VERIFY               0x08
#define LINUX_KEYCTL_MOVE_EXCL                     0x00000001
#define LINUX_KEYCTL_CAPS0_CAPABILITIES            0x01
#define LINUX_KEYCTL_CAPS0_PERSISTENT_KEYRINGS     0x02
#define LINUX_KEYCTL_CAPS0_DIFFIE_HELLMAN          0x04
#define LINUX_KEYCTL_CAPS0_PUBLIC_KEY              0x08
#define LINUX_KEYCTL_CAPS0_BIG_KEY                 0x10
#define LINUX_KEYCTL_CAPS0_INVALIDATE              0x20
#define LINUX_KEYCTL_CAPS0_RESTRICT_KEYRING        0x40
#define LINUX_KEYCTL_CAPS0_MOVE                    0x80
#define LINUX_KEYCTL_CAPS1_NS_KEYRING_NAME         0x01
#define LINUX_KEYCTL_CAPS1_NS_KEY_TAG              0x02
#define LINUX_KEYCTL_CAPS1_NOTIFICATIONS           0x04

/* Permissions of a key */
#define LINUX_KEY_POS_VIEW    0x01000000
#define LINUX_KEY_POS_READ    0x02000000
#define LINUX_KEY_POS_WRITE   0x04000000
#define LINUX_KEY_POS_SEARCH  0x08000000
#define LINUX_KEY_POS_LINK    0x10000000
#define LINUX_KEY_POS_SETATTR 0x20000000
#define LINUX_KEY_POS_ALL     0x3f000000
#define LINUX_KEY_USR_VIEW    0x00010000
#define LINUX_KEY_USR_READ    0x00020000
#define LINUX_KEY_USR_ALL     0x003f0000

#endif
