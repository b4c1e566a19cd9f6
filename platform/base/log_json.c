/* SPDX-License-Identifier: Apache-2.0 */
/* JSON string escaping. Input may be any bytes: names and data of a guest end up in messages. */
#include "platform/base/log_json.h"

#include <string.h>

/* Length of the well-formed UTF-8 sequence at s, or 0. A NUL ends any sequence. */
static size_t utf8_len(const u8 *s)
{
    u32 min, c;
    size_t n;

    if (s[0] < 0x80)
        return 1;
    if (s[0] >= 0xc2 && s[0] < 0xe0)
        n = 2, min = 0x80, c = s[0] & 0x1fu;
    else if (s[0] >= 0xe0 && s[0] < 0xf0)
        n = 3, min = 0x800, c = s[0] & 0xfu;
    else if (s[0] >= 0xf0 && s[0] < 0xf5)
        n = 4, min = 0x10000, c = s[0] & 7u;
    else
        return 0;
    for (size_t i = 1; i < n; i++) {
        if ((s[i] & 0xc0) != 0x80)
            return 0;
        c = c << 6 | (s[i] & 0x3fu);
    }
    return c < min || c > 0x10ffff || (c >= 0xd800 && c < 0xe000) ? 0 : n;
}

static size_t short_escape(char *out, u8 c)
{
    static const char from[] = "\"\\\n\t\r\b\f", to[] = "\"\\ntrbf";
    static const char hex[] = "0123456789abcdef";
    const char *at = c ? strchr(from, c) : NULL;

    out[0] = '\\';
    if (at) {
        out[1] = to[at - from];
        return 2;
    }
    memcpy(out + 1, "u00", 3);
    out[4] = hex[c >> 4];
    out[5] = hex[c & 15];
    return 6;
}

size_t log_json_escape(char *out, size_t room, const char *str)
{
    const u8 *s = (const u8 *)str;
    size_t at = 0, n, used;
    char one[8];

    while (*s) {
        n = utf8_len(s);
        if (n == 0) {
            memcpy(one, "\xef\xbf\xbd", 3);
            used = 3;
            n = 1;
        } else if (n == 1 && (*s < 0x20 || *s == '"' || *s == '\\' || *s == 0x7f)) {
            used = short_escape(one, *s);
        } else {
            memcpy(one, s, n);
            used = n;
        }
        if (at + used > room)
            break;
        memcpy(out + at, one, used);
        at += used;
        s += n;
    }
    return at;
}
