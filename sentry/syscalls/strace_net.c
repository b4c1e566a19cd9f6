/* SPDX-License-Identifier: Apache-2.0 */
/* Decoding of socket addresses and messages for strace. */
#include "sentry/syscalls/strace_types.h"

#include "abi/linux/limits.h"
#include "abi/linux/socket.h"
#include "abi/linux/uio.h"
#include "sentry/kernel/task.h"
#include "sentry/mm/uaccess.h"

#include <string.h>

static unsigned port_of(u16 big_endian)
{
    return __builtin_bswap16(big_endian);
}

static void show_in6(const struct strace_arg *a, const struct linux_sockaddr_in6 *sa)
{
    out_str(a->out, "[");
    for (unsigned i = 0; i < 16; i += 2)
        out_printf(a->out, "%s%x", i ? ":" : "",
                   (unsigned)sa->sin6_addr.addr[i] << 8 | sa->sin6_addr.addr[i + 1]);
    out_printf(a->out, "]:%u", port_of(sa->sin6_port));
}

static void show_un(const struct strace_arg *a, const struct linux_sockaddr_un *sa, size_t len)
{
    size_t n = len - offsetof(struct linux_sockaddr_un, sun_path);

    if (!n) {
        out_str(a->out, "unnamed");
    } else if (sa->sun_path[0]) {
        out_quoted(a->out, sa->sun_path, strnlen(sa->sun_path, n), false);
    } else {
        out_str(a->out, "@");
        out_quoted(a->out, sa->sun_path + 1, n - 1, false);
    }
}

static void show_sockaddr(const struct strace_arg *a, u64 addr, u64 len)
{
    union {
        struct linux_sockaddr sa;
        struct linux_sockaddr_storage storage;
        struct linux_sockaddr_un un;
        struct linux_sockaddr_in in;
        struct linux_sockaddr_in6 in6;
        struct linux_sockaddr_nl nl;
    } u;
    size_t n = MIN(len, (u64)sizeof(u.storage));

    if (!addr || n < sizeof(u.sa.sa_family)) {
        type_hex(a, addr);
        return;
    }
    memset(&u, 0, sizeof(u));
    if (!type_fetch(a, &u, addr, n))
        return;
    out_str(a->out, "{");
    out_names(a->out, &g_names_family, u.sa.sa_family);
    out_str(a->out, ", ");
    if (u.sa.sa_family == LINUX_AF_UNIX) {
        show_un(a, &u.un, MIN(n, sizeof(u.un)));
    } else if (u.sa.sa_family == LINUX_AF_INET && n >= sizeof(u.in)) {
        u32 ip = __builtin_bswap32(u.in.sin_addr.s_addr);

        out_printf(a->out, "%u.%u.%u.%u:%u", ip >> 24, (ip >> 16) & 255, (ip >> 8) & 255, ip & 255,
                   port_of(u.in.sin_port));
    } else if (u.sa.sa_family == LINUX_AF_INET6 && n >= sizeof(u.in6)) {
        show_in6(a, &u.in6);
    } else if (u.sa.sa_family == LINUX_AF_NETLINK && n >= sizeof(u.nl)) {
        out_printf(a->out, "pid %u, groups %#x", u.nl.nl_pid, u.nl.nl_groups);
    } else {
        out_quoted(a->out, u.sa.sa_data, n - sizeof(u.sa.sa_family), false);
    }
    out_str(a->out, "}");
}

void type_sockaddr(const struct strace_arg *a)
{
    show_sockaddr(a, a->v, (u32)a->len);
}

/* The size is where argument len points. */
void type_sockaddr_ret(const struct strace_arg *a)
{
    u32 n;

    if (a->len && copy_in(a->task, &n, uaddr(a->len), sizeof(n)) == 0)
        show_sockaddr(a, a->v, n);
    else
        type_hex(a, a->v);
}

static void show_rights(const struct strace_arg *a, u64 addr, u64 bytes)
{
    s32 fd;

    out_str(a->out, ", [");
    for (u64 i = 0; i < MIN(bytes / sizeof(fd), (u64)STRACE_LIST_MAX); i++) {
        if (i)
            out_str(a->out, ", ");
        if (!type_fetch(a, &fd, addr + i * sizeof(fd), sizeof(fd)))
            break;
        out_printf(a->out, "%d", fd);
    }
    out_str(a->out, "]");
}

static void show_control(const struct strace_arg *a, u64 addr, u64 size)
{
    u64 off = 0;

    out_str(a->out, ", control=[");
    for (unsigned i = 0; i < STRACE_LIST_MAX / 2 && off + sizeof(struct linux_cmsghdr) <= size;
         i++) {
        struct linux_cmsghdr c;

        if (i)
            out_str(a->out, ", ");
        if (!type_fetch(a, &c, addr + off, sizeof(c)))
            break;
        out_printf(a->out, "{len=%llu, level=%d, type=%d", (unsigned long long)c.cmsg_len,
                   c.cmsg_level, c.cmsg_type);
        if (c.cmsg_len < sizeof(c) || c.cmsg_len > size - off) {
            out_str(a->out, "}");
            break;
        }
        if (c.cmsg_level == LINUX_SOL_SOCKET && c.cmsg_type == LINUX_SCM_RIGHTS)
            show_rights(a, addr + off + sizeof(c), c.cmsg_len - sizeof(c));
        out_str(a->out, "}");
        off += LINUX_CMSG_ALIGN(c.cmsg_len);
    }
    out_str(a->out, "]");
}

void type_msghdr(const struct strace_arg *a)
{
    struct linux_msghdr m;
    struct strace_arg iov = *a;

    if (!type_fetch(a, &m, a->v, sizeof(m)))
        return;
    out_str(a->out, "{");
    if (m.msg_name && m.msg_namelen > 0) {
        out_str(a->out, "name=");
        show_sockaddr(a, m.msg_name, (u32)m.msg_namelen);
        out_str(a->out, ", ");
    }
    out_str(a->out, "iov=");
    iov.v = m.msg_iov;
    iov.len = MIN(m.msg_iovlen, (u64)LINUX_IOV_MAX);
    if (a->exit)
        type_iov_ret(&iov);
    else
        type_iov(&iov);
    if (m.msg_control && m.msg_controllen)
        show_control(a, m.msg_control, m.msg_controllen);
    out_str(a->out, ", flags=");
    out_names(a->out, &g_names_msgflags, m.msg_flags);
    out_str(a->out, "}");
}
