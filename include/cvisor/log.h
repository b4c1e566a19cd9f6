/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Logging: text or JSON lines to one host fd, rate-limited per call site. Safe before log_init
 * (goes to stderr at WARNING and above). Never allocates; a line is at most LOG_LINE_MAX bytes.
 */
#ifndef CVISOR_LOG_H
#define CVISOR_LOG_H

#include "cvisor/compiler.h"

#include <stdatomic.h>

#define LOG_LINE_MAX 4096

enum log_level { LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_DEBUG };
enum log_format { LOG_TEXT, LOG_JSON };

/* One per call site: at most burst lines in a second, then a count of what was dropped. */
struct log_site {
    atomic_ullong window; /* second of the window */
    atomic_uint in_window;
    atomic_uint dropped;
};

extern _Atomic int g_log_level; /* lines above it are not made */

/* fd is borrowed; who = "sentry", "gofer", "runsc": stands in each line. */
void log_init(int fd, enum log_format format, enum log_level level, const char *who);
void log_write(struct log_site *site, enum log_level level, const char *file, int line,
               const char *fmt, ...) __printf(5, 6);

#define log_at_(level, ...)                                                                        \
    do {                                                                                           \
        if ((int)(level) <= atomic_load_explicit(&g_log_level, memory_order_relaxed)) {            \
            static struct log_site log_site_;                                                      \
            log_write(&log_site_, level, __FILE__, __LINE__, __VA_ARGS__);                         \
        }                                                                                          \
    } while (0)
#define log_error(...) log_at_(LOG_ERROR, __VA_ARGS__)
#define log_warn(...) log_at_(LOG_WARNING, __VA_ARGS__)
#define log_info(...) log_at_(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_at_(LOG_DEBUG, __VA_ARGS__)
/* For strace and other streams that must not be rate-limited. */
#define log_raw(level, ...) log_write(NULL, level, __FILE__, __LINE__, __VA_ARGS__)

#endif
