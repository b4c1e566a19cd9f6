/* SPDX-License-Identifier: Apache-2.0 */
/* JSON string escaping. */
#ifndef PLATFORM_BASE_LOG_JSON_H
#define PLATFORM_BASE_LOG_JSON_H

#include "cvisor/types.h"

/* Writes at most room bytes of s, escaped, without quotes or NUL, cut at a whole character; returns
 * the length. Bytes that are not UTF-8 become U+FFFD. */
size_t log_json_escape(char *out, size_t room, const char *s);

#endif
