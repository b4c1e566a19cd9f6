/* SPDX-License-Identifier: Apache-2.0 */
/* Log lines: formatted on the stack, escaped, written with one host_write each. */
#include "cvisor/log.h"

#include "cvisor/host.h"
#include "platform/base/log_json.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define BURST 50u /* lines of one site in one second */

_Atomic int g_log_level = LOG_WARNING;

/* Set by log_init, before there are threads. */
static int g_fd = 2;
static enum log_format g_format = LOG_TEXT;
static char g_who[16] = "cvisor";

void log_init(int fd, enum log_format format, enum log_level level, const char *who)
{
    g_fd = fd;
    g_format = format;
    snprintf(g_who, sizeof(g_who), "%s", who);
    atomic_store(&g_log_level, (int)level);
}

/* False: drop this line. *dropped: lines that were dropped before this one. */
static bool admit(struct log_site *site, u32 *dropped)
{
    unsigned long long now = host_now_mono() / NSEC_PER_SEC + 1;
    unsigned long long window = atomic_load_explicit(&site->window, memory_order_relaxed);

    *dropped = 0;
    if (window != now && atomic_compare_exchange_strong(&site->window, &window, now)) {
        atomic_store_explicit(&site->in_window, 1, memory_order_relaxed);
        *dropped = atomic_exchange(&site->dropped, 0);
        return true;
    }
    if (atomic_fetch_add_explicit(&site->in_window, 1, memory_order_relaxed) < BURST)
        return true;
    atomic_fetch_add_explicit(&site->dropped, 1, memory_order_relaxed);
    return false;
}

struct civil {
    int year, month, day, hour, minute, second, usec;
};

/* UTC of a time in ns since 1970. Days are counted in eras of 400 years that begin in March. */
static struct civil civil_time(u64 ns)
{
    u64 secs = ns / NSEC_PER_SEC, days = secs / 86400 + 719468, rest = secs % 86400;
    u64 era = days / 146097, doe = days % 146097;
    u64 yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    u64 doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;
    int month = (int)(mp < 10 ? mp + 3 : mp - 9);

    return (struct civil){
        .year = (int)(yoe + era * 400) + (month <= 2),
        .month = month,
        .day = (int)(doy - (153 * mp + 2) / 5 + 1),
        .hour = (int)(rest / 3600),
        .minute = (int)(rest / 60 % 60),
        .second = (int)(rest % 60),
        .usec = (int)(ns % NSEC_PER_SEC / 1000),
    };
}

/* Control characters would let a guest's string forge lines. */
static size_t text_escape(char *out, size_t room, const char *msg)
{
    static const char hex[] = "0123456789abcdef";
    size_t at = 0;

    for (; *msg && at + 4 < room; msg++) {
        u8 c = (u8)*msg;

        if (c == '\n') {
            out[at++] = '\\';
            out[at++] = 'n';
        } else if ((c < 0x20 && c != '\t') || c == 0x7f) {
            out[at++] = '\\';
            out[at++] = 'x';
            out[at++] = hex[c >> 4];
            out[at++] = hex[c & 15];
        } else {
            out[at++] = (char)c;
        }
    }
    return at;
}

void log_write(struct log_site *site, enum log_level level, const char *file, int line,
               const char *fmt, ...)
{
    static const char letters[] = "EWID";
    static const char *const names[] = {"error", "warning", "info", "debug"};
    char msg[LOG_LINE_MAX - 256], out[LOG_LINE_MAX];
    int saved = errno, len;
    u32 dropped = 0;
    struct civil t;
    const char *base;
    size_t at;
    va_list ap;

    if ((int)level > atomic_load_explicit(&g_log_level, memory_order_relaxed) && site)
        return;
    if (site && !admit(site, &dropped))
        return;
    va_start(ap, fmt);
    len = vsnprintf(msg, sizeof(msg), fmt, ap);
    va_end(ap);
    if (dropped && len >= 0 && (size_t)len < sizeof(msg))
        snprintf(msg + len, sizeof(msg) - (size_t)len, " [%u similar lines dropped]", dropped);
    base = strrchr(file, '/');
    base = base ? base + 1 : file;
    t = civil_time(host_now_real());
    if (g_format == LOG_JSON) {
        at = (size_t)snprintf(out, sizeof(out),
                              "{\"time\":\"%04d-%02d-%02dT%02d:%02d:%02d.%06dZ\",\"level\":\"%s\","
                              "\"who\":\"%s\",\"src\":\"%.64s:%d\",\"msg\":\"",
                              t.year, t.month, t.day, t.hour, t.minute, t.second, t.usec,
                              names[level], g_who, base, line);
        at += log_json_escape(out + at, sizeof(out) - at - 4, msg);
        at += (size_t)snprintf(out + at, sizeof(out) - at, "\"}\n");
    } else {
        at = (size_t)snprintf(out, sizeof(out), "%c%02d%02d %02d:%02d:%02d.%06d %s %.64s:%d] ",
                              letters[level], t.month, t.day, t.hour, t.minute, t.second, t.usec,
                              g_who, base, line);
        at += text_escape(out + at, sizeof(out) - at - 2, msg);
        out[at++] = '\n';
    }
    host_write(g_fd, out, at);
    errno = saved;
}
