/* SPDX-License-Identifier: Apache-2.0 */
/* Sockets: families, types, options, messages, control messages, addresses. */
#ifndef ABI_LINUX_SOCKET_H
#define ABI_LINUX_SOCKET_H

#include "cvisor/types.h"

/* address families */
#define LINUX_AF_UNSPEC     0
#define LINUX_AF_UNIX       1
#define LINUX_AF_INET       2
#define LINUX_AF_AX25       3
#define LINUX_AF_IPX        4
#define LINUX_AF_APPLETALK  5
#define LINUX_AF_NETROM     6
#define LINUX_AF_BRIDGE     7
#define LINUX_AF_ATMPVC     8
#define LINUX_AF_X25        9
#define LINUX_AF_INET6      10
#define LINUX_AF_ROSE       11
#define LINUX_AF_DECnet     12
#define LINUX_AF_NETBEUI    13
#define LINUX_AF_SECURITY   14
#define LINUX_AF_KEY        15
#define LINUX_AF_NETLINK    16
#define LINUX_AF_PACKET     17
#define LINUX_AF_ASH        18
#define LINUX_AF_ECONET     19
#define LINUX_AF_ATMSVC     20
#define LINUX_AF_RDS        21
#define LINUX_AF_SNA        22
#define LINUX_AF_IRDA       23
#define LINUX_AF_PPPOX      24
#define LINUX_AF_WANPIPE    25
#define LINUX_AF_LLC        26
#define LINUX_AF_IB         27
#define LINUX_AF_MPLS       28
#define LINUX_AF_CAN        29
#define LINUX_AF_TIPC       30
#define LINUX_AF_BLUETOOTH  31
#define LINUX_AF_IUCV       32
#define LINUX_AF_RXRPC      33
#define LINUX_AF_ISDN       34
#define LINUX_AF_PHONET     35
#define LINUX_AF_IEEE802154 36
#define LINUX_AF_CAIF       37
#define LINUX_AF_ALG        38
#define LINUX_AF_NFC        39
#define LINUX_AF_VSOCK      40
#define LINUX_AF_KCM        41
#define LINUX_AF_QIPCRTR    42
#define LINUX_AF_SMC        43
#define LINUX_AF_XDP        44
#define LINUX_AF_MCTP       45
#define LINUX_AF_MAX        46

/* socket types */
#define LINUX_SOCK_STREAM    1
#define LINUX_SOCK_DGRAM     2
#define LINUX_SOCK_RAW       3
#define LINUX_SOCK_RDM       4
#define LINUX_SOCK_SEQPACKET 5
#define LINUX_SOCK_DCCP      6
#define LINUX_SOCK_PACKET    10
#define LINUX_SOCK_TYPE_MASK 0xf
#define LINUX_SOCK_CLOEXEC   02000000
#define LINUX_SOCK_NONBLOCK  04000

/* option levels */
#define LINUX_SOL_SOCKET  1
#define LINUX_SOL_PACKET  263
#define LINUX_SOL_NETLINK 270
#define LINUX_SOL_IP      0
#define LINUX_SOL_TCP     6
#define LINUX_SOL_UDP     17
#define LINUX_SOL_IPV6    41
#define LINUX_SOL_ICMPV6  58
#define LINUX_SOL_RAW     255

/* SOL_SOCKET options */
#define LINUX_SO_DEBUG                         1
#define LINUX_SO_REUSEADDR                     2
#define LINUX_SO_TYPE                          3
#define LINUX_SO_ERROR                         4
#define LINUX_SO_DONTROUTE                     5
#define LINUX_SO_BROADCAST                     6
#define LINUX_SO_SNDBUF                        7
#define LINUX_SO_RCVBUF                        8
#define LINUX_SO_SNDBUFFORCE                   32
#define LINUX_SO_RCVBUFFORCE                   33
#define LINUX_SO_KEEPALIVE                     9
#define LINUX_SO_OOBINLINE                     10
#define LINUX_SO_NO_CHECK                      11
#define LINUX_SO_PRIORITY                      12
#define LINUX_SO_LINGER                        13
#define LINUX_SO_BSDCOMPAT                     14
#define LINUX_SO_REUSEPORT                     15
#define LINUX_SO_PASSCRED                      16
#define LINUX_SO_PEERCRED                      17
#define LINUX_SO_RCVLOWAT                      18
#define LINUX_SO_SNDLOWAT                      19
#define LINUX_SO_RCVTIMEO_OLD                  20
#define LINUX_SO_SNDTIMEO_OLD                  21
#define LINUX_SO_SECURITY_AUTHENTICATION       22
#define LINUX_SO_SECURITY_ENCRYPTION_TRANSPORT 23
#define LINUX_SO_SECURITY_ENCRYPTION_NETWORK   24
#define LINUX_SO_BINDTODEVICE                  25
#define LINUX_SO_ATTACH_FILTER                 26
#define LINUX_SO_DETACH_FILTER                 27
#define LINUX_SO_GET_FILTER                    LINUX_SO_ATTACH_FILTER
#define LINUX_SO_PEERNAME                      28
#define LINUX_SO_ACCEPTCONN                    30
#define LINUX_SO_PEERSEC                       31
#define LINUX_SO_PASSSEC                       34
#define LINUX_SO_MARK                          36
#define LINUX_SO_PROTOCOL                      38
#define LINUX_SO_DOMAIN                        39
#define LINUX_SO_RXQ_OVFL                      40
#define LINUX_SO_WIFI_STATUS                   41
#define LINUX_SO_PEEK_OFF                      42
#define LINUX_SO_NOFCS                         43
#define LINUX_SO_LOCK_FILTER                   44
#define LINUX_SO_SELECT_ERR_QUEUE              45
#define LINUX_SO_BUSY_POLL                     46
#define LINUX_SO_MAX_PACING_RATE               47
#define LINUX_SO_BPF_EXTENSIONS                48
#define LINUX_SO_INCOMING_CPU                  49
#define LINUX_SO_ATTACH_BPF                    50
#define LINUX_SO_DETACH_BPF                    LINUX_SO_DETACH_FILTER
#define LINUX_SO_ATTACH_REUSEPORT_CBPF         51
#define LINUX_SO_ATTACH_REUSEPORT_EBPF         52
#define LINUX_SO_CNX_ADVICE                    53
#define LINUX_SO_MEMINFO                       55
#define LINUX_SO_INCOMING_NAPI_ID              56
#define LINUX_SO_COOKIE                        57
#define LINUX_SO_PEERGROUPS                    59
#define LINUX_SO_ZEROCOPY                      60
#define LINUX_SO_TXTIME                        61
#define LINUX_SO_BINDTOIFINDEX                 62
#define LINUX_SO_TIMESTAMP_OLD                 29
#define LINUX_SO_TIMESTAMPNS_OLD               35
#define LINUX_SO_TIMESTAMPING_OLD              37
#define LINUX_SO_TIMESTAMP_NEW                 63
#define LINUX_SO_TIMESTAMPNS_NEW               64
#define LINUX_SO_TIMESTAMPING_NEW              65
#define LINUX_SO_RCVTIMEO_NEW                  66
#define LINUX_SO_SNDTIMEO_NEW                  67
#define LINUX_SO_DETACH_REUSEPORT_BPF          68
#define LINUX_SO_PREFER_BUSY_POLL              69
#define LINUX_SO_BUSY_POLL_BUDGET              70
#define LINUX_SO_NETNS_COOKIE                  71
#define LINUX_SO_BUF_LOCK                      72
#define LINUX_SO_RESERVE_MEM                   73
#define LINUX_SO_TXREHASH                      74
#define LINUX_SO_RCVMARK                       75
#define LINUX_SO_RCVTIMEO                      LINUX_SO_RCVTIMEO_OLD
#define LINUX_SO_SNDTIMEO                      LINUX_SO_SNDTIMEO_OLD
#define LINUX_SO_TIMESTAMP                     LINUX_SO_TIMESTAMP_OLD
#define LINUX_SO_TIMESTAMPNS                   LINUX_SO_TIMESTAMPNS_OLD
#define LINUX_SO_TIMESTAMPING                  LINUX_SO_TIMESTAMPING_OLD

/* send and receive flags */
#define LINUX_MSG_OOB          0x1
#define LINUX_MSG_PEEK         0x2
#define LINUX_MSG_DONTROUTE    0x4
#define LINUX_MSG_CTRUNC       0x8
#define LINUX_MSG_PROBE        0x10
#define LINUX_MSG_TRUNC        0x20
#define LINUX_MSG_DONTWAIT     0x40
#define LINUX_MSG_EOR          0x80
#define LINUX_MSG_WAITALL      0x100
#define LINUX_MSG_FIN          0x200
#define LINUX_MSG_SYN          0x400
#define LINUX_MSG_CONFIRM      0x800
#define LINUX_MSG_RST          0x1000
#define LINUX_MSG_ERRQUEUE     0x2000
#define LINUX_MSG_NOSIGNAL     0x4000
#define LINUX_MSG_MORE         0x8000
#define LINUX_MSG_WAITFORONE   0x10000
#define LINUX_MSG_BATCH        0x40000
#define LINUX_MSG_ZEROCOPY     0x4000000
#define LINUX_MSG_FASTOPEN     0x20000000
#define LINUX_MSG_CMSG_CLOEXEC 0x40000000

#define LINUX_SHUT_RD   0
#define LINUX_SHUT_WR   1
#define LINUX_SHUT_RDWR 2

/* SOL_SOCKET control messages */
#define LINUX_SCM_RIGHTS      1
#define LINUX_SCM_CREDENTIALS 2
#define LINUX_SCM_SECURITY    3
#define LINUX_SCM_PIDFD       4
#define LINUX_SCM_TIMESTAMP   LINUX_SO_TIMESTAMP_OLD
#define LINUX_SCM_TIMESTAMPNS LINUX_SO_TIMESTAMPNS_OLD
#define LINUX_SCM_MAX_FD      253

#define LINUX_SOMAXCONN 4096

#define LINUX_IPPROTO_IP     0
#define LINUX_IPPROTO_ICMP   1
#define LINUX_IPPROTO_TCP    6
#define LINUX_IPPROTO_UDP    17
#define LINUX_IPPROTO_IPV6   41
#define LINUX_IPPROTO_ICMPV6 58
#define LINUX_IPPROTO_RAW    255

struct linux_msghdr {
    u64 msg_name;
    s32 msg_namelen;
    u32 pad0;
    u64 msg_iov;
    u64 msg_iovlen;
    u64 msg_control;
    u64 msg_controllen;
    u32 msg_flags;
    u32 pad1;
};
_Static_assert(sizeof(struct linux_msghdr) == 56, "guest ABI");

struct linux_mmsghdr {
    struct linux_msghdr msg_hdr;
    u32 msg_len;
    u32 pad0;
};
_Static_assert(sizeof(struct linux_mmsghdr) == 64, "guest ABI");

struct linux_cmsghdr {
    u64 cmsg_len; /* header included */
    s32 cmsg_level;
    s32 cmsg_type;
};
_Static_assert(sizeof(struct linux_cmsghdr) == 16, "guest ABI");
#define LINUX_CMSG_ALIGN(len) (((u64)(len) + 7) & ~7ULL)
#define LINUX_CMSG_SPACE(len) (sizeof(struct linux_cmsghdr) + LINUX_CMSG_ALIGN(len))
#define LINUX_CMSG_LEN(len)   (sizeof(struct linux_cmsghdr) + (len))

struct linux_ucred {
    s32 pid;
    u32 uid;
    u32 gid;
};
_Static_assert(sizeof(struct linux_ucred) == 12, "guest ABI");

struct linux_linger {
    s32 l_onoff;
    s32 l_linger;
};
_Static_assert(sizeof(struct linux_linger) == 8, "guest ABI");

struct linux_sockaddr {
    u16 sa_family;
    u8 sa_data[14];
};
_Static_assert(sizeof(struct linux_sockaddr) == 16, "guest ABI");

struct linux_sockaddr_storage {
    u16 ss_family;
    u8 data[126];
} __attribute__((aligned(8)));
_Static_assert(sizeof(struct linux_sockaddr_storage) == 128, "guest ABI");

#define LINUX_UNIX_PATH_MAX 108
struct linux_sockaddr_un {
    u16 sun_family;
    char sun_path[LINUX_UNIX_PATH_MAX];
};
_Static_assert(sizeof(struct linux_sockaddr_un) == 110, "guest ABI");

struct linux_in_addr {
    u32 s_addr; /* big endian */
};
_Static_assert(sizeof(struct linux_in_addr) == 4, "guest ABI");

struct linux_sockaddr_in {
    u16 sin_family;
    u16 sin_port; /* big endian */
    struct linux_in_addr sin_addr;
    u8 sin_zero[8];
};
_Static_assert(sizeof(struct linux_sockaddr_in) == 16, "guest ABI");

struct linux_in6_addr {
    u8 addr[16];
};
_Static_assert(sizeof(struct linux_in6_addr) == 16, "guest ABI");

struct linux_sockaddr_in6 {
    u16 sin6_family;
    u16 sin6_port; /* big endian */
    u32 sin6_flowinfo;
    struct linux_in6_addr sin6_addr;
    u32 sin6_scope_id;
};
_Static_assert(sizeof(struct linux_sockaddr_in6) == 28, "guest ABI");

struct linux_sockaddr_nl {
    u16 nl_family;
    u16 nl_pad;
    u32 nl_pid;
    u32 nl_groups;
};
_Static_assert(sizeof(struct linux_sockaddr_nl) == 12, "guest ABI");

#endif
