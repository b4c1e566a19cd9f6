/* SPDX-License-Identifier: Apache-2.0 */
/* Writing plain values into strace's line. */
#include "sentry/syscalls/strace_out.h"

#include "abi/linux/signal.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void out_str(struct strace_out *o, const char *s)
{
    size_t n = strlen(s);

    if (n > o->cap - o->len - 1)
        n = o->cap - o->len - 1;
    memcpy(o->buf + o->len, s, n);
    o->len += n;
    o->buf[o->len] = '\0';
}

void out_printf(struct strace_out *o, const char *fmt, ...)
{
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(o->buf + o->len, o->cap - o->len, fmt, ap);
    va_end(ap);
    if (n > 0)
        o->len += MIN((size_t)n, o->cap - o->len - 1);
}

void out_quoted(struct strace_out *o, const void *data, size_t n, bool more)
{
    static const char plain[] = "\"\\\n\t\r";
    static const char letter[] = "\"\\ntr";
    const u8 *p = data;

    out_str(o, "\"");
    for (size_t i = 0; i < n; i++) {
        const char *esc = p[i] ? strchr(plain, p[i]) : NULL;

        if (esc)
            out_printf(o, "\\%c", letter[esc - plain]);
        else if (p[i] >= 0x20 && p[i] < 0x7f)
            out_printf(o, "%c", p[i]);
        else
            out_printf(o, "\\x%02x", p[i]);
    }
    out_str(o, more ? "\"..." : "\"");
}

void out_names(struct strace_out *o, const struct strace_names *names, u64 v)
{
    bool any = false;

    for (size_t i = 0; i < names->n; i++) {
        const struct strace_name *e = &names->v[i];

        if (!names->flags || !v) {
            if (e->value != v)
                continue;
            out_printf(o, any ? "|%s" : "%s", e->name);
            return;
        }
        if (e->value && (v & e->value) == e->value) {
            out_printf(o, any ? "|%s" : "%s", e->name);
            any = true;
            v &= ~e->value;
            if (!v)
                return;
        }
    }
    if (v || !any)
        out_printf(o, v > 9 ? "%s%#llx" : "%s%llu", any ? "|" : "", (unsigned long long)v);
}

void out_signal(struct strace_out *o, u64 sig)
{
    const char *name = strace_signal_name(sig);

    if (name)
        out_str(o, name);
    else if (sig >= LINUX_SIGRTMIN && sig <= LINUX_SIGRTMAX)
        out_printf(o, "SIGRT_%u", (unsigned)(sig - LINUX_SIGRTMIN));
    else
        out_printf(o, "%lld", (long long)sig);
}

void out_sigset(struct strace_out *o, u64 set)
{
    bool invert = __builtin_popcountll(set) > 32;
    bool any = false;

    out_str(o, invert ? "~[" : "[");
    if (invert)
        set = ~set;
    for (unsigned sig = 1; sig <= LINUX_NSIG; sig++) {
        if (!(set & LINUX_SIGMASK(sig)))
            continue;
        if (any)
            out_str(o, " ");
        out_signal(o, sig);
        any = true;
    }
    out_str(o, "]");
}

void out_result(struct strace_out *o, s64 ret)
{
    const char *name;

    if (ret >= 0 || ret < -4095) {
        out_printf(o, " = %lld (%#llx)", (long long)ret, (unsigned long long)ret);
        return;
    }
    name = strace_errno_name((int)-ret);
    if (ret <= -512)
        out_printf(o, " = ? errno=%d (%s)", (int)-ret, name ? name : "?");
    else
        out_printf(o, " = -1 errno=%d (%s)", (int)-ret, name ? name : "?");
}
