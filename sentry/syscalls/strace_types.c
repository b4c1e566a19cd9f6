/* SPDX-License-Identifier: Apache-2.0 */
/* Decoding of guest memory for strace: strings, buffers, vectors, lists. Network types are in
 * strace_net.c, fixed structures in strace_structs.c. */
#include "sentry/syscalls/strace_types.h"

#include "abi/linux/dirent.h"
#include "abi/linux/epoll.h"
#include "abi/linux/poll.h"
#include "abi/linux/select.h"
#include "abi/linux/uio.h"
#include "sentry/kernel/task.h"
#include "sentry/mm/uaccess.h"

#include <errno.h>
#include <string.h>

void type_hex(const struct strace_arg *a, u64 v)
{
    if (v)
        out_printf(a->out, "%#llx", (unsigned long long)v);
    else
        out_str(a->out, "NULL");
}

bool type_fetch(const struct strace_arg *a, void *dst, u64 addr, size_t n)
{
    if (copy_in(a->task, dst, uaddr(addr), n) == 0)
        return true;
    type_hex(a, addr);
    return false;
}

void type_bytes(const struct strace_arg *a, u64 addr, u64 n)
{
    char buf[STRACE_BUF_MAX];
    size_t shown = MIN(n, (u64)sizeof(buf));

    if (!addr || !n) {
        out_str(a->out, addr ? "\"\"" : "NULL");
        return;
    }
    if (type_fetch(a, buf, addr, shown))
        out_quoted(a->out, buf, shown, n > shown);
}

void type_cstr(const struct strace_arg *a, u64 addr, size_t max)
{
    char buf[STRACE_STR_MAX];
    ssize_t n;

    if (!addr) {
        out_str(a->out, "NULL");
        return;
    }
    max = MIN(max, sizeof(buf));
    n = copy_in_str(a->task, buf, max, uaddr(addr));
    if (n >= 0)
        out_quoted(a->out, buf, (size_t)n, false);
    else if (n == -ENAMETOOLONG && type_fetch(a, buf, addr, max))
        out_quoted(a->out, buf, max, true);
    else if (n != -ENAMETOOLONG)
        type_hex(a, addr);
}

void type_str(const struct strace_arg *a)
{
    type_cstr(a, a->v, STRACE_STR_MAX);
}

void type_buf(const struct strace_arg *a)
{
    type_bytes(a, a->v, a->len);
}

void type_buf_ret(const struct strace_arg *a)
{
    type_bytes(a, a->v, MIN(a->ret, a->len));
}

/* A NULL-terminated vector of strings, at most STRACE_LIST_MAX of them. */
void type_argv(const struct strace_arg *a)
{
    out_str(a->out, "[");
    for (u64 i = 0;; i++) {
        u64 p;

        if (!type_fetch(a, &p, a->v + i * 8, sizeof(p)) || !p)
            break;
        if (i)
            out_str(a->out, ", ");
        if (i == STRACE_LIST_MAX) {
            out_str(a->out, "...");
            break;
        }
        type_cstr(a, p, STRACE_BUF_MAX * 2);
    }
    out_str(a->out, "]");
}

/* The environment is long and secret: only how many strings it has. */
void type_envp(const struct strace_arg *a)
{
    unsigned n = 0;

    for (u64 p; n < 1000; n++)
        if (copy_in(a->task, &p, uaddr(a->v + n * 8ull), sizeof(p)) < 0 || !p)
            break;
    type_hex(a, a->v);
    out_printf(a->out, " /* %u variables */", n);
}

enum iov_show { IOV_RAW, IOV_DATA };

/* left: bytes of the vectors that hold data. */
static void show_iov(const struct strace_arg *a, enum iov_show show, u64 left)
{
    u64 count = (u32)a->len;
    struct linux_iovec iov;

    out_str(a->out, "[");
    for (u64 i = 0; i < count; i++) {
        if (i)
            out_str(a->out, ", ");
        if (i == STRACE_LIST_MAX / 2) {
            out_str(a->out, "...");
            break;
        }
        if (!type_fetch(a, &iov, a->v + i * sizeof(iov), sizeof(iov)))
            break;
        out_str(a->out, "{");
        if (show == IOV_DATA)
            type_bytes(a, iov.iov_base, MIN(iov.iov_len, left));
        else
            type_hex(a, iov.iov_base);
        out_printf(a->out, ", %llu}", (unsigned long long)iov.iov_len);
        left -= MIN(iov.iov_len, left);
    }
    out_str(a->out, "]");
}

void type_iov(const struct strace_arg *a)
{
    show_iov(a, IOV_DATA, ~0ull);
}

void type_iov_ret(const struct strace_arg *a)
{
    show_iov(a, IOV_DATA, a->ret);
}

void type_iov_raw(const struct strace_arg *a)
{
    show_iov(a, IOV_RAW, 0);
}

void type_int(const struct strace_arg *a)
{
    s32 v;

    if (type_fetch(a, &v, a->v, sizeof(v)))
        out_printf(a->out, "[%d]", v);
}

void type_uint(const struct strace_arg *a)
{
    u32 v;

    if (type_fetch(a, &v, a->v, sizeof(v)))
        out_printf(a->out, "[%u]", v);
}

void type_long(const struct strace_arg *a)
{
    s64 v;

    if (type_fetch(a, &v, a->v, sizeof(v)))
        out_printf(a->out, "[%lld]", (long long)v);
}

void type_fds(const struct strace_arg *a)
{
    s32 v[2];

    if (type_fetch(a, v, a->v, sizeof(v)))
        out_printf(a->out, "[%d, %d]", v[0], v[1]);
}

/* The numbers in a set of descriptors; argument 0 bounds them. */
void type_fdset(const struct strace_arg *a)
{
    struct linux_fd_set set;
    u64 nfds = MIN((u64)(u32)a->args->v[0], (u64)LINUX_FD_SETSIZE);
    size_t bytes = (size_t)((nfds + LINUX_NFDBITS - 1) / LINUX_NFDBITS * sizeof(u64));
    const char *sep = "";

    memset(&set, 0, sizeof(set));
    if (bytes && !type_fetch(a, &set, a->v, bytes))
        return;
    out_str(a->out, "[");
    for (u64 fd = 0; fd < nfds; fd++) {
        if (set.fds_bits[fd / LINUX_NFDBITS] & (1ull << (fd % LINUX_NFDBITS))) {
            out_printf(a->out, "%s%llu", sep, (unsigned long long)fd);
            sep = " ";
        }
    }
    out_str(a->out, "]");
}

void type_pollfds(const struct strace_arg *a)
{
    u64 count = (u32)a->len;

    out_str(a->out, "[");
    for (u64 i = 0; i < count; i++) {
        struct linux_pollfd p;

        if (i)
            out_str(a->out, ", ");
        if (i == STRACE_LIST_MAX) {
            out_str(a->out, "...");
            break;
        }
        if (!type_fetch(a, &p, a->v + i * sizeof(p), sizeof(p)))
            break;
        out_printf(a->out, "{%d, ", p.fd);
        out_names(a->out, &g_names_pollevents, (u16)p.events);
        if (a->exit) {
            out_str(a->out, " -> ");
            out_names(a->out, &g_names_pollevents, (u16)p.revents);
        }
        out_str(a->out, "}");
    }
    out_str(a->out, "]");
}

static void show_epevent(const struct strace_arg *a, u64 addr)
{
    struct linux_epoll_event ev;

    if (!type_fetch(a, &ev, addr, sizeof(ev)))
        return;
    out_str(a->out, "{");
    out_names(a->out, &g_names_epollevents, ev.events);
    out_printf(a->out, ", %#llx}", (unsigned long long)ev.data);
}

void type_epevent(const struct strace_arg *a)
{
    show_epevent(a, a->v);
}

void type_epevents(const struct strace_arg *a)
{
    out_str(a->out, "[");
    for (u64 i = 0; i < a->ret; i++) {
        if (i)
            out_str(a->out, ", ");
        if (i == STRACE_LIST_MAX) {
            out_str(a->out, "...");
            break;
        }
        show_epevent(a, a->v + i * sizeof(struct linux_epoll_event));
    }
    out_str(a->out, "]");
}

/* The names in what getdents64 returned. */
void type_dirents(const struct strace_arg *a)
{
    u64 off = 0;

    out_str(a->out, "[");
    for (unsigned i = 0; off + LINUX_DIRENT64_NAME_OFFSET < a->ret; i++) {
        struct linux_dirent64 d;

        if (i)
            out_str(a->out, ", ");
        if (i == STRACE_LIST_MAX) {
            out_str(a->out, "...");
            break;
        }
        if (!type_fetch(a, &d, a->v + off, LINUX_DIRENT64_NAME_OFFSET) || !d.d_reclen)
            break;
        type_cstr(a, a->v + off + LINUX_DIRENT64_NAME_OFFSET, STRACE_BUF_MAX);
        off += d.d_reclen;
    }
    out_str(a->out, "]");
}
