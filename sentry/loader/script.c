/* SPDX-License-Identifier: Apache-2.0 */
/* The #! line. */
#include "sentry/loader/loader_internal.h"

#include <errno.h>
#include <string.h>

static bool blank(char c)
{
    return c == ' ' || c == '\t';
}

int script_parse(const char *buf, size_t n, struct script_line *out)
{
    const char *end, *p, *stop, *nl;

    if (n < 2 || buf[0] != '#' || buf[1] != '!')
        return 0;
    if (n > LINUX_BINPRM_BUF_SIZE)
        n = LINUX_BINPRM_BUF_SIZE;
    end = memchr(buf, 0, n);
    end = end ? end : buf + n;
    p = buf + 2;
    nl = memchr(p, '\n', (size_t)(end - p));
    stop = nl ? nl : end;
    while (p < stop && blank(*p))
        p++;
    while (stop > p && blank(stop[-1]))
        stop--;
    if (p == stop)
        return -ENOEXEC;
    for (end = p; end < stop && !blank(*end);)
        end++;
    /* A name that may go on beyond what was read is no name. */
    if (!nl && end == stop && n == LINUX_BINPRM_BUF_SIZE && end == buf + n)
        return -ENOEXEC;
    memset(out, 0, sizeof(*out));
    memcpy(out->interp, p, (size_t)(end - p));
    while (end < stop && blank(*end))
        end++;
    memcpy(out->arg, end, (size_t)(stop - end));
    return 1;
}
