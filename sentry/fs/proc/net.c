/* SPDX-License-Identifier: Apache-2.0 */
/* /proc/PID/net: there is no network but the loopback name, so the tables are headings. */
#include "sentry/fs/proc/proc.h"

#define FILE(m) (LINUX_S_IFREG | (m))

static const char g_dev[] =
    "Inter-|   Receive                                                |  Transmit\n"
    " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop "
    "fifo colls carrier compressed\n"
    "    lo:       0       0    0    0    0     0          0         0        0       0    0    0"
    "    0     0       0          0\n";
static const char g_tcp[] =
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout "
    "inode                                                     \n";
static const char g_tcp6[] =
    "  sl  local_address                         remote_address                        st tx_queue "
    "rx_queue tr tm->when retrnsmt   uid  timeout inode\n";
static const char g_udp[] =
    "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout "
    "inode ref pointer drops             \n";
static const char g_udp6[] =
    "  sl  local_address                         remote_address                        st tx_queue "
    "rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n";
static const char g_unix[] = "Num       RefCount Protocol Flags    Type St Inode Path\n";
static const char g_arp[] =
    "IP address       HW type     Flags       HW address            Mask     Device\n";
static const char g_route[] =
    "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU"
    "\tWindow\tIRTT                                                       \n";
static const char g_netlink[] =
    "sk               Eth Pid        Groups   Rmem     Wmem     Dump  Locks    Drops    Inode\n";
static const char g_packet[] = "sk       RefCnt Type Proto  Iface R Rmem   User   Inode\n";
static const char g_protocols[] =
    "protocol  size sockets  memory press maxhdr  slab module     cl co di ac io in de sh ss gs se "
    "re sp bi br ha uh gp em\n";
static const char g_sockstat[] = "sockets: used 0\nTCP: inuse 0 orphan 0 tw 0 alloc 0 mem 0\n"
                                 "UDP: inuse 0 mem 0\nUDPLITE: inuse 0\nRAW: inuse 0\n"
                                 "FRAG: inuse 0 memory 0\n";

#define TABLE(n, content)                                                                          \
    {                                                                                              \
        .name = n, .mode = FILE(0444), .text = content, .show = proc_show_text                     \
    }

const struct kernfs_node g_proc_net_nodes[] = {
    TABLE("arp", g_arp),
    TABLE("dev", g_dev),
    TABLE("if_inet6", ""),
    TABLE("ipv6_route", ""),
    TABLE("netlink", g_netlink),
    TABLE("packet", g_packet),
    TABLE("protocols", g_protocols),
    TABLE("raw", g_udp),
    TABLE("raw6", g_udp6),
    TABLE("route", g_route),
    TABLE("sockstat", g_sockstat),
    TABLE("tcp", g_tcp),
    TABLE("tcp6", g_tcp6),
    TABLE("udp", g_udp),
    TABLE("udp6", g_udp6),
    TABLE("unix", g_unix),
    {0},
};
